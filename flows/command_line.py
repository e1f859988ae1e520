"""The command line ``rumormill``. Only Typer and Rich are imported before a command runs."""

import atexit
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from typing import Any

import typer
from typer.core import TyperGroup

from data.errors import RunCancelledError
from flows.commands import (
    answers,
    calibration,
    campaigns,
    cascades,
    communities,
    containment,
    decisions,
    forecasting,
    influence,
    maintenance,
    models,
    neighborhoods,
    networks,
    platform,
    rankings,
    schedules,
    segments,
    structure,
    surrogates,
)
from flows.commands.failures import report
from flows.commands.options import CHOSEN_WAREHOUSE, DEFAULT_WAREHOUSE, WAREHOUSE_VARIABLE, examples
from flows.commands.terminal import print_line

COMMANDS = (
    "demo",
    "network",
    "analyze",
    "neighbors",
    "run",
    "page",
    "resume",
    "sessions",
    "report",
    "rank",
    "segment",
    "seeds",
    "communities",
    "crossings",
    "compare",
    "explain",
    "responsible",
    "sweep",
    "surrogate",
    "block",
    "cascades",
    "calibrate",
    "forecast",
    "sql",
    "tables",
    "models",
    "verify",
    "maintain",
    "delete",
    "up",
    "status",
    "deploy",
    "schedules",
    "backfill",
    "down",
)
PUBLISHING = (
    "demo",
    "network",
    "cascades",
    "analyze",
    "run",
    "resume",
    "rank",
    "segment",
    "seeds",
    "communities",
    "crossings",
    "compare",
    "explain",
    "responsible",
    "sweep",
    "surrogate",
    "block",
    "calibrate",
    "forecast",
    "maintain",
    "delete",
)
"""Commands after which the views of the DuckDB shell are updated, if something was published."""
HELP = """
Simulate how messages spread over networks of millions of agents, and query the results in SQL.

Networks and results are tables of a warehouse. Import or generate a network, describe messages, models and seeds in a
YAML campaign file, run the campaign, and query its results.

Exit codes: 0 success, 2 invalid input, 1 internal or system error, 130 cancelled.
"""


class RumormillGroup(TyperGroup):
    """The commands. All errors are reported as one sentence on standard error and an exit code, not a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of `COMMANDS`, as the help shows them."""
        return sorted(super().list_commands(ctx), key=COMMANDS.index)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C at any point is reported as a cancellation."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise RunCancelledError("cancelled; anything not yet published is discarded") from None
        finally:  # a run that failed may have published sessions
            if ctx.invoked_subcommand in PUBLISHING and CHOSEN_WAREHOUSE in ctx.meta:
                maintenance.refresh_bootstrap(ctx.meta[CHOSEN_WAREHOUSE])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit: 0 success, 2 invalid input, 1 internal or system error, 130 cancelled."""
        try:
            code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except Exception as error:
            if not standalone_mode:
                raise
            code = report(error)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


app = typer.Typer(
    name="rumormill",
    cls=RumormillGroup,
    help="\n\n".join(part.replace("\n", " ") for part in HELP.strip().split("\n\n")),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        "rumormill demo",
        "rumormill network import wiki-vote wiki-Vote.txt",
        "rumormill run my-campaign.yaml",
        'rumormill sql "SELECT session_id, total_influenced FROM propagation_sessions"',
    ),
)
app.add_typer(networks.app, name="network", rich_help_panel="Networks")
app.add_typer(cascades.app, name="cascades", rich_help_panel="Real cascades")
app.add_typer(calibration.app, name="calibrate", rich_help_panel="Real cascades")
structure.register(app)
neighborhoods.register(app)
campaigns.register(app)
answers.register(app)
rankings.register(app)
segments.register(app)
influence.register(app)
communities.register(app)
decisions.register(app)
app.add_typer(surrogates.app, name="surrogate", rich_help_panel="Decisions")
containment.register(app)
app.add_typer(forecasting.app, name="forecast", rich_help_panel="Real cascades")
models.register(app)
maintenance.register(app)
platform.register(app)
schedules.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print_line(f"rumormill {metadata.version('rumormill')}")
        raise typer.Exit


@app.callback()
def rumormill(
    context: typer.Context,
    warehouse: str = typer.Option(
        DEFAULT_WAREHOUSE,
        "--warehouse",
        "-w",
        metavar="URL",
        envvar=WAREHOUSE_VARIABLE,
        help="Warehouse: a local folder or s3://bucket/folder.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print results as JSON."),
    version: bool = typer.Option(  # noqa: ARG001 (the callback prints it)
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Pass options given before a command on to it."""
    context.default_map = _shared_defaults(context.command, {"warehouse": warehouse, "as_json": as_json})


def _shared_defaults(command: Any, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return `shared` as the defaults of every command below this one."""
    below = getattr(command, "commands", None)
    if below is None:
        return dict(shared)
    return {**shared, **{name: _shared_defaults(inner, shared) for name, inner in below.items()}}


class _Ending:
    """Ends the process at exit without interpreter teardown, which takes a second with Prefect loaded."""

    def __init__(self) -> None:
        self.code: int | None = None

    def __call__(self) -> None:
        if self.code is not None:
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # the reader of the pipe may be gone
                    stream.flush()
            os._exit(self.code)  # registered first, so it runs after all other exit handlers


@cache
def end_at_exit() -> _Ending:
    """Register the end of this process; call this before imports that register exit handlers."""
    ending = _Ending()
    atexit.register(ending)
    return ending


def main() -> None:
    """Run the command line."""
    ending = end_at_exit()
    try:
        app()
    except SystemExit as leaving:
        ending.code = leaving.code if isinstance(leaving.code, int) else 0
        raise


if __name__ == "__main__":
    main()
