"""Schedules of a Prefect server: deploy campaigns, list, pause, resume and remove schedules, run what is missing."""

import asyncio
import datetime as dt
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import InvalidInputError
from data.validation import suggestion
from flows.deployments import DeploymentSpecification

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import DeploymentResponse

ENTRYPOINT = "flows.propagate.propagate"
FLOW = "propagate"
FORM = "any-campaign"
"""Name of the deployment whose form runs any campaign."""
BACKFILL = "backfill"
"""Tag of runs that stand in for a time in the past."""
MOST_BACKFILLED = 1000


def deploy(client: "SyncPrefectClient", specification: DeploymentSpecification, work_pool: str) -> "UUID":
    """Create a deployment, or replace the one of its name; return its id.

    Parameters
    ----------
    client : SyncPrefectClient
    specification : DeploymentSpecification
        With absolute paths, as `flows.config.located` returns it.
    work_pool : str

    Raises
    ------
    InvalidInputError
        If it has the name of the form.
    """
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    from flows.config import load_campaign

    if specification.name == FORM:
        raise InvalidInputError(f"{FORM!r} is the form that runs any campaign; give the deployment another --name")
    campaign = load_campaign(specification.campaign, specification.models)
    schedules = []
    if specification.cron is not None:
        cron = CronSchedule(cron=specification.cron, timezone=specification.timezone)
        schedules = [DeploymentScheduleCreate(schedule=cron, active=not specification.paused)]
    return _create(
        client,
        specification.name,
        work_pool,
        description=_description(specification, campaign.network),
        schedules=schedules,
        parameters=flow_parameters(specification),
        tags=list(dict.fromkeys([campaign.name, campaign.network, *specification.tags])),
    )


def deploy_form(client: "SyncPrefectClient", work_pool: str, folder: str) -> None:
    """Create the deployment without a schedule whose form in the Prefect UI runs any campaign, unless it exists.

    Parameters
    ----------
    client : SyncPrefectClient
    work_pool : str
    folder : str
        Folder where relative paths in the form are looked up.
    """
    if any(deployment.name == FORM for deployment in _deployments(client)):
        return
    _create(
        client,
        FORM,
        work_pool,
        description=f"Runs any campaign: fill in the form. Relative paths are looked up in `{folder}`.",
        parameters={"warehouse": str(Path(folder) / "warehouse")},
        job_variables={"working_dir": folder},
    )


def _create(client: "SyncPrefectClient", name: str, work_pool: str, **further: Any) -> "UUID":
    """Create or replace a deployment of the flow `propagate`."""
    from prefect.utilities.callables import parameter_schema

    from flows.propagate import propagate

    return client.create_deployment(
        client.create_flow(propagate),
        name,
        work_pool_name=work_pool,
        entrypoint=ENTRYPOINT,
        parameter_openapi_schema=parameter_schema(propagate).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        paused=False,
        **further,
    )


def flow_parameters(specification: DeploymentSpecification) -> dict[str, Any]:
    """Return the parameters of the flow `propagate` that a deployment sets."""
    given = specification.import_
    found = {
        "campaign": specification.campaign,
        "warehouse": specification.warehouse,
        "models": list(specification.models) or None,
        "plan": specification.plan,
        "cluster": specification.cluster,
        "import_from": None if given is None else given.path,
        "import_options": (None if given is None else given.options) or None,
        "page": specification.page,
    }
    return {name: value for name, value in found.items() if value is not None}


def _description(specification: DeploymentSpecification, network: str) -> str:
    source = specification.import_
    first = f"Imports the newest file of `{source.path}` as network `{network}`, then runs" if source else "Runs"
    return (
        f"{first} campaign `{specification.campaign}` on network `{network}` of warehouse `{specification.warehouse}`."
    )


@dataclass(frozen=True)
class ScheduleRow:
    """A deployment in the list of schedules.

    Attributes
    ----------
    deployment, campaign : str
        Name, and path of the campaign's file.
    cron, timezone : str or None
    paused : bool
    last_run, next_run : datetime or None
    last_state : str or None
        Such as Completed.
    """

    deployment: str
    campaign: str
    cron: str | None
    timezone: str | None
    paused: bool
    last_run: dt.datetime | None
    last_state: str | None
    next_run: dt.datetime | None


def schedules(client: "SyncPrefectClient") -> list[ScheduleRow]:
    """Return the deployments of campaigns with their last and next runs, by name."""
    from prefect.client.schemas.sorting import FlowRunSort

    rows = []
    for deployment in _deployments(client):
        if deployment.name == FORM:
            continue
        cron, timezone, active = _schedule(deployment)
        ended = _runs(client, deployment, ["RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING"])
        coming = _runs(client, deployment, ["SCHEDULED"], FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC)
        last = ended[0] if ended else None
        rows.append(
            ScheduleRow(
                deployment=deployment.name,
                campaign=str(deployment.parameters.get("campaign")),
                cron=cron,
                timezone=timezone,
                paused=not active,
                last_run=None if last is None else last.start_time or last.expected_start_time,
                last_state=None if last is None else last.state_name,
                next_run=coming[0].next_scheduled_start_time if coming else None,
            )
        )
    return sorted(rows, key=lambda row: row.deployment)


def _deployments(client: "SyncPrefectClient") -> "list[DeploymentResponse]":
    from prefect.client.schemas.filters import FlowFilter, FlowFilterName

    mine = FlowFilter(name=FlowFilterName(any_=[FLOW]))
    found: list[DeploymentResponse] = []
    while page := client.read_deployments(flow_filter=mine, limit=100, offset=len(found)):
        found += page
    return found


def _schedule(deployment: "DeploymentResponse") -> tuple[str | None, str | None, bool]:
    """Return cron, timezone and activity of a deployment's first schedule."""
    for entry in deployment.schedules:
        cron = getattr(entry.schedule, "cron", None)
        timezone = getattr(entry.schedule, "timezone", None)
        return cron, timezone, bool(entry.active) and not deployment.paused
    return None, None, not deployment.paused


def _runs(
    client: "SyncPrefectClient",
    deployment: "DeploymentResponse",
    states: Sequence[str],
    sort: Any = None,
    limit: int = 1,
) -> "list[FlowRun]":
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterDeploymentId,
        FlowRunFilterState,
        FlowRunFilterStateType,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    chosen = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType(state) for state in states])),
    )
    found: list[FlowRun] = []
    while len(found) < limit:
        page = client.read_flow_runs(
            flow_run_filter=chosen,
            sort=sort or FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=min(limit - len(found), 200),
            offset=len(found),
        )
        found += page
        if len(page) < 200:
            break
    return found


def find(client: "SyncPrefectClient", name: str) -> "DeploymentResponse":
    """Return the deployment of a name.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    known = {deployment.name: deployment for deployment in _deployments(client)}
    if name not in known:
        listed = ", ".join(sorted(known)) or "none yet: rumormill deploy CAMPAIGN --cron '0 6 * * *'"
        raise InvalidInputError(f"no deployment {name!r}{suggestion(name, list(known))}; deployments: {listed}")
    return known[name]


def set_paused(client: "SyncPrefectClient", name: str, paused: bool) -> None:
    """Pause or resume the schedule of a deployment. Runs in progress are not affected.

    Raises
    ------
    InvalidInputError
        If there is no such deployment.
    """
    deployment = find(client, name)
    (client.pause_deployment if paused else client.resume_deployment)(deployment.id)
    for entry in deployment.schedules:
        if entry.id is not None and entry.active is paused:
            client.update_deployment_schedule(deployment.id, entry.id, active=not paused)


def remove(client: "SyncPrefectClient", name: str) -> None:
    """Remove a deployment with its schedule; its runs and what they published stay.

    Raises
    ------
    InvalidInputError
        If there is no such deployment.
    """
    client.delete_deployment(find(client, name).id)


def run_now(client: "SyncPrefectClient", name: str) -> str:
    """Ask the worker to run a deployment now; return the id of the flow run, named after campaign and network.

    Raises
    ------
    InvalidInputError
        If there is no such deployment.
    """
    from flows.artifacts import run_title
    from flows.config import stated_names

    deployment = find(client, name)
    title = run_title(stated_names(str(deployment.parameters.get("campaign", name))))
    return str(client.create_flow_run_from_deployment(deployment.id, name=title).id)


# -- backfill -------------------------------------------------------------------------------------------------------


def scheduled_times(cron: str, timezone: str, first: dt.datetime, last: dt.datetime) -> list[dt.datetime]:
    """Return the times of a schedule from `first` to `last`, both included, in its timezone.

    Raises
    ------
    InvalidInputError
        If there are more than 1,000.

    Examples
    --------
    >>> first, last = dt.datetime(2026, 11, 1, tzinfo=dt.UTC), dt.datetime(2026, 11, 2, 23, tzinfo=dt.UTC)
    >>> [f"{time:%d %H:%M %Z}" for time in scheduled_times("0 6 * * *", "Europe/Berlin", first, last)]
    ['01 06:00 CET', '02 06:00 CET']
    """
    from prefect.server.schemas.schedules import CronSchedule

    schedule = CronSchedule(cron=cron, timezone=timezone)
    found = asyncio.run(schedule.get_dates(MOST_BACKFILLED, start=first, end=last))
    if len(found) == MOST_BACKFILLED:
        raise InvalidInputError(f"more than {MOST_BACKFILLED:,} runs from {first} to {last}; choose a shorter time")
    zone = zoneinfo.ZoneInfo(timezone)
    return [dt.datetime.fromtimestamp(time.timestamp(), zone) for time in found]


def day_or_time(text: str, timezone: str, *, end: bool) -> dt.datetime:
    """Return a time from ISO text; a date alone means its first second, or with `end` its last.

    Raises
    ------
    InvalidInputError
        If the text is no date or time.

    Examples
    --------
    >>> print(day_or_time("2026-11-03", "Europe/Berlin", end=True), day_or_time("2026-11-03T06:00", "UTC", end=True))
    2026-11-03 23:59:59+01:00 2026-11-03 06:00:00+00:00
    """
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text!r} is no date or time; write 2026-11-03 or 2026-11-03T06:00") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=zoneinfo.ZoneInfo(timezone))
    return time + dt.timedelta(hours=23, minutes=59, seconds=59) if end and len(text) <= len("2026-11-03") else time


def missing_times(client: "SyncPrefectClient", name: str, first: str, last: str) -> list[dt.datetime]:
    """Return the times of a deployment's schedule for which no run has completed or is still to come.

    Parameters
    ----------
    client : SyncPrefectClient
    name : str
    first, last : str
        Dates or times, ISO 8601; without a timezone they are in the schedule's. A date as `last` includes its day.

    Raises
    ------
    InvalidInputError
        If there is no such deployment, it has no schedule, or the times are none, in the future, or too many.
    """
    deployment = find(client, name)
    cron, timezone, _ = _schedule(deployment)
    if cron is None:
        raise InvalidInputError(f"deployment {name!r} has no schedule, so no run of it can be missing")
    zone = timezone or "UTC"
    begin, end = day_or_time(first, zone, end=False), day_or_time(last, zone, end=True)
    now = dt.datetime.now(dt.UTC)
    if begin > end or begin > now:
        raise InvalidInputError(f"--from {first} must be before --to {last} and in the past")
    runs = _runs(client, deployment, ["COMPLETED", "RUNNING", "PENDING", "SCHEDULED"], limit=100_000)
    done = {_time_of(run) for run in runs}
    return [time for time in scheduled_times(cron, zone, begin, min(end, now)) if time.timestamp() not in done]


def _time_of(run: "FlowRun") -> float | None:
    """Return the time of the schedule that a run belongs to, in seconds since 1970."""
    stands_for = run.parameters.get("scheduled_for")
    if stands_for is not None:
        return dt.datetime.fromisoformat(str(stands_for)).timestamp()
    return run.expected_start_time.timestamp() if run.auto_scheduled and run.expected_start_time else None


def backfill(client: "SyncPrefectClient", name: str, times: Sequence[dt.datetime]) -> list[str]:
    """Ask the worker for one run for each time in the past, oldest first; return the ids of the flow runs."""
    from flows.artifacts import run_title
    from flows.config import stated_names

    deployment = find(client, name)
    names = stated_names(str(deployment.parameters.get("campaign", name)))
    return [
        str(
            client.create_flow_run_from_deployment(
                deployment.id,
                parameters={**deployment.parameters, "scheduled_for": time.isoformat()},
                name=run_title(names, time),
                tags=[*deployment.tags, BACKFILL],
            ).id
        )
        for time in times
    ]
