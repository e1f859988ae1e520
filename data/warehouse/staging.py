"""Staging: writing one Parquet file, hashed while it is written, and invisible until a manifest names it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.warehouse.manifests import DataFile, Role
from data.warehouse.storage import Storage
from data.warehouse.tables.specification import schema_fingerprint

ROWS_PER_GROUP = 1 << 14
"""Rows per row group of compacted files, which hold many keys: a read by key reads the row groups that may have it."""


class StagedFile:
    """A Parquet file being written for a table; it becomes a `DataFile` when its block ends."""

    def __init__(
        self, table: str, path: str, writer: pq.ParquetWriter, schema: pa.Schema, key: str, rows_per_group: int | None
    ) -> None:
        self._table, self._path, self._writer, self._schema = table, path, writer, schema
        self._rows = 0
        self._rows_per_group = rows_per_group
        self._key = key if key in schema.names else None
        self._key_range: tuple[Any, Any] | None = None
        self._result: DataFile | None = None

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Append rows; columns are reordered and cast to fit the schema."""
        rows = pa.table(rows).select(self._schema.names)
        step = self._rows_per_group or max(rows.num_rows, 1)
        for first in range(0, rows.num_rows or 1, step):
            # Each row group is cast alone: Arrow writes the whole dictionary of a column into every row group.
            self._write_group(rows.slice(first, step).cast(self._schema))

    def _write_group(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)
        self._rows += rows.num_rows
        if self._key is not None and rows.num_rows:
            self._extend_range(rows[self._key])

    def _extend_range(self, values: pa.ChunkedArray) -> None:
        """Extend the key range by further values; a dictionary may have unused entries, so the range may be wider."""
        for chunk in values.chunks:
            found = pc.min_max(chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk).as_py()
            ends = [found["min"], found["max"], *(self._key_range or ())]
            ends = [end for end in ends if end is not None]
            self._key_range = (min(ends), max(ends)) if ends else None

    def finish(self, digest: "HashedFile", division: tuple[int, int] | None, role: Role) -> None:
        """Record what was written, once the file is closed."""
        self._result = DataFile(
            table=self._table,
            path=self._path,
            rows=self._rows,
            size=digest.size,
            checksum=digest.hash.hexdigest(),
            fingerprint=schema_fingerprint(self._schema),
            division=division,
            key_range=self._key_range,
            role=role,
        )

    @property
    def file(self) -> DataFile:
        """The finished file, to be given to `Warehouse.commit`."""
        assert self._result is not None, "the block that writes the file has not ended"
        return self._result


class HashedFile:
    """A binary file that is hashed and counted while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hash = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, content: Any) -> int:
        """Write bytes; return how many."""
        self.hash.update(content)
        self.size += memoryview(content).nbytes
        return self._file.write(content)

    def flush(self) -> None:
        """Flush buffered bytes to the file."""
        self._file.flush()

    def close(self) -> None:
        """Do nothing: the storage closes the file after syncing it."""


@contextmanager
def staged_file(
    storage: Storage,
    table: str,
    path: str,
    schema: pa.Schema,
    *,
    key: str,
    division: tuple[int, int] | None = None,
    role: Role = "rows",
) -> Iterator[StagedFile]:
    """Write one new file of a table at `path`; on failure it is removed.

    Parameters
    ----------
    storage : Storage
    table, path : str
    schema : pyarrow.Schema
        Columns of the file.
    key : str
        First column of the table's key: its smallest and largest value are recorded.
    division : tuple of int, optional
        First and last key of the file's rows, if the table is partitioned by ranges.
    role : str
        Role of the file, see `data.warehouse.manifests.Role`.
    """
    with storage.writer(path) as file:
        digest = HashedFile(file)
        writer = pq.ParquetWriter(
            digest,
            schema,
            compression="zstd",
            compression_level=1,
            write_page_index=True,
            write_page_checksum=True,  # without it, most flipped bits would be read as wrong values, without an error
        )
        staged = StagedFile(table, path, writer, schema, key, ROWS_PER_GROUP if role == "compacted" else None)
        try:
            yield staged
        except BaseException:
            _close_quietly(writer)
            raise
        writer.close()
    staged.finish(digest, division, role)


def _close_quietly(writer: pq.ParquetWriter) -> None:
    """Close a writer whose file is about to be removed; an error of its own would hide the real one."""
    with suppress(OSError, pa.ArrowException):
        writer.close()
