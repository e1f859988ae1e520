"""State of a partition of the network: a log that is never altered, and dense arrays that a worker keeps beside it."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.kernels import partitions as kernels
from propagation.kernels.lane_arrays import Arrivals, Contacts, Events, Messages
from propagation.kernels.partitions import LaneStates, Live, Touched
from propagation.plans.rule_lanes import new_arrivals, new_messages
from propagation.programs import Program, constant_array


@dataclass(frozen=True)
class PartitionState:
    """State of the agents of a partition after a round, and what happened since the last checkpoint.

    Attributes
    ----------
    number : int
        The round.
    log : tuple of Touched
        Who changed to what, by round; later ones count.
    live : Live
    counts : tuple of (lanes, COUNTS) arrays
        By round.
    events, contacts : tuple of tuples
        (lane, rows) by round.
    trials : int
        Edges looked at.
    """

    number: int
    log: tuple[Touched, ...]
    live: Live
    counts: tuple[npt.NDArray[np.int64], ...] = ()
    events: tuple[tuple[npt.NDArray[np.int32], Events], ...] = ()
    contacts: tuple[tuple[npt.NDArray[np.int32], Contacts], ...] = ()
    trials: int = 0


def read_only(rows: Any) -> Any:
    """Return named arrays as kernels take those that came from another task."""
    return type(rows)(*map(constant_array, rows))


def trimmed(rows: Any) -> Any:
    """Return rows by lane, cut to what is used."""
    return type(rows)(rows.ends, *(column[: rows.ends[-1]].copy() for column in rows[1:]))


def _remembers(program: Program) -> tuple[bool, bool, bool]:
    """Return whether agents remember occasions, weights and contacts."""
    return bool(program.recurrent), bool(program.adds or program.mixing >= 0), bool(program.fatigued)


def new_touched(program: Program, lanes: int, room: int) -> Touched:
    """Return room for the states of some agents."""
    occasion, weight, contacts = (room if needed else 0 for needed in _remembers(program))
    return Touched(
        np.zeros(lanes + 1, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.uint8),
        np.empty(occasion, np.int32),
        np.empty(weight, np.int64),
        np.empty(contacts, np.int32),
    )


def new_live(lanes: int, room: int) -> Live:
    """Return room for live agents."""
    columns = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint8), np.empty(room, np.int32))
    return Live(np.zeros(lanes + 1, np.int64), *columns)


# -- dense arrays ---------------------------------------------------------------------------------------------------


def state_bytes(program: Program) -> int:
    """Return the bytes that the dense arrays hold for an agent in a lane."""
    occasion, weight, contacts = _remembers(program)
    return 1 + 4 * occasion + 8 * weight + 4 * contacts


def initial_states(program: Program, lanes: int, size: int) -> LaneStates:
    """Return the states of everyone at the start."""
    occasion, weight, contacts = (size if needed else 0 for needed in _remembers(program))
    return LaneStates(
        np.zeros((lanes, size), np.uint8),
        np.zeros((lanes, occasion), np.int32),
        np.zeros((lanes, weight), np.int64),
        np.zeros((lanes, contacts), np.int32),
    )


_kept: dict[tuple[str, int], tuple[tuple[Touched, ...], LaneStates]] = {}
"""By job and partition: the log up to which the arrays are, and the arrays. A task takes them out while it works."""


def take_states(key: tuple[str, int], program: Program, first: int, size: int, state: PartitionState) -> LaneStates:
    """Return the dense arrays of a state: those that this worker kept, or made from the log.

    Parameters
    ----------
    key : tuple
        Job and partition.
    program : Program
    first, size : int
        The range of agents.
    state : PartitionState
    """
    log, states = _kept.pop(key, ((), None))
    # The very same log, not an equal one: a task that is run again finds the arrays of a later round, and leaves them.
    if states is None or log is not state.log:
        states = initial_states(program, len(state.live.ends) - 1, size)
        for changes in state.log:
            kernels.apply_changes(np.int64(first), read_only(changes), states)
    return states


def keep_states(key: tuple[str, int], state: PartitionState, states: LaneStates) -> None:
    """Keep the dense arrays of a state for the next task."""
    _kept[key] = state.log, states


def forget_states(job: str) -> None:
    """Forget all dense arrays of a job in this process."""
    for key in [key for key in list(_kept) if key[0] == job]:
        _kept.pop(key, None)


def all_touched(program: Program, first: int, states: LaneStates) -> Touched:
    """Return the states of all agents that are not as at the start."""
    lanes, size = states.compartment.shape
    nothing, scratch = new_touched(program, lanes, 0), new_live(lanes, size)
    touched = new_touched(program, lanes, int(kernels.list_touched(np.int64(first), states, scratch, nothing)))
    kernels.list_touched(np.int64(first), states, scratch, touched)
    return touched


def shortened(program: Program, first: int, states: LaneStates, log: tuple[Touched, ...]) -> tuple[Touched, ...]:
    """Return a log, written anew once it has more rows than there are states, and twice as many as it need have."""
    rows = sum(len(changes.agent) for changes in log)
    if rows <= max(2 * len(log[0].agent), states.compartment.size):
        return log
    return (all_touched(program, first, states),)


# -- scratch --------------------------------------------------------------------------------------------------------

_own = threading.local()


@dataclass
class Scratch:
    """Arrays of a thread, clear between tasks.

    Attributes
    ----------
    arrivals : Arrivals
    live : (2, n) int32
    messages : Messages
        As many as were ever needed at once; only pages that were used take memory.
    """

    arrivals: Arrivals
    live: npt.NDArray[np.int32]
    messages: Messages

    def room(self, size: int, *, named: bool) -> Messages:
        """Return room for so many messages."""
        if len(self.messages.dst) < size or named != (len(self.messages.src) > 0):
            self.messages = new_messages(size, named=named, recorded=False)
        return self.messages


@contextlib.contextmanager
def scratch_of(program: Program, size: int) -> Iterator[Scratch]:
    """Lend scratch arrays of this thread for agents of a range; a task that fails leaves none behind."""
    needed = size, bool(program.fatigued)
    kept, _own.scratch = getattr(_own, "scratch", None), None
    if kept is not None and kept[0] == needed:
        scratch = kept[1]
    else:
        nothing = new_messages(0, named=False, recorded=False)
        scratch = Scratch(new_arrivals(program, size), np.empty((2, size), np.int32), nothing)
    yield scratch
    _own.scratch = needed, scratch
