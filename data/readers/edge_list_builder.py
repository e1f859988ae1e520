"""Builder of edge lists, to which every reader appends block by block."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import EdgeListError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.readers.identifiers import Identifiers
from data.readers.line_numbers import LineIndex, LineRun
from data.readers.rejects import Rejects

AGENT_ID = "agent_id"


class EdgeListBuilder:
    """Endpoints, line numbers and malformed rows of one source."""

    def __init__(self, source: str, options: ImportOptions, unit: str = "line") -> None:
        self.source = source
        self.options = options
        self.identifiers = Identifiers()
        self.rejects = Rejects(source, options.max_rejects, unit)
        self.warnings: list[str] = []
        self.has_agents = False
        """Whether the source itself lists agents, so that it may have no edges."""
        self._lines = LineIndex()

    @property
    def rows_read(self) -> int:
        """Edges and malformed rows so far."""
        return len(self._lines) + len(self.rejects)

    def add(self, ends: Sequence[pa.ChunkedArray], lines: LineRun) -> None:
        """Append a block of edges: ids of their sources and of their targets, and their line numbers."""
        source, target = ends
        self.identifiers.add(source=source, target=target)
        self._lines.add(lines)

    def finish(
        self, attributes: pa.Table, agents: pa.Table | None, *, counts: tuple[int, int] | None = None
    ) -> EdgeList:
        """Return the edge list; the builder must not be reused."""
        if not len(self._lines) and (len(self.rejects) or (agents is None and not self.has_agents)):
            first = f"; the first is {self.rejects.first()}" if len(self.rejects) else ""
            raise EdgeListError(f"{self.source} has no well-formed edge among {self.rows_read} rows{first}")
        if counts:
            self._warn_of_other_counts(*counts)
        if agents is not None:
            self.identifiers.add(agents=pa.chunked_array(agents.column(AGENT_ID)))
        codes, agent_ids = self.identifiers.finish()
        source, target = (codes.get(end, np.empty(0, np.int32)) for end in ("source", "target"))
        if self.options.reverse:
            source, target = target, source
        both_ways = self._both_ways(attributes)
        return EdgeList(
            source=source,
            target=target,
            agent_ids=agent_ids,
            edge_attributes=attributes,
            malformed=self.rejects.table(),
            rows_read=self.rows_read,
            description=self.source,
            agent_attributes=None if agents is None else _aligned(agents, codes["agents"], len(agent_ids)),
            line_blocks=self._lines.blocks(),
            strength=self.options.strength,
            probability=self.options.probability,
            warnings=tuple(self.warnings),
            both_ways=both_ways,
        )

    def _both_ways(self, attributes: pa.Table) -> npt.NDArray[np.bool_] | None:
        """Return which edges a column ``Type`` marks as undirected, as in Gephi's edge tables; None without one."""
        name = next((name for name in attributes.column_names if name.lower() == "type"), None)
        if name is None or self.options.undirected:
            return None
        undirected = _called_undirected(attributes[name])
        count = 0 if undirected is None else int(undirected.sum())
        if not count:
            return None
        self.warnings.append(
            f"{self.source}: column {name!r} marks {count:,} of {len(attributes):,} edges as undirected; their "
            "reverses are added. If that is wrong, give the column another name with --columns"
        )
        return undirected

    def _warn_of_other_counts(self, agents: int, edges: int) -> None:
        if edges != self.rows_read:
            self.warnings.append(f"{self.source}: the header counts {edges} edges but {self.rows_read} rows follow")
        if len(self.identifiers) > agents:
            self.warnings.append(
                f"{self.source}: the header counts {agents} agents but {len(self.identifiers)} ids occur"
            )


def _called_undirected(values: pa.ChunkedArray) -> npt.NDArray[np.bool_] | None:
    """Return which values are "undirected"; None if some are not "directed", "undirected" or empty."""
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return None
    words = pc.utf8_lower(pc.utf8_trim_whitespace(values))
    if not set(pc.unique(words).to_pylist()) <= {"directed", "undirected", "", None}:
        return None
    return np.asarray(pc.fill_null(pc.equal(words, "undirected"), False).to_numpy(), np.bool_)


def _aligned(agents: pa.Table, codes: npt.NDArray[np.int32], n: int) -> pa.Table:
    """Return the attributes of agents by code, null for agents without a row."""
    attributes = agents.drop_columns([AGENT_ID])
    if not attributes.num_columns:
        return attributes.slice(0, 0)
    row_of = np.full(n, -1, dtype=np.int64)
    row_of[codes] = np.arange(len(codes))
    return attributes.take(pa.array(row_of, mask=row_of < 0))
