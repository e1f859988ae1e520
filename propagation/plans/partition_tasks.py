"""What the tasks of the partitioned plan do: one partition of the network, some lanes, one round at a time.

A task is a pure function of its inputs: it changes nothing that it was given, so it may be lost and run again.
"""

import dataclasses
import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.snapshots import Network
from data.sparse_rows import forget_pages
from propagation.draws import replicate_salts
from propagation.kernels import partitions as kernels
from propagation.kernels.lane_arrays import Events, Messages
from propagation.kernels.partitions import COUNTS, LaneStates, Live, Mail, Touched
from propagation.kernels.primitives import CHUNK
from propagation.plans.partition_states import (
    PartitionState,
    all_touched,
    initial_states,
    keep_states,
    new_live,
    new_touched,
    read_only,
    scratch_of,
    shortened,
    take_states,
    trimmed,
)
from propagation.plans.rule_lanes import new_contacts, new_events, new_messages
from propagation.plans.stopping import check_stop
from propagation.programs import Edges, Program, session_edges, session_program
from propagation.sessions import Session

FORGET_ABOVE = 2 << 30
"""Bytes of edges from which on each task gives the pages back that it has read."""


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


# -- tasks ----------------------------------------------------------------------------------------------------------


def begin(wave: Wave, partition: int) -> Step:
    """Run round 0 of a partition: seeds and sceptics; send the contacts of round 1."""
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    ends, seeds = wave.seeds(partition)
    lanes = len(wave.lanes)
    room = len(seeds) + (lanes * size if len(program.sceptics) else 0)
    touched, live = new_touched(program, lanes, room), new_live(lanes, room)
    states = initial_states(program, lanes, size)
    with scratch_of(program, size) as scratch:
        kernels.start_lanes(
            program, first, ends, seeds, wave.salts, states, scratch.arrivals, scratch.live, touched, live
        )
    counts = np.zeros((lanes, COUNTS), np.int64)
    counts[:, :3] = np.diff(ends)[:, None]
    counts[:, 3], counts[:, 4] = np.diff(live.ends), 1
    events = Events(seeds, np.zeros_like(seeds), np.full_like(seeds, -1), np.ones_like(seeds))
    of_lane = np.repeat(np.arange(lanes, dtype=np.int32), np.diff(ends))
    recorded = ((of_lane, events),) if wave.one.records("reach") else ()
    return _sent(wave, partition, PartitionState(0, (trimmed(touched),), trimmed(live), (counts,), recorded), states)


def resume(wave: Wave, partition: int, number: int, touched: Touched, live: Live) -> Step:
    """Go on from the state that a checkpoint holds: send the contacts of the next round."""
    check_stop(wave.job)
    state = PartitionState(number, (touched,), live)
    return _sent(wave, partition, state, _states(wave, partition, state))


def stops_of(wave: Wave, partition: int, step: Step, sent: Sequence[Sent]) -> list[npt.NDArray[np.int32]]:
    """Return whom the contacts with agents of a partition make stop: (k, 2) lane and source, for each partition."""
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    mail = _mail(partition, sent, recorded=False)
    states = _states(wave, partition, step.state)
    lane, src = np.empty(len(mail.messages.dst), np.int32), np.empty(len(mail.messages.dst), np.int32)
    with scratch_of(program, size) as scratch:
        found = kernels.stopped_sources(program, first, states, scratch.arrivals, scratch.live, mail, lane, src)
    keep_states((wave.job, partition), step.state, states)
    pairs = np.unique(np.stack([lane[:found], src[:found]], axis=1), axis=0)
    where = np.searchsorted(wave.firsts, pairs[:, 1], side="right") - 1
    return [pairs[where == part] for part in range(len(wave.firsts) - 1)]


def advance(
    wave: Wave,
    partition: int,
    step: Step,
    sent: Sequence[Sent],
    stops: Sequence[list[npt.NDArray[np.int32]]] = (),
) -> Step:
    """Run the end of one round and the beginning of the next: receive, settle, send.

    Parameters
    ----------
    wave : Wave
    partition : int
    step : Step
        The partition's after the round before.
    sent : sequence of Sent
        Of all partitions.
    stops : sequence of lists
        What `stops_of` returned, of all partitions, for models whose contacts make sources stop.
    """
    check_stop(wave.job)
    program, first, size = _range(wave, partition)
    before, lanes = step.state, len(wave.lanes)
    recorded = wave.one.records("contacts")
    mail = _mail(partition, sent, recorded=recorded)
    arriving, were_live = len(mail.messages.dst), int(before.live.ends[-1])
    changes, live = new_touched(program, lanes, arriving + were_live), new_live(lanes, arriving + were_live)
    events = new_events(arriving if wave.one.records("reach") else 0)
    contacts = new_contacts(arriving if recorded else 0)
    events_lane, contacts_lane = (np.empty(len(rows.round), np.int32) for rows in (events, contacts))
    counts = np.zeros((lanes, COUNTS), np.int64)
    told = [pairs[partition] for pairs in stops]
    pairs = np.concatenate([*told, np.empty((0, 2), np.int32)])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    states = _states(wave, partition, before)
    with scratch_of(program, size) as scratch:
        n_events, n_contacts = kernels.settle_lanes(
            program, first, states, read_only(before.live), wave.salts, np.int64(before.number + 1), mail,
            np.searchsorted(pairs[:, 0], np.arange(lanes + 1)), np.ascontiguousarray(pairs[:, 1]), np.int64(recorded),
            scratch.arrivals, scratch.live, np.empty(arriving, np.int32), changes, live, counts, events, events_lane,
            contacts, contacts_lane,
        )  # fmt: skip
    made = PartitionState(
        before.number + 1,
        shortened(program, int(first), states, (*before.log, trimmed(changes))),
        trimmed(live),
        (*before.counts, counts),
        _with_rows(before.events, events_lane, events, n_events),
        _with_rows(before.contacts, contacts_lane, contacts, n_contacts),
        before.trials,
    )
    return _sent(wave, partition, made, states)


def advance_together(wave: Wave, rounds: int, threads: int, steps: Sequence[Step]) -> Sequence[Step]:
    """Run rounds of all partitions in one task, as long as there is anything to do.

    Parameters
    ----------
    wave : Wave
    rounds : int
        At most so many.
    threads : int
        How many partitions are worked on at the same time.
    steps : sequence of Step
        Of all partitions after the same round.
    """
    partitions = range(len(steps))
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            if not any(step.state.live.ends[-1] for step in steps):
                break
            sent, told = [step.sent for step in steps], []
            if wave.one.model.rules.replies:
                told = list(pool.map(lambda p, steps=steps, sent=sent: stops_of(wave, p, steps[p], sent), partitions))
            following = pool.map(
                lambda p, steps=steps, sent=sent, told=told: advance(wave, p, steps[p], sent, told), partitions
            )
            steps = list(following)
    return steps


def one_of(steps: Sequence[Step], partition: int) -> Step:
    """Return the step of one partition."""
    return steps[partition]


def probe(wave: Wave, partition: int, step: Step) -> Sent:
    """Send every contact that could ever succeed, as if it did."""
    return _sent(wave, partition, step.state, _states(wave, partition, step.state), probing=True).sent


def open_lanes(wave: Wave, partition: int, step: Step, sent: Sequence[Sent]) -> npt.NDArray[np.uint8]:
    """Return in which lanes a contact of a probe could change something, (lanes,) uint8."""
    program, first, _ = _range(wave, partition)
    found = np.zeros(len(wave.lanes), np.uint8)
    states = _states(wave, partition, step.state)
    kernels.open_lanes(first, states, _mail(partition, sent, recorded=False), found)
    keep_states((wave.job, partition), step.state, states)
    leaving = program.leave_chance > 0
    leaving |= program.leave_after > 0
    of_lane = np.repeat(np.arange(len(found)), np.diff(step.state.live.ends))
    found[of_lane[leaving[step.state.live.compartment]]] = 1
    return found


def touched_in(wave: Wave, partition: int, step: Step) -> Touched:
    """Return the states of all agents of a partition that are not as at the start."""
    program, first, _ = _range(wave, partition)
    states = _states(wave, partition, step.state)
    touched = all_touched(program, int(first), states)
    keep_states((wave.job, partition), step.state, states)
    return touched


def _range(wave: Wave, partition: int) -> tuple[Program, np.int64, int]:
    first, end = wave.firsts[partition : partition + 2]
    return wave.program, np.int64(first), int(end - first)


def _states(wave: Wave, partition: int, state: PartitionState) -> LaneStates:
    program, first, size = _range(wave, partition)
    return take_states((wave.job, partition), program, int(first), size, state)


def _mail(partition: int, sent: Sequence[Sent], *, recorded: bool) -> Mail:
    parts = [each.to(partition) for each in sent]
    starts = np.cumsum([0, *(len(columns[0]) for _, columns in parts)])[:-1]
    bounds = np.stack([bounds + start for (bounds, _), start in zip(parts, starts, strict=True)])
    dst, src, value, draw = (np.concatenate([columns[i] for _, columns in parts]) for i in range(4))
    return Mail(bounds, Messages(dst, src, value, draw, np.empty(len(dst) if recorded else 0, np.int8)))


def _sent(wave: Wave, partition: int, made: PartitionState, states: LaneStates, *, probing: bool = False) -> Step:
    """Return the step of a state: with the messages that its live agents send, if the next round comes."""
    if made.number == wave.one.max_rounds and not probing:
        keep_states((wave.job, partition), made, states)
        return Step(made, _nothing(wave))
    program, first, size = _range(wave, partition)
    edges, live, lanes = wave.edges, read_only(made.live), len(wave.lanes)
    recorded = wave.one.records("contacts")
    named = bool(program.chooses) or recorded or wave.one.model.rules.replies
    ends = np.zeros(lanes + 1, np.int64)
    bounds = np.zeros((len(wave.firsts) - 1, lanes + 1), np.int64)
    with scratch_of(program, size) as scratch:
        # Room for every contact; of these, only as many pages are used as messages travel.
        messages = scratch.room(int(kernels.contacts_due(edges, program, live)) + CHUNK, named=named)
        trials = kernels.send_lanes(
            edges, program, first, states, live, wave.salts, np.int64(made.number + 1),
            np.int64(recorded and not probing), np.int64(probing), scratch.live, np.zeros(CHUNK, np.uint8), messages,
            ends,
        )  # fmt: skip
        _forget_edges(wave, edges, partition)
        in_order = new_messages(int(ends[-1]), named=named, recorded=False)
        kernels.sort_mail(messages, ends, wave.firsts[:-1], bounds, in_order)
    keep_states((wave.job, partition), made, states)
    return Step(dataclasses.replace(made, trials=made.trials + trials), Sent(bounds, in_order))


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
    return Sent(np.zeros((parts, lanes + 1), np.int64), new_messages(0, named=False, recorded=False))


def _with_rows(before: Any, lane: npt.NDArray[np.int32], rows: Any, size: int) -> Any:
    if not size:
        return before
    return (*before, (lane[:size].copy(), type(rows)(*(column[:size].copy() for column in rows))))


def counts_of(wave: Wave, _partition: int, step: Step, known: int) -> npt.NDArray[np.int64]:
    """Return the counts of the rounds that are not known yet, (rounds, lanes, COUNTS)."""
    return np.stack([*step.state.counts, np.zeros((len(wave.lanes), COUNTS), np.int64)])[known:-1]


def without_rows(step: Step) -> Step:
    """Return a step whose counts, events and contacts have been saved."""
    return Step(dataclasses.replace(step.state, counts=(), events=(), contacts=()), step.sent)
