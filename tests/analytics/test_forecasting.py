"""Forecasts of cascades: features against plain definitions, SEISMIC against its integrals, planted laws, warehouse."""

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.integrate import quad

from analytics import (
    cascade_features,
    seismic_estimate,
    session_cascades,
)
from analytics.forecasting import estimators
from analytics.forecasting.estimators import OUTCOME_ESTIMATORS, SIZE_ESTIMATORS, Estimator, fit_outcome, fit_size
from analytics.forecasting.fitted import Errors, fewest_for_level
from analytics.forecasting.scores import outcome_scores, size_scores
from analytics.forecasting.seismic import CUTOFF, DENSITY, THETA, final_size
from analytics.forecasting.splits import folds, train_and_test
from analytics.forecasting.stored_trees import load_trees
from data.cascades.cleaning import observed_cascades
from data.errors import InvalidInputError
from data.facade import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return Warehouse(tmp_path_factory.mktemp("forecasting") / "warehouse")


# -- features -------------------------------------------------------------------------------------------------------


@st.composite
def trees(draw):
    """Rows of a few cascades among ten agents, each activated by an earlier one or by nobody."""
    rows = []
    for cascade in range(draw(st.integers(1, 4))):
        agents = draw(st.permutations(range(10)))[: draw(st.integers(1, 10))]
        times = np.cumsum([0, *draw(st.lists(st.integers(1, 5), min_size=len(agents) - 1, max_size=len(agents) - 1))])
        for i, (agent, time) in enumerate(zip(agents, times, strict=True)):
            infector = None if i == 0 else agents[draw(st.integers(0, i - 1))]
            rows.append((f"c{cascade}", str(agent), time, None if infector is None else str(infector), 3 * agent))
    return pd.DataFrame(rows, columns=["cascade", "agent", "time", "infector", "followers"])


@examples(max_examples=30, deadline=None)
@given(trees(), st.integers(1, 20), st.integers(1, 4))
def test_features_equal_their_plain_definitions_and_see_nothing_later(rows, window, partitions):
    found = observed_cascades("trees", rows).cascades
    frame = cascade_features(found, window=window, partitions=partitions)
    part = found.until(window)
    if (part.infectors >= 0).any():  # else it is not known that infectors are known
        assert frame.equals(cascade_features(part, window=window))
    for row in frame.to_dict("records"):
        part = rows[(rows["cascade"] == row["cascade_id"]) & (rows["time"] <= window)]
        gaps = np.diff(part["time"])
        assert row["size_so_far"] == len(part)
        assert [row[f"growth_{q}"] for q in range(1, 5)] == [
            sum(1 for t in part["time"] if min(int(4 * t / window), 3) == q) for q in range(4)
        ]
        assert row["time_since_last"] == window - part["time"].iloc[-1]
        assert row["followers_sum"] == part["followers"].sum()
        assert row["followers_max"] == part["followers"].max()
        if len(part) == 1:
            assert np.isnan([row["mean_gap"], row["virality_so_far"]]).sum() >= 1
            continue
        assert [row["mean_gap"], row["gap_deviation"]] == pytest.approx([gaps.mean(), gaps.std()], abs=1e-7)
        tree = nx.Graph(list(zip(part["agent"], part["infector"], strict=True))[1:])
        depths = nx.single_source_shortest_path_length(tree, part["agent"].iloc[0]).values()
        if found.infectors.max() >= 0:
            assert row["virality_so_far"] == pytest.approx(nx.average_shortest_path_length(tree))
            assert row["depth_so_far"] == max(depths)
            assert row["breadth_so_far"] == max(list(depths).count(depth) for depth in depths)


def test_features_of_a_session_count_exposed_agents_and_communities(warehouse):
    edges = pd.DataFrame({"source": ["a", "a", "b", "b"], "target": ["b", "c", "d", "a"]})
    people = pd.DataFrame({"agent_id": ["a", "b", "c", "d"], "side": ["left", "left", "right", "right"]})
    network = warehouse.import_network("fork", edges, agents=people)
    result = simulate(network, IndependentCascade(probability=1.0), seed_set=["a"], replicates=3, record="activations")
    found = session_cascades(result)
    frame = cascade_features(found, window=0.5, network=network, grouping="side")
    assert (
        frame[["size_so_far", "exposed_agents", "communities_so_far", "followers_sum"]].to_numpy().tolist()
        == [[1.0, 2.0, 1.0, 2.0]] * 3
    )
    later = cascade_features(found, first=3, network=network, grouping="side")
    assert later[["exposed_agents", "communities_so_far", "depth_so_far"]].to_numpy().tolist() == [[1.0, 2.0, 1.0]] * 3
    assert found.sizes.tolist() == [4, 4, 4]


def test_a_session_without_activations_is_refused(warehouse):
    network = warehouse.generate_network("ring", "watts_strogatz", agents=20, degree=2)
    result = simulate(network, IndependentCascade(probability=0.1), seed_set=["0"], replicates=2)
    with pytest.raises(InvalidInputError, match="record="):
        session_cascades(result)


# -- SEISMIC --------------------------------------------------------------------------------------------------------


def test_seismic_equals_its_formulae_by_numeric_integration():
    times, degrees = np.array([0.0, 40.0, 400.0, 900.0, 1400.0, 1500.0, 1700.0]), np.array([50.0, 3, 8, 0, 12, 7, 1])
    now = 2000.0

    def density(s):
        return DENSITY if s <= CUTOFF else DENSITY * (s / CUTOFF) ** -(1 + THETA)

    assert (times >= now / 2).sum() < 5
    window = now - times[1]  # so the window grows

    def kernel(age):
        return max(1 - age / window, 0.0)

    pending = sum(
        n * (1 - quad(density, 0, now - t, points=[CUTOFF], limit=200)[0]) for t, n in zip(times, degrees, strict=True)
    )
    weighted = sum(kernel(now - t) for t in times[1:])
    expected = sum(
        n * quad(lambda s, t=t: density(s) * kernel(now - t - s), 0, now - t, points=[CUTOFF], limit=200)[0]
        for t, n in zip(times, degrees, strict=True)
    )
    found = seismic_estimate(times, degrees, at=now)
    assert found == pytest.approx((weighted / expected, pending), rel=1e-6)


def test_the_final_size_sums_all_generations():
    assert final_size(10, 0.01, 200, mean_followers=50).item() == pytest.approx(10 + 2 * sum(0.5**k for k in range(60)))
    assert np.isinf(final_size(10, 0.02, 200, mean_followers=50))


def test_seismic_forecasts_the_tweet_of_its_authors(shared_data):
    tweet = pd.read_csv(shared_data / "cascades" / "seismic-tweet" / "tweet.derived.csv").to_numpy(float)
    for hours, most in ((1, 0.55), (3, 0.15), (6, 0.1)):
        p, pending = seismic_estimate(tweet[:, 0], tweet[:, 1], at=3600.0 * hours)
        so_far = (tweet[:, 0] <= 3600 * hours).sum()
        size = final_size(so_far, p, pending, mean_followers=100).item()
        assert abs(size / 15_563 - 1) < most


# -- estimators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SIZE_ESTIMATORS)
def test_estimators_of_the_size_find_a_planted_law(kind):
    draws = np.random.default_rng(3)
    features, so_far = draws.normal(size=(400, 3)), draws.integers(5, 50, 400).astype(float)
    size = np.round(so_far * np.exp(np.clip(0.6 + 0.5 * features[:, 0], 0, None)))
    fitted = fit_size(kind, features[:300], so_far[:300], size[:300])
    error = np.abs(fitted.growth(features[300:], so_far[300:]) - np.log(size / so_far)[300:])
    assert np.median(error) < {"poisson": 0.2, "boosting": 0.1}.get(kind, 0.1)
    stored = Estimator.of_json(json.loads(json.dumps(fitted.as_json())), fitted.trees)
    assert np.array_equal(stored.growth(features, so_far), fitted.growth(features, so_far))


@pytest.mark.parametrize("kind", OUTCOME_ESTIMATORS)
def test_estimators_of_the_outcome_find_a_planted_law(kind):
    draws = np.random.default_rng(4)
    features = draws.normal(size=(600, 3))
    happened = draws.random(600) < 1 / (1 + np.exp(-2.5 * features[:, 1]))
    fitted = fit_outcome(kind, features[:400], happened[:400])
    assert outcome_scores(happened[400:], fitted.probability(features[400:]))["auc"][0] > 0.8


@pytest.mark.parametrize(("fit", "target"), [("poisson", "size"), ("linear", "size"), ("logistic", "outcome")])
def test_blocks_of_dask_give_the_same_regression_as_one_array(monkeypatch, fit, target):
    draws = np.random.default_rng(5)
    features, so_far = draws.normal(size=(120, 2)), np.full(120, 10.0)
    size = np.round(10 * np.exp(np.abs(features[:, 0])))

    def fitted():
        return fit_size(fit, features, so_far, size) if target == "size" else fit_outcome(fit, features, size > 20)

    given = features.copy()
    whole = fitted()
    assert np.array_equal(features, given)
    monkeypatch.setattr(estimators, "ROWS_PER_BLOCK", 50)
    assert fitted().coefficients == pytest.approx(whole.coefficients, rel=1e-6, abs=1e-8)


def test_text_that_is_no_trees_is_refused():
    with pytest.raises(InvalidInputError, match="fit the model again"):
        load_trees("nothing")


# -- splits, intervals, scores --------------------------------------------------------------------------------------


def test_splits_keep_agents_and_later_cascades_apart():
    agents = np.repeat(np.arange(40), 3).astype(np.int32)
    one_set, three_sets = np.zeros(120, np.int64), np.repeat([0, 1, 2], [60, 20, 40])
    train, test = train_and_test("first_agent", agents, one_set, 0.3, 0)
    assert not set(agents[train]) & set(agents[test])
    assert sorted([*train, *test]) == list(range(120))
    train, test = train_and_test("last", agents, one_set, 0.25, 0)
    assert (train.max(), test.min(), len(test)) == (89, 90, 30)
    _, test = train_and_test("last", agents, three_sets, 0.25, 0)
    assert test.tolist() == [*range(45, 60), *range(75, 80), *range(110, 120)]
    with pytest.raises(InvalidInputError, match="at least 20 each"):
        train_and_test("random", agents[:30], one_set[:30], 0.3, 0)


def test_folds_of_later_cascades_are_blocks_of_each_set():
    sets = np.repeat([0, 1], [50, 20])
    found = list(folds("last", np.zeros(70, np.int32), sets, 0))
    assert found[0][1].tolist() == [*range(10), *range(66, 70)]
    assert found[1][1].tolist() == [*range(10, 20), *range(50, 54)]
    assert sorted(np.concatenate([outside for _, outside in found])) == list(range(70))
    assert all(not set(inside) & set(outside) and len(inside) == 56 for inside, outside in found)
    assert all(len(inside) == 24 for inside, _ in folds("last", np.zeros(30, np.int32), np.arange(30), 0))


def test_bands_of_intervals_have_enough_errors_for_their_level():
    draws = np.random.default_rng(8)
    guess = np.repeat([0.0, 1.0, 2.0], [170, 10, 20])  # many forecasts are equal
    actual = guess + draws.normal(0, 1, 200)
    found = Errors.of_held_out(guess, actual, 0.9)
    assert found.edges == ()
    errors = np.sort(actual - guess)
    assert (found.low, found.high) == ((errors[9],), (errors[190],))
    assert len(Errors.of_held_out(draws.uniform(size=200), actual, 0.98).edges) == 1  # 99 errors are needed
    assert fewest_for_level(0.95) == 39


def test_intervals_cover_the_share_that_was_asked_for():
    draws = np.random.default_rng(6)
    guess = draws.uniform(1, 3, 4000)
    actual = np.clip(guess + draws.normal(0, 0.2 * guess), 0, None)  # errors grow with the forecast
    low, high = Errors.of_held_out(guess[:2000], actual[:2000], 0.9).ends(guess[2000:])
    inside = (low <= actual[2000:]) & (actual[2000:] <= high)
    assert abs(inside.mean() - 0.9) < 0.03
    assert abs(inside[guess[2000:] > 2].mean() - 0.9) < 0.04


def test_scores_have_the_values_of_their_definitions():
    found = size_scores(np.array([10.0, 20, 40, 80]), np.array([11.0, 20, 20, np.inf]))
    assert found["median_absolute_percentage_error"][0] == pytest.approx(0.3)
    assert found["mean_absolute_log_error"] == (pytest.approx((np.log(1.1) + np.log(2)) / 3), 3)
    assert found["finite_share"] == (0.75, 4)
    assert size_scores(np.array([1.0]), np.array([np.nan])) == {}
    found = outcome_scores(np.array([True, False, True]), np.array([0.9, 0.2, 0.4]))
    assert found["auc"][0] == 1.0
    assert found["brier"][0] == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert found["accuracy"][0] == pytest.approx(2 / 3)
