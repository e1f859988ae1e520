"""Threshold models where one worker has all partitions, and memory for their edges: no mail, each lane by itself.

A thread takes a lane through some rounds in all partitions before it takes the next, so that what the lane's sums lack
is in the processor's cache. Between, and from task to task, that is kept by lane, for agents that somebody has added
to; a checkpoint has it by partition, and may be taken up by partitions that send each other mail.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.compiled_rules import constant_array
from propagation.kernels import thresholds as kernels
from propagation.kernels.lane_arrays import Events
from propagation.kernels.partitioned_thresholds import Added
from propagation.kernels.partitions import Live, Touched
from propagation.kernels.thresholds import LaneSums
from propagation.plans.broadcast.batch_runner import Scratch
from propagation.plans.partitioned.cascade_partitions import round_counts
from propagation.plans.partitioned.partitions import PartitionState, Sent, read_only
from propagation.plans.partitioned.threshold_partitions import ThresholdPartition, activated
from propagation.plans.stopping import check_stop, stop_flag

FIRST_ROUNDS, MORE_ROUNDS = 4, 8
"""Measured: how many rounds a lane goes before the next one does, at first; how many times as many each time after."""
LANES_TOGETHER = 16
"""How many lanes a thread takes at a time, or fewer."""
LaneEvents = tuple[npt.NDArray[np.int32], Events]
"""Activations, and the lane of each."""


class ThresholdLanes(ThresholdPartition):
    """A range of agents in lanes that `advance_lanes` runs in all partitions.

    A log has one entry: the seeds, what a checkpoint held, or what the lanes have come to in all partitions.
    """

    def initial(self) -> Any:
        """Return nothing: there are no dense arrays."""

    def states(self, state: PartitionState) -> None:
        """Return nothing: there are no dense arrays."""

    def keep(self, state: PartitionState, states: Any) -> None:
        """Keep nothing."""

    def begun(self, states: Any) -> PartitionState:  # noqa: ARG002 (there are none)
        """Return the state of round 0: the seeds."""
        return self.started(activated(*self.wave.seeds(self.number)))

    def sent(self, states: Any, state: PartitionState) -> Sent:  # noqa: ARG002 (there are none, and no mail)
        """Return no mail."""
        return self.nothing_sent()

    def listed(self, states: Any, state: PartitionState) -> tuple[Touched, Live]:  # noqa: ARG002 (there are none)
        """Return the agents that are reached, or whose sums are above 0, and the newly active, of lanes that go on."""
        sums, live, none = self.sums_of(state), self.live_rows(state), np.empty(0, np.int32)
        width, every = np.int64(self.wave.network.n_ids), np.arange(self.lanes)
        own = np.flatnonzero((sums.agent >= self.first) & (sums.agent < self.first + self.size))
        key = (np.searchsorted(sums.ends, own, side="right") - 1) * width + sums.agent[own]
        own, key = own[np.argsort(key)], np.sort(key)
        compartment = np.where(sums.is_reached[own], self.spent, 0).astype(np.uint8)
        compartment[np.searchsorted(key, np.repeat(every, np.diff(live.ends)) * width + live.agent)] = self.newly
        ends, agent = np.searchsorted(key, np.arange(self.lanes + 1) * width), sums.agent[own]
        return Touched(ends, agent, compartment, none, self._rest(ends, agent, sums.lacking[own]), none), live

    def taken_up(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round of which `listed` returned these."""
        return PartitionState(number, (touched,), activated(live.ends, live.agent))

    def sums_of(self, state: PartitionState) -> LaneSums:
        """Return what the lanes have come to, in this partition at least."""
        (entry,), live = state.log, state.live
        if isinstance(entry, LaneSums):
            return entry
        if isinstance(entry, Added):  # seeds
            lacking, is_reached = np.zeros(len(live.agent), np.uint32), np.ones(len(live.agent), np.uint8)
            return LaneSums(live.ends, live.agent, lacking, is_reached, live.ends, live.agent)
        lacking = self._rest(entry.ends, entry.agent, entry.weight).astype(np.uint32)
        is_reached = (entry.compartment != 0).astype(np.uint8)
        return LaneSums(entry.ends, entry.agent, lacking, is_reached, live.ends, live.agent)

    def _rest(
        self, ends: npt.NDArray[np.int64], agent: npt.NDArray[np.int32], weights: npt.NDArray[Any]
    ) -> npt.NDArray[np.int64]:
        """Return what sums lack of the thresholds of their agents, or the sums of those that lack so much."""
        rest: npt.NDArray[np.int64] = kernels.rest_of_thresholds(
            *self.thresholds, self.wave.salts, constant_array(ends), constant_array(agent),
            constant_array(weights.astype(np.int64)),
        )  # fmt: skip
        return rest


def advance_lanes(
    partitions: Sequence[ThresholdLanes], rounds: int, seconds: float, threads: int, states: Sequence[PartitionState]
) -> list[PartitionState]:
    """Run rounds of all partitions, as long as there is anything to do.

    Parameters
    ----------
    partitions : sequence of ThresholdLanes
        All of a wave.
    rounds : int
        At most so many.
    seconds : float
        After so many, lanes stop at the round to which all have come.
    threads : int
        How many lanes are worked on at the same time.
    states : sequence of PartitionState
        Of all partitions after the same round.

    Raises
    ------
    StoppedError
        If the job's stop flag is set.
    """
    course, until = _Course(partitions, states, threads), perf_counter() + seconds
    more, took = FIRST_ROUNDS, 0.0
    with ThreadPoolExecutor(threads) as pool:
        while course.done < rounds and not course.is_over:
            begun = perf_counter()
            if course.done:
                if begun > until:
                    break
                more = min(MORE_ROUNDS * more, max(1, int(more * (until - begun) / took)))
            more = min(more, rounds - course.done)
            course.run(more, pool)
            took = perf_counter() - begun
    return course.states()


class _Scratch(Scratch):
    """Arrays that a thread works in, clear between lanes."""

    def __init__(self, n_agents: int, stop: npt.NDArray[np.uint8]) -> None:
        super().__init__(n_agents, stop, 1)
        self.lacking, self.added = np.zeros(n_agents, np.uint32), np.empty(n_agents + 1, np.int32)


class _Course:
    """The lanes of a wave on their way through some rounds."""

    def __init__(self, partitions: Sequence[ThresholdLanes], before: Sequence[PartitionState], threads: int) -> None:
        self.partitions, self.before, self.wave = partitions, before, partitions[0].wave
        self.recorded = self.wave.one.records("reach")
        lanes = partitions[0].lanes
        turns = math.ceil(lanes / (threads * LANES_TOGETHER))
        self.starts = range(0, lanes, math.ceil(lanes / (threads * turns)))
        found = [one.sums_of(state) for one, state in zip(partitions, before, strict=True)]
        self.parts = list(_cut(found[0] if isinstance(before[0].log[0], LaneSums) else _joined(found), self.starts))
        self.scratch = [_Scratch(self.wave.network.n_ids, stop_flag(self.wave.job)) for _ in range(threads)]
        self.done = 0
        self.counts: list[npt.NDArray[np.int64]] = []  # (partitions, rounds, lanes) each
        self.events: list[list[LaneEvents]] = [[] for _ in partitions]

    @property
    def is_over(self) -> bool:
        """Whether no agent is live in any lane."""
        return not any(len(part.live) for part in self.parts)

    def run(self, rounds: int, pool: ThreadPoolExecutor) -> None:
        """Run so many rounds, or as many as there are."""
        found = list(pool.map(lambda start, part: self._run_part(start, part, rounds), self.starts, self.parts))
        self.parts = [after for after, _, _ in found]
        for _, _, events in found:
            for own, more in zip(self.events, events, strict=True):
                own += [more] if len(more[0]) else []
        counts = np.concatenate([of_part for _, of_part, _ in found], axis=2)
        if self.is_over:  # in the last round nobody is activated
            counts = counts[:, : np.count_nonzero(counts.any(axis=(0, 2))) + 1]
        self.counts.append(counts)
        self.done += counts.shape[1]

    def _run_part(
        self, start: int, part: LaneSums, rounds: int
    ) -> tuple[LaneSums, npt.NDArray[np.int64], list[LaneEvents]]:
        """Run rounds of some lanes; return what they have come to, the counts, and the activations if recorded."""
        wave, edges, one, own = self.wave, self.wave.edges, self.partitions[0], self.scratch.pop()
        after, counts, ends, agents = kernels.threshold_rounds(
            edges.offsets, edges.words, edges.base, *one.thresholds, wave.salts[start : start + len(part.ends) - 1],
            wave.starts, read_only(part), np.int64(rounds), np.int64(self.recorded), own.stop, own.reached_bits,
            own.arrived, own.queue, own.lacking, own.added,
        )  # fmt: skip
        self.scratch.append(own)
        check_stop(wave.job)
        lane, number = np.divmod(np.repeat(np.arange(len(ends) - 1), np.diff(ends)), rounds)
        first = self.before[0].number + self.done + 1
        return after, counts, _events(wave.firsts, agents, start + lane, first + number)

    def states(self) -> list[PartitionState]:
        """Return the states of all partitions."""
        if not self.done:
            return list(self.before)
        lanes, counts = _together(self.parts), np.concatenate(self.counts, axis=1)
        return [
            self._state(*each, lanes) for each in zip(self.partitions, self.before, counts, self.events, strict=True)
        ]

    def _state(
        self,
        one: ThresholdLanes,
        before: PartitionState,
        new: npt.NDArray[np.int64],
        events: list[LaneEvents],
        lanes: LaneSums,
    ) -> PartitionState:
        """Return the state of a partition, in which so many agents were activated, (rounds, lanes)."""
        low, high = int(one.first), int(one.first) + one.size
        were_live = np.concatenate([one.lane_counts(before.live)[None], new[:-1]])
        own = (lanes.live >= low) & (lanes.live < high)
        return dataclasses.replace(
            before,
            number=before.number + self.done,
            log=(lanes,),
            live=activated(np.concatenate([[0], np.cumsum(new[-1])]), lanes.live[own]),
            counts=(*before.counts, *round_counts(new, were_live > 0)),
            events=(*before.events, *events),
        )


def _events(
    firsts: npt.NDArray[np.int64], agent: npt.NDArray[np.int32], lane: npt.NDArray[Any], number: npt.NDArray[Any]
) -> list[LaneEvents]:
    """Return activations by partition: agents, the lanes in which and the rounds at which they were activated."""
    partition = np.searchsorted(firsts, agent, side="right") - 1
    order = np.argsort(partition, kind="stable")
    agent, lane, number = agent[order], lane[order].astype(np.int32), number[order].astype(np.int32)
    events = Events(agent, number, np.full_like(agent, -1), np.ones_like(agent))
    cuts = np.searchsorted(partition[order], np.arange(len(firsts)))
    parts = [slice(low, high) for low, high in itertools.pairwise(cuts.tolist())]
    return [(lane[own], Events(*(column[own] for column in events))) for own in parts]


def _joined(partitions: Sequence[LaneSums]) -> LaneSums:
    """Return what lanes have come to in all partitions, of what they have come to in each."""
    order, ends = _by_lane([one.ends for one in partitions])
    _, *columns, _, _ = zip(*partitions, strict=True)
    agent, lacking, is_reached = (np.concatenate(column)[order] for column in columns)
    order_of_live, live_ends = _by_lane([one.live_ends for one in partitions])
    live = np.concatenate([one.live for one in partitions])[order_of_live]
    return LaneSums(ends, agent, lacking, is_reached, live_ends, live)


def _by_lane(ends: Sequence[npt.NDArray[np.int64]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the order by lane of rows that lie one after the other, each by lane, and where each lane then ends."""
    sizes = [np.diff(own) for own in ends]
    order = np.argsort(np.concatenate([np.repeat(np.arange(len(own)), own) for own in sizes]), kind="stable")
    return order, np.concatenate([[0], np.cumsum(np.sum(sizes, axis=0))])


def _cut(lanes: LaneSums, starts: range) -> Iterator[LaneSums]:
    """Yield what some lanes have come to after the other."""
    for start in starts:
        here = slice(start, start + starts.step + 1)
        (ends, low, high), (live_ends, first, last) = (
            (own[here] - own[start], own[start], own[here][-1]) for own in (lanes.ends, lanes.live_ends)
        )
        own = slice(low, high)
        agent, lacking, is_reached = lanes.agent[own], lanes.lacking[own], lanes.is_reached[own]
        yield LaneSums(ends, agent, lacking, is_reached, live_ends, lanes.live[first:last])


def _together(parts: Sequence[LaneSums]) -> LaneSums:
    """Return what the lanes of all parts have come to."""
    columns = list(zip(*parts, strict=True))
    ends, live_ends = (
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(own) for own in columns[i]]))]) for i in (0, 4)
    )
    agent, lacking, is_reached, live = (np.concatenate(columns[i]) for i in (1, 2, 3, 5))
    return LaneSums(ends, agent, lacking, is_reached, live_ends, live)
