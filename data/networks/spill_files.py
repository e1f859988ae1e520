"""Spill files: rows that exceed memory, distributed to buckets on disk that each fit in memory.

A spill is written to a scratch folder, which is removed with its content even if the work fails. Pieces are processed
on as many threads as there are cores (kernels and file operations release the GIL). Results arrive in the order of the
pieces, and at most a few are computed ahead.
"""

import fcntl
import os
import shutil
import time
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
"""Each bucket of a spill is an open file while rows are appended, and its number fits in a byte."""
ABANDONED_SECONDS = 3600.0
"""Age from which a scratch folder that was made, but never locked, belongs to a process that has ended."""
Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Spill:
    """Buckets of int64 on disk, each in the order in which its values were appended.

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
    >>> spill.append(np.array([7, 8, 9]), np.array([0, 1, 3]))
    >>> spill.append(np.array([5]), np.array([0, 0, 1]))
    >>> spill.read(1).tolist()
    [8, 9, 5]
    """

    def __init__(self, folder: Path, buckets: int) -> None:
        self._folder = folder
        self._files: list[BinaryIO] = []
        self.sizes = np.zeros(buckets, np.int64)
        with translated(str(folder)):
            folder.mkdir()

    def append(self, values: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]) -> None:
        """Append values to the buckets.

        Parameters
        ----------
        values : (k,) int64
            In the order of their buckets.
        starts : (buckets + 1,) int64
            Start of each bucket in `values`, then k.
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
        """Delete a bucket that is no longer needed."""
        self._path(bucket).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files of the buckets; `append` reopens them."""
        while self._files:
            self._files.pop().close()

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket}.bin"


def _write_all(file: BinaryIO, values: npt.NDArray[Any]) -> None:
    content = values.data.cast("B") if len(values) else b""
    while len(content):
        content = content[file.write(content) :]


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder inside `parent` for the duration of a block, and always remove it.

    A killed process leaves its folder behind; a later process finds it unlocked and removes it.
    """
    name = uuid.uuid4().hex
    made, folder = parent / f".new.{name}", parent / f".scratch.{name}"
    with translated(str(parent)):
        made.mkdir(parents=True)
    lock = os.open(made, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.rename(folder)
        _remove_abandoned(parent)
        yield folder
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    # A folder that is being made is not locked yet, so only an old one counts as abandoned.
    unfinished = [folder for folder in parent.glob(".new.*") if _age(folder) > ABANDONED_SECONDS]
    for folder in [*parent.glob(".scratch.*"), *unfinished]:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)


def _age(folder: Path) -> float:
    """Return the seconds since a folder was changed; 0 if it is gone."""
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0


def in_order(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], threads: int | None = None
) -> Generator[Result, None, None]:
    """Yield the result of `work` for each piece, in order, while threads work on the pieces that follow.

    If the consumer stops early, the work on at most a few pieces is wasted.

    Parameters
    ----------
    work : callable
        Should mostly run without the GIL.
    pieces : iterable
        Consumed lazily, so it may be infinite.
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
