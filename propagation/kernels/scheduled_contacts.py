"""Compiled rounds of epidemics in one partition: each message carries the round in which its contact succeeds.

Draws have no state, so once an agent is infectious it is known for how many rounds, and in which of them each of its
contacts first succeeds. Its row is therefore read once for all rounds until its next event. It sends messages (dst,
round), which the receiver keeps until that round and `propagation.kernels.epidemic_schedule` then processes. The draws
are those of `propagation.kernels.rules`.
"""

import numba
import numpy as np

from propagation.draws import edge_key, trial_draw, trial_salt
from propagation.kernels.epidemics import LATER, ROOM, draw_first_successes
from propagation.kernels.primitives import (
    CHUNK,
    DST,
    look_ahead,
    lowest_bit,
)

_ONE, _ZERO = np.uint64(1), np.uint64(0)


@numba.njit(nogil=True, cache=True)
def contacts_to_draw(offsets, first, all_compartments, infects, entry):  # type: ignore[no-untyped-def]
    """Return how many contacts the agents of an `Entry` in compartment `infects` make; see `send_scheduled`."""
    total, bounds, agents = 0, entry.bounds, entry.agent
    for lane in range(len(all_compartments)):
        own = all_compartments[lane]
        for k in range(len(bounds)):
            for i in range(bounds[k, lane], bounds[k, lane + 1]):
                src = agents[i]
                if own[src - first] == infects:
                    total += offsets[src + 1] - offsets[src]
    return total


@numba.njit(nogil=True, cache=True)
def _send_line(program, base, salt, number, line, attempts, messages, count):  # type: ignore[no-untyped-def]
    """Draw the contacts of a line for the coming rounds; write those that succeed, return the new count."""
    waiting = draw_first_successes(attempts, base, program.transmission, salt, line)
    words, sources, trials = attempts.words[line], attempts.src[line], attempts.trial[line]
    first, flags = attempts.first, attempts.hits.view(np.uint64)
    all_dst, all_src, values, draws = messages.dst, messages.src, messages.value, messages.draw
    named, chooses, infector = len(all_src) > 0, program.chooses, program.infector
    for eight in range((waiting + 7) >> 3):
        hits = flags[eight]
        while hits != 0:
            i = 8 * eight + (lowest_bit(hits) >> 3)
            hits &= hits - _ONE
            dst = words[i] & DST
            all_dst[count], values[count] = dst, number + 1 + np.int64(first[i])
            if named:
                all_src[count], draws[count] = sources[i], 0
                if chooses:
                    age = trial_salt(np.uint32(trials[i]) + first[i], 1)
                    draws[count] = trial_draw(edge_key(infector, sources[i], dst), salt, age)
            count += 1
    return count


@numba.njit(nogil=True, cache=True, forceinline=True)
def _select(own, first, words, base, low, high, lines, line, waiting):  # type: ignore[no-untyped-def]
    """Add the edges ``words[low:high]`` to a line, except those known to infect nobody; return its length.

    Destinations ascend, so those in this partition's range are contiguous; only for them is it known who is reached.
    """
    # Unsigned: Numba then leaves out the check for negative indices.
    start, at = np.uint64(low), np.uint64(waiting)
    from_agent, to_agent = np.uint64(first), np.uint64(first + len(own))
    always, inside, beyond = base > 0, _ZERO, _ZERO
    for j in range(np.uint64(high - low)):
        dst = words[start + j] & DST
        inside += np.uint64(dst < from_agent)
        beyond += np.uint64(dst < to_agent)
    at = _copy(always, words, start, start + inside, lines, line, at)
    for j in range(start + inside, start + beyond):
        word = words[j]
        lines[line, at] = word
        at += np.uint64(own[(word & DST) - from_agent] == 0) & (np.uint64(always) | np.uint64(word > DST))
    return np.int64(_copy(always, words, start + beyond, np.uint64(high), lines, line, at))


@numba.njit(nogil=True, cache=True, forceinline=True)
def _copy(always, words, low, high, lines, line, at):  # type: ignore[no-untyped-def]
    """Add the edges ``words[low:high]`` that have a chance to a line, if not all always have; return its length."""
    if always:
        for j in range(high - low):
            lines[line, at + j] = words[low + j]
        return at + high - low
    for j in range(low, high):
        lines[line, at] = words[j]
        at += np.uint64(words[j] > DST)
    return at


@numba.njit(nogil=True, cache=True)
def send_scheduled(  # type: ignore[no-untyped-def]
    edges, program, first, all_compartments, entry, salts, number, max_rounds, attempts, messages, ends
):
    """Send the contacts of infectious agents for all rounds until their next event.

    Parameters
    ----------
    first : int64
        First agent of the range.
    all_compartments : (lanes, n) uint8
        Of its agents, 0 for those that can be infected: no message is sent to the others.
    entry : Entry
        Agents scheduled in round `number`.
    number, max_rounds : int64
        The present round, and the last.
    attempts : Attempts
        Scratch.
    messages : Messages
        Out: long enough for `contacts_to_draw`; the value is the round in which the contact succeeds.
    ends : (lanes + 1,) int64
        Out: where each lane's messages end.
    """
    offsets, words, base = edges.offsets, edges.words, edges.base
    lines, sources, trials, waiting = attempts.words, attempts.src, attempts.trial, attempts.waiting
    bounds, agents, since = entry.bounds, entry.agent, entry.since
    count = np.int64(0)
    ends[0] = 0
    for lane in range(len(salts)):
        salt, own = salts[lane], all_compartments[lane]
        for k in range(len(bounds)):
            rounds = min(k + 1, max_rounds - number)
            for i in range(bounds[k, lane], bounds[k, lane + 1]):
                src = agents[i]
                if own[src - first] != program.seeds_in:
                    continue
                look_ahead(offsets, words, agents, i, bounds[k, lane + 1])
                # Contacts with a chance are buffered and drawn together.
                age = number - max(np.int64(since[i]), -1 - np.int64(since[i]))
                low, end, line = offsets[src], offsets[src + 1], rounds + LATER * (age > 0)
                while low < end:
                    high = min(low + CHUNK, end)
                    if waiting[line] + CHUNK > ROOM:
                        count = _send_line(program, base, salt, number, line, attempts, messages, count)
                    before = waiting[line]
                    after = _select(own, first, words, base, low, high, lines, line, before)
                    for j in range(before, after):
                        sources[line, j] = src
                    for j in range(before, after):
                        trials[line, j] = age
                    waiting[line] = after
                    low = high
        for line in range(2 * LATER):
            if waiting[line] > 0:
                count = _send_line(program, base, salt, number, line, attempts, messages, count)
        ends[lane + 1] = count


@numba.njit(nogil=True, cache=True)
def _split(compartments, first, number, inbox, low, high, now, n_now, later, n_later):  # type: ignore[no-untyped-def]
    """Copy messages to those due now or due later; drop those for agents that are reached."""
    all_dst, all_src, rounds, draws = inbox.dst, inbox.src, inbox.value, inbox.draw
    now_dst, now_src, now_draw = now.dst, now.src, now.draw
    later_dst, later_src, later_value, later_draw = later.dst, later.src, later.value, later.draw
    named = len(all_src) > 0
    for i in range(low, high):
        dst = all_dst[i]
        if compartments[dst - first] != 0:
            continue
        if rounds[i] == number:
            now_dst[n_now] = dst
            if named:
                now_src[n_now], now_draw[n_now] = all_src[i], draws[i]
            n_now += 1
        else:
            later_dst[n_later], later_value[n_later] = dst, rounds[i]
            if named:
                later_src[n_later], later_draw[n_later] = all_src[i], draws[i]
            n_later += 1
    return n_now, n_later


@numba.njit(nogil=True, cache=True)
def split_by_due_round(first, compartments, number, inbox, pending, now, later):  # type: ignore[no-untyped-def]
    """Split messages into those due in a round and those due later, lane by lane.

    Parameters
    ----------
    first : int64
        First agent of the range.
    compartments : (lanes, n) uint8
        0 for agents that can be infected.
    number : int64
        The round.
    inbox, pending : Inbox
        Messages of the round, and those kept from earlier rounds; the values are the rounds in which they are due.
    now, later : Inbox
        Out; of one sender, with room for both together.
    """
    n_now, n_later = np.int64(0), np.int64(0)
    now.bounds[0, 0] = later.bounds[0, 0] = 0
    for lane in range(len(compartments)):
        own = compartments[lane]
        n_now, n_later = _split(
            own, first, number, pending.messages, pending.bounds[0, lane], pending.bounds[0, lane + 1],
            now.messages, n_now, later.messages, n_later,
        )  # fmt: skip
        for sender in range(len(inbox.bounds)):
            n_now, n_later = _split(
                own, first, number, inbox.messages, inbox.bounds[sender, lane], inbox.bounds[sender, lane + 1],
                now.messages, n_now, later.messages, n_later,
            )  # fmt: skip
        now.bounds[0, lane + 1], later.bounds[0, lane + 1] = n_now, n_later
