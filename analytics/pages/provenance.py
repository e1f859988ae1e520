"""Provenance of a page: what was run, on which network, by which versions, and how long it took."""

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from typing import Any

from analytics.pages.page_tables import Column, PageTable
from analytics.pages.published_campaign import PublishedCampaign
from analytics.pages.session_tables import model_text, named, quoted

MOST_DIFFERENT = 4
"""Facts that differ between sessions are listed up to this many."""
MOST_CHARACTERS = 400
"""Characters of a message's content on the page."""
MEBIBYTE = 1 << 20


def network_facts(network: Mapping[str, Any]) -> dict[str, str]:
    """Return facts about a network, given its row of the table `networks`."""
    rejected = ("self_loops", "duplicates", "malformed")
    counts = ", ".join(f"{network[column]:,} {column.replace('_', '-')}" for column in rejected)
    return {
        "Network": network["network_id"],
        "Source": network["description"],
        "Agents": f"{network['agents']:,}",
        "Directed edges": f"{network['edges']:,}",
        "Edges per agent": f"{network['edges'] / network['agents']:,.1f}",
        "Most out-edges of an agent": f"{network['max_out_degree']:,}",
        "Most in-edges of an agent": f"{network['max_in_degree']:,}",
        "Left out of the source": counts,
        "Snapshot": network["snapshot_id"],
        "Imported": f"{network['created_at']:%Y-%m-%d %H:%M} UTC",
    }


def run_facts(campaign: PublishedCampaign) -> Iterator[tuple[str, str]]:
    """Yield facts about how the sessions were run, and which versions ran them."""
    yield "Campaign", campaign.name
    yield "Campaign id", campaign.campaign_id
    yield "Completed", f"{campaign.completed_at:%Y-%m-%d %H:%M} UTC"
    for label, fact in _FACTS.items():
        by_fact: dict[str, list[str]] = {}
        for name, result in campaign.results.items():
            by_fact.setdefault(fact(result.session), []).append(name)
        yield label, _differing(by_fact)
    yield "Versions", f"run stored by Rumormill {campaign.version or '(version not recorded)'}; page by {_here()}"


def _differing(by_fact: Mapping[str, list[str]]) -> str:
    """Return a fact about the sessions, given which sessions it holds for."""
    if len(by_fact) == 1:
        return next(iter(by_fact))
    if len(by_fact) > MOST_DIFFERENT:
        return f"{len(by_fact):,} different ones: see the table of results and the specification"
    return "; ".join(f"{named([quoted(name) for name in names])}: {fact}" for fact, names in by_fact.items())


def _stop_text(session: Mapping[str, Any]) -> str:
    if session["stopped_because"] == "died_out":
        return f"every replicate died out (rounds allowed: {session['max_rounds']:,})"
    return f"{session['truncated_replicates']:,} replicates were still active at round {session['max_rounds']:,}"


_FACTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "Model": model_text,
    "Replicates": lambda session: f"{session['replicates']:,} per session",
    "Random seed": lambda session: str(session["random_seed"]),
    "Stopped because": _stop_text,
    "Detail recorded": lambda session: session["record"],
    "Draws": lambda session: f"version {session['draws_version']}",
}


def _here() -> str:
    versions = [f"{name} {metadata.version(name)}" for name in ("duckdb", "pyarrow", "numpy")]
    return f"Rumormill {metadata.version('rumormill')}, Python {platform.python_version()}, {', '.join(versions)}"


def job_table(campaign: PublishedCampaign) -> PageTable:
    """Return the table of the jobs that computed the sessions, in the order of their start."""
    jobs: dict[Any, Mapping[str, Any]] = {}
    for result in campaign.results.values():
        row = result.session
        jobs.setdefault((row["started_at"], row["job_seconds"], row["job_lanes"]), row)
    return PageTable(
        "Jobs",
        "jobs",
        [
            Column("started, UTC", is_number=False),
            Column("replicates"),
            Column("seconds"),
            Column("estimated seconds"),
            Column("memory, MiB"),
            Column("estimated memory, MiB"),
            Column("plan", is_number=False),
        ],
        [
            [
                f"{row['started_at']:%Y-%m-%d %H:%M:%S}",
                f"{row['job_lanes']:,}",
                f"{row['job_seconds']:,.2f}",
                f"{row['estimated_seconds']:,.2f}",
                "unknown" if row["peak_bytes"] is None else _mebibytes(row["peak_bytes"]),
                _mebibytes(row["estimated_bytes"]),
                f"{row['plan']}: {row['plan_reason']}",
            ]
            for _, row in sorted(jobs.items(), key=lambda item: item[0])
        ],
    )


def _mebibytes(count: int) -> str:
    mebibytes = count / MEBIBYTE
    return f"{mebibytes:,.1f}" if mebibytes < 10 else f"{mebibytes:,.0f}"


def message_table(campaign: PublishedCampaign) -> PageTable | None:
    """Return the table of the campaign's messages; None if it has none."""
    if not campaign.messages:
        return None
    rows = [
        [
            entry["name"],
            _cut(entry.get("content") or ""),
            entry.get("sender") or "",
            entry.get("type") or "",
            ", ".join(f"{name} {value}" for name, value in (entry.get("properties") or {}).items()),
        ]
        for entry in campaign.messages
    ]
    headings = ("message", "content", "sender", "type", "properties")
    return PageTable("Messages", "messages", [Column(heading, is_number=False) for heading in headings], rows)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}… ({len(text):,} characters)"
