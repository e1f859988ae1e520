"""A partition in lanes of threshold models: weights are sent as messages and added by the receiver."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation import costs
from propagation.compiled_rules import constant_array
from propagation.kernel_choice import is_threshold
from propagation.kernels import partitioned_thresholds as kernels
from propagation.kernels.messages import Inbox
from propagation.kernels.partitioned_thresholds import Added, Sums
from propagation.kernels.partitions import Live, Touched
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.partitioned.cascade_partitions import CascadePartition
from propagation.plans.partitioned.partitions import (
    PartitionState,
    Sent,
    extended_log,
    numbers_in,
    read_only,
    scratch_of,
)
from propagation.sessions import SUMMARIES, Record, Session


class ThresholdPartition(CascadePartition):
    """A range of agents in lanes of a threshold model whose agents transmit once and whose infectors are not recorded.

    A log holds the weights that arrived: with the seeds, they determine every agent's sum.
    """

    name = "sums"
    lanes_apart = False
    detour: ClassVar[float] = 3.0
    """Measured: time relative to the broadcast plan."""
    bytes_per_weight: ClassVar[int] = 48
    """Of a weight, with its part of a block of sums."""

    @staticmethod
    def supports(model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and is_threshold(model.rules)

    @staticmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:  # noqa: ARG004
        """Return the estimated seconds of a lane on one thread; see `Partition`."""
        return broadcast_seconds * ThresholdPartition.detour

    @staticmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions; see `Partition`."""
        # Twice: a compacted log holds the sums too. An agent has a bit, and a share of a block.
        blocks = min(4.0 * network.n_ids, lane.trials * ThresholdPartition.bytes_per_weight)
        sums = 2.0 * (blocks + network.n_ids * (1 / 8 + 4 / kernels.BLOCK))
        return sums + costs.messages_at_once(session, lane, 1.0) * costs.BYTES_PER_MESSAGE

    @property
    def parts(self) -> int:
        """Number of lanes."""
        return self.lanes

    def initial(self) -> Sums:
        """Return empty sums: nobody is reached."""
        return kernels.new_sums(self.lanes, self.size)

    def apply(self, changes: Added | Sums, states: Sums) -> None:
        """Add the weights of a round, or set all sums."""
        if isinstance(changes, Sums):
            kernels.copy_sums(changes, states)
        else:
            kernels.apply_added(self.first, self.wave.edges.base, *self.thresholds, self.wave.salts, changes, states)

    def begun(self, states: Sums) -> PartitionState:
        """Return the state of round 0: the seeds."""
        ends, seeds, _ = self.wave.seeds(self.number)
        fresh = activated(ends, seeds)
        self.apply(read_only(fresh), states)
        return self.started(fresh)

    def settled(
        self,
        states: Sums,
        before: PartitionState,
        inbox: Inbox,
        stops: Sequence[npt.NDArray[np.int32]],  # noqa: ARG002 (no contact stops its source)
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        with scratch_of(self) as scratch:
            found = kernels.settle_sums(
                self.first, self.wave.edges.base, *self.thresholds, self.wave.salts, states, inbox.bounds,
                constant_array(inbox.messages), scratch.arrived, scratch.queue,
            )  # fmt: skip
        fresh = activated(*found)
        added = fresh._replace(bounds=inbox.bounds, words=inbox.messages)
        used = kernels.used_sums(states)
        return self.followed(before, fresh, *extended_log(before, added, used, lambda: kernels.copied_sums(states)))

    def sent(self, states: Sums, state: PartitionState) -> Sent:  # noqa: ARG002 (agents transmit once)
        """Return the edges of newly active agents for the next round; see `Partition`."""
        edges, live = self.wave.edges, read_only(state.live)
        spans = kernels.cut_rows(edges.offsets, edges.words, self.wave.starts, live.ends, live.agent)
        return Sent(*kernels.edges_of_spans(edges.words, *map(constant_array, spans)))

    def nothing_sent(self) -> Sent:
        """Return no edges."""
        return Sent(np.zeros((len(self.wave.firsts) - 1, self.lanes + 1), np.int64), np.empty(0, np.uint64))

    def inbox(self, sent: Sequence[Sent], *, recorded: bool = False) -> Inbox:  # noqa: ARG002 (contacts are not recorded)
        """Return the edges of all partitions to this one."""
        bounds, slices = self.addressed(sent)
        return Inbox(bounds, np.concatenate([sent[0].messages[:0], *(each.messages[there] for each, there in slices)]))

    def by_lane(self, fresh: Added) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return agents newly active by lane: (lanes + 1,) ends, and the agents."""
        return fresh.ends, fresh.agent

    def lane_counts(self, fresh: Added) -> npt.NDArray[np.int64]:
        """Return the number of agents newly active in each lane."""
        ends: npt.NDArray[np.int64] = fresh.ends
        return ends[1:] - ends[:-1]

    def listed(self, states: Sums, state: PartitionState) -> tuple[Touched, Live]:
        """Return the agents that are reached, or whose sums are above 0, and those newly active."""
        ends, agent, weight, is_reached = self._all_sums(states)
        live, none = self.live_rows(state), np.empty(0, np.int32)
        compartment = np.where(is_reached, self.inactive, 0).astype(np.uint8)
        for lane in range(self.lanes):
            own = slice(ends[lane], ends[lane + 1])
            active = live.agent[live.ends[lane] : live.ends[lane + 1]]
            compartment[own][np.searchsorted(agent[own], active)] = self.newly_active
        return Touched(ends, agent, compartment, none, weight, none), live

    def resumed(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round, from what `listed` returned for it."""
        sums, rows = self.initial(), read_only(touched)
        kernels.set_sums(
            self.first, *self.thresholds, self.wave.salts, rows.ends, rows.agent, rows.weight, rows.compartment,
            sums,
        )  # fmt: skip
        used = kernels.used_sums(sums)
        return PartitionState(number, (used,), activated(live.ends, live.agent), log_size=numbers_in(used))

    @cached_property
    def thresholds(self) -> tuple[Any, Any, Any]:
        """What `threshold_of` takes."""
        return self.program.thresholds, self.program.in_degree, self.program.threshold

    def _all_sums(self, states: Sums) -> tuple[Any, Any, Any, Any]:
        """Return ends, agents, weights and whether they are active, of all agents not in their initial state."""
        room, ends = 0, np.zeros(self.lanes + 1, np.int64)
        while True:
            agent, weight, is_reached = np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, bool)
            kernels.list_sums(
                self.first, np.int64(self.size), *self.thresholds, self.wave.salts, states, ends, agent, weight,
                is_reached,
            )  # fmt: skip
            if room == ends[-1]:
                return ends, agent, weight, is_reached
            room = int(ends[-1])


def activated(ends: npt.NDArray[np.int64], agent: npt.NDArray[np.int32]) -> Added:
    """Return agents that were activated without weights, such as seeds."""
    return Added(np.zeros((1, len(ends)), np.int64), np.empty(0, np.uint64), ends, agent)
