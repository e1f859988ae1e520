"""Triangles and clustering on partitions: lists of smaller neighbours, joined for one pair of partitions at a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import Neighbours, neighbours_beside
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client


class TriangleCounts(NamedTuple):
    """Triangles in the undirected view of a network, by dense id.

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


def triangle_counts(network: Network, *, partitions: int, client: "Client | None" = None) -> TriangleCounts:
    """Count the triangles of every agent, and the edges between its neighbours.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. Every triangle is found once,
    from its agent with the largest dense id: since dense ids fall with degree, that is usually the one with the fewest
    neighbours. A partition joins its lists of neighbours with those of one other partition at a time, so that memory
    holds the edges of two partitions; then it sends every agent its counts.

    Parameters
    ----------
    network : Network
    partitions : int
        Number of partitions, at least 1; never more than there are agents.
    client : distributed.Client, optional
        Default: threads of this process.

    Returns
    -------
    TriangleCounts

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Schank and Wagner (2005), Finding, counting and listing all triangles in large graphs. Arifuzzaman, Khan, Marathe
    (2013), PATRIC: a parallel algorithm for counting triangles in massive networks.
    """
    found = run(Triangles(), network, partitions=partitions, client=client)
    counts, degree = (np.concatenate(each) for each in zip(*found, strict=True))
    of_agent, edges_between, degree = map(network.of_agents, (counts[:, 0], counts[:, 1], degree))
    return TriangleCounts(of_agent, degree, edges_between)


@dataclass(frozen=True)
class Triangles(VertexProgram):
    """Triangles by joins of neighbour lists. State: triangles and edges between neighbours, (size, 2) int64."""

    name: ClassVar[str] = "triangles"

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Count the triangles whose largest agent is in the partition; send the other agents their counts."""
        own, others = np.zeros((part.size, 2), np.int64), np.zeros((len(part.agents), 2), np.int64)
        mine = part.agents[part.places]
        for number in range(part.number + 1):
            beside = part if number == part.number else neighbours_beside(part, number)
            theirs = mine if beside is part else beside.agents[beside.places]
            _join(*part.rows, mine, part.first, beside.offsets, theirs, beside.directions, beside.first, own, others)
            if beside is not part:
                beside.forget()
        counted = np.flatnonzero(others[:, 0])
        letters = part.agents[counted].astype(np.int64), others[counted]
        return Step(own, Sent(np.zeros(part.size, np.uint8), (1,), letters))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Add what other partitions counted."""
        counts = state.copy()
        np.add.at(counts, *received.letters())
        return Step(counts, Sent(np.zeros(part.size, np.uint8), (0,)))

    def result(self, part: Neighbours, state: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the counts, and the numbers of neighbours."""
        return state, np.diff(part.offsets)


@numba.njit(nogil=True, cache=True)
def _join(  # type: ignore[no-untyped-def]
    offsets, places, directions, neighbours, first,
    other_offsets, other_neighbours, other_directions, other_first,
    own, others,
):  # fmt: skip
    """Count the triangles whose largest agent is in one partition, and whose middle one is in another.

    Parameters
    ----------
    offsets, places, directions
        As in `Neighbours`.
    neighbours : int32
        Dense id of every neighbour of every agent.
    first : int
        First agent of the partition.
    other_offsets, other_neighbours, other_directions, other_first
        The same of the other partition.
    own : (size, 2) int64
        In and out: triangles and edges between neighbours, of the partition's agents.
    others : (k, 2) int64
        In and out: the same of their neighbours, by place.
    """
    other_last = other_first + len(other_offsets) - 1
    for agent in range(len(own)):
        start, end = offsets[agent], offsets[agent]
        while end < offsets[agent + 1] and neighbours[end] < first + agent:
            end += 1
        for edge in range(start, end):
            middle = np.int64(neighbours[edge])
            if not other_first <= middle < other_last:
                continue
            i, j, j_end = start, other_offsets[middle - other_first], other_offsets[middle - other_first + 1]
            while i < edge and j < j_end and other_neighbours[j] < middle:
                if neighbours[i] < other_neighbours[j]:
                    i += 1
                elif other_neighbours[j] < neighbours[i]:
                    j += 1
                else:
                    _count(own[agent], other_directions[j])
                    _count(others[places[edge]], directions[i])
                    _count(others[places[i]], directions[edge])
                    i += 1
                    j += 1


@numba.njit(nogil=True, cache=True, forceinline=True)
def _count(counts, directions):  # type: ignore[no-untyped-def]
    """Add a triangle to the counts of an agent, given the directions of the edges between the other two."""
    counts[0] += 1
    counts[1] += (directions & 1) + (directions >> 1)
