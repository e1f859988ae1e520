"""Supersteps on partitions: agents send values to their neighbours, receive theirs, and update their own state.

A vertex program in the manner of Pregel (Malewicz et al., SIGMOD 2010), written for all agents of a partition at once:

1. `begin` gives every agent its first state, and what it sends.
2. In each superstep the partition that owns an agent receives what others sent, and updates the agent's state.
3. Once nothing is left to do, which one small sum over the partitions tells, the results are collected.

State stays with the partition that owns the agent; only messages travel. A partition sends the value of each of its
agents once to every worker, and every partition looks up the agents that its own are connected to. A program may also
send letters: a value for any agent, also one that is no neighbour. Inputs of a superstep never depend on the order in
which partitions finish, so results are the same for any number of partitions, workers and threads.

This is our own engine, for networks whose edges exceed memory. A lost worker ends the run with an error: nothing is
published before a result is complete, and the run is simply started again.
"""

import functools
import logging
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import count, repeat
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from dask._task_spec import List, Task, TaskRef

from analytics.structure_on_partitions.neighbours import Neighbours, all_neighbours
from data.errors import ClusterLostError, InvalidInputError
from data.networks.network import Network
from propagation import clusters
from propagation.costs import FORGET_ABOVE
from propagation.plans.stopping import check_stop, request_stop

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)
Array = npt.NDArray[Any]
BYTES_PER_EDGE = 10
"""Largest size of the mapped arrays of all partitions."""
NO_LETTERS = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Sent:
    """What the agents of a partition send in a superstep.

    Attributes
    ----------
    values : (size,) array
        One value per agent, which any other agent can read by its id.
    letters : tuple of (k,) int64 and (k, ...) array
        Recipients in ascending order, and a value for each.
    totals : tuple of int
        Added up over all partitions, for every partition to read: integers, so that the order does not matter. The
        first is how much there is still to do.
    """

    values: Array
    totals: tuple[int, ...]
    letters: tuple[npt.NDArray[np.int64], Array] = NO_LETTERS


@dataclass(frozen=True)
class Step:
    """A partition after a superstep: the state of its agents, and what they sent."""

    state: Any
    sent: Sent


@dataclass(frozen=True)
class Received:
    """What a partition receives: what the agents of all partitions sent in the superstep before.

    Attributes
    ----------
    part : Neighbours
        The partition that receives.
    sent : sequence of Sent
        Of all partitions, in order.
    superstep : int
        Number of the present superstep, from 1.
    """

    part: Neighbours
    sent: Sequence[Sent]
    superstep: int

    @property
    def totals(self) -> tuple[int, ...]:
        """Sums of the totals of all partitions."""
        return _sums([each.totals for each in self.sent])

    @cached_property
    def of_neighbours(self) -> Array:
        """Values of the partition's neighbours, in the order of `Neighbours.agents`."""
        agents, firsts = self.part.agents, self.part.firsts
        bounds = np.searchsorted(agents, firsts)
        return np.concatenate(
            [
                each.values[agents[low:high] - first]
                for each, low, high, first in zip(self.sent, bounds[:-1], bounds[1:], firsts[:-1], strict=True)
            ]
        )

    def of(self, agents: npt.NDArray[np.integer[Any]]) -> Array:
        """Return the values of any agents, in the order given."""
        owners = np.searchsorted(self.part.firsts, agents, side="right") - 1
        found = np.empty(len(agents), self.sent[0].values.dtype)
        for owner in np.unique(owners):
            there = owners == owner
            found[there] = self.sent[owner].values[agents[there] - self.part.firsts[owner]]
        return found

    def letters(self) -> tuple[npt.NDArray[np.int64], Array]:
        """Return the letters for agents of the partition: recipients, counted from its first, and values."""
        first, last = self.part.first, self.part.first + self.part.size
        mine = [(each.letters, slice(*np.searchsorted(each.letters[0], (first, last)))) for each in self.sent]
        recipients = np.concatenate([letters[0][there] for letters, there in mine])
        return recipients - first, np.concatenate([letters[1][there] for letters, there in mine])


@dataclass(frozen=True)
class VertexProgram(ABC):
    """An algorithm on the agents of a network, in supersteps."""

    name: ClassVar[str]

    def lasts(self, superstep: int, totals: tuple[int, ...]) -> bool:  # noqa: ARG002 (for programs that count supersteps)
        """Return whether another superstep follows: by default, as long as there is something to do."""
        return totals[0] > 0

    @abstractmethod
    def begin(self, part: Neighbours, given: Array | None) -> Step:
        """Return the first state of a partition's agents, and what they send.

        Parameters
        ----------
        part : Neighbours
        given : (size,) array or None
            The partition's share of the values that the run was given.
        """

    @abstractmethod
    def update(self, part: Neighbours, state: Any, received: Received) -> Step:
        """Return the next state and what is sent; must not change `state`."""

    @abstractmethod
    def result(self, part: Neighbours, state: Any) -> Any:
        """Return the result of a partition from the last state of its agents."""


def run(
    program: VertexProgram,
    network: Network,
    *,
    partitions: int,
    client: "Client | None" = None,
    given: Array | None = None,
) -> list[Any]:
    """Run a vertex program on a network; return the result of each partition.

    Parameters
    ----------
    program : VertexProgram
    network : Network
    partitions : int
        At most so many; results do not depend on it.
    given : (n_ids,) array, optional
        Values by dense id that the program starts from.
    client : distributed.Client, optional
        A cluster whose workers run the partitions; default: threads of this process, without Dask.

    Raises
    ------
    InvalidInputError
        If there is to be no partition.
    ClusterLostError
        If a worker is lost, with what it knew: start again.
    """
    if partitions < 1:
        raise InvalidInputError(f"partitions {partitions} is less than 1; the values are the same for any number")
    parts = all_neighbours(network, partitions)
    shares = [None if given is None else given[part.first : part.first + part.size] for part in parts]
    this = Run(program, tuple(parts), uuid.uuid4().hex)
    try:
        return _run_on_cluster(this, shares, client) if client is not None else run_together(this, shares)
    except BaseException:
        request_stop(this.run_id)
        if client is not None:
            clusters.tell_workers(client, request_stop, this.run_id)
        raise


@dataclass(frozen=True)
class Run:
    """A vertex program on the partitions of a network: what every worker needs to know.

    Attributes
    ----------
    program : VertexProgram
    parts : tuple of Neighbours
        All partitions.
    run_id : str
        Names the stop flag.
    """

    program: VertexProgram
    parts: tuple[Neighbours, ...]
    run_id: str

    def begun(self, number: int, given: Array | None) -> Step:
        """Return a partition after superstep 0."""
        check_stop(self.run_id)
        return self._forgetting(number, self.program.begin(self.parts[number], given))

    def updated(self, number: int, step: Step, sent: Sequence[Sent], superstep: int) -> Step:
        """Return a partition after a further superstep."""
        check_stop(self.run_id)
        part = self.parts[number]
        return self._forgetting(number, self.program.update(part, step.state, Received(part, sent, superstep)))

    def result(self, number: int, step: Step) -> Any:
        """Return the result of a partition."""
        return self.program.result(self.parts[number], step.state)

    def lasts(self, superstep: int, totals: Sequence[tuple[int, ...]]) -> bool:
        """Return whether another superstep follows, and log how much there is to do."""
        sums = _sums(totals)
        logger.info("%s: superstep %d, %d to do", self.program.name, superstep, sums[0])
        return self.program.lasts(superstep, sums)

    def _forgetting(self, number: int, step: Step) -> Step:
        """Release the pages of a partition's edges if those of the network are too many to stay in memory."""
        if BYTES_PER_EDGE * self.parts[number].network.n_edges >= FORGET_ABOVE:
            self.parts[number].forget()
        return step


def _sums(totals: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*totals, strict=True)))


def run_together(this: Run, shares: Sequence[Array | None], threads: int | None = None) -> list[Any]:
    """Run all partitions in this process, on threads; return the result of each.

    Parameters
    ----------
    this : Run
    shares : sequence of arrays or None
        What each partition is given.
    threads : int, optional
        Default: one per core.
    """
    numbers, superstep = range(len(this.parts)), 0
    with ThreadPoolExecutor(threads or os.cpu_count() or 1, "partitions") as pool:
        steps = list(pool.map(this.begun, numbers, shares))
        while this.lasts(superstep, [step.sent.totals for step in steps]):
            superstep += 1
            sent = [step.sent for step in steps]
            steps = list(pool.map(this.updated, numbers, steps, repeat(sent), repeat(superstep)))
        return list(pool.map(this.result, numbers, steps))


# -- on a cluster -----------------------------------------------------------------------------------------------------


def _run_on_cluster(this: Run, shares: Sequence[Array | None], client: "Client") -> list[Any]:
    """Run partitions on the workers of a cluster; return the result of each."""
    try:
        return _ClusterRun(this, client).results(shares)
    except clusters.loss_errors() as error:
        raise ClusterLostError(
            f"a worker was lost during {this.program.name} ({error}): nothing was published; run it again, with more "
            "memory or more partitions if workers ran out of memory"
        ) from None


class _ClusterRun:
    """A run on the workers of a cluster.

    Every thread has a group of consecutive partitions, which one task per superstep runs one after the other. A single
    worker runs everything in one task.
    """

    def __init__(self, this: Run, client: "Client") -> None:
        self._this, self._client, self._numbers = this, client, count()
        self._workers, self._threads = clusters.worker_addresses(client), clusters.thread_count(client)
        groups = np.array_split(np.arange(len(this.parts)), self._threads)
        self._groups = [group.tolist() for group in groups if len(group)]
        self._run_key = f"structure-{this.run_id}"
        self._graph: dict[str, Task] = {self._run_key: Task(self._run_key, _itself, this)}

    def results(self, shares: Sequence[Array | None]) -> list[Any]:
        """Run all supersteps; return the result of each partition."""
        if len(self._workers) == 1:
            future = self._client.submit(run_together, self._this, shares, self._threads, pure=False)
            return self._answers([future])
        superstep = 0
        names = self._tasks(_begun, *([shares[number] for number in group] for group in self._groups))
        totals = self._tasks(_totals, *map(TaskRef, names))
        kept, *futures = self._submitted(self._run_key, *names, *totals)
        while self._this.lasts(superstep, self._answers(futures[len(names) :])):
            superstep += 1
            sent = List(*map(TaskRef, self._tasks(_sent, *map(TaskRef, names))))
            names = self._tasks(_updated, *map(TaskRef, names), sent=sent, superstep=superstep)
            totals = self._tasks(_totals, *map(TaskRef, names))
            futures = self._submitted(*names, *totals)
        found = self._answers(self._submitted(*self._tasks(_results, *map(TaskRef, names))))
        del kept
        return found

    def _tasks(self, function: Callable[..., Any], *own: Any, **options: Any) -> list[str]:
        """Add a task for each group to the graph, with its own argument and the same options; return their names."""
        names = [f"{self._run_key}-{next(self._numbers)}" for _ in self._groups]
        for name, group, argument in zip(names, self._groups, own, strict=True):
            self._graph[name] = Task(name, function, TaskRef(self._run_key), group, argument, **options)
        return names

    def _submitted(self, *names: str) -> list[Any]:
        """Submit the graph, and return the futures of these tasks; the next graph begins empty."""
        graph, self._graph = self._graph, {}
        futures: list[Any] = self._client.get(graph, list(names), sync=False)
        return futures

    def _answers(self, futures: Sequence[Any]) -> list[Any]:
        """Wait for a task of each group; return the answers for all partitions."""
        clusters.wait_for(self._client, futures, self._workers, functools.partial(check_stop, self._this.run_id))
        return [answer for group in self._client.gather(futures) for answer in group]


def _itself(this: Run) -> Run:
    """Return the argument: a task that sends it to every worker only once."""
    return this


def _begun(this: Run, group: Sequence[int], shares: Sequence[Array | None]) -> list[Step]:
    return list(map(this.begun, group, shares))


def _updated(
    this: Run, group: Sequence[int], steps: Sequence[Step], sent: Sequence[Sequence[Sent]], superstep: int
) -> list[Step]:
    of_all = [each for of_group in sent for each in of_group]
    return [this.updated(number, step, of_all, superstep) for number, step in zip(group, steps, strict=True)]


def _results(this: Run, group: Sequence[int], steps: Sequence[Step]) -> list[Any]:
    return list(map(this.result, group, steps))


def _sent(_this: Run, _group: Sequence[int], steps: Sequence[Step]) -> list[Sent]:
    """Return what partitions sent, without their state: only this goes to other workers."""
    return [step.sent for step in steps]


def _totals(_this: Run, _group: Sequence[int], steps: Sequence[Step]) -> list[tuple[int, ...]]:
    return [step.sent.totals for step in steps]
