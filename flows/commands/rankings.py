"""The command ``rumormill rank``: the most influential agents, by structure and by simulation."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.model_options import (
    MaxRoundsOption,
    ModelOption,
    RandomSeedOption,
    ReplicatesOption,
    SettingsOption,
    asked_model,
)
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.rankings import Rankings

SHOWN_AGENTS = 10
"""First agents of each ranking that are shown as a table."""


def rank(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    rankings: Annotated[
        str | None,
        typer.Option(
            "--rankings",
            metavar="A,B,C",
            help="Some of degree, pagerank, reverse_pagerank, core_number, collective_influence, betweenness, reach. "
            "[dim]default: all[/dim]",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top", min=1, help="First agents of each ranking that are compared. [dim]default: 50, or all[/dim]"
        ),
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            "--candidates",
            min=1,
            help="First agents of each structural ranking that are simulated alone. [dim]default: as --top[/dim]",
        ),
    ] = None,
    radius: Annotated[
        int | None,
        typer.Option(
            "--radius", min=1, help="Radius of collective influence. [dim]default: 2, or 1 with large hubs[/dim]"
        ),
    ] = None,
    max_rounds: MaxRoundsOption = 10_000,
    replicates: ReplicatesOption = 1000,
    random_seed: RandomSeedOption = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Rank agents by influence in several ways, and compare what the first of each ranking reach."""
    from analytics.rankings import RANKINGS, rank_agents
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    simulated = asked_model(model, settings)
    with progress_bars(hidden=as_json) as progress:
        found = rank_agents(
            Warehouse(warehouse).network(network),
            simulated,
            rankings=RANKINGS if rankings is None else [name.strip() for name in rankings.split(",")],
            top=top,
            candidates=candidates,
            replicates=replicates,
            random_seed=random_seed,
            max_rounds=max_rounds,
            radius=radius,
            progress=progress,
        )
    if plot is not None:
        from analytics.ranking_pictures import ranking_figure

        save_plot(ranking_figure(found).axes[0], plot)
    rows: list[dict[str, Any]] = found.tables["agent_rankings"].drop_columns(["snapshot_id", "ranking_id"]).to_pylist()
    write_rows(rows, lambda: _show(found), chosen=chosen, output=output, as_json=as_json)
    print_published("agent_rankings", published=not found.recalled)


def _show(found: "Rankings") -> None:
    from data.quantities import counted
    from propagation.intervals import INTERVAL_NOTE

    row, names = found.row, list(found.row["rankings"])
    shown = min(SHOWN_AGENTS, row["top"])
    firsts = {name: found.top(name) for name in names}
    print_line(f"The first {shown:,} of {row['top']:,} agents of each ranking:")
    print_table(
        [{"position": place + 1, **{name: ids[place] for name, ids in firsts.items()}} for place in range(shown)]
    )
    reach = {(each["ranking"], each["seeds"]): each for each in found.tables["ranking_reach"].to_pylist()}
    sizes = sorted({size for _, size in reach})
    print_line("Agents that the first 1, 2, ... of each ranking reach together:")
    print_table(
        [{"ranking": name, **{f"{size:,}": _with_interval(reach[name, size]) for size in sizes}} for name in names]
    )
    if len(names) > 1:
        print_line(f"Overlap of the first {row['top']:,}, and rank correlation over the candidates:")
        print_table([_rounded(each) for each in found.tables["ranking_agreement"].to_pylist()])
    radius = row["collective_influence_radius"]
    print_line(
        f"{counted(row['candidates'], 'candidate')}, the first agents of any structural ranking, simulated alone with "
        f"{counted(row['replicates'], 'replicate')} of {row['propagation_model']}; {INTERVAL_NOTE}"
        + ("" if radius is None else f"; collective influence has radius {radius}")
    )


def _with_interval(row: Mapping[str, Any]) -> str:
    from propagation.intervals import number_with_interval

    if row["reach_high"] is None:
        return f"{row['reach']:,.10g}"
    return number_with_interval(row["reach"], row["reach_high"] - row["reach"])


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value:.2f}" if isinstance(value, float) else value
        for name, value in row.items()
        if name not in ("snapshot_id", "ranking_id")
    }


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill rank friends --set probability=weighted_cascade",
            "rumormill rank friends --model sir --set beta=0.05 --top 20 --plot rankings.png",
            "rumormill rank friends --rankings degree,pagerank,reach --output rankings.csv",
        ),
    )(rank)
