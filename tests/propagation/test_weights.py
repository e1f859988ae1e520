"""Edge probabilities: every scheme against direct computation, and what the kernels read of it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import Warehouse
from data.errors import EdgeListError, InvalidInputError, UnfitModelError
from propagation import simulate, weights
from propagation.compiled_rules import contact_rows
from propagation.draws import Purpose, stream
from propagation.models import IndependentCascade, make_model
from propagation.sessions import resolve_session
from propagation.weights import CHANCE_SHIFT, TRIVALENCY_VALUES, EdgeWeights, trivalency, weighted_blocks
from tests.reference import draws as reference
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks

SCHEMES = [0.0, 1e-12, 0.1, 1.0, "weighted_cascade", "trivalency", "column", "column:other"]
HUB = SmallNetwork(6, ((0, 1), (0, 2), (1, 2), (3, 2), (4, 2), (2, 5)), (0.0, 0.25, 0.5, 1.0, 0.1, 1e-9))


def direct_probability(scheme, src, dst, in_degree, values, random_seed):
    """Return one edge's probability, from the words of the scheme's definition."""
    if scheme == "weighted_cascade":
        return 1 / in_degree[dst]
    if scheme == "trivalency":
        key = reference.edge_key(reference.stream(random_seed, reference.TRIVALENCY), src, dst)
        return [0.1, 0.01, 0.001][(key >> 32) * 3 >> 32]
    if isinstance(scheme, str):
        return values[scheme][src, dst]
    return scheme


def edge_rows(network):
    frame = network.warehouse.read("network_edges", [network.key]).to_pandas()
    return frame.sort_values(["src", "dst"])


def words_by_edge(rows):
    """Decode what the kernels read: destination and chance of every edge, by (src, dst)."""
    found = {}
    for src in range(rows.n_agents):
        for word in rows.words[rows.offsets[src] : rows.offsets[src + 1]].tolist():
            found[src, word & (2**CHANCE_SHIFT - 1)] = (word >> CHANCE_SHIFT) + rows.base
    return found


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("partitions", [1, 3])
def test_attempt_rows_hold_the_chances_of_the_scheme(publish, scheme, partitions):
    small = numbered_network(3, 12, 50)
    other = {"other": [1 - p for p in small.probabilities]}
    network = publish(small.edges, 12, small.probabilities, partitions=partitions, attributes=other)
    frame = edge_rows(network)
    pairs = list(zip(frame["src"], frame["dst"], strict=True))
    in_degree = frame.groupby("dst").size()
    values = {"column": dict(zip(pairs, frame["p"], strict=True))}
    values["column:other"] = dict(zip(pairs, frame["other"], strict=True))
    expected = {
        (src, dst): reference.favourable_draws(direct_probability(scheme, src, dst, in_degree, values, 11))
        for src, dst in pairs
    }
    rows = contact_rows(network, IndependentCascade(probability=scheme), 11)
    assert len(rows.words) == len(pairs)
    assert words_by_edge(rows) == expected


@settings(max_examples=40, deadline=None)
@given(small_networks(), st.sampled_from(["weighted_cascade", "trivalency", "column", 0.3]), st.integers(1, 7))
def test_blocks_and_partitions_compute_the_same_probabilities(publish_small, small, scheme, size):
    network = publish_small(small)
    whole = dict(weigh(network, scheme, 10**6))
    assert len(whole) == len(small.edges)
    assert dict(weigh(network, scheme, size)) == whole


def weigh(network, scheme, size):
    for where, src, dst, probabilities in weighted_blocks(network, EdgeWeights(scheme), 5, size):
        assert np.array_equal(dst, network.sparse_rows.targets[where])
        yield from zip(zip(src.tolist(), dst.tolist(), strict=True), probabilities.tolist(), strict=True)


def test_weighted_cascade_counts_in_edges_after_duplicates_and_reverses(new_warehouse):
    friends = pd.DataFrame({"source": ["a", "a", "b", "c", "c"], "target": ["c", "c", "c", "c", "b"]})
    directed = new_warehouse().import_network("friends", friends)
    doubled = new_warehouse().import_network("friends", friends, undirected=True)
    for network, expected in (
        (directed, {("a", "c"): 1 / 2, ("b", "c"): 1 / 2, ("c", "b"): 1.0}),
        (doubled, {("a", "c"): 1 / 2, ("b", "c"): 1 / 2, ("c", "a"): 1.0, ("c", "b"): 1.0}),
    ):
        names = network.agent_ids.to_pylist()
        found = {(names[src], names[dst]): p for (src, dst), p in weigh(network, "weighted_cascade", 10**6)}
        assert found == expected


def test_trivalency_takes_its_values_equally_often():
    src, dst = np.divmod(np.arange(90_000), 300)
    for random_seed in (0, 1):
        drawn = trivalency(src, dst, random_seed)
        numbers = np.array([(drawn == value).sum() for value in (0.1, 0.01, 0.001)])
        assert numbers.sum() == 90_000
        assert (np.abs(numbers - 30_000) < 4 * np.sqrt(90_000 * 2 / 9)).all(), numbers
    # Another random seed, another third of the edges, independently.
    agree = (trivalency(src, dst, 0) == trivalency(src, dst, 1)).sum()
    assert abs(agree - 30_000) < 4 * np.sqrt(90_000 * 2 / 9)


def test_trivalency_draws_once_per_edge_for_all_replicates(publish):
    # A star: in 4,000 replicates each leaf's success rate shows which of the three values its one edge has.
    network = publish([(0, leaf) for leaf in range(1, 61)], 61)
    session_result = simulate(
        network,
        IndependentCascade(probability="trivalency"),
        seed_set=[0],
        replicates=4000,
        record="reach",
        publish=False,
    )
    rate = session_result.agents.set_index("agent")["probability"].reindex(range(1, 61), fill_value=0.0).to_numpy()
    values = trivalency(np.zeros(60, int), np.arange(1, 61), 0)
    assert set(values) == set(TRIVALENCY_VALUES)
    assert (np.abs(rate - values) < 4.5 * np.sqrt(values * (1 - values) / 4000)).all()


def test_trivalency_is_independent_of_the_draws_of_transmissions():
    # The key of the scheme and the draw of an attempt are streams of their own: neither decides the other.
    src, dst = np.divmod(np.arange(90_000), 300)
    values = trivalency(src, dst, 0)
    draws = weights.edge_hashes(stream(0, Purpose.TRANSMISSION), src, dst) >> np.uint64(63)
    for value in TRIVALENCY_VALUES:
        chosen = draws[values == value]
        assert abs(chosen.mean() - 0.5) < 4.5 * 0.5 / np.sqrt(len(chosen))


def test_trivalency_of_another_version_of_draws_is_built_anew(publish, monkeypatch):
    network = publish([(0, 1), (0, 2)], 3)
    model = IndependentCascade(probability="trivalency")
    assert set(words_by_edge(contact_rows(network, model, 0)).values()) <= {
        reference.favourable_draws(value) for value in TRIVALENCY_VALUES
    }
    weights.attempt_rows.cache_clear()
    weights._mapped_words.cache_clear()
    monkeypatch.setattr(weights, "DRAWS_VERSION", 2)
    monkeypatch.setattr(weights, "trivalency", lambda _src, dst, _: np.full(len(dst), 0.25))
    assert set(words_by_edge(contact_rows(network, model, 0)).values()) == {2**30}
    weights.attempt_rows.cache_clear()
    weights._mapped_words.cache_clear()


@pytest.mark.parametrize("shape", ["sparse", "packed", "rules"])
def test_impossible_attempts_never_succeed_and_certain_ones_always(publish_small, run, shape):
    # 2 -> 5 has p = 1e-9: one draw of 2**32 in a thousand million; 0 -> 1 has p = 0: never; 3 -> 2 has p = 1: always.
    network = publish_small(HUB)
    model = IndependentCascade(probability="column")
    session = resolve_session(network, model, seed_set=[0, 3], replicates=3000, record="reach")
    reached = run(session, network, shape=shape).agents.set_index("agent_id")["times_reached"].to_dict()
    assert reached == {"0": 3000, "3": 3000, "2": 3000}


@pytest.mark.parametrize("shape", ["sparse", "packed", "rules"])
@pytest.mark.parametrize(("probability", "size"), [(0.0, 1), (1.0, 6)])
def test_constants_at_the_ends_of_their_range(publish, run, shape, probability, size):
    network = publish([(i, i + 1) for i in range(5)], 6)
    model = IndependentCascade(probability=probability)
    session = resolve_session(network, model, seed_set=[0], replicates=500, record="rounds")
    assert (run(session, network, shape=shape).cascades["size"] == size).all()


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.3, -0.1, float("nan"), float("inf")])
def test_a_probability_outside_its_range_is_refused(value):
    with pytest.raises(ValueError, match=rf"probability: {value!r} is not in \[0, 1\]"):
        IndependentCascade(probability=value)
    with pytest.raises(InvalidInputError, match=rf"^model independent_cascade: probability: {value!r} is not in"):
        make_model("independent_cascade", {"probability": value})


def test_an_unknown_scheme_is_refused_with_the_ones_there_are():
    known = "weighted_cascade, trivalency, strength, column"
    with pytest.raises(InvalidInputError, match=rf"'weighted' is unknown; use .*{known}.*did you mean 'weighted_c"):
        make_model("independent_cascade", {"probability": "weighted"})


def test_an_unknown_model_or_parameter_is_refused():
    with pytest.raises(InvalidInputError, match="no model 'gossip'; models are independent_cascade"):
        make_model("gossip", {})
    with pytest.raises(InvalidInputError, match="model independent_cascade: beta: unknown parameter; parameters"):
        make_model("independent_cascade", {"beta": 0.1})


@pytest.fixture(scope="module")
def columns_network(new_warehouse):
    columns = {"good": [0.5, 0.5], "high": [0.5, 1.3], "missing": [np.nan, 0.5], "text": ["x", "y"], "whole": [1, 0]}
    frame = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], **columns})
    return new_warehouse().import_network("columns", frame)


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("column", "^probability: 'column' asks for the probability column, and network 'columns' names none"),
        ("column:other", r"network 'columns' has no edge column 'other' \(columns: good, high, missing, text, whole\)"),
        ("column:high", r"column 'high' of network 'columns' holds 1\.3; each number must be in \[0, 1\]"),
        ("column:missing", r"column 'missing' of network 'columns' holds nan; each number must be in \[0, 1\]"),
        ("column:text", "^probability: edge column 'text' of network 'columns' is text; a number is needed: choose"),
    ],
)
def test_a_column_that_holds_no_probabilities_is_refused_before_work_starts(columns_network, scheme, message):
    before = len(columns_network.warehouse.manifests())
    with pytest.raises(InvalidInputError, match=message):
        simulate(columns_network, IndependentCascade(probability=scheme), seed_set=["a"])
    assert len(columns_network.warehouse.manifests()) == before


def test_whole_numbers_may_be_probabilities(columns_network):
    result = simulate(
        columns_network, IndependentCascade(probability="column:whole"), seed_set=["a"], replicates=50, publish=False
    )
    assert (result.cascades["size"] == 2).all()


@pytest.mark.parametrize("value", [1.3, -0.5, np.nan])
def test_a_probability_column_is_checked_at_import(tmp_path, value):
    frame = pd.DataFrame({"source": ["a", "b"], "target": ["b", "c"], "chance": [0.5, value]})
    with pytest.raises(EdgeListError, match=r"row 2: probability column 'chance' holds .* not a number in \[0, 1\]"):
        Warehouse(tmp_path / "warehouse").import_network("bad", frame, probability="chance")


@pytest.fixture(scope="module")
def agents_network(publish):
    attributes = {"care": [0.5, 1.0, 2.0], "city": ["x", "y", "z"]}
    return publish([(0, 1), (1, 2), (0, 2)], 3, name="people", agent_attributes=attributes)


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        (
            "sir",
            {"susceptibility": "caer"},
            r"has no agent column 'caer' \(did you mean 'care'\?\) \(columns: care, city\)",
        ),
        ("sir", {"activity": "trust"}, "^activity: network .* with such a column in the file of --agents$"),
        (
            "sir",
            {"activity": "column:city"},
            "^activity: agent column 'city' of network 'people' is text; a number is nee",
        ),
        (
            "sir",
            {"beta": "column:p"},
            r"^beta: network 'people' has no edge column 'p' \(columns: none\); choose another",
        ),
        (
            "diffusion",
            {"threshold": "column:care"},
            r"^threshold: agent column 'care' .* holds 2.0 for agent '2'; each num",
        ),
        ("seiz", {"sceptics": "column"}, "^sceptics: network 'people' has no agent column 'sceptic'"),
        (
            "viral",
            {"strength": "strength"},
            "^strength: 'strength' asks for the strength column, and network 'people' na",
        ),
        (
            "linear_threshold",
            {"weight": 1.0, "susceptibility": "care"},
            "^weight: with 1.0 the weights .* of agent '2' sum",
        ),
    ],
    ids=str,
)
def test_what_a_network_does_not_have_is_said_with_the_parameter_that_asks(agents_network, model, parameters, message):
    with pytest.raises(UnfitModelError, match=message) as raised:
        simulate(agents_network, make_model(model, parameters), seed_set=[0], publish=False)
    assert raised.value.parameter in parameters
    assert str(raised.value).startswith(f"{raised.value.parameter}: ")


def test_without_a_table_of_agents_the_advice_is_to_give_one(columns_network):
    with pytest.raises(
        UnfitModelError, match=r"no agent column 'care' \(columns: none\); import the network with --agents"
    ):
        simulate(columns_network, make_model("sir", {"activity": "care"}), seed_set=["a"])
