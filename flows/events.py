"""Events, as rows of the table `events` and in Prefect's event stream."""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from data.warehouse.keys import event_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from propagation.sessions import derived_uuid

EventType = Literal[
    "network_imported",
    "import_failed",
    "propagation_started",
    "propagation_completed",
    "propagation_cancelled",
    "propagation_failed",
]


@dataclass(frozen=True)
class Event:
    """An event of a network or a run.

    Attributes
    ----------
    event_type : str
        What happened.
    subject : str
        Key of the affected object, such as ``campaign/<id>``.
    data : dict
        Details, JSON.
    correlation_id : str or None
        Id of the flow run, shared by its events.
    occurred_at : datetime
        Clock time, UTC.
    """

    event_type: EventType
    subject: str
    data: Mapping[str, Any] = field(default_factory=dict)
    correlation_id: str | None = None
    occurred_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    @property
    def event_id(self) -> str:
        """UUID derived from type, subject and run; events outside a run differ by their time."""
        run = self.correlation_id or self.occurred_at.isoformat()
        return derived_uuid("event", f"{self.event_type}/{self.subject}/{run}")

    @property
    def title(self) -> str:
        """What it is about, as people call it."""
        about = [f"campaign {self.data['campaign']}"] if "campaign" in self.data else []
        about += [f"network {self.data['network']}"] if "network" in self.data else []
        return " on ".join(about) or self.subject

    @property
    def record(self) -> dict[str, Any]:
        """The event's row of the table `events`."""
        return {
            "event_id": self.event_id,
            "event_type": self.event_type,
            "occurred_at": self.occurred_at,
            "source_service": "rumormill",
            "data": json.dumps({"subject": self.subject, **self.data}, sort_keys=True, default=str),
            "correlation_id": self.correlation_id,
        }


def event_keys(events: Sequence[Event]) -> list[str]:
    """Return the keys under which events are published."""
    return [event_key(event.event_id) for event in events]


def stage_events(warehouse: Store, events: Sequence[Event]) -> list[DataFile]:
    """Write events into one file, to be published with the next commit; no file if there are none."""
    return [warehouse.stage_records("events", [event.record for event in events])] if events else []


def publish_events(warehouse: Store, events: Sequence[Event]) -> None:
    """Publish events on their own, in one commit; those already published are skipped."""
    published = warehouse.published(event_keys(events))
    new = [event for event in events if event_key(event.event_id) not in published]
    if new:
        warehouse.commit("events", event_keys(new), stage_events(warehouse, new))


def emit(event: Event) -> None:
    """Send an event to Prefect, with the same id, so that automations can react to it.

    Prefect's UI shows the resource's id, so the id of a campaign contains its name: ``rumormill.campaign.spring.<id>``.
    """
    from prefect.events import emit_event

    from flows.artifacts import slug

    kind, _, identity = event.subject.partition("/")
    called = [slug(event.data["campaign"])] if "campaign" in event.data else []
    run = {"prefect.resource.id": f"prefect.flow-run.{event.correlation_id}", "prefect.resource.role": "flow-run"}
    emit_event(
        event=f"rumormill.{event.event_type}",
        resource={
            "prefect.resource.id": ".".join(["rumormill", kind, *called, identity]),
            "prefect.resource.name": event.title,
        },
        related=[run] if event.correlation_id else [],
        payload=json.loads(event.record["data"]),
        occurred=event.occurred_at,
        id=uuid.UUID(event.event_id),
    )
