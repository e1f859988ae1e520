"""Spills: rows that memory does not hold, dealt out to buckets on disk of which it holds each.

A spill lies in a scratch folder that is removed with all that is in it, also when the work fails. Work on pieces runs
on as many threads as there are cores (kernels and file operations hold no lock of Python), and its results arrive in
the order of the pieces, a few pieces ahead at most.
"""

import fcntl
import os
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt

from data.warehouse.storage import translated

MOST_BUCKETS = 256
"""Each bucket of a spill is an open file while rows are dealt, and its number a byte."""
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Spill:
    """Buckets of int64 on disk, each in the order in which its values were dealt.

    Parameters
    ----------
    folder : Path
        A new folder is made for the buckets.
    buckets : int
        1 to `MOST_BUCKETS`.

    Examples
    --------
    >>> import tempfile
    >>> spill = Spill(Path(tempfile.mkdtemp()) / "pairs", 2)
    >>> spill.deal(np.array([7, 8, 9]), np.array([0, 1, 3]))
    >>> spill.deal(np.array([5]), np.array([0, 0, 1]))
    >>> spill.read(1).tolist()
    [8, 9, 5]
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder = folder
        self._files: list[BinaryIO] = []
        self.sizes = np.zeros(buckets, np.int64)
        with translated(str(folder)):
            folder.mkdir()

    def deal(self, values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> None:
        """Append values to the buckets.

        Parameters
        ----------
        values : (k,) int64
            In the order of their buckets.
        starts : (buckets + 1,) int64
            Where the values of each bucket begin, and k.
        """
        with translated(str(self._folder)):
            if not self._files:
                self._files = [self._path(bucket).open("ab", buffering=0) for bucket in range(len(self.sizes))]
            for bucket, file in enumerate(self._files):
                _write_all(file, values[starts[bucket] : starts[bucket + 1]])
        self.sizes += np.diff(starts)

    def read(self, bucket: int, count: int = -1) -> npt.NDArray[np.int64]:
        """Return the first `count` values of a bucket, or all: a copy, since mapped pages would count as memory."""
        path = self._path(bucket)
        return np.fromfile(path, np.int64, count) if path.exists() else np.empty(0, np.int64)

    def remove(self, bucket: int) -> None:
        """Delete a bucket that nobody reads again."""
        self._path(bucket).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files of the buckets; dealing opens them again."""
        while self._files:
            self._files.pop().close()

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket}.bin"


def _write_all(file: BinaryIO, values: npt.NDArray[Any]) -> None:
    content = values.data.cast("B") if len(values) else b""
    while len(content):
        content = content[file.write(content) :]


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Make a folder inside `beside` for the length of a block; whatever happens, it is removed.

    A process that is killed cannot remove its folder: the next one does, which finds it locked by nobody.
    """
    name = uuid.uuid4().hex
    made, folder = beside / f".new.{name}", beside / f".scratch.{name}"
    with translated(str(beside)):
        made.mkdir(parents=True)
    lock = os.open(made, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.rename(folder)
        _remove_abandoned(beside)
        yield folder
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(beside: Path) -> None:
    for folder in beside.glob(".scratch.*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def in_order(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int | None = None
) -> Generator[Result, None, None]:
    """Yield the work's result for each piece, in order, while threads work on the pieces that follow.

    Whoever stops listening leaves at most a few pieces worked on in vain.

    Parameters
    ----------
    work : callable
        Should hold no lock of Python for long.
    pieces : iterable
        Taken as they are needed, so that there may be no end of them.
    threads : int, optional
        Default: one per core.

    Examples
    --------
    >>> list(in_order(abs, [-3, 2, -1]))
    [3, 2, 1]
    """
    threads = threads or os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pieces")
    try:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
