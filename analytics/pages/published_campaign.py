"""A finished campaign as its page needs it: its configuration, and the result of each session."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analytics.intervals import ranked
from data.facade import Warehouse
from data.networks.network import Network
from propagation.campaign_results import results
from propagation.result import Result


@dataclass(frozen=True)
class PublishedCampaign:
    """A campaign that is published in a warehouse.

    Attributes
    ----------
    warehouse : Warehouse
    campaign_id : str
    name : str
    configuration : dict
        The resolved configuration; in warehouses written from Python, parts may be missing.
    completed_at : datetime
        When its results were ready, UTC.
    version : str or None
        Version of Rumormill that stored its latest run; None in warehouses of older versions.
    results : dict
        Result by session name, the largest reach first.
    """

    warehouse: Warehouse
    campaign_id: str
    name: str
    configuration: Mapping[str, Any]
    completed_at: dt.datetime
    version: str | None
    results: Mapping[str, Result]

    @property
    def network(self) -> Network:
        """The network of the campaign."""
        return next(iter(self.results.values())).network

    def requested(self, session: str) -> Mapping[str, Any]:
        """Return a session's part of the configuration; empty if it is not stored."""
        return self._requested.get(session, {})

    def message_of(self, session: str) -> str:
        """Return the name of the message that spreads in a session; empty if there is none."""
        message_id = self.results[session].session["message_id"]
        names = [entry["name"] for entry in self.messages if entry.get("message_id") == message_id]
        return names[0] if names else message_id or ""

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The messages of the campaign."""
        return tuple(self.configuration.get("messages", ()))

    @cached_property
    def _requested(self) -> dict[str, Mapping[str, Any]]:
        return {entry["name"]: entry for entry in self.configuration.get("sessions", ())}


def published_campaign(warehouse: Warehouse, campaign: str) -> PublishedCampaign:
    """Return a finished campaign.

    Parameters
    ----------
    warehouse : Warehouse
    campaign : str
        Name of the campaign, of which the configuration that was completed last counts; or its campaign_id.

    Raises
    ------
    InvalidInputError
        If the warehouse has no such campaign; the message lists those it has.
    """
    found = results(warehouse, campaign, together=["cascades"])
    row = next(row for row in warehouse.read("campaigns").to_pylist() if row["campaign_id"] == found.campaign_id)
    columns = ["campaign_id", "started_at", "version"]
    runs = warehouse.read("runs", columns=columns).to_pylist()
    runs = [run for run in runs if run["campaign_id"] == found.campaign_id]
    return PublishedCampaign(
        warehouse,
        found.campaign_id,
        found.campaign,
        json.loads(row["configuration"]),
        row["completed_at"],
        max(runs, key=lambda run: run["started_at"])["version"] if runs else None,
        ranked(found),
    )
