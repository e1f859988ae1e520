"""Compiled rounds of threshold models, one lane at a time: weights that add up until they reach an agent's threshold.

Weights are never negative, so an agent becomes active in the round in which its sum first reaches its threshold, in
whatever order the contacts of that round are added. A sum below its threshold fits 32 bits. Thresholds are
computed for a whole chunk of a row, also where a sum is already there to be compared: that costs less than to keep
them. What costs are cache misses, as in `propagation.kernels.cascades`.
"""

import numba
import numpy as np

from propagation.draws import agent_key, lane_draw
from propagation.kernels.primitives import CHUNK, DST, SHIFT, add_reach, look_ahead, prefetch

_SHARES = 4294967296.0


@numba.njit(nogil=True, cache=True, inline="always")
def _last_below(thresholds, in_degree, stream, salt, words, low, high, last):  # type: ignore[no-untyped-def]
    """Write for the targets of the edges ``words[low:high]`` the largest sum that is below their threshold."""
    if len(thresholds) > 0:
        for j in range(high - low):
            last[j] = np.uint32(thresholds[np.int64(words[low + j] & DST)] - 1)
        return
    for j in range(high - low):
        last[j] = lane_draw(agent_key(stream, words[low + j] & DST), salt)
    if len(in_degree) > 0:
        for j in range(high - low):
            share = (np.int64(last[j]) + 0.5) / _SHARES
            needed = np.int64(np.ceil(share * in_degree[np.int64(words[low + j] & DST)] - 1e-9))
            last[j] = np.uint32(max(np.int64(1), needed) - 1)


@numba.njit(nogil=True, cache=True)
def threshold_lanes(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, thresholds, in_degree, stream, salts, seeds, max_rounds, stop,
    reached, queue, sums, added, last, counts, ends, truncated, times, round_sums, touched, n_touched,
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
    sums : (n,) uint32, zero
        Scratch: weights of the agents that are active, by the agent they add to; zero again at the end.
    added : (n + 1,) int32
        Scratch: agents with a sum.
    last : (CHUNK,) uint32
        Scratch.

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
            for position in range(head, level):
                src = queue[position]
                look_ahead(offsets, words, queue, position, tail)
                low, end = offsets[src], offsets[src + 1]
                trials += end - low
                while low < end:
                    high = min(low + CHUNK, end)
                    for j in range(low, high):
                        prefetch(sums, np.int64(words[j] & DST))
                    _last_below(thresholds, in_degree, stream, salt, words, low, high, last)
                    for j in range(high - low):
                        word = words[low + j]
                        dst = np.int64(word & DST)
                        before = np.int64(sums[dst])
                        total = before + np.int64(word >> SHIFT) + base
                        if total > np.int64(last[j]):
                            bit = np.uint8(1 << (dst & 7))
                            if not reached[dst >> 3] & bit:
                                reached[dst >> 3] |= bit
                                queue[tail] = dst
                                tail += 1
                        else:
                            sums[dst] = np.uint32(total)
                            added[n_added] = dst
                            n_added += (before == 0) & (total > 0)
                    low = high
            head = level
            if tail > level:
                full = at == len(counts)
                if not full:
                    counts[at] = tail - level
                    at += 1
        # 3. Clear the lane; one that did not end is left out.
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        for position in range(n_added):
            sums[added[position]] = 0
        if full or stop[0] != 0:
            return lane, trials, n_touched
        truncated[lane] = head < tail
        ends[lane] = at
        n_touched = add_reach(queue, counts, first, at, times, round_sums, touched, n_touched)
    return len(salts), trials, n_touched
