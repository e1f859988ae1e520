"""Commands about the standing platform: ``rumormill up | down | status``."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.commands.options import JsonOption, examples
from flows.commands.terminal import print_json, print_line, print_note, print_table, progress_bars
from flows.platform.home import PlatformHome

DONE = {
    "running": "running already",
    "stopped": "started",
    "died": "had died: started again",
    "hanging": "did not respond: started again",
    "outdated": "started again with the present code and settings",
}


def up(
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Database of Prefect's server: postgresql+asyncpg://user:password@host/name, or sqlite. "
            "[dim]default: the one given before, else sqlite[/dim]",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port of the Prefect UI on 127.0.0.1. [dim]default: 4200, if free[/dim]"),
    ] = None,
    runs_at_once: Annotated[
        int | None, typer.Option(min=1, help="Scheduled runs to execute at the same time. [dim]default: 1[/dim]")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start what is not running yet of the platform for schedules: Prefect server, worker, warm runner.

    What runs already is left alone; what has died or does not respond is started again. `rumormill run` uses the
    platform by itself.
    """
    from flows.commands.logs import quiet_logs
    from flows.platform import control

    quiet_logs()
    home = PlatformHome()
    with progress_bars(hidden=as_json) as progress:
        started = control.start(home, database=database, port=port, runs_at_once=runs_at_once, progress=progress)
    found = control.status(home)
    if as_json:
        print_json(found | {"started": [each.component for each in started if each.was != "running"]})
        return
    for each in started:
        print_line(f"{each.component}: {DONE[each.was]}")
    print_line(f"Prefect UI  {found['ui']}")
    print_line(f"Prefect API {found['api']}")
    print_line(f"work pool   {found['work_pool']}, runs at once: {found['runs_at_once']}")
    print_line(f"home        {found['home']} ({found['database']} database, logs)")
    print_note("Schedule a campaign with `rumormill deploy CAMPAIGN --cron '0 6 * * *'`; stop with `rumormill down`.")


def down(as_json: JsonOption = False) -> None:
    """Stop the platform; runs in progress are cancelled and can be resumed."""
    from flows.platform import control

    home = PlatformHome()
    stopped = control.stop(home)
    if as_json:
        print_json({"stopped": stopped})
    elif stopped:
        print_line(f"stopped: {', '.join(stopped)}; schedules and runs are kept in {home.folder}")
    else:
        print_line("the platform was not running")


def status(as_json: JsonOption = False) -> None:
    """Say whether the platform runs, and where. Exit code 1 if anything is missing."""
    from flows.platform import control

    found = control.status(PlatformHome())
    if as_json:
        print_json(found)
    else:
        print_table([_cells(row) for row in found["components"]])
        if found["ui"]:
            print_line(f"Prefect UI {found['ui']}")
        if not found["running"]:
            print_note("Start what is missing with `rumormill up`.")
    if not found["running"]:
        raise typer.Exit(1)


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    since: dt.datetime | None = row["since"]
    return {
        "component": row["component"],
        "state": row["state"],
        "pid": "" if row["pid"] is None else str(row["pid"]),
        "since": "" if since is None else f"{since.astimezone():%Y-%m-%d %H:%M}",
        "log": row["log"] if Path(row["log"]).exists() else "",
    }


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(rich_help_panel="Platform", epilog=examples("rumormill up", "rumormill up --port 4321"))(up)
    app.command(rich_help_panel="Platform")(down)
    app.command(rich_help_panel="Platform", epilog=examples("rumormill status --json"))(status)
