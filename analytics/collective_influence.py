"""Collective influence: agents whose removal breaks a network apart soonest."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from analytics.structure.agent_ranges import for_each, threads
from data.errors import InvalidInputError

MOST_STEPS = 2_000_000_000
"""Most edges to examine with the usual radius of 2, which takes about ten seconds on two cores."""


@dataclass(frozen=True)
class CollectiveInfluence:
    """Agents in the order of their collective influence.

    Attributes
    ----------
    order : (n,) int64
        Numbers of the agents: those that were removed, in their order, then the others by falling influence.
    scores : (n,) int64
        Collective influence by number: of those removed just before their removal, of the others in what remains.
    radius : int
        Radius of the balls.
    """

    order: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int64]
    radius: int


def collective_influence(network: Edges, *, removals: int, radius: int | None = None) -> CollectiveInfluence:
    """Return the agents by collective influence, the first of them in the order of an adaptive removal.

    Compiled kernels of Rumormill; the network is in memory. In the undirected view, an agent of degree k has the
    influence ``(k - 1) * sum(k_j - 1)`` over the agents j at a distance of exactly `radius`. The most influential agent
    is removed (the lowest dense id of equal ones), influences are updated, and so on. The paper's last step, putting
    agents back while the rest stays in small pieces, is not done: it looks for a smallest set, not for an order.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    removals : int
        Agents to remove, at least 0.
    radius : int, optional
        At least 1. Default: 2, or 1 where that would look at more than two billion edges, as hubs make it do.

    Returns
    -------
    CollectiveInfluence

    Raises
    ------
    InvalidInputError
        If a parameter is out of its range.

    References
    ----------
    Morone and Makse (2015), Influence maximization in complex networks through optimal percolation, Nature 524.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> path = SparseRows(np.array([0, 1, 3, 5, 7, 8]), np.array([1, 0, 2, 1, 3, 2, 4, 3], np.int32))
    >>> found = collective_influence(path, removals=1, radius=1)
    >>> found.order.tolist(), found.scores.tolist()
    ([2, 0, 1, 3, 4], [0, 0, 2, 0, 0])
    """
    if removals < 0:
        raise InvalidInputError(f"removals {removals} is less than 0")
    if radius is not None and radius < 1:
        raise InvalidInputError(f"radius {radius} is less than 1; leave it out for the usual one")
    view = Adjacency.of(network).neighbours
    offsets, neighbours, degree = view.offsets, view.agents, view.degree.copy()
    if radius is None:
        radius = 2 if (removals + 1) * float((degree.astype(np.float64) ** 2).sum()) <= MOST_STEPS else 1
    is_removed, scores = np.zeros(len(degree), np.bool_), np.zeros(len(degree), np.int64)
    removed: list[int] = []
    changed = np.arange(len(degree))
    for _ in range(min(removals, len(degree)) + 1):
        parts = np.array_split(changed, 4 * threads())
        for_each(_update, ((offsets, neighbours, degree, is_removed, radius, part, scores) for part in parts))
        if len(removed) == min(removals, len(degree)):
            break
        most = int(np.argmax(np.where(is_removed, -1, scores)))
        changed = _ball(offsets, neighbours, is_removed, radius + 1, most)
        removed.append(most)
        is_removed[most] = True
        degree[neighbours[offsets[most] : offsets[most + 1]]] -= 1
        changed = changed[~is_removed[changed]]
    rest = np.argsort(-scores, kind="stable")
    return CollectiveInfluence(np.concatenate([np.array(removed, np.int64), rest[~is_removed[rest]]]), scores, radius)


@numba.njit(nogil=True, cache=True)
def _update(offsets, neighbours, degree, is_removed, radius, agents, scores):  # type: ignore[no-untyped-def]
    """Compute the collective influence of some agents."""
    seen = np.full(len(degree), -1, np.int32)
    queue = np.empty(len(degree), np.int32)
    for place in range(len(agents)):
        agent = agents[place]
        scores[agent] = 0
        if degree[agent] <= 1:
            continue
        first, last = _rings(offsets, neighbours, is_removed, radius, agent, np.int32(place), seen, queue)
        total = 0
        for position in range(first, last):
            total += degree[queue[position]] - 1
        scores[agent] = (degree[agent] - 1) * total


@numba.njit(nogil=True, cache=True)
def _rings(offsets, neighbours, is_removed, radius, agent, mark, seen, queue):  # type: ignore[no-untyped-def]
    """Search breadth-first from an agent; return the range of the queue that holds those at distance `radius`."""
    seen[agent] = mark
    queue[0] = agent
    first, last = 0, 1
    for _ in range(radius):
        end = last
        for position in range(first, last):
            found = queue[position]
            for edge in range(offsets[found], offsets[found + 1]):
                other = neighbours[edge]
                if seen[other] != mark and not is_removed[other]:
                    seen[other] = mark
                    queue[end] = other
                    end += 1
        first, last = last, end
    return first, last


@numba.njit(nogil=True, cache=True)
def _ball(offsets, neighbours, is_removed, radius, agent):  # type: ignore[no-untyped-def]
    """Return the agents within a distance of an agent, (k,) int64."""
    seen = np.full(len(offsets) - 1, -1, np.int32)
    queue = np.empty(len(offsets) - 1, np.int32)
    _, last = _rings(offsets, neighbours, is_removed, radius, agent, np.int32(0), seen, queue)
    return queue[:last].astype(np.int64)
