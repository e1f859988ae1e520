"""A partition in lanes of a model whose agents transmit once, in the round after their activation."""

import dataclasses
from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.kernels.lane_arrays import Events, Messages
from propagation.kernels.mail import messages_due
from propagation.kernels.partitions import COUNTS, Live
from propagation.plans.partitions import Partition, PartitionState, Sent, numbers_in, read_only, scratch_of


class CascadePartition(Partition):
    """A range of agents of which those newly active are live, and nobody asks who activated whom."""

    @abstractmethod
    def by_lane(self, fresh: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return agents newly active by lane: (lanes + 1,) ends, and the agents."""

    @abstractmethod
    def lane_counts(self, fresh: Any) -> npt.NDArray[np.int64]:
        """Return the number of agents newly active in each lane."""

    @abstractmethod
    def write_messages(self, live: Any, messages: Messages, ends: npt.NDArray[np.int64]) -> None:
        """Write what agents newly active send, and where the messages of each lane, or word of lanes, end.

        Parameters
        ----------
        live : Fresh or Added
        messages : Messages
            Out: one for each edge of theirs, at the most.
        ends : (parts + 1,) int64, zero
            Out.
        """

    def sent(self, states: Any, state: PartitionState) -> Sent:  # noqa: ARG002 (agents transmit once)
        """Return the messages of newly active agents for the next round; see `Partition`."""
        if state.number == self.wave.one.max_rounds or state.is_over:
            return self.nothing_sent()
        live, ends = read_only(state.live), np.zeros(self.parts + 1, np.int64)
        with scratch_of(self) as scratch:
            messages = scratch.room(int(messages_due(self.wave.edges.offsets, live.agent)), named=False)
            self.write_messages(live, messages, ends)
            return self.sorted_mail(messages, ends)

    def started(self, fresh: Any) -> PartitionState:
        """Return the state of round 0, in which the seeds are newly active."""
        state = PartitionState(0, (fresh,), fresh, log_size=numbers_in(fresh))
        return self._noted(state, np.ones(self.lanes, bool))

    def followed(self, before: PartitionState, fresh: Any, log: tuple[Any, ...], log_size: int) -> PartitionState:
        """Return the state after a round in which some agents were newly activated, and those before it no more."""
        after = PartitionState(before.number + 1, log, fresh, before.counts, before.events, log_size=log_size)
        were_live = before.counts[-1][:, 3] if before.counts else self.lane_counts(before.live)
        return self._noted(after, were_live > 0)

    def _noted(self, state: PartitionState, changed: npt.NDArray[np.bool_]) -> PartitionState:
        """Return a state with the counts and activations of its round, and in which lanes something else changed."""
        new = self.lane_counts(state.live)
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        counts[:, :4] = new[:, None]
        counts[:, 4] = (new > 0) | changed
        events = state.events
        if self.wave.one.records("reach") and state.live.ends[-1]:
            ends, agents = self.by_lane(state.live)
            of_lane = np.repeat(np.arange(self.lanes, dtype=np.int32), np.diff(ends))
            rounds, unknown = np.full_like(agents, state.number), np.full_like(agents, -1)
            events = (*events, (of_lane, Events(agents, rounds, unknown, np.ones_like(agents))))
        return dataclasses.replace(state, counts=(*state.counts, counts), events=events)

    # Checkpoints: which compartments agents are in.

    @property
    def newly(self) -> int:
        """The compartment of agents newly active."""
        rules = self.wave.one.model.rules
        return rules.compartments.index(rules.seeds)

    @property
    def spent(self) -> int:
        """The compartment of agents that have transmitted."""
        rules = self.wave.one.model.rules
        (ended,) = rules.transitions
        return rules.compartments.index(ended.to)

    def live_rows(self, state: PartitionState) -> Live:
        """Return agents newly active as a checkpoint lists them."""
        ends, agents = self.by_lane(state.live)
        since, ones = np.full_like(agents, state.number), np.ones_like(agents)
        return Live(ends, agents, since, np.full(len(agents), self.newly, np.uint8), ones)
