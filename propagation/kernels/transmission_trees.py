"""Compiled passes over transmission trees: rows of `activations`, each replicate's in the order of its rounds."""

import numba
import numpy as np


@numba.njit(nogil=True, cache=True)
def find_parents(starts, agents, infectors, n_ids):  # type: ignore[no-untyped-def]
    """Return the row of each activation's infector: its latest activation before; -1 if it has none.

    Parameters
    ----------
    starts : (replicates + 1,) int64
    agents, infectors : (k,) int32
        By replicate, then round; -1 is no infector.
    n_ids : int64
        Length of arrays by dense id.

    Returns
    -------
    (k,) int64
    """
    parents = np.empty(len(agents), np.int64)
    row_of = np.full(n_ids, -1, np.int64)
    for lane in range(len(starts) - 1):
        for row in range(starts[lane], starts[lane + 1]):
            infector = infectors[row]
            found = row_of[infector] if infector >= 0 else np.int64(-1)
            parents[row] = found if found >= starts[lane] else np.int64(-1)
            row_of[agents[row]] = row
    return parents


@numba.njit(nogil=True, cache=True)
def count_below(parents):  # type: ignore[no-untyped-def]
    """Return how many rows lie below each row, (k,) int64; a parent's row comes before those of its children."""
    below = np.zeros(len(parents), np.int64)
    for row in range(len(parents) - 1, -1, -1):
        if parents[row] >= 0:
            below[parents[row]] += below[row] + 1
    return below
