"""Surrogates: against known curves, refits without each point, published rows, refinement and sliders."""

import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import explore, load_surrogate, publish_surrogate, refine, surrogate, sweep
from analytics.surrogates.axes import Axis
from analytics.surrogates.fitting import fitted
from analytics.surrogates.picture import surrogate_figure
from analytics.surrogates.process import Process
from analytics.surrogates.surrogate import Design, Surrogate
from analytics.sweeps import Sweep
from data.errors import InvalidInputError
from data.facade import Warehouse
from propagation.seeding import RandomSeeds

AGENTS = 1_000
DESIGN = Design("sir", {}, ("0",), 1, {})


def curve(x: Any, y: Any = 0.5) -> Any:
    """A known reach: a threshold, and saturation."""
    return 1.0 + 900.0 / (1.0 + np.exp(-8.0 * (np.asarray(x) - y)))


def of_points(points: pd.DataFrame, names: tuple[str, ...] = ("x",)) -> Surrogate:
    network: Any = SimpleNamespace(n_agents=AGENTS, network_id="none")
    given = points.assign(session_id=[str(place) for place in range(len(points))], replicates=100)
    return fitted("known", network, DESIGN, names, given)


@pytest.fixture(scope="module")
def known() -> Surrogate:
    x = np.linspace(0.0, 1.0, 9)
    return of_points(pd.DataFrame({"x": x, "reach": curve(x), "reach_standard_error": 1.0}))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    warehouse = Warehouse(tmp_path_factory.mktemp("surrogates") / "warehouse")
    network = warehouse.generate_network("town", "watts_strogatz", agents=200, degree=6)
    values = {"probability": [0.05, 0.1, 0.2, 0.3, 0.5], "budget": [1, 4]}
    return sweep(network, "independent_cascade", values, seed_sets=RandomSeeds(budget=1), replicates=40)


# -- predictions ----------------------------------------------------------------------------------------------------


def test_a_known_curve_is_predicted_between_its_points(known: Surrogate) -> None:
    between = np.linspace(0.01, 0.99, 50)
    rows = known.predict_many({"x": between})
    assert np.abs(rows["reach"] - curve(between)).max() < 10
    assert ((rows["reach_low"] <= curve(between)) & (curve(between) <= rows["reach_high"])).mean() > 0.9
    assert known.error < 60
    assert known.coverage >= 7 / 9
    one = known.predict(x=0.5)
    assert one.low < one.reach < one.high
    assert one.reach == pytest.approx(rows["reach"].iloc[24:26].mean(), abs=5)


def test_leave_one_out_is_a_fit_without_the_point(known: Surrogate) -> None:
    process = known.process
    mean, deviation = process.leave_one_out()
    for place in range(len(process.values)):
        rest = np.arange(len(process.values)) != place
        without = Process(process.units[rest], process.values[rest], process.errors[rest], process.hyperparameters)
        expected, spread = without.predict(process.units[[place]])
        assert mean[place] == pytest.approx(expected[0], abs=1e-6)
        assert deviation[place] == pytest.approx(math.hypot(spread[0], process.errors[place]), rel=1e-5)


def test_predictions_are_those_of_scikit_learn(known: Surrogate) -> None:
    units = np.linspace(0.0, 1.0, 33)[:, None]
    mean, deviation = known.process.predict(units)
    expected, spread = known.process._regressor.predict(units, return_std=True)
    assert mean == pytest.approx(expected, abs=1e-9)
    assert deviation == pytest.approx(spread, abs=1e-6)


def test_reach_lies_between_the_seeds_and_all_agents(known: Surrogate) -> None:
    rows = known.predict_many({"x": np.linspace(0.0, 1.0, 40)})
    assert (rows["reach_low"] >= 1.0).all()
    assert (rows["reach_high"] <= AGENTS).all()


@given(st.floats(0.001, 10.0), st.floats(1.01, 1_000.0), st.floats(0.0, 1.0))
def test_an_axis_returns_what_it_is_given(low: float, ratio: float, share: float) -> None:
    axis = Axis.of_values("x", [low, low * ratio], whole=False)
    assert axis.scale == ("log" if axis.high / axis.low >= 10 else "linear")
    assert axis.units(axis.values(share)) == pytest.approx(share, abs=1e-9)
    assert axis.units([axis.low, axis.high]) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"x": 1.5}, "x 1.5 is outside the simulated range from 0 to 1"),
        ({}, "x is missing; give a value from 0 to 1"),
        ({"x": 0.5, "y": 1}, "no parameter 'y'; the surrogate has x"),
        ({"x": "much"}, "x 'much' is not a number"),
        ({"x": math.nan}, "x nan is not a number"),
    ],
)
def test_points_outside_the_ranges_are_refused(known: Surrogate, point: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        known.predict(**point)


def test_points_are_listed_in_equal_numbers(known: Surrogate) -> None:
    assert list(known.predict_many({"x": []})) == ["x", "reach", "reach_standard_error", "reach_low", "reach_high"]
    with pytest.raises(InvalidInputError, match="x is missing; give a value from 0 to 1"):
        known.predict_many({})
    values = np.linspace(0.0, 1.0, 3)
    grid = pd.DataFrame([(x, y) for x in values for y in values], columns=["x", "y"])
    plane = of_points(grid.assign(reach=curve(grid["x"], grid["y"]), reach_standard_error=1.0), ("x", "y"))
    with pytest.raises(InvalidInputError, match=r"the lists of values differ in length \(x: 2, y: 1\)"):
        plane.predict_many({"x": [0.1, 0.2], "y": [0.3]})


def test_whole_numbered_parameters_take_whole_numbers_only(found: Sweep) -> None:
    fitted_now = surrogate(found)
    assert [axis.whole for axis in fitted_now.axes] == [False, True]
    with pytest.raises(InvalidInputError, match=r"budget 2.5 is not a whole number"):
        fitted_now.predict(probability=0.1, budget=2.5)
    points = pd.DataFrame({"infectious_period": [1, 2, 3, 4], "reach": [2.0, 3.0, 4.0, 5.0], "reach_standard_error": 1})
    assert of_points(points, ("infectious_period",)).axes[0].whole
    (axis,) = of_points(points.rename(columns={"infectious_period": "gamma"}), ("gamma",)).axes
    assert not axis.whole


def test_few_replicates_are_refused_and_equal_ones_leave_an_error() -> None:
    points = pd.DataFrame({"x": [0.0, 0.3, 0.6, 1.0], "reach": [1.0, 2.0, 4.0, 5.0], "reach_standard_error": 0.0})
    with pytest.raises(InvalidInputError, match="a point has 9 replicates; simulate at least 10"):
        fitted(
            "x", SimpleNamespace(n_agents=9), DESIGN, ("x",), points.assign(session_id="", replicates=[9, 50, 50, 50])
        )  # type: ignore[arg-type]
    errors = of_points(points).process.errors
    assert errors == pytest.approx(0.01 * (1 / (points["reach"] - 0.5) + 1 / (AGENTS + 0.5 - points["reach"])))


def test_notes_say_what_predictions_leave_open(found: Sweep, known: Surrogate) -> None:
    assert known.notes == []
    assert "9 of 9 points within" in known.sentence
    (note,) = surrogate(found).notes
    assert note.startswith("the seeds are one random draw (random seed 0)")
    x = [0.0, 0.1, 0.9, 1.0]
    (rough,) = of_points(pd.DataFrame({"x": x, "reach": [1.0, 900.0, 1.0, 900.0], "reach_standard_error": 1.0})).notes
    assert rough.startswith("predictions are rough: left-out points are missed by 7")
    few = pd.DataFrame({"x": [0.0, 0.3, 0.6, 1.0], "reach": [1.0, 100.0, 900.0, 990.0], "reach_standard_error": 1.0})
    (wide,) = of_points(few).notes  # the error is small, but intervals say nothing
    assert "are missed by 5% of the largest reach, and their 95 % intervals are 41% of it wide" in wide


def test_too_few_points_and_parameters_without_numbers_are_refused(found: Sweep) -> None:
    few = pd.DataFrame({"x": [0.0, 0.5, 1.0], "reach": [1.0, 2.0, 3.0], "reach_standard_error": 1.0})
    with pytest.raises(InvalidInputError, match=r"3 points are too few .* simulate at least 4"):
        of_points(few)
    with pytest.raises(InvalidInputError, match="x has the value 'a'; a surrogate is fitted to numbers only"):
        of_points(pd.DataFrame({"x": ["a"] * 5, "reach": 1.0, "reach_standard_error": 1.0}))
    with pytest.raises(InvalidInputError, match="x is 1 at all points"):
        of_points(pd.DataFrame({"x": [1.0] * 5, "reach": 1.0, "reach_standard_error": 1.0}))
    with pytest.raises(InvalidInputError, match="no seed set 'hubs'; the sweep has random"):
        surrogate(found, seed_set="hubs")
    with pytest.raises(InvalidInputError, match="5 parameters are varied"):
        of_points(pd.DataFrame({name: [1.0] for name in ("reach", "reach_standard_error")}), tuple("abcde"))


# -- where to simulate next -----------------------------------------------------------------------------------------


def test_the_next_point_lies_where_nothing_was_simulated() -> None:
    x = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 1.0])
    found = of_points(pd.DataFrame({"x": x, "reach": curve(x, 0.7), "reach_standard_error": 1.0}))
    points = [point["x"] for point in found.next_points(3)]
    assert 0.45 < points[0] < 0.95
    assert len(set(points)) == 3
    wide = found.predict(x=points[0]).standard_error
    assert wide == pytest.approx(found.largest_standard_error, rel=0.05)


def test_refinement_reduces_the_error_and_is_the_same_again(found: Sweep) -> None:
    start = surrogate(found, name="refined")
    seen: list[int] = []
    better = refine(start, error=0.001, simulations=4, together=2, watcher=lambda each: seen.append(len(each.points)))
    assert seen == [12, 14]
    assert better.largest_standard_error < start.largest_standard_error
    assert all(isinstance(value, int) and 1 <= value <= 4 for value in better.points["budget"])
    again = refine(start, error=0.001, simulations=4, together=2)
    assert again.points["session_id"].tolist() == better.points["session_id"].tolist()
    assert again.predict(probability=0.17, budget=2) == better.predict(probability=0.17, budget=2)
    assert refine(better, error=0.99) is better
    for options in ({"error": 0.0}, {"simulations": 0}, {"together": 0}):
        with pytest.raises(InvalidInputError, match="is not"):
            refine(start, **options)


# -- sweeps of budgets and of points --------------------------------------------------------------------------------


def test_a_sweep_varies_the_budget_and_takes_points(found: Sweep) -> None:
    assert found.parameters == ("probability", "budget")
    assert [len(found.results.sessions[name].seeds) for name in found.table["session"]] == [1, 4] * 5
    points = [{"probability": 0.2, "budget": 4}, {"probability": 0.5, "budget": 1}]
    listed = sweep(found.network, "independent_cascade", points, seed_sets=RandomSeeds(budget=1), replicates=40)
    both = found.table.merge(listed.table, on=["probability", "budget"])
    assert both["session_id_x"].tolist() == both["session_id_y"].tolist()
    assert len(both) == 2
    with pytest.raises(InvalidInputError, match="lists agents; give a strategy"):
        sweep(found.network, "independent_cascade", points, seed_sets=["0"])
    with pytest.raises(InvalidInputError, match="has other parameters than the first"):
        sweep(found.network, "independent_cascade", [points[0], {"budget": 1}], seed_sets=RandomSeeds(budget=1))


# -- in the warehouse -----------------------------------------------------------------------------------------------


def test_a_published_surrogate_predicts_the_same(found: Sweep) -> None:
    fitted_now = surrogate(found, name="spring")
    assert publish_surrogate(fitted_now)
    assert not publish_surrogate(fitted_now)
    warehouse = Warehouse(found.network.warehouse.url)
    loaded = load_surrogate(warehouse, "spring")
    assert loaded.predict(probability=0.15, budget=3) == fitted_now.predict(probability=0.15, budget=3)
    assert loaded.next_points(2) == fitted_now.next_points(2)
    assert loaded.design == fitted_now.design
    rows = warehouse.sql("SELECT parameters, reach FROM surrogate_points JOIN surrogates USING (surrogate_id) "
                         "WHERE surrogate = 'spring' ORDER BY position")  # fmt: skip
    assert [json.loads(each) for each in rows["parameters"]] == found.table[["probability", "budget"]].to_dict(
        "records"
    )
    assert rows["reach"].tolist() == found.table["reach"].tolist()
    with pytest.raises(InvalidInputError, match=r"no surrogate 'sprin' \(did you mean 'spring'\?\)"):
        load_surrogate(warehouse, "sprin")


def test_the_surrogate_that_was_fitted_last_is_current(found: Sweep) -> None:
    warehouse = Warehouse(found.network.warehouse.url)
    first = surrogate(found, name="town")
    second = refine(first, error=0.001, simulations=1)
    assert publish_surrogate(first)
    assert publish_surrogate(second)
    assert len(load_surrogate(warehouse, "town").points) == 11
    assert not publish_surrogate(first)
    assert len(load_surrogate(warehouse, "town").points) == 10
    listed = warehouse.sql("SELECT points, is_current FROM surrogates WHERE surrogate = 'town' ORDER BY points")
    assert listed["is_current"].tolist() == [True, False]
    head = warehouse.head
    assert not publish_surrogate(first)
    assert warehouse.head == head


def test_a_precision_is_that_of_further_points(found: Sweep) -> None:
    values = {"probability": [0.05, 0.1, 0.2, 0.4]}
    options = {"seed_sets": RandomSeeds(budget=1), "precision": "3%"}
    start = surrogate(sweep(found.network, "independent_cascade", values, **options), name="precise")
    assert start.design.options["precision"] == "3%"
    assert start.points["replicates"].nunique() > 1
    publish_surrogate(start)
    better = refine(load_surrogate(found.network.warehouse, "precise"), error=0.001, simulations=1)
    alone = {"probability": [better.points["probability"].iloc[-1]]}
    (again,) = sweep(found.network, "independent_cascade", alone, **options).table["session_id"]
    assert better.points["session_id"].iloc[-1] == again


def test_a_surrogate_of_another_snapshot_is_refused(tmp_path) -> None:
    warehouse = Warehouse(tmp_path)
    network = warehouse.generate_network("town", "erdos_renyi", agents=50, edges=200)
    values = {"probability": [0.05, 0.1, 0.2, 0.4]}
    found = sweep(network, "independent_cascade", values, seed_sets=RandomSeeds(budget=1), replicates=10)
    publish_surrogate(surrogate(found, name="old"))
    warehouse.generate_network("town", "erdos_renyi", agents=60, edges=200)
    with pytest.raises(InvalidInputError, match="has changed since surrogate 'old' was fitted"):
        load_surrogate(warehouse, "old")


# -- sliders and pictures -------------------------------------------------------------------------------------------


def test_sliders_show_the_prediction_at_once(found: Sweep) -> None:
    fitted_now = surrogate(found)
    shown = explore(fitted_now)
    before = bytes(shown.picture.value)
    shown.sliders["probability"].value = 0.4
    shown.sliders["budget"].value = 2
    assert shown.values == {"probability": 0.4, "budget": 2}
    assert str(fitted_now.predict(probability=0.4, budget=2)) in shown.text.value
    after = bytes(shown.picture.value)
    assert after.startswith(b"\x89PNG")
    assert after != before
    (line,) = [each for each in shown._curve.artists if each.get_label() == "predicted"]
    expected = fitted_now.predict_many({"probability": line.get_xdata(), "budget": [2] * len(line.get_xdata())})
    assert line.get_ydata().tolist() == expected["reach"].tolist()
    shown.sliders["budget"].value = 4
    assert line.get_ydata().tolist() != expected["reach"].tolist()
    assert [len(each.get_segments()) for each in shown._curve.artists if hasattr(each, "get_segments")] == [5]


def test_a_logarithmic_parameter_has_a_logarithmic_slider(found: Sweep) -> None:
    shown = explore(surrogate(found)).sliders["probability"]
    assert type(shown).__name__ == "FloatLogSlider"
    assert (shown.base**shown.min, shown.base**shown.max) == pytest.approx((0.05, 0.5))
    assert shown.value == pytest.approx(math.sqrt(0.05 * 0.5), rel=1e-5)


def test_pictures_have_the_points_and_the_band(found: Sweep, known: Surrogate, assert_readable) -> None:
    curve_of = known.plot()
    assert len(curve_of.collections) >= 1
    (line,) = [each for each in curve_of.lines if each.get_label() == "predicted"]
    assert line.get_ydata()[0] == pytest.approx(known.predict(x=0.0).reach)
    assert_readable(curve_of.figure)
    surface = surrogate(found).plot()
    drawn = np.concatenate([each.get_offsets() for each in surface.collections if len(each.get_offsets()) == 10])
    assert drawn.tolist() == found.table[["probability", "budget"]].to_numpy().tolist()
    assert surrogate(found).plot(budget=2).get_title("left") == "Reach on town: independent cascade, budget 2"
    panels = surrogate_figure(surrogate(found)).axes
    assert [each.get_title("left") for each in panels[:2]] == [
        f"{what} on town: independent cascade" for what in ("Reach", "Error")
    ]
    crosses = [each.get_offsets().tolist() for each in panels[1].collections if len(each.get_offsets()) == 1]
    assert [list(surrogate(found).next_points()[0].values())] in crosses
    along = known.plot(error=True).lines[0]
    assert along.get_ydata() == pytest.approx([known.predict(x=each).standard_error for each in along.get_xdata()])
