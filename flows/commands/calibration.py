"""Commands that learn from observed cascades: ``rumormill calibrate edges | curve``."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.decisions import records_of
from flows.commands.formats import FormatOption, OutputOption, check_format, write, write_rows
from flows.commands.model_options import (
    SEEDS,
    ModelOption,
    RandomSeedOption,
    SettingsOption,
    asked_parameters,
    asked_seeds,
    pairs,
)
from flows.commands.options import DEFAULT_WAREHOUSE, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from analytics.calibration.edges import EdgeCalibration
    from analytics.calibration.parameters import ParameterCalibration
    from analytics.calibration.scores import CalibrationScores
    from data.cascades.observed_cascades import ObservedCascades
    from data.facade import Warehouse

app = typer.Typer(no_args_is_help=True, help="Estimate edge values and model parameters from observed cascades.")

NetworkArgument = Annotated[str, typer.Argument(metavar="NETWORK", help="A network of the warehouse.")]
CascadesArgument = Annotated[str, typer.Argument(metavar="CASCADES", help="Observed cascades of its agents.")]
COUNTED = {
    "cascades": "cascades",
    "activations": "activations",
    "explained": "activations with a possible cause",
    "unexplained": "later activations without one",
    "exposed_edges": "exposed edges",
    "few_exposures": "of these, with fewer than 5 exposures",
    "confounded_edges": "of these, not told apart from others",
}
"""What a calibration counts, as the terminal says it."""


@app.command(
    "edges",
    epilog=examples(
        "rumormill calibrate edges android train --test test",
        "rumormill calibrate edges android train --validation val --test test",
        "rumormill calibrate edges town simulated --window 1 --prior-strength 0",
        "rumormill calibrate edges town talk --model linear_threshold --test 20% --output weights.csv",
    ),
)
def edges(
    network: NetworkArgument,
    cascades: CascadesArgument,
    model: Annotated[
        Literal["independent_cascade", "linear_threshold"], typer.Option(help="The model whose edges are calibrated.")
    ] = "independent_cascade",
    method: Annotated[
        Literal["em", "agents", "bernoulli", "jaccard", "partial_credit"],
        typer.Option(help="Maximum likelihood by edge or by agent, or a share of credit."),
    ] = "em",
    window: Annotated[
        float | None,
        typer.Option(metavar="TIME", help="Longest delay between cause and activation. [dim]default: any[/dim]"),
    ] = None,
    prior_strength: Annotated[
        float | None,
        typer.Option("--prior-strength", min=0, metavar="N", help="Exposures that the prior counts as; default: 1."),
    ] = None,
    shrink_to: Annotated[
        Literal["agents", "network"], typer.Option("--shrink-to", help="Whose probability the prior has.")
    ] = "agents",
    decay: Annotated[
        float | None,
        typer.Option(metavar="TIME", help="Of partial_credit: the share of a cause falls by e in this time."),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(metavar="CASCADES", help="Choose the prior's strength by the likelihood of these cascades."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="CASCADES", help="Score on these cascades, or on a share held out, such as 20%."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the new network. [dim]default: NETWORK-calibrated[/dim]")
    ] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Estimate transmission probabilities or influence weights of edges, with 95 % intervals.

    They become columns of a network NETWORK-calibrated, which campaigns use with `probability: column`.
    """
    from analytics.calibration.published import calibrate_edges, score_calibration
    from analytics.calibration.scores import choose_prior_strength
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    place = Warehouse(warehouse)
    known = place.network(network)
    fitted, held = _to_fit(place, cascades, test)
    options: dict[str, Any] = {
        "model": model,
        "method": method,
        "window": window,
        "shrink_to": shrink_to,
        "decay": decay,
    }
    if prior_strength is not None:
        if validation is not None:
            raise InvalidInputError(
                f"--prior-strength {prior_strength:g} and --validation both decide the prior's strength: give one"
            )
        options["prior_strength"] = prior_strength
    if validation is not None:
        strength, tried = choose_prior_strength(known, fitted, place.cascades(validation), **options)
        options["prior_strength"] = strength
        print_note(f"prior strength {strength:g}, under which {validation} is most likely:")
        for row in records_of(tried):
            print_note(f"  {row['prior_strength']:g}: log-likelihood {row['log_likelihood']:,.1f}")
    found = calibrate_edges(known, fitted, name=name, **options)
    scores = None if held is None else score_calibration(found, held)
    import pyarrow as pa

    rows = pa.Table.from_pandas(found.edges, preserve_index=False)
    write(rows, lambda: _print_edges(found, scores), chosen=chosen, output=output, as_json=as_json)
    for warning in found.warnings:
        print_note(f"warning: {warning}")
    print_published("calibrations", published=not found.was_published)
    assert found.calibrated is not None
    print_note(f"network {found.calibrated.network_id!r} has the values in its columns {found.column}, and others")


def _to_fit(place: "Warehouse", cascades: str, test: str | None) -> "tuple[ObservedCascades, ObservedCascades | None]":
    """Return the cascades to fit, and those to test with, if any."""
    from analytics.calibration.published import held_out
    from data.errors import InvalidInputError

    found = place.cascades(cascades)
    if test is None:
        return found, None
    if not test.endswith("%"):
        return found, place.cascades(test)
    try:
        share = float(test[:-1]) / 100
    except ValueError:
        raise InvalidInputError(f"--test {test!r} is neither observed cascades nor a share such as 20%") from None
    return held_out(found, share)


def _print_edges(found: "EdgeCalibration", scores: "CalibrationScores | None") -> None:
    """Print counts, the edges with most exposures, and scores."""
    exposed = found.counts["exposed_edges"]
    print_line(
        f"{found.options.model} on {found.network.network_id}, calibrated on {found.cascades}: {exposed:,} of "
        f"{len(found.values):,} edges were exposed; the one {found.column} that fits all edges is {found.uniform:.4g}"
        if found.column == "probability"
        else f"{found.options.model} on {found.network.network_id}, calibrated on {found.cascades}: {exposed:,} of "
        f"{len(found.values):,} edges were exposed"
    )
    print_table([{"counted": text, "number": f"{found.counts[name]:,}"} for name, text in COUNTED.items()])
    print_line("edges with most exposures:")
    most = found.edges.sort_values(["exposures", "successes"], ascending=False, kind="stable").head(10)
    print_table(records_of(most))
    if scores is not None:
        print_line(scores.sentence)
        shown = scores.table[["predictor", "log_likelihood", "mrr", "hits_at_10", "precision_at_10", "steps"]]
        print_table(records_of(shown))


@app.command(
    "curve",
    epilog=examples(
        "rumormill calibrate curve town outbreak --model sir --prior beta=0.01..0.3 --prior gamma=0.05..1",
        "rumormill calibrate curve town --model si --numbers 1,3,9,25,60 --seeds 17 --prior beta=0.001..0.5:log",
        "rumormill calibrate curve town talk --cascade 12 --round-length 3600 --model sir --set gamma=0.5 "
        "--prior beta=0..0.2",
    ),
)
def curve(
    network: NetworkArgument,
    cascades: Annotated[
        str | None, typer.Argument(metavar="[CASCADES]", help="Observed cascades, whose mean curve is compared.")
    ] = None,
    model: ModelOption = "sir",
    prior: Annotated[
        list[str] | None,
        typer.Option(
            "--prior",
            metavar="NAME=LOW..HIGH",
            help="Range of a parameter, :log for orders of magnitude; repeatable.",
        ),
    ] = None,
    settings: SettingsOption = None,
    numbers: Annotated[
        str | None, typer.Option(metavar="N0,N1,...", help="Agents by round, from round 0, instead of cascades.")
    ] = None,
    cascade: Annotated[str | None, typer.Option(metavar="ID", help="Only this one of the cascades.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            metavar="SEEDS",
            help=f"{SEEDS}. [dim]default: the agents of round 0 of one cascade[/dim]",
        ),
    ] = None,
    kind: Annotated[
        Literal["incidence", "cumulative", "prevalence"], typer.Option("--curve", help="What is compared by round.")
    ] = "incidence",
    round_length: Annotated[
        float,
        typer.Option("--round-length", min=0, metavar="TIME", help="Length of a round, in the cascades' unit."),
    ] = 1.0,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds to compare; default: all observed.")] = None,
    candidates: Annotated[int, typer.Option(min=10, help="Candidates to simulate, as one job.")] = 2000,
    accept: Annotated[float, typer.Option(help="Share of the candidates to accept.")] = 0.02,
    replicates: Annotated[
        int | None, typer.Option(min=1, help="Replicates of a candidate; default: as many as cascades, at most 100.")
    ] = None,
    random_seed: RandomSeedOption = 0,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Find parameters of a model whose simulated curves are like an observed one (approximate Bayesian computation)."""
    from analytics.calibration.parameters import calibrate_parameters
    from analytics.sweeps import base_model
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    priors = {each: _prior(each, text) for each, text in pairs("--prior", prior or [], "beta=0.01..0.5").items()}
    fixed = asked_parameters(settings)
    ends = {each: [given[0]] for each, given in priors.items()}
    place = Warehouse(warehouse)
    known = place.network(network)
    observed = _observed(place, cascades, cascade, numbers)
    with progress_bars(hidden=as_json) as progress:
        found = calibrate_parameters(
            known,
            base_model(model, fixed, ends),
            priors,
            observed,
            seed_set=None if seeds is None else asked_seeds(seeds),
            curve=kind,
            round_length=round_length,
            rounds=rounds,
            candidates=candidates,
            accept=accept,
            replicates=replicates,
            random_seed=random_seed,
            progress=progress,
        )
    if plot is not None:
        save_plot(found.plot(), plot)
    rows = records_of(found.posterior)
    write_rows(rows, lambda: _print_curve(found, rows), chosen=chosen, output=output, as_json=as_json)
    for warning in found.warnings:
        print_note(f"warning: {warning}")
    print_published("calibrations", published=not found.was_published)


def _prior(name: str, text: str) -> tuple[Any, ...]:
    """Return (low, high) or (low, high, "log") of a text such as ``0.01..0.3`` or ``0.001..1:log``."""
    from data.errors import InvalidInputError

    ends, separator, scale = text.partition(":")
    low, dots, high = ends.partition("..")
    form = f"--prior {name}={text} is not of the form NAME=LOW..HIGH or NAME=LOW..HIGH:log"
    if not dots or (separator and scale != "log"):
        raise InvalidInputError(form)
    try:
        given = (float(low), float(high))
    except ValueError:
        raise InvalidInputError(form) from None
    return (*given, "log") if scale else given


def _observed(place: "Warehouse", cascades: str | None, cascade: str | None, numbers: str | None) -> Any:
    """Return the numbers by round, or the observed cascades."""
    from data.errors import InvalidInputError

    if (cascades is None) == (numbers is None):
        raise InvalidInputError("what was observed? Give the name of CASCADES, or --numbers 1,3,9,25")
    if numbers is not None:
        if cascade is not None:
            raise InvalidInputError(f"--cascade {cascade} chooses one of CASCADES; leave it out with --numbers")
        try:
            return [float(each) for each in numbers.split(",")]
        except ValueError:
            raise InvalidInputError(f"--numbers {numbers!r} is not a list of numbers such as 1,3,9,25") from None
    found = place.cascades(str(cascades))
    if cascade is None:
        return found
    ids = found.cascade_ids.to_pylist()
    if cascade not in ids:
        raise InvalidInputError(f"cascades {cascades!r} have no cascade {cascade!r}; ids there look like {ids[0]!r}")
    return found.select([ids.index(cascade)])


def _print_curve(found: "ParameterCalibration", rows: list[dict[str, Any]]) -> None:
    accepted = len(found.accepted)
    print_line(
        f"{found.base.model.name} on {found.network.network_id}: the {accepted:,} of {found.candidates:,} candidates "
        f"whose {found.observed.kind} is nearest to {found.observed.name} (median, mean, and 95 % interval):"
    )
    print_table(rows)
