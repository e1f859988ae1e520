"""Commands that take care of a warehouse, and what they leave for the DuckDB shell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data.facade import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade

Command = Callable[..., Any]


@pytest.fixture
def session(warehouse: Warehouse) -> str:
    """A session on the network `path`."""
    network = warehouse.network("path")
    result = simulate(network, IndependentCascade(probability=1.0), seed_set=["ann"], replicates=3)
    return str(result.session_id)


def test_deleting_says_what_goes_and_asks(rumormill: Command, warehouse: Warehouse, session: str):
    answer = rumormill("delete", "session", session)
    assert answer.exit_code == 2
    assert f"this would delete session '{session}': 1 session; nothing was deleted: repeat with --yes" in answer.stderr
    assert rumormill("delete", "session", session, "--json").exit_code == 2
    assert Warehouse(warehouse.url).read("cascades").num_rows == 3
    answer = rumormill("delete", "session", session, "--yes", "--json")
    assert answer.json == {
        "deleted": f"session '{session}'", "networks": 0, "snapshots": 0, "campaigns": 0, "runs": 0, "sessions": 1,
        "cascade_sets": 0, "messages": 0, "events": 0, "publication": warehouse.head,
    }  # fmt: skip
    assert Warehouse(warehouse.url).read("cascades").num_rows == 0
    assert "no session" in rumormill("delete", "session", session, "--yes").stderr


def test_a_network_goes_with_its_sessions_or_not_at_all(rumormill: Command, warehouse: Warehouse, session: str):
    refused = rumormill("delete", "network", "path", "--yes")
    assert refused.exit_code == 2
    assert "1 sessions of 0 campaigns use it; delete them too with --with-sessions" in refused.stderr
    done = rumormill("delete", "network", "path", "--with-sessions", "--yes")
    assert (done.exit_code, done.stdout.strip()) == (0, "network 'path' is deleted: 1 network, 1 snapshot, 1 session")
    assert [row["network_id"] for row in Warehouse(warehouse.url).read("networks").to_pylist()] == ["town"]


def test_maintaining_tells_what_it_did(rumormill: Command, warehouse: Warehouse, session: str):
    answer = rumormill("maintain", "--json")
    compacted = {"before": 2, "after": 1}
    assert answer.json["compacted"] == {"networks": compacted, "current_networks": compacted}
    assert (answer.json["oldest"], answer.json["removed"]) == (1, [])
    answer = rumormill("maintain", "--retention", "0", "--grace", "0")
    assert answer.exit_code == 0
    assert "past states are readable from publication" in answer.stdout
    assert Warehouse(warehouse.url).network("path").n_agents == 5


def test_questions_about_a_past_state(rumormill: Command, warehouse: Warehouse, session: str):
    count = "SELECT count(*) AS n FROM networks"
    assert rumormill("sql", count, "--json").json == [{"n": 2}]
    assert rumormill("sql", count, "--as-of", "1", "--json").json == [{"n": 1}]
    assert rumormill("sql", count, "--as-of", "1999-12-31", "--json").json == [{"n": 0}]
    refused = rumormill("sql", count, "--as-of", "yesterday")
    assert refused.exit_code == 2
    assert "neither a publication's number nor a time" in refused.stderr


def test_tables_counts_the_current_rows_of_keyed_tables(rumormill: Command, warehouse: Warehouse):
    for snapshot in ("1", "2"):
        row = {"network_id": "path", "snapshot_id": snapshot}
        warehouse.commit("current", [], [warehouse.stage_records("current_networks", [row])])
    (listed,) = (row for row in rumormill("tables", "--json").json if row["table"] == "current_networks")
    assert listed["rows"] == warehouse.read("current_networks").num_rows


@pytest.mark.parametrize("before", [True, False], ids=["before the command", "after it"])
def test_the_views_of_the_shell_are_as_new_as_the_last_publication(
    rumormill: Command, tmp_path: Path, before: bool, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "edges.txt").write_text("1 2\n2 3\n")
    place = tmp_path / "elsewhere"

    def run(*command: str) -> None:
        given = ["-w", str(place), *command] if before else [*command, "-w", str(place)]
        assert rumormill(*given).exit_code == 0

    def counted() -> list[tuple[Any, ...]]:
        connection = duckdb.connect()
        connection.execute((place / "bootstrap.sql").read_text())
        return connection.execute("SELECT network_id, edges FROM networks ORDER BY ALL").fetchall()

    run("network", "import", "n", "edges.txt")
    assert counted() == [("n", 2)]
    run("network", "generate", "m", "complete", "--agents", "3")
    assert counted() == [("m", 6), ("n", 2)]
    run("delete", "network", "n", "--yes")
    assert counted() == [("m", 6)]
    written = (place / "bootstrap.sql").stat().st_mtime_ns
    run("network", "list")
    assert (place / "bootstrap.sql").stat().st_mtime_ns == written


def test_views_that_cannot_be_written_fail_no_command(
    rumormill: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*given: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("data.warehouse.store.Store.replace_derived", refuse)
    (tmp_path / "edges.txt").write_text("1 2\n")
    assert rumormill("network", "import", "n", "edges.txt").exit_code == 0
