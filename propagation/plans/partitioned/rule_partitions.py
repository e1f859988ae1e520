"""A partition in lanes of any model, processed lane after lane."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation import costs
from propagation.compiled_rules import Program
from propagation.kernels import partitions as kernels
from propagation.kernels.lane_arrays import Events
from propagation.kernels.messages import Inbox
from propagation.kernels.partitions import COUNTS, LaneStates, Live, Touched
from propagation.kernels.primitives import CHUNK
from propagation.machine_speed import calibration
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.kernel_arrays import new_contacts, new_events
from propagation.plans.partitioned.partitions import (
    Partition,
    PartitionState,
    Sent,
    extended_log,
    numbers_in,
    read_only,
    scratch_of,
    trimmed,
)
from propagation.sessions import Record, Session


class RulePartition(Partition):
    """A range of agents in lanes of any model."""

    name = "rules"
    lanes_apart = True
    cost: ClassVar[float] = 3.2
    adding_cost: ClassVar[float] = 32.0
    """Measured, relative to an edge of the calibration: an edge with its message; one of a model whose contacts add,
    which all travel."""

    @staticmethod
    def supports(model: Model, record: Record) -> bool:  # noqa: ARG004 (it runs all)
        """Return whether the kernels can run a model and record this detail."""
        return True

    @staticmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:  # noqa: ARG004
        """Return the estimated seconds of a lane on one thread; see `Partition`."""
        cost = RulePartition.adding_cost if session.model.rules.adds else RulePartition.cost
        return lane.trials * calibration().seconds_per_trial(network.n_edges) * cost

    @staticmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions; see `Partition`."""
        rules = session.model.rules
        all_travel = rules.adds or rules.mixing is not None or rules.fatigue < 1.0 or session.records("contacts")
        return costs.logged_lane_bytes(network, session, lane, 1.0 if all_travel else 0.1)

    @property
    def parts(self) -> int:
        """Number of lanes."""
        return self.lanes

    def initial(self) -> LaneStates:
        """Return the initial states of all agents."""
        occasion, weight, contacts = (self.size if needed else 0 for needed in _remembers(self.program))
        return LaneStates(
            np.zeros((self.lanes, self.size), np.uint8),
            np.zeros((self.lanes, occasion), np.int32),
            np.zeros((self.lanes, weight), np.int64),
            np.zeros((self.lanes, contacts), np.int32),
        )

    def apply(self, changes: Touched, states: LaneStates) -> None:
        """Set agents to their states in a `Touched`."""
        kernels.apply_changes(self.first, changes, states)

    def begun(self, states: LaneStates) -> PartitionState:
        """Return the state of round 0: seeds and sceptics."""
        ends, seeds, seeds_in = self.wave.seeds(self.number)
        room = len(seeds) + (self.lanes * self.size if len(self.program.sceptics) else 0)
        touched, live = self._touched(room), self._live(room)
        with scratch_of(self) as scratch:
            kernels.start_lanes(
                self.program, self.first, ends, seeds, seeds_in, self.wave.salts, states,
                scratch.arrivals(self.program), scratch.queues, touched, live,
            )  # fmt: skip
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        active = self.program.reached[seeds_in] == 1
        counts[:, :3] = np.diff(np.append(0, np.cumsum(active))[ends])[:, None]
        counts[:, 3], counts[:, 4] = np.diff(live.ends), 1
        own, entered = seeds[active], seeds_in[active] if self.wave.one.competing else seeds_in[:0]
        events = Events(own, np.zeros_like(own), np.full_like(own, -1), np.ones_like(own), entered)
        of_lane = np.repeat(np.arange(self.lanes, dtype=np.int32), np.diff(ends))[active]
        recorded = ((of_lane, events),) if self.wave.one.records("reach") else ()
        entry = trimmed(touched)
        return PartitionState(0, (entry,), trimmed(live), (counts,), recorded, log_size=numbers_in(entry))

    def settled(
        self, states: LaneStates, before: PartitionState, inbox: Inbox, stops: Sequence[npt.NDArray[np.int32]]
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        recorded = self.wave.one.records("contacts")
        arriving = len(inbox.messages.dst)
        room = arriving + int(before.live.ends[-1])
        changes, live = self._touched(room), self._live(room)
        events = new_events(room if self.wave.one.records("reach") else 0, competing=bool(self.wave.one.competing))
        contacts = new_contacts(arriving if recorded else 0)
        events_lane, contacts_lane = (np.empty(len(rows.round), np.int32) for rows in (events, contacts))
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        pairs = np.concatenate([*stops, np.empty((0, 2), np.int32)])
        pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
        with scratch_of(self) as scratch:
            n_events, n_contacts = kernels.settle_lanes(
                self.program, self.first, states, read_only(before.live), self.wave.salts, np.int64(before.number + 1),
                inbox, np.searchsorted(pairs[:, 0], np.arange(self.lanes + 1)), np.ascontiguousarray(pairs[:, 1]),
                np.int64(recorded), scratch.arrivals(self.program), scratch.queues, np.empty(arriving, np.int32),
                changes, live, counts, events, events_lane, contacts, contacts_lane,
            )  # fmt: skip
        log, size = extended_log(before, trimmed(changes), states, lambda: self._all_touched(states))
        return PartitionState(
            before.number + 1,
            log,
            trimmed(live),
            (*before.counts, counts),
            with_rows(before.events, events_lane, events, n_events),
            with_rows(before.contacts, contacts_lane, contacts, n_contacts),
            log_size=size,
        )

    def sent(self, states: LaneStates, state: PartitionState) -> Sent:
        """Return the messages of live agents for the next round; see `Partition`."""
        return self._contacts(states, state, probing=False)

    def probe(self, states: LaneStates, state: PartitionState) -> Sent:
        """Return every contact that could ever succeed, as if it did."""
        return self._contacts(states, state, probing=True)

    def _contacts(self, states: LaneStates, state: PartitionState, *, probing: bool) -> Sent:
        edges, rules = self.wave.edges, self.wave.one.model.rules
        live = read_only(self.live_rows(states, state))
        recorded = self.wave.one.records("contacts")
        ends = np.zeros(self.lanes + 1, np.int64)
        with scratch_of(self) as scratch:
            due = int(kernels.contacts_due(edges.offsets, self.program, live)) + CHUNK
            messages = scratch.messages(due, named=bool(self.program.chooses) or recorded or rules.changes_source)
            kernels.send_lanes(
                edges, self.program, self.first, states, live, self.wave.salts, np.int64(state.number + 1),
                np.int64(recorded and not probing), np.int64(probing), scratch.queues, scratch.hits,
                messages, ends,
            )  # fmt: skip
            return self.by_partition(messages, ends)

    def stopped(self, states: LaneStates, inbox: Inbox) -> npt.NDArray[np.int32]:
        """Return the sources that stop after contacts with agents of this range: (k, 2) lane and source."""
        lane, src = np.empty(len(inbox.messages.dst), np.int32), np.empty(len(inbox.messages.dst), np.int32)
        with scratch_of(self) as scratch:
            found = kernels.stopped_sources(
                self.program, self.first, states, scratch.arrivals(self.program), scratch.queues, inbox, lane, src
            )
        return np.unique(np.stack([lane[:found], src[:found]], axis=1), axis=0)

    def opened(self, states: LaneStates, state: PartitionState, inbox: Inbox) -> npt.NDArray[np.uint8]:
        """Return in which lanes a contact of a probe or a transition could still change something, (lanes,) uint8."""
        found = np.zeros(self.lanes, np.uint8)
        kernels.open_lanes(self.first, states, inbox, found)
        leaving, live = (self.program.leave_chance > 0) | (self.program.leave_after > 0), self.live_rows(states, state)
        of_lane = np.repeat(np.arange(self.lanes), np.diff(live.ends))
        found[of_lane[leaving[live.compartment]]] = 1
        return found

    def live_rows(self, states: LaneStates, state: PartitionState) -> Live:  # noqa: ARG002 (a state has them as they are)
        """Return the live agents by lane."""
        live: Live = state.live
        return live

    def listed(self, states: LaneStates, state: PartitionState) -> tuple[Touched, Live]:
        """Return the agents not in their initial state, and the live ones."""
        return self._all_touched(states), self.live_rows(states, state)

    def resumed(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round, from what `listed` returned for it."""
        return PartitionState(number, (touched,), live, log_size=numbers_in(touched))

    def _all_touched(self, states: LaneStates) -> Touched:
        """Return the agents not in their initial state."""
        scratch = self._live(self.size)
        touched = self._touched(int(kernels.list_touched(self.first, states, scratch, self._touched(0))))
        kernels.list_touched(self.first, states, scratch, touched)
        return touched

    def _touched(self, room: int) -> Touched:
        occasion, weight, contacts = (room if needed else 0 for needed in _remembers(self.program))
        return Touched(
            np.zeros(self.lanes + 1, np.int64),
            np.empty(room, np.int32),
            np.empty(room, np.uint8),
            np.empty(occasion, np.int32),
            np.empty(weight, np.int64),
            np.empty(contacts, np.int32),
        )

    def _live(self, room: int) -> Live:
        agent, since, occasion = (np.empty(room, np.int32) for _ in range(3))
        return Live(np.zeros(self.lanes + 1, np.int64), agent, since, np.empty(room, np.uint8), occasion)


def _remembers(program: Program) -> tuple[bool, bool, bool]:
    """Return whether agents remember occasions, weights and contacts."""
    return bool(program.recurrent), bool(program.adds or program.mixing >= 0), bool(program.fatigued)


def with_rows(before: Any, lane: npt.NDArray[np.int32], rows: Any, size: int) -> Any:
    """Return (lane, rows) by round, with those of one more round."""
    if not size:
        return before
    return (*before, (lane[:size].copy(), type(rows)(*(column[:size].copy() for column in rows))))
