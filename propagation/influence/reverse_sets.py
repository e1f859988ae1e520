"""Collections of reverse-reachable sets, generated in parallel and indexed by agent.

Borgs, Brautbar, Chayes, Lucier: Maximizing social influence in nearly optimal time. SODA 2014. Where sets overlap,
64 of them are generated together, with a bit of a word each, and an agent is stored once for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from propagation.draws import Purpose, agent_draws, replicate_salts, stream
from propagation.influence.coverage import CoverageIndex, SetBlock, indexed
from propagation.influence.incoming_rows import IncomingRows, incoming_rows
from propagation.influence.problem import InfluenceProblem
from propagation.influence.reverse_kernels import (
    alike_rows,
    cascade_sets,
    epidemic_sets,
    packed_members,
    running_sums,
    threshold_sets,
)
from propagation.kernels.bit_packed_cascades import WORD
from propagation.kernels.cascades import packed_cascades
from propagation.own_threads import in_parallel

SETS_PER_TASK = 1024
ROOM = 1 << 20
"""Members for which a task has room at first, beside those of its last set."""
OVERLAP = 8.0
"""Sets are bit-packed if an agent is in so many of a word's sets, on average over the agents that are in any."""
CROWDED = 1 / 64
"""... and if the sets of a word have this many members for each agent of the network."""
EDGES, ROOTS, PERIODS, STREAMS = 0, 1, 2, 3
"""Streams of a collection, and how many it has."""
NOTHING = np.empty(0, np.uint8)


@dataclass(frozen=True, eq=False)
class ReverseSets:
    """The reverse-reachable sets of a problem in one collection, each generated from its number when asked for.

    Attributes
    ----------
    problem : InfluenceProblem
    collection : int
        Sets of different collections are independent.
    """

    problem: InfluenceProblem
    collection: int

    @cached_property
    def rows(self) -> IncomingRows:
        """In-edges with their chances."""
        return incoming_rows(self.problem.network, self.problem.spread.weights, self.problem.random_seed)

    def _stream(self, kind: int) -> np.uint64:
        return stream(self.problem.random_seed, Purpose.INFLUENCE, self.collection * STREAMS + kind)

    def roots(self, first: int, last: int) -> npt.NDArray[np.int32]:
        """Return the roots of sets `first` to `last` - 1: each agent with a probability proportional to its weight."""
        problem, numbers = self.problem, np.arange(first, last)
        high, low = (agent_draws(self._stream(ROOTS), trial, numbers) for trial in (0, 1))
        share = (high.astype(np.float64) * 2.0**21 + (low >> np.uint32(11))) * 2.0**-53
        if problem.weights is None:
            return problem.counted[(share * len(problem.counted)).astype(np.int64)]
        place = np.searchsorted(self._cumulative_weights, share * self._cumulative_weights[-1], side="right")
        return problem.counted[np.minimum(place, len(problem.counted) - 1)]

    @cached_property
    def _cumulative_weights(self) -> npt.NDArray[np.float64]:
        assert self.problem.weights is not None
        return np.cumsum(self.problem.weights[self.problem.counted])

    @cached_property
    def _sums(self) -> npt.NDArray[np.int64]:
        """Running sums of the chances of each row, for thresholds with edges of different weights."""
        if self.problem.spread.form != "threshold" or self.problem.spread.weights.is_uniform:
            return np.empty(0, np.int64)
        sums = np.empty(len(self.rows.words), np.int64)
        running_sums(self.rows.offsets, self.rows.words, np.int64(self.rows.base), sums)
        return sums

    @cached_property
    def _alike(self) -> npt.NDArray[np.uint8]:
        """Agents whose in-edges all have the same chance, one bit each."""
        alike = np.zeros(self.problem.n_agents // 8 + 1, np.uint8)
        alike_rows(self.rows.offsets, self.rows.words, alike)
        return alike

    def _prepare(self) -> None:
        """Make the arrays that threads share before these start."""
        _ = self.rows, self._alike if self.problem.spread.form == "cascade" else self._sums
        if self.problem.weights is not None:
            _ = self._cumulative_weights

    def blocks(self, first: int, last: int, *, packed: bool) -> list[SetBlock]:
        """Return sets `first` to `last` - 1, or more up to a whole word if `packed`."""
        self._prepare()
        if packed:
            return in_parallel(self.word, [(number,) for number in range(first, last, WORD)])
        parts = in_parallel(
            self._listed, [(at, min(at + SETS_PER_TASK, last)) for at in range(first, last, SETS_PER_TASK)]
        )
        return [block for part in parts for block in part]

    def _listed(self, first: int, last: int) -> list[SetBlock]:
        found, room = [], ROOM
        while first < last:
            members = np.empty(self.problem.n_agents + room, np.int32)
            done, ends = self._generated(first, last, NOTHING, members)
            size = int(ends[done - 1]) if done else 0
            found.append(SetBlock(first, ends[:done], members[:size].copy()))
            first, room = first + done, 4 * room
        return found

    def _generated(
        self, first: int, last: int, targets: npt.NDArray[np.uint8], members: npt.NDArray[np.int32]
    ) -> tuple[int, npt.NDArray[np.int64]]:
        problem, rows, spread = self.problem, self.rows, self.problem.spread
        roots, salts = self.roots(first, last), replicate_salts(np.arange(first, last))
        ends, edges = np.zeros(last - first, np.int64), self._stream(EDGES)
        reached, limit = problem.blocked_bits.copy(), np.int64(problem.max_rounds)
        if spread.form == "cascade":
            done = cascade_sets(
                rows.offsets, rows.words, np.int64(rows.base), self._alike, edges, roots, salts, limit, targets,
                problem.blocked_bits, reached, members, ends,
            )  # fmt: skip
        elif spread.form == "threshold":
            done = threshold_sets(
                rows.offsets, rows.words, self._sums, np.int64(rows.base), edges, roots, salts, limit, targets,
                problem.blocked_bits, reached, members, ends,
            )  # fmt: skip
        else:
            done = epidemic_sets(
                rows.offsets, rows.words, np.int64(rows.base), edges, self._stream(PERIODS), np.int64(spread.period),
                np.float64(spread.leaving), roots, salts, targets, problem.blocked_bits, reached, members, ends,
            )  # fmt: skip
        return done, ends

    def word(self, first: int) -> SetBlock:
        """Return 64 sets of independent live edges, generated together."""
        problem, rows = self.problem, self.rows
        roots, salts = self.roots(first, first + WORD), replicate_salts(np.arange(first, first + WORD))
        n_agents, room = problem.n_agents, np.empty(0, np.int64)
        state, frontier = np.zeros(2 * n_agents, np.uint64), np.zeros(n_agents, np.uint64)
        np.bitwise_or.at(frontier, roots, np.uint64(1) << np.arange(WORD, dtype=np.uint64))
        state[::2] = frontier
        state[::2][problem.is_blocked] = ~np.uint64(0)
        queue, arrived = np.empty(n_agents, np.int32), np.zeros(n_agents // 64 + 1, np.uint64)
        distinct = np.unique(roots)
        queue[: len(distinct)] = distinct
        n_queue, rounds = len(distinct), 1
        while n_queue and rounds <= problem.max_rounds:
            counts = np.zeros((64, WORD), np.int64)
            done, n_queue, _, _ = packed_cascades(
                rows.offsets, rows.words, np.int64(rows.base), self._stream(EDGES), salts, np.int64(rounds),
                np.int64(problem.max_rounds), np.zeros(1, np.uint8), state, frontier, arrived, queue,
                np.int64(n_queue), counts, room, room, np.empty(0, np.int32), np.int64(0),
            )  # fmt: skip
            rounds += done
        lanes = np.empty(n_agents, np.uint64)
        size = packed_members(state, problem.blocked_bits, queue, lanes)
        return SetBlock(first // WORD, np.array([size], np.int64), queue[:size].copy(), lanes[:size].copy())

    def overlap(self) -> bool:
        """Return whether sets overlap so much that they are worth packing, judged by the first word."""
        if self.problem.spread.form != "cascade":
            return False
        word = self.word(0)
        assert word.lanes is not None
        members = int(np.bitwise_count(word.lanes).sum())
        return members > OVERLAP * len(word.members) and members > CROWDED * self.problem.n_agents

    def index(self, blocks: Sequence[SetBlock]) -> CoverageIndex:
        """Return the sets of blocks by agent."""
        return indexed(blocks, self.problem.n_agents)

    def holding(self, first: int, last: int, seeds: npt.NDArray[np.int32]) -> int:
        """Return how many of the sets `first` to `last` - 1 hold a seed; a set is generated until it does."""
        self._prepare()
        targets = np.zeros(self.problem.n_agents, np.uint8)
        targets[seeds] = 1

        def count(low: int, high: int) -> int:
            done, found = self._generated(low, high, targets, np.empty(self.problem.n_agents, np.int32))
            assert done == high - low
            return int(found.sum())

        tasks = [(at, min(at + SETS_PER_TASK, last)) for at in range(first, last, SETS_PER_TASK)]
        return sum(in_parallel(count, tasks))
