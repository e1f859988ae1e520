"""A partition in lanes of epidemics without return: whatever will happen is known ahead, and waits for its round."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation import costs
from propagation.kernel_choice import is_epidemic
from propagation.kernels import epidemic_schedule as agendas
from propagation.kernels import scheduled_contacts as kernels
from propagation.kernels.epidemic_schedule import HORIZON, Entry, Looked
from propagation.kernels.lane_arrays import Messages
from propagation.kernels.messages import Mail
from propagation.kernels.partitions import COUNTS, LaneStates, Live, Touched
from propagation.machine_speed import calibration
from propagation.mean_field import ExpectedCascade
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
from propagation.sessions import Session


@dataclass(frozen=True)
class Agenda:
    """The live agents of a partition, by the round in which they are to be seen to.

    Attributes
    ----------
    ends : (lanes + 1,) int64
        The first is 0; how many live agents the lanes have, added up.
    infectious : (lanes,) int64
        How many of them are infectious.
    entries : tuple of Entry
        What the last rounds looked at, the latest first; where nobody is live, nobody is left in any of them, and they
        need not grow older while the partition is idle.
    """

    ends: npt.NDArray[np.int64]
    infectious: npt.NDArray[np.int64]
    entries: tuple[Entry, ...]


class ScheduledPartition(RulePartition):
    """A range of agents in lanes of an epidemic in which nobody is infected twice.

    The dense arrays and the log are those of `RulePartition`. Live agents are an `Agenda`, and messages may be due in
    later rounds. A state resumed from a checkpoint has neither: the events of its live agents are scheduled again.
    """

    name = "dated"
    detour: ClassVar[float] = 2.1
    """Measured: time relative to the broadcast plan, for an edge that is read once for `HORIZON` rounds."""

    @staticmethod
    def supports(session: Session) -> bool:
        """Return whether the kernels can run a session."""
        return is_epidemic(session.model.rules) and not session.records("contacts")

    @staticmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:  # noqa: ARG004
        """Return the estimated seconds of a lane on one thread; see `Partition`."""
        cost = EventQueueEpidemics.cost * ScheduledPartition.detour
        edges = costs.edges_looked_at(session, lane, HORIZON)
        return edges * calibration().seconds_per_trial(network.n_edges) * cost

    @staticmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions; see `Partition`."""
        return costs.logged_lane_bytes(network, session, lane, 0.3)

    def begun(self, states: LaneStates) -> PartitionState:
        """Return the state of round 0: the seeds."""
        begun = super().begun(states)
        return replace(begun, live=self._agenda(0, begun.live))

    def taken_up(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round of which `listed` returned these."""
        return replace(super().taken_up(number, touched, live), live=self._agenda(number, live))

    def settled(
        self,
        states: LaneStates,
        before: PartitionState,
        mail: Mail,
        stops: Sequence[npt.NDArray[np.int32]],  # noqa: ARG002 (nobody stops anybody)
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        number, agenda = before.number + 1, before.live
        now, later = self._sifted(states, before, mail)
        due_bounds, due_agents, due_since = _due(agenda.entries, self.lanes)
        arriving = len(now.messages.dst)
        room = arriving + len(due_agents)
        changes, looked = self._touched(room), self._looked(room)
        events = new_events(arriving if self.wave.one.records("reach") else 0)
        events_lane = np.empty(len(events.round), np.int32)
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        n_live, infectious = np.diff(agenda.ends), agenda.infectious.copy()
        with scratch_of(self) as scratch:
            arrivals = scratch.arrivals(self.program)
            n_events = agendas.settle_dated(
                self.program, self.first, states.compartment, self.wave.salts, np.int64(number), due_bounds,
                due_agents, due_since, now, arrivals.best_draw, arrivals.best_src, arrivals.bits, scratch.queue,
                n_live, infectious, looked, changes, counts, events, events_lane,
            )  # fmt: skip
        log, size = extended_log(before, trimmed(changes), states, lambda: self._all_touched(states))
        entries = (_sorted(looked), *agenda.entries[: HORIZON - 1])
        return PartitionState(
            number,
            log,
            Agenda(np.concatenate([[0], np.cumsum(n_live)]), infectious, entries),
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
            kernels.send_dated(
                edges, self.program, self.first, states.compartment, entry, self.wave.salts, np.int64(state.number),
                np.int64(self.wave.one.max_rounds), scratch.attempts, messages, ends,
            )  # fmt: skip
            return self.sorted_mail(messages, ends)

    def live_rows(self, states: LaneStates, state: PartitionState) -> Live:
        """Return the live agents by lane."""
        parts = [_later(entry, age) for age, entry in enumerate(state.live.entries)]
        lane, agent, since = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort([agent, lane])
        lane, agent, since = lane[order], agent[order], since[order]
        compartment = states.compartment[lane, agent - self.first]
        return Live(state.live.ends, agent, since, compartment, np.ones_like(agent))

    # Agendas and messages.

    def _agenda(self, number: int, live: Live) -> Agenda:
        """Return an agenda of some live agents, all of which are looked at after a round."""
        looked = self._looked(len(live.agent))
        agendas.look_at_all(self.program, self.wave.salts, np.int64(number), *read_only(live)[:4], looked)
        lane = np.repeat(np.arange(self.lanes), np.diff(live.ends))
        infects = live.compartment == self.program.seeds_in
        return Agenda(live.ends, np.bincount(lane, infects, self.lanes).astype(np.int64), (_sorted(looked),))

    def _looked(self, room: int) -> Looked:
        agent, since, after = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint8)
        return Looked(agent, since, after, np.zeros(self.lanes + 1, np.int64))

    def _sifted(self, states: LaneStates, before: PartitionState, mail: Mail) -> tuple[Mail, Mail]:
        """Return the messages that are due in a round, and those that are due later."""
        pending = self._nothing_pending if before.pending is None else before.pending
        room = len(mail.messages.dst) + len(pending.messages.dst)
        now, later = self._room(room), self._room(room)
        kernels.sift_mail(self.first, states.compartment, np.int64(before.number + 1), mail, pending, now, later)
        return now, _cut(later)

    def _room(self, size: int) -> Mail:
        messages = new_messages(size, named=bool(self.program.chooses), recorded=False)
        return Mail(np.zeros((1, self.lanes + 1), np.int64), messages)

    @cached_property
    def _nothing_pending(self) -> Mail:
        return self._room(0)


def _sorted(looked: Looked) -> Entry:
    """Return agents by when they are to be seen to."""
    size, lanes = int(looked.ends[-1]), len(looked.ends) - 1
    entry = Entry(np.zeros((HORIZON, lanes + 1), np.int64), np.empty(size, np.int32), np.empty(size, np.int32))
    agendas.sort_looked(looked, entry)
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
    """Return lane, agent and since of those of an entry so many rounds old that are still to be seen to."""
    bounds = entry.bounds[age:]
    lane = np.concatenate([np.repeat(np.arange(len(there) - 1), np.diff(there)) for there in bounds])
    begin = int(bounds[0, 0])
    since = entry.since[begin:]
    return lane, entry.agent[begin:], np.where(since < 0, -1 - since, since)


def _cut(mail: Mail) -> Mail:
    """Return messages, cut to what is used."""
    size = int(mail.bounds[0, -1])
    return Mail(mail.bounds, Messages._make(column[:size].copy() for column in mail.messages))
