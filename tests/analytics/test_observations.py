"""Observed cascades beside simulated ones: shapes of both, their pictures, and the report."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analytics.observations.pictures import activation_curves, fitted_round_length, observed_curve, shape_distributions
from analytics.observations.shapes import cascade_shapes, publish_shapes, shape_quantiles
from analytics.sql_reports import report
from data import Warehouse
from data.cascades.cleaning import observed_cascades
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.warehouse.deletion import delete
from data.warehouse.dependents import campaign_deletion
from propagation import simulate, simulate_many
from propagation.models import SIS, IndependentCascade
from propagation.result import Result

ROWS = pd.DataFrame(
    {
        "cascade": list("xxxxyyz"),
        "agent": list("abcdabe"),
        "time": [0, 2, 4, 10, 5, 6, 1],
        "infector": [None, "a", "b", "a", None, "a", None],
    }
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """A warehouse with observed cascades `talks` and the campaign `spring` of a session `wide`."""
    warehouse = Warehouse(tmp_path_factory.mktemp("observations") / "warehouse")
    network = warehouse.generate_network("town", "preferential_attachment", agents=300)
    sessions = {"wide": {"seed_set": ["0", "250"]}}
    model = IndependentCascade(probability=0.1)
    simulate_many(network, sessions, campaign="spring", model=model, replicates=40, record="activations")
    warehouse.import_cascades("talks", ROWS)
    return warehouse


@pytest.fixture(scope="module")
def wide(place: Warehouse) -> Result:
    from propagation.session_references import find_session

    return find_session(place, "spring:wide")


@pytest.fixture
def talks() -> ObservedCascades:
    return observed_cascades("talks", ROWS).cascades


def test_shapes_of_observed_cascades(talks: ObservedCascades) -> None:
    found = cascade_shapes(talks)
    assert found["cascade_id"].tolist() == ["x", "y", "z"]
    assert found["size"].tolist() == [4, 2, 1]
    assert found["duration"].tolist() == [10, 1, 0]
    assert found["tree_depth"].tolist() == [2, 1, 0]
    assert found["structural_virality"].tolist()[:2] == pytest.approx([10 / 6, 1])
    assert found["generation_interval"].tolist()[:2] == pytest.approx([14 / 3, 1])
    unknown = cascade_shapes(observed_cascades("talks", ROWS.drop(columns="infector")).cascades)
    assert unknown[["tree_depth", "structural_virality", "generation_interval"]].isna().all(axis=None)
    known = shape_quantiles(found).set_index("quantity")
    assert known.loc["size", ["cascades", "mean", "median", "max"]].tolist() == pytest.approx([3, 7 / 3, 2, 4])
    assert shape_quantiles(unknown).set_index("quantity").loc["tree_depth", "cascades"] == 0


def test_shapes_of_simulated_cascades_equal_paths_in_their_trees(wide: Result) -> None:
    found = cascade_shapes(wide).set_index("cascade")
    rows = wide.table("activations").to_pandas()
    for replicate, own in list(rows.groupby("replicate"))[:12]:
        infector = dict(zip(own["agent"], own["infector"], strict=True))
        when = dict(zip(own["agent"], own["round"], strict=True))

        def path(agent: int, infector: dict = infector) -> tuple[int, ...]:
            return (agent,) if pd.isna(infector[agent]) else (agent, *path(int(infector[agent])))

        paths = {agent: path(agent) for agent in infector}
        apart = [len(set(paths[a]) ^ set(paths[b])) for a, b in combinations(paths, 2) if paths[a][-1] == paths[b][-1]]
        waits = [when[agent] - when[way[1]] for agent, way in paths.items() if len(way) > 1]
        assert found.loc[replicate, "size"] == len(own)
        assert found.loc[replicate, "trees"] == 2
        assert found.loc[replicate, "tree_depth"] == max(map(len, paths.values())) - 1
        if waits:
            assert found.loc[replicate, "structural_virality"] == pytest.approx(np.mean(apart))
            assert found.loc[replicate, "generation_interval"] == pytest.approx(np.mean(waits)) == 1


def test_cascades_of_seeds_alone_have_depth_0(place: Warehouse) -> None:
    result = simulate(
        place.network("town"), IndependentCascade(probability=0.001), seed_set=["0", "1", "2"], replicates=50,
        record="activations", publish=False,
    )  # fmt: skip
    assert cascade_shapes(result)["tree_depth"].tolist() == result.cascades["depth"].tolist()


def test_agents_activated_again_are_activations_of_their_own(place: Warehouse) -> None:
    model = SIS(beta=0.2, gamma=0.5)
    result = simulate(
        place.network("town"), model, seed_set=["0"], replicates=3, max_rounds=6, record="activations", publish=False
    )
    assert cascade_shapes(result)["size"].tolist() == (
        result.table("activations").to_pandas().groupby("replicate").size().tolist()
    )
    with pytest.raises(InvalidInputError, match="record"):
        cascade_shapes(
            simulate(place.network("town"), model, seed_set=["0"], replicates=3, max_rounds=6, publish=False)
        )


def test_both_stand_in_one_view_and_one_report(place: Warehouse, wide: Result) -> None:
    assert publish_shapes(wide)
    assert not publish_shapes(wide)
    both = place.sql(
        "SELECT origin, count(*) AS n, sum(size) AS s FROM observed_and_simulated_cascades GROUP BY origin"
    )
    assert dict(zip(both["origin"], both["n"], strict=True)) == {"observed": 3, "simulated": 40}
    rows = report(place, "observed_beside_simulated").frame().set_index("name")
    assert rows["origin"].to_dict() == {"talks": "observed", "wide": "simulated"}
    assert rows.loc["talks", "mean"] == pytest.approx(7 / 3)
    assert rows.loc["wide", "mean"] == pytest.approx(wide.reach.mean)
    expected = cascade_shapes(wide)
    assert rows.loc["wide", "virality"] == pytest.approx(expected["structural_virality"].mean())
    assert rows.loc["wide", "depth"] == pytest.approx(expected["tree_depth"].mean())
    assert rows["time_unit"].to_dict() == {"talks": "seconds", "wide": "rounds"}


def test_shapes_go_with_their_session(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("town", "complete", agents=5)
    simulate_many(
        network,
        {"one": {"seed_set": ["0"]}},
        campaign="c",
        model=IndependentCascade(probability=0.5),
        replicates=3,
        record="activations",
    )
    from propagation.session_references import find_session

    assert publish_shapes(find_session(warehouse, "c"))
    delete(warehouse, campaign_deletion(warehouse, "c"))
    assert warehouse.read("cascade_shapes").num_rows == 0


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_the_mean_curve_counts_activations_per_cascade(talks: ObservedCascades) -> None:
    curve = observed_curve(talks)
    assert curve.times.tolist() == [0, 1, 2, 4, 10]
    assert curve.counts.tolist() == pytest.approx([1, 4 / 3, 5 / 3, 2, 7 / 3])
    assert observed_curve(talks, "x").counts.tolist() == [1, 2, 3, 4]
    with pytest.raises(InvalidInputError, match="have no cascade 'w'; ids there look like 'x', 'y', 'z'"):
        observed_curve(talks, "w")


def test_rounds_are_scaled_so_that_both_reach_half_at_the_same_time(
    talks: ObservedCascades, make_result: Callable[..., Result]
) -> None:
    result = make_result([[1, 1, 2], [1, 1, 2]])
    assert fitted_round_length(observed_curve(talks, "x"), result) == pytest.approx(2.0)  # at time 2, in round 1
    with pytest.raises(InvalidInputError, match=r"the observed curve has half .*--round-length"):
        fitted_round_length(observed_curve(talks, "y"), result)


def test_a_session_that_hardly_spreads_is_drawn_without_the_fit(
    talks: ObservedCascades, place: Warehouse, assert_readable: Callable[[Figure], None]
) -> None:
    town = place.network("town")
    for probability, cascade, note in [
        (0.0, None, "1 round = 1 second, assumed"),
        (0.02, "x", "so that both end together"),
        (0.1, "z", "assumed"),
    ]:
        model = IndependentCascade(probability=probability)
        session = simulate(town, model, seed_set=list(map(str, range(200, 260))), replicates=20, publish=False)
        axes = Figure(figsize=(7.2, 4.4), layout="constrained").subplots()
        drawn = activation_curves(talks, session, cascade=cascade, name="small", ax=axes)
        assert_readable(drawn.figure)
        assert note in drawn.get_xlabel()


def test_a_rise_in_the_first_part_of_the_axis_is_drawn_on_a_logarithmic_one(
    talks: ObservedCascades, wide: Result, assert_readable: Callable[[Figure], None]
) -> None:
    times = np.concatenate([[0], np.geomspace(30, 40 * 86400, 200)])
    rows = pd.DataFrame({"agent": np.arange(201), "time": times, "cascade": 1})
    early = observed_cascades("early", rows).cascades
    for session in (None, wide):
        ax = activation_curves(early, session, ax=Figure(figsize=(7.2, 4.4), layout="constrained").subplots())
        assert_readable(ax.figure)
        assert ax.get_xscale() == "log"
        assert "time since the first activation, minutes (logarithmic axis)" in ax.get_xlabel()
        assert ax.lines[-1].get_ydata()[-1] == pytest.approx(201, rel=0.02)
        assert (ax.lines[-1].get_xdata() > 0).all()
    assert activation_curves(talks, ax=Figure().subplots()).get_xscale() == "linear"


def test_what_comes_after_the_axis_is_said_with_its_unit() -> None:
    times = np.append(np.linspace(0, 1000, 400), 10 * 86400)
    rows = pd.DataFrame({"agent": np.arange(401), "time": times, "cascade": 1})
    ax = activation_curves(observed_cascades("late", rows).cascades, ax=Figure().subplots())
    assert "last activation after 10 days" in ax.get_xlabel()


def test_few_viralities_have_different_ticks_and_unknown_ones_are_named(
    talks: ObservedCascades, assert_readable: Callable[[Figure], None]
) -> None:
    unknown = cascade_shapes(observed_cascades("t", ROWS.drop(columns="infector")).cascades)
    rows = pd.DataFrame({"cascade": 1, "agent": list("abc"), "time": [0, 1, 2], "infector": [None, "a", "b"]})
    one = cascade_shapes(observed_cascades("one", rows).cascades)
    figure = shape_distributions(unknown, one, names=("talks", "camp:cal"))
    assert_readable(figure)
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            ticks = [tick.label1.get_text() for tick in axis._update_ticks()]
            assert len(set(ticks)) == len(ticks)
            assert not any("10^" in each for each in ticks)
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert legend == ["talks: no infectors are known", "camp:cal (1 cascade)"]


def test_pictures_can_be_read(
    talks: ObservedCascades, place: Warehouse, wide: Result, assert_readable: Callable[[Figure], None]
) -> None:
    for options in ({"cascade": "x"}, {"round_length": 3.5, "name": "spring:wide"}):
        ax = activation_curves(talks, wide, ax=Figure(figsize=(7.2, 4.4), layout="constrained").subplots(), **options)
        assert_readable(ax.figure)
        how = "given" if "round_length" in options else "fitted"
        assert how in ax.get_xlabel()
        observed = ax.lines[-1]
        assert observed.get_ydata()[0] == 1
    with pytest.raises(InvalidInputError, match="must be more than 0 seconds"):
        activation_curves(talks, wide, round_length=0)
    figure = shape_distributions(cascade_shapes(talks), cascade_shapes(wide), names=("talks", "spring:wide"))
    assert_readable(figure)
    sizes, virality = figure.axes
    assert sizes.lines[0].get_xydata().tolist() == [[1, 1], [2, pytest.approx(2 / 3)], [4, pytest.approx(1 / 3)]]
    assert len(virality.lines) == 2
    alone = shape_distributions(cascade_shapes(observed_cascades("t", ROWS.drop(columns="infector")).cascades))
    assert [text.get_text() for text in alone.axes[1].texts] == ["no infectors are known"]
