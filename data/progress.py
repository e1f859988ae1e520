"""How long work reports its progress to whoever shows it: a command line, a notebook, a Prefect artifact."""

from typing import Protocol


class Progress(Protocol):
    """A listener for progress; the data and engine layers call it, only the command line draws it."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Hear that ``done`` of ``total`` units of ``stage`` are finished (any unit, ``done <= total``)."""


def ignore_progress(stage: str, done: float, total: float) -> None:
    """Listen to nothing; the default where no one watches."""
