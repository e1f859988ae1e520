"""Compiled rounds of threshold models, one lane at a time: weights that add up until they reach an agent's threshold.

Weights are never negative, so an agent becomes active in the round in which its sum first reaches its threshold, in
whatever order the contacts of that round are added. What is kept of an agent is what its sum lacks: its threshold is
drawn when somebody adds to it for the first time, and never again. What costs are cache misses, as in
`propagation.kernels.cascades`.

A lane may run from its seeds to its end, or some rounds only, from what it has come to.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

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
def _add_round(  # type: ignore[no-untyped-def]
    offsets, words, base, thresholds, in_degree, stream, salt, head, level, reached, arrived, queue, lacking, added,
    n_added,
):  # fmt: skip
    """Let the agents ``queue[head:level]`` add to their out-neighbours' sums; whoever is activated follows them there.

    Returns
    -------
    tail, trials, n_added : int
        Length of the queue; edges looked at; how many agents somebody has added to.
    """
    # Unsigned: no index is looked at as one from the end.
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
        Scratch: what the sums of agents lack of their thresholds, 1 for those that reached it, 0 for those whom nobody
        has added to; zero again at the end.
    added : (n + 1,) int32
        Scratch: agents that somebody has added to.

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
            tail, looked_at, n_added = _add_round(
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
        # 3. Clear the lane; one that did not end is left out.
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


class LaneSums(NamedTuple):
    """What lanes have come to: of each the agents that are active, or that somebody has added to.

    Attributes
    ----------
    ends : (lanes + 1,) int64
        Of each lane the agents from ``ends[lane]`` to ``ends[lane + 1]``.
    agent : (k,) int32
    lacking : (k,) uint32
        What their sums lack of their thresholds, 0 for those whom nobody has added to.
    is_reached : (k,) uint8
        Whether they are active.
    live_ends, live : (lanes + 1,) int64, (m,) int32
        Those activated in the last round, by lane.
    """

    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]
    lacking: npt.NDArray[np.uint32]
    is_reached: npt.NDArray[np.uint8]
    live_ends: npt.NDArray[np.int64]
    live: npt.NDArray[np.int32]


@numba.njit(nogil=True, cache=True, forceinline=True)
def _with_room(array, size, more):  # type: ignore[no-untyped-def]
    """Return an array of which `size` items are used, or a longer one with these, that has room for more."""
    if size + more <= len(array):
        return array
    longer = np.empty(max(2 * len(array), size + more), array.dtype)
    longer[:size] = array[:size]
    return longer


@numba.njit(nogil=True, cache=True)
def threshold_rounds(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, thresholds, in_degree, stream, salts, firsts, before, rounds, recorded, stop, reached,
    arrived, queue, lacking, added,
):  # fmt: skip
    """Run some rounds of lanes, one lane after another, from what they have come to.

    Parameters as in `threshold_lanes`, and:

    Parameters
    ----------
    firsts : (ranges,) int64
        First agent of each range in which activations are counted.
    before : LaneSums
    rounds : int64
        At most so many; a lane ends with the first that activates nobody.
    recorded : int64
        Whether to return who was activated.

    Returns
    -------
    after : LaneSums
        Without the agents of lanes that ended.
    counts : (ranges, rounds, lanes) int64
        Agents activated.
    ends, agents : (lanes * rounds + 1,) int64, (k,) int32
        Agents activated, if recorded: in round r of lane l those from ``ends[l * rounds + r]`` on.
    """
    agents_before, lacking_before, were_reached = before.agent, before.lacking, before.is_reached
    lanes, width = len(salts), rounds if recorded else 0
    counts = np.zeros((len(firsts), rounds, lanes), np.int64)
    ends, agents, n_agents = np.zeros(lanes * width + 1, np.int64), np.empty(0, np.int32), 0
    after_ends, live_ends = np.zeros(lanes + 1, np.int64), np.zeros(lanes + 1, np.int64)
    agent, lacks, is_reached = np.empty(0, np.int32), np.empty(0, np.uint32), np.empty(0, np.uint8)
    live, at, n_live = np.empty(0, np.int32), 0, 0
    for lane in range(lanes):
        if stop[0] != 0:  # nobody asks for what comes out
            break
        # 1. What the lane has come to.
        low, high = before.ends[lane], before.ends[lane + 1]
        n_added, head, tail = 0, 0, before.live_ends[lane + 1] - before.live_ends[lane]
        queue[:tail] = before.live[before.live_ends[lane] : before.live_ends[lane + 1]]
        for i in range(low, high if tail > 0 else low):
            a = agents_before[i]
            reached[a >> 3] |= np.uint8(were_reached[i] << (a & 7))
            if lacking_before[i] > 0:
                lacking[a] = lacking_before[i]
                added[n_added] = a
                n_added += 1
        # 2. Each round.
        number = 0
        while head < tail and number < rounds and stop[0] == 0:
            level = tail
            tail, _, n_added = _add_round(
                offsets, words, base, thresholds, in_degree, stream, salts[lane], head, level, reached, arrived, queue,
                lacking, added, n_added,
            )  # fmt: skip
            head = level
            for position in range(level, tail):
                part = len(firsts) - 1
                while queue[position] < firsts[part]:
                    part -= 1
                counts[part, number, lane] += 1
            if recorded:
                agents = _with_room(agents, n_agents, tail - level)
                agents[n_agents : n_agents + tail - level] = queue[level:tail]
                n_agents += tail - level
                ends[lane * rounds + number + 1] = n_agents
            number += 1
        for later in range(lane * width + number, (lane + 1) * width):
            ends[later + 1] = n_agents
        # 3. What it has come to now, if it goes on.
        if head < tail:
            most = n_added + high - low
            agent, lacks = _with_room(agent, at, most), _with_room(lacks, at, most)
            is_reached, live = _with_room(is_reached, at, most), _with_room(live, n_live, tail - head)
            for i in range(n_added):
                a = added[i]
                agent[at], lacks[at], is_reached[at] = a, lacking[a], (reached[a >> 3] >> np.uint8(a & 7)) & 1
                at += 1
            for i in range(low, high):
                a = agents_before[i]
                if lacking[a] == 0:
                    agent[at], lacks[at], is_reached[at] = a, 0, 1
                    at += 1
            live[n_live : n_live + tail - head] = queue[head:tail]
            n_live += tail - head
        after_ends[lane + 1], live_ends[lane + 1] = at, n_live
        # 4. Clear it.
        for i in range(low, high):
            reached[agents_before[i] >> 3] = 0
        for position in range(tail):
            reached[queue[position] >> 3] = 0
        for i in range(n_added):
            lacking[added[i]] = 0
    after = LaneSums(
        after_ends, agent[:at].copy(), lacks[:at].copy(), is_reached[:at].copy(), live_ends, live[:n_live].copy()
    )
    return after, counts, ends, agents[:n_agents].copy()


@numba.njit(nogil=True, cache=True)
def rest_of_thresholds(thresholds, in_degree, stream, salts, ends, agents, weights):  # type: ignore[no-untyped-def]
    """Return what sums of weights lack of their agents' thresholds, or the sums of those that lack so much.

    Parameters
    ----------
    ends, agents, weights : (lanes + 1,) int64, (k,) int32, (k,) int64
        By lane; weights are 0 for agents whom nobody has added to.

    Returns
    -------
    rest : (k,) int64
        0 as well for those.
    """
    rest = np.zeros(len(agents), np.int64)
    for lane in range(len(salts)):
        for i in range(ends[lane], ends[lane + 1]):
            if weights[i] > 0:
                threshold = threshold_of(thresholds, in_degree, stream, salts[lane], np.int64(agents[i]))
                rest[i] = max(threshold - weights[i], 0)
    return rest
