"""Shortest paths from one agent to all others, by hops or by the sum of a column of the edges."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from data.errors import InvalidInputError
from data.networks.network import Network
from data.networks.sparse_rows import SparseRows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ShortestPaths:
    """Shortest paths from one agent to all that it can reach.

    Attributes
    ----------
    network : Network
    source : str
        Id of the agent at which all paths start.
    weight : str or None
        Column of the edges that lengths are sums of; None: lengths are hops.
    distance : (n,) float64
        Length of a shortest path to each agent, by dense id; infinite without one.
    previous : (n,) int32
        The agent before each one on its path; -1 for the source and without a path.
    """

    network: Network
    source: str
    weight: str | None
    distance: npt.NDArray[np.float64]
    previous: npt.NDArray[np.int32]

    def __repr__(self) -> str:
        reached = int(np.isfinite(self.distance).sum()) - 1
        kind = "hops" if self.weight is None else f"sums of {self.weight}"
        return f"ShortestPaths(from {self.source!r} to {reached:,} agents, {kind})"

    @property
    def agents(self) -> "pd.DataFrame":
        """One row per agent that can be reached: agent_id, distance, previous_id (missing for the source)."""
        import pandas as pd
        import pyarrow as pa

        agents, ids = self.network.dense_agents, self.network.agent_ids
        reached = np.flatnonzero(np.isfinite(self.distance))
        before = self.previous[reached]
        known = pa.array(np.where(before < 0, 0, agents[before]), mask=before < 0)
        frame = pd.DataFrame(
            {
                "agent_id": ids.take(pa.array(agents[reached])).to_pandas(),
                "distance": self.distance[reached],
                "previous_id": ids.take(known).to_pandas(),
            }
        )
        return frame.sort_values("distance", kind="stable", ignore_index=True)

    def path(self, target: Any) -> list[str]:
        """Return the ids of the agents on a shortest path to an agent, both ends included; empty if there is none.

        Raises
        ------
        UnknownAgentError
            If the network has no such agent.
        """
        agents = self.network.dense_agents
        agent = int(np.searchsorted(agents, self.network.dense_ids([target])[0]))
        if not np.isfinite(self.distance[agent]):
            return []
        steps = [agent]
        while self.previous[steps[-1]] >= 0:
            steps.append(int(self.previous[steps[-1]]))
        return [self.network.agent_ids[int(agents[step])].as_py() for step in reversed(steps)]


def shortest_paths(network: Network, source: Any, weight: str | None = None) -> ShortestPaths:
    """Return shortest paths from one agent to all others, along the direction of edges.

    By hops a compiled kernel of Rumormill (breadth-first search), by weight scipy
    (`scipy.sparse.csgraph.dijkstra`); the network is in memory.

    Parameters
    ----------
    network : Network
    source : str or int
        Id of an agent.
    weight : str, optional
        Numeric column of the edges, such as a time or a cost: at least 0 everywhere. Default: every edge counts 1.

    Returns
    -------
    ShortestPaths

    Raises
    ------
    InvalidInputError
        If the edges have no such column, or it is not numeric or negative somewhere.
    UnknownAgentError
        If the network has no such agent.

    References
    ----------
    Dijkstra (1959), A note on two problems in connexion with graphs.
    """
    start = network.dense_ids([source])[0]
    lengths = None if weight is None else _checked(network, weight, network.edge_values(weight))
    edges = Adjacency.of(network)
    number = int(np.searchsorted(edges.agents, start))
    distance, previous = distances_from(edges, number, lengths)
    return ShortestPaths(network, str(source), weight, distance, previous)


def distances_from(
    network: Edges, source: int, lengths: npt.NDArray[np.float64] | None = None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    """Return the distance of every agent from one of them, and the agent before it on a shortest path.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    source : int
        Number of the agent.
    lengths : (m,) float64, optional
        Length of every edge, at least 0, in the order of the rows; default: 1 each.

    Returns
    -------
    distance : (n,) float64
        Infinite where there is no path.
    previous : (n,) int32
        -1 for the source and where there is no path.

    Examples
    --------
    >>> path = SparseRows(np.array([0, 1, 2, 2, 2]), np.array([1, 2], np.int32))
    >>> distances_from(path, 0)[0].tolist(), distances_from(path, 0, np.array([0.5, 0.25]))[0].tolist()
    ([0.0, 1.0, 2.0, inf], [0.0, 0.5, 0.75, inf])
    """
    rows = Adjacency.of(network).out_edges
    if lengths is not None:
        return _by_length(rows, source, lengths)
    previous = np.full(rows.n_agents, -1, np.int32)
    hops = _search(rows.offsets, rows.targets, np.int64(source), previous)
    return np.where(hops < 0, np.inf, hops), previous


def _by_length(
    rows: SparseRows, source: int, lengths: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import dijkstra

    matrix = csr_matrix((lengths, rows.targets, rows.offsets), shape=(rows.n_agents,) * 2)
    distance, previous = dijkstra(matrix, indices=source, return_predecessors=True)
    return distance, np.maximum(previous, -1).astype(np.int32)  # scipy's sign of no agent is -9999


def _checked(network: Network, weight: str, lengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if not (lengths >= 0).all():
        worst = lengths[~(lengths >= 0)][0]
        raise InvalidInputError(
            f"edge column {weight!r} of network {network.network_id!r} has the value {worst:g}; lengths of paths need "
            "values of at least 0 on every edge: choose another column, or correct it and import the network again"
        )
    return lengths


@numba.njit(nogil=True, cache=True)
def _search(offsets, targets, source, previous):  # type: ignore[no-untyped-def]
    """Return the hops from one agent to each, -1 without a path; of several agents before one, the first found."""
    n_agents = len(offsets) - 1
    hops, queue = np.full(n_agents, -1, np.int32), np.empty(n_agents, np.int32)
    hops[source], queue[0], tail, place = 0, source, 1, 0
    while place < tail:
        agent = queue[place]
        place += 1
        for edge in range(offsets[agent], offsets[agent + 1]):
            other = targets[edge]
            if hops[other] < 0:
                hops[other] = hops[agent] + 1
                previous[other] = agent
                queue[tail] = other
                tail += 1
    return hops
