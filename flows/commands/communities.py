"""Commands about communities: ``rumormill communities | crossings``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.options import (
    DEFAULT_WAREHOUSE,
    GROUPS,
    JsonOption,
    MessageOption,
    SessionArgument,
    WarehouseOption,
    examples,
)
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table

if TYPE_CHECKING:
    from analytics.communities import Crossing

SHOWN = 20
"""Communities, edges and agents that are shown as tables."""
ByOption = Annotated[
    str,
    typer.Option("--by", metavar="COLUMN", help=f"What the communities are: {GROUPS}."),
]


def communities(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    by: ByOption = "community",
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="COLUMN", help="Also say how far they agree with these communities."),
    ] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the communities of a network, and how far they agree with known ones."""
    from analytics.communities import agreement, community_sizes
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    found = Warehouse(warehouse).network(network)
    rows: list[dict[str, Any]] = community_sizes(found, by).to_dict("records")  # type: ignore[assignment]
    agreed = None if against is None else agreement(found, by, against)

    def show() -> None:
        print_table(rows[:SHOWN])
        if len(rows) > SHOWN:
            print_note(f"the largest {SHOWN} of {len(rows):,} communities; --output FILE writes all")

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)
    if agreed is not None:
        sentence = (
            f"{by} ({agreed.first_groups:,} groups) and {against} ({agreed.second_groups:,} groups) of "
            f"{agreed.agents:,} agents: NMI {agreed.nmi:.4f}, ARI {agreed.ari:.4f}"
        )
        (print_note if as_json or chosen or output else print_line)(sentence)


def crossings(
    session: SessionArgument,
    by: ByOption = "community",
    message: MessageOption = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Show how the message of a session crosses communities: whom it reaches, when, and who carries it across.

    Needs a session that records activations. Where messages compete, each of them, or the one of --message.
    """
    from analytics.communities import crossing
    from data.errors import InvalidInputError
    from data.facade import Warehouse
    from propagation.competing_messages import asked_messages
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    results = asked_messages(find_session(Warehouse(warehouse), session), message)
    if plot is not None and len(results) > 1:
        raise InvalidInputError(f"--plot draws one message, and there are {len(results)}; add --message NAME")
    found = {name: crossing(result, by) for name, result in results.items()}
    if plot is not None:
        from analytics.community_pictures import crossing_figure

        save_plot(crossing_figure(next(iter(found.values()))).axes[0], plot)
    rows: dict[str | None, list[dict[str, Any]]] = {
        name: each.tables["community_reach"].drop_columns(["session_id", "grouping"]).to_pylist()
        for name, each in found.items()
    }

    def show() -> None:
        for name, each in found.items():
            if name is not None:
                print_line(f"message {name}:")
            _show(each, rows[name])

    labelled = [{**({} if name is None else {"message": name}), **row} for name, own in rows.items() for row in own]
    write_rows(labelled, show, chosen=chosen, output=output, as_json=as_json)
    print_published("community_reach", published=not all(each.recalled for each in found.values()))


def _show(found: "Crossing", rows: list[dict[str, Any]]) -> None:
    names = ["group_name", "agents", "seeds", "share_of_replicates", "reach", "share_reached", "first_round"]
    print_line(_title("Communities, the largest first", len(rows)))
    print_table([_short({name: row[name] for name in [*names, "brought_in", "carried_out"]}) for row in rows[:SHOWN]])
    carriers = found.carriers
    if not len(carriers):
        print_line("the message never crossed from one community to another")
        return
    print_line(_title("Agents that carried the message into other communities", len(carriers), SHOWN // 2))
    print_table([_short(row) for row in carriers.head(SHOWN // 2).to_dict("records")])
    print_line(_title("Edges that carried it across", len(found.edges), SHOWN // 2))
    print_table([_short(row) for row in found.edges.head(SHOWN // 2).to_dict("records")])
    print_note("all edges are in the table community_crossings")


def _short(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row with three digits of its fractional numbers."""
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in row.items()}


def _title(what: str, rows: int, shown: int = SHOWN) -> str:
    return f"{what} ({shown} of {rows:,}):" if rows > shown else f"{what}:"


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill communities friends",
            "rumormill communities friends --by community --against department",
        ),
    )(communities)
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill crossings spring:hubs",
            "rumormill crossings spring:hubs --by department --plot crossings.png",
        ),
    )(crossings)
