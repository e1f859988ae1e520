"""The command ``rumormill segment``: agents grouped by structure and behaviour."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table

if TYPE_CHECKING:
    from analytics.segments.segmentation import Segmentation


def segment(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            metavar="NAMES",
            help="Separated by commas: numeric attributes of the agents, columns of agent_metrics; with --session "
            "reach_probability and mean_round; with --cascades cascades, cascades_started, mean_position and "
            "activated. Default: degrees, PageRank, core number, clustering, and all of the session and the cascades.",
        ),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="SESSION", help="A session whose results are features: CAMPAIGN:SESSION."),
    ] = None,
    cascades: Annotated[
        str | None,
        typer.Option("--cascades", metavar="NAME", help="Observed cascades in which the agents' activity is counted."),
    ] = None,
    segments: Annotated[
        int | None,
        typer.Option("--segments", help="Number of segments. [dim]default: chosen by silhouettes[/dim]"),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--most", help="Largest number of segments that is tried. [dim]default: 8[/dim]"),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="Name of the segmentation, and of the agents' column with the segment.")
    ] = "segment",
    random_seed: Annotated[int, typer.Option("--random-seed", min=0, help="Random seed of the samples.")] = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Group the agents of a network by structure and behaviour, describe the groups, and publish them.

    The segment is then a column of the agents: for rumormill communities --by, crossings --by, compare --by,
    seeds --targets, the seeds of campaigns (within), and reports.
    """
    from analytics.segments.segmentation import segment as segmentation
    from data.facade import Warehouse
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    place = Warehouse(warehouse)
    found = segmentation(
        place.network(network),
        None if features is None else [each.strip() for each in features.split(",") if each.strip()],
        session=None if session is None else find_session(place, session),
        cascades=None if cascades is None else place.cascades(cascades),
        segments=segments,
        most=most,
        name=name,
        random_seed=random_seed,
    )
    if plot is not None:
        save_plot(found.plot(), plot)
    rows: list[dict[str, Any]] = found.tables["segments"].drop_columns(["snapshot_id", "segmentation_id"]).to_pylist()
    write_rows(rows, lambda: _print(found, rows), chosen=chosen, output=output, as_json=as_json)
    print_published("segments", published=not found.recalled)


def _print(found: "Segmentation", rows: list[dict[str, Any]]) -> None:
    print_line(found.sentence)
    print_table([{**row, "share": f"{row['share']:.1%}", "traits": ", ".join(row["traits"])} for row in rows])
    for reason in found.row["left_out"]:
        print_note(f"left out {reason}")
    for note in found.row["notes"]:
        print_note(note)
    column = found.row["segmentation"]
    print_note(f"the agents' columns {column} and {column}_name hold the segment of each; see the table agent_segments")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill segment friends --plot segments.png",
            "rumormill segment friends --features out_degree,core_number --segments 4",
            "rumormill segment friends --session spring:hubs --name exposure",
            "rumormill segment friends --cascades retweets --name activity",
            "rumormill seeds friends --budget 20 --targets segment=2",
        ),
    )(segment)
