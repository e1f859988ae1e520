"""Hop distances on partitions: breadth-first searches from several hundred agents at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import IN, OUT, Neighbours
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.networks.network import Network
from propagation.kernels.primitives import bit_count

if TYPE_CHECKING:
    from distributed import Client

LANES = 64
"""Sources of one group: one bit each."""
WORDS = 4
"""Groups that are searched from at once, so that edges are read once for all of them."""


def pairs_by_distance(
    network: Network,
    sources: Sequence[int] | npt.NDArray[np.integer[Any]],
    *,
    directed: bool = True,
    partitions: int,
    client: "Client | None" = None,
) -> npt.NDArray[np.int64]:
    """Count the pairs of a source and another agent at every distance, for each group of 64 sources.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory: breadth-first searches from 256
    sources at a time, a bit for each.

    Parameters
    ----------
    network : Network
    sources : (k,) integers
        Distinct dense ids.
    directed : bool
        Whether paths follow the direction of edges, as messages do.
    partitions : int
        Number of partitions, at least 1; never more than there are agents.
    client : distributed.Client, optional
        Default: threads of this process.

    Returns
    -------
    (groups, d) int64
        Pairs at 1, 2, ... d hops, where d is the largest distance found; pairs without a path are not counted.

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Then et al. (2014), The more the merrier: efficient multi-source graph traversal.
    """
    chosen = [int(agent) for agent in sources]
    found: list[npt.NDArray[np.int64]] = []
    for first in range(0, len(chosen), LANES * WORDS):
        program = Distances(tuple(chosen[first : first + LANES * WORDS]), directed)
        of_parts = run(program, network, partitions=partitions, client=client)
        found.extend(np.sum(of_parts, axis=0).T)  # one row for each group
    longest = max((int(np.flatnonzero(pairs)[-1]) + 1 for pairs in found if pairs.any()), default=0)
    by_group = np.zeros((len(found), longest), np.int64)
    for number, pairs in enumerate(found):
        by_group[number, : len(pairs)] = pairs[:longest]
    return by_group


class _Searches(NamedTuple):
    """State of a partition in `Distances`.

    Attributes
    ----------
    reached : (size, words) uint64
        By which sources each agent was reached.
    pairs : tuple of (words,) int64
        By superstep: how many agents were reached, by group of sources.
    """

    reached: npt.NDArray[np.uint64]
    pairs: tuple[npt.NDArray[np.int64], ...]


@dataclass(frozen=True)
class Distances(VertexProgram):
    """Breadth-first searches from up to 256 sources.

    Attributes
    ----------
    sources : tuple of int
    directed : bool
    """

    name: ClassVar[str] = "hop distances"
    sources: tuple[int, ...]
    directed: bool

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Start with the sources, each reached by itself."""
        reached = np.zeros((part.size, -(-len(self.sources) // LANES)), np.uint64)
        for number, source in enumerate(self.sources):
            if part.first <= source < part.first + part.size:
                reached[source - part.first, number // LANES] |= np.uint64(1 << number % LANES)
        return Step(_Searches(reached, ()), Sent(reached, (1,)))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Reach the agents one hop further."""
        reached, pairs = state.reached.copy(), np.zeros(state.reached.shape[1], np.int64)
        mask = IN if self.directed else IN | OUT
        news = _reach(*part.rows, received.of_neighbours, mask, reached, pairs)
        return Step(_Searches(reached, (*state.pairs, pairs)), Sent(news, (int(pairs.sum()),)))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.int64]:  # noqa: ARG002
        """Return the numbers of agents reached, (supersteps, words)."""
        return np.stack(state.pairs)


@numba.njit(nogil=True, cache=True)
def _reach(offsets, places, directions, news_of_neighbours, mask, reached, pairs):  # type: ignore[no-untyped-def]
    """Reach agents from their neighbours that were reached in the superstep before; return by whom they are now.

    Parameters
    ----------
    offsets, places, directions
        As in `Neighbours`.
    news_of_neighbours : (k, words) uint64
        By which sources each neighbour was reached in the superstep before.
    mask : int
        Directions of the edges that paths may take.
    reached : (size, words) uint64
        In and out.
    pairs : (words,) int64
        Out: pairs of a source and an agent.
    """
    news = np.zeros_like(reached)
    words = reached.shape[1]
    for agent in range(len(reached)):
        for edge in range(offsets[agent], offsets[agent + 1]):
            if directions[edge] & mask:
                place = np.uint32(places[edge])
                for word in range(words):
                    news[agent, word] |= news_of_neighbours[place, word]
        for word in range(words):
            news[agent, word] &= ~reached[agent, word]
            reached[agent, word] |= news[agent, word]
            pairs[word] += bit_count(news[agent, word])
    return news
