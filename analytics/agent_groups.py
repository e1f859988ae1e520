"""Groups of agents: by an attribute, by a column of `agent_metrics`, by segment, or as the caller says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InvalidInputError
from data.networks.agent_columns import agent_column
from data.networks.network import Network


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
        An attribute of the agents (such as ``in_degree``), a column of `agent_metrics` (such as ``community``), the
        name of a segmentation (such as ``segment``), or the group of each agent by its original id.

    Raises
    ------
    InvalidInputError
        If there is no such column, or the mapping is empty.
    UnknownAgentError
        If the mapping has an agent that is not in the network.
    """
    if isinstance(by, str):
        values = agent_column(network, by)
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
