"""Compiled rounds of threshold models in one partition: weights are sent as messages and added by the receiver.

The state of an agent is the difference between its threshold and its sum of weights, as in
`propagation.kernels.thresholds`, which uses the same draws. The order of additions does not matter, so a log needs to
hold only the weights that arrived.

A message is the packed edge from the row: destination and weight. The code of an addition is repeated in each kernel: a
function that takes the arrays would update their reference counts for every weight, and threads would contend for the
counters (measured: twice the time).
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.kernels.messages import messages_due, take_places
from propagation.kernels.primitives import (
    BYTE_SHIFT,
    DST,
    IN_BYTE,
    IN_WORD,
    SHIFT,
    WORD_SHIFT,
    WORDS_OF_LINE,
    look_ahead,
    prefetch,
    put_in_order,
)
from propagation.kernels.thresholds import threshold_of

_ONE, _ZERO = np.uint64(1), np.uint64(0)
_ONE_32 = np.uint32(1)
BATCH = 64
"""Measured: weights that go through the steps of an addition together."""
_BATCH, _LINE = np.uint64(BATCH), np.uint64(WORDS_OF_LINE)
BLOCK = 64
"""Agents of a block of sums, which is allocated at the first addition to any of them: those of a word of bits."""


class Sums(NamedTuple):
    """State of the agents of a range in every lane.

    Attributes
    ----------
    blocks : (lanes, n // 64 + 1) int32
        The block of each 64 agents, 0 where none of them has received a weight.
    lacking : (64 blocks,) uint32
        Block after block, what the sums of its agents lack of their thresholds: 1 for those that reached it, 0 for
        agents that have received no weight. There is room for every block; only those in use take memory.
    used : (1,) int64
        Number of blocks in use; the first is number 1.
    reached : (lanes, n // 8 + 1) uint8
        One bit for each agent.
    """

    blocks: npt.NDArray[np.int32]
    lacking: npt.NDArray[np.uint32]
    used: npt.NDArray[np.int64]
    reached: npt.NDArray[np.uint8]


def new_sums(lanes: int, size: int) -> Sums:
    """Return empty sums for `size` agents in every lane: nobody is reached."""
    blocks = np.zeros((lanes, size // BLOCK + 1), np.int32)
    lacking = np.zeros((blocks.size + 1) * BLOCK, np.uint32)
    return Sums(blocks, lacking, np.zeros(1, np.int64), np.zeros((lanes, size // 8 + 1), np.uint8))


class Added(NamedTuple):
    """Weights that arrived in a round: of sender s and lane l those from ``bounds[s, l]`` to ``bounds[s, l + 1]``.

    Attributes
    ----------
    bounds : (senders, lanes + 1) int64
    words : (m,) uint64
        Edges of an `AttemptRows`: the agent that receives the weight, and the weight.
    ends, agent : (lanes + 1,) int64, (k,) int32
        Agents activated, of each lane those from ``ends[lane]`` to ``ends[lane + 1]``.
    """

    bounds: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]


def used_sums(sums: Sums) -> Sums:
    """Return sums without the unused blocks."""
    return sums._replace(lacking=sums.lacking[: (sums.used[0] + 1) * BLOCK])


def copy_sums(sums: Sums, to: Sums) -> None:
    """Copy what `used_sums` returned to the initial sums of the same range."""
    to.blocks[...], to.used[...], to.reached[...] = sums.blocks, sums.used, sums.reached
    to.lacking[: len(sums.lacking)] = sums.lacking


def copied_sums(sums: Sums) -> Sums:
    """Return a copy of sums without the unused blocks."""
    blocks, lacking, used, reached = used_sums(sums)
    return Sums(blocks.copy(), lacking.copy(), used.copy(), reached.copy())


@numba.njit(nogil=True, cache=True, forceinline=True)
def _place(sums, lane, a):  # type: ignore[no-untyped-def]
    """Return the place of agent a (uint64) of a range in `lacking`; allocate its block if it has none."""
    block = sums.blocks[lane, a >> WORD_SHIFT]
    if block == 0:
        sums.used[0] += 1
        block = np.int32(sums.used[0])
        sums.blocks[lane, a >> WORD_SHIFT] = block
    return (np.uint64(block) << WORD_SHIFT) | (a & IN_WORD)


@numba.njit(nogil=True, cache=True)
def apply_added(first, base, thresholds, in_degree, stream, salts, added, sums):  # type: ignore[no-untyped-def]
    """Add the weights of a round and mark the agents it activated.

    Parameters
    ----------
    first : int64
        First agent of the range.
    base : int64
        Of the `AttemptRows`.
    thresholds, in_degree, stream
        As in `threshold_of`.
    salts : (lanes,) uint32
    added : Added
    sums : Sums
        In and out.
    """
    bounds, words, agents = added.bounds, added.words, added.agent
    for lane in range(len(salts)):
        reached = sums.reached[lane]
        for sender in range(len(bounds)):
            for i in range(bounds[sender, lane], bounds[sender, lane + 1]):
                word = words[i]
                dst, weight = np.int64(word & DST), np.int64(word >> SHIFT) + base
                if weight == 0:
                    continue
                place = _place(sums, lane, np.uint64(dst - first))
                lacks = np.int64(sums.lacking[place])
                if lacks == 0:
                    lacks = threshold_of(thresholds, in_degree, stream, salts[lane], dst)
                sums.lacking[place] = max(lacks - weight, 1)
        for i in range(added.ends[lane], added.ends[lane + 1]):
            a = agents[i] - first
            reached[a >> 3] |= np.uint8(1 << (a & 7))


@numba.njit(nogil=True, cache=True)
def settle_sums(  # type: ignore[no-untyped-def]  # noqa: C901
    first, base, thresholds, in_degree, stream, salts, sums, bounds, words, arrived, queue
):
    """Add the weights of a round in every lane; agents that reach their threshold are activated.

    Parameters
    ----------
    sums : Sums
        In and out.
    bounds, words
        As in `Added`.
    arrived : (n // 64 + 1,) uint64, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        Scratch.

    Returns
    -------
    ends, agents : (lanes + 1,) int64, (k,) int32
        As in `Added`.
    """
    lanes = len(salts)
    ends, agents = np.zeros(lanes + 1, np.int64), np.empty(len(words), np.int32)
    batch, places = np.empty(BATCH, np.uint64), np.empty(BATCH, np.uint64)
    fresh, agents_of, drawn = np.empty(BATCH, np.uint64), np.empty(BATCH, np.uint32), np.empty(BATCH, np.uint32)
    # Unsigned: Numba then leaves out the check for negative indices.
    lacking, used, start, at = sums.lacking, sums.used[0], np.uint64(first), 0
    for lane in range(lanes):
        size = 0
        blocks, reached, salt = sums.blocks[lane], sums.reached[lane], salts[lane]
        sender, edge, end, n = -1, _ZERO, _ZERO, _ONE
        while n > 0:
            # 1. Some edges, from one sender after the other; prefetch the sums they add to.
            n = _ZERO
            while n < _BATCH:
                if edge == end:
                    sender += 1
                    if sender >= len(bounds):
                        break
                    edge, end = np.uint64(bounds[sender, lane]), np.uint64(bounds[sender, lane + 1])
                    continue
                some = min(end - edge, _BATCH - n)
                for i in range(some):
                    word = words[edge + i]
                    if np.int64(word >> SHIFT) + base == 0:
                        continue
                    a = (word & DST) - start
                    block = np.uint64(blocks[a >> WORD_SHIFT])
                    if block == 0:
                        used += 1
                        block = np.uint64(used)
                        blocks[a >> WORD_SHIFT] = used
                    place = (block << WORD_SHIFT) | (a & IN_WORD)
                    prefetch(lacking, np.int64(place))
                    batch[n], places[n] = word, place
                    n += _ONE
                edge += some
            # 2. Agents that receive their first weight lack all of their threshold.
            n_fresh = _ZERO
            for i in range(n):
                fresh[n_fresh] = i
                n_fresh += np.uint64(lacking[places[i]] == 0)
            for i in range(n_fresh):
                agents_of[i] = batch[fresh[i]] & DST
            for i in range(n_fresh):
                drawn[i] = np.uint32(threshold_of(thresholds, in_degree, stream, salt, agents_of[i]))
            for i in range(n_fresh):
                lacking[places[fresh[i]]] = drawn[i]
            # 3. The weights.
            for i in range(n):
                place, word = places[i], batch[i]
                # 2**32 is stored as 0: only an agent without weights can lack as much.
                lacks = np.int64(np.uint32(lacking[place] - _ONE_32)) + 1 - np.int64(word >> SHIFT) - base
                lacking[place] = max(lacks, 1)
                if lacks > 0:
                    continue
                a = (word & DST) - start
                byte, bit = a >> BYTE_SHIFT, np.uint8(_ONE << (a & IN_BYTE))
                if not reached[byte] & bit:
                    reached[byte] |= bit
                    arrived[a >> WORD_SHIFT] |= _ONE << (a & IN_WORD)
                    queue[size] = a
                    size += 1
        if size > 0:
            # In order, so that the rows read next lie one behind the other.
            put_in_order(arrived, queue, np.int64(0), np.int64(size))
            for position in range(size):
                agents[at] = queue[position] + first
                at += 1
        ends[lane + 1] = at
    sums.used[0] = used
    return ends, agents[:at].copy()


@numba.njit(nogil=True, cache=True)
def cut_rows(offsets, words, firsts, live_ends, live):  # type: ignore[no-untyped-def]
    """Cut the rows of the agents activated in a round where one range of destinations ends and the next begins.

    Parameters
    ----------
    offsets, words
        An `AttemptRows` of influence weights; the destinations of a row ascend.
    firsts : (ranges,) int64
        First agent of each range.
    live_ends, live : (lanes + 1,) int64, (k,) int32
        Agents activated, by lane.

    Returns
    -------
    bounds : (ranges, lanes + 1) int64
        Where the spans of each range begin in each lane, and end.
    spans : (m, 2) int64
        Where the edges of each begin and end; none is empty.
    """
    lanes, last = len(live_ends) - 1, len(firsts) - 1
    most = min(np.int64(len(live)), messages_due(offsets, live))  # spans of a range: none is empty
    bounds, room = np.zeros((len(firsts), lanes + 1), np.int64), np.empty((len(firsts), most, 2), np.int64)
    at = np.zeros(len(firsts), np.int64)
    for lane in range(lanes):
        for position in range(live_ends[lane], live_ends[lane + 1]):
            src = live[position]
            look_ahead(offsets, words, live, position, len(live))
            edge, end = np.uint64(offsets[src]), np.uint64(offsets[src + 1])
            for part in range(len(firsts)):
                if edge == end:
                    break
                start = edge
                if part == last:
                    edge = end
                else:
                    bound = np.uint64(firsts[part + 1])
                    while edge + _LINE <= end and words[edge + _LINE - _ONE] & DST < bound:
                        edge += _LINE
                    while edge < end and words[edge] & DST < bound:
                        edge += _ONE
                if edge > start:
                    room[part, at[part], 0], room[part, at[part], 1] = start, edge
                    at[part] += 1
        for part in range(len(firsts)):
            bounds[part, lane + 1] = at[part]
    spans, begin = np.empty((at.sum(), 2), np.int64), 0
    for part in range(len(firsts)):
        bounds[part] += begin
        spans[begin : begin + at[part]] = room[part, : at[part]]
        begin += at[part]
    return bounds, spans


@numba.njit(nogil=True, cache=True)
def edges_of_spans(words, bounds, spans):  # type: ignore[no-untyped-def]
    """Return the edges that `cut_rows` has found spans of.

    Returns
    -------
    bounds : (ranges, lanes + 1) int64
        Where the edges to each range begin in each lane, and end.
    edges : (m,) uint64
    """
    ranges, lanes = len(bounds), bounds.shape[1] - 1
    places, ends = np.zeros((lanes, ranges), np.int64), np.zeros((ranges, lanes + 1), np.int64)
    for part in range(ranges):
        for lane in range(lanes):
            for span in range(bounds[part, lane], bounds[part, lane + 1]):
                places[lane, part] += spans[span, 1] - spans[span, 0]
    take_places(places, ends)
    edges = np.empty(ends[ranges - 1, lanes], np.uint64)
    for lane in range(lanes):
        for part in range(ranges):
            to = places[lane, part]
            for span in range(bounds[part, lane], bounds[part, lane + 1]):
                low = spans[span, 0]
                for i in range(spans[span, 1] - low):
                    edges[to + i] = words[low + i]
                to += spans[span, 1] - low
    return ends, edges


@numba.njit(nogil=True, cache=True)
def list_sums(  # type: ignore[no-untyped-def]
    first, size, thresholds, in_degree, stream, salts, sums, ends, agent, weight, is_reached
):
    """List the agents that are not as at the start, as many as there is room for.

    Parameters
    ----------
    size : int64
        Number of agents of the range.
    sums : Sums
    ends : (lanes + 1,) int64
        Out: where each lane's agents end; also of those for which there is no room.
    agent, weight, is_reached : (k,) int32, int64, bool
        Out: agents; what would bring their sums to where they are; whether they are active.
    """
    found, lacking = 0, sums.lacking
    for lane in range(len(salts)):
        blocks, reached = sums.blocks[lane], sums.reached[lane]
        for a in range(size):
            active = (reached[a >> 3] >> np.uint8(a & 7)) & 1
            # Agents without a block share the first one, where the missing weight is always 0.
            lacks = np.int64(lacking[blocks[a // BLOCK] * BLOCK + a % BLOCK])
            if lacks == 0 and not active:
                continue
            if found < len(agent):
                agent[found], is_reached[found], weight[found] = a + first, active, 0
                if lacks > 0:
                    threshold = threshold_of(thresholds, in_degree, stream, salts[lane], np.int64(a + first))
                    weight[found] = threshold - lacks
            found += 1
        ends[lane + 1] = found


@numba.njit(nogil=True, cache=True)
def set_sums(first, thresholds, in_degree, stream, salts, ends, agents, weights, is_reached, sums):  # type: ignore[no-untyped-def]
    """Give agents the sums that `list_sums` has listed.

    Parameters
    ----------
    ends, agents, weights, is_reached
        As `list_sums` writes them; agents are active where `is_reached` is not 0.
    sums : Sums
        In and out: as at the start.
    """
    for lane in range(len(salts)):
        reached = sums.reached[lane]
        for i in range(ends[lane], ends[lane + 1]):
            a = np.int64(agents[i]) - first
            if weights[i] > 0:
                threshold = threshold_of(thresholds, in_degree, stream, salts[lane], np.int64(agents[i]))
                sums.lacking[_place(sums, lane, np.uint64(a))] = max(threshold - weights[i], 1)
            if is_reached[i] != 0:
                reached[a >> 3] |= np.uint8(1 << (a & 7))
