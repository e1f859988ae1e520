"""Choices of what to block or where to start a counter-message: greedy on simulated cascades, and simple rankings."""

import logging
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from analytics.structure.link_analysis import pagerank
from data.networks.network import Network
from data.progress import Progress
from propagation.compiled_rules import session_rows
from propagation.draws import Purpose, agent_hashes, edge_hashes, stream
from propagation.influence.coverage import better_of
from propagation.kernels import live_edges
from propagation.kernels.primitives import SHIFT
from propagation.own_threads import OwnThreads, submit
from propagation.sessions import Session

Action = Literal["block_agents", "block_edges", "counter_message"]
Method = Literal["greedy", "degree", "pagerank", "random"]
Ties = Literal["random", "message", "counter_message"]
FIRST_SAMPLE = 1 << 30
"""First of the replicates on which choices are made: far from those on which they are judged."""
LISTS = 50_000
"""Agents, over all samples, for which a counter-message is placed."""
LISTED = 100_000_000
"""Room for those who could reach them first."""
logger = logging.getLogger(__name__)
_CHOICE = 77
"""Variant of the draws that choose these agents and random agents: independent of those that choose seeds."""


@dataclass(frozen=True)
class CounterStart:
    """When a counter-message starts.

    Attributes
    ----------
    delay : int
        Its round; the message starts in round 0.
    ties : str
        What an agent adopts that both reach in the same round: ``random``, each attempt being equally likely, or always
        the ``message``, or the ``counter_message``.
    """

    delay: int = 0
    ties: Ties = "random"


class Choices:
    """What could be blocked on a network against a message, in the order in which each method chooses it.

    Parameters
    ----------
    network : Network
    session : Session
        The message: an independent cascade from its seeds, with agents that are blocked already.
    samples : int
        Cascades on which the greedy method decides.
    costs : (n,) or (m,) float64, optional
        Cost of choosing each agent, or each edge, above 0; infinite if it cannot be chosen. Default: 1 each.
    start : CounterStart, optional
        When a counter-message starts, and which message ties fall to.

    Attributes
    ----------
    samples_used : int
        Cascades on which a counter-message was placed: fewer than `samples` if memory did not suffice for all.
    """

    def __init__(
        self,
        network: Network,
        session: Session,
        samples: int,
        costs: npt.NDArray[np.float64] | None = None,
        start: "CounterStart | None" = None,
    ) -> None:
        self.network, self.session, self.costs, self.start = network, session, costs, start or CounterStart()
        self.replicates = np.arange(FIRST_SAMPLE, FIRST_SAMPLE + samples)
        self.samples_used = samples
        rows = session_rows(network, session)
        self.offsets = rows.offsets
        self.words = np.array(rows.words) + (np.uint64(rows.base) << SHIFT)
        self.closed = np.zeros(network.n_ids, np.uint8)
        self.closed[[*session.blocked, *network.reserved.tolist()]] = 1
        self.transmissions = stream(session.random_seed, Purpose.TRANSMISSION)

    def ranked(self, action: Action, method: Method, budget: float, progress: Progress) -> npt.NDArray[np.int64]:
        """Return what a method chooses, in its order: agents (dense ids) or places of edges that cost at most `budget`.

        Fewer are returned if nothing is left to choose, or the greedy method finds nothing that saves anyone.
        """
        if method == "greedy":
            if action == "counter_message":
                return self._counter_seeds(budget, progress)
            return self._greedy(budget, progress, edges=action == "block_edges")
        if action == "block_edges":
            return self._largest(self._edge_scores(method), self._open_edges, budget)
        return self._largest(self._agent_scores(method), self._open_agents, budget)

    def _largest(
        self, scores: npt.NDArray[np.float64], allowed: npt.NDArray[np.bool_], budget: float
    ) -> npt.NDArray[np.int64]:
        """Return the positions of the largest scores that are allowed and can be paid, ties by position."""
        costs = self._costs(len(scores))
        there = np.flatnonzero(allowed & (costs <= budget))
        order = there[np.argsort(-scores[there], kind="stable")]
        if self.costs is None:
            return order[: int(budget)]
        chosen = []
        for place in order.tolist():
            if costs[place] <= budget:
                budget -= costs[place]
                chosen.append(place)
        return np.array(chosen, np.int64)

    def _costs(self, length: int) -> npt.NDArray[np.float64]:
        return np.ones(length) if self.costs is None else self.costs

    # -- greedy ---------------------------------------------------------------------------------------------------

    def _greedy(self, budget: float, progress: Progress, *, edges: bool) -> npt.NDArray[np.int64]:
        """Return the agents or edges of which each saves most for its cost after those before it, while any does.

        If one that can be paid saves more than all of these together, it is returned instead.
        """
        closed, words = self.closed.copy(), self.words.copy()
        costs, left, total = self._costs(len(words) if edges else len(closed)), budget, math.ceil(budget)
        chosen, gains, alone = list[int](), list[int](), None
        while True:
            progress("choosing", total - math.ceil(left), total)
            saved = np.where(costs <= left, self._saved(words, closed, edges=edges), 0)
            alone = saved if alone is None else alone
            best = int(np.argmax(saved / costs))
            if saved[best] <= 0:
                break
            left -= costs[best]
            chosen.append(best)
            gains.append(int(saved[best]))
            if edges:
                words[best] &= (np.uint64(1) << SHIFT) - np.uint64(1)
            else:
                closed[best] = 1
        progress("choosing", total, total)
        return better_of(np.array(chosen, np.int64), np.array(gains, np.int64), np.arange(len(alone)), alone)[0]

    def _saved(
        self, words: npt.NDArray[np.uint64], closed: npt.NDArray[np.uint8], *, edges: bool
    ) -> npt.NDArray[np.int64]:
        """Return the agents that blocking each agent, or each edge, would save, summed over the samples."""

        def counted(replicates: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            by_agent = np.zeros(self.network.n_ids, np.int64)
            by_edge = np.zeros(len(words) if edges else 0, np.int64)
            live_edges.count_saved(
                self.offsets, words, self.transmissions, replicates, self.session.seed_array, closed,
                np.int64(self.session.max_rounds), *self._scratch(), by_agent, by_edge,
            )  # fmt: skip
            return by_edge if edges else by_agent

        threads = min(sum(OwnThreads().nthreads().values()), len(self.replicates))
        running = [submit(counted, part) for part in np.array_split(self.replicates, threads)]
        return np.sum([each.result() for each in running], axis=0)

    def _counter_seeds(self, budget: float, progress: Progress) -> npt.NDArray[np.int64]:
        """Return agents from whom a second message reaches most agents before the first one does.

        An agent that the first message reaches in round d is saved by any agent fewer than d - delay live edges away
        from it, or at most so many if ties fall to the counter-message; ties at random count as not saved. So the
        choice is a maximum coverage, which the greedy one solves within 1 - 1/e if all agents cost the same.
        """
        total = math.ceil(budget)
        progress("choosing", 0, total)
        n, samples = self.network.n_ids, len(self.replicates)
        most = max(LISTS // samples, 1)
        ends = np.zeros(2 * LISTS + samples + 2, np.int64)
        members = np.empty(min(LISTED, 2 * LISTS * n), np.int32)
        back = self.network.transpose
        chances = (self.words[back.edges] >> SHIFT).astype(np.int64)
        self.samples_used, weight_of_sample, last = live_edges.closer_agents(
            self.offsets, self.words, back.offsets, back.targets, chances, self.transmissions,
            stream(self.session.random_seed, Purpose.SEEDING, _CHOICE), self.replicates, self.session.seed_array,
            self.closed, np.int64(self.session.max_rounds), np.int64(self.start.delay),
            np.int64(self.start.ties == "counter_message"), np.int64(most), *self._scratch(), ends, members,
        )  # fmt: skip
        if self.samples_used < samples:
            logger.warning(
                "the counter-message is placed on %s cascades instead of %s: more do not fit in the memory reserved "
                "for those who could reach an agent first; ask for fewer samples, or limit the rounds",
                f"{self.samples_used:,}", f"{samples:,}",
            )  # fmt: skip
        last = np.maximum.accumulate(last)  # samples for which there was no room have no lists
        n_sets = int(last[-1])
        ends, members = ends[: n_sets + 1], members[: ends[n_sets]]
        weights = weight_of_sample[np.searchsorted(last, np.arange(n_sets), side="right")]
        lists = np.repeat(np.arange(n_sets), np.diff(ends))
        order = np.argsort(members, kind="stable")
        containing_ends = np.concatenate([[0], np.cumsum(np.bincount(members, minlength=n))])
        gain = np.bincount(members, weights[lists], minlength=n)
        costs = self._costs(n)
        alone = np.where(costs <= budget, gain, 0.0)
        found, gains = live_edges.cover(
            ends, members, weights, containing_ends, lists[order], gain, costs, float(budget)
        )  # fmt: skip
        progress("choosing", total, total)
        return better_of(found, gains, np.arange(n), alone)[0].astype(np.int64)

    def _scratch(self) -> tuple[npt.NDArray[np.generic], ...]:
        """Scratch arrays of the kernels: position, agents, first, target, edge."""
        n, m = self.network.n_ids, len(self.words)
        return np.zeros(n, np.int32), np.empty(n, np.int32), np.empty(n + 1, np.int64), np.empty(m, np.int32), \
            np.empty(m, np.int64)  # fmt: skip

    # -- rankings -------------------------------------------------------------------------------------------------

    @cached_property
    def _open_agents(self) -> npt.NDArray[np.bool_]:
        """Whether each agent can be chosen: neither blocked nor a seed, (n,) bool."""
        found = self.closed == 0
        found[list(self.session.seeds)] = False
        return found

    @cached_property
    def _open_edges(self) -> npt.NDArray[np.bool_]:
        """Whether a message can pass along each edge, to an agent that is no seed, (m,) bool."""
        targets = self.network.sparse_rows.targets
        found = (self.closed[targets] == 0) & (self.words >> SHIFT > 0)
        found &= (self.closed == 0)[self._sources]
        found[np.isin(targets, self.session.seed_array)] = False
        return found

    @cached_property
    def _sources(self) -> npt.NDArray[np.int64]:
        """Source of each edge, (m,) int64."""
        return self.network.sparse_rows.sources(0, len(self.words))

    def _agent_scores(self, method: Method) -> npt.NDArray[np.float64]:
        if method == "degree":
            return self.network.out_degree.astype(np.float64)
        if method == "pagerank":
            return pagerank(self.network)
        draws = agent_hashes(stream(self.session.random_seed, Purpose.SEEDING, _CHOICE), np.arange(self.network.n_ids))
        return draws.astype(np.float64)

    def _edge_scores(self, method: Method) -> npt.NDArray[np.float64]:
        """Return the product of the ends' out-degrees; the source's PageRank per out-edge; or draws."""
        sources, targets = self._sources, self.network.sparse_rows.targets
        degree = self.network.out_degree.astype(np.float64)
        if method == "degree":
            return degree[sources] * degree[targets]
        if method == "pagerank":
            return pagerank(self.network)[sources] / degree[sources]
        draws = edge_hashes(stream(self.session.random_seed, Purpose.SEEDING, _CHOICE), sources, targets)
        return draws.astype(np.float64)
