"""Forecast models: fitted, published with their tests, scores and card, and loaded again without a pickle."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.forecasting.estimators import OUTCOME_ESTIMATORS, SIZE_ESTIMATORS
from analytics.forecasting.features import Surroundings, observation_id, publish_features
from analytics.forecasting.fitted import FittedForecast
from analytics.forecasting.fitting import OUTCOMES, CascadeSample, Fit, FitOptions, fit, sample_of
from analytics.forecasting.observation import Observation
from analytics.forecasting.scores import score_rows
from analytics.forecasting.splits import check_split
from data.cards import card
from data.cascades.observed_cascades import ObservedCascades
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.progress import Progress, shown
from data.validation import checked_name, suggestion
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import forecast_model_key
from data.warehouse.tables import table_specification
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LIBRARIES = ("rumormill", "dask-ml", "scikit-learn", "skops", "numpy")
"""Libraries whose versions a model's card names."""
TABLES = ("forecast_models", "forecast_tests", "forecast_scores")


@dataclass(frozen=True)
class ForecastModel:
    """A model that forecasts cascades, and how good it was on cascades that it was not fitted to.

    Attributes
    ----------
    row : mapping
        The model's row of the table `forecast_models`.
    fitted : FittedForecast
    recalled : bool
        Whether it was in the warehouse before.
    """

    row: Mapping[str, Any]
    fitted: FittedForecast
    _tests: pa.Table
    _scores: pa.Table
    recalled: bool = False

    def __repr__(self) -> str:
        return f"ForecastModel({self.row['forecast_model']!r}, {self.row['observation']}; see .scores, .card)"

    def _repr_html_(self) -> str:
        row = self.row
        facts = {
            "observes": row["observation"],
            "size": row["size_estimator"],
            "outcome": f"{row['outcome']}, {row['outcome_estimator']}",
            "fitted to": f"{row['training_cascades']:,} cascades",
            "tested on": f"{row['test_cascades']:,} cascades",
        }
        return card(f"Forecast {row['forecast_model']}", facts, ["model.scores", "model.plot()", "model.card"])

    @property
    def model_id(self) -> str:
        """UUID of the model."""
        return str(self.row["model_id"])

    @property
    def observation(self) -> Observation:
        """What the model observes of a cascade."""
        first = self.row["observed_first"]
        return Observation(self.row["observed_window"], first, self.row["observed_at_least"])

    @cached_property
    def tests(self) -> "pd.DataFrame":
        """One row per test cascade: what it became, and what was forecast (table `forecast_tests`)."""
        return pandas_frame(self._tests.drop_columns(["model_id"]))

    @cached_property
    def scores(self) -> "pd.DataFrame":
        """One row per measure, with a column per forecaster: how good forecasts of the test cascades were."""
        rows = pandas_frame(self._scores)
        order = dict.fromkeys(rows["measure"])
        found = rows.pivot_table(index="measure", columns="forecaster", values="score_value", dropna=False, sort=False)
        return found.reindex(index=list(order), columns=list(dict.fromkeys(rows["forecaster"])))

    @property
    def score_records(self) -> list[dict[str, Any]]:
        """The rows of the table `forecast_scores` as dictionaries."""
        return list(self._scores.drop_columns(["model_id"]).to_pylist())

    @property
    def version_notes(self) -> list[str]:
        """A sentence for every library of which another version is installed than the model was fitted with."""
        there = library_versions()
        return [
            f"fitted with {name} {version}, but {there[name]} is installed"
            for name, version in json.loads(self.row["library_versions"]).items()
            if name in there and there[name] != version
        ]

    @property
    def card(self) -> str:
        """What the model is, how good it was, and its limits, as Markdown."""
        from analytics.forecasting.model_cards import model_card

        return model_card(self)

    def plot(self) -> "Figure":
        """Draw forecast against actual sizes of the test cascades, and forecast against actual shares of outcomes."""
        from analytics.forecasting.pictures import forecast_figure

        return forecast_figure(self)


def library_versions() -> dict[str, str]:
    """Return the installed versions of the libraries that a model depends on."""
    return {name: metadata.version(name) for name in LIBRARIES}


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
    size_estimators: Sequence[str] = SIZE_ESTIMATORS,
    outcome_estimators: Sequence[str] = OUTCOME_ESTIMATORS,
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
        Name of the model; the last one of a name is the current one.
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
        How test cascades are kept apart: ``random``, ``last`` (the last of the set: later ones, if it is in order of
        time) or ``first_agent`` (no agent begins cascades on both sides).
    test_share : float
        Share of the cascades to test on.
    level : float
        Probability that a prediction interval is to cover.
    size_estimators, outcome_estimators : sequence of str
        What cross-validation chooses from: `SIZE_ESTIMATORS` and `OUTCOME_ESTIMATORS`.
    random_seed : int
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
        If a value breaks its rule, before any work; if there are too few cascades, or the outcome is the same for all.
    """
    sets = [cascades] if isinstance(cascades, ObservedCascades) else list(cascades)
    observation, around = Observation(window, first, at_least), Surroundings(network, grouping)
    options = FitOptions(
        outcome, split, test_share, level, tuple(size_estimators), tuple(outcome_estimators), random_seed
    )
    _check(name, sets, around, options)
    model_id = _model_id(name, sets, observation, around, options)
    if warehouse is not None and (found := _published(warehouse, model_id)) is not None:
        return found
    with shown(progress) as watched:
        sample = sample_of(sets, observation, around)
        made = fit(sample, options, watched)
    row = _row(name, model_id, sets, observation, around, options, made)
    tests, scores = test_rows(model_id, made.tests), _score_table(model_id, made.tests)
    model = ForecastModel(row, made.fitted, tests, scores)
    if warehouse is not None:
        _publish(warehouse, model, sets, observation, around, sample)
    return model


def _check(name: str, sets: Sequence[ObservedCascades], around: Surroundings, options: FitOptions) -> None:
    """Refuse what cannot be fitted, before any work."""
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
        "sets": [each.cascade_set_id for each in sets],
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


# -- the warehouse --------------------------------------------------------------------------------------------------


def _publish(
    warehouse: Warehouse,
    model: ForecastModel,
    sets: Sequence[ObservedCascades],
    observation: Observation,
    around: Surroundings,
    sample: CascadeSample,
) -> None:
    """Publish the features of the sets, then the model; if another process was first, its rows are the same."""
    for each in sets:
        frame = sample.frame[sample.frame["cascade_set_id"] == each.cascade_set_id]
        publish_features(warehouse, each, observation, around, frame)
    files = [
        warehouse.stage_records("forecast_models", [model.row]),
        warehouse.stage("forecast_tests", model._tests),  # noqa: SLF001 (of this module)
        warehouse.stage("forecast_scores", model._scores),  # noqa: SLF001
    ]
    try:
        warehouse.commit("forecast_model", [forecast_model_key(model.model_id)], files)
    except AlreadyPublishedError:
        return


def _published(warehouse: Warehouse, model_id: str) -> ForecastModel | None:
    """Return a model from the warehouse, or None if it is not there."""
    key = forecast_model_key(model_id)
    if not warehouse.published([key]):
        return None
    row = warehouse.read("forecast_models", [key]).to_pylist()[0]
    tests, scores = (warehouse.read(table, [key]) for table in TABLES[1:])
    fitted = FittedForecast.of_row(row, json.loads(row["parameters"]))
    return ForecastModel(row, fitted, tests, scores, recalled=True)


def forecast_models(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return the rows of all published models, oldest first."""
    return sorted(warehouse.read("forecast_models").to_pylist(), key=lambda row: row["created_at"])


def forecast_model(warehouse: Warehouse, name: str) -> ForecastModel:
    """Return a published model: the last one of a name, or the one of an id.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        Name or id.

    Raises
    ------
    InvalidInputError
        If there is none; the message lists those there are.
    """
    rows = forecast_models(warehouse)
    found = [row["model_id"] for row in rows if name in (row["forecast_model"], row["model_id"])]
    model = _published(warehouse, found[-1]) if found else None
    if model is None:
        names = sorted({row["forecast_model"] for row in rows})
        raise InvalidInputError(
            f"no forecast model {name!r}{suggestion(name, names)} in warehouse {warehouse.url} (models there: "
            f"{', '.join(names) or 'none yet'}); fit one with: rumormill forecast fit {name!r} CASCADES --window TIME"
        )
    return model
