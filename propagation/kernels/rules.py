"""Compiled rounds of any model, one lane at a time: the rules of a `propagation.compiled_rules.Program`.

A round has three steps, which run either on a whole network in one task or on ranges of agents in many tasks:

1. `send`: live agents contact their out-neighbours; each contact is a message (dst, src, value, infector draw).
2. `receive`: messages are matched with the state of their targets; no agent moves yet.
3. `settle`: agents with arrivals move, transitions are made, and the live agents of the next round remain.

A message's value holds all that its target needs, so that the source's state is not required. A negative value is minus
a weight to add; otherwise it is a mask of the compartments in which the contact succeeds, with the source's compartment
in the bits above; with fatigue, the number of earlier contacts from which on the contact fails.
"""

import numba
import numpy as np

from propagation.draws import agent_key, edge_key, lane_draw, trial_draw, trial_salt
from propagation.kernels.lane_arrays import (
    ADDED,
    ARRIVED,
    CERTAIN,
    IGNORED,
    MOVED,
    NOTHING,
    PENDING,
    RECEIVED,
    SENT,
    STOPPED,
    SUCCEEDED,
    TOUCHED,
)
from propagation.kernels.primitives import CHUNK, DST, SHIFT, look_ahead, put_in_order, times
from propagation.kernels.thresholds import threshold_of

_SOURCE_SHIFT = 8
_ONE = np.uint64(1)


@numba.njit(nogil=True, cache=True)
def start_lane(program, first, state, arrivals, seeds, seeds_in, salt, n_touched):  # type: ignore[no-untyped-def]
    """Put seeds and sceptics into their compartments; return (live agents, touched agents).

    Parameters
    ----------
    first : int64
        First agent of the range.
    seeds, seeds_in : (k,) int32, (k,) uint8
        Distinct seeds in the range, and the compartment of each.
    """
    n_live = np.int64(0)
    for i in range(len(seeds)):
        seed = seeds[i]
        a = seed - first
        state.compartment[a] = seeds_in[i]
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
    """Reset all touched agents to their initial state."""
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


@numba.njit(nogil=True, cache=True, forceinline=True)
def _tired_from(draw, chance, fatigue):  # type: ignore[no-untyped-def]
    """Return the number of earlier contacts from which on an attempt fails; 0 if it always does."""
    if draw >= chance:
        return np.int64(0)
    level = np.int64(1)
    while level < len(fatigue) and draw < np.int64(times(chance, fatigue[level])):
        level += 1
    return np.int64(2**31) if level == len(fatigue) else level


@numba.njit(nogil=True, cache=True, forceinline=True)
def _sign(chooses, infector, out_src, out_draw, i, src, dst, salt, age):  # type: ignore[no-untyped-def]
    """Attach the sender and its tie-break draw to a message, if they are recorded."""
    if len(out_src) > 0:
        out_src[i], out_draw[i] = src, 0
        if chooses:
            out_draw[i] = trial_draw(edge_key(infector, src, dst), salt, age)


@numba.njit(nogil=True, cache=True)
def send(  # type: ignore[no-untyped-def]  # noqa: C901
    edges, program, first, state, n_live, position, edge, number, salt, every, probing, messages, hits
):
    """Send the contacts of live agents, of as many agents as there is room for messages.

    Parameters
    ----------
    edges, program : Edges, Program
    first : int64
        First agent of the range that `state` is of.
    n_live, position, edge : int64
        Live agents, the one to continue with, and the edge of its row.
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
    # Unpacked once: unpacking in a loop counts references there, and threads contend for the counters.
    offsets, words, influence = edges.offsets, edges.words, edges.influence
    base, influence_base = edges.base, edges.influence_base
    live_agent, live_since = state.live_agent, state.live_since
    compartments, occasions = state.compartment, state.occasion
    transmits, singles, rates, by_edge = program.transmits, program.single, program.rate, program.by_edge
    decays, fatigue, fatigued, recurrent = program.decay, program.fatigue, program.fatigued, program.recurrent
    transmission, mixture, mixing = program.transmission, program.mixture, program.mixing
    mutuals, meeting, meeting_age = program.mutual, program.meeting, trial_salt(number - 1, 1)
    always_adds, chooses, infector = program.adds != 0, program.chooses, program.infector
    out_dst, out_src, out_value, out_draw = messages.dst, messages.src, messages.value, messages.draw
    count, trials, room = 0, 0, len(out_dst)
    while position < n_live:
        src = live_agent[position]
        source = compartments[src - first]
        if not transmits[source]:
            position += 1
            continue
        look_ahead(offsets, words, live_agent, position, n_live)
        since = live_since[position]
        occasion = occasions[src - first] if recurrent else 1
        age = trial_salt(number - since - 1, occasion)
        decay = decays[min(since, len(decays) - 1)]
        low, end = offsets[src] + edge, offsets[src + 1]
        single, mutual = singles[source], mutuals[source]
        while low < end:
            high = min(low + CHUNK, end)
            if count + (high - low) > room:
                return position, low - offsets[src], count, trials
            trials += high - low
            # 1. Contacts that the edge's chance alone decides: draw for all of them at once.
            if single >= 0 and not every and not probing:
                value = np.int64(1 << single) | (np.int64(source) << _SOURCE_SHIFT)
                if decay == CERTAIN:
                    for j in range(high - low):
                        word = words[low + j]
                        draw = np.int64(trial_draw(edge_key(transmission, src, word & DST), salt, age))
                        hits[j] = draw < np.int64(word >> SHIFT) + base
                else:
                    for j in range(high - low):
                        word = words[low + j]
                        draw = np.int64(trial_draw(edge_key(transmission, src, word & DST), salt, age))
                        hits[j] = draw < np.int64(times(np.uint64(np.int64(word >> SHIFT) + base), decay))
                for j in range(high - low):
                    if hits[j]:
                        dst = np.int64(words[low + j] & DST)
                        out_dst[count], out_value[count] = dst, value
                        _sign(chooses, infector, out_src, out_draw, count, src, dst, salt, age)
                        count += 1
                low = high
                continue
            # 2. All others, one by one.
            for e in range(low, high):
                word = words[e]
                dst = np.int64(word & DST)
                chance = np.int64(word >> SHIFT) + base
                value = np.int64(0)
                adds = always_adds
                if mixing >= 0:
                    adds = np.int64(lane_draw(agent_key(mixture, dst), salt)) >= mixing
                    if adds:
                        chance = np.int64(influence[e] >> SHIFT) + influence_base
                if adds:
                    value = -chance if chance > 0 else np.int64(NOTHING)
                else:
                    draw = np.int64(0)
                    if not probing:
                        draw = np.int64(trial_draw(edge_key(transmission, src, dst), salt, age))
                    chance = np.int64(times(np.uint64(chance), decay))
                    if fatigued:
                        value = _tired_from(draw, chance, fatigue)
                    else:
                        met = draw
                        if mutual and not probing:
                            pair = edge_key(meeting, min(np.int64(src), dst), max(np.int64(src), dst))
                            met = np.int64(trial_draw(pair, salt, meeting_age))
                        for target in range(8):
                            rate = rates[source, target]
                            if rate >= 0:
                                if by_edge[source, target]:
                                    rate = np.int64(times(np.uint64(chance), np.uint64(rate)))
                                value |= np.int64((met if mutual and target == source else draw) < rate) << target
                        if value != 0:
                            value |= np.int64(source) << _SOURCE_SHIFT
                idle = value == NOTHING or (value == 0 and not fatigued)
                if idle and not every:
                    continue
                out_dst[count], out_value[count] = dst, value
                _sign(chooses, infector, out_src, out_draw, count, src, dst, salt, age)
                count += 1
            low = high
        position += 1
        edge = 0
    return position, 0, count, trials


@numba.njit(nogil=True, cache=True, forceinline=True)
def _consider(best_draw, best_src, best_code, a, src, draw, code, first_wins):  # type: ignore[no-untyped-def]
    """Let a contact decide what happens to agent a if its (draw, src) is the smallest so far.

    Where the compartment listed first wins, (compartment, draw, src) is compared instead.
    """
    decides = draw < best_draw[a] or (draw == best_draw[a] and src < best_src[a])
    if first_wins and code != best_code[a]:
        decides = code < best_code[a]
    if decides:
        best_draw[a], best_src[a], best_code[a] = draw, src, code


@numba.njit(nogil=True, cache=True)
def receive(program, first, state, arrivals, n_arrived, n_touched, messages, low, high, kinds, stopped):  # type: ignore[no-untyped-def]  # noqa: C901
    """Receive messages for the agents of a range.

    Parameters
    ----------
    n_arrived, n_touched : int64
        Length of the lists in `arrivals`.
    messages : Messages
        Those from `low` to `high` are read.
    kinds : int64
        Whether to write the outcome of each message to ``messages.kind``.
    stopped : (k,) int32
        Out: sources that their contacts stop, possibly with duplicates.

    Returns
    -------
    n_arrived, n_touched, n_stopped : int
    """
    all_dst, all_src, values = messages.dst, messages.src, messages.value
    all_draw, kind_of = messages.draw, messages.kind
    compartments, weights, contacts = state.compartment, state.weight, state.contacts
    reaching, target_to, stops = program.reached, program.target_to, program.stops
    fatigued, chooses, first_wins = program.fatigued, program.chooses, program.first_wins
    flags, fresh, arrived, touched = arrivals.flags, arrivals.fresh, arrivals.arrived, arrivals.touched
    bits = arrivals.bits
    best_draw, best_src, best_code = arrivals.best_draw, arrivals.best_src, arrivals.best_code
    n_stopped = 0
    for i in range(low, high):
        dst, value = all_dst[i], values[i]
        src = all_src[i] if len(all_src) > 0 else np.int32(-1)
        a = dst - first
        target = compartments[a]
        reached = reaching[target]
        kind = SENT if reached else IGNORED
        flag = 0
        code = np.uint8(0)
        if value < 0:
            if not reached:
                kind = PENDING
                if value != NOTHING:
                    flag = ADDED
                    weights[a] -= value
        else:
            succeeds = False
            if fatigued:
                fresh[a] += 1
                flag = ARRIVED
                succeeds = target_to[1, target] >= 0 and contacts[a] < value
                code = np.uint8(1)
            else:
                succeeds = (value >> target) & 1 != 0
                code = np.uint8(value >> _SOURCE_SHIFT)
            if succeeds:
                if not reached:
                    kind = RECEIVED
                if stops[code, target]:
                    stopped[n_stopped] = src
                    n_stopped += 1
                if target_to[code, target] >= 0:
                    flag |= SUCCEEDED
        if flag != 0:
            old = flags[a]
            if old & (ARRIVED | SUCCEEDED | ADDED) == 0:
                arrived[n_arrived] = a
                bits[a >> 6] |= _ONE << np.uint64(a & 63)
                n_arrived += 1
            if old & TOUCHED == 0:
                touched[n_touched] = dst
                n_touched += 1
            if flag & (SUCCEEDED | ADDED):
                if old & (SUCCEEDED | ADDED) == 0:
                    best_draw[a], best_src[a] = np.uint32(0xFFFFFFFF), np.int32(0x7FFFFFFF)
                    best_code[a] = code
                if chooses:
                    _consider(best_draw, best_src, best_code, a, src, all_draw[i], code, first_wins)
            flags[a] = old | flag | TOUCHED
        if kinds:
            kind_of[i] = kind
    return n_arrived, n_touched, n_stopped


@numba.njit(nogil=True, cache=True, forceinline=True)
def _note(events, n_events, agent, number, infector, occasion, to):  # type: ignore[no-untyped-def]
    """Write an activation behind the others, if they are recorded; return how many there are."""
    if len(events.agent) == 0:
        return n_events
    events.agent[n_events], events.round[n_events] = agent, number
    events.infector[n_events], events.occasion[n_events] = infector, occasion
    if len(events.compartment) > 0:
        events.compartment[n_events] = to
    return n_events + 1


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
    compartments, occasions, weights, contacts = state.compartment, state.occasion, state.weight, state.contacts
    live_agent, live_since = state.live_agent, state.live_since
    all_flags, fresh, arrived = arrivals.flags, arrivals.fresh, arrivals.arrived
    best_code, best_src = arrivals.best_code, arrivals.best_src
    target_to, otherwise, shares, reaching = program.target_to, program.otherwise, program.share, program.reached
    lives, transmits, stop_to = program.live, program.transmits, program.stop_to
    leave_to, leave_chance, leave_after = program.leave_to, program.leave_chance, program.leave_after
    leave_streams, thresholds, in_degree = program.leave_streams, program.thresholds, program.in_degree
    fatigued, recurrent, seeds_in = program.fatigued, program.recurrent, program.seeds_in
    branching, threshold = program.branching, program.threshold
    new, distinct, infectious, changed = 0, 0, 0, 0
    tail = n_live
    # 1. Agents that contacts move.
    put_in_order(arrivals.bits, arrived, np.int64(0), n_arrived)
    for i in range(n_arrived):
        a = arrived[i]
        agent = a + first
        flags = all_flags[a]
        all_flags[a] = flags & (TOUCHED | STOPPED)
        if fatigued and fresh[a] > 0:
            contacts[a] += fresh[a]
            fresh[a] = 0
        source = compartments[a]
        to = np.int64(-1)
        if flags & SUCCEEDED:
            code = best_code[a]
            to = np.int64(target_to[code, source])
            if otherwise[code, source] >= 0:
                draw = np.int64(lane_draw(agent_key(branching, agent), salt))
                if draw >= shares[code, source]:
                    to = np.int64(otherwise[code, source])
        elif flags & ADDED and weights[a] >= threshold_of(thresholds, in_degree, threshold, salt, np.int64(agent)):
            to = seeds_in
        if to < 0 or to == source:
            continue
        changed = 1
        compartments[a] = to
        if reaching[to] and not reaching[source]:
            occasion = 1
            if recurrent:
                occasion = occasions[a] + 1
                occasions[a] = occasion
            new += 1
            distinct += occasion == 1
            n_events = _note(events, n_events, agent, number, best_src[a], occasion, to)
        if lives[source]:
            all_flags[a] |= MOVED
        elif lives[to]:
            live_agent[tail], live_since[tail] = agent, number
            tail += 1
    # 2. Agents that were live before: those that stop, and those that leave by themselves.
    kept = 0
    for i in range(tail):
        agent, since = live_agent[i], live_since[i]
        a = agent - first
        if i < n_live:
            flags = all_flags[a]
            compartment = compartments[a]
            to = np.int64(-1)
            if flags & MOVED:
                since = number
            elif flags & STOPPED:
                to = np.int64(stop_to[compartment])
            elif leave_after[compartment] > 0:
                if number - since >= leave_after[compartment]:
                    to = np.int64(leave_to[compartment])
            elif leave_chance[compartment] == CERTAIN:
                to = np.int64(leave_to[compartment])
            elif leave_chance[compartment] > 0:
                occasion = occasions[a] if recurrent else 1
                key = agent_key(leave_streams[compartment], agent)
                draw = np.int64(trial_draw(key, salt, trial_salt(number - since - 1, occasion)))
                if draw < leave_chance[compartment]:
                    to = np.int64(leave_to[compartment])
            all_flags[a] = flags & TOUCHED
            if to >= 0:
                changed = 1
                compartments[a] = to
                since = number
                if reaching[to] and not reaching[compartment]:  # a seed of a message that starts now
                    new += 1
                    distinct += 1
                    n_events = _note(events, n_events, agent, number, -1, 1, to)
        compartment = compartments[a]
        if lives[compartment]:
            live_agent[kept], live_since[kept] = agent, since
            kept += 1
            infectious += transmits[compartment] and reaching[compartment]
    return kept, n_events, new, distinct, infectious, changed
