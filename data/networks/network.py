"""Network snapshots: immutable networks with dense ids, published as tables and opened as dataframes or CSR."""

import bisect
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.cards import card
from data.errors import InvalidInputError, UnknownAgentError
from data.networks import neighborhoods
from data.networks.numeric_types import as_floats, is_numeric
from data.networks.sparse_rows import SparseRows, mapped_arrays, save_array, save_blocks
from data.networks.transposition import save_transposed
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import network_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

AGENT_IDS_HELD = 1 << 24
"""Most agents whose ids are held in memory; ids of larger networks are mapped, and searched file by file."""
CALLS_WITHOUT_ORDER = 8
"""Calls of `Network.dense_ids` that search all ids before one sorts them: it takes as long as ten searches or more."""

FEW_NAMES, MANY_NAMES, PLACES_REMEMBERED = 20, 1000, 1 << 16
"""Most ids that are faster to look up one by one; most ids of a call whose places are cached; most cached places."""


@dataclass(frozen=True)
class Network:
    """One snapshot of a network in a warehouse.

    Attributes
    ----------
    warehouse : Store
        The warehouse that holds it.
    network_id, snapshot_id : str
        Name of the network, and hash of the snapshot's content.
    row : mapping
        The snapshot's row of the table `networks`.
    """

    warehouse: Store
    network_id: str
    snapshot_id: str
    row: Mapping[str, Any] = field(compare=False)

    @staticmethod
    def from_row(warehouse: Store, row: Mapping[str, Any]) -> "Network":
        """Return the network that a row of the table `networks` describes."""
        return Network(warehouse, row["network_id"], row["snapshot_id"], row)

    def __reduce__(self) -> tuple[Any, ...]:
        return Network.from_row, (self.warehouse, dict(self.row))

    def __repr__(self) -> str:
        return f"Network({self.network_id!r}, agents={self.n_agents:,}, edges={self.n_edges:,})"

    def _repr_html_(self) -> str:
        facts = {
            "agents": f"{self.n_agents:,}",
            "edges": f"{self.n_edges:,}, directed",
            "origin": str(self.row["description"]),
            "snapshot": f"{self.snapshot_id[:12]}, {self.row['created_at']:%Y-%m-%d %H:%M} UTC",
        }
        asks = ["network.agents", "network.edges", "simulate(network, model, seed_set=[...])"]
        return card(f"Network {self.network_id}", facts, asks)

    @property
    def n_agents(self) -> int:
        """Number of agents, isolated ones included."""
        return int(self.row["agents"])

    @property
    def n_ids(self) -> int:
        """Length of arrays by dense id: more than `n_agents` if ids are reserved for agents of other snapshots."""
        return int(self.row.get("id_range") or self.row["agents"])

    @cached_property
    def reserved(self) -> npt.NDArray[np.int64]:
        """Dense ids below `n_ids` that are not agents of this snapshot, ascending; usually empty."""
        if self.n_ids == self.n_agents:
            return np.empty(0, np.int64)
        present = np.concatenate(list(self._columns("network_agents", "agent")))
        return np.setdiff1d(np.arange(self.n_ids), present, assume_unique=True)

    @property
    def dense_agents(self) -> npt.NDArray[np.int64]:
        """Dense ids of the agents, ascending, (n_agents,) int64."""
        return self.of_agents(np.arange(self.n_ids))

    def of_agents(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return values by dense id, without those of reserved ids."""
        return np.delete(values, self.reserved) if len(self.reserved) else values

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return int(self.row["edges"])

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the import guessed, doubted or left out, in sentences."""
        return tuple(self.row.get("warnings") or ())

    def rejects(self) -> "pd.DataFrame":
        """Return the rows that the import left out, by line.

        Columns: line, reason, detail, source_agent_id, target_agent_id, text, as in the table `network_rejects`.
        """
        rows = self.warehouse.read("network_rejects", [self.key]).drop_columns(["snapshot_id"])
        return pandas_frame(rows.sort_by("line"))

    @property
    def key(self) -> str:
        """Key under which the snapshot is published."""
        return network_key(self.network_id, self.snapshot_id)

    neighbors = neighborhoods.neighbors
    subgraph = neighborhoods.subgraph

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
        """First src of every partition, then the last agent: divisions in Dask's sense."""
        firsts = [cast("tuple[int, int]", file.division)[0] for file in self.edge_files]
        return (*firsts, self.n_ids - 1)

    @property
    def agents(self) -> "dd.DataFrame":
        """Agents as a Dask DataFrame, index ``agent``, with the divisions of `edges`."""
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
        rows = self.warehouse.read_file(file)
        if "snapshot_id" in rows.column_names:  # in files of format 1
            rows = rows.drop_columns(["snapshot_id"])
        return rows.to_pandas().set_index(index)

    # -- identity -----------------------------------------------------------------------------------------------

    @cached_property
    def agent_ids(self) -> pa.Array:
        """Original ids of all agents (string, length n_ids), by dense id, null if reserved; mapped if many."""
        if self.n_ids <= AGENT_IDS_HELD:
            return pa.concat_arrays(self._ids_by_file())
        ends, characters = mapped_arrays(self.cache_folder / "agent_ids", ["ends", "characters"], self._build_agent_ids)
        buffers = [pa.py_buffer(ends), pa.py_buffer(characters)]
        if len(self.reserved):
            is_agent = np.ones(self.n_ids, np.bool_)
            is_agent[self.reserved] = False
            buffers.append(pa.py_buffer(np.packbits(is_agent, bitorder="little")))
        return pa.StringArray.from_buffers(self.n_ids, *buffers)

    def dense_ids(self, agent_ids: Sequence[Any]) -> npt.NDArray[np.int32]:
        """Return the dense ids of agents, in the order given.

        Raises
        ------
        UnknownAgentError
            If an id does not occur in the network.
        """
        wanted = [str(agent_id) for agent_id in agent_ids]
        dense = self._found(wanted)
        if (dense < 0).any():
            missing = [a for a, position in zip(wanted, dense, strict=True) if position < 0]
            some = self.agent_ids[: 3 + len(self.reserved)].drop_null()[:3].to_pylist()
            example = ", ".join(map(repr, some))
            raise UnknownAgentError(
                f"agent {', '.join(map(repr, missing[:5]))}{' ...' if len(missing) > 5 else ''} is not in network "
                f"{self.network_id!r} of {self.n_agents:,} agents; ids there look like {example}"
            )
        return dense.astype(np.int32)

    def known_ids(self, agent_ids: Collection[str]) -> dict[str, int]:
        """Return the dense ids of the agents that occur in the network, by id, in a single look-up."""
        found = self._found(agent_ids) if agent_ids else ()
        return {name: int(dense) for name, dense in zip(agent_ids, found, strict=True) if dense >= 0}

    def _found(self, agent_ids: Collection[str]) -> npt.NDArray[np.int64]:
        """Return the dense ids of agents, -1 for unknown ones; cached unless they are many, as seeds come up again."""
        if len(agent_ids) > MANY_NAMES:
            return self._looked_up(pa.array(agent_ids, pa.string()))
        remembered = self._places
        places = {name: remembered.get(name) for name in agent_ids}
        if new := [name for name, place in places.items() if place is None]:
            fresh = dict(zip(new, self._looked_up(pa.array(new, pa.string())).tolist(), strict=True))
            places |= fresh
            if len(remembered) + len(fresh) > PLACES_REMEMBERED:
                remembered.clear()
            remembered.update(fresh)
        return np.array([places[name] for name in agent_ids], np.int64)

    def _is_worth_sorting(self) -> bool:
        """Return whether to use the sorted order of ids: it exists, or enough calls have asked to justify sorting."""
        self.__dict__["_asked"] = self.__dict__.get("_asked", 0) + 1
        is_wanted = self.__dict__["_asked"] > CALLS_WITHOUT_ORDER
        return self.n_ids <= AGENT_IDS_HELD and (is_wanted or self._order_folder.exists())

    @property
    def _order_folder(self) -> Path:
        return self.cache_folder / "agents_by_id"

    def _looked_up(self, names: pa.Array) -> npt.NDArray[np.int64]:
        """Return the dense ids of names, -1 if unknown: by binary search, or among all ids if these are not sorted."""
        if not self._is_worth_sorting():
            return self._searched(names)
        if len(names) <= FEW_NAMES:
            return np.array([self._place_of(name) for name in names.to_pylist()], np.int64)
        return self._places_of(names)

    def _place_of(self, name: str) -> int:
        ids, by_id = self.agent_ids, self._by_id
        place = bisect.bisect_left(by_id, name, hi=self.n_agents, key=lambda agent: ids[int(agent)].as_py())
        found = int(by_id[place]) if place < self.n_agents else -1
        return found if found >= 0 and ids[found].as_py() == name else -1

    def _places_of(self, names: pa.Array) -> npt.NDArray[np.int64]:
        low, high = np.zeros(len(names), np.int64), np.full(len(names), self.n_agents)
        while (low < high).any():
            middle = (low + high) // 2
            is_before = self._compared(pc.less, middle, names) & (low < high)
            low, high = np.where(is_before, middle + 1, low), np.where(is_before, high, middle)
        agents = self._by_id[np.minimum(low, self.n_agents - 1)]
        return np.where(self._compared(pc.equal, low, names), agents, -1)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Cache of `_found`: dense ids by name."""
        return {}

    def _compared(
        self, comparison: Callable[..., pa.Array], places: npt.NDArray[np.int64], names: pa.Array
    ) -> npt.NDArray[np.bool_]:
        """Compare the ids at positions of the sorted order with names; False beyond the last position."""
        agents = self._by_id[np.minimum(places, self.n_agents - 1)]
        found = comparison(self.agent_ids.take(pa.array(agents)), names).to_numpy(zero_copy_only=False)
        return (places < self.n_agents) & found

    @cached_property
    def _by_id(self) -> npt.NDArray[np.int32]:
        """Dense ids sorted by original id, reserved ones last, (n_ids,) int32; mapped."""
        (agents,) = mapped_arrays(self._order_folder, ["agent"], self._build_order_of_ids)
        return cast("npt.NDArray[np.int32]", agents)

    def _searched(self, names: pa.Array) -> npt.NDArray[np.int64]:
        """Return the dense ids of names, -1 if unknown, in one pass over all ids."""
        dense, first = np.full(len(names), -1, np.int64), 0
        for ids in self._ids_by_file():
            candidates = np.flatnonzero(pc.is_in(ids, value_set=names).to_numpy(zero_copy_only=False))
            positions = pc.index_in(names, value_set=ids.take(pa.array(candidates)))
            found = positions.is_valid().to_numpy(zero_copy_only=False)
            dense[found] = first + candidates[positions.drop_null().to_numpy()]
            first += len(ids)
        return dense

    # -- as arrays ----------------------------------------------------------------------------------------------

    @property
    def cache_folder(self) -> Path:
        """Folder for arrays derived from this snapshot, named by its content."""
        return self.warehouse.cache_folder / self.snapshot_id

    @cached_property
    def sparse_rows(self) -> SparseRows:
        """Out-edges as CSR, mapped from files."""
        offsets, targets = mapped_arrays(self.cache_folder / "rows", ["offsets", "targets"], self._build_rows)
        return SparseRows(cast("Any", offsets), cast("Any", targets))

    @cached_property
    def transpose(self) -> SparseRows:
        """In-edges as CSR, with each edge's position among the out-edges."""
        arrays = mapped_arrays(self.cache_folder / "transpose", ["offsets", "sources", "edges"], self._build_transpose)
        return SparseRows(*cast("Any", arrays))

    @property
    def out_degree(self) -> npt.NDArray[np.int64]:
        """Number of out-edges by dense id, (n_ids,) int64."""
        return np.diff(self.sparse_rows.offsets)

    @cached_property
    def in_degree(self) -> npt.NDArray[np.int64]:
        """Number of in-edges by dense id, (n_ids,) int64."""
        (degrees,) = mapped_arrays(self.cache_folder / "in_degree", ["in_degree"], self._build_in_degree)
        return cast("npt.NDArray[np.int64]", degrees)

    def edge_values(self, attribute: str) -> npt.NDArray[np.float64]:
        """Return a numeric edge attribute in the order of `sparse_rows`, (n_edges,) float64.

        Raises
        ------
        InvalidInputError
            If the edges have no such attribute, or it is not numeric.
        """
        hint = "; name the columns when importing, for instance --columns source,target,probability"
        self._check_attribute("edge", attribute, hint)
        parts = [self.warehouse.read_file(file, [attribute])[attribute] for file in self.edge_files]
        if not is_numeric(parts[0].type):
            raise InvalidInputError(_not_numeric(self, "edge", attribute, parts[0].type))
        return np.concatenate([as_floats(part) for part in parts])

    def agent_values(self, attribute: str) -> npt.NDArray[np.float64]:
        """Return a numeric agent attribute by dense id, (n_ids,) float64; NaN where it is missing or reserved.

        Raises
        ------
        InvalidInputError
            If the agents have no such attribute, or it is not numeric.
        """
        self._check_attribute("agent", attribute)
        kind = self.warehouse.read_file(self.agent_files[0], [attribute])[attribute].type
        if not (is_numeric(kind) or pa.types.is_boolean(kind)):
            raise InvalidInputError(_not_numeric(self, "agent", attribute, kind))
        return np.concatenate(list(self._by_dense_id(attribute, np.float64, np.nan)))

    def _check_attribute(self, kind: str, attribute: str, hint: str = "") -> None:
        """Raise InvalidInputError if the agents or edges have no such attribute."""
        if attribute not in (known := self.row[f"{kind}_attributes"]):
            raise InvalidInputError(
                f"{kind}s of network {self.network_id!r} have no column {attribute!r} "
                f"(columns: {', '.join(known) or 'none'}){hint}"
            )

    def _build_rows(self, folder: Path) -> None:
        save_blocks(folder, "offsets", np.int64, (self.n_ids + 1,), self._offsets())
        save_blocks(folder, "targets", np.int32, (self.n_edges,), self._columns("network_edges", "dst"))

    def _offsets(self) -> Iterator[npt.NDArray[np.int64]]:
        total = np.zeros(1, np.int64)
        yield total
        for degrees in self._by_dense_id("out_degree", np.int64, 0):
            ends = total[-1:] + np.cumsum(degrees, dtype=np.int64)
            yield ends
            total = ends if len(ends) else total

    def _columns(self, table: str, name: str) -> Iterator[npt.NDArray[Any]]:
        """Yield a column without nulls, file by file."""
        for file in self._files_by_division(table):
            yield self.warehouse.read_file(file, [name])[name].to_numpy()

    def _by_dense_id(self, name: str, dtype: npt.DTypeLike, reserved: float) -> Iterator[npt.NDArray[Any]]:
        """Yield a column of the agents by dense id, file by file, with the value `reserved` for reserved ids."""
        for file in self.agent_files:
            rows = self.warehouse.read_file(file, ["agent", name])
            values = as_floats(rows[name]) if dtype is np.float64 else rows[name].to_numpy()
            low, high = cast("tuple[int, int]", file.division)
            found = np.full(high - low + 1, reserved, dtype)
            found[rows["agent"].to_numpy() - low] = values
            yield found

    def _build_agent_ids(self, folder: Path) -> None:
        lengths = (pc.binary_length(ids).fill_null(0).to_numpy() for ids in self._ids_by_file())
        characters = 0

        def ends() -> Iterator[npt.NDArray[np.int32]]:
            nonlocal characters
            yield np.zeros(1, np.int32)
            for length in lengths:
                end = characters + np.cumsum(length, dtype=np.int64)
                characters = int(end[-1]) if len(end) else characters
                assert characters < 2**31, "the ids of a network have at most 2 GB of characters"
                yield end.astype(np.int32)

        save_blocks(folder, "ends", np.int32, (self.n_ids + 1,), ends())
        save_blocks(folder, "characters", np.uint8, (characters,), map(_characters, self._ids_by_file()))

    def _build_order_of_ids(self, folder: Path) -> None:
        save_array(folder, "agent", pc.sort_indices(self.agent_ids).to_numpy().astype(np.int32))

    def _ids_by_file(self) -> Iterator[pa.Array]:
        """Yield the ids by dense id, file by file, null for reserved ones."""
        for file in self.agent_files:
            rows = self.warehouse.read_file(file, ["agent", "agent_id"])
            ids = rows["agent_id"].combine_chunks()
            low, high = cast("tuple[int, int]", file.division)
            if len(ids) <= high - low:
                place = np.full(high - low + 1, -1, np.int64)
                place[rows["agent"].to_numpy() - low] = np.arange(len(ids))
                ids = ids.take(pa.array(place, mask=place < 0))
            yield ids

    def _build_transpose(self, folder: Path) -> None:
        save_transposed(self.sparse_rows, folder)

    def _build_in_degree(self, folder: Path) -> None:
        save_blocks(folder, "in_degree", np.int64, (self.n_ids,), self._by_dense_id("in_degree", np.int64, 0))


def _not_numeric(network: Network, kind: str, attribute: str, found: pa.DataType) -> str:
    known = ", ".join(network.row[f"{kind}_attributes"])
    what = "text" if pa.types.is_string(found) or pa.types.is_large_string(found) else found
    return (
        f"{kind} column {attribute!r} of network {network.network_id!r} is {what}; a number is needed: choose another "
        f"column (columns: {known}), or correct it and import the network again"
    )


def _characters(ids: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the UTF-8 bytes of ids, none for nulls."""
    _, ends, characters = ids.buffers()
    if not len(ids) or characters is None:
        return np.empty(0, np.uint8)
    bounds = np.frombuffer(ends, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    return np.frombuffer(characters, np.uint8)[bounds[0] : bounds[-1]]


def options_json(options: Mapping[str, Any]) -> str:
    """Return options as JSON with sorted keys, as the table `networks` stores them."""
    return json.dumps(options, sort_keys=True, default=str)
