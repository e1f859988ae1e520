"""Neighbourhoods: the agents next to some agents, and the subgraph around one agent.

Both are ours: they read the mapped rows of the network (CSR), so they work on networks larger than memory, and take
time in proportion to the edges they return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.cards import card
from data.errors import InvalidInputError
from data.quantities import counted
from data.validation import suggestion

if TYPE_CHECKING:
    import pandas as pd

    from data.networks.network import Network

Direction = Literal["out", "in", "both"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
"""Which edges to follow: from an agent to those it passes messages to, to those it receives from, or either way."""
MOST_AGENTS = 1_000
"""Agents of a subgraph, unless another limit is given."""
_OUT, _IN = 1, 2
_RELATIONS = ("", *DIRECTIONS)
"""Names of the sums of `_OUT` and `_IN`."""


def neighbors(network: "Network", agents: Any, direction: Direction = "out") -> "pd.DataFrame":
    """Return the neighbours of one or more agents.

    Parameters
    ----------
    network : Network
    agents : agent id, or sequence of agent ids
        By original id.
    direction : str
        ``out``: agents that they pass messages to; ``in``: agents that they receive messages from; ``both``: either.

    Returns
    -------
    DataFrame
        One row per agent and neighbour: ``agent_id``, ``neighbor_id``, ``direction`` (among the edges asked for, those
        between the two: out, in, or both), and the neighbour's ``in_degree`` and ``out_degree`` in the whole network.
        Agents are in the order given, each once, the neighbours of each by falling degree (dense id).

    Raises
    ------
    InvalidInputError
        If the direction is unknown.
    UnknownAgentError
        If an agent is not in the network.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> friends = pd.DataFrame({"source": ["ann", "bob", "ann"], "target": ["bob", "ann", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> network.neighbors("ann", direction="both")
      agent_id neighbor_id direction  in_degree  out_degree
    0      ann         bob      both          1           1
    1      ann          cy       out          1           0
    """
    _check_direction(direction)
    dense = network.dense_ids(list(dict.fromkeys(_listed(agents))))
    positions, found, relations = _adjacent(network, dense, direction)
    ids = network.agent_ids
    columns = {
        "agent_id": ids.take(pa.array(dense[positions])),
        "neighbor_id": ids.take(pa.array(found)),
        "direction": pa.DictionaryArray.from_arrays(pa.array(relations), list(_RELATIONS)).cast(pa.string()),
        **_degrees(network, found),
    }
    return _frame(columns)


def subgraph(
    network: "Network",
    center: Any,
    radius: int = 1,
    *,
    direction: Direction = "both",
    max_agents: int | None = MOST_AGENTS,
) -> "Subgraph":
    """Return the subgraph around an agent: everyone within a number of hops, and all edges between them.

    Parameters
    ----------
    network : Network
    center : agent id
        By original id.
    radius : int
        Most hops from the centre, at least 0.
    direction : str
        Which edges the hops follow: ``out``, ``in`` or ``both``.
    max_agents : int, optional
        Most agents. Nearer ones come first; of those at the same distance, those of higher degree (lower dense id).
        None: all.

    Returns
    -------
    Subgraph

    Raises
    ------
    InvalidInputError
        If radius, limit or direction break their rule.
    UnknownAgentError
        If the centre is not in the network.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> path = pd.DataFrame({"source": ["ann", "bob", "cy"], "target": ["bob", "cy", "dan"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("path", path)
    >>> network.subgraph("ann", radius=2).agents[["agent_id", "distance"]]
      agent_id  distance
    0      ann         0
    1      bob         1
    2       cy         2
    """
    _check_direction(direction)
    _check_whole("radius", radius, 0)
    if max_agents is not None:
        _check_whole("max_agents", max_agents, 1)
    most = network.n_agents if max_agents is None else int(max_agents)
    start = network.dense_ids([center])
    is_found = np.zeros(network.n_ids, np.bool_)
    is_found[start] = True
    rings, left, is_complete = [start], most - 1, True
    for _ in range(int(radius)):
        reached = _adjacent(network, rings[-1], direction)[1]
        ring = np.unique(reached[~is_found[reached]])
        is_complete = len(ring) <= left
        ring = ring[:left]
        if not len(ring):
            break
        is_found[ring] = True
        rings.append(ring)
        left -= len(ring)
        if not is_complete:
            break
    agents = np.concatenate(rings).astype(np.int32)
    distances = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    return Subgraph(network, int(radius), direction, is_complete, agents, distances)


@dataclass(frozen=True, eq=False)
class Subgraph:
    """The agents within some hops of a centre, with all edges between them.

    Attributes
    ----------
    network : Network
    radius : int
        Most hops from the centre.
    direction : str
        Which edges the hops follow.
    is_complete : bool
        Whether all agents within the radius are in it; False if there were more than the limit.
    dense_agents : (n,) int32
        Dense ids, the centre first, then by distance.
    distances : (n,) int64
        Hops from the centre.
    """

    network: "Network"
    radius: int
    direction: Direction
    is_complete: bool
    dense_agents: npt.NDArray[np.int32]
    distances: npt.NDArray[np.int64]

    def __repr__(self) -> str:
        cut = "" if self.is_complete else ", cut at the limit of agents"
        return (
            f"Subgraph({self.center!r} of {self.network.network_id!r}, radius={self.radius}, "
            f"agents={len(self.dense_agents):,}, edges={len(self.pairs[0]):,}{cut})"
        )

    def _repr_html_(self) -> str:
        facts = {name: f"{value:,.4g}" for name, value in self.metrics.items()}
        title = f"{self.center} and those within {counted(self.radius, 'hop')}"
        return card(title, facts, ["subgraph.agents", "subgraph.edges"])

    @property
    def center(self) -> str:
        """Original id of the centre."""
        return str(self.network.agent_ids[int(self.dense_agents[0])].as_py())

    @cached_property
    def pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Source and target of every edge as positions in `dense_agents`, (m,) int64 each, by source, then target."""
        order = np.argsort(self.dense_agents, kind="stable")
        ascending = self.dense_agents[order]
        sources, targets = self.network.sparse_rows.rows_of(self.dense_agents)
        places = np.minimum(np.searchsorted(ascending, targets), len(ascending) - 1)
        is_inside = ascending[places] == targets
        return sources[is_inside], order[places[is_inside]]

    @cached_property
    def agents(self) -> "pd.DataFrame":
        """One row per agent, the centre first, then by distance and falling degree.

        Columns: ``agent_id``; ``distance`` in hops; ``in_degree`` and ``out_degree`` in the whole network;
        ``inner_in_degree`` and ``inner_out_degree``, which count edges of the subgraph only.
        """
        (sources, targets), size = self.pairs, len(self.dense_agents)
        columns = {
            "agent_id": self.network.agent_ids.take(pa.array(self.dense_agents)),
            "distance": self.distances,
            **_degrees(self.network, self.dense_agents),
            "inner_in_degree": np.bincount(targets, minlength=size),
            "inner_out_degree": np.bincount(sources, minlength=size),
        }
        return _frame(columns)

    @cached_property
    def edges(self) -> "pd.DataFrame":
        """One row per edge between two agents of the subgraph: ``source_agent_id``, ``target_agent_id``."""
        names = ("source_agent_id", "target_agent_id")
        ids = self.network.agent_ids
        ends = [ids.take(pa.array(self.dense_agents[places])) for places in self.pairs]
        return _frame(dict(zip(names, ends, strict=True)))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Metrics of the subgraph by name.

        ``agents``, ``edges``; ``density``, edges per ordered pair of agents; ``reciprocity``, share of edges whose
        reverse exists; ``transitivity``, share of paths of two (undirected) links whose ends are linked; ``farthest``,
        hops to the farthest agent. Shares of nothing are 0. Transitivity is computed with scipy, in memory.
        """
        from scipy.sparse import coo_array

        (sources, targets), size = self.pairs, len(self.dense_agents)
        edges = len(sources)
        directed = coo_array((np.ones(edges, np.int64), (sources, targets)), (size, size)).tocsr()
        linked = (directed + directed.T).minimum(1)
        degree = linked.sum(axis=1)
        paths = int((degree * (degree - 1)).sum())
        closed = int((linked @ linked).multiply(linked).sum())
        mutual = int(directed.multiply(directed.T).sum())
        return {
            "agents": size,
            "edges": edges,
            "density": edges / max(size * (size - 1), 1),
            "reciprocity": mutual / max(edges, 1),
            "transitivity": closed / max(paths, 1),
            "farthest": int(self.distances[-1]),
        }


def _adjacent(
    network: "Network", agents: npt.NDArray[np.int32], direction: Direction
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the neighbours of agents, each once: positions in `agents`, dense ids, and sums of `_OUT` and `_IN`."""
    if direction != "both":
        rows, relation = (network.sparse_rows, _OUT) if direction == "out" else (network.transpose, _IN)
        positions, found = rows.rows_of(agents)
        return positions, found, np.full(len(found), relation, np.int32)
    out, into = network.sparse_rows.rows_of(agents), network.transpose.rows_of(agents)
    keys = np.concatenate([positions * network.n_ids + found for positions, found in (out, into)])
    kinds = np.repeat(np.array([_OUT, _IN], np.int32), [len(out[0]), len(into[0])])
    order = np.argsort(keys, kind="stable")
    keys, kinds = keys[order], kinds[order]
    is_first = np.ones(len(keys), np.bool_)
    is_first[1:] = keys[1:] != keys[:-1]
    firsts = np.flatnonzero(is_first)
    relations = np.add.reduceat(kinds, firsts) if len(firsts) else kinds
    positions, found = np.divmod(keys[firsts], network.n_ids)
    return positions, found.astype(np.int32), relations.astype(np.int32)


def _degrees(network: "Network", agents: npt.NDArray[np.int32]) -> dict[str, npt.NDArray[np.int64]]:
    offsets, places = network.sparse_rows.offsets, agents.astype(np.int64)
    return {"in_degree": network.in_degree[agents], "out_degree": offsets[places + 1] - offsets[places]}


def _frame(columns: Mapping[str, Any]) -> "pd.DataFrame":
    """Return columns without nulls as a data frame, without the copies that take longer than finding a few rows."""
    import pandas as pd

    text = pd.StringDtype(na_value=np.nan)
    arrays = {
        name: text.__from_arrow__(column) if isinstance(column, pa.Array) else column  # type: ignore[attr-defined]
        for name, column in columns.items()
    }
    return pd.DataFrame(arrays, copy=False)


def _listed(agents: Any) -> Sequence[Any]:
    is_one = isinstance(agents, str | bytes) or not hasattr(agents, "__len__")
    return [agents] if is_one else agents


def _check_direction(direction: Any) -> None:
    if direction not in DIRECTIONS:
        near = suggestion(direction, DIRECTIONS) if isinstance(direction, str) else ""
        raise InvalidInputError(f"direction {direction!r} is unknown{near}; give one of {', '.join(DIRECTIONS)}")


def _check_whole(name: str, value: Any, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise InvalidInputError(f"{name} {value!r} is not a whole number of at least {low:,}")
