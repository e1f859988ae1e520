"""A partition in lanes of epidemics in which nobody is infected twice: events are precomputed and scheduled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation import costs
from propagation.kernel_choice import is_epidemic
from propagation.kernels import epidemic_schedule as schedule_kernels
from propagation.kernels import scheduled_contacts as kernels
from propagation.kernels.epidemic_schedule import HORIZON, Entry, Scheduled
from propagation.kernels.lane_arrays import Messages
from propagation.kernels.messages import Inbox
from propagation.kernels.partitions import COUNTS, LaneStates, Live, Touched
from propagation.machine_speed import calibration
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.broadcast.event_queue_epidemics import EventQueueEpidemics
from propagation.plans.kernel_arrays import new_events, new_messages
from propagation.plans.partitioned.partitions import (
    PartitionState,
    Sent,
    extended_log,
    read_only,
    scratch_of,
    trimmed,
)
from propagation.plans.partitioned.rule_partitions import RulePartition, with_rows
from propagation.sessions import Record, Session


@dataclass(frozen=True)
class Schedule:
    """The live agents of a partition, by the round of their next event.

    Attributes
    ----------
    ends : (lanes + 1,) int64
        The first is 0; running total of the live agents of the lanes.
    infectious : (lanes,) int64
        Number of infectious agents among them.
    entries : tuple of Entry
        Events scheduled by the last rounds, the latest first. Empty without live agents, so that they need not be
        shifted while the partition is idle.
    """

    ends: npt.NDArray[np.int64]
    infectious: npt.NDArray[np.int64]
    entries: tuple[Entry, ...]


class ScheduledPartition(RulePartition):
    """A range of agents in lanes of an epidemic in which nobody is infected twice.

    The dense arrays and the log are those of `RulePartition`. Live agents are a `Schedule`, and messages may be due in
    later rounds. A state resumed from a checkpoint has neither: the events of its live agents are scheduled again.
    """

    name = "dated"
    detour: ClassVar[float] = 2.1
    """Measured: time relative to the broadcast plan, for an edge that is read once for `HORIZON` rounds."""

    @staticmethod
    def supports(model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record != "contacts" and is_epidemic(model.rules)

    @staticmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:  # noqa: ARG004
        """Return the estimated seconds of a lane on one thread; see `Partition`."""
        cost = EventQueueEpidemics.cost * ScheduledPartition.detour
        edges = costs.edges_read(session, lane, HORIZON)
        return edges * calibration().seconds_per_trial(network.n_edges) * cost

    @staticmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions; see `Partition`."""
        return costs.logged_lane_bytes(network, session, lane, 0.3)

    def begun(self, states: LaneStates) -> PartitionState:
        """Return the state of round 0: the seeds."""
        begun = super().begun(states)
        return replace(begun, live=self._schedule(0, begun.live))

    def resumed(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round, from what `listed` returned for it."""
        return replace(super().resumed(number, touched, live), live=self._schedule(number, live))

    def settled(
        self,
        states: LaneStates,
        before: PartitionState,
        inbox: Inbox,
        stops: Sequence[npt.NDArray[np.int32]],  # noqa: ARG002 (nobody stops anybody)
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        number, schedule = before.number + 1, before.live
        now, later = self._split_by_due_round(states, before, inbox)
        due_bounds, due_agents, due_since = _due(schedule.entries, self.lanes)
        arriving = len(now.messages.dst)
        room = arriving + len(due_agents)
        changes, scheduled = self._touched(room), self._new_scheduled(room)
        events = new_events(arriving if self.wave.one.records("reach") else 0)
        events_lane = np.empty(len(events.round), np.int32)
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        n_live, infectious = np.diff(schedule.ends), schedule.infectious.copy()
        with scratch_of(self) as scratch:
            arrivals = scratch.arrivals(self.program)
            n_events = schedule_kernels.settle_scheduled(
                self.program, self.first, states.compartment, self.wave.salts, np.int64(number), due_bounds,
                due_agents, due_since, now, arrivals.best_draw, arrivals.best_src, arrivals.bits, scratch.queue,
                n_live, infectious, scheduled, changes, counts, events, events_lane,
            )  # fmt: skip
        log, size = extended_log(before, trimmed(changes), states, lambda: self._all_touched(states))
        entries = (_sorted(scheduled), *schedule.entries[: HORIZON - 1])
        return PartitionState(
            number,
            log,
            Schedule(np.concatenate([[0], np.cumsum(n_live)]), infectious, entries),
            (*before.counts, counts),
            with_rows(before.events, events_lane, events, n_events),
            pending=later,
            log_size=size,
        )

    def sent(self, states: LaneStates, state: PartitionState) -> Sent:
        """Return the messages of infectious agents for the rounds to come; see `Partition`."""
        entry = state.live.entries[0]
        if not len(entry.agent):
            return self.nothing_sent()
        edges, entry, ends = self.wave.edges, read_only(entry), np.zeros(self.lanes + 1, np.int64)
        with scratch_of(self) as scratch:
            infects = self.program.seeds_in
            due = kernels.contacts_to_draw(edges.offsets, self.first, states.compartment, infects, entry)
            messages = scratch.messages(int(due), named=bool(self.program.chooses))
            kernels.send_scheduled(
                edges, self.program, self.first, states.compartment, entry, self.wave.salts, np.int64(state.number),
                np.int64(self.wave.one.max_rounds), scratch.attempts, messages, ends,
            )  # fmt: skip
            return self.by_partition(messages, ends)

    def live_rows(self, states: LaneStates, state: PartitionState) -> Live:
        """Return the live agents by lane."""
        parts = [_later(entry, age) for age, entry in enumerate(state.live.entries)]
        lane, agent, since = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort([agent, lane])
        lane, agent, since = lane[order], agent[order], since[order]
        compartment = states.compartment[lane, agent - self.first]
        return Live(state.live.ends, agent, since, compartment, np.ones_like(agent))

    # Schedules and messages.

    def _schedule(self, number: int, live: Live) -> Schedule:
        """Return the schedule of some live agents after a round."""
        scheduled = self._new_scheduled(len(live.agent))
        schedule_kernels.schedule_all(self.program, self.wave.salts, np.int64(number), *read_only(live)[:4], scheduled)
        lane = np.repeat(np.arange(self.lanes), np.diff(live.ends))
        infects = live.compartment == self.program.seeds_in
        return Schedule(live.ends, np.bincount(lane, infects, self.lanes).astype(np.int64), (_sorted(scheduled),))

    def _new_scheduled(self, room: int) -> Scheduled:
        agent, since, after = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint8)
        return Scheduled(agent, since, after, np.zeros(self.lanes + 1, np.int64))

    def _split_by_due_round(self, states: LaneStates, before: PartitionState, inbox: Inbox) -> tuple[Inbox, Inbox]:
        """Return the messages that are due in a round, and those that are due later."""
        pending = self._nothing_pending if before.pending is None else before.pending
        room = len(inbox.messages.dst) + len(pending.messages.dst)
        now, later = self._room(room), self._room(room)
        kernels.split_by_due_round(
            self.first, states.compartment, np.int64(before.number + 1), inbox, pending, now, later
        )
        return now, _cut(later)

    def _room(self, size: int) -> Inbox:
        messages = new_messages(size, named=bool(self.program.chooses), recorded=False)
        return Inbox(np.zeros((1, self.lanes + 1), np.int64), messages)

    @cached_property
    def _nothing_pending(self) -> Inbox:
        return self._room(0)


def _sorted(scheduled: Scheduled) -> Entry:
    """Return agents by the round of their next event."""
    size, lanes = int(scheduled.ends[-1]), len(scheduled.ends) - 1
    entry = Entry(np.zeros((HORIZON, lanes + 1), np.int64), np.empty(size, np.int32), np.empty(size, np.int32))
    schedule_kernels.sort_scheduled(scheduled, entry)
    return entry


def _due(
    entries: Sequence[Entry], lanes: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the agents of entries, the latest first, that are due in the next round: bounds, agents and since."""
    bounds, agents, since, size = np.zeros((len(entries), lanes + 1), np.int64), [], [], 0
    for age, (own, entry) in enumerate(zip(bounds, entries, strict=True)):
        there = entry.bounds[age]
        begin, end = int(there[0]), int(there[-1])
        np.add(there, size - begin, out=own)
        size += end - begin
        agents.append(entry.agent[begin:end])
        since.append(entry.since[begin:end])
    return bounds, np.concatenate(agents), np.concatenate(since)


def _later(entry: Entry, age: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return lane, agent and since of the agents of an entry, `age` rounds old, whose event is still to come."""
    bounds = entry.bounds[age:]
    lane = np.concatenate([np.repeat(np.arange(len(there) - 1), np.diff(there)) for there in bounds])
    begin = int(bounds[0, 0])
    since = entry.since[begin:]
    return lane, entry.agent[begin:], np.where(since < 0, -1 - since, since)


def _cut(inbox: Inbox) -> Inbox:
    """Return messages, cut to what is used."""
    size = int(inbox.bounds[0, -1])
    return Inbox(inbox.bounds, Messages._make(column[:size].copy() for column in inbox.messages))
