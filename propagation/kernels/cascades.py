"""Compiled rounds of independent cascades, one lane or 64 lanes at a time.

Cache misses, not arithmetic, dominate the cost: one edge is one 64-bit word (`propagation.weights.AttemptRows`), the
draw is computed before anything about the destination is loaded, one bit says whether an agent is reached, and rows of
agents further down the queue are prefetched. Nothing allocates per edge, nothing holds the interpreter's lock, and
the stop flag is read every round.

All arrays that come from a network are read-only mappings; each kernel thus has one signature.
"""

import numba
import numpy as np

from propagation.draws import edge_key, lane_draw
from propagation.kernels.primitives import (
    BYTE_SHIFT,
    CHUNK,
    DST,
    IN_BYTE,
    IN_WORD,
    SHIFT,
    STATE_AHEAD,
    WORD_SHIFT,
    add_reach,
    bit_count,
    count_lanes,
    look_ahead,
    lowest_bit,
    prefetch,
    put_in_order,
    take_bits,
)
from propagation.kernels.simd_draws import lanes_hit

_ONE, _ZERO = np.uint64(1), np.uint64(0)


@numba.njit(nogil=True, cache=True, forceinline=True)
def attempt(words, base, stream, salt, src, low, high, hits):  # type: ignore[no-untyped-def]
    """Draw for the edges ``words[low:high]`` of `src` in one lane; mark successes in `hits`, return their number.

    Where there are any, `hits` is padded with 0 to a multiple of eight, so that it can be read eight at a time.
    """
    # Unsigned, here and below: Numba then leaves out the check for negative indices.
    successes, start, size = 0, np.uint64(low), np.uint64(high - low)
    for j in range(size):
        word = words[start + j]
        draw = np.int64(lane_draw(edge_key(stream, src, word & DST), salt))
        hit = draw < np.int64(word >> SHIFT) + base
        hits[j] = hit
        successes += hit
    if successes:
        for j in range(size, (size + IN_BYTE) & ~IN_BYTE):
            hits[j] = 0
    return successes


@numba.njit(nogil=True, cache=True, forceinline=True)
def rounds_of_lane(  # type: ignore[no-untyped-def]
    offsets,
    words,
    base,
    stream,
    salt,
    max_rounds,
    stop,
    most,
    reached,
    arrived,
    queue,
    hits,
    counts,
    number,
    head,
    tail,
):
    """Run rounds of a lane until it is over, has no room for counts, or more than `most` agents are active.

    Parameters as in `sparse_cascades`, and:

    Parameters
    ----------
    counts : (capacity,) int32
        In and out: activations by round, known up to `number`.
    number, head, tail : int64
        The last round that is known, whose agents are ``queue[head:tail]``.

    Returns
    -------
    number, head, tail, trials : int
        If `number` is ``len(counts)``, there was no room for the count of that round.
    """
    trials, eights = 0, hits.view(np.uint64)
    while 0 < tail - head <= most and number < min(max_rounds, len(counts)) and stop[0] == 0:
        level = tail
        for position in range(head, level):
            src = queue[position]
            look_ahead(offsets, words, queue, position, tail)
            low, end = offsets[src], offsets[src + 1]
            trials += end - low
            while low < end:
                high = min(low + CHUNK, end)
                if attempt(words, base, stream, salt, src, low, high, hits):
                    for eight in range((np.uint64(high - low) + IN_BYTE) >> BYTE_SHIFT):
                        rest, start = eights[eight], np.uint64(low) + (eight << BYTE_SHIFT)
                        while rest != 0:
                            dst = words[start + np.uint64(lowest_bit(rest) >> 3)] & DST
                            rest &= rest - _ONE
                            byte, bit = dst >> BYTE_SHIFT, np.uint8(_ONE << (dst & IN_BYTE))
                            if not reached[byte] & bit:
                                reached[byte] |= bit
                                arrived[dst >> WORD_SHIFT] |= _ONE << (dst & IN_WORD)
                                queue[tail] = dst
                                tail += 1
                low = high
        put_in_order(arrived, queue, level, tail)
        head = level
        number += 1
        if number < len(counts):
            counts[number] = tail - level
    return number, head, tail, trials


@numba.njit(nogil=True, cache=True)
def sparse_cascades(  # type: ignore[no-untyped-def]
    offsets, words, base, stream, salts, seeds, max_rounds, stop,
    reached, arrived, queue, hits, counts, ends, truncated, times, round_sums, touched, n_touched,
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
    arrived : (n // 64 + 1,) uint64, zero
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
        Fewer lanes than given mean that `counts` is full or `stop` was set; trials are edges read.
    """
    at, trials, everyone = np.int64(0), np.int64(0), np.int64(len(queue))
    for lane in range(len(salts)):
        own = counts[at:]
        # 1. Round 0: the seeds.
        tail = np.int64(0)
        for i in range(seeds.ends[seeds.of_lane[lane]], seeds.ends[seeds.of_lane[lane] + 1]):
            seed = seeds.agents[i]
            queue[tail] = seed
            tail += 1
            reached[seed >> 3] |= np.uint8(1 << (seed & 7))
        if len(own) > 0:
            own[0] = tail
        # 2. Each round: attempts of the agents activated in the round before.
        number, head, tail, looked = rounds_of_lane(
            offsets, words, base, stream, salts[lane], max_rounds, stop, everyone, reached, arrived, queue, hits, own,
            np.int64(0), np.int64(0), tail,
        )  # fmt: skip
        trials += looked
        # 3. Clear the lane's bits; a lane that did not end is not counted.
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        rounds = max(number + (head < tail), np.int64(1))  # the last round of a lane that is over has no activations
        if rounds > len(own) or stop[0] != 0:
            return lane, trials, n_touched
        truncated[lane] = head < tail
        n_touched = add_reach(queue, counts, at, at + rounds, times, round_sums, touched, n_touched)
        at += rounds
        ends[lane] = at
    return len(salts), trials, n_touched


@numba.njit(nogil=True, cache=True)
def wide_attempts(offsets, words, base, stream, salt, queue, low, high, reached, arrived, hits):  # type: ignore[no-untyped-def]
    """Let the agents ``queue[low:high]`` of one lane contact their out-neighbours; several threads share a round.

    Parameters
    ----------
    reached : (n // 8 + 1,) uint8
        One bit per agent; not changed.
    arrived : (n // 64 + 1,) uint64
        In and out, of this thread alone: agents that are hit and were not reached.

    Returns
    -------
    trials : int
    """
    trials, eights = 0, hits.view(np.uint64)
    for position in range(low, high):
        src = queue[position]
        look_ahead(offsets, words, queue, position, high)
        first, end = offsets[src], offsets[src + 1]
        trials += end - first
        while first < end:
            last = min(first + CHUNK, end)
            if attempt(words, base, stream, salt, src, first, last, hits):
                for eight in range((np.uint64(last - first) + IN_BYTE) >> BYTE_SHIFT):
                    rest, start = eights[eight], np.uint64(first) + (eight << BYTE_SHIFT)
                    while rest != 0:
                        dst = words[start + np.uint64(lowest_bit(rest) >> 3)] & DST
                        rest &= rest - _ONE
                        if not reached[dst >> BYTE_SHIFT] & np.uint8(_ONE << (dst & IN_BYTE)):
                            arrived[dst >> WORD_SHIFT] |= _ONE << (dst & IN_WORD)
            first = last
    return trials


@numba.njit(nogil=True, cache=True)
def wide_arrivals(reached, arrived, queue, tail):  # type: ignore[no-untyped-def]
    """Add the agents that any thread's attempts hit to the queue, in order, and to those reached; return its length.

    Parameters
    ----------
    reached : (n // 8 + 1,) uint8
        In and out.
    arrived : (threads, n // 64 + 1) uint64
        In and out: see `wide_attempts`; zero at the end.
    """
    first, level = arrived[0], tail
    for thread in range(1, len(arrived)):
        for i in range(len(first)):
            first[i] |= arrived[thread, i]
            arrived[thread, i] = _ZERO
    tail = take_bits(first, queue, level)
    for position in range(level, tail):
        reached[queue[position] >> 3] |= np.uint8(1 << (queue[position] & 7))
    return tail


@numba.njit(nogil=True, cache=True)
def end_lane(reached, queue, tail, counts, end, times, round_sums, touched, n_touched):  # type: ignore[no-untyped-def]
    """Clear the bits of one lane, and add it to the reach of its agents; see `sparse_cascades`."""
    for position in range(tail):
        reached[queue[position] >> 3] = 0
    return add_reach(queue, counts, 0, end, times, round_sums, touched, n_touched)


@numba.njit(nogil=True, cache=True)
def packed_cascades(  # type: ignore[no-untyped-def]
    offsets, words, base, stream, salts, first_round, max_rounds, stop,
    state, frontier, arrived, queue, n_queue, counts, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run up to 64 lanes at once, one bit of a word each, for as many rounds as `counts` has rows.

    An edge is read once for all lanes that send along it and have not reached its target yet, not even in this
    round. Agents send in the order of their ids, so that their rows lie one behind the other.

    Parameters as in `sparse_cascades`, and:

    Parameters
    ----------
    salts : (64,) uint32
        Those of lanes that there are not may be anything.
    first_round : int64
        The round to run first; later calls continue where the one before ended.
    state : (2 n,) uint64
        In and out: lanes in which agent a is reached, at 2 a, and in which it arrives in this round, at 2 a + 1.
    frontier : (n,) uint64
        In and out: lanes in which each agent transmits in the first round.
    arrived : (n // 64 + 1,) uint64, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        In and out: agents with a frontier word, the first `n_queue`.
    counts : (rounds, lanes) int64, zero
        Out: activations by round and lane.

    Returns
    -------
    rounds_done, n_queue, trials, n_touched : int
        Trials are edges read, once for all lanes of a word.
    """
    done, trials = 0, 0
    while n_queue > 0 and done < len(counts) and first_round + done <= max_rounds and stop[0] == 0:
        number = first_round + done
        # 1. Attempts.
        for position in range(n_queue):
            src = queue[position]
            look_ahead(offsets, words, queue, position, n_queue)
            sending = frontier[src]
            frontier[src] = _ZERO
            low, end = offsets[src], offsets[src + 1]
            trials += end - low
            for edge in range(low, end):
                if edge + STATE_AHEAD < end:
                    prefetch(state, np.int64(2) * np.int64(words[edge + STATE_AHEAD] & DST))
                word = words[edge]
                dst = np.int64(word & DST)
                arriving = state[2 * dst + 1]
                exposed = sending & ~(state[2 * dst] | arriving)
                chance = np.int64(word >> SHIFT) + base
                if exposed == 0 or chance == 0:
                    continue
                hit = lanes_hit(edge_key(stream, src, dst), np.uint32(chance - 1), salts, exposed)
                if hit != 0:
                    state[2 * dst + 1] = arriving | hit
                    arrived[dst >> 6] |= _ONE << np.uint64(dst & 63)
        # 2. Arrivals become the next frontier.
        n_queue = take_bits(arrived, queue, np.int64(0))
        for position in range(n_queue):
            agent = queue[position]
            newly = state[2 * agent + 1]
            state[2 * agent + 1] = _ZERO
            state[2 * agent] |= newly
            frontier[agent] = newly
            count_lanes(newly, counts[done])
            if len(times) > 0:
                if times[agent] == 0:
                    touched[n_touched] = agent
                    n_touched += 1
                times[agent] += bit_count(newly)
                round_sums[agent] += bit_count(newly) * number
        done += 1
    return done, n_queue, trials, n_touched
