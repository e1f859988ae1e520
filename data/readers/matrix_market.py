"""Edge lists in the Matrix Market format: entries of a square matrix, rows and columns numbered from 1."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress
from data.readers.attributes import AttributeColumn
from data.readers.byte_stream import Block, text_blocks
from data.readers.column_roles import endpoint_positions, refuse_bad_weights, renamed
from data.readers.delimiters import BLANKS
from data.readers.edge_list_builder import EdgeListBuilder
from data.readers.layout import SampleLine, TextLayout, block_lines, check_text, is_data
from data.readers.line_numbers import LineRun
from data.readers.text_rows import TextRows

BANNER = b"%%MatrixMarket"
WEIGHT = "weight"

_MOST_AGENTS = 2**31 - 1
_FORM = re.compile(r"%%matrixmarket\s+matrix\s+(\w+)\s+(\w+)\s+([\w-]+)\s*", re.IGNORECASE)
_KNOWN = ({"coordinate"}, {"real", "integer", "pattern"}, {"general", "symmetric"})
_ACCEPTED = "'%%MatrixMarket matrix coordinate' with real, integer or pattern, and general or symmetric"


@dataclass(frozen=True)
class MatrixHeader:
    """Banner and size line of a Matrix Market file.

    Attributes
    ----------
    agents, entries : int
        Number of rows (and columns), and number of entries.
    weighted : bool
        Whether entries have a value.
    symmetric : bool
        Whether each entry also implies its mirror image.
    first : SampleLine
        The line after the size line.
    """

    agents: int
    entries: int
    weighted: bool
    symmetric: bool
    first: SampleLine


def is_matrix_market(start: bytes) -> bool:
    """Return whether a file that begins with these bytes is in the Matrix Market format."""
    return start[: len(BANNER)].lower() == BANNER.lower()


def read_matrix_market(path: Path, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read a Matrix Market file: entry (i, j) is the edge from i to j, in a symmetric matrix also from j to i.

    All n agents exist, including those without entries. Values become the column ``weight``. The option ``header`` has
    no effect.

    Raises
    ------
    EdgeListError
        If the banner or the size line is invalid, the matrix is not square, a row or column is outside it, or a weight
        is invalid for its role.
    TooManyRejectsError
        If there are more malformed lines than ``options.max_rejects``.

    References
    ----------
    .. [1] R. F. Boisvert, R. Pozo, K. A. Remington, "The Matrix Market Exchange Formats: Initial Design", NISTIR 5935,
       1996.
    """
    with closing(text_blocks(path, progress)) as stream:
        header, blocks = _header(stream, path)
        names = renamed(("source", "target", WEIGHT)[: 2 + header.weighted], options, str(path))
        start, end = endpoint_positions(names, options, str(path))
        layout = TextLayout(BLANKS, names, ((start, "source"), (end, "target")), header.first)
        return _entries(blocks, layout, header, path, options, agents)


def _entries(
    blocks: Iterator[Block],
    layout: TextLayout,
    header: MatrixHeader,
    path: Path,
    options: ImportOptions,
    agents: pa.Table | None,
) -> EdgeList:
    builder = EdgeListBuilder(str(path), options)
    builder.has_agents = header.agents > 0
    builder.identifiers.add(rows=pa.chunked_array([np.arange(1, header.agents + 1)]))
    columns = [AttributeColumn(layout.names[at], number=True) for at in layout.attributes]
    rows = TextRows(layout, columns, builder.rejects)
    for block in rows.parsed(blocks):
        place = partial(_place, path, block.lines)
        for ids in block.ids:
            _refuse_outside(ids, header, place)
        for name, values in block.attributes.items():
            refuse_bad_weights(values, name, options, place)
        builder.add(block.ids, block.lines)
    attributes = pa.table({column.name: column.finish() for column in columns})
    edges = builder.finish(attributes, agents, counts=(header.agents, header.entries))
    return replace(edges, both_ways=np.ones(len(edges), np.bool_)) if header.symmetric else edges


def _place(path: Path, lines: LineRun, row: int) -> str:
    return f"{path}, line {lines.line(row)}"


def _refuse_outside(ids: pa.ChunkedArray, header: MatrixHeader, place: Callable[[int], str]) -> None:
    if pa.types.is_string(ids.type):
        ids = pc.if_else(pc.match_substring_regex(ids, "^[0-9]{1,10}$"), ids, "0").cast(pa.int64())
    outside = pc.or_(pc.less(ids, 1), pc.greater(ids, header.agents))
    row = pc.index(outside, True).as_py()
    if row >= 0:
        raise EdgeListError(
            f"{place(row)}: row and column must be numbers in 1..{header.agents}; the file is damaged, or its size "
            "line is wrong"
        )


def _header(blocks: Iterator[Block], path: Path) -> tuple[MatrixHeader, Iterator[Block]]:
    """Return the header and the blocks of lines after it."""
    form: re.Match[str] | None = None
    for block in blocks:
        check_text(block, str(path))
        for line in block_lines(block):
            if form is None:
                form = _form(line.decoded(), path)
            elif is_data(line.text):
                header = _parsed(form, line, path)
                rest = block.after(header.first.offset, header.first.number)
                return header, chain([rest], blocks)
    raise EdgeListError(f"{path} ends before the size line 'rows columns entries' of a Matrix Market file")


def _form(banner: str, path: Path) -> re.Match[str]:
    form = _FORM.fullmatch(banner)
    if form is None:
        raise EdgeListError(f"{path}: the first line {banner[:80]!r} is not a known banner; accepted are {_ACCEPTED}")
    kinds = [form[1].lower(), form[2].lower(), form[3].lower()]
    for word, known in zip(kinds, _KNOWN, strict=True):
        if word not in known:
            kind = " ".join(kinds)
            raise EdgeListError(f"{path} is a Matrix Market file of kind {kind!r}; accepted are {_ACCEPTED}")
    return form


def _parsed(form: re.Match[str], line: SampleLine, path: Path) -> MatrixHeader:
    size = re.fullmatch(r"\s*(\d+)\s+(\d+)\s+(\d+)\s*", line.decoded())
    if size is None:
        raise EdgeListError(
            f"{path}, line {line.number}: {line.decoded()[:60]!r} is not a Matrix Market size line 'rows columns "
            "entries'"
        )
    rows, columns, entries = map(int, size.groups())
    if rows != columns:
        raise EdgeListError(
            f"{path} holds a matrix of {rows} rows and {columns} columns; a network needs as many of both. If rows and "
            "columns are different agents, write the entries with distinct ids to a CSV file"
        )
    if rows > _MOST_AGENTS:
        raise EdgeListError(f"{path}: the size line gives {rows} agents; at most {_MOST_AGENTS} are supported")
    return MatrixHeader(rows, entries, form[2].lower() != "pattern", form[3].lower() == "symmetric", line.next)
