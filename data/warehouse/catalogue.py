"""The catalogue: an in-memory DuckDB connection with one commented view per table.

No ``.duckdb`` file is ever shared: the views are made from the manifests, each over an explicit list of the files
published so far, so unfinished files cannot be read and later publications do not change results.

There are two schemas. ``files.<table>`` has the columns of the Parquet files, with dense ids. ``<table>`` is for users:
the same rows, with the users' own ids added; views that add columns are in ``data/warehouse/sql/<table>.sql``. A query
that needs no original ids is faster on ``files.<table>``, which needs no joins.
"""

import json
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from data.errors import CorruptFileError, QueryError, RumormillError
from data.warehouse import views
from data.warehouse.store import Store
from data.warehouse.tables import MACROS, TABLES, VIEWS
from data.warehouse.verification import REMEDY, check_once, verify
from data.warehouse.views import State, quoted, state_of, tables_read_by

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BOOTSTRAP = "bootstrap.sql"
BOOTSTRAP_ATTEMPTS = 5
LIMIT_SECONDS, LIMIT_MEMORY = 600.0, "50%"
"""Longest time of a query, and the share of this machine's memory that it may take before it spills to disk."""

_ACCEPTED = "one SELECT (or WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN, PIVOT ... ON column IN (...))"
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?(?P<explained>.*)", re.IGNORECASE | re.DOTALL)
_LISTS_TABLES = re.compile(
    r"\b(DESCRIBE|SHOW|SUMMARIZE|EXPLAIN|information_schema|duckdb_\w+|pragma_\w+)\b", re.IGNORECASE
)
"""Words in queries that look at tables without naming them."""
_WRITING_NODE = re.compile(r'"type":"(\w+)_QUERY_NODE"')  # in a literal, these quotes would be escaped


# -- connections ----------------------------------------------------------------------------------------------------


def connect(warehouse: Store, *, read_only_guards: bool = False) -> "DuckDBPyConnection":
    """Return an in-memory DuckDB connection with one view per table, over what is published now.

    Parameters
    ----------
    warehouse : Store
    read_only_guards : bool
        Whether to allow reading published files only: no other files, no network access, no change of settings. This
        does not prevent statements that write; `query` does.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Close it when done. Use one ``cursor()`` per query: a second ``execute`` discards unread rows of the first.

    Raises
    ------
    CorruptFileError
        If a published file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> connection = connect(Store(tempfile.mkdtemp()))
    >>> connection.execute("SELECT count(*) FROM networks").fetchone()
    (0,)
    """
    connection = _empty_connection(warehouse)
    try:
        state = state_of(warehouse)
        check_once(warehouse, state.all_files)
        _define(connection, warehouse, state)
        if read_only_guards:
            _guard(connection, warehouse, state)
    except BaseException:
        connection.close()
        raise
    return connection


def query(
    warehouse: Store, sql: str, *, limit_seconds: float | None = LIMIT_SECONDS, limit_memory: str | None = LIMIT_MEMORY
) -> pa.Table:
    """Run one SQL query over what is published now; it can read only published files, and write nothing.

    Parameters
    ----------
    warehouse : Store
    sql : str
        One statement that DuckDB parses as a SELECT: SELECT, WITH, FROM, VALUES, TABLE, DESCRIBE, SHOW, SUMMARIZE, and
        PIVOT with an explicit list of values; or EXPLAIN of one of these.
    limit_seconds : float or None
        Longest time the query may run; None: as long as it takes.
    limit_memory : str or None
        Most memory it may take, as DuckDB writes it: ``"50%"``, ``"4GB"``; more is spilled to the system's temporary
        folder (``TMPDIR``). None: DuckDB's own limit, 80 %.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    QueryError
        If the statement is of another kind, DuckDB refuses it, or it takes more time or memory than allowed.
    CorruptFileError
        If a published file is missing or damaged.

    Examples
    --------
    >>> import tempfile
    >>> query(Store(tempfile.mkdtemp()), "SELECT count(*) AS networks FROM networks").to_pylist()
    [{'networks': 0}]
    """
    connection = _empty_connection(warehouse)
    with connection:
        _check_statement(connection, sql)
        state = _needed_state(connection, warehouse, sql)
        _define(connection, warehouse, state)
        _limit_memory(connection, limit_memory)
        _guard(connection, warehouse, state, limit_seconds)
        with _translated(warehouse, state):
            return connection.sql(sql).to_arrow_table()


def run_import_query(warehouse: Store, sql: str) -> pa.Table:
    """Run the query of an import: like `query`, but it may also read the user's own files.

    Parameters
    ----------
    warehouse : Store
    sql : str
        One SELECT, such as ``SELECT follower, followed FROM 'friends.parquet'``. Relative paths start from the
        current folder.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    QueryError
        If the statement is not one SELECT, or DuckDB refuses it.
    CorruptFileError
        If a published file is missing or damaged.
    """
    connection = _empty_connection(warehouse)
    with connection:
        _check_statement(connection, sql)
        state = state_of(warehouse)
        check_once(warehouse, state.all_files)
        _define(connection, warehouse, state)
        connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
        with _translated(warehouse, state):
            return connection.sql(sql).to_arrow_table()


def _empty_connection(warehouse: Store) -> "DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    spilled = Path(tempfile.gettempdir(), f"rumormill-query-{uuid.uuid4().hex}")  # by default in the current folder
    connection.execute(f"SET TimeZone = 'UTC'; SET temp_directory = {quoted(str(spilled))}")
    if warehouse.filesystem is not None:
        connection.register_filesystem(warehouse.filesystem)
    if warehouse.url.startswith("memory://"):
        # All readers of an fsspec memory file share one position: two threads would read each other's bytes.
        connection.execute("SET threads = 1")
    return connection


def _define(connection: "DuckDBPyConnection", warehouse: Store, state: State) -> None:
    # Starting threads takes longer than any of these small statements.
    ((threads,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    with _translated(warehouse, state):
        connection.execute(f"SET threads = 1;\n{views.definition(warehouse, state)} SET threads = {threads}")


def _guard(
    connection: "DuckDBPyConnection",
    warehouse: Store,
    state: State,
    limit_seconds: float | None = None,
) -> None:
    """Restrict the connection to reading the published files; each setting locks the ones before it."""
    places = [views.location(warehouse, file) for file in state.all_files]
    allowed = ", ".join(map(quoted, dict.fromkeys([*places, *map(views.pattern, places)])))
    milliseconds = 0 if limit_seconds is None else max(1, round(limit_seconds * 1000))
    connection.execute(
        f"""
        SET python_enable_replacements = false;
        SET allowed_paths = [{allowed}];
        SET enable_external_access = false;
        SET max_execution_time = {milliseconds};
        SET lock_configuration = true;
        """
    )


def _limit_memory(connection: "DuckDBPyConnection", limit: str | None) -> None:
    import duckdb

    try:
        if limit is not None:
            connection.execute(f"SET memory_limit = {quoted(limit)}")
    except duckdb.Error as error:
        raise QueryError(f"limit_memory {limit!r}: {_first_line(error)}; give it like '4GB' or '50%'") from error


# -- views ----------------------------------------------------------------------------------------------------------


def definition(warehouse: Store) -> str:
    """Return the SQL that `connect` executes: views and comments over what is published now.

    Raises
    ------
    CorruptFileError
        If a published file is missing or damaged.
    """
    state = state_of(warehouse)
    check_once(warehouse, state.all_files)
    return views.definition(warehouse, state)


def write_bootstrap(warehouse: Store) -> str:
    """Write the views to ``bootstrap.sql`` in the warehouse, for the DuckDB shell; return its location.

    Files are not checked: they are not read here, and the shell will read them unchecked.
    """
    state = state_of(warehouse)
    return warehouse.replace_derived(BOOTSTRAP, views.definition(warehouse, state))


def refresh_bootstrap(warehouse: Store) -> None:
    """Write ``bootstrap.sql``, unless it is up to date."""
    for _ in range(BOOTSTRAP_ATTEMPTS):  # others may publish, or overwrite it with an earlier state
        head = warehouse.head
        if not head or warehouse.derived(BOOTSTRAP).startswith(views.heading(head)):
            return
        write_bootstrap(warehouse)


def _needed_state(connection: "DuckDBPyConnection", warehouse: Store, sql: str) -> State:
    """Return the checked files of the tables that a query reads; of all tables if these cannot be determined."""
    import duckdb

    try:
        named = {name.rpartition(".")[2].strip('"') for name in connection.get_table_names(sql)}
    except duckdb.Error:
        named = set()
    if _LISTS_TABLES.search(sql) or not named or not named <= TABLES.keys() | VIEWS.keys():
        named = set(TABLES)
    needed = {read for table in named for read in tables_read_by(table)}
    state = state_of(warehouse, [table for table in TABLES if table in needed])
    check_once(warehouse, state.all_files)
    return state


# -- accepted statements --------------------------------------------------------------------------------------------


def _check_statement(connection: "DuckDBPyConnection", sql: str) -> None:
    """Raise QueryError unless `sql` is one statement that only reads."""
    import duckdb

    try:
        statements = connection.extract_statements(sql)
        kinds = [statement.type.name for statement in statements]
    except duckdb.Error as error:
        raise _query_error(error) from error
    except ValueError as error:  # a statement type that DuckDB's own Python package does not know yet
        raise QueryError(f"this statement is not a SELECT; {_ACCEPTED} is accepted") from error
    if len(kinds) != 1:
        raise QueryError(f"{len(kinds)} SQL statements given; exactly {_ACCEPTED} is accepted")
    kind = kinds[0]
    if kind == "EXPLAIN" and (match := _EXPLAIN.match(statements[0].query)):
        _check_statement(connection, match["explained"])
    elif kind != "SELECT":
        hint = "; PIVOT needs its values listed: PIVOT t ON column IN (...)" if kind == "MULTI" else ""
        raise QueryError(f"a {kind} statement is not accepted, only {_ACCEPTED}{hint}")
    elif writes := _writing_clauses(connection, sql):
        raise QueryError(f"{', '.join(writes)} inside WITH is not accepted: a query only reads")


def _writing_clauses(connection: "DuckDBPyConnection", sql: str) -> list[str]:
    """Return the writing clauses of a SELECT: since DuckDB 2.0, WITH may contain COPY, INSERT, ..."""
    ((tree,),) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    if tree.startswith('{"error":true'):
        raise QueryError(f"this statement is not accepted ({json.loads(tree)['error_message']}), only {_ACCEPTED}")
    return sorted(set(_WRITING_NODE.findall(tree)))


# -- errors ---------------------------------------------------------------------------------------------------------


@contextmanager
def _translated(warehouse: Store, state: State) -> Iterator[None]:
    """Translate DuckDB's errors, distinguishing damaged files from faulty queries."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _damage(error, warehouse, state) or _query_error(error) from error


def _damage(error: Exception, warehouse: Store, state: State) -> RumormillError | None:
    """Return an error that names the damaged file if that is why DuckDB failed, else None."""
    import duckdb

    named = (file for file in state.all_files if warehouse.location(file) in str(error))
    if file := next(named, None):
        return CorruptFileError(
            f"{warehouse.location(file)} (table {file.table}) cannot be read ({_first_line(error)}); {REMEDY}"
        )
    # Errors of DuckDB's Parquet reader on damaged pages may have no specific class and may not name the file.
    if type(error) is duckdb.Error or "Parquet" in str(error) or isinstance(error, duckdb.IOException):
        damaged = verify(warehouse)
        return CorruptFileError(f"{damaged[0]}; {REMEDY}") if damaged else None
    return None


def _query_error(error: Exception) -> QueryError:
    import duckdb

    hint = f"tables are {', '.join([*TABLES, *VIEWS, *(f'{name}(...)' for name in MACROS)])}"
    if isinstance(error, duckdb.InterruptException):
        hint = "ask for less, or lift the limit (--no-limits, limit_seconds=None)"
    elif isinstance(error, duckdb.OutOfMemoryException):
        hint = "ask for less, or lift the limit (--no-limits, limit_memory=None)"
    elif isinstance(error, duckdb.PermissionException):
        hint = "a query reads the warehouse's tables only"
    elif isinstance(error, duckdb.InvalidInputException):  # as the warehouse's macros raise with a hint of their own
        return QueryError(_first_line(error).removeprefix("Invalid Input Error: "))
    elif isinstance(error, duckdb.BinderException):
        hint = "DESCRIBE table lists its columns; " + hint
    return QueryError(f"{_first_line(error)} ({hint})")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
