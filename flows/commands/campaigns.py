"""Commands about campaigns: ``rumormill demo | run | page | resume | sessions``."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import RumormillError, RunCancelledError
from flows.commands.estimates import SESSIONS_SHOWN, print_estimate
from flows.commands.failures import report
from flows.commands.formats import FormatOption, OutputOption, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, PrecisionOption, WarehouseOption, examples
from flows.commands.terminal import console, print_error, print_json, print_line, print_note, print_table, progress_bars
from flows.summaries import (
    job_text,
    message_cells,
    message_notes,
    model_text,
    precision_notes,
    reach_text,
    session_cells,
    truncation_notes,
)

if TYPE_CHECKING:
    from data.facade import Warehouse
    from flows.config import CampaignSource
    from flows.run_records import StartedRun

STATUS = {
    "completed": "campaign {campaign!r} completed",
    "confirmed": "campaign {campaign!r} recomputed: every row equals the published one",
    "already_completed": "campaign {campaign!r} was completed before: nothing to do (--again recomputes and compares)",
}

PageOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File of the page. [dim]default: named after the campaign, in the folder of the warehouse, or in the "
        "current folder if the warehouse is an object store[/dim]",
        show_default=False,
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log of Prefect and of the engine.")]


def demo(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="An edge list. [dim]default: a generated network of 100,000[/dim]"),
    ] = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Compare three seed strategies on a network of 100,000 agents, and show where the results are."""
    from flows.commands.logs import quiet_logs
    from flows.demo import run_demo

    quiet_logs()
    result = run_demo(None if file is None else str(file), warehouse, console(stderr=as_json))
    if as_json:
        print_json(vars(result))


def run(
    campaign: Annotated[
        str, typer.Argument(metavar="CAMPAIGN", help="A campaign's YAML file, or the name of a bundled campaign.")
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Recompute published sessions and compare every row; publish nothing twice.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the plan and the estimated time and memory.")
    ] = False,
    models: Annotated[
        list[Path] | None, typer.Option("--models", metavar="FILE", help="A Python file with models of your own.")
    ] = None,
    precision: PrecisionOption = None,
    page: Annotated[bool, typer.Option("--page", help="Write a web page of the results, and print its path.")] = False,
    output: PageOption = None,
    verbose: Verbose = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Run a campaign as a Prefect flow. Results of a finished campaign are read from the warehouse."""
    from flows.commands.logs import quiet_logs

    quiet_logs(verbose=verbose)
    _check_page(page=page, output=output, dry_run=dry_run)
    files = [str(file) for file in models or []]
    source: CampaignSource = campaign
    if precision is not None:
        from flows.campaign_precision import asked_precisely
        from flows.config import load_campaign

        loaded = load_campaign(campaign, files)
        if any("replicates" in session.model_fields_set for session in loaded.sessions):
            print_note(f"--precision {precision} replaces the replicates that the campaign gives")
        source = asked_precisely(loaded, precision)
    if dry_run:
        from flows.estimates import estimate_campaign

        estimate = estimate_campaign(source, warehouse, again=again, models=files)
        print_json(estimate) if as_json else print_estimate(estimate)
        return
    from flows.runs import run_campaign

    with progress_bars(hidden=as_json or verbose) as progress:
        summary = run_campaign(source, warehouse, again=again, models=files, progress=progress)
    if not as_json:
        print_summary(summary)
    if page:
        from flows.pages import write_page

        summary["page"] = str(write_page(warehouse, summary["campaign_id"], output))
    if as_json:
        print_json(summary)
    elif page:
        print_line(f"page: {summary['page']}")


def _check_page(*, page: bool, output: str | None, dry_run: bool) -> None:
    """Refuse options that contradict each other, and a page that cannot be written, before the run."""
    from data.errors import InvalidInputError

    if output is not None and not page:
        raise InvalidInputError(f"--output {output!r} is the file of the page; add --page, or leave it out")
    if page and dry_run:
        raise InvalidInputError("--dry-run computes nothing that a page could show; leave out --page or --dry-run")
    if output is not None:
        from flows.output_files import check_output

        check_output(output)


def page(
    campaign: Annotated[
        str,
        typer.Argument(
            metavar="CAMPAIGN",
            help="Name of a finished campaign (the newest of that name), its id or the beginning of it, or its file.",
        ),
    ],
    output: PageOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Write a web page of a finished campaign: one file with figures, tables, provenance and downloads."""
    from data.facade import Warehouse
    from flows.pages import find_campaign, write_page

    found = find_campaign(Warehouse(warehouse), campaign)
    path = write_page(warehouse, found.campaign_id, output)
    if as_json:
        print_json({"campaign": found.name, "campaign_id": found.campaign_id, "page": str(path)})
        return
    if found.choice:
        print_note(found.choice)
    print_line(str(path))


def resume(
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="CAMPAIGN", help="Name or id of a campaign. [dim]default: all unfinished campaigns[/dim]"
        ),
    ] = None,
    only_list: Annotated[bool, typer.Option("--list", help="Only list the unfinished campaigns.")] = False,
    verbose: Verbose = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Continue campaigns whose runs were killed, cancelled or failed.

    If one fails again, the failure is reported and the next is continued; the exit code is that of the first failure.
    """
    from data.facade import Warehouse
    from flows.commands.logs import quiet_logs
    from flows.run_events import last_attempts
    from flows.run_records import chosen_runs
    from flows.runs import run_campaign

    quiet_logs(verbose=verbose)
    place = Warehouse(warehouse)
    unfinished = chosen_runs(place, campaign)
    attempts = last_attempts(place) if unfinished else {}
    if not as_json:
        _print_unfinished(unfinished, attempts, place)
    if only_list:
        if as_json:
            print_json([{**vars(run), "latest_run": attempts.get(run.campaign_key)} for run in unfinished])
        return
    summaries, failures = [], []
    for run in unfinished:
        try:
            with progress_bars(hidden=as_json or verbose) as progress:
                summaries.append(run_campaign(run.reference, warehouse, progress=progress))
        except RunCancelledError:
            raise
        except RumormillError as error:
            if len(unfinished) > 1:
                print_error(f"campaign {run.campaign!r} cannot be continued")
            failures.append(report(error))
            continue
        if not as_json:
            print_summary(summaries[-1])
    if as_json:
        print_json(summaries)
    if failures:
        raise typer.Exit(failures[0])


def _print_unfinished(unfinished: "Sequence[StartedRun]", attempts: Mapping[str, str], warehouse: "Warehouse") -> None:
    if not unfinished:
        print_line(f"no unfinished runs in warehouse {warehouse.url}")
        return
    print_table(
        [
            {
                "unfinished campaign": run.campaign,
                "campaign_id": run.campaign_id,
                "network": run.network,
                "started": run.started_at,
                "sessions published": f"{run.sessions_published} of {run.sessions}",
                "rounds kept": run.rounds_kept,
                "latest run": attempts.get(run.campaign_key, "not known"),
            }
            for run in unfinished
        ]
    )


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print the results of a campaign: one row per session, and how they were computed."""
    from propagation.intervals import INTERVAL_NOTE

    print_line(STATUS[summary["status"]].format(**summary))
    print_table([session_cells(row, summary["agents"]) for row in summary["sessions"]], most=SESSIONS_SHOWN)
    print_line(f"{INTERVAL_NOTE} of the mean reach")
    if by_message := message_cells(summary):
        print_line("what each competing message reaches:")
        print_table(by_message, most=SESSIONS_SHOWN)
    for note in (*message_notes(summary), *precision_notes(summary), *truncation_notes(summary)):
        print_line(note)
    print_line(
        f"network {summary['network']!r}: {summary['agents']:,} agents, {summary['edges']:,} edges; "
        f"{summary['lanes']:,} lanes in {summary['seconds']:.2f} s"
    )
    for job in summary["jobs"]:
        print_line(f"{job['plan']} plan: {job['plan_reason']}")
        print_line(job_text(job))
    print_line(f"results are in warehouse {summary['warehouse']}")


def sessions(
    campaign: Annotated[str | None, typer.Option(metavar="NAME", help="Only sessions of this campaign.")] = None,
    network: Annotated[str | None, typer.Option(metavar="NAME", help="Only sessions on this network.")] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the sessions of the warehouse, oldest first, with their reach."""
    from data.facade import Warehouse
    from propagation.intervals import INTERVAL_NOTE

    place = Warehouse(warehouse)
    rows = _listed_sessions(place)
    rows = [row for row in rows if campaign is None or campaign in row["campaigns"]]
    rows = [row for row in rows if network is None or network == row["network_id"]]

    def show() -> None:
        if rows:
            listed = [_listing(row) for row in rows]
            empty = {"scheduled for"} if not any(row["scheduled for"] for row in listed) else set()
            print_table(listed, [name for name in listed[0] if name not in empty])
            print_note(f"{INTERVAL_NOTE} of the mean reach")
        else:
            print_line(f"no such sessions in warehouse {place.url}; run a campaign: rumormill run CAMPAIGN")

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


def _listed_sessions(warehouse: "Warehouse") -> list[dict[str, Any]]:
    """Return the sessions as JSON, each with its names in campaigns and the past times for which these were run."""
    import json

    from data.warehouse.keys import campaign_key
    from flows.run_events import times_stood_for
    from propagation.competing_messages import reach_by_message

    times = times_stood_for(warehouse)
    campaigns = {row["campaign_id"]: row["campaign"] for row in warehouse.read("campaigns").to_pylist()}
    names: dict[str, dict[str, list[str]]] = {}
    past: dict[str, set[str]] = {}
    for row in warehouse.read("campaign_sessions").to_pylist():
        of_session = names.setdefault(row["session_id"], {})
        of_session.setdefault(campaigns[row["campaign_id"]], []).append(row["session"])
        past.setdefault(row["session_id"], set()).update(times.get(campaign_key(row["campaign_id"]), []))
    rows = warehouse.read("propagation_sessions").to_pylist()
    by_message = reach_by_message(warehouse, {row["session_id"]: row for row in rows})
    return [
        {
            **row,
            "messages": {name: vars(reach) for name, reach in by_message.get(row["session_id"], {}).items()},
            "model_parameters": json.loads(row["model_parameters"]),
            "campaigns": names.get(row["session_id"], {}),
            "scheduled_for": sorted(past.get(row["session_id"], [])),
        }
        for row in rows
    ]


def _listing(row: Mapping[str, Any]) -> dict[str, Any]:
    past = [f"{dt.datetime.fromisoformat(time):%Y-%m-%d %H:%M}" for time in row["scheduled_for"]]
    return {
        "session_id": row["session_id"],
        "campaign: session": ", ".join(f"{c}: {', '.join(names)}" for c, names in row["campaigns"].items()),
        "scheduled for": ", ".join(past),
        "network": row["network_id"],
        "model": model_text(row),
        "seeds": f"{len(row['seed_agents']):,} {row['seed_strategy']}",
        "replicates": row["replicates"],
        "reach": reach_text(row) + _messages_text(row["messages"]),
    }


def _messages_text(messages: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the reach of each competing message in brackets; empty if one message spreads."""
    columns = {"total_influenced": "mean", "total_influenced_standard_error": "standard_error"}
    own = (
        f"{name} {reach_text({column: reach[kind] for column, kind in columns.items()})}"
        for name, reach in messages.items()
    )
    return f" ({', '.join(own)})" if messages else ""


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    panel = "Campaigns"
    app.command(
        rich_help_panel=panel,
        epilog=examples("rumormill demo", "rumormill demo my-edges.csv.gz", "rumormill demo --json"),
    )(demo)
    app.command(
        rich_help_panel=panel,
        epilog=examples(
            "rumormill run seed-strategies",
            "rumormill run my-campaign.yaml --warehouse s3://bucket/rumours",
            "rumormill run my-campaign.yaml --again",
            "rumormill run my-campaign.yaml --dry-run",
            "rumormill run my-campaign.yaml --models rumour.py",
            "rumormill run my-campaign.yaml --precision 1%",
            "rumormill run my-campaign.yaml --page",
        ),
    )(run)
    app.command(
        rich_help_panel=panel,
        epilog=examples("rumormill page my-campaign", "rumormill page my-campaign.yaml --output results.html"),
    )(page)
    app.command(
        rich_help_panel=panel,
        epilog=examples("rumormill resume --list", "rumormill resume", "rumormill resume my-campaign"),
    )(resume)
    app.command(
        rich_help_panel=panel,
        epilog=examples("rumormill sessions", "rumormill sessions --campaign seed-strategies --json"),
    )(sessions)
