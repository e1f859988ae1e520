"""Lanes one after another, each a queue of agents: cascades, and thresholds."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import session_edges, session_program, session_rows
from propagation.draws import Purpose, stream
from propagation.kernel_choice import is_threshold
from propagation.kernels.cascades import sparse_cascades
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.thresholds import threshold_lanes
from propagation.lane_counts import AgentReach, Lanes
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.broadcast.kernel_family import KernelFamily, LaneRun, ReachCounter
from propagation.sessions import SUMMARIES, Record, Session

QueueKernel = Callable[..., tuple[int, int, int]]
"""Called with salts, seeds, counts, ends, truncated, times, round_sums, n_touched.

Returns lanes done, trials and n_touched.
"""


class LaneQueues(KernelFamily):
    """Kernels that take the lanes one after another, each from its seeds to its end."""

    cost: ClassVar[float]
    """Measured: an edge of a lane, relative to an edge of the calibration."""

    @abstractmethod
    def kernel(self, run: LaneRun) -> QueueKernel:
        """Return the kernel, bound to a session and to scratch arrays."""

    def trials(self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float) -> float:  # noqa: ARG002
        """Return what a lane costs, in edges of the calibration; see `KernelFamily`."""
        return lane.trials * self.cost

    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run lanes in as many calls of the kernel as their counts need room; see `KernelFamily`."""
        kernel, reach, salts, at = self.kernel(run), ReachCounter(run), run.salts, 0
        # A lane has at least one activation in every round it counts, so no lane needs more room than this.
        room = min(run.session.max_rounds, run.network.n_ids) + 2
        lengths, counts, truncated = [], [], []
        while at < len(salts):
            lanes = len(salts) - at
            part = np.empty(max(room, 64 * lanes), np.int32)
            ends, cut = np.zeros(lanes, np.int64), np.zeros(lanes, np.uint8)
            finished, _, reach.n_touched = kernel(
                salts[at:], run.seeds.lanes(at, len(salts)), part, ends, cut, reach.times, reach.round_sums,
                reach.n_touched,
            )  # fmt: skip
            run.check()
            lengths.append(np.diff(ends[:finished], prepend=0))
            counts.append(part[: ends[finished - 1]].copy() if finished else part[:0])
            truncated.append(cut[:finished] > 0)
            at += finished
        return cascade_lanes(run.session, lengths, counts, truncated), reach.reach


class CascadeQueues(LaneQueues):
    """Independent cascades, one lane after another."""

    name = "sparse"
    bytes_per_agent = 9.0
    cost = 0.6

    def supports(self, model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and model.rules.is_cascade

    def kernel(self, run: LaneRun) -> QueueKernel:
        """Return the kernel, bound to a session and to scratch arrays."""
        session, scratch = run.session, run.scratch
        rows = session_rows(run.network, session)
        transmissions = stream(session.random_seed, Purpose.TRANSMISSION)

        def cascades(
            salts: npt.NDArray[np.uint32],
            seeds: LaneSeeds,
            counts: npt.NDArray[np.int32],
            ends: npt.NDArray[np.int64],
            truncated: npt.NDArray[np.uint8],
            *reach: Any,
        ) -> Any:
            return sparse_cascades(
                rows.offsets, rows.words, np.int64(rows.base), transmissions, salts, seeds,
                np.int64(session.max_rounds), run.stop, scratch.reached_bits, scratch.arrived, scratch.queue,
                scratch.hits, counts, ends, truncated, *reach[:2], scratch.touched, np.int64(reach[2]),
            )  # fmt: skip

        return cascades


class ThresholdQueues(LaneQueues):
    """Threshold models whose agents transmit once, one lane after another."""

    name = "threshold"
    bytes_per_agent = 17.0
    cost = 1.7

    def supports(self, model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and is_threshold(model.rules)

    def kernel(self, run: LaneRun) -> QueueKernel:
        """Return the kernel, bound to a session and to scratch arrays."""
        session, scratch = run.session, run.scratch
        edges = session_edges(run.network, session)
        program = session_program(run.network, session, traced=False)

        def thresholds(
            salts: npt.NDArray[np.uint32],
            seeds: LaneSeeds,
            counts: npt.NDArray[np.int32],
            ends: npt.NDArray[np.int64],
            truncated: npt.NDArray[np.uint8],
            *reach: Any,
        ) -> Any:
            return threshold_lanes(
                edges.offsets, edges.words, edges.base, program.thresholds, program.in_degree, program.threshold,
                salts, seeds, np.int64(session.max_rounds), run.stop, scratch.reached_bits, scratch.arrived,
                scratch.queue, scratch.lacking, scratch.added, counts, ends, truncated, *reach[:2], scratch.touched,
                np.int64(reach[2]),
            )  # fmt: skip

        return thresholds


def cascade_lanes(session: Session, lengths: list[Any], counts: list[Any], truncated: list[Any]) -> Lanes:
    """Return the lanes of a model whose agents transmit once, from those of several calls."""
    return Lanes.of_cascades(
        np.concatenate(lengths), np.concatenate(counts), np.concatenate(truncated), session.max_rounds
    )
