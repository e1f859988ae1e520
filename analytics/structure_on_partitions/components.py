"""Connected components on partitions: weakly by pointer jumping, strongly by colouring."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure_on_partitions.neighbours import IN, OUT, Neighbours
from analytics.structure_on_partitions.supersteps import Array, Received, Sent, Step, VertexProgram, run
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client


def weak_components(network: Network, *, partitions: int, client: "Client | None" = None) -> npt.NDArray[np.int32]:
    """Return the weakly connected component of every agent, named by its smallest dense id.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. Every agent points to a smaller
    one of its component; pointers are hooked onto smaller ones and shortened, which takes a number of rounds that grows
    with the logarithm of the component's diameter.

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
        Smallest dense id of the component, by dense id.

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Zhang, Azad, Hu (2020), FastSV: a distributed-memory connected component algorithm with fast convergence.
    """
    found = run(WeakComponents(), network, partitions=partitions, client=client)
    return network.of_agents(np.concatenate(found))


@dataclass(frozen=True)
class WeakComponents(VertexProgram):
    """Pointers to smaller agents of the same component; all end at its smallest.

    In every superstep an agent takes the smallest pointer that it hears of, and its former parent is sent the same.
    """

    name: ClassVar[str] = "weakly connected components"

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Let every agent point to itself."""
        parents = part.own.astype(np.int32)
        return Step(parents, Sent(parents, (part.size,)))

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Let pointers follow smaller ones, and shorten them."""
        grandparents = received.of(state)
        of_neighbours = received.of(received.of_neighbours)
        smallest = _smallest_of_neighbours(*part.rows, of_neighbours, grandparents)
        parents = np.minimum(state, smallest)
        recipients, values = received.letters()
        np.minimum.at(parents, recipients, values)
        hooked = smallest < grandparents
        letters = _smallest_by_recipient(state[hooked], smallest[hooked])
        todo = int((parents != state).sum()) + len(letters[0])
        return Step(parents, Sent(parents, (todo,), letters))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.int32]:  # noqa: ARG002
        """Return the pointers."""
        parents: npt.NDArray[np.int32] = state
        return parents


def _smallest_by_recipient(
    recipients: npt.NDArray[np.int32], values: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return one letter for each recipient, ascending, with the smallest value for it."""
    distinct, numbers = np.unique(recipients, return_inverse=True)
    smallest = np.full(len(distinct), np.iinfo(np.int32).max, np.int32)
    np.minimum.at(smallest, numbers, values)
    return distinct.astype(np.int64), smallest


@numba.njit(nogil=True, cache=True)
def _smallest_of_neighbours(offsets, places, _directions, values, own):  # type: ignore[no-untyped-def]
    """Return the smallest of each agent's own value and those of its neighbours."""
    smallest = own.copy()
    for agent in range(len(own)):
        for edge in range(offsets[agent], offsets[agent + 1]):
            smallest[agent] = min(smallest[agent], values[np.uint32(places[edge])])
    return smallest


# -- strongly connected -----------------------------------------------------------------------------------------------


def strong_components(network: Network, *, partitions: int, client: "Client | None" = None) -> npt.NDArray[np.int32]:
    """Return the strongly connected component of every agent, named by its smallest dense id.

    Our own kernels on partitions of the agents, for networks whose edges exceed memory. Agents without in-edges or
    without out-edges are set aside; the others take the smallest agent that reaches them as their colour; those that
    reach the agent of their colour form a component with it; the rest starts again. The number of rounds grows with the
    longest shortest paths inside components and the number of such layers: few in social networks, many in long chains.

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
        Smallest dense id of the component, by dense id.

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost.

    References
    ----------
    Orzan (2004), On distributed verification and verified distribution (colouring). McLendon, Hendrickson, Plimpton,
    Rauchwerger (2005), Finding strongly connected components in distributed graphs (trimming).
    """
    found = run(StrongComponents(), network, partitions=partitions, client=client)
    return network.of_agents(np.concatenate(found))


TRIM, COLOUR, COLLECT = range(3)
"""Phases: set aside agents that are components by themselves; spread colours along edges; go back along them."""
SETTLED = np.int32(np.iinfo(np.int32).max)
"""Sent by agents whose component is known."""


class _Colours(NamedTuple):
    """State of a partition in `StrongComponents`.

    Attributes
    ----------
    phase : int
        Which messages were sent last.
    components, colours : (size,) int32
        Component, -1 while unknown; smallest agent known to reach the agent.
    collected : (size,) bool
        Whether the agent reaches the agent of its colour.
    """

    phase: int
    components: npt.NDArray[np.int32]
    colours: npt.NDArray[np.int32]
    collected: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class StrongComponents(VertexProgram):
    """Strongly connected components by trimming and colouring.

    Totals are the agents whose component is unknown, and the changes of the last superstep: a phase ends when there are
    none. In phases `TRIM` and `COLOUR` agents send their colours, in phase `COLLECT` only those collected do.
    """

    name: ClassVar[str] = "strongly connected components"

    def begin(self, part: Neighbours, given: Array | None) -> Step:  # noqa: ARG002
        """Start trimming, with every agent its own colour."""
        colours = part.own.astype(np.int32)
        components = np.where(part.is_agent, np.int32(-1), colours)
        return self._step(_Colours(TRIM, components, colours, np.zeros(part.size, np.bool_)), 1)

    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Continue the present phase, or begin the next if nothing changed."""
        if received.totals[1] == 0:
            return self._next_phase(part, state)
        heard, unknown = received.of_neighbours, state.components < 0
        if state.phase == TRIM:
            alone = _without_in_or_out(*part.rows, heard) & unknown
            components = np.where(alone, part.own.astype(np.int32), state.components)
            return self._step(state._replace(components=components), int(alone.sum()))
        if state.phase == COLOUR:
            colours = _smallest_in(*part.rows, heard, state.colours)
            colours = np.where(unknown, colours, state.colours)
            return self._step(state._replace(colours=colours), int((colours != state.colours).sum()))
        collected = _any_out(*part.rows, heard, state.colours) & unknown | state.collected
        return self._step(state._replace(collected=collected), int((collected != state.collected).sum()))

    def _next_phase(self, part: Neighbours, state: _Colours) -> Step:
        own, unknown = part.own.astype(np.int32), state.components < 0
        if state.phase == TRIM:
            return self._step(state._replace(phase=COLOUR, colours=own), 1)
        if state.phase == COLOUR:
            return self._step(state._replace(phase=COLLECT, collected=unknown & (state.colours == own)), 1)
        components = np.where(state.collected, state.colours, state.components)
        return self._step(_Colours(TRIM, components, own, np.zeros(part.size, np.bool_)), 1)

    def _step(self, state: _Colours, changes: int) -> Step:
        unknown = state.components < 0
        speaks = state.collected if state.phase == COLLECT else unknown
        values = np.where(speaks, state.colours, SETTLED)
        return Step(state, Sent(values, (int(unknown.sum()), changes)))

    def result(self, part: Neighbours, state: Any) -> npt.NDArray[np.int32]:  # noqa: ARG002
        """Return the components."""
        components: npt.NDArray[np.int32] = state.components
        return components


@numba.njit(nogil=True, cache=True)
def _without_in_or_out(offsets, places, directions, values):  # type: ignore[no-untyped-def]
    """Return whether each agent lacks in-edges from, or out-edges to, agents whose component is unknown."""
    alone = np.empty(len(offsets) - 1, np.bool_)
    for agent in range(len(alone)):
        seen = 0
        for edge in range(offsets[agent], offsets[agent + 1]):
            if values[np.uint32(places[edge])] != SETTLED:
                seen |= directions[edge]
                if seen == IN | OUT:
                    break
        alone[agent] = seen != IN | OUT
    return alone


@numba.njit(nogil=True, cache=True)
def _smallest_in(offsets, places, directions, values, own):  # type: ignore[no-untyped-def]
    """Return the smallest of each agent's own value and those of its in-neighbours."""
    smallest = own.copy()
    for agent in range(len(own)):
        for edge in range(offsets[agent], offsets[agent + 1]):
            if directions[edge] & IN:
                smallest[agent] = min(smallest[agent], values[np.uint32(places[edge])])
    return smallest


@numba.njit(nogil=True, cache=True)
def _any_out(offsets, places, directions, values, own):  # type: ignore[no-untyped-def]
    """Return whether any out-neighbour of each agent has the agent's own value."""
    found = np.zeros(len(own), np.bool_)
    for agent in range(len(own)):
        for edge in range(offsets[agent], offsets[agent + 1]):
            if directions[edge] & OUT and values[np.uint32(places[edge])] == own[agent]:
                found[agent] = True
                break
    return found
