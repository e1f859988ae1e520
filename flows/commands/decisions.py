"""Commands for decisions: ``rumormill compare | explain | responsible | sweep``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.model_options import (
    SEEDS,
    MaxRoundsOption,
    ModelOption,
    RandomSeedOption,
    SettingsOption,
    asked_parameters,
    asked_seeds,
    asked_values,
)
from flows.commands.options import (
    DEFAULT_WAREHOUSE,
    GROUPS,
    JsonOption,
    MessageOption,
    PrecisionOption,
    SessionArgument,
    WarehouseOption,
    examples,
)
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    import pandas as pd

    from analytics.comparison_results import CampaignComparison, SessionComparison
    from analytics.sweeps import Sweep

Part = Literal["reach", "rounds", "groups", "agents"]
SHOWN_ROWS = 30
"""Rows of a table on the terminal."""


def compare(
    first: Annotated[
        str, typer.Argument(metavar="A", help="A session (CAMPAIGN:SESSION, or its id), or the name of a campaign.")
    ],
    second: Annotated[str, typer.Argument(metavar="B", help="The session or campaign that A is compared with.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help=f"Also compare groups of agents: {GROUPS}.")
    ] = None,
    message: MessageOption = None,
    part: Annotated[
        Part | None, typer.Option("--part", help="What the rows are. [dim]default: reach, or groups with --by[/dim]")
    ] = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Compare two sessions, or two campaigns session by session: how many more agents A reaches than B.

    Sessions with the same random seed are compared replicate by replicate. Intervals by round and group need sessions
    that record activations; groups and agents need those that record at least reach. Where messages compete, each
    message that both sessions have is compared, or the one of --message, which may spread alone in one of them.
    """
    from analytics.comparison_results import CampaignComparison
    from data.facade import Warehouse
    from propagation.competing_messages import MessageResult

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    place = Warehouse(warehouse)
    found, compared, published = _compared(place, first, second, by, message)
    part = part or ("reach" if by is None else "groups")
    rows = [row for name, each in compared.items() for row in _rows_of(each, part, name if len(compared) > 1 else None)]
    if plot is not None:
        if isinstance(found, CampaignComparison):
            save_plot(found.plot(), plot)
        else:
            save_plot(found.plot_groups() if part == "groups" else found.plot(), plot)

    def show() -> None:
        for each in compared.values():
            print_line(each.sentence)
            if each.saving:
                print_line(each.saving)
            if each.agents is not None:
                print_line(
                    f"agents that only one ever reaches: {each.never_by_second:,} by {each.first}, "
                    f"{each.never_by_first:,} by {each.second}"
                )
        if part != "reach" or len(compared) > 1:  # the sentences already give a single difference
            _print_rows([_shortened(row) for row in rows])
        by_message = any(isinstance(one, MessageResult) for each in compared.values() for one in each.results)
        print_published("message_differences" if by_message else "session_differences", published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


def _compared(
    place: Any, first: str, second: str, by: str | None, message: str | None
) -> "tuple[SessionComparison | CampaignComparison, dict[str, SessionComparison], bool]":
    """Return the comparison, its parts by name, and whether any of them was published now."""
    from analytics.comparison import compare
    from analytics.comparison_results import CampaignComparison, SessionComparison
    from analytics.decision_tables import publish_comparison
    from propagation.session_references import find

    found = compare(find(place, first), find(place, second), by=by, message=message, names=(first, second))
    several = {first: found} if isinstance(found, SessionComparison) else dict(found)
    done = [publish_comparison(each.results[0], each.results[1], each, by) for each in several.values()]
    if isinstance(found, CampaignComparison):
        for name, campaign in ((first, found.only_first), (second, found.only_second)):
            if campaign:
                print_note(f"only in {name}: {', '.join(campaign)}")
    return found, several, any(done)


def _rows_of(compared: "SessionComparison", part: Part, name: str | None) -> list[dict[str, Any]]:
    """Return a part of a comparison as rows, which begin with the session's name if there are several."""
    from analytics.comparison_results import comparison_row
    from data.errors import InvalidInputError

    one = compared.results[0]
    label = {} if name is None else {"message" if getattr(one, "name", None) == name else "session": name}
    if part == "reach":
        return [{**label, **comparison_row(compared)}]
    frame = getattr(compared, part)
    if frame is None:
        needed = "--by COLUMN" if part == "groups" else "sessions that record reach (record: reach)"
        raise InvalidInputError(f"--part {part} needs {needed}")
    return [{**label, **row} for row in records_of(frame)]


def explain(
    session: SessionArgument,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Id of the agent.")],
    paths: Annotated[int, typer.Option("--paths", min=1, metavar="N", help="Most frequent paths to name.")] = 10,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Explain why an agent was reached: the paths that the message took to it, with their probabilities.

    Where messages compete, also which of them the agent adopts how often, and by which paths.

    Needs a session that records activations.
    """
    from analytics.decision_tables import PUBLISHED_PATHS, publish_explanation
    from analytics.explanation import ARROW
    from analytics.explanation import explain as explained
    from data.facade import Warehouse
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    result = find_session(Warehouse(warehouse), session)
    found = explained(result, agent, paths=max(paths, PUBLISHED_PATHS))
    published = publish_explanation(result, found)
    found = replace(found, paths=found.paths.head(paths))
    if plot is not None:
        save_plot(found.plot(), plot)
    rows, columns = records_of(found.paths), list(found.paths.columns)

    def show() -> None:
        print_line(found.sentence)
        if found.messages is not None:
            print_table(records_of(found.messages))
        if rows:
            print_table([{**row, "path": ARROW.join(row["path"])} for row in rows])
        if len(found.passed_through):
            print_line("agents that the message passed through most often:")
            print_table(records_of(found.passed_through.head(5)))
        print_published("transmission_paths", published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json, columns=columns)


def responsible(
    session: SessionArgument,
    top: Annotated[int, typer.Option("--top", min=1, metavar="N", help="First agents that are named.")] = 20,
    with_seeds: Annotated[
        bool, typer.Option("--with-seeds", help="Rank seeds too; all they start passes them.")
    ] = False,
    message: MessageOption = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Name the agents through whom most of the spread passes: those with most descendants in the transmission trees.

    Where messages compete, those of each message, or of the one of --message.

    Needs a session that records activations.
    """
    from analytics.decision_tables import publish_responsibility
    from analytics.explanation import most_responsible
    from data.errors import InvalidInputError
    from data.facade import Warehouse
    from propagation.competing_messages import asked_messages
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    result = find_session(Warehouse(warehouse), session)
    results = asked_messages(result, message)
    if plot is not None and len(results) > 1:
        raise InvalidInputError(f"--plot draws one message, and there are {len(results)}; add --message NAME")
    found, published, rows = {}, False, []
    for name, one in results.items():
        everybody = most_responsible(one, top=one.network.n_ids, with_seeds=True)
        published |= publish_responsibility(one, everybody)
        found[name] = everybody.first(top, with_seeds=with_seeds)
        label = {} if name is None else {"message": name}
        rows += [{**label, **row} for row in records_of(found[name].agents)]
        columns = [*label, *found[name].agents.columns]
        if plot is not None:
            save_plot(found[name].plot(), plot)

    def show() -> None:
        for name, each in found.items():
            print_line(each.sentence if name is None else f"{name}: {each.sentence}")
        if rows:
            print_table(rows)
        table = "responsible_agents" if None in found else "responsible_by_message"
        print_published(table, published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json, columns=columns)


def sweep(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="A network of the warehouse.")],
    values: Annotated[
        list[str],
        typer.Option(
            "--values", metavar="NAME=V1,V2,...", help="Values of a parameter; repeated for all combinations."
        ),
    ],
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(
            "--seeds",
            metavar="SEEDS",
            help=f"Where the message starts: {SEEDS}. May be repeated. [dim]default: random:1[/dim]",
        ),
    ] = None,
    max_rounds: MaxRoundsOption = 10_000,
    replicates: Annotated[
        int | None,
        typer.Option("--replicates", min=1, help="Replicates of each simulation. [dim]default: 1000[/dim]"),
    ] = None,
    precision: PrecisionOption = None,
    random_seed: RandomSeedOption = 0,
    campaign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Also publish the sessions as a campaign of this name.")
    ] = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Simulate a model for all combinations of parameter values and seed sets, as one job that can be resumed.

    Where the model has an epidemic threshold, it is estimated, and compared with that of the mean field.
    """
    from analytics import sweeps
    from analytics.decision_tables import publish_sweep
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    lists = asked_values(values)
    fixed = asked_parameters(settings)
    seed_sets = {text: asked_seeds(text) for text in seeds or ["random:1"]}
    options = {"replicates": replicates, "precision": precision, "campaign": campaign}
    given = {name: value for name, value in options.items() if value is not None}
    place = Warehouse(warehouse)
    with progress_bars(hidden=as_json) as progress:
        found = sweeps.sweep(
            place.network(network),
            sweeps.base_model(model, fixed, lists),
            lists,
            seed_sets=seed_sets,
            random_seed=random_seed,
            max_rounds=max_rounds,
            progress=progress,
            **given,
        )
    published = publish_sweep(found)
    if plot is not None:
        save_plot(found.plot(), plot)
    rows = records_of(found.table)
    write_rows(rows, lambda: _print_sweep(found, published=published), chosen=chosen, output=output, as_json=as_json)


def _print_sweep(found: "Sweep", *, published: bool) -> None:
    columns = [
        *found.parameters,
        "seed_set",
        "reach",
        "reach_low",
        "reach_high",
        "share",
        "mean_field_reach",
        "replicates",
    ]
    print_table(records_of(found.table[columns]), most=200)
    for sentence in found.threshold_sentences:
        print_line(sentence)
    print_published("sweep_points", published=published)


def records_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows of a frame as plain values, None where one is missing."""
    import json

    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of differences as the terminal shows it: with its interval, without what follows from the rest."""
    from propagation.intervals import number_with_interval

    left_out = ("difference_standard_error", "difference_low", "difference_high", "replicates_if_independent", "paired")
    found = {name: value for name, value in row.items() if name not in left_out}
    if row.get("difference_low") is not None:
        half = (row["difference_high"] - row["difference_low"]) / 2
        found["difference"] = number_with_interval(row["difference"], half)
    return found


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        print_table(rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        print_note(f"{SHOWN_ROWS} of {len(rows):,} rows; --output FILE writes all")


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: dict[Callable[..., None], Sequence[str]] = {
        compare: (
            "rumormill compare spring:hubs spring:random",
            "rumormill compare spring:hubs spring:random --by community --plot groups.png",
            "rumormill compare spring autumn --format csv",
            "rumormill compare spring:early spring:late --message rumour",
        ),
        explain: ("rumormill explain spring:hubs 1021", "rumormill explain spring:hubs 1021 --plot paths.svg"),
        responsible: (
            "rumormill responsible spring:hubs --top 10",
            "rumormill responsible spring:hubs --with-seeds",
            "rumormill responsible spring:early --message rumour",
        ),
        sweep: (
            "rumormill sweep town --model sir --values beta=0.01,0.02,0.05 --set gamma=0.5 --plot sweep.png",
            "rumormill sweep town --model sis --values beta=0.01,0.02 --values gamma=0.1,0.2 --max-rounds 100",
        ),
    }
    for command, lines in commands.items():
        app.command(rich_help_panel="Decisions", epilog=examples(*lines))(command)
