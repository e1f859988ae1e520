"""Sweeps: the grid, its sessions, and thresholds against eigenvalues and closed forms."""

import math

import numpy as np
import pandas as pd
import pytest

from analytics import sweep
from analytics.decision_tables import publish_sweep
from data import Warehouse
from data.errors import InvalidInputError
from data.networks.network import Network
from propagation import engine, simulate
from propagation.epidemic_threshold import epidemic_threshold, spectral_radius
from propagation.models import SEIR, SI, SIR, SIRS, SIS, IndependentCascade, LinearThreshold, Viral
from propagation.seeding import RandomSeeds, TopOutDegree


def imported(warehouse: Warehouse, name: str, edges: list[tuple[int, int]]) -> Network:
    return warehouse.import_network(name, pd.DataFrame(edges, columns=["source", "target"]))


@pytest.mark.parametrize("number", range(8))
def test_the_spectral_radius_is_the_largest_eigenvalue(number: int, tmp_path) -> None:
    """Of sparse and dense networks, with several strong components, above and below the size of all eigenvalues."""
    draws = np.random.default_rng(number)
    agents, edges = (12, 20) if number < 5 else (150, 450)
    pairs = {(int(a), int(b)) for a, b in draws.integers(0, agents, (edges, 2)) if a != b}
    network = imported(Warehouse(tmp_path), "random", sorted(pairs))
    matrix = np.zeros((network.n_ids, network.n_ids))
    rows = network.sparse_rows
    matrix[rows.sources(0, rows.n_edges), rows.targets] = 1.0
    expected = np.abs(np.linalg.eigvals(matrix)).max()
    # A defective zero eigenvalue is computed as about machine precision to the power of 1 / n.
    assert spectral_radius(network) == pytest.approx(expected, rel=1e-6, abs=0.2 if expected < 0.2 else 0)


def test_closed_forms_of_the_spectral_radius(tmp_path) -> None:
    warehouse = Warehouse(tmp_path)
    path = imported(warehouse, "path", [(i, i + 1) for i in range(9)])
    circle = imported(warehouse, "circle", [(i, (i + 1) % 100) for i in range(100)])
    star = imported(warehouse, "star", [(0, i) for i in range(1, 101)] + [(i, 0) for i in range(1, 101)])
    assert spectral_radius(path) == 0.0
    assert spectral_radius(circle) == pytest.approx(1.0)
    assert spectral_radius(star) == pytest.approx(10.0)
    assert spectral_radius(warehouse.generate_network("all", "complete", agents=80)) == pytest.approx(79.0)
    assert epidemic_threshold(path, SIR(beta=0.1, gamma=0.5)).value == math.inf


def test_thresholds_of_models(tmp_path) -> None:
    network = Warehouse(tmp_path).generate_network("all", "complete", agents=21)
    assert epidemic_threshold(network, IndependentCascade(probability=0.1)).value == pytest.approx(1 / 20)
    for model in (SIR(beta=0.1, gamma=0.5), SIS(beta=0.1, gamma=0.5), SIRS(beta=0.1, gamma=0.5), SEIR(gamma=0.5)):
        found = epidemic_threshold(network, model)
        assert (found.parameter, found.value) == ("beta", pytest.approx(0.5 / 20))
    assert epidemic_threshold(network, SIR(infectious_period=4)).value == pytest.approx(1 / 80)
    for model in (SI(beta=0.1), LinearThreshold(), Viral(), IndependentCascade(probability="weighted_cascade")):
        assert epidemic_threshold(network, model) is None


def test_points_are_sessions_that_are_computed_once(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = {"beta": [0.02, 0.2], "gamma": [0.5, 1.0]}
    sets = {"one": ["0"], "hubs": TopOutDegree(budget=3)}
    found = sweep(network, "sir", grid, seed_sets=sets, replicates=20)
    assert len(found.table) == 8
    for row in found.table.to_dict("records"):
        model = SIR(beta=row["beta"], gamma=row["gamma"])
        alone = simulate(network, model, seed_set=sets[row["seed_set"]], replicates=20)
        assert row["session_id"] == alone.session_id
        assert (row["reach"], row["reach_standard_error"]) == (alone.reach.mean, alone.reach.standard_error)
        sizes = alone.cascades["size"]
        assert row["variability"] == pytest.approx(sizes.std(ddof=1) / sizes.mean())
        assert row["mean_field_threshold"] == pytest.approx(row["gamma"] / spectral_radius(network))
    computed = []
    run_job = engine.run_job
    monkeypatch.setattr(
        engine,
        "run_job",
        lambda network, sessions, *a, **o: computed.extend(sessions) or run_job(network, sessions, *a, **o),
    )
    larger = sweep(network, SIR(gamma=0.5), {"beta": [0.02, 0.2, 0.3]}, seed_sets=sets, replicates=20)
    assert [session.model.beta for session in computed] == [0.3, 0.3]
    assert larger.table.set_index(["beta", "seed_set"]).loc[(0.02, "one"), "reach"] == found.table["reach"][0]


def test_the_simulated_threshold_is_near_the_mean_field(tmp_path) -> None:
    """On a complete network the mean field is exact in the limit: SIR with recovery after a round needs p n > 1."""
    network = Warehouse(tmp_path).generate_network("all", "complete", agents=400)
    values = [0.2 / 399, 0.5 / 399, 1.0 / 399, 1.5 / 399, 3.0 / 399, 8.0 / 399]
    found = sweep(network, SIR(gamma=1.0), {"beta": values}, seed_sets=RandomSeeds(budget=1), replicates=1000)
    (row,) = found.thresholds.to_dict("records")
    assert row["mean_field"] == pytest.approx(1 / 399)
    assert row["simulated_low"] <= row["mean_field"] * 1.001
    assert row["simulated_high"] > row["mean_field"]
    assert set(found.table["simulated_threshold"]) == {row["simulated"]}
    assert (
        "epidemic threshold of beta 0.002506 by the mean field; of the values simulated, cascade sizes vary most at "
        in found.threshold_sentences[0]
    )
    assert "(1,000 replicates each), which suggests a threshold between" in found.threshold_sentences[0]
    assert publish_sweep(found)
    stored = network.warehouse.sql("FROM sweep_points ORDER BY position")
    for name in ("reach", "reach_low", "reach_high", "variability", "simulated_threshold", "simulated_threshold_high"):
        assert stored[name].to_list() == found.table[name].to_list()


def test_values_that_are_no_numbers_have_no_threshold(network: Network) -> None:
    grid = {"probability": [0.1, "weighted_cascade", 0.01]}
    found = sweep(network, "independent_cascade", grid, seed_sets=["0"], replicates=5)
    assert found.table["mean_field_threshold"].isna().to_list() == [False, True, False]
    assert len(found.thresholds) == 1
    ax = found.plot()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.1", "weighted_cascade", "0.01"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["explicit"], "a place has no threshold"
    assert not any(line.get_linestyle() == "-" and len(line.get_xdata()) == 3 for line in ax.lines), "no order, no line"


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        ("sri", {"beta": [0.1]}, "no model 'sri'.*models are"),
        ("sir", {}, "no values; give those of at least one parameter"),
        ("sir", {"bet": [0.1]}, "model 'sir' has no parameter 'bet'.*did you mean 'beta'"),
        ("sir", {"beta": []}, "values of beta: .* is not a list of at least one value"),
        ("sir", {"beta": "0.1"}, "values of beta: '0.1' is not a list"),
        ("sir", {"beta": [0.1, 0.2, 0.1]}, "values of beta: 0.1 is given twice"),
        ("sir", {"beta": [1.3]}, "1.3"),
        (3, {"beta": [0.1]}, "model 3 is not a model"),
    ],
)
def test_what_cannot_be_swept_is_refused(network: Network, model, values, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        sweep(network, model, values, seed_sets=["0"], replicates=2)


def test_pictures(network: Network, assert_readable) -> None:
    sets = {"one": ["0"], "hubs": TopOutDegree(budget=3)}
    lines = sweep(network, "sir", {"beta": [0.01, 0.05, 0.1]}, seed_sets=sets, replicates=20)
    ax = lines.plot()
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["one", "hubs"]
    assert_readable(ax.figure)
    square = sweep(network, "sir", {"beta": [0.02, 0.2], "gamma": [0.5, 1.0]}, seed_sets=sets, replicates=20)
    heat = square.plot(seed_set="hubs")
    shown = {text.get_text() for text in heat.texts}
    reach = square.table[square.table["seed_set"] == "hubs"]["reach"]
    assert {f"{each:,.1f}" if each < 9.95 else f"{each:,.0f}" for each in reach} == shown
    assert any("." in text for text in shown)
    both = square.plot()
    labels = [ax.get_ylabel() for ax in both.figure.axes]
    assert labels.count("agents reached, mean") == 1, "two heat maps with the same colours share their bar"
    with pytest.raises(InvalidInputError, match="no seed set 'all'"):
        square.plot(seed_set="all")
