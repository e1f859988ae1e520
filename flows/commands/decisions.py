"""Commands for decisions: ``rumormill compare | explain | responsible | sweep``."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.intervals import has_means, with_intervals
from flows.commands.model_options import (
    SEEDS,
    MaxRoundsOption,
    ModelOption,
    RandomSeedOption,
    SettingsOption,
    ValuesOption,
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
    message: Annotated[
        str | None,
        typer.Option(
            "--message",
            metavar="NAME[,NAME]",
            help="One of several competing messages, by name or id; or that of A and that of B, separated by a comma. "
            "[dim]default: each that both have[/dim]",
        ),
    ] = None,
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
    message that both sessions have is compared, or the one of --message, which may spread alone in one of them. Two
    messages of one session are compared by giving the session twice, and both names.
    """
    from data.facade import Warehouse
    from propagation.competing_messages import MessageResult
    from propagation.session_references import find

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    part = part or ("reach" if by is None else "groups")
    _check_options(part, by, plot)
    place = Warehouse(warehouse)
    asked = find(place, first), find(place, second)
    _check_sessions(asked, part, message, plot)
    found, compared = _compared(asked, (first, second), by, message)
    kind = getattr(found, "kind", None)
    rows = [
        row for name, each in compared.items() for row in _rows_of(each, part, {} if kind is None else {kind: name})
    ]
    if plot is not None:
        save_plot(found.plot_groups() if part == "groups" else found.plot(), plot)  # type: ignore[union-attr]
    published = _published(compared, by)

    def show() -> None:
        for each in compared.values():
            for sentence in (each.sentence, each.saving, each.note, each.exclusive):
                if sentence:
                    print_line(sentence)
        if part != "reach" or len(compared) > 1:  # the sentences already give a single difference
            _print_rows([_shortened(row) for row in rows])
        by_message = any(isinstance(one, MessageResult) for each in compared.values() for one in each.results)
        table = "message_differences" if by_message else "session_differences"
        agents = [] if all(each.agents is None for each in compared.values()) else ["agent_differences"]
        print_published(table, *agents, published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


def _check_options(part: Part, by: str | None, plot: str | None) -> None:
    """Refuse parts that cannot be had or drawn, before any work."""
    from data.errors import InvalidInputError

    if part == "groups" and by is None:
        raise InvalidInputError("--part groups needs --by COLUMN")
    if part == "agents" and plot is not None:
        raise InvalidInputError("--plot draws reach, rounds or groups, not agents; choose another --part")


def _check_sessions(asked: tuple[Any, Any], part: Part, message: str | None, plot: str | None) -> None:
    """Refuse parts that the sessions did not record, or that one picture cannot show, before any work."""
    from data.errors import InvalidInputError
    from propagation.competing_messages import message_names

    are_campaigns = all(isinstance(each, Mapping) for each in asked)
    what = "session" if are_campaigns else "message"
    sessions = [each for each in asked if not isinstance(each, Mapping)]
    if are_campaigns:
        sessions = [each[name] for each in asked for name in asked[0] if name in asked[1]]
    if part == "agents" and any(each.session["record"] == "rounds" for each in sessions):
        raise InvalidInputError("--part agents needs sessions that record reach (record: reach)")
    is_several = are_campaigns or (message is None and any(message_names(each) for each in sessions))
    if plot is not None and part != "reach" and is_several:
        name = "A and B as CAMPAIGN:SESSION" if what == "session" else "--message NAME"
        raise InvalidInputError(
            f"--plot draws the {part} of one {what}, and there are several; give {name}, or leave out --by and --part "
            f"to draw one row per {what}"
        )


def _compared(
    asked: tuple[Any, Any], names: tuple[str, str], by: str | None, message: str | None
) -> "tuple[SessionComparison | CampaignComparison, dict[str, SessionComparison]]":
    """Return the comparison, and its parts by name."""
    from analytics.comparison import compare
    from analytics.comparison_results import CampaignComparison, SessionComparison

    messages: Any = message.split(",") if message is not None and "," in message else message
    found = compare(*asked, by=by, message=messages, names=names)
    if isinstance(found, CampaignComparison):
        for name, only in zip(names, (found.only_first, found.only_second), strict=True):
            if only:
                print_note(f"only in {name}: {'; '.join(only)}")
        if found.note:
            print_note(found.note)
    return found, {names[0]: found} if isinstance(found, SessionComparison) else dict(found)


def _published(compared: "Mapping[str, SessionComparison]", by: str | None) -> bool:
    """Publish comparisons; return whether any of them was not published before."""
    from analytics.decision_tables import publish_comparison

    published = [publish_comparison(*each.results, each, by) for each in compared.values()]
    return any(published)


def _rows_of(compared: "SessionComparison", part: Part, label: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a part of a comparison as rows, which begin with its label."""
    from analytics.comparison_results import comparison_row

    if part == "reach":
        return [{**label, **comparison_row(compared)}]
    return [{**label, **row} for row in records_of(getattr(compared, part))]


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
    from analytics.decision_tables import PUBLISHED_PATHS, explanation_tables, publish_explanation
    from analytics.explanation import ARROW
    from analytics.explanation import explain as explained
    from data.facade import Warehouse
    from propagation.session_references import find_session

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    result = find_session(Warehouse(warehouse), session)
    found = explained(result, agent, paths=max(paths, PUBLISHED_PATHS))
    if plot is not None:
        save_plot(replace(found, paths=found.paths.head(paths)).plot(session=session), plot)
    published = publish_explanation(result, found)
    found = replace(found, paths=found.paths.head(paths))
    rows, columns = records_of(found.paths), list(found.paths.columns)

    def show() -> None:
        print_line(found.sentence)
        if found.messages is not None:
            print_table(with_intervals(records_of(found.messages)))
        if rows:
            print_table(with_intervals([{**row, "path": ARROW.join(row["path"])} for row in rows]))
        if len(found.passed_through):
            print_line("agents that the message passed through most often:")
            print_table(with_intervals(records_of(found.passed_through.head(5)), ("share", "transmitted")))
        print_published(*explanation_tables(found), published=published)

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
    from analytics.responsibility import most_responsible
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
        found[name] = everybody.first(top, with_seeds=with_seeds)
        if plot is not None:
            save_plot(found[name].plot(session=session), plot)
        published |= publish_responsibility(one, everybody)
        label = {} if name is None else {"message": name}
        rows += [{**label, **row} for row in records_of(found[name].agents)]
        columns = [*label, *found[name].agents.columns]

    def show() -> None:
        for name, each in found.items():
            print_line(each.sentence if name is None else f"{name}: {each.sentence}")
        _print_means(rows, shares=("share", "probability"))
        table = "responsible_agents" if None in found else "responsible_by_message"
        print_published(table, published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json, columns=columns)


def sweep(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="A network of the warehouse.")],
    values: ValuesOption,
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
    if plot is not None:
        save_plot(found.plot(), plot)
    published = publish_sweep(found)
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
    _print_means(records_of(found.table[columns]), most=200)
    for sentence in found.threshold_sentences:
        print_line(sentence)
    print_published("sweep_points", published=published)


def records_of(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows of a frame as plain values, None where one is missing."""
    import json

    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=15))
    return rows


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of differences as the terminal shows it, without what follows from the rest."""
    left_out = ["replicates_if_independent", "paired"]
    if row.get("difference_low") is None:
        left_out += ["difference_standard_error", "difference_low", "difference_high"]
    return {name: value for name, value in row.items() if name not in left_out}


def _print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    _print_means(rows[:SHOWN_ROWS])
    if len(rows) > SHOWN_ROWS:
        print_note(f"{SHOWN_ROWS} of {len(rows):,} rows; --output FILE writes all")


def _print_means(
    rows: Sequence[Mapping[str, Any]], most: int | None = None, shares: Collection[str] = ("share",)
) -> None:
    """Print rows as a table, means with their intervals."""
    from propagation.intervals import INTERVAL_NOTE

    shown = with_intervals(rows, shares)
    if shown:
        print_table(shown, most=most)
    if has_means(shown):
        print_line(INTERVAL_NOTE)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commands: dict[Callable[..., None], Sequence[str]] = {
        compare: (
            "rumormill compare spring:hubs spring:random",
            "rumormill compare spring:hubs spring:random --by community --plot groups.png",
            "rumormill compare spring autumn --format csv",
            "rumormill compare spring:early spring:late --message rumour",
            "rumormill compare spring:early spring:early --message rumour,correction",
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
