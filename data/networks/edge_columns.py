"""Networks with further edge columns: the same agents, dense ids and edges, with values that were computed for them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import InvalidInputError
from data.networks import index
from data.networks.imports import check_network_name
from data.networks.network import Network, options_json
from data.networks.snapshot_writer import SnapshotContent, publish_snapshot
from data.progress import Progress, ignore_progress
from data.warehouse.frames import concatenated
from data.warehouse.tables import table_specification


def network_with_edge_columns(
    network: Network,
    name: str,
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    probability: str | None = None,
    description: str,
    options: Mapping[str, Any],
    progress: Progress = ignore_progress,
) -> Network:
    """Publish a network with further edge columns as a snapshot of the network called `name`.

    Agents keep their dense ids, and agents and edges their other columns. The edges are in memory.

    Parameters
    ----------
    network : Network
    name : str
        Name of the network to publish; one that exists gets a new snapshot.
    columns : mapping
        Values by name of the column, (edges,) numbers in the order of the network's sparse rows. A column of the
        network with the same name is replaced.
    probability : str, optional
        Which of them is the probability column; default: that of the network.
    description : str
        Readable origin of the network.
    options : mapping
        What the columns were computed with, as recorded with the snapshot.

    Returns
    -------
    Network
        The new snapshot, or the existing one if the same content was published before.

    Raises
    ------
    InvalidInputError
        If the name is not one, or a network of that name has other agents, so that their dense ids would differ.
    """
    check_network_name(name)
    warehouse = network.warehouse
    snapshots = index.snapshots(warehouse, name)
    if snapshots:
        _check_agents(network, snapshots[-1])
    kept = [each for each in network.row["edge_attributes"] if each not in columns]
    edges = concatenated([warehouse.read_file(file, ["dst", *kept]) for file in network.edge_files])
    attributes = {each: edges[each].combine_chunks() for each in kept}
    attributes |= {each: pa.array(values) for each, values in columns.items()}
    rows = network.sparse_rows
    content = SnapshotContent(
        ids=network.agent_ids,
        src=rows.sources(0, rows.n_edges).astype(np.int32),
        dst=np.ascontiguousarray(rows.targets),
        edge_attributes=pa.table(attributes),
        agent_attributes=_agent_attributes(network),
        strength=network.row["strength_column"],
        probability=probability or network.row["probability_column"],
    )
    row = {
        **network.row,
        "network_id": name,
        "snapshot_id": content.content_hash(),
        "parent_snapshot_id": snapshots[-1].snapshot_id if snapshots else None,
        "description": description,
        "options": options_json({"network": network.network_id, "snapshot": network.snapshot_id, **options}),
        "created_at": dt.datetime.now(dt.UTC),
        "probability_column": content.probability,
        "edge_attributes": content.edge_attributes.column_names,
        "source_fingerprint": None,
        "warnings": [],
    }
    nothing = table_specification("network_rejects").schema.empty_table()
    return publish_snapshot(warehouse, content, row, nothing, None, progress)


def _agent_attributes(network: Network) -> pa.Table:
    """Return the attributes of the agents by dense id, null for reserved ones."""
    names = list(network.row["agent_attributes"])
    if not names:
        return pa.table({})
    rows = concatenated([network.warehouse.read_file(file, ["agent", *names]) for file in network.agent_files])
    place = np.full(network.n_ids, -1, np.int64)
    place[rows["agent"].to_numpy()] = np.arange(rows.num_rows)
    return rows.select(names).take(pa.array(place, mask=place < 0)).combine_chunks()


def _check_agents(network: Network, published: Network) -> None:
    """Raise InvalidInputError unless dense ids of a published network mean the same agents here."""
    shared = min(network.n_ids, published.n_ids)
    ours, theirs = network.agent_ids[:shared], published.agent_ids[:shared]
    if not ours.equals(theirs):
        raise InvalidInputError(
            f"network {published.network_id!r} exists and has other agents than {network.network_id!r}; give the new "
            "network another name"
        )
