"""Trees of infectors: who activated whom in cascades, as positions of rows, and the shapes of these trees."""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

_UNSEEN, _ON_THE_WAY = -1, -2


@dataclass(frozen=True)
class CascadeShapes:
    """The shapes of cascades, all by cascade.

    Attributes
    ----------
    sizes : ndarray of int64, (n_cascades,)
        Activations.
    durations : ndarray of float64, (n_cascades,)
        Time from the first to the last activation.
    trees : ndarray of int64, (n_cascades,)
        Trees that the infectors make: activations whose infector is unknown, seeds included.
    depths : ndarray of float64, (n_cascades,)
        Longest chain of infectors, in steps; NaN where no infector is known.
    structural_virality : ndarray of float64, (n_cascades,)
        Mean distance of all pairs of activations in the same tree, in steps; NaN where no infector is known.
    generation_intervals : ndarray of float64, (n_cascades,)
        Mean time between the activations of infector and infected; NaN where no infector is known.
    """

    sizes: npt.NDArray[np.int64]
    durations: npt.NDArray[np.float64]
    trees: npt.NDArray[np.int64]
    depths: npt.NDArray[np.float64]
    structural_virality: npt.NDArray[np.float64]
    generation_intervals: npt.NDArray[np.float64]


def shapes_of(
    offsets: npt.NDArray[np.int64],
    parents: npt.NDArray[np.int64],
    times: npt.NDArray[Any],
    *,
    seeds_are_known: bool = False,
) -> CascadeShapes:
    """Return the shapes of cascades, in time and memory linear in the activations.

    The structural virality of a tree is its Wiener index, the sum of the distances of all pairs, divided by their
    number. Each edge lies on the path of as many pairs as the product of the sizes of the two parts that it separates,
    so the sizes of subtrees give the sum exactly. Activations of different trees have no distance and make no pair.

    Parameters
    ----------
    offsets : ndarray of int64, (n_cascades + 1,)
        Cascade ``i`` owns the rows ``offsets[i]`` to ``offsets[i + 1] - 1``; none is empty.
    parents : ndarray of int64, (n_activations,)
        Row of each activation's infector, before its own; -1 where that is unknown, and for seeds.
    times : ndarray, (n_activations,)
        Ascending within each cascade, in any unit.
    seeds_are_known : bool
        Whether those without an infector at the first time of a cascade are its seeds, as in simulated cascades: one
        of seeds only then has depth 0, which otherwise is known of a single agent only.

    References
    ----------
    Goel, Anderson, Hofman and Watts (2016), The structural virality of online diffusion, Management Science 62.

    Examples
    --------
    A star of three: the two outer agents are two steps apart, both are one step from the seed.

    >>> shapes_of(np.array([0, 3]), np.array([-1, 0, 0]), np.array([0.0, 1.0, 3.0])).structural_virality
    array([1.33333333])
    """
    starts, sizes = offsets[:-1], np.diff(offsets)
    trees, depths, distances, pairs = _measure(offsets, parents)
    known = parents >= 0
    children = np.add.reduceat(known, starts, dtype=np.int64) if len(sizes) else np.zeros(0, np.int64)
    waits = np.where(known, times - times[np.where(known, parents, 0)], 0).astype(np.float64)
    waited = np.add.reduceat(waits, starts) if len(sizes) else np.zeros(0)
    if seeds_are_known:
        is_only_seeds = times[offsets[1:] - 1] == times[starts] if len(sizes) else np.zeros(0, np.bool_)
    else:  # a cascade of one agent has depth 0 if the others say who activated whom
        is_only_seeds = (sizes == 1) & bool(known.any())
    has_depth = (children > 0) | is_only_seeds
    with np.errstate(invalid="ignore", divide="ignore"):
        return CascadeShapes(
            sizes=sizes,
            durations=(times[offsets[1:] - 1] - times[starts]).astype(np.float64),
            trees=trees,
            depths=np.where(has_depth, depths, np.nan),
            structural_virality=distances / pairs,
            generation_intervals=waited / children,
        )


@numba.njit(nogil=True, cache=True)
def infector_rows(offsets, agents, infectors, n_ids):  # type: ignore[no-untyped-def]
    """Return the row of each activation's infector in its cascade; -1 if the cascade does not have it, (k,) int64.

    Parameters
    ----------
    offsets : (n_cascades + 1,) int64
    agents, infectors : (k,) int32
        Dense ids, each agent once per cascade; -1 is no infector.
    n_ids : int64
        Length of arrays by dense id.
    """
    parents = np.full(len(agents), -1, np.int64)
    row_of = np.full(n_ids, -1, np.int64)
    for cascade in range(len(offsets) - 1):
        for row in range(offsets[cascade], offsets[cascade + 1]):
            row_of[agents[row]] = row
        for row in range(offsets[cascade], offsets[cascade + 1]):
            infector = infectors[row]
            found = row_of[infector] if infector >= 0 else np.int64(-1)
            if found >= offsets[cascade] and found != row:
                parents[row] = found
    return parents


@numba.njit(nogil=True, cache=True)
def cut_circles(parents):  # type: ignore[no-untyped-def]
    """Return the number of steps from each row to the root of its tree, (k,) int64; circles are cut in `parents`.

    Infectors can form a circle if they were activated at the same time. Of each circle, the row that is met first when
    going up from the first row loses its parent, which becomes -1.
    """
    depths = np.full(len(parents), _UNSEEN, np.int64)
    path = np.empty(len(parents), np.int64)
    for row in range(len(parents)):
        length, at = 0, row
        while at >= 0 and depths[at] == _UNSEEN:
            depths[at] = _ON_THE_WAY
            path[length] = at
            length += 1
            at = parents[at]
        if at >= 0 and depths[at] == _ON_THE_WAY:
            parents[at] = -1
            depths[at] = 0
        for place in range(length - 1, -1, -1):
            at = path[place]
            if depths[at] == _ON_THE_WAY:
                depths[at] = depths[parents[at]] + 1 if parents[at] >= 0 else 0
    return depths


@numba.njit(nogil=True, cache=True)
def measure_tree(parents, first):  # type: ignore[no-untyped-def]
    """Return what the tree of one cascade, or several trees in it, amounts to: linear in its activations.

    Parameters
    ----------
    parents : (k,) int64
        Row of each activation's infector, which is earlier; -1 for none.
    first : int64
        Row of the cascade's first activation: 0 if rows count from there.

    Returns
    -------
    trees : int64
    steps : (k,) int64
        Steps of each activation from the root of its tree.
    distances, pairs : float64
        Sum of the distances of all pairs in the same tree, and their number.
    """
    below, whole = np.ones(len(parents), np.int64), np.empty(len(parents), np.int64)
    steps = np.zeros(len(parents), np.int64)
    trees, distances, pairs = 0, 0.0, 0.0
    for row in range(len(parents) - 1, -1, -1):
        if parents[row] >= 0:
            below[parents[row] - first] += below[row]
    for row in range(len(parents)):
        if parents[row] < 0:
            trees += 1
            whole[row] = below[row]
            pairs += 0.5 * below[row] * (below[row] - 1.0)
        else:
            parent = parents[row] - first
            whole[row] = whole[parent]
            steps[row] = steps[parent] + 1
            distances += np.float64(below[row]) * (whole[row] - below[row])
    return trees, steps, distances, pairs


@numba.njit(nogil=True, cache=True)
def _measure(offsets, parents):  # type: ignore[no-untyped-def]
    """Return by cascade: trees, longest chain of infectors, sum of distances of pairs in a tree, number of pairs."""
    cascades = len(offsets) - 1
    trees, depths = np.zeros(cascades, np.int64), np.zeros(cascades, np.int64)
    distances, pairs = np.zeros(cascades, np.float64), np.zeros(cascades, np.float64)
    for cascade in range(cascades):
        own = parents[offsets[cascade] : offsets[cascade + 1]]
        trees[cascade], steps, distances[cascade], pairs[cascade] = measure_tree(own, offsets[cascade])
        depths[cascade] = steps.max() if len(steps) else 0
    return trees, depths, distances, pairs
