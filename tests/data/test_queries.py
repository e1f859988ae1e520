"""What may be asked of a warehouse in SQL, what is refused, and how errors and damage are told."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import CorruptFileError, QueryError
from data.facade import Warehouse
from data.networks.edge_lists import EdgeList
from data.warehouse.catalogue import LIMIT_SECONDS, connect, definition, query, run_import_query
from tests.data.publications import one_of_each, publish_network, record, rows

MakeEdges = Callable[..., EdgeList]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "the analyst's warehouse")


# -- what may be asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT count(*) FROM networks", [(1,)]),
        ("SELECT 1;", [(1,)]),
        ("-- a question\nSELECT 1; -- answered", [(1,)]),
        ("WITH few AS (SELECT 1 AS n) SELECT n + 1 FROM few", [(2,)]),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r", [(1,), (2,), (3,)]),
        ("FROM networks SELECT agents", [(1,)]),
        ("VALUES (1, 'a')", [(1, "a")]),
        ("SELECT 1 UNION SELECT 1", [(1,)]),
        ("SELECT n FROM range(3) t(n) ORDER BY n DESC", [(2,), (1,), (0,)]),
        ("SELECT 1 AS n, 2 AS n", [(1, 2)]),
        ("SELECT 'WITH a AS (COPY t TO f) \"type\":\"COPY_QUERY_NODE\"' <> ''", [(True,)]),
        ("PIVOT (SELECT agents, edges FROM networks) ON agents IN (1) USING sum(edges)", [(1,)]),
    ],
)
def test_one_statement_that_reads_is_answered(warehouse: Warehouse, sql: str, answer: list[tuple[Any, ...]]):
    one_of_each(warehouse)
    assert rows(warehouse, sql) == answer


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SHOW TABLES", "activations"),
        ("DESCRIBE networks", "network_id"),
        ("SUMMARIZE networks", "network_id"),
        ("EXPLAIN SELECT count(*) FROM networks", "physical_plan"),
        ("explain analyze SELECT count(*) FROM networks", "analyzed_plan"),
    ],
)
def test_tables_columns_and_plans_can_be_asked_for(warehouse: Warehouse, sql: str, first: str):
    assert rows(warehouse, sql)[0][0] == first


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "0 SQL statements given; exactly one SELECT"),
        ("-- nothing", "0 SQL statements given"),
        ("SELECT 1; SELECT 2", "2 SQL statements given; exactly one SELECT"),
        ("SELECT 1; DROP VIEW networks", "2 SQL statements given"),
        ("COPY networks TO 'stolen.csv'", "a COPY statement is not accepted, only one SELECT"),
        ("COPY (SELECT 1) TO 'stolen.csv'", "a COPY statement"),
        ("ATTACH 'stolen.db'", "a ATTACH statement"),
        ("INSTALL httpfs", "a LOAD statement"),
        ("LOAD httpfs", "a LOAD statement"),
        ("PRAGMA database_list", "a PRAGMA statement"),
        ("SET threads = 1", "a SET statement"),
        ("CREATE TABLE stolen AS FROM networks", "a CREATE statement"),
        ("DROP VIEW networks", "a DROP statement"),
        ("INSERT INTO networks SELECT * FROM networks", "a INSERT statement"),
        ("EXPORT DATABASE 'stolen'", "a EXPORT statement"),
        ("CALL pragma_version()", "a CALL statement"),
        ("UPDATE EXTENSIONS", "not a SELECT"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'stolen.csv'", "a COPY statement"),
        ("EXPLAIN (COPY (SELECT 1) TO 'stolen.csv')", "Parser Error"),
        ("PIVOT networks ON agents USING sum(edges)", r"PIVOT needs its values listed: PIVOT t ON column IN \(...\)"),
        ("WITH a AS (COPY (SELECT 1) TO 'stolen.csv') SELECT 1", "COPY inside WITH is not accepted"),
        ("EXPLAIN ANALYZE WITH a AS (COPY (SELECT 1) TO 'stolen.csv') SELECT 1", "COPY inside WITH is not accepted"),
        ("WITH a AS (INSERT INTO networks FROM networks RETURNING *) FROM a", "INSERT inside WITH is not accepted"),
        ("SELEC 1", "Parser Error: syntax error at or near"),
    ],
)
@pytest.mark.parametrize("ask", [query, run_import_query])
def test_every_other_statement_is_refused_and_writes_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ask: Any, sql: str, told: str
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=told):
        ask(warehouse, sql)
    assert not [path for path in tmp_path.iterdir() if "stolen" in path.name]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM 'mine.csv'",
        "FROM read_csv('mine.csv')",
        "FROM read_text('/etc/hostname')",
        "FROM glob('/etc/*')",
        "FROM query('WITH a AS (CO' || 'PY (SELECT 1) TO ''stolen.csv'') SELECT 1')",
        "FROM enable_logging(storage_path = 'stolen')",
    ],
)
def test_a_query_reaches_no_file_but_the_published_ones(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sql: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    one_of_each(warehouse)
    staged = warehouse.stage_records("messages", [record("messages")])
    with pytest.raises(QueryError):
        query(warehouse, sql)
    with pytest.raises(QueryError, match="reads the warehouse's tables only"):
        query(warehouse, f"FROM read_parquet('{warehouse.location(staged).replace(chr(39), 2 * chr(39))}')")
    assert not [path for path in tmp_path.iterdir() if "stolen" in path.name]


@pytest.mark.parametrize("ask", [query, run_import_query])
def test_python_s_variables_are_no_tables(warehouse: Warehouse, ask: Any):
    with pytest.raises(QueryError, match="Table with name connection does not exist"):
        ask(warehouse, "FROM connection")  # a name in the function that asks DuckDB


def test_a_guarded_connection_reads_published_files_only_and_stays_so(place: str, tmp_path: Path):
    warehouse = Warehouse(place)
    tables = ("messages", "cascades")
    warehouse.commit("some", ["some"], [warehouse.stage_records(table, [record(table)]) for table in tables])
    connection = connect(warehouse, read_only_guards=True)
    for table in tables:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(1,)]
    pq.write_table(pa.table({"a": [1]}), tmp_path / "mine.parquet")
    refused = [f"FROM '{tmp_path}/mine.parquet'", "SET enable_external_access = true", "SET threads = 1"]
    for sql in refused:
        with pytest.raises(duckdb.Error, match=r"disabled|locked|external"):
            connection.execute(sql)


def test_extensions_are_never_installed_or_loaded_unasked(warehouse: Warehouse):
    settings = "SELECT value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions'"
    assert connect(warehouse).execute(settings).fetchall() == [("false",), ("false",)]


def test_a_query_stops_at_its_time_limit(warehouse: Warehouse):
    endless = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
    with pytest.raises(QueryError, match=r"exceeded maximum execution time \(ask for less, or lift the limit \("):
        query(warehouse, endless, limit_seconds=0.2)
    milliseconds = "SELECT current_setting('max_execution_time') AS limit"
    assert query(warehouse, milliseconds, limit_seconds=60).to_pydict() == {"limit": [60_000]}
    assert query(warehouse, milliseconds).to_pydict() == {"limit": [1000 * LIMIT_SECONDS]}
    assert query(warehouse, milliseconds, limit_seconds=None).to_pydict() == {"limit": [0]}


def test_a_query_stops_at_its_memory_limit_and_would_spill_to_the_temporary_folder(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    spilled = tmp_path / "spilled"
    spilled.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spilled))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(QueryError, match=r"^Out of Memory Error: .* \(ask for less, or lift the limit \(--no-limits"):
        query(warehouse, "SELECT list(md5(i::VARCHAR)) FROM range(1000000) r(i)", limit_memory="30MB")
    with pytest.raises(QueryError, match=r"^limit_memory 'lots': .* give it like '4GB' or '50%'"):
        query(warehouse, "SELECT 1", limit_memory="lots")
    assert not (tmp_path / ".tmp").exists()
    memory = "SELECT current_setting('memory_limit') AS limit, current_setting('temp_directory') AS folder"
    (kept,) = query(warehouse, memory).to_pylist()
    (lifted,) = query(warehouse, memory, limit_memory=None).to_pylist()
    assert float(kept["limit"].split()[0]) < float(lifted["limit"].split()[0])
    assert kept["folder"].startswith(str(spilled))
    assert list(spilled.iterdir()) == [], "nothing is left"


def test_all_threads_work_but_in_memory_where_they_would_share_one_position(place: str):
    threads = "SELECT current_setting('threads')"
    usual = duckdb.connect().execute(threads).fetchall()
    expected = [(1,)] if place.startswith("memory://") else usual
    assert connect(Warehouse(place)).execute(threads).fetchall() == expected


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("FROM network", r"^Catalog Error: .*network does not exist.* \(tables are networks, network_agents, "),
        ("SELECT nothing FROM networks", r'^Binder Error: .*"nothing" not found.*\(DESCRIBE table lists its columns; '),
        ("SELECT 1 +", r"^Parser Error: .*\(tables are networks"),
        ("SELECT CAST('a' AS INTEGER)", r"^Conversion Error: .*\(tables are networks"),
        ("SELECT ?", r"^Values were not provided for the following parameters: 1$"),
    ],
)
def test_duckdb_s_errors_come_in_one_line_with_a_hint(warehouse: Warehouse, sql: str, told: str):
    one_of_each(warehouse)
    with pytest.raises(QueryError, match=told) as refused:
        query(warehouse, sql)
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value.__cause__, duckdb.Error)


# -- queries of imports ---------------------------------------------------------------------------------------------


def test_the_query_of_an_import_reads_the_users_files(warehouse: Warehouse, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"follower": ["ann", "bob"], "followed": ["bob", "cy"]}), "friends.parquet")
    Path("closeness.csv").write_text("who,strength\nann,0.5\nbob,0.25\n")
    joined = run_import_query(
        warehouse,
        "SELECT follower, followed, strength FROM 'friends.parquet' JOIN 'closeness.csv' ON who = follower ORDER BY 1",
    )
    assert joined.to_pydict() == {"follower": ["ann", "bob"], "followed": ["bob", "cy"], "strength": [0.5, 0.25]}


def test_the_query_of_an_import_may_derive_a_network_from_published_ones(place: str, edge_list: MakeEdges):
    warehouse = Warehouse(place)
    publish_network(warehouse, edge_list([("ann", "bob"), ("bob", "cy")]))
    reverse = run_import_query(warehouse, "SELECT target_agent_id, source_agent_id FROM network_edges ORDER BY ALL")
    assert reverse.to_pydict() == {"target_agent_id": ["bob", "cy"], "source_agent_id": ["ann", "bob"]}


def test_a_missing_file_of_the_user_is_no_damage_of_the_warehouse(warehouse: Warehouse):
    one_of_each(warehouse)
    with pytest.raises(QueryError, match="No files found that match the pattern"):
        run_import_query(warehouse, "FROM 'nothing.parquet'")


# -- damage ---------------------------------------------------------------------------------------------------------


def flip(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


def damaged(warehouse: Warehouse, damage: Callable[[Path], object], *, read_before: bool) -> None:
    """Publish messages and damage their file."""
    messages = [record("messages", message_id=str(number), content="hello " * number) for number in range(300)]
    file = warehouse.stage_records("messages", messages)
    warehouse.commit("messages", ["messages"], [file])
    if read_before:
        query(warehouse, "FROM messages")
    damage(Path(warehouse.location(file)))


UNREADABLE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "altered page header": lambda path: path.write_bytes(flip(path.read_bytes(), 6)),
}


@pytest.mark.parametrize("read_before", [False, True], ids=["", "read before"])
@pytest.mark.parametrize("damage", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_file_is_told_as_damage(warehouse: Warehouse, damage: Callable[[Path], None], read_before: bool):
    damaged(warehouse, damage, read_before=read_before)
    with pytest.raises(CorruptFileError, match=r"\(table messages\).*restore them from a backup"):
        query(warehouse, "SELECT sum(length(content)), max(message_id) FROM messages")


def test_a_file_with_other_rows_than_published_is_told_as_damage(warehouse: Warehouse):
    damaged(warehouse, lambda path: pq.write_table(pq.read_table(path).slice(1), path), read_before=False)
    for ask in (connect, definition, lambda warehouse: query(warehouse, "FROM messages")):
        with pytest.raises(CorruptFileError, match=r"\(table messages\) has \d+ bytes instead of \d+.*from a backup"):
            ask(warehouse)
    assert query(warehouse, "FROM campaigns").num_rows == 0, "a query needs the tables it names, no other"
