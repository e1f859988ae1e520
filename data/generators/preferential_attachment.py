"""Preferential attachment: newcomers link to agents in proportion to the links these already have.

Sources: A.-L. Barabasi, R. Albert, "Emergence of scaling in random networks", Science 286 (1999), for the model;
P. Sanders, C. Schulz, "Scalable generation of scale-free graphs", Inf. Process. Lett. 116 (2016), for making any link
on its own.

List the two endpoints of every link in order of time. An agent's share of that list is its share of all links, so a
newcomer that copies the endpoint at a uniform earlier place chooses by degree. The list is never made: who stands at a
place is retraced, from the place that it copied to the one that this copied, until one that is known without a draw.

1. The first ``links_per_agent + 1`` agents are all linked to each other; agent i of them stands at ``links_per_agent``
   places, from i * links_per_agent on.
2. Then each agent makes ``links_per_agent`` links of two places each: its own, and the one that it copied.
3. An agent draws from the places before its own first: never itself. Where it draws an agent that it has chosen
   already, it draws again. Others who copy that place copy the first draw, so that no link depends on another agent's
   retries. About (links_per_agent * ln(agents))^2 / 16 links are drawn again: 300 of 5 million at 1 million agents.
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
    """A growing network in which the well linked become better linked: degrees fall off as degree^-3.

    Undirected, both directions of a link are edges. Directed, messages flow from the older agent, who is followed, to
    the newer one, who follows: every newcomer has `links_per_agent` edges in, and the hubs have many edges out.

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
        """Generate the links of every agent to older ones, agent after agent.

        Parameters
        ----------
        progress : Progress
            Hears how many links are made.

        Returns
        -------
        EdgeList
            Of ``links_per_agent * (agents - (links_per_agent + 1) / 2)`` links, each one edge or two.
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
    """Return how many links the agents before this one make: agent i makes min(i, links) of them."""
    if agent <= links:
        return agent * (agent - 1) // 2
    return links * (links + 1) // 2 + links * (agent - links - 1)


@njit(nogil=True, cache=True)
def attached_links(key: np.uint64, first: int, last: int, links: int) -> Endpoints:
    """Make the links of agents `first` to `last` - 1 to older agents.

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
        Links ``links_before(first)`` to ``links_before(last) - 1``; ranges that adjoin continue each other.
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
    """Return the place that link `number` after the first agents' copies: before all places of its agent."""
    places = links * (links + 1) + 2 * links * (number // links)
    draw = splitmix(splitmix(key, np.uint64(number)), trial)
    return np.int64(below(draw, np.uint64(places)))


@njit(nogil=True, cache=True)
def _agent_at(key: np.uint64, place: np.int64, links: int) -> np.int64:
    """Retrace who stands at a place of the list of endpoints."""
    known = links * (links + 1)
    while place >= known:
        number, copied = divmod(place - known, 2)
        if not copied:
            return links + 1 + number // links
        place = _copied_place(key, number, ZERO, links)
    return place // links
