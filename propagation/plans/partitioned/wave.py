"""A wave: lanes that go through the partitions of a network together."""

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import Edges, Program, constant_array, session_edges, session_program
from propagation.draws import replicate_salts
from propagation.kernels.bit_packed_cascades import padded
from propagation.plans.lane_rows import Span
from propagation.sessions import Session

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
        Which of the job's waves it is: prefix of its log lines.
    more : bool
        Whether other waves may end after it, so that its own results must be checkpointed.
    """

    network: Network
    sessions: tuple[Session, ...]
    lanes: npt.NDArray[np.int32]
    firsts: npt.NDArray[np.int64]
    job: str = ""
    title: str = ""
    more: bool = False

    @property
    def one(self) -> Session:
        """A session, for what all of them share."""
        return self.sessions[0]

    @functools.cached_property
    def spans(self) -> list[Span]:
        """Which replicates of which sessions (by position) the lanes are, in their order."""
        cuts = np.flatnonzero((np.diff(self.lanes[:, 0]) != 0) | (np.diff(self.lanes[:, 1]) != 1)) + 1
        return [Span(int(run[0, 0]), int(run[0, 1]), len(run)) for run in np.split(self.lanes, cuts)]

    @property
    def runs(self) -> LaneRuns:
        """Which replicates of which sessions the lanes are, in their order."""
        return [
            (self.sessions[span.session].session_id, span.first, span.first + span.replicates) for span in self.spans
        ]

    @functools.cached_property
    def salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate."""
        return replicate_salts(self.lanes[:, 1])

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: not the arrays, which every worker maps itself."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def words_of_salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate, padded to whole words of lanes."""
        return padded(self.salts)

    @functools.cached_property
    def program(self) -> Program:
        """The rules as arrays."""
        one = self.one
        return session_program(self.network, one, traced=one.records("activations"))

    @functools.cached_property
    def edges(self) -> Edges:
        """The edges of the whole network, mapped."""
        return session_edges(self.network, self.one)

    def seeds(self, partition: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Return the seeds in a partition, by lane: (lanes + 1,) ends, the agents, and their compartments."""
        low, high = self.firsts[partition : partition + 2]
        own = []
        for session in self.sessions:
            seeds = session.seed_array
            here = (seeds >= low) & (seeds < high)
            own.append((seeds[here], session.seed_compartments[here]))
        by_lane = [own[number] for number in self.lanes[:, 0]]
        ends = np.cumsum([0, *(len(seeds) for seeds, _ in by_lane)])
        agents = np.concatenate([*(seeds for seeds, _ in by_lane), np.empty(0, np.int32)])
        return ends, agents, np.concatenate([*(entered for _, entered in by_lane), np.empty(0, np.uint8)])

    @functools.cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """First agent of each partition, as kernels take it."""
        return constant_array(self.firsts[:-1])

    @functools.cached_property
    def largest(self) -> int:
        """Number of agents of the largest partition."""
        return int(np.diff(self.firsts).max())
