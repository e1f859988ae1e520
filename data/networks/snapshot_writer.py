"""Publishing a snapshot: content hash, partitions, files, and its row of the table `networks`."""

import hashlib
import itertools
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import AlreadyPublishedError, CommitConflictError
from data.networks import index
from data.networks.network import Network
from data.networks.sparse_rows import row_offsets
from data.networks.spill_files import in_order
from data.progress import Progress
from data.warehouse.keys import network_key, successor_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL

EDGES_PER_PARTITION = 4_000_000
AGENTS_PER_PARTITION = 4_000_000
"""Without this limit, all agents with few or no edges would be in the last partition."""


class Content(Protocol):
    """The content of a snapshot, in memory or on disk."""

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """CSR offsets of the agents' edges, (n + 1,) int64."""

    @property
    def in_degree(self) -> npt.NDArray[np.integer]:
        """Number of in-edges by dense id, (n,)."""

    def agent_rows(self, low: int, high: int) -> pa.Table:
        """Return ids and attributes of dense ids `low` to `high` - 1; reserved ids are null."""

    def edge_rows(self, low: int, high: int) -> pa.Table:
        """Return the edges that leave agents `low` to `high` - 1, sorted by (src, dst)."""


@dataclass(frozen=True)
class SnapshotContent:
    """A network ready to publish: ids by dense id, null for reserved ones; edges sorted by (src, dst)."""

    ids: pa.Array
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    edge_attributes: pa.Table
    agent_attributes: pa.Table
    strength: str | None
    probability: str | None

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """CSR offsets of the agents' edges, (n + 1,) int64."""
        return row_offsets(self.src, len(self.ids))

    @cached_property
    def in_degree(self) -> npt.NDArray[np.int64]:
        """Number of in-edges by dense id, (n,) int64."""
        return np.bincount(self.dst, minlength=len(self.ids))

    def agent_rows(self, low: int, high: int) -> pa.Table:
        """Return ids and attributes of dense ids `low` to `high` - 1; reserved ids are null."""
        attributes = self.agent_attributes.slice(low, high - low)
        return _joined({"agent_id": self.ids[low:high]}, attributes)

    def edge_rows(self, low: int, high: int) -> pa.Table:
        """Return the edges that leave agents `low` to `high` - 1, sorted by (src, dst)."""
        rows = slice(int(self.offsets[low]), int(self.offsets[high]))
        attributes = self.edge_attributes.slice(rows.start, rows.stop - rows.start)
        return _joined({"src": self.src[rows], "dst": self.dst[rows]}, attributes)

    def content_hash(self) -> str:
        """Return a hash of everything a run can depend on, so not of partitions or the source's layout."""
        digest = hashlib.sha256()
        roles = f"snapshot 1;{len(self.ids)};{len(self.src)};{self.strength};{self.probability}"
        digest.update(roles.encode())
        _hash_column(digest, "agent_id", pa.chunked_array([self.ids]))
        digest.update(self.src.data)
        digest.update(self.dst.data)
        for table in (self.edge_attributes, self.agent_attributes):
            for name in sorted(table.column_names):
                _hash_column(digest, name, table[name])
        return digest.hexdigest()[:32]


def _hash_column(digest: Any, name: str, column: pa.ChunkedArray) -> None:
    """Hash a column's values and nulls, regardless of its chunks."""
    digest.update(f";{name}:{column.type};".encode())
    digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)))
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        digest.update(np.ascontiguousarray(column.fill_null(0).to_numpy()))
        return
    text = column.cast(pa.large_string()).fill_null("")
    digest.update(np.ascontiguousarray(pc.binary_length(text).to_numpy()))
    for chunk in text.chunks:
        _, offsets, values = chunk.buffers()
        bounds = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        if len(chunk) and values is not None:
            digest.update(memoryview(values)[bounds[0] : bounds[-1]])


def publish_snapshot(
    warehouse: Store,
    content: Content,
    row: dict[str, Any],
    rejects: pa.Table,
    partitions: int | None,
    progress: Progress,
    *,
    make_current: bool = True,
) -> Network:
    """Write and publish the files of a snapshot; if the same content is already published, make that current.

    Parameters
    ----------
    warehouse : Store
    content : Content
    row : dict
        The snapshot's row of the table `networks`; degrees and partitions are added here.
    rejects : pyarrow.Table
        Rows of the table `network_rejects`, without their snapshot.
    partitions : int or None
        Edge partitions; default: one per `EDGES_PER_PARTITION` edges, with at most `AGENTS_PER_PARTITION` agents.
    progress : Progress
    make_current : bool
        Whether the network's name means this snapshot from now on.

    Returns
    -------
    Network
    """
    key = network_key(row["network_id"], row["snapshot_id"])
    if warehouse.find(key) is not None:
        return _published(warehouse, row, make_current)
    bounds = _partition_bounds(content.offsets, partitions)
    ranges = [(int(low), int(high)) for low, high in itertools.pairwise(bounds)]
    row = {
        **row,
        "max_in_degree": int(content.in_degree.max()),
        "max_out_degree": max(int(_out_degree(content, low, high).max()) for low, high in ranges),
        "partitions": len(ranges),
    }
    files: list[DataFile] = []
    with closing(in_order(_staging(warehouse, content), ranges)) as staged:
        for number, pair in enumerate(staged):
            progress("writing", number, len(ranges))
            files += pair
    if rejects.num_rows:
        rejects = rejects.append_column("snapshot_id", _repeated(row["snapshot_id"], rejects.num_rows))
        schema = table_specification("network_rejects").schema
        files.append(warehouse.stage("network_rejects", rejects.select(schema.names).cast(schema)))
    files.append(warehouse.stage_records("networks", [row]))
    if make_current:
        files.append(index.staged_current(warehouse, row["network_id"], row["snapshot_id"]))
    # The second key keeps two imports from succeeding the same snapshot: both would number new agents.
    successor = successor_key(row["network_id"], row["parent_snapshot_id"])
    try:
        warehouse.commit("network", [key, successor], files, specification_hash=row["snapshot_id"])
    except AlreadyPublishedError as error:
        if warehouse.find(key) is not None:  # another process has imported the same content
            return _published(warehouse, row, make_current)
        raise CommitConflictError(
            f"another import into network {row['network_id']!r} finished first: run again to build on it"
        ) from error
    progress("writing", len(ranges), len(ranges))
    return Network.from_row(warehouse, row)


def _staging(warehouse: Store, content: Content) -> Callable[[tuple[int, int]], tuple[DataFile, DataFile]]:
    """Return a function that writes the two files of one partition."""

    def stage(division: tuple[int, int]) -> tuple[DataFile, DataFile]:
        low, high = division
        degrees = {
            "agent": np.arange(low, high, dtype=np.int32),
            "in_degree": content.in_degree[low:high].astype(np.int32),
            "out_degree": _out_degree(content, low, high).astype(np.int32),
        }
        agents = _joined(degrees, content.agent_rows(low, high))
        if agents["agent_id"].null_count:  # reserved ids are not agents
            agents = agents.filter(agents["agent_id"].is_valid())
        tables = {
            "network_agents": agents,
            "network_edges": content.edge_rows(low, high),
        }
        agent_file, edge_file = (warehouse.stage(table, rows, (low, high - 1)) for table, rows in tables.items())
        return agent_file, edge_file

    return stage


def _out_degree(content: Content, low: int, high: int) -> npt.NDArray[np.int64]:
    return np.diff(content.offsets[low : high + 1])


def _joined(columns: dict[str, Any], further: pa.Table) -> pa.Table:
    """Return a table of columns followed by those of a table with as many rows."""
    return pa.table({**columns, **{name: further[name] for name in further.column_names}})


def _published(warehouse: Store, row: dict[str, Any], make_current: bool) -> Network:
    """Return a published snapshot with the warnings of this import, and make it current if that is wanted."""
    network = index.snapshot(warehouse, row["network_id"], row["snapshot_id"])
    assert network is not None, f"{row['snapshot_id']} is published"
    if make_current:
        index.make_current(warehouse, network)
    return Network.from_row(warehouse, {**network.row, "warnings": row["warnings"]})


def _repeated(text: str, length: int) -> pa.DictionaryArray:
    """Return a text repeated `length` times, dictionary-encoded."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), pa.array([text])).cast(SYMBOL)


def _partition_bounds(offsets: npt.NDArray[np.int64], partitions: int | None) -> npt.NDArray[np.int64]:
    """Return the first agent of each partition, then n; partitions have about equal numbers of edges."""
    n, m = len(offsets) - 1, int(offsets[-1])
    wanted = partitions or -(-m // EDGES_PER_PARTITION) or 1
    inner = np.searchsorted(offsets, np.ceil(np.arange(1, wanted) * (m / wanted)).astype(np.int64), side="left")
    bounds = np.unique(np.concatenate([[0], np.clip(inner, 1, n - 1) if n > 1 else [], [n]])).astype(np.int64)
    if partitions is None and np.diff(bounds).max() > AGENTS_PER_PARTITION:
        parts = -(-np.diff(bounds) // AGENTS_PER_PARTITION)
        pieces = [
            np.linspace(*ends, p, endpoint=False) for ends, p in zip(itertools.pairwise(bounds), parts, strict=True)
        ]
        bounds = np.append(np.concatenate(pieces).astype(np.int64), n)
    return bounds
