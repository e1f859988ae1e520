"""What all kernels are made of: prefetching, bits of words, and chances multiplied as integers."""

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
OFFSETS_AHEAD, WORDS_AHEAD, STATE_AHEAD = 8, 3, 12
"""How many agents, and edges, ahead of the present one data is asked for."""
_U32, _ROUND_UP = np.uint64(32), np.uint64(0xFFFFFFFF)
_CERTAIN = np.uint64(2**32)
_ONE = np.uint64(1)
_MANY_SHIFT = 3
"""Measured: sets are read in order where they hold an agent in 2**3 words, or more."""
_FEW_LANES = 8
"""Measured: up to so many lanes of a word are counted one by one."""


@intrinsic
def prefetch(_context, array, _index):  # type: ignore[no-untyped-def]
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
    """Sort the agents ``queue[level:tail]``, where they are many; their rows then lie one behind the other.

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
def look_ahead(offsets, words, queue, position, tail):  # type: ignore[no-untyped-def]
    """Prefetch the rows of agents that come later in the queue."""
    if position + OFFSETS_AHEAD < tail:
        prefetch(offsets, np.int64(queue[position + OFFSETS_AHEAD]))
    if position + WORDS_AHEAD < tail:
        prefetch(words, np.int64(offsets[queue[position + WORDS_AHEAD]]))


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
