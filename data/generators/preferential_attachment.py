"""Preferential attachment: new agents link to older ones with probability proportional to degree.

Sources: A.-L. Barabasi, R. Albert, "Emergence of scaling in random networks", Science 286 (1999), for the model;
P. Sanders, C. Schulz, "Scalable generation of scale-free graphs", Inf. Process. Lett. 116 (2016), for computing each
link independently.

Consider the list of both endpoints of all links, in the order of their creation. An agent's share of the list is its
share of all links, so copying the endpoint at a uniformly drawn earlier position chooses by degree. The list is never
stored: the agent at a position is found by following copies back to a position that is known without a draw.

1. The first ``links_per_agent + 1`` agents are all linked to each other; agent i of them has ``links_per_agent``
   positions, from i * links_per_agent on.
2. Each later agent makes ``links_per_agent`` links of two positions each: its own, then the copied one.
3. An agent draws from the positions before its own first one, so never itself. If it draws an agent that it has
   already chosen, it draws again. Others that copy this position copy its first draw, so no link depends on another
   agent's retries. About (links_per_agent * ln(agents))^2 / 16 links are redrawn: 300 of 5 million at 1 million agents.
"""

from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from data.generators.generator import Endpoints, Generator, both_directions, empty_endpoints, ranges
from data.generators.hashes import ZERO, Purpose, below, key_of, splitmix
from data.networks.edge_lists import EdgeList
from data.progress import Progress, ignore_progress

LINKS_PER_RANGE = 1 << 20


class PreferentialAttachment(Generator):
    """A growing network in which agents with many links gain more: the degree distribution falls off as degree^-3.

    Undirected, every link is an edge in both directions. Directed, messages flow from the older agent, who is
    followed, to the newer one, who follows: every new agent has `links_per_agent` in-edges, and hubs have many
    out-edges.

    Examples
    --------
    >>> edges = PreferentialAttachment(agents=100, links_per_agent=3, directed=True).generate()
    >>> len(edges), bool((edges.source < edges.target).all())
    (294, True)
    """

    name: ClassVar[str] = "preferential_attachment"

    links_per_agent: int = Field(default=5, ge=1)
    """Links that each new agent makes, 1 to agents - 1."""
    directed: bool = False
    """Only edges from the older to the newer agent; otherwise both directions."""

    @model_validator(mode="after")
    def _links_fit(self) -> Self:
        if self.links_per_agent >= self.agents:
            raise ValueError(
                f"links_per_agent={self.links_per_agent:,} needs more than {self.agents:,} agents, since a new agent "
                "links to distinct older ones; ask for fewer links or more agents"
            )
        return self

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate the links of every agent to older ones, agent by agent.

        Parameters
        ----------
        progress : Progress
            Called with the number of links generated so far.

        Returns
        -------
        EdgeList
            ``links_per_agent * (agents - (links_per_agent + 1) / 2)`` links, each of one or two edges.
        """
        links = self.links_per_agent
        key = key_of(self.random_seed, Purpose.ATTACHMENT)
        older, newer = empty_endpoints(int(links_before(self.agents, links)))
        for first, last in ranges(self.agents, max(1, LINKS_PER_RANGE // links)):
            here = slice(int(links_before(first, links)), int(links_before(last, links)))
            older[here], newer[here] = attached_links(key, first, last, links)
            progress("generating links", here.stop, len(older))
        return self._edge_list((older, newer) if self.directed else both_directions((older, newer)))


@njit(nogil=True, cache=True)
def links_before(agent: int, links: int) -> int:
    """Return the number of links that the agents before this one make: agent i makes min(i, links)."""
    if agent <= links:
        return agent * (agent - 1) // 2
    return links * (links + 1) // 2 + links * (agent - links - 1)


@njit(nogil=True, cache=True)
def attached_links(key: np.uint64, first: int, last: int, links: int) -> Endpoints:
    """Generate the links of agents `first` to `last` - 1 to older agents.

    Parameters
    ----------
    key : uint64
        From `data.generators.hashes.key_of`.
    first, last : int
        Agents, 0 <= first <= last.
    links : int
        Links per agent, at least 1.

    Returns
    -------
    older, newer : int32 arrays
        Links ``links_before(first)`` to ``links_before(last) - 1``; adjacent ranges give consecutive links.
    """
    start = links_before(first, links)
    count = links_before(last, links) - start
    older, newer = np.empty(count, np.int32), np.empty(count, np.int32)
    for agent in range(first, last):
        row = links_before(agent, links) - start
        for link in range(min(agent, links)):
            newer[row + link] = agent
            if agent <= links:
                older[row + link] = link
            else:
                older[row + link] = _new_partner(key, agent, link, links, older[row : row + link])
    return older, newer


@njit(nogil=True, cache=True)
def _new_partner(key: np.uint64, agent: int, link: int, links: int, chosen: npt.NDArray[np.int32]) -> np.int64:
    number = (agent - links - 1) * links + link
    trial = 0
    while True:
        partner = _agent_at(key, _copied_place(key, number, np.uint64(trial), links), links)
        if partner not in chosen:
            return partner
        trial += 1


@njit(nogil=True, cache=True)
def _copied_place(key: np.uint64, number: int, trial: np.uint64, links: int) -> np.int64:
    """Return the position that link `number` (not counting the first agents' links) copies."""
    places = links * (links + 1) + 2 * links * (number // links)
    draw = splitmix(splitmix(key, np.uint64(number)), trial)
    return np.int64(below(draw, np.uint64(places)))


@njit(nogil=True, cache=True)
def _agent_at(key: np.uint64, place: np.int64, links: int) -> np.int64:
    """Return the agent at a position of the list of endpoints, by following copies back."""
    known = links * (links + 1)
    while place >= known:
        number, copied = divmod(place - known, 2)
        if not copied:
            return links + 1 + number // links
        place = _copied_place(key, number, ZERO, links)
    return place // links
