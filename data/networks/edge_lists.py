"""Edge lists: the output of every reader and generator, from which snapshots are made.

An edge list is the raw data of a network: endpoints as dense codes in order of appearance, the distinct original ids
of the codes, and the other columns of the source. It may still contain self-loops and duplicates;
`data.networks.cleaning` removes and counts those.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

DuplicatePolicy = Literal["first", "sum", "max", "error"]
HeaderKind = Literal["auto", "none", "names", "counts"]
MALFORMED_SCHEMA = pa.schema([("line", pa.int64()), ("detail", pa.string()), ("text", pa.string())])


class ImportOptions(BaseModel):
    """How to read a source as an edge list, and how to treat duplicates and rejected rows.

    Frozen; unknown names are refused. The options of ``rumormill network import`` are these fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    undirected: bool = False
    """Add the reverse of each edge; listing an edge in both directions is then not a duplicate."""
    reverse: bool = False
    """Swap source and target of every edge."""
    header: HeaderKind = "auto"
    """First line: ``names`` of columns, ``counts`` (``n m``, checked and skipped), ``none``, or ``auto``."""
    columns: tuple[str, ...] | None = None
    """Names of all columns, in order, for files without a header line of names."""
    source: str | None = None
    """Column of the edge's source; default: by its name (``source``, ``from``, ...), else the first column."""
    target: str | None = None
    """Column of the edge's target; default: by its name (``target``, ``to``, ...), else the second column."""
    strength: str | None = None
    """Column with the strength of the relationship: finite and >= 0."""
    probability: str | None = None
    """Column with the transmission probability of the edge: in [0, 1]."""
    duplicates: DuplicatePolicy = "first"
    """For rows with equal (source, target): keep the first, take the sum or maximum of numbers, or fail."""
    max_rejects: int = Field(default=1_000_000, ge=0)
    """Most rows (malformed, self-loops, duplicates) that may be rejected before the import fails."""
    partitions: int | None = Field(default=None, ge=1)
    """Edge partitions of the snapshot; default: one per 4 million edges. Never changes the network's content."""

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> "ImportOptions":
        if self.columns is not None and len(set(self.columns)) != len(self.columns):
            raise ValueError(f"columns {list(self.columns)} repeat a name; each must be given once")
        return self


@dataclass(frozen=True)
class LineBlock:
    """Position of a run of consecutive edges in the source file."""

    first_ordinal: int
    first_line: int
    lines: npt.NDArray[np.int64] | None = None
    """Line of each edge of the block; None if they are consecutive from ``first_line``."""


@dataclass(frozen=True)
class EdgeList:
    """Edges in the order of their source, endpoints as codes into the distinct original ids.

    Attributes
    ----------
    source, target : (m,) int32
        Codes of the endpoints: positions in `agent_ids`.
    agent_ids : pyarrow.Array of int64 or string, length n
        Distinct original ids, in any order. int64 only if every id is a canonical integer (no leading zeros, no plus
        sign); agents without edges are included.
    edge_attributes : pyarrow.Table
        m rows: the columns other than the endpoints, under the user's names.
    agent_attributes : pyarrow.Table
        n rows aligned with `agent_ids` (columns of an agents file), or zero columns.
    malformed : pyarrow.Table
        Rows of `MALFORMED_SCHEMA`: lines that could not be read, with the reason.
    rows_read : int
        Data rows read: edges plus malformed rows, without comments, blank lines and headers.
    line_blocks : tuple of LineBlock
        Ascending by ``first_ordinal``; empty for sources without lines (edge ordinal + 1 is then the row number).
    strength, probability : str or None
        Edge attribute with this role.
    description : str
        Readable origin of the edges: a file name, a query, a generator with its parameters.
    warnings : tuple of str
        What the reader guessed, doubted or left out, in sentences for the user.
    both_ways : (m,) bool, or None
        Edges that the source marks as undirected, to be added in both directions; None if it does not say.
    """

    source: npt.NDArray[np.int32]
    target: npt.NDArray[np.int32]
    agent_ids: pa.Array
    edge_attributes: pa.Table
    malformed: pa.Table
    rows_read: int
    description: str
    agent_attributes: pa.Table | None = None
    line_blocks: tuple[LineBlock, ...] = ()
    strength: str | None = None
    probability: str | None = None
    warnings: tuple[str, ...] = field(default=())
    both_ways: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Return the number of edges, self-loops and duplicates included."""
        return len(self.source)

    def lines_of(self, ordinals: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the line (or row) numbers, from 1, of the edges with these ordinals.

        Examples
        --------
        >>> edges = no_edges("nothing")
        >>> edges.lines_of(np.array([0, 4]))
        array([1, 5])
        """
        ordinals = np.asarray(ordinals, dtype=np.int64)
        if not self.line_blocks:
            return ordinals + 1
        firsts = np.array([block.first_ordinal for block in self.line_blocks], dtype=np.int64)
        lines = np.empty(len(ordinals), dtype=np.int64)
        block_of = np.searchsorted(firsts, ordinals, side="right") - 1
        for number in np.unique(block_of):
            block = self.line_blocks[number]
            chosen = block_of == number
            within = ordinals[chosen] - block.first_ordinal
            lines[chosen] = block.first_line + within if block.lines is None else block.lines[within]
        return lines


def no_edges(description: str) -> EdgeList:
    """Return an edge list without edges or agents."""
    return EdgeList(
        source=np.empty(0, np.int32),
        target=np.empty(0, np.int32),
        agent_ids=pa.array([], pa.int64()),
        edge_attributes=pa.table({}),
        malformed=MALFORMED_SCHEMA.empty_table(),
        rows_read=0,
        description=description,
    )
