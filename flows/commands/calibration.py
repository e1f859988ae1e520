"""Commands that learn from observed cascades: ``rumormill calibrate edges | curve``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.commands.decisions import records_of
from flows.commands.formats import FormatOption, OutputOption, check_format, write, write_object, write_rows
from flows.commands.model_options import (
    SEEDS,
    ModelOption,
    RandomSeedOption,
    SettingsOption,
    asked_parameters,
    asked_seeds,
    pairs,
)
from flows.commands.options import DEFAULT_WAREHOUSE, ClusterOption, JsonOption, WarehouseOption, examples
from flows.commands.pictures import PlotOption, check_plot, save_plot
from flows.commands.terminal import print_line, print_note, print_published, print_table, progress_bars

if TYPE_CHECKING:
    from distributed import Client

    from analytics.calibration.edges import EdgeCalibration
    from analytics.calibration.parameters import ParameterCalibration
    from analytics.calibration.scores import CalibrationScores
    from data.cascades.observed_cascades import ObservedCascades
    from data.facade import Warehouse
    from data.networks.network import Network

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
        "rumormill calibrate edges town talk --test 20% --plot sizes.png",
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
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Ranges of agents that are estimated together; never changes a value."),
    ] = None,
    cluster: ClusterOption = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Draw the sizes of the test cascades and of simulated ones: PNG, SVG or PDF."
        ),
    ] = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Estimate transmission probabilities or influence weights of edges, with 95 % intervals.

    They become columns of a network NETWORK-calibrated, which campaigns use with `probability: column`.
    """
    from analytics.calibration.exposures import Partitions
    from analytics.calibration.published import calibrate_edges, score_calibration
    from analytics.calibration.scores import choose_prior_strength
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    if plot is not None and test is None:
        raise InvalidInputError("--plot draws the sizes of test cascades: give --test too")
    if prior_strength is not None and validation is not None:
        raise InvalidInputError(
            f"--prior-strength {prior_strength:g} and --validation both decide the prior's strength: give one"
        )
    place = Warehouse(warehouse)
    known = place.network(network)
    fitted, checked, held = _cascades(place, known, cascades, validation, test)
    options: dict[str, Any] = {
        "model": model,
        "method": method,
        "window": window,
        "shrink_to": shrink_to,
        "decay": decay,
    }
    if prior_strength is not None:
        options["prior_strength"] = prior_strength
    with _client(cluster) as client, progress_bars(hidden=as_json) as progress:
        if checked is not None:
            ways = Partitions(partitions, client)
            strength, tried = choose_prior_strength(
                known, fitted, checked, partitions=ways, progress=progress, **options
            )
            options["prior_strength"] = strength
        found = calibrate_edges(known, fitted, name=name, partitions=partitions, client=client, **options)
        scores = None if held is None else score_calibration(found, held, client=client, progress=progress)
    if checked is not None:
        print_note(f"prior strength {strength:g}, under which {validation} is most likely:")
        for row in records_of(tried):
            print_note(f"  {row['prior_strength']:g}: log-likelihood {row['log_likelihood']:,.1f}")
    if plot is not None and scores is not None:
        save_plot(scores.plot(), plot)
    _answer_edges(found, scores, chosen, output, as_json=as_json)


def _answer_edges(
    found: "EdgeCalibration", scores: "CalibrationScores | None", chosen: Any, output: str | None, *, as_json: bool
) -> None:
    """Write the edges, or all of it as a JSON object; print scores, warnings and where it is published."""
    kind = check_format(chosen, output, as_json=as_json)
    if kind == "json":
        write_object(_edges_object(found, scores), output)
    else:
        import pyarrow as pa

        rows = pa.Table.from_pandas(found.edges, preserve_index=False)
        write(rows, lambda: _print_edges(found, scores), chosen=chosen, output=output, as_json=as_json)
    if scores is not None and output is not None:
        _print_scores(scores)
    elif scores is not None and kind in {"csv", "parquet"}:
        print_note(scores.sentence)
    for warning in (*found.warnings, *(() if scores is None else scores.warnings)):
        print_note(f"warning: {warning}")
    print_published("calibrations", published=not found.was_published)
    assert found.calibrated is not None
    print_note(f"network {found.calibrated.network_id!r} has the values in its columns {found.column}, and others")


@contextmanager
def _client(cluster: str | None) -> "Iterator[Client | None]":
    """Connect to the cluster of a profile; None without one, for threads of this process."""
    if cluster is None:
        yield None
        return
    from flows.config import load_cluster_profile
    from propagation.clusters import connect

    with connect(load_cluster_profile(cluster)) as client:
        yield client


def _cascades(
    place: "Warehouse", network: "Network", cascades: str, validation: str | None, test: str | None
) -> "tuple[ObservedCascades, ObservedCascades | None, ObservedCascades | None]":
    """Return the cascades to fit, to validate and to test with, of which none may be in two sets."""
    from analytics.calibration.held_out import check_apart, held_out

    fitted, held = place.cascades(cascades), None
    if test is not None:
        share = _share(place, test)
        fitted, held = (fitted, place.cascades(test)) if share is None else held_out(fitted, share)
    checked = None if validation is None else place.cascades(validation)
    to_fit, to_validate = "that edges are fitted to", "that choose the prior's strength"
    if held is not None:
        check_apart(network, fitted, held, (to_fit, "to test with"))
    if checked is not None:
        check_apart(network, fitted, checked, (to_fit, "to validate with"))
    if held is not None and checked is not None:
        check_apart(network, checked, held, (to_validate, "to test with"))
    return fitted, checked, held


def _share(place: "Warehouse", test: str) -> float | None:
    """Return the share that is to be held out, such as ``20%`` or ``0.2``; None if the text names cascades."""
    from data.errors import InvalidInputError

    try:
        share = float(test.removesuffix("%")) / (100.0 if test.endswith("%") else 1.0)
    except ValueError:
        share = None
    if test in set(place.observed_cascades()["cascade_set"]) or (share is None and not test.endswith("%")):
        return None
    if share is None or not 0.0 < share < 1.0:
        raise InvalidInputError(
            f"--test {test!r} is neither observed cascades nor a share between 0 and 1, such as 20% or 0.2"
        )
    return share


def _edges_object(found: "EdgeCalibration", scores: "CalibrationScores | None") -> dict[str, Any]:
    """Return a calibration as JSON values: what was counted, the scores, and every edge."""
    assert found.calibrated is not None
    return {
        "calibration_id": found.calibration_id,
        "network": found.network.network_id,
        "calibrated_network": found.calibrated.network_id,
        "cascades": found.cascades,
        **vars(found.options),
        "uniform": found.uniform,
        "log_likelihood": found.log_likelihood,
        "counts": dict(found.counts),
        "warnings": [*found.warnings, *(() if scores is None else scores.warnings)],
        "scores": None if scores is None else records_of(scores.table),
        "edges": records_of(found.edges),
    }


def _print_edges(found: "EdgeCalibration", scores: "CalibrationScores | None") -> None:
    """Print counts, the edges with most exposures, and scores."""
    from data.quantities import counted

    exposed, fitted = found.counts["exposed_edges"], counted(len(found.fitted), "cascade")
    sentence = (
        f"{found.options.model} on {found.network.network_id}, calibrated on {fitted} of {found.cascades}: {exposed:,} "
        f"of {counted(len(found.values), 'edge')} were exposed"
    )
    if found.column == "probability":
        sentence += f"; the one probability that fits all edges is {found.uniform:.4g}"
    print_line(sentence)
    print_table([{"counted": text, "number": f"{found.counts[name]:,}"} for name, text in COUNTED.items()])
    print_line("edges with most exposures:")
    most = found.edges.sort_values(["exposures", "successes"], ascending=False, kind="stable").head(10)
    print_table(records_of(most))
    if scores is not None:
        _print_scores(scores)


def _print_scores(scores: "CalibrationScores") -> None:
    print_line(scores.sentence)
    names = ("predictor", "log_likelihood", "mrr", "hits_at_10", "precision_at_10", "steps")
    sizes = {"observed_mean_size": "mean size", "simulated_mean_size": "simulated", "size_distance": "distance"}
    shown = scores.table[[*names, *sizes]].rename(columns=sizes)
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
            help=f"Where --numbers, or one cascade, starts: {SEEDS}. [dim]default: each cascade's agents of round "
            "0[/dim]",
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
        int | None, typer.Option(min=1, help="Replicates of a candidate; default: as many as cascades, at most 50.")
    ] = None,
    random_seed: RandomSeedOption = 0,
    cluster: ClusterOption = None,
    plot: PlotOption = None,
    chosen: FormatOption = None,
    output: OutputOption = None,
    warehouse: WarehouseOption = DEFAULT_WAREHOUSE,
    as_json: JsonOption = False,
) -> None:
    """Find parameters of a model whose simulated curves are like an observed one (approximate Bayesian computation)."""
    from analytics.calibration.parameters import calibrate_parameters
    from analytics.sweeps import base_model
    from data.errors import InvalidInputError
    from data.facade import Warehouse

    check_format(chosen, output, as_json=as_json)
    check_plot(plot)
    if not prior:
        raise InvalidInputError("which parameters are to be found? Give --prior, such as --prior beta=0.001..0.2")
    if numbers is not None and seeds is None:
        raise InvalidInputError("where do the --numbers start? Give --seeds, the agents of round 0")
    priors = {each: _prior(each, text) for each, text in pairs("--prior", prior, "beta=0.01..0.5").items()}
    fixed = asked_parameters(settings)
    ends = {each: [given[0]] for each, given in priors.items()}
    place = Warehouse(warehouse)
    known = place.network(network)
    observed = _observed(place, cascades, cascade, numbers)
    with _client(cluster) as client, progress_bars(hidden=as_json) as progress:
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
            client=client,
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
    from data.quantities import counted

    accepted, starts, replicates = len(found.accepted), len(found.starts), counted(found.base.replicates, "replicate")
    if starts > 1:
        which = "each" if found.base.replicates >= starts else "a random sample"
        print_line(f"{replicates} of each candidate start at the agents of round 0 of {which} of {starts:,} cascades")
    print_line(
        f"{found.base.model.name} on {found.network.network_id}: the {accepted:,} of {found.candidates:,} candidates "
        f"whose {found.observed.kind} is nearest to {found.observed.name} (median, mean, and 95 % interval):"
    )
    print_table(rows)
