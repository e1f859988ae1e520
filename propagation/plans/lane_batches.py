"""Batches of lanes: what one task of the broadcast plan does, in the kernel shape that the planner chose."""

import functools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.manifests import DataFile
from data.schemas import SYMBOL
from data.snapshots import Network
from propagation import kernels
from propagation.draws import Purpose, replicate_salts, stream
from propagation.planner import WORD, Shape
from propagation.plans.row_writer import ROWS_PER_WRITE, RowWriter, collected_rows
from propagation.results import EVENT_TYPES, AgentReach, session_id_column
from propagation.sessions import Session
from propagation.weights import AttemptRows

_EVENT_TYPES = pa.array(EVENT_TYPES, pa.string())


class StoppedError(Exception):
    """Raised inside a task whose stop flag was set; never reaches the user."""


@dataclass(frozen=True)
class Span:
    """Consecutive replicates of one session."""

    session: int
    first: int
    replicates: int


@dataclass
class BatchRows:
    """What a task returns: the rounds of its lanes, and where their rows are.

    Attributes
    ----------
    spans : list of Span
    lengths, counts, truncated : list of arrays
        One entry per span, as in `Lanes`.
    reach : list of tuple
        (session, AgentReach) per span, if recorded.
    files, tables : list
        Staged files, or tables by name where nothing is published.
    trials : int
        Edges looked at.
    seconds : float
        Time in the task.
    """

    spans: list[Span]
    lengths: list[npt.NDArray[np.int64]] = field(default_factory=list)
    counts: list[npt.NDArray[np.int32]] = field(default_factory=list)
    truncated: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    reach: list[tuple[int, AgentReach]] = field(default_factory=list)
    files: list[DataFile] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    trials: int = 0
    seconds: float = 0.0


_flag_lock = threading.Lock()


def stop_flag(job: str) -> npt.NDArray[np.uint8]:
    """Return the flag of a job in this process, (1,) uint8; kernels end at the next round once it is set."""
    with _flag_lock:  # a cache alone would give threads that ask at the same time a flag each
        return _cached_flag(job)


@functools.lru_cache(maxsize=64)
def _cached_flag(job: str) -> npt.NDArray[np.uint8]:  # noqa: ARG001 (the cache's key)
    return np.zeros(1, np.uint8)


def request_stop(job: str) -> None:
    """Set the stop flag of a job in this process."""
    stop_flag(job)[0] = 1


class _Scratch:
    """Arrays that the kernels of one task work in; made when first used."""

    def __init__(self, n_agents: int, stop: npt.NDArray[np.uint8]) -> None:
        self.n_agents, self.stop = n_agents, stop
        self.queue = np.empty(n_agents, np.int32)
        self.hits = np.zeros(kernels.CHUNK, np.uint8)
        self.touched = np.empty(n_agents, np.int32)

    @functools.cached_property
    def reached_bits(self) -> npt.NDArray[np.uint8]:
        return np.zeros(self.n_agents // 8 + 1, np.uint8)

    @functools.cached_property
    def round_of(self) -> npt.NDArray[np.int32]:
        return np.full(self.n_agents, -1, np.int32)

    @functools.cached_property
    def infectors(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
        return np.empty(self.n_agents, np.int32), np.empty(self.n_agents, np.uint32)

    def check(self) -> None:
        if self.stop[0]:
            raise StoppedError


def run_batch(
    network: Network,
    sessions: tuple[Session, ...],
    shapes: tuple[Shape, ...],
    spans: list[Span],
    *,
    publish: bool,
    job: str,
) -> BatchRows:
    """Run the lanes of some spans on this worker.

    Parameters
    ----------
    network : Network
    sessions : tuple of Session
        The job's sessions, which spans refer to by position.
    shapes : tuple of str
        Kernel shape of each session: ``sparse``, ``packed`` (64 lanes to a word) or ``traced`` (with infectors).
    spans : list of Span
        Lanes to run.
    publish : bool
        Whether to stage the rows of large tables, or return them.
    job : str
        Names the stop flag.
    """
    started = time.perf_counter()
    scratch = _Scratch(network.n_agents, stop_flag(job))
    batch = BatchRows(spans)
    try:
        with collected_rows(network.warehouse if publish else None) as writer:
            for span in spans:
                scratch.check()
                session = sessions[span.session]
                rows = session.model.attempt_rows(network, session.random_seed)
                salts = replicate_salts(np.arange(span.first, span.first + span.replicates))
                shape = shapes[span.session]
                if shape == "traced":
                    _run_traced(session, span, rows, salts, scratch, batch, writer)
                else:
                    run = _run_packed if shape == "packed" else _run_sparse
                    times = np.zeros(network.n_agents if session.records("reach") else 0, np.int64)
                    run(session, rows, salts, scratch, batch, times, span.session)
    except StoppedError:
        return BatchRows([])
    batch.files, batch.tables = writer.files, writer.tables
    batch.seconds = time.perf_counter() - started
    return batch


def _run_sparse(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    scratch: _Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
    number: int,
) -> None:
    round_sums, n_touched, at = np.zeros_like(times), 0, 0
    transmissions = stream(session.random_seed, Purpose.TRANSMISSION)
    # A lane has at least one activation in every round it counts, so no lane needs more room than this.
    room = min(session.max_rounds, rows.n_agents) + 2
    lengths, counts, truncated = [], [], []
    while at < len(salts):
        lanes = len(salts) - at
        part_counts = np.empty(max(room, 64 * lanes), np.int32)
        ends, cut = np.zeros(lanes, np.int64), np.zeros(lanes, np.uint8)
        finished, trials, n_touched = kernels.sparse_cascades(
            rows.offsets, rows.words, np.int64(rows.base), transmissions, salts[at:], session.seed_array,
            np.int64(session.max_rounds), scratch.stop, scratch.reached_bits, scratch.queue, scratch.hits,
            part_counts, ends, cut, times, round_sums, scratch.touched, np.int64(n_touched),
        )  # fmt: skip
        scratch.check()
        batch.trials += trials
        lengths.append(np.diff(ends[:finished], prepend=0))
        counts.append(part_counts[: ends[finished - 1]].copy() if finished else part_counts[:0])
        truncated.append(cut[:finished] > 0)
        at += finished
    _add_lanes(batch, lengths, counts, truncated)
    if len(times):
        batch.reach.append((number, _touched_reach(times, round_sums, scratch.touched[:n_touched])))


def _run_packed(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    scratch: _Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
    number: int,
) -> None:
    round_sums, n_touched = np.zeros_like(times), 0
    lengths, counts, truncated = [], [], []
    for first in range(0, len(salts), WORD):
        word = salts[first : first + WORD]
        matrix, cut, n_touched = _packed_word(session, rows, word, scratch, batch, times, round_sums, n_touched)
        active = matrix > 0
        lengths.append(active.sum(axis=0))
        counts.append(matrix.T[active.T].astype(np.int32))
        truncated.append(cut)
    _add_lanes(batch, lengths, counts, truncated)
    if len(times):
        batch.reach.append((number, _touched_reach(times, round_sums, scratch.touched[:n_touched])))


def _packed_word(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    scratch: _Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
    round_sums: npt.NDArray[np.int64],
    n_touched: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], int]:
    """Run one word of lanes; return activations (rounds, lanes), which lanes are truncated, and agents touched."""
    lanes, seeds = len(salts), session.seed_array
    every_lane = np.uint64(2**lanes - 1)
    state, frontier = np.zeros(2 * rows.n_agents, np.uint64), np.zeros(rows.n_agents, np.uint64)
    state[2 * seeds.astype(np.int64)] = frontier[seeds] = every_lane
    queue, next_queue = scratch.queue, np.empty_like(scratch.queue)
    queue[: len(seeds)] = seeds
    if len(times):
        new = seeds[times[seeds] == 0]
        scratch.touched[n_touched : n_touched + len(new)] = new
        n_touched += len(new)
        times[seeds] += lanes
    n_queue, first_round, blocks = len(seeds), 1, [np.full((1, lanes), len(seeds), np.int64)]
    while n_queue and first_round <= session.max_rounds:
        block = np.zeros((64, lanes), np.int64)
        done, n_queue, swapped, trials, n_touched = kernels.packed_cascades(
            rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION), salts,
            np.int64(first_round), np.int64(session.max_rounds), scratch.stop, state, frontier, queue, next_queue,
            np.int64(n_queue), scratch.hits, block, times, round_sums, scratch.touched, np.int64(n_touched),
        )  # fmt: skip
        scratch.check()
        batch.trials += trials
        if swapped:
            queue, next_queue = next_queue, queue
        blocks.append(block[:done])
        first_round += done
    matrix = np.concatenate(blocks)
    still = np.bitwise_or.reduce(frontier[queue[:n_queue]]) if n_queue else np.uint64(0)
    cut = (still >> np.arange(lanes, dtype=np.uint64)) & np.uint64(1)
    return matrix, cut > 0, n_touched


def _add_lanes(batch: BatchRows, lengths: list[Any], counts: list[Any], truncated: list[Any]) -> None:
    batch.lengths.append(np.concatenate(lengths))
    batch.counts.append(np.concatenate(counts))
    batch.truncated.append(np.concatenate(truncated))


def _touched_reach(
    times: npt.NDArray[np.int64], round_sums: npt.NDArray[np.int64], touched: npt.NDArray[np.int32]
) -> AgentReach:
    agents = np.sort(touched)
    return AgentReach(agents, times[agents], round_sums[agents])


def _run_traced(
    session: Session,
    span: Span,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    scratch: _Scratch,
    batch: BatchRows,
    writer: RowWriter,
) -> None:
    lengths, counts, truncated = [], [], []
    times = np.zeros(rows.n_agents if session.records("reach") else 0, np.int64)
    round_sums = np.zeros_like(times)
    for first, trace in _traces(session, rows, salts, scratch, batch):
        lane_lengths, lane_counts = trace.by_lane_and_round()
        lengths.append(lane_lengths)
        counts.append(lane_counts)
        truncated.append(trace.truncated)
        if session.records("reach"):
            times += np.bincount(trace.agents, minlength=len(times))
            round_sums += np.bincount(trace.agents, weights=trace.rounds, minlength=len(times)).astype(np.int64)
        if session.records("activations"):
            writer.write("activations", _activation_rows(session, span.first + first, trace))
        if session.records("contacts"):
            for contacts in _contact_rows(session, rows, span.first + first, trace, salts[first:], scratch):
                writer.write("propagation_events", contacts)
    _add_lanes(batch, lengths, counts, truncated)
    if len(times):
        agents = np.flatnonzero(times).astype(np.int32)
        batch.reach.append((span.session, AgentReach(agents, times[agents], round_sums[agents])))


@dataclass(frozen=True)
class _Trace:
    """Activations of consecutive lanes, lane after lane, by round."""

    agents: npt.NDArray[np.int32]
    rounds: npt.NDArray[np.int32]
    infectors: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    truncated: npt.NDArray[np.bool_]

    def by_lane_and_round(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return lengths and counts as in `Lanes`: rounds ascend within a lane, so runs of equal rounds are counted."""
        starts = np.concatenate([[0], self.ends[:-1]])
        change = np.ones(len(self.rounds), bool)
        change[1:] = self.rounds[1:] != self.rounds[:-1]
        change[starts] = True
        firsts = np.flatnonzero(change)
        counts = np.diff(np.append(firsts, len(self.rounds))).astype(np.int32)
        return np.diff(np.searchsorted(firsts, np.append(starts, len(self.rounds)))), counts


def _traces(
    session: Session, rows: AttemptRows, salts: npt.NDArray[np.uint32], scratch: _Scratch, batch: BatchRows
) -> Iterator[tuple[int, _Trace]]:
    """Run lanes with their infectors, as many at a time as fit the room; yield (first lane, trace)."""
    room = max(rows.n_agents, ROWS_PER_WRITE)  # a single lane always fits
    agents, rounds, infectors = (np.empty(room, np.int32) for _ in range(3))
    infector_of, best_of = scratch.infectors
    at = 0
    while at < len(salts):
        ends, cut = np.zeros(len(salts) - at, np.int64), np.zeros(len(salts) - at, np.uint8)
        finished, trials = kernels.traced_cascades(
            rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION),
            stream(session.random_seed, Purpose.INFECTOR), salts[at:], session.seed_array,
            np.int64(session.max_rounds), scratch.stop, scratch.round_of, infector_of, best_of, scratch.queue,
            scratch.hits, agents, rounds, infectors, ends, cut,
        )  # fmt: skip
        scratch.check()
        batch.trials += trials
        # Copies: Arrow shares the memory of the arrays it is given, and the next lanes overwrite these.
        end = ends[finished - 1]
        copies = (agents[:end].copy(), rounds[:end].copy(), infectors[:end].copy())
        yield at, _Trace(*copies, ends[:finished], cut[:finished] > 0)
        at += finished


def _activation_rows(session: Session, first: int, trace: _Trace) -> pa.Table:
    """Return the activations of a trace whose first lane is replicate `first`."""
    lane = np.repeat(np.arange(len(trace.ends), dtype=np.int32), np.diff(trace.ends, prepend=0))
    return pa.table(
        {
            "session_id": session_id_column([session.session_id], [len(lane)]),
            "replicate": lane + np.int32(first),
            "agent": trace.agents,
            "round": trace.rounds,
            "infector": pa.array(trace.infectors, mask=trace.infectors < 0),
            "occasion": np.ones(len(lane), np.int32),
        }
    )


def _contact_rows(
    session: Session,
    rows: AttemptRows,
    first: int,
    trace: _Trace,
    salts: npt.NDArray[np.uint32],
    scratch: _Scratch,
) -> Iterator[pa.Table]:
    """Yield the contacts of each lane of a trace whose first lane is replicate `first`."""
    degree = np.diff(rows.offsets)
    starts = np.concatenate([[0], trace.ends[:-1]])
    for lane, (low, high) in enumerate(zip(starts, trace.ends, strict=True)):
        agents, rounds = trace.agents[low:high], trace.rounds[low:high]
        size = int(degree[agents[rounds < session.max_rounds]].sum())
        number, src, dst = (np.empty(size, np.int32) for _ in range(3))
        kind = np.empty(size, np.int8)
        kernels.lane_contacts(
            rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION),
            salts[lane], agents, rounds, np.int64(session.max_rounds), scratch.round_of, number, src, dst, kind,
        )  # fmt: skip
        scratch.check()
        yield pa.table(
            {
                "session_id": session_id_column([session.session_id], [size]),
                "replicate": np.full(size, first + lane, np.int32),
                "round": number,
                "src": src,
                "dst": dst,
                "event_type": pa.DictionaryArray.from_arrays(pa.array(kind), _EVENT_TYPES).cast(SYMBOL),
            }
        )
