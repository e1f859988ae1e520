"""Guessing whether the first line of a text file names its columns.

Unless the user says (``header="auto"``), the first data line is a header if

1. it contains a name that the user gave as source, target, strength or probability, or equals the names given as
   columns; or
2. two of its fields are well-known names of endpoints (``source``, ``target``, ``from``, ``to``, ``follower``,
   ``followee``, ``id_1``, ...) that occur in no other line; in blank-separated files they must form a pair; or
3. it has as many fields as the others, all different, none empty or a number, and some column contains numbers in all
   of the next 999 lines. If only endpoints are numbers, the line may also be an edge between names, so a warning is
   given.

A first line ``n m`` is recognised only with ``header="counts"``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data.networks.edge_lists import ImportOptions
from data.readers.column_names import endpoint_pairs, is_endpoint_name, likely_ends
from data.readers.delimiters import Delimiter

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class HeaderGuess:
    """Whether the first line names columns, and a warning if that is uncertain."""

    named: bool
    doubt: str | None = None


def guessed_header(
    rows: Sequence[Sequence[str]], width: int, delimiter: Delimiter, options: ImportOptions
) -> HeaderGuess:
    """Guess whether the first row names the columns of the others."""
    first, others = rows[0], [row for row in rows[1:] if row != rows[0]]
    given = {options.source, options.target, options.strength, options.probability} - {None}
    if options.columns == tuple(first) or (options.columns is None and given & set(first)):
        return HeaderGuess(True)
    pairs = endpoint_pairs(first)
    ends = [name for name in first if is_endpoint_name(name)]
    elsewhere = {field for row in others for field in row}
    if len(ends) >= 2 and (pairs or not delimiter.runs) and not elsewhere.intersection(ends):
        return HeaderGuess(True)
    numeric = numeric_columns(rows, width)
    if not numeric:
        return HeaderGuess(False)
    if pairs or not numeric.issubset(likely_ends(first)):
        return HeaderGuess(True)
    return HeaderGuess(
        True,
        f"the first line ({', '.join(first)}) was read as the names of columns, since the lines below it hold "
        "numbers; use --header none if it is an edge, else --header names",
    )


def numeric_columns(rows: Sequence[Sequence[str]], width: int) -> set[int]:
    """Return the columns that contain numbers below the first row; none if that row cannot be a header."""
    first = rows[0]
    if len(first) != width or not looks_like_names(first):
        return set()
    others = [row for row in rows[1:] if len(row) == width and row != first]
    return {column for column in range(width) if _all_numbers(row[column] for row in others)}


def looks_like_names(fields: Sequence[str]) -> bool:
    """Return whether fields can be names of columns: all different, none empty or a number."""
    return len(set(fields)) == len(fields) and not any(not name or is_number(name) for name in fields)


def is_number(text: str) -> bool:
    """Return whether a text is a number in the usual notation of tables."""
    return _NUMBER.fullmatch(text) is not None


def _all_numbers(fields: Iterable[str]) -> bool:
    """Return whether all non-empty fields are numbers, and there is at least one."""
    known = [field for field in fields if field]
    return bool(known) and all(map(is_number, known))
