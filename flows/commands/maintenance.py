"""Commands that maintain the warehouse: ``rumormill maintain`` and ``rumormill delete``."""

import logging
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, SessionArgument, WarehouseOption, examples
from flows.commands.terminal import print_json, print_line, print_note, progress_bars

if TYPE_CHECKING:
    from data.warehouse.dependents import Deletion
    from data.warehouse.store import Store

delete_app = typer.Typer(
    no_args_is_help=True, help="Delete a campaign, session, network or observed cascades, and what only they use."
)

logger = logging.getLogger(__name__)

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def maintain(
    retention: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Days for which past states stay readable.")
    ] = 30.0,
    grace: Annotated[
        float, typer.Option(metavar="HOURS", min=0, help="Keep younger files: other processes may be using them.")
    ] = 24.0,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Compact small files, expire old history, remove unused files. No current row is lost."""
    import datetime as dt

    from data.facade import Warehouse

    with progress_bars(hidden=as_json) as progress:
        report = Warehouse(warehouse).maintain(
            retention=dt.timedelta(days=retention), grace_seconds=grace * 3600, progress=progress
        )
    if as_json:
        tables = {table: {"before": before, "after": after} for table, (before, after) in report.compacted.items()}
        print_json({"compacted": tables, "oldest": report.oldest, "removed": report.removed})
        return
    for table, (before, after) in report.compacted.items():
        print_line(f"{table}: {before:,} files, now {after:,}")
    print_line(f"{len(report.removed):,} files removed; past states are readable from publication {report.oldest:,} on")


@delete_app.command("campaign", epilog=examples("rumormill delete campaign spring"))
def delete_campaign(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the campaign.")],
    yes: Yes = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Delete all campaigns with this name, and the sessions that no other campaign lists."""
    from data.facade import Warehouse
    from data.warehouse.dependents import campaign_deletion

    place = Warehouse(warehouse)
    _delete(place, campaign_deletion(place, name), yes=yes, as_json=as_json)


@delete_app.command(
    "session", epilog=examples("rumormill delete session 6ec0bd7f", "rumormill delete session spring:hubs")
)
def delete_session(
    session: SessionArgument,
    yes: Yes = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Delete a session that no campaign lists."""
    from data.facade import Warehouse
    from data.warehouse.dependents import session_deletion
    from propagation.session_references import find_session

    place = Warehouse(warehouse)
    found = find_session(place, session).session_id
    _delete(place, session_deletion(place, found), yes=yes, as_json=as_json)


@delete_app.command("network", epilog=examples("rumormill delete network town --with-sessions"))
def delete_network(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the network.")],
    with_sessions: Annotated[
        bool, typer.Option("--with-sessions", help="Also delete the sessions and campaigns that ran on it.")
    ] = False,
    yes: Yes = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Delete all snapshots of a network; refused while sessions use it, unless they are deleted too."""
    from data.facade import Warehouse
    from data.warehouse.dependents import network_deletion

    place = Warehouse(warehouse)
    deletion = network_deletion(place, name, with_sessions=with_sessions)
    _delete(place, deletion, yes=yes, as_json=as_json)


@delete_app.command("cascades", epilog=examples("rumormill delete cascades rumours"))
def delete_cascades(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the observed cascades.")],
    yes: Yes = False,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Delete all observed cascades that were imported under this name."""
    from data.facade import Warehouse
    from data.warehouse.dependents import cascades_deletion

    place = Warehouse(warehouse)
    _delete(place, cascades_deletion(place, name), yes=yes, as_json=as_json)


def _delete(warehouse: "Store", deletion: "Deletion", *, yes: bool, as_json: bool) -> None:
    """List what will be deleted, ask for confirmation, and delete it."""
    from data.warehouse.deletion import delete

    counts = _counts(deletion)
    if not deletion.blocking and not yes:
        _ask(deletion, counts, may_ask=not as_json and sys.stdin.isatty())
    delete(warehouse, deletion)
    if as_json:
        print_json({"deleted": deletion.what, **counts, "publication": warehouse.head})
        return
    print_line(f"{deletion.what} is deleted: {_listed(counts)}")
    print_note("rumormill maintain deletes the files from disk once no past state needs them")


def _counts(deletion: "Deletion") -> dict[str, int]:
    names = ("networks", "snapshots", "campaigns", "runs", "sessions", "messages", "events", "cascade_sets")
    return {name: len(getattr(deletion, name)) for name in names}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(
        f"{count:,} {(name if count != 1 else name[:-1]).replace('_', ' ')}" for name, count in counts.items() if count
    )


def _ask(deletion: "Deletion", counts: dict[str, int], *, may_ask: bool) -> None:
    """Ask for confirmation; abort if the user declines."""
    from data.errors import InvalidInputError

    planned = f"this would delete {deletion.what}: {_listed(counts)}"
    if not may_ask:
        raise InvalidInputError(f"{planned}; nothing was deleted: repeat with --yes to delete it")
    print_note(planned)
    typer.confirm("Delete it?", abort=True, err=True)


def refresh_bootstrap(warehouse: str) -> None:
    """Update the views of the DuckDB shell to the latest publication, if they can be written."""
    from data.errors import RumormillError
    from data.facade import Warehouse
    from data.warehouse import catalogue

    try:
        catalogue.refresh_bootstrap(Warehouse(warehouse))
    except (RumormillError, OSError) as error:  # the views are derived: the command itself has succeeded
        logger.info("the views of the DuckDB shell were not updated: %s", error)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(
        rich_help_panel="Care", epilog=examples("rumormill maintain", "rumormill maintain --retention 7 --grace 1")
    )(maintain)
    app.add_typer(delete_app, name="delete", rich_help_panel="Care")
