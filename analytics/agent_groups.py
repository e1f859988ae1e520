"""Groups of agents: by an attribute, by a column of `agent_metrics`, by segment, or as the caller says."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analytics.structure.metrics import METRICS
from analytics.structure.network_metrics import metrics
from data.errors import InvalidInputError
from data.networks.agent_columns import attribute_names, column_of_agents
from data.networks.network import Network

Grouping = str | Mapping[Any, Any]
"""A column of the agents (a metric that is not known is computed), or groups by agent id."""


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


def agent_groups(network: Network, by: Grouping) -> AgentGroups:
    """Return groups of a network's agents.

    Parameters
    ----------
    network : Network
    by : str or mapping
        An attribute of the agents (such as ``in_degree``), a column of `agent_metrics` (such as ``community``), which
        is computed unless it is published, the name of a segmentation (such as ``segment``), or the group of each agent
        by its original id.

    Raises
    ------
    InvalidInputError
        If there is no such column, it holds fractional numbers, or the mapping is empty or mixes types.
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
        values = _given(list(given.values())).take(pa.array(order, mask=order < 0))
    else:
        raise InvalidInputError(f"by {by!r} gives no groups; give the name of a column, or the group of each agent")
    return _grouped(network, values)


def compute_columns(network: Network, names: Iterable[str]) -> None:
    """Compute and publish those of some columns of the agents that are metrics of structure and not published yet.

    Parameters
    ----------
    network : Network
    names : iterable of str
        Names of columns; names that are not metrics are ignored.
    """
    measured = {column for metric in METRICS.values() for column in metric.agent_columns}
    if missing := [name for name in names if name in measured and name not in attribute_names(network)]:
        metrics(network, missing)


def _given(groups: list[Any]) -> pa.Array:
    """Return the groups that a caller gives: strings, numbers, booleans or dates; None and NaN mean no group."""
    named = [None if isinstance(each, float) and math.isnan(each) else each for each in groups]
    values = None
    with contextlib.suppress(pa.ArrowException):
        values = pa.array(named)
    if values is None or pa.types.is_nested(values.type):
        kinds = {type(each): each for each in named if each is not None}
        raise InvalidInputError(
            f"groups {', '.join(map(repr, list(kinds.values())[:3]))} have no common type; give all agents strings, or "
            "all numbers"
        )
    return values.cast(pa.string()) if pa.types.is_null(values.type) else values


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
    """Return a column of the agents by dense id, null where it has no value; compute a metric that is not known."""
    measured = {column for metric in METRICS.values() for column in metric.agent_columns}
    if name in measured and name not in attribute_names(network):
        values = pa.array(metrics(network, [name])[name])
        place = np.full(network.n_ids, -1, np.int64)
        place[network.dense_agents] = np.arange(len(values))
        return _whole(name, values.take(pa.array(place, mask=place < 0)))
    return _whole(name, column_of_agents(network, name))


def _whole(name: str, values: pa.Array) -> pa.Array:
    """Return floating-point values that are whole as integers, NaN as null; refuse fractional ones."""
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    known = numbers[~np.isnan(numbers)]
    if (fractional := known[known != np.floor(known)]).size:
        raise InvalidInputError(
            f"column {name!r} holds fractional numbers such as {fractional[0]:.6g}, which make no groups; choose a "
            "column of names or whole numbers, or give the group of each agent by its id in Python"
        )
    return pa.array(np.nan_to_num(numbers).astype(np.int64), mask=np.isnan(numbers))
