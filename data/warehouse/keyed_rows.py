"""Rows of keyed tables: reducing versions of keys to current rows."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.warehouse.frames import concatenated
from data.warehouse.manifests import DataFile
from data.warehouse.tables.specification import TableSpecification

UPSERT, DELETE = "upsert", "delete"
OPERATION = "operation"
"""Column of change files: whether the row is an upsert or a deletion."""
PUBLICATION = "publication"
"""Column of base files: the publication that wrote the row."""
ReadFile = Callable[[DataFile], pa.Table]


def change_schema(table: TableSpecification) -> pa.Schema:
    """Return the schema of change files; in deletions all columns but the key are null."""
    fields = [f if f.name in table.key else f.with_nullable(True) for f in table.schema]
    return pa.schema([*fields, pa.field(OPERATION, pa.string(), nullable=False)])


def base_schema(table: TableSpecification) -> pa.Schema:
    """Return the schema of base files."""
    return pa.schema([*table.schema, pa.field(PUBLICATION, pa.int64(), nullable=False)])


def changed_rows(table: TableSpecification, upserts: pa.Table | None, deletions: pa.Table | None) -> pa.Table:
    """Return the sorted rows of a change file.

    Raises
    ------
    InvalidInputError
        If a key occurs twice.
    """
    schema = change_schema(table)
    parts = [
        rows.append_column(OPERATION, pa.repeat(pa.scalar(operation), rows.num_rows))
        for rows, operation in ((upserts, UPSERT), (deletions, DELETE))
        if rows is not None
    ]
    rows = concatenated([schema.empty_table(), *parts], schema).sort_by([(name, "ascending") for name in table.key])
    repeated = np.flatnonzero(~first_of_keys(rows, table.key))
    if len(repeated):
        key = {name: rows[name][int(repeated[0])].as_py() for name in table.key}
        raise InvalidInputError(f"table {table.name}: the key {key} is given twice in one publication; give it once")
    return rows


def versions(
    read_file: ReadFile,
    table: TableSpecification,
    files: Sequence[DataFile],
    low: Any = None,
    high: Any = None,
    *,
    is_open: bool = False,
) -> pa.Table:
    """Return the rows of files within a range, each with its operation and publication.

    Parameters
    ----------
    read_file : callable
        Reads one file.
    table : TableSpecification
    files : sequence of DataFile
    low, high : str or int or None
        Smallest and largest value of the first column of the key.
    is_open : bool
        Whether `high` is excluded, as the first key of the next range.
    """
    name = table.key[0]
    schema = pa.schema([*change_schema(table), pa.field(PUBLICATION, pa.int64())])
    parts = [schema.empty_table()]
    for file in files:
        if file.key_range is not None and _is_beyond(file.key_range, low, high):
            continue
        rows = read_file(file)
        if low is not None:
            rows = rows.filter(pc.greater_equal(rows[name], low))
        if high is not None:
            rows = rows.filter((pc.less if is_open else pc.less_equal)(rows[name], high))
        if file.role == "base":
            rows = rows.append_column(OPERATION, pa.repeat(pa.scalar(UPSERT), rows.num_rows))
        else:
            rows = rows.append_column(PUBLICATION, pa.repeat(pa.scalar(file.publication), rows.num_rows))
        parts.append(rows)
    return concatenated(parts, schema)


def ranges_of(files: Sequence[DataFile]) -> list[tuple[Any, Any]]:
    """Return consecutive ranges of the first key column that cover all keys: one per base file.

    The end of each range is excluded; the first start and the last end are None.
    """
    firsts = sorted({file.key_range[0] for file in files if file.role == "base" and file.key_range})
    return [(None, None)] if len(firsts) < 2 else list(zip([None, *firsts[1:]], [*firsts[1:], None], strict=True))


def _is_beyond(key_range: tuple[Any, Any], low: Any, high: Any) -> bool:
    return bool((high is not None and key_range[0] > high) or (low is not None and key_range[1] < low))


def latest(rows: pa.Table, table: TableSpecification) -> pa.Table:
    """Return the last version of each key, sorted by key."""
    order = [*((name, "ascending") for name in table.key), (PUBLICATION, "descending")]
    rows = rows.sort_by(order)
    return rows.filter(pa.array(first_of_keys(rows, table.key)))


def current(rows: pa.Table, table: TableSpecification) -> pa.Table:
    """Return the current rows given all versions, sorted by key, with the table's schema."""
    rows = latest(rows, table)
    return rows.filter(pc.equal(rows[OPERATION], UPSERT)).select(table.schema.names).cast(table.schema)


def first_of_keys(rows: pa.Table, key: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return, for each of the sorted rows, whether its key differs from the previous row's."""
    first = np.ones(rows.num_rows, bool)
    if rows.num_rows > 1:
        same = np.ones(rows.num_rows - 1, bool)
        for name in key:
            column = rows[name].combine_chunks()
            same &= pc.equal(column[1:], column[:-1]).fill_null(False).to_numpy(zero_copy_only=False)
        first[1:] = ~same
    return first
