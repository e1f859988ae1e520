"""The command ``rumormill seeds``: whom to seed so that a message reaches as many agents as possible."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.model_options import (
    AGENTS,
    BlockedOption,
    MaxRoundsOption,
    ModelOption,
    RandomSeedOption,
    ReplicatesOption,
    SettingsOption,
    asked_model,
    listed_agents,
)
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.influence import SeedSelection

SHOWN_SEEDS = 100


def seeds(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network in the warehouse.")],
    budget: Annotated[
        float, typer.Option("--budget", "-k", help="Seeds to add; with --costs, the most that they may cost together.")
    ],
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="auto, opim_c, imm or sketches; simulation: slower, for models that these do not know.",
        ),
    ] = "auto",
    epsilon: Annotated[
        float, typer.Option("--epsilon", help="Accuracy: the guaranteed share of the best reach is 1 - 1/e - epsilon.")
    ] = 0.1,
    delta: Annotated[
        float | None,
        typer.Option("--delta", help="Probability that the guarantee fails; default: 1 / number of agents."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets",
            metavar="AGENTS",
            help=f"Only these agents count: {AGENTS}; or COLUMN=VALUE, such as segment=2 or community=0,3.",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="COLUMN", help="Agent column: how much each agent counts.")
    ] = None,
    costs: Annotated[
        str | None, typer.Option("--costs", metavar="COLUMN", help="Agent column: what seeding each agent costs.")
    ] = None,
    given: Annotated[
        str | None, typer.Option("--given", metavar="AGENTS", help=f"Seeds that there are already: {AGENTS}.")
    ] = None,
    blocked: BlockedOption = None,
    max_rounds: MaxRoundsOption = 10_000,
    replicates: ReplicatesOption = 1000,
    random_seed: RandomSeedOption = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Choose the agents to seed so that a message reaches as many agents as possible, and publish the selection."""
    from analytics.influence import seed_selection
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    asked = asked_model(model, settings)
    counted = _groups(targets) or listed_agents("--targets", targets)
    earlier, barred = listed_agents("--given", given) or [], listed_agents("--blocked", blocked) or []
    place = Warehouse(warehouse)
    with progress_bars(hidden=as_json) as progress:
        found = seed_selection(
            place.network(network),
            asked,
            budget=budget,
            method=method,
            epsilon=epsilon,
            delta=delta,
            targets=counted,
            weights=weights,
            costs=costs,
            given=earlier,
            blocked=barred,
            max_rounds=max_rounds,
            replicates=replicates,
            random_seed=random_seed,
            progress=progress,
        )
    if plot is not None:
        save_plot(found.plot(), plot)
    rows = found.records
    write_rows(rows, lambda: _print(found, rows), chosen=chosen, output=output, as_json=as_json)


def _groups(text: str | None) -> dict[str, list[str]] | None:
    """Return groups of agents given as COLUMN=VALUE; None if the text is of another form."""
    if text is None or text.startswith("@") or "=" not in text:
        return None
    column, _, values = text.partition("=")
    return {column.strip(): [value.strip() for value in values.split(",")]}


def _print(found: "SeedSelection", rows: list[dict[str, Any]]) -> None:
    from analytics.intervals import with_interval
    from data.quantities import counted
    from propagation.intervals import INTERVAL_NOTE
    from propagation.result import Reach

    def interval(row: dict[str, Any], name: str) -> str:
        return with_interval(Reach(row[name], row[f"{name}_standard_error"], found.row["replicates"]))

    by_cost, has_given = found.row["costs"] is not None, bool(found.row["given_agents"])
    shown = [
        {
            "position": row["position"],
            "agent_id": row["agent_id"],
            **({"given": "yes" if row["given"] else ""} if has_given else {}),
            **({"cost": row["cost"]} if by_cost else {}),
            "adds": interval(row, "marginal_reach"),
            "reach": interval(row, "reach"),
        }
        for row in rows
    ]
    print_table(shown, most=SHOWN_SEEDS)
    row = found.row
    reach = "reaches" if len(rows) == 1 else "reach"
    print_line(f"{counted(len(rows), 'seed')} {reach} {with_interval(found.reach)} {found.unit}; {INTERVAL_NOTE}")
    if (guarantee := found.guarantee) is not None:
        print_line(guarantee)
    else:
        print_line(f"method {row['method']} gives no guarantee")
    print_note(found.origin)
    print_published("seed_selections", published=not found.recalled)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel="Answers",
        epilog=examples(
            "rumormill seeds friends --budget 50",
            "rumormill seeds friends --budget 50 --model independent_cascade --set probability=0.05",
            "rumormill seeds friends --budget 10 --given ann,bob --plot reach.png",
            "rumormill seeds friends --budget 10 --targets segment=2",
            "rumormill seeds friends --budget 1000 --costs price --targets @customers.txt --output seeds.csv",
        ),
    )(seeds)
