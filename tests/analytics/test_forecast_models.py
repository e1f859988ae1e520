"""Forecast models: planted laws, what they see and what not, and the warehouse that knows what was forecast."""

import base64

import numpy as np
import pandas as pd
import pytest

from analytics import fit_forecast, forecast, forecast_model, score_forecast, session_cascades
from analytics.forecasting import estimators, models
from analytics.forecasting.baselines import fit_baselines, observed_reactions
from analytics.forecasting.features import Surroundings
from analytics.forecasting.model_cards import level_text, score_table, weaknesses
from analytics.forecasting.observation import Observation
from analytics.forecasting.sources import load_source, new_sources
from data.cascades.cleaning import observed_cascades
from data.errors import CascadesNotFoundError, InvalidInputError
from data.facade import Warehouse
from propagation import simulate, simulate_many
from propagation.models import IndependentCascade
from tests.analytics.planted_cascades import QUICK, planted


@pytest.fixture(scope="module")
def cascades():
    return planted()


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return Warehouse(tmp_path_factory.mktemp("forecasting") / "warehouse")


@pytest.fixture(scope="module")
def model(warehouse, cascades):
    return fit_forecast("viral", cascades, window=60, warehouse=warehouse, **QUICK)


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
    assert set(new_sources(warehouse, fitted).sources) == {results[1].session_id}  # not what it was fitted to
    source = load_source(warehouse, results[1].session_id[:8])
    forecast(fitted, source.cascades, network=source.network, warehouse=warehouse)
    assert new_sources(warehouse, fitted).sources == {}
    assert "seismic" not in fitted.scores  # rounds are no seconds
    with pytest.raises(CascadesNotFoundError, match=r"no cascades 'gone'.* If a session is meant: no session"):
        load_source(warehouse, "gone")


def test_sessions_of_campaigns_have_their_names(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("ring", "watts_strogatz", agents=30, degree=2)
    sessions = {"one": {"seed_set": ["0"]}, "two": {"seed_set": ["1"]}}
    model = IndependentCascade(probability=0.2)
    simulate_many(network, sessions, model=model, replicates=3, record="activations", campaign="c")
    assert load_source(warehouse, "c:two").cascades.name == "c:two"
    with pytest.raises(InvalidInputError, match="campaign 'c' has no session 'three'"):
        load_source(warehouse, "c:three")


def test_the_model_that_was_asked_for_last_is_current(warehouse, cascades):
    short, long = (fit_forecast("both", cascades, window=w, warehouse=warehouse, **QUICK).model_id for w in (30, 60.0))
    assert forecast_model(warehouse, "both").model_id == long
    assert fit_forecast("both", cascades, window=30, warehouse=warehouse, **QUICK).recalled
    assert forecast_model(warehouse, "both").model_id == short
    assert forecast_model(warehouse, long).row["observed_window"] == 60
    head = warehouse.head
    fit_forecast("both", cascades, window=30.0, warehouse=warehouse, **QUICK)
    assert warehouse.head == head
    found = warehouse.sql("SELECT model_id FROM forecast_models WHERE forecast_model = 'both' AND is_current")
    assert found["model_id"].tolist() == [short]


def test_sets_are_new_until_they_are_forecast_and_whole(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    every = planted(70).frame().drop(columns=["infector_id"])
    every.columns = ["cascade", "agent", "time"]
    past = warehouse.import_cascades("past", every, time_unit="minutes")
    tiny = pd.DataFrame({"cascade": ["x", "x"], "agent": ["a", "b"], "time": [0, 1]})
    warehouse.import_cascades("tiny", tiny, time_unit="minutes")
    edges = pd.DataFrame({"source": ["a"], "target": ["b"]})
    warehouse.import_network("pair", edges)
    warehouse.import_cascades("on-pair", tiny, time_unit="minutes", network="pair")
    model = fit_forecast("first-ten", past, first=10, warehouse=warehouse, **QUICK)
    assert list(new_sources(warehouse, model).sources.values()) == ["tiny", "on-pair"]
    for name in ("tiny", "on-pair"):
        made = forecast(model, load_source(warehouse, name).cascades, warehouse=warehouse)
        assert (made.recalled, len(made.table), made.cascades) == (False, 0, 1)
        assert forecast(model, load_source(warehouse, name).cascades, warehouse=warehouse).recalled
    assert new_sources(warehouse, model).sources == {}
    with pytest.raises(InvalidInputError, match="are a part of the set 'past'"):
        forecast(model, past.select([0, 1]), warehouse=warehouse)
    with pytest.raises(InvalidInputError, match="are a part of the set 'past'"):
        fit_forecast("part", past.select(range(60)), first=10, warehouse=warehouse, **QUICK)


def test_cascades_younger_than_the_window_are_refused(warehouse, cascades, model):
    young = cascades.until(20)
    with pytest.raises(InvalidInputError, match=r"no activation of cascades 'planted' is later than .*--age 60"):
        forecast(model, young)
    with pytest.raises(InvalidInputError, match="age is 20, but model 'viral' observes 60 minutes"):
        forecast(model, young, age=20)
    assert len(forecast(model, young, age=60).table) == 160
    part = forecast(model, cascades.until(60), age=90).table
    assert part.equals(forecast(model, cascades).table)
    rows = young.frame()[["cascade_id", "agent_id", "time"]].set_axis(["cascade", "agent", "time"], axis=1)
    warehouse.import_cascades("young", rows, time_unit="minutes")
    assert "young" in new_sources(warehouse, model).too_short
    assert "young" in new_sources(warehouse, model, age=60).sources.values()
    by_count = fit_forecast("count", cascades, first=10, **QUICK)
    with pytest.raises(InvalidInputError, match="leave age out"):
        forecast(by_count, young, age=20)


def test_seismic_sees_nothing_later_and_nothing_of_test_cascades():
    draws = np.random.default_rng(5)
    rows = [
        (f"c{c}", f"a{i}", t, 50 if t <= 3600 else 10**6)
        for c in range(60)
        for i, t in enumerate([0.0, *np.sort(draws.uniform(1, 9000, 30 + c))])
    ]
    columns = ["cascade", "agent", "time", "followers"]
    found = observed_cascades("followed", pd.DataFrame(rows, columns=columns)).cascades
    parts = Observation(3600.0).of(found)
    seen = observed_reactions(found, parts, Surroundings())
    assert seen.typical_followers() == 50
    assert len(seen.times) == (found.times <= 3600).sum()
    some = seen.select(np.array([7, 2]))
    assert np.diff(some.offsets).tolist() == parts.counts[[7, 2]].tolist()
    assert [each[0] for each in some.estimates(50.0)] == [each[7] for each in seen.estimates(50.0)]
    alone = seen.joined([some, seen]).estimates(50.0)
    assert alone[0].tolist() == [*some.estimates(50.0)[0], *seen.estimates(50.0)[0]]
    size = found.sizes.astype(float)
    fitted = fit_baselines(parts.counts.astype(float), size, size > 50, seen)
    assert fitted.followers == 50


def test_probabilities_agree_with_intervals(cascades):
    for level in (0.5, 0.9):
        made = fit_forecast("agreeing", cascades, window=60, level=level, **QUICK)
        table = forecast(made, cascades).table
        beyond, below = (1 - level) / 2, 1 - (1 - level) / 2
        at = 2 * table["size_so_far"]
        assert (table.loc[at > table["predicted_high"], "outcome_probability"] <= beyond + 1e-12).all()
        assert (table.loc[at <= table["predicted_low"], "outcome_probability"] >= below - 1e-12).all()
        assert (at > table["predicted_high"]).any()
        assert (at <= table["predicted_low"]).any()


def test_a_card_says_where_the_model_is_no_better():
    def rows(measure, **values):
        return [
            {"forecaster": name, "measure": measure, "score_value": value, "cascades": cascades}
            for name, (value, cascades) in values.items()
        ]

    records = [
        *rows("median_absolute_percentage_error", model=(0.3, 40), naive=(0.4, 40), seismic=(0.3, 40)),
        *rows("mean_absolute_log_error", model=(0.3, 40), naive=(0.31, 40), seismic=(0.1, 7)),
        *rows("kendall_tau", model=(0.4, 40), naive=(0.3, 40), calibrated_seismic=(0.42, 40)),
        *rows("brier", model=(0.1, 40), naive=(0.2, 40)),
    ]
    assert weaknesses(records) == [
        "No better than simple forecasts in median absolute percentage error: model 30.0 %, SEISMIC 30.0 %.",
        "No better than simple forecasts in Kendall's tau: model 0.400, SEISMIC, calibrated 0.420.",
    ]
    assert score_table(records)[1]["SEISMIC"] == "0.100 (of 7)"
    assert level_text(0.999) == "99.9 %"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "neither was given"),
        ({"window": 60, "first": 5}, "both were given"),
        ({"window": -1}, "above 0"),
        ({"window": 60, "split": "lost"}, "split 'lost' is unknown"),
        ({"window": 60, "outcome": "tripple"}, "outcome 'tripple' is unknown"),
        ({"window": 60, "level": 1.0}, "between 0 and 1"),
        ({"window": 60, "level": 0.999}, "need at least 1,999 training cascades.* at most 0.982"),
        ({"window": "60"}, "window is '60'; a number is needed"),
        ({"first": 5.5}, "first is 5.5; a whole number is needed"),
        ({"first": 5, "at_least": 60}, "at_least is 60, but"),
        ({"window": 60, "test_share": "0.3"}, "test_share is '0.3'"),
        ({"window": 60, "random_seed": -1}, "random_seed is -1; give a number from 0"),
        ({"window": 60, "random_seed": 99_999_999_999}, "random_seed is 99999999999"),
        ({"window": 60, "size_estimators": "lineer"}, "'lineer' is unknown .did you mean 'linear'"),
        ({"window": 60, "name": ""}, "empty name"),
        ({"window": 60, "grouping": "side"}, "give the network"),
        ({"window": 60, "size_estimators": ("bosting",)}, "did you mean 'boosting'"),
        ({"first": 10_000}, "0 cascades can be forecast"),
        ({"window": 10_000}, "nothing to tell apart"),
    ],
)
def test_mistakes_are_refused_before_any_work(cascades, options, message):
    with pytest.raises(InvalidInputError, match=message):
        fit_forecast(options.pop("name", "model"), cascades, **options)


def test_cascades_in_another_unit_of_time_are_refused(model):
    rows = pd.DataFrame({"cascade": ["x"], "agent": ["a"], "time": [0]})
    with pytest.raises(InvalidInputError, match="give cascades in minutes"):
        forecast(model, observed_cascades("other", rows).cascades)


def test_the_picture_can_be_read(model, assert_readable):
    assert_readable(model.plot())
