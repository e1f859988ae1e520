"""Stop flags: they pass the cancellation of a run on to its running tasks, in every process."""

import functools
import os
import threading

import numpy as np
import numpy.typing as npt


class StoppedError(Exception):
    """Raised inside a task whose stop flag was set; never reaches the user."""


_flag_lock = threading.Lock()


def stop_flag(job: str) -> npt.NDArray[np.uint8]:
    """Return the flag of a job in this process, (1,) uint8; kernels end at the next round once it is set."""
    with _flag_lock:  # the cache alone could give each of several concurrent threads its own flag
        return _cached_flag(job)


@functools.lru_cache(maxsize=64)
def _cached_flag(job: str) -> npt.NDArray[np.uint8]:  # noqa: ARG001 (the cache's key)
    return np.zeros(1, np.uint8)


def _renew_lock() -> None:
    """Make a new lock, in a forked child: another thread of the parent may have held the inherited one."""
    global _flag_lock
    _flag_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def request_stop(*jobs: str) -> None:
    """Set the stop flags of some jobs in this process."""
    for job in jobs:
        stop_flag(job)[0] = 1


def check_stop(job: str) -> None:
    """Raise StoppedError if a job is to stop."""
    if stop_flag(job)[0]:
        raise StoppedError
