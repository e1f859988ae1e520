"""The complete network: an edge from every agent to every other."""

from typing import ClassVar

import numpy as np
from numba import njit
from pydantic import field_validator

from data.generators.generator import Endpoints, Generator, empty_endpoints, ranges
from data.networks.edge_lists import EdgeList
from data.progress import Progress, ignore_progress

MOST_COMPLETE_AGENTS = 10_000
AGENTS_PER_RANGE = 128


class Complete(Generator):
    """Every ordered pair of distinct agents, sorted by source, then target; `random_seed` has no effect.

    Examples
    --------
    >>> edges = Complete(agents=3).generate()
    >>> edges.source.tolist(), edges.target.tolist()
    ([0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1])
    """

    name: ClassVar[str] = "complete"

    @field_validator("agents")
    @classmethod
    def _few_enough(cls, agents: int) -> int:
        if agents > MOST_COMPLETE_AGENTS:
            raise ValueError(
                f"{agents:,} agents would make {agents * (agents - 1):,} edges; a complete network has at most "
                f"{MOST_COMPLETE_AGENTS:,} agents: use erdos_renyi for a large, unstructured network"
            )
        return agents

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate all agents x (agents - 1) edges.

        Parameters
        ----------
        progress : Progress
            Called with the number of edges generated so far.

        Returns
        -------
        EdgeList
            In the order of ``itertools.permutations(range(agents), 2)``.
        """
        degree = self.agents - 1
        source, target = empty_endpoints(self.agents * degree)
        for first, last in ranges(self.agents, AGENTS_PER_RANGE):
            here = slice(first * degree, last * degree)
            source[here], target[here] = complete_edges(first, last, self.agents)
            progress("generating edges", last * degree, len(source))
        return self._edge_list((source, target))


@njit(nogil=True, cache=True)
def complete_edges(first: int, last: int, agents: int) -> Endpoints:
    """Return the edges of sources `first` to `last` - 1: two int32 arrays of (last - first) * (agents - 1)."""
    count = (last - first) * (agents - 1)
    source, target = np.empty(count, np.int32), np.empty(count, np.int32)
    edge = 0
    for agent in range(first, last):
        for other in range(agents):
            if other != agent:
                source[edge], target[edge] = agent, other
                edge += 1
    return source, target
