"""The rows of a text file, block by block: ids, typed attributes, and malformed lines.

Arrow parses a whole block at once. Only if that finds anything unusual are single lines inspected, and of these only
the ones chosen by `suspicious_lines`; `TextLayout.complaint` decides which are malformed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.readers.attributes import AttributeColumn
from data.readers.byte_stream import Block
from data.readers.identifiers import LONGEST_ID, canonical_integers, trimmed
from data.readers.layout import TextLayout, is_data, is_marked
from data.readers.line_numbers import LineRun
from data.readers.malformed_scan import header_places, line_ends, lines_kept, suspicious_lines
from data.readers.rejects import Rejects

_COMMENT_LINE = re.compile(rb"(?:\A|\n)[ \t]*[#%]")


@dataclass(frozen=True)
class RowBlock:
    """Rows of one block.

    Attributes
    ----------
    ids : tuple of pyarrow.ChunkedArray
        Per id column int64 or trimmed string, without nulls.
    attributes : dict
        Values of the other columns, by name, as appended to the columns of `TextRows`.
    lines : LineRun
        Line numbers of the rows.
    """

    ids: tuple[pa.ChunkedArray, ...]
    attributes: dict[str, pa.ChunkedArray]
    lines: LineRun


class TextRows:
    """Parser of the blocks of one text file, which tracks column types and collects malformed lines."""

    def __init__(self, layout: TextLayout, columns: Sequence[AttributeColumn], rejects: Rejects) -> None:
        self._layout = layout
        self._names = [str(position) for position in range(len(layout.names))]
        self._columns = dict(zip(layout.attributes, columns, strict=True))
        self._rejects = rejects
        self._integer_ids = True
        self._marked: list[int] = []

    @property
    def doubts(self) -> list[str]:
        """Warnings about lines that begin with ``#`` or ``%`` and look like rows."""
        if not self._marked:
            return []
        count = f"{len(self._marked):,} lines that begin" if len(self._marked) > 1 else "1 line that begins"
        lines = f"{count} with # or % (the first is line {self._marked[0]})"
        if self._layout.marked_rows:
            return [f"{lines} and look like rows were read as rows; if they are comments, remove them"]
        return [
            (
                f"{lines} and look like rows were left out as comments; if they are rows, add a header line with the "
                "names of the columns, and separate the fields by commas"
            )
        ]

    def expect(self, *, integer_ids: bool) -> None:
        """Set the expected type of ids in the next block; a wrong guess only costs time."""
        self._integer_ids = integer_ids

    def learn(self, sample: Iterable[bytes]) -> None:
        """Guess the types of ids and attributes from sample lines; blocks that fit the guess are parsed only once."""
        fields = [self._layout.delimiter.fields(line.decode()) for line in sample if not self._layout.complaint(line)]
        texts = [pa.chunked_array([[row[at] for row in fields]], pa.string()) for at in range(len(self._layout.names))]
        for at, column in self._columns.items():
            column.expect(texts[at])
        ids = [canonical_integers(trimmed(texts[at])) for at, _ in self._layout.ids]
        self.expect(integer_ids=None not in ids)

    def parsed(self, blocks: Iterator[Block]) -> Iterator[RowBlock]:
        """Yield the rows of each block."""
        for block in blocks:
            if not block.line_count:
                continue
            data = self._layout.delimiter.normalised(block.data)
            lines = LineRun(block.line_count, block.first_line)
            table = self._fitting_table(data, lines) if self._seems_plain(data) else None
            if table is None:
                data, lines = self._without_malformed(block, data)
                if not lines.count:
                    continue
                table = self._fitting_table(data, lines)
            if table is None:
                # Text fits every value, and one large block fits lines longer than the blocks Arrow parses in parallel.
                table = self._table(data, dict.fromkeys(self._names, pa.string()), block_size=len(data))
            yield self._rows(table, lines)

    def _seems_plain(self, data: bytes) -> bool:
        """Return whether lines contain no comments and nothing that Arrow and `complaint` read differently."""
        if b"\0" in data or b"\r" in data or not self._layout.delimiter.quotes_match(data):
            return False
        if next(header_places(data, self._layout), None) is not None:
            return False
        return not ((b"#" in data or b"%" in data) and _COMMENT_LINE.search(data))

    def _fitting_table(self, data: bytes, lines: LineRun) -> pa.Table | None:
        """Return the rows if every line is well formed and every value fits its column, else None."""
        types = self._types(data)
        try:
            table = self._table(data, types)
        except pa.ArrowInvalid:
            return None
        if len(table) != lines.count or not all(_are_ids(table.column(at)) for at, _ in self._layout.ids):
            return None
        return table if all(column.keeps(table.column(at)) for at, column in self._columns.items()) else None

    def _types(self, data: bytes) -> dict[str, pa.DataType]:
        """Return the types to parse columns as: text if a number would not preserve the spelling."""
        leading_zeros = _may_have_leading_zeros(data, self._layout.delimiter.character)
        integer = pa.string() if leading_zeros or b"-0" in data else pa.int64()
        types = dict.fromkeys(self._names, integer if self._integer_ids else pa.string())
        for at, column in self._columns.items():
            other = pa.string() if leading_zeros else column.type
            types[self._names[at]] = integer if column.kind == "integer" else other
        return types

    def _without_malformed(self, block: Block, data: bytes) -> tuple[bytes, LineRun]:
        """Return the well-formed lines of a block, normalised; add its malformed lines to the rejects."""
        suspects = suspicious_lines(data, self._layout)
        ends = line_ends(block.data)
        starts = np.append(0, ends + 1)
        kept = np.ones(block.line_count, np.bool_)
        for at in suspects.tolist():
            line = block.data[starts[at] : ends[at]]
            reason = self._judged(line, block.first_line + at)
            kept[at] = reason is None
            if reason:
                self._rejects.add(block.first_line + at, reason, line.decode("utf-8", errors="replace"))
        return lines_kept(data, kept), LineRun.of(block.first_line + np.flatnonzero(kept))

    def _judged(self, line: bytes, number: int) -> str | None:
        """Return None for a row, the reason for a malformed row, and "" for a line that is no row."""
        if is_data(line):
            return self._layout.complaint(line)
        if not is_marked(line) or self._layout.complaint(line):
            return ""
        self._marked.append(number)
        return None if self._layout.marked_rows else ""

    def _table(self, data: bytes, types: dict[str, pa.DataType], block_size: int = 1 << 20) -> pa.Table:
        """Parse normalised lines; raise pyarrow.ArrowInvalid if a line is malformed or a value has the wrong type."""
        delimiter = self._layout.delimiter
        return pyarrow.csv.read_csv(
            pa.BufferReader(data),
            pyarrow.csv.ReadOptions(column_names=self._names, block_size=block_size),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter.character,
                quote_char=delimiter.quote or False,
                double_quote=bool(delimiter.quote),
            ),
            pyarrow.csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=True
            ),
        )

    def _rows(self, table: pa.Table, lines: LineRun) -> RowBlock:
        ids = tuple(table.column(position) for position, _ in self._layout.ids)
        attributes = {column.name: column.add(table.column(at)) for at, column in self._columns.items()}
        return RowBlock(tuple(map(_without_blanks, ids)), attributes, lines)


def _are_ids(values: pa.ChunkedArray) -> bool:
    if values.null_count:
        return False
    if pa.types.is_integer(values.type):
        return True
    ends = pc.min_max(pc.binary_length(trimmed(values)))
    return bool(ends["min"].as_py() > 0 and ends["max"].as_py() <= LONGEST_ID)


def _without_blanks(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    return trimmed(ids) if pa.types.is_string(ids.type) else ids


def _may_have_leading_zeros(data: bytes, delimiter: str) -> bool:
    """Return whether some field may begin with a zero and a further digit or letter, so is no canonical integer."""
    if data[:1] == b"0" and data[1:2] > b"/":
        return True
    characters = np.frombuffer(data, np.uint8)
    before, zero, after = characters[:-2], characters[1:-1], characters[2:]
    # Bytes below "0" are blanks, quotes, line feeds, most delimiters, and "." and signs, after which no field begins.
    begins = (before < ord("0")) & (before != ord(".")) & (before != ord("-")) & (before != ord("+"))
    begins |= before == ord(delimiter)
    return bool((begins & (zero == ord("0")) & (after >= ord("0"))).any())
