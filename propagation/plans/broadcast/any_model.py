"""Any model: the kernel that reads a model's rules as arrays, one lane after another."""

from typing import ClassVar

import numpy as np

from data.networks.network import Network
from propagation.compiled_rules import session_edges, session_program
from propagation.kernels import lane_arrays, lane_rounds, rules
from propagation.kernels.lane_arrays import Contacts, Events
from propagation.lane_counts import AgentReach, Lanes
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans import row_writer
from propagation.plans.broadcast.kernel_family import KernelFamily, LaneRun
from propagation.plans.kernel_arrays import new_contacts, new_events, new_messages, new_state
from propagation.plans.row_writer import RowWriter, activation_rows, contact_table
from propagation.sessions import Record, Session

MESSAGES = 1 << 14
"""Messages that are sent before they are received: few enough to stay in the cache."""
_ROUNDS_AT_ONCE = 1024


class _Recorder:
    """Buffers of activations and contacts that kernels fill: turned into rows, and counted as reach, when full."""

    def __init__(self, session: Session, n_agents: int, writer: RowWriter) -> None:
        self.session, self.writer = session, writer
        reached = n_agents if session.records("reach") else 0
        self.times, self.round_sums = np.zeros(reached, np.int64), np.zeros(reached, np.int64)
        room = max(n_agents, row_writer.ROWS_PER_WRITE) if reached else 0
        self.events = new_events(room, competing=bool(session.competing))
        self.contacts = new_contacts(row_writer.ROWS_PER_WRITE if session.records("contacts") else 0)
        self.n_events = self.n_contacts = 0
        self._ends: list[tuple[int, int, int]] = []

    def seeds(self) -> None:
        """Note the seeds that are active in round 0 as its activations."""
        if len(self.events.agent):
            active = self.session.active_seeds
            seeds = self.session.seed_array[active]
            where = slice(self.n_events, self.n_events + len(seeds))
            self.events.agent[where], self.events.round[where] = seeds, 0
            self.events.infector[where], self.events.occasion[where] = -1, 1
            if len(self.events.compartment):
                self.events.compartment[where] = self.session.seed_compartments[active]
            self.n_events += len(seeds)

    def has_room(self, seeds: int) -> bool:
        """Return whether the seeds of a replicate, and more, fit."""
        return len(self.events.agent) == 0 or self.n_events + seeds <= len(self.events.agent)

    def end_part(self, replicate: int) -> None:
        """Note that what follows belongs to another replicate."""
        self._ends.append((replicate, self.n_events, self.n_contacts))

    def flush(self) -> None:
        """Empty the buffers: write their rows and count the reach."""
        replicates, event_ends, contact_ends = np.array(self._ends or [(0, 0, 0)]).T
        if self.n_events:
            events = Events._make(column[: self.n_events].copy() for column in self.events)
            first = events.occasion == 1
            np.add.at(self.times, events.agent[first], 1)
            np.add.at(self.round_sums, events.agent[first], events.round[first])
            if self.session.records("activations"):
                of = np.repeat(replicates, np.diff(event_ends, prepend=0)).astype(np.int32)
                self.writer.write("activations", activation_rows([self.session], np.zeros_like(of), of, events))
        if self.n_contacts:
            contacts = Contacts._make(column[: self.n_contacts].copy() for column in self.contacts)
            of = np.repeat(replicates, np.diff(contact_ends, prepend=0)).astype(np.int32)
            self.writer.write(
                "propagation_events", contact_table([self.session.session_id], np.zeros_like(of), of, contacts)
            )
        self.n_events = self.n_contacts = 0
        self._ends = []

    def make_room(self, contacts: int) -> None:
        """Make room for the contacts of a round."""
        if contacts > len(self.contacts.round) > 0:
            self.contacts = new_contacts(contacts)

    @property
    def reach(self) -> AgentReach:
        """How often and when agents were reached."""
        agents = np.flatnonzero(self.times).astype(np.int32)
        return AgentReach(agents, self.times[agents], self.round_sums[agents])


class AnyModel(KernelFamily):
    """Lanes of any built-in model, with any detail recorded."""

    name = "rules"
    bytes_per_agent = 48.0
    several_sessions = False
    cost: ClassVar[float] = 1.6
    """Measured: an edge of a lane, relative to an edge of the calibration."""

    def supports(self, model: Model, record: Record) -> bool:  # noqa: ARG002 (it runs all)
        """Return whether the kernels can run a model and record this detail."""
        return True

    def trials(self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float) -> float:  # noqa: ARG002
        """Return what a lane costs, in edges of the calibration; see `KernelFamily`."""
        return lane.trials * self.cost

    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run consecutive replicates of one session; see `KernelFamily`."""
        network, session = run.network, run.session
        n, seeds, seeds_in = network.n_ids, session.seed_array, session.seed_compartments
        program = session_program(network, session, traced=session.records("activations"))
        edges = session_edges(network, session)
        state, arrivals = new_state(program, n), run.scratch.arrivals(program)
        messages = new_messages(MESSAGES, named=True, recorded=session.records("contacts"))
        stopped, recorder = np.empty(MESSAGES, np.int32), _Recorder(session, n, run.writer)
        series, rounds, truncated, active = [], [], [], int(session.active_seeds.sum())
        for replicate, salt in zip(run.replicates.tolist(), run.salts, strict=True):
            if not recorder.has_room(len(seeds)):
                recorder.flush()
            n_live, n_touched = rules.start_lane(
                program, np.int64(0), state, arrivals, seeds, seeds_in, salt, np.int64(0)
            )
            recorder.seeds()
            counts = np.zeros((_ROUNDS_AT_ONCE, 3), np.int64)
            counts[0] = active
            number = last_change = quiet = 0
            while True:
                why, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, _ = lane_rounds.run_rounds(
                    edges, program, state, arrivals, salt, np.int64(number), np.int64(session.max_rounds),
                    np.int64(n_live), np.int64(n_touched), np.int64(last_change), np.int64(quiet), run.stop, messages,
                    stopped, run.scratch.hits, counts, recorder.events, np.int64(recorder.n_events),
                    recorder.contacts, np.int64(recorder.n_contacts),
                )  # fmt: skip
                recorder.n_events, recorder.n_contacts = n_events, n_contacts
                recorder.end_part(replicate)
                if why != lane_arrays.FULL:
                    break
                if number + 1 >= len(counts):
                    counts = np.concatenate([counts, np.zeros_like(counts)])
                elif n_events or n_contacts:
                    recorder.flush()
                else:
                    recorder.make_room(int(edges.offsets[-1]))
            rules.clear_lane(np.int64(0), state, arrivals, np.int64(n_touched))
            run.check()
            series.append(counts[: number + 1].astype(np.int32))
            rounds.append(number)
            truncated.append(why == lane_arrays.TRUNCATED)
        recorder.flush()
        return Lanes.of_counts(series, rounds, truncated), recorder.reach
