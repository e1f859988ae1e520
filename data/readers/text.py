"""Edge lists in text: SNAP files, CSV, TSV and similar formats, plain or compressed."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress
from data.readers.attributes import AttributeColumn, reread_as_text
from data.readers.byte_stream import Block, text_blocks
from data.readers.column_roles import refuse_bad_weights
from data.readers.edge_list_builder import EdgeListBuilder
from data.readers.headers import is_number
from data.readers.layout import SampleLine, TextLayout, check_text, edge_layout, sample_of
from data.readers.line_numbers import LineRun
from data.readers.text_rows import TextRows

_EDGES_LOOKED_FOR, _EDGES_AT_ONCE = 1_000, 1 << 22
_FEWEST_ROWS = 3
"""With fewer rows there is no warning about the first line."""


def read_text(path: Path, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read a text file as an edge list.

    Parameters
    ----------
    path : Path
        The file; gzip, bzip2, xz and zstd are recognised by their first bytes.
    options : ImportOptions
        Header, columns, roles, direction and the limit of malformed lines.
    agents : pyarrow.Table, optional
        Agents as `data.readers.agents.read_agents` returns them.
    progress : Progress
        Called with ``("reading", bytes done, bytes in total)`` of the file.

    Raises
    ------
    EdgeListError
        If the file is not text, its layout is unclear, more than half of the first 1,000 rows are malformed, or a
        strength or probability is invalid.
    TooManyRejectsError
        If there are more malformed lines than ``options.max_rejects``.
    """
    return reread_as_text(partial(_read_once, path, options, agents, progress))


def first_data(blocks: Iterator[Block], path: Path) -> tuple[Iterator[Block], list[SampleLine]]:
    """Return the blocks from the first with data lines on, and a sample of at most a thousand of its lines."""
    for block in blocks:
        check_text(block, str(path))
        if sample := sample_of(block):
            return chain([block], blocks), sample
    raise EdgeListError(f"{path} holds only comments and blank lines; it must contain at least one line of data")


def from_line(blocks: Iterator[Block], line: SampleLine) -> Iterator[Block]:
    """Yield the blocks, without the part of the first block before `line`."""
    for number, block in enumerate(blocks):
        yield block if number else block.after(line.offset, line.number)


def _read_once(
    path: Path, options: ImportOptions, agents: pa.Table | None, progress: Progress, as_text: set[str]
) -> EdgeList:
    with closing(text_blocks(path, progress)) as stream:
        return _from_blocks(stream, path, options, agents, as_text)


def _from_blocks(
    stream: Iterator[Block], path: Path, options: ImportOptions, agents: pa.Table | None, as_text: set[str]
) -> EdgeList:
    blocks, sample = first_data(stream, path)
    first = next(blocks)
    blocks, preamble = chain([first], blocks), first.data[: sample[0].offset]
    layout = edge_layout(sample, path, options)
    builder = EdgeListBuilder(str(path), options)
    columns = [
        AttributeColumn(
            layout.names[position],
            number=layout.names[position] in (options.strength, options.probability),
            kind="text" if layout.names[position] in as_text else "integer",
        )
        for position in layout.attributes
    ]
    rows = TextRows(layout, columns, builder.rejects)
    rows.learn(line.text for line in sample if line.number >= layout.first.number)
    for block in rows.parsed(from_line(blocks, layout.first)):
        for name, values in block.attributes.items():
            refuse_bad_weights(values, name, options, partial(_place, path, block.lines))
        builder.add(block.ids, block.lines)
        rows.expect(integer_ids=builder.identifiers.integers)
    builder.warnings += [*layout.doubts, *(f"{path}: {doubt}" for doubt in rows.doubts)]
    attributes = pa.table({column.name: column.finish() for column in columns})
    edges = builder.finish(attributes, agents, counts=layout.counts)
    doubts = [*first_line_doubts(edges, layout, options), *direction_doubts(edges, preamble, options)]
    return replace(edges, warnings=(*edges.warnings, *(f"{path}: {doubt}" for doubt in doubts)))


def direction_doubts(edges: EdgeList, preamble: bytes, options: ImportOptions) -> list[str]:
    """Return warnings if the comments above the first row contradict the rows on the direction of edges."""
    if options.undirected or edges.both_ways is not None:
        return []
    if re.match(rb"%\s*bip\b", preamble):
        return [
            (
                "its first comment (KONECT's 'bip') says that sources and targets are agents of two kinds, each "
                "numbered from 1, but equal ids were read as one agent"
            )
        ]
    says_so = re.match(rb"%\s*sym\b", preamble) or re.search(rb"(?i)\bundirected\b", preamble)
    if says_so and not _has_reverses(edges):
        return [
            (
                "its comments say that the network is undirected, but its rows list only one direction; if edges "
                "go both ways, use --undirected"
            )
        ]
    return []


def _has_reverses(edges: EdgeList) -> bool:
    """Return whether the reverses of some of the first edges occur."""
    n, few = len(edges.agent_ids), slice(0, _EDGES_LOOKED_FOR)
    wanted = edges.target[few].astype(np.int64) * n + edges.source[few]
    wanted = np.unique(wanted[edges.source[few] != edges.target[few]])
    for start in range(0, len(edges), _EDGES_AT_ONCE):
        some = slice(start, start + _EDGES_AT_ONCE)
        if np.isin(edges.source[some].astype(np.int64) * n + edges.target[some], wanted).any():
            return True
    return not len(wanted)


def _place(path: Path, lines: LineRun, row: int) -> str:
    return f"{path}, line {lines.line(row)}"


def first_line_doubts(edges: EdgeList, layout: TextLayout, options: ImportOptions) -> list[str]:
    """Return a warning if the first line of a file, read as an edge, may be a header.

    It may count agents and edges, or name the columns; in the latter case its two ids likely occur in no other line.
    """
    if options.header != "auto" or layout.header is not None or len(edges) < _FEWEST_ROWS:
        return []
    if int(edges.lines_of(np.array([0]))[0]) != layout.first.number:
        return []  # the first line was malformed
    ids = [str(edges.agent_ids[int(code[0])]) for code in (edges.source, edges.target)]
    ids = ids[::-1] if options.reverse else ids
    ends = {int(edges.source[0]), int(edges.target[0])}
    elsewhere = {end for end in ends if (edges.source[1:] == end).any() or (edges.target[1:] == end).any()}
    stands_alone = not elsewhere
    if all(re.fullmatch("[0-9]+", end) for end in ids):
        agents, count, rows = int(ids[0]), int(ids[1]), edges.rows_read - 1
        others = len(edges.agent_ids) - len(ends - elsewhere)
        as_in_counts = count == rows or (stands_alone and (agents == others or count in (2 * rows, rows / 2)))
        if agents >= others and as_in_counts:
            text = layout.first.decoded().strip(" \t")
            return [f"the first line {text!r} was read as an edge; if it counts agents and edges, use --header counts"]
    elif stands_alone and not any(map(is_number, ids)):
        text = ", ".join(ids)
        return [
            (
                f"the first line ({text}) was read as an edge, but its ids occur in no other line; if it names the "
                "columns, use --header names, else --header none"
            )
        ]
    return []
