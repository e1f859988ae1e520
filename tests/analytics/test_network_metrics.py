"""Metrics of networks in a warehouse: computed once, read afterwards, published together, drawn, and refused."""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analytics
from analytics.structure import published_metrics
from analytics.structure.metrics import METRICS, Values, chosen_metrics
from analytics.structure.network_metrics import NetworkMetrics
from analytics.structure_on_partitions import choice
from analytics.structure_on_partitions.metrics import ON_PARTITIONS
from data import Network, Warehouse
from data.errors import InsufficientMemoryError, InvalidInputError, UnknownAgentError
from data.warehouse.deletion import delete
from data.warehouse.dependents import network_deletion
from data.warehouse.maintenance import compact
from data.warehouse.tables import TABLES


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


@pytest.fixture
def town(warehouse: Warehouse) -> Network:
    return warehouse.generate_network("town", "rmat", agents=60, edges=300, random_seed=4)


def test_every_column_of_both_tables_belongs_to_one_metric():
    for table, columns in {
        "network_metrics": [name for metric in METRICS.values() for name in metric.network_columns],
        "agent_metrics": [name for metric in METRICS.values() for name in metric.agent_columns],
    }.items():
        assert sorted(columns) == sorted(set(TABLES[table].schema.names) - {"snapshot_id", "agent"})


def test_metrics_are_computed_once_and_then_read(town):
    first = analytics.metrics(town, ["pagerank", "core_number"])
    assert (first.computed, first.recalled) == (("cores", "pagerank"), ())
    publications = town.warehouse.head
    again = analytics.metrics(town, ["pagerank"])
    assert (again.computed, again.recalled) == ((), ("pagerank",))
    assert town.warehouse.head == publications
    np.testing.assert_array_equal(again["pagerank"], first["pagerank"])
    further = analytics.metrics(town)
    assert further.recalled == ("cores", "pagerank")
    assert town.warehouse.head == publications + 1
    rows = town.warehouse.sql("SELECT * FROM agent_metrics ORDER BY agent")
    assert rows["agent_id"].tolist() == town.agent_ids.to_pylist()
    for name, values in further.agent_values.items():
        np.testing.assert_array_equal(rows[name], values)
    assert town.warehouse.read("network_metrics").num_rows == 1


def test_columns_are_null_until_their_metric_is_asked_for(town):
    analytics.metrics(town, ["triangles"])
    (row,) = town.warehouse.read("network_metrics").to_pylist()
    assert row["triangles"] > 0
    assert row["modularity"] is row["node_count"] is None
    agents = town.warehouse.read("agent_metrics")
    assert agents["pagerank"].null_count == town.n_agents
    assert agents["local_clustering"].null_count == 0


def test_nothing_is_published_unless_wanted(town):
    publications = town.warehouse.head
    assert analytics.metrics(town, ["counts"], publish=False).values["node_count"] == 60
    past = town.warehouse.as_of(publications).network("town")
    assert analytics.metrics(past, ["counts"]).computed == ("counts",)
    assert town.warehouse.head == publications


def test_a_network_of_the_same_content_has_the_same_metrics(town):
    analytics.metrics(town, ["counts"])
    copy = town.warehouse.generate_network("copy", "rmat", agents=60, edges=300, random_seed=4)
    assert copy.snapshot_id == town.snapshot_id
    assert analytics.metrics(copy, ["counts"]).recalled == ("counts",)


def test_rows_of_other_snapshots_stay_in_compacted_files(town):
    warehouse = town.warehouse
    other = warehouse.generate_network("other", "rmat", agents=50, edges=200, random_seed=5)
    for network in (town, other):
        analytics.metrics(network, ["pagerank"])
    compact(warehouse)
    assert len(warehouse.files("agent_metrics")) == 1
    analytics.metrics(town, ["cores"])
    counts = warehouse.sql("SELECT count(pagerank) AS ranked, count(core_number) AS cores FROM agent_metrics")
    assert counts.iloc[0].tolist() == [110, 60]
    np.testing.assert_array_equal(
        analytics.metrics(other, ["pagerank"])["pagerank"],
        analytics.metrics(other, ["pagerank"], publish=False)["pagerank"],
    )
    assert analytics.metrics(other, ["pagerank"]).recalled == ("pagerank",)


def test_metrics_that_others_publish_at_the_same_time_are_kept(town, monkeypatch):
    together, read = threading.Barrier(2), published_metrics.read_metrics

    def read_at_once(network):
        found = read(network)
        if not found.names:
            together.wait(10)
        return found

    monkeypatch.setattr(published_metrics, "read_metrics", read_at_once)
    failures = []

    def compute(names):
        try:
            analytics.metrics(town, names)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=compute, args=[names]) for names in (["pagerank", "cores"], ["cores", "hits"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    rows = town.warehouse.read("agent_metrics")
    assert rows.num_rows == town.n_agents
    assert [rows[name].null_count for name in ("pagerank", "core_number", "hub")] == [0, 0, 0]


def test_metrics_go_with_the_last_network_of_their_content(town):
    warehouse = town.warehouse
    warehouse.generate_network("copy", "rmat", agents=60, edges=300, random_seed=4)
    analytics.metrics(town, ["pagerank"])
    delete(warehouse, network_deletion(warehouse, "town"))
    assert analytics.metrics(warehouse.network("copy"), ["pagerank"]).recalled == ("pagerank",)
    delete(warehouse, network_deletion(warehouse, "copy"))
    assert warehouse.read("agent_metrics").num_rows == warehouse.read("network_metrics").num_rows == 0
    again = warehouse.generate_network("town", "rmat", agents=60, edges=300, random_seed=4)
    assert analytics.metrics(again, ["pagerank"]).computed == ("pagerank",)


def test_agents_that_only_an_earlier_snapshot_has_do_not_count(warehouse):
    first = pd.DataFrame({"source": ["a", "a", "b", "d", "d", "d", "d"], "target": ["b", "c", "c", "a", "b", "c", "x"]})
    warehouse.import_network("n", first)
    network = warehouse.import_network("n", first[first["source"] != "d"])
    assert list(network.reserved) != []
    alone = Warehouse(warehouse.url + "-alone").import_network("n", first[first["source"] != "d"])
    ours, theirs = analytics.metrics(network), analytics.metrics(alone)
    assert ours.agents["agent_id"].tolist() == network.agent_ids.drop_null().to_pylist()
    for name in ("pagerank", "triangles", "betweenness", "hub", "core_number"):
        by_id = [dict(zip(each.agents["agent_id"], each.agents[name], strict=True)) for each in (ours, theirs)]
        assert by_id[0] == pytest.approx(by_id[1]), name
    assert ours.values["average_path_length"] == theirs.values["average_path_length"]
    assert set(ours["label"]) == set(range(ours.values["label_count"]))
    assert analytics.shortest_paths(network, "a").agents["agent_id"].tolist() == ["a", "b", "c"]


def test_shortest_paths_have_ids_and_paths(warehouse):
    edges = pd.DataFrame({"source": ["a", "a", "b"], "target": ["b", "c", "c"], "days": [1.0, 5.0, 2.0]})
    network = warehouse.import_network("days", edges)
    by_hops, by_days = analytics.shortest_paths(network, "a"), analytics.shortest_paths(network, "a", "days")
    assert (by_hops.path("c"), by_days.path("c"), by_days.path("a")) == (["a", "c"], ["a", "b", "c"], ["a"])
    assert analytics.shortest_paths(network, "c").path("a") == []
    assert by_days.agents.fillna("").to_dict("list") == {
        "agent_id": ["a", "b", "c"],
        "distance": [0.0, 1.0, 3.0],
        "previous_id": ["", "a", "b"],
    }
    assert repr(by_days) == "ShortestPaths(from 'a' to 2 agents, sums of days)"


def test_shortest_paths_refuse_unknown_agents_and_negative_lengths(warehouse):
    edges = pd.DataFrame({"source": ["a", "b"], "target": ["b", "a"], "days": [1.0, -2.0]})
    network = warehouse.import_network("days", edges)
    with pytest.raises(UnknownAgentError, match="'z' is not in network"):
        analytics.shortest_paths(network, "z")
    with pytest.raises(InvalidInputError, match="edge column 'days' of network 'days' has the value -2"):
        analytics.shortest_paths(network, "a", "days")
    with pytest.raises(InvalidInputError, match="no column 'hours'"):
        analytics.shortest_paths(network, "a", "hours")


def test_unknown_metrics_are_told_before_any_work(town):
    with pytest.raises(InvalidInputError, match=r"no metric 'pagerang' \(did you mean 'pagerank'\?\)"):
        analytics.metrics(town, ["pagerang"])
    with pytest.raises(InvalidInputError, match="no metric was named"):
        analytics.metrics(town, [])


def test_slow_metrics_of_large_networks_must_be_named(town):
    large = Network(town.warehouse, "large", "x", {"agents": 1_000_000, "edges": 10_000_000})
    assert {"communities", "betweenness"}.isdisjoint(metric.name for metric in chosen_metrics(large, None))
    assert [metric.name for metric in chosen_metrics(large, ["communities"])] == ["communities"]
    huge = Network(town.warehouse, "huge", "x", {"agents": 10_000_000, "edges": 100_000_000})
    with pytest.raises(InvalidInputError, match="Leiden runs up to 20,000,000"):
        chosen_metrics(huge, ["communities"])


def test_metrics_on_partitions_are_those_in_memory(town):
    whole = analytics.metrics(town, ON_PARTITIONS, publish=False)
    for partitions in (1, 3):
        found = analytics.metrics(town, ON_PARTITIONS, partitions=partitions, publish=False)
        assert found.values == whole.values
        assert found.computed == whole.computed == tuple(ON_PARTITIONS)
        for name, values in whole.agent_values.items():
            assert found[name].dtype == values.dtype
            np.testing.assert_allclose(found[name], values, rtol=0 if name != "pagerank" else 1e-9)


def test_networks_larger_than_memory_are_computed_on_partitions(town, monkeypatch, caplog):
    monkeypatch.setattr(choice, "BYTES_PER_EDGE", 1 << 50)
    with pytest.raises(
        InsufficientMemoryError,
        match=r"counts: need the whole .* but network 'town' is computed in \d+ partitions: about",
    ):
        analytics.metrics(town, ["counts", "cores"])
    found = analytics.metrics(town)
    assert found.computed == tuple(ON_PARTITIONS)
    assert "node_count" not in found.values
    assert "in memory: counts, degrees, hits, communities, betweenness (network 'town' is computed in " in caplog.text
    monkeypatch.undo()
    assert analytics.metrics(town).recalled == tuple(ON_PARTITIONS), "they are the same metrics"


def test_values_of_a_wrong_kind_are_refused_also_if_everything_is_read(town):
    analytics.metrics(town, ["pagerank"])
    for names, partitions, said in (
        (5, None, "metric 5 is not a name"),
        (["pagerank", 5], None, "metric 5 is not a name"),
        ("pagerank", "x", "partitions 'x' is not a whole number of at least 1"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            analytics.metrics(town, names, partitions=partitions)


def test_the_exponent_says_if_another_law_fits_better(town):
    known = {"power_law_exponent": 3.0, "lognormal_ratio": -4.0, "lognormal_p_value": 0.01, "exponential_ratio": -1.0}
    found = NetworkMetrics(town, Values({**known, "exponential_p_value": 0.6}))
    assert found.rows()[0]["text"] == "3 (no power law: lognormal fits better)"


def test_metrics_that_need_the_whole_network_are_refused_on_partitions(town):
    with pytest.raises(InvalidInputError, match=r"hits: need the whole .* in 2 partitions, as asked for; metrics"):
        analytics.metrics(town, ["hits"], partitions=2)
    with pytest.raises(InvalidInputError, match="partitions 0 is not a whole number of at least 1"):
        analytics.metrics(town, ["cores"], partitions=0)


def test_a_picture_has_a_panel_for_each_metric_that_it_can_draw(town, assert_readable):
    figure = analytics.metrics(town).plot()
    assert [ax.get_title(loc="left").split(",")[0] for ax in figure.axes][:2] == [
        "Agents by number of neighbours",
        "All pairs with a path by distance",
    ]
    assert len(figure.axes) == 4
    assert_readable(figure)
    bars = figure.axes[1].patches
    pairs = analytics.metrics(town, ["distances"]).values["pairs_by_distance"]
    assert [bar.get_height() for bar in bars] == pytest.approx([100 * n / sum(pairs) for n in pairs][: len(bars)])
    assert len(analytics.metrics(town, ["cores"]).plot().axes) == 1
    with pytest.raises(InvalidInputError, match="nothing to draw for network 'town'"):
        analytics.metrics(town, ["pagerank"]).plot()


def test_metrics_show_themselves(town):
    found = analytics.metrics(town, ["counts", "triangles"])
    assert repr(found) == "NetworkMetrics('town': counts, triangles)"
    assert found.table.loc["node_count", "value"] == 60
    html = found._repr_html_()
    assert "Structure of town" in html
    assert "<td" in html
    assert "60" in html
