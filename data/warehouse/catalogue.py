"""The catalogue: a DuckDB connection in memory with one commented view per table.

No ``.duckdb`` file is ever shared: the views are made from the manifests, each over the explicit list of the files
published so far, so that what is half written cannot be read and what is published later does not change an answer.

Two schemas. ``files.<table>`` holds what the Parquet files hold, dense ids and all. ``<table>`` is what people query:
the same rows, with the users' own ids beside the dense ones; those with more than that are written in
``data/warehouse/sql/<table>.sql``. A query that needs no original ids is faster on ``files.<table>``: it joins nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files as package_files
from typing import TYPE_CHECKING

import pyarrow as pa

from data.errors import CorruptFileError, QueryError, RumormillError
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import TableSpecification

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BOOTSTRAP = "bootstrap.sql"

_ONCE_PER_SNAPSHOT = {"network_agents", "network_edges"}
_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
}
_ACCEPTED = "one SELECT (or WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN, PIVOT ... ON column IN (...))"
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?:ANALYZE\s+)?(?P<explained>.*)", re.IGNORECASE | re.DOTALL)
_RESTORE = "run `rumormill verify` for all damaged files and restore them from a backup"
_WRITING_NODE = re.compile(r'"type":"(\w+)_QUERY_NODE"')  # in a literal these quotes would be escaped


# -- connections ----------------------------------------------------------------------------------------------------


def connect(warehouse: Store, *, read_only_guards: bool = False) -> "DuckDBPyConnection":
    """Return a DuckDB connection in memory with a view per table, over what is published now.

    Parameters
    ----------
    warehouse : Store
    read_only_guards : bool
        Whether the connection may read published files only: no other file, no network, no change of settings. It
        does not stop a statement that writes; `query` does.

    Returns
    -------
    duckdb.DuckDBPyConnection
        Close it when done. Use one ``cursor()`` per query: a second ``execute`` drops the first's unread rows.

    Raises
    ------
    CorruptFileError
        If a published file is missing, damaged, or has not the rows its manifest says.

    Examples
    --------
    >>> import tempfile
    >>> connection = connect(Store(tempfile.mkdtemp()))
    >>> connection.execute("SELECT count(*) FROM networks").fetchone()
    (0,)
    """
    connection = _empty_connection(warehouse)
    try:
        files = _published(warehouse)
        _define(connection, warehouse, files)
        if read_only_guards:
            _guard(connection, warehouse, files)
    except BaseException:
        connection.close()
        raise
    return connection


def query(warehouse: Store, sql: str, *, limit_seconds: float | None = None) -> pa.Table:
    """Answer one SQL query over what is published now; nothing but published files can be read, nothing written.

    Parameters
    ----------
    warehouse : Store
    sql : str
        One statement that DuckDB parses as a SELECT: SELECT, WITH, FROM, VALUES, TABLE, DESCRIBE, SHOW, SUMMARIZE, and
        PIVOT with an explicit list of values; or EXPLAIN of one of these.
    limit_seconds : float, optional
        Longest time the query may run.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    QueryError
        If the statement is another one, DuckDB refuses it, or it runs longer than allowed.
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
        files = _published(warehouse)
        _define(connection, warehouse, files)
        _guard(connection, warehouse, files, limit_seconds)
        with _translated(warehouse, files):
            return connection.sql(sql).to_arrow_table()


def run_import_query(warehouse: Store, sql: str) -> pa.Table:
    """Answer the query of an import: as `query`, but it may also read the user's own files.

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
        files = _published(warehouse)
        _define(connection, warehouse, files)
        connection.execute("SET python_enable_replacements = false; SET lock_configuration = true")
        with _translated(warehouse, files):
            return connection.sql(sql).to_arrow_table()


def _empty_connection(warehouse: Store) -> "DuckDBPyConnection":
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    if warehouse.filesystem is not None:
        connection.register_filesystem(warehouse.filesystem)
    if warehouse.url.startswith("memory://"):
        # fsspec gives every reader of a memory file the same position: two threads would read each other's bytes.
        connection.execute("SET threads = 1")
    return connection


def _define(connection: "DuckDBPyConnection", warehouse: Store, files: Mapping[str, Sequence[DataFile]]) -> None:
    # Waking threads costs more than any of these small statements.
    ((threads,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    with _translated(warehouse, files):
        connection.execute(f"SET threads = 1;\n{_definition(warehouse, files)} SET threads = {threads}")


def _guard(
    connection: "DuckDBPyConnection",
    warehouse: Store,
    files: Mapping[str, Sequence[DataFile]],
    limit_seconds: float | None = None,
) -> None:
    """Leave the connection nothing to read but the published files. Each setting shuts out the ones before it."""
    allowed = ", ".join(_quoted(_location(warehouse, file)) for of_table in files.values() for file in of_table)
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


# -- views ----------------------------------------------------------------------------------------------------------


def definition(warehouse: Store) -> str:
    """Return the SQL that `connect` executes: views and comments over what is published now.

    Raises
    ------
    CorruptFileError
        If a published file is missing, damaged, or has not the rows its manifest says.
    """
    return _definition(warehouse, _published(warehouse))


def write_bootstrap(warehouse: Store) -> str:
    """Write `definition` to ``bootstrap.sql`` in the warehouse, for the DuckDB shell; return its location."""
    return warehouse.replace_derived(BOOTSTRAP, definition(warehouse))


def _published(warehouse: Store) -> dict[str, list[DataFile]]:
    """Return the files of all tables as of one moment, checked.

    A snapshot that was published under two names is the same rows twice: here they appear once, as the key says.
    """
    files: dict[str, list[DataFile]] = {table: [] for table in TABLES}
    snapshots: set[str | None] = set()
    for manifest in warehouse.manifests():
        repeated = manifest.kind == "network" and manifest.specification_hash in snapshots
        if manifest.kind == "network":
            snapshots.add(manifest.specification_hash)
        for file in manifest.files:
            if file.table in files and not (repeated and file.table in _ONCE_PER_SNAPSHOT):
                files[file.table].append(file)
    warehouse.check_rows(file for of_table in files.values() for file in of_table)
    return files


def _definition(warehouse: Store, files: Mapping[str, Sequence[DataFile]]) -> str:
    statements = [
        f"-- Tables of warehouse {warehouse.url}, as views.",
        "-- Derived from its manifests; what is published later needs a new one. See docs/tables.md.",
        "BEGIN TRANSACTION;",
        "CREATE SCHEMA IF NOT EXISTS files;",
    ]
    for table in TABLES.values():
        locations = [_location(warehouse, file) for file in files[table.name]]
        alike = len({file.fingerprint for file in files[table.name]}) <= 1
        statements += [
            f"CREATE OR REPLACE VIEW files.{table.name} AS {_rows(table, locations, alike)};",
            f"COMMENT ON VIEW files.{table.name} IS {_quoted(table.grain)};",
        ]
    for table in TABLES.values():
        statements.append(f"CREATE OR REPLACE VIEW {table.name} AS\n{_view(table)};")
        statements += _comments(table)
    return "\n".join([*statements, "COMMIT;"]) + "\n"


def _rows(table: TableSpecification, locations: Sequence[str], alike: bool) -> str:
    """Return the SELECT of all rows of a table's files; of no rows, with the right types, where there are none."""
    if not locations:
        columns = ", ".join(f'NULL::{_type_name(column.type)} AS "{column.name}"' for column in table.columns)
        return f"SELECT {columns} WHERE false"
    listed = ", ".join(map(_quoted, locations))
    return f"SELECT * FROM read_parquet([{listed}]{'' if alike else ', union_by_name = true'})"


def _location(warehouse: Store, file: DataFile) -> str:
    """Return where DuckDB finds a file; fsspec puts the memory's root behind a further slash."""
    return warehouse.location(file).replace("memory://", "memory:///")


def _view(table: TableSpecification) -> str:
    if not table.added:
        return f"SELECT * FROM files.{table.name}"
    return (package_files("data.warehouse") / "sql" / f"{table.name}.sql").read_text(encoding="utf-8").rstrip()


def _comments(table: TableSpecification) -> Iterator[str]:
    yield f"COMMENT ON VIEW {table.name} IS {_quoted(table.grain)};"
    for column in (*table.columns, *table.added):
        yield f'COMMENT ON COLUMN {table.name}."{column.name}" IS {_quoted(column.documentation)};'


def _type_name(kind: pa.DataType) -> str:
    """Return DuckDB's name of the type as which it reads a column of an Arrow type from Parquet."""
    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if pa.types.is_list(kind):
        return f"{_type_name(kind.value_type)}[]"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    return _TYPES[kind]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- what may be asked ----------------------------------------------------------------------------------------------


def _check_statement(connection: "DuckDBPyConnection", sql: str) -> None:
    """Raise QueryError unless `sql` is one statement that only reads."""
    import duckdb

    try:
        statements = connection.extract_statements(sql)
        kinds = [statement.type.name for statement in statements]
    except duckdb.Error as error:
        raise _query_error(error) from error
    except ValueError as error:  # a statement so new that DuckDB's own Python package does not know its type
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
    """Return what a SELECT statement would write with: since DuckDB 2.0, a WITH clause may hold COPY, INSERT, ..."""
    ((tree,),) = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()
    if tree.startswith('{"error":true'):
        raise QueryError(f"this statement is not accepted ({json.loads(tree)['error_message']}), only {_ACCEPTED}")
    return sorted(set(_WRITING_NODE.findall(tree)))


# -- what went wrong ------------------------------------------------------------------------------------------------


@contextmanager
def _translated(warehouse: Store, files: Mapping[str, Sequence[DataFile]]) -> Iterator[None]:
    """Turn DuckDB's errors into ours: a damaged published file is not the query's fault."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _damage(error, warehouse, files) or _query_error(error) from error


def _damage(error: Exception, warehouse: Store, files: Mapping[str, Sequence[DataFile]]) -> RumormillError | None:
    """Return what is damaged if that is why DuckDB failed, or None; it names the file only sometimes."""
    import duckdb

    named = (file for of_table in files.values() for file in of_table if warehouse.location(file) in str(error))
    if file := next(named, None):
        return CorruptFileError(
            f"{warehouse.location(file)} (table {file.table}) cannot be read ({_first_line(error)}); {_RESTORE}"
        )
    # What its Parquet reader says of damaged pages comes without a class of its own, or without the file's name.
    if type(error) is duckdb.Error or "Parquet" in str(error) or isinstance(error, duckdb.IOException):
        damaged = warehouse.verify()
        return CorruptFileError(f"{damaged[0]}; {_RESTORE}") if damaged else None
    return None


def _query_error(error: Exception) -> QueryError:
    import duckdb

    hint = f"tables are {', '.join(TABLES)}"
    if isinstance(error, duckdb.InterruptException):
        hint = "give it more time, or ask for less"
    elif isinstance(error, duckdb.PermissionException):
        hint = "a query reads the warehouse's tables only"
    elif isinstance(error, duckdb.BinderException):
        hint = "DESCRIBE table lists its columns; " + hint
    return QueryError(f"{_first_line(error)} ({hint})")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
