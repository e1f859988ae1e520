"""Compiled rounds of threshold models, one lane at a time: weights that add up until they reach an agent's threshold.

Weights are never negative, so an agent becomes active in the round in which its sum first reaches its threshold, in
whatever order the contacts of that round are added. The state of an agent is what its sum lacks of its threshold, which
is drawn once, when it receives its first weight. Cache misses dominate the cost, as in `propagation.kernels.cascades`.
"""

import numba
import numpy as np

from propagation.draws import agent_key, lane_draw
from propagation.kernels.primitives import (
    BYTE_SHIFT,
    DST,
    IN_BYTE,
    IN_WORD,
    SHIFT,
    STATE_AHEAD,
    WORD_SHIFT,
    add_reach,
    look_ahead,
    prefetch,
    put_in_order,
)

_SHARES = 4294967296.0
_ONE = np.uint64(1)


@numba.njit(nogil=True, cache=True, forceinline=True)
def threshold_of(thresholds, in_degree, stream, salt, agent):  # type: ignore[no-untyped-def]
    """Return what an agent's sum of weights must reach, int64 of at least 1.

    Parameters
    ----------
    thresholds, in_degree : (n,) int64, or length 0
        As in `propagation.models.model.Thresholds`; both of length 0 where thresholds are shares of 2**32.
    stream : uint64
        Of thresholds.
    """
    if len(thresholds) > 0:
        return thresholds[agent]
    draw = np.int64(lane_draw(agent_key(stream, np.uint64(agent)), salt))
    if len(in_degree) == 0:
        return draw + 1
    share = (draw + 0.5) / _SHARES
    return max(np.int64(1), np.int64(np.ceil(share * in_degree[agent] - 1e-9)))


@numba.njit(nogil=True, cache=True, forceinline=True)
def add_round(  # type: ignore[no-untyped-def]
    offsets, words, base, thresholds, in_degree, stream, salt, head, level, reached, arrived, queue, lacking, added,
    n_added,
):  # fmt: skip
    """Let the agents ``queue[head:level]`` add to their out-neighbours' sums; append the agents activated to the queue.

    Returns
    -------
    tail, trials, n_added : int
        Length of the queue; edges read; agents that have received a weight.
    """
    # Unsigned: Numba then leaves out the check for negative indices.
    tail, trials, ahead = level, 0, np.uint64(STATE_AHEAD)
    for position in range(head, level):
        src = queue[position]
        look_ahead(offsets, words, queue, position, tail)
        trials += offsets[src + 1] - offsets[src]
        low, end = np.uint64(offsets[src]), np.uint64(offsets[src + 1])
        for j in range(low, end):
            if j + ahead < end:
                prefetch(lacking, np.int64(words[j + ahead] & DST))
            word = words[j]
            weight = np.int64(word >> SHIFT) + base
            if weight == 0:
                continue
            dst = word & DST
            lacks = np.int64(lacking[dst])
            if lacks == 0:
                lacks = threshold_of(thresholds, in_degree, stream, salt, dst)
                added[n_added] = dst
                n_added += 1
            if weight < lacks:
                lacking[dst] = lacks - weight
                continue
            lacking[dst] = 1
            byte, bit = dst >> BYTE_SHIFT, np.uint8(_ONE << (dst & IN_BYTE))
            if not reached[byte] & bit:
                reached[byte] |= bit
                arrived[dst >> WORD_SHIFT] |= _ONE << (dst & IN_WORD)
                queue[tail] = dst
                tail += 1
    put_in_order(arrived, queue, level, tail)
    return tail, trials, n_added


@numba.njit(nogil=True, cache=True)
def threshold_lanes(  # type: ignore[no-untyped-def]
    offsets, words, base, thresholds, in_degree, stream, salts, seeds, max_rounds, stop,
    reached, arrived, queue, lacking, added, counts, ends, truncated, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run lanes one after another, each as a queue of agents.

    Parameters as in `propagation.kernels.cascades.sparse_cascades`, and:

    Parameters
    ----------
    offsets, words, base
        An `AttemptRows` of influence weights.
    thresholds, in_degree : (n,) int64, or length 0
        As in `propagation.models.model.Thresholds`; both of length 0 where thresholds are shares of 2**32.
    stream : uint64
        Of thresholds.
    lacking : (n,) uint32, zero
        Scratch: what the sums of agents lack of their thresholds, 1 for those that reached it, 0 for those that have
        received no weight; zero again at the end.
    added : (n + 1,) int32
        Scratch: agents that have received a weight.

    Returns
    -------
    lanes_done, trials, n_touched : int
    """
    at, trials = 0, 0
    for lane in range(len(salts)):
        salt = salts[lane]
        first = at
        # 1. Round 0: the seeds.
        tail, n_added = 0, 0
        for i in range(seeds.ends[seeds.of_lane[lane]], seeds.ends[seeds.of_lane[lane] + 1]):
            seed = seeds.agents[i]
            queue[tail] = seed
            tail += 1
            reached[seed >> 3] |= np.uint8(1 << (seed & 7))
        head, number, full = 0, 0, at == len(counts)
        if not full:
            counts[at] = tail
            at += 1
        # 2. Each round: the agents activated in the round before add to their out-neighbours' sums.
        while head < tail and number < max_rounds and not full and stop[0] == 0:
            number += 1
            level = tail
            tail, looked_at, n_added = add_round(
                offsets, words, base, thresholds, in_degree, stream, salt, head, level, reached, arrived, queue,
                lacking, added, n_added,
            )  # fmt: skip
            trials += looked_at
            head = level
            if tail > level:
                full = at == len(counts)
                if not full:
                    counts[at] = tail - level
                    at += 1
        # 3. Clear the lane; one that did not end is not counted.
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        for position in range(n_added):
            lacking[added[position]] = 0
        if full or stop[0] != 0:
            return lane, trials, n_touched
        truncated[lane] = head < tail
        ends[lane] = at
        n_touched = add_reach(queue, counts, first, at, times, round_sums, touched, n_touched)
    return len(salts), trials, n_touched
