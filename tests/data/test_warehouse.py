"""The publish protocol, on every storage: what becomes visible and when, further columns, scans, places."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import AlreadyPublishedError, CorruptFileError, NetworkNotFoundError, TableNotFoundError
from data.facade import Warehouse
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import Column
from tests.data.publications import activations, cascades, path_of, publish, published_sessions, reach

# -- publications ---------------------------------------------------------------------------------------------------


def test_a_new_warehouse_has_every_table_with_no_rows(warehouse: Warehouse):
    assert warehouse.manifests() == []
    for name, table in TABLES.items():
        assert warehouse.read(name).schema.equals(table.schema)
        assert warehouse.read(name).num_rows == 0
        assert warehouse.files(name) == []


def test_what_is_not_committed_is_never_read(warehouse: Warehouse):
    publish(warehouse, "a")
    warehouse.stage("cascades", cascades("b", 5))
    for reader in (warehouse, Warehouse(warehouse.url)):
        assert published_sessions(reader) == ["a"]
        assert len(reader.scan("cascades")) == 3
        assert reader.find("session/b") is None
        assert reader.verify() == []


def test_a_commit_makes_all_tables_of_a_publication_visible_at_once(warehouse: Warehouse):
    reader = Warehouse(warehouse.url)
    files = [
        warehouse.stage("cascades", cascades("a", 4)),
        warehouse.stage("reach", reach("a", 2)),
        warehouse.stage("activations", activations("a", [None, 0])),
    ]
    tables = ["cascades", "reach", "activations"]
    assert [reader.read(table).num_rows for table in tables] == [0, 0, 0]
    warehouse.commit("sessions", ["session/a"], files, specification_hash="abc", properties={"plan": "broadcast"})
    assert [reader.read(table).num_rows for table in tables] == [4, 2, 2]
    manifest = reader.find("session/a")
    assert manifest is not None
    assert (manifest.kind, manifest.keys) == ("sessions", ("session/a",))
    assert (manifest.specification_hash, manifest.properties) == ("abc", {"plan": "broadcast"})


def test_rows_come_back_as_they_were_published(warehouse: Warehouse):
    rows = activations("a", [None, 0, 0, 1])
    warehouse.commit("sessions", ["session/a"], [warehouse.stage("activations", rows)])
    schema = TABLES["activations"].schema
    assert warehouse.read("activations").equals(rows.cast(schema))
    two = warehouse.read("activations", columns=["agent", "infector"])
    assert two.to_pydict() == {"agent": [0, 1, 2, 3], "infector": [None, 0, 0, 1]}


def test_manifests_are_numbered_from_one_and_each_names_the_one_before_it(warehouse: Warehouse):
    returned = [publish(warehouse, session) for session in "abc"]
    manifests = Warehouse(warehouse.url).manifests()
    assert manifests == returned == warehouse.manifests()
    assert [manifest.number for manifest in manifests] == [1, 2, 3]
    assert [manifest.parent for manifest in manifests] == [None, manifests[0].checksum, manifests[1].checksum]


def test_only_what_was_published_with_the_keys_asked_for_is_read_in_the_order_of_publication(warehouse: Warehouse):
    for session in "abc":
        publish(warehouse, session, replicates=2)
    chosen = warehouse.read("cascades", keys=["session/c", "session/nothing", "session/a"])
    assert chosen["session_id"].to_pylist() == ["a", "a", "c", "c"]
    assert warehouse.read("cascades", keys=[]).num_rows == 0


def test_a_warehouse_that_had_listed_before_sees_a_later_publication(
    warehouse: Warehouse, forget_filesystems: Callable[[], None]
):
    forget_filesystems()
    reader = Warehouse(warehouse.url)
    assert reader.manifests() == []
    for session in "abc":
        publish(warehouse, session)
        assert published_sessions(reader)[-1] == session
        assert reader.find(f"session/{session}") is not None


def test_a_key_is_published_once(warehouse: Warehouse):
    publish(warehouse, "a")
    for writer in (warehouse, Warehouse(warehouse.url)):
        with pytest.raises(AlreadyPublishedError, match="session/a is already in warehouse"):
            publish(writer, "a")
    assert warehouse.read("cascades").num_rows == 3
    assert len(warehouse.manifests()) == 1


def test_a_publication_of_several_keys_is_refused_if_one_of_them_is_there(warehouse: Warehouse):
    publish(warehouse, "a")
    with pytest.raises(AlreadyPublishedError, match="session/a"):
        warehouse.commit("sessions", ["session/b", "session/a"], [warehouse.stage("cascades", cascades("b", 1))])
    assert warehouse.find("session/b") is None


def test_a_staged_file_that_is_gone_is_not_published(local: Warehouse):
    file = local.stage("cascades", cascades("a", 1))
    path_of(local, file).unlink()
    with pytest.raises(CorruptFileError, match="nothing was published: run again"):
        local.commit("sessions", ["session/a"], [file])
    assert local.manifests() == []


def test_a_staging_block_that_fails_leaves_no_file(local: Warehouse):
    def fail() -> None:
        with local.staging("cascades") as staged:
            staged.write(cascades("a", 3))
            raise RuntimeError("the worker died")

    with pytest.raises(RuntimeError, match="the worker died"):
        fail()
    assert list((Path(local.url) / "tables/cascades").iterdir()) == []


def test_several_writes_into_one_staged_file_are_one_file(warehouse: Warehouse):
    with warehouse.staging("cascades", division=(0, 9)) as staged:
        for session in "abc":
            staged.write(cascades(session, 2))
    manifest = warehouse.commit("sessions", ["session/abc"], [staged.file])
    (file,) = manifest.files
    assert (file.rows, file.division) == (6, (0, 9))
    assert warehouse.read("cascades")["session_id"].to_pylist() == ["a", "a", "b", "b", "c", "c"]


def test_records_are_published_with_the_specified_types(warehouse: Warehouse):
    message = dict.fromkeys(TABLES["messages"].schema.names, "x") | {"message_id": "m", "sender_id": None}
    warehouse.commit("messages", ["message/m"], [warehouse.stage_records("messages", [message])])
    assert warehouse.read("messages").to_pylist() == [message]
    assert warehouse.read("messages").schema.equals(TABLES["messages"].schema)


def test_a_table_that_is_not_specified_is_refused(warehouse: Warehouse):
    with pytest.raises(TableNotFoundError, match="tables are networks, network_agents"):
        warehouse.read("rumours")
    with pytest.raises(TableNotFoundError):
        warehouse.stage("rumours", cascades("a", 1))


def test_an_unknown_network_is_told_with_those_there_are(warehouse: Warehouse):
    with pytest.raises(NetworkNotFoundError, match=r"no network 'friends' .*\(networks there: none yet\)"):
        warehouse.network("friends")


def test_a_warehouse_travels_to_other_processes_by_its_place(warehouse: Warehouse):
    publish(warehouse, "a")
    assert published_sessions(pickle.loads(pickle.dumps(warehouse))) == ["a"]


# -- further columns ------------------------------------------------------------------------------------------------


def edges(snapshot: str, src: list[int], dst: list[int], **attributes: Any) -> pa.Table:
    ends = {"src": pa.array(src, pa.int32()), "dst": pa.array(dst, pa.int32())}
    return pa.table({"snapshot_id": [snapshot] * len(src), **ends, **attributes})


@pytest.fixture
def two_networks(warehouse: Warehouse) -> Warehouse:
    weighted = edges("s1", [0, 1], [1, 0], probability=[0.5, 0.25], meetings=pa.array([3, 4], pa.int64()))
    named = edges("s2", [0], [2], kind=["friend"])
    warehouse.commit("network", ["network/1"], [warehouse.stage("network_edges", weighted)], specification_hash="s1")
    warehouse.commit("network", ["network/2"], [warehouse.stage("network_edges", named)], specification_hash="s2")
    return warehouse


def test_open_tables_keep_further_columns(two_networks: Warehouse):
    rows = two_networks.read("network_edges").to_pydict()
    assert rows["probability"] == [0.5, 0.25, None]
    assert rows["kind"] == [None, None, "friend"]
    first = two_networks.read("network_edges", keys=["network/1"])
    assert first.column_names == ["snapshot_id", "src", "dst", "probability", "meetings"]


def test_closed_tables_leave_further_columns_out(warehouse: Warehouse):
    rows = cascades("a", 2).append_column("mood", pa.array(["good", "bad"]))
    warehouse.commit("sessions", ["session/a"], [warehouse.stage("cascades", rows)])
    assert warehouse.read("cascades").column_names == TABLES["cascades"].schema.names


def test_a_scan_of_an_open_table_has_the_further_columns_in_every_partition(two_networks: Warehouse):
    frame = two_networks.scan("network_edges")
    assert list(frame.columns) == ["snapshot_id", "src", "dst", "probability", "meetings", "kind"]
    assert frame.dtypes["meetings"] == pd.Int64Dtype()
    rows = frame.compute()
    assert rows.dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()
    assert rows["meetings"].tolist() == [3, 4, pd.NA]
    assert rows["kind"].dropna().tolist() == ["friend"]
    assert two_networks.scan("network_edges", columns=["src", "probability"])["probability"].sum().compute() == 0.75


# -- scans ----------------------------------------------------------------------------------------------------------


def test_a_scan_is_lazy_with_one_partition_a_file(warehouse: Warehouse):
    for session in "abc":
        publish(warehouse, session, replicates=2)
    frame = warehouse.scan("cascades", columns=["session_id", "size"])
    assert isinstance(frame, dd.DataFrame)
    assert frame.npartitions == 3
    assert frame["size"].sum().compute() == 9
    assert len(warehouse.scan("cascades", keys=["session/b"])) == 2


def dask_dtype(column: Column) -> str:
    """The dtype a column has in a Dask DataFrame, whether or not there are rows or nulls."""
    if pa.types.is_dictionary(column.type):
        return "category"
    if pa.types.is_timestamp(column.type):
        return "datetime64[us, UTC]"
    if pa.types.is_list(column.type):
        return f"list<element: {column.type.value_type}>[pyarrow]"
    plain = {"double": "float64", "bool": "bool"}.get(str(column.type), str(column.type))
    return plain.capitalize() if column.nullable and pa.types.is_integer(column.type) else plain


@pytest.mark.parametrize("table", TABLES)
def test_a_scan_of_an_empty_table_has_the_specified_columns_and_types(local: Warehouse, table: str):
    expected = {column.name: dask_dtype(column) for column in TABLES[table].columns}
    frame = local.scan(table)
    assert frame.dtypes.astype(str).to_dict() == expected
    assert len(frame.compute()) == 0
    assert frame.compute().dtypes.astype(str).to_dict() == expected


def test_a_scan_keeps_integers_integers_whether_or_not_some_are_null(warehouse: Warehouse):
    files = [
        warehouse.stage("activations", activations("a", infectors))
        for infectors in ([None, 0, 1], [0, 1], [None, None])
    ]
    warehouse.commit("sessions", ["session/a"], files)
    frame = warehouse.scan("activations")
    declared = frame.dtypes.astype(str).to_dict()
    assert declared["infector"] == "Int32"
    for number in range(frame.npartitions):
        assert frame.partitions[number].compute().dtypes.astype(str).to_dict() == declared
    assert frame.compute()["infector"].tolist() == [pd.NA, 0, 1, 0, 1, pd.NA, pd.NA]


def test_a_scan_keeps_lists_lists(local: Warehouse):
    row = {"network_id": "friends", "edge_attributes": ["strength", "kind"], "agent_attributes": []}
    for column in TABLES["networks"].columns:
        if column.name not in row and not column.nullable:
            number = pa.types.is_integer(column.type)
            row[column.name] = pd.Timestamp(0, tz="UTC") if column.name == "created_at" else 1 if number else "x"
    local.commit("network", ["network/friends"], [local.stage_records("networks", [row])])
    rows = local.scan("networks").compute()
    assert list(rows["edge_attributes"].iloc[0]) == ["strength", "kind"]
    assert list(rows["agent_attributes"].iloc[0]) == []


# -- places ---------------------------------------------------------------------------------------------------------


def test_derived_files_are_written_over_and_are_in_no_table(warehouse: Warehouse):
    warehouse.replace_derived("bootstrap.sql", "SELECT 1")
    location = warehouse.replace_derived("bootstrap.sql", "SELECT 2")
    assert location == f"{warehouse.url}/bootstrap.sql"
    assert warehouse._storage.read("bootstrap.sql") == b"SELECT 2"
    assert warehouse.manifests() == []


def test_caches_lie_in_a_local_warehouse_unless_the_environment_says_otherwise(
    local: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.delenv("RUMORMILL_CACHE", raising=False)
    assert local.cache_folder == Path(local.url) / "cache"
    assert local.cache_folder != Warehouse("memory://somewhere").cache_folder
    monkeypatch.setenv("RUMORMILL_CACHE", str(tmp_path / "cache"))
    assert local.cache_folder == tmp_path / "cache"
