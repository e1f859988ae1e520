"""How long each SQL report takes over many contacts: ``python -m benchmarks.reports [--contacts 10000000]``.

1. A warehouse with an R-MAT network, and campaigns that really ran: their contacts are recorded, about as many as asked
   for, and divided evenly among campaigns and sessions. A warehouse made before is used again.
2. Every report of `analytics.sql_reports` about the latest campaign: one call to warm up, then the median of five.
   A call includes what a user's call includes: opening the tables, planning, reading, the answer.

The table is Markdown; ``--write`` puts it into docs/benchmarks.md.
"""

import argparse
import datetime as dt
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from analytics.sql_reports import REPORTS, report
from benchmarks.machine import described, load
from benchmarks.tables import significant, spread, table, write_section
from data import Network, Warehouse
from flows.campaign_jobs import publish_campaign, run_job
from flows.campaigns import Campaign, resolve
from propagation import simulate
from propagation.jobs import Execution
from propagation.models import make_model
from propagation.seeding import make_strategy

NETWORK = "town"
AGENTS, EDGES = 1_000_000, 10_000_000
CALLS = 5
TARGET = 0.5
"""Seconds within which a report should answer."""
PILOT = 20
"""Replicates from which the contacts of a session are estimated."""
SESSIONS: dict[str, dict[str, Any]] = {
    "hubs": {"seeds": {"strategy": "top_out_degree", "budget": 3}, "parameters": {"probability": 0.001}},
    "discount": {"seeds": {"strategy": "degree_discount", "budget": 5}, "parameters": {"probability": 0.001}},
    "random": {"seeds": {"strategy": "random", "budget": 200}, "parameters": {"probability": "weighted_cascade"}},
    "epidemic": {
        "model": "sir",
        "seeds": {"strategy": "top_out_degree", "budget": 3},
        "parameters": {"beta": 0.0005, "gamma": 0.5},
    },
}
"""Sessions of every campaign."""


def make_campaigns(warehouse: Warehouse, contacts: int, campaigns: int) -> None:
    """Run campaigns with about as many contacts altogether; those that ran before are left alone."""
    network = warehouse.network(NETWORK)
    of_session = contacts / campaigns / len(SESSIONS)
    for number in range(campaigns):
        sessions = [
            {"name": name, **session, "replicates": max(2, round(of_session / contacts_of(network, session, number)))}
            for name, session in SESSIONS.items()
        ]
        fields = {"name": f"week {number + 1}", "network": NETWORK, "record": "contacts", "random_seed": number}
        run_published(warehouse, Campaign.model_validate({**fields, "sessions": sessions}))


def contacts_of(network: Network, session: dict[str, Any], random_seed: int) -> float:
    """Return the contacts of one replicate, estimated from a few."""
    seeds = dict(session["seeds"])
    result = simulate(
        network,
        make_model(session.get("model", "independent_cascade"), session["parameters"]),
        seed_set=make_strategy(seeds.pop("strategy"), seeds),
        replicates=PILOT,
        random_seed=random_seed,
        record="contacts",
        publish=False,
    )
    return result.table("propagation_events").num_rows / PILOT


def run_published(warehouse: Warehouse, campaign: Campaign) -> None:
    """Run a campaign without Prefect, and publish it, unless it is published."""
    resolved = resolve(campaign, warehouse)
    if resolved.key in warehouse.published([resolved.key]):
        return
    started = dt.datetime.now(dt.UTC)
    session_ids = [session.session_id for session in resolved.distinct_sessions]
    run_job(resolved, session_ids, Execution(plan=campaign.plan), campaign.cluster, compare=False)
    publish_campaign(resolved, started)


def seconds_of(warehouse: Warehouse, name: str) -> tuple[list[float], list[float], int]:
    """Return seconds on the clock and of all processors of some calls after a first one, and the rows of the answer."""
    rows = report(warehouse, name).rows.num_rows
    clock, processors = [], []
    for _ in range(CALLS):
        started, used = time.perf_counter(), time.process_time()
        report(warehouse, name)
        clock.append(time.perf_counter() - started)
        processors.append(time.process_time() - used)
    return clock, processors, rows


def measure(warehouse: Warehouse, names: Sequence[str], console: Console) -> str:
    """Return the table of all reports as Markdown, with a sentence about the rows and the machine."""
    lines = []
    for name in names:
        clock, processors, rows = seconds_of(warehouse, name)
        median = statistics.median(clock)
        used = significant(statistics.median(processors))
        lines.append([name, f"{rows:,}", spread(clock), used, "yes" if median < TARGET else "**no**"])
        console.print(f"{name}: {significant(median)} s, {used} s of processors", highlight=False)
    counts = {table: warehouse.count(table) for table in ("propagation_events", "activations", "cascades")}
    campaigns = warehouse.count("campaigns")
    latest = sum(report(warehouse, "contact_outcomes").rows["contacts"].to_pylist())
    about = (
        f"{counts['propagation_events']:,} contacts, {counts['activations']:,} activations and "
        f"{counts['cascades']:,} cascades of {campaigns} campaigns; {latest:,} contacts are of the latest "
        f"campaign, which the reports are about. {described(['duckdb'])}. Load: {load()}."
    )
    headings = ["report", "rows of the answer", "seconds", "processor seconds", "below 0.5 s"]
    return f"{about}\n\n{table(headings, lines)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__)
    parser.add_argument("--contacts", type=float, default=1e7, help="contacts altogether, about")
    parser.add_argument("--campaigns", type=int, default=5, help="campaigns that they are divided among")
    parser.add_argument("--warehouse", help="folder of the warehouse, made or used again; default: temporary")
    parser.add_argument("--reports", nargs="+", choices=REPORTS, default=REPORTS, metavar="NAME", help="default: all")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/benchmarks.md")
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="rumormill-reports-") as folder:
        warehouse = Warehouse(given.warehouse or folder)
        started = time.perf_counter()
        warehouse.generate_network(NETWORK, "rmat", agents=AGENTS, edges=EDGES)
        make_campaigns(warehouse, int(given.contacts), given.campaigns)
        console.print(f"warehouse: {significant(time.perf_counter() - started)} s", highlight=False)
        text = measure(warehouse, given.reports, console)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = f"{text}\n\nPeak memory of the process, simulations included: {peak:.1f} GiB."
    sys.stdout.write(text + "\n")
    if given.write:
        write_section("reports", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
