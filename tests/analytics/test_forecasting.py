"""Forecasts of cascades: features against plain definitions, SEISMIC against its integrals, planted laws, warehouse."""

import base64
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
    fit_forecast,
    forecast,
    forecast_model,
    score_forecast,
    seismic_estimate,
    session_cascades,
)
from analytics.forecasting import estimators, models
from analytics.forecasting.estimators import OUTCOME_ESTIMATORS, SIZE_ESTIMATORS, Estimator, fit_outcome, fit_size
from analytics.forecasting.fitted import Errors
from analytics.forecasting.scores import outcome_scores, size_scores
from analytics.forecasting.seismic import CUTOFF, DENSITY, THETA, final_size
from analytics.forecasting.sources import load_source, new_sources
from analytics.forecasting.splits import train_and_test
from analytics.forecasting.stored_trees import load_trees
from data.cascades.cleaning import observed_cascades
from data.errors import InvalidInputError
from data.facade import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade

QUICK = {"size_estimators": ("linear",), "outcome_estimators": ("logistic",)}


def planted(cascades=160, seed=1, name="planted"):
    """Cascades whose final size is about the size so far, times e to the power of the rate at the end of an hour."""
    draws, rows = np.random.default_rng(seed), []
    for cascade in range(cascades):
        early = 10 + int(draws.integers(0, 60))
        late_share = draws.random()
        times = np.sort(
            np.where(draws.random(early) < late_share, draws.uniform(45, 60, early), draws.uniform(0, 15, early))
        )
        times[0] = 0.0
        further = round(early * np.expm1(1.5 * late_share) * float(np.exp(draws.normal(0.0, 0.05))))
        every = np.concatenate([times, draws.uniform(61, 600, further)])
        rows += [(f"c{cascade}", f"a{cascade % 40}" if i == 0 else f"b{i}", t) for i, t in enumerate(every)]
    return observed_cascades(
        name, pd.DataFrame(rows, columns=["cascade", "agent", "time"]), time_unit="minutes"
    ).cascades


@pytest.fixture(scope="module")
def cascades():
    return planted()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return Warehouse(tmp_path_factory.mktemp("forecasting") / "warehouse")


@pytest.fixture(scope="module")
def model(warehouse, cascades):
    return fit_forecast("viral", cascades, window=60, warehouse=warehouse, **QUICK)


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
    train, test = train_and_test("first_agent", agents, 0.3, 0)
    assert not set(agents[train]) & set(agents[test])
    assert sorted([*train, *test]) == list(range(120))
    train, test = train_and_test("last", agents, 0.25, 0)
    assert (train.max(), test.min(), len(test)) == (89, 90, 30)
    with pytest.raises(InvalidInputError, match="at least 20 each"):
        train_and_test("random", agents[:30], 0.3, 0)


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


# -- models and the warehouse ---------------------------------------------------------------------------------------


def test_a_model_beats_simple_guesses_where_there_is_a_law_to_find(model):
    error = model.scores.loc["mean_absolute_log_error"]
    assert error["model"] < 0.2 < 0.6 * error["naive"]
    assert model.scores.loc["brier", "model"] < 0.5 * model.scores.loc["brier", "naive"]
    assert 0.75 < model.scores.loc["interval_coverage", "model"] <= 1.0
    assert len(model.tests) == model.row["test_cascades"] == 48


def test_a_model_is_published_once_and_forecasts_the_same_when_it_is_loaded(warehouse, cascades, model):
    again = fit_forecast("viral", cascades, window=60, warehouse=warehouse, **QUICK)
    assert (model.recalled, again.recalled, again.model_id) == (False, True, model.model_id)
    loaded = forecast_model(warehouse, "viral")
    new = planted(30, seed=9, name="new")
    first = forecast(model, new).table
    made = forecast(loaded, new, warehouse=warehouse)
    assert made.table.equals(first)
    assert forecast(loaded, new, warehouse=warehouse).recalled
    counts = warehouse.sql(
        "SELECT (SELECT count(*) FROM forecasts) AS forecasts, count(*) AS features FROM cascade_features"
    )
    assert counts.to_dict("records") == [{"forecasts": 30, "features": 190}]
    scores = score_forecast(loaded, new)
    ours = scores[(scores["forecaster"] == "model") & (scores["measure"] == "r2_log")]["score_value"]
    assert ours.iloc[0] > 0.7


def test_boosted_trees_are_stored_without_a_pickle(warehouse, cascades, monkeypatch):
    monkeypatch.setattr(estimators, "TREES", 20)
    chosen = {"size_estimators": ("boosting",), "outcome_estimators": ("boosting",)}
    made = fit_forecast("trees", cascades, window=60, warehouse=warehouse, **chosen)
    loaded = forecast_model(warehouse, made.model_id)
    assert base64.b64decode(loaded.row["size_trees"])[:2] == b"PK"
    assert forecast(loaded, cascades).table.equals(forecast(made, cascades).table)


def test_a_model_of_other_library_versions_says_so(model, monkeypatch):
    assert model.version_notes == []
    there = {**models.library_versions(), "scikit-learn": "9.9"}
    monkeypatch.setattr(models, "library_versions", lambda: there)
    assert [note.partition(",")[2] for note in model.version_notes] == [" but 9.9 is installed"]


def test_a_card_names_data_scores_and_limits(model, cascades):
    for text in ("112 of the 160 cascades of planted", cascades.cascade_set_id, "| R² of log size |", "## Limits"):
        assert text in model.card


def test_sessions_that_were_not_forecast_are_new(warehouse):
    network = warehouse.generate_network("town", "watts_strogatz", agents=200, degree=6)
    seeds = {"one": ["0"], "other": ["1"]}
    results = [
        simulate(network, IndependentCascade(probability=0.2), seed_set=s, replicates=80, record="activations")
        for s in seeds.values()
    ]
    fitted = fit_forecast(
        "early", session_cascades(results[0]), window=2, network=network, warehouse=warehouse, outcome="median", **QUICK
    )
    ids = {result.session_id for result in results}
    assert set(new_sources(warehouse, fitted)) == ids
    source = load_source(warehouse, results[1].session_id)
    forecast(fitted, source.cascades, network=source.network, warehouse=warehouse)
    assert set(new_sources(warehouse, fitted)) == {results[0].session_id}
    assert "seismic" not in fitted.scores  # rounds are no seconds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither was given"),
        ({"window": 60, "first": 5}, "both was given"),
        ({"window": -1}, "above 0"),
        ({"window": 60, "split": "lost"}, "split 'lost' is unknown"),
        ({"window": 60, "outcome": "tripple"}, "outcome 'tripple' is unknown"),
        ({"window": 60, "level": 1.0}, "between 0 and 1"),
        ({"window": 60, "grouping": "side"}, "give the network"),
        ({"window": 60, "size_estimators": ("bosting",)}, "did you mean 'boosting'"),
        ({"first": 10_000}, "0 cascades can be forecast"),
        ({"window": 10_000}, "nothing to tell apart"),
    ],
)
def test_mistakes_are_refused_before_any_work(cascades, options, message):
    with pytest.raises(InvalidInputError, match=message):
        fit_forecast("model", cascades, **options)


def test_cascades_in_another_unit_of_time_are_refused(model):
    rows = pd.DataFrame({"cascade": ["x"], "agent": ["a"], "time": [0]})
    with pytest.raises(InvalidInputError, match="give cascades in minutes"):
        forecast(model, observed_cascades("other", rows).cascades)


def test_the_picture_can_be_read(model, assert_readable):
    assert_readable(model.plot())
