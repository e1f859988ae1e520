"""Compiled rounds of threshold models in one partition: weights that travel, and add up where they arrive.

The state of an agent is what its sum of weights lacks of its threshold, as in `propagation.kernels.thresholds`, whose
draws these are. The order of additions does not matter, so that what arrived is all that a log need hold.

The three lines of an addition are said in each kernel: a function that takes the arrays counts references to them for
every weight, and threads wait for each other's counts (measured: twice the time).
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.kernels.primitives import DST, SHIFT, STATE_AHEAD, look_ahead, prefetch, put_in_order
from propagation.kernels.thresholds import threshold_of

_ONE = np.uint64(1)


class Sums(NamedTuple):
    """State of the agents of a range in every lane.

    Attributes
    ----------
    lacking : (lanes, n) uint32
        What sums lack of their thresholds, 1 for those that reached it, 0 for agents whom nobody has added to.
    reached : (lanes, n // 8 + 1) uint8
        One bit for each agent.
    """

    lacking: npt.NDArray[np.uint32]
    reached: npt.NDArray[np.uint8]


class Added(NamedTuple):
    """What a round brought: of sender s and lane l the weights ``bounds[s, l]`` to ``bounds[s, l + 1]``.

    Attributes
    ----------
    bounds : (senders, lanes + 1) int64
    dst, weight : (m,) int32, int64
        Agents, and what is added to their sums.
    ends, agent : (lanes + 1,) int64, (k,) int32
        Agents activated, of each lane those from ``ends[lane]`` to ``ends[lane + 1]``.
    """

    bounds: npt.NDArray[np.int64]
    dst: npt.NDArray[np.int32]
    weight: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]


@numba.njit(nogil=True, cache=True)
def apply_added(first, thresholds, in_degree, stream, salts, added, sums):  # type: ignore[no-untyped-def]
    """Bring what a round brought.

    Parameters
    ----------
    first : int64
        First agent of the range.
    thresholds, in_degree, stream
        As in `threshold_of`.
    salts : (lanes,) uint32
    added : Added
    sums : Sums
        In and out.
    """
    bounds, all_dst, weights, agents = added.bounds, added.dst, added.weight, added.agent
    for lane in range(len(salts)):
        lacking, reached = sums.lacking[lane], sums.reached[lane]
        for sender in range(len(bounds)):
            for i in range(bounds[sender, lane], bounds[sender, lane + 1]):
                dst = np.int64(all_dst[i])
                lacks = np.int64(lacking[dst - first])
                if lacks == 0:
                    lacks = threshold_of(thresholds, in_degree, stream, salts[lane], dst)
                lacking[dst - first] = np.uint32(max(lacks - weights[i], 1))
        for i in range(added.ends[lane], added.ends[lane + 1]):
            a = agents[i] - first
            reached[a >> 3] |= np.uint8(1 << (a & 7))


@numba.njit(nogil=True, cache=True)
def settle_sums(  # type: ignore[no-untyped-def]
    first, thresholds, in_degree, stream, salts, sums, bounds, all_dst, weights, arrived, queue, ends, agents
):
    """Add the weights of a round in every lane; whoever reaches its threshold is activated.

    Parameters
    ----------
    sums : Sums
        In and out.
    bounds, all_dst, weights
        As in `Added`.
    arrived : (n // 64 + 1,) uint64, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        Scratch.
    ends, agents : (lanes + 1,) int64, (k,) int32
        Out: as in `Added`; as long as there are weights.
    """
    at = 0
    for lane in range(len(salts)):
        size = 0
        for sender in range(len(bounds)):
            low, high = bounds[sender, lane], bounds[sender, lane + 1]
            if low == high:
                continue
            lacking, reached, salt = sums.lacking[lane], sums.reached[lane], salts[lane]
            for i in range(low, high):
                if i + STATE_AHEAD < high:
                    prefetch(lacking, np.int64(all_dst[i + STATE_AHEAD] - first))
                dst = np.int64(all_dst[i])
                a = dst - first
                lacks, weight = np.int64(lacking[a]), weights[i]
                if lacks == 0:
                    lacks = threshold_of(thresholds, in_degree, stream, salt, dst)
                lacking[a] = np.uint32(max(lacks - weight, 1))
                if weight < lacks:
                    continue
                bit = np.uint8(1 << (a & 7))
                if not reached[a >> 3] & bit:
                    reached[a >> 3] |= bit
                    arrived[a >> 6] |= _ONE << np.uint64(a & 63)
                    queue[size] = a
                    size += 1
        if size > 0:
            # In order, so that the rows that they send along lie one behind the other.
            put_in_order(arrived, queue, np.int64(0), np.int64(size))
            for position in range(size):
                agents[at] = queue[position] + first
                at += 1
        ends[lane + 1] = at


@numba.njit(nogil=True, cache=True)
def send_sums(offsets, words, base, live_ends, live, dst, weights, ends):  # type: ignore[no-untyped-def]
    """Let the agents activated in a round add to the sums of their out-neighbours.

    Parameters
    ----------
    offsets, words, base
        An `AttemptRows` of influence weights.
    live_ends, live : (lanes + 1,) int64, (k,) int32
        Agents activated, by lane.
    dst, weights : (m,) int32, int64
        Out: long enough for all out-neighbours.
    ends : (lanes + 1,) int64
        Out: where each lane's messages end.
    """
    count = 0
    for lane in range(len(ends) - 1):
        for position in range(live_ends[lane], live_ends[lane + 1]):
            src = live[position]
            look_ahead(offsets, words, live, position, live_ends[lane + 1])
            for edge in range(offsets[src], offsets[src + 1]):
                word = words[edge]
                weight = np.int64(word >> SHIFT) + base
                dst[count], weights[count] = word & DST, weight
                count += weight > 0
        ends[lane + 1] = count


@numba.njit(nogil=True, cache=True)
def list_sums(first, thresholds, in_degree, stream, salts, sums, ends, agent, weight, is_reached):  # type: ignore[no-untyped-def]
    """List the agents that are not as at the start, as many as there is room for.

    Parameters
    ----------
    sums : Sums
    ends : (lanes + 1,) int64
        Out: where each lane's agents end; also of those for which there is no room.
    agent, weight, is_reached : (k,) int32, int64, bool
        Out: agents; what would bring their sums to where they are; whether they are active.
    """
    found = 0
    for lane in range(len(salts)):
        lacking, reached = sums.lacking[lane], sums.reached[lane]
        for a in range(len(lacking)):
            active = (reached[a >> 3] >> np.uint8(a & 7)) & 1
            if lacking[a] == 0 and not active:
                continue
            if found < len(agent):
                agent[found], is_reached[found], weight[found] = a + first, active, 0
                if lacking[a] > 0:
                    threshold = threshold_of(thresholds, in_degree, stream, salts[lane], np.int64(a + first))
                    weight[found] = threshold - np.int64(lacking[a])
            found += 1
        ends[lane + 1] = found
