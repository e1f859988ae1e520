"""The steps of a campaign's run, in plain Python: find its jobs, run each, publish the campaign, summarise.

A run publishes in steps: its start, then messages, then each job (all its sessions at once, or in chunks if
it is long), then the campaign that lists them. What readers see is always complete: a session's message
is published before the session, and a campaign's sessions before the campaign. After a crash between two steps,
run the campaign again or resume the stored run (`flows.run_records`).
"""

import dataclasses
import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

from data.errors import AlreadyPublishedError, RunCancelledError
from data.facade import Warehouse
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from flows.campaign_entries import SessionSpecification, named_strategy
from flows.campaign_precision import known_replicates, with_replicates
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from flows.config import CampaignSource, load_cluster_profile, load_with_places
from flows.events import Event, event_keys, publish_events, stage_events
from flows.run_records import StoredRun, find_run, is_reference, remembered, remembered_run, resolve_run, store_run
from flows.worker_processes import connected
from propagation import engine, jobs, planner
from propagation.campaign_records import staged_campaign
from propagation.clusters import ClusterProfile, ExpectedWorkers, connect, expected_workers, thread_count
from propagation.competing_messages import reach_by_message
from propagation.jobs import Execution
from propagation.own_threads import OwnThreads
from propagation.planner import JobPlan
from propagation.plans import PlanChoice
from propagation.published import load_results
from propagation.result import Reach, Result
from propagation.sessions import Session

if TYPE_CHECKING:
    from distributed import Client

Status = Literal["completed", "already_completed", "confirmed"]


@dataclass(frozen=True)
class Job:
    """Sessions of one campaign that run together; each replicate is a lane.

    Attributes
    ----------
    sessions : tuple of Session
    publish : bool
        Whether the rows are published; otherwise they are only compared with the published ones.
    """

    sessions: tuple[Session, ...]
    publish: bool


@dataclass(frozen=True)
class CampaignRun:
    """One run of a campaign, and the part of it that is still to be computed.

    Attributes
    ----------
    stored : StoredRun
        The record of the run, stored in the warehouse when it starts.
    resolved : ResolvedCampaign
    jobs : tuple of Job
        The sessions missing from the warehouse, and those to be compared.
    registered : bool
        Whether the campaign itself is published.
    counts : bool
        Whether the replicates that precisions need are to be found first (`count_replicates`); until then such sessions
        have the fewest possible.
    """

    stored: StoredRun
    resolved: ResolvedCampaign
    jobs: tuple[Job, ...]
    registered: bool
    counts: bool = False

    @property
    def warehouse(self) -> Store:
        """The warehouse of the network and the results."""
        return self.resolved.network.warehouse

    @property
    def nothing_to_do(self) -> bool:
        """Whether the campaign is finished: every session is published, and so is the campaign."""
        return self.registered and not self.jobs

    @property
    def publishes(self) -> bool:
        """Whether there are sessions to publish."""
        return any(job.publish for job in self.jobs)

    @property
    def status(self) -> Status:
        """Status of the run after it has succeeded."""
        if self.nothing_to_do:
            return "already_completed"
        return "confirmed" if self.jobs and not self.publishes and self.registered else "completed"


# 1. -- from a file, or a stored run, to its jobs --------------------------------------------------------------------


def prepare_run(
    campaign: CampaignSource,
    warehouse: str | Warehouse,
    *,
    again: bool = False,
    models: Sequence[str] = (),
    snapshot_id: str | None = None,
) -> CampaignRun:
    """Validate a campaign against its network, and determine what is to be computed.

    Nothing is run. How many replicates a precision needs is known from sessions that are published or kept, or is found
    by the run itself: see `count_replicates`.

    Parameters
    ----------
    campaign : str, path, mapping or Campaign
        Path of the campaign's file, the name of a bundled campaign, or ``run/<id>`` for a stored run; or a dictionary
        with the content of a campaign file, or a `Campaign`.
    warehouse : str or Warehouse
        Folder or URL of the warehouse, or the warehouse.
    again : bool
        Whether published sessions are recomputed and compared.
    models : sequence of str
        Python files with the user's own models, in addition to those of the campaign.
    snapshot_id : str, optional
        Snapshot of the network; default: the current one. A stored run has its own.

    Raises
    ------
    CampaignError, SourceNotFoundError
        If the file is missing, or the campaign invalid.
    NetworkNotFoundError, UnknownAgentError, InvalidInputError
        If the campaign does not fit the warehouse's network.
    """
    place = warehouse if isinstance(warehouse, Warehouse) else Warehouse(warehouse)
    if isinstance(campaign, str) and is_reference(campaign):
        stored = find_run(campaign, place)
        resolved = resolve_run(stored, place)
    else:
        asked, where = load_with_places(campaign, models)
        resolved = remembered(asked, place, snapshot_id) or resolve(asked, place, snapshot_id, where=where)
        stored = StoredRun.of_campaign(resolved)
    counted = known_replicates(resolved)
    if counted is not None and counted is not resolved:
        resolved, stored = counted, StoredRun.of_campaign(counted, stored)
    return _run_of(stored, resolved, again=again, counts=counted is None)


def count_replicates(
    warehouse: str, run: str, execution: Execution, profile: ClusterProfile, *, again: bool
) -> CampaignRun:
    """Run the sessions of a stored run until they have as many replicates as their precisions need; store that run.

    Batches are kept: publishing the sessions runs nothing again, and a run that is interrupted continues from them.

    Raises
    ------
    RumormillError
        As `propagation.precision.precise_sessions`.
    """
    asked = find_run(run, Warehouse(warehouse))
    resolved = with_replicates(stored_campaign(warehouse, run), execution, profile)
    found = _run_of(StoredRun.of_campaign(resolved, asked), resolved, again=again)
    store_run(found.warehouse, found.stored)
    return found


def _run_of(stored: StoredRun, resolved: ResolvedCampaign, *, again: bool, counts: bool = False) -> CampaignRun:
    """Return a run with the jobs that are missing from the warehouse, and those to be compared."""
    place = resolved.network.warehouse
    missing = jobs.unpublished(place, resolved.distinct_sessions)
    lacking = {session.session_id for session in missing}
    known = [session for session in resolved.distinct_sessions if session.session_id not in lacking]
    found = [Job(tuple(job), publish=True) for job in jobs.form_jobs(missing)]
    if again:
        found += [Job(tuple(job), publish=False) for job in jobs.form_jobs(known)]
    return CampaignRun(stored, resolved, tuple(found), resolved.key in place.published([resolved.key]), counts)


def execution_of(campaign: Campaign, plan: str | None, cluster: str | None) -> tuple[PlanChoice, ClusterProfile]:
    """Return plan and cluster profile: those given, else those of the campaign.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        If there is no such plan or profile.
    """
    if plan is not None:
        planner.check_plan(plan)
    profile = campaign.cluster if cluster is None else load_cluster_profile(cluster)
    return cast("PlanChoice", plan or campaign.plan), profile


def plan_jobs(run: CampaignRun, plan: PlanChoice, profile: ClusterProfile) -> tuple[list[JobPlan], int]:
    """Plan all jobs of a run before any of them starts; return the plans and the number of threads.

    No cluster is started for planning.

    Raises
    ------
    InsufficientMemoryError
        If a job does not fit.
    ClusterUnreachableError
        If the scheduler named by the profile does not answer.
    """
    with _workers(profile) as client:
        plans = [
            engine.plan_job(run.resolved.network, job.sessions, plan=plan, client=client, publish=job.publish)
            for job in run.jobs
        ]
        return plans, thread_count(client or OwnThreads())


@contextmanager
def _workers(profile: ClusterProfile) -> "Iterator[Client | ExpectedWorkers | None]":
    """Yield what the planner needs to know about workers: an existing cluster, or the expected workers of a new one."""
    if profile.kind == "address":
        with connect(profile) as client:
            yield client
    else:
        yield expected_workers(profile)


def stored_campaign(warehouse: str, run: str) -> ResolvedCampaign:
    """Return the resolved campaign of a stored run, ``run/<id>``.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        As by `flows.run_records.find_run` and `flows.run_records.resolve_run`.
    """
    place = Warehouse(warehouse)
    return remembered_run(run, place) or resolve_run(find_run(run, place), place)


# 2. -- one job ------------------------------------------------------------------------------------------------------


def run_job(
    resolved: ResolvedCampaign,
    session_ids: Sequence[str],
    execution: Execution,
    profile: ClusterProfile,
    *,
    compare: bool,
) -> None:
    """Connect to a cluster; compute some sessions of a campaign, and publish them or compare them with published rows.

    Raises
    ------
    RumormillError
        As `propagation.jobs.run_sessions`.
    """
    wanted = set(session_ids)
    sessions = [session for session in resolved.distinct_sessions if session.session_id in wanted]
    try:
        with connected(profile) as client:
            execution = replace(execution, client=client, before_publishing=lambda: publish_messages(resolved))
            if compare:
                jobs.compare_job(resolved.network, sessions, execution)
            else:
                jobs.run_sessions(resolved.network, sessions, execution)
    except KeyboardInterrupt:  # while the cluster starts
        raise RunCancelledError(jobs.NOTHING_PUBLISHED) from None


def publish_messages(resolved: ResolvedCampaign) -> None:
    """Publish the messages of a campaign that are not published yet."""
    warehouse = resolved.network.warehouse
    messages = {message.key: message for message in resolved.campaign.messages}
    while missing := sorted(messages.keys() - warehouse.published(messages)):
        files = [warehouse.stage_records("messages", [messages[key].record for key in missing])]
        _commit_if_new(warehouse, "messages", missing, files)


def _commit_if_new(
    warehouse: Store, kind: str, keys: list[str], files: list[DataFile], requires: Sequence[str] = ()
) -> bool:
    """Commit, unless another run has published the same rows already; return whether this run committed."""
    try:
        warehouse.commit(kind, keys, files, requires=requires)
    except AlreadyPublishedError:
        return False
    return True


# 3. -- the campaign -------------------------------------------------------------------------------------------------


def publish_campaign(resolved: ResolvedCampaign, started_at: dt.datetime, events: Sequence[Event] = ()) -> None:
    """Publish the campaign, its resolved configuration and the list of its sessions, together with events.

    Raises
    ------
    RequirementGoneError
        If one of its sessions was deleted in the meantime.
    """
    warehouse = resolved.network.warehouse
    publish_messages(resolved)
    if resolved.key not in warehouse.published([resolved.key]):
        named, configuration = resolved.named_sessions, resolved.configuration
        campaign = staged_campaign(warehouse, resolved.campaign.name, named, configuration, started_at)
        files = [*campaign, *stage_events(warehouse, events)]
        needed = [session.key for session in resolved.distinct_sessions]
        if _commit_if_new(warehouse, "campaign", [resolved.key, *event_keys(events)], files, needed):
            return
    publish_events(warehouse, events)


# 4. -- results ------------------------------------------------------------------------------------------------------


def results(resolved: ResolvedCampaign) -> dict[str, Result]:
    """Return the published result of each session of a campaign, by the session's name, in its order."""
    names, sessions = zip(*resolved.named_sessions, strict=True)
    found = load_results(resolved.network.warehouse, [session.session_id for session in sessions])
    return dict(zip(names, found, strict=True))


def summary(resolved: ResolvedCampaign, status: str) -> dict[str, Any]:
    """Return the summary of a finished run, as JSON: the campaign, and one row per session."""
    found = {name: result.session for name, result in results(resolved).items()}
    first = next(iter(found.values()))
    done = _jobs_of(found.values())
    requested = {session.name: _requested(session) for session in resolved.campaign.sessions}
    asked = {session.name: session.precision for session in resolved.campaign.sessions}
    by_message = reach_by_message(resolved.network.warehouse, {row["session_id"]: row for row in found.values()})
    return {
        "campaign": resolved.campaign.name,
        "campaign_id": resolved.campaign_id,
        "status": status,
        "warehouse": resolved.network.warehouse.url,
        "network": resolved.network.network_id,
        "snapshot_id": resolved.network.snapshot_id,
        "agents": resolved.network.n_agents,
        "edges": resolved.network.n_edges,
        "plan": first["plan"],
        "plan_reason": first["plan_reason"],
        "jobs": done,
        "lanes": sum(session.replicates for session in resolved.distinct_sessions),
        "seconds": sum(job["job_seconds"] for job in done),
        "sessions": [
            {
                "session": name,
                **_session_summary(row, requested[name]),
                "precision": asked[name],
                "messages": _message_summary(row, by_message.get(row["session_id"], {})),
            }
            for name, row in found.items()
        ],
    }


_ADDED = ("job_lanes", "estimated_seconds", "job_seconds")
_OF_JOBS = ("plan", "plan_reason", *_ADDED, "estimated_bytes", "peak_bytes")
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


def _jobs_of(sessions: Any) -> list[dict[str, Any]]:
    """Return the jobs that computed the sessions, in the order of their start; chunks of a job are added up."""
    chunks = {row["started_at"]: row for row in sessions}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for when in sorted(chunks):
        chunk = {column: chunks[when].get(column) for column in _OF_JOBS}
        job = found.setdefault((chunk["plan"], chunk["plan_reason"]), chunk)
        if job is not chunk:
            job |= {column: job[column] + chunk[column] for column in _ADDED}
            peaks = [each["peak_bytes"] for each in (job, chunk) if each["peak_bytes"] is not None]
            job["peak_bytes"] = max(peaks, default=None)
    return list(found.values())


def _requested(session: SessionSpecification) -> str:
    """Return the seed strategy that a session names, or those of its competing messages."""
    strategies = [named_strategy(own) for own in session.seed_sets.values()]
    return ", ".join(dict.fromkeys("explicit" if each is None else each[0] for each in strategies))


def _session_summary(row: Any, requested: str) -> dict[str, Any]:
    """Return a session's row of the summary; another campaign may have requested the same seeds by another strategy."""
    return {
        **{column: row[column] for column in _SUMMARISED},
        "seed_strategy": requested,
        "model_parameters": json.loads(row["model_parameters"]),
        "seeds": len(row["seed_agents"]),
        "competing": len(set(row["seed_messages"] or ())),
    }


def _message_summary(row: Any, reach: Mapping[str, Reach]) -> list[dict[str, Any]]:
    """Return one row per competing message of a session that recorded activations: its name, seeds and reach."""
    seeds = Counter(row["seed_messages"] or ())
    return [
        {"message": name, "seeds": count, **dataclasses.asdict(own)}
        for (name, own), count in zip(reach.items(), seeds.values(), strict=False)
    ]
