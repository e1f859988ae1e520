"""The command ``rumormill block``: what to block against a message, or where to start a counter-message."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write
from flows.commands.model_options import ModelOption, SettingsOption, asked_model
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.containment import Containment
    from propagation.models.model import Model

SHOWN_CHOICES = 20
DOES = {
    "agents": ("block_agents", "agents to block"),
    "edges": ("block_edges", "edges to block"),
    "counter-message": ("counter_message", "where to start the counter-message"),
}
"""By the command's word: the action, and what is chosen."""


def block(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network in the warehouse.")],
    what: Annotated[
        Literal["agents", "edges", "counter-message"],
        typer.Argument(help="What to choose: agents or edges to block, or seeds of a counter-message."),
    ] = "agents",
    seed: Annotated[
        list[str] | None, typer.Option("--seed", metavar="AGENT", help="A seed of the message; repeatable.")
    ] = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", metavar="NAME", help="Choose the message's seeds by a strategy instead.")
    ] = None,
    seed_budget: Annotated[
        int | None, typer.Option("--seed-budget", min=1, metavar="K", help="Number of seeds of --strategy.")
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            "-k",
            help="How many to choose; with --costs, what they cost at most. [dim]default: 10, or all[/dim]",
        ),
    ] = None,
    probability: Annotated[
        str | None,
        typer.Option(
            metavar="P",
            help="Transmission probability of the independent cascade: a number, or weighted_cascade, trivalency, "
            "strength, column or column:NAME. [dim]default: weighted_cascade[/dim]",
            show_default=False,
        ),
    ] = None,
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="A method: greedy, degree, pagerank or random; repeatable. [dim]default: all four[/dim]",
        ),
    ] = None,
    blocked: Annotated[
        list[str] | None, typer.Option("--blocked", metavar="AGENT", help="An agent blocked already; repeatable.")
    ] = None,
    costs: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Agent column: what choosing each agent costs.")
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate",
            metavar="AGENT",
            help="Choose only among these agents, or edges written SOURCE,TARGET; repeatable.",
        ),
    ] = None,
    delay: Annotated[
        int, typer.Option("--delay", min=0, metavar="ROUND", help="Round in which the counter-message starts.")
    ] = 0,
    ties: Annotated[
        Literal["random", "message", "counter_message"],
        typer.Option("--ties", help="What an agent adopts that both messages reach in the same round."),
    ] = "random",
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", min=0, help="Last round in which agents are reached.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Replicates on which the choices are judged.")] = 1000,
    samples: Annotated[int, typer.Option(min=1, help="Cascades on which the greedy method chooses.")] = 2000,
    random_seed: Annotated[int, typer.Option(min=0, help="Random seed of all draws.")] = 0,
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
    from propagation.sessions import MAX_ROUNDS

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    place = Warehouse(warehouse).network(network)
    with progress_bars() as progress:
        found = contain(
            place,
            _model(model, settings, probability),
            seed_set=_seed_set(seed, strategy, seed_budget),
            budget=_budget(budget, place.n_agents, costs),
            action=DOES[what][0],  # type: ignore[arg-type]
            methods=method or METHODS,  # type: ignore[arg-type]
            replicates=replicates,
            samples=samples,
            random_seed=random_seed,
            max_rounds=MAX_ROUNDS if max_rounds is None else max_rounds,
            blocked=blocked or (),
            costs=costs,
            candidates=None if candidate is None else _candidates(candidate, what),
            delay=delay,
            ties=ties,
            progress=progress,
        )
    write(found.rows, lambda: _print(found, what), chosen=chosen, output=output, as_json=as_json)
    print_published("containment_plans", published=not found.was_published)
    if plot is not None:
        save_plot(found.plot(), plot)


def _seed_set(seed: list[str] | None, strategy: str | None, budget: int | None) -> Any:
    """Return the seeds, or the strategy that chooses them.

    Raises
    ------
    InvalidInputError
        Unless exactly one of the two is given.
    """
    from data.errors import InvalidInputError
    from propagation.seeding import make_strategy

    if seed is not None and strategy is not None:
        raise InvalidInputError("--seed and --strategy both say where the message starts; give one of them")
    if seed is None and strategy is None:
        raise InvalidInputError("where does the message start? Give --seed AGENT, or --strategy NAME --seed-budget K")
    if strategy is None:
        if budget is not None:
            raise InvalidInputError(f"--seed-budget {budget} is for --strategy; remove it, or give a strategy")
        return seed
    if budget is None:
        raise InvalidInputError(f"--strategy {strategy}: how many seeds? Add --seed-budget K")
    return make_strategy(strategy, {"budget": budget})


def _model(name: str, settings: list[str] | None, probability: str | None) -> "Model":
    """Return the model; --probability is short for the parameter of that name.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter breaks its rule.
    """
    given = [] if probability is None else [f"probability={probability}"]
    return asked_model(name, [*given, *(settings or ())])


def _budget(budget: float | None, agents: int, costs: str | None) -> float:
    if budget is None:
        return min(10, agents)
    return int(budget) if costs is None and budget == int(budget) else budget


def _candidates(texts: list[str], what: str) -> list[Any]:
    """Return agent ids, or pairs of them for edges.

    Raises
    ------
    InvalidInputError
        If an edge is not written SOURCE,TARGET.
    """
    from data.errors import InvalidInputError

    if what != "edges":
        return list(texts)
    pairs = [text.split(",") for text in texts]
    for text, pair in zip(texts, pairs, strict=True):
        if len(pair) != 2:
            raise InvalidInputError(f"--candidate {text!r} is not an edge; write SOURCE,TARGET")
    return [tuple(pair) for pair in pairs]


def _print(found: "Containment", what: str) -> None:
    """Print what the best method chooses, and the agents that each method saves."""
    from analytics.intervals import with_interval

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
    print_line(f"agents saved of {found.reach_before:,.1f} that the message reaches (mean, 95 % interval):")
    print_table(rows)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill block town --seed ann --budget 10",
            "rumormill block town edges --seed ann --budget 20 --probability 0.05 --plot saved.png",
            "rumormill block town counter-message --strategy top_out_degree --seed-budget 5",
            "rumormill block town counter-message --seed ann --delay 3 --ties counter_message",
            "rumormill block town --seed ann --model sir --set beta=0.05 --method degree --method pagerank",
        ),
    )(block)
