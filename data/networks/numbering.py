"""Dense numbering: which dense id each agent of a network gets, once and for all."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.networks.edge_lists import EdgeList
from data.networks.network import Network


def original_order(agent_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return each id's rank among all: integers by value, else by code point."""
    order = pc.sort_indices(agent_ids).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def dense_numbering(
    agent_ids: pa.Array, rank: npt.NDArray[np.int64], degree: npt.NDArray[np.int64], known: Network | None
) -> tuple[npt.NDArray[np.int32], pa.Array, npt.NDArray[np.int64]]:
    """Assign dense ids: those the network has already given stay, others follow by falling total degree.

    Returns
    -------
    dense : (n,) int32
        Dense id of each code of the edge list.
    ids : pyarrow.Array of string
        Original id by dense id, agents of the earlier snapshot included.
    origin : (len(ids),) int64
        Code of each dense id in the edge list, -1 for agents that only the earlier snapshot has.
    """
    codes = np.lexsort((rank, -degree))
    if known is None:
        earlier, kept = pa.array([], pa.string()), np.full(len(codes), -1, np.int64)
    else:
        earlier = known.agent_ids
        kept = pc.index_in(agent_ids, value_set=earlier).fill_null(-1).to_numpy().astype(np.int64)
    new = codes[kept[codes] < 0]
    dense = kept.copy()
    dense[new] = len(earlier) + np.arange(len(new))
    ids = pa.concat_arrays([earlier, agent_ids.take(pa.array(new))])
    origin = np.full(len(ids), -1, np.int64)
    origin[dense] = np.arange(len(dense))
    return dense.astype(np.int32), ids, origin


def agent_attributes(edges: EdgeList, known: Network | None, origin: npt.NDArray[np.int64]) -> pa.Table:
    """Return agent attributes by dense id; null where neither this source nor the earlier snapshot gives one."""
    given = edges.agent_attributes
    code = pa.array(origin, mask=origin < 0)
    columns = {}
    if given is not None:
        columns = {name: given[name].take(code).combine_chunks() for name in given.column_names}
    if known is not None and known.row["agent_attributes"]:
        row = np.arange(len(origin))
        earlier_row = pa.array(row, mask=row >= known.n_agents)
        for name in known.row["agent_attributes"]:
            parts = [known.warehouse.read_file(file, [name])[name] for file in known.agent_files]
            before = pa.chunked_array([chunk for part in parts for chunk in part.chunks]).take(earlier_row)
            now = columns.get(name)
            columns[name] = before if now is None else pc.coalesce(now, before.cast(now.type))
    return pa.table(columns)
