"""A partition of the network in some lanes: its state after a round, and what it sends.

The state is a log of who changed, round by round, which is never altered. Beside it a worker keeps dense arrays in
which kernels work; they are made anew from the log wherever they are not those of the very state that is asked for.
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
from propagation.kernels.messages import Mail, sort_mail
from propagation.kernels.partitions import COUNTS, Live, Touched
from propagation.mean_field import ExpectedCascade
from propagation.plans.kernel_arrays import Scratch, new_messages
from propagation.plans.partitioned.wave import Wave
from propagation.plans.stopping import stop_flag
from propagation.sessions import Session


@dataclass(frozen=True)
class PartitionState:
    """State of the agents of a partition after a round, and what happened since the last checkpoint.

    Attributes
    ----------
    number : int
        The round.
    log : tuple of Touched, Fresh, Added or Sums
        Who changed to what, by round; later ones count.
    live : Live, Agenda, Fresh or Added
        Agents that transmit or may leave by themselves.
    counts : tuple of (lanes, COUNTS) arrays
        By round.
    events, contacts : tuple of tuples
        (lane, rows) by round.
    pending : Mail or None
        Messages that are due in later rounds, where messages are dated.
    log_size : int
        How many numbers the log holds, where it may come to be written anew; see `extended_log`.
    """

    number: int
    log: tuple[Any, ...]
    live: Any
    counts: tuple[npt.NDArray[np.int64], ...] = ()
    events: tuple[tuple[npt.NDArray[np.int32], Events], ...] = ()
    contacts: tuple[tuple[npt.NDArray[np.int32], Contacts], ...] = ()
    pending: Mail | None = None
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
        Where all contacts travel, the edges.
    """

    bounds: npt.NDArray[np.int64]
    messages: Any

    def is_for(self, partition: int) -> bool:
        """Return whether there is a message for a partition."""
        return bool(self.bounds[partition, -1] > self.bounds[partition, 0])


def read_only(rows: Any) -> Any:
    """Return named arrays as kernels take those that came from another task."""
    return type(rows)(*map(constant_array, rows))


def trimmed(rows: Any) -> Any:
    """Return rows by lane, cut to what is used."""
    return type(rows)(rows.ends, *(column[: rows.ends[-1]].copy() for column in rows[1:]))


FEW_NUMBERS, FEW_ENTRIES = 1 << 22, 100
"""What a log may hold before it is worth writing anew, where its entries are few as well."""


def numbers_in(arrays: Sequence[npt.NDArray[Any]]) -> int:
    """Return how many numbers some arrays hold."""
    return sum(array.size for array in arrays)


def extended_log(
    before: PartitionState,
    entry: Any,
    states: Sequence[npt.NDArray[Any]],
    written_anew: Callable[[], Any],
) -> tuple[tuple[Any, ...], int]:
    """Return a log with one more entry, and how many numbers it holds.

    It is written anew, as one entry of all that is not as at the start, once it holds more numbers than the dense
    arrays, and twice as many as when it was written last; unless that is little, in few entries.

    Parameters
    ----------
    before : PartitionState
        Whose log it was.
    entry : Touched or Added
    states : sequence of arrays
        The dense arrays that the whole log says.
    written_anew : callable
        Returns them as one entry.
    """
    log, size = (*before.log, entry), before.log_size + numbers_in(entry)
    few = FEW_NUMBERS if len(log) <= FEW_ENTRIES else 0
    if size > max(2 * numbers_in(log[0]), numbers_in(states), few):
        log = (written_anew(),)
        size = numbers_in(log[0])
    return log, size


_kept: dict[tuple[str, int], tuple[tuple[Any, ...], Any]] = {}
"""By job and partition: the log up to which the dense arrays are, and the arrays. Tasks take them out to work."""


_scratch: dict[str, list[Scratch]] = {}
"""By job: scratch arrays that no task works in at the moment."""


def forget_arrays(*jobs: str) -> None:
    """Forget all dense arrays and scratch arrays of some jobs in this process."""
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
        Which partition of the wave's.
    name : str
        Of the family.
    lanes_apart : bool
        Measured: whether cost is linear in lanes, so that each thread had better run lanes of its own.
    """

    wave: Wave
    number: int
    name: ClassVar[str]
    lanes_apart: ClassVar[bool]

    # 0. What a family supports, costs and holds.

    @staticmethod
    @abstractmethod
    def supports(session: Session) -> bool:
        """Return whether the kernels can run a session."""

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
        """Whether pages of edges are given back once a task has read them."""
        return bool(self.wave.edges.words.nbytes >= FORGET_ABOVE)

    @property
    @abstractmethod
    def parts(self) -> int:
        """In how many parts messages are sorted: lanes, or words of them."""

    # 1. Dense arrays.

    def states(self, state: PartitionState) -> Any:
        """Return the dense arrays of a state, for the task to work in: those that were kept, or made from the log."""
        log, states = _kept.pop((self.wave.job, self.number), ((), None))
        # The very same log, not an equal one: a task that is run again finds arrays of a later round, and leaves them.
        if states is None or log is not state.log:
            states = self.initial()
            for changes in state.log:
                self.apply(read_only(changes), states)
        return states

    def keep(self, state: PartitionState, states: Any) -> None:
        """Keep the dense arrays of a state for the next task; a run that is to stop has none."""
        key = self.wave.job, self.number
        _kept[key] = state.log, states
        if stop_flag(self.wave.job)[0]:  # looked at last: the flag is raised before all is forgotten
            _kept.pop(key, None)

    @abstractmethod
    def initial(self) -> Any:
        """Return the dense arrays of the start, before there are seeds."""

    @abstractmethod
    def apply(self, changes: Any, states: Any) -> None:
        """Make the changes that an entry of a log says."""

    # 2. Rounds.

    @abstractmethod
    def begun(self, states: Any) -> PartitionState:
        """Return the state of round 0: seeds and sceptics."""

    @abstractmethod
    def settled(
        self, states: Any, before: PartitionState, mail: Mail, stops: Sequence[npt.NDArray[np.int32]]
    ) -> PartitionState:
        """Return the state after a round.

        Parameters
        ----------
        states
            Dense arrays of `before`; those of what is returned in the end.
        before : PartitionState
        mail : Mail
            Messages of all partitions for this one.
        stops : sequence of (k, 2) int32
            Lane and source of contacts that make their source stop.
        """

    @abstractmethod
    def sent(self, states: Any, state: PartitionState) -> Sent:
        """Return the messages of live agents for the next round, which comes.

        Parameters
        ----------
        states
            Dense arrays of `state`; not changed.
        state : PartitionState
        """

    # 3. Checkpoints.

    @abstractmethod
    def listed(self, states: Any, state: PartitionState) -> tuple[Touched, Live]:
        """Return the agents that are not as at the start, and the live ones."""

    @abstractmethod
    def taken_up(self, number: int, touched: Touched, live: Live) -> PartitionState:
        """Return the state after a round of which `listed` returned these."""

    # 4. Messages.

    def mail(self, sent: Sequence[Sent], *, recorded: bool = False) -> Mail:
        """Return the messages of all partitions for this one."""
        bounds, slices = self.addressed(sent)
        if not slices:
            return Mail(bounds, new_messages(0, named=False, recorded=recorded))
        columns = ([column[there] for column in each.messages[:4]] for each, there in slices)
        dst, src, value, draw = map(np.concatenate, zip(*columns, strict=True))
        return Mail(bounds, Messages(dst, src, value, draw, np.empty(len(dst) if recorded else 0, np.int8)))

    def addressed(self, sent: Sequence[Sent]) -> tuple[npt.NDArray[np.int64], list[tuple[Sent, slice]]]:
        """Return where messages for this partition will lie, by sender and part, and where senders have them."""
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

    def sorted_mail(self, messages: Messages, ends: npt.NDArray[np.int64]) -> Sent:
        """Return messages, which are in the order of lanes, by the partition they are for."""
        firsts = self.wave.starts
        bounds = np.zeros((len(firsts), len(ends)), np.int64)
        in_order = new_messages(int(ends[-1]), named=len(messages.src) > 0, recorded=False)
        sort_mail(messages, ends, firsts, bounds, in_order)
        return Sent(bounds, in_order)

    def nothing_sent(self) -> Sent:
        """Return no messages."""
        partitions = len(self.wave.firsts) - 1
        return Sent(np.zeros((partitions, self.parts + 1), np.int64), new_messages(0, named=False, recorded=False))

    def idle(self, state: PartitionState) -> PartitionState:
        """Return the state after a round in which nobody is live, and no message arrives."""
        counts = np.zeros((self.lanes, COUNTS), np.int64)
        return dataclasses.replace(state, number=state.number + 1, counts=(*state.counts, counts))


# -- scratch --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def scratch_of(partition: Partition) -> Iterator[Scratch]:
    """Lend scratch arrays, which are as long as the job's largest range; a task that fails leaves none behind."""
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
