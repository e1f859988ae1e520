"""What an import rejects, refuses, keeps of an earlier one, and knows a snapshot by."""

import pickle
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import CommitConflictError, EdgeListError, NetworkNotFoundError, TooManyRejectsError
from data.facade import Warehouse
from data.networks import index
from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList, LineBlock
from tests.data.publications import edges_of, new_warehouse, publish_network

MakeEdges = Callable[..., EdgeList]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def warehouse() -> Warehouse:
    return new_warehouse()


# -- rejects --------------------------------------------------------------------------------------------------------


@pytest.fixture
def messy_edges(edge_list: MakeEdges) -> EdgeList:
    """Lines 3 and 4 and from 10 on; two malformed lines, a self-loop, two duplicates."""
    malformed = pa.Table.from_pylist(
        [
            {"line": 5, "detail": "one column, two are needed", "text": "ann"},
            {"line": 6, "detail": "not a number", "text": "x" * 300},
        ],
        schema=MALFORMED_SCHEMA,
    )
    return edge_list(
        [("ann", "bob"), ("bob", "bob"), ("ann", "bob"), ("bob", "cy"), ("ann", "bob")],
        malformed=malformed,
        line_blocks=(LineBlock(0, 3), LineBlock(2, 10, np.array([10, 14, 15]))),
        description="friends.txt",
    )


def test_rejected_rows_are_kept_with_line_reason_and_ends(warehouse, messy_edges):
    network = publish_network(warehouse, messy_edges, duplicates="sum")
    found = network.rejects().astype(object)
    rejects = found.where(found.notna(), None).to_dict("records")
    assert [(r["line"], r["reason"], r["source_agent_id"], r["target_agent_id"]) for r in rejects] == [
        (4, "self_loop", "bob", "bob"),
        (5, "malformed", None, None),
        (6, "malformed", None, None),
        (10, "duplicate", "ann", "bob"),
        (15, "duplicate", "ann", "bob"),
    ]
    assert [r["detail"] for r in rejects[1:4]] == ["one column, two are needed", "not a number", "summed"]
    assert [r["text"] for r in rejects] == [None, "ann", "x" * 200, None, None]
    row = network.row
    assert (row["rows_read"], row["self_loops"], row["duplicates"], row["malformed"]) == (7, 1, 2, 2)


def test_more_rejects_than_allowed_stop_the_import(warehouse, messy_edges):
    with pytest.raises(TooManyRejectsError) as refused:
        publish_network(warehouse, messy_edges, max_rejects=4)
    assert str(refused.value) == (
        "friends.txt: 5 rows rejected (2 malformed, 1 self-loops, 2 duplicates), but at most 4 are allowed; "
        "allow more with --max-rejects"
    )
    assert warehouse.manifests() == []
    assert publish_network(warehouse, messy_edges, max_rejects=5).n_edges == 2


def test_duplicates_can_be_refused_with_their_line(warehouse, messy_edges):
    with pytest.raises(EdgeListError, match=r"friends.txt, line 10: edge ann -> bob is a duplicate"):
        publish_network(warehouse, messy_edges, duplicates="error")
    assert warehouse.manifests() == []


def test_one_line_per_direction_is_no_duplicate_of_an_undirected_edge(edge_list, warehouse):
    attributes = pa.table({"strength": [1.0, 2.0, 3.0]})
    edges = edge_list([("a", "b"), ("b", "a"), ("b", "c")], edge_attributes=attributes)
    network = publish_network(warehouse, edges, undirected=True, duplicates="error")
    both = {("a", "b"): 1.0, ("b", "a"): 2.0, ("b", "c"): 3.0, ("c", "b"): 3.0}
    assert edges_of(network, "strength") == both


def test_attributes_that_are_no_numbers_stay_those_of_the_first_row(edge_list, warehouse):
    attributes = pa.table({"kind": ["friend", "boss"], "strength": [1, 5]})
    network = publish_network(warehouse, edge_list([("a", "b")] * 2, edge_attributes=attributes), duplicates="max")
    assert edges_of(network, "kind") == {("a", "b"): "friend"}
    assert edges_of(network, "strength") == {("a", "b"): 5}


@pytest.mark.parametrize(
    ("values", "total", "largest"),
    [
        (pa.array([Decimal("0.50"), Decimal("0.25")], pa.decimal128(10, 2)), Decimal("0.75"), Decimal("0.50")),
        (pa.array([Decimal("0.50"), Decimal("0.25")], pa.decimal256(40, 2)), Decimal("0.75"), Decimal("0.50")),
        (pa.array([Decimal("0.50"), Decimal("0.25")], pa.decimal32(5, 2)), Decimal("0.75"), Decimal("0.50")),
        (pa.array([200, 100], pa.uint8()), 300, 200),
        (pa.array([2**62, 1], pa.uint64()), 2**62 + 1, 2**62),
        (pa.array(np.array([0.5, 0.25], np.float16)), 0.75, 0.5),
        (pa.array([0.5, 0.25], pa.float32()), 0.75, 0.5),
        (pa.array([5, 2], pa.int16()).dictionary_encode(), 7, 5),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_numbers_of_every_type_are_summed_and_compared(edge_list, values, total, largest):
    for policy, expected in (("sum", total), ("max", largest)):
        table = pa.table({"s": ["a", "a"], "t": ["b", "b"], "w": values})
        network = new_warehouse().import_network("n", table, strength="w", duplicates=policy)
        assert network.warehouse.read("network_edges")["w"].to_pylist() == [expected]
        assert network.edge_values("w").tolist() == [float(expected)]


def test_edges_that_a_source_calls_undirected_go_both_ways(warehouse):
    kinds = ["Undirected", "Directed", "directed", "Undirected", "Directed"]
    table = pa.table(
        {"source": ["a", "b", "b", "a", "d"], "target": ["b", "c", "a", "d", "a"], "Type": kinds, "w": [1, 2, 3, 4, 5]}
    )
    network = warehouse.import_network("n", table)
    both = {("a", "b"): 1, ("b", "a"): 3, ("b", "c"): 2, ("a", "d"): 4, ("d", "a"): 5}
    assert edges_of(network, "w") == both
    repeated = pa.table({"source": ["a", "a"], "target": ["b", "b"], "Type": ["Directed", "Undirected"]})
    assert set(edges_of(warehouse.import_network("m", repeated))) == {("a", "b"), ("b", "a")}


def test_a_symmetric_matrix_goes_both_ways(warehouse, tmp_path):
    path = tmp_path / "path.mtx"
    path.write_text("%%MatrixMarket matrix coordinate pattern symmetric\n4 4 4\n2 1\n3 2\n4 3\n4 4\n")
    network = warehouse.import_network("n", path)
    pairs = {("1", "2"), ("2", "3"), ("3", "4")}
    assert set(edges_of(network)) == pairs | {(t, s) for s, t in pairs}
    assert (network.row["rows_read"], network.row["self_loops"]) == (4, 1)


def test_what_was_guessed_is_logged_and_kept_with_the_snapshot(warehouse, tmp_path, caplog):
    path = tmp_path / "counts.txt"
    path.write_text("4 3\n1 2\n2 3\n3 4\n")
    network = warehouse.import_network("n", path)
    sentence = f"{path}: the first line '4 3' was read as an edge; if it counts agents and edges, use --header counts"
    assert network.warnings == (sentence,)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("data.networks.imports", "WARNING", sentence)
    ]
    assert warehouse.import_network("n", path).warnings == warehouse.network("n").warnings == (sentence,)
    assert warehouse.import_network("m", path, header="none").warnings == ()
    assert warehouse.import_network("k", path, header="counts").n_edges == 3


def test_agents_may_be_a_frame_a_table_or_a_file(warehouse, tmp_path):
    edges = pd.DataFrame({"source": ["kim"], "target": ["lou"]})
    (tmp_path / "agents.csv").write_text("id\nzoe\namy\n")
    frame = pd.DataFrame({"id": ["zoe", "amy"]})
    for name, agents in (("a", frame), ("b", pa.table({"id": ["zoe", "amy"]})), ("c", tmp_path / "agents.csv")):
        network = warehouse.import_network(name, edges, agents=agents)
        assert network.agent_ids.to_pylist() == ["kim", "lou", "amy", "zoe"]


# -- content --------------------------------------------------------------------------------------------------------


def test_importing_the_same_content_again_does_nothing(edge_list, warehouse):
    pairs = [(1, 2), (2, 3), (1, 3), (4, 1)]
    values = [0.1, 0.2, 0.3, 0.4]
    first = publish_network(warehouse, edge_list(pairs, edge_attributes=pa.table({"p": values})), partitions=2)
    order = [3, 1, 0, 2]
    shuffled = edge_list([pairs[i] for i in order], edge_attributes=pa.table({"p": [values[i] for i in order]}))
    again = publish_network(warehouse, shuffled, partitions=1)
    assert again == first
    assert again.row == first.row
    assert len(warehouse.manifests()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"pairs": [(1, 2), (2, 4)]},
        {"agents": [9]},
        {"edge_attributes": pa.table({"p": [0.1, 0.25]})},
        {"edge_attributes": pa.table({"q": [0.1, 0.2]})},
        {"edge_attributes": pa.table({"p": [0.1, None]})},
        {"edge_attributes": pa.table({"p": ["0.1", "0.2"]})},
        {"probability": "p"},
        {"strength": "p"},
        {"agent_attributes": pa.table({"age": [1, 2, 3]})},
    ],
    ids=["edge", "agent", "value", "name", "null", "type", "probability", "strength", "agent attribute"],
)
def test_a_snapshot_is_known_by_everything_a_run_can_depend_on(edge_list, change):
    base = {"pairs": [(1, 2), (2, 3)], "edge_attributes": pa.table({"p": [0.1, 0.2]})}
    first, same, other = (
        publish_network(new_warehouse(), edge_list(**fields)) for fields in (base, base, {**base, **change})
    )
    assert first.snapshot_id == same.snapshot_id != other.snapshot_id


def test_text_that_moves_between_cells_is_other_content(edge_list):
    kinds = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]]
    lists = [edge_list([(1, 2), (1, 3)], edge_attributes=pa.table({"kind": kind})) for kind in kinds]
    assert len({publish_network(new_warehouse(), edges).snapshot_id for edges in lists}) == len(kinds)


def test_the_same_content_under_another_name_is_the_same_snapshot(edge_list, warehouse):
    first = publish_network(warehouse, edge_list([(1, 2)]))
    other = publish_network(warehouse, edge_list([(1, 2)]), name="others")
    assert first.snapshot_id == other.snapshot_id
    assert [m.keys[0] for m in warehouse.manifests()] == [first.key, other.key]
    with pytest.raises(NetworkNotFoundError, match=r"networks there: friends, others"):
        warehouse.network("strangers")


def test_a_network_travels_to_other_processes(edge_list, tmp_path):
    warehouse = Warehouse(tmp_path / "warehouse")
    network = publish_network(warehouse, edge_list([(1, 2), (2, 3)]))
    other = pickle.loads(pickle.dumps(network))
    assert other.sparse_rows.targets.tolist() == network.sparse_rows.targets.tolist()
    assert repr(other) == "Network('friends', agents=3, edges=2)"


def test_an_import_that_another_overtook_is_told_to_run_again(edge_list, warehouse, monkeypatch):
    publish_network(warehouse, edge_list([(1, 2)]))
    overtaken = index.snapshots(warehouse, "friends")
    publish_network(warehouse, edge_list([(1, 2), (2, 3)]))
    monkeypatch.setattr(index, "snapshots", lambda *_: overtaken)
    with pytest.raises(CommitConflictError, match="run again"):
        publish_network(warehouse, edge_list([(1, 2), (2, 4)]))
    monkeypatch.undo()
    assert warehouse.network("friends").n_agents == 3


@pytest.mark.parametrize("name", ["src", "dst", "snapshot_id", "source_agent_id"])
def test_a_column_named_as_one_of_ours_is_refused(edge_list, name):
    with pytest.raises(EdgeListError, match=f"'{name}' has the name of a column of network_edges; rename it"):
        publish_network(new_warehouse(), edge_list([(1, 2)], edge_attributes=pa.table({name: [1]})))


def test_merged_attributes_pass_over_nulls(edge_list):
    edges = edge_list([(1, 2), (1, 2), (1, 3)], edge_attributes=pa.table({"w": pa.array([None, 4, 5], pa.int64())}))
    for policy in ("sum", "max"):
        network = publish_network(new_warehouse(), edges, duplicates=policy)
        assert sorted(network.edges.compute()["w"].tolist()) == [4, 5]
