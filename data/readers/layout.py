"""How a text file is laid out: its delimiter, its header, the names of its columns and which of them are ids.

What counts as a header is told in `data.readers.headers`. Lines that begin with ``#`` or ``%`` are comments, but below
a header of columns between commas, semicolons, bars or single tabs they are rows where they look like rows.
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
        """Return the text, whatever its bytes."""
        return self.text.decode("utf-8", errors="replace")

    @property
    def next(self) -> "SampleLine":
        """The line after this one, whatever it holds."""
        return SampleLine(self.number + 1, self.offset + len(self.text) + 1, b"")


@dataclass(frozen=True)
class TextLayout:
    """How the data lines of a text file are to be read.

    Attributes
    ----------
    delimiter : Delimiter
        What separates fields.
    names : tuple of str
        Names of all columns, in order.
    ids : tuple of (int, str)
        Positions of the id columns, each with what messages call it.
    first : SampleLine
        The first data line, or the line after the header.
    counts : tuple of int, optional
        Agents and edges according to a first line ``n m``.
    header : SampleLine, optional
        The line that names the columns; where files were joined, it comes again and is no row.
    doubts : tuple of str
        What was guessed, and what the user may not have meant.
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
        """Whether lines that begin with ``#`` or ``%`` are rows where they look like rows."""
        return self.header is not None and not self.delimiter.runs

    @cached_property
    def header_line(self) -> bytes:
        """The header as it stands in normalised lines, with its line end; empty where there is none."""
        return b"" if self.header is None else self.delimiter.normalised(self.header.text + b"\n")

    @property
    def attributes(self) -> tuple[int, ...]:
        """Positions of the columns that are not ids."""
        ids = {position for position, _ in self.ids}
        return tuple(position for position in range(len(self.names)) if position not in ids)

    def complaint(self, line: bytes) -> str | None:
        """Return why a data line is malformed, or None where it is well formed."""
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
            return f"the header of line {self.header.number} comes again (files joined to one?)"
        if len(fields) != len(self.names):
            return f"{len(fields)} fields where {len(self.names)} are expected"
        complaints = (complaint_about(fields[position].strip(" \t"), which) for position, which in self.ids)
        return next((complaint for complaint in complaints if complaint), None)

    def rows_of(self, sample: Sequence[SampleLine], path: Path) -> list[SampleLine]:
        """Return those lines of a sample that are rows; raise EdgeListError where none follows the header."""
        rows = [line for line in sample if line.number >= self.first.number and self.is_row(line.text)]
        if not rows:
            raise EdgeListError(f"{path} has no edges after its header line {self.first.number - 1}")
        return rows

    def is_row(self, line: bytes) -> bool:
        """Whether a line is a row, well formed or not: neither blank nor a comment."""
        return is_data(line) or (self.marked_rows and is_marked(line) and self.complaint(line) is None)


def is_data(line: bytes) -> bool:
    """Whether a line is neither blank nor a comment (``#`` or ``%``, perhaps after blanks)."""
    text = line.lstrip(b" \t")
    return bool(text) and not text.startswith(_COMMENT)


def is_marked(line: bytes) -> bool:
    """Whether a line begins with ``#`` or ``%`` and goes on at once: a comment, or the id of a hashtag."""
    return _AFTER_MARK.match(line.lstrip(b" \t")) is not None


def sample_of(block: Block) -> list[SampleLine]:
    """Return the first data lines of a block, and the marked lines between them; nothing where all are marked."""
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
    """Raise EdgeListError where a file's first block is not text."""
    if b"\0" in block.data[: 1 << 16]:
        raise EdgeListError(f"{source} is not text: it holds NUL bytes (binary, or UTF-16?); save it as UTF-8 text")


def edge_layout(sample: Sequence[SampleLine], path: Path, options: ImportOptions) -> TextLayout:
    """Return the layout of an edge list by its first data lines.

    Parameters
    ----------
    sample : sequence of SampleLine
        As `sample_of` returns it: the first data lines, a header included, and marked lines; one data line at least.
    path : Path
        The file, for its suffix and for messages.
    options : ImportOptions
        What the user said about header and columns.

    Raises
    ------
    EdgeListError
        If there are fewer than two columns, columns without a name, roles that no column has, a header that is not
        what the user said, or if more than half of the sample is malformed.
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
        doubts.append('fields in single quotes were read without them; quote with " where they belong to the ids')
    first = header.next if header else plain[0]
    ends = ((start, "source"), (end, "target"))
    layout = TextLayout(delimiter, names, ends, first, counts, header, tuple(f"{path}: {doubt}" for doubt in doubts))
    _refuse_mostly_malformed(layout.rows_of(sample, path), layout, path)
    return layout


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case, without that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if len(suffixes) == 2 and suffixes[1] in {".gz", ".gzip", ".bz2", ".xz", ".zst"}:
        return suffixes[0]
    return suffixes[-1] if suffixes else ""


def block_lines(block: Block) -> Iterator[SampleLine]:
    """Yield the lines of a block, whatever they hold."""
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
            f"{path}: the first line {text[:60]!r} is not 'n m', two integers, as header=counts wants; "
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
            "if it counts agents and edges, say --header counts"
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
            f"{path} has {width} columns but only source and target are named; name all columns with "
            f"--columns source,target,weight (or columns=(...)), in order"
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
