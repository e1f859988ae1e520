"""What a warehouse withstands: several writers, crashes, a full disk, damage; and how it is swept and verified."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import AlreadyPublishedError, CommitConflictError, CorruptFileError, WarehouseNotWritableError
from data.facade import Warehouse
from data.warehouse.tables import TABLES
from tests.data.publications import cascades, manifest_path, path_of, publish, published_sessions, reach
from tests.deadlines import PATIENCE

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
from data.facade import Warehouse

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
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
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
    monkeypatch.setattr("data.warehouse.store.time.sleep", lambda seconds: None)
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


def test_files_are_on_disk_before_a_manifest_names_them(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    synced: set[Path] = set()
    before: dict[str, set[Path]] = {}
    link = os.link

    def record_sync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    def record_link(staged: Path, target: Path) -> None:
        before[target.name] = {*synced, staged} if staged in synced else set()
        link(staged, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "link", record_link)
    manifest = publish(local, "a")
    paths = [path_of(local, file).resolve() for file in manifest.files]
    assert len(paths) == 2
    assert {*paths, *(path.parent for path in paths)} <= before[manifest_path(local, 1).name]
    assert manifest_path(local, 1).resolve().parent in synced


DYING_WRITER = """
import sys, time
import pyarrow as pa
from data.warehouse.tables import table_specification
from data.facade import Warehouse

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
from data.facade import Warehouse

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
        pad = "import data.warehouse.store as w; w.Manifest.to_bytes = lambda self: b'x' * 1_000_000\n"
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
        f"{local.location(flipped)} (table cascades) does not have the published content (checksum differs)",
        f"{local.location(truncated)} (table cascades) has {truncated.size - 10} bytes instead of {truncated.size}",
        f"{local.location(missing)} (table cascades) is missing",
    ]
    assert local.read_file(sound).num_rows == 3


def test_a_file_with_other_rows_than_its_manifest_says_is_not_read(local: Warehouse):
    (file, _) = publish(local, "a").files
    pq.write_table(cascades("a", 2).cast(TABLES["cascades"].schema), path_of(local, file))
    reader = Warehouse(local.url)
    with pytest.raises(CorruptFileError, match=r"\(table cascades\) has 2 rows, but its manifest says 3"):
        reader.read("cascades")
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
        (lambda path: path.write_bytes(path.read_bytes().replace(b'"format": 2', b'"format": 3')), "update Rumormill"),
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
