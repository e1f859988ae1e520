"""Epidemics in which nobody is infected twice: events are drawn ahead and scheduled in an event queue."""

from typing import ClassVar

import numpy as np

from data.networks.network import Network
from propagation.compiled_rules import session_edges, session_program
from propagation.costs import edges_read
from propagation.kernel_choice import is_epidemic
from propagation.kernels.epidemics import SLOTS, Course, epidemic_lanes
from propagation.lane_counts import AgentReach, Lanes
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.broadcast.kernel_family import KernelFamily, LaneRun, ReachCounter
from propagation.sessions import SUMMARIES, Record, Session

_ROUNDS_AT_ONCE = 1024


class EventQueueEpidemics(KernelFamily):
    """Epidemics in which nobody is infected twice, one lane after another."""

    name = "epidemic"
    bytes_per_agent = 48.0
    cost: ClassVar[float] = 1.3
    """Measured: an edge, for all the rounds of contacts for which it is read once, relative to an edge of the
    calibration."""

    def supports(self, model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and is_epidemic(model.rules)

    def trials(self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float) -> float:  # noqa: ARG002
        """Return what a lane costs, in edges of the calibration; see `KernelFamily`."""
        return edges_read(session, lane, SLOTS) * self.cost

    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run lanes in as many calls of the kernel as their counts need room; see `KernelFamily`."""
        session, scratch, reach, salts = run.session, run.scratch, ReachCounter(run), run.salts
        edges = session_edges(run.network, session)
        course, most, at = _course(run.network, session), session.max_rounds + 1, 0
        room = min(most, _ROUNDS_AT_ONCE)
        lengths, counts, infectious, truncated = [], [], [], []
        while at < len(salts):
            part = np.empty((2, max(room, min(most, 64) * (len(salts) - at))), np.int32)
            ends, cut = np.zeros(len(salts) - at, np.int64), np.zeros(len(salts) - at, np.uint8)
            finished, _, reach.n_touched = epidemic_lanes(
                edges.offsets, edges.words, edges.base, course, salts[at:], run.seeds.lanes(at, len(salts)),
                np.int64(session.max_rounds), run.stop, scratch.calendar, scratch.queue, scratch.attempts, part[0],
                part[1], ends, cut, reach.times, reach.round_sums, reach.touched, np.int64(reach.n_touched),
            )  # fmt: skip
            run.check()
            if not finished:  # the rounds of a single lane did not fit
                room = min(most, 2 * part.shape[1])
                continue
            used = ends[finished - 1]
            lengths.append(np.diff(ends[:finished], prepend=0))
            counts.append(part[0, :used].copy())
            infectious.append(part[1, :used].copy())
            truncated.append(cut[:finished] > 0)
            at += finished
        rounds, new = np.concatenate(lengths), np.concatenate(counts)
        lanes = Lanes(rounds, new, rounds - 1, np.concatenate(truncated), new, np.concatenate(infectious))
        return lanes, reach.reach


def _course(network: Network, session: Session) -> Course:
    """Return the course of an infection as the kernel reads it."""
    program = session_program(network, session, traced=False)
    infectious, susceptible = int(program.seeds_in), int(program.single[program.seeds_in])
    first = int(program.target_to[infectious, susceptible])
    return Course(
        program.transmission,
        program.leave_streams[infectious],
        program.leave_chance[infectious],
        program.leave_after[infectious],
        np.int64(first != infectious),
        program.leave_streams[first],
        program.leave_chance[first],
    )
