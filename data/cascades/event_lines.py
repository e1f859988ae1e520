"""Text with one cascade per line: a seed, then pairs of agent and time."""

import re
from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from data.cascades.source_rows import SourceRows, rejected

_SEPARATOR = re.compile(r"[\s,;]+")
_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


def looks_like_lines(sample: Sequence[str]) -> bool:
    """Return whether lines are cascades: of different lengths, and after the seed every second field is a rising time.

    Examples
    --------
    >>> looks_like_lines(["7 741 14.0 21 24.5", "29 856 7.5", "3 1 2.0 5 6.0 8 9.0"])
    True
    >>> looks_like_lines(["7 741 14.0", "29 856 7.5"])
    False
    """
    rows = [_fields(line) for line in sample]
    if len({len(row) for row in rows}) < 2 and max(map(len, rows)) < 7:
        return False
    first = _first_pair(rows)
    rising = sum(_has_rising_times(row[first + 1 :: 2]) for row in rows)
    return rising > 0.9 * len(rows)


def read_lines(data: bytes, source: str) -> SourceRows:
    """Read one cascade per line; its id is the number of its line, from 1.

    The first field is the seed, whose time is 0, and pairs of agent and time follow. Where most lines have an even
    number of fields, these are pairs from the first one on. Fields are separated by blanks, commas or semicolons; lines
    that begin with ``#`` or ``%`` are comments.
    """
    numbered = [
        (number, line)
        for number, line in enumerate(data.decode(errors="replace").split("\n"), 1)
        if line.strip() and not line.startswith(("#", "%"))
    ]
    rows = [(number, _fields(line)) for number, line in numbered]
    first = _first_pair([fields for _, fields in rows])
    columns: dict[str, list[object]] = {"line": [], "cascade": [], "agent": [], "time": []}
    malformed: list[dict[str, object]] = []
    for (number, fields), (_, line) in zip(rows, numbered, strict=True):
        if len(fields) % 2 != first:
            malformed.append({"line": number, "reason": "the last field has no partner", "text": line})
            continue
        agents = [*fields[:first], *fields[first::2]]
        columns["agent"] += agents
        columns["time"] += [*["0"] * first, *fields[first + 1 :: 2]]
        columns["line"] += [number] * len(agents)
        columns["cascade"] += [str(number)] * len(agents)
    seeded = "a seed at time 0, then pairs of agent and time" if first else "pairs of agent and time"
    warning = f"{source} was read as one cascade per line: {seeded}; cascades are called by their line"
    return SourceRows(pd.DataFrame(columns), source, rejected(malformed), (warning,))


def _fields(line: str) -> list[str]:
    return _SEPARATOR.split(line.strip(" \t\r,;"))


def _first_pair(rows: Sequence[Sequence[str]]) -> int:
    """Return 1 if most rows have a seed before their pairs, else 0."""
    return int(2 * sum(len(row) % 2 for row in rows) > len(rows))


def _has_rising_times(fields: Sequence[str]) -> bool:
    if not all(map(_NUMBER.fullmatch, fields)):
        return False
    try:
        times = [float(field) for field in fields]
    except ValueError:
        return False
    return all(earlier <= later for earlier, later in pairwise(times))
