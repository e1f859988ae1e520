"""Events of a campaign's run: its start, and how it ended.

The start is published with the stored run, or on its own if the run was stored before; completion is published with the
campaign, failure and cancellation on their own. A start without an end is a run that is running, or was killed.
"""

import datetime as dt
import json
import logging
from collections.abc import Iterable, Sequence
from textwrap import shorten
from typing import Any

from data.errors import RumormillError
from data.facade import Warehouse
from data.warehouse.store import Store
from flows.campaign_jobs import CampaignRun, publish_campaign
from flows.campaigns import ResolvedCampaign
from flows.events import Event, EventType, emit, publish_events
from flows.run_records import store_run

STARTED = "propagation_started"
SCHEDULED_FOR = "scheduled_for"
"""Key in the data of a completion: the time in the past for which the run stood in."""
ENDS = {
    "propagation_completed": "completed",
    "propagation_cancelled": "cancelled",
    "propagation_failed": "failed",
}
"""Events that end a run, as words."""
MOST_CHARACTERS = 120
"""Length of a message that says why a run failed, in a list of runs."""

logger = logging.getLogger(__name__)


def record_start(run: CampaignRun, flow_run_id: str) -> None:
    """Store a run with its start event; if it was stored before, publish the event alone."""
    started = _event(run.resolved, flow_run_id, "propagation_started")
    if not store_run(run.warehouse, run.stored, [started]):
        publish_events(run.warehouse, [started])
    emit(started)


def record_completion(
    resolved: ResolvedCampaign,
    flow_run_id: str,
    status: str,
    started_at: str,
    scheduled_for: dt.datetime | None = None,
) -> None:
    """Publish the campaign together with the completion event of the run.

    The event has the time in the past for which the run stood in, if any: it is what distinguishes backfills.
    """
    about = {} if scheduled_for is None else {SCHEDULED_FOR: scheduled_for.isoformat(timespec="minutes")}
    completed = _event(resolved, flow_run_id, "propagation_completed", status=status, **about)
    publish_campaign(resolved, dt.datetime.fromisoformat(started_at), [completed])
    emit(completed)


def record_failure(resolved: ResolvedCampaign, flow_run_id: str, event_type: EventType, **data: Any) -> None:
    """Record that a run failed or was cancelled; errors here are only logged, so they do not hide the original one."""
    _record(resolved.network.warehouse, _event(resolved, flow_run_id, event_type, **data))


def record_failed_import(
    warehouse: Store, names: Sequence[str], flow_run_id: str, place: str | None, error: RumormillError
) -> None:
    """Record that a run failed before it started, because its network could not be imported or found.

    Parameters
    ----------
    warehouse : Store
    names : sequence of str
        Name of the campaign and, if its file states it, of the network.
    flow_run_id : str
    place : str or None
        File or folder to import from.
    error : RumormillError
    """
    about = dict(zip(("campaign", "network"), names, strict=False))
    subject = f"network/{names[1]}" if len(names) > 1 else f"campaign/{names[0]}"
    what = {"source": place, "error": type(error).__name__, "message": str(error)}
    _record(warehouse, Event("import_failed", subject, {**about, **what}, correlation_id=flow_run_id))


def _record(warehouse: Store, ended: Event) -> None:
    try:
        publish_events(warehouse, [ended])
        emit(ended)
    except RumormillError as error:
        logger.warning("event %s could not be recorded: %s", ended.event_type, error)


def record_missing_end(warehouse: Warehouse, flow_run_id: str, event_type: EventType, **data: Any) -> bool:
    """Record the end of a run whose process was killed before it could; return whether that was needed."""
    event = missing_end(warehouse, flow_run_id, event_type, **data)
    if event is not None:
        _record(warehouse, event)
    return event is not None


def missing_end(warehouse: Warehouse, flow_run_id: str, event_type: EventType, **data: Any) -> Event | None:
    """Return the event that ends a run; None if the run had not started its work, or has an end."""
    own = [row for row in _run_events(warehouse) if row["correlation_id"] == flow_run_id]
    started = [row for row in own if row["event_type"] == STARTED]
    if not started or len(started) < len(own):
        return None
    about = json.loads(started[0]["data"])
    return Event(event_type, about.pop("subject"), {**about, **data}, correlation_id=flow_run_id)


def times_stood_for(warehouse: Warehouse) -> dict[str, list[str]]:
    """Return the times in the past for which runs stood in, ISO 8601, by the key of the published campaign."""
    found: dict[str, list[str]] = {}
    for row in warehouse.read("events", columns=["event_type", "data"]).to_pylist():
        if row["event_type"] == "propagation_completed" and SCHEDULED_FOR in (data := json.loads(row["data"])):
            found.setdefault(data["subject"], []).append(data[SCHEDULED_FOR])
    return {key: sorted(times) for key, times in found.items()}


def last_attempts(warehouse: Warehouse) -> dict[str, str]:
    """Return how the latest run of each campaign ended, as text, by the campaign's key."""
    rows = sorted(_run_events(warehouse), key=lambda row: row["occurred_at"])
    ends = {row["correlation_id"]: row for row in rows if row["event_type"] in ENDS}
    return {
        json.loads(row["data"])["subject"]: _end_text(row, ends.get(row["correlation_id"]))
        for row in rows
        if row["event_type"] == STARTED
    }


def _end_text(started: dict[str, Any], ended: dict[str, Any] | None) -> str:
    if ended is None:
        return f"started {started['occurred_at']:%Y-%m-%d %H:%M:%SZ}, no end recorded: still running, or killed"
    how, data = ENDS[ended["event_type"]], json.loads(ended["data"])
    why = f": {shorten(data['message'], MOST_CHARACTERS, placeholder=' ...')}" if how == "failed" else ""
    return f"{how} {ended['occurred_at']:%Y-%m-%d %H:%M:%SZ}{why}"


def _run_events(warehouse: Warehouse) -> Iterable[dict[str, Any]]:
    columns = ["event_type", "occurred_at", "data", "correlation_id"]
    rows: list[dict[str, Any]] = warehouse.read("events", columns=columns).to_pylist()
    return [row for row in rows if row["event_type"] in {STARTED, *ENDS}]


def _event(resolved: ResolvedCampaign, flow_run_id: str, event_type: EventType, **data: Any) -> Event:
    about = {
        "campaign": resolved.campaign.name,
        "network": resolved.network.network_id,
        "sessions": [session.session_id for session in resolved.distinct_sessions],
    }
    return Event(event_type, resolved.key, {**about, **data}, correlation_id=flow_run_id)
