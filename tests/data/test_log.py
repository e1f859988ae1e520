"""The log of publications: whatever checkpoints there are, it says what the manifests say."""

import datetime as dt
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import CorruptFileError
from data.facade import Warehouse
from data.warehouse.log_segments import LISTED_KEYS
from data.warehouse.tables import TABLES
from tests.data.publications import cascades, flip_a_byte, manifest_path, publish, published_sessions

KEYS = [f"session/{name}" for name in "abcdefghijklmno"]


def known(warehouse: Warehouse, limit: int | None = None) -> dict[str, Any]:
    """Everything that a newly opened log answers."""
    log = Warehouse(warehouse.url).log
    log.refresh()
    return {
        "head": log.head,
        "oldest": log.oldest,
        "files": {table: log.files(table, limit) for table in TABLES},
        "history": {table: log.files(table, limit, removed_since=log.oldest) for table in TABLES},
        "numbers": log.numbers(KEYS, limit),
        "publications": [log.publications(kind, limit) for kind in (None, "sessions", "network", "maintenance")],
        "times": log.times(),
        "readable": log.readable_paths(),
    }


def checkpoints(warehouse: Warehouse) -> Path:
    return Path(warehouse.url) / "checkpoints"


def history(warehouse: Warehouse) -> None:
    """Publish, remove and retract in eleven publications."""
    for session in "abcde":
        publish(warehouse, session, replicates=1)
    removed = warehouse.files("cascades", ["session/b"])
    warehouse.commit("deletion", [], [], removes=removed, retracts=["session/b"])
    publish(warehouse, "b", replicates=2)
    group = warehouse.files("reach")
    staged = warehouse.stage("reach", warehouse.read("reach"), role="compacted")
    warehouse.commit("maintenance", [], [staged], removes=group, properties={"oldest": 2})
    file = warehouse.stage("cascades", cascades("many", 1))
    warehouse.commit("sessions", [f"session/many-{n}" for n in range(LISTED_KEYS + 1)], [file])
    warehouse.commit("network", ["network/n/s", "network/n/after/None"], [], specification_hash="s")
    warehouse.commit("deletion", [], [], retracts=["session/a"])


@pytest.mark.parametrize("every", [1, 2, 3, 5, 11])
def test_a_log_opened_from_checkpoints_says_what_the_manifests_say(
    local: Warehouse, every: int, monkeypatch: pytest.MonkeyPatch
):
    history(local)
    assert not checkpoints(local).exists()
    expected = [known(local, limit) for limit in (None, 4, 6, 8)]
    numbers = expected[0]["numbers"]
    assert numbers[:5] == [0, 7, 3, 4, 5]
    shutil.rmtree(local.url)
    monkeypatch.setattr("data.warehouse.log.CHECKPOINT_EVERY", every)
    history(Warehouse(local.url))
    assert any(checkpoints(local).glob("*.json"))
    for limit, before in zip((None, 4, 6, 8), expected, strict=True):
        now = known(local, limit)
        assert now["numbers"] == before["numbers"]
        assert now["oldest"] == before["oldest"]
        for name in ("files", "history"):
            assert {t: [(f.publication, f.rows, f.role) for f in files] for t, files in now[name].items()} == {
                t: [(f.publication, f.rows, f.role) for f in files] for t, files in before[name].items()
            }
        assert [[(m.number, m.kind, m.keys, m.properties) for m in each] for each in now["publications"]] == [
            [(m.number, m.kind, m.keys, m.properties) for m in each] for each in before["publications"]
        ]


def test_the_same_warehouse_answers_the_same_with_its_checkpoints_and_without(local: Warehouse, often: None):
    history(local)
    with_checkpoints = known(local)
    assert len(list(checkpoints(local).glob("*.json"))) == 3
    shutil.rmtree(checkpoints(local))
    assert known(local) == with_checkpoints


def test_merging_keeps_what_readable_states_need(local: Warehouse, often: None):
    history(local)
    before = [known(local, limit) for limit in (None, 2, 6, 9)]
    for _ in range(3):
        local.log.merge()
        merged = [known(local, limit) for limit in (None, 2, 6, 9)]
        assert merged == before
    (newest,) = {path.name for path in checkpoints(local).glob("*r.json")}
    assert newest == "000000000011r.json"
    publish(local, "z")
    local.log.merge()
    assert known(local)["head"].number == 12


def test_opening_reads_the_newest_checkpoint_and_the_manifests_after_it(
    local: Warehouse, often: None, monkeypatch: pytest.MonkeyPatch
):
    for number in range(11):
        publish(local, str(number), replicates=1)
    reader = Warehouse(local.url)
    read: list[int] = []
    original = reader.log.read
    monkeypatch.setattr(reader.log, "read", lambda number: read.append(number) or original(number))
    assert reader.head == 11
    assert read == [9, 10, 11]  # the last manifest of the checkpoint proves that it fits


DAMAGES: dict[str, Callable[[Path], object]] = {
    "lost": shutil.rmtree,
    "emptied": lambda folder: [path.write_bytes(b"") for path in folder.rglob("*.*")],
    "without segments": lambda folder: shutil.rmtree(folder / "segments"),
    "with damaged segments": lambda folder: [flip_a_byte(path) for path in (folder / "segments").glob("*.parquet")],
    "with segments cut off": lambda folder: [
        path.write_bytes(path.read_bytes()[:-3]) for path in (folder / "segments").iterdir()
    ],
    "of a newer format": lambda folder: [
        path.write_text(path.read_text().replace('"format": 1', '"format": 9')) for path in folder.glob("*.json")
    ],
    "of other manifests": lambda folder: [
        path.write_text(path.read_text().replace('"checksum": "', '"checksum": "0', 1))
        for path in folder.glob("*.json")
    ],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_checkpoints_that_are_lost_or_damaged_are_made_again(
    local: Warehouse, often: None, damage: Callable[[Path], object]
):
    history(local)
    expected = known(local)
    damage(checkpoints(local))
    assert known(local) == expected
    writer = Warehouse(local.url)
    publish(writer, "z")
    assert writer.find("session/z") is not None
    assert published_sessions(Warehouse(local.url))[-1] == "z"
    assert any("000000000012" in path.name for path in checkpoints(local).glob("*.json"))


def test_verifying_tells_of_damaged_checkpoints(local: Warehouse, often: None):
    history(local)
    assert local.verify() == []
    (keys,) = {segment.record.keys.path for segment in local.log._covered.segments[-1:]}
    flip_a_byte(Path(local.url) / keys, 0.9)
    (sentence,) = Warehouse(local.url).verify()
    assert "keys.npy is damaged" in sentence
    assert "remove the folder" in sentence


def test_a_reader_goes_on_when_maintenance_has_taken_the_segments_it_reads_away(local: Warehouse, often: None):
    history(local)
    reader = Warehouse(local.url)
    assert reader.head == 11
    local.log.merge()
    local.sweep(grace_seconds=-60)
    assert reader.published(KEYS) == {"session/b", "session/c", "session/d", "session/e"}
    assert len(reader.files("cascades")) == 6


def test_a_checkpoint_that_cannot_be_written_does_not_fail_the_publication(
    local: Warehouse, often: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    create = local._storage.create

    def refuse(path: str, content: bytes) -> None:
        if path.startswith("checkpoints/"):
            raise OSError(28, "No space left on device")
        create(path, content)

    monkeypatch.setattr(local._storage, "create", refuse)
    for session in "abcd":
        publish(local, session)
    assert "a checkpoint of the log was not written" in caplog.text
    assert published_sessions(Warehouse(local.url)) == list("abcd")


def test_threads_and_checkpoints_lose_nothing(place: str, often: None):
    one, failures = Warehouse(place), []

    def work(writer: int) -> None:
        warehouse = one if writer % 2 else Warehouse(place)
        try:
            for number in range(5):
                publish(warehouse, f"{writer}-{number}", replicates=1)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    reader = Warehouse(place)
    expected = sorted(f"{writer}-{number}" for writer in range(3) for number in range(5))
    assert published_sessions(reader) == expected
    assert reader.published(f"session/{each}" for each in expected) == {f"session/{each}" for each in expected}
    assert reader.head == 15
    assert reader.log._covered.head.number >= 12


# -- the sequence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Thumbs.db", "desktop.ini", "000000000001 (1).json", "000000000001.json~", "2.json"])
def test_foreign_files_among_the_manifests_are_ignored(local: Warehouse, name: str):
    publish(local, "a")
    (Path(local.url) / "manifests" / name).touch()
    for warehouse in (local, Warehouse(local.url)):
        assert published_sessions(warehouse) == ["a"]
    publish(Warehouse(local.url), "b")
    assert published_sessions(local) == ["a", "b"]
    assert local.verify() == []


@pytest.mark.parametrize("lost", [2, 5, 8])
def test_a_lost_manifest_is_told_unless_a_checkpoint_says_what_it_did(local: Warehouse, often: None, lost: int):
    for session in "abcdefgh":
        publish(local, session)
    publish(local, "i")
    shutil.rmtree(checkpoints(local))
    manifest_path(local, lost).unlink()
    with pytest.raises(CorruptFileError, match=f"{lost:012d}.json is missing .*restore it from a backup"):
        Warehouse(local.url).read("cascades")


def test_a_lost_manifest_after_the_last_that_is_known_is_told(local: Warehouse):
    reader = Warehouse(local.url)
    publish(local, "a")
    assert reader.head == 1
    for session in "bcd":
        publish(local, session)
    manifest_path(local, 2).unlink()
    with pytest.raises(CorruptFileError, match=r"000000000002.json is missing"):
        reader.read("cascades")


def test_manifests_that_appear_while_they_are_listed_are_no_gap(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    publish(local, "a")
    reader = Warehouse(local.url)
    assert reader.head == 1
    publish(local, "b")
    publish(local, "c")
    monkeypatch.setattr(reader._storage, "following", lambda last, path_of: [3])  # 2 was looked for before it was there
    assert reader.head == 3


class BackwardClock(dt.datetime):
    """A clock that goes back an hour whenever it is looked at."""

    hours = 0

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> "dt.datetime":
        cls.hours += 1
        return dt.datetime(2026, 11, 28, 12, tzinfo=tz) - dt.timedelta(hours=cls.hours)


def test_times_never_decrease(local: Warehouse, often: None, monkeypatch: pytest.MonkeyPatch):
    publish(local, "a")
    monkeypatch.setattr("data.warehouse.store.dt.datetime", BackwardClock)
    for session in "bcdef":
        publish(Warehouse(local.url), session)
    monkeypatch.undo()
    _, times = Warehouse(local.url).log.times()
    assert times == sorted(times)
    assert local.as_of(times[-1]).head == 6
