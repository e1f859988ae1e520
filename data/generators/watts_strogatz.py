"""Small worlds: a ring lattice, some of whose links are rewired to random agents.

Source: D. J. Watts, S. H. Strogatz, "Collective dynamics of 'small-world' networks", Nature 393 (1998).

Watts and Strogatz rewire one link after the other and reject partners that are already linked, so every link depends
on all earlier ones. Here each agent rewires its own links without looking at others', and duplicates cannot arise:

1. No link is rewired to a neighbour on the ring, even if the link to that neighbour was itself rewired. This excludes
   a share of degree / agents of the possible partners.
2. A fair coin assigns each pair of agents to one of the two, and only that one may rewire a link to the other.
3. An agent's own links go to distinct partners: repeated partners are drawn again.

A link that finds no partner in `MOST_TRIALS` draws stays on the ring. If the degree is below a third of the agents,
this happens only where the coins leave an agent fewer partners than links: in networks of a few dozen agents.
"""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from data.generators.generator import Endpoints, Generator, both_directions, empty_endpoints, ranges
from data.generators.hashes import ONE, ZERO, Purpose, below, fraction, key_of, splitmix
from data.networks.edge_lists import EdgeList
from data.progress import Progress, ignore_progress

LINKS_PER_RANGE = 1 << 20
MOST_TRIALS = 128


class WattsStrogatz(Generator):
    """A ring lattice with shortcuts; every link is an edge in both directions.

    Examples
    --------
    >>> edges = WattsStrogatz(agents=100, degree=4, rewiring=0.2).generate()
    >>> len(edges)
    400
    """

    name: ClassVar[str] = "watts_strogatz"

    degree: int = Field(default=10, ge=2)
    """Neighbours on the ring, half on each side: even, 2 to agents - 1; also the mean degree."""
    rewiring: float = Field(default=0.1, ge=0.0, le=1.0, allow_inf_nan=False)
    """Probability that a link is rewired, 0 to 1."""

    @model_validator(mode="after")
    def _ring_exists(self) -> Self:
        if self.degree % 2:
            raise ValueError(
                f"degree={self.degree} is odd; half of the neighbours are on each side: use an even degree"
            )
        if self.degree >= self.agents:
            raise ValueError(
                f"degree={self.degree:,} needs more than {self.agents:,} agents; ask for a lower degree or more agents"
            )
        return self

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate each agent's links to those that follow it on the ring, some of them rewired.

        Parameters
        ----------
        progress : Progress
            Called with the number of links generated so far.

        Returns
        -------
        EdgeList
            ``agents * degree`` edges: every link in both directions.
        """
        half = self.degree // 2
        key = key_of(self.random_seed, Purpose.REWIRING)
        owner_key = key_of(self.random_seed, Purpose.REWIRED_PAIR_OWNER)
        near, far = empty_endpoints(self.agents * half)
        for first, last in ranges(self.agents, max(1, LINKS_PER_RANGE // half)):
            here = slice(first * half, last * half)
            near[here], far[here] = rewired_links(key, owner_key, first, last, self.agents, half, self.rewiring)
            progress("generating links", here.stop, len(near))
        return self._edge_list(both_directions((near, far)))


@njit(nogil=True, cache=True)
def rewired_links(
    key: np.uint64, owner_key: np.uint64, first: int, last: int, agents: int, half: int, rewiring: float
) -> Endpoints:
    """Generate the links of agents `first` to `last` - 1 to those that follow them on the ring, some of them rewired.

    Parameters
    ----------
    key, owner_key : uint64
        From `data.generators.hashes.key_of`, for the links and for the owners of pairs.
    first, last : int
        Agents, 0 <= first <= last <= agents.
    agents, half : int
        Number of agents; neighbours on each side.
    rewiring : float
        Probability that a link is rewired, 0 to 1.

    Returns
    -------
    near, far : ((last - first) * half,) int32
        Links from number ``first * half`` on; adjacent ranges give consecutive links.
    """
    count = (last - first) * half
    near, far = np.empty(count, np.int32), np.empty(count, np.int32)
    for agent in range(first, last):
        row = (agent - first) * half
        for step in range(half):
            link = row + step
            link_key = splitmix(key, np.uint64(agent * half + step))
            near[link] = agent
            far[link] = (agent + step + 1) % agents
            if fraction(splitmix(link_key, ZERO)) < rewiring:
                far[link] = _new_partner(link_key, owner_key, agent, agents, half, far[row : link + 1])
    return near, far


@njit(nogil=True, cache=True)
def _new_partner(
    link_key: np.uint64, owner_key: np.uint64, agent: int, agents: int, half: int, row: npt.NDArray[np.int32]
) -> int:
    """Draw a new partner for the last link of the agent's row; if none is found, return its present one."""
    for trial in range(1, MOST_TRIALS + 1):
        partner = int(np.int64(below(splitmix(link_key, np.uint64(trial)), np.uint64(agents))))
        gap = abs(agent - partner)
        near_on_ring = min(gap, agents - gap) <= half
        if near_on_ring or not _owns_pair(owner_key, agent, partner) or partner in row:
            continue
        return partner
    return int(row[-1])


@njit(nogil=True, cache=True)
def _owns_pair(owner_key: np.uint64, agent: int, partner: int) -> bool:
    """Toss the pair's coin and return whether `agent` owns the pair: the higher id does on heads."""
    low, high = min(agent, partner), max(agent, partner)
    heads = (splitmix(splitmix(owner_key, np.uint64(low)), np.uint64(high)) & ONE) == ONE
    return heads == (agent > partner)
