"""Sweeps: a model over a grid of parameter values and seed sets, as one resumable job, and its epidemic threshold."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from analytics.intervals import mean_intervals
from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted
from data.validation import LONGEST_NAME, suggestion
from propagation.epidemic_threshold import EpidemicThreshold, epidemic_threshold
from propagation.mean_field import expected_cascade
from propagation.models import MODELS, Model, PandasModel
from propagation.seeding import SeedStrategy
from propagation.simulation import ManyResults, simulate_many

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BUDGET = "budget"
"""The parameter of seed strategies that can be varied like those of models."""
_SIMULATED = ("simulated_threshold", "simulated_threshold_low", "simulated_threshold_high")
FEWEST_FOR_PEAK = 3
"""Fewest values of the transmission parameter among which a threshold is looked for."""


@dataclass(frozen=True)
class Sweep:
    """The results of a sweep.

    Attributes
    ----------
    network : Network
    model : str
        Name of the model.
    parameters : tuple of str
        The parameters that were varied, in the order given; ``budget`` is that of the seed strategy.
    seed_sets : mapping
        The seed sets by name.
    results : ManyResults
        Result of each point of the grid, by the name of its session.
    table : DataFrame
        One row per point: ``session`` (name), the parameters, ``seed_set``, ``reach`` (mean, agents),
        ``reach_standard_error``, ``reach_low``, ``reach_high`` (95 % interval), ``share`` (of the network's agents),
        ``variability`` (standard deviation of cascade sizes / their mean), ``mean_field_reach`` (agents; NaN for models
        of users), ``mean_field_threshold`` (of the transmission parameter; NaN if there is none),
        ``simulated_threshold``, ``simulated_threshold_low`` and ``simulated_threshold_high`` (of its line of the grid,
        as in `thresholds`), ``replicates`` and ``session_id``.
    thresholds : DataFrame
        One row per combination of the other parameters and seed set, empty if the model has no threshold or its
        transmission parameter is not varied: these, ``parameter``, ``mean_field`` (threshold), ``simulated`` (value of
        the grid with the largest variability, which is an estimate from its replicates; NaN if that is at an end of the
        grid), ``simulated_low`` and ``simulated_high`` (the values of the grid before and after it), and
        ``spectral_radius``.
    precision : float or str, optional
        Precision of the mean reach that decided on the replicates, as it was requested.
    """

    network: Network
    model: str
    parameters: tuple[str, ...]
    seed_sets: Mapping[str, Any]
    results: ManyResults
    table: "pd.DataFrame"
    thresholds: "pd.DataFrame"
    precision: float | str | None = None

    @property
    def threshold_sentences(self) -> list[str]:
        """A sentence about the threshold on each line of the grid, those that say the same once."""
        others = [name for name in (*self.parameters, "seed_set") if name in self.thresholds.columns]
        found, fewest = [], int(self.table["replicates"].min())
        for row in self.thresholds.to_dict("records"):
            where = ", ".join(f"{name} {row[name]}" for name in others)
            if math.isinf(row["mean_field"]):
                found.append(f"{where}: no epidemic threshold, since the network has no cycles")
                continue
            simulated = (
                "the grid does not show one"
                if math.isnan(row["simulated"])
                else f"of the values simulated, cascade sizes vary most at {row['simulated']:g} "
                f"({counted(fewest, 'replicate')} each), which suggests a threshold between {row['simulated_low']:g} "
                f"and {row['simulated_high']:g}"
            )
            expected = f"epidemic threshold of {row['parameter']} {row['mean_field']:.4g} by the mean field"
            found.append(f"{where}: {expected}; {simulated}")
        return found

    def plot(self, ax: "Axes | None" = None, *, seed_set: str | None = None) -> "Axes":
        """Draw the reach: a line for each seed set if one parameter was varied, a heat map if two were.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: new axes.
        seed_set : str, optional
            The seed set to draw; default: all, of heat maps at most four.

        Raises
        ------
        InvalidInputError
            If three or more parameters were varied, or there is no such seed set.
        """
        from analytics.decision_plots import sweep_picture

        return sweep_picture(self, ax=ax, seed_set=seed_set)

    def __repr__(self) -> str:
        return f"Sweep({self.model} on {self.network.network_id!r}, {len(self.table):,} points; see .table)"

    def _repr_html_(self) -> str:
        return f"<b>{self!r}</b>{self.table.to_html(index=False, max_rows=20)}"


def sweep(
    network: Network,
    model: str | Model | type[Model],
    values: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    seed_sets: Any,
    **options: Any,
) -> Sweep:
    """Simulate a model for all combinations of parameter values and seed sets, or for listed points, as one job.

    Each point of the grid is a session, and is published when it is finished: running a cancelled or killed sweep again
    computes only the missing points, and a larger grid only the new ones. All points use common random numbers, so that
    neighbouring points differ by their parameters rather than by chance.

    Where the model has an epidemic threshold, it is given as the mean field has it
    (`propagation.epidemic_threshold`), beside the value of the grid at which cascade sizes vary most, relative to their
    mean: Shu, Wang, Tang, Do: Numerical identification of epidemic thresholds for susceptible-infected-recovered model
    on finite-size networks. Chaos 25, 2015. Few seeds and many replicates show it best.

    Parameters
    ----------
    network : Network
    model : str, Model or class of Model
        The model; a `Model` gives the values of the parameters that are not varied.
    values : mapping from str to sequence, or sequence of mappings
        Values of each parameter that is varied; or the points, each with a value of every one of them. ``budget`` is
        that of the seed sets, which are then strategies.
    seed_sets : mapping from str, or one seed set
        Seed sets by name, each as in `propagation.simulate`: a strategy, or original ids of agents.
    **options
        As for `propagation.simulate_many`: ``replicates`` or ``precision``, ``random_seed``, ``record``,
        ``max_rounds``, ``campaign``, ``plan``, ``client``, ``publish``, ``again``, ``progress`` and ``stop``.

    Returns
    -------
    Sweep

    Raises
    ------
    InvalidInputError
        If there is no such model or parameter, a value is invalid, given twice or missing, or as in `simulate_many`.

    Examples
    --------
    >>> import tempfile
    >>> from data import Warehouse
    >>> from propagation.seeding import RandomSeeds
    >>> network = Warehouse(tempfile.mkdtemp()).generate_network("town", "watts_strogatz", agents=100, degree=6)
    >>> grid = {"probability": [0.05, 0.5]}
    >>> found = sweep(network, "independent_cascade", grid, seed_sets=RandomSeeds(budget=1), replicates=20)
    >>> found.table[["probability", "seed_set"]].to_dict("list")
    {'probability': [0.05, 0.5], 'seed_set': ['random', 'random']}
    """
    points = _points(model, values)
    named = _named_seed_sets(seed_sets)
    sessions: dict[str, dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    for (point, made), (seed_set, seeds) in itertools.product(points, named.items()):
        name = _session_name(point, seed_set if len(named) > 1 else "", len(rows))
        sessions[name] = {"model": made, "seed_set": _with_budget(seeds, point)}
        rows.append({"session": name, **point, "seed_set": seed_set})
    results = simulate_many(network, sessions, **options)
    thresholds = {name: epidemic_threshold(network, each["model"]) for name, each in sessions.items()}
    table = _table(network, rows, results, thresholds)
    parameters = tuple(points[0][0])
    found = _thresholds(table, parameters, thresholds)
    precision = options.get("precision")
    return Sweep(network, points[0][1].name, parameters, named, results, table, found, precision)


# -- the grid -------------------------------------------------------------------------------------------------------


def base_model(name: str, fixed: Mapping[str, Any], values: Mapping[str, Sequence[Any]]) -> Model:
    """Return a model by name with the parameters that a sweep does not vary; the others have their first values.

    Raises
    ------
    InvalidInputError
        If there is no such model or parameter, or a parameter is fixed and varied.
    """
    if both := [each for each in fixed if each in values]:
        raise InvalidInputError(f"{both[0]} is given a value and varied; leave out one of them")
    kind = _kind(name)
    of_model = {each: chosen for each, chosen in values.items() if each != BUDGET}
    _check_parameters(kind, [*fixed, *of_model])
    firsts = {each: chosen[0] for each, chosen in of_model.items() if len(chosen)}
    return kind(**{**firsts, **fixed})


def _kind(name: str) -> type[Model]:
    if name not in MODELS:
        raise InvalidInputError(f"no model {name!r}{suggestion(name, MODELS)}; models are {', '.join(MODELS)}")
    return MODELS[name]


def _check_parameters(kind: type[Model], names: Sequence[str]) -> None:
    for name in names:
        if name not in kind.model_fields:
            known = ", ".join(kind.model_fields)
            raise InvalidInputError(
                f"model {kind.name!r} has no parameter {name!r}{suggestion(name, kind.model_fields)}; it has {known}"
            )


def _points(
    model: str | Model | type[Model], values: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]
) -> list[tuple[dict[str, Any], Model]]:
    """Return the points of a grid, or those listed, each with its model."""
    fixed: dict[str, Any] = {}
    if isinstance(model, str):
        kind = _kind(model)
    elif isinstance(model, Model):
        kind, fixed = type(model), {name: getattr(model, name) for name in model.model_fields_set}
    elif isinstance(model, type) and issubclass(model, Model):
        kind = model
    else:
        raise InvalidInputError(f"model {model!r} is not a model; give its name, such as 'sir', or SIR(gamma=0.2)")
    points = _grid(values) if isinstance(values, Mapping) else _listed(values)
    _check_parameters(kind, [name for name in points[0] if name != BUDGET])
    of_model = [{name: value for name, value in point.items() if name != BUDGET} for point in points]
    return [(point, kind(**{**fixed, **own})) for point, own in zip(points, of_model, strict=True)]


def _grid(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of values."""
    if not values:
        raise InvalidInputError("no values; give those of at least one parameter, such as {'beta': [0.01, 0.02]}")
    for name, chosen in values.items():
        if isinstance(chosen, str | bytes) or not hasattr(chosen, "__len__") or not len(chosen):
            raise InvalidInputError(f"values of {name}: {chosen!r} is not a list of at least one value")
    lists = {name: [_plain(value) for value in chosen] for name, chosen in values.items()}
    for name, chosen in lists.items():
        if repeated := [value for number, value in enumerate(chosen) if value in chosen[:number]]:
            raise InvalidInputError(f"values of {name}: {repeated[0]!r} is given twice")
    return [dict(zip(lists, point, strict=True)) for point in itertools.product(*lists.values())]


def _listed(values: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return listed points; each has a value of every parameter."""
    if not len(values) or not all(isinstance(each, Mapping) for each in values):
        raise InvalidInputError(f"values {values!r} are neither a grid nor points, such as [{{'beta': 0.01}}]")
    points = [{name: _plain(value) for name, value in point.items()} for point in values]
    for number, point in enumerate(points):
        if not point or list(point) != list(points[0]):
            raise InvalidInputError(f"point {point!r} has other parameters than the first, {points[0]!r}")
        if point in points[:number]:
            raise InvalidInputError(f"point {point!r} is given twice")
    return points


def _with_budget(seeds: Any, point: Mapping[str, Any]) -> Any:
    """Return a seed set with the budget of a point, if that varies."""
    if BUDGET not in point:
        return seeds
    if not isinstance(seeds, SeedStrategy):
        raise InvalidInputError(f"budget is varied, and seed set {seeds!r} lists agents; give a strategy")
    return type(seeds)(**{**seeds.model_dump(), BUDGET: point[BUDGET]})


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _named_seed_sets(seed_sets: Any) -> dict[str, Any]:
    if isinstance(seed_sets, Mapping):
        if not seed_sets:
            raise InvalidInputError("no seed sets; give at least one, such as RandomSeeds(budget=10)")
        return {str(name): seeds for name, seeds in seed_sets.items()}
    return {seed_sets.name if isinstance(seed_sets, SeedStrategy) else "explicit": seed_sets}


def _session_name(point: Mapping[str, Any], seed_set: str, number: int) -> str:
    parts = [f"{name}={value}" for name, value in point.items()] + ([seed_set] if seed_set else [])
    name = ", ".join(parts)
    return name if len(name) <= LONGEST_NAME else f"point {number + 1}"


# -- results --------------------------------------------------------------------------------------------------------


def _table(
    network: Network,
    rows: list[dict[str, Any]],
    results: ManyResults,
    thresholds: Mapping[str, EpidemicThreshold | None],
) -> "pd.DataFrame":
    import pandas as pd

    reach = results.reach
    means, errors = reach["reach"].to_numpy(), reach["reach_standard_error"].to_numpy()
    ends = [
        mean_intervals(np.array([mean]), np.array([error]), replicates)
        for mean, error, replicates in zip(means, errors, reach["replicates"].tolist(), strict=True)
    ]
    expected = [
        math.nan if isinstance(session.model, PandasModel) else expected_cascade(network, session).activations
        for session in results.sessions.values()
    ]
    return pd.DataFrame(rows).assign(
        reach=means,
        reach_standard_error=errors,
        reach_low=[float(low[0]) for low, _ in ends],
        reach_high=[float(high[0]) for _, high in ends],
        share=means / network.n_agents,
        variability=errors * np.sqrt(reach["replicates"].to_numpy()) / means,
        mean_field_reach=expected,
        mean_field_threshold=[math.nan if each is None else each.value for each in thresholds.values()],
        **dict.fromkeys(_SIMULATED, math.nan),
        replicates=reach["replicates"].to_numpy(),
        session_id=reach["session_id"].to_numpy(),
    )


def _thresholds(
    table: "pd.DataFrame", parameters: tuple[str, ...], thresholds: Mapping[str, EpidemicThreshold | None]
) -> "pd.DataFrame":
    """Return one row per line of the grid along the transmission parameter; fill the simulated ones into the table."""
    import pandas as pd

    names = ("simulated", "simulated_low", "simulated_high")
    columns = ["parameter", "mean_field", *names, "spectral_radius"]
    found = next((each for each in thresholds.values() if each is not None), None)
    if found is None or found.parameter not in parameters:
        return pd.DataFrame(columns=["seed_set", *columns])
    others = [name for name in (*parameters, "seed_set") if name != found.parameter]
    rows = []
    for key, line in table.groupby(others, sort=False, dropna=False):
        line = line[[thresholds[name] is not None for name in line["session"]]]  # the other values are no numbers
        if len(line):
            threshold = cast("EpidemicThreshold", thresholds[line["session"].iloc[0]])
            peak = _peak(line.sort_values(found.parameter), found.parameter)
            table.loc[line.index, list(_SIMULATED)] = peak
            rows.append(
                {
                    **dict(zip(others, key, strict=True)),
                    "parameter": found.parameter,
                    "mean_field": threshold.value,
                    **dict(zip(names, peak, strict=True)),
                    "spectral_radius": threshold.spectral_radius,
                }
            )
    return pd.DataFrame(rows, columns=[*others, *columns])


def _peak(line: "pd.DataFrame", parameter: str) -> tuple[float, float, float]:
    """Return the value at which cascade sizes vary most, and its neighbours; NaN if it is at an end of the line."""
    values, variability = line[parameter].to_numpy(np.float64), line["variability"].to_numpy()
    if len(values) < FEWEST_FOR_PEAK or np.isnan(variability).any():
        return math.nan, math.nan, math.nan
    peak = int(variability.argmax())
    if peak in (0, len(values) - 1) or variability[peak] == 0.0:
        return math.nan, math.nan, math.nan
    return float(values[peak]), float(values[peak - 1]), float(values[peak + 1])
