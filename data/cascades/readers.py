"""Reading observed cascades of any format: what a source looks like decides how it is read, unless options say."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.cascades.event_lines import looks_like_lines, read_lines
from data.cascades.options import CascadeOptions, check_used
from data.cascades.row_tables import named_columns, read_adoptions, read_edges_of_trees, read_rows
from data.cascades.source_rows import SourceRows, rejected
from data.cascades.text_tables import TextTable, read_text_table, sample_lines
from data.cascades.tree_files import is_archive, looks_like_tree, read_tree, read_trees
from data.errors import InvalidInputError
from data.progress import Progress, ignore_progress
from data.readers.byte_stream import Block, check_file, text_blocks
from data.readers.layout import check_text, suffix_of
from data.readers.sources import local_path
from data.readers.tabular import is_parquet, parquet_parts, stream_of

_TABLES: dict[str, Callable[[pd.DataFrame, CascadeOptions, str, str], SourceRows]] = {
    "rows": read_rows,
    "trees": read_edges_of_trees,
    "adoptions": read_adoptions,
}


def read_cascades(
    source: Any, options: CascadeOptions, name: str, *, progress: Progress = ignore_progress
) -> SourceRows:
    """Read observed cascades from a file, a folder or archive of trees, or a data frame.

    Parameters
    ----------
    source : str, path-like, or table
        Text (CSV, TSV, blanks; also compressed), Parquet, a folder or tar archive of trees, or a table of pandas,
        Arrow, Polars or DuckDB.
    options : CascadeOptions
    name : str
        Id of the cascade, if the source is one and does not say.
    progress : Progress

    Returns
    -------
    SourceRows

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    InvalidInputError
        If the source cannot be read as cascades; the message says why and what to do.
    """
    if not isinstance(source, str | os.PathLike):
        return _of_table(_frame(source), options, name, "the data frame")
    path = local_path(source)
    if path.is_dir() and not is_parquet(path):
        return _archive(path, options)
    if not path.is_dir():
        check_file(path)
    if is_parquet(path):
        table = pa.concat_tables([pq.read_table(part) for part in parquet_parts(path)], promote_options="permissive")
        found = _of_table(_numbered(table.to_pandas()), options, name, path.name)
        return replace(found, description=str(path))
    if is_archive(path):
        return _archive(path, options)
    data = b"".join(_checked(block, path) for block in text_blocks(path, progress))
    return replace(_of_text(data, path, options, name), description=str(path))


def _archive(path: Path, options: CascadeOptions) -> SourceRows:
    if options.format not in {"auto", "trees"}:
        raise InvalidInputError(
            f"{path} has several files, which are read as trees; name one file to read {options.format}"
        )
    check_used(options, "files of trees", path.name)
    return read_trees(path)


def _checked(block: Block, path: Path) -> bytes:
    """Return the bytes of a block; raise InvalidInputError if they are not text in UTF-8."""
    check_text(block, str(path))
    try:
        block.data.decode()
    except UnicodeDecodeError as error:
        line = block.first_line + block.data.count(b"\n", 0, error.start)
        raise InvalidInputError(
            f"{path} is not UTF-8 text: line {line:,} has the byte 0x{block.data[error.start]:02x} (binary, or another "
            "encoding?); save it as UTF-8 text"
        ) from None
    return block.data


def _of_text(data: bytes, path: Path, options: CascadeOptions, name: str) -> SourceRows:
    source, sample = path.name, sample_lines(data)
    is_plain = options.columns is None and options.format in {"auto", "trees"}
    if is_plain and sample and looks_like_tree(sample[0]):
        check_used(options, "files of trees", source)
        return read_tree(data.decode(errors="replace"), path.name.partition(".")[0], source)
    is_auto = options.columns is None and options.format == "auto" and not options.items
    if options.format == "lines" or (is_auto and sample and looks_like_lines(sample)):
        check_used(options, "lines", source)
        found = read_lines(data, source)
        return replace(found, warnings=()) if options.format == "lines" else found
    return _of_table(read_text_table(data, suffix_of(path), options, source), options, name, source)


def _of_table(table: TextTable | pd.DataFrame, options: CascadeOptions, name: str, source: str) -> SourceRows:
    """Read a table: as the options say, else by the names of its columns."""
    text = table if isinstance(table, TextTable) else TextTable(table, True, [])
    frame, guesses = (text.frame, []) if text.has_names else named_columns(text.frame, source)
    kind = options.format
    if kind == "lines":
        raise InvalidInputError(f"{source} is a table; one cascade per line is a format of text files")
    if kind == "auto":
        kind = "adoptions" if options.items else "trees" if {"parent", "child"} <= set(frame.columns) else "rows"
    check_used(options, kind, source, is_text=isinstance(table, TextTable))
    found = _TABLES[kind](frame, options, name, source)
    rejects = pd.concat([rejected(text.malformed), found.rejects], ignore_index=True)
    return SourceRows(found.rows, source, rejects, (*guesses, *found.warnings), found.time_unit, found.labels)


def _frame(source: Any) -> pd.DataFrame:
    """Return a table of some library as a pandas frame with a column ``line``: the row, from 1."""
    if isinstance(source, pd.DataFrame):
        return _numbered(source)
    if isinstance(source, pa.Table):
        return _numbered(source.to_pandas())
    stream = stream_of(source)
    if stream is None:
        raise InvalidInputError(
            f"cascades cannot be read from an object of type {type(source).__name__}; give a file, or a table of "
            "pandas, Arrow, Polars or DuckDB"
        )
    schema, batches = stream
    return _numbered(pa.Table.from_batches(batches, schema).to_pandas())


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    named = frame.rename(columns=str)
    if len(twice := named.columns[named.columns.duplicated()]):
        raise InvalidInputError(f"several columns are called {twice[0]!r}; give each column a name of its own")
    if "line" in named.columns:
        raise InvalidInputError("the column name 'line' cannot be used; rename the column")
    return named.reset_index(drop=True).assign(line=np.arange(1, len(frame) + 1))
