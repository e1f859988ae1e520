"""Edge lists in text: SNAP files, CSV, TSV and their relatives, plain or compressed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import chain
from pathlib import Path

import pyarrow as pa

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress
from data.readers.attributes import AttributeColumn, reread_as_text
from data.readers.byte_stream import Block, text_blocks
from data.readers.column_roles import refuse_bad_weights
from data.readers.edge_list_builder import Assembly
from data.readers.layout import SampleLine, TextLayout, check_text, edge_layout, is_endpoint_name, sample_of
from data.readers.line_numbers import LineRun
from data.readers.text_rows import TextRows


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
        Hears ``("reading", bytes done, bytes in all)`` of the file.

    Raises
    ------
    EdgeListError
        If the file is no text, its layout is not clear, more than half of the first 1,000 rows are malformed, or a
        strength or probability breaks its rule.
    TooManyRejectsError
        If there are more malformed lines than ``options.max_rejects``.
    """
    return reread_as_text(partial(_read_once, path, options, agents, progress))


def first_data(blocks: Iterator[Block], path: Path) -> tuple[Iterator[Block], list[SampleLine]]:
    """Return the blocks from the first that has data lines, and those lines, a thousand at most."""
    for block in blocks:
        check_text(block, str(path))
        if sample := sample_of(block):
            return chain([block], blocks), sample
    raise EdgeListError(f"{path} holds only comments and blank lines; it must hold at least one line of data")


def from_line(blocks: Iterator[Block], line: SampleLine) -> Iterator[Block]:
    """Yield the blocks without what stands before a line of the first."""
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
    layout = edge_layout(sample, path, options)
    assembly = Assembly(str(path), options)
    columns = [
        AttributeColumn(
            layout.names[position],
            number=layout.names[position] in (options.strength, options.probability),
            kind="text" if layout.names[position] in as_text else "integer",
        )
        for position in layout.attributes
    ]
    rows = TextRows(layout, columns, assembly.rejects)
    rows.learn(line.text for line in sample if line.number >= layout.first.number)
    for block in rows.parsed(from_line(blocks, layout.first)):
        for name, values in block.attributes.items():
            refuse_bad_weights(values, name, options, partial(_place, path, block.lines))
        assembly.add(block.ids, block.lines)
        rows.expect(integer_ids=assembly.identifiers.integers)
    assembly.warnings += _warnings(sample[0], layout, options, path, assembly.rows_read)
    attributes = pa.table({column.name: column.finish() for column in columns})
    return assembly.finish(attributes, agents, counts=layout.counts)


def _place(path: Path, lines: LineRun, row: int) -> str:
    return f"{path}, line {lines.line(row)}"


def _warnings(
    first: SampleLine, layout: TextLayout, options: ImportOptions, path: Path, rows_read: int
) -> Sequence[str]:
    """Return what the user may not have meant."""
    text = first.decoded().strip(" \t")
    counts = re.fullmatch("([0-9]+)[ \t,;]+([0-9]+)", text)
    if options.header == "auto" and counts and int(counts[2]) == rows_read - 1:
        return [f"{path}: the first line {text!r} was read as an edge; if it counts the rows, say --header counts"]
    ends = [layout.names[position] for position, _ in layout.ids]
    others = [name for name in layout.names if is_endpoint_name(name) and name not in ends]
    if options.source is None and options.target is None and others:
        hint = f"there is also {others[0]!r}; name the endpoints with --source and --target if they are others"
        return [f"{path}: columns {ends[0]!r} and {ends[1]!r} were read as source and target, but {hint}"]
    return []
