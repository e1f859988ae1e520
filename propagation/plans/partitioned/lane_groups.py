"""How the lanes of a job are grouped into waves, and the network into partitions."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.planner import JobPlan
from propagation.plans.partitioned.wave import LaneRuns, Wave
from propagation.session_groups import sessions_alike
from propagation.sessions import Session

EDGES_PER_AGENT = 3
"""Measured: edges that take as long to send as an agent takes to receive and change."""


def partition_firsts(network: Network, partitions: int) -> npt.NDArray[np.int64]:
    """Return the first agent of each partition, and the number of agents: ranges of about equal cost.

    Parameters
    ----------
    network : Network
    partitions : int
        At most so many, and no more than the network has files of edges.
    """
    offsets, n = network.sparse_rows.offsets, network.n_ids
    number = min(partitions, len(network.divisions) - 1)
    whole = int(offsets[n]) + EDGES_PER_AGENT * n
    firsts = [
        bisect_left(range(n), whole * i / number, key=lambda agent: int(offsets[agent]) + EDGES_PER_AGENT * agent)
        for i in range(number)
    ]
    for i in range(1, number):  # a hub may have more edges than a partition should
        firsts[i] = min(max(firsts[i], firsts[i - 1] + 1), n - number + i)
    return np.array([*firsts, n], np.int64)


def waves(
    network: Network, sessions: Sequence[Session], job_plan: JobPlan, saved: Sequence[LaneRuns] = ()
) -> Iterator[Wave]:
    """Yield the job's lanes in waves of lanes with the same kernels, at most as many per wave as the plan allows.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    job_plan : JobPlan
    saved : sequence of LaneRuns
        Lanes that share a checkpoint: they run together again, whatever the plan says.
    """
    firsts = partition_firsts(network, job_plan.partitions)
    for group in sessions_alike(sessions):
        lanes = np.concatenate(
            [np.stack([np.full(s.replicates, i), s.replicate_numbers], axis=1) for i, s in enumerate(group)]
        ).astype(np.int32)
        for chosen in _lanes_of_waves(group, lanes, job_plan, saved):
            used, positions = np.unique(lanes[chosen, 0], return_inverse=True)
            own = np.stack([positions, lanes[chosen, 1]], axis=1).astype(np.int32)
            yield Wave(network, tuple(group[i] for i in used), own, firsts)


def _lanes_of_waves(
    group: Sequence[Session], lanes: npt.NDArray[np.int32], job_plan: JobPlan, saved: Sequence[LaneRuns]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield which lanes of a group form a wave: those of checkpoints first."""
    numbers = {session.session_id: number for number, session in enumerate(group)}
    position = {(number, replicate): at for at, (number, replicate) in enumerate(lanes.tolist())} if saved else {}
    left = np.ones(len(lanes), bool)
    for runs in saved:
        wanted = [(numbers.get(session_id, -1), r) for session_id, low, end in runs for r in range(low, end)]
        if not all(lane in position for lane in wanted):
            continue
        together = np.array([position[lane] for lane in wanted])
        if left[together].all() and len(together) <= job_plan.lanes_at_once * job_plan.waves_at_once:
            left[together] = False
            yield np.sort(together)
    others = np.flatnonzero(left)
    for start in range(0, len(others), job_plan.lanes_at_once):
        yield others[start : start + job_plan.lanes_at_once]
