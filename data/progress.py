"""The protocol of progress callbacks: long-running work calls them, the caller decides how to display progress."""

from typing import Protocol


class Progress(Protocol):
    """A progress callback; the data and engine layers call it, flows and the command line display it."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Report that ``done`` of ``total`` units of ``stage`` are finished (any unit, ``done <= total``)."""


def ignore_progress(stage: str, done: float, total: float) -> None:
    """Do nothing: the default callback."""
