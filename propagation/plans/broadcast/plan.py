"""The broadcast plan: every worker holds the whole network, and the lanes are split over tasks.

Tasks run batches of lanes (`propagation.plans.broadcast.batch_runner`) through all their rounds in compiled code and
exchange nothing. Progress is reported batch by batch; a cancelled run stops within a round.
"""

import contextlib
import functools
import itertools
import uuid
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from typing import TYPE_CHECKING

import numpy as np

from data.networks.network import Network
from data.progress import Progress
from propagation.clusters import tell_workers
from propagation.own_threads import submit
from propagation.planner import JobPlan
from propagation.plans.broadcast.batch_runner import run_batch
from propagation.plans.broadcast.families import family_named
from propagation.plans.lane_rows import LaneRows, Span
from propagation.plans.stopping import request_stop
from propagation.sessions import Session

if TYPE_CHECKING:
    from distributed import Client

LISTEN_SECONDS = 0.05
"""Interval at which a run checks whether it must end."""


def run_broadcast(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client | None",
    *,
    publish: bool,
    progress: Progress,
) -> list[LaneRows]:
    """Run all lanes of some sessions of one network; return their batches, in no particular order.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        Their lanes are run as one job.
    job_plan : JobPlan
        Gives the number of batches, and the kernel family of each session.
    client : distributed.Client, optional
        None: threads of this process, without Dask.
    publish : bool
        Whether tasks stage the rows of large tables in the network's warehouse; otherwise they return them.
    progress : Progress
        Called with the number of lanes done, several times a second; an exception it raises ends the run.

    Raises
    ------
    KeyboardInterrupt
        Re-raised after stopping the tasks.
    """
    job = uuid.uuid4().hex
    cuts = _batch_bounds(sessions, job_plan)
    batches = [_spans(sessions, first, last) for first, last in itertools.pairwise(cuts)]
    shapes = tuple(planned.shape for planned in job_plan.sessions)
    task = functools.partial(
        run_batch, network, tuple(sessions), shapes, publish=publish, job=job, threads=job_plan.threads
    )
    done: list[LaneRows] = []
    finished_lanes = 0
    progress("simulating", 0, job_plan.lanes)
    finished = _on_threads(task, batches, job) if client is None else _on_cluster(task, batches, job, client)
    with contextlib.closing(finished):
        for batch in finished:
            if batch is not None:
                done.append(batch)
                finished_lanes += sum(span.replicates for span in batch.spans)
            progress("simulating", finished_lanes, job_plan.lanes)
    return done


def _on_cluster(
    task: Callable[[list[Span]], LaneRows], batches: list[list[Span]], job: str, client: "Client"
) -> Generator[LaneRows | None]:
    """Run batches on a cluster; yield them as they end, and None every `LISTEN_SECONDS`; stop all if it is closed."""
    from distributed import as_completed

    keys = [f"lanes-{job}-{number}" for number in range(len(batches))]
    futures = client.map(task, batches, key=keys, pure=False)
    finished = as_completed(futures, with_results=True, loop=client.loop)
    try:
        while not finished.is_empty():
            with finished.thread_condition:
                if not finished.has_ready():
                    finished.thread_condition.wait(LISTEN_SECONDS)
            yield next(finished)[1] if finished.has_ready() else None
    except BaseException:
        tell_workers(client, request_stop, job)
        for future in futures:  # not client.cancel: the scheduler's time for that is quadratic in their number
            future.release()
        raise


def _on_threads(
    task: Callable[[list[Span]], LaneRows], batches: list[list[Span]], job: str
) -> Generator[LaneRows | None]:
    """Run batches on threads of this process; as `_on_cluster`."""
    waiting = {submit(task, batch) for batch in batches}
    try:
        while waiting:
            ended, waiting = wait(waiting, LISTEN_SECONDS, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ended)
            yield None
    except BaseException:
        request_stop(job)
        for future in waiting:
            future.cancel()
        raise


def _batch_bounds(sessions: Sequence[Session], job_plan: JobPlan) -> list[int]:
    """Return the lanes at which batches begin, and the number of lanes: batches of about equal estimated time."""
    seconds = np.repeat([p.seconds_per_lane for p in job_plan.sessions], [s.replicates for s in sessions])
    elapsed = np.cumsum(np.maximum(seconds, 1e-12))
    shares = np.arange(1, job_plan.batches) / job_plan.batches
    cuts = set((np.searchsorted(elapsed, shares * elapsed[-1]) + 1).tolist())
    start = 0
    for session, planned in zip(sessions, job_plan.sessions, strict=True):
        word = family_named(planned.shape).lanes_together
        if session.replicates >= word * job_plan.batches:  # cut between words of lanes
            inside = {cut for cut in cuts if start < cut < start + session.replicates}
            cuts = (cuts - inside) | {start + round((cut - start) / word) * word for cut in inside}
        start += session.replicates
    return sorted({0, job_plan.lanes} | {cut for cut in cuts if 0 < cut < job_plan.lanes})


def _spans(sessions: Sequence[Session], first: int, last: int) -> list[Span]:
    """Return the replicates of each session among the job's lanes ``first`` to ``last``."""
    spans, start = [], 0
    for number, session in enumerate(sessions):
        low, high = max(first, start), min(last, start + session.replicates)
        if low < high:
            spans.append(Span(number, session.first_replicate + low - start, high - low))
        start += session.replicates
    return spans
