"""Core numbers on partitions, by h-indices."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import Neighbours
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client


def core_numbers(network: Network, *, partitions: int, client: "Client | None" = None) -> npt.NDArray[np.int32]:
    """Return the core number of every agent, in the undirected view of the network.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. Every agent starts with its
    number of neighbours and replaces it, again and again, by the largest k such that k neighbours have at least k.

    Parameters
    ----------
    network : Network
    partitions : int
        Number of partitions, at least 1; never more than there are agents.
    client : distributed.Client, optional
        Default: threads of this process.

    Returns
    -------
    (n,) int32
        By dense id.

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Montresor, De Pellegrini, Miorandi (2013), Distributed k-core decomposition. Lü, Zhou, Zhang, Stanley (2016), The
    H-index of a network node and its relation to degree and coreness.
    """
    found = run(CoreNumbers(), network, partitions=partitions, client=client)
    return network.of_agents(np.concatenate(found))


@dataclass(frozen=True)
class CoreNumbers(VertexProgram):
    """Upper bounds of core numbers, lowered until none changes."""

    name: ClassVar[str] = "core numbers"

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Start with the numbers of neighbours."""
        degree = np.diff(part.offsets).astype(np.int32)
        return Step(degree, Sent(degree, (part.size,)))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Lower the bounds."""
        bounds = state.copy()
        changed = _lower(*part.rows, received.of_neighbours, bounds)
        return Step(bounds, Sent(bounds, (changed,)))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.int32]:  # noqa: ARG002
        """Return the bounds."""
        bounds: npt.NDArray[np.int32] = state
        return bounds


@numba.njit(nogil=True, cache=True)
def _lower(offsets, places, _directions, values, bounds):  # type: ignore[no-untyped-def]
    """Replace each bound by the largest k up to it such that k neighbours have at least k; return how many changed."""
    counts = np.zeros(bounds.max() + 1, np.int32)  # of neighbours by their value, up to the agent's bound
    changed = 0
    for agent in range(len(bounds)):
        bound = bounds[agent]
        enough = 0
        for edge in range(offsets[agent], offsets[agent + 1]):
            enough += values[np.uint32(places[edge])] >= bound
        if enough >= bound:
            continue
        for edge in range(offsets[agent], offsets[agent + 1]):
            counts[min(values[np.uint32(places[edge])], bound)] += 1
        above = 0
        for k in range(bound, -1, -1):
            above += counts[k]
            counts[k] = 0
            if above >= k:
                bounds[agent] = k
                counts[:k] = 0
                break
        changed += 1
    return changed
