"""Hop distances: how many edges separate agents, over all pairs, or over pairs whose first agent was sampled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from analytics.structure.agent_ranges import for_each
from analytics.structure.breadth_first import LANES, search
from data.errors import InvalidInputError
from propagation.draws import Purpose, agent_hashes, stream
from propagation.intervals import number_with_interval

MOST_EXACT = 50_000
"""Up to this many agents, distances are counted from all of them, unless a number of sources is asked for."""
SAMPLED_SOURCES = 1024
"""Sources that are sampled in larger networks."""
EFFECTIVE = 0.9
"""Share of connected pairs that are within the effective diameter."""
SAMPLING = 1
"""Variant of the draws of seeding that chooses agents of a sample."""
Statistic: TypeAlias = Callable[[npt.NDArray[np.int64]], float]
"""A number that follows from the pairs by distance."""


@dataclass(frozen=True)
class Estimate:
    """A number that was counted exactly, or estimated from a sample.

    Attributes
    ----------
    value : float or None
        None if it is not defined, as for a network without edges.
    half_width : float or None
        Half of its 95 % interval; None if the value is exact, or the sample has too few groups for an interval.
    """

    value: float | None
    half_width: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "undefined"
        if self.half_width is None:
            return f"{self.value:,.4g}"
        return number_with_interval(self.value, self.half_width)

    def columns(self, name: str) -> dict[str, float | None]:
        """Return the value and the ends of its interval by column of the table `network_metrics`."""
        if self.value is None or self.half_width is None:
            return {name: self.value, f"{name}_low": None, f"{name}_high": None}
        return {
            name: self.value,
            f"{name}_low": self.value - self.half_width,
            f"{name}_high": self.value + self.half_width,
        }


@dataclass(frozen=True)
class Distances:
    """How many ordered pairs of different agents are how many hops apart; pairs without a path are not counted.

    Attributes
    ----------
    pairs : (d,) int64
        Number of pairs at 1, 2, ... d hops.
    by_group : (g, d) int64
        The same for each group of sources; a sample has several groups, from which its interval is estimated.
    n_agents, n_sources : int
        Agents of the network, and agents from which distances were counted.
    """

    pairs: npt.NDArray[np.int64]
    by_group: npt.NDArray[np.int64]
    n_agents: int
    n_sources: int

    @property
    def is_exact(self) -> bool:
        """Whether distances were counted from all agents."""
        return self.n_sources == self.n_agents

    @property
    def diameter(self) -> int:
        """Largest distance found: the diameter if exact, else a lower bound."""
        return len(self.pairs)

    @property
    def average_path_length(self) -> Estimate:
        """Mean distance of connected pairs, hops."""
        return self._estimate(_mean_distance)

    @property
    def effective_diameter(self) -> Estimate:
        """Distance within which 90 % of connected pairs are, interpolated between hops; at least 1."""
        return self._estimate(_effective_diameter)

    def _estimate(self, statistic: "Statistic") -> Estimate:
        """Return a statistic, with a jackknife interval over the groups of a sample."""
        if not self.pairs.sum():
            return Estimate(None)
        value = statistic(self.pairs)
        groups = len(self.by_group)
        if self.is_exact or groups < 2:
            return Estimate(value)
        from scipy.special import stdtrit

        without = [self.pairs - group for group in self.by_group]
        if not all(pairs.sum() for pairs in without):
            return Estimate(value)
        values = np.array([statistic(pairs) for pairs in without])
        sampled = self.n_sources / self.n_agents  # without replacement
        variance = (groups - 1) / groups * float(((values - values.mean()) ** 2).sum()) * (1 - sampled)
        return Estimate(value, float(stdtrit(groups - 1, 0.975)) * variance**0.5)


def hop_distances(
    network: Edges, *, directed: bool = True, sources: int | None = None, random_seed: int = 0
) -> Distances:
    """Count the pairs of agents at every distance.

    A compiled kernel of Rumormill: breadth-first searches from 64 agents at a time; the network is in memory.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    directed : bool
        Whether paths follow the direction of edges, as messages do.
    sources : int, optional
        Agents from which to count, sampled without replacement if not all. Default: all agents up to 50,000, else
        1,024. The 95 % intervals of a sample come from the jackknife over its groups of 64 sources.
    random_seed : int
        Decides which agents are sampled.

    Returns
    -------
    Distances

    Raises
    ------
    InvalidInputError
        If `sources` is less than 1.

    References
    ----------
    Then et al. (2014), The more the merrier: efficient multi-source graph traversal. Leskovec, Kleinberg, Faloutsos
    (2005), Graphs over time (effective diameter). Wolter (2007), Introduction to variance estimation (random groups).

    Examples
    --------
    >>> from data.networks.sparse_rows import SparseRows
    >>> path = SparseRows(np.array([0, 1, 2, 2]), np.array([1, 2], np.int32))
    >>> found = hop_distances(path)
    >>> found.pairs.tolist(), found.diameter, str(found.average_path_length)
    ([2, 1], 2, '1.333')
    """
    if sources is not None and sources < 1:
        raise InvalidInputError(f"sources {sources} is less than 1; leave it out for a usual number")
    edges = Adjacency.of(network)
    chosen = sources_of(edges.n_agents, sources, random_seed)
    groups = [chosen[first : first + LANES] for first in range(0, len(chosen), LANES)]
    if directed:
        out, into = edges.out_edges, edges.in_edges
        rows = (out.offsets, out.targets, into.offsets, into.targets)
    else:
        rows = (edges.neighbours.offsets, edges.neighbours.agents) * 2
    found = for_each(search, ((*rows, group) for group in groups))
    longest = max((len(pairs) for pairs in found), default=0)
    by_group = np.zeros((len(found), longest), np.int64)
    for number, pairs in enumerate(found):
        by_group[number, : len(pairs)] = pairs
    return Distances(by_group.sum(axis=0), by_group, edges.n_agents, len(chosen))


def sources_of(n_agents: int, sources: int | None = None, random_seed: int = 0) -> npt.NDArray[np.int64]:
    """Return the agents from which distances are counted, by number: all of them, or a sample; see `hop_distances`."""
    usual = n_agents if n_agents <= MOST_EXACT else SAMPLED_SOURCES
    return sampled_agents(n_agents, sources or usual, random_seed)


def sampled_agents(n_agents: int, number: int, random_seed: int = 0) -> npt.NDArray[np.int64]:
    """Return distinct agents chosen at random, (min(number, n),) int64: the same for the same network and seed."""
    hashes = agent_hashes(stream(random_seed, Purpose.SEEDING, SAMPLING), np.arange(n_agents))
    return np.argsort(hashes, kind="stable")[:number]


def _mean_distance(pairs: npt.NDArray[np.int64]) -> float:
    return float(pairs @ np.arange(1, len(pairs) + 1)) / int(pairs.sum())


def _effective_diameter(pairs: npt.NDArray[np.int64]) -> float:
    within = np.concatenate([[0], np.cumsum(pairs)])
    wanted = EFFECTIVE * within[-1]
    hops = int(np.searchsorted(within, wanted))
    between = float((wanted - within[hops - 1]) / (within[hops] - within[hops - 1]))
    return max(1.0, hops - 1 + between)  # no pair is nearer than one hop
