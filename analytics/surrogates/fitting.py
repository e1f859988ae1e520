"""Surrogates fitted to sweeps, and refined by further simulations where their error is largest."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.decision_tables import publish_sweep
from analytics.surrogates.axes import Axis
from analytics.surrogates.process import Process
from analytics.surrogates.surrogate import Design, Surrogate
from analytics.sweeps import BUDGET, Sweep, base_model, sweep
from data.errors import InvalidInputError
from data.networks.network import Network
from data.validation import checked_name, types_of_field
from propagation.models import MODELS

if TYPE_CHECKING:
    import pandas as pd

MOST_PARAMETERS = 4
FEWEST_REPLICATES = 10
"""Replicates from which their standard error says how sure a mean is."""
COLUMNS = ("session_id", "replicates", "reach", "reach_standard_error")
"""What a surrogate knows of each point, besides the parameters."""
Watcher = Callable[[Surrogate], None]
"""Called with every surrogate on the way."""


def surrogate(found: Sweep, *, name: str = "surrogate", seed_set: str | None = None) -> Surrogate:
    """Fit a surrogate to the points of a sweep: a function from parameters to reach that answers at once.

    A Gaussian process (scikit-learn) on the empirical logit of the share of agents reached, with the standard errors of
    the simulated means as its noise; hyperparameters maximise the likelihood, always from the same starts. Its error is
    that of leave-one-out predictions.

    Parameters
    ----------
    found : Sweep
        Of one to four numeric parameters; ``budget`` may be one of them. At least 4 points, and 2 more than twice
        the number of parameters; at least `FEWEST_REPLICATES` replicates of each.
    name : str
        Name under which the surrogate is published.
    seed_set : str, optional
        Which seed set of the sweep; needed if it has several.

    Returns
    -------
    Surrogate

    Raises
    ------
    InvalidInputError
        If the sweep has too few points or replicates, more than four parameters, values that are no numbers, or several
        seed sets of which none is named.

    References
    ----------
    Sacks, Welch, Mitchell and Wynn (1989), Design and analysis of computer experiments. Rasmussen and Williams (2006),
    Gaussian Processes for Machine Learning.

    Examples
    --------
    >>> import tempfile
    >>> from analytics import sweep
    >>> from data import Warehouse
    >>> from propagation.seeding import RandomSeeds
    >>> network = Warehouse(tempfile.mkdtemp()).generate_network("town", "watts_strogatz", agents=200, degree=6)
    >>> grid = {"probability": [0.05, 0.1, 0.2, 0.3, 0.4, 0.6]}
    >>> found = sweep(network, "independent_cascade", grid, seed_sets=RandomSeeds(budget=2), replicates=50)
    >>> fitted = surrogate(found)
    >>> fitted.predict(probability=0.25).reach > fitted.predict(probability=0.15).reach
    True
    """
    checked_name(name)
    named = list(dict.fromkeys(found.table["seed_set"]))
    if seed_set is None and len(named) > 1:
        raise InvalidInputError(f"the sweep has the seed sets {', '.join(named)}; say which one: seed_set={named[0]!r}")
    if seed_set is not None and seed_set not in named:
        raise InvalidInputError(f"no seed set {seed_set!r}; the sweep has {', '.join(named)}")
    chosen = seed_set or named[0]
    rows = found.table[found.table["seed_set"] == chosen]
    (first, *_) = (found.results.sessions[each] for each in rows["session"])
    varied = set(found.parameters)
    design = Design(
        found.model,
        {each: getattr(first.model, each) for each in sorted(first.model.model_fields_set - varied)},
        found.seed_sets[chosen],
        len(first.seeds),
        {
            **({"replicates": first.replicates} if found.precision is None else {"precision": found.precision}),
            "random_seed": first.random_seed,
            "max_rounds": first.max_rounds,
            "record": first.record,
        },
    )
    return fitted(name, found.network, design, found.parameters, rows[[*found.parameters, *COLUMNS]])


def fitted(
    name: str, network: Network, design: Design, parameters: tuple[str, ...], points: "pd.DataFrame"
) -> Surrogate:
    """Return a surrogate of simulated points; see `Surrogate` for their columns.

    Raises
    ------
    InvalidInputError
        As `surrogate`.
    """
    check_points(parameters, len(points))
    if (fewest := int(points["replicates"].min())) < FEWEST_REPLICATES:
        raise InvalidInputError(
            f"a point has {fewest} replicates; simulate at least {FEWEST_REPLICATES}, because fewer do not tell how "
            "sure their mean is"
        )
    points = points.reset_index(drop=True)
    axes = axes_of(design, parameters, points)
    return Surrogate(name, network, design, axes, points, Process.fit(*process_data(network, design, axes, points)))


def check_points(parameters: Sequence[str], points: int) -> None:
    """Raise an error if a surrogate of these parameters cannot be fitted to so many points.

    Raises
    ------
    InvalidInputError
        If there are too many parameters, or too few points.
    """
    if len(parameters) > MOST_PARAMETERS:
        raise InvalidInputError(
            f"{len(parameters)} parameters are varied ({', '.join(parameters)}); a surrogate has at most "
            f"{MOST_PARAMETERS}: keep some of them fixed"
        )
    needed = max(4, 2 * len(parameters) + 2)
    if points < needed:
        raise InvalidInputError(
            f"{points} points are too few for a surrogate of {', '.join(parameters)}; simulate at least {needed}"
        )


def axes_of(design: Design, parameters: Sequence[str], points: "pd.DataFrame") -> tuple[Axis, ...]:
    """Return the range of each parameter; the budget, and what the model takes as whole numbers, have only these.

    Raises
    ------
    InvalidInputError
        If a value is no number, or all are equal.
    """
    kind = MODELS[design.model]
    whole = {name for name in kind.model_fields if float not in types_of_field(kind, name)} | {BUDGET}
    return tuple(Axis.of_values(each, points[each].tolist(), whole=each in whole) for each in parameters)


def process_data(
    network: Network, design: Design, axes: tuple[Axis, ...], points: "pd.DataFrame"
) -> tuple[Any, Any, Any]:
    """Return what a process is fitted to: points as shares of the ranges, logits of the reach, their errors.

    A mean of whole numbers from r replicates is not known better than 1 / r, even if all of them were equal.
    """
    units = np.column_stack([axis.units(points[axis.name].to_numpy(np.float64)) for axis in axes])
    seeds = points[BUDGET].to_numpy(np.float64) if BUDGET in points else np.full(len(points), float(design.seeds))
    reach = points["reach"].to_numpy(np.float64)
    reached, missed = reach - seeds + 0.5, network.n_agents - reach + 0.5
    errors = np.maximum(points["reach_standard_error"].to_numpy(np.float64), 1.0 / points["replicates"].to_numpy())
    return units, np.log(reached / missed), errors * (1.0 / reached + 1.0 / missed)


def refine(
    start: Surrogate,
    *,
    error: float = 0.02,
    simulations: int = 20,
    together: int = 2,
    watcher: Watcher | None = None,
    **options: Any,
) -> Surrogate:
    """Simulate further points where a surrogate's error is largest, until it is small enough.

    The points are sessions of sweeps, which are published: an interrupted refinement that is run again reads them.
    Their parameters are chosen by `Surrogate.next_points`.

    Parameters
    ----------
    start : Surrogate
    error : float
        Stop when the largest standard error of predictions, as a share of the largest simulated reach, is at most this.
    simulations : int
        Most points to simulate.
    together : int
        Points that are simulated as one job before the surrogate is fitted again.
    watcher : callable, optional
        Called with every surrogate on the way.
    **options
        As for `analytics.sweep`: ``plan``, ``client``, ``progress`` and ``stop``.

    Returns
    -------
    Surrogate

    Raises
    ------
    InvalidInputError
        If a value breaks its rule.
    """
    if not 0.0 < error < 1.0:
        raise InvalidInputError(f"error {error!r} is not between 0 and 1; it is a share of the largest reach")
    for what, value in (("simulations", simulations), ("together", together)):
        if value < 1:
            raise InvalidInputError(f"{what} {value!r} is not at least 1")
    current, left = start, simulations
    while left and current.largest_standard_error > error * current.largest_reach:
        points = current.next_points(min(together, left))
        if not points:
            break
        current = _extended(current, points, options)
        left -= len(points)
        if watcher is not None:
            watcher(current)
    return current


def _extended(current: Surrogate, points: list[dict[str, Any]], options: dict[str, Any]) -> Surrogate:
    """Return a surrogate that also knows these points, which are simulated."""
    import pandas as pd

    design = current.design
    values = {each: [point[each] for point in points] for each in current.parameters if each != BUDGET}
    model = base_model(design.model, design.fixed, values)
    found = sweep(current.network, model, points, seed_sets={"seeds": design.seed_set}, **{**design.options, **options})
    publish_sweep(found)
    together = pd.concat([current.points, found.table[[*current.parameters, *COLUMNS]]], ignore_index=True)
    return fitted(current.name, current.network, design, current.parameters, together)
