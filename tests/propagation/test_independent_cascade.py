"""The independent cascade: exact answers, and what common random numbers promise."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propagation.models import IndependentCascade
from propagation.sessions import resolve_session
from tests.reference.breadth_first import distances
from tests.reference.live_edges import arrival_probabilities, expected_reach, reach_probabilities
from tests.reference.small_networks import numbered_network, small_networks

SHAPES = ["sparse", "packed", "rules"]
COLUMN = IndependentCascade(probability="column")


def reached_rounds(result):
    """Return the round of each activation, by (replicate, agent)."""
    rows = result.table("activations").to_pydict()
    return dict(zip(zip(rows["replicate"], rows["agent"], strict=True), rows["round"], strict=True))


# -- certain and impossible transmission ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=25, deadline=None)
@given(small=small_networks(max_agents=20, max_edges=40), data=st.data())
def test_certain_transmission_is_breadth_first_search(publish_small, run, out_neighbours, shape, small, data):
    network = publish_small(small)
    seeds = data.draw(st.lists(st.integers(0, small.n_agents - 1), min_size=1, max_size=2, unique=True))
    session = resolve_session(
        network, IndependentCascade(probability=1.0), seed_set=seeds, replicates=3, record="reach"
    )
    result = run(session, network, shape=shape)
    found = distances(out_neighbours(network), session.seeds)
    rows = result.table("reach").to_pydict()
    assert dict(zip(rows["agent"], rows["mean_round"], strict=True)) == found
    assert rows["times_reached"] == [3] * len(found)


@pytest.mark.parametrize("path", ["wiki-Vote.txt", "ca-GrQc.txt"])
def test_certain_transmission_on_real_networks(real_network, run, out_neighbours, path):
    network = real_network(path)
    model = IndependentCascade(probability=1.0)
    seeds = [network.agent_ids[agent].as_py() for agent in (7, 100, 3000)]
    found = None
    for shape in SHAPES:
        session = resolve_session(network, model, seed_set=seeds, replicates=2, record="reach")
        found = found or distances(out_neighbours(network), session.seeds)
        result = run(session, network, shape=shape)
        rows = result.table("reach").to_pydict()
        assert dict(zip(rows["agent"], rows["mean_round"], strict=True)) == found
        layers = np.bincount(list(found.values()))
        assert result.rounds["new_infections"].tolist() == [*layers, 0]
        assert result.reach.mean == len(found) > 1000
        assert result.reach.standard_error == 0.0


@pytest.mark.parametrize("shape", SHAPES)
def test_impossible_transmission_reaches_the_seeds(real_network, run, shape):
    network = real_network("small/karate.graph")
    model = IndependentCascade(probability=0.0)
    session = resolve_session(network, model, seed_set=["1", "34", "3"], replicates=70, record="reach")
    result = run(session, network, shape=shape)
    assert sorted(result.agents["agent_id"]) == ["1", "3", "34"]
    assert (result.cascades[["size", "depth", "rounds", "peak_round"]] == [3, 0, 1, 0]).all(axis=None)


# -- closed forms ---------------------------------------------------------------------------------------------------

PATH = ([(i, i + 1) for i in range(6)], 7)
STAR = ([(0, leaf) for leaf in range(1, 9)], 9)
REVERSED_STAR = ([(leaf, 0) for leaf in range(1, 9)], 9)
TREE = ([(parent, child) for parent in range(6) for child in (2 * parent + 1, 2 * parent + 2)], 13)


def closed_forms(p):
    """Expected reach of each network and seed set, by hand."""
    return {
        "path from its start": (*PATH, [0], sum(p**k for k in range(7))),
        "path from its middle": (*PATH, [3], sum(p**k for k in range(4))),
        "path from both": (*PATH, [0, 3], 1 + p + p**2 + sum(p**k for k in range(4))),
        "star from its centre": (*STAR, [0], 1 + 8 * p),
        "star towards its centre": (*REVERSED_STAR, [1, 2, 3, 4, 5], 5 + 1 - (1 - p) ** 5),
        "binary tree": (*TREE, [0], 1 + 2 * p + 4 * p**2 + 6 * p**3),
    }


@pytest.mark.parametrize("name", closed_forms(Fraction(1)))
@pytest.mark.parametrize("p", [Fraction(0), Fraction(1, 3), Fraction(9, 10), Fraction(1)], ids=str)
def test_summing_over_all_worlds_gives_the_closed_form(name, p):
    edges, _, seeds, expected = closed_forms(p)[name]
    assert expected_reach(edges, [p] * len(edges), seeds) == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", closed_forms(0.4))
def test_simulation_agrees_with_the_closed_form(publish, run, shape, name):
    edges, n_agents, seeds, expected = closed_forms(0.4)[name]
    network = publish(edges, n_agents)
    model = IndependentCascade(probability=0.4)
    session = resolve_session(network, model, seed_set=seeds, replicates=20_000, record="rounds")
    reach = run(session, network, shape=shape).reach
    assert abs(reach.mean - expected) < 4 * reach.standard_error


# -- sums over all live-edge worlds ---------------------------------------------------------------------------------

SIZES = [(4, 8), (5, 11), (6, 12), (7, 13), (6, 14), (9, 14)]


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_simulation_agrees_with_the_sum_over_all_worlds(publish_small, run, number):
    n_agents, n_edges = SIZES[number]
    small = numbered_network(number, n_agents, n_edges)
    seeds = [0] if number % 2 else [0, 1]
    network = publish_small(small)
    session = resolve_session(network, COLUMN, seed_set=seeds, replicates=20_000, random_seed=number, record="reach")
    result = run(session, network, shape=SHAPES[number % 3])
    exact = reach_probabilities(small.edges, small.probabilities, seeds)
    # 1. Expected reach.
    assert abs(result.reach.mean - sum(exact.values())) < 4 * result.reach.standard_error
    # 2. Every agent's own probability.
    agents = result.agents.set_index("agent_id")["probability"].to_dict()
    assert set(agents) == {str(agent) for agent, p in exact.items() if p > 0}
    for agent, p in exact.items():
        error = np.sqrt(max(p * (1 - p), 0.0) / 20_000)
        assert abs(agents.get(str(agent), 0.0) - p) <= 4 * error + 1e-12, f"agent {agent}"
    # 3. Expected activations in every round.
    by_round = np.zeros(n_agents + 1)
    for (_, round_number), p in arrival_probabilities(small.edges, small.probabilities, seeds).items():
        by_round[round_number] += p
    rounds = result.rounds
    expected = by_round[rounds["round"]]
    allowed = 4 * np.maximum(rounds["new_infections_standard_error"], 1 / 20_000)
    assert (np.abs(rounds["new_infections"] - expected) <= allowed).all()
    assert by_round[len(rounds) :].sum() < 1e-3


# -- NetHEPT --------------------------------------------------------------------------------------------------------


def test_reach_of_published_seeds_on_nethept(real_network, shared_data, run):
    # data/README.md: 948.6 +- 1.7 agents, by 3,000 runs of an independent implementation.
    network = real_network(
        "nethept/NetHEPT_wc.txt", header="counts", columns=("source", "target", "p"), probability="p"
    )
    assert (network.n_agents, network.n_edges) == (15_229, 62_752)
    seeds = (shared_data / "networks" / "nethept" / "NetHEPT_seeds.txt").read_text().split()
    assert len(seeds) == 50
    for model in (COLUMN, IndependentCascade(probability="weighted_cascade")):
        session = resolve_session(network, model, seed_set=seeds, replicates=10_000, random_seed=1)
        reach = run(session, network).reach
        assert abs(reach.mean - 948.6) < 3 * np.hypot(reach.standard_error, 1.7), str(reach)
        assert 0.5 < reach.standard_error < 1.5


# -- common random numbers ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    small_networks(max_agents=10, max_edges=30, min_edges=4),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.integers(0, 100),
)
def test_raising_a_probability_only_adds_agents_and_never_delays_them(publish_small, run, small, one, two, random_seed):
    network = publish_small(small)
    low, high = (
        reached_rounds(
            run(
                resolve_session(
                    network,
                    IndependentCascade(probability=probability),
                    seed_set=[0],
                    replicates=40,
                    random_seed=random_seed,
                    record="activations",
                ),
                network,
            )
        )
        for probability in sorted((one, two))
    )
    assert low.keys() <= high.keys()
    assert all(high[key] <= number for key, number in low.items())


@settings(max_examples=40, deadline=None)
@given(small_networks(max_agents=10, max_edges=30, min_edges=4), st.data())
def test_adding_a_seed_only_adds_agents_and_never_delays_them(publish_small, run, small, data):
    network = publish_small(small)
    seeds = data.draw(st.lists(st.integers(0, small.n_agents - 1), min_size=2, max_size=5, unique=True))
    few, many = (
        reached_rounds(
            run(resolve_session(network, COLUMN, seed_set=chosen, replicates=40, record="activations"), network)
        )
        for chosen in (seeds[:-1], seeds)
    )
    assert few.keys() <= many.keys()
    assert all(many[key] <= number for key, number in few.items())


def test_sessions_with_the_same_random_seed_share_their_coins(real_network, run):
    network = real_network("ca-GrQc.txt")
    sizes = {}
    for name, probability, random_seed in (("a", 0.1, 0), ("b", 0.11, 0), ("c", 0.11, 1)):
        session = resolve_session(
            network,
            IndependentCascade(probability=probability),
            seed_set=[network.agent_ids[agent].as_py() for agent in (50, 900)],
            replicates=1000,
            random_seed=random_seed,
        )
        sizes[name] = run(session, network).cascades["size"].to_numpy()
    shared, separate = sizes["b"] - sizes["a"], sizes["c"] - sizes["a"]
    assert (shared >= 0).all()
    assert shared.any()
    assert (separate < 0).any()
    assert shared.var() < separate.var() / 3
    assert abs(np.corrcoef(sizes["a"], sizes["c"])[0, 1]) < 4 / np.sqrt(1000)


def test_more_replicates_begin_with_the_same_ones(real_network, run):
    network = real_network("small/karate.graph")
    model = IndependentCascade(probability=0.2)
    few, many = (
        reached_rounds(
            run(resolve_session(network, model, seed_set=["1"], replicates=r, record="activations"), network)
        )
        for r in (70, 200)
    )
    assert few == {key: number for key, number in many.items() if key[0] < 70}


# -- limits of rounds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_rounds", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_limited_run_is_the_beginning_of_an_unlimited_one(real_network, run, shape, max_rounds):
    network = real_network("small/karate.graph")
    model = IndependentCascade(probability=0.2)
    whole = resolve_session(network, model, seed_set=["17", "12"], replicates=90, record="contacts")
    activations = run(whole, network).table("activations").to_pandas()
    longest = activations.groupby("replicate")["round"].max()
    assert longest.min() == 0
    assert longest.max() > 5
    record = "contacts" if shape == "rules" else "reach"
    session = resolve_session(
        network, model, seed_set=["17", "12"], replicates=90, max_rounds=max_rounds, record=record
    )
    result = run(session, network, shape=shape)
    kept = activations[activations["round"] <= max_rounds]
    by_replicate = kept.groupby("replicate")["round"]
    # 1. Cascades: truncated are those with agents left to transmit.
    cascades = result.cascades.set_index("replicate")
    assert (cascades["size"] == by_replicate.size()).all()
    assert (cascades["depth"] == by_replicate.max()).all()
    assert (cascades["truncated"] == (longest >= max_rounds)).all()
    assert (cascades["rounds"] == (longest + 1).clip(upper=max_rounds)).all()
    assert (
        cascades["peak_round"] == by_replicate.agg(lambda rounds: rounds.value_counts().sort_index().idxmax())
    ).all()
    # 2. The session says why it ended.
    assert result.session["truncated_replicates"] == (longest >= max_rounds).sum() > 0
    assert result.session["stopped_because"] == "max_rounds"
    assert result.session["rounds"] == max_rounds
    assert result.rounds["round"].tolist() == list(range(max_rounds + 1))
    # 3. Rows up to the limit, and no others.
    if record == "contacts":
        key = ["replicate", "agent"]
        limited = result.table("activations").to_pandas().drop(columns="session_id")
        expected = kept.drop(columns="session_id")
        assert limited.sort_values(key, ignore_index=True).equals(expected.sort_values(key, ignore_index=True))
        contacts = run(whole, network).table("propagation_events").to_pandas()
        kept_contacts = contacts[contacts["round"] <= max_rounds]
        found = result.table("propagation_events").to_pandas()
        columns = ["replicate", "round", "src", "dst", "event_type"]
        assert sorted(found[columns].itertuples(index=False)) == sorted(kept_contacts[columns].itertuples(index=False))


def test_a_session_that_dies_out_says_so(real_network, run):
    network = real_network("small/karate.graph")
    model = IndependentCascade(probability=0.2)
    session = resolve_session(network, model, seed_set=["17", "12"], replicates=90)
    result = run(session, network)
    deepest = result.cascades["depth"].max()
    assert result.session["stopped_because"] == "died_out"
    assert result.session["truncated_replicates"] == 0
    assert result.session["rounds"] == deepest + 1
    assert result.rounds["round"].tolist() == list(range(deepest + 2))
    assert result.rounds["new_infections"].iloc[-1] == 0
