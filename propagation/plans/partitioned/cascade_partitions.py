"""A partition in lanes of a model whose agents transmit once, in the round after their activation."""

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from propagation.kernels.lane_arrays import Events
from propagation.kernels.partitions import COUNTS, Live
from propagation.plans.partitioned.partitions import Partition, PartitionState, numbers_in


class CascadePartition(Partition):
    """A range of agents of which the newly active are live, and whose infectors are not recorded."""

    @abstractmethod
    def by_lane(self, fresh: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return agents newly active by lane: (lanes + 1,) ends, and the agents."""

    @abstractmethod
    def lane_counts(self, fresh: Any) -> npt.NDArray[np.int64]:
        """Return the number of agents newly active in each lane."""

    def started(self, fresh: Any) -> PartitionState:
        """Return the state of round 0, in which the seeds are newly active."""
        new = self.lane_counts(fresh)
        return PartitionState(
            0, (fresh,), fresh, (round_counts(new, new >= 0),), self._events((), 0, fresh), log_size=numbers_in(fresh)
        )

    def followed(self, before: PartitionState, fresh: Any, log: tuple[Any, ...], log_size: int) -> PartitionState:
        """Return the state after a round that activated some agents; those live before it no longer are."""
        number = before.number + 1
        were_live = before.counts[-1][:, 3] if before.counts else self.lane_counts(before.live)
        counts = round_counts(self.lane_counts(fresh), were_live > 0)
        events = self._events(before.events, number, fresh)
        return PartitionState(number, log, fresh, (*before.counts, counts), events, log_size=log_size)

    def _events(self, before: tuple[Any, ...], number: int, fresh: Any) -> tuple[Any, ...]:
        """Return the activations so far, with those of a round if they are recorded."""
        if not (self.wave.one.records("reach") and fresh.ends[-1]):
            return before
        ends, agents = self.by_lane(fresh)
        of_lane = np.repeat(np.arange(self.lanes, dtype=np.int32), np.diff(ends))
        rounds, unknown = np.full_like(agents, number), np.full_like(agents, -1)
        return (*before, (of_lane, Events(agents, rounds, unknown, np.ones_like(agents), np.empty(0, np.uint8))))

    # Checkpoints: which compartments agents are in.

    @property
    def newly_active(self) -> int:
        """Number of the compartment of newly active agents."""
        rules = self.wave.one.model.rules
        return rules.compartments.index(rules.seeds)

    @property
    def inactive(self) -> int:
        """Number of the compartment of agents that have transmitted."""
        rules = self.wave.one.model.rules
        (ended,) = rules.transitions
        return rules.compartments.index(ended.to)

    def live_rows(self, state: PartitionState) -> Live:
        """Return newly active agents as a checkpoint lists them."""
        ends, agents = self.by_lane(state.live)
        since, ones = np.full_like(agents, state.number), np.ones_like(agents)
        return Live(ends, agents, since, np.full(len(agents), self.newly_active, np.uint8), ones)


def round_counts(new: npt.NDArray[np.int64], others: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return counts by lane, of one or more rounds: newly active agents, and whether they or `others` changed."""
    counts = np.empty((*new.shape, COUNTS), np.int64)
    counts[..., :4] = new[..., None]
    counts[..., 4] = (new > 0) | others
    return counts
