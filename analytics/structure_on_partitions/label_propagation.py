"""Label propagation (CDLP) on partitions."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import IN, OUT, Neighbours
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.errors import InvalidInputError
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client

ROUNDS = 10
"""Rounds of label propagation, unless others are asked for."""


def label_propagation(
    network: Network,
    *,
    rounds: int = ROUNDS,
    initial: npt.NDArray[np.int64] | None = None,
    partitions: int,
    client: "Client | None" = None,
) -> npt.NDArray[np.int64]:
    """Return the label of every agent after some rounds of synchronous label propagation.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. Every agent starts with a label
    of its own. In each round all agents at once take the label that is most frequent among their neighbours, the
    smallest of several; a neighbour with edges in both directions counts twice: LDBC Graphalytics' definition (CDLP).

    Parameters
    ----------
    network : Network
    rounds : int
        Most rounds; it ends earlier when no label changes.
    initial : (n,) int64, optional
        Labels at the start, by dense id, which decide ties; default: the agents' numbers.
    partitions : int
        Number of partitions, at least 1; never more than there are agents.
    client : distributed.Client, optional
        Default: threads of this process.

    Returns
    -------
    (n,) int64
        One of the initial labels, by dense id.

    Raises
    ------
    InvalidInputError
        If `rounds` is negative, or there are not as many labels as agents.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Raghavan, Albert, Kumara (2007), Near linear time algorithm to detect community structures in large-scale networks.
    Iosup et al. (2016), LDBC Graphalytics.
    """
    if rounds < 0:
        raise InvalidInputError(f"rounds {rounds} is negative; the usual number is {ROUNDS}")
    names = np.arange(network.n_agents) if initial is None else np.asarray(initial, np.int64)
    if len(names) != network.n_agents:
        raise InvalidInputError(f"{len(names):,} initial labels for {network.n_agents:,} agents; give one for each")
    # Labels travel as their numbers in ascending order, so the smallest number is the smallest label.
    distinct, numbers = np.unique(names, return_inverse=True)
    given = np.zeros(network.n_ids, np.int32)
    given[network.dense_agents] = numbers
    found = run(LabelPropagation(rounds), network, partitions=partitions, client=client, given=given)
    return distinct[network.of_agents(np.concatenate(found))]


@dataclass(frozen=True)
class LabelPropagation(VertexProgram):
    """Synchronous label propagation.

    Attributes
    ----------
    rounds : int
        Number of partitions, at least 1; never more than there are agents.
    """

    name: ClassVar[str] = "label propagation"
    rounds: int

    def lasts(self, superstep: int, totals: tuple[int, ...]) -> bool:
        """Return whether there are rounds left, and labels still change."""
        return superstep < self.rounds and totals[0] > 0

    def begin(self, part: Neighbours, given: Array | None) -> Step:
        """Start with the given labels."""
        assert given is not None, "label propagation starts from given labels"
        return Step(given, Sent(given, (part.size,)))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Take the most frequent labels."""
        distinct, codes = np.unique(received.of_neighbours, return_inverse=True)
        labels = state.copy()
        _take_most_frequent(*part.rows, codes.astype(np.int32), distinct, labels)
        return Step(labels, Sent(labels, (int((labels != state).sum()),)))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.int32]:  # noqa: ARG002
        """Return the labels."""
        labels: npt.NDArray[np.int32] = state
        return labels


@numba.njit(nogil=True, cache=True)
def _take_most_frequent(offsets, places, directions, codes, distinct, labels):  # type: ignore[no-untyped-def]
    """Set the label of every agent that has neighbours.

    Parameters
    ----------
    offsets, places, directions
        As in `Neighbours`.
    codes : int32
        Position in `distinct` of each neighbour's label.
    distinct : int32
        Labels, ascending.
    labels : (size,) int32
        Out.
    """
    counts = np.zeros(len(distinct), np.int32)
    for agent in range(len(labels)):
        best, most = np.int32(0), 0
        for edge in range(offsets[agent], offsets[agent + 1]):
            code = codes[np.uint32(places[edge])]
            counts[code] += 2 if directions[edge] == IN | OUT else 1
            if counts[code] > most or (counts[code] == most and code < best):
                best, most = code, counts[code]
        if most:
            labels[agent] = distinct[best]
        for edge in range(offsets[agent], offsets[agent + 1]):
            counts[codes[np.uint32(places[edge])]] = 0
