"""Rankings by links: PageRank, and hubs and authorities (HITS)."""

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from analytics.structure.agent_ranges import for_each, ranges
from data.errors import InvalidInputError
from data.networks.sparse_rows import SparseRows

MOST_ROUNDS = 10_000
"""Rounds after which an iteration that has not reached its tolerance is given up."""


def pagerank(
    network: Edges, *, damping: float = 0.85, rounds: int | None = None, tolerance: float = 1e-9
) -> npt.NDArray[np.float64]:
    """Return the PageRank of every agent; the ranks sum to 1.

    A compiled kernel of Rumormill; the network is in memory. An agent passes its rank on in equal parts along its
    out-edges; agents without any pass it on to all agents alike. With `rounds`, this is LDBC Graphalytics' definition.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    damping : float
        Share of its rank that an agent passes on, in [0, 1).
    rounds : int, optional
        Number of rounds, each from the ranks of the round before; the first starts with 1 / n. Default: as many as the
        tolerance takes.
    tolerance : float
        Without `rounds`: stop when ranks change by less than this in total.

    Returns
    -------
    (n,) float64
        By dense id.

    Raises
    ------
    InvalidInputError
        If a parameter is out of its range.

    References
    ----------
    Page, Brin, Motwani, Winograd (1999), The PageRank citation ranking. Iosup et al. (2016), LDBC Graphalytics.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> star = SparseRows(np.array([0, 0, 1, 2, 3]), np.array([0, 0, 0], np.int32))
    >>> pagerank(star).round(3).tolist()
    [0.542, 0.153, 0.153, 0.153]
    """
    if not 0 <= damping < 1:
        raise InvalidInputError(f"damping {damping} is not in [0, 1); the usual value is 0.85")
    _check_iteration(rounds, tolerance)
    edges = Adjacency.of(network)
    n_agents, into = edges.n_agents, edges.in_edges
    if n_agents == 0:
        return np.empty(0)
    degree = edges.out_degree
    share = np.divide(damping, degree, out=np.zeros(n_agents), where=degree > 0)
    dangling = np.flatnonzero(degree == 0)
    ranks = np.full(n_agents, 1 / n_agents)
    for _ in range(MOST_ROUNDS if rounds is None else rounds):
        to_all = (1 - damping + damping * float(ranks[dangling].sum())) / n_agents
        new = sums_over_rows(into, ranks * share)
        new += to_all
        change = float(np.abs(new - ranks).sum()) if rounds is None else np.inf
        ranks = new
        if change < tolerance:
            break
    return ranks


def hits(
    network: Edges, *, rounds: int | None = None, tolerance: float = 1e-9
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return how good a hub and how good an authority every agent is; each sums to 1.

    A compiled kernel of Rumormill; the network is in memory. A hub has edges to good authorities, an authority has
    edges from good hubs: the leading singular vectors of the adjacency matrix, by the power method from equal values.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    rounds : int, optional
        Number of rounds; default: as many as the tolerance takes.
    tolerance : float
        Without `rounds`: stop when the authorities change by less than this in total.

    Returns
    -------
    hubs, authorities : (n,) float64
        By dense id. In a network without edges all agents have the same.

    Raises
    ------
    InvalidInputError
        If a parameter is out of its range.

    References
    ----------
    Kleinberg (1999), Authoritative sources in a hyperlinked environment.
    """
    _check_iteration(rounds, tolerance)
    edges = Adjacency.of(network)
    authorities = np.full(edges.n_agents, 1 / max(edges.n_agents, 1))
    hubs = authorities
    if edges.n_edges == 0:
        return hubs, authorities
    for _ in range(MOST_ROUNDS if rounds is None else rounds):
        hubs = _of_sum_one(sums_over_rows(edges.out_edges, authorities))
        new = _of_sum_one(sums_over_rows(edges.in_edges, hubs))
        change = float(np.abs(new - authorities).sum()) if rounds is None else np.inf
        authorities = new
        if change < tolerance:
            break
    return hubs, authorities


def sums_over_rows(rows: SparseRows, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of the values of the agents in each row, in the order of the row, (n,) float64."""
    sums = np.empty(rows.n_agents)
    for_each(
        _sum_rows, ((rows.offsets, rows.targets, values, first, last, sums) for first, last in ranges(rows.offsets))
    )
    return sums


def _of_sum_one(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    scaled: npt.NDArray[np.float64] = values / values.sum()
    return scaled


def _check_iteration(rounds: int | None, tolerance: float) -> None:
    if rounds is not None and rounds < 1:
        raise InvalidInputError(f"rounds {rounds} is less than 1; leave it out to iterate until the values settle")
    if not tolerance > 0:
        raise InvalidInputError(f"tolerance {tolerance} is not above 0; the usual value is 1e-9")


@numba.njit(nogil=True, cache=True)
def _sum_rows(offsets, targets, values, first, last, sums):  # type: ignore[no-untyped-def]
    for agent in range(first, last):
        total = 0.0
        for edge in range(offsets[agent], offsets[agent + 1]):
            total += values[np.uint32(targets[edge])]
        sums[agent] = total
