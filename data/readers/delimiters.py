"""What separates the fields of a line, and how it is recognised."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_BLANKS = " \t"
_QUOTE = ord('"')


@dataclass(frozen=True)
class Delimiter:
    """One way to split lines into fields.

    Attributes
    ----------
    name : str
        For messages.
    character : str
        What separates two fields, also after `normalised`.
    runs : bool
        Spaces and tabs, of which any number in a row separates; blanks at either end of a line mean nothing.
    quoting : bool
        A field may be quoted with ``"``, with ``""`` for a quote inside; a field that does not begin with a quote
        holds none. Line ends inside quotes are not supported.
    """

    name: str
    character: str
    runs: bool = False
    quoting: bool = False

    def normalised(self, data: bytes) -> bytes:
        """Return whole lines with exactly one separator between fields and none at the ends of a line."""
        if not self.runs:
            return data
        data = data.replace(b" ", b"\t") if b" " in data else data
        while b"\t\t" in data:
            data = data.replace(b"\t\t", b"\t")
        data = data.replace(b"\t\n", b"\n") if b"\t\n" in data else data
        data = data.replace(b"\n\t", b"\n") if b"\n\t" in data else data
        return data.removeprefix(b"\t")

    def fields(self, line: str) -> list[str]:
        """Return the fields of a line, unquoted, blanks kept; raise ValueError where its quotes do not match."""
        if self.runs:
            return re.split("[ \t]+", line.strip(_BLANKS))
        if not self.quoting or '"' not in line:
            return line.split(self.character)
        if not self._well_quoted.fullmatch(line):
            raise ValueError("a quote is not closed on its line, or stands inside a field that is not quoted")
        fields = self._each_field.findall(line)
        return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]

    def quotes_match(self, data: bytes) -> bool:
        """Whether the quotes of whole lines are as `fields` wants them; False where that is not plain to see."""
        if not self.quoting or b'"' not in data:
            return True
        characters = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(characters == _QUOTE)
        if len(quotes) % 2:
            return False
        before = np.append(characters, ord("\n"))[quotes[::2] - 1]
        after = characters[quotes[1::2] + 1]
        outer = np.array([ord(self.character), ord("\n"), _QUOTE], np.uint8)
        return bool(np.isin(before, outer).all() and np.isin(after, outer).all())

    @cached_property
    def _well_quoted(self) -> re.Pattern[str]:
        return re.compile(f"{self._field}(?:{re.escape(self.character)}{self._field})*")

    @cached_property
    def _each_field(self) -> re.Pattern[str]:
        return re.compile(f"(?:^|{re.escape(self.character)})({self._field})")

    @property
    def _field(self) -> str:
        return f'(?:"(?:[^"]|"")*"|[^"{re.escape(self.character)}]*)'


COMMA = Delimiter("commas", ",", quoting=True)
SEMICOLON = Delimiter("semicolons", ";", quoting=True)
BAR = Delimiter("bars", "|", quoting=True)
TAB = Delimiter("single tabs", "\t", quoting=True)
BLANKS = Delimiter("blanks", "\t", runs=True)

_TABLES = (COMMA, SEMICOLON, BAR)


def recognised_delimiter(lines: Sequence[str], suffix: str, expected: int | None = None) -> Delimiter | None:
    """Return the delimiter of a file, by its first data lines; None where no delimiter gives two fields.

    The delimiter wins that gives most lines the same number of fields (two at least). Of several, the one that gives
    the number of columns the user named; then what the suffix says: commas, semicolons and bars for ``.csv``, single
    tabs for ``.tsv``; then commas and their like, unless that leaves blanks inside the first two fields; then blanks,
    then single tabs.

    Parameters
    ----------
    lines : sequence of str
        The first data lines, without comments and blank lines.
    suffix : str
        Suffix of the file name, lower case.
    expected : int, optional
        Number of columns named by the user.
    """
    best, chosen = (False, 0, 0, 0), None
    for delimiter in (*_TABLES, BLANKS, TAB):
        rows = [fields_of(delimiter, line) for line in lines]
        width = common_width(rows)
        if width < 2:
            continue
        rows = [row for row in rows if len(row) == width]
        score = (width == expected, len(rows), _preference(delimiter, rows, suffix), width)
        if score > best:
            best, chosen = score, delimiter
    return chosen


def common_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of fields that most rows with two fields or more have, 0 if there are none."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return widths.most_common(1)[0][0] if widths else 0


def fields_of(delimiter: Delimiter, line: str) -> list[str]:
    """Return the fields of a line without surrounding blanks, none where its quotes do not match."""
    try:
        return [field.strip(_BLANKS) for field in delimiter.fields(line)]
    except ValueError:
        return []


def _preference(delimiter: Delimiter, rows: list[list[str]], suffix: str) -> int:
    if delimiter is TAB:
        named = suffix in {".tsv", ".tab"} and any(row[-1] for row in rows)
        return 3 if named else 0
    if delimiter in _TABLES:
        plain = not any(re.search("[ \t]", field) for row in rows for field in row[:2])
        return 2 if plain or suffix == ".csv" else 0
    return 1
