"""A partition in lanes of threshold models: weights travel, and add up where they arrive."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.kernels import sums as kernels
from propagation.kernels.lane_arrays import Messages
from propagation.kernels.mail import Mail
from propagation.kernels.partitions import Live, Touched
from propagation.kernels.sums import Added, Sums
from propagation.plans.cascade_partitions import CascadePartition
from propagation.plans.partitions import PartitionState, extended_log, numbers_in, read_only, scratch_of


class ThresholdPartition(CascadePartition):
    """A range of agents in lanes of a threshold model whose agents transmit once, of which rounds or reach are asked.

    A log holds what arrived: with the seeds, it says what everybody's sum is.
    """

    @property
    def parts(self) -> int:
        """Number of lanes."""
        return self.lanes

    def initial(self) -> Sums:
        """Return that nobody is reached, and nobody's sum is above 0."""
        lacking = np.zeros((self.lanes, self.size), np.uint32)
        return Sums(lacking, np.zeros((self.lanes, self.size // 8 + 1), np.uint8))

    def apply(self, changes: Added, states: Sums) -> None:
        """Bring what a round brought."""
        kernels.apply_added(self.first, *self._thresholds, self.wave.salts, changes, states)

    def begun(self, states: Sums) -> PartitionState:
        """Return the state of round 0: the seeds."""
        ends, seeds = self.wave.seeds(self.number)
        added = _activated(ends, seeds)
        self.apply(read_only(added), states)
        return self.started(added)

    def settled(
        self,
        states: Sums,
        before: PartitionState,
        mail: Mail,
        stops: Sequence[npt.NDArray[np.int32]],  # noqa: ARG002 (nobody stops anybody)
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        dst, weights = mail.messages.dst, mail.messages.value
        ends, room = np.zeros(self.lanes + 1, np.int64), np.empty(len(dst), np.int32)
        with scratch_of(self) as scratch:
            kernels.settle_sums(
                self.first, *self._thresholds, self.wave.salts, states, mail.bounds, dst, weights,
                scratch.arrivals.bits, scratch.queue[0], ends, room,
            )  # fmt: skip
        added = Added(mail.bounds, dst, weights, ends, room[: ends[-1]].copy())
        return self.followed(before, added, *extended_log(before, added, states, lambda: self._anew(states)))

    def write_messages(self, live: Added, messages: Messages, ends: npt.NDArray[np.int64]) -> None:
        """Write the weights of edges, by lane; see `CascadePartition`."""
        edges = self.wave.edges
        kernels.send_sums(
            edges.offsets, edges.words, edges.base, live.ends, live.agent, messages.dst, messages.value, ends
        )

    def by_lane(self, fresh: Added) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return agents newly active by lane: (lanes + 1,) ends, and the agents."""
        return fresh.ends, fresh.agent

    def lane_counts(self, fresh: Added) -> npt.NDArray[np.int64]:
        """Return the number of agents newly active in each lane."""
        return np.diff(fresh.ends)

    def listed(self, states: Sums, state: PartitionState) -> tuple[Touched, Live]:
        """Return the agents that are reached, or whose sums are above 0, and those newly active."""
        ends, agent, weight, is_reached = self._all_sums(states)
        live, none = self.live_rows(state), np.empty(0, np.int32)
        compartment = np.where(is_reached, self.spent, 0).astype(np.uint8)
        for lane in range(self.lanes):
            own = slice(ends[lane], ends[lane + 1])
            active = live.agent[live.ends[lane] : live.ends[lane + 1]]
            compartment[own][np.searchsorted(agent[own], active)] = self.newly
        return Touched(ends, agent, compartment, none, weight, none), live

    def taken_up(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round of which `listed` returned these."""
        before = self._all_added(touched.ends, touched.agent, touched.weight, touched.compartment != 0)
        return PartitionState(number, (before,), _activated(live.ends, live.agent), log_size=numbers_in(before))

    @cached_property
    def _thresholds(self) -> tuple[Any, Any, Any]:
        return self.program.thresholds, self.program.in_degree, self.program.threshold

    def _all_sums(self, states: Sums) -> tuple[Any, Any, Any, Any]:
        """Return ends, agents, weights and whether they are active, of all that are not as at the start."""
        room, ends = 0, np.zeros(self.lanes + 1, np.int64)
        while True:
            agent, weight, is_reached = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, bool)
            kernels.list_sums(self.first, *self._thresholds, self.wave.salts, states, ends, agent, weight, is_reached)
            if room == ends[-1]:
                return ends, agent, weight, is_reached
            room = int(ends[-1])

    def _anew(self, states: Sums) -> Added:
        """Return what would bring all sums to where they are."""
        return self._all_added(*self._all_sums(states))

    def _all_added(self, ends: Any, agent: Any, weight: Any, is_reached: Any) -> Added:
        """Return what would bring sums to where they are."""
        lane = np.repeat(np.arange(self.lanes), np.diff(ends))
        adds = weight > 0
        bounds, reached_ends = (np.searchsorted(lane[kept], np.arange(self.lanes + 1)) for kept in (adds, is_reached))
        return Added(bounds[None], agent[adds], weight[adds], reached_ends, agent[is_reached])


def _activated(ends: npt.NDArray[np.int64], agent: npt.NDArray[np.int32]) -> Added:
    """Return that agents are active, to whose sums nobody added."""
    return Added(np.zeros((1, len(ends)), np.int64), np.empty(0, np.int32), np.empty(0, np.int64), ends, agent)
