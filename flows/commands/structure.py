"""Command that analyses how a network is built: ``rumormill analyze``."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_table, progress_bars

if TYPE_CHECKING:
    import pyarrow as pa

    from analytics.structure.metrics import Metric
    from analytics.structure.network_metrics import NetworkMetrics

SHOWN_AGENTS = 20
"""Agents that are shown as a table on the terminal."""


def analyze(
    name: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAMES",
            help="Separated by commas: counts, degrees, components, distances, triangles, cores, pagerank, hits, "
            "labels, communities, betweenness, or columns of the table agent_metrics. Default: all; without "
            "communities and betweenness, which are slow, if the network has more than 2 million edges.",
        ),
    ] = None,
    agents: Annotated[
        bool,
        typer.Option(
            "--agents",
            help="Print one row per agent instead of the numbers of the network. "
            "[dim]default: if the metrics have values of agents only[/dim]",
        ),
    ] = False,
    plot: PlotOption = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions",
            min=1,
            help="Compute on so many partitions of the agents, past memory: components, distances, triangles, cores, "
            "pagerank, labels. Never changes the values. Default: in memory, if the network fits.",
        ),
    ] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Analyse the structure of a network, and publish it in the tables network_metrics and agent_metrics.

    What earlier calls have published for the same content is read from the warehouse.
    """
    from data.facade import Warehouse
    from flows.output_files import check_output

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    if output is not None:
        check_output(output)
    network = Warehouse(warehouse).network(name)
    from analytics.structure.metrics import chosen_metrics
    from analytics.structure.network_metrics import metrics as network_metrics

    asked = None if metrics is None else [each.strip() for each in metrics.split(",") if each.strip()]
    wanted = chosen_metrics(network, asked)
    if agents:
        _check_agent_columns(wanted)
    agents = agents or not any(metric.network_columns for metric in wanted)
    if plot is not None:
        _check_drawn(wanted)
    with progress_bars(hidden=as_json) as progress:
        found = network_metrics(network, asked, partitions=partitions, progress=progress)
    if plot is not None:
        save_plot(found.plot(), plot)
    _note_origin(found)
    if agents:
        rows = _agent_rows(found)
        write(rows, lambda: _print_agents(rows), chosen=chosen, output=output, as_json=as_json)
    else:
        numbers = [{name: value for name, value in row.items() if name != "text"} for row in found.rows()]
        write_rows(numbers, lambda: _print_numbers(found), chosen=chosen, output=output, as_json=as_json)


def _check_drawn(wanted: "list[Metric]") -> None:
    """Refuse to draw metrics that have no picture, before any work."""
    from analytics.structure.pictures import DRAWN
    from data.errors import InvalidInputError

    if not any(metric.name in DRAWN for metric in wanted):
        names = ", ".join(metric.name for metric in wanted)
        raise InvalidInputError(f"--plot: {names} cannot be drawn; metrics that can are {', '.join(DRAWN)}")


def _note_origin(found: "NetworkMetrics") -> None:
    """Say what was computed, and what was read."""
    if found.computed:
        print_note(f"computed and published: {', '.join(found.computed)}")
    if found.recalled:
        print_note(f"read from the warehouse: {', '.join(found.recalled)}")


def _check_agent_columns(wanted: "list[Metric]") -> None:
    """Refuse a list of metrics of which none has values of agents, before any work."""
    from analytics.structure.metrics import METRICS
    from data.errors import InvalidInputError

    if not any(metric.agent_columns for metric in wanted):
        names = ", ".join(metric.name for metric in wanted)
        of_agents = ", ".join(metric.name for metric in METRICS.values() if metric.agent_columns)
        raise InvalidInputError(f"--agents: {names} have no values of agents; metrics that have them are {of_agents}")


def _agent_rows(found: "NetworkMetrics") -> "pa.Table":
    """Return one row per agent: agent_id, and the columns of the metrics that were asked for."""
    import pyarrow as pa

    return pa.table({"agent_id": found.network.agent_ids.drop_null(), **found.agent_values})


def _print_agents(rows: "pa.Table") -> None:
    shown = rows.slice(0, SHOWN_AGENTS).to_pylist()
    print_table(shown, rows.column_names)
    if rows.num_rows > SHOWN_AGENTS:
        print_note(
            f"{SHOWN_AGENTS:,} of {rows.num_rows:,} agents; --output FILE.parquet writes all, and the table "
            "agent_metrics has them in SQL"
        )


def _print_numbers(found: "NetworkMetrics") -> None:
    """Print the numbers of the network by metric; those that are not defined in one line per metric."""
    from analytics.structure.metrics import METRICS
    from propagation.intervals import INTERVAL_NOTE

    texts = {row["metric"]: row["text"] for row in found.rows()}
    is_defined = {name: found.values[name] is not None for name in texts}
    width = max(len(name) for name in texts)
    for metric in METRICS.values():
        names = [name for name in metric.network_columns if name in texts]
        if not names:
            continue
        print_line(metric.name)
        for name in names:
            if is_defined[name]:
                print_line(f"  {name.replace('_', ' '):<{width}}  {texts[name]}")
        if undefined := [name.replace("_", " ") for name in names if not is_defined[name]]:
            print_line(f"  undefined: {', '.join(undefined)}")
    if any("±" in text for text in texts.values()):
        print_note(INTERVAL_NOTE)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Networks",
        epilog=examples(
            "rumormill analyze wiki-vote",
            "rumormill analyze wiki-vote --metrics pagerank,cores --agents --output ranks.parquet",
            "rumormill analyze wiki-vote --plot structure.png",
            'rumormill sql "SELECT agent_id, pagerank FROM agent_metrics ORDER BY pagerank DESC LIMIT 10"',
        ),
    )(analyze)
