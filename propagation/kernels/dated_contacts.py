"""Compiled rounds of epidemics without return in one partition: contacts that travel with the round of their success.

Draws have no state, so what an agent will do is known as soon as it is infectious: for how many rounds, and in which of
them each of its contacts first succeeds. It is therefore looked at once for the next `HORIZON` rounds, not in every
round; what travels is a message (dst, round), which its receiver keeps until that round has come. The draws and the
order of events are those of `propagation.kernels.rules`, which then settles whatever is due.
"""

import numba
import numpy as np

from propagation.draws import edge_key, trial_draw, trial_salt
from propagation.kernels.epidemics import ROOM, draw_first_successes, rounds_until
from propagation.kernels.primitives import CHUNK, DST, SHIFT, look_ahead, lowest_bit

_ONE = np.uint64(1)
HORIZON = 8
"""Rounds for which an infectious agent is looked at once."""


@numba.njit(nogil=True, cache=True, forceinline=True)
def _is_due(program, live, i, number, every):  # type: ignore[no-untyped-def]
    """Return whether the contacts of a live agent are to be drawn after a round: every `HORIZON` rounds, or now."""
    return program.transmits[live.compartment[i]] and (every or (number - live.since[i]) % HORIZON == 0)


@numba.njit(nogil=True, cache=True)
def contacts_to_draw(offsets, program, live, number, every):  # type: ignore[no-untyped-def]
    """Return how many contacts are to be drawn after a round; see `send_dated`."""
    total = 0
    for i in range(len(live.agent)):
        if _is_due(program, live, i, number, every):
            total += offsets[live.agent[i] + 1] - offsets[live.agent[i]]
    return total


@numba.njit(nogil=True, cache=True)
def _send_line(program, base, salt, number, rounds, attempts, messages, count):  # type: ignore[no-untyped-def]
    """Draw the contacts that are made in so many rounds after this one; write those that succeed, return how many."""
    words, sources, trials = attempts.words[rounds], attempts.src[rounds], attempts.trial[rounds]
    waiting = attempts.waiting[rounds]
    attempts.waiting[rounds] = 0
    draw_first_successes(words, sources, trials, attempts, base, program.transmission, salt, waiting, rounds)
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


@numba.njit(nogil=True, cache=True)
def send_dated(  # type: ignore[no-untyped-def]
    edges, program, first, all_compartments, live, salts, number, max_rounds, every, attempts, messages, ends
):
    """Let infectious agents contact their out-neighbours in the rounds to come.

    Parameters
    ----------
    first : int64
        First agent of the range.
    all_compartments : (lanes, n) uint8
        Of its agents, 0 for those who can be infected: nothing is sent to the others.
    live : Live
        After round `number`.
    number, max_rounds : int64
        The present round, and the last.
    every : int64
        Whether no contact of later rounds is on its way yet; otherwise only those agents are looked at that were for
        the last time `HORIZON` rounds ago.
    attempts : Attempts
        Scratch.
    messages : Messages
        Out: long enough for `contacts_to_draw`; the value is the round in which the contact succeeds.
    ends : (lanes + 1,) int64
        Out: where each lane's messages end.
    """
    offsets, words, base = edges.offsets, edges.words, edges.base
    lines, sources, trials, waiting = attempts.words, attempts.src, attempts.trial, attempts.waiting
    agents, since, compartments = live.agent, live.since, live.compartment
    leave_chance, leave_after, streams = program.leave_chance, program.leave_after, program.leave_streams
    count, size = np.int64(0), np.uint64(all_compartments.shape[1])
    ends[0] = 0
    for lane in range(len(salts)):
        salt, own = salts[lane], all_compartments[lane]
        for i in range(live.ends[lane], live.ends[lane + 1]):
            if not _is_due(program, live, i, number, every):
                continue
            look_ahead(offsets, words, agents, i, live.ends[lane + 1])
            # 1. For how many rounds: until it is looked at again, leaves, or the last round is over.
            src, age, compartment = agents[i], number - since[i], compartments[i]
            rounds = min(HORIZON - age % HORIZON, max_rounds - number)
            if leave_after[compartment] > 0:
                rounds = min(rounds, leave_after[compartment] - age)
            else:
                chance = leave_chance[compartment]
                rounds = min(rounds, rounds_until(streams[compartment], np.int64(src), salt, chance, age))
            # 2. Contacts with a chance wait to be drawn together.
            low, end = offsets[src], offsets[src + 1]
            while low < end:
                high = min(low + CHUNK, end)
                if waiting[rounds] + CHUNK > ROOM:
                    count = _send_line(program, base, salt, number, rounds, attempts, messages, count)
                at = waiting[rounds]
                for edge in range(low, high):
                    word = words[edge]
                    lines[rounds, at], sources[rounds, at], trials[rounds, at] = word, src, age
                    a = np.uint64(word & DST) - np.uint64(first)
                    is_open = own[a] == 0 if a < size else True
                    at += (np.int64(word >> SHIFT) + base > 0) & is_open
                waiting[rounds] = at
                low = high
        for rounds in range(1, HORIZON + 1):
            if waiting[rounds] > 0:
                count = _send_line(program, base, salt, number, np.int64(rounds), attempts, messages, count)
        ends[lane + 1] = count


@numba.njit(nogil=True, cache=True)
def _sift(compartments, first, number, value, mail, low, high, now, n_now, later, n_later):  # type: ignore[no-untyped-def]
    """Copy messages to those due now, and to those due later; drop those for agents that are reached."""
    all_dst, all_src, rounds, draws = mail.dst, mail.src, mail.value, mail.draw
    now_dst, now_src, now_value, now_draw = now.dst, now.src, now.value, now.draw
    later_dst, later_src, later_value, later_draw = later.dst, later.src, later.value, later.draw
    named = len(all_src) > 0
    for i in range(low, high):
        dst = all_dst[i]
        if compartments[dst - first] != 0:
            continue
        if rounds[i] == number:
            now_dst[n_now], now_value[n_now] = dst, value
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
def sift_mail(first, compartments, number, value, mail, pending, now, later):  # type: ignore[no-untyped-def]
    """Tell messages that are due in a round from those that are due later, lane by lane.

    Parameters
    ----------
    first : int64
        First agent of the range.
    compartments : (lanes, n) uint8
        0 for those who can be infected.
    number : int64
        The round.
    value : int64
        What a message that is due says, as `propagation.kernels.rules` reads it.
    mail, pending : Mail
        Messages of the round, and those that earlier rounds have left; the values are the rounds in which they are due.
    now, later : Mail
        Out; of one sender, and as long as both together.
    """
    n_now, n_later = np.int64(0), np.int64(0)
    now.bounds[0, 0] = later.bounds[0, 0] = 0
    for lane in range(len(compartments)):
        own = compartments[lane]
        n_now, n_later = _sift(
            own, first, number, value, pending.messages, pending.bounds[0, lane], pending.bounds[0, lane + 1],
            now.messages, n_now, later.messages, n_later,
        )  # fmt: skip
        for sender in range(len(mail.bounds)):
            n_now, n_later = _sift(
                own, first, number, value, mail.messages, mail.bounds[sender, lane], mail.bounds[sender, lane + 1],
                now.messages, n_now, later.messages, n_later,
            )  # fmt: skip
        now.bounds[0, lane + 1], later.bounds[0, lane + 1] = n_now, n_later
