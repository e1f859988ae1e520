"""Sketches of symmetric networks: sampled networks whose components are what their agents reach.

With one constant probability and every edge in both directions, an edge and its opposite are never both tried to any
effect, so that one draw may decide both. What an agent reaches is then its component, the same for all agents in it,
and what it adds to others is the size of its component if none of them is in it. 64 sampled networks share a word, in
which an edge is hashed once: the fused sampling of Göktürk and Kaya (Boosting parallel influence-maximization kernels
for undirected networks with fusing and vectorization. IEEE TPDS 32, 2021). Seeds are chosen on the compressed
components, as in PaC-IM (Wang, Ding, Gu, Sun: Fast and space-efficient parallel algorithms for influence maximization.
VLDB 2023). The implementation is our own and runs in memory: 4 bytes per agent and sketch.
"""

import logging
import math
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from data.progress import Progress, ignore_progress
from propagation.draws import Purpose, chances, edge_key, replicate_salts, stream
from propagation.influence.coverage import better_of, drop_first, make_heap, sift_down
from propagation.influence.incoming_rows import equal_shares, is_symmetric
from propagation.influence.live_edges import EVENTUALLY
from propagation.influence.problem import InfluenceProblem, Selection
from propagation.kernels.primitives import lowest_bit
from propagation.kernels.simd_draws import lanes_hit
from propagation.own_threads import in_parallel

logger = logging.getLogger(__name__)

SKETCHES = 512
"""Sketches for an epsilon of 0.1; their number is inversely proportional to its square."""
FEWEST = 64
MOST_BYTES = 4 << 30
"""Memory for components: beyond it there are fewer sketches."""
LANES = 16
"""Sketches that a task makes together."""
SKETCH_STREAM = 100
"""Variant of the stream: behind those of the reverse-reachable sets."""
LARGE_GAIN = 1 / 128
"""A seed whose mean gain is this share of the network makes the gains of all agents be computed again; after a smaller
one they are upper bounds, computed again when they come first."""
_ONE, _LOW, _U32 = np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)


def are_components(problem: InfluenceProblem) -> str | None:
    """Return what a problem lacks for sketches of components, or None if it lacks nothing."""
    spread = problem.spread
    if spread.form != "cascade" or not spread.weights.is_uniform:
        return "independent cascades with one constant probability"
    if problem.max_rounds < EVENTUALLY:
        return "cascades without a limit on rounds"
    if not is_symmetric(problem.network):
        return "a symmetric network, in which every edge has its opposite"
    return None


@dataclass(frozen=True, eq=False)
class Sketches:
    """Components of sampled networks.

    Attributes
    ----------
    labels : (sketches, n) int32
        Component of each agent, -1 for agents without live edges.
    starts : (sketches,) int64
        Where the components of each sketch begin in `sizes`.
    sizes : (components,) float64
        Sum of the weights of each component's agents; 0 once a seed is in it.
    weights : (n,) float64
    """

    labels: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]


def number_of_sketches(n_agents: int, epsilon: float) -> int:
    """Return how many sketches to make: as epsilon and memory allow, in whole tasks."""
    wanted = max(SKETCHES * (0.1 / epsilon) ** 2, FEWEST)
    return max(int(min(wanted, MOST_BYTES / (4.0 * n_agents))) // LANES, 1) * LANES


def sampled_components(problem: InfluenceProblem, count: int, progress: Progress = ignore_progress) -> Sketches:
    """Return the components of `count` sampled networks, a multiple of `LANES`."""
    rows, n_agents = problem.network.sparse_rows, problem.n_agents
    chance = int(chances(min(float(problem.spread.weights.scheme), 1.0)))
    draws = stream(problem.random_seed, Purpose.INFLUENCE, SKETCH_STREAM)
    blocked = problem.is_blocked.view(np.uint8)
    weights = np.ones(n_agents) if problem.weights is None else problem.weights
    weights = np.where(problem.is_blocked, 0.0, weights)
    labels = np.empty((count, n_agents), np.int32)
    expected = rows.n_edges / 2 * chance / 2**32
    room = int(min(expected + 8 * math.sqrt(expected) + 64, rows.n_edges))

    def make(first: int) -> list[npt.NDArray[np.float64]]:
        live, sizes = np.empty((LANES, room), np.uint64), np.zeros(LANES, np.int64)
        salts = replicate_salts(np.arange(first, first + LANES))
        if chance:
            _live_edges(rows.offsets, rows.targets, np.uint32(chance - 1), draws, salts, blocked, live, sizes)
        root_sizes, found = np.empty(n_agents), []
        for lane in range(LANES):
            components = _components(live[lane, : sizes[lane]], weights, labels[first + lane], root_sizes)
            found.append(root_sizes[:components].copy())
        return found

    progress("sketches", 0, count)
    parts = in_parallel(make, [(first,) for first in range(0, count, LANES)])
    progress("sketches", count, count)
    sizes = [of_lane for part in parts for of_lane in part]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in sizes])])[:-1]
    return Sketches(labels, starts.astype(np.int64), np.concatenate(sizes), weights)


def select_by_components(problem: InfluenceProblem, epsilon: float, progress: Progress = ignore_progress) -> Selection:
    """Choose seeds greedily by the components that they are in, on average over sketches.

    With costs, the seeds are those by gain per cost, or the best single one; see
    `propagation.influence.coverage.better_of`.

    Parameters
    ----------
    problem : InfluenceProblem
        For which `are_components` returns None.
    epsilon : float
        0.1 means 512 sketches, 0.05 four times as many.
    progress : Progress, optional
    """
    count = number_of_sketches(problem.n_agents, epsilon)
    sketches = sampled_components(problem, count, progress)
    logger.info("%d sketches with %d components", count, len(sketches.sizes))
    # 1. The given seeds, whose components are of no use any more.
    labels, starts, sizes, weights = sketches.labels, sketches.starts, sketches.sizes, sketches.weights
    reach = 0.0
    for agent in problem.given:
        reach += _gain(labels, starts, sizes, weights, np.int64(agent))
        _cover(labels, starts, sizes, np.int64(agent))
    # 2. Choose seeds greedily, by gain or by gain per cost, until the budget is spent.
    agents = candidates = np.flatnonzero(problem.may_be_seeded).astype(np.int32)
    costs = np.empty(0) if problem.costs is None else problem.costs
    most, budget, chosen = problem.most_seeds, float(problem.budget), 0
    seeds, gains = np.empty(most, np.int32), np.zeros(most)
    alone = _all_gains(sketches)[candidates] if len(costs) else gains
    while chosen < most and len(agents):
        scores = _all_gains(sketches)[agents]
        if len(costs):
            scores /= costs[agents]
        size, chosen, budget = _choose(
            labels, starts, sizes, weights, scores, agents, costs, np.float64(budget), np.int64(most), np.int64(chosen),
            seeds, gains, problem.n_agents * count * LARGE_GAIN,
        )  # fmt: skip
        agents = agents[:size]
    seeds, gains = seeds[:chosen], gains[:chosen]
    if len(costs):
        seeds, gains = better_of(seeds, gains, candidates, alone)
    return Selection(seeds, "sketches", count, (reach + float(gains.sum())) / count)


def _all_gains(sketches: Sketches) -> npt.NDArray[np.float64]:
    """Return what each agent adds in all sketches together, (n,) float64."""
    gains = np.zeros(len(sketches.weights))
    ranges = equal_shares(np.arange(len(gains) + 1), None)

    def count(first: int, last: int) -> None:
        _add_gains(sketches.labels, sketches.starts, sketches.sizes, sketches.weights, first, last, gains)

    in_parallel(count, ranges)
    return gains


@numba.njit(nogil=True, cache=True)
def _live_edges(offsets, targets, last, stream, salts, blocked, live, sizes):  # type: ignore[no-untyped-def]
    """List the live edges of some sketches, each pair of agents once, as both ids in 64 bits.

    Parameters
    ----------
    last : uint32
        An edge is live if its draw is at most this.
    salts : (lanes,) uint32
    blocked : (n,) uint8
    live : (lanes, room) uint64
        Out; edges beyond the room, which are too improbable to occur, are left out.
    sizes : (lanes,) int64, zero
        Out: live edges of each sketch.
    """
    lanes, room = (_ONE << np.uint64(len(salts))) - _ONE, live.shape[1]
    for src in range(len(offsets) - 1):
        if blocked[src]:
            continue
        for edge in range(np.uint64(offsets[src]), np.uint64(offsets[src + 1])):
            dst = targets[edge]
            if dst <= src or blocked[dst]:
                continue
            hits = lanes_hit(edge_key(stream, src, dst), last, salts, lanes)
            while hits != 0:
                lane = lowest_bit(hits)
                hits &= hits - _ONE
                if sizes[lane] < room:
                    live[lane, sizes[lane]] = (np.uint64(src) << _U32) | np.uint64(dst)
                    sizes[lane] += 1


@numba.njit(nogil=True, cache=True)
def _components(live, weights, labels, sizes):  # type: ignore[no-untyped-def]
    """Label the components of one sketch; return how many have more than one agent.

    Parameters
    ----------
    live : (edges,) uint64
    weights : (n,) float64
    labels : (n,) int32
        Out: component of each agent, -1 for single agents.
    sizes : (n,) float64
        Out: sums of weights, as many as there are components.
    """
    # 1. The root of a component is its smallest id.
    for agent in range(len(labels)):
        labels[agent] = agent
    for i in range(len(live)):
        a, b = np.int64(live[i] >> _U32), np.int64(live[i] & _LOW)
        while labels[a] != a:
            labels[a] = labels[labels[a]]
            a = np.int64(labels[a])
        while labels[b] != b:
            labels[b] = labels[labels[b]]
            b = np.int64(labels[b])
        if a < b:
            labels[b] = a
        elif b < a:
            labels[a] = b
    # 2. Roots that others lead to are numbered, as ~number while the agents' own ids are still needed.
    count = 0
    for agent in range(len(labels)):
        above = np.int64(labels[agent])
        if above != agent:  # a smaller id: its own label is final, or it is a root that has not been numbered yet
            if labels[above] >= 0:
                labels[above] = np.int32(~count)
                sizes[count] = weights[above]
                count += 1
            labels[agent] = labels[above]
            sizes[~labels[agent]] += weights[agent]
    # 3. Numbers, and -1 for agents that are alone.
    for agent in range(len(labels)):
        labels[agent] = ~labels[agent] if labels[agent] < 0 else np.int32(-1)
    return count


@numba.njit(nogil=True, cache=True)
def _add_gains(labels, starts, sizes, weights, first, last, gains):  # type: ignore[no-untyped-def]
    for sketch in range(len(labels)):
        of_sketch, own = labels[sketch], sizes[starts[sketch] :]
        for agent in range(first, last):
            label = of_sketch[agent]
            gains[agent] += weights[agent] if label < 0 else own[label]


@numba.njit(nogil=True, cache=True)
def _gain(labels, starts, sizes, weights, agent):  # type: ignore[no-untyped-def]
    """Return what an agent adds in all sketches together."""
    gain = 0.0
    for sketch in range(len(labels)):
        label = labels[sketch, agent]
        gain += weights[agent] if label < 0 else sizes[starts[sketch] + label]
    return gain


@numba.njit(nogil=True, cache=True)
def _cover(labels, starts, sizes, agent):  # type: ignore[no-untyped-def]
    """Take away the components that an agent is in."""
    for sketch in range(len(labels)):
        if labels[sketch, agent] >= 0:
            sizes[starts[sketch] + labels[sketch, agent]] = 0.0


@numba.njit(nogil=True, cache=True)
def _choose(  # type: ignore[no-untyped-def]
    labels, starts, sizes, weights, scores, agents, costs, budget, most, chosen, seeds, gains, large,
):  # fmt: skip
    """Choose agents as `propagation.influence.coverage.greedy_cover` does, up to one with a gain of at least `large`.

    Returns
    -------
    size, chosen, budget : int, int and float
        Agents that may still be chosen, in front of `agents`; seeds so far; budget left.
    """
    size, begin = np.int64(len(agents)), chosen
    stamps = np.full(size, begin, np.int32)
    make_heap(scores, agents, stamps)
    while chosen < most and size > 0 and (chosen == begin or gains[chosen - 1] < large):
        agent = np.int64(agents[0])
        cost = costs[agent] if len(costs) > 0 else 1.0
        affordable = len(costs) == 0 or cost <= budget
        if affordable and stamps[0] < chosen:
            scores[0] = _gain(labels, starts, sizes, weights, agent) / cost
            stamps[0] = chosen
            sift_down(scores, agents, stamps, 0, size)
            continue
        if affordable:
            seeds[chosen], gains[chosen] = agent, scores[0] * cost
            _cover(labels, starts, sizes, agent)
            budget -= cost
            chosen += 1
        size = drop_first(scores, agents, stamps, size)
    return size, chosen, budget
