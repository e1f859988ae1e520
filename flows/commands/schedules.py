"""Commands about schedules: ``rumormill deploy | schedules | backfill``."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.terminal import print_json, print_line, print_note, print_table

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from flows.deployments import DeploymentSpecification

MOST_SHOWN = 10

schedules_app = typer.Typer(help="List, pause, resume and remove schedules.", invoke_without_command=True)
DeploymentName = Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Name of the deployment.")]


@contextmanager
def connected() -> "Iterator[SyncPrefectClient]":
    """Connect to the Prefect server that PREFECT_API_URL names, else to the running platform's.

    Raises
    ------
    ClusterUnreachableError
        If neither answers.
    """
    from flows.commands.logs import quiet_logs

    quiet_logs()
    from prefect.client.orchestration import get_client

    from flows.prefect_server import check_configured_server

    check_configured_server()
    with get_client(sync_client=True) as client:
        yield client


def deploy(
    files: Annotated[
        list[str],
        typer.Argument(metavar="CAMPAIGN...", help="A campaign's file or name; or deployment files, any number."),
    ],
    cron: Annotated[
        str | None,
        typer.Option(metavar="CRON", help='When it runs, such as "0 6 * * *". [dim]default: only when asked for[/dim]'),
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Timezone of --cron. [dim]default: UTC[/dim]")] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--import",
            metavar="FILE-OR-FOLDER",
            help="First import this file, or the newest file of this folder, as the campaign's network.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the deployment. [dim]default: the campaign file's name[/dim]")
    ] = None,
    models: Annotated[
        list[Path] | None, typer.Option("--models", metavar="FILE", help="A Python file with models of your own.")
    ] = None,
    pool: Annotated[str, typer.Option(help="Work pool whose workers run it.")] = "rumormill",
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Let Prefect run a campaign on a schedule. Deploying a name again replaces its schedule.

    The campaign's file is read at every run, so changes to it need no new deployment.
    """
    from flows.commands.logs import quiet_logs

    quiet_logs()  # before the validation of a schedule imports Prefect
    options = {"cron": cron, "timezone": timezone, "import": source, "name": name, "models": models}
    given = {option: value for option, value in options.items() if value is not None}
    specifications = _specifications(files, given, warehouse)
    from flows.scheduling import deploy as deploy_one
    from flows.scheduling import schedules

    with connected() as client:
        for specification in specifications:
            deploy_one(client, specification, pool)
        names = {specification.name for specification in specifications}
        rows = [vars(row) for row in schedules(client) if row.deployment in names]
    if as_json:
        print_json(rows)
        return
    for specification in specifications:
        when = f"at {specification.cron!r} ({specification.timezone})" if specification.cron else "when asked for"
        first = f"imports {specification.import_.path} and " if specification.import_ else ""
        paused = "; paused" if specification.paused else ""
        print_line(f"deployment {specification.name!r} {first}runs {specification.campaign} {when}{paused}")
    print_note("List schedules with `rumormill schedules`; run one now with `rumormill schedules run NAME`.")


def _specifications(files: list[str], given: dict[str, Any], warehouse: str) -> "list[DeploymentSpecification]":
    from pydantic import ValidationError

    from data.errors import InvalidInputError
    from data.validation import validation_sentences
    from flows.config import is_deployment_file, load_deployment, located
    from flows.deployments import DeploymentSpecification

    if all(is_deployment_file(file) for file in files):
        if given:
            raise InvalidInputError(
                f"--{next(iter(given))} does not go with a deployment file, which has `{next(iter(given))}:` itself"
            )
        return [load_deployment(file, warehouse) for file in files]
    if len(files) > 1:
        raise InvalidInputError("give one campaign, or any number of deployment files (with a key `campaign:`)")
    try:
        asked = DeploymentSpecification(
            **{
                "name": Path(files[0]).stem,
                "campaign": files[0],
                **given,
                "models": tuple(str(file) for file in given.get("models", ())),
            }
        )
    except ValidationError as error:
        raise InvalidInputError(validation_sentences(error, DeploymentSpecification, "option")) from None
    return [located(asked, Path.cwd(), warehouse)]


@schedules_app.callback()
def schedules(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the schedules with their last and next runs."""
    if context.invoked_subcommand is not None:
        return
    from flows.scheduling import schedules as listed

    with connected() as client:
        rows = listed(client)
    if as_json:
        print_json([vars(row) for row in rows])
    elif rows:
        print_table([_cells(row) for row in rows])
    else:
        print_line("no schedules yet: rumormill deploy CAMPAIGN --cron '0 6 * * *'")


def _cells(row: Any) -> dict[str, Any]:
    state = "" if row.last_state is None else f"{_local(row.last_run)} {row.last_state.lower()}"
    when = "when asked for" if row.cron is None else f"{row.cron} ({row.timezone})"
    return {
        "deployment": row.deployment,
        "campaign": Path(row.campaign).name,
        "schedule": f"{when}{', paused' if row.paused else ''}",
        "last run": state,
        "next run": "" if row.paused else _local(row.next_run),
    }


def _local(time: dt.datetime | None) -> str:
    return "" if time is None else f"{time.astimezone():%Y-%m-%d %H:%M}"


@schedules_app.command()
def pause(name: DeploymentName) -> None:
    """Create no more runs of a schedule until it is resumed. A run in progress is not affected."""
    from flows.scheduling import set_paused

    with connected() as client:
        set_paused(client, name, paused=True)
    print_line(f"schedule {name!r} is paused")


@schedules_app.command()
def resume(name: DeploymentName) -> None:
    """Create runs of a paused schedule again."""
    from flows.scheduling import set_paused

    with connected() as client:
        set_paused(client, name, paused=False)
    print_line(f"schedule {name!r} is active")


@schedules_app.command()
def run(name: DeploymentName) -> None:
    """Let the worker run a deployment now."""
    from flows.scheduling import run_now

    with connected() as client:
        created = run_now(client, name)
    print_line(f"deployment {name!r}: run {created} was created")


@schedules_app.command()
def remove(name: DeploymentName) -> None:
    """Remove a deployment with its schedule; its runs and what they published stay."""
    from flows.scheduling import remove as remove_one

    with connected() as client:
        remove_one(client, name)
    print_line(f"deployment {name!r} is removed")


def backfill(
    name: DeploymentName,
    first: Annotated[str, typer.Option("--from", metavar="DATE", help="First date or time, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", metavar="DATE", help="Last date (included) or time.")],
    only_list: Annotated[bool, typer.Option("--list", help="Only list what is missing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run what is missing of a schedule: the times between --from and --to without a completed run.

    Each run uses the network as it was, or imports the newest file at that time, which never becomes the network's
    current snapshot.
    """
    from flows.scheduling import backfill as run_all
    from flows.scheduling import missing_times

    with connected() as client:
        times = missing_times(client, name, first, last)
        runs = [] if only_list else run_all(client, name, times)
    if as_json:
        print_json({"deployment": name, "missing": times, "flow_runs": runs})
        return
    if not times:
        print_line(f"deployment {name!r}: nothing is missing")
        return
    for time in times[:MOST_SHOWN]:
        print_line(f"{time:%Y-%m-%d %H:%M %Z}")
    if len(times) > MOST_SHOWN:
        print_line(f"... and {len(times) - MOST_SHOWN:,} more")
    done = f"{len(times):,} missing" if only_list else f"{len(runs):,} runs were created; the worker runs them in order"
    print_line(f"deployment {name!r}: {done}")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(
        rich_help_panel="Platform",
        epilog=examples(
            'rumormill deploy my-campaign.yaml --cron "0 6 * * *" --timezone Europe/Berlin',
            'rumormill deploy my-campaign.yaml --cron "0 6 * * *" --import exports/',
            "rumormill deploy configs/deployments/*.yaml",
        ),
    )(deploy)
    app.add_typer(schedules_app, name="schedules", rich_help_panel="Platform")
    app.command(
        rich_help_panel="Platform",
        epilog=examples("rumormill backfill my-campaign --from 2026-11-01 --to 2026-11-10"),
    )(backfill)
