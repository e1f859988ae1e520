"""Arrays that kernels work in: those of one call, and the scratch arrays that a task reuses from call to call."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.compiled_rules import Program
from propagation.kernels.epidemics import LATER, NEVER, ROOM, SLOTS, Attempts, Calendar
from propagation.kernels.lane_arrays import Arrivals, Contacts, Events, LaneState, Messages
from propagation.kernels.primitives import CHUNK


def new_state(program: Program, n_agents: int) -> LaneState:
    """Return the initial state of a range of agents in one lane."""

    def memory(needed: object, kind: Any) -> npt.NDArray[Any]:
        return np.zeros(n_agents if needed else 0, kind)

    return LaneState(
        np.zeros(n_agents, np.uint8),
        memory(program.recurrent, np.int32),
        memory(program.adds or program.mixing >= 0, np.int64),
        memory(program.fatigued, np.int32),
        np.empty(n_agents, np.int32),
        np.empty(n_agents, np.int32),
    )


def new_arrivals(n_agents: int, *, fatigued: bool) -> Arrivals:
    """Return empty arrivals for a range of agents, who may count the contacts they receive."""
    return Arrivals(
        np.zeros(n_agents, np.uint8),
        np.empty(n_agents, np.uint32),
        np.empty(n_agents, np.int32),
        np.zeros(n_agents, np.uint8),
        np.zeros(n_agents if fatigued else 0, np.int32),
        np.empty(n_agents, np.int32),
        np.zeros(n_agents // 64 + 1, np.uint64),
        np.empty(n_agents, np.int32),
    )


def new_messages(size: int, *, named: bool, recorded: bool) -> Messages:
    """Return empty messages.

    Parameters
    ----------
    size : int
    named : bool
        Whether they carry their sender and its tie-break draw.
    recorded : bool
        Whether what becomes of them is recorded.
    """
    return Messages(
        np.empty(size, np.int32),
        np.empty(size if named else 0, np.int32),
        np.empty(size, np.int64),
        np.empty(size if named else 0, np.uint32),
        np.empty(size if recorded else 0, np.int8),
    )


def new_events(size: int, *, competing: bool = False) -> Events:
    """Return empty activations; those of competing messages say which compartment the agent entered."""
    agent, number, infector, occasion = (np.empty(size, np.int32) for _ in range(4))
    return Events(agent, number, infector, occasion, np.empty(size if competing else 0, np.uint8))


def new_contacts(size: int) -> Contacts:
    """Return empty contacts."""
    return Contacts(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int8)
    )


class Scratch:
    """Scratch arrays for a range of agents, each made when first used; every kernel clears what it used of them.

    Parameters
    ----------
    n_agents : int
        Length of the range.
    threads : int
        Threads that work on one lane together.
    """

    def __init__(self, n_agents: int, threads: int = 1) -> None:
        self.n_agents, self.threads = n_agents, threads
        self.hits = np.zeros(CHUNK, np.uint8)
        self._messages = new_messages(0, named=False, recorded=False)
        self._arrivals: Arrivals | None = None

    @functools.cached_property
    def queues(self) -> npt.NDArray[np.int32]:
        """Two queues of agents, (2, n) int32."""
        return np.empty((2, self.n_agents), np.int32)

    @functools.cached_property
    def queue(self) -> npt.NDArray[np.int32]:
        """A queue of agents, (n,) int32: the first of `queues`."""
        return self.queues[0]

    @functools.cached_property
    def touched(self) -> npt.NDArray[np.int32]:
        """Agents whose reach was counted, (n,) int32."""
        return np.empty(self.n_agents, np.int32)

    @functools.cached_property
    def reached_bits(self) -> npt.NDArray[np.uint8]:
        """One bit per agent, zero."""
        return np.zeros(self.n_agents // 8 + 1, np.uint8)

    @functools.cached_property
    def arrived_of_threads(self) -> npt.NDArray[np.uint64]:
        """One bit per thread and agent, zero."""
        return np.zeros((self.threads, self.n_agents // 64 + 1), np.uint64)

    @property
    def arrived(self) -> npt.NDArray[np.uint64]:
        """One bit per agent, zero."""
        return self.arrived_of_threads[0]

    @functools.cached_property
    def lane_masks(self) -> npt.NDArray[np.uint64]:
        """One bit per lane of a word and agent, (n,) uint64, zero."""
        return np.zeros(self.n_agents, np.uint64)

    @functools.cached_property
    def lacking(self) -> npt.NDArray[np.uint32]:
        """What agents' sums lack of their thresholds, (n,) uint32, zero."""
        return np.zeros(self.n_agents, np.uint32)

    @functools.cached_property
    def added(self) -> npt.NDArray[np.int32]:
        """Agents whose sums were added to, (n + 1,) int32."""
        return np.empty(self.n_agents + 1, np.int32)

    @functools.cached_property
    def calendar(self) -> Calendar:
        """Scheduled transitions of an epidemic; its bits of reached agents are `reached_bits`."""
        return Calendar(
            self.reached_bits,
            np.full(self.n_agents, NEVER, np.uint8),
            np.empty(self.n_agents, np.int32),
            np.empty((SLOTS, self.n_agents), np.int32),
            np.empty((SLOTS, self.n_agents), np.int32),
            np.zeros((4, SLOTS), np.int64),
        )

    @functools.cached_property
    def attempts(self) -> Attempts:
        """Contacts waiting to be drawn together, none so far."""
        lines = (2 * LATER, ROOM)
        return Attempts(
            np.empty(lines, np.uint64),
            np.empty(lines, np.int32),
            np.empty(lines, np.int32),
            np.zeros(2 * LATER, np.int64),
            np.empty(ROOM, np.uint32),
            np.empty(ROOM, np.uint32),
            np.empty(ROOM, np.uint32),
            np.empty(ROOM, np.uint32),
            np.zeros(ROOM, np.uint8),
        )

    def arrivals(self, program: Program) -> Arrivals:
        """Return arrivals as a model needs them."""
        found = self._arrivals
        if found is None or (program.fatigued and not len(found.fresh)):
            found = self._arrivals = new_arrivals(self.n_agents, fatigued=bool(program.fatigued))
        return found

    def messages(self, size: int, *, named: bool) -> Messages:
        """Return messages with room for `size`; see `new_messages`. Only pages that were used take memory."""
        if len(self._messages.dst) < size or named != (len(self._messages.src) > 0):
            self._messages = new_messages(size, named=named, recorded=False)
        return self._messages
