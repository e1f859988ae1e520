"""The publish protocol, on every storage, against other threads and processes, crashes and damage."""

import pickle
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import (
    AlreadyPublishedError,
    CommitConflictError,
    CorruptFileError,
    NetworkNotFoundError,
    TableNotFoundError,
    WarehouseNotWritableError,
)
from data.manifests import DataFile, Manifest
from data.schemas import TABLES, Column
from data.warehouse import Warehouse


@pytest.fixture
def warehouse(place: str) -> Warehouse:
    return Warehouse(place)


@pytest.fixture
def local(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse")


def cascades(session: str, replicates: int) -> pa.Table:
    """Rows of the table `cascades`."""
    return pa.table(
        {
            "session_id": [session] * replicates,
            "replicate": pa.array(range(replicates), pa.int32()),
            "size": pa.array(range(1, replicates + 1), pa.int64()),
            "depth": pa.array([1] * replicates, pa.int32()),
            "rounds": pa.array([2] * replicates, pa.int32()),
            "peak_round": pa.array([0] * replicates, pa.int32()),
            "truncated": [False] * replicates,
        }
    )


def reach(session: str, agents: int) -> pa.Table:
    """Rows of the table `reach`."""
    return pa.table(
        {
            "session_id": [session] * agents,
            "agent": pa.array(range(agents), pa.int32()),
            "times_reached": pa.array([1] * agents, pa.int64()),
            "probability": [0.5] * agents,
            "mean_round": [1.0] * agents,
        }
    )


def activations(session: str, infectors: list[int | None]) -> pa.Table:
    """Rows of the table `activations`."""
    return pa.table(
        {
            "session_id": [session] * len(infectors),
            "replicate": pa.array([0] * len(infectors), pa.int32()),
            "agent": pa.array(range(len(infectors)), pa.int32()),
            "round": pa.array(range(len(infectors)), pa.int32()),
            "infector": pa.array(infectors, pa.int32()),
            "occasion": pa.array([1] * len(infectors), pa.int32()),
        }
    )


def publish(warehouse: Warehouse, session: str, replicates: int = 3) -> Manifest:
    """Publish one session with cascades and reach."""
    files = [
        warehouse.stage("cascades", cascades(session, replicates)),
        warehouse.stage("reach", reach(session, replicates)),
    ]
    return warehouse.commit("sessions", [f"session/{session}"], files)


def published_sessions(warehouse: Warehouse, table: str = "cascades") -> list[str]:
    return sorted(set(warehouse.read(table)["session_id"].to_pylist()))


def path_of(warehouse: Warehouse, file: DataFile) -> Path:
    return Path(warehouse.location(file))


def manifest_path(warehouse: Warehouse, number: int) -> Path:
    return Path(warehouse.url) / "manifests" / f"{number:012d}.json"


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
    warehouse.commit("network", ["network/1"], [warehouse.stage("network_edges", weighted)])
    warehouse.commit("network", ["network/2"], [warehouse.stage("network_edges", named)])
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
        return "list<element: string>[pyarrow]"
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


# -- several writers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [True, False], ids=["one object", "an object each"])
def test_two_threads_publish_all_their_publications_once(place: str, shared: bool):
    one = Warehouse(place)
    failures: list[Exception] = []

    def work(writer: int) -> None:
        warehouse = one if shared else Warehouse(place)
        try:
            for number in range(6):
                publish(warehouse, f"{writer}-{number}", replicates=1)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    reader = Warehouse(place)
    assert [manifest.number for manifest in reader.manifests()] == list(range(1, 13))
    expected = sorted(f"{writer}-{number}" for writer in range(2) for number in range(6))
    assert sorted(reader.read("cascades")["session_id"].to_pylist()) == expected
    assert reader.verify() == []


EIGHT_PROCESSES = """
import multiprocessing, os, sys
from data.errors import AlreadyPublishedError
from data.warehouse import Warehouse

def work(url, task, writer, together):
    warehouse = Warehouse(url)
    warehouse.manifests()
    together.wait()
    for number in range(10):
        name = f"{writer}-{number}" if task == "different" else f"same-{number}"
        message = dict.fromkeys(["name", "sender_id", "content", "message_type", "properties"], "x")
        file = warehouse.stage_records("messages", [{"message_id": name, **message, "name": str(writer)}])
        try:
            warehouse.commit("messages", [name], [file])
        except AlreadyPublishedError:
            outcome = "lost"
        else:
            outcome = "won"
        os.write(1, f"{outcome} {name}\\n".encode())  # one write a line: eight processes share the pipe

context = multiprocessing.get_context("fork")
together = context.Barrier(8)
workers = [context.Process(target=work, args=(*sys.argv[1:], number, together)) for number in range(8)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
sys.exit(any(worker.exitcode for worker in workers))
"""


def run_eight_processes(warehouse: Warehouse, task: str) -> Counter[str]:
    command = [sys.executable, "-c", EIGHT_PROCESSES, warehouse.url, task]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return Counter(run.stdout.splitlines())


def test_eight_processes_publish_eighty_publications_each_exactly_once(local: Warehouse):
    outcomes = run_eight_processes(local, "different")
    names = sorted(f"{writer}-{number}" for writer in range(8) for number in range(10))
    assert outcomes == Counter(f"won {name}" for name in names)
    assert [manifest.number for manifest in local.manifests()] == list(range(1, 81))
    assert sorted(local.read("messages")["message_id"].to_pylist()) == names
    assert local.verify() == []
    assert not [entry for entry in (Path(local.url) / "manifests").iterdir() if entry.name.startswith(".")]


def test_of_eight_processes_that_publish_the_same_key_one_wins(local: Warehouse):
    outcomes = run_eight_processes(local, "same")
    for number in range(10):
        assert outcomes[f"won same-{number}"] == 1
        assert outcomes[f"lost same-{number}"] == 7
    assert local.read("messages")["message_id"].to_pylist() == [f"same-{number}" for number in range(10)]
    assert len(local.manifests()) == 10


def test_a_writer_that_always_loses_says_so(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    def refuse(path: str, content: bytes) -> None:
        raise FileExistsError(path)

    monkeypatch.setattr(local._storage, "create", refuse)
    monkeypatch.setattr("data.warehouse.time.sleep", lambda seconds: None)
    with pytest.raises(CommitConflictError, match="run again"):
        publish(local, "a")


def test_a_commit_whose_answer_was_lost_is_recognised_when_the_client_tries_again(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    create = warehouse._storage.create

    def create_twice(path: str, content: bytes) -> None:
        create(path, content)
        create(path, content)

    monkeypatch.setattr(warehouse._storage, "create", create_twice)
    file = warehouse.stage("cascades", cascades("a", 3))
    assert warehouse.commit("sessions", ["session/a"], [file]).number == 1
    assert len(Warehouse(warehouse.url).manifests()) == 1


# -- crashes --------------------------------------------------------------------------------------------------------

DYING_WRITER = """
import sys, time
import pyarrow as pa
from data.schemas import table_specification
from data.warehouse import Warehouse

url, moment = sys.argv[1:]
warehouse = Warehouse(url)
record = dict.fromkeys(table_specification("messages").schema.names, "x")
rows = pa.Table.from_pylist([record] * 1000, schema=table_specification("messages").schema)
with warehouse.staging("messages") as staged:
    staged.write(rows)
    if moment == "staging":
        print("now", flush=True)
        time.sleep(60)
if moment == "linking":
    import os
    os.link = lambda *paths: (print("now", flush=True), time.sleep(60))
    warehouse.commit("messages", ["messages"], [staged.file])
print("now", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["staging", "staged", "linking"])
def test_a_writer_killed_before_its_commit_leaves_nothing_visible(local: Warehouse, moment: str):
    publish(local, "before")
    writer = subprocess.Popen([sys.executable, "-c", DYING_WRITER, local.url, moment], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"now\n"
    writer.kill()
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    # What it staged is there, but nobody sees it, and work goes on.
    assert len(list((Path(local.url) / "tables/messages").iterdir())) == 1
    reader = Warehouse(local.url)
    assert len(reader.manifests()) == 1
    assert reader.read("messages").num_rows == 0
    assert publish(reader, "after").number == 2
    assert published_sessions(local) == ["after", "before"]
    assert reader.verify() == []
    assert len(reader.sweep(grace_seconds=-1)) == 1
    assert list((Path(local.url) / "tables/messages").iterdir()) == []


FULL_DISK = """
import resource, sys
import numpy as np, pyarrow as pa
from data.errors import WarehouseFullError
from data.warehouse import Warehouse

warehouse = Warehouse(sys.argv[1])
agents = 500_000
numbers = np.random.default_rng(0).random(agents)
rows = pa.table({
    "session_id": ["a"] * agents, "agent": np.arange(agents, dtype=np.int32),
    "times_reached": np.ones(agents, np.int64), "probability": numbers, "mean_round": numbers,
})
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    file = warehouse.stage("reach", rows.slice(0, int(sys.argv[3])))
    warehouse.commit("sessions", ["session/a"], [file])
except WarehouseFullError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("limit", "rows", "left"), [(300_000, 500_000, 0), (1_000, 0, 1)], ids=["while staging", "at the commit"]
)
def test_a_full_disk_publishes_nothing_and_leaves_no_partial_file(local: Warehouse, limit: int, rows: int, left: int):
    if left:  # a staged file that is small enough, so that only the manifest does not fit
        limit = path_of(local, local.stage("reach", reach("b", 0))).stat().st_size
        local.sweep(grace_seconds=-1)
        pad = "import data.warehouse as w; w.Manifest.to_bytes = lambda self: b'x' * 1_000_000\n"
    else:
        pad = ""
    command = [sys.executable, "-c", pad + FULL_DISK, local.url, str(limit), str(rows)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert re.search("no space left for .*nothing of this write is visible: free some space and run again", run.stdout)
    assert local.manifests() == []
    assert len([path for path in Path(local.url).rglob("*") if path.is_file()]) == left
    publish(local, "a")
    assert published_sessions(local) == ["a"]


def test_a_warehouse_that_cannot_be_written_says_so_and_reads_as_empty(tmp_path: Path):
    plain = tmp_path / "plain.txt"
    plain.write_text("not a folder")
    warehouse = Warehouse(plain / "warehouse")
    with pytest.raises(WarehouseNotWritableError, match=r"plain.txt/warehouse cannot be written \(Not a directory\)"):
        warehouse.stage("cascades", cascades("a", 1))
    with pytest.raises(WarehouseNotWritableError):
        warehouse.commit("sessions", ["session/a"], [])
    assert warehouse.read("cascades").num_rows == 0


# -- sweeping -------------------------------------------------------------------------------------------------------


def test_orphans_are_swept_after_the_grace_period_only(warehouse: Warehouse):
    publish(warehouse, "a")
    orphan = warehouse.stage("cascades", cascades("b", 3))
    assert warehouse.sweep() == []
    assert warehouse.sweep(grace_seconds=60) == []
    assert warehouse.sweep(grace_seconds=-60) == [orphan.path]
    assert warehouse.sweep(grace_seconds=-60) == []
    with pytest.raises(CorruptFileError):
        warehouse.commit("sessions", ["session/b"], [orphan])


def test_published_files_are_never_swept(warehouse: Warehouse):
    publish(warehouse, "a")
    other = Warehouse(warehouse.url)
    other.manifests()
    publish(warehouse, "b")
    assert other.sweep(grace_seconds=-60) == []
    assert published_sessions(other) == ["a", "b"]
    assert published_sessions(other, "reach") == ["a", "b"]


# -- damage ---------------------------------------------------------------------------------------------------------


def test_a_sound_warehouse_verifies(warehouse: Warehouse):
    for session in "ab":
        publish(warehouse, session)
    seen: list[tuple[str, float, float]] = []
    assert warehouse.verify(lambda *progress: seen.append(progress)) == []
    assert seen[-1] == ("verifying", 4, 4)


def test_verifying_finds_a_flipped_byte_a_truncated_and_a_missing_file_one_sentence_each(local: Warehouse):
    flipped, truncated, missing, sound = (publish(local, session).files[0] for session in "abcd")
    content = bytearray(path_of(local, flipped).read_bytes())
    content[len(content) // 2] ^= 1
    path_of(local, flipped).write_bytes(content)
    path_of(local, truncated).write_bytes(path_of(local, truncated).read_bytes()[:-10])
    path_of(local, missing).unlink()
    assert Warehouse(local.url).verify() == [
        f"{local.location(flipped)} (table cascades) has other content than was published (checksum differs)",
        f"{local.location(truncated)} (table cascades) has {truncated.size - 10} bytes instead of {truncated.size}",
        f"{local.location(missing)} (table cascades) is missing",
    ]
    assert local.read_file(sound).num_rows == 3


def test_a_file_with_other_rows_than_its_manifest_says_is_not_read(local: Warehouse):
    (file, _) = publish(local, "a").files
    pq.write_table(cascades("a", 2).cast(TABLES["cascades"].schema), path_of(local, file))
    reader = Warehouse(local.url)
    for read in (reader.read, lambda table: reader.check_rows(reader.files(table))):
        with pytest.raises(CorruptFileError, match=r"\(table cascades\) has 2 rows, its manifest says 3"):
            read("cascades")
    with pytest.raises(CorruptFileError, match="its manifest says 3"):
        reader.scan("cascades").compute(scheduler="sync")


def test_a_missing_file_is_told_with_what_to_do(local: Warehouse):
    (file, _) = publish(local, "a").files
    path_of(local, file).unlink()
    with pytest.raises(CorruptFileError, match=r"cannot be read .*rumormill verify.*restore them from a backup"):
        Warehouse(local.url).read("cascades")


def test_every_flipped_bit_of_a_data_page_is_noticed_when_it_is_read(local: Warehouse):
    agents = 2_000
    rows = reach("a", agents).set_column(3, "probability", pa.array(np.random.default_rng(0).random(agents)))
    file = local.stage("reach", rows)
    local.commit("sessions", ["session/a"], [file])
    sound = path_of(local, file).read_bytes()
    rng = np.random.default_rng(1)
    for position in rng.integers(4, int(len(sound) * 0.9), 60):
        damaged = bytearray(sound)
        damaged[position] ^= 1 << int(rng.integers(8))
        path_of(local, file).write_bytes(damaged)
        with pytest.raises(CorruptFileError, match=r"\(table reach\)"):
            local.read("reach")
    path_of(local, file).write_bytes(sound)
    assert local.read("reach").equals(rows.cast(TABLES["reach"].schema))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "is missing in warehouse"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "is not a manifest"),
        (lambda path: path.write_bytes(b""), "is not a manifest"),
        (lambda path: path.write_bytes(b"[]"), "is not a manifest"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"rows": 3', b'"rows": 4')), "does not follow"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"format": 1', b'"format": 2')), "update Rumormill"),
    ],
    ids=["missing", "truncated", "empty", "of another kind", "altered", "newer"],
)
def test_a_damaged_manifest_in_the_middle_is_told(local: Warehouse, damage: Any, told: str):
    for session in "abc":
        publish(local, session)
    damage(manifest_path(local, 2))
    reader = Warehouse(local.url)
    with pytest.raises(CorruptFileError, match=told):
        reader.read("cascades")
    with pytest.raises(CorruptFileError, match=told):
        publish(reader, "d")


def test_errors_of_damage_are_operating_system_errors_too():
    assert issubclass(CorruptFileError, OSError)
    assert issubclass(AlreadyPublishedError, FileExistsError)
    assert issubclass(CommitConflictError, RuntimeError)


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
