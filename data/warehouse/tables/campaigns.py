"""Campaigns: their messages, the sessions they list, and the runs that compute them."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "messages",
        "One row per message.",
        ("message_id",),
        (
            Column("message_id", pa.string(), "UUID derived from sender, content, type and properties"),
            Column("name", pa.string(), "the message's name in its campaign"),
            Column("sender_id", pa.string(), "agent_id of the sender", nullable=True),
            Column("content", pa.string(), "text of the message"),
            Column("message_type", pa.string(), "kind of message"),
            Column("properties", pa.string(), "further properties, JSON"),
        ),
    ),
    TableSpecification(
        "campaigns",
        "One row per campaign and configuration.",
        ("campaign_id",),
        (
            Column("campaign_id", pa.string(), "UUID derived from the campaign's name and sessions"),
            Column("campaign", pa.string(), "name of the campaign"),
            Column("configuration", pa.string(), "the resolved configuration, JSON"),
            Column("started_at", CLOCK, "clock time at which the campaign started"),
            Column("completed_at", CLOCK, "clock time at which its results were ready"),
        ),
    ),
    TableSpecification(
        "campaign_sessions",
        "One row per campaign and session in it.",
        ("campaign_id", "session"),
        (
            Column("campaign_id", pa.string(), "campaign"),
            Column("position", pa.int32(), "order of the session in its campaign, from 0"),
            Column("session", pa.string(), "the session's name in its campaign"),
            Column("session_id", pa.string(), "session; campaigns with an identical session share it"),
        ),
    ),
    TableSpecification(
        "runs",
        "One row per stored run: a campaign as requested, on one snapshot, with the source of the user's own models.",
        ("run_id",),
        (
            Column("run_id", pa.string(), "UUID derived from configuration, snapshot and sources of models"),
            Column("campaign_id", pa.string(), "campaign that the run publishes when it succeeds"),
            Column("campaign", pa.string(), "name of the campaign"),
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("configuration", pa.string(), "the campaign as requested, JSON"),
            Column("models", pa.string(), "files of the user's own models, each with path, fingerprint and text, JSON"),
            Column("session_ids", STRINGS, "distinct sessions of the campaign, in its order"),
            Column("started_at", CLOCK, "clock time at which the run was first started"),
            Column("version", pa.string(), "version of Rumormill that stored it"),
            Column(
                "asked_run_id",
                pa.string(),
                "run with the precisions as they were asked for, if this one has the replicates that they need",
                nullable=True,
                later=True,
            ),
        ),
    ),
)
