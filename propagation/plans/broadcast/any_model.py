"""Lanes of any model on a whole network: what a task of the broadcast plan does where no faster shape exists."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.networks.network import Network
from data.warehouse.tables.specification import SYMBOL
from propagation.compiled_rules import Program, session_edges, session_program
from propagation.kernels import lane_arrays, lane_rounds, rules
from propagation.kernels.lane_arrays import Arrivals, Contacts, Events, LaneState, Messages
from propagation.kernels.primitives import CHUNK
from propagation.lane_counts import AgentReach, Lanes
from propagation.plans import row_writer
from propagation.plans.row_writer import RowWriter
from propagation.results import EVENT_TYPES
from propagation.sessions import Session

if TYPE_CHECKING:
    from propagation.plans.broadcast.batch_runner import BatchRows

MESSAGES = 1 << 14
"""Messages that are sent before they are received: few enough to stay in the cache."""
_ROUNDS_AT_ONCE = 1024
_EVENT_TYPES = pa.array(EVENT_TYPES, pa.string())


def new_state(program: Program, n_agents: int) -> LaneState:
    """Return the initial state of a range of agents in one lane."""

    def memory(needed: object, kind: Any) -> npt.NDArray[Any]:
        return np.zeros(n_agents if needed else 0, kind)

    return LaneState(
        np.zeros(n_agents, np.uint8),
        memory(program.recurrent, np.int32),
        memory(program.adds or program.mixing >= 0, np.int64),
        memory(program.fatigued, np.int32),
        np.empty(n_agents, np.int32),
        np.empty(n_agents, np.int32),
    )


def new_arrivals(program: Program, n_agents: int) -> Arrivals:
    """Return room for what arrives for a range of agents."""
    return Arrivals(
        np.zeros(n_agents, np.uint8),
        np.empty(n_agents, np.uint32),
        np.empty(n_agents, np.int32),
        np.zeros(n_agents, np.uint8),
        np.zeros(n_agents if program.fatigued else 0, np.int32),
        np.empty(n_agents, np.int32),
        np.zeros(n_agents // 64 + 1, np.uint64),
        np.empty(n_agents, np.int32),
    )


def new_messages(size: int, *, named: bool, recorded: bool) -> Messages:
    """Return room for messages.

    Parameters
    ----------
    size : int
    named, recorded : bool
        Whether it matters whom they are from, and what becomes of them.
    """
    return Messages(
        np.empty(size, np.int32),
        np.empty(size if named else 0, np.int32),
        np.empty(size, np.int64),
        np.empty(size if named else 0, np.uint32),
        np.empty(size if recorded else 0, np.int8),
    )


def new_events(size: int) -> Events:
    """Return room for activations."""
    return Events(*(np.empty(size, np.int32) for _ in Events._fields))


def new_contacts(size: int) -> Contacts:
    """Return room for contacts."""
    return Contacts(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int8)
    )


class _Recorder:
    """Takes what kernels found, turns it into rows, and counts whom it reached."""

    def __init__(self, session: Session, n_agents: int, writer: RowWriter) -> None:
        self.session, self.writer = session, writer
        reached = n_agents if session.records("reach") else 0
        self.times, self.round_sums = np.zeros(reached, np.int64), np.zeros(reached, np.int64)
        room = max(n_agents, row_writer.ROWS_PER_WRITE) if reached else 0
        self.events = new_events(room)
        self.contacts = new_contacts(row_writer.ROWS_PER_WRITE if session.records("contacts") else 0)
        self.n_events = self.n_contacts = 0
        self._ends: list[tuple[int, int, int]] = []

    def seeds(self, seeds: npt.NDArray[np.int32]) -> None:
        """Note the seeds as activations of round 0."""
        if len(self.events.agent):
            where = slice(self.n_events, self.n_events + len(seeds))
            self.events.agent[where], self.events.round[where] = seeds, 0
            self.events.infector[where], self.events.occasion[where] = -1, 1
            self.n_events += len(seeds)

    def has_room(self, seeds: int) -> bool:
        """Return whether the seeds of a replicate, and more, fit."""
        return len(self.events.agent) == 0 or self.n_events + seeds <= len(self.events.agent)

    def end_part(self, replicate: int) -> None:
        """Note that what comes next is no longer of this replicate."""
        self._ends.append((replicate, self.n_events, self.n_contacts))

    def flush(self) -> None:
        """Take all events and contacts out of the kernels' room."""
        replicates, event_ends, contact_ends = np.array(self._ends or [(0, 0, 0)]).T
        if self.n_events:
            events = Events(*(column[: self.n_events].copy() for column in self.events))
            first = events.occasion == 1
            np.add.at(self.times, events.agent[first], 1)
            np.add.at(self.round_sums, events.agent[first], events.round[first])
            if self.session.records("activations"):
                of = np.repeat(replicates, np.diff(event_ends, prepend=0)).astype(np.int32)
                self.writer.write(
                    "activations", activation_rows([self.session.session_id], np.zeros_like(of), of, events)
                )
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


def run_by_rules(
    network: Network,
    session: Session,
    first: int,
    salts: npt.NDArray[np.uint32],
    stop: npt.NDArray[np.uint8],
    batch: "BatchRows",
    writer: RowWriter,
) -> tuple[Lanes, AgentReach]:
    """Run consecutive replicates of a session.

    Parameters
    ----------
    network : Network
    session : Session
    first : int
        The first replicate.
    salts : (lanes,) uint32
        Salts of the replicates.
    stop : (1,) uint8
        Nonzero ends the run; what is returned then is of no use.
    batch : BatchRows
        Whose `trials` are counted.
    writer : RowWriter
        Takes activations and contacts.
    """
    n = network.n_ids
    program = session_program(network, session.model, session.random_seed, traced=session.records("activations"))
    edges = session_edges(network, session.model, session.random_seed)
    state, arrivals = new_state(program, n), new_arrivals(program, n)
    messages = new_messages(MESSAGES, named=True, recorded=session.records("contacts"))
    stopped, hits = np.empty(MESSAGES, np.int32), np.zeros(CHUNK, np.uint8)
    recorder = _Recorder(session, n, writer)
    seeds = session.seed_array
    most = int(edges.offsets[-1])
    series, rounds, truncated = [], [], []
    for lane, salt in enumerate(salts):
        if not recorder.has_room(len(seeds)):
            recorder.flush()
        n_live, n_touched = rules.start_lane(program, np.int64(0), state, arrivals, seeds, salt, np.int64(0))
        recorder.seeds(seeds)
        counts = np.zeros((_ROUNDS_AT_ONCE, 3), np.int64)
        counts[0] = len(seeds)
        number = last_change = quiet = 0
        while True:
            why, number, n_live, n_touched, last_change, quiet, n_events, n_contacts, trials = lane_rounds.run_rounds(
                edges, program, state, arrivals, salt, np.int64(number), np.int64(session.max_rounds),
                np.int64(n_live), np.int64(n_touched), np.int64(last_change), np.int64(quiet), stop, messages, stopped,
                hits, counts, recorder.events, np.int64(recorder.n_events), recorder.contacts,
                np.int64(recorder.n_contacts),
            )  # fmt: skip
            batch.trials += trials
            recorder.n_events, recorder.n_contacts = n_events, n_contacts
            recorder.end_part(first + lane)
            if why != lane_arrays.FULL:
                break
            if number + 1 >= len(counts):
                counts = np.concatenate([counts, np.zeros_like(counts)])
            elif n_events or n_contacts:
                recorder.flush()
            else:
                recorder.make_room(most)
        rules.clear_lane(np.int64(0), state, arrivals, np.int64(n_touched))
        if why == lane_arrays.STOPPED_EARLY:
            break
        series.append(counts[: number + 1].astype(np.int32))
        rounds.append(number)
        truncated.append(why == lane_arrays.TRUNCATED)
    recorder.flush()
    return lanes_of(series, rounds, truncated), recorder.reach


def lanes_of(series: list[npt.NDArray[np.int32]], rounds: list[int], truncated: list[bool]) -> Lanes:
    """Return lanes from each one's counts, (rounds, 3) int32: activations, distinct, infectious."""
    together = np.concatenate([*series, np.empty((0, 3), np.int32)])
    return Lanes(
        lengths=np.array([len(counts) for counts in series], np.int64),
        activations=together[:, 0].copy(),
        rounds=np.array(rounds, np.int64),
        truncated=np.array(truncated, bool),
        distinct=together[:, 1].copy(),
        infectious=together[:, 2].copy(),
    )


def activation_rows(
    session_ids: list[str], session: npt.NDArray[np.int32], replicate: npt.NDArray[np.int32], events: Events
) -> pa.Table:
    """Return rows of the table `activations`, each event with the position of its session, and its replicate."""
    return pa.table(
        {
            "session_id": pa.DictionaryArray.from_arrays(pa.array(session), pa.array(session_ids)).cast(SYMBOL),
            "replicate": replicate,
            "agent": events.agent,
            "round": events.round,
            "infector": pa.array(events.infector, mask=events.infector < 0),
            "occasion": events.occasion,
        }
    )


def contact_table(
    session_ids: list[str], session: npt.NDArray[np.int32], replicate: npt.NDArray[np.int32], contacts: Contacts
) -> pa.Table:
    """Return rows of `propagation_events`, each contact with the position of its session, and its replicate."""
    return pa.table(
        {
            "session_id": pa.DictionaryArray.from_arrays(pa.array(session), pa.array(session_ids)).cast(SYMBOL),
            "replicate": replicate,
            "round": contacts.round,
            "src": contacts.src,
            "dst": contacts.dst,
            "event_type": pa.DictionaryArray.from_arrays(pa.array(contacts.kind), _EVENT_TYPES).cast(SYMBOL),
        }
    )
