"""Start and end events of a campaign's run, published together with the run's other data where possible.

The start is published with the stored run. If the run was stored before, the start of a new attempt is published
with the end of that attempt. Completion is published with the campaign, failure and cancellation on their own.
"""

import datetime as dt
import logging
from typing import Any

from data.errors import RumormillError
from flows.campaign_jobs import CampaignRun, publish_campaign
from flows.campaigns import ResolvedCampaign
from flows.events import Event, EventType, emit, publish_events
from flows.run_records import store_run

logger = logging.getLogger(__name__)


def record_start(run: CampaignRun, flow_run_id: str) -> bool:
    """Store a run with its start event, unless it was stored before; return whether it was stored now."""
    started = _event(run.resolved, flow_run_id, "propagation_started")
    stored = store_run(run.warehouse, run.stored, [started])
    emit(started)
    return stored


def record_completion(
    resolved: ResolvedCampaign, flow_run_id: str, status: str, started_at: str, *, stored_now: bool
) -> None:
    """Publish the campaign together with the completion event of the run."""
    began = dt.datetime.fromisoformat(started_at)
    completed = _event(resolved, flow_run_id, "propagation_completed", status=status)
    publish_campaign(resolved, began, [*_start_to_publish(resolved, flow_run_id, began, stored_now), completed])
    emit(completed)


def record_failure(
    resolved: ResolvedCampaign,
    flow_run_id: str,
    event_type: EventType,
    started_at: str,
    *,
    stored_now: bool,
    **data: Any,
) -> None:
    """Record that a run failed or was cancelled; errors here are only logged, so they do not hide the original one."""
    ended = _event(resolved, flow_run_id, event_type, **data)
    began = dt.datetime.fromisoformat(started_at)
    try:
        publish_events(
            resolved.network.warehouse, [*_start_to_publish(resolved, flow_run_id, began, stored_now), ended]
        )
        emit(ended)
    except RumormillError as error:
        logger.warning("event %s could not be recorded: %s", event_type, error)


def _start_to_publish(
    resolved: ResolvedCampaign, flow_run_id: str, began: dt.datetime, stored_now: bool
) -> list[Event]:
    """Return the start event, if it was not published together with the stored run."""
    return [] if stored_now else [_event(resolved, flow_run_id, "propagation_started", began)]


def _event(
    resolved: ResolvedCampaign,
    flow_run_id: str,
    event_type: EventType,
    occurred_at: dt.datetime | None = None,
    **data: Any,
) -> Event:
    about = {
        "campaign": resolved.campaign.name,
        "network": resolved.network.network_id,
        "sessions": [session.session_id for session in resolved.distinct_sessions],
    }
    when = occurred_at or dt.datetime.now(dt.UTC)
    return Event(event_type, resolved.key, {**about, **data}, correlation_id=flow_run_id, occurred_at=when)
