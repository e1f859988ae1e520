"""Connected components: sets of agents that are connected in either direction (weakly), or both ways (strongly)."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges


def weak_components(network: Edges) -> npt.NDArray[np.int32]:
    """Return the weakly connected component of every agent, named by its smallest dense id.

    A compiled kernel of Rumormill: union-find over all edges; the network is in memory.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    Returns
    -------
    (n,) int32
        Smallest dense id of the component, by dense id.

    References
    ----------
    Tarjan and van Leeuwen (1984), Worst-case analysis of set union algorithms.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> weak_components(SparseRows(np.array([0, 0, 0, 1, 2]), np.array([1, 0], np.int32))).tolist()
    [0, 1, 1, 0]
    """
    edges = Adjacency.of(network)
    roots = np.arange(edges.n_agents, dtype=np.int32)
    _unite(edges.out_edges.offsets, edges.out_edges.targets, roots)
    return edges.agents[roots].astype(np.int32)


def strong_components(network: Edges) -> npt.NDArray[np.int32]:
    """Return the strongly connected component of every agent, named by its smallest dense id.

    Computed by scipy (`scipy.sparse.csgraph.connected_components`); the network is in memory.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    Returns
    -------
    (n,) int32
        Smallest dense id of the component, by dense id.

    References
    ----------
    Pearce (2005), An improved algorithm for finding the strongly connected components of a directed graph.
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    edges = Adjacency.of(network)
    if edges.n_agents == 0:
        return np.empty(0, np.int32)
    ones = np.ones(edges.n_edges, np.float64)
    rows = csr_matrix((ones, edges.out_edges.targets, edges.out_edges.offsets), shape=(edges.n_agents,) * 2)
    _, labels = connected_components(rows, directed=True, connection="strong")
    _, first = np.unique(labels, return_index=True)
    return edges.agents[first[labels]].astype(np.int32)


def numbered_by_size(groups: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return groups of agents numbered from 0 by falling size, equal ones by their first agent, and their sizes.

    Parameters
    ----------
    groups : (n,) integers
        Any number that the agents of a group share.

    Returns
    -------
    (n,) int32
        Number of each agent's group.
    (groups,) int64
        Agents of each group, the largest first.

    Examples
    --------
    >>> number, sizes = numbered_by_size(np.array([7, 3, 3, 7, 3]))
    >>> number.tolist(), sizes.tolist()
    ([1, 0, 0, 1, 0], [3, 2])
    """
    _, first, codes, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order))
    return number[codes], counts[order].astype(np.int64)


@numba.njit(nogil=True, cache=True)
def _root(roots, agent):  # type: ignore[no-untyped-def]
    while roots[agent] != agent:
        roots[agent] = roots[roots[agent]]
        agent = roots[agent]
    return agent


@numba.njit(nogil=True, cache=True)
def _unite(offsets, targets, roots):  # type: ignore[no-untyped-def]
    """Unite the ends of every edge; the smaller of two roots becomes that of both."""
    n_agents = len(roots)
    for agent in range(n_agents):
        mine = _root(roots, np.int32(agent))
        for edge in range(offsets[agent], offsets[agent + 1]):
            other = _root(roots, targets[edge])
            if mine < other:
                roots[other] = mine
            elif other < mine:
                roots[mine] = other
                mine = other
    for agent in range(n_agents):  # roots are smaller than their agents, so theirs are final
        roots[agent] = roots[roots[agent]]
