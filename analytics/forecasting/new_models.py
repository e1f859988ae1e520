"""New forecast models: fitted to cascades whose ends are known, tested on others, and published."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from analytics.forecasting.estimators import OUTCOME_ESTIMATORS, SIZE_ESTIMATORS
from analytics.forecasting.features import Surroundings, observation_id, publish_features
from analytics.forecasting.fitting import OUTCOMES, Fit, FitOptions, fit, sample_of
from analytics.forecasting.models import (
    ForecastModel,
    library_versions,
    make_current,
    publish_model,
    published_model,
)
from analytics.forecasting.observation import Observation
from analytics.forecasting.scores import score_rows
from analytics.forecasting.sources import check_whole
from analytics.forecasting.splits import check_split
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.progress import Progress, shown
from data.validation import checked_name, checked_number, suggestion
from data.warehouse.tables import table_specification
from propagation.sessions import derived_uuid

VERSION = 2
"""Version of how models are fitted; a change makes other models."""
LARGEST_SEED = 2**32 - 1
"""Largest random seed of NumPy and scikit-learn."""


def fit_forecast(
    name: str,
    cascades: ObservedCascades | Sequence[ObservedCascades],
    *,
    window: float | None = None,
    first: int | None = None,
    at_least: int = 1,
    network: Network | None = None,
    grouping: str | None = None,
    outcome: str = "double",
    split: str = "random",
    test_share: float = 0.3,
    level: float = 0.9,
    size_estimators: str | Sequence[str] = SIZE_ESTIMATORS,
    outcome_estimators: str | Sequence[str] = OUTCOME_ESTIMATORS,
    random_seed: int = 0,
    warehouse: Warehouse | None = None,
    progress: Progress | None = None,
) -> ForecastModel:
    """Fit a model that forecasts how large cascades become from how they begin, and test it on other cascades.

    Estimators of the final size and of an outcome's probability are chosen by cross-validation among the training
    cascades; forecasts of the test cascades are scored beside those of the median growth of training cascades of the
    same size, their mean, and SEISMIC (Zhao et al. 2015). Scaling, linear, logistic and Poisson regression and gradient
    descent are dask-ml's, boosted trees scikit-learn's; features, baselines and intervals are our own. Values do not
    depend on threads or partitions.

    Parameters
    ----------
    name : str
        Name of the model; it means the model that was asked for last under it.
    cascades : ObservedCascades or sequence of these
        Cascades whose ends are known: imported ones, or replicates of sessions (`analytics.session_cascades`).
    window, first, at_least : optional
        What is observed of a cascade; see `analytics.cascade_features`.
    network : Network, optional
        Network of the cascades, for features of followers and exposed agents.
    grouping : str, optional
        Column of its agents, or of `agent_metrics`, whose values are counted as communities.
    outcome : str
        What the probability is about: ``double``, the final size is at least twice the observed one, or ``median``, it
        exceeds the median of the training cascades.
    split : str
        How test cascades are kept apart: ``random``, ``last`` (the last of each set: later ones, if it is in order of
        time) or ``first_agent`` (no agent begins cascades on both sides).
    test_share : float
        Share of the cascades to test on.
    level : float
        Probability that a prediction interval is to cover; 2 / (1 - level) - 1 training cascades are needed.
    size_estimators, outcome_estimators : str or sequence of str
        What cross-validation chooses from: `SIZE_ESTIMATORS` and `OUTCOME_ESTIMATORS`, or some of these.
    random_seed : int
        0 to 4,294,967,295.
    warehouse : Warehouse, optional
        Where to publish features, model, tests and scores, or to load them from if they are published.
    progress : Progress, optional
        Default: bars in terminals and notebooks, after two seconds.

    Returns
    -------
    ForecastModel

    Raises
    ------
    InvalidInputError
        If a value breaks its rule, before any work; if there are too few cascades, also for the level of the
        intervals, or the outcome is the same for all; if only a part of a published set is given with a warehouse.
    """
    sets = [cascades] if isinstance(cascades, ObservedCascades) else list(cascades)
    observation, around = Observation(window, first, at_least), Surroundings(network, grouping)
    options = FitOptions(
        outcome=outcome,
        split=split,
        test_share=checked_number("test_share", test_share),
        level=checked_number("level", level),
        size_estimators=_names(size_estimators),
        outcome_estimators=_names(outcome_estimators),
        random_seed=checked_number("random_seed", random_seed, whole=True),
    )
    _check(name, sets, around, options)
    model_id = _model_id(name, sets, observation, around, options)
    if warehouse is not None:
        check_whole(warehouse, sets)
        if (found := published_model(warehouse, model_id)) is not None:
            make_current(warehouse, name, model_id)
            return found
    with shown(progress) as watched:
        sample = sample_of(sets, observation, around)
        made = fit(sample, options, watched)
    row = _row(name, model_id, sets, observation, around, options, made)
    tests, scores = test_rows(model_id, made.tests), _score_table(model_id, made.tests)
    model = ForecastModel(row, made.fitted, tests, scores)
    if warehouse is not None:
        for each in sets:
            frame = sample.frame[sample.frame["cascade_set_id"] == each.cascade_set_id]
            publish_features(warehouse, each, observation, around, frame)
        publish_model(warehouse, model)
    return model


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _check(name: str, sets: Sequence[ObservedCascades], around: Surroundings, options: FitOptions) -> None:
    """Refuse what cannot be fitted, before any work."""
    if not isinstance(name, str):
        raise InvalidInputError(f"name {name!r} is not text; give a name such as 'viral'")
    checked_name(name)
    if not sets:
        raise InvalidInputError("no cascades; give at least one set of them")
    units = sorted({each.time_unit for each in sets})
    if len(units) > 1:
        raise InvalidInputError(f"the sets of cascades have different units of time: {', '.join(units)}; give one unit")
    if len({each.cascade_set_id for each in sets}) < len(sets):
        raise InvalidInputError("a set of cascades is given twice; give each once")
    for each in sets:
        around.check(each)
    check_split(options.split, options.test_share)
    if options.outcome not in OUTCOMES:
        hint = suggestion(options.outcome, OUTCOMES)
        raise InvalidInputError(f"outcome {options.outcome!r} is unknown{hint}; give {' or '.join(OUTCOMES)}")
    if not 0 < options.level < 1:
        raise InvalidInputError(f"level is {options.level}; give the share that intervals cover, between 0 and 1")
    if not 0 <= options.random_seed <= LARGEST_SEED:
        raise InvalidInputError(f"random_seed is {options.random_seed}; give a number from 0 to {LARGEST_SEED}")
    for what, chosen, known in (
        ("size", options.size_estimators, SIZE_ESTIMATORS),
        ("outcome", options.outcome_estimators, OUTCOME_ESTIMATORS),
    ):
        for kind in chosen or ("",):
            if kind not in known:
                hint = suggestion(kind, known)
                raise InvalidInputError(f"{what} estimator {kind!r} is unknown{hint}; choose among {', '.join(known)}")


def _model_id(
    name: str,
    sets: Sequence[ObservedCascades],
    observation: Observation,
    around: Surroundings,
    options: FitOptions,
) -> str:
    asked = {
        "name": name,
        "version": VERSION,
        "sets": [[each.cascade_set_id, len(each), each.activations] for each in sets],
        "observation": observation_id(observation, around),
        **vars(options),
        "libraries": library_versions(),
    }
    return derived_uuid("forecast", json.dumps(asked, sort_keys=True))


def _row(
    name: str,
    model_id: str,
    sets: Sequence[ObservedCascades],
    observation: Observation,
    around: Surroundings,
    options: FitOptions,
    made: Fit,
) -> dict[str, Any]:
    """Return the model's row of the table `forecast_models`."""
    fitted = made.fitted
    parameters = {**fitted.as_json(), "cross_validation": made.choices}
    return {
        "model_id": model_id,
        "forecast_model": name,
        "cascade_set_ids": [each.cascade_set_id for each in sets],
        "cascade_sets": [each.name for each in sets],
        "time_unit": sets[0].time_unit,
        "observation": observation.text(sets[0].time_unit),
        "observed_window": observation.window,
        "observed_first": observation.first,
        "observed_at_least": observation.at_least,
        "snapshot_id": None if around.network is None else around.network.snapshot_id,
        "grouping": around.grouping,
        "features": list(fitted.features),
        "outcome": options.outcome,
        "outcome_factor": fitted.outcome_factor,
        "outcome_size": fitted.outcome_size,
        "size_estimator": fitted.size.kind,
        "outcome_estimator": fitted.outcome.kind,
        "interval_level": options.level,
        "split": options.split,
        "cascades": sum(len(each) for each in sets),
        "training_cascades": made.training_cascades,
        "test_cascades": len(made.tests["size"]),
        "random_seed": options.random_seed,
        "parameters": json.dumps(parameters),
        "size_trees": fitted.size.trees,
        "outcome_trees": fitted.outcome.trees,
        "library_versions": json.dumps(library_versions()),
        "created_at": dt.datetime.now(dt.UTC),
    }


def test_rows(model_id: str, tests: Mapping[str, Any]) -> pa.Table:
    """Return forecasts of cascades whose ends are known as rows of `forecast_tests`; infinite sizes as null."""
    schema = table_specification("forecast_tests").file_schema
    columns = []
    for field in schema:
        values = np.full(len(tests["size"]), model_id) if field.name == "model_id" else tests[field.name]
        if pa.types.is_floating(field.type):
            values = np.where(np.isfinite(values), values, np.nan)
        if pa.types.is_integer(field.type):
            values = values.astype(np.int64)
        column = pa.array(values, from_pandas=True)
        if pa.types.is_dictionary(field.type):
            column = column.cast(pa.string()).dictionary_encode()
        columns.append(column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _score_table(model_id: str, tests: Mapping[str, Any]) -> pa.Table:
    rows = [{"model_id": model_id, **row} for row in score_rows(tests)]
    return pa.Table.from_pylist(rows, schema=table_specification("forecast_scores").file_schema)
