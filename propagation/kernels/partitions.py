"""Compiled rounds of one partition: the same `receive`, `settle` and `send` as on a whole network, lane after lane.

The state of the agents is kept twice: as an immutable log of changes by round, and as dense arrays, which a round
updates. The arrays can be rebuilt from the log at any time, so a task that runs twice gives the same result, and the
cost of a round depends on the changes in it, not on earlier ones.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.kernels.lane_arrays import IGNORED, PENDING, RECEIVED, STOPPED, TOUCHED, LaneState, Messages
from propagation.kernels.rules import receive, send, settle, start_lane

COUNTS = 5
"""Of a lane and round: activations, first ones, infectious, live, whether anything changed."""


class LaneStates(NamedTuple):
    """State of the agents of a range in every lane; memory that a model does not need has width 0.

    Attributes
    ----------
    compartment : (lanes, n) uint8
    occasion, weight, contacts : (lanes, n) int32, int64, int32, or (lanes, 0)
        As in `LaneState`.
    """

    compartment: npt.NDArray[np.uint8]
    occasion: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int64]
    contacts: npt.NDArray[np.int32]


class Touched(NamedTuple):
    """State of some agents: of each lane of those from ``ends[lane]`` to ``ends[lane + 1]``.

    Attributes
    ----------
    ends : (lanes + 1,) int64
        The first is 0.
    agent : (k,) int32
    compartment : (k,) uint8
    occasion, weight, contacts : (k,) int32, int64, int32, or (0,)
        As in `LaneState`.
    """

    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]
    compartment: npt.NDArray[np.uint8]
    occasion: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int64]
    contacts: npt.NDArray[np.int32]


class Live(NamedTuple):
    """Live agents by lane, as `Touched`, with what `send` needs of them."""

    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]
    since: npt.NDArray[np.int32]
    compartment: npt.NDArray[np.uint8]
    occasion: npt.NDArray[np.int32]


@numba.njit(nogil=True, cache=True, forceinline=True)
def _state_of(states, lane, live_agent, live_since):  # type: ignore[no-untyped-def]
    """Return the state of one lane, with room for its live agents."""
    return LaneState(
        states.compartment[lane],
        states.occasion[lane],
        states.weight[lane],
        states.contacts[lane],
        live_agent,
        live_since,
    )


@numba.njit(nogil=True, cache=True, forceinline=True)
def _load_live(live, lane, state):  # type: ignore[no-untyped-def]
    """Read the live agents of a lane; return how many there are."""
    low, high = live.ends[lane], live.ends[lane + 1]
    for i in range(low, high):
        state.live_agent[i - low], state.live_since[i - low] = live.agent[i], live.since[i]
    return high - low


@numba.njit(nogil=True, cache=True, forceinline=True)
def _save_live(first, state, n_live, lane, live):  # type: ignore[no-untyped-def]
    """Write the live agents of a lane behind those of the lanes before."""
    at = live.ends[lane]
    for i in range(n_live):
        agent = state.live_agent[i]
        a = agent - first
        live.agent[at], live.since[at], live.compartment[at] = agent, state.live_since[i], state.compartment[a]
        live.occasion[at] = state.occasion[a] if len(state.occasion) > 0 else 1
        at += 1
    live.ends[lane + 1] = at


@numba.njit(nogil=True, cache=True, forceinline=True)
def _is_empty(inbox, lane):  # type: ignore[no-untyped-def]
    """Return whether no sender has a message for a lane."""
    arriving = 0
    for sender in range(len(inbox.bounds)):
        arriving += inbox.bounds[sender, lane + 1] - inbox.bounds[sender, lane]
    return arriving == 0


@numba.njit(nogil=True, cache=True, forceinline=True)
def _write(first, state, agent, touched, at):  # type: ignore[no-untyped-def]
    """Write an agent's state as row `at`; return the next."""
    a = agent - first
    touched.agent[at], touched.compartment[at] = agent, state.compartment[a]
    if len(state.occasion) > 0:
        touched.occasion[at] = state.occasion[a]
    if len(state.weight) > 0:
        touched.weight[at] = state.weight[a]
    if len(state.contacts) > 0:
        touched.contacts[at] = state.contacts[a]
    return at + 1


@numba.njit(nogil=True, cache=True)
def apply_changes(first, changes, states):  # type: ignore[no-untyped-def]
    """Set the agents of a `Touched` to their states there."""
    for lane in range(len(changes.ends) - 1):
        for i in range(changes.ends[lane], changes.ends[lane + 1]):
            a = changes.agent[i] - first
            states.compartment[lane, a] = changes.compartment[i]
            if len(changes.occasion) > 0:
                states.occasion[lane, a] = changes.occasion[i]
            if len(changes.weight) > 0:
                states.weight[lane, a] = changes.weight[i]
            if len(changes.contacts) > 0:
                states.contacts[lane, a] = changes.contacts[i]


@numba.njit(nogil=True, cache=True)
def list_touched(first, states, live, touched):  # type: ignore[no-untyped-def]
    """List the agents not in their initial state, as far as there is room; return how many there are.

    Parameters
    ----------
    live : Live
        Scratch.
    touched : Touched
        Out.
    """
    found = np.int64(0)
    for lane in range(len(states.compartment)):
        state = _state_of(states, lane, live.agent, live.since)
        for a in range(len(state.compartment)):
            if (
                state.compartment[a] != 0
                or (len(state.occasion) > 0 and state.occasion[a] != 0)
                or (len(state.weight) > 0 and state.weight[a] != 0)
                or (len(state.contacts) > 0 and state.contacts[a] != 0)
            ):
                if found < len(touched.agent):
                    _write(first, state, np.int32(a + first), touched, found)
                found += 1
        touched.ends[lane + 1] = found
    return found


@numba.njit(nogil=True, cache=True)
def start_lanes(  # type: ignore[no-untyped-def]
    program, first, seeds_ends, seeds, seeds_in, salts, states, arrivals, scratch, changes, live
):
    """Write the state of round 0 of every lane.

    Parameters
    ----------
    seeds_ends, seeds, seeds_in : (lanes + 1,) int64, (k,) int32, (k,) uint8
        Seeds in the range, by lane, and the compartment of each.
    states : LaneStates
        In and out: all agents in their initial compartment.
    arrivals : Arrivals
        Scratch, clear; clear again at the end.
    scratch : (2, n) int32
        Scratch.
    changes, live : Touched, Live
        Out.
    """
    at = 0
    for lane in range(len(salts)):
        low, high = seeds_ends[lane], seeds_ends[lane + 1]
        state = _state_of(states, lane, scratch[0], scratch[1])
        n_live, n_touched = start_lane(
            program, first, state, arrivals, seeds[low:high], seeds_in[low:high], salts[lane], np.int64(0)
        )
        for i in range(n_touched):
            arrivals.flags[arrivals.touched[i] - first] = 0
            at = _write(first, state, arrivals.touched[i], changes, at)
        changes.ends[lane + 1] = at
        _save_live(first, state, n_live, lane, live)


@numba.njit(nogil=True, cache=True)
def stopped_sources(program, first, states, arrivals, scratch, inbox, out_lane, out_src):  # type: ignore[no-untyped-def]
    """List the sources whose contacts with agents of this range make them stop; return how many.

    Only for models whose contacts neither add nor tire: receiving them changes no state.

    Parameters
    ----------
    states : LaneStates
        Not changed.
    out_lane, out_src : (messages,) int32
        Out.
    """
    at = 0
    for lane in range(len(states.compartment)):
        state = _state_of(states, lane, scratch[0], scratch[1])
        n_arrived, n_touched = np.int64(0), np.int64(0)
        for sender in range(len(inbox.bounds)):
            low, high = inbox.bounds[sender, lane], inbox.bounds[sender, lane + 1]
            n_arrived, n_touched, n_stopped = receive(
                program,
                first,
                state,
                arrivals,
                n_arrived,
                n_touched,
                inbox.messages,
                low,
                high,
                np.int64(0),
                out_src[at:],
            )
            out_lane[at : at + n_stopped] = lane
            at += n_stopped
        for i in range(n_arrived):
            arrivals.bits[arrivals.arrived[i] >> 6] = 0
        for i in range(n_touched):
            arrivals.flags[arrivals.touched[i] - first] = 0
    return at


@numba.njit(nogil=True, cache=True)
def settle_lanes(  # type: ignore[no-untyped-def]
    program, first, states, live, salts, number, inbox, stops_ends, stops, every, arrivals, scratch, stopped,
    changes, new_live, counts, events, events_lane, contacts, contacts_lane,
):  # fmt: skip
    """Receive the messages of a round in every lane and move the agents of the range.

    Parameters
    ----------
    states : LaneStates
        In and out.
    live : Live
        After the round before.
    number : int64
        The round.
    stops_ends, stops : (lanes + 1,) int64, (k,) int32
        Agents of the range that stop, by lane.
    every : int64
        Whether contacts are recorded.
    arrivals : Arrivals
        Scratch, clear; clear again at the end.
    scratch : (2, n) int32
        Scratch.
    stopped : (messages,) int32
        Scratch.
    changes, new_live : Touched, Live
        Out: agents whose state may have changed, and the live ones.
    counts : (lanes, COUNTS) int64, zero
        Out.
    events, contacts : Events, Contacts
        Out; of length 0 where they are not recorded.
    events_lane, contacts_lane : (k,) int32
        Out: the lane of each.

    Returns
    -------
    n_events, n_contacts : int
    """
    n_events, n_contacts, at = np.int64(0), np.int64(0), 0
    for lane in range(len(salts)):
        if live.ends[lane] == live.ends[lane + 1] and _is_empty(inbox, lane):
            changes.ends[lane + 1], new_live.ends[lane + 1] = at, new_live.ends[lane]
            continue
        # 1. What arrives.
        state = _state_of(states, lane, scratch[0], scratch[1])
        n_live = _load_live(live, lane, state)
        n_arrived, n_touched, before = np.int64(0), np.int64(0), n_contacts
        for sender in range(len(inbox.bounds)):
            low, high = inbox.bounds[sender, lane], inbox.bounds[sender, lane + 1]
            n_arrived, n_touched, _ = receive(
                program, first, state, arrivals, n_arrived, n_touched, inbox.messages, low, high, every, stopped
            )
            if every:
                for i in range(low, high):
                    contacts.round[n_contacts], contacts.src[n_contacts] = number, inbox.messages.src[i]
                    contacts.dst[n_contacts], contacts.kind[n_contacts] = inbox.messages.dst[i], inbox.messages.kind[i]
                    contacts_lane[n_contacts] = lane
                    n_contacts += 1
        for i in range(stops_ends[lane], stops_ends[lane + 1]):
            arrivals.flags[stops[i] - first] |= STOPPED
        # 2. Moves.
        first_event = n_events
        n_live, n_events, new, distinct, infectious, changed = settle(
            program, first, state, n_live, arrivals, n_arrived, number, salts[lane], events, n_events
        )
        events_lane[first_event:n_events] = lane
        counts[lane, 0], counts[lane, 1], counts[lane, 2] = new, distinct, infectious
        counts[lane, 3], counts[lane, 4] = n_live, changed
        for i in range(before, n_contacts):
            if contacts.kind[i] == PENDING:
                reached = program.reached[state.compartment[contacts.dst[i] - first]]
                contacts.kind[i] = RECEIVED if reached else IGNORED
        # 3. Record changes: of agents with arrivals, and of live agents that made a transition.
        for i in range(live.ends[lane], live.ends[lane + 1]):
            a = live.agent[i] - first
            if state.compartment[a] != live.compartment[i] and arrivals.flags[a] & TOUCHED == 0:
                at = _write(first, state, live.agent[i], changes, at)
        for i in range(n_touched):
            arrivals.flags[arrivals.touched[i] - first] = 0
            at = _write(first, state, arrivals.touched[i], changes, at)
        changes.ends[lane + 1] = at
        _save_live(first, state, n_live, lane, new_live)
    return n_events, n_contacts


@numba.njit(nogil=True, cache=True)
def contacts_due(offsets, program, live):  # type: ignore[no-untyped-def]
    """Return how many contacts the live agents of all lanes make in a round."""
    total = 0
    for i in range(len(live.agent)):
        if program.transmits[live.compartment[i]]:
            total += offsets[live.agent[i] + 1] - offsets[live.agent[i]]
    return total


@numba.njit(nogil=True, cache=True)
def send_lanes(  # type: ignore[no-untyped-def]
    edges, program, first, states, live, salts, number, every, probing, scratch, hits, messages, ends
):
    """Send the contacts of the live agents of every lane.

    Parameters
    ----------
    states : LaneStates
        Not changed.
    number : int64
        The round in which the messages arrive.
    scratch : (2, n) int32
        Scratch.
    messages : Messages
        Out: long enough for all contacts that are due, and `CHUNK` more.
    ends : (lanes + 1,) int64
        Out: where each lane's messages end.
    """
    ends[0] = 0
    for lane in range(len(salts)):
        low = ends[lane]
        ends[lane + 1] = low
        if live.ends[lane] == live.ends[lane + 1]:
            continue
        state = _state_of(states, lane, scratch[0], scratch[1])
        n_live = _load_live(live, lane, state)
        rest = Messages(
            messages.dst[low:], messages.src[low:], messages.value[low:], messages.draw[low:], messages.kind[:0]
        )
        _, _, count, _ = send(
            edges,
            program,
            first,
            state,
            n_live,
            np.int64(0),
            np.int64(0),
            number,
            salts[lane],
            every,
            probing,
            rest,
            hits,
        )
        ends[lane + 1] = low + count


@numba.njit(nogil=True, cache=True)
def open_lanes(first, states, inbox, found):  # type: ignore[no-untyped-def]
    """Mark the lanes in which a message of a probe could change something.

    Parameters
    ----------
    found : (lanes,) uint8, zero
        Out.
    """
    for lane in range(len(found)):
        for sender in range(len(inbox.bounds)):
            for i in range(inbox.bounds[sender, lane], inbox.bounds[sender, lane + 1]):
                compartment = states.compartment[lane, inbox.messages.dst[i] - first]
                if (inbox.messages.value[i] >> compartment) & 1:
                    found[lane] = 1
