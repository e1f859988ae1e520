"""Network snapshots: immutable networks with dense ids, published as tables and opened as frames or sparse rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError, UnknownAgentError
from data.manifests import DataFile
from data.sparse_rows import SparseRows, mapped_arrays, save_array, transposed
from data.warehouse import Warehouse

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd


@dataclass(frozen=True)
class Network:
    """One snapshot of a network in a warehouse.

    Attributes
    ----------
    warehouse : Warehouse
        Where it lies.
    network_id, snapshot_id : str
        Name of the network, and hash of the snapshot's content.
    row : mapping
        The snapshot's row of the table `networks`.
    """

    warehouse: Warehouse
    network_id: str
    snapshot_id: str
    row: Mapping[str, Any] = field(compare=False)

    @staticmethod
    def from_row(warehouse: Warehouse, row: Mapping[str, Any]) -> "Network":
        """Return the network that a row of the table `networks` describes."""
        return Network(warehouse, row["network_id"], row["snapshot_id"], row)

    def __reduce__(self) -> tuple[Any, ...]:
        return Network.from_row, (self.warehouse, dict(self.row))

    def __repr__(self) -> str:
        return f"Network({self.network_id!r}, agents={self.n_agents:,}, edges={self.n_edges:,})"

    @property
    def n_agents(self) -> int:
        """Number of agents, isolated ones included."""
        return int(self.row["agents"])

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return int(self.row["edges"])

    @property
    def key(self) -> str:
        """Key under which the snapshot is published."""
        return network_key(self.network_id, self.snapshot_id)

    # -- as tables ----------------------------------------------------------------------------------------------

    @cached_property
    def edge_files(self) -> list[DataFile]:
        """Files of the edges, ascending by range of src."""
        return self._files_by_division("network_edges")

    @cached_property
    def agent_files(self) -> list[DataFile]:
        """Files of the agents, ascending by the same ranges."""
        return self._files_by_division("network_agents")

    def _files_by_division(self, table: str) -> list[DataFile]:
        files = self.warehouse.files(table, [self.key])
        return sorted(files, key=lambda file: cast("tuple[int, int]", file.division))

    @cached_property
    def divisions(self) -> tuple[int, ...]:
        """First src of every partition, and the last agent: known divisions as Dask means them."""
        firsts = [cast("tuple[int, int]", file.division)[0] for file in self.edge_files]
        return (*firsts, self.n_agents - 1)

    @property
    def agents(self) -> "dd.DataFrame":
        """Agents as a Dask DataFrame, index ``agent``, divisions as those of `edges`."""
        return self._frame(self.agent_files, "agent")

    @property
    def edges(self) -> "dd.DataFrame":
        """Edges as a Dask DataFrame, index ``src``, column ``dst`` and the attributes, known divisions."""
        return self._frame(self.edge_files, "src")

    def _frame(self, files: list[DataFile], index: str) -> "dd.DataFrame":
        import dask.dataframe as dd

        meta = self._read_indexed(files[0], index).iloc[:0]
        return dd.from_map(self._read_indexed, files, index=index, meta=meta, divisions=self.divisions)

    def _read_indexed(self, file: DataFile, index: str) -> "pd.DataFrame":
        rows = self.warehouse.read_file(file).drop_columns(["snapshot_id"])
        return rows.to_pandas().set_index(index)

    # -- identity -----------------------------------------------------------------------------------------------

    @cached_property
    def agent_ids(self) -> pa.Array:
        """Original ids of all agents (string, length n_agents), by dense id."""
        columns = [self.warehouse.read_file(file, ["agent_id"])["agent_id"] for file in self.agent_files]
        return pa.chunked_array([chunk for c in columns for chunk in c.chunks], pa.string()).combine_chunks()

    def dense_ids(self, agent_ids: Sequence[Any]) -> npt.NDArray[np.int32]:
        """Return the dense ids of agents, in the order given.

        Raises
        ------
        UnknownAgentError
            If an id does not occur in the network.
        """
        wanted = [str(agent_id) for agent_id in agent_ids]
        names = pa.array(wanted, pa.string())
        # One pass over all ids beats hashing them all for the sake of a few.
        candidates = np.flatnonzero(pc.is_in(self.agent_ids, value_set=names).to_numpy(zero_copy_only=False))
        positions = pc.index_in(names, value_set=self.agent_ids.take(pa.array(candidates)))
        found = pa.array(candidates).take(positions)
        if found.null_count:
            missing = [a for a, position in zip(wanted, found.to_pylist(), strict=True) if position is None]
            example = ", ".join(repr(a) for a in self.agent_ids[:3].to_pylist())
            raise UnknownAgentError(
                f"agent {', '.join(map(repr, missing[:5]))}{' ...' if len(missing) > 5 else ''} is not in network "
                f"{self.network_id!r} of {self.n_agents:,} agents; ids there look like {example}"
            )
        return cast("npt.NDArray[np.int32]", found.to_numpy(zero_copy_only=False).astype(np.int32))

    # -- as arrays ----------------------------------------------------------------------------------------------

    @property
    def cache_folder(self) -> Path:
        """Folder for arrays derived from this snapshot, named by its content."""
        return self.warehouse.cache_folder / self.snapshot_id

    @cached_property
    def sparse_rows(self) -> SparseRows:
        """Out-edges as compressed sparse rows, mapped from files."""
        offsets, targets = mapped_arrays(self.cache_folder / "rows", ["offsets", "targets"], self._build_rows)
        return SparseRows(cast("Any", offsets), cast("Any", targets))

    @cached_property
    def transpose(self) -> SparseRows:
        """In-edges as compressed sparse rows, with each edge's position among the out-edges."""
        arrays = mapped_arrays(self.cache_folder / "transpose", ["offsets", "sources", "edges"], self._build_transpose)
        return SparseRows(*cast("Any", arrays))

    @property
    def out_degree(self) -> npt.NDArray[np.int64]:
        """Number of out-edges by dense id, (n_agents,) int64."""
        return np.diff(self.sparse_rows.offsets)

    @cached_property
    def in_degree(self) -> npt.NDArray[np.int64]:
        """Number of in-edges by dense id, (n_agents,) int64."""
        (degrees,) = mapped_arrays(self.cache_folder / "in_degree", ["in_degree"], self._build_in_degree)
        return cast("npt.NDArray[np.int64]", degrees)

    def edge_values(self, attribute: str) -> npt.NDArray[np.float64]:
        """Return a numeric edge attribute in the order of `sparse_rows`, (n_edges,) float64.

        Raises
        ------
        InvalidInputError
            If the edges have no such attribute, or it is not numeric.
        """
        if attribute not in self.row["edge_attributes"]:
            known = ", ".join(self.row["edge_attributes"]) or "none"
            raise InvalidInputError(
                f"edges of network {self.network_id!r} have no column {attribute!r} (columns: {known}); "
                "name the columns when importing, for instance --columns source,target,probability"
            )
        parts = [self.warehouse.read_file(file, [attribute])[attribute] for file in self.edge_files]
        if not (pa.types.is_floating(parts[0].type) or pa.types.is_integer(parts[0].type)):
            raise InvalidInputError(f"edge column {attribute!r} is {parts[0].type}, a number is needed")
        return np.concatenate([part.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) for part in parts])

    def _build_rows(self, folder: Path) -> None:
        degrees = [self.warehouse.read_file(f, ["out_degree"])["out_degree"] for f in self.agent_files]
        offsets = np.zeros(self.n_agents + 1, np.int64)
        np.cumsum(np.concatenate([d.to_numpy() for d in degrees]), out=offsets[1:])
        targets = np.empty(self.n_edges, np.int32)
        filled = 0
        for file in self.edge_files:
            targets[filled : filled + file.rows] = self.warehouse.read_file(file, ["dst"])["dst"].to_numpy()
            filled += file.rows
        save_array(folder, "offsets", offsets)
        save_array(folder, "targets", targets)

    def _build_transpose(self, folder: Path) -> None:
        transpose = transposed(self.sparse_rows)
        assert transpose.edges is not None
        save_array(folder, "offsets", transpose.offsets)
        save_array(folder, "sources", transpose.targets)
        save_array(folder, "edges", transpose.edges)

    def _build_in_degree(self, folder: Path) -> None:
        columns = [self.warehouse.read_file(f, ["in_degree"])["in_degree"] for f in self.agent_files]
        save_array(folder, "in_degree", np.concatenate([c.to_numpy() for c in columns]).astype(np.int64))


def network_key(network_id: str, snapshot_id: str) -> str:
    """Return the key under which a snapshot is published."""
    return f"network/{network_id}/{snapshot_id}"


def options_json(options: Mapping[str, Any]) -> str:
    """Return options as JSON with sorted keys, as the table `networks` keeps them."""
    return json.dumps(options, sort_keys=True, default=str)
