"""Edge lists in tables: Parquet files, pandas DataFrames, Arrow tables."""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.networks.numeric_types import is_numeric
from data.progress import Progress
from data.readers.byte_stream import magic_of
from data.readers.column_names import is_endpoint_name
from data.readers.column_roles import endpoint_doubts, endpoint_positions, refuse_bad_weights, renamed
from data.readers.edge_list_builder import EdgeListBuilder
from data.readers.id_columns import ids_of
from data.readers.identifiers import complaint_about
from data.readers.line_numbers import LineRun

BATCH_ROWS = 1 << 20
_SUFFIXES = {".parquet", ".pq"}


def read_parquet(path: Path, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read a Parquet file, or the files of a folder in the order of their names, as an edge list, batch by batch.

    Raises
    ------
    EdgeListError
        If a file is damaged, columns or weights are invalid, or no row has two endpoints.
    TooManyRejectsError
        If there are more malformed rows than ``options.max_rejects``.
    """
    schema, count = parquet_schema(path)
    return read_batches(parquet_batches(path), schema, count, options, agents, progress, str(path))


def read_frame(frame: pd.DataFrame, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read a data frame as an edge list, as `read_table` does.

    Its index is ignored, except for levels with names of endpoints, which become columns.
    """
    description = "the data frame"
    table = frame_table(frame, options, description)
    return read_table(table, options, agents, progress, description)


def read_table(
    table: pa.Table,
    options: ImportOptions,
    agents: pa.Table | None,
    progress: Progress,
    description: str = "the Arrow table",
) -> EdgeList:
    """Read an Arrow table as an edge list; columns other than the endpoints are not copied.

    Raises
    ------
    EdgeListError
        If columns or weights are invalid, a column cannot be stored in Parquet, or no row has two endpoints.
    TooManyRejectsError
        If there are more malformed rows than ``options.max_rejects``.
    """
    batches = table.to_batches(max_chunksize=BATCH_ROWS)
    return read_batches(batches, table.schema, len(table), options, agents, progress, description)


def read_batches(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    count: int | None,
    options: ImportOptions,
    agents: pa.Table | None,
    progress: Progress,
    description: str,
) -> EdgeList:
    """Read record batches as an edge list, one after the other.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
    schema : pyarrow.Schema
        Columns and types of all batches; they are cast to it.
    count : int or None
        Rows of all batches, for `progress`; None if it is not known.
    options : ImportOptions
    agents : pyarrow.Table or None
        What `read_agents` returned.
    progress : Progress
    description : str
        Readable origin of the edges, for messages.
    """
    rows = _Rows(description, schema, options)
    for batch in batches:
        rows.add(batch if batch.schema.equals(schema) else batch.replace_schema_metadata(None).cast(schema))
        progress("reading", rows.count, rows.count if count is None else count)
    return rows.finish(agents)


def frame_table(frame: pd.DataFrame, options: ImportOptions, description: str) -> pa.Table:
    """Return a data frame of edges as an Arrow table; levels of its index with names of endpoints become columns."""
    frame = _with_ends_of_index(frame)
    names = renamed([str(name) for name in frame.columns], options, description)
    return table_of(frame, endpoint_positions(names, options, description), description)


def stream_of(source: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]] | None:
    """Return schema and batches of an object that exports an Arrow stream; None if it does not.

    Text is plain: Polars exports views of strings, which few Arrow functions take.
    """
    if not hasattr(source, "__arrow_c_stream__"):
        return None
    reader = pa.RecordBatchReader.from_stream(source)
    schema = pa.schema([field.with_type(_without_views(field.type)) for field in reader.schema])

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            yield pa.RecordBatch.from_arrays([_plain(column) for column in batch.columns], schema=schema)

    return schema, batches()


_PLAIN = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}


def _without_views(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _without_views(kind.value_type), kind.ordered)
    return _PLAIN.get(kind, kind)


def _plain(column: pa.Array) -> pa.Array:
    kind = _without_views(column.type)
    if kind == column.type:
        return column
    if pa.types.is_dictionary(kind):
        values = column.dictionary.cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(column.indices, values, ordered=kind.ordered)
    return column.cast(kind)


def is_parquet(path: Path) -> bool:
    """Return whether a file is Parquet by its first bytes or its name, or a folder contains such files."""
    if path.is_dir():
        return any(path.rglob("*.parquet"))
    return magic_of(path)[:4] == b"PAR1" or path.suffix.lower() in _SUFFIXES


def parquet_parts(path: Path) -> list[Path]:
    """Return a Parquet file, or those of a folder as Spark and Dask write it, by name, without hidden files.

    Raises
    ------
    EdgeListError
        If there are files in subfolders, whose names may encode a column.
    """
    if not path.is_dir():
        return [path]
    inside = [part for part in sorted(path.iterdir()) if not part.name.startswith((".", "_"))]
    if folder := next((part for part in inside if part.is_dir() and any(part.rglob("*.parquet"))), None):
        raise EdgeListError(
            f'{path} has Parquet files in subfolders ({folder.name}); import it with --query "SELECT source, '
            f"target FROM read_parquet('{path}/**/*.parquet')\""
        )
    return [part for part in inside if part.suffix.lower() in _SUFFIXES]


def parquet_schema(path: Path) -> tuple[pa.Schema, int]:
    """Return the schema and the number of rows of a Parquet file or folder; raise EdgeListError if it is damaged."""
    schemas, count = [], 0
    for part in parquet_parts(path):
        try:
            with pq.ParquetFile(part) as file:
                schemas.append(file.schema_arrow.remove_metadata())
                count += file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(part, error) from error
        if schemas[-1].names != schemas[0].names:
            raise EdgeListError(
                f"{part} has the columns {', '.join(schemas[-1].names)}, the files before it have "
                f"{', '.join(schemas[0].names)}; a folder must contain the files of one table"
            )
    try:
        return pa.unify_schemas(schemas, promote_options="permissive"), count
    except pa.ArrowException as error:
        raise EdgeListError(
            f"the files of {path} have columns of different types: {error}; write them again"
        ) from error


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file or folder, in the types of `parquet_schema`."""
    schema, _ = parquet_schema(path)
    for part in parquet_parts(path):
        for batch in _batches_of(part):
            yield batch if batch.schema.equals(schema) else batch.replace_schema_metadata(None).cast(schema)


def _batches_of(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file; raise EdgeListError if it is damaged."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        batches = file.iter_batches(batch_size=BATCH_ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(path, error) from error
            if batch is None:
                return
            yield batch


def table_of(frame: pd.DataFrame, ids: Sequence[int], description: str) -> pa.Table:
    """Return a data frame as an Arrow table, without its index; missing values are null.

    Mixed Python objects become text in the columns at positions `ids`; in other columns they are refused.
    """
    names = [str(name) for name in frame.columns]
    columns = []
    for position, name in enumerate(names):
        try:
            columns.append(pa.array(frame.iloc[:, position], from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            if position not in ids:
                raise EdgeListError(
                    f"{description}: column {name!r} of mixed types cannot be stored in Parquet: {error}; cast it"
                ) from error
            columns.append(_texts(frame.iloc[:, position]))
    return pa.Table.from_arrays(columns, names=names)


def refuse_unstorable(schema: pa.Schema, description: str) -> None:
    """Raise EdgeListError at the first column of a type that Parquet cannot store."""
    for field in schema:
        try:
            pq.write_table(pa.schema([field]).empty_table(), io.BytesIO())
        except (pa.ArrowException, NotImplementedError) as error:
            raise EdgeListError(
                f"{description}: column {field.name!r} of type {field.type} cannot be stored in Parquet; "
                "drop the column or cast it"
            ) from error


class _Rows:
    """Collects batches of a table into an edge list."""

    def __init__(self, description: str, schema: pa.Schema, options: ImportOptions) -> None:
        self.count = 0
        self._description, self._options = description, options
        self._names = renamed(schema.names, options, description)
        self._ends = endpoint_positions(self._names, options, description)
        self._attributes = [at for at in range(len(self._names)) if at not in self._ends]
        self._schema = pa.schema([schema.field(at).with_name(self._names[at]) for at in self._attributes])
        refuse_unstorable(self._schema, description)
        _refuse_weights_of_other_types(self._schema, options, description)
        self._builder = EdgeListBuilder(description, options, "row")
        self._builder.warnings += [f"{description}: {doubt}" for doubt in endpoint_doubts(self._names, options)]
        self._chunks: list[pa.Table] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Append the edges of a batch."""
        ends = [ids_of(batch.column(at), self._names[at], self._description) for at in self._ends]
        attributes = pa.Table.from_arrays([batch.column(at) for at in self._attributes], schema=self._schema)
        lines = LineRun(len(batch), self.count + 1)
        if any(end.null_count for end in ends):
            usable = pc.and_(*(end.is_valid() for end in ends))
            kept = usable.to_numpy(zero_copy_only=False)
            self._reject(batch, np.flatnonzero(~kept))
            lines = LineRun.of(self.count + 1 + np.flatnonzero(kept))
            ends = [end.filter(usable) for end in ends]
            attributes = attributes.filter(usable) if self._attributes else attributes
        self.count += len(batch)
        for name in self._schema.names:
            refuse_bad_weights(
                attributes.column(name), name, self._options, lambda row: f"{self._description}, row {lines.line(row)}"
            )
        self._chunks.append(attributes)
        self._builder.add([pa.chunked_array([end]) for end in ends], lines)

    def finish(self, agents: pa.Table | None) -> EdgeList:
        """Return the edge list; the object must not be reused."""
        attributes = pa.concat_tables(self._chunks) if self._attributes and self._chunks else pa.table({})
        return self._builder.finish(attributes, agents)

    def _reject(self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64]) -> None:
        for row in rows.tolist():
            values = [batch.column(at)[row].as_py() for at in self._ends]
            complaints = map(_complaint, values, ("source", "target"))
            reason = next(filter(None, complaints), "an id cannot be read")
            self._builder.rejects.add(self.count + 1 + row, reason, ", ".join(map(str, values)))


def _with_ends_of_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame in which index levels with names of endpoints are further columns, after the others."""
    levels = [name for name in frame.index.names if isinstance(name, str) and is_endpoint_name(name)]
    levels = [name for name in levels if name not in frame.columns]
    if not levels:
        return frame
    values = {name: frame.index.get_level_values(name).to_numpy() for name in levels}
    return frame.reset_index(drop=True).assign(**values)


def _complaint(value: Any, which: str) -> str | None:
    if isinstance(value, float):
        return None if np.isfinite(value) else f"the {which} id is not finite"
    return complaint_about(None if value is None else str(value).strip(" \t"), which)


def _texts(values: "pd.Series[Any]") -> pa.Array:
    missing = values.isna()
    return pa.array([None if gone else str(value) for value, gone in zip(values, missing, strict=True)], pa.string())


def _refuse_weights_of_other_types(schema: pa.Schema, options: ImportOptions, description: str) -> None:
    for field in schema:
        kind = field.type
        if field.name in (options.strength, options.probability) and not is_numeric(kind):
            raise EdgeListError(
                f"{description}: column {field.name!r} of type {kind} cannot be the strength or probability; "
                "convert it to a number"
            )


def _unreadable(path: Path, error: Exception) -> EdgeListError:
    return EdgeListError(f"{path} is not a readable Parquet file: {error}; write it again")
