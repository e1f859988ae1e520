"""Seed selections: what they report, publish and refuse."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from analytics.influence import seed_selection
from data.errors import InvalidInputError, UnfitModelError, UnknownAgentError
from data.facade import Warehouse
from data.warehouse.deletion import delete
from data.warehouse.dependents import network_deletion
from propagation import simulate
from propagation.models import SIR, SIS, FractionalThreshold, IndependentCascade
from propagation.seeding import DegreeDiscount

MODEL = IndependentCascade(probability=0.05)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    warehouse = Warehouse(tmp_path_factory.mktemp("influence") / "warehouse")
    return warehouse.generate_network("town", "rmat", agents=300, edges=2_000, random_seed=3)


@pytest.fixture(scope="module")
def selection(town):
    return seed_selection(town, MODEL, budget=4, epsilon=0.2, replicates=300, random_seed=1)


def test_reported_reach_is_that_of_sessions_with_these_seeds(town, selection):
    for row in selection.records:
        reach = simulate(
            town, MODEL, seed_set=selection.seeds[: row["position"]], replicates=300, random_seed=1, publish=False
        ).reach
        assert row["reach"] == pytest.approx(reach.mean)
        assert row["reach_standard_error"] == pytest.approx(reach.standard_error)
    table = selection.table
    assert table["marginal_reach"].cumsum().tolist() == pytest.approx(table["reach"].tolist())
    assert (selection.reach.mean, selection.reach.replicates) == (table["reach"].iloc[-1], 300)


def test_seeds_reach_at_least_as_many_as_those_of_degree_discount(town, selection):
    others = simulate(
        town, MODEL, seed_set=DegreeDiscount(budget=4, p=0.05), replicates=5000, random_seed=9, publish=False
    )
    ours = simulate(town, MODEL, seed_set=selection.seeds, replicates=5000, random_seed=9, publish=False)
    assert ours.reach.mean >= others.reach.mean - 2 * others.reach.standard_error
    assert selection.row["guaranteed_reach"] <= ours.reach.mean + 2 * ours.reach.standard_error
    assert ours.reach.mean <= selection.row["best_reach"]
    assert "with probability 0.99" in selection.guarantee


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": "a"}, "epsilon 'a' is not between 0 and 1"),
        ({"epsilon": 0, "method": "simulation"}, "epsilon 0 is not between 0 and 1"),
        ({"epsilon": np.nan, "method": "simulation"}, "epsilon nan is not between 0 and 1"),
        ({"delta": 2, "method": "simulation"}, "delta 2 is not between 0 and 1"),
        ({"budget": np.nan, "method": "simulation"}, "budget nan is not a number of seeds"),
        ({"given": "ab"}, "given 'ab': give a list of agent ids"),
        ({"targets": "ab"}, "targets 'ab': give a list of agent ids"),
        ({"targets": {"in_degree": []}}, "in_degree has an empty list; values are 0, 1"),
        ({"targets": {"in_degree": [1, 999]}}, "no agent of network 'town' has in_degree 999; values are"),
        ({"network": "loops"}, "network 'loops' is not a network"),
    ],
)
def test_values_of_a_wrong_kind_are_refused_in_a_sentence(town, options, message):
    asked = {"network": town, "model": MODEL, "budget": 1} | options
    with pytest.raises(InvalidInputError, match=message):
        seed_selection(asked.pop("network"), asked.pop("model"), **asked)


def test_targets_may_be_a_series(town):
    ids = town.agent_ids[:3].to_pylist()
    asked = {"budget": 1, "epsilon": 0.3, "replicates": 20, "publish": False}
    first = seed_selection(town, MODEL, targets=ids, **asked)
    assert seed_selection(town, MODEL, targets=pd.Series(ids), **asked).records == first.records


def test_the_same_selection_is_published_once(town, selection):
    assert not selection.recalled
    again = seed_selection(town, MODEL, budget=4, epsilon=0.2, replicates=300, random_seed=1)
    assert again.recalled
    assert again.records == selection.records
    assert again.row == selection.row
    counts = town.warehouse.sql("SELECT count(*) AS n FROM seed_selections JOIN selected_seeds USING (selection_id)")
    assert counts["n"].tolist() == [4]


def test_given_targets_costs_and_blocked_agents(publish_prices):
    network = publish_prices
    found = seed_selection(network, IndependentCascade(probability=1.0), budget=1, given=["6"], replicates=3)
    assert found.seeds == ["6", "0"]
    assert found.table["given"].tolist() == [True, False]
    assert found.table["cost"].tolist() == [0.0, 1.0]
    only = seed_selection(
        network, IndependentCascade(probability=1.0), budget=1, targets=["8", "1"], blocked=["0"], replicates=3
    )
    assert (only.seeds, only.reach.mean, only.unit) == (["6"], 1.0, "targets") or only.seeds in (["1"], ["7"], ["8"])
    cheap = seed_selection(network, IndependentCascade(probability=1.0), budget=2.5, costs="price", replicates=3)
    assert cheap.table["cost"].sum() <= 2.5


@pytest.fixture(scope="module")
def publish_prices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prices")
    edges = [(0, a) for a in range(1, 6)] + [(6, 7), (7, 8), (8, 9)]
    agents = pa.table({"agent_id": [str(a) for a in range(10)], "price": [4.0, *[1.0] * 9]})
    warehouse = Warehouse(folder / "warehouse")
    table = pa.table({"source": [str(s) for s, _ in edges], "target": [str(t) for _, t in edges]})
    return warehouse.import_network("prices", table, agents=agents)


def test_other_models_are_reported_by_sessions(town):
    found = seed_selection(town, SIR(beta=0.05, gamma=0.5), budget=2, epsilon=0.3, replicates=50, publish=False)
    session = simulate(town, SIR(beta=0.05, gamma=0.5), seed_set=found.seeds, replicates=50, publish=False)
    assert found.reach.mean == pytest.approx(session.reach.mean)
    slow = seed_selection(
        town, FractionalThreshold(neighbours=2), budget=2, method="simulation", epsilon=0.2, replicates=3, publish=False
    )
    assert (slow.row["method"], slow.guarantee) == ("simulation", None)


def test_the_picture_shows_reach_interval_and_guarantee(selection):
    ax = selection.plot(Figure().subplots())
    mean = ax.lines[0].get_xydata()
    assert mean[0].tolist() == [0.0, 0.0]
    assert np.allclose(mean[1:], selection.table[["position", "reach"]].to_numpy(float))
    assert ax.lines[1].get_ydata()[0] == selection.row["guaranteed_reach"]
    assert ax.lines[2].get_ydata()[0] == selection.row["best_reach"]
    assert "guarantee" in selection._repr_html_()


@pytest.mark.parametrize(
    ("model", "asked", "message"),
    [
        (MODEL, {"budget": 0}, "budget 0 is not a number of seeds"),
        (MODEL, {"budget": 301}, "exceeds the"),
        (MODEL, {"budget": 1, "targets": []}, "targets is empty, so that no agent would count"),
        (MODEL, {"budget": 1, "method": "best"}, "method 'best' is unknown"),
        (MODEL, {"budget": 1, "epsilon": 2}, "epsilon 2 is not between 0 and 1"),
        (MODEL, {"budget": 1, "replicates": 0}, "replicates 0 is not a whole number"),
        (SIR(), {"budget": 1, "targets": ["1"]}, "targets and weights need a cascade or threshold model"),
    ],
)
def test_bad_requests_are_refused(town, model, asked, message):
    with pytest.raises(InvalidInputError, match=message):
        seed_selection(town, model, **asked)


def test_models_without_live_edges_are_refused_with_a_way_out(town):
    with pytest.raises(UnfitModelError, match="rumormill seeds --method simulation"):
        seed_selection(town, SIS(), budget=1)


def test_selections_are_deleted_with_their_network(tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("brief", "rmat", agents=50, edges=200)
    seed_selection(network, MODEL, budget=1, epsilon=0.4, replicates=2)
    delete(warehouse, network_deletion(warehouse, "brief"))
    assert warehouse.sql("SELECT count(*) AS n FROM seed_selections")["n"].tolist() == [0]
    again = warehouse.generate_network("brief", "rmat", agents=50, edges=200)
    assert not seed_selection(again, MODEL, budget=1, epsilon=0.4, replicates=2).recalled


def test_weights_and_costs_may_be_given_by_agent(town):
    agents = town.agent_ids.to_pylist()
    weights = {agent: float(number % 3) for number, agent in enumerate(agents)}
    options = {"budget": 3, "epsilon": 0.3, "replicates": 20}
    found = seed_selection(town, MODEL, weights=weights, **options)
    again = seed_selection(town, MODEL, weights=pd.Series(weights), **options)
    assert again.recalled
    assert (found.unit, found.row["weights"]) == ("by weight (given by agent)", "given by agent")
    alone = seed_selection(town, MODEL, weights={found.seeds[0]: 5.0}, **{**options, "budget": 1}, publish=False)
    assert (alone.seeds, alone.reach.mean) == ([found.seeds[0]], 5.0)
    cheap = seed_selection(town, MODEL, costs={"3": 1.0, "7": 2.0, "9": 9.0}, **options)
    assert set(cheap.seeds) == {"3", "7"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": {"3": -1.0}}, "weights holds -1 for agent '3'; give finite numbers >= 0"),
        ({"weights": {"3": "x"}}, "weights holds 'x', which is not a number"),
        ({"costs": {"3": 0.0}}, "costs holds 0 for agent '3'; each cost must be above 0"),
        ({"costs": {"nobody": 1.0}}, "agent 'nobody' is not in network 'town'"),
        ({"costs": 3}, "costs 3: give an agent column, or numbers by agent id"),
    ],
)
def test_numbers_by_agent_that_cannot_be_are_refused(town, options, message):
    with pytest.raises((InvalidInputError, UnknownAgentError)) as refused:
        seed_selection(town, MODEL, budget=1, **options)
    assert message in str(refused.value)
