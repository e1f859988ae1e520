"""Which file a scheduled run imports, and which snapshot of the network it then runs on."""

import datetime as dt
import os
from pathlib import Path

import pytest

from data.errors import NetworkNotFoundError, SourceNotFoundError
from data.facade import Warehouse
from data.networks import index
from flows.sources import choose_snapshot, newest_source

OLD, NEW = "a b\n", "a b\nb c\n"


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, content: str = OLD, changed: float | None = None) -> None:
    (folder / name).write_text(content)
    if changed is not None:
        os.utime(folder / name, (changed, changed))


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_dates_in_names_decide_if_all_names_have_one(exports: Path) -> None:
    write(exports, "town-2026-11-03.txt", changed=2e9)
    write(exports, "town-20261104T0600.txt", changed=1e9)
    assert newest_source(str(exports)).path.name == "town-20261104T0600.txt"
    write(exports, "town-final.txt", changed=1.5e9)
    newest = newest_source(str(exports))
    assert (newest.path.name, newest.dated) == ("town-2026-11-03.txt", False)


@pytest.mark.parametrize(
    ("until", "name"),
    [
        ("2026-11-04T05:59+00:00", "town-2026-11-03.txt"),
        ("2026-11-04T06:00+00:00", "town-20261104T0600.txt"),
        ("2026-11-03T00:00+01:00", "town-2026-11-03.txt"),  # a date is in the timezone of the schedule
    ],
)
def test_only_what_was_there_then_is_imported(exports: Path, until: str, name: str) -> None:
    for each in ("town-2026-11-03.txt", "town-20261104T0600.txt"):
        write(exports, each)
    assert newest_source(str(exports), at(until)).path.name == name


def test_nothing_from_then_is_told(exports: Path) -> None:
    write(exports, "town-2026-11-03.txt")
    with pytest.raises(SourceNotFoundError, match=r"2026-11-02 06:00 or before; the first is town-2026-11-03\.txt"):
        newest_source(str(exports), at("2026-11-02T06:00+00:00"))


@pytest.mark.parametrize("name", [".hidden.txt", "town.txt.part", "~town.txt", "Thumbs.db", "town.txt~"])
def test_unfinished_and_foreign_files_are_ignored(exports: Path, name: str) -> None:
    write(exports, name)
    with pytest.raises(SourceNotFoundError, match="has no file to import"):
        newest_source(str(exports))


def test_the_parts_of_one_table_are_imported_together(exports: Path) -> None:
    for name in ("part-0.parquet", "part-1.parquet"):
        write(exports, name)
    assert newest_source(str(exports)).path == exports


def test_a_missing_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no file or folder"):
        newest_source(str(tmp_path / "nowhere"))


def test_a_new_file_becomes_the_current_snapshot_once(exports: Path, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    write(exports, "2026-11-03.txt")
    first = choose_snapshot(warehouse, "town", str(exports), {})
    again = choose_snapshot(warehouse, "town", str(exports), {})
    assert first.is_new
    assert not again.is_new
    assert again.description.startswith("nothing new: 2026-11-03.txt")
    assert again.network == first.network == warehouse.network("town")
    assert warehouse.read("events")["event_type"].to_pylist() == ["network_imported"]
    write(exports, "2026-11-04.txt", NEW)
    assert choose_snapshot(warehouse, "town", str(exports), {}).network.n_agents == 3
    assert warehouse.network("town").n_agents == 3


def test_a_snapshot_of_the_past_never_becomes_current(exports: Path, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    write(exports, "2026-11-03.txt")
    write(exports, "2026-11-04.txt", NEW)
    then = at("2026-11-03T12:00+00:00")
    with pytest.raises(NetworkNotFoundError, match="its first import makes it current"):
        choose_snapshot(warehouse, "town", str(exports), {}, then)
    now = choose_snapshot(warehouse, "town", str(exports), {}).network
    past = choose_snapshot(warehouse, "town", str(exports), {}, then)
    assert past.network.n_agents == 2
    assert past.is_new
    assert not choose_snapshot(warehouse, "town", str(exports), {}, then).is_new
    assert Warehouse(warehouse.url).network("town") == now
    assert len(index.snapshots(warehouse, "town")) == 2


def test_options_of_the_import_are_those_of_a_manual_one(exports: Path, tmp_path: Path) -> None:
    write(exports, "2026-11-03.txt")
    warehouse = Warehouse(tmp_path / "warehouse")
    assert choose_snapshot(warehouse, "town", str(exports), {"undirected": True}).network.n_edges == 2


def test_without_a_source_the_network_is_as_it_was_then(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    (tmp_path / "old.txt").write_text(OLD)
    (tmp_path / "new.txt").write_text(NEW)
    before = dt.datetime.now(dt.UTC)
    old = warehouse.import_network("town", tmp_path / "old.txt")
    between = dt.datetime.now(dt.UTC)
    warehouse.import_network("town", tmp_path / "new.txt")
    assert choose_snapshot(warehouse, "town", None, {}, between).network == old
    with pytest.raises(NetworkNotFoundError, match="did not exist yet"):
        choose_snapshot(warehouse, "town", None, {}, before)
