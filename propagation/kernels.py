"""Compiled rounds of independent cascades, one lane or 64 lanes at a time.

What costs is not arithmetic but cache misses, so: one edge is one 64-bit word (`propagation.weights.AttemptRows`), the
draw is computed before anything about the destination is loaded, an agent's being reached is one bit, and rows of
agents further down the queue are prefetched. Nothing allocates per edge, nothing holds the interpreter's lock, and
the stop flag is read every round.

All arrays that come from a network are read-only mappings; each kernel thus has one signature.
"""

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from propagation.draws import edge_key, lane_draw

CHUNK = 256
"""Edges of a row whose draws are computed in one vectorised loop; length of the `hits` scratch array."""
_DST = np.uint64(0x7FFFFFFF)
_SHIFT = np.uint64(31)
_ONE, _ZERO = np.uint64(1), np.uint64(0)
_OFFSETS_AHEAD, _WORDS_AHEAD = 8, 3


@intrinsic
def _prefetch(_context, array, _index):  # type: ignore[no-untyped-def]
    """Ask the processor to load the cache line of ``array[index]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        item = cgutils.get_item_pointer(context, builder, signature.args[0], view, [arguments[1]])
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        builder.call(prefetch, [builder.bitcast(item, byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@numba.njit(nogil=True, cache=True, inline="always")
def _look_ahead(offsets, words, queue, position, tail):  # type: ignore[no-untyped-def]
    """Prefetch the rows of agents that come later in the queue."""
    if position + _OFFSETS_AHEAD < tail:
        _prefetch(offsets, np.int64(queue[position + _OFFSETS_AHEAD]))
    if position + _WORDS_AHEAD < tail:
        _prefetch(words, np.int64(offsets[queue[position + _WORDS_AHEAD]]))


@numba.njit(nogil=True, cache=True, inline="always")
def _attempt(words, base, stream, salt, src, low, high, hits):  # type: ignore[no-untyped-def]
    """Draw for the edges ``words[low:high]`` of `src` in one lane; mark successes in `hits`, return their number."""
    successes = 0
    for j in range(high - low):
        word = words[low + j]
        draw = np.int64(lane_draw(edge_key(stream, src, word & _DST), salt))
        hit = draw < np.int64(word >> _SHIFT) + base
        hits[j] = hit
        successes += hit
    return successes


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
    seeds : (k,) int32
        Distinct seeds of all lanes.
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
        for seed in seeds:
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
                _look_ahead(offsets, words, queue, position, tail)
                low, end = offsets[src], offsets[src + 1]
                trials += end - low
                while low < end:
                    high = min(low + CHUNK, end)
                    if _attempt(words, base, stream, salt, src, low, high, hits):
                        for j in range(high - low):
                            if hits[j]:
                                dst = np.int64(words[low + j] & _DST)
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
        # 4. Add the lane to the reach of its agents.
        if len(times) > 0:
            position = 0
            for number in range(at - first):
                for _ in range(counts[first + number]):
                    agent = queue[position]
                    position += 1
                    if times[agent] == 0:
                        touched[n_touched] = agent
                        n_touched += 1
                    times[agent] += 1
                    round_sums[agent] += number
    return len(salts), trials, n_touched


@numba.njit(nogil=True, cache=True)
def traced_cascades(  # type: ignore[no-untyped-def]  # noqa: C901
    offsets, words, base, stream, infector_stream, salts, seeds, max_rounds, stop,
    round_of, infector_of, best_of, queue, hits, agents, rounds, infectors, ends, truncated,
):  # fmt: skip
    """Run lanes one after another, recording who was activated when and by whom.

    The infector is, among the successes of the round, the one with the smallest (infector draw, src). Parameters as in
    `sparse_cascades`, and:

    Parameters
    ----------
    infector_stream : uint64
        Of infector draws.
    round_of : (n,) int32, all -1
        Scratch: round of activation; all -1 again at the end.
    infector_of, best_of : (n,) int32, (n,) uint32
        Scratch: the infector so far, and its draw.
    agents, rounds, infectors : (capacity,) int32
        Out: activations, lane after lane, by round; the infector of a seed is -1.
    ends : (lanes,) int64
        Out: where each lane's activations end.

    Returns
    -------
    lanes_done, trials : int
    """
    at, trials = 0, 0
    for lane in range(len(salts)):
        salt = salts[lane]
        # 1. Round 0: the seeds.
        tail = 0
        for seed in seeds:
            queue[tail] = seed
            tail += 1
            round_of[seed] = 0
            infector_of[seed] = -1
        head, number = 0, 0
        # 2. Each round: attempts; an agent reached in this very round may still change its infector.
        while head < tail and number < max_rounds and stop[0] == 0:
            number += 1
            level = tail
            for position in range(head, level):
                src = queue[position]
                _look_ahead(offsets, words, queue, position, tail)
                low, end = offsets[src], offsets[src + 1]
                trials += end - low
                while low < end:
                    high = min(low + CHUNK, end)
                    if _attempt(words, base, stream, salt, src, low, high, hits):
                        for j in range(high - low):
                            dst = np.int64(words[low + j] & _DST)
                            if hits[j] and (round_of[dst] < 0 or round_of[dst] == number):
                                draw = lane_draw(edge_key(infector_stream, src, dst), salt)
                                if round_of[dst] < 0:
                                    round_of[dst] = number
                                    queue[tail] = dst
                                    tail += 1
                                elif draw > best_of[dst] or (draw == best_of[dst] and src > infector_of[dst]):
                                    continue
                                best_of[dst] = draw
                                infector_of[dst] = src
                    low = high
            head = level
        # 3. Write the lane out, if there is room, and clear it.
        fits = at + tail <= len(agents) and stop[0] == 0
        for position in range(tail):
            agent = queue[position]
            if fits:
                agents[at] = agent
                rounds[at] = round_of[agent]
                infectors[at] = infector_of[agent]
                at += 1
            round_of[agent] = -1
        if not fits:
            return lane, trials
        truncated[lane] = head < tail
        ends[lane] = at
    return len(salts), trials


@numba.njit(nogil=True, cache=True)
def packed_cascades(  # type: ignore[no-untyped-def]
    offsets, words, base, stream, salts, first_round, max_rounds, stop,
    reached, frontier, arriving, queue, next_queue, n_queue, counts, times, round_sums, touched, n_touched,
):  # fmt: skip
    """Run up to 64 lanes at once, one bit of a word each, for as many rounds as `counts` has rows.

    Parameters as in `sparse_cascades`, and:

    Parameters
    ----------
    salts : (lanes,) uint32
        At most 64.
    first_round : int64
        The round to run first; later calls continue where the one before ended.
    reached, frontier, arriving : (n,) uint64
        In and out: lanes in which each agent is reached, transmits in the first round, arrives (zero).
    queue, next_queue : (n,) int32
        In and out: agents with a frontier word, the first `n_queue`.
    counts : (rounds, lanes) int64, zero
        Out: activations by round and lane.

    Returns
    -------
    rounds_done, n_queue, swapped, rows, n_touched : int
        `swapped` is 1 if the frontier is now in `next_queue`; rows are edges looked at, for all lanes together.
    """
    lanes = len(salts)
    done, rows, swapped = 0, 0, 0
    while n_queue > 0 and done < len(counts) and first_round + done <= max_rounds and stop[0] == 0:
        number = first_round + done
        # 1. Attempts: one hash per edge, one draw per lane.
        n_next = 0
        for position in range(n_queue):
            src = queue[position]
            _look_ahead(offsets, words, queue, position, n_queue)
            sending = frontier[src]
            frontier[src] = _ZERO
            for edge in range(offsets[src], offsets[src + 1]):
                word = words[edge]
                dst = np.int64(word & _DST)
                exposed = sending & ~(reached[dst] | arriving[dst])
                chance = np.int64(word >> _SHIFT) + base
                if exposed == 0 or chance == 0:
                    continue
                rows += 1
                key = edge_key(stream, src, dst)
                last = np.uint32(chance - 1)
                hit = _ZERO
                for lane in range(lanes):
                    hit |= np.uint64(lane_draw(key, salts[lane]) <= last) << np.uint64(lane)
                hit &= exposed
                if hit != 0:
                    if arriving[dst] == 0:
                        next_queue[n_next] = dst
                        n_next += 1
                    arriving[dst] |= hit
        # 2. Arrivals become the next frontier.
        for position in range(n_next):
            agent = next_queue[position]
            newly = arriving[agent]
            arriving[agent] = _ZERO
            reached[agent] |= newly
            frontier[agent] = newly
            count = np.int64(0)
            for lane in range(lanes):  # a vectorised loop over all lanes beats one over the set bits
                bit = np.int64((newly >> np.uint64(lane)) & _ONE)
                counts[done, lane] += bit
                count += bit
            if len(times) > 0:
                if times[agent] == 0:
                    touched[n_touched] = agent
                    n_touched += 1
                times[agent] += count
                round_sums[agent] += count * number
        queue, next_queue = next_queue, queue
        swapped = 1 - swapped
        n_queue = n_next
        done += 1
    return done, n_queue, swapped, rows, n_touched


@numba.njit(nogil=True, cache=True)
def lane_contacts(  # type: ignore[no-untyped-def]
    offsets, words, base, stream, salt, agents, rounds, max_rounds, round_of, out_round, out_src, out_dst, out_kind
):
    """List the contacts of one finished lane: every out-edge of every agent that transmitted.

    Parameters
    ----------
    agents, rounds : (k,) int32
        The lane's activations.
    round_of : (n,) int32, all -1
        Scratch; all -1 again at the end.
    out_round, out_src, out_dst : (contacts,) int32
        Out.
    out_kind : (contacts,) int8
        Out: 0 received, 1 ignored, 2 sent.

    Returns
    -------
    int
        Number of contacts.
    """
    for i in range(len(agents)):
        round_of[agents[i]] = rounds[i]
    at = 0
    for i in range(len(agents)):
        src = agents[i]
        number = rounds[i] + 1
        if number > max_rounds:
            continue
        for edge in range(offsets[src], offsets[src + 1]):
            word = words[edge]
            dst = np.int64(word & _DST)
            out_round[at], out_src[at], out_dst[at] = number, src, dst
            if 0 <= round_of[dst] < number:
                out_kind[at] = 2
            else:
                draw = np.int64(lane_draw(edge_key(stream, src, dst), salt))
                out_kind[at] = draw >= np.int64(word >> _SHIFT) + base
            at += 1
    for agent in agents:
        round_of[agent] = -1
    return at
