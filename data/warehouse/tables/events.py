"""Events: what happened, and when."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "events",
        "One row per event.",
        ("event_id",),
        (
            Column("event_id", pa.string(), "UUID derived from the event's key"),
            Column("event_type", pa.string(), "propagation_started, propagation_completed, ..."),
            Column("occurred_at", CLOCK, "clock time of the event"),
            Column("source_service", pa.string(), "what emitted it"),
            Column("data", pa.string(), "what happened, JSON"),
            Column("correlation_id", pa.string(), "id shared by all events of one run", nullable=True),
        ),
    ),
)
