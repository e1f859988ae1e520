"""Edge lists in the METIS format: line i lists the neighbours of agent i."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress
from data.readers.attributes import AttributeColumn
from data.readers.byte_stream import Block, text_blocks
from data.readers.column_roles import endpoint_positions, readable_rows, refuse_bad_weights
from data.readers.delimiters import BLANKS
from data.readers.edge_list_builder import EdgeListBuilder
from data.readers.layout import check_text
from data.readers.line_numbers import LineRun

WEIGHT = "weight"

_MOST_AGENTS = 2**31 - 1

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MetisHeader:
    """First line of a METIS file: ``n m [fmt [ncon]]``.

    Attributes
    ----------
    agents, edges : int
        Number of agents, and of edges; each edge is listed in the lines of both its ends.
    skipped : int
        How many numbers precede the neighbours in each line: the agent's size and weights.
    weighted : bool
        Whether each neighbour is followed by the weight of the edge.
    """

    agents: int
    edges: int
    skipped: int
    weighted: bool


def read_metis(path: Path, options: ImportOptions, agents: pa.Table | None, progress: Progress) -> EdgeList:
    """Read a METIS file as an edge list with one row per entry of the adjacency lines.

    All n agents exist, including those without neighbours. Edge weights become the column ``weight``; sizes and weights
    of agents are skipped. A neighbour outside 1..n is a malformed row.

    Parameters
    ----------
    path : Path
        The file, plain or compressed.
    options : ImportOptions
        Roles, direction and the limit of malformed entries; ``header`` and ``columns`` have no effect.
    agents : pyarrow.Table, optional
        Agents as `data.readers.agents.read_agents` returns them.
    progress : Progress
        Called with ``("reading", bytes done, bytes in total)`` of the file.

    Raises
    ------
    EdgeListError
        If the first line is not a METIS header, or a weight is not a number or invalid for its role.
    TooManyRejectsError
        If there are more malformed entries than ``options.max_rejects``.

    References
    ----------
    .. [1] G. Karypis, "METIS manual", version 5.1.0, section 4.1.1.
    """
    with closing(text_blocks(path, progress)) as stream:
        header, blocks = _header(stream, path)
        names = ("source", "target", WEIGHT) if header.weighted else ("source", "target")
        endpoint_positions(names, options, str(path))
        reader = _AdjacencyReader(path, header, options)
        for block in blocks:
            reader.add(block)
    return reader.finish(agents)


@dataclass(frozen=True)
class _Lines:
    """Adjacency lines of a block: all tokens, and for each line its number, its agent, and its range of tokens."""

    tokens: pa.ChunkedArray
    counts: Numbers
    starts: Numbers
    numbers: Numbers
    agents: Numbers

    def text(self, line: int) -> str:
        start = self.starts[line]
        return " ".join(map(str, self.tokens[start : start + self.counts[line]].to_pylist()))


class _AdjacencyReader:
    """Turns blocks of adjacency lines into edges."""

    def __init__(self, path: Path, header: MetisHeader, options: ImportOptions) -> None:
        self._path, self._header, self._options = path, header, options
        self._builder = EdgeListBuilder(str(path), options)
        self._builder.identifiers.add(metis=pa.chunked_array([np.arange(1, header.agents + 1)]))
        self._weights = AttributeColumn(WEIGHT, number=True)
        self._agents_done = 0

    def add(self, block: Block) -> None:
        """Append the entries of a block of adjacency lines."""
        lines = _split(block, self._agents_done)
        self._agents_done += len(lines.numbers)
        spoilt = self._spoilt(lines)
        at, line_of = self._entries(lines, ~spoilt)
        targets = _integers(lines.tokens.take(pa.array(at)))
        known = (targets >= 1) & (targets <= self._header.agents)
        self._reject(lines, np.flatnonzero(spoilt), at[~known], line_of[~known])
        at, line_of = at[known], line_of[known]
        run = LineRun.of(lines.numbers[line_of])
        if self._header.weighted:
            self._add_weights(lines.tokens.take(pa.array(at + 1)), run)
        sources = lines.agents[line_of]
        self._builder.add([pa.chunked_array([sources]), pa.chunked_array([targets[known]])], run)

    def _spoilt(self, lines: _Lines) -> npt.NDArray[np.bool_]:
        """Return which lines belong to no agent, or lack the weight of an agent or a neighbour."""
        neighbours = lines.counts - self._header.skipped
        odd = neighbours % 2 == 1 if self._header.weighted else np.zeros(len(neighbours), np.bool_)
        beyond = lines.agents > self._header.agents
        return np.where(beyond, lines.counts > 0, (neighbours < 0) | odd)

    def _entries(self, lines: _Lines, whole: npt.NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """Return the positions of the tokens that are neighbours in valid lines, and the line of each."""
        place = np.arange(len(lines.tokens)) - np.repeat(lines.starts, lines.counts) - self._header.skipped
        neighbour = np.repeat(whole, lines.counts) & (place >= 0)
        if self._header.weighted:
            neighbour &= place % 2 == 0
        return np.flatnonzero(neighbour), np.repeat(np.arange(len(lines.counts)), lines.counts)[neighbour]

    def _reject(self, lines: _Lines, spoilt: Numbers, unknown: Numbers, line_of: Numbers) -> None:
        """Add malformed lines and neighbours that are not agents to the rejects, in order."""
        n = self._header.agents
        found = [(line, -1, self._complaint(lines.agents[line]), lines.text(line)) for line in spoilt.tolist()]
        for at, line in zip(unknown.tolist(), line_of.tolist(), strict=True):
            token = str(lines.tokens[at].as_py())
            found.append((line, at, f"neighbour {token[:64]} is not an agent in 1..{n}", token))
        for line, _, detail, text in sorted(found):
            self._builder.rejects.add(int(lines.numbers[line]), detail, text)

    def _complaint(self, agent: int) -> str:
        if agent > self._header.agents:
            return f"the header counts {self._header.agents} agents, but this line is for a further one"
        return "a weight is missing from the line"

    def _add_weights(self, weights: pa.ChunkedArray, lines: LineRun) -> None:
        readable = readable_rows(weights)
        if readable < len(weights):
            raise EdgeListError(
                f"{self._path}, line {lines.line(readable)}: the weight {str(weights[readable])[:64]!r} is not a "
                "number; correct the value"
            )
        weights = self._weights.add(weights.cast(pa.string()))
        refuse_bad_weights(weights, WEIGHT, self._options, lambda row: f"{self._path}, line {lines.line(row)}")

    def finish(self, agents: pa.Table | None) -> EdgeList:
        header, builder = self._header, self._builder
        if header.skipped:
            builder.warnings.append(f"{self._path}: the sizes or weights of agents were skipped")
        if self._agents_done < header.agents:
            builder.warnings.append(
                f"{self._path}: the header counts {header.agents} agents but only {self._agents_done} lines follow"
            )
        if builder.rows_read != 2 * header.edges:
            builder.warnings.append(
                f"{self._path}: the header counts {header.edges} edges, so {2 * header.edges} entries, "
                f"but there are {builder.rows_read}"
            )
        attributes = pa.table({WEIGHT: self._weights.finish()} if header.weighted else {})
        builder.has_agents = header.agents > 0
        return builder.finish(attributes, agents)


def _header(blocks: Iterator[Block], path: Path) -> tuple[MetisHeader, Iterator[Block]]:
    """Return the header and the blocks of lines after it."""
    for block in blocks:
        check_text(block, str(path))
        offset = 0
        for number in range(block.first_line, block.first_line + block.line_count):
            end = block.data.index(b"\n", offset)
            line = block.data[offset:end].strip()
            offset = end + 1
            if line and not line.startswith(b"%"):
                return _parsed_header(line, path), _resumed(block.after(offset, number + 1), blocks)
    raise EdgeListError(f"{path} has no METIS header 'n m [fmt [ncon]]', only comments and blank lines")


def _resumed(rest: Block, blocks: Iterator[Block]) -> Iterator[Block]:
    yield rest
    yield from blocks


def _parsed_header(line: bytes, path: Path) -> MetisHeader:
    found = re.fullmatch(rb"(\d+)\s+(\d+)(?:\s+([01]{1,3})(?:\s+(\d+))?)?", line)
    if not found:
        raise EdgeListError(
            f"{path}: the first line {line[:60].decode(errors='replace')!r} is not a METIS header "
            "'n m [fmt [ncon]]' (fmt consists of 0 and 1); rename the file to .txt if it lists one edge per line"
        )
    sizes, agent_weights, edge_weights = (digit == "1" for digit in (found[3] or b"0").decode().zfill(3))
    weights_per_agent = int(found[4] or 1) if agent_weights else 0
    if int(found[1]) > _MOST_AGENTS:
        raise EdgeListError(f"{path}: the header counts {int(found[1])} agents; at most {_MOST_AGENTS} are supported")
    return MetisHeader(int(found[1]), int(found[2]), sizes + weights_per_agent, edge_weights)


def _split(block: Block, agents_before: int) -> _Lines:
    data, numbers = _without_comments(block)
    counts = _tokens_per_line(data)
    agents = agents_before + 1 + np.arange(len(numbers))
    return _Lines(_tokens(data), counts, np.cumsum(counts) - counts, numbers, agents)


def _without_comments(block: Block) -> tuple[bytes, Numbers]:
    """Return the adjacency lines of a block, tab-separated, and their line numbers."""
    data = BLANKS.normalised(block.data.replace(b"\r", b" "))
    lines = np.arange(block.first_line, block.first_line + block.line_count)
    if b"%" not in data:
        return data, lines
    kept = [(line, number) for line, number in zip(data.split(b"\n"), lines, strict=False) if line[:1] != b"%"]
    return b"\n".join([*(line for line, _ in kept), b""]), np.array([number for _, number in kept], dtype=np.int64)


def _tokens_per_line(data: bytes) -> Numbers:
    characters = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(characters == ord("\n"))
    tabs = np.flatnonzero(characters == ord("\t"))
    filled = np.diff(ends, prepend=-1) > 1
    return np.diff(np.searchsorted(tabs, ends), prepend=0) + filled


def _tokens(data: bytes) -> pa.ChunkedArray:
    """Return all tokens of some lines: int64 if they consist of digits only, else text."""
    column = data.replace(b"\t", b"\n")
    if column.translate(None, b"0123456789\n"):
        column = column if column.isascii() else column.decode(errors="replace").encode()
        return _one_column(column, pa.string(), len(column))
    try:
        return _one_column(column, pa.int64(), 1 << 20)
    except pa.ArrowInvalid:
        return _one_column(column, pa.string(), len(column))


def _one_column(data: bytes, kind: pa.DataType, block_size: int) -> pa.ChunkedArray:
    if not data.strip(b"\n"):
        return pa.chunked_array([pa.array([], kind)])
    return pyarrow.csv.read_csv(
        pa.BufferReader(data),
        pyarrow.csv.ReadOptions(column_names=["token"], block_size=block_size),
        pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False),
        pyarrow.csv.ConvertOptions(column_types={"token": kind}, null_values=[]),
    ).column(0)


def _integers(tokens: pa.ChunkedArray) -> Numbers:
    """Return tokens as integers, 0 for those that are not."""
    if pa.types.is_string(tokens.type):
        digits = pc.match_substring_regex(tokens, "^[0-9]{1,18}$")
        tokens = pc.if_else(digits, tokens, "0").cast(pa.int64())
    return np.asarray(tokens.to_numpy(), dtype=np.int64)
