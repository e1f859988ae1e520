"""The engine: sessions in, published results out."""

import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from data.errors import (
    AlreadyPublishedError,
    ClusterLostError,
    CommitConflictError,
    InvalidInputError,
    RowsDifferError,
    RunCancelledError,
)
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from propagation import planner
from propagation.clusters import loss_errors, own_client
from propagation.lane_counts import AgentReach, Lanes
from propagation.models.model import Model
from propagation.planner import JobPlan, PlanChoice
from propagation.plans.broadcast import plan as broadcast
from propagation.plans.partitioned import plan as partitioned
from propagation.plans.reference.plan import run_reference
from propagation.published import differing_tables, load_result
from propagation.resource_usage import Measures
from propagation.results import (
    MemoryTables,
    PublishedTables,
    Result,
    cascade_rows,
    metric_rows,
    reach_rows,
    standard_errors,
)
from propagation.sessions import MAX_ROUNDS, Record, Session, resolve_session, session_key

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
        Result of each session by its id; of unpublished jobs they hold their rows in memory.
    seconds : float
        Clock time of the run, publishing apart.
    files : list of DataFile
        Staged files, for `publish_job`; empty for jobs that are not to be published.
    """

    network: Network
    sessions: list[dict[str, Any]]
    results: dict[str, Result]
    seconds: float
    files: list[DataFile] = field(default_factory=list)


@dataclass
class _JobRows:
    """Rows of a job while it is put together: small ones here, large ones staged or in memory."""

    lanes: list[Lanes]
    reach: list[AgentReach]
    files: list[DataFile] = field(default_factory=list)
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)


def simulate(
    network: Network,
    model: Model,
    *,
    seed_set: Any,
    replicates: int = 1000,
    random_seed: int = 0,
    record: Record = "rounds",
    max_rounds: int = MAX_ROUNDS,
    plan: PlanChoice = "auto",
    client: "Client | None" = None,
    publish: bool = True,
    again: bool = False,
    progress: Progress = ignore_progress,
) -> Result:
    """Simulate one session: how a message spreads from a seed set, over independent replicates.

    Parameters
    ----------
    network : Network
        From ``warehouse.network(name)`` or ``warehouse.import_network(...)``.
    model : Model
        Such as ``IndependentCascade(probability="weighted_cascade")``.
    seed_set : sequence of agent ids, or SeedStrategy
        Who starts, by original id; or a strategy such as ``propagation.seeding.DegreeDiscount(budget=50)``.
    replicates : int
        Independent replicates.
    random_seed : int
        Decides all draws; sessions with the same random seed share them.
    record : str
        ``rounds``, ``reach``, ``activations`` or ``contacts``; each includes those before it.
    max_rounds : int
        Last round in which agents may be activated.
    plan : str
        ``auto``, ``broadcast``, ``partitioned`` or ``reference``; never changes the rows.
    client : distributed.Client, optional
        Cluster to run on; default: threads of this process.
    publish : bool
        Publish into the network's warehouse, and answer from there if the session is published already. False
        computes afresh and keeps the rows in memory.
    again : bool
        Recompute a published session and compare.
    progress : Progress, optional
        Hears replicates done.

    Returns
    -------
    Result

    Raises
    ------
    InvalidInputError, UnknownAgentError
        If a value breaks its rule, before any work.
    InsufficientMemoryError
        If the job cannot fit.
    RowsDifferError
        If `again` finds rows other than those published.
    RunCancelledError
        If it was interrupted; nothing was published.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from propagation.models import IndependentCascade
    >>> friends = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> simulate(network, IndependentCascade(probability=1.0), seed_set=["ann"], replicates=2).reach.mean
    3.0
    """
    planner.check_plan(plan)
    if not (client is None or hasattr(client, "nthreads")):
        raise InvalidInputError(
            f"client {client!r} is no distributed.Client; give one, or none for threads of this process"
        )
    session = resolve_session(
        network,
        model,
        seed_set=seed_set,
        replicates=replicates,
        random_seed=random_seed,
        max_rounds=max_rounds,
        record=record,
    )
    published = publish and not unpublished(network.warehouse, [session])
    if published and not again:
        logger.info("session %s is in the warehouse already", session.session_id)
        return load_result(network.warehouse, session.session_id)
    client = client or own_client()
    made = plan_job(network, [session], plan=plan, client=client, publish=publish and not published)
    outcome = run_job(network, [session], made, client=client, publish=publish and not published, progress=progress)
    if published:
        if differing := differing_tables(network.warehouse, outcome.results):
            raise RowsDifferError(f"recomputed rows differ from the published ones in {', '.join(differing)}")
        return load_result(network.warehouse, session.session_id)
    if publish:
        publish_job(outcome)
    return outcome.results[session.session_id]


def plan_job(
    network: Network,
    sessions: Sequence[Session],
    *,
    plan: PlanChoice = "auto",
    client: "Client | None" = None,
    publish: bool = True,
) -> JobPlan:
    """Choose how to run some sessions as one job; see `propagation.planner.plan_job`."""
    return planner.plan_job(network, sessions, plan=plan, client=client or own_client(), publish=publish)


def run_job(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    *,
    client: "Client | None" = None,
    publish: bool = True,
    progress: Progress = ignore_progress,
) -> JobOutcome:
    """Run all replicates of some sessions of one network as one job.

    Parameters
    ----------
    network : Network
    sessions : sequence of Session
        With distinct specifications.
    job_plan : JobPlan
        From `plan_job`.
    client : distributed.Client, optional
        Default: threads of this process.
    publish : bool
        Stage rows for `publish_job`; False keeps them in memory.
    progress : Progress, optional

    Raises
    ------
    RunCancelledError
        If it was interrupted; staged files are left for the warehouse's sweep.
    ClusterLostError
        If workers or scheduler went away, and the run cannot go on without them.
    """
    client = client or own_client()
    run = _RUNS[job_plan.plan]
    try:
        with Measures() as measures:
            rows = run(network, sessions, job_plan, client, publish, progress)
    except KeyboardInterrupt:
        raise RunCancelledError(f"the run was cancelled; {_left_behind(job_plan, publish=publish)}") from None
    except loss_errors() as error:
        lost = f"{type(error).__name__}: {error}".splitlines()[0]
        left = _left_behind(job_plan, publish=publish)
        raise ClusterLostError(
            f"the cluster lost its workers or its scheduler ({lost}); {left}. Workers are often killed for want of "
            "memory: see their logs, give them more or run fewer replicates, and run again"
        ) from error
    session_rows = [
        _session_row(session, lanes, job_plan, measures) for session, lanes in zip(sessions, rows.lanes, strict=True)
    ]
    _add_small_tables(network.warehouse if publish else None, sessions, rows, session_rows)
    results = {
        session.session_id: Result(
            row,
            network,
            PublishedTables(network.warehouse, session.session_id)
            if publish
            else MemoryTables(session.session_id, rows.tables),
        )
        for session, row in zip(sessions, session_rows, strict=True)
    }
    return JobOutcome(network, session_rows, results, measures.seconds, rows.files)


def _run_broadcast(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client",
    publish: bool,
    progress: Progress,
) -> _JobRows:
    batches = broadcast.run_broadcast(network, sessions, job_plan, client, publish=publish, progress=progress)
    tables: dict[str, list[pa.Table]] = {}
    for batch in batches:
        for table, parts in batch.tables.items():
            tables.setdefault(table, []).extend(parts)
    return _JobRows(
        lanes=list(broadcast.session_lanes(sessions, batches)),
        reach=list(broadcast.session_reach(network.n_ids, sessions, batches)),
        files=[file for batch in batches for file in batch.files],
        tables=tables,
    )


def _run_partitioned(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,
    client: "Client",
    publish: bool,
    progress: Progress,
) -> _JobRows:
    found = partitioned.run_partitioned(network, sessions, job_plan, client, publish=publish, progress=progress)
    tables: dict[str, list[pa.Table]] = {}
    for _, rows in found:
        for table, parts in rows.tables.items():
            tables.setdefault(table, []).extend(parts)
    return _JobRows(
        lanes=list(partitioned.session_lanes(sessions, found)),
        reach=list(partitioned.session_reach(network.n_ids, sessions, found)),
        files=[file for _, rows in found for file in rows.files],
        tables=tables,
    )


def _run_reference(
    network: Network,
    sessions: Sequence[Session],
    job_plan: JobPlan,  # noqa: ARG001 (one signature with _run_broadcast)
    client: "Client",
    publish: bool,
    progress: Progress,
) -> _JobRows:
    rows = _JobRows([], [])
    with ExitStack() as stack:
        warehouse = network.warehouse
        if not publish:
            warehouse = stack.enter_context(network.warehouse.scratch())
        for session in sessions:
            found = run_reference(network, session, client, warehouse=warehouse, progress=progress)
            rows.lanes.append(found.lanes(session))
            rows.reach.append(found.reach())
            for table, part in found.tables(session).items():
                if publish:
                    rows.files.append(warehouse.stage(table, part))
                else:
                    rows.tables.setdefault(table, []).append(part)
    return rows


_NOTHING = "nothing of it was published"
_LEFT_BEHIND = {
    "reference": "the rounds it has published stay in frontiers; running it again goes on from them",
    "partitioned": "running it again goes on from its last checkpoint, if it had come to one",
}
"""What a cancelled run that publishes leaves behind, by plan."""


def _left_behind(job_plan: JobPlan, *, publish: bool) -> str:
    return _LEFT_BEHIND.get(job_plan.plan, _NOTHING) if publish else _NOTHING


_RUNS = {"broadcast": _run_broadcast, "partitioned": _run_partitioned, "reference": _run_reference}


def _add_small_tables(
    warehouse: Store | None, sessions: Sequence[Session], rows: _JobRows, session_rows: list[dict[str, Any]]
) -> None:
    """Add cascades, metrics, reach and the sessions themselves: one file per job and table."""
    small: dict[str, list[pa.Table]] = {
        "cascades": [cascade_rows(sessions, rows.lanes)],
        "propagation_metrics": [metric_rows(sessions, rows.lanes)],
        "reach": [
            reach_rows(session, reach)
            for session, reach in zip(sessions, rows.reach, strict=True)
            if session.records("reach")
        ],
    }
    if warehouse is None:
        rows.tables.update(small)
        return
    for table, parts in small.items():
        if parts:
            rows.files.append(warehouse.stage(table, pa.concat_tables(parts).unify_dictionaries()))
    rows.files.append(warehouse.stage_records("propagation_sessions", session_rows))


def _session_row(session: Session, lanes: Lanes, job_plan: JobPlan, measures: Measures) -> dict[str, Any]:
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
        "replicates": session.replicates,
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
        **measures.columns,
    }


def publish_job(outcome: JobOutcome) -> None:
    """Publish a job: all its sessions become visible at once.

    Sessions have the same rows whoever runs them, so a job that another run published meanwhile is simply there.

    Raises
    ------
    CommitConflictError
        If another run published only some of the job's sessions meanwhile: run again for the others.
    """
    warehouse = outcome.network.warehouse
    keys = [session_key(row["session_id"]) for row in outcome.sessions]
    try:
        warehouse.commit("sessions", keys, outcome.files)
    except AlreadyPublishedError as error:
        if any(warehouse.find(key) is None for key in keys):
            raise CommitConflictError(f"{error}, but not all sessions of this job are: run again") from error


def unpublished(warehouse: Store, sessions: Sequence[Session]) -> list[Session]:
    """Return the sessions that the warehouse has no results of."""
    return [session for session in sessions if warehouse.find(session.key) is None]
