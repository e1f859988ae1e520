"""Lanes of two large families, thresholds and epidemics, in kernels of their own: the rows of the rules, sooner."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import session_edges, session_program
from propagation.kernels import epidemics, thresholds
from propagation.kernels.epidemics import LATER, ROOM, SLOTS, Attempts, Calendar, Course
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.lane_counts import AgentReach, Lanes
from propagation.sessions import Session

if TYPE_CHECKING:
    from propagation.plans.broadcast.batch_runner import BatchRows, Scratch

QueueKernel = Callable[..., tuple[int, int, int]]
"""Called with salts, seeds, counts, ends, truncated, times, round_sums, n_touched.

Returns lanes done, trials and n_touched.
"""
_ROUNDS_AT_ONCE = 1024


def threshold_kernel(network: Network, session: Session, scratch: "Scratch") -> QueueKernel:
    """Return the kernel of thresholds, bound to a session and to a task's scratch arrays."""
    edges = session_edges(network, session.model, session.random_seed)
    program = session_program(network, session.model, session.random_seed, traced=False)
    n = network.n_ids
    lacking, added = np.zeros(n, np.uint32), np.empty(n + 1, np.int32)

    def run(
        salts: npt.NDArray[np.uint32],
        seeds: LaneSeeds,
        counts: npt.NDArray[np.int32],
        ends: npt.NDArray[np.int64],
        truncated: npt.NDArray[np.uint8],
        *reach: Any,
    ) -> Any:
        return thresholds.threshold_lanes(
            edges.offsets, edges.words, edges.base, program.thresholds, program.in_degree, program.threshold, salts,
            seeds, np.int64(session.max_rounds), scratch.stop, scratch.reached_bits, scratch.arrived, scratch.queue,
            lacking, added, counts, ends, truncated, *reach[:2], scratch.touched, np.int64(reach[2]),
        )  # fmt: skip

    return run


def run_epidemics(
    network: Network,
    session: Session,
    salts: npt.NDArray[np.uint32],
    seeds: LaneSeeds,
    scratch: "Scratch",
    batch: "BatchRows",
    times: npt.NDArray[np.int64],
) -> tuple[Lanes, AgentReach]:
    """Run the lanes of an epidemic.

    Parameters
    ----------
    network : Network
    session : Session
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
    edges = session_edges(network, session.model, session.random_seed)
    course = _course(network, session)
    calendar, attempts = _new_calendar(network.n_ids, scratch.reached_bits), new_attempts()
    round_sums, n_touched, at = np.zeros_like(times), 0, 0
    most = session.max_rounds + 1
    room = min(most, _ROUNDS_AT_ONCE)
    lengths, counts, infectious, truncated = [], [], [], []
    while at < len(salts):
        part = np.empty((2, max(room, min(most, 64) * (len(salts) - at))), np.int32)
        ends, cut = np.zeros(len(salts) - at, np.int64), np.zeros(len(salts) - at, np.uint8)
        finished, looked, n_touched = epidemics.epidemic_lanes(
            edges.offsets, edges.words, edges.base, course, salts[at:], seeds.lanes(at, len(salts)),
            np.int64(session.max_rounds), scratch.stop, calendar, scratch.queue, attempts, part[0], part[1], ends, cut,
            times, round_sums, scratch.touched, np.int64(n_touched),
        )  # fmt: skip
        scratch.check()
        batch.trials += looked
        if not finished:  # not even one lane's rounds fit
            room = min(most, 2 * part.shape[1])
            continue
        used = ends[finished - 1]
        lengths.append(np.diff(ends[:finished], prepend=0))
        counts.append(part[0, :used].copy())
        infectious.append(part[1, :used].copy())
        truncated.append(cut[:finished] > 0)
        at += finished
    lasting, activations = np.concatenate(lengths), np.concatenate(counts)
    lanes = Lanes(lasting, activations, lasting - 1, np.concatenate(truncated), activations, np.concatenate(infectious))
    return lanes, touched_reach(times, round_sums, scratch.touched[:n_touched])


def cascade_lanes(session: Session, lengths: list[Any], counts: list[Any], truncated: list[Any]) -> Lanes:
    """Return lanes of agents that transmit once, of parts of them."""
    return Lanes.of_cascades(
        np.concatenate(lengths), np.concatenate(counts), np.concatenate(truncated), session.max_rounds
    )


def touched_reach(
    times: npt.NDArray[np.int64], round_sums: npt.NDArray[np.int64], touched: npt.NDArray[np.int32]
) -> AgentReach:
    """Return the reach of agents that were touched, in no particular order."""
    agents = np.sort(touched)
    return AgentReach(agents, times[agents], round_sums[agents])


def _course(network: Network, session: Session) -> Course:
    program = session_program(network, session.model, session.random_seed, traced=False)
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


def _new_calendar(n_agents: int, reached_bits: npt.NDArray[np.uint8]) -> Calendar:
    return Calendar(
        reached_bits,
        np.full(n_agents, epidemics.NEVER, np.uint8),
        np.empty(n_agents, np.int32),
        np.empty((SLOTS, n_agents), np.int32),
        np.empty((SLOTS, n_agents), np.int32),
        np.zeros((4, SLOTS), np.int64),
    )


def new_attempts() -> Attempts:
    """Return room for contacts that wait to be drawn, none of which does."""
    lines = (2 * LATER, ROOM)
    return Attempts(
        np.empty(lines, np.uint64),
        np.empty(lines, np.int32),
        np.empty(lines, np.int32),
        np.zeros(2 * LATER, np.int64),
        np.empty(ROOM, np.uint32),
        np.empty(ROOM, np.uint32),
        np.empty(ROOM, np.uint32),
        np.empty(ROOM, np.uint32),
        np.zeros(ROOM, np.uint8),
    )
