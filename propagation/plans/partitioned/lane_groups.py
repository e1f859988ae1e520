"""Waves: lanes that go through the partitions of a network together."""

import dataclasses
import functools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import Edges, Program, constant_array, session_edges, session_program
from propagation.draws import replicate_salts
from propagation.kernel_choice import PartitionKind, partitions_of
from propagation.kernels.bit_packed_cascades import padded
from propagation.planner import JobPlan, groups_in_waves
from propagation.sessions import Session

EDGES_PER_AGENT = 3
"""Measured: edges that take as long to send along as an agent takes to receive and change."""

LaneRuns = list[tuple[str, int, int]]
"""Lanes by runs of replicates: session, first replicate, and the one after the last."""


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
        Names the stop flag, and the arrays that workers keep.
    title : str
        Which of the job's waves it is, as lines of the log begin.
    more : bool
        Whether other waves may end after it: what this one has found must not be lost with them.
    without_mail : bool
        Whether each lane goes through all partitions by itself. Like job, title and more, known when the wave begins.
    """

    network: Network
    sessions: tuple[Session, ...]
    lanes: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int64]
    job: str = ""
    title: str = ""
    more: bool = False
    without_mail: bool = False

    @property
    def one(self) -> Session:
        """A session, for what all of them share."""
        return self.sessions[0]

    @functools.cached_property
    def runs(self) -> LaneRuns:
        """Which replicates of which sessions the lanes are, in their order."""
        cuts = np.flatnonzero((np.diff(self.lanes[:, 0]) != 0) | (np.diff(self.lanes[:, 1]) != 1)) + 1
        runs = ((int(run[0, 0]), int(run[0, 1]), len(run)) for run in np.split(self.lanes, cuts))
        return [(self.sessions[session].session_id, low, low + size) for session, low, size in runs]

    @functools.cached_property
    def salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate."""
        return replicate_salts(self.lanes[:, 1])

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: not the arrays, which every worker maps itself."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def words_of_salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate, filled up to whole words of lanes."""
        return padded(self.salts)

    @functools.cached_property
    def program(self) -> Program:
        """The rules as arrays."""
        one = self.one
        return session_program(self.network, one.model, one.random_seed, traced=one.records("activations"))

    @functools.cached_property
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

    @functools.cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First agent of each partition, as kernels take it."""
        return constant_array(self.firsts[:-1])

    @functools.cached_property
    def largest(self) -> int:
        """Number of agents of the largest partition."""
        return int(np.diff(self.firsts).max())

    @functools.cached_property
    def kind(self) -> PartitionKind:
        """What kind of partitions runs the lanes."""
        return partitions_of(self.one)


def partition_firsts(network: Network, partitions: int) -> npt.NDArray[np.int64]:
    """Return the first agent of each partition, and the number of agents: ranges that take about as long as each other.

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
    """Yield the job's lanes, those that can run together in one wave, as many at a time as the plan says.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    job_plan : JobPlan
    saved : sequence of LaneRuns
        Lanes that went together, and come to a checkpoint: they go together again, whatever the plan says now.
    """
    firsts = partition_firsts(network, job_plan.partitions)
    for group in groups_in_waves(sessions):
        lanes = np.concatenate(
            [np.stack([np.full(s.replicates, i), np.arange(s.replicates)], axis=1) for i, s in enumerate(group)]
        ).astype(np.int32)
        for chosen in _lanes_of_waves(group, lanes, job_plan, saved):
            used, positions = np.unique(lanes[chosen, 0], return_inverse=True)
            own = np.stack([positions, lanes[chosen, 1]], axis=1).astype(np.int32)
            yield Wave(network, tuple(group[i] for i in used), own, firsts)


def _lanes_of_waves(
    group: Sequence[Session], lanes: npt.NDArray[np.int32], job_plan: JobPlan, saved: Sequence[LaneRuns]
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield which lanes of a group go together: those of checkpoints first."""
    starts = dict(zip((s.session_id for s in group), np.cumsum([0, *(s.replicates for s in group)]), strict=False))
    replicates = {session.session_id: session.replicates for session in group}
    left = np.ones(len(lanes), bool)
    for runs in saved:
        if not all(end <= replicates.get(session_id, 0) for session_id, _, end in runs):
            continue
        together = np.concatenate([starts[session_id] + np.arange(low, end) for session_id, low, end in runs])
        if left[together].all() and len(together) <= job_plan.lanes_at_once * job_plan.waves_at_once:
            left[together] = False
            yield np.sort(together)
    others = np.flatnonzero(left)
    for start in range(0, len(others), job_plan.lanes_at_once):
        yield others[start : start + job_plan.lanes_at_once]
