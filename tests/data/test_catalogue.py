"""The DuckDB catalogue: views over what is published, what they add, comments, bootstrap."""

import hashlib
import uuid
from collections.abc import Callable
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from data.facade import Warehouse
from data.networks.edge_lists import EdgeList
from data.networks.network import Network
from data.warehouse.catalogue import connect, definition, query, write_bootstrap
from data.warehouse.tables import MACROS, TABLES, VIEWS
from tests.data.publications import one_of_each, publish_network, record, rows

MakeEdges = Callable[..., EdgeList]
RESULTS = ("frontiers", "activations", "propagation_events", "cascades", "reach", "propagation_metrics")


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "the analyst's warehouse")


def publish_session(warehouse: Warehouse, network: Network, session: str, **tables: list[dict[str, Any]]) -> None:
    """Publish a finished session with the given rows of result tables."""
    row = record(
        "propagation_sessions",
        session_id=session,
        snapshot_id=network.snapshot_id,
        message_id=f"of {session}",
        propagation_model="sir" if session == "lasting" else "linear_threshold",
        record="activations" if "activations" in tables else "rounds",
    )
    files = [warehouse.stage_records("propagation_sessions", [row])]
    for table, some in tables.items():
        records = [record(table, session_id=session, **given) for given in some]
        files.append(warehouse.stage_records(table, records))
    warehouse.commit("sessions", [f"session/{session}"], files)


@pytest.fixture
def friends(warehouse: Warehouse, edge_list: MakeEdges) -> Network:
    """Ann is followed by bob and cy, bob by cy: dense ids 0, 1, 2 in this order."""
    return publish_network(warehouse, edge_list([("ann", "bob"), ("bob", "cy"), ("ann", "cy"), ("ann", "dan")]))


# -- views ----------------------------------------------------------------------------------------------------------


def test_every_table_is_a_view_with_no_rows_in_a_new_warehouse(place: str):
    connection = connect(Warehouse(place))
    for table in TABLES:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]
        assert connection.execute(f"SELECT count(*) FROM files.{table}").fetchall() == [(0,)]
    shown = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    assert shown == TABLES.keys() | VIEWS.keys()


def test_views_have_the_same_columns_and_types_with_rows_and_without(tmp_path: Path):
    filled = Warehouse(tmp_path / "filled")
    one_of_each(filled)
    without, with_rows = connect(Warehouse(tmp_path / "empty")), connect(filled)
    for table in TABLES:
        for view in (table, f"files.{table}"):
            described = with_rows.execute(f"DESCRIBE {view}").fetchall()
            assert described == without.execute(f"DESCRIBE {view}").fetchall()
            added = [column.name for column in TABLES[table].added] if view == table else []
            assert [column for column, *_ in described] == [*TABLES[table].schema.names, *added]


def test_rows_come_back_with_their_types(warehouse: Warehouse):
    one_of_each(warehouse)
    connection = connect(warehouse)
    for table in TABLES:
        answer = connection.sql(f"FROM files.{table}").to_arrow_table()
        assert answer.to_pylist() == warehouse.read(table).to_pylist()
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(1,)]
    assert query(warehouse, "SELECT started_at FROM campaigns").schema.field(0).type == pa.timestamp("us", tz="UTC")


def test_a_connection_shows_what_was_published_when_it_was_made(place: str):
    warehouse = Warehouse(place)
    before = connect(warehouse, read_only_guards=True)
    message = record("messages", message_id="m")
    staged = warehouse.stage_records("messages", [message])
    assert rows(warehouse, "SELECT count(*) FROM messages") == [(0,)]
    warehouse.commit("messages", ["m"], [staged])
    after = connect(warehouse, read_only_guards=True)
    assert before.execute("SELECT message_id FROM messages").fetchall() == []
    assert after.execute("SELECT message_id FROM messages").fetchall() == [("m",)]
    assert rows(warehouse, "SELECT message_id FROM messages") == [("m",)]


def test_all_files_of_a_table_are_one_view(place: str):
    warehouse = Warehouse(place)
    for session in "abc":
        cascades = [record("cascades", session_id=session, replicate=n, size=n) for n in range(1000)]
        files = [warehouse.stage_records("cascades", half) for half in (cascades[:500], cascades[500:])]
        warehouse.commit("sessions", [session], files)
    by_session = "SELECT session_id, count(*), sum(size) FROM cascades GROUP BY ALL ORDER BY ALL"
    assert rows(warehouse, by_session) == [(session, 1000, 499500) for session in "abc"]


@pytest.mark.parametrize("name", ["it's", "[1]", "a*b?", "späce ünd", "semi;colon -- no"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str):
    warehouse = Warehouse(tmp_path / name)
    one_of_each(warehouse)
    assert rows(warehouse, "SELECT count(*) FROM networks") == [(1,)]


# -- what the views add ---------------------------------------------------------------------------------------------


def test_edges_carry_original_ids_and_the_attributes_of_their_own_network(warehouse: Warehouse, edge_list: MakeEdges):
    weighted = edge_list([("ann", "bob"), ("bob", "cy")], edge_attributes=pa.table({"p": [0.5, 0.25]}))
    named = edge_list([(7, 9)], edge_attributes=pa.table({"kind": ["boss"]}))
    first, second = publish_network(warehouse, weighted, "first"), publish_network(warehouse, named, "second")
    columns = "snapshot_id, source_agent_id, target_agent_id, p, kind"
    assert sorted(rows(warehouse, f"SELECT {columns} FROM network_edges"), key=str) == sorted(
        [
            (first.snapshot_id, "ann", "bob", 0.5, None),
            (first.snapshot_id, "bob", "cy", 0.25, None),
            (second.snapshot_id, "7", "9", None, "boss"),
        ],
        key=str,
    )
    assert "UNION ALL BY NAME" in definition(warehouse)


def test_activations_and_reach_carry_original_ids_of_their_session_s_snapshot(
    warehouse: Warehouse, friends: Network, edge_list: MakeEdges
):
    others = publish_network(warehouse, edge_list([(10, 20), (20, 30), (10, 30)]), "numbers")
    activated = [{"agent": 0, "infector": None}, {"agent": 2, "infector": 0, "round": 2}]
    for session, network in (("a", friends), ("b", others)):
        publish_session(warehouse, network, session, activations=activated, reach=[{"agent": 1}])
    assert friends.agent_ids.to_pylist()[:3] == ["ann", "bob", "cy"]
    named = "SELECT session_id, agent, agent_id, infector, infector_id FROM activations ORDER BY session_id, agent"
    assert rows(warehouse, named) == [
        ("a", 0, "ann", None, None),
        ("a", 2, "cy", 0, "ann"),
        ("b", 0, "10", None, None),
        ("b", 2, "30", 0, "10"),
    ]
    assert rows(warehouse, "SELECT session_id, agent_id FROM reach ORDER BY ALL") == [("a", "bob"), ("b", "20")]


def test_a_snapshot_published_under_two_names_doubles_no_rows(
    warehouse: Warehouse, friends: Network, edge_list: MakeEdges
):
    again = publish_network(
        warehouse, edge_list([("ann", "bob"), ("bob", "cy"), ("ann", "cy"), ("ann", "dan")]), "twin"
    )
    assert again.snapshot_id == friends.snapshot_id
    contacts = [{"src": 0, "dst": 1}, {"src": 0, "dst": 2}]
    publish_session(
        warehouse, again, "a", activations=[{"agent": 1}], propagation_events=contacts, reach=[{"agent": 1}]
    )
    assert rows(warehouse, "SELECT count(*) FROM networks") == [(2,)]
    for table, count in (("network_agents", 4), ("network_edges", 4), ("activations", 1), ("reach", 1)):
        assert rows(warehouse, f"SELECT count(*) FROM {table}") == [(count,)]
    assert rows(warehouse, "SELECT count(*) FROM propagation_events") == [(2,)]
    assert rows(warehouse, "SELECT count(*) FROM frontiers") == [(1,)]


def test_contacts_carry_ids_message_and_simulated_time(warehouse: Warehouse, friends: Network):
    contacts = [{"replicate": r, "round": 3, "src": 0, "dst": d, "event_type": "sent"} for r in (0, 1) for d in (1, 2)]
    publish_session(warehouse, friends, "a", propagation_events=contacts)
    columns = "event_id, message_id, source_agent_id, target_agent_id, timestamp, round, event_type"
    answer = rows(warehouse, f"SELECT {columns} FROM propagation_events ORDER BY replicate, dst")
    keys = [f"a/{replicate}/3/0/{dst}" for replicate in (0, 1) for dst in (1, 2)]
    assert [event_id for event_id, *_ in answer] == [str(uuid.UUID(hashlib.md5(k.encode()).hexdigest())) for k in keys]
    assert {a[1:] for a in answer} == {
        ("of a", "ann", "bob", 3, 3, "sent"),
        ("of a", "ann", "cy", 3, 3, "sent"),
    }


def test_frontiers_follow_from_activations_where_they_do_and_are_those_published_elsewhere(
    warehouse: Warehouse, friends: Network
):
    frontier = [{"round": 0, "agent": 0}, {"round": 1, "agent": 0}]
    # No activations are recorded, or agents transmit in several rounds, of which activations say nothing.
    publish_session(warehouse, friends, "kept", frontiers=frontier)
    publish_session(warehouse, friends, "lasting", frontiers=frontier[:1], activations=[{"round": 0, "agent": 0}])
    publish_session(warehouse, friends, "lost", activations=[])
    # The activations say all, whatever is published besides.
    infected = {"round": 2, "agent": 1, "infector": 0}
    publish_session(warehouse, friends, "implied", frontiers=frontier[:1], activations=[infected])
    # A reference-plan run that has not finished: rounds are published, the session is not.
    unfinished = record("frontiers", session_id="unfinished", round=0, agent=2, replicate=0)
    warehouse.commit("round", ["round/unfinished/0"], [warehouse.stage_records("frontiers", [unfinished])])
    columns = "session_id, replicate, round, agent, compartment, since, agent_id"
    assert rows(warehouse, f"SELECT {columns} FROM frontiers ORDER BY session_id, round") == [
        ("implied", 1, 2, 1, "newly_active", 2, "bob"),
        ("kept", 1, 0, 0, "x", 1, "ann"),
        ("kept", 1, 1, 0, "x", 1, "ann"),
        ("lasting", 1, 0, 0, "x", 1, "ann"),
        ("unfinished", 0, 0, 2, "x", 1, None),
    ]


def test_results_without_a_session_lose_no_rows(warehouse: Warehouse):
    files = [warehouse.stage_records(table, [record(table)]) for table in RESULTS]
    warehouse.commit("sessions", ["session/lost"], files)
    for table in RESULTS:
        assert len(rows(warehouse, f"FROM {table}")) == 1


@pytest.mark.parametrize("table", RESULTS)
def test_the_key_of_a_view_occurs_once(warehouse: Warehouse, friends: Network, table: str):
    columns = {"replicate": (0, 1), "round": (0, 1), "agent": (0, 1), "occasion": (1, 2), "src": (0, 1), "dst": (1, 2)}
    keyed: list[dict[str, Any]] = [{}]
    for column in TABLES[table].key:
        keyed = [{**row, column: value} for row in keyed for value in columns.get(column, ("ignored",))]
    keyed = [{name: value for name, value in row.items() if name != "session_id"} for row in keyed]
    for session in "ab":
        publish_session(warehouse, friends, session, **{table: keyed})
    key = ", ".join(TABLES[table].key)
    assert rows(warehouse, f"SELECT count(*), count(DISTINCT ({key})) FROM {table}") == [(2 * len(keyed),) * 2]


# -- comments -------------------------------------------------------------------------------------------------------


def test_every_view_says_its_grain_and_every_column_its_meaning(warehouse: Warehouse):
    one_of_each(warehouse)
    views = "SELECT schema_name, view_name, comment FROM duckdb_views() WHERE NOT internal"
    of_tables = [(schema, table.name, table.grain) for table in TABLES.values() for schema in ("files", "main")]
    assert sorted(rows(warehouse, views)) == sorted(
        [*of_tables, *(("main", view.name, view.grain) for view in VIEWS.values())]
    )
    columns = (
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'main' AND NOT internal"
    )
    specified = [(t.name, c.name, c.documentation) for t in TABLES.values() for c in (*t.columns, *t.added)]
    specified += [(view.name, c.name, c.documentation) for view in VIEWS.values() for c in view.columns]
    assert sorted(rows(warehouse, columns)) == sorted(specified)


def test_sql_files_begin_with_the_grain_and_there_is_one_for_every_view_that_adds_columns():
    folder = package_files("data.warehouse") / "sql"
    texts = {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in folder.iterdir()}
    assert texts.keys() == {table.name for table in TABLES.values() if table.added} | VIEWS.keys() | MACROS.keys()
    for name, text in texts.items():
        assert text.splitlines()[0] == f"-- {(VIEWS.get(name) or MACROS.get(name) or TABLES[name]).grain}"
        assert ";" not in text


# -- bootstrap ------------------------------------------------------------------------------------------------------


def test_bootstrap_makes_the_same_views_in_a_plain_duckdb(warehouse: Warehouse, friends: Network):
    publish_session(warehouse, friends, "a", activations=[{"agent": 1}])
    location = write_bootstrap(warehouse)
    assert location == f"{warehouse.url}/bootstrap.sql"
    text = Path(location).read_text(encoding="utf-8")
    assert text == definition(warehouse)
    plain, ours = duckdb.connect(), connect(warehouse)
    for _ in range(2):  # again: replaces the views
        plain.execute(text)
    for view in [*TABLES, *VIEWS, *(f"files.{table}" for table in TABLES)]:
        for question in (f"DESCRIBE {view}", f"FROM {view}"):
            assert plain.execute(question).fetchall() == ours.execute(question).fetchall()
    for question in ("FROM neighbors('friends', 'ann') ORDER BY ALL", "FROM subgraph('friends', 'dan', radius := 2)"):
        rows = plain.execute(question).fetchall()
        assert len(rows) > 2
        assert rows == ours.execute(question).fetchall()
    comments = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    assert plain.execute(comments).fetchall() == ours.execute(comments).fetchall()


def test_bootstrap_is_derived_and_written_over(warehouse: Warehouse, edge_list: MakeEdges):
    write_bootstrap(warehouse)
    before = len(warehouse.manifests())
    publish_network(warehouse, edge_list([(1, 2)]))
    plain = duckdb.connect()
    plain.execute(Path(write_bootstrap(warehouse)).read_text(encoding="utf-8"))
    assert plain.execute("SELECT count(*) FROM network_edges").fetchall() == [(1,)]
    assert len(warehouse.manifests()) == before + 1
