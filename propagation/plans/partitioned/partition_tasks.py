"""Tasks of the partitioned plan: each runs one partition of the network, in the lanes of a wave, for one round.

If one worker has all partitions, `on_all` and `advance_together` run all of them in one task.

A task is a pure function of its inputs and never modifies them, so it may be lost and run again.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from data.networks.sparse_rows import forget_pages
from propagation.kernels.partitions import COUNTS, LaneStates, Live, Touched
from propagation.plans.partitioned.families import family_for
from propagation.plans.partitioned.partitions import Partition, PartitionState, Sent
from propagation.plans.partitioned.rule_partitions import RulePartition
from propagation.plans.partitioned.wave import Wave
from propagation.plans.stopping import check_stop

LITTLE_SECONDS = 0.002
"""If a round takes less than this on all partitions together, one thread runs the next round of all of them."""


@dataclass(frozen=True)
class Step:
    """A partition after a round: its state, and the messages for the next round."""

    state: PartitionState
    sent: Sent


def partition_of(wave: Wave, number: int) -> Partition:
    """Return a partition, of the kernel family that is fastest for the model."""
    return family_for(wave.one)(wave, number)


def begin(wave: Wave, number: int) -> Step:
    """Run round 0 of a partition: seeds and sceptics; send the contacts of round 1."""
    check_stop(wave.job)
    partition = partition_of(wave, number)
    states = partition.initial()
    return _kept(partition, _step(partition, partition.begun(states), states), states)


def resume(wave: Wave, number: int, after: int, touched: Touched, live: Live) -> Step:
    """Resume from the state in a checkpoint: send the contacts of the next round."""
    check_stop(wave.job)
    partition = partition_of(wave, number)
    state = partition.resumed(after, touched, live)
    states = partition.states(state)
    return _kept(partition, _step(partition, state, states), states)


def advance(
    wave: Wave,
    number: int,
    step: Step,
    sent: Sequence[Sent],
    stops: Sequence[list[npt.NDArray[np.int32]]] = (),
) -> Step:
    """Run the end of one round and the beginning of the next: receive, settle, send.

    Parameters
    ----------
    wave : Wave
    number : int
        The partition.
    step : Step
        The partition's after the round before.
    sent : sequence of Sent
        Of all partitions.
    stops : sequence of lists
        What `stops_of` returned for all partitions, for models in which a contact can stop its source.
    """
    check_stop(wave.job)
    partition = partition_of(wave, number)
    if _stays_idle(partition, step, sent):
        return _idle(partition, step)
    states = partition.states(step.state)
    return _kept(partition, _next(partition, states, step, sent, stops), states)


def _stays_idle(partition: Partition, step: Step, sent: Sequence[Sent]) -> bool:
    """Return whether nothing happens in a partition in the next round."""
    return step.state.is_idle and not any(each.is_for(partition.number) for each in sent)


def _idle(partition: Partition, step: Step) -> Step:
    """Return the step after a round in which nothing happened."""
    return Step(partition.idle(step.state), partition.nothing_sent())


def _next(
    partition: Partition,
    states: Any,
    step: Step,
    sent: Sequence[Sent],
    stops: Sequence[list[npt.NDArray[np.int32]]],
) -> Step:
    """Return the step after a round; `states` are the dense arrays before it, and after it."""
    inbox = partition.inbox(sent, recorded=partition.wave.one.records("contacts"))
    state = partition.settled(states, step.state, inbox, [pairs[partition.number] for pairs in stops])
    return _step(partition, state, states)


def _step(partition: Partition, state: PartitionState, states: Any) -> Step:
    """Return the step of a state: with messages, if there is a next round and anybody is live."""
    ends = state.number == partition.wave.one.max_rounds or state.is_over
    sent = partition.nothing_sent() if ends else partition.sent(states, state)
    _forget_edges(partition)
    return Step(state, sent)


def _kept(partition: Partition, step: Step, states: Any) -> Step:
    """Return a step whose dense arrays are kept for the next task."""
    partition.keep(step.state, states)
    return step


def _forget_edges(partition: Partition) -> None:
    """Release the pages of a partition's edges, if edges are too many to stay in memory."""
    if not partition.forgets:
        return
    edges = partition.wave.edges
    low, high = int(partition.first), int(partition.first) + partition.size
    row = slice(edges.offsets[low], edges.offsets[high])
    forget_pages(edges.words[row], edges.offsets[low : high + 1])
    if len(edges.influence):
        forget_pages(edges.influence[row])


def advance_together(wave: Wave, rounds: int, seconds: float, threads: int, steps: Sequence[Step]) -> Sequence[Step]:
    """Run rounds of all partitions in one task, until they are done or all lanes are over.

    Parameters
    ----------
    wave : Wave
    rounds : int
        At most so many.
    seconds : float
        After so many, no further round begins.
    threads : int
        How many partitions are worked on at the same time.
    steps : sequence of Step
        Of all partitions after the same round.
    """
    until = perf_counter() + seconds
    partitions = [partition_of(wave, number) for number in range(len(steps))]
    steps = list(steps)
    answers: list[list[npt.NDArray[np.int32]]] = [[] for _ in steps]
    took = np.full(len(steps), np.inf)  # in the round before
    with ThreadPoolExecutor(threads) as pool:
        states = list(pool.map(lambda partition: partition.states(steps[partition.number].state), partitions))

        def stopped(number: int) -> None:
            answers[number] = _stops(partitions[number], states[number], sent)

        def advanced(number: int) -> None:
            check_stop(wave.job)
            begun, partition, step = perf_counter(), partitions[number], steps[number]
            idle = _stays_idle(partition, step, sent)
            steps[number] = _idle(partition, step) if idle else _next(partition, states[number], step, sent, stops)
            took[number] = perf_counter() - begun

        for done in range(rounds):
            if all(step.state.is_over for step in steps) or (done > 0 and perf_counter() > until):
                break
            sent, stops = [step.sent for step in steps], []
            # With little work, threads only contend for the interpreter.
            at_once = 1 if took.sum() <= LITTLE_SECONDS else threads
            longest_first = np.argsort(-took).tolist()
            if wave.one.model.rules.changes_source:
                _on_threads(pool, at_once, stopped, longest_first)
                stops = answers
            _on_threads(pool, at_once, advanced, longest_first)
    return [_kept(*each) for each in zip(partitions, steps, states, strict=True)]


def _on_threads(pool: ThreadPoolExecutor, threads: int, task: Callable[[int], None], numbers: Sequence[int]) -> None:
    """Run a task on all partitions; this thread works too, because waking threads is slow."""
    left = iter(numbers)

    def work() -> None:
        for number in left:  # shared by the threads: each takes the next number
            task(number)

    others = [pool.submit(work) for _ in range(min(threads, len(numbers)) - 1)]
    work()
    for other in others:
        other.result()


def on_all(
    function: Callable[..., Any], wave: Wave, threads: int, inputs: Sequence[Sequence[Any]], **options: Any
) -> list[Any]:
    """Return what the task of each partition returns, in one task.

    Parameters
    ----------
    function : callable
        Takes the wave, the partition, and what each of the inputs holds for it.
    wave : Wave
    threads : int
        How many partitions are worked on at the same time.
    inputs : sequence of sequences
    **options
        The same for all partitions.
    """
    with ThreadPoolExecutor(threads) as pool:
        own = zip(*inputs, strict=True) if inputs else itertools.repeat(())
        numbers = range(len(wave.firsts) - 1)
        return list(pool.map(lambda number, values: function(wave, number, *values, **options), numbers, own))


def sent_of(_wave: Wave, _number: int, step: Step) -> Sent:
    """Return the messages of a partition without its state: only they are sent to other workers."""
    return step.sent


# -- for partitions that run lane after lane: any rules, and scheduled epidemics ---------------------------------------


def _partition_in_lanes(wave: Wave, number: int) -> RulePartition:
    partition = partition_of(wave, number)
    assert isinstance(partition, RulePartition), f"partitions of family {partition.name!r} do not run lane after lane"
    return partition


def stops_of(wave: Wave, number: int, step: Step, sent: Sequence[Sent]) -> list[npt.NDArray[np.int32]]:
    """Return the sources that stop after contacts with agents of a partition: (k, 2) lane and source, by partition."""
    check_stop(wave.job)
    partition = _partition_in_lanes(wave, number)
    states = partition.states(step.state)
    stops = _stops(partition, states, sent)
    partition.keep(step.state, states)
    return stops


def _stops(partition: Any, states: LaneStates, sent: Sequence[Sent]) -> list[npt.NDArray[np.int32]]:
    """Return the sources that stop, as `stops_of` does, given the dense arrays of the partition."""
    pairs, firsts = partition.stopped(states, partition.inbox(sent)), partition.wave.firsts
    where = np.searchsorted(firsts, pairs[:, 1], side="right") - 1
    return [pairs[where == part] for part in range(len(firsts) - 1)]


def probe(wave: Wave, number: int, step: Step) -> Sent:
    """Send every contact that could ever succeed, as if it did."""
    partition = _partition_in_lanes(wave, number)
    states = partition.states(step.state)
    sent = partition.probe(states, step.state)
    partition.keep(step.state, states)
    return sent


def open_lanes(wave: Wave, number: int, step: Step, sent: Sequence[Sent]) -> npt.NDArray[np.uint8]:
    """Return in which lanes a contact of a probe could change something, (lanes,) uint8."""
    partition = _partition_in_lanes(wave, number)
    states = partition.states(step.state)
    found = partition.opened(states, step.state, partition.inbox(sent))
    partition.keep(step.state, states)
    return found


# -- what a step holds ----------------------------------------------------------------------------------------------


def listed(wave: Wave, number: int, step: Step) -> tuple[Touched, Live]:
    """Return the agents of a partition not in their initial state, and the live ones."""
    partition = partition_of(wave, number)
    states = partition.states(step.state)
    found = partition.listed(states, step.state)
    partition.keep(step.state, states)
    return found


def counts_of(wave: Wave, _number: int, step: Step, known: int) -> npt.NDArray[np.int64]:
    """Return the counts of the rounds after the first `known` ones, (rounds, lanes, COUNTS)."""
    return np.stack([*step.state.counts, np.zeros((len(wave.lanes), COUNTS), np.int64)])[known:-1]


def without_rows(_wave: Wave, _number: int, step: Step) -> Step:
    """Return a step whose counts, events and contacts have been saved."""
    return Step(dataclasses.replace(step.state, counts=(), events=(), contacts=()), step.sent)
