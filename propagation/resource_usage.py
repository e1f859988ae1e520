"""Resource usage of a job: wall-clock times, and the peak memory of this process and its descendants."""

import datetime as dt
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

SECONDS_BETWEEN_LOOKS = 0.1
LOOKS_SHARE = 0.02
"""Largest share of a core that sampling may take; a sample takes longer on machines with thousands of processes."""


class Measures:
    """Measure start, duration and peak memory of a ``with`` block, beyond the memory in use before it.

    Mapped files count once, however many processes share them. Workers on other machines are not measured.

    Parameters
    ----------
    memory : bool
        Whether memory is measured: a sample takes about half a millisecond.
    watch : bool
        Whether a thread samples several times a second; otherwise only at the beginning and the end.

    Examples
    --------
    >>> with Measures() as measures:
    ...     block = bytearray(50_000_000)
    >>> 40_000_000 < measures.peak_bytes < 500_000_000
    True
    """

    def __init__(self, *, memory: bool = True, watch: bool = True) -> None:
        self._memory, self._done = memory, threading.Event()
        self._watch = threading.Thread(target=self._look_on, name="peak-memory", daemon=True) if watch else None

    def __enter__(self) -> Self:
        self._before = self._highest = _memory_in_use() if self._memory else 0
        if self._watch is not None:
            self._watch.start()
        self.started_at, self._started = dt.datetime.now(dt.UTC), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        self._done.set()
        if self._watch is not None:
            self._watch.join()
        if self._memory:
            self._look()

    @property
    def peak_bytes(self) -> int | None:
        """Peak memory above the usage at the start; None if memory is not measured."""
        return self._highest - self._before if self._memory else None

    @property
    def columns(self) -> dict[str, Any]:
        """The measures as columns of the table `propagation_sessions`."""
        return {
            "peak_bytes": self.peak_bytes,
            "job_seconds": self.seconds,
            "started_at": self.started_at,
            "completed_at": self.started_at + dt.timedelta(seconds=self.seconds),
        }

    def _look_on(self) -> None:
        pause = SECONDS_BETWEEN_LOOKS
        while not self._done.wait(pause):
            pause = max(SECONDS_BETWEEN_LOOKS, self._look() / LOOKS_SHARE)

    def _look(self) -> float:
        """Take one sample; return the seconds it took."""
        started = time.perf_counter()
        self._highest = max(self._highest, _memory_in_use())
        return time.perf_counter() - started


def _memory_in_use() -> int:
    """Return the private bytes of this process and its descendants, plus the largest shared amount of any of them."""
    import psutil

    own, shared = 0, 0
    for process in (os.getpid(), *_descendants(os.getpid())):
        try:
            memory = psutil.Process(process).memory_info()
        except psutil.Error:  # it has just ended
            continue
        mapped = getattr(memory, "shared", 0)
        own, shared = own + memory.rss - mapped, max(shared, mapped)
    return int(own + shared)


def _descendants(process: int) -> list[int]:
    """Return the ids of all descendants of a process."""
    try:  # Linux lists the children of each thread; elsewhere psutil scans all processes, which is slow
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        import psutil

        try:
            return [child.pid for child in psutil.Process(process).children(recursive=True)]
        except psutil.Error:
            return []
    return [*children, *(further for child in children for further in _descendants(child))]
