"""Campaigns published from results, without a flow."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data.facade import Warehouse
from propagation import Result

STARTED = dt.datetime(2026, 11, 23, 4, 30, tzinfo=dt.UTC)


@dataclass(frozen=True)
class PublishedCampaign:
    """A campaign that was run and published."""

    warehouse: Warehouse
    campaign_id: str
    results: Mapping[str, Result]


def publish(
    warehouse: Warehouse,
    campaign_id: str,
    results: Mapping[str, Result],
    *,
    name: str = "seeds",
    configuration: Mapping[str, Any] | None = None,
    hours: int = 0,
) -> PublishedCampaign:
    """Publish a campaign of sessions that are published already, completed `hours` after `STARTED`."""
    times = {key: STARTED + dt.timedelta(hours=hours) for key in ("started_at", "completed_at")}
    resolved = json.dumps(configuration or {})
    campaign = {"campaign_id": campaign_id, "campaign": name, "configuration": resolved, **times}
    sessions = [
        {"campaign_id": campaign_id, "position": position, "session": session, "session_id": result.session_id}
        for position, (session, result) in enumerate(results.items())
    ]
    files = [warehouse.stage_records("campaigns", [campaign]), warehouse.stage_records("campaign_sessions", sessions)]
    warehouse.commit("campaign", [f"campaign/{campaign_id}"], files)
    return PublishedCampaign(warehouse, campaign_id, results)
