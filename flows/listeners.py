"""Listeners to the progress of runs in this process: the command line's bars. On a worker there are none."""

from collections.abc import Iterator
from contextlib import contextmanager

from data.progress import Progress, ignore_progress

_listeners: dict[str, Progress] = {}
"""Listeners by the stored run that they listen to."""


@contextmanager
def listening(run: str, listener: Progress) -> Iterator[None]:
    """Let `listener` hear the progress of a stored run, ``run/<id>``, inside the block."""
    _listeners[run] = listener
    try:
        yield
    finally:
        _listeners.pop(run, None)


def listener_of(run: str) -> Progress:
    """Return who listens to the progress of a stored run in this process."""
    return _listeners.get(run, ignore_progress)
