"""Checks on the path that SQL takes: what a query reads is what was published."""

import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import CorruptFileError
from data.facade import Warehouse
from data.warehouse import catalogue, verification
from data.warehouse.catalogue import query
from tests.data.publications import flip_a_byte, path_of, publish, rows

COUNT = "SELECT count(*) FROM cascades"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for this test alone, and nothing remembered from before."""
    monkeypatch.setenv("RUMORMILL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verification, "_remembered", {})
    return tmp_path / "cache"


@pytest.mark.parametrize("sql", [COUNT, "SELECT sum(size) FROM files.cascades", "SELECT * FROM cascades LIMIT 0"])
def test_a_flipped_byte_in_a_file_that_a_query_names_is_told(local: Warehouse, sql: str):
    file = publish(local, "a").files[0]
    flip_a_byte(path_of(local, file))
    told = r"cascades/.*\(table cascades\) does not have the published content .*rumormill verify.*from a backup"
    with pytest.raises(CorruptFileError, match=told):
        query(local, sql)


def test_a_missing_and_a_shortened_file_are_told(local: Warehouse):
    files = [publish(local, session).files[0] for session in "ab"]
    path_of(local, files[1]).write_bytes(b"PAR1")
    with pytest.raises(CorruptFileError, match=f"has 4 bytes instead of {files[1].size}"):
        query(local, COUNT)
    path_of(local, files[1]).unlink()
    with pytest.raises(CorruptFileError, match="is missing"):
        query(local, COUNT)


def test_only_the_tables_that_a_query_names_are_checked(local: Warehouse):
    flip_a_byte(path_of(local, publish(local, "a").files[1]))
    assert rows(local, COUNT) == [(3,)]
    assert rows(local, "WITH c AS (FROM cascades) SELECT count(*) FROM c") == [(3,)]
    for sql in ("SELECT count(*) FROM reach", f"SELECT (SELECT count(*) FROM files.reach), ({COUNT})"):
        with pytest.raises(CorruptFileError, match="table reach"):
            query(local, sql)
    for everything in (catalogue.connect, catalogue.definition):
        with pytest.raises(CorruptFileError, match="table reach"):
            everything(local)


def test_a_file_is_read_once_as_long_as_it_stays_the_same(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    file = publish(local, "a").files[0]
    read: list[str] = []
    original = verification._checksum
    monkeypatch.setattr(verification, "_checksum", lambda storage, path: read.append(path) or original(storage, path))
    for _ in range(3):
        assert rows(local, COUNT) == [(3,)]
    assert read == [file.path]
    monkeypatch.setattr(verification, "_remembered", {})  # another process
    assert rows(Warehouse(local.url), COUNT) == [(3,)]
    assert read == [file.path]
    path_of(local, file).touch()
    assert rows(local, COUNT) == [(3,)]
    assert read == [file.path] * 2
    path = path_of(local, file)
    damaged = bytearray(path.read_bytes())
    damaged[100] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CorruptFileError, match="checksum differs"):
        query(local, COUNT)


def test_what_was_checked_is_remembered_by_other_processes(local: Warehouse, own_cache: Path):
    publish(local, "a")
    code = (
        "import sys; from data.facade import Warehouse; from data.warehouse import catalogue, verification as v\n"
        "original = v._checksum\n"
        "v._checksum = lambda storage, path: print('read', path) or original(storage, path)\n"
        f"print(catalogue.query(Warehouse(sys.argv[1]), {COUNT!r}).to_pylist())"
    )
    printed = [
        subprocess.run([sys.executable, "-c", code, local.url], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [text.count("read tables/cascades") for text in printed] == [1, 0]
    assert all("3" in text for text in printed)


def test_a_cache_that_cannot_be_written_costs_time_only(local: Warehouse, own_cache: Path):
    publish(local, "a")
    own_cache.write_text("no folder")
    assert rows(local, COUNT) == [(3,)]


def test_object_stores_are_not_checked_by_queries(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(storage: object, path: str) -> str:
        raise AssertionError(path)

    warehouse = Warehouse("memory://unchecked")
    publish(warehouse, "a")
    monkeypatch.setattr(verification, "_checksum", refuse)
    assert rows(warehouse, COUNT) == [(3,)]


def test_files_that_are_gone_are_forgotten(local: Warehouse, own_cache: Path):
    first, second = (publish(local, session).files[0] for session in "ab")
    assert rows(local, COUNT) == [(6,)]
    assert first.path in (own_cache / "verified-files").read_text()
    local.commit("deletion", [], [], removes=[file for file in local.files("cascades") if file.path == first.path])
    local.commit("maintenance", [], [], properties={"oldest": 3})
    assert local.sweep(grace_seconds=-60) == [first.path]
    kept = (own_cache / "verified-files").read_text()
    assert second.path in kept
    assert first.path not in kept
    assert rows(local, COUNT) == [(3,)]
