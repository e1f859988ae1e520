"""Publishing a snapshot: its content hash, its partitions, its files, its row."""

import hashlib
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import AlreadyPublishedError, CommitConflictError
from data.manifests import DataFile
from data.progress import Progress
from data.schemas import SYMBOL, table_specification
from data.snapshots import Network, network_key
from data.sparse_rows import row_offsets
from data.warehouse import Warehouse

EDGES_PER_PARTITION = 4_000_000


@dataclass(frozen=True)
class SnapshotContent:
    """A network ready to publish: ids by dense id, edges sorted by (src, dst)."""

    ids: pa.Array
    src: npt.NDArray[np.int32]
    dst: npt.NDArray[np.int32]
    edge_attributes: pa.Table
    agent_attributes: pa.Table
    strength: str | None
    probability: str | None

    def content_hash(self) -> str:
        """Return a hash of everything a run can depend on; not of partitions or of the source's layout."""
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
    """Hash a column's values and nulls, whatever its chunks."""
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
    warehouse: Warehouse,
    snapshot: SnapshotContent,
    row: dict[str, Any],
    rejects: pa.Table,
    partitions: int | None,
    progress: Progress,
) -> Network:
    """Write the files of a snapshot and publish them, unless this very content is published already.

    Parameters
    ----------
    warehouse : Warehouse
    snapshot : SnapshotContent
    row : dict
        The snapshot's row of the table `networks`, as far as it is known; degrees and partitions are added.
    rejects : pyarrow.Table
        Rows of the table `network_rejects`, without their snapshot.
    partitions : int or None
        Edge partitions; default: one per `EDGES_PER_PARTITION`.
    progress : Progress

    Returns
    -------
    Network
    """
    key = network_key(row["network_id"], row["snapshot_id"])
    if warehouse.find(key) is not None:
        return _published(warehouse, key)
    n = len(snapshot.ids)
    offsets = row_offsets(snapshot.src, n)
    bounds = _partition_bounds(offsets, partitions)
    out_degree = np.diff(offsets)
    in_degree = np.bincount(snapshot.dst, minlength=n)
    row = {
        **row,
        "max_in_degree": int(in_degree.max()),
        "max_out_degree": int(out_degree.max()),
        "partitions": len(bounds) - 1,
    }
    files: list[DataFile] = []
    for number, (low, high) in enumerate(itertools.pairwise(bounds)):
        progress("writing", number, len(bounds) - 1)
        division = (int(low), int(high) - 1)
        rows = slice(int(offsets[low]), int(offsets[high]))
        agents = {
            "agent": np.arange(low, high, dtype=np.int32),
            "agent_id": snapshot.ids[low:high],
            "in_degree": in_degree[low:high].astype(np.int32),
            "out_degree": out_degree[low:high].astype(np.int32),
        }
        edges = {"src": snapshot.src[rows], "dst": snapshot.dst[rows]}
        for table, columns, attributes, length, start in (
            ("network_agents", agents, snapshot.agent_attributes, int(high - low), int(low)),
            ("network_edges", edges, snapshot.edge_attributes, rows.stop - rows.start, rows.start),
        ):
            part = pa.table({"snapshot_id": _repeated(row["snapshot_id"], length), **columns})
            for name in attributes.column_names:
                part = part.append_column(name, attributes[name].slice(start, length))
            files.append(warehouse.stage(table, part, division))
    if rejects.num_rows:
        rejects = rejects.append_column("snapshot_id", _repeated(row["snapshot_id"], rejects.num_rows))
        schema = table_specification("network_rejects").schema
        files.append(warehouse.stage("network_rejects", rejects.select(schema.names).cast(schema)))
    files.append(warehouse.stage_records("networks", [row]))
    # The second key: two imports may not both continue the same snapshot, since both would number new agents.
    successor = f"network/{row['network_id']}/after/{row['parent_snapshot_id']}"
    try:
        warehouse.commit("network", [key, successor], files, specification_hash=row["snapshot_id"])
    except AlreadyPublishedError as error:
        if warehouse.find(key) is not None:  # another process imported the same content meanwhile
            return _published(warehouse, key)
        raise CommitConflictError(
            f"another import into network {row['network_id']!r} finished meanwhile: run again to continue from it"
        ) from error
    progress("writing", len(bounds) - 1, len(bounds) - 1)
    return Network.from_row(warehouse, row)


def _published(warehouse: Warehouse, key: str) -> Network:
    return Network.from_row(warehouse, warehouse.read("networks", [key]).to_pylist()[0])


def _repeated(text: str, length: int) -> pa.DictionaryArray:
    """Return one text repeated over all rows, as a dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), pa.array([text])).cast(SYMBOL)


def _partition_bounds(offsets: npt.NDArray[np.int64], partitions: int | None) -> npt.NDArray[np.int64]:
    """Return agents at which partitions begin, ascending, and n at the end: about equal numbers of edges each."""
    n, m = len(offsets) - 1, int(offsets[-1])
    wanted = partitions or -(-m // EDGES_PER_PARTITION) or 1
    inner = np.searchsorted(offsets, np.arange(1, wanted) * (m / wanted), side="left")
    return np.unique(np.concatenate([[0], np.clip(inner, 1, n - 1) if n > 1 else [], [n]])).astype(np.int64)
