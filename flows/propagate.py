"""The flow `propagate`: a campaign, from its file to published results.

Tasks are thin: what they call is plain Python, in `flows.runs` and `propagation.engine`. They hand on handles of this
process, and what they return is never stored by Prefect: the warehouse alone says what is finished.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Cancelled
from prefect.utilities.annotations import quote

from data.errors import CommitConflictError, RumormillError, RunCancelledError
from data.progress import Progress, ignore_progress
from flows import artifacts, events, runs
from flows.runs import CampaignRun, Job
from flows.worker_processes import connected
from propagation import engine
from propagation.engine import JobOutcome
from propagation.planner import JobPlan

if TYPE_CHECKING:
    from distributed import Client
    from prefect.client.schemas.objects import State, TaskRun

logger = logging.getLogger(__name__)
T = TypeVar("T")

_validated: ContextVar[CampaignRun | None] = ContextVar("validated", default=None)
_listener: ContextVar[Progress] = ContextVar("listener", default=ignore_progress)


def _run_name() -> str:
    """Name a flow run after its campaign, whatever the folder of its file."""
    return f"propagate {PurePath(flow_run.parameters['campaign']).stem}"


@flow(name="propagate", flow_run_name=_run_name, persist_result=False)
def propagate(
    campaign: str, warehouse: str = "warehouse", again: bool = False, models: list[str] | None = None
) -> dict[str, Any]:
    """Run a campaign: validate, plan, run, publish, summarise.

    Parameters
    ----------
    campaign : str
        Path of a campaign's YAML file, the name of one that comes with Rumormill, or ``run/<campaign_id>`` for one that
        was started before.
    warehouse : str
        Folder or URL of the warehouse.
    again : bool
        Recompute sessions that are published, compare and report; there is never a second copy.
    models : list of str, optional
        Python files with models of the user's own, beside those that the campaign names.

    Returns
    -------
    dict
        JSON: campaign, status, plan, and one row per session with its reach. Status is ``completed``, ``confirmed``
        (recomputed, and equal) or ``already_completed`` (nothing was done).
    """
    run = validate(campaign, warehouse, again, models or [])
    if run.nothing_to_do:
        return report_finished(run)
    try:
        with connected(run.resolved.campaign.cluster) as client:
            plans = [plan(run, whole(job), client) for job in run.jobs]
            runs.record_run(run)
            with recorded_events(run):
                for job, job_plan in zip(run.jobs, plans, strict=True):
                    outcome = simulate(run, whole(job), whole(job_plan), client)
                    if job.publish:
                        publish(run, whole(outcome))
                    else:
                        compare(whole(outcome))
                register(run)
                return summarise(run)
    except RunCancelledError as error:
        return cast("dict[str, Any]", Cancelled(message=str(error)))


@contextmanager
def heard_by(listener: Progress) -> Iterator[None]:
    """Let `listener` hear the progress of flows that run inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def validated_as(run: CampaignRun) -> Iterator[None]:
    """Let the flow inside the block take up what was found out just now: a long campaign takes seconds to validate."""
    token = _validated.set(run)
    try:
        yield
    finally:
        _validated.reset(token)


def whole(value: T) -> T:
    """Hand a value to a task as it is: Prefect would look at every item within, for a thousand sessions for seconds."""
    return cast("T", quote(value))


# -- tasks ----------------------------------------------------------------------------------------------------------


@task(cache_policy=NO_CACHE, persist_result=False)
def validate(campaign: str, warehouse: str, again: bool, models: list[str]) -> CampaignRun:
    """Validate the campaign against its network, and find out what there is to compute."""
    return _validated.get() or runs.prepare_run(campaign, warehouse, again=again, models=models)


@task(cache_policy=NO_CACHE, persist_result=False)
def plan(run: CampaignRun, job: Job, client: "Client") -> JobPlan:
    """Choose how the sessions are run, estimate what it costs, and refuse what cannot fit."""
    resolved = run.resolved
    job_plan = engine.plan_job(
        resolved.network, job.sessions, plan=resolved.campaign.plan, client=client, publish=job.publish
    )
    get_run_logger().info(
        "%s plan for %d lanes: %s; estimated %.1f s and %.0f MB",
        job_plan.plan,
        job_plan.lanes,
        job_plan.reason,
        job_plan.estimated_seconds,
        job_plan.estimated_bytes / 1e6,
    )
    return job_plan


@task(cache_policy=NO_CACHE, persist_result=False)
def simulate(run: CampaignRun, job: Job, job_plan: JobPlan, client: "Client") -> JobOutcome:
    """Run all lanes; rows are staged or, for a comparison, kept in memory."""
    name = run.resolved.campaign.name
    bar = artifacts.ProgressBar(f"progress-{artifacts.slug(name)}", f"Campaign {name}: {job_plan.lanes:,} lanes")
    listener = _listener.get()

    def progress(stage: str, done: float, total: float) -> None:
        listener(stage, done, total)
        bar(stage, done, total)

    return engine.run_job(
        run.resolved.network, job.sessions, job_plan, client=client, publish=job.publish, progress=progress
    )


def _was_outrun(_task: object, _run: "TaskRun", state: "State[Any]") -> bool:
    """Whether a task failed only because other writers were faster."""
    return isinstance(state.result(raise_on_failure=False), CommitConflictError)


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def publish(run: CampaignRun, outcome: JobOutcome) -> None:
    """Make the sessions visible, all at once."""
    runs.publish_outcome(run, outcome)
    get_run_logger().info("published %d sessions after %.2f s", len(outcome.sessions), outcome.seconds)


@task(cache_policy=NO_CACHE, persist_result=False)
def compare(outcome: JobOutcome) -> None:
    """Compare recomputed sessions with their published rows; fail if they differ."""
    runs.check_outcome(outcome)
    get_run_logger().info("%d sessions recomputed: every row equals the published one", len(outcome.sessions))


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def register(run: CampaignRun) -> None:
    """Publish the campaign with its resolved configuration."""
    runs.publish_campaign(run)


@task(cache_policy=NO_CACHE, persist_result=False)
def summarise(run: CampaignRun) -> dict[str, Any]:
    """Show the results as artifacts, and return them."""
    summary = runs.summary(run)
    artifacts.show_results(summary)
    artifacts.show_curves(run.resolved.campaign.name, runs.results(run))
    return summary


@task(cache_policy=NO_CACHE, persist_result=False)
def report_finished(run: CampaignRun) -> dict[str, Any]:
    """Say that the campaign is finished already, and return its results."""
    get_run_logger().info("campaign %s is finished already: nothing to do", run.resolved.campaign.name)
    return runs.summary(run)


# -- events ---------------------------------------------------------------------------------------------------------


@contextmanager
def recorded_events(run: CampaignRun) -> Iterator[None]:
    """Record that the run starts, and how it ends.

    The start is published at once: a start without an end is what a crash leaves, and what it was.
    """
    _record(run, "propagation_started")
    try:
        yield
    except (RunCancelledError, KeyboardInterrupt):
        _record_quietly(run, "propagation_cancelled")
        raise
    except Exception as error:
        _record_quietly(run, "propagation_failed", error=type(error).__name__, message=str(error))
        raise
    _record(run, "propagation_completed", status=run.status)


def _record(run: CampaignRun, event_type: events.EventType, **data: Any) -> None:
    resolved = run.resolved
    about = {
        "campaign": resolved.campaign.name,
        "network": resolved.network.network_id,
        "sessions": [session.session_id for session in resolved.distinct_sessions],
    }
    event = events.Event(event_type, resolved.key, {**about, **data}, correlation_id=flow_run.id)
    events.publish_events(run.warehouse, [event])
    events.emit(event)


def _record_quietly(run: CampaignRun, event_type: events.EventType, **data: Any) -> None:
    """Record the end of a run that failed; what made it fail must not be hidden by a second failure."""
    try:
        _record(run, event_type, **data)
    except RumormillError as error:
        logger.warning("event %s could not be recorded: %s", event_type, error)
