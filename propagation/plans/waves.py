"""Waves: lanes that go through the partitions of a network together."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.snapshots import Network
from propagation.draws import replicate_salts
from propagation.kernels.words import padded
from propagation.planner import JobPlan, groups_in_waves
from propagation.programs import Edges, Program, session_edges, session_program
from propagation.sessions import Session
from propagation.shapes import runs_dated, runs_in_words


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
    more : bool
        Whether more waves of the job follow: what this one has found must not be lost with them.
    """

    network: Network
    sessions: tuple[Session, ...]
    lanes: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int64]
    job: str
    more: bool = False

    @property
    def one(self) -> Session:
        """A session, for what all of them share."""
        return self.sessions[0]

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
    def largest(self) -> int:
        """Number of agents of the largest partition."""
        return int(np.diff(self.firsts).max())

    @functools.cached_property
    def in_words(self) -> bool:
        """Whether 64 lanes share a word: cascades of which nobody asks who activated whom."""
        return runs_in_words(self.one)

    @functools.cached_property
    def is_dated(self) -> bool:
        """Whether contacts travel with the round of their success: epidemics in which nobody is infected again."""
        return runs_dated(self.one)


def partition_firsts(network: Network, partitions: int) -> npt.NDArray[np.int64]:
    """Return the first agent of each partition, and the number of agents: the network's divisions, joined if too many.

    Parameters
    ----------
    network : Network
    partitions : int
        At most so many.
    """
    firsts = np.array(network.divisions[:-1], np.int64)
    chosen = firsts[(np.arange(min(partitions, len(firsts))) * len(firsts)) // min(partitions, len(firsts))]
    return np.append(chosen, network.n_agents)


def waves(network: Network, sessions: Sequence[Session], job_plan: JobPlan, job: str) -> Iterator[Wave]:
    """Yield the job's lanes, those that can run together in one wave, as many at a time as the plan says."""
    firsts = partition_firsts(network, job_plan.partitions)
    left = job_plan.lanes
    for group in groups_in_waves(sessions):
        lanes = np.concatenate(
            [np.stack([np.full(s.replicates, i), np.arange(s.replicates)], axis=1) for i, s in enumerate(group)]
        ).astype(np.int32)
        for start in range(0, len(lanes), job_plan.lanes_at_once):
            chosen = lanes[start : start + job_plan.lanes_at_once]
            used, positions = np.unique(chosen[:, 0], return_inverse=True)
            own = np.stack([positions, chosen[:, 1]], axis=1).astype(np.int32)
            left -= len(chosen)
            yield Wave(network, tuple(group[i] for i in used), own, firsts, job, left > 0)
