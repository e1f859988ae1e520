"""Communities of largest modularity, by the Leiden algorithm."""

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges, Neighbours
from analytics.structure.components import numbered_by_size
from data.errors import InvalidInputError

if TYPE_CHECKING:
    import igraph

MOST_PAIRS = 20_000_000
"""Connected pairs beyond which Leiden is refused: its graph takes more memory, and its search more time, than ours."""
ITERATIONS = 10
"""Iterations unless others are asked for. In an R-MAT network of a million edges, the last five raise the modularity by
0.0005; without a limit there are many more."""
UNTIL_SETTLED = -1
"""igraph's number of iterations for: until one changes nothing."""
_igraph_draws = threading.Lock()
"""igraph has one generator of random numbers for all threads."""


@dataclass(frozen=True)
class Communities:
    """A partition of a network's agents.

    Attributes
    ----------
    of_agent : (n,) int32
        Community of each agent: numbered from 0 by falling size, ties by the smallest dense id.
    sizes : (c,) int64
        Agents of each community.
    modularity : float
        Of the partition, in the undirected view; 0 for a network without edges.
    """

    of_agent: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int64]
    modularity: float


def leiden(
    network: Edges, *, resolution: float = 1.0, iterations: int | None = ITERATIONS, random_seed: int = 0
) -> Communities:
    """Return communities of large modularity, in the undirected view of the network.

    Computed by igraph (`Graph.community_leiden`), seeded; the network is in memory. The same seed gives the
    same communities.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    resolution : float
        Above 1 for more and smaller communities, below 1 for fewer and larger ones.
    iterations : int, optional
        Passes of the algorithm, each from the communities of the one before; None: until one changes nothing, which
        takes many in large networks.
    random_seed : int
        Decides the order in which agents are moved.

    Returns
    -------
    Communities

    Raises
    ------
    InvalidInputError
        If the network has more than 20 million connected pairs, the resolution is negative, or there is no iteration.

    References
    ----------
    Traag, Waltman, van Eck (2019), From Louvain to Leiden: guaranteeing well-connected communities. Newman and Girvan
    (2004), Finding and evaluating community structure in networks.

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> two_pairs = SparseRows(np.array([0, 1, 1, 2, 2]), np.array([1, 3], np.int32))
    >>> found = leiden(two_pairs)
    >>> found.of_agent.tolist(), found.modularity
    ([0, 0, 1, 1], 0.5)
    """
    if not resolution >= 0:
        raise InvalidInputError(f"resolution {resolution} is negative; the usual value is 1")
    if iterations is not None and iterations < 1:
        raise InvalidInputError(f"iterations {iterations} is less than 1; the usual number is {ITERATIONS}")
    neighbours = Adjacency.of(network).neighbours
    check_size(neighbours.n_pairs)
    graph = as_igraph(neighbours)
    if neighbours.n_pairs == 0:
        return _numbered(np.arange(graph.vcount()), 0.0)
    import igraph

    with _igraph_draws:
        igraph.set_random_number_generator(random.Random(random_seed))
        try:
            found = graph.community_leiden(
                "modularity", resolution=resolution, n_iterations=iterations or UNTIL_SETTLED
            )
        finally:
            igraph.set_random_number_generator(random)
    return _numbered(np.array(found.membership), graph.modularity(found.membership))


def check_size(n_pairs: int) -> None:
    """Raise InvalidInputError if a network is too large for Leiden."""
    if n_pairs > MOST_PAIRS:
        raise InvalidInputError(
            f"the network has {n_pairs:,} connected pairs, and Leiden runs up to {MOST_PAIRS:,}; use label "
            "propagation, which also finds communities (metric labels)"
        )


def as_igraph(neighbours: Neighbours) -> "igraph.Graph":
    """Return the undirected view as a graph of igraph, with the same numbers of agents."""
    import igraph

    sources = np.repeat(np.arange(len(neighbours.offsets) - 1, dtype=np.int32), neighbours.degree)
    once = sources < neighbours.agents
    pairs = np.column_stack([sources[once], neighbours.agents[once]])
    return igraph.Graph(n=len(neighbours.offsets) - 1, edges=pairs, directed=False)


def _numbered(membership: npt.NDArray[np.int64], modularity: float) -> Communities:
    """Return communities that are numbered by falling size."""
    number, sizes = numbered_by_size(membership)
    return Communities(number, sizes, float(modularity))
