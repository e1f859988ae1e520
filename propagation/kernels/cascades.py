"""Compiled rounds of independent cascades, one lane or 64 lanes at a time.

What costs is not arithmetic but cache misses, so: one edge is one 64-bit word (`propagation.weights.AttemptRows`), the
draw is computed before anything about the destination is loaded, an agent's being reached is one bit, and rows of
agents further down the queue are prefetched. Nothing allocates per edge, nothing holds the interpreter's lock, and
the stop flag is read every round.

All arrays that come from a network are read-only mappings; each kernel thus has one signature.
"""

import numba
import numpy as np

from propagation.draws import edge_key, lane_draw
from propagation.kernels.primitives import (
    CHUNK,
    DST,
    SHIFT,
    STATE_AHEAD,
    add_reach,
    bit_count,
    look_ahead,
    lowest_bit,
    prefetch,
)

_ONE, _ZERO = np.uint64(1), np.uint64(0)
FEW_LANES = 4
"""Measured: up to so many lanes of a word, drawing lane by lane beats drawing for all 64."""


@numba.njit(nogil=True, cache=True, inline="always")
def attempt(words, base, stream, salt, src, low, high, hits):  # type: ignore[no-untyped-def]
    """Draw for the edges ``words[low:high]`` of `src` in one lane; mark successes in `hits`, return their number."""
    successes = 0
    for j in range(high - low):
        word = words[low + j]
        draw = np.int64(lane_draw(edge_key(stream, src, word & DST), salt))
        hit = draw < np.int64(word >> SHIFT) + base
        hits[j] = hit
        successes += hit
    return successes


@numba.njit(nogil=True, cache=True, inline="always")
def lanes_hit(key, last, salts):  # type: ignore[no-untyped-def]
    """Return the lanes of a word in which the draw of an edge is at most `last`."""
    hit = _ZERO
    for lane in range(len(salts)):
        hit |= np.uint64(lane_draw(key, salts[lane]) <= last) << np.uint64(lane)
    return hit


@numba.njit(nogil=True, cache=True, inline="always")
def _arrive(state, dst, lanes, next_queue, n_next):  # type: ignore[no-untyped-def]
    """Note that `dst` is hit in some lanes; return how many agents arrive in this round."""
    arriving = state[2 * dst + 1]
    lanes &= ~(state[2 * dst] | arriving)
    if lanes != 0:
        if arriving == 0:
            next_queue[n_next] = dst
            n_next += 1
        state[2 * dst + 1] = arriving | lanes
    return n_next


@numba.njit(nogil=True, cache=True, inline="always")
def _attempt_together(  # type: ignore[no-untyped-def]
    words, base, stream, salts, src, low, end, sending, state, next_queue, n_next
):
    """Draw for the edges ``words[low:end]`` of `src` in all lanes of a word: one hash per edge, one draw per lane."""
    for edge in range(low, end):
        if edge + STATE_AHEAD < end:
            prefetch(state, np.int64(2) * np.int64(words[edge + STATE_AHEAD] & DST))
        word = words[edge]
        dst = np.int64(word & DST)
        exposed = sending & ~(state[2 * dst] | state[2 * dst + 1])
        chance = np.int64(word >> SHIFT) + base
        if exposed == 0 or chance == 0:
            continue
        key = edge_key(stream, src, dst)
        hit = lanes_hit(key, np.uint32(chance - 1), salts)
        n_next = _arrive(state, dst, hit & exposed, next_queue, n_next)
    return n_next


@numba.njit(nogil=True, cache=True)
def sparse_cascades(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, stream, salts, seeds, max_rounds, stop,
    reached, queue, hits, counts, ends, truncated, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run lanes one after another, each as a queue of agents.

    Parameters
    ----------
    offsets, words, base
        An `AttemptRows`.
    stream : uint64
        Of transmissions.
    salts : (lanes,) uint32
        Salt of each lane's replicate.
    seeds : LaneSeeds
    max_rounds : int64
        Last round with activations.
    stop : (1,) uint8
        Nonzero ends the run at the next round.
    reached : (n // 8 + 1,) uint8, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        Scratch.
    hits : (CHUNK,) uint8
        Scratch.
    counts : (capacity,) int32
        Out: activations of every lane and round, lane after lane.
    ends : (lanes,) int64
        Out: where each lane's counts end.
    truncated : (lanes,) uint8
        Out: whether the lane was still active at `max_rounds`.
    times, round_sums : (n,) int64, or length 0
        In and out: lanes that reached each agent, and the sum of the rounds at which they did.
    touched : (n,) int32
        In and out: agents with ``times > 0``, the first `n_touched`.

    Returns
    -------
    lanes_done, trials, n_touched : int
        Fewer lanes than asked for mean that `counts` is full or `stop` was set; trials are edges looked at.
    """
    at, trials = 0, 0
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
        head, number, full = 0, 0, at == len(counts)
        if not full:
            counts[at] = tail
            at += 1
        # 2. Each round: attempts of the agents activated in the round before.
        while head < tail and number < max_rounds and not full and stop[0] == 0:
            number += 1
            level = tail
            for position in range(head, level):
                src = queue[position]
                look_ahead(offsets, words, queue, position, tail)
                low, end = offsets[src], offsets[src + 1]
                trials += end - low
                while low < end:
                    high = min(low + CHUNK, end)
                    if attempt(words, base, stream, salt, src, low, high, hits):
                        for j in range(high - low):
                            if hits[j]:
                                dst = np.int64(words[low + j] & DST)
                                bit = np.uint8(1 << (dst & 7))
                                if not reached[dst >> 3] & bit:
                                    reached[dst >> 3] |= bit
                                    queue[tail] = dst
                                    tail += 1
                    low = high
            head = level
            if tail > level:
                full = at == len(counts)
                if not full:
                    counts[at] = tail - level
                    at += 1
        # 3. Clear the lane's bits; a lane that did not end is left out.
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        if full or stop[0] != 0:
            return lane, trials, n_touched
        truncated[lane] = head < tail
        ends[lane] = at
        n_touched = add_reach(queue, counts, first, at, times, round_sums, touched, n_touched)
    return len(salts), trials, n_touched


@numba.njit(nogil=True, cache=True)
def packed_cascades(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, stream, salts, first_round, max_rounds, stop,
    state, frontier, queue, next_queue, n_queue, hits, counts, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run up to 64 lanes at once, one bit of a word each, for as many rounds as `counts` has rows.

    Where many lanes send from the same agent, one hash per edge serves them all; where few do, each lane draws for
    the whole row before anything about a destination is loaded, as in `sparse_cascades`.

    Parameters as in `sparse_cascades`, and:

    Parameters
    ----------
    salts : (lanes,) uint32
        At most 64.
    first_round : int64
        The round to run first; later calls continue where the one before ended.
    state : (2 n,) uint64
        In and out: lanes in which agent a is reached, at 2 a, and in which it arrives in this round, at 2 a + 1.
    frontier : (n,) uint64
        In and out: lanes in which each agent transmits in the first round.
    queue, next_queue : (n,) int32
        In and out: agents with a frontier word, the first `n_queue`.
    counts : (rounds, lanes) int64, zero
        Out: activations by round and lane.

    Returns
    -------
    rounds_done, n_queue, swapped, trials, n_touched : int
        `swapped` is 1 if the frontier is now in `next_queue`; trials are edges looked at, once for all lanes of a word.
    """
    lanes = len(salts)
    done, trials, swapped = 0, 0, 0
    while n_queue > 0 and done < len(counts) and first_round + done <= max_rounds and stop[0] == 0:
        number = first_round + done
        # 1. Attempts.
        n_next = 0
        for position in range(n_queue):
            src = queue[position]
            look_ahead(offsets, words, queue, position, n_queue)
            sending = frontier[src]
            frontier[src] = _ZERO
            low, end = offsets[src], offsets[src + 1]
            if bit_count(sending) > FEW_LANES:
                trials += end - low
                n_next = _attempt_together(
                    words, base, stream, salts, src, low, end, sending, state, next_queue, n_next
                )
                continue
            while sending != 0:
                lane = lowest_bit(sending)
                sending &= sending - _ONE
                trials += end - low
                for start in range(low, end, CHUNK):
                    high = min(start + CHUNK, end)
                    if attempt(words, base, stream, salts[lane], src, start, high, hits):
                        for j in range(high - start):
                            if hits[j]:
                                dst = np.int64(words[start + j] & DST)
                                n_next = _arrive(state, dst, _ONE << np.uint64(lane), next_queue, n_next)
        # 2. Arrivals become the next frontier.
        for position in range(n_next):
            agent = next_queue[position]
            newly = state[2 * agent + 1]
            state[2 * agent + 1] = _ZERO
            state[2 * agent] |= newly
            frontier[agent] = newly
            if len(times) > 0:
                if times[agent] == 0:
                    touched[n_touched] = agent
                    n_touched += 1
                times[agent] += bit_count(newly)
                round_sums[agent] += bit_count(newly) * number
            if bit_count(newly) > FEW_LANES:
                for lane in range(lanes):
                    counts[done, lane] += np.int64((newly >> np.uint64(lane)) & _ONE)
            else:
                while newly != 0:
                    counts[done, lowest_bit(newly)] += 1
                    newly &= newly - _ONE
        queue, next_queue = next_queue, queue
        swapped = 1 - swapped
        n_queue = n_next
        done += 1
    return done, n_queue, swapped, trials, n_touched
