"""Ranges of agents for compiled kernels that run on all cores.

Every agent is computed by itself, so the values are the same for any number of threads.
"""

import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from propagation.own_threads import submit

T = TypeVar("T")
PER_THREAD = 8
"""Ranges for each thread, so that none waits long for the last one."""


def threads() -> int:
    """Return the number of threads that kernels use: one for each core."""
    return os.cpu_count() or 1


def ranges(offsets: npt.NDArray[np.int64], parts: int | None = None) -> list[tuple[int, int]]:
    """Return ranges of agents with about as many edges each.

    Parameters
    ----------
    offsets : (n + 1,) int64
        Start of each agent's row.
    parts : int, optional
        How many; default: some for each thread.

    Examples
    --------
    >>> ranges(np.array([0, 6, 7, 8, 9]), 2)
    [(0, 1), (1, 4)]
    """
    n_agents = len(offsets) - 1
    parts = parts or PER_THREAD * threads()
    work = offsets + np.arange(n_agents + 1)  # an agent without edges takes time too
    cuts = np.searchsorted(work, np.linspace(0, work[-1], parts + 1)[1:-1])
    bounds = np.unique(np.concatenate([[0], np.minimum(cuts, n_agents), [n_agents]])).tolist()
    return list(itertools.pairwise(bounds))


def for_each(work: Callable[..., T], arguments: Iterable[tuple[object, ...]]) -> list[T]:
    """Call a kernel with each of some arguments on all cores; return what the calls return, in the order given."""
    return list(in_order(work, arguments))


def in_order(work: Callable[..., T], arguments: Iterable[tuple[object, ...]]) -> Iterator[T]:
    """Yield what a kernel returns for each of some arguments, in the order given; few results wait at any time.

    If a call fails or this thread is interrupted, calls that have not begun are cancelled.
    """
    waiting: deque[Future[T]] = deque()
    try:
        for given in arguments:
            waiting.append(submit(work, *given))
            if len(waiting) > 2 * threads():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for call in waiting:
            call.cancel()
