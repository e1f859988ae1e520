"""Primitives of all kernels: prefetching, operations on bits, and products of chances as integers."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

CHUNK = 256
"""Edges of a row whose draws are computed in one vectorised loop; length of the `hits` scratch array."""
DST = np.uint64(0x7FFFFFFF)
"""Bits of a word that hold the destination."""
SHIFT = np.uint64(31)
"""Position of the chance in a word."""
BYTE_SHIFT, IN_BYTE, WORD_SHIFT, IN_WORD = np.uint64(3), np.uint64(7), np.uint64(6), np.uint64(63)
"""Where the bit of an agent is, in sets of one bit each: which byte or word of 64, and which bit of it."""
OFFSETS_AHEAD, WORDS_AHEAD, STATE_AHEAD = 8, 3, 12
"""How many agents, and edges, ahead of the current one are prefetched."""
LINES_AHEAD, WORDS_OF_LINE = 3, 8
"""Measured: cache lines of a row that are prefetched; edges in a cache line."""
_U32, _ROUND_UP = np.uint64(32), np.uint64(0xFFFFFFFF)
_CERTAIN = np.uint64(2**32)
_ONE = np.uint64(1)
_MANY_SHIFT = 3
"""Measured: sets are read in order where they hold an agent in 2**3 words, or more."""
_FEW_LANES = 8
"""Measured: up to so many lanes of a word are counted one by one."""


def _ask_for(builder: Any, pointer: Any) -> None:
    """Write the instruction that asks the processor to load a cache line."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
    instruction = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
    builder.call(instruction, [builder.bitcast(pointer, byte), word(0), word(3), word(1)])


def _item(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Return the pointer to an item of an array."""
    return cgutils.get_item_pointer(context, builder, kind, context.make_array(kind)(context, builder, array), [index])


@intrinsic
def prefetch(_context, array, _index):  # type: ignore[no-untyped-def]
    """Ask the processor to load the cache line of ``array[index]``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        _ask_for(builder, _item(context, builder, signature.args[0], *arguments))
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


@intrinsic
def look_ahead(_context, offsets, words, queue, _position, _tail):  # type: ignore[no-untyped-def]
    """Prefetch the rows of agents that come later in a queue, which ends at `tail`.

    Not a function like others: these count references to the arrays that they are given, for every agent.
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        of_offsets, of_words, of_queue = signature.args[:3]
        all_offsets, all_words, agents, position, tail = arguments
        number = ir.IntType(64)

        def later(ahead: int) -> Any:
            there = builder.add(position, number(ahead))
            return there, builder.if_then(builder.icmp_signed("<", there, tail))

        def offset_of(there: Any) -> Any:
            agent = builder.load(_item(context, builder, of_queue, agents, there))
            return _item(context, builder, of_offsets, all_offsets, builder.sext(agent, number))

        there, in_queue = later(OFFSETS_AHEAD)
        with in_queue:
            _ask_for(builder, offset_of(there))
        there, in_queue = later(WORDS_AHEAD)
        with in_queue:
            row = offset_of(there)
            edge, end = builder.load(row), builder.load(builder.gep(row, [ir.IntType(32)(1)]))
            for line in range(LINES_AHEAD):  # no more than there are: many agents have few edges, or none
                first = builder.add(edge, number(WORDS_OF_LINE * line))
                with builder.if_then(builder.icmp_signed("<", first, end)):
                    _ask_for(builder, _item(context, builder, of_words, all_words, first))
        return context.get_dummy_value()

    return types.void(offsets, words, queue, types.int64, types.int64), generate


@intrinsic
def lowest_bit(_context, word):  # type: ignore[no-untyped-def]
    """Return the position of the lowest set bit of a uint64 that is not zero, as int64."""

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(word), generate


@intrinsic
def bit_count(_context, word):  # type: ignore[no-untyped-def]
    """Return the number of set bits of a uint64, as int64."""

    def generate(_context, builder, _signature, arguments):  # type: ignore[no-untyped-def]
        return builder.ctpop(arguments[0])

    return types.int64(word), generate


@numba.njit(nogil=True, cache=True, forceinline=True)
def take_bits(bits, queue, tail):  # type: ignore[no-untyped-def]
    """Move agents from a set to the end of a queue, in the order of their ids; return the queue's length.

    Parameters
    ----------
    bits : (n // 64 + 1,) uint64
        In and out: one bit per agent; zero at the end.
    queue : (capacity,) int32
        In and out.
    tail : int64
        Length of the queue.
    """
    for i in range(len(bits)):
        rest = bits[i]
        bits[i] = 0
        while rest != 0:
            queue[tail] = 64 * i + lowest_bit(rest)
            rest &= rest - _ONE
            tail += 1
    return tail


@numba.njit(nogil=True, cache=True, forceinline=True)
def put_in_order(bits, queue, level, tail):  # type: ignore[no-untyped-def]
    """Sort the agents ``queue[level:tail]`` if they are many, so that their rows are read in order.

    Parameters
    ----------
    bits : (n // 64 + 1,) uint64
        In and out: these agents, one bit each; zero at the end.
    """
    if tail - level > len(bits) >> _MANY_SHIFT:
        take_bits(bits, queue, level)
    else:
        for position in range(level, tail):
            bits[queue[position] >> 6] = 0


@numba.njit(nogil=True, cache=True, forceinline=True)
def count_lanes(lanes, counts):  # type: ignore[no-untyped-def]
    """Add one to the count of each of some lanes of a word."""
    if bit_count(lanes) > _FEW_LANES:
        for lane in range(len(counts)):
            counts[lane] += np.int64((lanes >> np.uint64(lane)) & _ONE)
    else:
        while lanes != 0:
            counts[lowest_bit(lanes)] += 1
            lanes &= lanes - _ONE


@numba.njit(nogil=True, cache=True, forceinline=True)
def times(chance, factor):  # type: ignore[no-untyped-def]
    """Return the product of two chances in [0, 2**32], in 2**-32 and rounded up (uint64)."""
    if factor == _CERTAIN:
        return np.uint64(chance)
    if chance == _CERTAIN:
        return np.uint64(factor)
    return np.uint64((np.uint64(chance) * np.uint64(factor) + _ROUND_UP) >> _U32)


@numba.njit(nogil=True, cache=True, forceinline=True)
def add_reach(queue, counts, first, end, times, round_sums, touched, n_touched):  # type: ignore[no-untyped-def]
    """Add one lane to the reach of its agents, if reach is recorded; return the number of agents touched.

    Parameters
    ----------
    queue : (n,) int32
        The lane's agents, in the order of the rounds in which they were reached.
    counts : (capacity,) int32
        Agents reached by round, the lane's from `first` to `end`.
    times, round_sums : (n,) int64, or length 0
        In and out: lanes that reached each agent, and the sum of the rounds at which they did.
    touched : (n,) int32
        In and out: agents with ``times > 0``, the first `n_touched`.
    """
    if len(times) > 0:
        position = 0
        for number in range(end - first):
            for _ in range(counts[first + number]):
                agent = queue[position]
                position += 1
                if times[agent] == 0:
                    touched[n_touched] = agent
                    n_touched += 1
                times[agent] += 1
                round_sums[agent] += number
    return n_touched
