"""Dense numbering: the permanent dense id of each agent of a network."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.networks.network import Network


def original_order(agent_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return each id's rank among all: integers by value, else by code point."""
    order = pc.sort_indices(agent_ids).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank


def known_ids(snapshots: Sequence[Network]) -> pa.Array:
    """Return every original id ever numbered in a network, by dense id.

    Parameters
    ----------
    snapshots : sequence of Network
        All snapshots of the network, oldest first. Each dense id is an agent of the snapshot that assigned it, and
        usually the last one or two snapshots contain all ids.
    """
    ids = pa.array([], pa.string())
    count = max((snapshot.n_ids for snapshot in snapshots), default=0)
    for snapshot in reversed(snapshots):
        found = snapshot.agent_ids
        found = pa.concat_arrays([found, pa.nulls(count - len(found), pa.string())])
        ids = pc.coalesce(ids, found) if len(ids) else found
        if not ids.null_count:
            break
    return ids


def dense_numbering(
    agent_ids: pa.Array, rank: npt.NDArray[np.int64], degree: npt.NDArray[np.int64], known: pa.Array
) -> tuple[npt.NDArray[np.int32], pa.Array, npt.NDArray[np.int64]]:
    """Assign dense ids: agents that have one keep it, new agents follow by falling total degree.

    Parameters
    ----------
    agent_ids : pyarrow.Array of string
        Original id of each code of the edge list.
    rank, degree : (n,) int64
        Rank among all original ids, and number of edges, of each code.
    known : pyarrow.Array of string
        Original ids that have a dense id already, by dense id.

    Returns
    -------
    dense : (n,) int32
        Dense id of each code of the edge list.
    ids : pyarrow.Array of string
        Original id by dense id, up to the largest in use; null where the dense id is reserved for an agent that exists
        only in earlier snapshots.
    origin : (len(ids),) int64
        Code of each dense id in the edge list, -1 for reserved ones.
    """
    codes = np.lexsort((rank, -degree))
    kept = pc.index_in(agent_ids, value_set=known).fill_null(-1).to_numpy().astype(np.int64)
    new = codes[kept[codes] < 0]
    dense = kept.copy()
    dense[new] = len(known) + np.arange(len(new))
    origin = np.full(int(dense.max(initial=-1)) + 1, -1, np.int64)
    origin[dense] = np.arange(len(dense))
    return dense.astype(np.int32), agent_ids.take(pa.array(origin, mask=origin < 0)), origin


def agent_attributes(attributes: pa.Table | None, origin: npt.NDArray[np.int64]) -> pa.Table:
    """Return the source's attributes of agents, by dense id; null where there are none."""
    if attributes is None:
        return pa.table({})
    code = pa.array(origin, mask=origin < 0)
    return pa.table({name: attributes[name].take(code).combine_chunks() for name in attributes.column_names})
