"""Commands that forecast how large cascades become: ``rumormill forecast fit | show | score | predict``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.formats import FormatOption, OutputOption, check_format, write_rows
from flows.commands.model_options import RandomSeedOption
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.forecasting.models import ForecastModel
    from data.facade import Warehouse

app = typer.Typer(
    help="Forecast how large cascades become, from how they begin.",
    no_args_is_help=True,
    epilog=examples(
        "rumormill forecast fit viral twitter --window 3600",
        "rumormill forecast show viral",
        "rumormill forecast predict viral todays-cascades",
    ),
)
SHOWN_FORECASTS = 20
NameArgument = Annotated[str, typer.Argument(metavar="MODEL", help="Name or id of the model.")]
SOURCES = "Names of imported sets of cascades, or sessions that recorded activations, as CAMPAIGN:SESSION or by id."
SourcesArgument = Annotated[list[str], typer.Argument(metavar="CASCADES...", help=SOURCES)]


@app.command(
    epilog=examples(
        "rumormill forecast fit viral twitter --window 3600 --split first_agent",
        "rumormill forecast fit viral twitter --first 50 --outcome median --plot viral.png",
        "rumormill forecast fit early spring:hubs --window 3 --size-estimators linear,boosting",
    )
)
def fit(
    name: Annotated[str, typer.Argument(metavar="MODEL", help="What to call the model.")],
    sources: SourcesArgument,
    window: Annotated[
        float | None,
        typer.Option(
            "--window", help="Time from the first activation that is observed, in the cascades' unit of time."
        ),
    ] = None,
    first: Annotated[
        int | None, typer.Option("--first", help="Number of activations that are observed, instead of a window.")
    ] = None,
    at_least: Annotated[
        int, typer.Option("--at-least", help="Leave out cascades with fewer activations within the window.")
    ] = 1,
    outcome: Annotated[
        str,
        typer.Option(
            "--outcome", help="What the probability is about: double (the size observed), or median (exceed it)."
        ),
    ] = "double",
    split: Annotated[
        str,
        typer.Option("--split", help="Which cascades test the model: random, last (of each set), or first_agent."),
    ] = "random",
    test_share: Annotated[float, typer.Option("--test-share", help="Share of the cascades to test on.")] = 0.3,
    level: Annotated[float, typer.Option("--level", help="Share that prediction intervals are to cover.")] = 0.9,
    grouping: Annotated[
        str | None,
        typer.Option("--grouping", metavar="COLUMN", help="Agent column whose values are counted as communities."),
    ] = None,
    size_estimators: Annotated[
        str | None,
        typer.Option(
            "--size-estimators",
            metavar="NAME,NAME",
            help="What cross-validation chooses from for the final size: linear, poisson, boosting, "
            "stochastic_gradient. [dim]default: all of them[/dim]",
        ),
    ] = None,
    outcome_estimators: Annotated[
        str | None,
        typer.Option(
            "--outcome-estimators",
            metavar="NAME,NAME",
            help="The same for the outcome: logistic, boosting, stochastic_gradient.",
        ),
    ] = None,
    random_seed: RandomSeedOption = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Fit a model to cascades whose ends are known, test it on others, and publish it with its scores."""
    from analytics.forecasting.estimators import OUTCOME_ESTIMATORS, SIZE_ESTIMATORS
    from analytics.forecasting.new_models import fit_forecast
    from analytics.forecasting.observation import Observation
    from analytics.forecasting.sources import load_sources
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    Observation(window, first, at_least)  # refused before cascades are read
    place = Warehouse(warehouse)
    cascades, network = load_sources(place, sources)
    with progress_bars(hidden=as_json) as progress:
        model = fit_forecast(
            name, cascades, window=window, first=first, at_least=at_least, network=network, grouping=grouping,
            outcome=outcome, split=split, test_share=test_share, level=level,
            size_estimators=_names(size_estimators, SIZE_ESTIMATORS),
            outcome_estimators=_names(outcome_estimators, OUTCOME_ESTIMATORS),
            random_seed=random_seed, warehouse=place, progress=progress,
        )  # fmt: skip
    if plot is not None:
        save_plot(model.plot(), plot)
    write_rows(model.score_records, lambda: _print_model(model), chosen=chosen, output=output, as_json=as_json)
    if not as_json:
        print_published("forecast_models", published=not model.recalled)


def _names(text: str | None, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if text is None else tuple(name.strip().replace("-", "_") for name in text.split(","))


@app.command()
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Name or id. [dim]default: list all models[/dim]")
    ] = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Print the card of a model: what it was fitted to, how good it was on other cascades, and its limits."""
    from analytics.forecasting.models import forecast_model
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    place = Warehouse(warehouse)
    if name is None:
        if plot is not None:
            raise InvalidInputError("--plot draws one model; name it")
        rows = _listed(place)
        write_rows(rows, lambda: _print_listed(rows), chosen=chosen, output=output, as_json=as_json)
        return
    model = forecast_model(place, name)
    _note_versions(model)
    if plot is not None:
        save_plot(model.plot(), plot)
    write_rows(model.score_records, lambda: _print_card(model), chosen=chosen, output=output, as_json=as_json)


@app.command()
def score(
    name: NameArgument,
    source: Annotated[str, typer.Argument(metavar="CASCADES", help=SOURCES.replace("Names", "Name"))],
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Score a model on cascades whose ends are known, beside simple forecasts; give cascades it was not fitted to."""
    from analytics.forecasting.models import forecast_model
    from analytics.forecasting.predictions import score_forecast
    from analytics.forecasting.sources import load_source
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    place = Warehouse(warehouse)
    model, found = forecast_model(place, name), load_source(place, source)
    _note_versions(model)
    if found.cascades.cascade_set_id in model.row["cascade_set_ids"]:
        print_note(f"model {name!r} was fitted to some of these cascades, so that the scores flatter it")
    scores = score_forecast(model, found.cascades, network=found.network)
    rows = [{str(key): value for key, value in row.items()} for row in scores.to_dict("records")]
    write_rows(rows, lambda: _print_scores(rows), chosen=chosen, output=output, as_json=as_json)


@app.command()
def predict(
    name: NameArgument,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CASCADES...", help=f"{SOURCES} [dim]default: all that the model has not forecast yet[/dim]"
        ),
    ] = None,
    age: Annotated[
        float | None,
        typer.Option(
            "--age",
            help="For how long each cascade has been observed at least, in its unit of time; needed where no "
            "activation is as late as the end of the model's window.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log of Prefect.")] = False,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Forecast cascades with a model, as a Prefect flow, and publish the forecasts. Nothing is forecast twice."""
    from flows.commands.logs import quiet_logs

    check_format(chosen, output, as_json=as_json)
    quiet_logs(verbose=verbose)
    from analytics.forecasting.models import forecast_model
    from analytics.forecasting.sources import load_source
    from data.facade import Warehouse
    from data.warehouse.keys import forecast_key
    from flows.forecasts import run_forecast

    place = Warehouse(warehouse)
    model = forecast_model(place, name)
    _note_versions(model)
    for source in sources or []:
        load_source(place, source)  # refused before Prefect is started
    summary = run_forecast(model.model_id, place.url, sources or None, age)
    rows: list[dict[str, Any]] = []
    for each in summary["sources"]:
        key = forecast_key(model.model_id, each["cascade_set_id"])
        found = place.read("forecasts", [key]).sort_by("cascade").drop_columns(["model_id", "created_at"])
        rows += [{"cascade_set": each["source"], **row} for row in found.to_pylist()]
    write_rows(rows, lambda: _print_forecasts(model, summary, rows), chosen=chosen, output=output, as_json=as_json)
    for name in summary["too_short"]:
        print_note(
            f"cascades {name!r} are left out: no activation is as late as the end of the model's window, "
            f"{model.row['observation']}; if they were observed for so long, name them and give --age"
        )


def _note_versions(model: "ForecastModel") -> None:
    for note in model.version_notes:
        print_note(f"model {model.row['forecast_model']!r} was {note}; fit it again if forecasts fail or look odd")


def _print_model(model: "ForecastModel") -> None:
    from analytics.forecasting.model_cards import level_text, outcome_text, score_table, weaknesses

    row = model.row
    print_line(
        f"model {row['forecast_model']!r} observes {row['observation']}: fitted to {row['training_cascades']:,} "
        f"cascades, tested on {row['test_cascades']:,} others"
    )
    print_line(f"size by {row['size_estimator'].replace('_', ' ')}, with {level_text(row['interval_level'])} intervals")
    print_line(
        f"outcome by {row['outcome_estimator'].replace('_', ' ')}: {outcome_text(row['outcome'], row['outcome_size'])}"
    )
    print_table(score_table(model.score_records))
    for weakness in weaknesses(model.score_records):
        print_line(weakness)


def _print_card(model: "ForecastModel") -> None:
    from rich.markdown import Markdown

    from flows.commands.terminal import console

    output = console()
    if output.is_terminal:
        output.print(Markdown(model.card))
    else:
        for line in model.card.splitlines():
            output.print(line, markup=False, soft_wrap=True)


def _print_scores(rows: list[dict[str, Any]]) -> None:
    from analytics.forecasting.model_cards import score_table, weaknesses

    print_table(score_table(rows))
    for weakness in weaknesses(rows):
        print_line(weakness)


def _print_forecasts(model: "ForecastModel", summary: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    from analytics.forecasting.model_cards import level_text, outcome_words

    row = model.row
    interval, outcome = (
        f"{level_text(row['interval_level'])} interval",
        outcome_words(row["outcome"], row["outcome_size"]),
    )
    shown = [
        {
            "cascades": each["cascade_set"],
            "cascade": each["cascade_id"],
            "so far": each["size_so_far"],
            "forecast": round(each["predicted_size"], 1),
            interval: f"{each['predicted_low']:,.1f} to {each['predicted_high']:,.1f}",
            outcome: f"{100 * each['outcome_probability']:.1f} %",
        }
        for each in rows[:SHOWN_FORECASTS]
    ]
    if shown:
        print_table(shown)
    if len(rows) > SHOWN_FORECASTS:
        print_note(f"{SHOWN_FORECASTS} of {len(rows):,} forecasts; --output FILE.parquet writes all")
    if not summary["sources"]:
        print_line(f"model {summary['model']!r} has nothing new to forecast; nothing was added")
    for each in summary["sources"]:
        left_out = each["cascades"] - each["forecasts"]
        few = f"; {left_out:,} have too few activations to be forecast" if left_out else ""
        print_line(f"{each['source']}: {each['forecasts']:,} of {each['cascades']:,} cascades forecast{few}")
        if each["forecasts"]:
            print_published("forecasts", published=each["new"])


def _listed(warehouse: "Warehouse") -> list[dict[str, Any]]:
    from analytics.forecasting.models import forecast_models

    shown = (
        "forecast_model", "cascade_sets", "observation", "outcome", "size_estimator", "outcome_estimator",
        "training_cascades", "test_cascades", "is_current", "created_at", "model_id",
    )  # fmt: skip
    return [{name: row[name] for name in shown} for row in forecast_models(warehouse)]


def _print_listed(rows: list[dict[str, Any]]) -> None:
    if rows:
        print_table([{**row, "cascade_sets": ", ".join(row["cascade_sets"])} for row in rows])
    else:
        print_line("no forecast models yet: rumormill forecast fit MODEL CASCADES --window TIME")
