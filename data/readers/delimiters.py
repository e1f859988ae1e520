"""Delimiters of fields, and how they are recognised."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

_BLANKS = " \t"


@dataclass(frozen=True)
class Delimiter:
    """One way to split lines into fields.

    Attributes
    ----------
    name : str
        For messages.
    character : str
        Separator of fields, also after `normalised`.
    runs : bool
        Whether any run of spaces and tabs separates fields, and blanks at the ends of a line are ignored.
    quote : str
        Quote character: fields may be enclosed in it, and inside a quoted field it is doubled; unquoted fields must
        not contain it. Line ends inside quotes are not supported. Empty for no quoting.
    """

    name: str
    character: str
    runs: bool = False
    quote: str = ""

    def normalised(self, data: bytes) -> bytes:
        """Return whole lines with exactly one separator between fields and none at the ends of a line."""
        if not self.runs:
            return data
        if self.quote and self.quote.encode() in data:
            data = self._single_tabs_outside_quotes(data)
        else:
            data = data.replace(b" ", b"\t") if b" " in data else data
            while b"\t\t" in data:
                data = data.replace(b"\t\t", b"\t")
        data = data.replace(b"\t\n", b"\n") if b"\t\n" in data else data
        data = data.replace(b"\n\t", b"\n") if b"\n\t" in data else data
        return data.removeprefix(b"\t")

    def fields(self, line: str) -> list[str]:
        """Return the fields of a line, unquoted, with blanks; raise ValueError if its quotes do not match."""
        line = line.strip(_BLANKS) if self.runs else line
        if not self.quote or self.quote not in line:
            return re.split(self._separator, line) if self.runs else line.split(self.character)
        if not self._well_quoted.fullmatch(line):
            raise ValueError("a quote is not closed on its line, or is inside a field that is not quoted")
        quote, fields = self.quote, self._each_field.findall(line)
        return [field[1:-1].replace(2 * quote, quote) if field.startswith(quote) else field for field in fields]

    def quotes(self, line: str) -> bool:
        """Return whether some field of a line begins with a quote, and all quotes match."""
        return self._well_quoted.fullmatch(line.strip(_BLANKS)) is not None and any(
            field.startswith(self.quote) for field in self._each_field.findall(line.strip(_BLANKS))
        )

    def quotes_match(self, data: bytes) -> bool:
        """Return whether the quotes of whole lines are valid for `fields`; False if a quick check cannot tell."""
        if not self.quote or self.quote.encode() not in data:
            return True
        characters = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(characters == ord(self.quote))
        if len(quotes) % 2:
            return False
        before = np.append(characters, ord("\n"))[quotes[::2] - 1]
        after = characters[quotes[1::2] + 1]
        outer = np.array([ord(self.character), ord("\n"), ord(self.quote)], np.uint8)
        return bool(np.isin(before, outer).all() and np.isin(after, outer).all())

    def _single_tabs_outside_quotes(self, data: bytes) -> bytes:
        """Return the lines with every run of blanks outside quotes replaced by one tab."""
        characters = np.frombuffer(data, np.uint8).copy()
        blank = np.isin(characters, np.frombuffer(b" \t", np.uint8)) & ~self._inside_quotes(characters)
        characters[blank] = ord("\t")
        again = np.zeros(len(blank), np.bool_)
        again[1:] = blank[1:] & blank[:-1]
        return characters[~again].tobytes()

    def _inside_quotes(self, characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return which characters follow an odd number of quotes on their line."""
        quotes = np.cumsum(characters == ord(self.quote))
        ends = np.flatnonzero(characters == ord("\n"))
        before = np.append(0, quotes[ends[:-1]])
        return (quotes - np.repeat(before, np.diff(ends, prepend=-1))) % 2 == 1

    @property
    def _separator(self) -> str:
        return "[ \t]+" if self.runs else re.escape(self.character)

    @cached_property
    def _well_quoted(self) -> re.Pattern[str]:
        return re.compile(f"{self._field}(?:{self._separator}{self._field})*")

    @cached_property
    def _each_field(self) -> re.Pattern[str]:
        return re.compile(f"(?:^|{self._separator})({self._field})")

    @property
    def _field(self) -> str:
        q = re.escape(self.quote)
        unquoted = f"[^{q} \t]+" if self.runs else f"[^{q}{re.escape(self.character)}]*"
        return f"(?:{q}(?:[^{q}]|{q}{q})*{q}|{unquoted})"


COMMA = Delimiter("commas", ",", quote='"')
SEMICOLON = Delimiter("semicolons", ";", quote='"')
BAR = Delimiter("bars", "|", quote='"')
TAB = Delimiter("single tabs", "\t", quote='"')
BLANKS = Delimiter("blanks", "\t", runs=True)
QUOTED_BLANKS = Delimiter("blanks", "\t", runs=True, quote='"')
"""The format of R's ``write.table``."""

_TABLES = ("commas", "semicolons", "bars")


def recognised_delimiter(lines: Sequence[str], suffix: str, expected: int | None = None) -> Delimiter | None:
    """Return the delimiter of a file, guessed from its first data lines; None if no delimiter gives two fields.

    The best delimiter gives the number of columns that the user named, if any, then the most lines with the same number
    of fields (at least two). Ties are broken by the suffix (commas, semicolons and bars for ``.csv``, single tabs for
    ``.tsv``); then by preferring commas, semicolons and bars unless the first two fields would contain blanks, then
    blanks, then single tabs. Fields may be quoted, with single quotes if half of the lines have such fields.

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
    for delimiter in _candidates(lines):
        rows = [fields_of(delimiter, line) for line in lines]
        width = common_width(rows)
        if width < 2:
            continue
        rows = [row for row in rows if len(row) == width]
        score = (width == expected, len(rows), _preference(delimiter, rows, suffix), width)
        if score > best:
            best, chosen = score, delimiter
    return chosen


def _candidates(lines: Sequence[str]) -> list[Delimiter]:
    """Return the possible delimiters, with the quote character that the lines use."""
    single = [replace(delimiter, quote="'") for delimiter in (COMMA, SEMICOLON, BAR, QUOTED_BLANKS, TAB)]
    if any(_are_quoted(delimiter, lines, len(lines) / 2) for delimiter in single):
        return single
    blanks = QUOTED_BLANKS if _are_quoted(QUOTED_BLANKS, lines, 1) else BLANKS
    return [COMMA, SEMICOLON, BAR, blanks, TAB]


def _are_quoted(delimiter: Delimiter, lines: Sequence[str], fewest: float) -> bool:
    """Return whether at least `fewest` lines contain quotes, and in most of those the quotes enclose fields."""
    with_quotes = [line for line in lines if delimiter.quote in line]
    if len(with_quotes) < fewest:
        return False
    return 2 * sum(map(delimiter.quotes, with_quotes)) > len(with_quotes)


def common_width(rows: Sequence[Sequence[str]]) -> int:
    """Return the most common number of fields of rows with at least two fields; 0 if there are none."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    return widths.most_common(1)[0][0] if widths else 0


def fields_of(delimiter: Delimiter, line: str) -> list[str]:
    """Return the fields of a line without surrounding blanks; none if its quotes do not match."""
    try:
        return [field.strip(_BLANKS) for field in delimiter.fields(line)]
    except ValueError:
        return []


def _preference(delimiter: Delimiter, rows: list[list[str]], suffix: str) -> int:
    if delimiter.name == TAB.name:
        named = suffix in {".tsv", ".tab"} and any(row[-1] for row in rows)
        return 3 if named else 0
    if delimiter.name in _TABLES:
        plain = not any(re.search("[ \t]", field) for row in rows for field in row[:2])
        return 2 if plain or suffix == ".csv" else 0
    return 1
