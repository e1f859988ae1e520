"""Collective influence: against its definition in plain Python, on small random networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.collective_influence import collective_influence
from data.errors import InvalidInputError
from data.networks.sparse_rows import SparseRows
from tests.reference.small_networks import small_networks


def rows_of(small):
    """The out-edges as CSR."""
    edges = sorted(small.edges)
    counts = np.bincount([s for s, _ in edges], minlength=small.n_agents)
    return SparseRows(np.concatenate([[0], np.cumsum(counts)]), np.array([t for _, t in edges], np.int32))


def influence(links, agents, agent, radius):
    """The formula of Morone and Makse, by distances."""
    degree = {a: sum(a in link for link in links) for a in agents}
    ring, seen = {agent}, {agent}
    for _ in range(radius):
        ring = {b for link in links for a in link for b in link if a in ring} - seen
        seen |= ring
    return max(degree[agent] - 1, 0) * sum(degree[other] - 1 for other in ring)


@settings(max_examples=60, deadline=None)
@given(small_networks(), st.integers(0, 6), st.integers(1, 3))
def test_the_most_influential_are_removed_one_after_the_other(small, removals, radius):
    found = collective_influence(rows_of(small), removals=removals, radius=radius)
    agents, removed, scores = set(range(small.n_agents)), [], {}
    for number in range(min(removals, small.n_agents) + 1):
        links = {frozenset(edge) for edge in small.edges if set(edge) <= agents}
        scores |= {a: influence(links, agents, a, radius) for a in agents}
        if number < min(removals, small.n_agents):
            removed.append(min(agents, key=lambda a: (-scores[a], a)))
            agents -= {removed[-1]}
    assert found.order.tolist() == removed + sorted(agents, key=lambda a: (-scores[a], a))
    assert found.scores.tolist() == [scores[a] for a in range(small.n_agents)]


def test_the_radius_follows_from_the_work_unless_it_is_given(monkeypatch):
    star = SparseRows(np.array([0, 4, 4, 4, 4, 4]), np.array([1, 2, 3, 4], np.int32))
    assert collective_influence(star, removals=1).radius == 2
    monkeypatch.setattr("analytics.collective_influence.MOST_STEPS", 39)  # (16 + 4) * 2 = 40
    assert collective_influence(star, removals=1).radius == 1
    assert collective_influence(star, removals=1, radius=2).radius == 2


@pytest.mark.parametrize(
    ("given", "said"), [({"removals": -1}, "removals -1"), ({"removals": 1, "radius": 0}, "radius 0")]
)
def test_what_is_wrong_is_named(given, said):
    with pytest.raises(InvalidInputError, match=said):
        collective_influence(SparseRows(np.array([0, 0]), np.empty(0, np.int32)), **given)
