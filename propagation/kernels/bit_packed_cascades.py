"""Compiled rounds of independent cascades in one partition, 64 lanes to a word.

A message is (dst, lanes): a contact succeeded in some lanes of a word. One hash serves an edge in all of these lanes,
and agents that many lanes reach in the same round are processed once.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from propagation.draws import edge_key
from propagation.kernels.cascades import attempt
from propagation.kernels.primitives import (
    BYTE_SHIFT,
    CHUNK,
    DST,
    IN_BYTE,
    IN_WORD,
    SHIFT,
    STATE_AHEAD,
    WORD_SHIFT,
    bit_count,
    count_lanes,
    look_ahead,
    lowest_bit,
    prefetch,
    put_in_order,
)
from propagation.kernels.simd_draws import lanes_hit

WORD = 64
"""Lanes of a word."""
_ONE, _ZERO = np.uint64(1), np.uint64(0)


def padded(salts: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the salts of lanes, filled up to whole words."""
    return np.pad(salts, (0, -len(salts) % WORD))


class Fresh(NamedTuple):
    """Agents reached in a round: of each word those from ``ends[word]`` to ``ends[word + 1]``.

    Attributes
    ----------
    ends : (words + 1,) int64
        The first is 0.
    agent : (k,) int32
        Distinct within a word.
    lanes : (k,) uint64
        One bit for each lane of the word that reached the agent.
    """

    ends: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.uint64]


@numba.njit(nogil=True, cache=True)
def apply_fresh(first, fresh, reached):  # type: ignore[no-untyped-def]
    """Mark the agents of a `Fresh` as reached.

    Parameters
    ----------
    first : int64
        First agent of the range.
    reached : (words, n) uint64
        In and out: lanes in which each agent is reached.
    """
    for word in range(len(fresh.ends) - 1):
        for i in range(fresh.ends[word], fresh.ends[word + 1]):
            reached[word, fresh.agent[i] - first] |= fresh.lanes[i]


@numba.njit(nogil=True, cache=True)
def lane_counts(fresh, counts):  # type: ignore[no-untyped-def]
    """Add the number of agents in each lane to `counts`, (lanes,) int64."""
    for word in range(len(fresh.ends) - 1):
        own = counts[WORD * word : WORD * (word + 1)]
        for i in range(fresh.ends[word], fresh.ends[word + 1]):
            count_lanes(fresh.lanes[i], own)


@numba.njit(nogil=True, cache=True)
def by_lane(fresh, at, agents):  # type: ignore[no-untyped-def]
    """List the agents of each lane.

    Parameters
    ----------
    at : (lanes,) int64
        In and out: where the next agent of each lane goes.
    agents : (k,) int32
        Out.
    """
    for word in range(len(fresh.ends) - 1):
        for i in range(fresh.ends[word], fresh.ends[word + 1]):
            lanes = fresh.lanes[i]
            while lanes != 0:
                lane = WORD * word + lowest_bit(lanes)
                agents[at[lane]] = fresh.agent[i]
                at[lane] += 1
                lanes &= lanes - _ONE


@numba.njit(nogil=True, cache=True)
def settle_words(first, reached, inbox, arriving, arrived, queue, fresh):  # type: ignore[no-untyped-def]
    """Receive the messages of a round in every word.

    Parameters
    ----------
    first : int64
        First agent of the range.
    reached : (words, n) uint64
        In and out.
    inbox : Inbox
        By word; the values are lanes.
    arriving : (n,) uint64, zero
        Scratch; zero again at the end.
    arrived : (n // 64 + 1,) uint64, zero
        Scratch: one bit per agent; zero again at the end.
    queue : (n,) int32
        Scratch.
    fresh : Fresh
        Out; room for every message.
    """
    # Unsigned, here and below: Numba then leaves out the check for negative indices.
    at, start, ahead = 0, np.uint64(first), np.uint64(STATE_AHEAD)
    dst, values, bounds = inbox.messages.dst, inbox.messages.value, inbox.bounds
    agents, lanes_of = fresh.agent, fresh.lanes
    for word in range(len(reached)):
        known = reached[word]
        size = 0
        # 1. Which agents are reached, in lanes that have not reached them before.
        for sender in range(len(bounds)):
            low, high = np.uint64(bounds[sender, word]), np.uint64(bounds[sender, word + 1])
            for i in range(low, min(low + ahead, high)):
                prefetch(known, np.int64(np.uint64(dst[i]) - start))
            for i in range(low, high):
                if i + ahead < high:
                    prefetch(known, np.int64(np.uint64(dst[i + ahead]) - start))
                a = np.uint64(dst[i]) - start
                lanes = np.uint64(values[i]) & ~known[a]
                if lanes != 0:
                    before = arriving[a]
                    if before == 0:
                        queue[size] = a
                        arrived[a >> WORD_SHIFT] |= _ONE << (a & IN_WORD)
                        size += 1
                    arriving[a] = before | lanes
        # 2. Mark them as reached, in order, so that the rows read next lie one behind the other.
        put_in_order(arrived, queue, np.int64(0), np.int64(size))
        for position in range(size):
            a = np.uint64(queue[position])
            lanes = arriving[a]
            agents[at], lanes_of[at] = np.int64(a) + first, lanes
            known[a] |= lanes
            arriving[a] = _ZERO
            at += 1
        fresh.ends[word + 1] = at


@numba.njit(nogil=True, cache=True)
def send_words(offsets, words, base, stream, fresh, salts, hits, messages, ends):  # type: ignore[no-untyped-def]
    """Let the agents reached in a round contact their out-neighbours.

    Parameters
    ----------
    offsets, words, base
        An `AttemptRows`.
    stream : uint64
        Of transmissions.
    fresh : Fresh
    salts : (64 words,) uint32
        Salt of each lane's replicate; see `padded`.
    hits : (CHUNK,) uint8
        Scratch.
    messages : Messages
        Out: long enough for `messages_due`.
    ends : (words + 1,) int64
        Out: where each word's messages end.
    """
    count, eights = np.uint64(0), hits.view(np.uint64)
    ends[0] = 0
    all_dst, values, agents, lanes_of = messages.dst, messages.value, fresh.agent, fresh.lanes
    for word in range(len(fresh.ends) - 1):
        own = salts[WORD * word : WORD * (word + 1)]
        tail = fresh.ends[word + 1]
        for position in range(fresh.ends[word], tail):
            src, sending = agents[position], lanes_of[position]
            look_ahead(offsets, words, agents, position, tail)
            low, end = offsets[src], offsets[src + 1]
            if bit_count(sending) == 1:
                lane = lowest_bit(sending)
                while low < end:
                    high = min(low + CHUNK, end)
                    if attempt(words, base, stream, own[lane], src, low, high, hits):
                        for eight in range((np.uint64(high - low) + IN_BYTE) >> BYTE_SHIFT):
                            rest, start = eights[eight], np.uint64(low) + (eight << BYTE_SHIFT)
                            while rest != 0:
                                hit = start + np.uint64(lowest_bit(rest) >> 3)
                                rest &= rest - _ONE
                                all_dst[count], values[count] = words[hit] & DST, np.int64(sending)
                                count += _ONE
                    low = high
                continue
            for edge in range(np.uint64(low), np.uint64(end)):
                chance = np.int64(words[edge] >> SHIFT) + base
                if chance == 0:
                    continue
                dst = words[edge] & DST
                hit = lanes_hit(edge_key(stream, src, dst), np.uint32(chance - 1), own, sending)
                if hit != 0:
                    all_dst[count], values[count] = dst, np.int64(hit)
                    count += _ONE
        ends[word + 1] = count
