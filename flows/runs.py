"""Runs of campaigns: what there is to compute, and how what was computed becomes visible.

A run publishes in steps: that it starts, then messages, then each job (all its sessions at once), then the campaign
that lists them. Whatever a reader finds at any moment is complete: a session's message is there before the session, and
a campaign's sessions are there before the campaign. A crash between two steps is healed by running the campaign again,
or by continuing what was started (`flows.run_records`).
"""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any, Literal

from data.errors import AlreadyPublishedError, RowsDifferError, RunCancelledError
from data.facade import Warehouse
from data.progress import Progress, ignore_progress
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from flows.campaigns import ResolvedCampaign
from flows.config import resolve_file
from flows.prefect_server import embedded_server, set_prefect_defaults
from flows.run_records import is_reference, record_start, started_campaign
from propagation.engine import JobOutcome, publish_job, unpublished
from propagation.models import PandasModel
from propagation.processes import check_worker_processes
from propagation.published import differing_tables, load_results
from propagation.results import Result
from propagation.sessions import Session

Status = Literal["completed", "already_completed", "confirmed"]


class Job:
    """Sessions of one campaign that run together, each of their replicates a lane."""

    def __init__(self, sessions: Sequence[Session], *, publish: bool) -> None:
        self.sessions = list(sessions)
        self.publish = publish
        """Whether the rows are new; otherwise they are only compared with those published."""


class CampaignRun:
    """One run of a campaign on its network: what it asks for, what of it is there, what is to be computed.

    A handle within one process: tasks pass it on, and Prefect, which looks into data classes, leaves it alone.

    Attributes
    ----------
    resolved : ResolvedCampaign
    jobs : list of Job
        The sessions that the warehouse lacks; with `again` also those it has, to be compared.
    registered : bool
        Whether the campaign itself was published before.
    started_at : datetime
        When the run began, UTC.
    """

    def __init__(self, resolved: ResolvedCampaign, *, again: bool) -> None:
        self.resolved = resolved
        self.started_at = dt.datetime.now(dt.UTC)
        self.registered = self.warehouse.find(resolved.key) is not None
        missing = unpublished(self.warehouse, resolved.distinct_sessions)
        lacking = {session.session_id for session in missing}
        known = [session for session in resolved.distinct_sessions if session.session_id not in lacking]
        self.jobs = [Job(sessions, publish=True) for sessions in _by_kind(missing)]
        if again:
            self.jobs += [Job(sessions, publish=False) for sessions in _by_kind(known)]

    @property
    def warehouse(self) -> Store:
        """The warehouse that holds the network and takes the results."""
        return self.resolved.network.warehouse

    @property
    def nothing_to_do(self) -> bool:
        """Whether the campaign is finished: every session is published, and so is the campaign."""
        return self.registered and not self.jobs

    @property
    def status(self) -> Status:
        """What the run amounts to once it has ended well."""
        if self.nothing_to_do:
            return "already_completed"
        compared = self.jobs and not any(job.publish for job in self.jobs)
        return "confirmed" if compared and self.registered else "completed"


def _by_kind(sessions: Sequence[Session]) -> list[list[Session]]:
    """Part users' own models from those that compiled kernels run: a job has one plan."""
    own = [session for session in sessions if isinstance(session.model, PandasModel)]
    others = [session for session in sessions if not isinstance(session.model, PandasModel)]
    return [part for part in (others, own) if part]


def prepare_run(campaign: str, warehouse: str, *, again: bool = False, models: Sequence[str] = ()) -> CampaignRun:
    """Validate a campaign file against the network it names, and find out what there is to compute.

    Parameters
    ----------
    campaign : str
        Path of the campaign's file, the name of one that comes with Rumormill, or ``run/<campaign_id>`` for one that
        was started before.
    warehouse : str
        Folder or URL of the warehouse.
    again : bool
        Whether sessions that are published are computed once more, to be compared.
    models : sequence of str
        Python files with models of the user's own, beside those that the campaign names.

    Raises
    ------
    CampaignError, SourceNotFoundError
        If the file is missing or breaks a rule.
    NetworkNotFoundError, UnknownAgentError, InvalidInputError
        If the campaign does not fit the warehouse's network.
    """
    place = Warehouse(warehouse)
    if is_reference(campaign):
        return CampaignRun(started_campaign(campaign, place), again=again)
    return CampaignRun(resolve_file(campaign, place, models), again=again)


def run_campaign(
    campaign: str,
    warehouse: str = "warehouse",
    *,
    again: bool = False,
    models: Sequence[str] = (),
    progress: Progress = ignore_progress,
) -> dict[str, Any]:
    """Run a campaign as a Prefect flow, on an embedded server unless PREFECT_API_URL names one.

    A campaign that is finished is answered from the warehouse, without Prefect.

    Parameters
    ----------
    campaign : str
        Path of a campaign's file, the name of one that comes with Rumormill, or ``run/<campaign_id>`` for one that was
        started before.
    warehouse : str
        Folder or URL of the warehouse.
    again : bool
        Recompute sessions that are published, compare and report; there is never a second copy.
    models : sequence of str
        Python files with models of the user's own, beside those that the campaign names.
    progress : Progress, optional
        Hears how long the server takes to start, and how far the run is.

    Returns
    -------
    dict
        What `flows.propagate.propagate` returns.

    Raises
    ------
    RumormillError
        One of its classes, for whatever the user or the machine did wrong.
    RunCancelledError
        If the run was interrupted; nothing of it was published.
    """
    set_prefect_defaults()
    run = prepare_run(campaign, warehouse, again=again, models=models)
    if run.nothing_to_do:
        return summary(run)
    if run.resolved.campaign.cluster.kind == "processes":
        check_worker_processes()
    progress("starting Prefect", 0, 1)
    embedded_server().wait()
    progress("starting Prefect", 1, 1)
    return _as_flow(run, campaign, again, list(models), progress)


def _as_flow(run: CampaignRun, campaign: str, again: bool, models: list[str], progress: Progress) -> dict[str, Any]:
    from prefect.exceptions import CancelledRun
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.propagate import heard_by, propagate, validated_as

    # Heartbeats tell a server that outlives its runs which of them died; they cost a second at the end of each.
    quiet = {} if embedded_server().is_configured else {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    try:
        with heard_by(progress), validated_as(run), temporary_settings(quiet):
            return propagate(campaign, run.warehouse.url, again, models)
    except CancelledRun as error:
        raise RunCancelledError(str(error)) from None


def record_run(run: CampaignRun) -> None:
    """Record that the run starts, if it is to publish anything: what a crash leaves can be continued from there."""
    if any(job.publish for job in run.jobs):
        record_start(run.resolved)


# -- publishing -----------------------------------------------------------------------------------------------------


def publish_outcome(run: CampaignRun, outcome: JobOutcome) -> None:
    """Publish the campaign's messages, then the sessions of a finished job, all of them at once."""
    _publish_messages(run)
    publish_job(outcome)


def _publish_messages(run: CampaignRun) -> None:
    messages = {message.message_id: message for message in run.resolved.campaign.messages}
    while missing := [m for m in messages.values() if run.warehouse.find(f"message/{m.message_id}") is None]:
        files = [run.warehouse.stage_records("messages", [message.record for message in missing])]
        keys = [f"message/{message.message_id}" for message in missing]
        _commit_if_new(run.warehouse, "messages", keys, files)


def publish_campaign(run: CampaignRun) -> None:
    """Publish the campaign: its resolved configuration, and the list of its sessions."""
    if run.warehouse.find(run.resolved.key) is not None:
        return
    _publish_messages(run)
    resolved, warehouse = run.resolved, run.warehouse
    campaign = {
        "campaign_id": resolved.campaign_id,
        "campaign": resolved.campaign.name,
        "configuration": json.dumps(resolved.configuration, sort_keys=True),
        "started_at": run.started_at,
        "completed_at": dt.datetime.now(dt.UTC),
    }
    sessions = [
        {
            "campaign_id": resolved.campaign_id,
            "position": position,
            "session": name,
            "session_id": session.session_id,
        }
        for position, (name, session) in enumerate(resolved.named_sessions)
    ]
    files = [warehouse.stage_records("campaigns", [campaign]), warehouse.stage_records("campaign_sessions", sessions)]
    _commit_if_new(warehouse, "campaign", [resolved.key], files)


def _commit_if_new(warehouse: Store, kind: str, keys: list[str], files: list[DataFile]) -> None:
    """Commit, unless another run was first: its rows are the same."""
    try:
        warehouse.commit(kind, keys, files)
    except AlreadyPublishedError:
        return


def check_outcome(outcome: JobOutcome) -> None:
    """Compare recomputed sessions with their published rows.

    Raises
    ------
    RowsDifferError
        If a table differs.
    """
    if differing := differing_tables(outcome.network.warehouse, outcome.results):
        raise RowsDifferError(
            f"recomputed rows differ from the published ones in {', '.join(differing)}; the published rows stay. "
            "Check them with `rumormill verify`; if they are whole, this is a bug of Rumormill: please report it"
        )


# -- what came out --------------------------------------------------------------------------------------------------


def results(run: CampaignRun) -> dict[str, Result]:
    """Return the published result of each session of the campaign, by the session's name, in its order."""
    names, sessions = zip(*run.resolved.named_sessions, strict=True)
    found = load_results(run.warehouse, [session.session_id for session in sessions])
    return dict(zip(names, found, strict=True))


def summary(run: CampaignRun) -> dict[str, Any]:
    """Return what came out of a finished run, as JSON: the campaign, and one row per session of it."""
    found = {name: result.session for name, result in results(run).items()}
    first = next(iter(found.values()))
    started = {row["started_at"]: row for row in found.values()}
    jobs = [started[when] for when in sorted(started)]
    return {
        "campaign": run.resolved.campaign.name,
        "campaign_id": run.resolved.campaign_id,
        "status": run.status,
        "warehouse": run.warehouse.url,
        "network": run.resolved.network.network_id,
        "snapshot_id": run.resolved.network.snapshot_id,
        "agents": run.resolved.network.n_agents,
        "edges": run.resolved.network.n_edges,
        "plan": first["plan"],
        "plan_reason": first["plan_reason"],
        "jobs": [{column: row.get(column) for column in _OF_JOBS} for row in jobs],
        "lanes": sum(session.replicates for session in run.resolved.distinct_sessions),
        "seconds": sum(row["job_seconds"] for row in jobs),
        "sessions": [{"session": name, **_session_summary(row)} for name, row in found.items()],
    }


_OF_JOBS = ("plan", "plan_reason", "job_lanes", "estimated_seconds", "job_seconds", "estimated_bytes", "peak_bytes")
_SUMMARISED = (
    "session_id",
    "propagation_model",
    "seed_strategy",
    "replicates",
    "random_seed",
    "record",
    "total_influenced",
    "total_influenced_standard_error",
    "rounds",
    "stopped_because",
    "truncated_replicates",
)


def _session_summary(row: Any) -> dict[str, Any]:
    return {
        **{column: row[column] for column in _SUMMARISED},
        "model_parameters": json.loads(row["model_parameters"]),
        "seeds": len(row["seed_agents"]),
    }
