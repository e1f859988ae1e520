"""How a text file is laid out: its delimiter, its header, the names of its columns and which of them are ids.

What counts as a header of names, where the user does not say (``header="auto"``):

1. the first data line has as many fields as the others, all different, none of them empty or a number, and some column
   holds numbers in all of the next 999 lines; or
2. it holds a name that the user gave as source, target, strength or probability, or all the names given as columns; or
3. fields are separated by commas, semicolons, bars or single tabs, and two of the names are well-known names of
   endpoints (``source``, ``target``, ``from``, ``to``, ``id_1``, ...).

In a file whose columns are all text and separated by blanks, a header cannot be told from an edge: say
``header="names"``. A first line ``n m`` is recognised only with ``header="counts"``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers.byte_stream import Block
from data.readers.column_roles import checked_names, endpoint_positions, renamed
from data.readers.delimiters import BLANKS, Delimiter, common_width, fields_of, recognised_delimiter
from data.readers.identifiers import complaint_about
from data.readers.rejects import described

SAMPLE_LINES = 1_000

_ENDPOINT_NAME = re.compile(
    "(source|target|src|dst|dest|destination|from|to)(_?(id|node|node_?id|agent|agent_id))?|(id|node|agent)_?[12]|u|v",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMENT = (b"#", b"%")


@dataclass(frozen=True)
class SampleLine:
    """One of the first data lines of a file."""

    number: int
    offset: int
    text: bytes

    def decoded(self) -> str:
        """Return the text, whatever its bytes."""
        return self.text.decode("utf-8", errors="replace")


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
        The first line after the header.
    counts : tuple of int, optional
        Agents and edges according to a first line ``n m``.
    """

    delimiter: Delimiter
    names: tuple[str, ...]
    ids: tuple[tuple[int, str], ...]
    first: SampleLine
    counts: tuple[int, int] | None = None

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
        if len(fields) != len(self.names):
            return f"{len(fields)} fields where {len(self.names)} are expected"
        complaints = (complaint_about(fields[position].strip(" \t"), which) for position, which in self.ids)
        return next((complaint for complaint in complaints if complaint), None)


def is_data(line: bytes) -> bool:
    """Whether a line is neither blank nor a comment (``#`` or ``%``, perhaps after blanks)."""
    text = line.lstrip(b" \t")
    return bool(text) and not text.startswith(_COMMENT)


def sample_of(block: Block) -> list[SampleLine]:
    """Return the first data lines of a block."""
    return list(islice(_data_lines(block), SAMPLE_LINES + 1))


def check_text(block: Block, source: str) -> None:
    """Raise EdgeListError where a file's first block is not text."""
    if b"\0" in block.data[: 1 << 16]:
        raise EdgeListError(f"{source} is not text: it holds NUL bytes (binary, or UTF-16?); save it as UTF-8 text")


def edge_layout(sample: Sequence[SampleLine], path: Path, options: ImportOptions) -> TextLayout:
    """Return the layout of an edge list by its first data lines.

    Parameters
    ----------
    sample : sequence of SampleLine
        The first data lines, a header included; one at least.
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
    texts = _decoded(sample, path)
    counts = _counts(texts[0], path) if options.header == "counts" else None
    if counts:
        sample, texts = _after_header(sample, texts, path)
    delimiter = _delimiter(texts, path, options)
    rows = [fields_of(delimiter, text) for text in texts]
    width = common_width(rows)
    named = options.header == "names" or (options.header == "auto" and _is_header(rows, width, delimiter, options))
    if named:
        sample, texts = _after_header(sample, texts, path)
    elif options.header == "auto":
        _refuse_forgotten_counts(rows, width, path)
    names = _names(rows[0], width, named, path, options)
    start, end = endpoint_positions(names, options, str(path))
    layout = TextLayout(delimiter, names, ((start, "source"), (end, "target")), sample[0], counts)
    _refuse_mostly_malformed(sample, layout, path)
    return layout


def is_header_of(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the first row names the columns of the others: no number itself, above some column of numbers."""
    if len(rows[0]) != width or not looks_like_names(rows[0]):
        return False
    others = [row for row in rows[1:] if len(row) == width]
    return any(_all_numbers(row[column] for row in others) for column in range(width))


def is_endpoint_name(name: str) -> bool:
    """Whether files often call an endpoint so."""
    return _ENDPOINT_NAME.fullmatch(name) is not None


def looks_like_names(fields: Sequence[str]) -> bool:
    """Whether fields can be names of columns: all different, none of them empty or a number."""
    return len(set(fields)) == len(fields) and not any(not name or _NUMBER.fullmatch(name) for name in fields)


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case, without that of its compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if len(suffixes) == 2 and suffixes[1] in {".gz", ".gzip", ".bz2", ".xz", ".zst"}:
        return suffixes[0]
    return suffixes[-1] if suffixes else ""


def _data_lines(block: Block) -> Iterator[SampleLine]:
    offset, number = 0, block.first_line
    while offset < len(block.data):
        end = block.data.index(b"\n", offset)
        line = block.data[offset:end]
        if is_data(line):
            yield SampleLine(number, offset, line)
        offset, number = end + 1, number + 1


def _decoded(sample: Sequence[SampleLine], path: Path) -> list[str]:
    texts = [line.decoded() for line in sample]
    foreign = sum("\ufffd" in text for text in texts)
    if 2 * foreign > len(texts):
        raise EdgeListError(f"{path} is not UTF-8 text (binary, or another encoding?); save it as UTF-8 text")
    return texts


def _after_header(sample: Sequence[SampleLine], texts: list[str], path: Path) -> tuple[Sequence[SampleLine], list[str]]:
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


def _is_header(rows: list[list[str]], width: int, delimiter: Delimiter, options: ImportOptions) -> bool:
    first = rows[0]
    given = {options.source, options.target, options.strength, options.probability} - {None}
    if options.columns == tuple(first) or (options.columns is None and given & set(first)):
        return True
    if delimiter is not BLANKS and sum(map(is_endpoint_name, first)) >= 2:
        return True
    return len(rows) > 1 and is_header_of(rows, width)


def _all_numbers(fields: Iterable[str]) -> bool:
    """Whether all fields are numbers, empty ones aside, and there is one."""
    known = [field for field in fields if field]
    return bool(known) and all(_NUMBER.fullmatch(field) for field in known)


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
