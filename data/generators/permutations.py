"""Keyed permutations: element i of a random ordering of ``0 .. total - 1``, without storing the ordering.

To draw m distinct numbers, take the first m of the ordering. This needs no table of the numbers drawn so far, no
retries and no special case for m near the total, and any range of the m numbers can be computed on its own.

The permutation is a generalised Feistel network. A number is a cell of a grid of about sqrt(total) rows and columns;
its row is shifted by a hash of its column, then its column by a hash of its row, and so on. The grid may have a few
more cells than needed; a number that lands in one is permuted again until it is below the total ("cycle walking").

Source: J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
"""

from math import isqrt

import numpy as np
import numpy.typing as npt
from numba import njit

from data.generators.hashes import high_product, splitmix

ROUNDS = 4
"""Row shifts, and as many column shifts: twice the four shifts in all that make a large grid look random (M. Luby,
C. Rackoff, SIAM J. Comput. 17, 1988)."""
SMALL_ROUNDS = 16
"""The same up to `SMALL_TOTAL`, where mixing is slow: from 12 rounds on, all orderings of 5 numbers were equally
frequent."""
SMALL_TOTAL = 1 << 20


def distinct_numbers(key: np.uint64, first: int, last: int, total: int) -> npt.NDArray[np.int64]:
    """Return elements `first` to `last` - 1 of the random ordering of ``0 .. total - 1`` given by `key`.

    Parameters
    ----------
    key : uint64
        From `data.generators.hashes.key_of`.
    first, last : int
        Positions in the ordering: 0 <= first <= last <= total.
    total : int
        Length of the ordering: 1 to 2^62.

    Returns
    -------
    (last - first,) int64
        All distinct, in 0 .. total - 1; adjacent ranges give consecutive elements.

    Examples
    --------
    >>> sorted(distinct_numbers(np.uint64(7), 0, 5, total=5).tolist())
    [0, 1, 2, 3, 4]
    """
    rows = isqrt(total - 1) + 1
    columns = -(-total // rows)
    rounds = SMALL_ROUNDS if total <= SMALL_TOTAL else ROUNDS
    return _permuted_range(key, first, last, np.uint64(total), np.uint64(rows), np.uint64(columns), rounds)


@njit(nogil=True, cache=True)
def _permuted_range(
    key: np.uint64, first: int, last: int, total: np.uint64, rows: np.uint64, columns: np.uint64, rounds: int
) -> npt.NDArray[np.int64]:
    keys = np.empty(2 * rounds, np.uint64)
    for shift in range(2 * rounds):
        keys[shift] = splitmix(key, np.uint64(shift))
    numbers = np.empty(last - first, np.int64)
    for place in range(last - first):
        number = _permuted(np.uint64(first + place), rows, columns, keys)
        while number >= total:
            number = _permuted(number, rows, columns, keys)
        numbers[place] = np.int64(number)
    return numbers


@njit(nogil=True, cache=True)
def _permuted(number: np.uint64, rows: np.uint64, columns: np.uint64, keys: npt.NDArray[np.uint64]) -> np.uint64:
    row = np.uint64(number // columns)
    column = np.uint64(number - np.uint64(row * columns))
    for shift in range(0, len(keys), 2):
        row = _shifted(row, rows, splitmix(keys[shift], column))
        column = _shifted(column, columns, splitmix(keys[shift + 1], row))
    return np.uint64(np.uint64(row * columns) + column)


@njit(nogil=True, cache=True)
def _shifted(place: np.uint64, size: np.uint64, draw: np.uint64) -> np.uint64:
    moved = np.uint64(place + high_product(draw, size))
    return np.uint64(moved - size) if moved >= size else moved
