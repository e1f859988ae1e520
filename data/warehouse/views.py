"""Views: the SQL that defines the tables of a warehouse over its files, as of one publication.

Each view reads an explicit list of files, so unfinished files cannot be read and later publications do not change
results.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files

import pyarrow as pa

from data.warehouse.frames import unified_schema
from data.warehouse.keyed_rows import OPERATION, PUBLICATION, UPSERT
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import MACROS, TABLES, VIEWS
from data.warehouse.tables.specification import Column, TableSpecification, schema_fingerprint

_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
}
_GLOB = re.compile(r"[*?\[]")
_READS = re.compile(r"\b(?:FROM|JOIN) (?:files\.)?(\w+)")


@dataclass(frozen=True)
class State:
    """The files of some tables as of one publication.

    Attributes
    ----------
    number : int
        The last publication.
    files : dict
        By table.
    snapshots : dict
        Snapshot of each publication of a network, by the publication's number.
    """

    number: int
    files: Mapping[str, Sequence[DataFile]]
    snapshots: Mapping[int, str]

    @property
    def all_files(self) -> list[DataFile]:
        """Files of all tables."""
        return [file for of_table in self.files.values() for file in of_table]


def state_of(store: Store, tables: Iterable[str] = TABLES) -> State:
    """Return the files of some tables as of now.

    A snapshot published under two names has its rows twice; only the first are returned, to keep the key unique.
    """
    head = store.head
    snapshots = store.log.snapshots_of(head)
    files: dict[str, list[DataFile]] = {}
    for table in tables:
        files[table] = store.log.files(table, head)
        if TABLES[table].of_snapshots:
            first: dict[str | int, int] = {}
            for file in files[table]:
                first.setdefault(snapshots.get(file.publication, file.publication), file.publication)
            chosen = set(first.values())
            files[table] = [file for file in files[table] if file.publication in chosen]
    return State(head, files, snapshots)


def tables_read_by(table: str) -> set[str]:
    """Return the tables whose files the view of a table, or one of `VIEWS` or `MACROS`, reads."""
    if table in VIEWS or table in MACROS:
        return {name for name in _READS.findall(_sql_file(table)) if name in TABLES}
    return {table} | {name for name in _READS.findall(_joined_view(TABLES[table])) if name in TABLES}


def definition(store: Store, state: State) -> str:
    """Return the SQL that creates the views and table macros of a state, with their comments."""
    chosen = [TABLES[table] for table in state.files]
    statements = [
        heading(state.number),
        f"-- Tables of warehouse {store.url}, as views.",
        "-- Derived from its publications; later ones need a new definition. See docs/reference/tables.md.",
        "BEGIN TRANSACTION;",
        "CREATE SCHEMA IF NOT EXISTS files;",
    ]
    for table in chosen:
        statements += [
            f"CREATE OR REPLACE VIEW files.{table.name} AS {_rows(store, table, state)};",
            f"COMMENT ON VIEW files.{table.name} IS {quoted(table.grain)};",
        ]
    for table in chosen:
        if tables_read_by(table.name) <= state.files.keys():
            statements.append(f"CREATE OR REPLACE VIEW {table.name} AS\n{_joined_view(table)};")
            statements += _comments(table.name, table.grain, (*table.columns, *table.added))
    for view in VIEWS.values():
        if tables_read_by(view.name) <= state.files.keys():
            statements.append(f"CREATE OR REPLACE VIEW {view.name} AS\n{_sql_file(view.name)};")
            statements += _comments(view.name, view.grain, view.columns)
    for macro in MACROS.values():
        if tables_read_by(macro.name) <= state.files.keys():
            head = f"CREATE OR REPLACE MACRO {macro.name}({macro.parameters}) AS TABLE"
            statements.append(f"{head}\n{_sql_file(macro.name)};")
            statements.append(f"COMMENT ON MACRO TABLE {macro.name} IS {quoted(macro.grain)};")
    return "\n".join([*statements, "COMMIT;"]) + "\n"


def heading(number: int) -> str:
    """Return the first line of a definition, which names the publication that it is as of."""
    return f"-- As of publication {number}."


def _rows(store: Store, table: TableSpecification, state: State) -> str:
    """Return the SELECT of all rows of a table's files; of no rows, with the right types, if there are no files."""
    files = state.files[table.name]
    if not files:
        columns = ", ".join(f'NULL::{_type_name(column.type)} AS "{column.name}"' for column in table.columns)
        return f"SELECT {columns} WHERE false"
    if table.keyed:
        return _current_rows(store, table, files)
    return _unified_rows(store, table, files, state.snapshots)


def _unified_rows(
    store: Store, table: TableSpecification, files: Sequence[DataFile], snapshots: Mapping[int, str]
) -> str:
    """Return the SELECT of files of one or more schemas; rows of networks get the snapshot of their publication.

    Columns that older files lack are null. Columns of the same name with incompatible types become text.
    """
    known = {
        fingerprint: _schema(store, table, file) for fingerprint, file in {f.fingerprint: f for f in files}.items()
    }
    unified = unified_schema([table.schema, *known.values()])
    groups: dict[tuple[str, int], list[DataFile]] = {}
    for file in files:
        groups.setdefault((file.fingerprint, file.publication if table.of_snapshots else 0), []).append(file)
    selects = []
    for (fingerprint, publication), alike in groups.items():
        columns = _columns(table, known[fingerprint], unified, snapshots.get(publication))
        selects.append(f"SELECT {', '.join(columns)} FROM {_parquet(store, alike)}")
    return " UNION ALL BY NAME ".join(selects)


def _schema(store: Store, table: TableSpecification, file: DataFile) -> pa.Schema:
    """Return a file's columns, without opening it if they are the usual ones of new files."""
    usual = table.file_schema
    return usual if file.fingerprint == schema_fingerprint(usual) else store.schema_of(file)


def _columns(
    table: TableSpecification, schema: pa.Schema, unified: pa.Schema, snapshot_id: str | None
) -> Iterator[str]:
    """Yield the expressions selected from files of one schema."""
    for column in table.columns:
        if column.name not in schema.names:
            is_known = column.name == "snapshot_id" and snapshot_id is not None
            value = quoted(snapshot_id) if is_known and snapshot_id else "NULL"
            yield f"{value}::{_type_name(column.type)} AS {_name(column.name)}"
    for name in schema.names:
        is_text = unified.field(name).type == pa.string() and not _is_text(schema.field(name).type)
        yield f"CAST({_name(name)} AS VARCHAR) AS {_name(name)}" if is_text else _name(name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind) or pa.types.is_large_string(kind))


def _current_rows(store: Store, table: TableSpecification, files: Sequence[DataFile]) -> str:
    """Return the SELECT of a keyed table: base rows without later changes, and the latest change of each key."""
    base = [file for file in files if file.role == "base"]
    changes = [file for file in files if file.role != "base"]
    columns = ", ".join(_name(name) for name in table.schema.names)
    if not changes:
        return f"SELECT {columns} FROM {_parquet(store, base)}"
    key = ", ".join(_name(name) for name in table.key)
    published = ", ".join(f"({quoted(location(store, file))}, {file.publication})" for file in changes)
    latest = (
        f"SELECT * FROM {_parquet(store, changes, 'filename = true')} "
        f"INNER JOIN (VALUES {published}) AS published (filename, {PUBLICATION}) USING (filename) "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {PUBLICATION} DESC) = 1"
    )
    changed = f"SELECT {columns} FROM latest WHERE {OPERATION} = {quoted(UPSERT)}"
    if not base:
        return f"WITH latest AS ({latest}) {changed}"
    kept = f"SELECT {columns} FROM {_parquet(store, base)} ANTI JOIN latest USING ({key})"
    return f"WITH latest AS MATERIALIZED ({latest}) {kept} UNION ALL {changed}"


def _parquet(store: Store, files: Sequence[DataFile], options: str = "") -> str:
    """Return the call that reads files, without expanding patterns or taking folders named ``a=b`` for columns."""
    listed = ", ".join(quoted(pattern(location(store, file))) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false{', ' if options else ''}{options})"


def location(store: Store, file: DataFile) -> str:
    """Return the path by which DuckDB finds a file; fsspec's memory paths need a further slash."""
    return store.location(file).replace("memory://", "memory:///")


def pattern(path: str) -> str:
    """Return the pattern that matches only this path.

    Examples
    --------
    >>> pattern("runs/[1]/a.parquet")
    'runs/[[]1]/a.parquet'
    """
    return _GLOB.sub(lambda found: f"[{found[0]}]", path)


def _joined_view(table: TableSpecification) -> str:
    if not table.added:
        return f"SELECT * FROM files.{table.name}"
    return _sql_file(table.name)


def _sql_file(view: str) -> str:
    return (package_files("data.warehouse") / "sql" / f"{view}.sql").read_text(encoding="utf-8").rstrip()


def _comments(view: str, grain: str, columns: Iterable[Column]) -> Iterator[str]:
    yield f"COMMENT ON VIEW {view} IS {quoted(grain)};"
    for column in columns:
        yield f'COMMENT ON COLUMN {view}."{column.name}" IS {quoted(column.documentation)};'


def _type_name(kind: pa.DataType) -> str:
    """Return DuckDB's type for a Parquet column of an Arrow type."""
    if pa.types.is_dictionary(kind):
        return _type_name(kind.value_type)
    if pa.types.is_list(kind):
        return f"{_type_name(kind.value_type)}[]"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP WITH TIME ZONE"
    return _TYPES[kind]


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Return a text as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"
