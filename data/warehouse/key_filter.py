"""Selecting the rows of publication keys in a table: a file may contain rows of many keys."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.warehouse.keys import rows_of
from data.warehouse.manifests import DataFile
from data.warehouse.tables import table_specification


class KeyFilter:
    """A filter for the rows of a table that belong to some keys.

    Parameters
    ----------
    table : str
    keys : sequence of str
        Keys of publications. Keys that do not identify rows, such as a checkpoint's, let all rows of their files pass.
    """

    def __init__(self, table: str, keys: Sequence[str]) -> None:
        specification = table_specification(table)
        named = [{c: v for c, v in rows_of(key).items() if c in specification.schema.names} for key in keys]
        self._passes_all = specification.of_snapshots or not all(named)  # a file of a network has rows of one snapshot
        self._first = specification.key[0]
        self._values: dict[tuple[str, ...], list[dict[str, str | int]]] = {}
        for values in named:
            self._values.setdefault(tuple(values), []).append(values)
        self._first_values = sorted({values[self._first] for values in named if self._first in values})

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that `applied` needs."""
        return () if self._passes_all else tuple({name for names in self._values for name in names})

    def may_be_in(self, file: DataFile) -> bool:
        """Return whether a file may contain wanted rows, judging by its range of keys."""
        return holds_one_of(file, self._first_values)

    def row_groups(self, parquet: pq.ParquetFile) -> list[int]:
        """Return the row groups of a file that may contain wanted rows, judging by their statistics."""
        groups = list(range(parquet.num_row_groups))
        if self._passes_all or not self._values or not all(self._first in names for names in self._values):
            return groups
        names = [column.path for column in parquet.schema]
        position = names.index(self._first)
        found = [parquet.metadata.row_group(number).column(position).statistics for number in groups]
        return [
            number
            for number, statistics in zip(groups, found, strict=True)
            if statistics is None
            or not statistics.has_min_max
            or _includes_one_of(self._first_values, statistics.min, statistics.max)
        ]

    def applied(self, rows: pa.Table) -> pa.Table:
        """Return the wanted rows, in the given order."""
        if self._passes_all or not rows.num_rows:
            return rows
        passing = [self._passing(rows, names, values) for names, values in self._values.items()]
        chosen = passing[0]
        for further in passing[1:]:
            chosen = pc.or_(chosen, further)
        return rows.filter(chosen)

    def _passing(
        self, rows: pa.Table, names: tuple[str, ...], values: list[dict[str, str | int]]
    ) -> pa.ChunkedArray | pa.Array:
        if len(names) == 1:
            return _is_in(rows[names[0]], [each[names[0]] for each in values])
        columns = [plain(rows[name]) for name in names]
        wanted = [pa.array([each[name] for each in values], columns[i].type) for i, name in enumerate(names)]
        # Several columns: a row passes if it equals some key in all of them.
        row_ids = pa.array(range(rows.num_rows))
        left = pa.table([row_ids, *columns], names=["#", *names])
        right = pa.table(wanted, names=list(names))
        found = left.join(right, keys=list(names), join_type="left semi")["#"]
        return pc.is_in(row_ids, value_set=found)


def holds_one_of(file: DataFile, values: Sequence[Any]) -> bool:
    """Return whether a file's range of keys includes one of the sorted values of its first key column."""
    if file.key_range is None:
        return bool(values)
    return _includes_one_of(values, *file.key_range)


def _includes_one_of(values: Sequence[Any], low: Any, high: Any) -> bool:
    """Return whether a range includes one of some sorted values."""
    position = bisect_left(values, low)
    return position < len(values) and values[position] <= high


def _is_in(column: pa.ChunkedArray, values: Sequence[str | int]) -> pa.ChunkedArray:
    """Return whether each value of a column is one of some; in a dictionary-encoded one, symbols are compared once."""
    if not pa.types.is_dictionary(column.type):
        return pc.is_in(column, value_set=pa.array(values, column.type))
    wanted = pa.array(values, column.type.value_type)
    parts = [pc.is_in(chunk.dictionary, value_set=wanted).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(parts, pa.bool_())


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without dictionary encoding."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
