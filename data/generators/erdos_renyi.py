"""Erdos-Renyi networks: uniformly random edges.

Sources: E. N. Gilbert, "Random graphs", Ann. Math. Statist. 30 (1959), for a given probability; P. Erdos, A. Renyi,
"On random graphs I", Publ. Math. Debrecen 6 (1959), for a given number of edges.
"""

from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from data.generators.generator import Generator, empty_endpoints, ranges
from data.generators.hashes import Purpose, binomial_count, key_of
from data.generators.pairs import PairsWithin
from data.networks.edge_lists import EdgeList
from data.progress import Progress, ignore_progress

EDGES_PER_RANGE = 1 << 20


class ErdosRenyi(Generator):
    """Directed edges between uniformly drawn agents: a given number of them, or each pair with a given probability.

    Exactly one of `edges` and `probability` is given. For the same agents and random seed, a network with fewer edges
    is a prefix of one with more.

    Examples
    --------
    >>> len(ErdosRenyi(agents=1_000, edges=5_000).generate())
    5000
    >>> len(ErdosRenyi(agents=10, probability=1.0).generate())
    90
    """

    name: ClassVar[str] = "erdos_renyi"

    edges: int | None = Field(default=None, ge=0)
    """Number of edges, 0 to agents x (agents - 1)."""
    probability: float | None = Field(default=None, ge=0.0, le=1.0, allow_inf_nan=False)
    """Probability that an ordered pair of agents is an edge, 0 to 1."""

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Self:
        if (self.edges is None) == (self.probability is None):
            raise ValueError(
                f"edges={self.edges} and probability={self.probability}: exactly one of them must be given"
            )
        pairs = self.agents * (self.agents - 1)
        if self.edges is not None and self.edges > pairs:
            raise ValueError(
                f"edges={self.edges:,} is more than the {pairs:,} pairs of {self.agents:,} agents; "
                "ask for fewer edges or more agents"
            )
        return self

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate the edges.

        Parameters
        ----------
        progress : Progress
            Called with the number of edges generated so far.

        Returns
        -------
        EdgeList
            Edge i depends only on the number of agents and the random seed.
        """
        pairs = PairsWithin(np.array([0, self.agents], np.int64), directed=True)
        key = key_of(self.random_seed, Purpose.EDGE)
        source, target = empty_endpoints(self._count(pairs.total))
        for first, last in ranges(len(source), EDGES_PER_RANGE):
            source[first:last], target[first:last] = pairs.drawn(key, first, last)
            progress("generating edges", last, len(source))
        return self._edge_list((source, target))

    def _count(self, pairs: int) -> int:
        if self.probability is None:
            return self.edges or 0
        return binomial_count(pairs, self.probability, self.random_seed, Purpose.EDGE_COUNT)
