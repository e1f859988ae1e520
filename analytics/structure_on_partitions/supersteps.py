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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

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
NO_LETTERS = (np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True)
class Sent:
    """What the agents of a partition send in a superstep.

    Attributes
    ----------
    values : (size,) array
        One value per agent, for its neighbours and whoever knows the agent.
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

    @cached_property
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
    run_id = uuid.uuid4().hex
    parts = all_neighbours(network, partitions)
    shares = [None if given is None else given[part.first : part.first + part.size] for part in parts]
    try:
        if client is None:
            return run_together(program, parts, shares, os.cpu_count() or 1, run_id)
        return _run_on_cluster(program, parts, shares, client, run_id)
    except BaseException:
        request_stop(run_id)
        if client is not None:
            clusters.tell_workers(client, request_stop, run_id)
        raise


def run_together(
    program: VertexProgram, parts: Sequence[Neighbours], shares: Sequence[Array | None], threads: int, run_id: str
) -> list[Any]:
    """Run all partitions in this process, on threads; return what `run` returns."""
    numbers, superstep = range(len(parts)), 0

    def begun(p: int) -> Step:
        return _begun(program, parts[p], shares[p], run_id)

    def updated(p: int) -> Step:
        return _updated(program, parts[p], steps[p], sent, superstep, run_id)

    with ThreadPoolExecutor(threads, "partitions") as pool:
        steps = list(pool.map(begun, numbers))
        while _lasts(program, superstep, [_totals(step) for step in steps]):
            superstep += 1
            sent = [step.sent for step in steps]
            steps = list(pool.map(updated, numbers))
        return list(pool.map(lambda p: _result(program, parts[p], steps[p]), numbers))


def _run_on_cluster(
    program: VertexProgram, parts: Sequence[Neighbours], shares: Sequence[Array | None], client: "Client", run_id: str
) -> list[Any]:
    """Run partitions on the workers of a cluster; return what `run` returns.

    A single worker runs all of them in one task; otherwise each partition and superstep is a task of its own.
    """
    submit = functools.partial(client.submit, pure=False)
    workers, check = clusters.worker_addresses(client), functools.partial(check_stop, run_id)

    def answers(futures: Sequence[Any]) -> list[Any]:
        clusters.wait_for(client, futures, workers, check)
        found: list[Any] = client.gather(futures)
        return found

    try:
        if len(workers) == 1:
            threads = clusters.thread_count(client)
            (found,) = answers([submit(run_together, program, parts, shares, threads, run_id)])
            return list(found)
        steps = [submit(_begun, program, *each, run_id) for each in zip(parts, shares, strict=True)]
        superstep = 0
        while _lasts(program, superstep, answers([submit(_totals, step) for step in steps])):
            superstep += 1
            sent = [submit(_sent, step) for step in steps]
            of_parts = zip(parts, steps, strict=True)
            steps = [submit(_updated, program, part, step, sent, superstep, run_id) for part, step in of_parts]
        return answers([submit(_result, program, *each) for each in zip(parts, steps, strict=True)])
    except clusters.loss_errors() as error:
        raise ClusterLostError(
            f"a worker was lost during {program.name} ({error}): nothing was published; run it again, with more memory "
            "or more partitions if workers ran out of memory"
        ) from None


def _lasts(program: VertexProgram, superstep: int, totals: Sequence[tuple[int, ...]]) -> bool:
    """Return whether another superstep follows, and log how much there is to do."""
    sums = _sums(totals)
    logger.info("%s: superstep %d, %d to do", program.name, superstep, sums[0])
    return program.lasts(superstep, sums)


def _sums(totals: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*totals, strict=True)))


def _forgets(network: Network) -> bool:
    """Return whether a partition's edges leave memory after every superstep: if those of the network are many."""
    return 10 * network.n_edges >= FORGET_ABOVE


# -- tasks ------------------------------------------------------------------------------------------------------------


def _begun(program: VertexProgram, part: Neighbours, given: Array | None, run_id: str) -> Step:
    check_stop(run_id)
    return _forgetting(part, program.begin(part, given))


def _updated(
    program: VertexProgram, part: Neighbours, step: Step, sent: Sequence[Sent], superstep: int, run_id: str
) -> Step:
    check_stop(run_id)
    return _forgetting(part, program.update(part, step.state, Received(part, sent, superstep)))


def _forgetting(part: Neighbours, step: Step) -> Step:
    if _forgets(part.network):
        part.forget()
    return step


def _result(program: VertexProgram, part: Neighbours, step: Step) -> Any:
    return program.result(part, step.state)


def _sent(step: Step) -> Sent:
    """Return what a partition sent, without its state: only this goes to other workers."""
    return step.sent


def _totals(step: Step) -> tuple[int, ...]:
    return step.sent.totals
