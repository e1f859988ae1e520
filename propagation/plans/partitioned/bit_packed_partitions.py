"""A partition in lanes of independent cascades, 64 lanes to a machine word."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation import costs
from propagation.kernels import bit_packed_cascades as kernels
from propagation.kernels.bit_packed_cascades import WORD, Fresh
from propagation.kernels.messages import Inbox, messages_due
from propagation.kernels.partitions import Live, Touched
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.partitioned.cascade_partitions import CascadePartition
from propagation.plans.partitioned.partitions import PartitionState, Sent, numbers_in, read_only, scratch_of, trimmed
from propagation.sessions import SUMMARIES, Record, Session


class BitPackedPartition(CascadePartition):
    """A range of agents in lanes of independent cascades whose infectors are not recorded."""

    name = "words"
    lanes_apart = False
    detour: ClassVar[float] = 1.2
    """Measured: time relative to the broadcast plan."""
    bytes_per_row: ClassVar[int] = 12
    """Of an activation or a message, which lanes share."""

    @staticmethod
    def supports(model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""
        return record in SUMMARIES and model.rules.is_cascade

    @staticmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:  # noqa: ARG004
        """Return the estimated seconds of a lane on one thread; see `Partition`."""
        return broadcast_seconds * BitPackedPartition.detour

    @staticmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions; see `Partition`."""
        rows = costs.logged_activations(network, lane) + costs.messages_at_once(session, lane, 0.1)
        return network.n_ids / 8 + rows * BitPackedPartition.bytes_per_row

    @property
    def parts(self) -> int:
        """Number of words."""
        return -(-self.lanes // WORD)

    def initial(self) -> npt.NDArray[np.uint64]:
        """Return which agents are reached, none so far: (words, n), one bit for each lane."""
        return np.zeros((self.parts, self.size), np.uint64)

    def apply(self, changes: Fresh, states: npt.NDArray[np.uint64]) -> None:
        """Mark agents as reached."""
        kernels.apply_fresh(self.first, changes, states)

    def begun(self, states: npt.NDArray[np.uint64]) -> PartitionState:
        """Return the state of round 0: the seeds."""
        ends, seeds, _ = self.wave.seeds(self.number)
        fresh = self._fresh(np.repeat(np.arange(self.lanes), np.diff(ends)), seeds)
        self.apply(read_only(fresh), states)
        return self.started(fresh)

    def settled(
        self,
        states: npt.NDArray[np.uint64],
        before: PartitionState,
        inbox: Inbox,
        stops: Sequence[npt.NDArray[np.int32]],  # noqa: ARG002 (no contact stops its source)
    ) -> PartitionState:
        """Return the state after a round; see `Partition`."""
        room = len(inbox.messages.dst)
        fresh = Fresh(np.zeros(self.parts + 1, np.int64), np.empty(room, np.int32), np.empty(room, np.uint64))
        with scratch_of(self) as scratch:
            kernels.settle_words(self.first, states, inbox, scratch.lane_masks, scratch.arrived, scratch.queue, fresh)
        reached = trimmed(fresh)
        return self.followed(before, reached, (*before.log, reached), before.log_size + numbers_in(reached))

    def sent(self, states: npt.NDArray[np.uint64], state: PartitionState) -> Sent:  # noqa: ARG002 (they transmit once)
        """Return the contacts of newly active agents that succeed, by word; see `Partition`."""
        edges, live, ends = self.wave.edges, read_only(state.live), np.zeros(self.parts + 1, np.int64)
        with scratch_of(self) as scratch:
            messages = scratch.messages(int(messages_due(edges.offsets, live.agent)), named=False)
            kernels.send_words(
                edges.offsets, edges.words, edges.base, self.program.transmission, live, self.wave.words_of_salts,
                scratch.hits, messages, ends,
            )  # fmt: skip
            return self.by_partition(messages, ends)

    def listed(self, states: npt.NDArray[np.uint64], state: PartitionState) -> tuple[Touched, Live]:  # noqa: ARG002
        """Return the agents that are reached, and those newly active."""
        parts = [(self.inactive, *self.by_lane(fresh)) for fresh in state.log[:-1]]
        parts.append((self.newly_active, *self.by_lane(state.live)))
        lane = np.concatenate([np.repeat(np.arange(self.lanes), np.diff(ends)) for _, ends, _ in parts])
        agent = np.concatenate([agents for *_, agents in parts])
        compartment = np.concatenate([np.full(len(agents), which, np.uint8) for which, _, agents in parts])
        order = np.argsort(lane, kind="stable")
        none = np.empty(0, np.int32)
        all_ends = np.searchsorted(lane[order], np.arange(self.lanes + 1))
        touched = Touched(all_ends, agent[order], compartment[order], none, none.astype(np.int64), none)
        return touched, self.live_rows(state)

    def resumed(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round, from what `listed` returned for it."""
        fresh = self._fresh(np.repeat(np.arange(self.lanes), np.diff(live.ends)), live.agent)
        lane = np.repeat(np.arange(self.lanes), np.diff(touched.ends))
        earlier = touched.compartment != self.newly_active
        return PartitionState(number, (self._fresh(lane[earlier], touched.agent[earlier]), fresh), fresh)

    def _fresh(self, lane: npt.NDArray[np.int64], agent: npt.NDArray[np.int32]) -> Fresh:
        """Return agents of some lanes, by word."""
        order = np.lexsort((agent, lane // WORD))
        lane, agent = lane[order], agent[order]
        starts = np.flatnonzero(np.diff(lane // WORD, prepend=-1) | np.diff(agent, prepend=-1))
        bits = np.uint64(1) << (lane % WORD).astype(np.uint64)
        masks = np.bitwise_or.reduceat(bits, starts) if len(starts) else bits
        ends = np.searchsorted(lane[starts] // WORD, np.arange(self.parts + 1))
        return Fresh(ends, agent[starts], masks)

    def by_lane(self, fresh: Fresh) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return agents newly active by lane: (lanes + 1,) ends, and the agents."""
        ends = np.concatenate([[0], np.cumsum(self.lane_counts(fresh))])
        agents = np.empty(int(ends[-1]), np.int32)
        kernels.by_lane(read_only(fresh), ends[:-1].copy(), agents)
        return ends, agents

    def lane_counts(self, fresh: Fresh) -> npt.NDArray[np.int64]:
        """Return the number of agents newly active in each lane."""
        counts = np.zeros(self.lanes, np.int64)
        kernels.lane_counts(read_only(fresh), counts)
        return counts
