"""The flow `propagate`: runs a campaign, from its file or a stored run, and publishes its results.

Parameters of the flow and arguments of its tasks are serialisable: the campaign's path or a stored run's id, the
warehouse's URL, session ids. The work is plain Python in `flows.campaign_jobs`, which is imported when a task
runs, so that importing this module is cheap. Prefect stores nothing: only the warehouse knows what is finished.
"""

import datetime as dt
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import TerminationSignal
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Completed

from data.errors import CommitConflictError, InvalidInputError, RumormillError, RunCancelledError
from flows.run_forms import described
from flows.run_logs import omit_tracebacks
from propagation.plans import PlanChoice

LATE = dt.timedelta(minutes=10)
"""A scheduled run that starts this long after its time is late: it imports what there was at its time."""
_AS_IT_IS: Mapping[str, Any] = {"snapshot_id": None, "description": "", "is_current": True}
"""The network of a run that neither imports nor stands in for another time."""

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State, TaskRun
    from prefect.flows import Flow

    from flows.campaign_jobs import CampaignRun
    from flows.campaigns import ResolvedCampaign
    from propagation.planner import JobPlan


def _run_name() -> str:
    """Name a flow run after the campaign and the network that its file states; `start` corrects what was guessed."""
    from flows.artifacts import run_title
    from flows.config import stated_names

    campaign = flow_run.parameters["campaign"]
    if not isinstance(campaign, str):  # what Prefect makes of a required parameter that nobody gave
        raise InvalidInputError("no campaign: give the path of its YAML file, or the name of a bundled campaign")
    when = flow_run.parameters.get("scheduled_for")
    return run_title(stated_names(campaign), dt.datetime.fromisoformat(when) if isinstance(when, str) else when)


def record_missing_end(flow: "Flow[..., Any]", flow_run: "FlowRun", state: "State[Any]") -> None:  # noqa: ARG001
    """Record the end of a run whose process was killed. Prefect calls this in the worker or serving process."""
    from data.facade import Warehouse
    from flows import run_events

    warehouse = Warehouse(flow_run.parameters.get("warehouse", "warehouse"))
    if state.is_crashed():
        run_events.record_missing_end(
            warehouse, str(flow_run.id), "propagation_failed", error="Crashed", message=state.message
        )
    else:
        run_events.record_missing_end(warehouse, str(flow_run.id), "propagation_cancelled", message=state.message)


@flow(
    name="propagate",
    description="Runs a campaign on a network of the warehouse, publishes its results and shows them as artifacts.",
    flow_run_name=_run_name,
    persist_result=False,
    on_cancellation=[record_missing_end],
    on_crashed=[record_missing_end],
)
@described
def propagate(
    campaign: str,
    warehouse: str = "warehouse",
    again: bool = False,
    models: list[str] | None = None,
    plan: PlanChoice | None = None,
    cluster: str | None = None,
    import_from: str | None = None,
    import_options: dict[str, Any] | None = None,
    scheduled_for: dt.datetime | None = None,
    page: bool = False,
) -> dict[str, Any]:
    """Run a campaign: validate and store it, compute and publish its jobs, publish the campaign, summarise.

    Parameters
    ----------
    campaign : str
        Path of a campaign's YAML file, name of a bundled campaign, or `run/<run_id>` for a stored run.
    warehouse : str
        Folder or URL of the warehouse, such as `s3://bucket/folder`.
    again : bool
        Recompute published sessions and compare every row; nothing is published twice.
    models : list of str, optional
        Python files with your own models, in addition to those of the campaign.
    plan : str, optional
        How rounds are executed: `auto`, `broadcast`, `partitioned` or `reference`; never changes a row. Default: the
        campaign's.
    cluster : str, optional
        Cluster profile: `threads`, `processes`, `scheduler`, or the path of one. Default: the campaign's.
    import_from : str, optional
        File or folder: its newest file is first imported as the campaign's network.
    import_options : dict, optional
        Options of that import, such as `undirected`.
    scheduled_for : datetime, optional
        A time in the past for which the run stands in: it uses the network as it was, or the newest file at that time.
    page : bool
        Write the campaign's web page into the folder of the warehouse, and show where it is; not for past networks.

    Returns
    -------
    dict
        JSON: campaign, status, plan, and one row per session with its reach. Status is ``completed``, ``confirmed``
        (recomputed, and equal) or ``already_completed`` (nothing was done).
    """
    # 1. Import the newest file; validate, and store the run; a finished campaign shows its results at once.
    omit_tracebacks()
    begun_at = time.monotonic()
    late_since, chosen = _late_since(scheduled_for), _AS_IT_IS
    notes = [] if late_since is None else [_late_text(late_since)]
    if import_from is not None or scheduled_for is not None:
        try:
            chosen = choose_snapshot(
                campaign, warehouse, models or [], import_from, import_options, scheduled_for, late_since
            )
        except RumormillError as error:
            _record_failed_import(campaign, warehouse, import_from, scheduled_for, error)
            raise
    begun = start(campaign, warehouse, again, models or [], plan, cluster, chosen["snapshot_id"], scheduled_for)
    run, jobs = begun["run"], begun["jobs"]
    try:
        # 2. Find how many replicates precisions need; then one task per job: connect, plan, run, publish.
        if begun["counts"]:
            begun |= count(warehouse, run, again, plan, cluster)
            run, jobs = begun["run"], begun["jobs"]
        for job in jobs:
            compute(warehouse, run, job["sessions"], job["compare"], plan, cluster)
        # 3. Publish the campaign with the events of the run, and return its results.
        if begun["status"] != "already_completed":
            register(warehouse, run, begun["status"], begun["started_at"], scheduled_for or late_since)
        summary = summarise(warehouse, run, begun["status"], page and scheduled_for is None and chosen["is_current"])
    except (RunCancelledError, KeyboardInterrupt, TerminationSignal) as error:
        return cast("dict[str, Any]", Cancelled(message=_record_cancellation(warehouse, begun, error)))
    except Exception as error:
        _record_failure(warehouse, run, "propagation_failed", error=type(error).__name__, message=str(error))
        raise
    notes += [chosen["description"]] if chosen["description"] else []
    return cast("dict[str, Any]", _completed(summary, jobs, time.monotonic() - begun_at, notes))


def _completed(
    summary: dict[str, Any], jobs: list[dict[str, Any]], seconds: float, notes: list[str]
) -> "State[dict[str, Any]]":
    """Return the state of a run that ended well, with a line about its outcome and what it ran on."""
    from flows.summaries import outcome_text

    computed = sum(len(job["sessions"]) for job in jobs)
    return Completed(message="; ".join([outcome_text(summary, computed, seconds), *notes]), data=summary)


def _late_since(scheduled_for: dt.datetime | None) -> dt.datetime | None:
    """Return the time at which a scheduled run should have started, if it is late; None if it stands in for another."""
    due: dt.datetime = flow_run.scheduled_start_time
    return due if scheduled_for is None and dt.datetime.now(dt.UTC) - due > LATE else None


def _late_text(since: dt.datetime) -> str:
    """Return how late a run is, as a sentence."""
    from data.quantities import readable_seconds

    late = (dt.datetime.now(dt.UTC) - since).total_seconds()
    return f"started {readable_seconds(late)} late, for {since:%Y-%m-%d %H:%M %Z}"


# -- tasks ----------------------------------------------------------------------------------------------------------


def _was_outrun(_task: object, _run: "TaskRun", state: "State[Any]") -> bool:
    """Whether a task failed only because of a conflict with another writer."""
    return isinstance(state.result(raise_on_failure=False), CommitConflictError)


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def choose_snapshot(
    campaign: str,
    warehouse: str,
    models: list[str],
    import_from: str | None,
    import_options: dict[str, Any] | None,
    scheduled_for: dt.datetime | None,
    late_since: dt.datetime | None,
) -> dict[str, Any]:
    """Import the newest file of a folder, or find the network of a time in the past; return the snapshot, as JSON."""
    from data.facade import Warehouse
    from flows import sources
    from flows.config import load_campaign

    network = load_campaign(campaign, models).network
    chosen = sources.choose_snapshot(
        Warehouse(warehouse), network, import_from, import_options or {}, scheduled_for, late_since
    )
    get_run_logger().info("%s", chosen.description)
    return {
        "snapshot_id": chosen.network.snapshot_id,
        "description": chosen.description,
        "is_current": chosen.is_current,
    }


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def start(
    campaign: str,
    warehouse: str,
    again: bool,
    models: list[str],
    plan: str | None,
    cluster: str | None,
    snapshot_id: str | None = None,
    scheduled_for: dt.datetime | None = None,
) -> dict[str, Any]:
    """Validate the campaign, refuse what cannot fit, and store the run; return its id and its jobs, as JSON."""
    from flows import artifacts, campaign_jobs, run_events
    from flows.config import stated_names

    try:
        run = campaign_jobs.prepare_run(campaign, warehouse, again=again, models=models, snapshot_id=snapshot_id)
    except RumormillError:
        artifacts.label_flow_run(str(flow_run.id), stated_names(campaign), scheduled_for=scheduled_for)
        raise
    resolved = run.resolved
    models_used = dict.fromkeys(session.model.name for session in resolved.distinct_sessions)
    names = [resolved.campaign.name, resolved.network.network_id]
    artifacts.label_flow_run(str(flow_run.id), names, models_used, scheduled_for)
    _log_start(run)
    started_at = dt.datetime.now(dt.UTC).isoformat()
    if not run.nothing_to_do:
        campaign_jobs.plan_jobs(run, *campaign_jobs.execution_of(resolved.campaign, plan, cluster))
        run_events.record_start(run, str(flow_run.id))
    return {**_begun(run), "started_at": started_at, "counts": run.counts}


def _begun(run: "CampaignRun") -> dict[str, Any]:
    """Return a run's reference and its jobs, as JSON."""
    return {
        "run": run.stored.reference,
        "status": run.status,
        "jobs": [
            {"sessions": [session.session_id for session in job.sessions], "compare": not job.publish}
            for job in run.jobs
        ],
    }


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def count(warehouse: str, run: str, again: bool, plan: str | None, cluster: str | None) -> dict[str, Any]:
    """Run the sessions of a stored run until their precisions are reached; return the run with these replicates."""
    from flows import campaign_jobs
    from flows.job_progress import JobProgress
    from flows.listeners import hand_on, listener_of
    from propagation.jobs import Execution

    asked = campaign_jobs.stored_campaign(warehouse, run)
    chosen, profile = campaign_jobs.execution_of(asked.campaign, plan, cluster)
    log, watched = get_run_logger(), None if deployment.id else str(flow_run.id)
    with JobProgress(asked.campaign.name, listener_of(run), log, watched) as progress:
        execution = Execution(plan=chosen, progress=progress, stop=progress, planned=progress.begin)
        found = campaign_jobs.count_replicates(warehouse, run, execution, profile, again=again)
    hand_on(run, found.stored.reference)
    for name, session in found.resolved.named_sessions:
        log.info("%s: %d replicates", name, session.replicates)
    return _begun(found)


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def compute(
    warehouse: str, run: str, sessions: list[str], compare: bool, plan: str | None, cluster: str | None
) -> None:
    """Compute a job of a stored run: connect, plan, run, and publish or compare its sessions."""
    from data.quantities import counted, readable_bytes, readable_seconds
    from flows import campaign_jobs
    from flows.job_progress import JobProgress
    from flows.listeners import listener_of
    from propagation.jobs import Execution

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    chosen, profile = campaign_jobs.execution_of(resolved.campaign, plan, cluster)
    log, watched = get_run_logger(), None if deployment.id else str(flow_run.id)

    def planned(job_plan: "JobPlan") -> None:
        log.info(
            "%s plan for %s: %s; estimated %s and %s",
            job_plan.plan,
            counted(job_plan.lanes, "lane"),
            job_plan.reason,
            readable_seconds(job_plan.estimated_seconds),
            readable_bytes(job_plan.estimated_bytes),
        )
        progress.begin(job_plan)

    with JobProgress(resolved.campaign.name, listener_of(run), log, watched) as progress:
        execution = Execution(plan=chosen, progress=progress, stop=progress, planned=planned)
        campaign_jobs.run_job(resolved, sessions, execution, profile, compare=compare)
    done = "recomputed: every row equals the published one" if compare else "published"
    log.info("%s %s", counted(len(sessions), "session"), done)


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def register(warehouse: str, run: str, status: str, started_at: str, scheduled_for: dt.datetime | None = None) -> None:
    """Publish the campaign with its resolved configuration, together with the completion event of this run."""
    from flows import campaign_jobs, run_events

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    run_events.record_completion(resolved, str(flow_run.id), status, started_at, scheduled_for)


@task(cache_policy=NO_CACHE, persist_result=False)
def summarise(warehouse: str, run: str, status: str, page: bool = False) -> dict[str, Any]:
    """Create artifacts of the results, and return the summary of the run."""
    from flows import artifacts, campaign_jobs

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    summary = campaign_jobs.summary(resolved, status)
    artifacts.show_results(summary)
    artifacts.show_curves(resolved.campaign.name, campaign_jobs.results(resolved))
    if page:
        _show_page(resolved)
    return summary


def _show_page(resolved: "ResolvedCampaign") -> None:
    """Write the page of a campaign, and show its path; a page that cannot be written does not fail the run."""
    from flows import artifacts
    from flows.pages import write_page

    try:
        path = write_page(resolved.network.warehouse.url, resolved.campaign_id)
    except RumormillError as error:
        get_run_logger().warning("the page of the campaign was not written: %s", error)
        return
    artifacts.show_page(resolved.campaign.name, path)


# -- starts and ends ------------------------------------------------------------------------------------------------


def _log_start(run: "CampaignRun") -> None:
    """Log what a run is about, and how much of it is to be computed."""
    from data.quantities import counted

    resolved, log = run.resolved, get_run_logger()
    network, sessions = resolved.network, len(resolved.distinct_sessions)
    log.info(
        "campaign %r on network %r of %s and %s, warehouse %s",
        resolved.campaign.name,
        network.network_id,
        counted(network.n_agents, "agent"),
        counted(network.n_edges, "edge"),
        run.warehouse.url,
    )
    if run.nothing_to_do:
        log.info("all of its %s are published: nothing to compute; the results are shown", counted(sessions, "session"))
        return
    todo = sum(len(job.sessions) for job in run.jobs if job.publish)
    compared = sum(len(job.sessions) for job in run.jobs if not job.publish)
    log.info(
        "%s to compute, %d published before%s",
        counted(todo, "session"),
        sessions - todo,
        f", of which {compared} are recomputed and compared" if compared else "",
    )


def _record_cancellation(warehouse: str, begun: dict[str, Any], error: BaseException) -> str:
    """Record that a run was cancelled; return what it had published, as a sentence."""
    from flows import campaign_jobs
    from propagation.jobs import cancelled

    if not isinstance(error, RunCancelledError):  # Ctrl-C between two tasks, or while one begins or ends
        resolved = campaign_jobs.stored_campaign(warehouse, begun["run"])
        wanted = {each for job in begun["jobs"] if not job["compare"] for each in job["sessions"]}
        error = cancelled(resolved.network, [s for s in resolved.distinct_sessions if s.session_id in wanted])
    _record_failure(warehouse, begun["run"], "propagation_cancelled", message=str(error))
    return str(error)


def _record_failed_import(
    campaign: str, warehouse: str, place: str | None, scheduled_for: dt.datetime | None, error: RumormillError
) -> None:
    """Record that a run failed before its campaign could start, because it had no network to run on."""
    from data.facade import Warehouse
    from flows import artifacts, run_events
    from flows.config import stated_names

    names = stated_names(campaign)
    artifacts.label_flow_run(str(flow_run.id), names, scheduled_for=scheduled_for)
    run_events.record_failed_import(Warehouse(warehouse), names, str(flow_run.id), place, error)


def _record_failure(warehouse: str, run: str, event_type: Any, **data: Any) -> None:
    """Record that a run failed or was cancelled."""
    from flows import campaign_jobs, run_events

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    run_events.record_failure(resolved, str(flow_run.id), event_type, **data)
