"""Threads of this process, for jobs that are too short for Dask: starting a cluster takes longer than they do."""

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_pools: dict[int, ThreadPoolExecutor] = {}
"""The pool of this process by its id: after a fork the child's copy of a pool has no threads."""


class OwnThreads:
    """The threads of this process where the planner expects a cluster: they are counted, and none is started."""

    def nthreads(self) -> Mapping[str, int]:
        """Return the threads by worker, as `distributed.Client.nthreads` does: of one worker, a thread per core."""
        return {"this process": os.cpu_count() or 1}


def submit(function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a function on a thread of this process; threads are started when first needed, and kept."""
    pool = _pools.get(os.getpid())
    if pool is None:
        pool = _pools.setdefault(os.getpid(), ThreadPoolExecutor(os.cpu_count() or 1, "lanes"))
    return pool.submit(function, *arguments)


def in_parallel(function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> list[T]:
    """Call a function with each tuple of arguments on threads of this process; return the results in their order.

    If a call fails or this thread is interrupted, calls that have not begun are cancelled.
    """
    futures = [submit(function, *arguments) for arguments in calls]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
