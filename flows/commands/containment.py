"""The command ``rumormill block``: what to block against a message, or where to start a counter-message."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write
from flows.commands.model_options import (
    AGENTS,
    SEEDS,
    BlockedOption,
    MaxRoundsOption,
    ModelOption,
    RandomSeedOption,
    ReplicatesOption,
    SettingsOption,
    asked_model,
    asked_seeds,
    listed_agents,
)
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.containment import Containment

SHOWN_CHOICES = 20
DOES = {
    "agents": ("block_agents", "agents to block"),
    "edges": ("block_edges", "edges to block"),
    "counter-message": ("counter_message", "where to start the counter-message"),
}
"""By the command's word: the action, and what is chosen."""

COLUMNS = [
    *("method", "step", "agent_id", "target_id", "reach_before", "reach", "saved"),
    *("saved_standard_error", "saved_low", "saved_high"),
]
"""Columns of the output in other formats."""


def block(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network in the warehouse.")],
    what: Annotated[
        Literal["agents", "edges", "counter-message"],
        typer.Argument(help="What to choose: agents or edges to block, or seeds of a counter-message."),
    ] = "agents",
    *,
    seeds: Annotated[str, typer.Option("--seeds", metavar="SEEDS", help=f"Where the message starts: {SEEDS}.")],
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            "-k",
            help="How many to choose; with --costs, what they cost at most. [dim]default: 10, or all[/dim]",
        ),
    ] = None,
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods", metavar="A,B,C", help="Some of greedy, degree, pagerank, random. [dim]default: all[/dim]"
        ),
    ] = None,
    blocked: BlockedOption = None,
    costs: Annotated[
        str | None, typer.Option("--costs", metavar="COLUMN", help="Agent column: what choosing each agent costs.")
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            metavar="AGENTS",
            help=f"Choose only among these: {AGENTS}; for edges, @FILE with SOURCE,TARGET per line.",
        ),
    ] = None,
    delay: Annotated[
        int, typer.Option("--delay", min=0, metavar="ROUND", help="Round in which the counter-message starts.")
    ] = 0,
    ties: Annotated[
        Literal["random", "message", "counter_message"],
        typer.Option("--ties", help="What an agent adopts that both messages reach in the same round."),
    ] = "random",
    max_rounds: MaxRoundsOption = 10_000,
    replicates: ReplicatesOption = 1000,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Cascades on which the greedy method chooses.")
    ] = 2000,
    random_seed: RandomSeedOption = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Choose agents or edges to block against a message, or where to start a counter-message; simulate who is saved."""
    from analytics.containment import contain
    from analytics.containment.requests import METHODS
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    message, starts = asked_model(model, settings), asked_seeds(seeds)
    barred = listed_agents("--blocked", blocked) or []
    place = Warehouse(warehouse).network(network)
    with progress_bars(hidden=as_json) as progress:
        found = contain(
            place,
            message,
            seed_set=starts,
            budget=_budget(budget, place.n_edges if what == "edges" else place.n_agents, costs),
            action=DOES[what][0],  # type: ignore[arg-type]
            methods=METHODS if methods is None else [name.strip() for name in methods.split(",")],  # type: ignore[misc]
            replicates=replicates,
            samples=samples,
            random_seed=random_seed,
            max_rounds=max_rounds,
            blocked=barred,
            costs=costs,
            candidates=_candidates(candidates, what),
            delay=delay,
            ties=ties,
            progress=progress,
        )
    rows = found.rows.select(COLUMNS)
    write(rows, lambda: _print(found, what), chosen=chosen, output=output, as_json=as_json)
    print_published("containment_plans", published=not found.was_published)
    if plot is not None:
        save_plot(found.plot(), plot)


def _budget(budget: float | None, choices: int, costs: str | None) -> float:
    """Return the budget, by default 10 or all choices; a number of choices as an integer."""
    if budget is None:
        return min(10, choices)
    return int(budget) if costs is None and budget.is_integer() else budget


def _candidates(text: str | None, what: str) -> list[Any] | None:
    """Return agent ids, or pairs of them for edges; None if the option was not given.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        If the file cannot be read, there is no id, or an edge is not written SOURCE,TARGET.
    """
    from data.errors import InvalidInputError

    if text is not None and what == "edges" and not text.startswith("@"):
        raise InvalidInputError(f"--candidates {text!r}: edges are read from a file, @FILE with SOURCE,TARGET per line")
    found = listed_agents("--candidates", text)
    if found is None or what != "edges":
        return found
    pairs = [tuple(part.strip() for part in line.split(",")) for line in found]
    for line, pair in zip(found, pairs, strict=True):
        if len(pair) != 2:
            raise InvalidInputError(f"--candidates {text!r}: {line!r} is not an edge; write SOURCE,TARGET")
    return list(pairs)


def _print(found: "Containment", what: str) -> None:
    """Print what the best method chooses, and the agents that each method saves."""
    from propagation.intervals import INTERVAL_NOTE, with_interval

    best = found.best_method
    if found.saved(best)[-1][1].mean == 0.0:
        print_line(f"nobody can be saved: the message reaches {found.reach_before:,.1f} agents whatever is chosen")
        return
    choices = found.choices(best)
    print_line(f"{DOES[what][1]}, by the method that saves most ({best}):")
    names = [" -> ".join(each) if isinstance(each, tuple) else each for each in choices]
    more = f", and {len(names) - SHOWN_CHOICES:,} more" if len(names) > SHOWN_CHOICES else ""
    print_line(f"  {', '.join(names[:SHOWN_CHOICES])}{more}")
    saved = {method: dict(found.saved(method)) for method in found.methods}
    counts = sorted({count for own in saved.values() for count in own})
    rows = [
        {"choices": count}
        | {method: with_interval(own[count]) if count in own else "" for method, own in saved.items()}
        for count in counts
    ]
    print_line(f"agents saved of {found.reach_before:,.1f} that the message reaches; {INTERVAL_NOTE}:")
    print_table(rows)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill block town --seeds ann,bob --budget 10",
            "rumormill block town edges --seeds @first.txt --budget 20 --set probability=0.05 --plot saved.png",
            "rumormill block town counter-message --seeds top_out_degree:5",
            "rumormill block town counter-message --seeds ann --delay 3 --ties counter_message",
            "rumormill block town --seeds ann --model sir --set beta=0.05 --methods degree,pagerank",
        ),
    )(block)
