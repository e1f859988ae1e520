"""Planted communities: blocks of agents of equal size, densely linked within and sparsely between.

Source: A. Condon, R. M. Karp, "Algorithms for graph partitioning on the planted partition model", Random Structures and
Algorithms 18 (2001).
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from data.generators.generator import Endpoints, Generator, both_directions, empty_endpoints, ranges
from data.generators.hashes import Purpose, binomial_count, key_of
from data.generators.pairs import Pairs, PairsBetween, PairsWithin
from data.networks.edge_lists import EdgeList
from data.progress import Progress, ignore_progress

LINKS_PER_RANGE = 1 << 20


@dataclass(frozen=True)
class _Kind:
    """Links within or between communities: the pairs to draw from, how many to draw, and the key of the draws."""

    pairs: Pairs
    count: int
    key: np.uint64


class PlantedCommunities(Generator):
    """Pairs within a community are linked with one probability, pairs between communities with another.

    The probabilities follow from the two mean degrees. Communities are blocks of consecutive agents whose sizes differ
    by at most one, larger ones first.

    Examples
    --------
    >>> edges = PlantedCommunities(agents=7, communities=3, mean_degree_within=1.0).generate()
    >>> edges.agent_attributes["community"].to_pylist()
    [0, 0, 0, 1, 1, 2, 2]
    """

    name: ClassVar[str] = "planted_communities"

    communities: int = Field(ge=1)
    """Number of communities, 1 to agents."""
    mean_degree_within: float = Field(default=8.0, ge=0.0, allow_inf_nan=False)
    """Mean number of links (directed: out-edges) to agents of the same community."""
    mean_degree_between: float = Field(default=2.0, ge=0.0, allow_inf_nan=False)
    """Mean number of links (directed: out-edges) to agents of other communities."""
    directed: bool = False
    """Draw the two directions of a pair independently; otherwise every link is an edge in both directions."""

    @model_validator(mode="after")
    def _communities_fit(self) -> Self:
        if self.communities > self.agents:
            raise ValueError(
                f"communities={self.communities:,} is more than the {self.agents:,} agents; "
                "each community needs at least one"
            )
        self._check_degree("mean_degree_within", self.mean_degree_within, PairsWithin)
        self._check_degree("mean_degree_between", self.mean_degree_between, PairsBetween)
        return self

    def _check_degree(self, name: str, mean_degree: float, kind: type[Pairs]) -> None:
        most = kind(self.bounds, directed=True).total / self.agents
        if mean_degree > most:
            raise ValueError(
                f"{name}={mean_degree:g} is more than the {most:g} that {self.agents:,} agents in "
                f"{self.communities:,} communities can have; ask for a lower mean degree, or change the communities"
            )

    @property
    def bounds(self) -> npt.NDArray[np.int64]:
        """First agent of each community, then the number of agents: (communities + 1,) int64."""
        size, larger = divmod(self.agents, self.communities)
        communities = np.arange(self.communities + 1, dtype=np.int64)
        return communities * size + np.minimum(communities, larger)

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate the links within communities, then those between.

        Parameters
        ----------
        progress : Progress
            Called with the number of links generated so far.

        Returns
        -------
        EdgeList
            Its agent attributes hold the column ``community`` (int32).
        """
        bounds = self.bounds
        links = self._links(self._kinds(bounds), progress)
        community = np.repeat(np.arange(self.communities, dtype=np.int32), np.diff(bounds))
        return self._edge_list(
            links if self.directed else both_directions(links),
            agent_attributes=pa.table({"community": community}),
        )

    def _kinds(self, bounds: npt.NDArray[np.int64]) -> tuple[_Kind, _Kind]:
        within, between = PairsWithin(bounds, self.directed), PairsBetween(bounds, self.directed)
        return (
            self._kind(within, self.mean_degree_within, Purpose.WITHIN_COUNT, Purpose.WITHIN_EDGE),
            self._kind(between, self.mean_degree_between, Purpose.BETWEEN_COUNT, Purpose.BETWEEN_EDGE),
        )

    def _kind(self, pairs: Pairs, mean_degree: float, counting: Purpose, drawing: Purpose) -> _Kind:
        expected = self.agents * mean_degree / (1 if self.directed else 2)
        probability = min(1.0, expected / max(1, pairs.total))
        count = binomial_count(pairs.total, probability, self.random_seed, counting)
        return _Kind(pairs, count, key_of(self.random_seed, drawing))

    def _links(self, kinds: tuple[_Kind, ...], progress: Progress) -> Endpoints:
        near, far = empty_endpoints(sum(kind.count for kind in kinds))
        start = 0
        for kind in kinds:
            for first, last in ranges(kind.count, LINKS_PER_RANGE):
                here = slice(start + first, start + last)
                near[here], far[here] = kind.pairs.drawn(kind.key, first, last)
                progress("generating links", start + last, len(near))
            start += kind.count
        return near, far
