"""The record of a campaign: its row of the table `campaigns`, and one row per session of `campaign_sessions`."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from data.errors import AlreadyPublishedError
from data.networks.network import Network
from data.warehouse.keys import campaign_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from propagation.seeding import SeedStrategy
from propagation.sessions import Session, derived_uuid

NamedSessions = Sequence[tuple[str, Session]]
"""The sessions of a campaign with their names, in the campaign's order; the same session may have several names."""


def campaign_id(name: str, sessions: NamedSessions) -> str:
    """Return the UUID of a campaign, derived from its name and its sessions' names and ids."""
    named = [[session_name, session.session_id] for session_name, session in sessions]
    return derived_uuid("campaign", json.dumps([name, named], sort_keys=True, separators=(",", ":")))


def staged_campaign(
    warehouse: Store, name: str, sessions: NamedSessions, configuration: Mapping[str, Any], started_at: dt.datetime
) -> list[DataFile]:
    """Return the staged files of a campaign that is completed now.

    Parameters
    ----------
    warehouse : Store
    name : str
        Name of the campaign.
    sessions : sequence of (str, Session)
    configuration : mapping
        What was requested, with all defaults and ids, as JSON values; the view `campaign_results` reads each session's
        ``name`` and ``seeds`` from it.
    started_at : datetime
        In UTC.
    """
    identity = campaign_id(name, sessions)
    campaign = {
        "campaign_id": identity,
        "campaign": name,
        "configuration": json.dumps(configuration),  # keys in order: parameters of competing messages go by it
        "started_at": started_at,
        "completed_at": dt.datetime.now(dt.UTC),
    }
    rows = [
        {"campaign_id": identity, "position": position, "session": session_name, "session_id": session.session_id}
        for position, (session_name, session) in enumerate(sessions)
    ]
    return [warehouse.stage_records("campaigns", [campaign]), warehouse.stage_records("campaign_sessions", rows)]


def publish_campaign(
    network: Network, name: str, sessions: NamedSessions, seed_sets: Mapping[str, Any], started_at: dt.datetime
) -> None:
    """Publish published sessions as a campaign, unless the same campaign is published already.

    Parameters
    ----------
    network : Network
    name : str
        Name of the campaign.
    sessions : sequence of (str, Session)
        Its sessions, which must be published.
    seed_sets : mapping from str to SeedStrategy or sequence of agent ids
        The seeds that were requested, by the session's name; default: the session's own.
    started_at : datetime
        In UTC.

    Raises
    ------
    RequirementGoneError
        If one of the sessions was deleted in the meantime.
    """
    warehouse, key = network.warehouse, campaign_key(campaign_id(name, sessions))
    if key in warehouse.published([key]):
        return
    configuration = {
        "name": name,
        "network": network.network_id,
        "snapshot_id": network.snapshot_id,
        "sessions": [_configured(each, session, seed_sets.get(each)) for each, session in sessions],
    }
    files = staged_campaign(warehouse, name, sessions, configuration, started_at)
    needed = list(dict.fromkeys(session.key for _, session in sessions))
    try:
        warehouse.commit("campaign", [key], files, requires=needed)
    except AlreadyPublishedError:
        return  # by another process that ran the same campaign


def _configured(name: str, session: Session, requested: Any) -> dict[str, Any]:
    seeds: Any = list(session.seed_agents)
    if session.competing:
        by_message: dict[str, list[str]] = {message: [] for message, _ in session.competing}
        for message, agent in zip(session.seed_messages, seeds, strict=True):
            by_message[message].append(agent)
        seeds = {"messages": by_message}
    elif isinstance(requested, SeedStrategy):
        seeds = {"strategy": requested.name, **requested.model_dump(mode="json")}
    return {
        "name": name,
        "session_id": session.session_id,
        "message_id": session.message_id,
        "model": session.model.name,
        "parameters": session.model.resolved_parameters,
        "seeds": seeds,
        "replicates": session.replicates,
        "random_seed": session.random_seed,
        "record": session.record,
        "max_rounds": session.max_rounds,
    }
