"""The engine: plans and runs one job. `propagation.jobs` forms jobs from sessions and publishes their results."""

import datetime as dt
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import ClusterLostError, RunCancelledError
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from propagation import cancellation, planner
from propagation.cancellation import StopFlag, StopRequestedError
from propagation.clusters import ExpectedWorkers, loss_errors, own_client
from propagation.intervals import standard_errors
from propagation.kept_replicates import KeptBatch
from propagation.lane_counts import Lanes
from propagation.own_threads import OwnThreads
from propagation.planner import JobPlan
from propagation.plans import PlanChoice
from propagation.plans.broadcast import plan as broadcast
from propagation.plans.lane_rows import LaneRows, job_rows
from propagation.plans.partitioned import plan as partitioned
from propagation.plans.reference.plan import run_reference
from propagation.resource_usage import Measures
from propagation.result import (
    MemoryTables,
    PublishedTables,
    Result,
    cascade_rows,
    metric_rows,
    reach_rows,
)
from propagation.sessions import Session

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobOutcome:
    """A finished job, published or not.

    Attributes
    ----------
    network : Network
    sessions : list of dict
        Rows of the table `propagation_sessions`.
    results : dict
        Result of each session by its id; results of unpublished jobs hold their rows in memory.
    seconds : float
        Wall-clock time of the run, without publishing.
    rows : LaneRows
        What its lanes found.
    files : list of DataFile
        Staged files, for `propagation.jobs.publish_job`; empty for jobs that are not published.
    """

    network: Network
    sessions: list[dict[str, Any]]
    results: dict[str, Result]
    seconds: float
    rows: LaneRows = field(default_factory=LaneRows, repr=False)
    files: list[DataFile] = field(default_factory=list)


def plan_job(
    network: Network,
    sessions: Sequence[Session],
    *,
    plan: PlanChoice = "auto",
    client: "Client | ExpectedWorkers | None" = None,
    publish: bool = True,
) -> JobPlan:
    """Choose how to run sessions as one job; see `propagation.planner.plan_job`.

    Without a client the job is planned for this process, which may run it without Dask; planning starts no cluster.
    """
    return planner.plan_job(network, sessions, plan=plan, client=client or OwnThreads(), publish=publish)


def run_job(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    *,
    client: "Client | None" = None,
    publish: bool = True,
    progress: Progress = ignore_progress,
    stop: StopFlag | None = None,
) -> JobOutcome:
    """Run all replicates of sessions on one network as one job.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        Sessions with distinct specifications.
    job_plan : JobPlan
        From `plan_job`.
    client : distributed.Client, optional
        Default: threads of this process, without Dask if the plan says so.
    publish : bool
        Stage rows for `propagation.jobs.publish_job`; False keeps them in memory.
    progress : Progress, optional
    stop : StopFlag, optional
        Such as a `threading.Event`: once it is set, the run is cancelled.

    Raises
    ------
    RunCancelledError
        If the run was interrupted by Ctrl-C, SIGTERM or its stop flag; the warehouse's sweep deletes its staged files.
    ClusterLostError
        If workers or the scheduler were lost and the run cannot continue without them.
    """
    if client is None and not job_plan.in_process:
        client = own_client()
    measures = Measures(memory=publish or not job_plan.in_process, watch=not job_plan.in_process)
    try:
        with cancellation.stopped_by_sigterm(stop) as is_stopped, measures:
            stoppable = cancellation.stopping(progress, is_stopped)
            rows = _RUNS[job_plan.plan](network, sessions, job_plan, client, publish, stoppable)
    except (KeyboardInterrupt, StopRequestedError):
        raise RunCancelledError(f"the run was cancelled; {_left_behind(job_plan, publish=publish)}") from None
    except loss_errors() as error:
        lost = f"{type(error).__name__}: {error}".splitlines()[0]
        left = _left_behind(job_plan, publish=publish)
        raise ClusterLostError(
            f"the cluster lost its workers or its scheduler ({lost}); {left}. Workers are often killed when memory "
            "runs out: see their logs, give them more memory or run fewer replicates, and run again"
        ) from error
    return _outcome(network, sessions, rows, job_plan, measures.columns, publish=publish)


def kept_job(network: Network, sessions: Sequence[Session], kept: Sequence[KeptBatch], *, publish: bool) -> JobOutcome:
    """Return the outcome of sessions whose replicates were run before, in batches that were kept.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
    kept : sequence of KeptBatch
        All replicates of each session.
    publish : bool
        Stage rows for `propagation.jobs.publish_job`; False keeps them in memory.
    """
    rows = LaneRows(lanes=[batch.lanes for batch in kept])
    rows.reach = {number: batch.reach for number, batch in enumerate(kept)}
    seconds, now = sum(batch.seconds for batch in kept), dt.datetime.now(dt.UTC)
    columns = {"peak_bytes": None, "job_seconds": seconds, "started_at": now, "completed_at": now}
    job_plan = plan_job(network, sessions, publish=publish)
    return _outcome(network, sessions, rows, job_plan, columns, publish=publish)


def _outcome(
    network: Network,
    sessions: Sequence[Session],
    rows: LaneRows,
    job_plan: JobPlan,
    measures: Mapping[str, Any],
    *,
    publish: bool,
) -> JobOutcome:
    """Return the outcome of a job whose lanes are over; stage its small tables if it is to be published."""
    session_rows = [
        _session_row(network, session, lanes, job_plan, measures)
        for session, lanes in zip(sessions, rows.lanes, strict=True)
    ]
    if publish:
        _stage_small_tables(network.warehouse, sessions, rows, session_rows)
    results = _results(network, sessions, rows, session_rows, publish=publish)
    return JobOutcome(network, session_rows, results, measures["job_seconds"], rows, rows.files)


def _results(
    network: Network, sessions: Sequence[Session], rows: LaneRows, session_rows: list[dict[str, Any]], *, publish: bool
) -> dict[str, Result]:
    """Return the result of each session by its id."""
    results = {}
    for position, (session, row) in enumerate(zip(sessions, session_rows, strict=True)):
        tables = (
            PublishedTables(network.warehouse, session.session_id)
            if publish
            else MemoryTables(session, rows.lanes[position], rows.reach[position], rows.tables)
        )
        results[session.session_id] = Result(row, network, tables)
    return results


def _run_broadcast(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client | None",
    publish: bool,
    progress: Progress,
) -> LaneRows:
    batches = broadcast.run_broadcast(network, sessions, job_plan, client, publish=publish, progress=progress)
    return job_rows(network.n_ids, sessions, batches)


def _run_partitioned(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client",
    publish: bool,
    progress: Progress,
) -> LaneRows:
    found = partitioned.run_partitioned(network, sessions, job_plan, client, publish=publish, progress=progress)
    return job_rows(network.n_ids, sessions, found)


def _run_reference(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,  # noqa: ARG001 (one signature with _run_broadcast)
    client: "Client",
    publish: bool,
    progress: Progress,
) -> LaneRows:
    rows = LaneRows()
    with ExitStack() as stack:
        warehouse = network.warehouse
        if not publish:
            warehouse = stack.enter_context(network.warehouse.scratch())
        for number, session in enumerate(sessions):
            found = run_reference(network, session, client, warehouse=warehouse, progress=progress)
            rows.lanes.append(found.lanes(session))
            rows.reach[number] = found.reach()
            for table, part in found.tables(session).items():
                if publish:
                    rows.files.append(warehouse.stage(table, part))
                else:
                    rows.tables.setdefault(table, []).append(part)
    return rows


_NOTHING = "nothing was published"
_LEFT_BEHIND = {
    "reference": "its published rounds are kept in frontiers, and the next run resumes from them",
    "partitioned": "the next run resumes from the last checkpoint, if there is one",
}
"""What a cancelled publishing run leaves behind, by plan."""


def _left_behind(job_plan: JobPlan, *, publish: bool) -> str:
    return _LEFT_BEHIND.get(job_plan.plan, _NOTHING) if publish else _NOTHING


_RUNS: dict[str, Callable[..., LaneRows]] = {
    "broadcast": _run_broadcast,
    "partitioned": _run_partitioned,
    "reference": _run_reference,
}


def _stage_small_tables(
    warehouse: Store, sessions: Sequence[Session], rows: LaneRows, session_rows: list[dict[str, Any]]
) -> None:
    """Stage cascades, metrics, reach and the sessions themselves: one file per job and table."""
    small: dict[str, list[pa.Table]] = {
        "cascades": [cascade_rows(sessions, rows.lanes)],
        "propagation_metrics": [metric_rows(sessions, rows.lanes)],
        "reach": [
            reach_rows(session, rows.reach[number])
            for number, session in enumerate(sessions)
            if session.records("reach")
        ],
    }
    for table, parts in small.items():
        if parts:
            rows.files.append(warehouse.stage(table, pa.concat_tables(parts).unify_dictionaries()))
    rows.files.append(warehouse.stage_records("propagation_sessions", session_rows))


def _session_row(
    network: Network, session: Session, lanes: Lanes, job_plan: JobPlan, measures: Mapping[str, Any]
) -> dict[str, Any]:
    sizes = lanes.sizes
    truncated = int(lanes.truncated.sum())
    return {
        "session_id": session.session_id,
        "specification_hash": session.specification_hash,
        "message_id": session.message_id,
        "network_id": session.network_id,
        "snapshot_id": session.snapshot_id,
        "propagation_model": session.model.name,
        "model_parameters": json.dumps(session.model.resolved_parameters),
        "seed_strategy": session.seed_strategy,
        "seed_agents": list(session.seed_agents),
        "blocked_agents": network.agent_ids.take(pa.array(session.blocked)).to_pylist() if session.blocked else [],
        "blocked_edges": [
            json.dumps(network.agent_ids.take(pa.array(edge)).to_pylist()) for edge in session.blocked_edges
        ],
        "seed_messages": list(session.seed_messages) if session.competing else None,
        "replicates": session.replicates,
        "first_replicate": session.first_replicate,
        "random_seed": session.random_seed,
        "max_rounds": session.max_rounds,
        "record": session.record,
        "draws_version": session.specification["draws_version"],
        "status": "completed",
        "stopped_because": "max_rounds" if truncated else "died_out",
        "truncated_replicates": truncated,
        "rounds": int(lanes.rounds.max()),
        "total_influenced": int(sizes.sum()) / session.replicates,
        "total_influenced_standard_error": standard_errors(sizes[None])[0].as_py(),
        "plan": job_plan.plan,
        "plan_reason": job_plan.reason,
        "estimated_seconds": job_plan.estimated_seconds,
        "estimated_bytes": job_plan.estimated_bytes,
        "job_lanes": job_plan.lanes,
        **measures,
    }
