"""Core numbers: how far into the densely connected middle of the network an agent is."""

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges


def core_numbers(network: Edges) -> npt.NDArray[np.int32]:
    """Return the core number of every agent, in the undirected view of the network.

    A compiled kernel of Rumormill; the network is in memory. The k-core is the largest set of agents each of which has
    at least k neighbours within the set. An agent's core number is the largest k whose k-core includes it.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    Returns
    -------
    (n,) int32
        By dense id.

    References
    ----------
    Seidman (1983), Network structure and minimum degree. Batagelj and Zaversnik (2003), An O(m) algorithm for cores
    decomposition of networks.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> triangle_with_tail = SparseRows(np.array([0, 2, 3, 3, 4]), np.array([1, 2, 2, 0], np.int32))
    >>> core_numbers(triangle_with_tail).tolist()
    [2, 2, 2, 1]
    """
    neighbours = Adjacency.of(network).neighbours
    remaining = neighbours.degree.astype(np.int32)
    if len(remaining):
        _peel(neighbours.offsets, neighbours.agents, remaining)
    return remaining


@numba.njit(nogil=True, cache=True)
def _peel(offsets, neighbours, remaining):  # type: ignore[no-untyped-def]
    """Remove the agent with the fewest remaining neighbours, again and again.

    Parameters
    ----------
    offsets : (n + 1,) int64
    neighbours : (2 * pairs,) int32
    remaining : (n,) int32
        In: number of neighbours; out: core number.
    """
    n_agents = len(remaining)
    starts = np.zeros(remaining.max() + 2, np.int32)  # of the agents with each number of neighbours, in `order`
    for agent in range(n_agents):
        starts[remaining[agent] + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    order, places = np.empty(n_agents, np.int32), np.empty(n_agents, np.int32)
    filled = starts.copy()
    for agent in range(n_agents):
        places[agent] = filled[remaining[agent]]
        order[places[agent]] = agent
        filled[remaining[agent]] += 1
    for position in range(n_agents):
        agent = order[position]
        number = remaining[agent]
        for edge in range(offsets[agent], offsets[agent + 1]):
            other = neighbours[edge]
            if remaining[other] > number:
                # Move the neighbour to the front of those with as many, and the front behind it.
                first = starts[remaining[other]]
                swapped, place = order[first], places[other]
                order[first], order[place] = other, swapped
                places[other], places[swapped] = first, place
                starts[remaining[other]] = first + 1
                remaining[other] -= 1
