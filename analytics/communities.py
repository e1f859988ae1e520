"""Communities: how far two groupings of agents agree, and how a message crosses from one community to another."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analytics.agent_groups import AgentGroups, Grouping, agent_groups
from analytics.published_crossings import TABLES, key_of, publish_crossings, read_crossings
from data.errors import InvalidInputError
from data.networks.network import Network
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import session_key
from data.warehouse.tables import table_specification
from propagation.competing_messages import MessageResult, of_message
from propagation.result import Result, session_id_column
from propagation.transmissions import check_activations

if TYPE_CHECKING:
    import pandas as pd

FIRST_ROUND_QUANTILES = (0.05, 0.95)


# -- sizes ----------------------------------------------------------------------------------------------------------


def community_sizes(network: Network, by: Grouping) -> "pd.DataFrame":
    """Return one row per community, the largest first: how many agents and edges it has.

    Rumormill's own, from the network's edges in memory.

    Parameters
    ----------
    network : Network
    by : str or mapping
        An attribute of the agents, a column of `agent_metrics` (such as ``community`` or ``label``), or the community
        of each agent by its original id.

    Returns
    -------
    DataFrame
        group_name, agents, and the edges within it, from it to others (edges_out), and from others (edges_in).

    Raises
    ------
    InvalidInputError
        If there is no such grouping.
    """
    groups = agent_groups(network, by)
    rows, size = network.sparse_rows, len(groups.labels)
    source, target = np.repeat(groups.codes, np.diff(rows.offsets)), groups.codes[rows.targets]
    is_within = source == target
    columns = {
        "group_name": pa.array(_names(groups), pa.string()),
        "agents": groups.sizes,
        "edges_within": np.bincount(source[is_within], minlength=size),
        "edges_out": np.bincount(source[~is_within], minlength=size),
        "edges_in": np.bincount(target[~is_within], minlength=size),
    }
    order = np.argsort(-groups.sizes, kind="stable")
    return pandas_frame(pa.table(columns).take(pa.array(order[groups.sizes[order] > 0])))


# -- agreement ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Agreement:
    """How far two groupings of the same agents agree.

    Attributes
    ----------
    agents : int
        Agents that have a group in both.
    first_groups, second_groups : int
        Groups that these agents are in.
    nmi : float
        Normalised mutual information, by the arithmetic mean of the entropies, in [0, 1].
    ari : float
        Adjusted Rand index: 1 for equal groupings, 0 on average for independent ones.
    """

    agents: int
    first_groups: int
    second_groups: int
    nmi: float
    ari: float


def agreement(network: Network, first: Grouping, second: Grouping) -> Agreement:
    """Return how far two groupings of a network's agents agree, such as found communities and known ones.

    Computed by scikit-learn, in memory. Agents that lack a group in either grouping are left out.

    Parameters
    ----------
    network : Network
    first, second : str or mapping
        An attribute of the agents, a column of `agent_metrics` (such as ``community`` or ``label``), or the group of
        each agent by its original id.

    Returns
    -------
    Agreement

    Raises
    ------
    InvalidInputError
        If there is no such grouping, or no agent has a group in both.
    UnknownAgentError
        If a mapping has an agent that is not in the network.

    References
    ----------
    Danon, Diaz-Guilera, Duch and Arenas (2005), Comparing community structure identification. Hubert and Arabie (1985),
    Comparing partitions.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> edges = pd.DataFrame({"source": ["ann", "cy"], "target": ["bob", "dan"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("pairs", edges)
    >>> pairs = {"ann": 1, "bob": 1, "cy": 2, "dan": 2}
    >>> agreement(network, pairs, {"ann": "x", "bob": "x", "cy": "y", "dan": "y"}).nmi
    1.0
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    groups = [agent_groups(network, by) for by in (first, second)]
    codes = [np.where(_is_grouped(each), each.codes, -1)[network.dense_agents] for each in groups]
    in_both = (codes[0] >= 0) & (codes[1] >= 0)
    if not in_both.any():
        raise InvalidInputError(f"no agent of network {network.network_id!r} has a group in both groupings")
    left, right = (each[in_both] for each in codes)
    return Agreement(
        agents=int(in_both.sum()),
        first_groups=len(np.unique(left)),
        second_groups=len(np.unique(right)),
        nmi=float(normalized_mutual_info_score(left, right)),
        ari=float(adjusted_rand_score(left, right)),
    )


def _is_grouped(groups: AgentGroups) -> npt.NDArray[np.bool_]:
    """Return whether each dense id has a group, (n_ids,) bool."""
    known = len(groups.labels) - (None in groups.labels)
    return groups.codes < known


# -- a message across communities -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crossing:
    """How a session's message crosses communities.

    Attributes
    ----------
    result : Result
        Of the session.
    grouping : str or None
        Name of the attribute or metric that the communities are; None if they were given as a mapping.
    tables : mapping
        Rows of `community_reach` and `community_crossings`.
    recalled : bool
        Whether the rows were in the warehouse before.
    """

    result: Result
    grouping: str | None
    tables: Mapping[str, pa.Table]
    recalled: bool

    def __repr__(self) -> str:
        communities, crossings = (self.tables[table].num_rows for table in TABLES)
        session = self.result.session_id[:8]
        return f"Crossing(of session {session}, {communities:,} communities, {crossings:,} edges across)"

    @functools.cached_property
    def communities(self) -> "pd.DataFrame":
        """One row per community, the largest first, with the columns of the table `community_reach`.

        Among them: group_name, agents, seeds, share_of_replicates, reach (mean, agents), share_reached, first_round
        (mean over the replicates that reached it), brought_in and carried_out (activations per replicate).
        """
        return self._frame("community_reach")

    @functools.cached_property
    def edges(self) -> "pd.DataFrame":
        """One row per edge that carried the message across, those that did so most often first.

        Columns: infector_id, agent_id, from_group, to_group, crossings, entries (replicates), mean_round.
        """
        return self._frame("community_crossings").drop(columns=["infector", "agent"])

    @functools.cached_property
    def carriers(self) -> "pd.DataFrame":
        """One row per agent that carried the message into other communities, those that did so most often first.

        Columns: infector_id, from_group, communities (that it carried it into), crossings and entries, which are
        activations summed over replicates, and crossings_per_replicate.
        """
        by_agent = self.edges.groupby(["infector_id", "from_group"], sort=False)
        frame = by_agent.agg(
            communities=("to_group", "nunique"), crossings=("crossings", "sum"), entries=("entries", "sum")
        ).reset_index()
        frame["crossings_per_replicate"] = frame["crossings"] / self.result.reach.replicates
        return frame.sort_values(["crossings", "entries"], ascending=False, kind="stable", ignore_index=True)

    @functools.cached_property
    def flows(self) -> "pd.DataFrame":
        """Activations per replicate from each community (row) in each other one (column); 0 within a community."""
        names = list(self.communities["group_name"])
        summed = self.edges.pivot_table(
            index="from_group", columns="to_group", values="crossings", aggfunc="sum", fill_value=0
        )
        return summed.reindex(index=names, columns=names, fill_value=0) / self.result.reach.replicates

    def _frame(self, table: str) -> "pd.DataFrame":
        return pandas_frame(self.tables[table].drop_columns(["session_id", "grouping"]))


def crossing(session: Result, by: Grouping, *, message: str | None = None, publish: bool = True) -> Crossing:
    """Return how a session's message crosses the communities of its network.

    Rumormill's own: counted from the activations of the session, which must have recorded them; they are read into
    memory, some 20 bytes each. Only the first activation of an agent in a replicate counts.

    Parameters
    ----------
    session : Result
        Of a session that recorded ``activations`` (or ``contacts``).
    by : str or mapping
        An attribute of the agents, a column of `agent_metrics` (such as ``community``), or the community of each agent
        by its original id. Agents without one form a community of their own, whose name is empty.
    message : str, optional
        Name or id of one of several competing messages; default: all of them together.
    publish : bool
        Publish the rows in the warehouse of a published session, or load them if they are there for the same groups;
        rows for other groups of that name, such as those of an earlier segmentation, are replaced. Communities given as
        a mapping have no name to be published under.

    Returns
    -------
    Crossing

    Raises
    ------
    InvalidInputError
        If the session recorded no activations, or there is no such grouping or message.
    """
    check_activations(session)
    if message is not None:
        session = of_message(session, message)
    grouping = by if isinstance(by, str) else None
    if grouping is not None and isinstance(session, MessageResult):
        grouping = f"{grouping}/{session.message_id}"
    warehouse, its_key = session.network.warehouse, session_key(session.session_id)
    is_kept = grouping is not None and publish and bool(warehouse.published([its_key]))
    groups = agent_groups(session.network, by)
    key = key_of(session.session_id, grouping or "", groups)
    if is_kept and (stored := read_crossings(warehouse, key)) is not None:
        return Crossing(session, grouping, stored, recalled=True)
    found = _first_activations(session, groups)
    tables = {
        "community_reach": _reach_rows(session, groups, found, grouping or ""),
        "community_crossings": _crossing_rows(session, groups, found, grouping or ""),
    }
    if is_kept and warehouse.limit is None:
        publish_crossings(warehouse, key, tables)
    return Crossing(session, grouping, tables, recalled=False)


# -- counting -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Activations:
    """The first activation of every agent in every replicate, by community and replicate.

    Attributes
    ----------
    replicate, agent, infector, round : (k,) int64
        Replicates count from 0; the infector of a seed is -1.
    community, origin : (k,) int64
        Communities of agent and infector, by position in the groups.
    starts, first_round : (c,) int64
        First row of each community in each replicate that reached it, and the first round that did.
    is_entry : (k,) bool
        Whether the activation is in the first round that reached its community in its replicate.
    """

    replicate: npt.NDArray[np.int64]
    agent: npt.NDArray[np.int64]
    infector: npt.NDArray[np.int64]
    round: npt.NDArray[np.int64]
    community: npt.NDArray[np.int64]
    origin: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    first_round: npt.NDArray[np.int64]
    is_entry: npt.NDArray[np.bool_]

    @property
    def crosses(self) -> npt.NDArray[np.bool_]:
        """Whether the infector is of another community, (k,) bool."""
        return (self.infector >= 0) & (self.community != self.origin)


def _first_activations(result: Result, groups: AgentGroups) -> _Activations:
    rows = result.table("activations")
    rows = rows.filter(pc.equal(rows["occasion"], 1))
    replicate, agent, when, infector = (
        rows[name].fill_null(-1).to_numpy().astype(np.int64) for name in ("replicate", "agent", "round", "infector")
    )
    replicate -= result.session.get("first_replicate") or 0
    community = groups.codes[agent]
    order = np.argsort(community * (result.reach.replicates + 1) + replicate, kind="stable")
    replicate, agent, when, infector = (each[order] for each in (replicate, agent, when, infector))
    community = community[order]
    is_start = np.ones(len(order), np.bool_)
    is_start[1:] = (community[1:] != community[:-1]) | (replicate[1:] != replicate[:-1])
    starts = np.flatnonzero(is_start)
    first_round = np.minimum.reduceat(when, starts) if len(starts) else when
    is_entry = when == np.repeat(first_round, np.diff(np.append(starts, len(order))))
    origin = np.where(infector >= 0, groups.codes[infector], community)
    return _Activations(replicate, agent, infector, when, community, origin, starts, first_round, is_entry)


def _names(groups: AgentGroups) -> npt.NDArray[np.object_]:
    return np.array(["" if label is None else str(label) for label in groups.labels], object)


def _reach_rows(result: Result, groups: AgentGroups, found: _Activations, grouping: str) -> pa.Table:
    """Return the rows of the table `community_reach`, the largest community first."""
    size, replicates = len(groups.labels), result.reach.replicates
    cells = found.community[found.starts]
    counts = np.diff(np.append(found.starts, len(found.community)))
    # Sums over replicates are of whole numbers, so they are exact in any order.
    total = np.bincount(cells, counts, size).astype(np.int64)
    squares = np.bincount(cells, counts.astype(np.float64) ** 2, size)
    variance = np.maximum(squares - total**2 / replicates, 0.0) / max(replicates - 1, 1)
    times = np.bincount(cells, minlength=size)
    rounds = np.split(found.first_round, np.cumsum(times)[:-1])
    first = [float(each.sum() / len(each)) if len(each) else None for each in rounds]
    low, high = (
        [float(np.quantile(each, quantile)) if len(each) else None for each in rounds]
        for quantile in FIRST_ROUND_QUANTILES
    )
    seeds = groups.codes[result.network.dense_ids(result.session["seed_agents"])]
    columns = {
        "group_name": _names(groups),
        "agents": groups.sizes,
        "seeds": np.bincount(seeds, minlength=size),
        "replicates_reached": times,
        "share_of_replicates": times / replicates,
        "reach": total / replicates,
        "reach_standard_error": np.sqrt(variance / replicates) if replicates > 1 else [None] * size,
        "share_reached": total / replicates / np.maximum(groups.sizes, 1),
        "first_round": first,
        "first_round_q05": low,
        "first_round_q95": high,
        "brought_in": np.bincount(found.community[found.crosses], minlength=size) / replicates,
        "carried_out": np.bincount(found.origin[found.crosses], minlength=size) / replicates,
    }
    order = np.argsort(-groups.sizes, kind="stable")
    order = order[groups.sizes[order] > 0]  # ids that are reserved for other snapshots are no community
    return _table("community_reach", result, grouping, columns).take(pa.array(order))


def _crossing_rows(result: Result, groups: AgentGroups, found: _Activations, grouping: str) -> pa.Table:
    """Return the rows of the table `community_crossings`, the edges that carried the message most often first."""
    across, n_ids = found.crosses, result.network.n_ids
    edges, edge = np.unique(found.infector[across] * n_ids + found.agent[across], return_inverse=True)
    infector, agent = np.divmod(edges, n_ids)
    crossings = np.bincount(edge, minlength=len(edges))
    entries = np.bincount(edge[found.is_entry[across]], minlength=len(edges))
    names, ids = _names(groups), result.network.agent_ids
    columns = {
        "infector": infector,
        "agent": agent,
        "infector_id": ids.take(pa.array(infector)),
        "agent_id": ids.take(pa.array(agent)),
        "from_group": names[groups.codes[infector]],
        "to_group": names[groups.codes[agent]],
        "crossings": crossings,
        "entries": entries,
        "mean_round": np.bincount(edge, found.round[across], len(edges)) / crossings,
    }
    order = np.lexsort((agent, infector, -entries, -crossings))
    return _table("community_crossings", result, grouping, columns).take(pa.array(order))


def _table(name: str, result: Result, grouping: str, columns: Mapping[str, Any]) -> pa.Table:
    """Return rows of a table, given all columns but those that are the same in every row."""
    schema = table_specification(name).schema
    length = len(next(iter(columns.values())))
    same = {
        "session_id": session_id_column([result.session_id], [length]),
        "grouping": pa.repeat(pa.scalar(grouping), length),
    }
    given = {**same, **columns}
    arrays = [pa.array(given[field.name]).cast(field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)
