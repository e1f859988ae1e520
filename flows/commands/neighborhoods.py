"""The command ``rumormill neighbors``: the agents around an agent."""

from typing import Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_table

SHOWN_AGENTS = 20
"""Agents that are shown as a table."""


def neighbors(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent in the centre.")],
    radius: Annotated[int, typer.Option("--radius", min=0, help="Most hops from the agent.")] = 1,
    max_agents: Annotated[
        int, typer.Option("--max-agents", min=1, help="Most agents: the nearest, then those of highest degree.")
    ] = 1000,
    direction: Annotated[
        Literal["out", "in", "both"],
        typer.Option("--direction", help="Follow edges to whom an agent sends, from whom it receives, or both."),
    ] = "both",
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the agents within some hops of AGENT, with their distances and degrees."""
    from data.facade import Warehouse
    from data.quantities import counted

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    found = Warehouse(warehouse).network(network).subgraph(
        agent, radius, direction=direction, max_agents=max_agents
    )  # fmt: skip
    if plot is not None:
        from analytics.subgraphs import subgraph_picture

        save_plot(subgraph_picture(found), plot)
    rows: list[dict[str, Any]] = found.agents.to_dict("records")  # type: ignore[assignment]

    def show() -> None:
        metrics = found.metrics
        print_line(
            f"{counted(int(metrics['agents']), 'agent')} within {counted(radius, 'hop')} of {agent!r}, "
            f"{counted(int(metrics['edges']), 'edge')}; density {metrics['density']:.3g}, "
            f"reciprocity {metrics['reciprocity']:.3g}, transitivity {metrics['transitivity']:.3g}"
        )
        print_table(rows[:SHOWN_AGENTS])
        if len(rows) > SHOWN_AGENTS:
            print_note(f"{SHOWN_AGENTS} of {len(rows):,} agents; --output FILE writes all")

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)
    if not found.is_complete:
        print_note(f"there are more agents within this distance; --max-agents {2 * max_agents} shows more")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Networks",
        epilog=examples(
            "rumormill neighbors friends ann",
            "rumormill neighbors friends ann --radius 2 --max-agents 200 --plot ann.png",
            "rumormill neighbors friends ann --direction out --output ann.csv",
        ),
    )(neighbors)
