"""The partitioned plan: edges split by ranges of their source, one task per partition and round.

Only messages are exchanged; each goes to the partition of its destination. Rounds are submitted in chunks of about a
second (on a single worker as one task, which runs partitions on its threads); after each chunk the run checks which
lanes are over. Several waves of lanes may run at the same time. For networks larger than a worker's memory.
"""

import contextvars
import functools
import itertools
import logging
import queue
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from dask._task_spec import List, Task, TaskRef

from data.errors import ClusterLostError
from data.networks.network import Network
from data.progress import Progress
from data.warehouse.manifests import DataFile
from propagation import clusters
from propagation.lane_counts import AgentReach, Lanes
from propagation.planner import JobPlan
from propagation.plans.lane_rows import LaneRows, reach_sum
from propagation.plans.partitioned import checkpoints
from propagation.plans.partitioned import partition_tasks as tasks
from propagation.plans.partitioned.checkpoints import Checkpoint, SavedPartition, last_checkpoint, saved_lanes
from propagation.plans.partitioned.lane_groups import waves
from propagation.plans.partitioned.partitions import forget_arrays
from propagation.plans.partitioned.wave import Wave
from propagation.plans.stopping import check_stop, request_stop
from propagation.sessions import Session

if TYPE_CHECKING:
    from distributed import Client, Future

logger = logging.getLogger(__name__)

CHUNK_SECONDS, TASK_SECONDS, CHECKPOINT_SECONDS = 1.0, 5.0, 10.0
"""Target time of a submission of rounds, and of a task that runs many; seconds between checkpoints per second spent
on a checkpoint."""
LISTEN_SECONDS = 0.05
"""How often a run checks whether it was interrupted."""
SAVING_SECONDS = 0.05
"""Assumed time of the first checkpoint."""
FIRST_CHUNK, LARGEST_CHUNK, LONGEST_TASK = 4, 64, 4096
"""Rounds per submission: at first, at most, and at most for a single task, which limits its own time."""
MOST_TASKS = 20_000
"""Tasks after which a run restarts from a checkpoint: Dask keeps every ancestor of a live task."""
ATTEMPTS = 5
"""Worker losses tolerated without completing another round."""


def run_partitioned(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client",
    *,
    publish: bool,
    progress: Progress,
) -> list[LaneRows]:
    """Run all lanes of sessions on one network; return the rows of each wave.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    job_plan : JobPlan
        Gives the number of partitions, of lanes per wave, and of concurrent waves.
    client : distributed.Client
    publish : bool
        Whether tasks stage the rows of large tables in the network's warehouse; otherwise they return them.
    progress : Progress
        Called with the number of lanes done.

    Raises
    ------
    KeyboardInterrupt
        Re-raised after stopping the tasks.
    """
    made = list(waves(network, sessions, job_plan, saved_lanes(network.warehouse) if publish else ()))
    # Concurrent waves have distinct names; consecutive ones reuse them. A wave resumed from a checkpoint may have
    # more lanes than the plan allows per wave.
    most = job_plan.lanes_at_once * job_plan.waves_at_once // max(len(wave.lanes) for wave in made)
    jobs = [uuid.uuid4().hex for _ in range(max(1, min(job_plan.waves_at_once, len(made), most)))]
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for job in jobs:
        free.put(job)
    found: dict[int, LaneRows] = {}
    done = 0
    progress("simulating", 0, job_plan.lanes)

    def run(number: int) -> int:
        job = free.get()
        try:
            title = f"wave {number + 1} of {len(made)}: " if len(made) > 1 else ""
            wave = replace(made[number], job=job, title=title, more=len(found) < len(made) - 1)
            rows = _run_wave(wave, client, publish=publish, beside=len(jobs))
            found[number] = _of_job(rows, wave, sessions)
        finally:
            free.put(job)
        return len(wave.lanes)

    try:
        with ThreadPoolExecutor(len(jobs), "wave") as pool:
            try:
                futures = {pool.submit(contextvars.copy_context().run, run, number) for number in range(len(made))}
                while futures:  # with a timeout, because a waiting thread may not receive an interrupt
                    ended, futures = wait(futures, timeout=LISTEN_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended:
                        done += future.result()
                    progress("simulating", done, job_plan.lanes)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                request_stop(*jobs)  # for the waves' threads in this process
                clusters.tell_workers(client, request_stop, *jobs)
                raise
    finally:
        clusters.tell_workers(client, forget_arrays, *jobs)
    return [found[number] for number in range(len(made))]


def _of_job(rows: LaneRows, wave: Wave, sessions: Sequence[Session]) -> LaneRows:
    """Return the rows of a wave with its sessions' positions in the job."""
    positions = {session.session_id: number for number, session in enumerate(sessions)}
    of_job = [positions[session.session_id] for session in wave.sessions]
    reach = {of_job[number]: own for number, own in rows.reach.items()}
    return replace(rows, spans=[replace(span, session=of_job[span.session]) for span in rows.spans], reach=reach)


def _run_wave(wave: Wave, client: "Client", *, publish: bool, beside: int) -> LaneRows:
    """Run a wave of lanes; after workers are lost, resume from its last checkpoint or start over.

    Parameters
    ----------
    wave : Wave
    client : distributed.Client
    publish : bool
    beside : int
        Number of waves that share the threads, including this one.
    """
    failures, reached = 0, 0
    while True:
        run = _WaveRun(wave, client, publish=publish, beside=beside)
        try:
            if (rows := run.run()) is not None:
                return rows
        except clusters.loss_errors() as error:
            lost = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            logger.info("%srestarting from the checkpoint to release finished tasks", wave.title)
            continue
        failures, reached = (1, len(run.counts)) if len(run.counts) > reached else (failures + 1, reached)
        checkpoint = last_checkpoint(wave) if publish else None
        resumption = (
            "starts over" if checkpoint is None else f"resumes from the checkpoint after round {checkpoint.number}"
        )
        if failures > ATTEMPTS:
            raise ClusterLostError(
                f"the cluster lost its workers {failures} times while the run made no progress (last: {lost}); workers "
                "are often killed when memory runs out: see their logs, give them more memory or run fewer replicates; "
                f"the run {resumption} when it is run again"
            )
        logger.warning("%sthe run %s: %s", wave.title, resumption, lost)
        try:
            clusters.wait_for_workers(client, run.check)
        except ClusterLostError as error:
            raise ClusterLostError(f"{error}; the run then {resumption}") from None


class _WaveRun:
    """A run of a wave of lanes through its rounds."""

    def __init__(self, wave: Wave, client: "Client", *, publish: bool, beside: int) -> None:
        self.wave, self.client, self.publish, self.beside = wave, client, publish, beside
        self.check = functools.partial(check_stop, wave.job)
        self.rules = wave.one.model.rules
        self.partitions = range(len(wave.firsts) - 1)
        self.number = 0
        self.over = np.full(len(wave.lanes), -1, np.int64)
        self.last_change = np.zeros(len(wave.lanes), np.int64)
        self.counts: list[npt.NDArray[np.int64]] = []
        self._numbers = itertools.count()
        self.submitted = 0
        self.saved = 0  # rounds whose counts the steps no longer hold
        self.prefix = f"{wave.job}-{uuid.uuid4().hex[:8]}"
        self.wave_key = f"wave-{self.prefix}"
        self.files: list[DataFile] = []
        self.unsaved: list[DataFile] = []  # rows not yet in a checkpoint of this run
        self.last_checkpoint = -1
        self.reach: list[dict[int, AgentReach]] = []
        self.saved_at = time.perf_counter()
        self.saving_took = SAVING_SECONDS

    def _begin(self) -> None:
        """Begin, or resume from the last checkpoint."""
        # Dask recomputes a lost worker's results from the beginning, and sometimes waits for some of them for ever.
        # Therefore a run that loses any of these workers restarts from its last checkpoint.
        self.workers = clusters.worker_addresses(self.client)
        self.together = _in_one_task(self.workers)
        self.threads = max(1, clusters.thread_count(self.client) // self.beside)
        checkpoint = last_checkpoint(self.wave) if self.publish else None
        if checkpoint is None:
            graph = self._on_partitions(tasks.begin)
        else:
            graph = self._on_partitions(checkpoints.restored, after=checkpoint.number, states=checkpoint.states)
        self.keys = list(graph)
        graph[self.wave_key] = Task(self.wave_key, _given, self.wave)
        *self.steps, self.wave_future = self.client.get(graph, [*self.keys, self.wave_key], sync=False)
        if checkpoint is not None:
            self._resume(checkpoint)

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Resume from a checkpoint."""
        logger.info("%sresuming from the checkpoint after round %d", self.wave.title, checkpoint.number)
        self.files = [file for file in checkpoint.rows if self._is_published(file)]
        activations = [file for file in checkpoint.rows if file.table == "activations"]
        self.reach = [checkpoints.saved_reach(self.wave, activations)]
        self.number = self.last_checkpoint = checkpoint.number
        self._note(np.stack(checkpoint.counts))
        self.saved = len(self.counts)

    def _is_published(self, file: DataFile) -> bool:
        """Return whether a file of rows is to be published; activations may be kept only to compute reach."""
        return file.table != "activations" or self.wave.one.records("activations")

    def _checkpoint(self) -> None:
        """Publish a checkpoint of all lanes, with the rows recorded so far."""
        started, ends = time.perf_counter(), np.where(self.over < 0, self.number, self.over)
        saved: list[SavedPartition] = self._on_steps(checkpoints.save, over=ends)
        rows = [file for part in saved for file in part.rows.files]
        self.files += filter(self._is_published, rows)
        self.reach += [part.rows.reach for part in saved]
        self.unsaved += rows
        states = [file for part in saved for file in part.state]
        if checkpoints.commit(self.wave, self.number, self.counts, states, self.unsaved, self.last_checkpoint):
            self.unsaved, self.last_checkpoint = [], self.number
        graph = self._on_partitions(tasks.without_rows, self.keys)
        self.keys = list(graph)
        self.steps = self.client.get(graph, self.keys, sync=False)
        self.saved, self.saved_at = len(self.counts), time.perf_counter()
        self.saving_took = self.saved_at - started
        logger.info("%scheckpoint after round %d", self.wave.title, self.number)

    def _is_due(self, least_taken: float = 0.0) -> bool:
        """Return whether a checkpoint is due, assuming that it takes at least `least_taken` seconds."""
        pause = CHECKPOINT_SECONDS * max(self.saving_took, least_taken)
        return self.publish and time.perf_counter() - self.saved_at >= pause

    def run(self) -> LaneRows | None:
        """Run all rounds of all lanes; return None if a new run must resume from the checkpoint just made."""
        self._begin()
        if not self.counts and self.wave.one.max_rounds == 0:
            self._note(sum(self._on_steps(tasks.counts_of, known=0)))
        # Lanes that may transmit forever need checks between submissions.
        most = LONGEST_TASK if self.together and not self.rules.transmits_forever else LARGEST_CHUNK
        rounds = most if self.together else FIRST_CHUNK
        while (self.over < 0).any() and self.number < self.wave.one.max_rounds:
            rounds = min(rounds, self.wave.one.max_rounds - self.number)
            started = time.perf_counter()
            rounds = self._advance(rounds)
            seconds = time.perf_counter() - started
            active = int((self.over < 0).sum())
            logger.info("%srounds up to %d: %d lanes still active", self.wave.title, self.number, active)
            lasts = (self.over < 0).any() and self.number < self.wave.one.max_rounds
            too_many = self.publish and self.submitted >= MOST_TASKS
            if rounds and lasts and (too_many or self._is_due(1.0)):
                self._checkpoint()
                if too_many:
                    return None
            rounds = max(rounds, 1)
            if self.together:  # a single task limits its own time
                rounds = most
            else:
                rounds = int(np.clip(rounds * CHUNK_SECONDS / seconds, max(rounds // 2, 1), min(2 * rounds, most)))
        if self.wave.more and self.number > self.last_checkpoint and self._is_due():
            self._checkpoint()
        return self._rows()

    def _names(self, what: str) -> list[str]:
        """Return new task names: one for each partition, or a single one if a task runs all partitions."""
        number = next(self._numbers)
        return [f"{what}-{self.prefix}-{number}-{p}" for p in (range(1) if self.together else self.partitions)]

    def _on_partitions(self, function: Any, *keys: Sequence[str], **options: Any) -> dict[str, Task]:
        """Return tasks that run a function on all partitions, given the results of the tasks named by `keys`."""
        names, wave = self._names(function.__name__), TaskRef(self.wave_key)
        if self.together:
            (name,), inputs = names, List(*map(self._all_of, keys))
            return {name: Task(name, tasks.on_all, function, wave, self.threads, inputs, **options)}
        return {
            name: Task(name, function, wave, p, *(TaskRef(own[p]) for own in keys), **options)
            for p, name in zip(self.partitions, names, strict=True)
        }

    def _all_of(self, keys: Sequence[str]) -> Any:
        """Return a reference to the results of the named tasks for all partitions."""
        return TaskRef(keys[0]) if self.together else List(*map(TaskRef, keys))

    def _found(self, futures: Sequence["Future"]) -> list[Any]:
        """Wait for tasks on all partitions; return their results."""
        self.workers = clusters.wait_for(self.client, futures, self.workers, self.check)
        found: list[Any] = self.client.gather(futures)
        return found[0] if self.together else found

    def _on_steps(self, function: Any, **options: Any) -> list[Any]:
        """Run a function on each partition's step; return the results."""
        graph = self._on_partitions(function, self.keys, **options)
        return self._found(self.client.get(graph, list(graph), sync=False))

    def _advance(self, rounds: int) -> int:
        """Submit some rounds together and wait until the last is done; return the number of rounds run."""
        graph, keys = self._rounds_together(rounds) if self.together else self._rounds_apart(rounds)
        counting = self._on_partitions(tasks.counts_of, keys, known=len(self.counts) - self.saved)
        futures = self.client.get({**graph, **counting}, [*keys, *counting], sync=False)
        self.steps, self.keys = futures[: len(keys)], keys
        self.submitted += len(graph)
        begun = len(self.counts) > 0
        counts = sum(self._found(futures[len(keys) :]))
        advanced = len(counts) if begun else len(counts) - 1  # the first time, round 0 is included
        self.number += advanced
        self._note(counts)
        return advanced

    def _rounds_together(self, rounds: int) -> tuple[dict[str, Task], list[str]]:
        """Return the task that runs a chunk of rounds in all partitions, and its name."""
        (name,), wave, steps = self._names("round"), TaskRef(self.wave_key), self._all_of(self.keys)
        return {name: Task(name, tasks.advance_together, wave, rounds, TASK_SECONDS, self.threads, steps)}, [name]

    def _rounds_apart(self, rounds: int) -> tuple[dict[str, Task], list[str]]:
        """Return a task for each partition and round, and the names of the last round's tasks."""
        wave, keys, graph = TaskRef(self.wave_key), self.keys, {}
        for _ in range(rounds):
            sent, stops = self._names("sent"), []
            for p in self.partitions:
                graph[sent[p]] = Task(sent[p], tasks.sent_of, wave, p, TaskRef(keys[p]))
            inbox = self._all_of(sent)
            if self.rules.changes_source:
                stops = self._names("stops")
                for p in self.partitions:
                    graph[stops[p]] = Task(stops[p], tasks.stops_of, wave, p, TaskRef(keys[p]), inbox)
            following = self._names("round")
            for p in self.partitions:
                stopped = List(*map(TaskRef, stops))
                graph[following[p]] = Task(following[p], tasks.advance, wave, p, TaskRef(keys[p]), inbox, stopped)
            keys = following
        return graph, keys

    def _note(self, counts: npt.NDArray[np.int64]) -> None:
        """Store the counts of new rounds, and determine which lanes are over."""
        first = len(self.counts)
        self.counts.extend(counts)
        for number, of_round in enumerate(counts, first):
            self.last_change[of_round[:, 4] > 0] = number
            self.over[(self.over < 0) & (of_round[:, 3] == 0)] = number
        if not self.rules.transmits_forever:
            return
        quiet = (self.over < 0) & ((self.last_change < self.number) | (self.number == self.wave.one.max_rounds))
        if quiet.any():
            graph = self._on_partitions(tasks.probe, self.keys)
            probes = self.client.get(graph, list(graph), sync=False)
            opened = np.any(self._on_steps(tasks.open_lanes, sent=self._all_of(list(graph))), axis=0)
            del probes
            self.over[quiet & ~opened] = self.last_change[quiet & ~opened]

    def _rows(self) -> LaneRows:
        """Return the rows of the wave."""
        truncated = self.over < 0
        ends = np.where(truncated, self.number, self.over)
        recorded = self.wave.one.records("reach")
        parts: list[LaneRows] = self._on_steps(checkpoints.collect, over=ends, publish=self.publish) if recorded else []
        series = np.stack(self.counts)[:, :, :3].astype(np.int32)
        lanes = Lanes.of_counts(
            [series[: end + 1, lane] for lane, end in enumerate(ends)], ends.tolist(), truncated.tolist()
        )
        spans = self.wave.spans
        rows = LaneRows(spans, lanes.split([span.replicates for span in spans]), files=list(self.files))
        reach = [*self.reach, *(part.reach for part in parts)]
        for number in range(len(self.wave.sessions) if recorded else 0):
            own = (part[number] for part in reach if number in part)
            rows.reach[number] = reach_sum(self.wave.network.n_ids, own)
        for part in parts:
            rows.add_rows(part)
        return rows


def _in_one_task(workers: frozenset[str]) -> bool:
    """Return whether one task runs all partitions on all threads, as on a single worker, which exchanges no data."""
    return len(workers) == 1


def _given(value: Any) -> Any:
    """Return the argument: used as a task that sends the wave to the workers only once."""
    return value
