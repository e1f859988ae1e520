"""Forecasts of cascades by a published model, once for each set of cascades."""

import datetime as dt
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from analytics.forecasting.features import Surroundings, features_of, publish_features, rows_of_frame
from analytics.forecasting.fitting import sample_of, tested
from analytics.forecasting.models import ForecastModel
from analytics.forecasting.scores import score_rows
from analytics.forecasting.sources import check_whole
from data.cascades.observed_cascades import ObservedCascades
from data.errors import AlreadyPublishedError, InvalidInputError
from data.facade import Warehouse
from data.networks.network import Network
from data.validation import checked_number
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import forecast_key

if TYPE_CHECKING:
    import pandas as pd

TABLE = "forecasts"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecast:
    """Forecasts of a set of cascades.

    Attributes
    ----------
    model : ForecastModel
    cascades : int
        Cascades of the set; those too small for the model's observation are not forecast.
    recalled : bool
        Whether the forecasts were in the warehouse before.
    """

    model: ForecastModel
    cascades: int
    rows: pa.Table
    recalled: bool = False

    @property
    def table(self) -> "pd.DataFrame":
        """One row per cascade that was forecast (table `forecasts`)."""
        return pandas_frame(self.rows.drop_columns(["model_id", "created_at"]))


def forecast(
    model: ForecastModel,
    cascades: ObservedCascades,
    *,
    age: float | None = None,
    network: Network | None = None,
    warehouse: Warehouse | None = None,
) -> Forecast:
    """Forecast the final sizes of cascades from the part of each that the model observes.

    Parameters
    ----------
    model : ForecastModel
        From `analytics.fit_forecast` or `analytics.forecast_model`.
    cascades : ObservedCascades
        They may end anywhere at or after the end of the observation.
    age : float, optional
        For how long each of the cascades has been observed at least, from its first activation, in its unit of time.
        Needed if a model observes a window of time and no activation is as late as its end: the cascades may have ended
        by then, or may have been cut off.
    network : Network, optional
        Network of the cascades; needed if the model was fitted with one.
    warehouse : Warehouse, optional
        Where to publish features and forecasts in the tables `cascade_features` and `forecasts`, or to read forecasts
        from if they are published.

    Returns
    -------
    Forecast

    Raises
    ------
    InvalidInputError
        If the cascades' unit of time is not the model's, the network is missing or another one, the cascades are
        younger than the model's window, or only a part of a published set is given with a warehouse.
    """
    around = _checked(model, cascades, network)
    if warehouse is not None:
        check_whole(warehouse, [cascades])
    key = forecast_key(model.model_id, cascades.cascade_set_id)
    if warehouse is not None and warehouse.published([key]):
        rows = warehouse.read(TABLE, [key]).sort_by("cascade")
        return Forecast(model, len(cascades), rows, recalled=True)
    _check_age(model, cascades, age)
    observation = model.observation
    frame = features_of(cascades, observation, around)
    unknown = [name for name in model.row["features"] if len(frame) and frame[name].isna().all()]
    if unknown:
        logger.warning("not known of cascades %r, medians are used: %s", cascades.name, ", ".join(unknown))
    predicted = frame.assign(**model.fitted.forecast(frame))
    given = {
        "model_id": model.model_id,
        "cascade_set_id": cascades.cascade_set_id,
        "created_at": dt.datetime.now(dt.UTC),
    }
    rows = rows_of_frame(TABLE, predicted, given)
    if warehouse is not None:
        publish_features(warehouse, cascades, observation, around, frame)
        files = [warehouse.stage(TABLE, rows)] if rows.num_rows else []  # the key alone: nothing can be forecast
        try:
            warehouse.commit("forecast", [key], files)
        except AlreadyPublishedError:
            return Forecast(model, len(cascades), warehouse.read(TABLE, [key]).sort_by("cascade"), recalled=True)
    return Forecast(model, len(cascades), rows)


def _check_age(model: ForecastModel, cascades: ObservedCascades, age: float | None) -> None:
    """Refuse cascades that were not observed for as long as the model's window, or of which that is not known."""
    window, unit, name = model.row["observed_window"], cascades.time_unit, model.row["forecast_model"]
    if age is not None:
        age = checked_number("age", age)
        if window is None:
            raise InvalidInputError(
                f"age is {age:g}, but model {name!r} observes {model.row['observation']}, at any age; leave age out"
            )
        if not age >= window:
            raise InvalidInputError(
                f"age is {age:g}, but model {name!r} observes {window:g} {unit}; forecast the cascades when they are "
                f"that old, or fit a model with a window of at most {age:g}"
            )
        return
    if window is None or unit == "rounds" or not len(cascades):  # simulated cascades are complete
        return
    if (latest := float(cascades.durations.max())) < window:
        raise InvalidInputError(
            f"no activation of cascades {cascades.name!r} is later than {latest:g} {unit}, but model {name!r} observes "
            f"{window:g} {unit}; if they were observed for so long, say so with --age {window:g} (in Python "
            f"age={window:g}), else forecast them later"
        )


def score_forecast(
    model: ForecastModel, cascades: ObservedCascades, *, network: Network | None = None
) -> "pd.DataFrame":
    """Score a model's forecasts of cascades whose ends are known, beside the simple forecasts and SEISMIC.

    Parameters
    ----------
    model, cascades, network
        As for `forecast`.

    Returns
    -------
    DataFrame
        One row per forecaster and measure: ``forecaster``, ``measure``, ``score_value`` (float64) and ``cascades``.

    Raises
    ------
    InvalidInputError
        As `forecast`, or if no cascade can be forecast.
    """
    import pandas as pd

    around = _checked(model, cascades, network)
    sample = sample_of([cascades], model.observation, around)
    if not len(sample.size):
        raise InvalidInputError(
            f"none of the {len(cascades):,} cascades {cascades.name!r} has what the model observes: "
            f"{model.row['observation']}"
        )
    return pd.DataFrame(score_rows(tested(model.fitted, sample)))


def _checked(model: ForecastModel, cascades: ObservedCascades, network: Network | None) -> Surroundings:
    """Refuse cascades that the model does not fit; return what it may know besides them."""
    row = model.row
    if cascades.time_unit != row["time_unit"]:
        raise InvalidInputError(
            f"model {row['forecast_model']!r} observes {row['observation']}, but the times of cascades "
            f"{cascades.name!r} are in {cascades.time_unit}; give cascades in {row['time_unit']}"
        )
    if row["snapshot_id"] is None:
        return Surroundings()
    if network is None:
        raise InvalidInputError(
            f"model {row['forecast_model']!r} was fitted with a network; give the network of cascades {cascades.name!r}"
        )
    around = Surroundings(network, row["grouping"])
    around.check(cascades)
    return around
