"""Groups of agents: by an attribute, by a column of `agent_metrics`, or as the caller says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.tables import TABLES

METRICS = "agent_metrics"
"""Table of the agents' metrics, such as their communities, where there is one."""


@dataclass(frozen=True)
class AgentGroups:
    """The group of every agent.

    Attributes
    ----------
    labels : list
        Value that the agents of each group share, ascending; None, for agents without one, last.
    codes : (n_ids,) int64
        Position of each agent's group in `labels`; reserved ids belong to the last group, and to no agent.
    sizes : (groups,) int64
        Agents of each group.
    """

    labels: list[Any]
    codes: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def agent_groups(network: Network, by: str | Mapping[Any, Any]) -> AgentGroups:
    """Return groups of a network's agents.

    Parameters
    ----------
    network : Network
    by : str or mapping
        An attribute of the agents (such as ``in_degree``), a column of `agent_metrics` (such as ``community``), or the
        group of each agent by its original id.

    Raises
    ------
    InvalidInputError
        If there is no such column, or the mapping is empty.
    UnknownAgentError
        If the mapping has an agent that is not in the network.
    """
    if isinstance(by, str):
        values = _column(network, by)
    elif hasattr(by, "items") and len(by):
        given = dict(by.items())
        places = network.dense_ids(list(given))
        order = np.full(network.n_ids, -1, np.int64)
        order[places] = np.arange(len(places))
        values = pa.array(list(given.values())).take(pa.array(order, mask=order < 0))
    else:
        raise InvalidInputError(f"by {by!r} gives no groups; give the name of a column, or the group of each agent")
    return _grouped(network, values)


def _grouped(network: Network, values: pa.Array) -> AgentGroups:
    """Return groups of equal values, (n_ids,) with nulls."""
    encoded = pc.dictionary_encode(values)
    labels = encoded.dictionary
    order = pc.sort_indices(labels).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    codes = np.where(codes >= 0, rank[codes] if len(rank) else -1, len(rank))
    names = labels.take(pa.array(order)).to_pylist()
    of_agents = codes[network.dense_agents]
    if (codes == len(rank)).any():
        names.append(None)
    return AgentGroups(names, codes, np.bincount(of_agents, minlength=len(names)))


def _column(network: Network, name: str) -> pa.Array:
    """Return a column of the agents or of their metrics by dense id, null where it has no value."""
    schema = network.warehouse.read_file(network.agent_files[0]).schema
    columns = [each for each in schema.names if each not in ("snapshot_id", "agent", "agent_id")]
    measured = [] if METRICS not in TABLES else [c.name for c in TABLES[METRICS].columns if c.name not in _KEY]
    if name in columns:
        parts = [network.warehouse.read_file(file, ["agent", name]) for file in network.agent_files]
        rows = pa.concat_tables([part.select(["agent", name]) for part in parts])
    elif name in measured:
        rows = network.warehouse.read(METRICS, columns=["snapshot_id", "agent", name])
        rows = rows.filter(pc.equal(rows["snapshot_id"].cast(pa.string()), network.snapshot_id)).filter(
            pc.is_valid(pc.field(name))
        )
        if not rows.num_rows:
            raise InvalidInputError(
                f"{name!r} is not known of network {network.network_id!r} yet; compute it with: rumormill analyze "
                f"{network.network_id}"
            )
    else:
        known = [*columns, *measured]
        raise InvalidInputError(
            f"agents of network {network.network_id!r} have no column {name!r}{suggestion(name, known)} "
            f"(columns: {', '.join(known)}); or give the group of each agent by its id"
        )
    place = np.full(network.n_ids, -1, np.int64)
    place[rows["agent"].to_numpy()] = np.arange(rows.num_rows)
    return rows[name].combine_chunks().take(pa.array(place, mask=place < 0))


_KEY = ("snapshot_id", "agent", "agent_id")
