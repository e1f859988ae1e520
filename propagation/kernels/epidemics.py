"""Compiled rounds of epidemics in which nobody is infected twice (SI, SIR, SEIR), one lane at a time.

Draws have no state, so an agent's future is known as soon as it is infectious: for how many rounds, and in which of
them each of its contacts first succeeds. A lane is therefore an event queue by round, instead of a loop over all
infectious agents in every round. An agent's row is read once for the next `SLOTS` rounds; contacts with agents already
reached are skipped, the other trials are drawn in batches over several agents, and only first successes are queued,
each in the round in which it arrives. An agent that is infectious for longer is processed again after those rounds.

As in `propagation.kernels.cascades`, cache misses dominate the cost, not arithmetic: whether an agent is reached is one
bit, and the round of its first pending arrival is one byte.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.draws import agent_key, edge_key, trial_draw, trial_salt
from propagation.kernels.primitives import CHUNK, DST, SHIFT, add_reach, look_ahead, lowest_bit

SLOTS = 16
"""Rounds for which events are scheduled ahead, a power of two."""
ROOM = 4 * CHUNK
"""Contacts that wait to be drawn together, for each number of rounds in which they are made."""
LATER = SLOTS + 1
"""How far behind the lines of contacts that begin with their first trial those of others are: see `Attempts`."""
NEVER = 255
"""Slot of an agent without a scheduled event."""
_LAST_SLOT = SLOTS - 1
_CERTAIN = 2**32
_ONE = np.uint64(1)
_LOW, _U32 = np.uint64(0xFFFFFFFF), np.uint64(32)


class Course(NamedTuple):
    """Course of an infection: streams of draws, and chances in 2**-32.

    Attributes
    ----------
    transmission, recovery, onset : uint64
        Streams: of contacts; of leaving the infectious compartment; of leaving the exposed one.
    recovery_chance, recovery_after : int64
        Chance per round, or number of rounds if above 0; both 0 if nobody recovers.
    exposes : int64
        Whether contacts make agents exposed before they are infectious.
    onset_chance : int64
        Chance per round of becoming infectious once exposed.
    """

    transmission: np.uint64
    recovery: np.uint64
    recovery_chance: np.int64
    recovery_after: np.int64
    exposes: np.int64
    onset: np.uint64
    onset_chance: np.int64


class Calendar(NamedTuple):
    """What is due, by slot: the round modulo `SLOTS`. Clean between lanes.

    Attributes
    ----------
    reached : (n // 8 + 1,) uint8
        One bit per agent.
    due : (n,) uint8
        Slot of an agent's first arrival, `NEVER` for those that wait for none.
    entered : (n,) int32
        Round in which a reached agent became infectious, or will; ``-1 - round`` if it was exposed then and is still.
    arrivals, wakes : (SLOTS, n) int32
        Agents that a contact succeeds on; agents to see to, ``-1 - agent`` if only because they may recover.
    sizes : (4, SLOTS) int64
        Of `arrivals` and `wakes`; agents that become infectious, and that recover.
    """

    reached: npt.NDArray[np.uint8]
    due: npt.NDArray[np.uint8]
    entered: npt.NDArray[np.int32]
    arrivals: npt.NDArray[np.int32]
    wakes: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]


class Attempts(NamedTuple):
    """Contacts waiting to be drawn together, in one line for each number of rounds in which they are made.

    Contacts whose first trial is 0 (most of them) have separate lines, because the common part of their draws is
    computed once. The others are in the lines from `LATER` on.

    Attributes
    ----------
    words : (2 LATER, ROOM) uint64
        Edges.
    src : (2 LATER, ROOM) int32
        Their sources.
    trial : (2 LATER, ROOM) int32
        The first of their trials.
    waiting : (2 LATER,) int64
        Length of each line.
    low_key, high_key, last, first : (ROOM,) uint32
        Of the line that is drawn: halves of keys, largest successful draw, and the trial that succeeded first.
    hits : (ROOM,) uint8
        Whether one did.
    """

    words: npt.NDArray[np.uint64]
    src: npt.NDArray[np.int32]
    trial: npt.NDArray[np.int32]
    waiting: npt.NDArray[np.int64]
    low_key: npt.NDArray[np.uint32]
    high_key: npt.NDArray[np.uint32]
    last: npt.NDArray[np.uint32]
    first: npt.NDArray[np.uint32]
    hits: npt.NDArray[np.uint8]


ARRIVALS, WAKES, ONSETS, RECOVERIES = 0, 1, 2, 3


@numba.njit(nogil=True, cache=True)
def draw_first_successes(attempts, base, stream, salt, line):  # type: ignore[no-untyped-def]
    """Empty a line: write on which trial each of its contacts first succeeds, and whether on any; return its length."""
    words, src, trial, count = attempts.words[line], attempts.src[line], attempts.trial[line], attempts.waiting[line]
    low_key, high_key, last = attempts.low_key, attempts.high_key, attempts.last
    first, hits = attempts.first, attempts.hits
    rounds, later = line % LATER, line >= LATER
    attempts.waiting[line] = 0
    for i in range(count):
        key = edge_key(stream, src[i], words[i] & DST)
        low_key[i] = np.uint32(key & _LOW)
        high_key[i] = np.uint32(key >> _U32)
    for i in range(count):
        last[i] = np.uint32((words[i] >> SHIFT) + np.uint64(base - 1))
    for i in range(count):
        first[i] = np.uint32(rounds)
    for k in range(rounds):
        j = np.uint32(rounds - 1 - k)
        if later:
            for i in range(count):
                key = (np.uint64(high_key[i]) << _U32) | np.uint64(low_key[i])
                draw = trial_draw(key, salt, trial_salt(np.uint32(trial[i]) + j, 1))
                before = first[i]
                first[i] = j if draw <= last[i] else before
        else:
            of_trial = trial_salt(j, 1)
            for i in range(count):
                key = (np.uint64(high_key[i]) << _U32) | np.uint64(low_key[i])
                draw = trial_draw(key, salt, of_trial)
                before = first[i]
                first[i] = j if draw <= last[i] else before
    for i in range(count):
        hits[i] = np.uint8(first[i] < np.uint32(rounds))
    for i in range(count, (count + 7) & ~7):
        hits[i] = np.uint8(0)
    return count


@numba.njit(nogil=True, cache=True)
def _attempt(attempts, calendar, base, stream, salt, number, line):  # type: ignore[no-untyped-def]
    """Draw the contacts of a line, made in the coming rounds, and schedule those that succeed."""
    count = draw_first_successes(attempts, base, stream, salt, line)
    words = attempts.words[line]
    flags = attempts.hits.view(np.uint64)
    for eight in range((count + 7) >> 3):
        hits = flags[eight]
        while hits != 0:
            i = 8 * eight + (lowest_bit(hits) >> 3)
            hits &= hits - _ONE
            dst, first = np.int64(words[i] & DST), np.int64(attempts.first[i])
            due = np.int64(calendar.due[dst])
            if due == NEVER or ((due - number - 1) & _LAST_SLOT) > first:
                slot = (number + 1 + first) & _LAST_SLOT
                calendar.due[dst] = slot
                calendar.arrivals[slot, calendar.sizes[ARRIVALS, slot]] = dst
                calendar.sizes[ARRIVALS, slot] += 1


@numba.njit(nogil=True, cache=True, forceinline=True)
def _select(reached, words, always, low, high, lines, line, waiting):  # type: ignore[no-untyped-def]
    """Add the edges ``words[low:high]`` that can infect somebody to a line; return its length."""
    # Unsigned: Numba then leaves out the check for negative indices.
    at, start = np.uint64(waiting), np.uint64(low)
    for e in range(np.uint64(high - low)):
        word = words[start + e]
        dst = word & DST
        lines[line, at] = word
        is_open = ~(np.uint64(reached[dst >> np.uint64(3)]) >> (dst & np.uint64(7))) & _ONE
        at += is_open & np.uint64((word | always) > DST)
    return np.int64(at)


@numba.njit(nogil=True, cache=True, forceinline=True)
def _wake(wakes, sizes, agent, number):  # type: ignore[no-untyped-def]
    """Schedule an event of an agent in a round."""
    slot = number & _LAST_SLOT
    wakes[slot, sizes[WAKES, slot]] = agent
    sizes[WAKES, slot] += 1


@numba.njit(nogil=True, cache=True)
def rounds_until(stream, agent, salt, chance, trial):  # type: ignore[no-untyped-def]
    """Return after how many of the next `SLOTS` rounds an agent leaves its compartment; one more if after none."""
    if chance == _CERTAIN:
        return np.int64(1)
    if chance > 0:
        key = agent_key(stream, agent)
        for j in range(SLOTS):
            if np.int64(trial_draw(key, salt, trial_salt(trial + j, 1))) < chance:
                return np.int64(j + 1)
    return np.int64(SLOTS + 1)


@numba.njit(nogil=True, cache=True, forceinline=True)
def _has_open_contact(reached, offsets, words, base, agent):  # type: ignore[no-untyped-def]
    """Return whether some contact of an agent can still infect somebody."""
    for e in range(offsets[agent], offsets[agent + 1]):
        word = words[e]
        dst = np.int64(word & DST)
        if (reached[dst >> 3] >> np.uint8(dst & 7)) & 1 == 0 and np.int64(word >> SHIFT) + base > 0:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _is_closed(offsets, words, base, calendar, queue, low, high):  # type: ignore[no-untyped-def]
    """Return whether no contact can infect anybody any more: of agents to be woken, and of ``queue[low:high]``."""
    for slot in range(SLOTS):
        for i in range(calendar.sizes[WAKES, slot]):
            agent = calendar.wakes[slot, i]
            if agent >= 0 and _has_open_contact(calendar.reached, offsets, words, base, agent):
                return False
    for i in range(low, high):  # noqa: SIM110 (all() is no kernel's)
        if _has_open_contact(calendar.reached, offsets, words, base, queue[i]):
            return False
    return True


@numba.njit(nogil=True, cache=True, forceinline=True)
def _clear(calendar, queue, tail):  # type: ignore[no-untyped-def]
    """Clean the calendar of a lane that reached the first `tail` agents of its queue."""
    for position in range(tail):
        calendar.reached[queue[position] >> 3] = 0
    for slot in range(SLOTS):
        for i in range(calendar.sizes[ARRIVALS, slot]):
            calendar.due[calendar.arrivals[slot, i]] = NEVER
    calendar.sizes[:] = 0


@numba.njit(nogil=True, cache=True)
def epidemic_lanes(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, course, salts, seeds, max_rounds, stop,
    calendar, queue, attempts, counts, infectious_counts, ends, truncated, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run lanes one after another.

    Parameters as in `propagation.kernels.cascades.sparse_cascades`, and:

    Parameters
    ----------
    course : Course
    calendar, attempts : Calendar, Attempts
        Scratch.
    counts, infectious_counts : (capacity,) int32
        Out: activations of every lane and round until it is over, lane after lane, and agents infectious at its end.

    Returns
    -------
    lanes_done, looked, n_touched : int
        Fewer lanes than asked for mean that `counts` is full or `stop` was set; `looked` counts edges.
    """
    at, looked = 0, 0
    never_recovers = course.recovery_chance == 0 and course.recovery_after == 0
    always = np.uint64(base > 0) << np.uint64(63)
    # Unpacked once: unpacking in a loop counts references there.
    reached, due, entered, sizes = calendar.reached, calendar.due, calendar.entered, calendar.sizes
    arrivals, wakes = calendar.arrivals, calendar.wakes
    lines, sources, first_trials, waiting = attempts.words, attempts.src, attempts.trial, attempts.waiting
    for lane in range(len(salts)):
        salt = salts[lane]
        first = at
        # 1. Round 0: the seeds.
        tail = 0
        for i in range(seeds.ends[seeds.of_lane[lane]], seeds.ends[seeds.of_lane[lane] + 1]):
            seed = seeds.agents[i]
            queue[tail] = seed
            tail += 1
            reached[seed >> 3] |= np.uint8(1 << (seed & 7))
        number, level, last_change, quiet = 0, 0, 0, False
        exposed, infectious = 0, tail
        full = False
        while True:
            full = at == len(counts)
            if full or stop[0] != 0:
                break
            counts[at], infectious_counts[at] = tail - level, infectious
            at += 1
            # 2. Check whether the lane is over: no live agents or, if agents never recover, nobody left to infect.
            if infectious == 0 and (exposed == 0 or course.onset_chance == 0):
                break
            if never_recovers and not quiet and (number == max_rounds or last_change < number):
                fresh = tail if course.exposes and number > 0 else level
                quiet = True
                if (exposed == 0 or course.onset_chance == 0) and _is_closed(
                    offsets, words, base, calendar, queue, fresh, tail
                ):
                    # Only running a round shows that it changes nothing; such a round is not counted.
                    at = first + last_change + 1
                    break
            if number == max_rounds:
                truncated[lane] = 1
                break
            # 3. Agents whose event is due, then agents reached in this round.
            slot = number & _LAST_SLOT
            limit = min(max_rounds - number, np.int64(SLOTS))
            waking = sizes[WAKES, slot]
            sizes[WAKES, slot] = 0
            for i in range(waking + tail - level):
                finished = False
                if i < waking:
                    agent = np.int64(wakes[slot, i])
                    if agent < 0:
                        agent, finished = -1 - agent, True
                else:
                    position = level + i - waking
                    agent = np.int64(queue[position])
                    look_ahead(offsets, words, queue, position, tail)
                    entered[agent] = -1 - number if course.exposes and number > 0 else number
                since = np.int64(entered[agent])
                # 3a. The exposed: when do they become infectious?
                if since < 0:
                    rounds = rounds_until(course.onset, agent, salt, course.onset_chance, number + 1 + since)
                    if rounds <= SLOTS:
                        entered[agent] = number + rounds
                        sizes[ONSETS, (number + rounds) & _LAST_SLOT] += 1
                    if course.onset_chance > 0:
                        _wake(wakes, sizes, agent, number + min(rounds, np.int64(SLOTS)))
                    continue
                # 3b. The infectious: when do they recover, and whom can they infect until then?
                trial = number - since
                if course.recovery_after > 0:
                    rounds = min(course.recovery_after - trial, np.int64(SLOTS + 1))
                else:
                    rounds = rounds_until(course.recovery, agent, salt, course.recovery_chance, trial)
                recovers = rounds <= SLOTS
                if recovers:
                    sizes[RECOVERIES, (number + rounds) & _LAST_SLOT] += 1
                if not finished:
                    finished = True
                    rounds = min(rounds, limit)
                    low, end = offsets[agent], offsets[agent + 1]
                    looked += end - low
                    line = rounds + LATER * (trial > 0)
                    while low < end:
                        high = min(low + CHUNK, end)
                        before = waiting[line]
                        if before + CHUNK > ROOM:
                            _attempt(attempts, calendar, base, course.transmission, salt, number, line)
                            before = 0
                        after = _select(reached, words, always, low, high, lines, line, before)
                        for k in range(before, after):
                            sources[line, k] = agent
                        for k in range(before, after):
                            first_trials[line, k] = trial
                        waiting[line] = after
                        finished = finished and after == before
                        low = high
                if not recovers and not (finished and never_recovers):
                    _wake(wakes, sizes, -1 - agent if finished else agent, number + SLOTS)
            for line in range(2 * LATER):
                if waiting[line] > 0:
                    _attempt(attempts, calendar, base, course.transmission, salt, number, line)
            # 4. The next round: arrivals, onsets and recoveries.
            number += 1
            slot = number & _LAST_SLOT
            level = tail
            for i in range(sizes[ARRIVALS, slot]):
                agent = np.int64(arrivals[slot, i])
                if due[agent] == slot:
                    due[agent] = NEVER
                    reached[agent >> 3] |= np.uint8(1 << (agent & 7))
                    queue[tail] = agent
                    tail += 1
            onsets, recoveries = sizes[ONSETS, slot], sizes[RECOVERIES, slot]
            sizes[ARRIVALS, slot] = sizes[ONSETS, slot] = sizes[RECOVERIES, slot] = 0
            if course.exposes:
                exposed += tail - level - onsets
                infectious += onsets - recoveries
            else:
                infectious += tail - level - recoveries
            if tail > level or onsets > 0 or recoveries > 0:
                last_change, quiet = number, False
        # 5. Clean up; a lane that did not end is not counted.
        _clear(calendar, queue, tail)
        if full or stop[0] != 0:
            return lane, looked, n_touched
        ends[lane] = at
        n_touched = add_reach(queue, counts, first, at, times, round_sums, touched, n_touched)
    return len(salts), looked, n_touched
