"""Cancellation: how a run that is under way learns that it is to end.

Ctrl-C raises KeyboardInterrupt in the main thread. SIGTERM, and callers in other threads, set a stop flag, which a run
looks at several times a second. Either way the tasks are told to stop, and the caller gets RunCancelledError.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from data.progress import Progress


class StopFlag(Protocol):
    """What says that a run is to end, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Return whether the run is to end."""


class StopRequestedError(Exception):
    """Raised inside a run whose stop flag was set; the engine turns it into RunCancelledError."""


@contextmanager
def stopped_by_sigterm(stop: StopFlag | None) -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a run is to end: because of its stop flag, or of SIGTERM inside the block.

    SIGTERM is listened to in the main thread, and only where nobody else does: Prefect, for one, has its own way.
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
    """Raise StopRequestedError if a run is to end."""
    if is_stopped():
        raise StopRequestedError


def stopping(progress: Progress, is_stopped: Callable[[], bool]) -> Progress:
    """Return a listener that hands progress on, and ends the run that reports it once that is to end.

    Plans report progress several times a second, changed or not; what a listener raises ends the run.
    """
    told: list[tuple[str, float, float]] = []

    def heard(stage: str, done: float, total: float) -> None:
        check(is_stopped)
        if told[-1:] != [(stage, done, total)]:
            told[:] = [(stage, done, total)]
            progress(stage, done, total)

    return heard
