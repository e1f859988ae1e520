"""Compiled rounds of one partition: the same `receive`, `settle` and `send` as on a whole network, lane after lane.

Between rounds the state of a lane is a list of the agents that are not as everyone at the start. It is never changed: a
round reads the old list into dense scratch arrays, works there, and writes a new list, so that a task that runs twice
gives the same answer twice.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.kernels.lane_arrays import IGNORED, PENDING, RECEIVED, STOPPED, TOUCHED, Messages
from propagation.kernels.rules import clear_lane, receive, send, settle, start_lane

COUNTS = 5
"""Of a lane and round: activations, first ones, infectious, live, whether anything changed."""


class Touched(NamedTuple):
    """Agents that are not as at the start: of each lane those from ``ends[lane - 1]`` to ``ends[lane]``.

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


class Mail(NamedTuple):
    """Messages for the agents of a range: of sender s and lane l those ``bounds[s, l]`` to ``bounds[s, l + 1]``."""

    bounds: npt.NDArray[np.int64]
    messages: Messages


@numba.njit(nogil=True, cache=True, inline="always")
def _load(first, touched, lane, live, state, arrivals):  # type: ignore[no-untyped-def]
    """Read a lane's state into the scratch arrays; return (touched, live)."""
    n_touched = np.int64(0)
    for i in range(touched.ends[lane], touched.ends[lane + 1]):
        agent = touched.agent[i]
        a = agent - first
        state.compartment[a] = touched.compartment[i]
        if len(state.occasion) > 0:
            state.occasion[a] = touched.occasion[i]
        if len(state.weight) > 0:
            state.weight[a] = touched.weight[i]
        if len(state.contacts) > 0:
            state.contacts[a] = touched.contacts[i]
        arrivals.flags[a] = TOUCHED
        arrivals.touched[n_touched] = agent
        n_touched += 1
    n_live = np.int64(0)
    for i in range(live.ends[lane], live.ends[lane + 1]):
        state.live_agent[n_live], state.live_since[n_live] = live.agent[i], live.since[i]
        n_live += 1
    return n_touched, n_live


@numba.njit(nogil=True, cache=True, inline="always")
def _save(first, state, arrivals, n_touched, n_live, lane, touched, live):  # type: ignore[no-untyped-def]
    """Write a lane's state out of the scratch arrays."""
    at = touched.ends[lane]
    for i in range(n_touched):
        agent = arrivals.touched[i]
        a = agent - first
        touched.agent[at], touched.compartment[at] = agent, state.compartment[a]
        if len(state.occasion) > 0:
            touched.occasion[at] = state.occasion[a]
        if len(state.weight) > 0:
            touched.weight[at] = state.weight[a]
        if len(state.contacts) > 0:
            touched.contacts[at] = state.contacts[a]
        at += 1
    touched.ends[lane + 1] = at
    at = live.ends[lane]
    for i in range(n_live):
        agent = state.live_agent[i]
        a = agent - first
        live.agent[at], live.since[at], live.compartment[at] = agent, state.live_since[i], state.compartment[a]
        live.occasion[at] = state.occasion[a] if len(state.occasion) > 0 else 1
        at += 1
    live.ends[lane + 1] = at


@numba.njit(nogil=True, cache=True)
def start_lanes(program, first, seeds_ends, seeds, salts, state, arrivals, touched, live):  # type: ignore[no-untyped-def]
    """Write the state of round 0 of every lane.

    Parameters
    ----------
    seeds_ends, seeds : (lanes + 1,) int64, (k,) int32
        Seeds in the range, by lane.
    state, arrivals : LaneState, Arrivals
        Scratch, clear; clear again at the end.
    touched, live : Touched, Live
        Out.
    """
    for lane in range(len(salts)):
        own = seeds[seeds_ends[lane] : seeds_ends[lane + 1]]
        n_live, n_touched = start_lane(program, first, state, arrivals, own, salts[lane], np.int64(0))
        _save(first, state, arrivals, n_touched, n_live, lane, touched, live)
        clear_lane(first, state, arrivals, n_touched)


@numba.njit(nogil=True, cache=True)
def stopped_sources(  # type: ignore[no-untyped-def]
    program, first, touched, live, state, arrivals, mail, lanes, out_lane, out_src
):
    """List the sources whose contacts with agents of this range make them stop; return how many.

    Parameters
    ----------
    lanes : int64
    out_lane, out_src : (messages,) int32
        Out.
    """
    at = 0
    for lane in range(lanes):
        n_touched, _ = _load(first, touched, lane, live, state, arrivals)
        n_arrived = np.int64(0)
        for sender in range(len(mail.bounds)):
            low, high = mail.bounds[sender, lane], mail.bounds[sender, lane + 1]
            n_arrived, n_touched, n_stopped = receive(
                program,
                first,
                state,
                arrivals,
                n_arrived,
                n_touched,
                mail.messages,
                low,
                high,
                np.int64(0),
                out_src[at:],
            )
            out_lane[at : at + n_stopped] = lane
            at += n_stopped
        clear_lane(first, state, arrivals, n_touched)
    return at


@numba.njit(nogil=True, cache=True)
def settle_lanes(  # type: ignore[no-untyped-def]
    program, first, touched, live, salts, number, mail, stops_ends, stops, every, state, arrivals, scratch,
    new_touched, new_live, counts, events, events_lane, contacts, contacts_lane,
):  # fmt: skip
    """Receive the messages of a round in every lane and move the agents of the range.

    Parameters
    ----------
    touched, live : Touched, Live
        State after the round before; not changed.
    number : int64
        The round.
    stops_ends, stops : (lanes + 1,) int64, (k,) int32
        Agents of the range that stop, by lane.
    every : int64
        Whether contacts are recorded.
    state, arrivals : LaneState, Arrivals
        Scratch, clear; clear again at the end.
    scratch : (messages,) int32
        Scratch.
    new_touched, new_live : Touched, Live
        Out.
    counts : (lanes, COUNTS) int64
        Out.
    events, contacts : Events, Contacts
        Out; of length 0 where they are not recorded.
    events_lane, contacts_lane : (k,) int32
        Out: the lane of each.

    Returns
    -------
    n_events, n_contacts : int
    """
    n_events, n_contacts = np.int64(0), np.int64(0)
    for lane in range(len(salts)):
        n_touched, n_live = _load(first, touched, lane, live, state, arrivals)
        n_arrived, before = np.int64(0), n_contacts
        for sender in range(len(mail.bounds)):
            low, high = mail.bounds[sender, lane], mail.bounds[sender, lane + 1]
            n_arrived, n_touched, _ = receive(
                program, first, state, arrivals, n_arrived, n_touched, mail.messages, low, high, every, scratch
            )
            if every:
                for i in range(low, high):
                    contacts.round[n_contacts], contacts.src[n_contacts] = number, mail.messages.src[i]
                    contacts.dst[n_contacts], contacts.kind[n_contacts] = mail.messages.dst[i], mail.messages.kind[i]
                    contacts_lane[n_contacts] = lane
                    n_contacts += 1
        for i in range(stops_ends[lane], stops_ends[lane + 1]):
            arrivals.flags[stops[i] - first] |= STOPPED
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
        _save(first, state, arrivals, n_touched, n_live, lane, new_touched, new_live)
        clear_lane(first, state, arrivals, n_touched)
    return n_events, n_contacts


@numba.njit(nogil=True, cache=True)
def contacts_due(edges, program, live):  # type: ignore[no-untyped-def]
    """Return how many contacts the live agents of all lanes make in a round."""
    total = 0
    for i in range(len(live.agent)):
        if program.transmits[live.compartment[i]]:
            total += edges.offsets[live.agent[i] + 1] - edges.offsets[live.agent[i]]
    return total


@numba.njit(nogil=True, cache=True)
def send_lanes(  # type: ignore[no-untyped-def]
    edges, program, first, live, salts, number, every, probing, state, hits, messages, ends
):
    """Let the live agents of every lane contact their out-neighbours.

    Parameters
    ----------
    number : int64
        The round in which the messages arrive.
    messages : Messages
        Out: long enough for all contacts that are due, and `CHUNK` more.
    ends : (lanes + 1,) int64
        Out: where each lane's messages end.

    Returns
    -------
    trials : int
        Edges looked at.
    """
    trials = 0
    ends[0] = 0
    for lane in range(len(salts)):
        n_live = np.int64(0)
        for i in range(live.ends[lane], live.ends[lane + 1]):
            agent = live.agent[i]
            state.live_agent[n_live], state.live_since[n_live] = agent, live.since[i]
            state.compartment[agent - first] = live.compartment[i]
            if len(state.occasion) > 0:
                state.occasion[agent - first] = live.occasion[i]
            n_live += 1
        low = ends[lane]
        rest = Messages(
            messages.dst[low:], messages.src[low:], messages.value[low:], messages.draw[low:], messages.kind[:0]
        )
        _, _, count, looked = send(
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
        trials += looked
        for i in range(n_live):
            a = state.live_agent[i] - first
            state.compartment[a] = 0
            if len(state.occasion) > 0:
                state.occasion[a] = 0
    return trials


@numba.njit(nogil=True, cache=True)
def sort_mail(messages, ends, firsts, bounds, sorted_messages):  # type: ignore[no-untyped-def]
    """Sort messages by the range of their destination, and within it by lane.

    Parameters
    ----------
    messages : Messages
        By lane.
    ends : (lanes + 1,) int64
        Where each lane's messages end.
    firsts : (ranges,) int32
        First agent of each range.
    bounds : (ranges, lanes + 1) int64
        Out: where the messages of each range and lane begin, and end.
    sorted_messages : Messages
        Out.
    """
    lanes = len(ends) - 1
    counts = np.zeros((len(firsts), lanes), np.int64)
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            counts[np.searchsorted(firsts, messages.dst[i], side="right") - 1, lane] += 1
    at = 0
    for part in range(len(firsts)):
        bounds[part, 0] = at
        for lane in range(lanes):
            at += counts[part, lane]
            bounds[part, lane + 1] = at
    for part in range(len(firsts)):
        for lane in range(lanes):
            counts[part, lane] = bounds[part, lane]
    for lane in range(lanes):
        for i in range(ends[lane], ends[lane + 1]):
            part = np.searchsorted(firsts, messages.dst[i], side="right") - 1
            to = counts[part, lane]
            counts[part, lane] = to + 1
            sorted_messages.dst[to], sorted_messages.src[to] = messages.dst[i], messages.src[i]
            sorted_messages.value[to], sorted_messages.draw[to] = messages.value[i], messages.draw[i]


@numba.njit(nogil=True, cache=True)
def open_lanes(first, touched, live, state, arrivals, mail, lanes, found):  # type: ignore[no-untyped-def]
    """Say in which lanes a message of a probe could change something.

    Parameters
    ----------
    found : (lanes,) uint8, zero
        Out.
    """
    for lane in range(lanes):
        n_touched, _ = _load(first, touched, lane, live, state, arrivals)
        for sender in range(len(mail.bounds)):
            for i in range(mail.bounds[sender, lane], mail.bounds[sender, lane + 1]):
                compartment = state.compartment[mail.messages.dst[i] - first]
                if (mail.messages.value[i] >> compartment) & 1:
                    found[lane] = 1
        clear_lane(first, state, arrivals, n_touched)
