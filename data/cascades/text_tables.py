"""Delimited text as a frame of text columns: delimiter and header are recognised, malformed lines are left out."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from data.cascades.options import CascadeOptions
from data.errors import InvalidInputError
from data.readers.delimiters import COMMA, Delimiter, fields_of, recognised_delimiter

SAMPLE_LINES = 200
_SKIPPED = re.compile(rb"(?:\A|\n)(?:[#%]|[ \t]*(?:\n|\Z))")


@dataclass(frozen=True)
class TextTable:
    """A text file as columns.

    Attributes
    ----------
    frame : DataFrame
        Columns of text, and ``line``: each row's line in the file, from 1. Empty fields are missing.
    has_names : bool
        Whether a header line or the options name the columns; otherwise they are ``1``, ``2``, ...
    malformed : list of dict
        ``line``, ``reason`` and ``text`` of each line that was left out.
    """

    frame: pd.DataFrame
    has_names: bool
    malformed: list[dict[str, object]]


def sample_lines(data: bytes) -> list[str]:
    """Return the first lines of a text that are no comments (``#`` or ``%``) and not blank."""
    lines = data.split(b"\n", 2 * SAMPLE_LINES)[: 2 * SAMPLE_LINES]
    texts = [line.decode(errors="replace") for line in lines if line.strip() and not line.startswith((b"#", b"%"))]
    return texts[:SAMPLE_LINES]


def read_text_table(data: bytes, suffix: str, options: CascadeOptions, source: str) -> TextTable:
    """Read delimited text.

    Parameters
    ----------
    data : bytes
        Whole lines, each ending in a line feed.
    suffix : str
        Of the file's name, lower case, such as ``.csv``.
    options : CascadeOptions
        Its ``header`` and ``columns`` count.
    source : str
        Readable origin, for messages.

    Raises
    ------
    InvalidInputError
        If there is no line of data, the names of the columns do not fit, or the text is not UTF-8.
    """
    sample = sample_lines(data)
    if not sample:
        raise InvalidInputError(f"{source} holds only comments and blank lines; it must contain at least one row")
    delimiter = recognised_delimiter(sample, suffix, None if options.columns is None else len(options.columns)) or COMMA
    rows = [fields_of(delimiter, line) for line in sample]
    header = _has_header(rows, options)
    names = _names(rows[0], options, source, header=header)
    data, lines = _rows_only(data)
    data, lines = _after_header(data, lines) if header else (data, lines)
    table, malformed = _parsed(delimiter.normalised(data), delimiter, names, source)
    if malformed:
        lines = lines if lines is not None else np.arange(1, len(table) + len(malformed) + 1)
        places = np.array([place for place, _ in malformed]) - 1
        records: list[dict[str, object]] = [
            {"line": int(lines[place - 1]), "reason": "the number of fields is wrong", "text": text}
            for place, text in malformed
        ]
        lines = np.delete(lines, places)
    else:
        records = []
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    frame["line"] = np.arange(1, len(frame) + 1) if lines is None else lines
    return TextTable(frame, header or options.columns is not None, records)


def _has_header(rows: Sequence[Sequence[str]], options: CascadeOptions) -> bool:
    """Return whether the first row names the columns: it has no number, and a later row has one."""
    if options.header != "auto":
        return options.header == "names"
    if options.columns is not None:
        return list(rows[0]) == list(options.columns)
    return not any(map(_is_number, rows[0])) and any(_is_number(field) for row in rows[1:] for field in row)


def _names(first: Sequence[str], options: CascadeOptions, source: str, *, header: bool) -> list[str]:
    names = list(options.columns or ()) or (list(first) if header else [str(at + 1) for at in range(len(first))])
    if len(names) != len(first):
        raise InvalidInputError(
            f"{source}: --columns names {len(names)} columns, the first row has {len(first)} fields"
        )
    if len(set(names)) != len(names) or "line" in names:
        twice = next((name for name in names if names.count(name) > 1), "line")
        raise InvalidInputError(f"{source}: column name {twice!r} cannot be used; name all columns with --columns")
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows_only(data: bytes) -> tuple[bytes, npt.NDArray[np.int64] | None]:
    """Return the text without comments and blank lines, and the numbers of its lines; None if all lines are left."""
    if _SKIPPED.search(data.removesuffix(b"\n")) is None:
        return data, None
    kept = [
        (number, line)
        for number, line in enumerate(data.split(b"\n"), 1)
        if line.strip() and not line.startswith((b"#", b"%"))
    ]
    return b"".join(line + b"\n" for _, line in kept), np.array([number for number, _ in kept], np.int64)


def _after_header(data: bytes, lines: npt.NDArray[np.int64] | None) -> tuple[bytes, npt.NDArray[np.int64]]:
    data = data[data.index(b"\n") + 1 :]
    return data, np.arange(2, data.count(b"\n") + 2) if lines is None else lines[1:]


def _parsed(data: bytes, delimiter: Delimiter, names: list[str], source: str) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Return the rows, and place (from 1) and text of each line with another number of fields."""
    malformed: list[tuple[int, str]] = []

    def skip(row: csv.InvalidRow) -> str:
        malformed.append((row.number, row.text))
        return "skip"

    if not data.strip():
        return pa.table({name: pa.array([], pa.string()) for name in names}), malformed
    try:
        table = csv.read_csv(
            io.BytesIO(data),
            csv.ReadOptions(column_names=names, use_threads=False),
            csv.ParseOptions(
                delimiter=delimiter.character,
                quote_char=delimiter.quote or False,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=["", "NA", "NaN", "nan", "null", "NULL", "None"],
            ),
        )
    except pa.ArrowInvalid as error:
        raise InvalidInputError(f"{source} cannot be read as text in columns: {error}") from error
    return table, malformed
