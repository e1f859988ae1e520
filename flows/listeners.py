"""Progress listeners for runs in this process, such as the command line's bars. Workers have none."""

from collections.abc import Iterator
from contextlib import contextmanager

from data.progress import Progress, ignore_progress

_listeners: dict[str, Progress] = {}
"""Listeners by reference of the stored run."""


@contextmanager
def listening(run: str, listener: Progress) -> Iterator[None]:
    """Pass the progress of a stored run, ``run/<id>``, to `listener` inside the block."""
    _listeners[run] = listener
    try:
        yield
    finally:
        for known in [known for known, each in _listeners.items() if each is listener]:
            del _listeners[known]


def listener_of(run: str) -> Progress:
    """Return the progress listener of a stored run in this process."""
    return _listeners.get(run, ignore_progress)


def hand_on(run: str, successor: str) -> None:
    """Let the listener of a stored run hear of the run that continues it too, as long as it listens."""
    if run in _listeners:
        _listeners[successor] = _listeners[run]
