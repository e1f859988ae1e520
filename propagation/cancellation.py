"""Cancellation of a running job, by Ctrl-C, SIGTERM or a stop flag.

Ctrl-C raises KeyboardInterrupt in the main thread. SIGTERM, and callers in other threads, set a stop flag, which a run
checks several times a second. In both cases the tasks are stopped and the caller gets RunCancelledError.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from data.progress import Progress


class StopFlag(Protocol):
    """A flag that requests the end of a run, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether the run must end."""


class StopRequestedError(Exception):
    """Raised inside a run whose stop flag was set; the engine turns it into RunCancelledError."""


@contextmanager
def stopped_by_sigterm(stop: StopFlag | None) -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the run must end: its stop flag is set, or SIGTERM arrived in the block.

    SIGTERM is handled only in the main thread, and only if no other handler is installed, such as Prefect's.
    """
    terminated = threading.Event()

    def is_set() -> bool:
        return terminated.is_set() or (stop is not None and stop.is_set())

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield is_set
        return
    signal.signal(signal.SIGTERM, lambda *_: terminated.set())
    try:
        yield is_set
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def check(is_stopped: Callable[[], bool]) -> None:
    """Raise StopRequestedError if the run must end."""
    if is_stopped():
        raise StopRequestedError


def stopping(progress: Progress, is_stopped: Callable[[], bool]) -> Progress:
    """Return a progress callback that passes changes on to `progress`, and raises if the run must end.

    Plans report progress several times a second, changed or not; an exception in the callback ends the run.
    """
    reported: list[tuple[str, float, float]] = []

    def report(stage: str, done: float, total: float) -> None:
        check(is_stopped)
        if reported[-1:] != [(stage, done, total)]:
            reported[:] = [(stage, done, total)]
            progress(stage, done, total)

    return report
