"""The command ``rumormill block``: what to block against a message, or where to start a counter-message."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write
from flows.commands.model_options import (
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
        int | None, typer.Option("--budget", "-k", min=1, help="How many to choose. [dim]default: 10, or all[/dim]")
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
    from analytics.containment.plans import METHODS
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    message, starts = asked_model(model, settings), asked_seeds(seeds)
    barred = listed_agents("--blocked", blocked) or []
    place = Warehouse(warehouse).network(network)
    with progress_bars(hidden=as_json) as progress:
        found = contain(
            place,
            message,  # type: ignore[arg-type]
            seed_set=starts,
            budget=min(10, place.n_agents) if budget is None else budget,
            action=DOES[what][0],  # type: ignore[arg-type]
            methods=METHODS if methods is None else [name.strip() for name in methods.split(",")],  # type: ignore[misc]
            replicates=replicates,
            samples=samples,
            random_seed=random_seed,
            max_rounds=max_rounds,
            blocked=barred,
            progress=progress,
        )
    rows = found.rows.select(COLUMNS)
    write(rows, lambda: _print(found, what), chosen=chosen, output=output, as_json=as_json)
    print_published("containment_plans", published=not found.was_published)
    if plot is not None:
        save_plot(found.plot(), plot)


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
        ),
    )(block)
