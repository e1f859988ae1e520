"""Triangles and clustering: how often an agent's neighbours are neighbours of each other."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from analytics.structure.agent_ranges import for_each, ranges, threads


@dataclass(frozen=True)
class Triangles:
    """The triangles of a network's undirected view.

    Attributes
    ----------
    of_agent : (n,) int64
        Number of triangles that each agent is part of.
    degree : (n,) int64
        Number of neighbours of each agent.
    edges_between : (n,) int64
        Number of directed edges between each agent's neighbours.
    """

    of_agent: npt.NDArray[np.int64]
    degree: npt.NDArray[np.int64]
    edges_between: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of triangles of the network."""
        return int(self.of_agent.sum()) // 3

    @property
    def local_clustering(self) -> npt.NDArray[np.float64]:
        """Share of the pairs of each agent's neighbours that are connected; 0 for fewer than two neighbours."""
        return _shares(2 * self.of_agent, self.degree)

    @property
    def directed_clustering(self) -> npt.NDArray[np.float64]:
        """Share of the possible directed edges between each agent's neighbours; 0 for fewer than two neighbours."""
        return _shares(self.edges_between, self.degree)

    @property
    def transitivity(self) -> float:
        """Share of the network's paths of two edges that are closed to a triangle; 0 if there are none."""
        paths = int((self.degree * (self.degree - 1)).sum()) // 2
        return 3 * self.count / paths if paths else 0.0


def triangles(network: Edges) -> Triangles:
    """Count the triangles of a network, in its undirected view.

    A compiled kernel of Rumormill; the network is in memory. Every triangle is found once, from its agent with the
    largest dense id: since dense ids fall with degree, that is usually the one with the fewest neighbours.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    Returns
    -------
    Triangles

    References
    ----------
    Schank and Wagner (2005), Finding, counting and listing all triangles in large graphs.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> found = triangles(SparseRows(np.array([0, 3, 4, 4, 4]), np.array([1, 2, 3, 2], np.int32)))
    >>> found.of_agent.tolist(), found.count, found.transitivity
    ([1, 1, 1, 0], 1, 0.6)
    """
    edges = Adjacency.of(network).neighbours
    parts = ranges(edges.offsets, 4 * threads())
    groups = [parts[number :: threads()] for number in range(threads())]
    found = for_each(_count_ranges, ((edges.offsets, edges.agents, edges.edges, group) for group in groups))
    return Triangles(
        np.sum([of_agent for of_agent, _ in found], axis=0),
        edges.degree,
        np.sum([between for _, between in found], axis=0),
    )


def local_clustering(network: Edges, *, directed: bool = False) -> npt.NDArray[np.float64]:
    """Return the local clustering coefficient of every agent: how many of its neighbours are connected.

    A compiled kernel of Rumormill; the network is in memory. Neighbours are agents with an edge in either direction.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    directed : bool
        Whether to take the share of possible directed edges between neighbours (LDBC Graphalytics' definition, LCC)
        instead of the share of connected pairs. Both are the same in networks whose edges all have a reverse.

    Returns
    -------
    (n,) float64
        By dense id, in [0, 1]; 0 for agents with fewer than two neighbours.

    References
    ----------
    Watts and Strogatz (1998), Collective dynamics of 'small-world' networks. Iosup et al. (2016), LDBC Graphalytics.
    """
    found = triangles(network)
    return found.directed_clustering if directed else found.local_clustering


def _shares(connected: npt.NDArray[np.int64], degree: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    possible = degree * (degree - 1)
    return np.divide(connected, possible, out=np.zeros(len(degree)), where=possible > 0)


def _count_ranges(
    offsets: npt.NDArray[np.int64],
    neighbours: npt.NDArray[np.int32],
    edges: npt.NDArray[np.uint8],
    parts: list[tuple[int, int]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    n_agents = len(offsets) - 1
    of_agent, between = np.zeros(n_agents, np.int64), np.zeros(n_agents, np.int64)
    marks = np.zeros(n_agents, np.uint8)
    for first, last in parts:
        _count_triangles(offsets, neighbours, edges, first, last, marks, of_agent, between)
    return of_agent, between


@numba.njit(nogil=True, cache=True)
def _count_triangles(  # type: ignore[no-untyped-def]
    offsets, neighbours, edges, first, last, marks, of_agent, between
):
    """Add the triangles whose largest agent is in a range; `marks` is zero before and after.

    Parameters
    ----------
    offsets, neighbours, edges
        As in `analytics.structure.adjacency.Neighbours`.
    marks : (n,) uint8
        Scratch: number of directed edges between the current agent and each of its smaller neighbours.
    of_agent, between : (n,) int64
        In and out.
    """
    for agent in range(first, last):
        start, end = offsets[agent], offsets[agent]
        while end < offsets[agent + 1] and neighbours[end] < agent:
            marks[neighbours[end]] = edges[end]
            end += 1
        for edge in range(start + 1, end):
            middle = neighbours[edge]
            for inner in range(offsets[middle], offsets[middle + 1]):
                smallest = neighbours[inner]
                if smallest >= middle:
                    break
                mark = marks[np.uint32(smallest)]
                if mark:
                    of_agent[agent] += 1
                    of_agent[middle] += 1
                    of_agent[smallest] += 1
                    between[agent] += edges[inner]
                    between[middle] += mark
                    between[smallest] += edges[edge]
        for edge in range(start, end):
            marks[neighbours[edge]] = 0
