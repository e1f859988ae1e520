"""Draws of eight lanes at a time, with SIMD vectors.

This is `propagation.draws.lane_draw`, written with LLVM's portable vectors of eight numbers: a loop over lanes that
LLVM vectorises automatically takes more than twice as long.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from propagation.kernels.primitives import lowest_bit

BLOCK = 8
"""Lanes that are drawn together."""
_EIGHT, _ALL = np.uint64(BLOCK), np.uint64(255)


@intrinsic
def _block_hits(_context, _key, _last, salts, _at):  # type: ignore[no-untyped-def]
    """Return in which of the lanes ``salts[at:at + 8]`` the draw of a key is at most `last`, a bit each (uint64)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        key, last, salts, at = arguments
        number, wide = ir.IntType(32), ir.IntType(64)
        vector = ir.VectorType(number, BLOCK)
        nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(number, 0)

        def everywhere(value: Any) -> Any:
            return builder.shuffle_vector(
                builder.insert_element(nothing, value, first), nothing, ir.Constant(vector, [0] * BLOCK)
            )

        def constant(value: int) -> Any:
            return ir.Constant(vector, [value] * BLOCK)

        def scrambled(h: Any, multiplier: int, shift: int) -> Any:
            h = builder.mul(h, constant(multiplier))
            return builder.xor(h, builder.lshr(h, constant(shift)))

        view = context.make_array(signature.args[2])(context, builder, salts)
        item = cgutils.get_item_pointer(context, builder, signature.args[2], view, [at])
        lanes = builder.load(builder.bitcast(item, vector.as_pointer()))
        lanes.align = 4
        low, high = builder.trunc(key, number), builder.trunc(builder.lshr(key, ir.Constant(wide, 32)), number)
        h = scrambled(builder.xor(everywhere(low), lanes), 0x85EBCA6B, 15)
        h = scrambled(builder.add(h, everywhere(high)), 0xC2B2AE35, 13)
        h = scrambled(h, 0x85EBCA6B, 16)
        hits = builder.icmp_unsigned("<=", h, everywhere(last))
        return builder.zext(builder.bitcast(hits, ir.IntType(BLOCK)), wide)

    return types.uint64(types.uint64, types.uint32, salts, types.int64), generate


@numba.njit(nogil=True, cache=True, forceinline=True)
def lanes_hit(key, last, salts, lanes):  # type: ignore[no-untyped-def]
    """Return in which of some lanes of a word the draw of a key is at most `last`.

    Parameters
    ----------
    key : uint64
    last : uint32
    salts : (64,) uint32
        Salts of the word's lanes.
    lanes : uint64
        Lanes that are asked for, one bit each.
    """
    hit, rest = np.uint64(0), lanes
    while rest != 0:
        at = np.uint64(lowest_bit(rest)) & ~(_EIGHT - np.uint64(1))
        hit |= _block_hits(key, last, salts, np.int64(at)) << at
        rest &= ~(_ALL << at)
    return hit & lanes
