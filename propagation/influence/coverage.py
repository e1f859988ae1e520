"""Maximum coverage: the agents that are in most of the sets, chosen greedily, and a bound on what others could cover.

Gains only shrink as more sets are covered, so a gain computed earlier bounds today's, and most are never computed again
(CELF: Leskovec et al., KDD 2007). Within costs, agents are chosen by gain per cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from propagation.influence.incoming_rows import equal_shares
from propagation.influence.problem import InfluenceProblem
from propagation.kernels.primitives import bit_count
from propagation.own_threads import in_parallel

_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, eq=False)
class SetBlock:
    """Consecutive sets: each with its members, or a word of 64 sets with the agents in any of them.

    Attributes
    ----------
    first : int
        Number of the first set, or of the word.
    ends : (k,) int64
        Where the members of each set end; one entry for a word.
    members : (m,) int32
    lanes : (m,) uint64 or None
        In which of the 64 sets of a word each member is.
    """

    first: int
    ends: npt.NDArray[np.int64]
    members: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.uint64] | None = None


@dataclass(frozen=True, eq=False)
class CoverageIndex:
    """Sets by agent.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Where the entries of each agent begin.
    numbers : (m,) int32
        Numbers of the sets that an agent is in, or of the words, ascending.
    lanes : (m,) uint64, or length 0
        Sets of the word; length 0 if sets are not packed.
    counts : (n,) int64
        Sets that each agent is in.
    words : int
        Words of 64 sets each.
    """

    offsets: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int32]
    lanes: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]
    words: int

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.offsets.nbytes + self.numbers.nbytes + self.lanes.nbytes + self.counts.nbytes


@dataclass(frozen=True, eq=False)
class Cover:
    """Agents chosen to cover sets.

    Attributes
    ----------
    seeds : (k,) int32
        In the order chosen.
    gains : (k,) int64
        Sets that each covers and those before it do not.
    given : int
        Sets covered by the given seeds.
    most : float
        No choice within the budget covers more sets, the given seeds' included.
    """

    seeds: npt.NDArray[np.int32]
    gains: npt.NDArray[np.int64]
    given: int
    most: float

    @property
    def covered(self) -> int:
        """Sets that the given and the chosen seeds cover."""
        return self.given + int(self.gains.sum())


def indexed(blocks: Sequence[SetBlock], n_agents: int) -> CoverageIndex:
    """Return the sets of blocks by agent; threads work on different agents.

    Parameters
    ----------
    blocks : sequence of SetBlock
        Ascending by number, all of them packed or none.
    n_agents : int
    """
    entries = np.zeros(n_agents + 1, np.int64)
    for block in blocks:
        _count(block.members, entries)
    offsets = np.cumsum(entries)
    packed = bool(blocks) and blocks[0].lanes is not None
    numbers = np.empty(offsets[-1], np.int32)
    lanes = np.empty(offsets[-1] if packed else 0, np.uint64)
    starts, nothing = offsets[:-1].copy(), np.empty(0, np.uint64)

    def place(first: int, last: int) -> None:
        for block in blocks:
            of_block = nothing if block.lanes is None else block.lanes
            _place(np.int64(block.first), block.ends, block.members, of_block, first, last, starts, numbers, lanes)

    in_parallel(place, equal_shares(offsets))
    counts = np.diff(offsets)
    if packed:
        last_set = blocks[-1].first + 1
        counts = _lane_sums(offsets, lanes)
    else:
        last_set = (blocks[-1].first + len(blocks[-1].ends) + 63) // 64 if blocks else 0
    return CoverageIndex(offsets, numbers, lanes, counts, last_set)


@numba.njit(nogil=True, cache=True)
def _count(members, entries):  # type: ignore[no-untyped-def]
    for agent in members:
        entries[agent + 1] += 1


@numba.njit(nogil=True, cache=True)
def _place(first_number, ends, members, of_block, first, last, starts, numbers, lanes):  # type: ignore[no-untyped-def]
    """Write the entries of the agents in ``[first, last)``; `starts` holds the next free place of each agent."""
    begin = 0
    for i in range(len(ends)):
        for position in range(begin, ends[i]):
            agent = members[position]
            if first <= agent < last:
                at = starts[agent]
                numbers[at] = first_number + i
                if len(of_block) > 0:
                    lanes[at] = of_block[position]
                starts[agent] = at + 1
        begin = ends[i]


@numba.njit(nogil=True, cache=True)
def _lane_sums(offsets, lanes):  # type: ignore[no-untyped-def]
    counts = np.zeros(len(offsets) - 1, np.int64)
    for agent in range(len(counts)):
        for entry in range(offsets[agent], offsets[agent + 1]):
            counts[agent] += bit_count(lanes[entry])
    return counts


@numba.njit(nogil=True, cache=True, forceinline=True)
def _gain(offsets, numbers, lanes, covered, agent):  # type: ignore[no-untyped-def]
    """Return how many sets an agent is in that are not covered."""
    gain = np.int64(0)
    for entry in range(np.uint64(offsets[agent]), np.uint64(offsets[agent + 1])):
        number = np.uint64(numbers[entry])
        if len(lanes) > 0:
            gain += bit_count(lanes[entry] & ~covered[number])
        else:
            gain += np.int64(~(covered[number >> np.uint64(6)] >> (number & np.uint64(63))) & _ONE)
    return gain


@numba.njit(nogil=True, cache=True, forceinline=True)
def _cover(offsets, numbers, lanes, covered, agent):  # type: ignore[no-untyped-def]
    """Mark the sets that an agent is in as covered."""
    for entry in range(np.uint64(offsets[agent]), np.uint64(offsets[agent + 1])):
        number = np.uint64(numbers[entry])
        if len(lanes) > 0:
            covered[number] |= lanes[entry]
        else:
            covered[number >> np.uint64(6)] |= _ONE << (number & np.uint64(63))


@numba.njit(nogil=True, cache=True, forceinline=True)
def sift_down(scores, agents, stamps, place, size):  # type: ignore[no-untyped-def]
    """Move an item of a heap down to where it belongs: the largest score is first, of equal ones the lowest id."""
    score, agent, stamp = scores[place], agents[place], stamps[place]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            scores[other] > scores[child] or (scores[other] == scores[child] and agents[other] < agents[child])
        ):
            child = other
        if scores[child] < score or (scores[child] == score and agents[child] > agent):
            break
        scores[place], agents[place], stamps[place] = scores[child], agents[child], stamps[child]
        place = child
    scores[place], agents[place], stamps[place] = score, agent, stamp


@numba.njit(nogil=True, cache=True, forceinline=True)
def make_heap(scores, agents, stamps):  # type: ignore[no-untyped-def]
    """Order items so that the first one has the largest score, as `sift_down` keeps them."""
    for place in range(len(agents) // 2 - 1, -1, -1):
        sift_down(scores, agents, stamps, place, len(agents))


@numba.njit(nogil=True, cache=True, forceinline=True)
def drop_first(scores, agents, stamps, size):  # type: ignore[no-untyped-def]
    """Remove the first of `size` items of a heap; return how many are left."""
    size -= 1
    scores[0], agents[0], stamps[0] = scores[size], agents[size], stamps[size]
    sift_down(scores, agents, stamps, 0, size)
    return size


@numba.njit(nogil=True, cache=True)
def _cover_given(offsets, numbers, lanes, covered, given):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    for agent in given:
        total += _gain(offsets, numbers, lanes, covered, np.int64(agent))
        _cover(offsets, numbers, lanes, covered, np.int64(agent))
    return total


@numba.njit(nogil=True, cache=True)
def _gains(offsets, numbers, lanes, covered, agents, gains):  # type: ignore[no-untyped-def]
    for i in range(len(agents)):
        gains[i] = _gain(offsets, numbers, lanes, covered, np.int64(agents[i]))


@numba.njit(nogil=True, cache=True)
def _lazy_greedy(  # type: ignore[no-untyped-def]
    offsets, numbers, lanes, covered, scores, agents, costs, budget, most, seeds, gains,
):  # fmt: skip
    """Choose agents greedily, by gain or by gain per cost, until the budget is spent; return how many were chosen.

    Parameters
    ----------
    covered : (words,) uint64
        In and out: sets that are covered, one bit each.
    scores : (k,) float64
        In and scratch: current gain of each agent, per cost.
    agents : (k,) int32
        In and scratch: those that may be chosen.
    costs : (n,) float64, or length 0
    budget : float64
        Most that the seeds may cost; without costs, `most` alone limits them.
    most : int64
        Most agents to choose.
    seeds, gains : (most,) int32 and int64
        Out.
    """
    size, chosen = np.int64(len(agents)), 0
    stamps = np.zeros(size, np.int32)
    make_heap(scores, agents, stamps)
    while chosen < most and size > 0:
        agent = np.int64(agents[0])
        cost = costs[agent] if len(costs) > 0 else 1.0
        affordable = len(costs) == 0 or cost <= budget
        if affordable and stamps[0] < chosen:  # computed before the last choice: an upper bound
            scores[0] = _gain(offsets, numbers, lanes, covered, agent) / cost
            stamps[0] = chosen
            sift_down(scores, agents, stamps, 0, size)
            continue
        if affordable:
            seeds[chosen], gains[chosen] = agent, np.int64(np.round(scores[0] * cost))
            _cover(offsets, numbers, lanes, covered, agent)
            budget -= cost
            chosen += 1
        size = drop_first(scores, agents, stamps, size)
    return chosen


def better_of(
    chosen: npt.NDArray[Any], gains: npt.NDArray[Any], candidates: npt.NDArray[Any], alone: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return a greedy choice with its gains, or the single candidate that gains more than all of the choice together.

    By gain per cost alone, the greedy choice may spend its budget on cheap agents that gain next to nothing; the better
    of both is within 1 - 1/sqrt(e) of the best possible (Khuller, Moss, Naor: The budgeted maximum coverage problem.
    Information Processing Letters 70, 1999).

    Parameters
    ----------
    chosen, gains : (k,) integer, and integer or float64
        What was chosen, in that order, and what each added.
    candidates, alone : (m,) integer, and integer or float64
        What could have been chosen within the budget, and what each gains if nothing else is chosen.
    """
    if len(candidates) and alone.max() > gains.sum():
        best = int(np.argmax(alone))
        return candidates[best : best + 1], alone[best : best + 1]
    return chosen, gains


def greedy_cover(index: CoverageIndex, problem: InfluenceProblem) -> Cover:
    """Return the seeds of a problem that cover most sets, by lazy greedy choice.

    Without costs they cover at least 1 - 1/e of what is possible (Nemhauser, Wolsey, Fisher 1978); with costs, see
    `better_of`.
    """
    covered = np.zeros(index.words, np.uint64)
    given = int(_cover_given(index.offsets, index.numbers, index.lanes, covered, problem.given))
    agents = np.flatnonzero(problem.may_be_seeded & (index.counts > 0)).astype(np.int32)
    before = _parallel_gains(index, covered, agents) if given else index.counts[agents]
    costs = np.empty(0) if problem.costs is None else problem.costs
    most = problem.most_seeds
    seeds, gains = np.empty(most, np.int32), np.zeros(most, np.int64)
    scores = before / costs[agents] if len(costs) else before.astype(np.float64)
    budget = np.float64(problem.budget)
    chosen = _lazy_greedy(
        index.offsets, index.numbers, index.lanes, covered, scores, agents.copy(), costs, budget, np.int64(most), seeds,
        gains,
    )  # fmt: skip
    seeds, gains = seeds[:chosen], gains[:chosen]
    after = _parallel_gains(index, covered, agents)
    most_covered = min(
        given + _largest_sum(before, agents, problem), given + int(gains.sum()) + _largest_sum(after, agents, problem)
    )
    if len(costs):
        seeds, gains = better_of(seeds, gains, agents, before)
    if not len(costs) and chosen < most:  # every set is covered: any further agents will do
        others = np.setdiff1d(np.flatnonzero(problem.may_be_seeded), seeds)[: most - chosen].astype(np.int32)
        seeds, gains = np.concatenate([seeds, others]), np.concatenate([gains, np.zeros(len(others), np.int64)])
    return Cover(seeds, gains, given, most_covered)


def _parallel_gains(
    index: CoverageIndex, covered: npt.NDArray[np.uint64], agents: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Return how many sets that are not covered each of some agents is in, (k,) int64."""
    gains = np.empty(len(agents), np.int64)

    def count(first: int, last: int) -> None:
        part = slice(first, last)
        _gains(index.offsets, index.numbers, index.lanes, covered, agents[part], gains[part])

    in_parallel(count, equal_shares(np.concatenate([[0], np.cumsum(np.diff(index.offsets)[agents])])))
    return gains


def _largest_sum(gains: npt.NDArray[np.int64], agents: npt.NDArray[np.int32], problem: InfluenceProblem) -> float:
    """Return the most that gains within the budget can sum to; with costs, agents may be taken in part."""
    if not len(gains):
        return 0.0
    if problem.costs is None:
        most = min(problem.most_seeds, len(gains))
        return float(np.partition(gains, len(gains) - most)[len(gains) - most :].sum())
    costs = problem.costs[agents]
    order = np.argsort(-gains / costs, kind="stable")
    spent = np.cumsum(costs[order])
    whole = int(np.searchsorted(spent, problem.budget, side="right"))
    total = float(gains[order[:whole]].sum())
    if whole < len(order):
        left = problem.budget - (spent[whole - 1] if whole else 0.0)
        total += float(gains[order[whole]] * left / costs[order[whole]])
    return total
