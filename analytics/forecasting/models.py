"""Forecast models: what was fitted, with its tests, scores and card, published and loaded again without a pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.forecasting.fitted import FittedForecast
from analytics.forecasting.observation import Observation
from data.cards import card
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.validation import suggestion
from data.warehouse.frames import pandas_frame
from data.warehouse.keyed_tables import Changes, current_rows, stage_changes
from data.warehouse.keys import forecast_model_key
from data.warehouse.manifests import DataFile

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LIBRARIES = ("rumormill", "dask-ml", "scikit-learn", "skops", "numpy")
"""Libraries whose versions a model's card names."""
TABLES = ("forecast_models", "forecast_tests", "forecast_scores")
CURRENT = "current_forecast_models"


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


# -- the warehouse --------------------------------------------------------------------------------------------------


def publish_model(warehouse: Warehouse, model: ForecastModel) -> None:
    """Publish a model, which becomes the current one of its name; of two processes the first publishes the rows."""
    name = model.row["forecast_model"]
    files = [
        warehouse.stage_records("forecast_models", [model.row]),
        warehouse.stage("forecast_tests", model._tests),  # noqa: SLF001 (of this module)
        warehouse.stage("forecast_scores", model._scores),  # noqa: SLF001
        _staged_current(warehouse, name, model.model_id),
    ]
    try:
        warehouse.commit("forecast_model", [forecast_model_key(model.model_id)], files)
    except AlreadyPublishedError:
        make_current(warehouse, name, model.model_id)


def make_current(warehouse: Warehouse, name: str, model_id: str) -> None:
    """Make a published model the current one of its name."""
    if _current_ids(warehouse, name) != [model_id]:
        key = forecast_model_key(model_id)
        warehouse.commit("forecast_model", [], [_staged_current(warehouse, name, model_id)], requires=[key])


def _staged_current(warehouse: Warehouse, name: str, model_id: str) -> DataFile:
    row = pa.table({"forecast_model": [name], "model_id": [model_id]})
    return stage_changes(warehouse, CURRENT, Changes(upserts=row))


def _current_ids(warehouse: Warehouse, name: str) -> list[str]:
    """Return the id of the current model of a name, or nothing."""
    ids: list[str] = current_rows(warehouse, CURRENT, name, name)["model_id"].to_pylist()
    return ids


def published_model(warehouse: Warehouse, model_id: str) -> ForecastModel | None:
    """Return the model of an id from the warehouse, or None if it is not there."""
    key = forecast_model_key(model_id)
    if not warehouse.published([key]):
        return None
    row = warehouse.read("forecast_models", [key]).to_pylist()[0]
    tests, scores = (warehouse.read(table, [key]) for table in TABLES[1:])
    fitted = FittedForecast.of_row(row, json.loads(row["parameters"]))
    return ForecastModel(row, fitted, tests, scores, recalled=True)


def forecast_models(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return the rows of all published models, oldest first, with ``is_current``: whether their name means them."""
    current = set(warehouse.read(CURRENT)["model_id"].to_pylist())
    rows = sorted(warehouse.read("forecast_models").to_pylist(), key=lambda row: row["created_at"])
    return [{**row, "is_current": row["model_id"] in current} for row in rows]


def forecast_model(warehouse: Warehouse, name: str) -> ForecastModel:
    """Return a published model: the current one of a name, or the one of an id.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        Name, which means the model that was asked for last under it; or id.

    Raises
    ------
    InvalidInputError
        If there is none; the message lists those there are.
    """
    for model_id in (*_current_ids(warehouse, name), name):
        if (model := published_model(warehouse, model_id)) is not None:
            return model
    names = sorted(warehouse.read(CURRENT)["forecast_model"].to_pylist())
    raise InvalidInputError(
        f"no forecast model {name!r}{suggestion(name, names)} in warehouse {warehouse.url} (models there: "
        f"{', '.join(names) or 'none yet'}); fit one with: rumormill forecast fit {name!r} CASCADES --window TIME"
    )
