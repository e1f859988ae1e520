"""Cascades of few lanes: the threads of a worker share every round of a lane that is wide enough."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from propagation.compiled_rules import session_rows
from propagation.draws import Purpose, stream
from propagation.kernels import cascades as kernels
from propagation.kernels.primitives import CHUNK
from propagation.lane_counts import AgentReach, Lanes
from propagation.plans.broadcast.kernel_family import LaneRun, ReachCounter
from propagation.plans.broadcast.lane_queues import CascadeQueues, cascade_lanes
from propagation.weights import AttemptRows

NARROW = 256
"""Active agents up to which one thread runs a round alone: waking others would take longer."""


class ParallelCascades(CascadeQueues):
    """Independent cascades, one lane after another, each on all threads of the task."""

    name = "shared"
    several_threads = True

    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run lanes one after another, each on all threads of the task; see `KernelFamily`."""
        session, scratch, reach = run.session, run.scratch, ReachCounter(run)
        rows = session_rows(run.network, session)
        lengths, counts, truncated = [], [], []
        with ThreadPoolExecutor(scratch.threads) as pool:
            for lane, salt in enumerate(run.salts):
                activations, tail, cut = _run_lane(run, rows, salt, run.seeds.of(lane), pool)
                run.check()
                lengths.append([len(activations)])
                counts.append(activations)
                truncated.append([cut])
                reach.n_touched = kernels.end_lane(
                    scratch.reached_bits, scratch.queue, tail, activations, len(activations), reach.times,
                    reach.round_sums, reach.touched, reach.n_touched,
                )  # fmt: skip
        return cascade_lanes(session, lengths, counts, truncated), reach.reach


def _run_lane(
    run: LaneRun,
    rows: AttemptRows,
    salt: np.uint32,
    seeds: npt.NDArray[np.int32],
    pool: ThreadPoolExecutor,
) -> tuple[npt.NDArray[np.int32], int, bool]:
    """Run a lane; return its activations by round, how many there are, and whether it was truncated."""
    session, scratch = run.session, run.scratch
    edges = rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION), salt
    reached, arrived, queue = scratch.reached_bits, scratch.arrived_of_threads, scratch.queue
    counts = np.zeros(min(session.max_rounds, rows.n_agents) + 2, np.int32)
    most, all_hits = np.int64(session.max_rounds), np.zeros((scratch.threads, CHUNK), np.uint8)
    number, head, tail = 0, 0, len(seeds)
    queue[:tail], counts[0] = seeds, tail
    np.bitwise_or.at(reached, seeds >> 3, np.uint8(1) << (seeds & 7).astype(np.uint8))
    while True:
        # 1. Rounds of few agents.
        number, head, tail, _ = kernels.rounds_of_lane(
            *edges, most, run.stop, np.int64(NARROW), reached, arrived[0], queue, all_hits[0], counts,
            np.int64(number), np.int64(head), np.int64(tail),
        )  # fmt: skip
        if head == tail or number == most or run.stop[0]:
            break
        # 2. A round of many: each thread takes agents with about as many edges.
        ends = np.cumsum(rows.offsets[queue[head:tail] + 1] - rows.offsets[queue[head:tail]])
        shares = np.arange(scratch.threads + 1) * ends[-1] // scratch.threads
        cuts = head + np.searchsorted(ends, shares)
        cuts[-1] = tail

        def attempts(part: tuple[int, tuple[int, int]]) -> None:
            thread, (low, high) = part
            kernels.wide_attempts(*edges, queue, low, high, reached, arrived[thread], all_hits[thread])

        list(pool.map(attempts, enumerate(pairwise(cuts))))
        head, tail = tail, int(kernels.wide_arrivals(reached, arrived, queue, np.int64(tail)))
        number += 1
        counts[number] = tail - head
    return counts[: number + (head < tail)].copy(), tail, head < tail
