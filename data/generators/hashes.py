"""Counter-based random numbers for the generators: every draw is a hash of what it decides.

The hash is SplitMix64 with random access: ``splitmix(state, n)`` is output n, from 0, of the SplitMix64 generator
seeded with ``state``, that is ``mixed(state + (n + 1) * GOLDEN)`` modulo 2^64. Keys and draws chain it::

    key  = splitmix(splitmix(0, random_seed), purpose)
    draw = splitmix(splitmix(key, edge index or agent), trial)

Generated networks depend on these numbers: changing one changes every network. All values are cast to uint64
explicitly, since Numba promotes mixed signedness to float64. Numba's cache does not notice changes to functions that a
kernel imports from another module: after editing this one, delete the ``__pycache__`` folders.

Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; its finaliser
is D. Stafford's variant 13 (2011) of the one in MurmurHash3.
"""

from enum import IntEnum

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST_MULTIPLIER = np.uint64(0xBF58476D1CE4E5B9)
SECOND_MULTIPLIER = np.uint64(0x94D049BB133111EB)
TO_FRACTION = 1.0 / 2**53
LOW_HALF = np.uint64(0xFFFFFFFF)
ZERO, ONE = np.uint64(0), np.uint64(1)
SHIFT_11, SHIFT_27, SHIFT_30, SHIFT_31, SHIFT_32 = (np.uint64(bits) for bits in (11, 27, 30, 31, 32))


class Purpose(IntEnum):
    """What a draw decides; draws of different purposes are independent. Never renumber."""

    RMAT_QUADRANT = 1
    ATTACHMENT = 2
    REWIRING = 3
    REWIRED_PAIR_OWNER = 4
    EDGE_COUNT = 5
    EDGE = 6
    WITHIN_COUNT = 7
    WITHIN_EDGE = 8
    BETWEEN_COUNT = 9
    BETWEEN_EDGE = 10


@njit(nogil=True, cache=True)
def mixed(word: np.uint64) -> np.uint64:
    """Mix the bits of a 64-bit word: a bijection (Stafford's variant 13)."""
    word = np.uint64((word ^ (word >> SHIFT_30)) * FIRST_MULTIPLIER)
    word = np.uint64((word ^ (word >> SHIFT_27)) * SECOND_MULTIPLIER)
    return np.uint64(word ^ (word >> SHIFT_31))


@njit(nogil=True, cache=True)
def splitmix(state: np.uint64, n: np.uint64) -> np.uint64:
    """Return output `n`, from 0, of SplitMix64 seeded with `state`.

    Examples
    --------
    >>> int(splitmix(np.uint64(1234567), np.uint64(0)))
    6457827717110365317
    """
    return mixed(np.uint64(state + np.uint64((n + ONE) * GOLDEN)))


@njit(nogil=True, cache=True)
def fraction(draw: np.uint64) -> float:
    """Return the draw's upper 53 bits as a float64 in [0, 1)."""
    return np.float64(draw >> SHIFT_11) * TO_FRACTION


@njit(nogil=True, cache=True)
def high_product(left: np.uint64, right: np.uint64) -> np.uint64:
    """Return the upper 64 bits of the 128-bit product."""
    left_low, left_high = np.uint64(left & LOW_HALF), np.uint64(left >> SHIFT_32)
    right_low, right_high = np.uint64(right & LOW_HALF), np.uint64(right >> SHIFT_32)
    middle = np.uint64(left_high * right_low + (np.uint64(left_low * right_low) >> SHIFT_32))
    other = np.uint64(left_low * right_high + (middle & LOW_HALF))
    return np.uint64(left_high * right_high + (middle >> SHIFT_32) + (other >> SHIFT_32))


@njit(nogil=True, cache=True)
def below(draw: np.uint64, bound: np.uint64) -> np.uint64:
    """Return a number in 0 .. bound - 1, uniform without bias; `bound` is at least 1.

    Source: D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019). The rare draw that would
    introduce bias is replaced by the next output of SplitMix64 seeded with it.
    """
    low = np.uint64(draw * bound)
    if low < bound:
        surplus = np.uint64(ZERO - bound) % bound
        while low < surplus:
            draw = splitmix(draw, ZERO)
            low = np.uint64(draw * bound)
    return high_product(draw, bound)


def key_of(random_seed: int, purpose: Purpose) -> np.uint64:
    """Return the key of all draws for one purpose."""
    # Numba returns Python ints, which it would treat as int64 in the next call.
    seeded = np.uint64(splitmix(ZERO, np.uint64(random_seed)))
    return np.uint64(splitmix(seeded, np.uint64(purpose)))


def binomial_count(trials: int, probability: float, random_seed: int, purpose: Purpose) -> int:
    """Draw the number of successes in `trials` independent trials: one binomial draw per network.

    Parameters
    ----------
    trials : int
        At least 0, below 2^63.
    probability : float
        Of success, in [0, 1].
    random_seed : int
        The generator's random seed.
    purpose : Purpose
        What is counted.

    Returns
    -------
    int
        In 0 .. trials.

    Examples
    --------
    >>> binomial_count(7, 1.0, random_seed=0, purpose=Purpose.EDGE_COUNT)
    7
    """
    bits = np.random.Philox(key=int(key_of(random_seed, purpose)))
    return int(np.random.Generator(bits).binomial(trials, probability))
