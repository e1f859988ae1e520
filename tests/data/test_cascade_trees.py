"""Shapes of trees of infectors equal distances counted pair by pair."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.cascades.trees import cut_circles, infector_rows, shapes_of


@st.composite
def forests(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets and parents of cascades whose rows have their parent, if any, before them."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    parents, start = [], 0
    for size in sizes:
        parents += [draw(st.sampled_from([-1, *range(start, start + row)])) for row in range(size)]
        start += size
    return np.concatenate([[0], np.cumsum(sizes)]), np.array(parents)


def path_to_root(parents: np.ndarray, row: int) -> list[int]:
    path = [row]
    while parents[path[-1]] >= 0:
        path.append(int(parents[path[-1]]))
    return path


@given(forests())
def test_shapes_equal_those_counted_pair_by_pair(forest: tuple[np.ndarray, np.ndarray]) -> None:
    offsets, parents = forest
    times = np.arange(len(parents)) ** 2.0
    found = shapes_of(offsets, parents, times)
    for cascade, (first, last) in enumerate(pairwise(offsets)):
        paths = {row: path_to_root(parents, row) for row in range(first, last)}
        distances = [
            len(set(paths[one]) ^ set(paths[other]))
            for one, other in combinations(paths, 2)
            if paths[one][-1] == paths[other][-1]
        ]
        children = [row for row in paths if parents[row] >= 0]
        assert found.trees[cascade] == len(paths) - len(children)
        assert found.sizes[cascade] == last - first
        assert found.durations[cascade] == times[last - 1] - times[first]
        if not children:
            assert np.isnan(found.structural_virality[cascade])
            assert np.isnan(found.generation_intervals[cascade])
            continue
        assert found.depths[cascade] == max(map(len, paths.values())) - 1
        assert found.structural_virality[cascade] == pytest.approx(np.mean(distances))
        waits = [times[row] - times[parents[row]] for row in children]
        assert found.generation_intervals[cascade] == pytest.approx(np.mean(waits))


@pytest.mark.parametrize("n", [2, 5, 40])
def test_chain_and_star_have_their_known_virality(n: int) -> None:
    """The mean distance of a chain is (n + 1) / 3, of a star 2 (n - 1) / n (Goel et al. 2016)."""
    offsets, times = np.array([0, n]), np.zeros(n)
    chain, star = np.arange(n) - 1, np.minimum(np.arange(n) - 1, 0)
    assert shapes_of(offsets, chain, times).structural_virality[0] == pytest.approx((n + 1) / 3)
    assert shapes_of(offsets, star, times).structural_virality[0] == pytest.approx(2 * (n - 1) / n)


@given(st.lists(st.integers(-1, 11), min_size=12, max_size=12))
def test_every_circle_is_cut_once(given_parents: list[int]) -> None:
    before = np.array([-1 if parent == row else parent for row, parent in enumerate(given_parents)])
    parents = before.copy()
    depths = cut_circles(parents)
    circles = set()
    for row in range(len(before)):
        seen: list[int] = []
        while row >= 0 and row not in seen:
            seen.append(row)
            row = int(before[row])
        if row >= 0:
            circles.add(frozenset(seen[seen.index(row) :]))
    assert (parents != before).sum() == len(circles)
    assert [len(path_to_root(parents, row)) - 1 for row in range(len(parents))] == depths.tolist()


def test_infectors_are_looked_up_in_their_own_cascade() -> None:
    agents, infectors = np.array([4, 2, 2, 4, 1], np.int32), np.array([-1, 4, 4, -1, 3], np.int32)
    assert infector_rows(np.array([0, 2, 5]), agents, infectors, 5).tolist() == [-1, 0, 3, -1, -1]
