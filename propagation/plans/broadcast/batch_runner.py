"""Batches of lanes: what one task of the broadcast plan does, in the kernel shape that the planner chose."""

import functools
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.networks.network import Network
from data.warehouse.manifests import DataFile
from propagation.compiled_rules import contact_rows
from propagation.draws import Purpose, replicate_salts, stream
from propagation.kernel_choice import Shape
from propagation.kernels import cascades as kernels
from propagation.kernels.bit_packed_cascades import WORD, padded
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.primitives import CHUNK
from propagation.lane_counts import AgentReach, Lanes
from propagation.plans.broadcast.any_model import run_by_rules
from propagation.plans.broadcast.parallel_cascades import run_shared
from propagation.plans.broadcast.threshold_and_epidemic_runs import (
    QueueKernel,
    cascade_lanes,
    run_epidemics,
    threshold_kernel,
    touched_reach,
)
from propagation.plans.row_writer import collected_rows
from propagation.plans.stopping import StoppedError, stop_flag
from propagation.sessions import Session
from propagation.weights import AttemptRows


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
    lanes : list of Lanes
        One entry per span.
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
    lanes: list[Lanes] = field(default_factory=list)
    reach: list[tuple[int, AgentReach]] = field(default_factory=list)
    files: list[DataFile] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    trials: int = 0
    seconds: float = 0.0


class Scratch:
    """Arrays that the kernels of one task work in; some are made when first used."""

    def __init__(self, n_agents: int, stop: npt.NDArray[np.uint8], threads: int) -> None:
        self.n_agents, self.stop, self.threads = n_agents, stop, threads
        self.queue = np.empty(n_agents, np.int32)
        self.hits = np.zeros(CHUNK, np.uint8)
        self.touched = np.empty(n_agents, np.int32)

    @functools.cached_property
    def reached_bits(self) -> npt.NDArray[np.uint8]:
        """One bit per agent, zero."""
        return np.zeros(self.n_agents // 8 + 1, np.uint8)

    @functools.cached_property
    def arrived_of_threads(self) -> npt.NDArray[np.uint64]:
        """One bit per thread and agent, zero."""
        return np.zeros((self.threads, self.n_agents // 64 + 1), np.uint64)

    @property
    def arrived(self) -> npt.NDArray[np.uint64]:
        """One bit per agent, zero."""
        return self.arrived_of_threads[0]

    def check(self) -> None:
        """Raise StoppedError if the job is to stop."""
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
    threads: int = 1,
) -> BatchRows:
    """Run the lanes of some spans on this worker.

    Parameters
    ----------
    network : Network
    sessions : tuple of Session
        The job's sessions, which spans refer to by position.
    shapes : tuple of str
        Kernel shape of each session: ``sparse``, ``packed`` (64 lanes to a word) or ``shared`` (a lane by several
        threads), for cascades; ``threshold``; ``epidemic``; ``rules``, for all.
    spans : list of Span
        Lanes to run.
    publish : bool
        Whether to stage the rows of large tables, or return them.
    job : str
        Names the stop flag.
    threads : int
        Threads of this worker that the task may use (``shared``).
    """
    started = time.perf_counter()
    scratch = Scratch(network.n_ids, stop_flag(job), threads)
    batch = BatchRows(spans)
    try:
        with collected_rows(network.warehouse if publish else None) as writer:
            for group in _groups(sessions, shapes, spans):
                scratch.check()
                session, shape = sessions[group[0].session], shapes[group[0].session]
                salts = replicate_salts(np.concatenate([np.arange(s.first, s.first + s.replicates) for s in group]))
                if shape == "rules":
                    lanes, reach = run_by_rules(network, session, group[0].first, salts, scratch.stop, batch, writer)
                    scratch.check()
                else:
                    times = np.zeros(network.n_ids if session.records("reach") else 0, np.int64)
                    seeds = _seeds_of(sessions, group)
                    lanes, reach = _run_fast(shape, network, session, salts, seeds, scratch, batch, times)
                batch.lanes += lanes.split([span.replicates for span in group])
                if session.records("reach"):
                    batch.reach.append((group[0].session, reach))
    except StoppedError:
        return BatchRows([])
    batch.files, batch.tables = writer.files, writer.tables
    batch.seconds = time.perf_counter() - started
    return batch


def _groups(sessions: tuple[Session, ...], shapes: tuple[Shape, ...], spans: list[Span]) -> Iterator[list[Span]]:
    """Yield spans that kernels can run together: of sessions that differ in seeds only, and count rounds only."""

    def alike(span: Span) -> Any:
        session, shape = sessions[span.session], shapes[span.session]
        if shape == "rules" or session.records("reach"):
            return span
        return shape, session.model, session.random_seed, session.max_rounds

    for _, group in itertools.groupby(spans, alike):
        yield list(group)


def _seeds_of(sessions: tuple[Session, ...], group: list[Span]) -> LaneSeeds:
    """Return the seeds of the lanes of some spans."""
    sets = [sessions[span.session].seed_array for span in group]
    of_lane = np.repeat(np.arange(len(group), dtype=np.int32), [span.replicates for span in group])
    return LaneSeeds(of_lane, np.cumsum([0, *map(len, sets)]), np.concatenate(sets))


def _run_fast(
    shape: Shape,
    network: Network,
    session: Session,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
) -> tuple[Lanes, AgentReach]:
    """Run lanes in a shape that is made for their family of models."""
    if shape == "epidemic":
        return run_epidemics(network, session, salts, seeds, scratch, batch, times)
    if shape == "threshold":
        kernel = threshold_kernel(network, session, scratch)
        return _run_queues(session, network.n_ids, kernel, salts, seeds, scratch, batch, times)
    rows = contact_rows(network, session.model, session.random_seed)
    if shape == "packed":
        return _run_packed(session, rows, salts, seeds, scratch, batch, times)
    if shape == "shared":
        return run_shared(session, rows, salts, seeds, scratch, batch, times)
    kernel = _sparse_kernel(session, rows, scratch)
    return _run_queues(session, network.n_ids, kernel, salts, seeds, scratch, batch, times)


def _sparse_kernel(session: Session, rows: AttemptRows, scratch: Scratch) -> QueueKernel:
    transmissions = stream(session.random_seed, Purpose.TRANSMISSION)

    def run(
        salts: npt.NDArray[np.uint32],
        seeds: LaneSeeds,
        counts: npt.NDArray[np.int32],
        ends: npt.NDArray[np.int64],
        truncated: npt.NDArray[np.uint8],
        *reach: Any,
    ) -> Any:
        return kernels.sparse_cascades(
            rows.offsets, rows.words, np.int64(rows.base), transmissions, salts, seeds,
            np.int64(session.max_rounds), scratch.stop, scratch.reached_bits, scratch.arrived, scratch.queue,
            scratch.hits, counts, ends, truncated, *reach[:2], scratch.touched, np.int64(reach[2]),
        )  # fmt: skip

    return run


def _run_queues(
    session: Session,
    n_agents: int,
    kernel: QueueKernel,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
) -> tuple[Lanes, AgentReach]:
    """Run lanes one after another, in as many calls of a kernel as their counts need room."""
    round_sums, n_touched, at = np.zeros_like(times), 0, 0
    # A lane has at least one activation in every round it counts, so no lane needs more room than this.
    room = min(session.max_rounds, n_agents) + 2
    lengths, counts, truncated = [], [], []
    while at < len(salts):
        lanes = len(salts) - at
        part_counts = np.empty(max(room, 64 * lanes), np.int32)
        ends, cut = np.zeros(lanes, np.int64), np.zeros(lanes, np.uint8)
        finished, trials, n_touched = kernel(
            salts[at:], seeds.lanes(at, len(salts)), part_counts, ends, cut, times, round_sums, n_touched
        )
        scratch.check()
        batch.trials += trials
        lengths.append(np.diff(ends[:finished], prepend=0))
        counts.append(part_counts[: ends[finished - 1]].copy() if finished else part_counts[:0])
        truncated.append(cut[:finished] > 0)
        at += finished
    return (
        cascade_lanes(session, lengths, counts, truncated),
        touched_reach(times, round_sums, scratch.touched[:n_touched]),
    )


def _run_packed(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
) -> tuple[Lanes, AgentReach]:
    """Run lanes 64 at a time."""
    round_sums, n_touched = np.zeros_like(times), 0
    lengths, counts, truncated = [], [], []
    for first in range(0, len(salts), WORD):
        word, own = salts[first : first + WORD], seeds.lanes(first, first + WORD)
        matrix, cut, n_touched = _packed_word(session, rows, word, own, scratch, batch, times, round_sums, n_touched)
        active = matrix > 0
        lengths.append(active.sum(axis=0))
        counts.append(matrix.T[active.T].astype(np.int32))
        truncated.append(cut)
    return (
        cascade_lanes(session, lengths, counts, truncated),
        touched_reach(times, round_sums, scratch.touched[:n_touched]),
    )


def _packed_word(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: Scratch,
    batch: BatchRows,
    times: npt.NDArray[np.int64],
    round_sums: npt.NDArray[np.int64],
    n_touched: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], int]:
    """Run one word of lanes; return activations (rounds, lanes), which lanes are truncated, and agents touched."""
    lanes, agents = len(salts), np.unique(np.concatenate([seeds.of(lane) for lane in _first_of_each(seeds.of_lane)]))
    state, frontier = np.zeros(2 * rows.n_agents, np.uint64), np.zeros(rows.n_agents, np.uint64)
    for lane in _first_of_each(seeds.of_lane):
        alike = np.flatnonzero(seeds.of_lane == seeds.of_lane[lane])
        frontier[seeds.of(lane)] |= np.bitwise_or.reduce(np.uint64(1) << alike.astype(np.uint64))
    state[2 * agents.astype(np.int64)] = frontier[agents]
    queue = scratch.queue
    queue[: len(agents)] = agents
    if len(times):  # of one session, whose lanes have the same seeds
        new = agents[times[agents] == 0]
        scratch.touched[n_touched : n_touched + len(new)] = new
        n_touched += len(new)
        times[agents] += lanes
    n_queue, first_round, word_of_salts = len(agents), 1, padded(salts)
    blocks = [np.diff(seeds.ends)[seeds.of_lane][None, :]]
    while n_queue and first_round <= session.max_rounds:
        block = np.zeros((64, lanes), np.int64)
        done, n_queue, trials, n_touched = kernels.packed_cascades(
            rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION),
            word_of_salts, np.int64(first_round), np.int64(session.max_rounds), scratch.stop, state, frontier,
            scratch.arrived, queue, np.int64(n_queue), block, times, round_sums, scratch.touched, np.int64(n_touched),
        )  # fmt: skip
        scratch.check()
        batch.trials += trials
        blocks.append(block[:done])
        first_round += done
    matrix = np.concatenate(blocks)
    still = np.bitwise_or.reduce(frontier[queue[:n_queue]]) if n_queue else np.uint64(0)
    cut = (still >> np.arange(lanes, dtype=np.uint64)) & np.uint64(1)
    return matrix, cut > 0, n_touched


def _first_of_each(of_lane: npt.NDArray[np.int32]) -> list[int]:
    """Return the first lane of each seed set."""
    first: list[int] = np.unique(of_lane, return_index=True)[1].tolist()
    return first
