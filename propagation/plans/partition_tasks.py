"""What the tasks of the partitioned plan do: one partition of the network, some lanes, one round at a time.

A task is a pure function of its inputs: it changes nothing that it was given, so it may be lost and run again.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.snapshots import Network
from data.sparse_rows import forget_pages
from propagation.draws import replicate_salts
from propagation.kernels import partitions as kernels
from propagation.kernels.lane_arrays import Arrivals, Contacts, Events, LaneState, Messages
from propagation.kernels.partitions import COUNTS, Live, Mail, Touched
from propagation.kernels.primitives import CHUNK
from propagation.plans.rule_lanes import (
    new_arrivals,
    new_contacts,
    new_events,
    new_messages,
    new_state,
)
from propagation.plans.stopping import check_stop
from propagation.programs import Edges, Program, constant_array, session_edges, session_program
from propagation.sessions import Session

FORGET_ABOVE = 2 << 30
"""Bytes of edges from which on each task gives the pages back that it has read."""
LITTLE_WORK = 1_000_000
"""Edges, messages and agents of a round that takes less time than to hand it out as tasks."""


@dataclass(frozen=True)
class Wave:
    """Lanes that run together through all partitions of a network: replicates of sessions that differ in seeds only.

    Attributes
    ----------
    network : Network
    sessions : tuple of Session
        With the same model, random seed, last round and record.
    lanes : (lanes, 2) int32
        Session (its position) and replicate of each lane.
    firsts : (partitions + 1,) int64
        First agent of each partition, and the number of agents.
    job : str
        Names the stop flag.
    """

    network: Network
    sessions: tuple[Session, ...]
    lanes: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int64]
    job: str

    @property
    def one(self) -> Session:
        """A session, for what all of them share."""
        return self.sessions[0]

    @functools.cached_property
    def salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate."""
        return replicate_salts(self.lanes[:, 1])

    @property
    def program(self) -> Program:
        """The rules as arrays."""
        one = self.one
        return session_program(self.network, one.model, one.random_seed, traced=one.records("activations"))

    @property
    def edges(self) -> Edges:
        """The edges of the whole network, mapped."""
        return session_edges(self.network, self.one.model, self.one.random_seed)

    def seeds(self, partition: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return the seeds in a partition, by lane: (lanes + 1,) ends, and the agents."""
        low, high = self.firsts[partition : partition + 2]
        own = []
        for session in self.sessions:
            seeds = session.seed_array
            own.append(seeds[(seeds >= low) & (seeds < high)])
        by_lane = [own[number] for number in self.lanes[:, 0]]
        return np.cumsum([0, *map(len, by_lane)]), np.concatenate([*by_lane, np.empty(0, np.int32)])


@dataclass(frozen=True)
class PartitionState:
    """State of the agents of a partition after a round, and what happened since the last checkpoint.

    Attributes
    ----------
    number : int
        The round.
    touched, live : Touched, Live
    counts : tuple of (lanes, COUNTS) arrays
        By round.
    events, contacts : tuple of tuples
        (lane, rows) by round.
    trials : int
        Edges looked at.
    """

    number: int
    touched: Touched
    live: Live
    counts: tuple[npt.NDArray[np.int64], ...] = ()
    events: tuple[tuple[npt.NDArray[np.int32], Events], ...] = ()
    contacts: tuple[tuple[npt.NDArray[np.int32], Contacts], ...] = ()
    trials: int = 0


@dataclass(frozen=True)
class Sent:
    """Messages that a partition sent in a round, by the partition and lane they are for."""

    bounds: npt.NDArray[np.int64]
    messages: Messages

    def to(self, partition: int) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
        """Return the messages for a partition: where each lane's begin, from 0, and the columns."""
        bounds = self.bounds[partition]
        columns = [column[bounds[0] : bounds[-1]] for column in self.messages[:4]]
        return bounds - bounds[0], columns


@dataclass(frozen=True)
class Step:
    """What a task of a round returns."""

    state: PartitionState
    sent: Sent


def sent_of(step: Step) -> Sent:
    """Return what was sent, without the state: it travels to other workers, the state does not."""
    return step.sent


# -- scratch --------------------------------------------------------------------------------------------------------

_own = threading.local()


def _scratch(program: Program, n_agents: int) -> tuple[LaneState, Arrivals]:
    """Return clear scratch arrays of this thread; `_give_back` keeps them for the next task."""
    needed = (n_agents, program.recurrent, program.adds or program.mixing >= 0, program.fatigued)
    kept, _own.scratch = getattr(_own, "scratch", None), None
    if kept is not None and kept[0] == needed:
        return kept[1], kept[2]
    return new_state(program, n_agents), new_arrivals(program, n_agents)


def _give_back(program: Program, state: LaneState, arrivals: Arrivals) -> None:
    needed = (len(state.compartment), program.recurrent, program.adds or program.mixing >= 0, program.fatigued)
    _own.scratch = (needed, state, arrivals)


def _new_touched(program: Program, lanes: int, room: int) -> Touched:
    def memory(needed: object, kind: Any) -> npt.NDArray[Any]:
        return np.empty(room if needed else 0, kind)

    return Touched(
        np.zeros(lanes + 1, np.int64),
        np.empty(room, np.int32),
        np.empty(room, np.uint8),
        memory(program.recurrent, np.int32),
        memory(program.adds or program.mixing >= 0, np.int64),
        memory(program.fatigued, np.int32),
    )


def _new_live(lanes: int, room: int) -> Live:
    columns = (np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.uint8), np.empty(room, np.int32))
    return Live(np.zeros(lanes + 1, np.int64), *columns)


def _trimmed(rows: Any) -> Any:
    """Return rows by lane, cut to what is used."""
    return type(rows)(rows.ends, *(column[: rows.ends[-1]].copy() for column in rows[1:]))


def _constant(rows: Any) -> Any:
    return type(rows)(*map(constant_array, rows))


# -- tasks ----------------------------------------------------------------------------------------------------------


def begin(wave: Wave, partition: int) -> Step:
    """Run round 0 of a partition: seeds and sceptics; send the contacts of round 1."""
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    ends, seeds = wave.seeds(partition)
    lanes = len(wave.lanes)
    room = len(seeds) + (lanes * size if len(program.sceptics) else 0)
    touched, live = _new_touched(program, lanes, room), _new_live(lanes, room)
    state, arrivals = _scratch(program, size)
    kernels.start_lanes(program, first, ends, seeds, wave.salts, state, arrivals, touched, live)
    _give_back(program, state, arrivals)
    counts = np.zeros((lanes, COUNTS), np.int64)
    counts[:, :3] = np.diff(ends)[:, None]
    counts[:, 3], counts[:, 4] = np.diff(live.ends), 1
    events = Events(seeds, np.zeros_like(seeds), np.full_like(seeds, -1), np.ones_like(seeds))
    of_lane = np.repeat(np.arange(lanes, dtype=np.int32), np.diff(ends))
    recorded = ((of_lane, events),) if wave.one.records("reach") else ()
    made = PartitionState(0, _trimmed(touched), _trimmed(live), (counts,), recorded)
    return _send(wave, partition, made)


def resume(wave: Wave, partition: int, number: int, touched: Touched, live: Live) -> Step:
    """Go on from the state that a checkpoint holds: send the contacts of the next round."""
    check_stop(wave.job)
    return _send(wave, partition, PartitionState(number, touched, live))


def stops_of(wave: Wave, partition: int, step: Step, sent: Sequence["Sent | Step"]) -> list[npt.NDArray[np.int32]]:
    """Return whom the contacts with agents of a partition make stop: (k, 2) lane and source, for each partition."""
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    mail = _mail(partition, sent, recorded=False)
    state, arrivals = _scratch(program, size)
    lane, src = np.empty(len(mail.messages.dst), np.int32), np.empty(len(mail.messages.dst), np.int32)
    found = kernels.stopped_sources(
        program, first, _constant(step.state.touched), _constant(step.state.live), state, arrivals, mail,
        np.int64(len(wave.lanes)), lane, src,
    )  # fmt: skip
    _give_back(program, state, arrivals)
    pairs = np.unique(np.stack([lane[:found], src[:found]], axis=1), axis=0)
    where = np.searchsorted(wave.firsts, pairs[:, 1], side="right") - 1
    return [pairs[where == part] for part in range(len(wave.firsts) - 1)]


def advance(
    wave: Wave,
    partition: int,
    step: Step,
    sent: Sequence["Sent | Step"],
    stops: Sequence[list[npt.NDArray[np.int32]]] = (),
) -> Step:
    """Run the end of one round and the beginning of the next: receive, settle, send.

    Parameters
    ----------
    wave : Wave
    partition : int
    step : Step
        The partition's after the round before.
    sent : sequence of Sent or Step
        Of all partitions.
    stops : sequence of lists
        What `stops_of` returned, of all partitions, for models whose contacts make sources stop.
    """
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    before, lanes = step.state, len(wave.lanes)
    recorded = wave.one.records("contacts")
    mail = _mail(partition, sent, recorded=recorded)
    arriving = len(mail.messages.dst)
    touched = _new_touched(program, lanes, int(before.touched.ends[-1]) + arriving)
    live = _new_live(lanes, int(before.live.ends[-1]) + arriving)
    events = new_events(arriving if wave.one.records("reach") else 0)
    contacts = new_contacts(arriving if recorded else 0)
    events_lane, contacts_lane = (np.empty(len(rows.round), np.int32) for rows in (events, contacts))
    counts = np.zeros((lanes, COUNTS), np.int64)
    told = [pairs[partition] for pairs in stops]
    pairs = np.concatenate([*told, np.empty((0, 2), np.int32)])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    state, arrivals = _scratch(program, size)
    n_events, n_contacts = kernels.settle_lanes(
        program, first, _constant(before.touched), _constant(before.live), wave.salts, np.int64(before.number + 1),
        mail, np.searchsorted(pairs[:, 0], np.arange(lanes + 1)), np.ascontiguousarray(pairs[:, 1]),
        np.int64(recorded), state, arrivals, np.empty(arriving, np.int32), touched, live, counts, events, events_lane,
        contacts, contacts_lane,
    )  # fmt: skip
    _give_back(program, state, arrivals)
    made = PartitionState(
        before.number + 1,
        _trimmed(touched),
        _trimmed(live),
        (*before.counts, counts),
        _with_rows(before.events, events_lane, events, n_events),
        _with_rows(before.contacts, contacts_lane, contacts, n_contacts),
        before.trials,
    )
    return _send(wave, partition, made)


def advance_together(wave: Wave, rounds: int, steps: Sequence[Step]) -> Sequence[Step]:
    """Run rounds of all partitions one after another, as long as there is little to do in a round, but not nothing.

    Parameters
    ----------
    wave : Wave
    rounds : int
        At most so many.
    steps : sequence of Step
        Of all partitions after the same round.
    """
    partitions, looked_at = range(len(steps)), sum(step.state.trials for step in steps)
    for _ in range(rounds):
        trials = sum(step.state.trials for step in steps)
        held = sum(len(step.sent.messages.dst) + int(step.state.touched.ends[-1]) for step in steps)
        if trials - looked_at + held > LITTLE_WORK or not any(step.state.live.ends[-1] for step in steps):
            break
        looked_at = trials
        told = [stops_of(wave, p, steps[p], steps) for p in partitions] if wave.one.model.rules.replies else []
        steps = [advance(wave, p, steps[p], steps, told) for p in partitions]
    return steps


def one_of(steps: Sequence[Step], partition: int) -> Step:
    """Return the step of one partition."""
    return steps[partition]


def probe(wave: Wave, partition: int, step: Step) -> Sent:
    """Send every contact that could ever succeed, as if it did."""
    return _send(wave, partition, step.state, probing=True).sent


def open_lanes(wave: Wave, partition: int, step: Step, sent: Sequence["Sent | Step"]) -> npt.NDArray[np.uint8]:
    """Return in which lanes a contact of a probe could change something, (lanes,) uint8."""
    program, first, size = _range(wave, partition)
    found = np.zeros(len(wave.lanes), np.uint8)
    state, arrivals = _scratch(program, size)
    kernels.open_lanes(
        first, _constant(step.state.touched), _constant(step.state.live), state, arrivals,
        _mail(partition, sent, recorded=False), np.int64(len(wave.lanes)), found,
    )  # fmt: skip
    _give_back(program, state, arrivals)
    leaving = program.leave_chance > 0
    leaving |= program.leave_after > 0
    of_lane = np.repeat(np.arange(len(found)), np.diff(step.state.live.ends))
    found[of_lane[leaving[step.state.live.compartment]]] = 1
    return found


def _range(wave: Wave, partition: int) -> tuple[Program, np.int64, int]:
    first, end = wave.firsts[partition : partition + 2]
    return wave.program, np.int64(first), int(end - first)


def _mail(partition: int, sent: Sequence["Sent | Step"], *, recorded: bool) -> Mail:
    parts = [(each.sent if isinstance(each, Step) else each).to(partition) for each in sent]
    starts = np.cumsum([0, *(len(columns[0]) for _, columns in parts)])[:-1]
    bounds = np.stack([bounds + start for (bounds, _), start in zip(parts, starts, strict=True)])
    dst, src, value, draw = (np.concatenate([columns[i] for _, columns in parts]) for i in range(4))
    return Mail(bounds, Messages(dst, src, value, draw, np.empty(len(dst) if recorded else 0, np.int8)))


def _send(wave: Wave, partition: int, made: PartitionState, *, probing: bool = False) -> Step:
    program, first, size = _range(wave, partition)
    edges, live, lanes = wave.edges, _constant(made.live), len(wave.lanes)
    if made.number == wave.one.max_rounds and not probing:
        return Step(made, _nothing(wave))
    # Room for every contact; of these, only as many pages are used as messages travel.
    messages = new_messages(int(kernels.contacts_due(edges, program, live)) + CHUNK, recorded=False)
    ends = np.zeros(lanes + 1, np.int64)
    state, arrivals = _scratch(program, size)
    trials = kernels.send_lanes(
        edges, program, first, live, wave.salts, np.int64(made.number + 1),
        np.int64(wave.one.records("contacts") and not probing), np.int64(probing), state, np.zeros(CHUNK, np.uint8),
        messages, ends,
    )  # fmt: skip
    _give_back(program, state, arrivals)
    _forget_edges(wave, edges, partition)
    bounds = np.zeros((len(wave.firsts) - 1, lanes + 1), np.int64)
    in_order = new_messages(int(ends[-1]), recorded=False)
    kernels.sort_mail(messages, ends, wave.firsts[:-1], bounds, in_order)
    state_now = PartitionState(
        made.number, made.touched, made.live, made.counts, made.events, made.contacts, made.trials + trials
    )
    return Step(state_now, Sent(bounds, in_order))


def _forget_edges(wave: Wave, edges: Edges, partition: int) -> None:
    """Give the pages of a partition's edges back, where all edges together would fill the memory."""
    if edges.words.nbytes < FORGET_ABOVE:
        return
    low, high = wave.firsts[partition : partition + 2]
    row = slice(edges.offsets[low], edges.offsets[high])
    forget_pages(edges.words[row], edges.offsets[low : high + 1])
    if len(edges.influence):
        forget_pages(edges.influence[row])


def _nothing(wave: Wave) -> Sent:
    parts, lanes = len(wave.firsts) - 1, len(wave.lanes)
    return Sent(np.zeros((parts, lanes + 1), np.int64), new_messages(0, recorded=False))


def _with_rows(before: Any, lane: npt.NDArray[np.int32], rows: Any, size: int) -> Any:
    if not size:
        return before
    return (*before, (lane[:size].copy(), type(rows)(*(column[:size].copy() for column in rows))))


def counts_of(wave: Wave, _partition: int, step: Step, known: int) -> npt.NDArray[np.int64]:
    """Return the counts of the rounds that are not known yet, (rounds, lanes, COUNTS)."""
    return np.stack([*step.state.counts, np.zeros((len(wave.lanes), COUNTS), np.int64)])[known:-1]


def without_rows(step: Step) -> Step:
    """Return a step whose counts, events and contacts have been saved."""
    state = step.state
    return Step(PartitionState(state.number, state.touched, state.live, trials=state.trials), step.sent)
