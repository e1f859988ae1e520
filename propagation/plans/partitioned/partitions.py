"""A partition of the network in some lanes: its state after a round, and the messages it sends.

The state is an immutable log of changes, round by round. Beside it a worker keeps dense arrays for the kernels to work
in; they are rebuilt from the log unless they belong to exactly the state that is needed.
"""

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from propagation.compiled_rules import Program, constant_array
from propagation.costs import FORGET_ABOVE
from propagation.kernels.lane_arrays import Contacts, Events, Messages
from propagation.kernels.messages import Inbox, sort_messages
from propagation.kernels.partitions import COUNTS, Live, Touched
from propagation.mean_field import ExpectedCascade
from propagation.models.model import Model
from propagation.plans.kernel_arrays import Scratch, new_messages
from propagation.plans.partitioned.wave import Wave
from propagation.plans.stopping import stop_flag
from propagation.sessions import Record, Session


@dataclass(frozen=True)
class PartitionState:
    """State of the agents of a partition after a round, and the rows recorded since the last checkpoint.

    Attributes
    ----------
    number : int
        The round.
    log : tuple of Touched, Fresh, Added or Sums
        Changes by round; later ones override earlier ones.
    live : Live, Schedule, Fresh or Added
        Agents that transmit or may leave their compartment by themselves.
    counts : tuple of (lanes, COUNTS) arrays
        By round.
    events, contacts : tuple of tuples
        (lane, rows) by round.
    pending : Inbox or None
        Messages that are due in later rounds, if messages carry the round of their success.
    log_size : int
        How many numbers the log holds, if it may be compacted; see `extended_log`.
    """

    number: int
    log: tuple[Any, ...]
    live: Any
    counts: tuple[npt.NDArray[np.int64], ...] = ()
    events: tuple[tuple[npt.NDArray[np.int32], Events], ...] = ()
    contacts: tuple[tuple[npt.NDArray[np.int32], Contacts], ...] = ()
    pending: Inbox | None = None
    log_size: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing changes in the next round unless a message arrives."""
        return self.is_over and (self.pending is None or not len(self.pending.messages.dst))

    @property
    def is_over(self) -> bool:
        """Whether no agent is live in any lane."""
        return not self.live.ends[-1]


@dataclass(frozen=True)
class Sent:
    """Messages that a partition sent in a round, by the partition and the lane (or word of lanes) they are for.

    Attributes
    ----------
    bounds : (partitions, parts + 1) int64
        Where those for a partition and part begin, and end.
    messages : Messages or (k,) uint64
        Edges, if every contact is sent.
    """

    bounds: npt.NDArray[np.int64]
    messages: Any

    def is_for(self, partition: int) -> bool:
        """Return whether there is a message for a partition."""
        return bool(self.bounds[partition, -1] > self.bounds[partition, 0])


def read_only(rows: Any) -> Any:
    """Return named arrays as read-only views: kernels are compiled for those."""
    return type(rows)(*map(constant_array, rows))


def trimmed(rows: Any) -> Any:
    """Return rows by lane, cut to the used length."""
    return type(rows)(rows.ends, *(column[: rows.ends[-1]].copy() for column in rows[1:]))


FEW_NUMBERS, FEW_ENTRIES = 1 << 22, 100
"""Compaction threshold of a log: the numbers it may hold, unless it has more entries than this."""


def numbers_in(arrays: Sequence[npt.NDArray[Any]]) -> int:
    """Return how many numbers some arrays hold."""
    return sum(array.size for array in arrays)


def extended_log(
    before: PartitionState,
    entry: Any,
    states: Sequence[npt.NDArray[Any]],
    compacted: Callable[[], Any],
) -> tuple[tuple[Any, ...], int]:
    """Return a log with one more entry, and how many numbers it holds.

    It is compacted to one entry of all non-initial state once it holds more numbers than the dense arrays, and twice
    as many as after its last compaction; unless it is small and has few entries.

    Parameters
    ----------
    before : PartitionState
        Whose log it was.
    entry : Touched or Added
    states : sequence of arrays
        The dense arrays that result from the whole log.
    compacted : callable
        Returns them as one entry.
    """
    log, size = (*before.log, entry), before.log_size + numbers_in(entry)
    few = FEW_NUMBERS if len(log) <= FEW_ENTRIES else 0
    if size > max(2 * numbers_in(log[0]), numbers_in(states), few):
        log = (compacted(),)
        size = numbers_in(log[0])
    return log, size


_kept: dict[tuple[str, int], tuple[tuple[Any, ...], Any]] = {}
"""By job and partition: dense arrays, and the log that they correspond to. Tasks remove them while they work."""


_scratch: dict[str, list[Scratch]] = {}
"""By job: scratch arrays that no task is using."""


def forget_arrays(*jobs: str) -> None:
    """Release all dense arrays and scratch arrays of some jobs in this process."""
    for key in [key for key in list(_kept) if key[0] in jobs]:
        _kept.pop(key, None)
    for job in jobs:
        _scratch.pop(job, None)


@dataclass(frozen=True)
class Partition(ABC):
    """A range of agents, and the lanes of a wave in it; each subclass is a family of kernels.

    Attributes
    ----------
    wave : Wave
    number : int
        Position of the partition in the wave's network.
    name : str
        Name of the kernel family.
    lanes_apart : bool
        Measured: whether cost is linear in lanes, so that threads should run separate lanes.
    """

    wave: Wave
    number: int
    name: ClassVar[str]
    lanes_apart: ClassVar[bool]

    # 0. What a family supports, costs and holds.

    @staticmethod
    @abstractmethod
    def supports(model: Model, record: Record) -> bool:
        """Return whether the kernels can run a model and record this detail."""

    @staticmethod
    @abstractmethod
    def seconds_per_lane(network: Network, session: Session, lane: ExpectedCascade, broadcast_seconds: float) -> float:
        """Return the estimated seconds of a lane on one thread.

        Parameters
        ----------
        network : Network
        session : Session
        lane : ExpectedCascade
            What a lane is expected to do.
        broadcast_seconds : float
            What it takes in the broadcast plan.
        """

    @staticmethod
    @abstractmethod
    def lane_bytes(network: Network, session: Session, lane: ExpectedCascade) -> float:
        """Return the bytes that a lane holds in all partitions: dense arrays, its log, and messages in transit."""

    @cached_property
    def first(self) -> np.int64:
        """First agent of the range."""
        return np.int64(self.wave.firsts[self.number])

    @cached_property
    def size(self) -> int:
        """Number of agents."""
        return int(self.wave.firsts[self.number + 1] - self.first)

    @cached_property
    def program(self) -> Program:
        """The rules as arrays."""
        return self.wave.program

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return len(self.wave.lanes)

    @property
    def forgets(self) -> bool:
        """Whether a task releases the pages of the edges that it has read."""
        return bool(self.wave.edges.words.nbytes >= FORGET_ABOVE)

    @property
    @abstractmethod
    def parts(self) -> int:
        """Number of parts that messages are sorted by: lanes, or words of lanes."""

    # 1. Dense arrays.

    def states(self, state: PartitionState) -> Any:
        """Return the dense arrays of a state for the task to work in: those that were kept, or rebuilt from the log."""
        log, states = _kept.pop((self.wave.job, self.number), ((), None))
        # Compared by identity: a task that is run again may find arrays of a later round, which it must not use.
        if states is None or log is not state.log:
            states = self.initial()
            for changes in state.log:
                self.apply(read_only(changes), states)
        return states

    def keep(self, state: PartitionState, states: Any) -> None:
        """Keep the dense arrays of a state for the next task, unless the run is to stop."""
        key = self.wave.job, self.number
        _kept[key] = state.log, states
        if stop_flag(self.wave.job)[0]:  # checked last: the flag is set before arrays are released
            _kept.pop(key, None)

    @abstractmethod
    def initial(self) -> Any:
        """Return the initial dense arrays, before there are seeds."""

    @abstractmethod
    def apply(self, changes: Any, states: Any) -> None:
        """Apply an entry of a log."""

    # 2. Rounds.

    @abstractmethod
    def begun(self, states: Any) -> PartitionState:
        """Return the state of round 0: seeds and sceptics."""

    @abstractmethod
    def settled(
        self, states: Any, before: PartitionState, inbox: Inbox, stops: Sequence[npt.NDArray[np.int32]]
    ) -> PartitionState:
        """Return the state after a round.

        Parameters
        ----------
        states
            Dense arrays of `before`; changed to those of the state returned.
        before : PartitionState
        inbox : Inbox
            Messages of all partitions for this one.
        stops : sequence of (k, 2) int32
            Lane and source of contacts after which the source stops.
        """

    @abstractmethod
    def sent(self, states: Any, state: PartitionState) -> Sent:
        """Return the messages of live agents for the next round.

        Parameters
        ----------
        states
            Dense arrays of `state`; not changed.
        state : PartitionState
        """

    # 3. Checkpoints.

    @abstractmethod
    def listed(self, states: Any, state: PartitionState) -> tuple[Touched, Live]:
        """Return the agents not in their initial state, and the live ones."""

    @abstractmethod
    def resumed(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round, from what `listed` returned for it."""

    # 4. Messages.

    def inbox(self, sent: Sequence[Sent], *, recorded: bool = False) -> Inbox:
        """Return the messages of all partitions for this one."""
        bounds, slices = self.addressed(sent)
        if not slices:
            return Inbox(bounds, new_messages(0, named=False, recorded=recorded))
        columns = ([column[there] for column in each.messages[:4]] for each, there in slices)
        dst, src, value, draw = map(np.concatenate, zip(*columns, strict=True))
        return Inbox(bounds, Messages(dst, src, value, draw, np.empty(len(dst) if recorded else 0, np.int8)))

    def addressed(self, sent: Sequence[Sent]) -> tuple[npt.NDArray[np.int64], list[tuple[Sent, slice]]]:
        """Return the bounds of the messages for this partition by sender and part, and where each sender has them."""
        senders = [each for each in sent if each.is_for(self.number)]
        bounds = np.zeros((len(senders), sent[0].bounds.shape[1]), np.int64)
        slices, size = [], 0
        for own, each in zip(bounds, senders, strict=True):
            there = each.bounds[self.number]
            begin, end = int(there[0]), int(there[-1])
            np.add(there, size - begin, out=own)
            size += end - begin
            slices.append((each, slice(begin, end)))
        return bounds, slices

    def by_partition(self, messages: Messages, ends: npt.NDArray[np.int64]) -> Sent:
        """Return messages, given in the order of lanes, sorted by the partition of their destination."""
        firsts = self.wave.starts
        bounds = np.zeros((len(firsts), len(ends)), np.int64)
        in_order = new_messages(int(ends[-1]), named=len(messages.src) > 0, recorded=False)
        sort_messages(messages, ends, firsts, bounds, in_order)
        return Sent(bounds, in_order)

    def nothing_sent(self) -> Sent:
        """Return no messages."""
        partitions = len(self.wave.firsts) - 1
        return Sent(np.zeros((partitions, self.parts + 1), np.int64), new_messages(0, named=False, recorded=False))

    def idle(self, state: PartitionState) -> PartitionState:
        """Return the state after a round without live agents and without messages."""
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        return dataclasses.replace(state, number=state.number + 1, counts=(*state.counts, counts))


# -- scratch --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def scratch_of(partition: Partition) -> Iterator[Scratch]:
    """Lend scratch arrays as long as the job's largest range; those of a task that fails are dropped."""
    wave = partition.wave
    free = _scratch.setdefault(wave.job, [])
    try:
        scratch = free.pop()
    except IndexError:
        scratch = None
    if scratch is None or scratch.n_agents < wave.largest:
        scratch = Scratch(wave.largest)
    yield scratch
    if not stop_flag(wave.job)[0]:
        free.append(scratch)
