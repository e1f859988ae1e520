"""Compiled rounds of any model, one lane at a time: the rules of a `propagation.programs.Program`.

A round is three steps, and the same three run a whole network in one task and a range of agents in each of many:

1. `send`: live agents contact their out-neighbours; what travels is a message (dst, src, value, infector draw).
2. `receive`: messages meet the state of those they are for; nothing moves yet.
3. `settle`: agents that something arrived for move, agents that are done leave, and the live agents of the next round
   remain.

A message's value says all that its target needs, without the source's state: below 0, minus a weight to add; otherwise
a mask of the compartments in which the contact succeeds, and above it the source's compartment; or, where agents tire,
the number of earlier contacts up to which it fails no more.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.draws import agent_key, edge_key, lane_draw, trial_draw, trial_salt
from propagation.kernels.primitives import CHUNK, DST, SHIFT, look_ahead, times

ARRIVED, SUCCEEDED, ADDED, MOVED, STOPPED, TOUCHED = 1, 2, 4, 8, 16, 32
"""Flags of an agent: in the list of arrivals; of a success; of a weight; moved by either; stopped; to be cleared."""
RECEIVED, IGNORED, SENT, PENDING = 0, 1, 2, 3
"""What became of a contact, in the order of `propagation.results.EVENT_TYPES`; pending until the round is settled."""
NOTHING = -(2**62)
"""Value of a contact that adds nothing and is sent only to be recorded."""
OVER, TRUNCATED, FULL, STOPPED_EARLY = 0, 1, 2, 3
"""Why `run_rounds` came back."""
_CERTAIN = 2**32
_SOURCE_SHIFT = 8
_MASK = 255


class LaneState(NamedTuple):
    """State of the agents of a range in one lane; memory that a model does not need has length 0.

    Attributes
    ----------
    compartment : (n,) uint8
    occasion : (n,) int32
        Activations so far, where agents can be activated again.
    weight : (n,) int64
        Sum of weights, where contacts add.
    contacts : (n,) int32
        Contacts received in earlier rounds, where agents tire.
    live_agent, live_since : (n,) int32
        Live agents (dense ids), and the round in which each entered its compartment.
    """

    compartment: npt.NDArray[np.uint8]
    occasion: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int64]
    contacts: npt.NDArray[np.int32]
    live_agent: npt.NDArray[np.int32]
    live_since: npt.NDArray[np.int32]


class Arrivals(NamedTuple):
    """What arrived for the agents of a range in the present round.

    Attributes
    ----------
    flags : (n,) uint8
    best_draw, best_src, best_code : (n,) uint32, int32, uint8
        Draw, source and source's compartment of the contact that decides.
    fresh : (n,) int32
        Contacts of this round, where agents tire.
    arrived : (n,) int32
        Agents (dense ids) that something arrived for.
    touched : (n,) int32
        Agents whose state is not the initial one.
    """

    flags: npt.NDArray[np.uint8]
    best_draw: npt.NDArray[np.uint32]
    best_src: npt.NDArray[np.int32]
    best_code: npt.NDArray[np.uint8]
    fresh: npt.NDArray[np.int32]
    arrived: npt.NDArray[np.int32]
    touched: npt.NDArray[np.int32]


class Messages(NamedTuple):
    """Messages of one lane: (k,) int32, int32, int64, uint32 and, for those that are recorded, int8."""

    dst: npt.NDArray[np.int32]
    src: npt.NDArray[np.int32]
    value: npt.NDArray[np.int64]
    draw: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.int8]


class Events(NamedTuple):
    """Activations: (k,) int32 each; the infector of a seed is -1."""

    agent: npt.NDArray[np.int32]
    round: npt.NDArray[np.int32]
    infector: npt.NDArray[np.int32]
    occasion: npt.NDArray[np.int32]


class Contacts(NamedTuple):
    """Contacts: (k,) int32 and, for what became of them, int8."""

    round: npt.NDArray[np.int32]
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]


@numba.njit(nogil=True, cache=True)
def start_lane(program, first, state, arrivals, seeds, salt, n_touched):  # type: ignore[no-untyped-def]
    """Put seeds and sceptics into their compartments; return (live agents, touched agents).

    Parameters
    ----------
    first : int64
        First agent of the range.
    seeds : (k,) int32
        Distinct seeds in the range.
    """
    n_live = 0
    for seed in seeds:
        a = seed - first
        state.compartment[a] = program.seeds_in
        if program.recurrent:
            state.occasion[a] = 1
        state.live_agent[n_live], state.live_since[n_live] = seed, 0
        n_live += 1
        arrivals.flags[a] = TOUCHED
        arrivals.touched[n_touched] = seed
        n_touched += 1
    if len(program.sceptics) > 0:
        for a in range(len(state.compartment)):
            agent = a + first
            chance = program.sceptics[agent if len(program.sceptics) > 1 else 0]
            draw = np.int64(lane_draw(agent_key(program.scepticism, agent), salt))
            if state.compartment[a] == 0 and draw < chance:
                state.compartment[a] = program.sceptics_in
                state.live_agent[n_live], state.live_since[n_live] = agent, 0
                n_live += 1
                arrivals.flags[a] = TOUCHED
                arrivals.touched[n_touched] = agent
                n_touched += 1
    return n_live, n_touched


@numba.njit(nogil=True, cache=True)
def clear_lane(first, state, arrivals, n_touched):  # type: ignore[no-untyped-def]
    """Give all touched agents their initial state back."""
    for i in range(n_touched):
        a = arrivals.touched[i] - first
        arrivals.flags[a] = 0
        state.compartment[a] = 0
        if len(state.occasion) > 0:
            state.occasion[a] = 0
        if len(state.weight) > 0:
            state.weight[a] = 0
        if len(state.contacts) > 0:
            state.contacts[a] = 0


@numba.njit(nogil=True, cache=True, inline="always")
def _tired_from(draw, chance, fatigue):  # type: ignore[no-untyped-def]
    """Return the number of earlier contacts from which on an attempt fails; 0 if it always does."""
    if draw >= chance:
        return np.int64(0)
    level = np.int64(1)
    while level < len(fatigue) and draw < np.int64(times(chance, fatigue[level])):
        level += 1
    return np.int64(2**31) if level == len(fatigue) else level


@numba.njit(nogil=True, cache=True)
def send(  # type: ignore[no-untyped-def]  # noqa: C901
    edges, program, first, state, n_live, position, edge, number, salt, every, probing, messages, hits
):
    """Let live agents contact their out-neighbours, as many as there is room for messages.

    Parameters
    ----------
    edges, program : Edges, Program
    first : int64
        First agent of the range that `state` is of.
    n_live, position, edge : int64
        Live agents, the one to go on with, and the edge of its row.
    number : int64
        The round.
    salt : uint32
        Of the lane's replicate.
    every : int64
        Whether contacts that change nothing travel too, to be recorded.
    probing : int64
        Whether to send every contact that could ever succeed, as if it did.
    messages : Messages
        Out; longer than `CHUNK`.
    hits : (CHUNK,) uint8
        Scratch.

    Returns
    -------
    position, edge, n_messages, trials : int
        It is done when position is n_live.
    """
    offsets, words = edges.offsets, edges.words
    count, trials, room = 0, 0, len(messages.dst)
    while position < n_live:
        src = state.live_agent[position]
        source = state.compartment[src - first]
        if not program.transmits[source]:
            position += 1
            continue
        look_ahead(offsets, words, state.live_agent, position, n_live)
        since = state.live_since[position]
        occasion = state.occasion[src - first] if program.recurrent else 1
        age = trial_salt(number - since - 1, occasion)
        decay = program.decay[min(since, len(program.decay) - 1)]
        low, end = offsets[src] + edge, offsets[src + 1]
        single = program.single[source]
        while low < end:
            high = min(low + CHUNK, end)
            if count + (high - low) > room:
                return position, low - offsets[src], count, trials
            trials += high - low
            # 1. Contacts that the edge's chance alone decides: draw for all of them at once.
            if single >= 0 and not every and not probing:
                value = np.int64(1 << single) | (np.int64(source) << _SOURCE_SHIFT)
                if decay == _CERTAIN:
                    for j in range(high - low):
                        word = words[low + j]
                        draw = np.int64(trial_draw(edge_key(program.transmission, src, word & DST), salt, age))
                        hits[j] = draw < np.int64(word >> SHIFT) + edges.base
                else:
                    for j in range(high - low):
                        word = words[low + j]
                        draw = np.int64(trial_draw(edge_key(program.transmission, src, word & DST), salt, age))
                        hits[j] = draw < np.int64(times(np.uint64(np.int64(word >> SHIFT) + edges.base), decay))
                for j in range(high - low):
                    if hits[j]:
                        dst = np.int64(words[low + j] & DST)
                        messages.dst[count], messages.src[count], messages.value[count] = dst, src, value
                        if program.chooses:
                            key = edge_key(program.infector, src, dst)
                            messages.draw[count] = trial_draw(key, salt, age)
                        count += 1
                low = high
                continue
            # 2. All others, one by one.
            for e in range(low, high):
                word = words[e]
                dst = np.int64(word & DST)
                chance = np.int64(word >> SHIFT) + edges.base
                value = np.int64(0)
                adds = program.adds != 0
                if program.mixing >= 0:
                    adds = np.int64(lane_draw(agent_key(program.mixture, dst), salt)) >= program.mixing
                    if adds:
                        chance = np.int64(edges.influence[e] >> SHIFT) + edges.influence_base
                if adds:
                    value = -chance if chance > 0 else np.int64(NOTHING)
                else:
                    draw = np.int64(0)
                    if not probing:
                        draw = np.int64(trial_draw(edge_key(program.transmission, src, dst), salt, age))
                    chance = np.int64(times(np.uint64(chance), decay))
                    if program.fatigued:
                        value = _tired_from(draw, chance, program.fatigue)
                    else:
                        for target in range(8):
                            rate = program.rate[source, target]
                            if rate >= 0:
                                if program.by_edge[source, target]:
                                    rate = np.int64(times(np.uint64(chance), np.uint64(rate)))
                                value |= np.int64(draw < rate) << target
                        if value != 0:
                            value |= np.int64(source) << _SOURCE_SHIFT
                idle = value == NOTHING or (value == 0 and not program.fatigued)
                if idle and not every:
                    continue
                messages.dst[count], messages.src[count], messages.value[count] = dst, src, value
                if program.chooses:
                    messages.draw[count] = trial_draw(edge_key(program.infector, src, dst), salt, age)
                count += 1
            low = high
        position += 1
        edge = 0
    return position, 0, count, trials


@numba.njit(nogil=True, cache=True, inline="always")
def _consider(arrivals, a, src, draw, code):  # type: ignore[no-untyped-def]
    """Let a contact decide what happens to agent a if its (draw, src) is the smallest so far."""
    if draw < arrivals.best_draw[a] or (draw == arrivals.best_draw[a] and src < arrivals.best_src[a]):
        arrivals.best_draw[a], arrivals.best_src[a], arrivals.best_code[a] = draw, src, code


@numba.njit(nogil=True, cache=True)
def receive(program, first, state, arrivals, n_arrived, n_touched, messages, low, high, kinds, stopped):  # type: ignore[no-untyped-def]  # noqa: C901
    """Note what arrives for the agents of a range.

    Parameters
    ----------
    n_arrived, n_touched : int64
        Length of the lists in `arrivals`.
    messages : Messages
        Of which those from `low` to `high` are read.
    kinds : int64
        Whether to say in ``messages.kind`` what became of each.
    stopped : (k,) int32
        Out: sources that their contact makes stop, possibly several times.

    Returns
    -------
    n_arrived, n_touched, n_stopped : int
    """
    n_stopped = 0
    for i in range(low, high):
        dst, src, value = messages.dst[i], messages.src[i], messages.value[i]
        a = dst - first
        target = state.compartment[a]
        reached = program.reached[target]
        kind = SENT if reached else IGNORED
        flag = 0
        code = np.uint8(0)
        if value < 0:
            if not reached:
                kind = PENDING
                if value != NOTHING:
                    flag = ADDED
                    state.weight[a] -= value
        else:
            succeeds = False
            if program.fatigued:
                arrivals.fresh[a] += 1
                flag = ARRIVED
                succeeds = program.target_to[1, target] >= 0 and state.contacts[a] < value
                code = np.uint8(1)
            else:
                succeeds = (value >> target) & 1 != 0
                code = np.uint8(value >> _SOURCE_SHIFT)
            if succeeds:
                if not reached:
                    kind = RECEIVED
                if program.stops[code, target]:
                    stopped[n_stopped] = src
                    n_stopped += 1
                if program.target_to[code, target] >= 0:
                    flag |= SUCCEEDED
        if flag != 0:
            old = arrivals.flags[a]
            if old & (ARRIVED | SUCCEEDED | ADDED) == 0:
                arrivals.arrived[n_arrived] = dst
                n_arrived += 1
            if old & TOUCHED == 0:
                arrivals.touched[n_touched] = dst
                n_touched += 1
            if flag & (SUCCEEDED | ADDED):
                if old & (SUCCEEDED | ADDED) == 0:
                    arrivals.best_draw[a], arrivals.best_src[a] = np.uint32(0xFFFFFFFF), np.int32(0x7FFFFFFF)
                    arrivals.best_code[a] = code
                if program.chooses:
                    _consider(arrivals, a, src, messages.draw[i], code)
            arrivals.flags[a] = old | flag | TOUCHED
        if kinds:
            messages.kind[i] = kind
    return n_arrived, n_touched, n_stopped


@numba.njit(nogil=True, cache=True, inline="always")
def _threshold(program, agent, salt):  # type: ignore[no-untyped-def]
    """Return what an agent's sum of weights must reach."""
    if len(program.thresholds) > 0:
        return program.thresholds[agent]
    draw = np.int64(lane_draw(agent_key(program.threshold, agent), salt))
    if len(program.in_degree) == 0:
        return draw + 1
    share = (draw + 0.5) / 4294967296.0
    return max(np.int64(1), np.int64(np.ceil(share * program.in_degree[agent] - 1e-9)))


@numba.njit(nogil=True, cache=True)
def settle(program, first, state, n_live, arrivals, n_arrived, number, salt, events, n_events):  # type: ignore[no-untyped-def]  # noqa: C901
    """Move agents at the end of a round.

    Parameters
    ----------
    events : Events
        Out: activations, if there is room at all.

    Returns
    -------
    n_live, n_events, new, distinct, infectious, changed : int
        Live agents, events; activations, those of agents never activated before; agents that are reached and
        transmit; whether any agent moved.
    """
    new, distinct, infectious, changed = 0, 0, 0, 0
    tail = n_live
    # 1. Agents that contacts move.
    for i in range(n_arrived):
        agent = arrivals.arrived[i]
        a = agent - first
        flags = arrivals.flags[a]
        arrivals.flags[a] = flags & (TOUCHED | STOPPED)
        if program.fatigued and arrivals.fresh[a] > 0:
            state.contacts[a] += arrivals.fresh[a]
            arrivals.fresh[a] = 0
        source = state.compartment[a]
        to = np.int64(-1)
        if flags & SUCCEEDED:
            code = arrivals.best_code[a]
            to = np.int64(program.target_to[code, source])
            if program.otherwise[code, source] >= 0:
                draw = np.int64(lane_draw(agent_key(program.branching, agent), salt))
                if draw >= program.share[code, source]:
                    to = np.int64(program.otherwise[code, source])
        elif flags & ADDED and state.weight[a] >= _threshold(program, agent, salt):
            to = program.seeds_in
        if to < 0 or to == source:
            continue
        changed = 1
        state.compartment[a] = to
        if program.reached[to] and not program.reached[source]:
            occasion = 1
            if program.recurrent:
                occasion = state.occasion[a] + 1
                state.occasion[a] = occasion
            new += 1
            distinct += occasion == 1
            if len(events.agent) > 0:
                events.agent[n_events], events.round[n_events] = agent, number
                events.infector[n_events], events.occasion[n_events] = arrivals.best_src[a], occasion
                n_events += 1
        if program.live[source]:
            arrivals.flags[a] |= MOVED
        elif program.live[to]:
            state.live_agent[tail], state.live_since[tail] = agent, number
            tail += 1
    # 2. Agents that were live before: those that stop, and those that leave by themselves.
    kept = 0
    for i in range(tail):
        agent, since = state.live_agent[i], state.live_since[i]
        a = agent - first
        if i < n_live:
            flags = arrivals.flags[a]
            compartment = state.compartment[a]
            to = np.int64(-1)
            if flags & MOVED:
                since = number
            elif flags & STOPPED:
                to = np.int64(program.stop_to[compartment])
            elif program.leave_after[compartment] > 0:
                if number - since >= program.leave_after[compartment]:
                    to = np.int64(program.leave_to[compartment])
            elif program.leave_chance[compartment] == _CERTAIN:
                to = np.int64(program.leave_to[compartment])
            elif program.leave_chance[compartment] > 0:
                occasion = state.occasion[a] if program.recurrent else 1
                key = agent_key(program.leave_streams[compartment], agent)
                draw = np.int64(trial_draw(key, salt, trial_salt(number - since - 1, occasion)))
                if draw < program.leave_chance[compartment]:
                    to = np.int64(program.leave_to[compartment])
            arrivals.flags[a] = flags & TOUCHED
            if to >= 0:
                changed = 1
                state.compartment[a] = to
                since = number
        compartment = state.compartment[a]
        if program.live[compartment]:
            state.live_agent[kept], state.live_since[kept] = agent, since
            kept += 1
            infectious += program.transmits[compartment] and program.reached[compartment]
    return kept, n_events, new, distinct, infectious, changed


@numba.njit(nogil=True, cache=True)
def can_succeed(first, state, messages, low, high):  # type: ignore[no-untyped-def]
    """Return whether one of the messages of a probe could change its target or source."""
    for i in range(low, high):  # noqa: SIM110 (any() is no kernel's)
        if (messages.value[i] >> state.compartment[messages.dst[i] - first]) & 1:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _is_closed(edges, program, state, n_live, number, salt, messages, hits):  # type: ignore[no-untyped-def]
    """Return whether no contact of live agents can change anything any more."""
    for i in range(n_live):
        compartment = state.compartment[state.live_agent[i]]
        if program.leave_chance[compartment] > 0 or program.leave_after[compartment] > 0:
            return False
    position, edge = np.int64(0), np.int64(0)
    while position < n_live:
        position, edge, count, _ = send(
            edges, program, 0, state, n_live, position, edge, number, salt, 0, 1, messages, hits
        )
        if can_succeed(0, state, messages, 0, count):
            return False
    return True


@numba.njit(nogil=True, cache=True)
def run_rounds(  # type: ignore[no-untyped-def]  # noqa: C901
    edges, program, state, arrivals, salt, number, max_rounds, n_live, n_touched, last_change, quiet, stop,
    messages, stopped, hits, counts, events, n_events, contacts, n_contacts,
):  # fmt: skip
    """Run a lane over the whole network from the round after `number`, until it is over or some output is full.

    Parameters
    ----------
    number, last_change, quiet : int64
        Rounds run, the last one in which an agent moved, and whether a probe has found since that one still can.
    stop : (1,) uint8
        Nonzero ends the run at the next round.
    stopped : (CHUNK + ...) int32
        Scratch, as long as `messages`.
    counts : (rounds, 3) int64
        Out: by round, activations, activations of agents never activated before, and agents infectious at its end.
    events, contacts : Events, Contacts
        Out; of length 0 where they are not recorded.

    Returns
    -------
    why, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials : int
        `why` is OVER, TRUNCATED, FULL or STOPPED_EARLY.
    """
    every = np.int64(len(contacts.round) > 0)
    trials, before = 0, n_contacts
    while True:
        if n_live == 0:
            return OVER, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        ends = number == max_rounds
        if program.everlasting and not quiet and (ends or last_change < number):
            if _is_closed(edges, program, state, n_live, number, salt, messages, hits):
                # A round that changed nothing had to be run to see it: it did not happen.
                n_contacts = before if last_change < number else n_contacts
                return OVER, last_change, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
            quiet = 1
        if ends:
            return TRUNCATED, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        if stop[0] != 0:
            return STOPPED_EARLY, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        # 1. Room for whatever the round may bring.
        needed = 0
        if every:
            for i in range(n_live):
                agent = state.live_agent[i]
                if program.transmits[state.compartment[agent]]:
                    needed += edges.offsets[agent + 1] - edges.offsets[agent]
        no_events = len(events.agent) > 0 and n_events + len(state.compartment) > len(events.agent)
        if number + 1 >= len(counts) or no_events or (every and n_contacts + needed > len(contacts.round)):
            return FULL, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials
        # 2. Contacts.
        number += 1
        n_arrived, before = 0, n_contacts
        position, edge = np.int64(0), np.int64(0)
        while position < n_live:
            position, edge, count, looked = send(
                edges, program, 0, state, n_live, position, edge, number, salt, every, 0, messages, hits
            )
            trials += looked
            n_arrived, n_touched, n_stopped = receive(
                program, 0, state, arrivals, n_arrived, n_touched, messages, 0, count, every, stopped
            )
            for i in range(n_stopped):
                arrivals.flags[stopped[i]] |= STOPPED
            if every:
                for i in range(count):
                    contacts.round[n_contacts], contacts.src[n_contacts] = number, messages.src[i]
                    contacts.dst[n_contacts], contacts.kind[n_contacts] = messages.dst[i], messages.kind[i]
                    n_contacts += 1
        # 3. Moves.
        n_live, n_events, new, distinct, infectious, changed = settle(
            program, 0, state, n_live, arrivals, n_arrived, number, salt, events, n_events
        )
        counts[number, 0], counts[number, 1], counts[number, 2] = new, distinct, infectious
        for i in range(before, n_contacts):
            if contacts.kind[i] == PENDING:
                contacts.kind[i] = RECEIVED if program.reached[state.compartment[contacts.dst[i]]] else IGNORED
        if changed:
            last_change, quiet = number, 0
