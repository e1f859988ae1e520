"""Commands about surrogates: ``rumormill surrogate fit | predict | next | refine | list``."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
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
    pairs,
    parameter_value,
)
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, PrecisionOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.surrogates.surrogate import Surrogate

app = typer.Typer(no_args_is_help=True, help="Predict reach between simulated points, and simulate where it is unsure.")
NameArgument = Annotated[str, typer.Argument(metavar="SURROGATE", help="Name of the surrogate.")]


@app.command(
    epilog=examples(
        "rumormill surrogate fit town --model sir --values beta=0.01,0.02,0.05,0.1 --set gamma=0.5 --plot curve.png",
        "rumormill surrogate fit town --values probability=0.01,0.05,0.1 --values budget=1,5,20 "
        "--seeds random:1 --name spring",
    )
)
def fit(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the network.")],
    values: ValuesOption,
    model: ModelOption = "independent_cascade",
    settings: SettingsOption = None,
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="SEEDS", help=f"Where the message starts: {SEEDS}.")
    ] = "random:1",
    name: Annotated[str, typer.Option("--name", help="Name of the surrogate.")] = "surrogate",
    replicates: Annotated[
        int | None, typer.Option("--replicates", min=10, help="Replicates of each point. [dim]default: 1000[/dim]")
    ] = None,
    precision: PrecisionOption = None,
    random_seed: RandomSeedOption = 0,
    max_rounds: MaxRoundsOption = 10_000,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Simulate a grid of parameters as rumormill sweep does, and fit a surrogate to its points.

    One to four parameters are varied. Points that a sweep has simulated before are read. The rows are the points, each
    predicted without itself.
    """
    from analytics import sweeps
    from analytics.decision_tables import publish_sweep
    from analytics.surrogates.fitting import check_points, surrogate
    from data.facade import Warehouse
    from data.validation import checked_name

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    checked_name(name)
    lists, fixed = asked_values(values), asked_parameters(settings)
    check_points(list(lists), math.prod(map(len, lists.values())))
    options = {"replicates": replicates, "precision": precision}
    given = {option: value for option, value in options.items() if value is not None}
    with progress_bars(hidden=as_json) as progress:
        found = sweeps.sweep(
            Warehouse(warehouse).network(network),
            sweeps.base_model(model, fixed, lists),
            lists,
            seed_sets={seeds: asked_seeds(seeds)},
            random_seed=random_seed,
            max_rounds=max_rounds,
            progress=progress,
            **given,
        )
    publish_sweep(found)
    _answer(surrogate(found, name=name), plot, chosen, output, as_json=as_json)


@app.command(epilog=examples("rumormill surrogate predict spring probability=0.03 budget=10"))
def predict(
    name: NameArgument,
    parameters: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="A value of every parameter.")],
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Predict the reach for values of the parameters, with a 95 % interval."""
    from analytics.surrogates.published import load_surrogate
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    point = {name: parameter_value(text) for name, text in pairs("PARAMETERS", parameters, "beta=0.1").items()}
    found = load_surrogate(Warehouse(warehouse), name)
    predicted = found.predict(**point)
    if plot is not None:
        ax = found.plot(**{each: point[each] for each in found.parameters[1:]})
        save_plot(ax, plot)
    ends = {"reach_low": predicted.low, "reach_high": predicted.high}
    rows = [{**point, "reach": predicted.reach, "reach_standard_error": predicted.standard_error, **ends}]

    def show() -> None:
        print_line(str(predicted))
        for note in found.notes:
            print_note(note)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


@app.command("next", epilog=examples("rumormill surrogate next spring --points 4"))
def next_points(
    name: NameArgument,
    points: Annotated[int, typer.Option("--points", min=1, help="How many.")] = 4,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Name the parameters to simulate next: where the error of predictions is largest."""
    from analytics.surrogates.published import load_surrogate
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    found = load_surrogate(Warehouse(warehouse), name)
    rows = []
    for point in found.next_points(points):
        predicted = found.predict(**point)
        rows.append({**point, "reach": predicted.reach, "reach_standard_error": predicted.standard_error})
    write_rows(rows, lambda: print_table(rows), chosen=chosen, output=output, as_json=as_json)


@app.command(
    epilog=examples(
        "rumormill surrogate refine spring --error 2% --simulations 20",
        "rumormill surrogate refine spring --plot s.png",
    )
)
def refine(
    name: NameArgument,
    error: Annotated[
        str,
        typer.Option(
            "--error",
            metavar="SHARE",
            help="Stop when the largest standard error is at most this share of the largest reach.",
        ),
    ] = "2%",
    simulations: Annotated[int, typer.Option("--simulations", min=1, help="Most points to simulate.")] = 20,
    together: Annotated[int, typer.Option("--together", min=1, help="Points that are simulated as one job.")] = 2,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Simulate where the error of predictions is largest and fit again, until it is small enough."""
    from analytics.surrogates.fitting import refine as refined
    from analytics.surrogates.published import load_surrogate
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    share = _share(error)
    start = load_surrogate(Warehouse(warehouse), name)

    def watch(current: "Surrogate") -> None:
        relative = current.largest_standard_error / current.largest_reach
        print_note(f"{len(current.points)} points: largest standard error {relative:.2%} of the largest reach")

    with progress_bars(hidden=as_json) as progress:
        found = refined(
            start, error=share, simulations=simulations, together=together, watcher=watch, progress=progress
        )
    if len(found.points) == len(start.points):
        print_note(f"the error is small enough already: at most {share:.3g} of the largest reach")
    elif found.largest_standard_error > share * found.largest_reach:
        print_note(f"the error is still larger than {error}; run again to simulate more points")
    _answer(found, plot, chosen, output, as_json=as_json)


@app.command("list", epilog=examples("rumormill surrogate list"))
def list_surrogates(
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """List the surrogates, the last one of each name, with their ranges and errors."""
    from analytics.surrogates.published import surrogate_rows
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    rows = surrogate_rows(Warehouse(warehouse))
    shown = [
        {
            "surrogate": row["surrogate"],
            "network": row["network_id"],
            "model": row["propagation_model"],
            "ranges": ", ".join(
                f"{each} {low:g} to {high:g}"
                for each, low, high in zip(row["varied"], row["lowest"], row["highest"], strict=True)
            ),
            "relative_error": f"{row['relative_error']:.2%}",
            "inside": f"{round(row['coverage'] * row['points'])} of {row['points']}",
        }
        for row in rows
    ]
    write_rows(
        rows,
        lambda: print_table(shown) if shown else print_line("no surrogates; fit one with: rumormill surrogate fit"),
        chosen=chosen,
        output=output,
        as_json=as_json,
    )


def _share(text: str) -> float:
    """Return a share given as a percentage or a number.

    Raises
    ------
    InvalidInputError
        If it is neither, or not between 0 and 1.
    """
    from data.errors import InvalidInputError

    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise InvalidInputError(f"--error {text!r} is not a share between 0 and 1, such as 2% or 0.02")
    return share


def _answer(found: "Surrogate", plot: str | None, chosen: Any, output: str | None, *, as_json: bool) -> None:
    """Publish a surrogate, draw it, and write its points."""
    from analytics.surrogates.published import publish_surrogate

    published = publish_surrogate(found)
    if plot is not None:
        from analytics.surrogates.picture import surrogate_figure

        save_plot(surrogate_figure(found), plot)
    points = found.points[[*found.parameters, "replicates", "reach", "reach_standard_error"]].join(found.left_out)
    rows: list[dict[str, Any]] = points.to_dict("records")  # type: ignore[assignment]

    def show() -> None:
        print_table([{key: _short(value) for key, value in row.items()} for row in rows], most=100)
        print_line(f"surrogate {found.name!r}: {found.sentence}")
        for note in found.notes:
            print_note(note)
        print_published("surrogates", published=published)

    write_rows(rows, show, chosen=chosen, output=output, as_json=as_json)


def _short(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
