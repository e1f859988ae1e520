"""Which file a scheduled run imports, and which snapshot of the network it then runs on."""

import datetime as dt
import os
import re
from pathlib import Path

import pytest

from data.errors import CommitConflictError, NetworkNotFoundError, SourceNotFoundError
from data.facade import Warehouse
from data.networks import index
from flows import sources
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


def test_dates_in_names_decide_and_entries_without_one_are_ignored(exports: Path) -> None:
    write(exports, "town-2026-11-03.txt", changed=2e9)
    write(exports, "town-20261104T0600.txt", changed=1e9)
    write(exports, "town-final.txt", changed=3e9)
    newest = newest_source(str(exports))
    assert (newest.path.name, newest.dated) == ("town-20261104T0600.txt", True)
    assert newest.description == (
        "town-20261104T0600.txt (dated 2026-11-04 06:00 UTC, the latest of 2, 1 other without a date ignored)"
    )


def test_without_dates_the_times_of_changes_decide(exports: Path) -> None:
    write(exports, "town.txt", changed=1e9)
    write(exports, "village.txt", changed=2e9)
    write(exports, "README", changed=3e9)
    newest = newest_source(str(exports))
    assert newest.description == "village.txt (changed 2033-05-18 03:33 UTC, the latest of 2, 1 other ignored)"


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


UNFINISHED = [".hidden.txt", "town.txt.part", "~town.txt", "town.txt~"]
COMPANIONS = ["Thumbs.db", "README", "readme.txt", "town-2026-11-09.csv.gz.md5", "town-2026-11-09.sha256", "SHA256SUMS"]


@pytest.mark.parametrize("name", [*UNFINISHED, *COMPANIONS, "_SUCCESS", "town-2026-11-09.ok"])
def test_unfinished_files_and_what_accompanies_exports_are_ignored(exports: Path, name: str) -> None:
    write(exports, name)
    with pytest.raises(SourceNotFoundError, match=f"has no file to import; .*not imported: {re.escape(name)}"):
        newest_source(str(exports))


def test_a_folder_without_parquet_files_is_no_export(exports: Path) -> None:
    write(exports, "town-2026-11-03.txt")
    (exports / "2026-11-09").mkdir()
    assert newest_source(str(exports)).path.name == "town-2026-11-03.txt"


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


def test_a_late_run_imports_what_there_was_at_its_time(exports: Path, tmp_path: Path) -> None:
    """The machine was off on both days; the runs of both are caught up, in the order of their times."""
    warehouse = Warehouse(tmp_path / "warehouse")
    write(exports, "2026-11-02.txt", OLD)
    choose_snapshot(warehouse, "town", str(exports), {})
    write(exports, "2026-11-03.txt", "a b\nb c\n")
    write(exports, "2026-11-04.txt", "a b\nb c\nc d\n")
    first = choose_snapshot(warehouse, "town", str(exports), {}, late_since=at("2026-11-03T06:00+00:00"))
    assert (first.network.n_agents, first.is_new, first.is_current) == (3, True, False)
    assert "2026-11-03.txt" in first.description
    assert "the newest file when the run was due" in first.description
    second = choose_snapshot(warehouse, "town", str(exports), {}, late_since=at("2026-11-04T06:00+00:00"))
    assert (second.network.n_agents, second.is_current) == (4, True)
    again = choose_snapshot(warehouse, "town", str(exports), {}, late_since=at("2026-11-03T06:00+00:00"))
    assert (again.network, again.is_new, again.is_current) == (first.network, False, False)
    assert warehouse.network("town") == second.network


def test_a_late_run_that_had_nothing_to_import_takes_what_there_is(exports: Path, tmp_path: Path) -> None:
    write(exports, "2026-11-04.txt")
    chosen = choose_snapshot(
        Warehouse(tmp_path / "warehouse"), "town", str(exports), {}, late_since=at("2026-11-03T06:00+00:00")
    )
    assert (chosen.is_new, chosen.is_current) == (True, True)


def test_the_event_of_an_import_is_published_although_other_writers_are_faster(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the task were repeated instead, it would find the snapshot, and publish no event."""
    publish, conflicts = sources.publish_events, [CommitConflictError("another writer was faster")]

    def published(*arguments: object) -> None:
        if conflicts:
            raise conflicts.pop()
        publish(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sources, "publish_events", published)
    monkeypatch.setattr(sources, "CONFLICT_SECONDS", 0)
    warehouse = Warehouse(tmp_path / "warehouse")
    write(exports, "2026-11-04.txt")
    assert choose_snapshot(warehouse, "town", str(exports), {}).is_new
    assert warehouse.read("events")["event_type"].to_pylist() == ["network_imported"]


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
