"""The layout of a text file: its delimiter, its header, the names of its columns and which of them are ids.

`data.readers.headers` defines what counts as a header. Lines that begin with ``#`` or ``%`` are comments; but below a
header line, in files separated by commas, semicolons, bars or single tabs, those that look like rows are rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers.byte_stream import Block
from data.readers.column_roles import checked_names, endpoint_doubts, endpoint_positions, renamed
from data.readers.delimiters import Delimiter, common_width, fields_of, recognised_delimiter
from data.readers.headers import HeaderGuess, guessed_header
from data.readers.identifiers import complaint_about
from data.readers.rejects import described

SAMPLE_LINES = 1_000

_COMMENT = (b"#", b"%")
_AFTER_MARK = re.compile(rb"[#%][^#%\s]")


@dataclass(frozen=True)
class SampleLine:
    """One of the first data lines of a file."""

    number: int
    offset: int
    text: bytes

    def decoded(self) -> str:
        """Return the text, with invalid bytes replaced."""
        return self.text.decode("utf-8", errors="replace")

    @property
    def next(self) -> "SampleLine":
        """The line after this one, without its content."""
        return SampleLine(self.number + 1, self.offset + len(self.text) + 1, b"")


@dataclass(frozen=True)
class TextLayout:
    """How to read the data lines of a text file.

    Attributes
    ----------
    delimiter : Delimiter
        Separator of fields.
    names : tuple of str
        Names of all columns, in order.
    ids : tuple of (int, str)
        Positions of the id columns, each with its name in messages.
    first : SampleLine
        The first data line, or the line after the header.
    counts : tuple of int, optional
        Agents and edges according to a first line ``n m``.
    header : SampleLine, optional
        The line that names the columns; in concatenated files it is repeated, and never a row.
    doubts : tuple of str
        Warnings about uncertain guesses.
    """

    delimiter: Delimiter
    names: tuple[str, ...]
    ids: tuple[tuple[int, str], ...]
    first: SampleLine
    counts: tuple[int, int] | None = None
    header: SampleLine | None = None
    doubts: tuple[str, ...] = ()

    @property
    def marked_rows(self) -> bool:
        """Whether lines that begin with ``#`` or ``%`` and look like rows are rows."""
        return self.header is not None and not self.delimiter.runs

    @cached_property
    def header_line(self) -> bytes:
        """The normalised header line, with its line end; empty if there is none."""
        return b"" if self.header is None else self.delimiter.normalised(self.header.text + b"\n")

    @property
    def attributes(self) -> tuple[int, ...]:
        """Positions of the columns that are not ids."""
        ids = {position for position, _ in self.ids}
        return tuple(position for position in range(len(self.names)) if position not in ids)

    def complaint(self, line: bytes) -> str | None:
        """Return why a data line is malformed, or None if it is well formed."""
        if b"\0" in line:
            return "the line holds a NUL byte"
        if b"\r" in line:
            return "the line holds a carriage return"
        try:
            fields = self.delimiter.fields(line.decode())
        except UnicodeDecodeError as error:
            return f"byte {error.start + 1} is not UTF-8"
        except ValueError as error:
            return str(error)
        if self.header is not None and self.delimiter.normalised(line + b"\n") == self.header_line:
            return f"the header of line {self.header.number} is repeated (concatenated files?)"
        if len(fields) != len(self.names):
            return f"{len(fields)} fields where {len(self.names)} are expected"
        complaints = (complaint_about(fields[position].strip(" \t"), which) for position, which in self.ids)
        return next((complaint for complaint in complaints if complaint), None)

    def rows_of(self, sample: Sequence[SampleLine], path: Path) -> list[SampleLine]:
        """Return the lines of a sample that are rows; raise EdgeListError if none follows the header."""
        rows = [line for line in sample if line.number >= self.first.number and self.is_row(line.text)]
        if not rows:
            raise EdgeListError(f"{path} has no edges after its header line {self.first.number - 1}")
        return rows

    def is_row(self, line: bytes) -> bool:
        """Return whether a line is a row, well formed or not: neither blank nor a comment."""
        return is_data(line) or (self.marked_rows and is_marked(line) and self.complaint(line) is None)


def is_data(line: bytes) -> bool:
    """Return whether a line is neither blank nor a comment (``#`` or ``%``, possibly after blanks)."""
    text = line.lstrip(b" \t")
    return bool(text) and not text.startswith(_COMMENT)


def is_marked(line: bytes) -> bool:
    """Return whether a line begins with ``#`` or ``%`` directly followed by text: a comment, or a hashtag as an id."""
    return _AFTER_MARK.match(line.lstrip(b" \t")) is not None


def sample_of(block: Block) -> list[SampleLine]:
    """Return the first data lines of a block and the marked lines between them; none if all are marked."""
    lines, found = [], 0
    for line in block_lines(block):
        plain = is_data(line.text)
        if plain or is_marked(line.text):
            lines.append(line)
        found += plain
        if found > SAMPLE_LINES:
            break
    return lines if found else []


def check_text(block: Block, source: str) -> None:
    """Raise EdgeListError if a file's first block is not text."""
    if b"\0" in block.data[: 1 << 16]:
        raise EdgeListError(f"{source} is not text: it holds NUL bytes (binary, or UTF-16?); save it as UTF-8 text")


def edge_layout(sample: Sequence[SampleLine], path: Path, options: ImportOptions) -> TextLayout:
    """Return the layout of an edge list, guessed from its first data lines.

    Parameters
    ----------
    sample : sequence of SampleLine
        From `sample_of`: the first data lines, including a header, and marked lines; at least one data line.
    path : Path
        The file, for its suffix and for messages.
    options : ImportOptions
        The user's options for header and columns.

    Raises
    ------
    EdgeListError
        If there are fewer than two columns, a column has no name, the column of a role is missing, the header
        contradicts the options, or more than half of the sample is malformed.
    """
    plain = [line for line in sample if is_data(line.text)]
    texts = _decoded(plain, path)
    counts = _counts(texts[0], path) if options.header == "counts" else None
    if counts:
        plain, texts = _after_counts(plain, texts, path)
    delimiter = _delimiter(texts, path, options)
    rows = [fields_of(delimiter, text) for text in texts]
    width = common_width(rows)
    guess = HeaderGuess(options.header == "names")
    if options.header == "auto":
        guess = guessed_header(rows, width, delimiter, options)
    header = plain[0] if guess.named else None
    if not guess.named and options.header == "auto":
        _refuse_forgotten_counts(rows, width, path)
    names = _names(rows[0], width, guess.named, path, options)
    start, end = endpoint_positions(names, options, str(path))
    doubts = [*([guess.doubt] if guess.doubt else []), *endpoint_doubts(names, options)]
    if delimiter.quote == "'":
        doubts.append('single quotes around fields were removed; if they belong to the ids, quote the fields with "')
    first = header.next if header else plain[0]
    ends = ((start, "source"), (end, "target"))
    layout = TextLayout(delimiter, names, ends, first, counts, header, tuple(f"{path}: {doubt}" for doubt in doubts))
    _refuse_mostly_malformed(layout.rows_of(sample, path), layout, path)
    return layout


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case, without the suffix of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if len(suffixes) == 2 and suffixes[1] in {".gz", ".gzip", ".bz2", ".xz", ".zst"}:
        return suffixes[0]
    return suffixes[-1] if suffixes else ""


def block_lines(block: Block) -> Iterator[SampleLine]:
    """Yield all lines of a block."""
    offset, number = 0, block.first_line
    while offset < len(block.data):
        end = block.data.index(b"\n", offset)
        yield SampleLine(number, offset, block.data[offset:end])
        offset, number = end + 1, number + 1


def _decoded(sample: Sequence[SampleLine], path: Path) -> list[str]:
    texts = [line.decoded() for line in sample]
    foreign = sum("\ufffd" in text for text in texts)
    if 2 * foreign > len(texts):
        raise EdgeListError(f"{path} is not UTF-8 text (binary, or another encoding?); save it as UTF-8 text")
    return texts


def _after_counts(sample: list[SampleLine], texts: list[str], path: Path) -> tuple[list[SampleLine], list[str]]:
    if len(sample) == 1:
        raise EdgeListError(f"{path} has no edges after its header line {sample[0].number}")
    return sample[1:], texts[1:]


def _counts(text: str, path: Path) -> tuple[int, int]:
    fields = re.split("[ \t,;]+", text.strip(" \t"))
    if len(fields) != 2 or not all(re.fullmatch("[0-9]+", field) for field in fields):
        raise EdgeListError(
            f"{path}: the first line {text[:60]!r} is not 'n m', two integers, as --header counts requires; "
            "choose another --header"
        )
    return int(fields[0]), int(fields[1])


def _delimiter(texts: list[str], path: Path, options: ImportOptions) -> Delimiter:
    expected = len(options.columns) if options.columns else None
    delimiter = recognised_delimiter(texts, suffix_of(path), expected)
    if delimiter is None:
        raise EdgeListError(
            f"{path} has fewer than 2 columns; an edge needs a source and a target, separated by "
            f"blanks, tabs, commas, semicolons or bars; the first line is {texts[0][:60]!r}"
        )
    return delimiter


def _refuse_forgotten_counts(rows: list[list[str]], width: int, path: Path) -> None:
    first, others = rows[0], rows[1:]
    two_integers = len(first) == 2 and all(re.fullmatch("[0-9]+", field) for field in first)
    if two_integers and width > 2 and all(len(row) > 2 for row in others):
        raise EdgeListError(
            f"{path}: the first line {' '.join(first)!r} has 2 columns and the others have {width}; "
            "if it counts agents and edges, use --header counts"
        )


def _names(first: list[str], width: int, named: bool, path: Path, options: ImportOptions) -> tuple[str, ...]:
    if named and options.columns is None:
        if len(first) != width:
            raise EdgeListError(
                f"{path}: the header names {len(first)} columns ({', '.join(first)}) but the lines below it have "
                f"{width}; name all columns with --columns"
            )
        return checked_names(first, str(path))
    if options.columns is None and width > 2:
        raise EdgeListError(
            f"{path} has {width} columns but no names beyond source and target; name all columns in order with "
            f"--columns source,target,weight (or columns=(...))"
        )
    return renamed(("source", "target", *map(str, range(3, width + 1))), options, str(path))


def _refuse_mostly_malformed(sample: Sequence[SampleLine], layout: TextLayout, path: Path) -> None:
    sample = sample[:SAMPLE_LINES]
    bad = [(line, complaint) for line in sample if (complaint := layout.complaint(line.text))]
    if 2 * len(bad) > len(sample):
        line, complaint = bad[0]
        raise EdgeListError(
            f"{path}: {len(bad)} of the first {len(sample)} rows are malformed (fields separated by "
            f"{layout.delimiter.name}); the first is {described('line', line.number, complaint, line.decoded())}"
        )
