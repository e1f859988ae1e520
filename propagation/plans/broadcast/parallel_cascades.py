"""Cascades of few lanes: the threads of a worker share every round of a lane that is wide enough."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from propagation.draws import Purpose, stream
from propagation.kernels import cascades as kernels
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.primitives import CHUNK
from propagation.lane_counts import AgentReach, Lanes
from propagation.plans.broadcast.threshold_and_epidemic_runs import cascade_lanes, touched_reach
from propagation.sessions import Session
from propagation.weights import AttemptRows

if TYPE_CHECKING:
    from propagation.plans.broadcast.batch_runner import BatchRows, Scratch

NARROW = 256
"""Active agents up to which one thread runs a round: to call others would take longer."""


def run_shared(
    session: Session,
    rows: AttemptRows,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: "Scratch",
    batch: "BatchRows",
    times: npt.NDArray[np.int64],
) -> tuple[Lanes, AgentReach]:
    """Run lanes of independent cascades one after another, each on all threads of the task.

    Parameters
    ----------
    session : Session
    rows : AttemptRows
    salts : (lanes,) uint32
        Salts of the replicates.
    seeds : LaneSeeds
    scratch : Scratch
    batch : BatchRows
        Whose `trials` are counted.
    times : (n,) int64, zero, or length 0
        Scratch for reach, if it is recorded.

    Raises
    ------
    StoppedError
        If the job's stop flag is set.
    """
    round_sums, n_touched = np.zeros_like(times), 0
    lengths, counts, truncated = [], [], []
    with ThreadPoolExecutor(scratch.threads) as pool:
        for lane, salt in enumerate(salts):
            agents = seeds.of(lane)
            activations, tail, cut, trials = _run_lane(session, rows, salt, agents, scratch, pool)
            scratch.check()
            batch.trials += trials
            lengths.append([len(activations)])
            counts.append(activations)
            truncated.append([cut])
            n_touched = kernels.end_lane(
                scratch.reached_bits, scratch.queue, tail, activations, len(activations), times, round_sums,
                scratch.touched, n_touched,
            )  # fmt: skip
    return (
        cascade_lanes(session, lengths, counts, truncated),
        touched_reach(times, round_sums, scratch.touched[:n_touched]),
    )


def _run_lane(
    session: Session,
    rows: AttemptRows,
    salt: np.uint32,
    seeds: npt.NDArray[np.int32],
    scratch: "Scratch",
    pool: ThreadPoolExecutor,
) -> tuple[npt.NDArray[np.int32], int, bool, int]:
    """Run a lane; return its activations by round, how many there are, whether it was cut off, and edges looked at."""
    edges = rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION), salt
    reached, arrived, queue = scratch.reached_bits, scratch.arrived_of_threads, scratch.queue
    counts = np.zeros(min(session.max_rounds, rows.n_agents) + 2, np.int32)
    most, all_hits = np.int64(session.max_rounds), np.zeros((scratch.threads, CHUNK), np.uint8)
    number, head, tail = 0, 0, len(seeds)
    queue[:tail], counts[0] = seeds, tail
    np.bitwise_or.at(reached, seeds >> 3, np.uint8(1) << (seeds & 7).astype(np.uint8))
    trials = 0
    while True:
        # 1. Rounds of few agents.
        number, head, tail, looked = kernels.rounds_of_lane(
            *edges, most, scratch.stop, np.int64(NARROW), reached, arrived[0], queue, all_hits[0], counts,
            np.int64(number), np.int64(head), np.int64(tail),
        )  # fmt: skip
        trials += looked
        if head == tail or number == most or scratch.stop[0]:
            break
        # 2. A round of many: each thread takes agents with about as many edges.
        ends = np.cumsum(rows.offsets[queue[head:tail] + 1] - rows.offsets[queue[head:tail]])
        shares = np.arange(scratch.threads + 1) * ends[-1] // scratch.threads
        cuts = head + np.searchsorted(ends, shares)
        cuts[-1] = tail

        def attempts(part: tuple[int, tuple[int, int]]) -> int:
            thread, (low, high) = part
            return int(kernels.wide_attempts(*edges, queue, low, high, reached, arrived[thread], all_hits[thread]))

        trials += sum(pool.map(attempts, enumerate(pairwise(cuts))))
        head, tail = tail, int(kernels.wide_arrivals(reached, arrived, queue, np.int64(tail)))
        number += 1
        counts[number] = tail - head
    return counts[: number + (head < tail)].copy(), tail, head < tail, trials
