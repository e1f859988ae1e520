"""Agents files: agents, with or without edges, and their attributes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.errors import EdgeListError
from data.progress import ignore_progress
from data.readers.attributes import AttributeColumn, reread_as_text
from data.readers.byte_stream import Block, check_file, text_blocks
from data.readers.column_roles import checked_names
from data.readers.delimiters import TAB, common_width, fields_of, recognised_delimiter
from data.readers.edge_list_builder import AGENT_ID
from data.readers.headers import looks_like_names, numeric_columns
from data.readers.id_columns import ids_of
from data.readers.identifiers import canonical_integers
from data.readers.layout import SampleLine, TextLayout, is_data, suffix_of
from data.readers.line_numbers import LineIndex, LineRun
from data.readers.rejects import Rejects
from data.readers.sources import local_path
from data.readers.tabular import (
    is_parquet,
    parquet_batches,
    parquet_schema,
    refuse_unstorable,
    stream_of,
    table_of,
)
from data.readers.text import first_data, from_line
from data.readers.text_rows import TextRows

_ID_NAMES = (AGENT_ID, "id", "node")
_NO_LIMIT = 1 << 62
_NAMED = "the first line ({}) was read as the name of the column; if it is an agent, add the line agent_id above it"


def read_agents(source: Any, doubts: list[str] | None = None) -> pa.Table:
    """Read agents and their attributes.

    Parameters
    ----------
    source : str, path-like, or table (pandas, Arrow, or anything that exports an Arrow stream)
        A text file with one id per line; or a CSV, TSV or blank-separated file with a header line, a Parquet file or a
        table. The ids are in the column named ``agent_id``, ``id`` or ``node``, else in the first.
    doubts : list of str, optional
        Guesses are appended to it, as sentences for the user.

    Returns
    -------
    pyarrow.Table
        One row per agent in the order of the source: ``agent_id`` (int64 if all ids are canonical integers, else
        string) and the other columns, unchanged.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    EdgeListError
        If the file cannot be read, a line is malformed, an id is missing or repeated, or columns have no names.

    Examples
    --------
    >>> read_agents(pa.table({"node": ["7", "9"], "age": [30, 41]})).to_pylist()
    [{'agent_id': 7, 'age': 30}, {'agent_id': 9, 'age': 41}]
    """
    if isinstance(source, pd.DataFrame):
        description = "the agents data frame"
        ids = [_id_position([str(name) for name in source.columns])]
        return _from_table(table_of(source, ids, description), description)
    if isinstance(source, pa.Table):
        return _from_table(source, "the agents table")
    if (stream := stream_of(source)) is not None:
        schema, batches = stream
        return _from_table(pa.Table.from_batches(batches, schema), f"the agents {type(source).__name__}")
    if not isinstance(source, str | os.PathLike):
        raise EdgeListError(f"agents: a {type(source).__name__} is no list of agents; give a path or a table")
    path = local_path(source)
    if not path.is_dir() or not is_parquet(path):
        check_file(path)
    if is_parquet(path):
        schema, _ = parquet_schema(path)
        return _from_table(pa.Table.from_batches(parquet_batches(path), schema), str(path))
    agents, found = reread_as_text(partial(_from_text, path))
    if doubts is not None:
        doubts += [f"{path}: {doubt}" for doubt in found]
    return agents


def _from_table(table: pa.Table, description: str) -> pa.Table:
    names = checked_names(table.column_names, description)
    if not names:
        raise EdgeListError(f"{description} has no columns; one must contain the ids of agents")
    at = _id_position(names)
    chunks = [ids_of(chunk, names[at], description) for chunk in table.column(at).chunks]
    missing = [row for chunk in chunks for row in chunk.is_null().to_pylist()]
    if any(missing):
        raise EdgeListError(f"{description}: row {missing.index(True) + 1} has no usable id in column {names[at]!r}")
    attributes = table.remove_column(at)
    refuse_unstorable(attributes.schema, description)
    lines = LineIndex()
    lines.add(LineRun(len(table), 1))
    return _agents([pa.chunked_array([chunk]) for chunk in chunks], attributes, lines, description, "row")


def _from_text(path: Path, as_text: set[str]) -> tuple[pa.Table, list[str]]:
    with closing(text_blocks(path, ignore_progress)) as stream:
        return _from_blocks(stream, path, as_text)


def _from_blocks(stream: Iterator[Block], path: Path, as_text: set[str]) -> tuple[pa.Table, list[str]]:
    """Return the agents of a text file, and what was guessed about it."""
    blocks, sample = first_data(stream, path)
    layout = _layout(sample, path)
    columns = [
        AttributeColumn(layout.names[at], kind="text" if layout.names[at] in as_text else "integer")
        for at in layout.attributes
    ]
    rejects = Rejects(str(path), _NO_LIMIT)
    rows = TextRows(layout, columns, rejects)
    rows.learn(line.text for line in sample if line.number >= layout.first.number)
    ids: list[pa.ChunkedArray] = []
    lines = LineIndex()
    for block in rows.parsed(from_line(blocks, layout.first)):
        ids += block.ids
        lines.add(block.lines)
    if len(rejects):
        raise EdgeListError(f"{path} has {len(rejects)} malformed lines; the first is {rejects.first()}")
    attributes = pa.table({column.name: column.finish() for column in columns})
    return _agents(ids, attributes, lines, str(path), "line"), [*layout.doubts, *rows.doubts]


def _agents(ids: list[pa.ChunkedArray], attributes: pa.Table, lines: LineIndex, source: str, unit: str) -> pa.Table:
    """Return the table of agents; raise EdgeListError if an id is repeated."""
    column = _of_one_type(ids).combine_chunks()
    codes = column.dictionary_encode().indices.to_numpy()
    _, first_rows = np.unique(codes, return_index=True)
    if len(first_rows) < len(codes):
        row = int(np.setdiff1d(np.arange(len(codes)), first_rows)[0])
        first = int(first_rows[codes[row]])
        raise EdgeListError(
            f"{source}, {unit} {lines.line(row)} repeats agent {column[row].as_py()!r} of {unit} {lines.line(first)}; "
            "each agent may occur once"
        )
    return pa.table([column, *attributes.columns], names=[AGENT_ID, *attributes.column_names])


def _of_one_type(ids: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    blocks = [canonical_integers(block) for block in ids]
    kind = pa.int64()
    if None in blocks:
        blocks, kind = [block.cast(pa.string()) for block in ids], pa.string()
    return pa.chunked_array([chunk for block in blocks if block is not None for chunk in block.chunks], kind)


def _layout(sample: list[SampleLine], path: Path) -> TextLayout:
    plain = [line for line in sample if is_data(line.text)]
    texts = [line.decoded() for line in plain]
    delimiter = recognised_delimiter(texts, suffix_of(path)) or TAB
    rows = [fields_of(delimiter, text) for text in texts]
    if 2 * sum(len(row) > 1 for row in rows) < len(rows):
        delimiter, rows = TAB, [[text.strip(" \t")] for text in texts]
    named = rows[0][0].lower() in _ID_NAMES or bool(numeric_columns(rows, common_width(rows) or 1))
    if len(rows[0]) > 1 and not named:
        named = not delimiter.runs and looks_like_names(rows[0])
        if not named:
            raise EdgeListError(
                f"{path} has {len(rows[0])} columns but no header line; name them in the first line (agent_id, ...)"
            )
    if not named:
        return TextLayout(delimiter, (AGENT_ID,), ((0, "agent"),), plain[0])
    header, names = plain[0], checked_names(rows[0], str(path))
    ids = ((_id_position(names), "agent"),)
    doubts = () if len(names) > 1 or names[0].lower() in _ID_NAMES else (_NAMED.format(names[0]),)
    layout = TextLayout(delimiter, names, ids, header.next, header=header, doubts=doubts)
    if not any(line.number > header.number and layout.is_row(line.text) for line in sample):
        raise EdgeListError(f"{path} has no agents after its header line {header.number}")
    return layout


def _id_position(names: Sequence[str]) -> int:
    lower = [name.lower() for name in names]
    return next((lower.index(name) for name in _ID_NAMES if name in lower), 0)
