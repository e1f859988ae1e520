"""The flow `propagate`: runs a campaign, from its file or a stored run, and publishes its results.

Parameters of the flow and arguments of its tasks are serialisable: the campaign's path or a stored run's id, the
warehouse's URL, session ids. The work is plain Python in `flows.campaign_jobs`, which is imported when a task
runs, so that importing this module is cheap. Prefect stores nothing: only the warehouse knows what is finished.
"""

import datetime as dt
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelled

from data.errors import CommitConflictError, RunCancelledError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun

    from flows.campaigns import ResolvedCampaign
    from propagation.planner import JobPlan


def _run_name() -> str:
    """Name a flow run after its campaign's file, without the folder."""
    return f"propagate {PurePath(flow_run.parameters['campaign']).stem}"


@flow(name="propagate", flow_run_name=_run_name, persist_result=False)
def propagate(
    campaign: str,
    warehouse: str = "warehouse",
    again: bool = False,
    models: list[str] | None = None,
    plan: str | None = None,
    cluster: str | None = None,
    import_from: str | None = None,
    import_options: dict[str, Any] | None = None,
    scheduled_for: dt.datetime | None = None,
) -> dict[str, Any]:
    """Run a campaign: validate and store it, compute and publish its jobs, publish the campaign, summarise.

    Parameters
    ----------
    campaign : str
        ``run/<run_id>`` for a stored run; or the path of a campaign's YAML file, or the name of a bundled campaign.
    warehouse : str
        Folder or URL of the warehouse.
    again : bool
        Recompute published sessions and compare every row; nothing is published twice.
    models : list of str, optional
        Python files with the user's own models, in addition to those of the campaign.
    plan : str, optional
        ``auto``, ``broadcast``, ``partitioned`` or ``reference``; default: the campaign's.
    cluster : str, optional
        Name or path of a cluster profile; default: the campaign's.
    import_from : str, optional
        File or folder: its newest file is first imported as the campaign's network.
    import_options : dict, optional
        Options of that import, such as ``undirected``.
    scheduled_for : datetime, optional
        A time in the past for which the run stands in: it uses the network as it was then, or the newest file of then.

    Returns
    -------
    dict
        JSON: campaign, status, plan, and one row per session with its reach. Status is ``completed``, ``confirmed``
        (recomputed, and equal) or ``already_completed`` (nothing was done).
    """
    # 1. Import the newest file; validate, and store the run; a finished campaign returns its summary at once.
    snapshot_id = None
    if import_from is not None or scheduled_for is not None:
        snapshot_id = choose_snapshot(campaign, warehouse, models or [], import_from, import_options, scheduled_for)
    begun = start(campaign, warehouse, again, models or [], plan, cluster, snapshot_id)
    if "finished" in begun:
        return cast("dict[str, Any]", begun["finished"])
    run = begun["run"]
    try:
        # 2. One task per job: connect, plan, run, publish.
        for job in begun["jobs"]:
            compute(warehouse, run, job["sessions"], job["compare"], plan, cluster)
        # 3. Publish the campaign with the events of the run, and return its results.
        register(warehouse, run, begun["status"], begun["started_at"], begun["stored_now"])
        return summarise(warehouse, run, begun["status"])
    except (RunCancelledError, KeyboardInterrupt, TerminationSignal) as error:
        _record_failure(warehouse, begun, "propagation_cancelled")
        if isinstance(error, RunCancelledError):
            return cast("dict[str, Any]", Cancelled(message=str(error)))
        raise
    except Exception as error:
        _record_failure(warehouse, begun, "propagation_failed", error=type(error).__name__, message=str(error))
        raise


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
) -> str:
    """Import the newest file of a folder, or find the network of a time in the past; return the snapshot's id."""
    from data.facade import Warehouse
    from flows import sources
    from flows.config import load_campaign

    network = load_campaign(campaign, models).network
    chosen = sources.choose_snapshot(Warehouse(warehouse), network, import_from, import_options or {}, scheduled_for)
    get_run_logger().info("%s", chosen.description)
    return chosen.network.snapshot_id


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def start(
    campaign: str,
    warehouse: str,
    again: bool,
    models: list[str],
    plan: str | None,
    cluster: str | None,
    snapshot_id: str | None = None,
) -> dict[str, Any]:
    """Validate the campaign, refuse what cannot fit, and store the run; return its id and its jobs, as JSON."""
    from flows import artifacts, campaign_jobs, run_events

    run = campaign_jobs.prepare_run(campaign, warehouse, again=again, models=models, snapshot_id=snapshot_id)
    artifacts.label_flow_run(str(flow_run.id), run.resolved.campaign.name, run.resolved.network.network_id)
    if run.nothing_to_do:
        get_run_logger().info(
            "campaign %s is already finished: nothing to do; its results are shown", run.resolved.campaign.name
        )
        return {"finished": _shown(run.resolved, run.status)}
    campaign_jobs.plan_jobs(run, *campaign_jobs.execution_of(run.resolved.campaign, plan, cluster))
    return {
        "run": run.stored.reference,
        "status": run.status,
        "started_at": dt.datetime.now(dt.UTC).isoformat(),
        "stored_now": run_events.record_start(run, str(flow_run.id)),
        "jobs": [
            {"sessions": [session.session_id for session in job.sessions], "compare": not job.publish}
            for job in run.jobs
        ],
    }


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def compute(
    warehouse: str, run: str, sessions: list[str], compare: bool, plan: str | None, cluster: str | None
) -> None:
    """Compute a job of a stored run: connect, plan, run, and publish or compare its sessions."""
    from flows import artifacts, campaign_jobs
    from flows.listeners import listener_of
    from propagation.jobs import Execution

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    chosen, profile = campaign_jobs.execution_of(resolved.campaign, plan, cluster)
    bar = artifacts.JobProgress(resolved.campaign.name, listener_of(run))

    def planned(job_plan: "JobPlan") -> None:
        get_run_logger().info(
            "%s plan for %d lanes: %s; estimated %.1f s and %.0f MB",
            job_plan.plan,
            job_plan.lanes,
            job_plan.reason,
            job_plan.estimated_seconds,
            job_plan.estimated_bytes / 1e6,
        )
        bar.begin(job_plan.lanes)

    execution = Execution(plan=chosen, progress=bar, planned=planned)
    campaign_jobs.run_job(resolved, sessions, execution, profile, compare=compare)
    done = "recomputed: every row equals the published one" if compare else "published"
    get_run_logger().info("%d sessions %s", len(sessions), done)


@task(cache_policy=NO_CACHE, persist_result=False, retries=2, retry_delay_seconds=1, retry_condition_fn=_was_outrun)
def register(warehouse: str, run: str, status: str, started_at: str, stored_now: bool) -> None:
    """Publish the campaign with its resolved configuration, together with the events of this run."""
    from flows import campaign_jobs, run_events

    resolved = campaign_jobs.stored_campaign(warehouse, run)
    run_events.record_completion(resolved, str(flow_run.id), status, started_at, stored_now=stored_now)


@task(cache_policy=NO_CACHE, persist_result=False)
def summarise(warehouse: str, run: str, status: str) -> dict[str, Any]:
    """Create artifacts of the results, and return them."""
    from flows import campaign_jobs

    return _shown(campaign_jobs.stored_campaign(warehouse, run), status)


def _shown(resolved: "ResolvedCampaign", status: str) -> dict[str, Any]:
    """Show the results of a campaign as artifacts of the current flow run; return their summary."""
    from flows import artifacts, campaign_jobs

    summary = campaign_jobs.summary(resolved, status)
    artifacts.show_results(summary)
    artifacts.show_curves(resolved.campaign.name, campaign_jobs.results(resolved))
    return summary


def _record_failure(warehouse: str, begun: dict[str, Any], event_type: Any, **data: Any) -> None:
    """Record that a run failed or was cancelled."""
    from flows import campaign_jobs, run_events

    resolved = campaign_jobs.stored_campaign(warehouse, begun["run"])
    run_events.record_failure(
        resolved, str(flow_run.id), event_type, begun["started_at"], stored_now=begun["stored_now"], **data
    )
