"""Independent cascades, 64 lanes to a machine word: worth it where cascades overlap."""

import math

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import session_rows
from propagation.draws import Purpose, stream
from propagation.kernels.bit_packed_cascades import WORD, padded
from propagation.kernels.cascades import packed_cascades
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.lane_counts import AgentReach, Lanes
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.broadcast.kernel_family import KernelFamily, LaneRun, ReachCounter
from propagation.plans.broadcast.lane_queues import cascade_lanes
from propagation.sessions import SUMMARIES, Record, Session
from propagation.weights import AttemptRows

WORD_COST, LONE_LANE_COST, WORD_SETUP_COST = 5.0, 1.2, 0.3
"""Measured, relative to an edge of the calibration: an edge for all lanes of a word; an edge for a lone lane of a word;
clearing a word of an agent."""


class BitPackedCascades(KernelFamily):
    """Independent cascades, 64 lanes to a machine word."""

    name = "packed"
    bytes_per_agent = 33.0
    lanes_together = WORD

    def supports(self, model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and model.rules.is_cascade

    def trials(self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float) -> float:  # noqa: ARG002
        """Return what a lane costs, in edges of the calibration: an edge shared by lanes is read once."""
        per_word = min(WORD, math.ceil(lanes_per_thread))
        lanes_per_row = 1 + (per_word - 1) * lane.overlap
        return (
            lane.seed_trials * WORD_COST / per_word
            + (lane.trials - lane.seed_trials) * min(LONE_LANE_COST, WORD_COST / lanes_per_row)
            + network.n_ids * WORD_SETUP_COST / per_word
        )

    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run lanes 64 at a time; see `KernelFamily`."""
        session, reach = run.session, ReachCounter(run)
        rows = session_rows(run.network, session)
        lengths, counts, truncated = [], [], []
        for first in range(0, len(run.salts), WORD):
            salts, seeds = run.salts[first : first + WORD], run.seeds.lanes(first, first + WORD)
            matrix, cut = _run_word(run, rows, salts, seeds, reach)
            active = matrix > 0
            lengths.append(active.sum(axis=0))
            counts.append(matrix.T[active.T].astype(np.int32))
            truncated.append(cut)
        return cascade_lanes(session, lengths, counts, truncated), reach.reach


def _run_word(
    run: LaneRun, rows: AttemptRows, salts: npt.NDArray[np.uint32], seeds: LaneSeeds, reach: ReachCounter
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Run one word of lanes; return activations, (rounds, lanes), and which lanes are truncated."""
    session, queue, lanes = run.session, run.scratch.queue, len(salts)
    # 1. Round 0: the seeds.
    agents, state, frontier = _seeded(rows.n_agents, seeds)
    queue[: len(agents)] = agents
    if len(reach.times):  # lanes of one session, which have the same seeds
        new = agents[reach.times[agents] == 0]
        reach.touched[reach.n_touched : reach.n_touched + len(new)] = new
        reach.n_touched += len(new)
        reach.times[agents] += lanes
    # 2. Each round, until no lane is active.
    n_queue, first_round, word_of_salts = len(agents), 1, padded(salts)
    blocks = [np.diff(seeds.ends)[seeds.of_lane][None, :]]
    while n_queue and first_round <= session.max_rounds:
        block = np.zeros((64, lanes), np.int64)
        done, n_queue, _, reach.n_touched = packed_cascades(
            rows.offsets, rows.words, np.int64(rows.base), stream(session.random_seed, Purpose.TRANSMISSION),
            word_of_salts, np.int64(first_round), np.int64(session.max_rounds), run.stop, state, frontier,
            run.scratch.arrived, queue, np.int64(n_queue), block, reach.times, reach.round_sums, reach.touched,
            np.int64(reach.n_touched),
        )  # fmt: skip
        run.check()
        blocks.append(block[:done])
        first_round += done
    # 3. Lanes that are still active.
    still = np.bitwise_or.reduce(frontier[queue[:n_queue]]) if n_queue else np.uint64(0)
    cut = (still >> np.arange(lanes, dtype=np.uint64)) & np.uint64(1)
    return np.concatenate(blocks), cut > 0


def _seeded(
    n_agents: int, seeds: LaneSeeds
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Return the seeds of all lanes of a word, the state of all agents, (2 n,), and the frontier, (n,)."""
    one_lane_of_each: list[int] = np.unique(seeds.of_lane, return_index=True)[1].tolist()
    state, frontier = np.zeros(2 * n_agents, np.uint64), np.zeros(n_agents, np.uint64)
    for lane in one_lane_of_each:
        alike = np.flatnonzero(seeds.of_lane == seeds.of_lane[lane])
        frontier[seeds.of(lane)] |= np.bitwise_or.reduce(np.uint64(1) << alike.astype(np.uint64))
    agents = np.unique(np.concatenate([seeds.of(lane) for lane in one_lane_of_each]))
    state[2 * agents.astype(np.int64)] = frontier[agents]
    return agents, state, frontier
