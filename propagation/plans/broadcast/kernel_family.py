"""A family of kernels of the broadcast plan: what it supports, what it costs, what memory it holds, and how it runs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.draws import replicate_salts
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.lane_counts import AgentReach, Lanes
from propagation.machine_speed import calibration
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.kernel_arrays import Scratch
from propagation.plans.lane_rows import Span
from propagation.plans.row_writer import RowWriter
from propagation.plans.stopping import StoppedError
from propagation.sessions import Record, Session


@dataclass(frozen=True)
class LaneRun:
    """Lanes that a family runs in one go.

    Attributes
    ----------
    network : Network
    sessions : tuple of Session
        Sessions that run alike, one for each span.
    spans : list of Span
        The lanes: replicates of these sessions, in this order.
    scratch : Scratch
        For all agents of the network.
    stop : (1,) uint8
        Nonzero ends the run at the next round.
    writer : RowWriter
        Takes the rows of large tables.
    """

    network: Network
    sessions: tuple[Session, ...]
    spans: list[Span]
    scratch: Scratch
    stop: npt.NDArray[np.uint8]
    writer: RowWriter

    @property
    def session(self) -> Session:
        """One of the sessions, for what all of them share."""
        return self.sessions[0]

    @cached_property
    def replicates(self) -> npt.NDArray[np.int64]:
        """Replicate of each lane."""
        return np.concatenate([np.arange(span.first, span.first + span.replicates) for span in self.spans])

    @cached_property
    def salts(self) -> npt.NDArray[np.uint32]:
        """Salt of each lane's replicate."""
        return replicate_salts(self.replicates)

    @cached_property
    def seeds(self) -> LaneSeeds:
        """Seeds of each lane."""
        sets = [session.seed_array for session in self.sessions]
        of_lane = np.repeat(np.arange(len(sets), dtype=np.int32), [span.replicates for span in self.spans])
        return LaneSeeds(of_lane, np.cumsum([0, *map(len, sets)]), np.concatenate(sets))

    def check(self) -> None:
        """Raise StoppedError if the job is to stop."""
        if self.stop[0]:
            raise StoppedError


class KernelFamily(ABC):
    """Kernels that run the lanes of some models on a whole network; families have no state.

    Attributes
    ----------
    name : str
        As estimates show it.
    bytes_per_agent : float
        Scratch arrays of a thread, those of recorded reach apart.
    several_threads : bool
        Whether the threads of a task work on one lane together.
    several_sessions : bool
        Whether lanes of sessions that run alike can share a call.
    lanes_together : int
        Lanes that the kernels run at once, and that batches should not separate.
    """

    name: ClassVar[str]
    bytes_per_agent: ClassVar[float]
    several_threads: ClassVar[bool] = False
    several_sessions: ClassVar[bool] = True
    lanes_together: ClassVar[int] = 1

    @abstractmethod
    def supports(self, model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""

    @abstractmethod
    def trials(self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float) -> float:
        """Return what a lane costs, in edges of the calibration.

        Parameters
        ----------
        network : Network
        session : Session
        lane : ExpectedCascade
            What a lane is expected to do.
        lanes_per_thread : float
            Lanes that one thread can run together.
        """

    @abstractmethod
    def run(self, run: LaneRun) -> tuple[Lanes, AgentReach]:
        """Run all rounds of some lanes; return their counts, and whom they reached if reach is recorded.

        Raises
        ------
        StoppedError
            If the job's stop flag is set.
        """

    def seconds_per_lane(
        self, network: Network, session: Session, lane: ExpectedCascade, lanes_per_thread: float
    ) -> float:
        """Return the estimated seconds of a lane on one thread; parameters as in `trials`."""
        seconds_per_trial = calibration().seconds_per_trial(network.n_edges)
        return self.trials(network, session, lane, lanes_per_thread) * seconds_per_trial

    def bytes_per_thread(self, network: Network, session: Session) -> float:
        """Return the bytes of a thread's scratch arrays."""
        return network.n_ids * (self.bytes_per_agent + 16.0 * session.records("reach"))


class ReachCounter:
    """Arrays in which kernels count how often and when agents are reached; empty if reach is not recorded.

    Attributes
    ----------
    times, round_sums : (n,) int64, or length 0
        Lanes that reached each agent, and the sum of the rounds at which they did.
    touched : (n,) int32
        Agents with ``times > 0``, the first `n_touched`.
    n_touched : int
    """

    def __init__(self, run: LaneRun) -> None:
        self.times = np.zeros(run.network.n_ids if run.session.records("reach") else 0, np.int64)
        self.round_sums = np.zeros_like(self.times)
        self.touched, self.n_touched = run.scratch.touched, 0

    @property
    def reach(self) -> AgentReach:
        """Whom the lanes so far reached."""
        agents = np.sort(self.touched[: self.n_touched])
        return AgentReach(agents, self.times[agents], self.round_sums[agents])
