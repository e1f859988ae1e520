"""Seed strategies: against textbook implementations, closed forms and the uniform distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data.errors import InvalidInputError, UnknownAgentError
from propagation.models import IndependentCascade
from propagation.seeding import (
    STRATEGIES,
    DegreeDiscount,
    RandomSeeds,
    Spread,
    TopOutDegree,
    explicit_seeds,
    make_strategy,
)
from tests.reference import draws as reference
from tests.reference.degree_discount import degree_discount
from tests.reference.small_networks import small_networks

SPREAD = Spread(IndependentCascade(probability=0.5))


@pytest.fixture(scope="module")
def path(publish):
    return publish([(0, 1), (1, 2), (2, 3)], 4)


@pytest.fixture(scope="module")
def crowd(publish):
    return publish([(0, 1)], 40)


# -- explicit -------------------------------------------------------------------------------------------------------


def test_explicit_seeds_keep_their_order(path):
    ids = path.agent_ids.to_pylist()
    for order in ([0, 1, 2, 3], [3, 0, 2], [2]):
        assert explicit_seeds(path, order).tolist() == [ids.index(str(agent)) for agent in order]
        assert explicit_seeds(path, [str(agent) for agent in order]).tolist() == explicit_seeds(path, order).tolist()


def test_an_unknown_seed_is_refused_by_name(path):
    with pytest.raises(UnknownAgentError, match=r"agent '9' is not in network 'network' of 4 agents; ids there look"):
        explicit_seeds(path, [1, 9])


def test_a_repeated_seed_is_refused_by_name(path):
    with pytest.raises(InvalidInputError, match="seed set names agent '2' more than once"):
        explicit_seeds(path, [2, 1, "2"])


@pytest.mark.parametrize("nothing", [[], (), "", "12"])
def test_a_seed_set_is_a_list_of_at_least_one(path, nothing):
    with pytest.raises(InvalidInputError, match="give a list of at least one agent id"):
        explicit_seeds(path, nothing)


# -- random ---------------------------------------------------------------------------------------------------------


def test_random_seeds_are_those_with_the_smallest_draws(crowd):
    for random_seed in (0, 7):
        made = reference.stream(random_seed, reference.SEEDING)
        by_draw = sorted(range(40), key=lambda agent: reference.edge_key(made, agent, reference.NO_ONE))
        assert RandomSeeds(budget=40).choose(crowd, random_seed).tolist() == by_draw
        assert RandomSeeds(budget=5).choose(crowd, random_seed).tolist() == by_draw[:5]


def test_random_seeds_are_uniform_over_agents_and_pairs(crowd):
    chosen = np.zeros((40, 40))
    for random_seed in range(6000):
        first, second = RandomSeeds(budget=2).choose(crowd, random_seed)
        chosen[first, second] += 1
    assert chosen.trace() == 0
    assert stats.chisquare(chosen.sum(axis=1)).pvalue > 1e-4
    assert stats.chisquare(chosen.sum(axis=0)).pvalue > 1e-4
    ordered_pairs = chosen[~np.eye(40, dtype=bool)]
    assert stats.chisquare(ordered_pairs).pvalue > 1e-4


# -- by degree ------------------------------------------------------------------------------------------------------


def test_top_out_degree_counts_out_edges_and_breaks_ties_by_dense_id(publish):
    # Agent 5 has most in-edges, 0 most out-edges; 1 and 2 tie.
    edges = [(0, 5), (0, 4), (0, 3), (1, 5), (1, 4), (2, 5), (2, 3), (3, 5), (4, 5)]
    network = publish(edges, 6)
    ids = network.agent_ids.to_pylist()
    dense = {agent: ids.index(str(agent)) for agent in range(6)}
    chosen = TopOutDegree(budget=6).choose(network, 0).tolist()
    out_degree = {0: 3, 1: 2, 2: 2, 3: 1, 4: 1, 5: 0}
    assert chosen == sorted(dense.values(), key=lambda a: (-out_degree[int(ids[a])], a))
    assert chosen != sorted(range(6))
    assert TopOutDegree(budget=2).choose(network, 99).tolist() == chosen[:2]


@settings(max_examples=120, deadline=None)
@given(
    small_networks(max_agents=14, max_edges=80),
    st.integers(1, 14),
    st.one_of(st.sampled_from([0.0, 0.01, 0.5, 1.0]), st.floats(0.0, 1.0)),
)
def test_degree_discount_chooses_as_published(publish_small, out_neighbours, small, budget, p):
    network = publish_small(small)
    budget = min(budget, small.n_agents)
    expected = degree_discount(out_neighbours(network), small.n_agents, budget, p)
    assert DegreeDiscount(budget=budget, p=p).choose(network, 0).tolist() == expected


def test_degree_discount_on_a_real_network(real_network, out_neighbours):
    network = real_network("ca-GrQc.txt")
    expected = degree_discount(out_neighbours(network), network.n_agents, 30, 0.01)
    chosen = DegreeDiscount(budget=30).choose(network, 0).tolist()
    assert chosen == expected
    assert set(chosen) != set(TopOutDegree(budget=30).choose(network, 0).tolist())


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_budget_may_be_all_agents_and_no_more(path, name):
    assert sorted(make_strategy(name, {"budget": 4}).choose(path, 0, SPREAD).tolist()) == [0, 1, 2, 3]
    with pytest.raises(InvalidInputError, match="seed budget 5 exceeds the 4 agents of network 'network'"):
        make_strategy(name, {"budget": 5}).choose(path, 0, SPREAD)
    with pytest.raises(InvalidInputError, match=rf"seed strategy {name}: budget: .* greater than or equal to 1"):
        make_strategy(name, {"budget": 0})


def test_unknown_strategies_and_parameters_are_refused():
    with pytest.raises(
        InvalidInputError, match="no seed strategy 'best'; strategies are random, top_out_degree, degree"
    ):
        make_strategy("best", {"budget": 1})
    with pytest.raises(InvalidInputError, match=r"degree_discount: p: .* less than or equal to 1 \(given: 1\.5\)"):
        make_strategy("degree_discount", {"budget": 1, "p": 1.5})
    with pytest.raises(
        InvalidInputError, match=r"^seed strategy random: p: unknown parameter; .* here are budget, within$"
    ):
        make_strategy("random", {"budget": 1, "p": 0.5})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"budget": 0}, r"^seed strategy degree_discount: budget: must be greater than or equal to 1 \(given: 0\)$"),
        ({"budget": True}, "budget: True is a boolean; a number is needed"),
        ({"budget": "5"}, "budget: '5' is text; a number is needed, without quotes"),
        ({"bugdet": 5}, r"bugdet: unknown parameter \(did you mean 'budget'\?\)"),
        ({}, "budget: is missing"),
    ],
    ids=str,
)
def test_a_strategy_made_in_python_is_refused_in_the_same_words(parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        DegreeDiscount(**parameters)
    with pytest.raises(InvalidInputError, match=r"random: 5 is given without a name; write PARAMETER=5"):
        RandomSeeds(5)
