"""A name means its last import: which snapshot is current, and what becomes of ids that only others have."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from data.errors import UnknownAgentError
from data.facade import Warehouse
from data.networks import index
from data.networks import network as snapshots_of
from data.networks.edge_lists import ImportOptions
from data.networks.imports import publish_edges
from data.networks.network import Network
from data.warehouse.catalogue import query
from data.warehouse.tables import TABLES
from propagation.seeding import DegreeDiscount, RandomSeeds, TopOutDegree
from tests.data.publications import edges_of, new_warehouse, publish_network, rows

pytestmark = pytest.mark.usefixtures("cache")
A = pa.table({"s": ["a", "b"], "t": ["b", "c"]})
B = pa.table({"s": ["a", "b", "c"], "t": ["b", "c", "a"]})
HUBS = pa.table({"s": ["x", "x", "x", "y", "y", "a"], "t": ["a", "b", "y", "a", "x", "z"]})
"""Dense ids: x 0, a 1, y 2, b 3, z 4."""


@pytest.fixture
def warehouse() -> Warehouse:
    return new_warehouse()


def test_importing_a_b_and_a_again_gives_a(warehouse: Warehouse) -> None:
    first, second = warehouse.import_network("n", A), warehouse.import_network("n", B)
    assert warehouse.network("n") == second
    again = warehouse.import_network("n", A)
    assert again == first == warehouse.network("n") == Warehouse(warehouse.url).network("n")
    assert edges_of(again) == {("a", "b"): None, ("b", "c"): None}
    assert [file.table for file in warehouse.manifests()[-1].files] == ["current_networks"]
    warehouse.import_network("n", A)
    assert len(warehouse.manifests()) == 3
    assert warehouse.import_network("n", B) == second == warehouse.network("n")
    assert [found.snapshot_id for found in index.snapshots(warehouse, "n")] == [first.snapshot_id, second.snapshot_id]
    assert rows(warehouse, "SELECT count(*) FROM networks") == [(2,)]


def test_files_and_generators_become_current_again_without_being_read(warehouse: Warehouse, tmp_path: Path) -> None:
    for name, text in (("a.txt", "a b\nb c\n"), ("b.txt", "a b\nb c\nc a\n")):
        (tmp_path / name).write_text(text)
    first = warehouse.import_network("n", tmp_path / "a.txt")
    ring = warehouse.generate_network("n", "erdos_renyi", agents=9, edges=12)
    warehouse.import_network("n", tmp_path / "b.txt")
    heard: list[str] = []
    again = warehouse.import_network("n", tmp_path / "a.txt", progress=lambda *report: heard.append(report[0]))
    assert (again == first == warehouse.network("n"), heard) == (True, [])
    same = warehouse.generate_network("n", "erdos_renyi", agents=9, edges=12)
    assert same == ring == warehouse.network("n")


def test_what_decides_the_format_decides_whether_a_source_is_known(warehouse: Warehouse, tmp_path: Path) -> None:
    for name in ("same.txt", "same.graph"):
        (tmp_path / name).write_text("3 3\n2 3\n1 3\n1 2\n")
    metis = warehouse.import_network("n", tmp_path / "same.graph")
    text = warehouse.import_network("n", tmp_path / "same.txt")
    assert (metis.n_edges, text.n_edges) == (6, 3)
    assert warehouse.network("n") == text
    assert warehouse.import_network("n", tmp_path / "same.graph") == metis == warehouse.network("n")


def test_an_earlier_readers_reading_is_not_taken_for_todays(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "e.csv").write_text("follower,followee\nkim,lou\n")
    with monkeypatch.context() as before:
        before.setattr("data.networks.imports.READERS", 1)
        before.setattr("data.readers.headers.is_endpoint_name", lambda _: False)
        assert warehouse.import_network("n", tmp_path / "e.csv").n_edges == 2
    assert warehouse.import_network("n", tmp_path / "e.csv").n_edges == 1


def test_agents_that_only_an_earlier_import_knew_are_no_agents(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("chief,report\nkim,lou\nlou,max\n")
    wrong = warehouse.import_network("n", tmp_path / "e.csv", header="none")
    right = warehouse.import_network("n", tmp_path / "e.csv", header="names")
    assert (wrong.n_agents, right.n_agents, right.row["agents"]) == (5, 3, 3)
    assert wrong.dense_ids(["lou", "kim", "max"]).tolist() == right.dense_ids(["lou", "kim", "max"]).tolist()
    with pytest.raises(
        UnknownAgentError, match=r"agent 'chief' is not in network 'n' of 3 agents; ids there look like"
    ):
        right.dense_ids(["kim", "chief"])
    asked = rows(
        warehouse, f"SELECT agent_id FROM network_agents WHERE snapshot_id = '{right.snapshot_id}' ORDER BY agent_id"
    )
    assert asked == [("kim",), ("lou",), ("max",)]


def gap(warehouse: Warehouse) -> Network:
    """A network whose dense ids 0, 2 and 4 are reserved: agents a, b, c and d, and edges d -> c -> a -> b."""
    warehouse.import_network("n", HUBS)
    ages = pa.table({"id": ["a", "b", "c", "d"], "age": [1.5, 2.0, None, 4.0]})
    edges = pa.table({"s": ["c", "d", "a"], "t": ["a", "c", "b"], "w": [1, 2, 3]})
    return warehouse.import_network("n", edges, agents=ages)


def test_reserved_ids_are_gaps_in_arrays_and_nowhere_else(warehouse: Warehouse) -> None:
    network = gap(warehouse)
    assert (network.n_agents, network.n_ids, network.row["id_range"]) == (4, 7, 7)
    assert network.agent_ids.to_pylist() == [None, "a", None, "b", None, "c", "d"]
    assert (network.reserved.tolist(), network.dense_agents.tolist()) == ([0, 2, 4], [1, 3, 5, 6])
    assert network.sparse_rows.offsets.tolist() == [0, 0, 1, 1, 1, 1, 2, 3]
    assert network.sparse_rows.targets.tolist() == [3, 1, 5]
    assert network.in_degree.tolist() == [0, 1, 0, 1, 0, 1, 0]
    np.testing.assert_array_equal(network.agent_values("age"), [np.nan, 1.5, np.nan, 2.0, np.nan, np.nan, 4.0])
    assert network.edge_values("w").tolist() == [3.0, 1.0, 2.0]
    assert network.divisions == (0, 6)
    agents = network.agents.compute(scheduler="sync")
    assert agents["agent_id"].to_dict() == {1: "a", 3: "b", 5: "c", 6: "d"}
    joined = network.edges.join(network.agents[["agent_id"]]).compute(scheduler="sync")
    assert joined["agent_id"].tolist() == ["a", "c", "d"]
    assert rows(warehouse, "SELECT agents, id_range FROM networks ORDER BY created_at") == [(5, None), (4, 7)]
    pairs = query(warehouse, "SELECT source_agent_id, target_agent_id FROM network_edges WHERE w = 2").to_pylist()
    assert pairs == [{"source_agent_id": "d", "target_agent_id": "c"}]


def test_ids_are_found_beside_gaps_however_they_are_looked_up(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = gap(warehouse)
    for _ in range(snapshots_of.CALLS_WITHOUT_ORDER + 2):
        assert network.dense_ids(["d", "a", "c", "b"]).tolist() == [6, 1, 5, 3]
        with pytest.raises(UnknownAgentError, match="'x', 'y', 'z' is not in network 'n' of 4 agents"):
            network.dense_ids(["x", "a", "y", "z"])
    monkeypatch.setattr(snapshots_of, "AGENT_IDS_HELD", 3)
    mapped = warehouse.network("n")
    assert mapped.agent_ids.to_pylist() == network.agent_ids.to_pylist()
    assert mapped.dense_ids(["d", "a"]).tolist() == [6, 1]


def test_partitions_do_not_change_a_network_with_gaps(warehouse: Warehouse) -> None:
    one = gap(warehouse)
    other = new_warehouse()
    other.import_network("n", HUBS)
    edges = pa.table({"s": ["c", "d", "a"], "t": ["a", "c", "b"], "w": [1, 2, 3]})
    ages = pa.table({"id": ["a", "b", "c", "d"], "age": [1.5, 2.0, None, 4.0]})
    many = other.import_network("n", edges, agents=ages, partitions=3)
    assert (many.snapshot_id, many.row["partitions"]) == (one.snapshot_id, 3)
    assert many.agent_ids.to_pylist() == one.agent_ids.to_pylist()
    assert many.sparse_rows.offsets.tolist() == one.sparse_rows.offsets.tolist()
    assert many.agents.compute(scheduler="sync").equals(one.agents.compute(scheduler="sync"))


def test_seeds_are_agents(warehouse: Warehouse) -> None:
    network = gap(warehouse)
    drawn = {int(seed) for number in range(60) for seed in RandomSeeds(budget=1).choose(network, number)}
    assert drawn == {1, 3, 5, 6}
    for strategy in (RandomSeeds(budget=4), TopOutDegree(budget=4), DegreeDiscount(budget=4)):
        assert sorted(strategy.choose(network, 0).tolist()) == [1, 3, 5, 6]
    with pytest.raises(ValueError, match="seed budget 5 exceeds the 4 agents"):
        TopOutDegree(budget=5).choose(network, 0)


def test_numbering_goes_on_from_all_ids_that_the_name_has_known(warehouse: Warehouse) -> None:
    warehouse.import_network("n", HUBS)
    warehouse.import_network("n", pa.table({"s": ["a"], "t": ["b"]}))
    third = warehouse.import_network("n", pa.table({"s": ["q", "q", "y"], "t": ["y", "b", "b"]}))
    assert third.agent_ids.to_pylist() == [None, None, "y", "b", None, "q"]
    assert third.row["parent_snapshot_id"] == index.snapshots(warehouse, "n")[1].snapshot_id
    warehouse.import_network("n", HUBS)
    fourth = warehouse.import_network("n", pa.table({"s": ["r"], "t": ["q"]}))
    assert fourth.agent_ids.to_pylist() == [None] * 5 + ["q", "r"]
    assert fourth.row["parent_snapshot_id"] == third.snapshot_id


def test_reserved_ids_at_the_end_are_no_part_of_a_snapshot(warehouse: Warehouse) -> None:
    small = warehouse.import_network("n", pa.table({"s": ["a"], "t": ["b"]}))
    warehouse.import_network("n", pa.table({"s": ["a", "c"], "t": ["c", "d"]}))
    again = warehouse.import_network("n", pa.table({"s": ["a"], "t": ["b"]}))
    assert (again, again.n_ids, again.row["id_range"]) == (small, 2, None)


def test_snapshots_without_gaps_have_the_ids_they_always_had() -> None:
    edges = pa.table(
        {
            "s": ["ann", "bob", "cy", "ann"],
            "t": ["bob", "cy", "ann", "cy"],
            "w": [0.5, 0.25, 1.0, 2.0],
            "k": [*"xy", None, "x"],
        }
    )
    agents = pa.table({"id": ["ann", "zoe"], "age": [30, None]})
    warehouse = new_warehouse()
    first = warehouse.import_network("n", edges, strength="w", agents=agents)
    assert first.snapshot_id == "33b19f90f9ce1ee913754b1b01205322"
    made = [warehouse.generate_network(name, name, agents=50, edges=100) for name in ("erdos_renyi", "rmat")]
    assert [network.snapshot_id for network in made] == [
        "7320de6eaa9042feb62ee91669cf1b04",
        "8c640464b1932c0e6de82743fc11dedb",
    ]


def test_networks_of_older_warehouses_are_read_beside_new_ones(
    edge_list, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = TABLES["networks"]
    older = type(new)(
        new.name, new.grain, new.key, tuple(c for c in new.columns if c.name not in {"warnings", "id_range"})
    )
    with monkeypatch.context() as before:
        specifications = {**TABLES, "networks": older}
        before.setattr("data.warehouse.store.table_specification", specifications.__getitem__)
        old = publish_edges(warehouse, "old", edge_list([("a", "b")], ["lonely"]), ImportOptions(), {})
    assert warehouse.read("networks")["id_range"].to_pylist() == [None]
    found = warehouse.network("old")
    assert (found, found.n_ids, found.warnings, found.reserved.tolist()) == (old, 3, (), [])
    publish_network(warehouse, edge_list([("b", "c")]), name="old")
    assert warehouse.read("networks")["id_range"].to_pylist() == [None, 4]
    assert rows(warehouse, "SELECT network_id, agents, id_range, warnings FROM networks ORDER BY agents DESC") == [
        ("old", 3, None, None),
        ("old", 2, 4, []),
    ]
    assert warehouse.network("old").agent_ids.to_pylist() == [None, "b", None, "c"]


def test_names_come_in_the_order_of_their_first_imports(warehouse: Warehouse) -> None:
    assert (index.names(warehouse), index.current(warehouse, "n"), index.snapshots(warehouse, "n")) == ([], None, [])
    for name in ("n", "m.x", "n-2", "n"):
        warehouse.import_network(name, A)
    assert index.names(warehouse) == ["n", "m.x", "n-2"]
    snapshot_id = warehouse.network("n").snapshot_id
    found = index.snapshot(warehouse, "m.x", snapshot_id)
    assert found is not None
    assert found.network_id == "m.x"
    assert index.snapshot(warehouse, "m.x", "0" * 32) is None
    anywhere = index.with_content(warehouse, snapshot_id)
    assert anywhere is not None
    assert anywhere.network_id == "n"


def test_two_processes_may_make_snapshots_current_at_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = warehouse.import_network("n", A), warehouse.import_network("n", B)
    other, commit = Warehouse(warehouse.url), warehouse.commit

    def overtaken(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(warehouse, "commit", commit)
        index.make_current(other, first)
        index.make_current(other, second)
        return commit(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(warehouse, "commit", overtaken)
    index.make_current(warehouse, first)
    assert warehouse.network("n") == other.network("n") == first
    assert rows(warehouse, "FROM current_networks") == [("n", first.snapshot_id)]
