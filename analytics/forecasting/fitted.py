"""Fitted forecasts: from features to final sizes with intervals and to probabilities, and as plain values and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.forecasting.baselines import Baselines
from analytics.forecasting.estimators import Estimator

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

MOST_BANDS = 5
FEWEST_IN_BAND = 40
"""Intervals are as wide as the errors of training cascades of which as much growth was forecast: at most so many bands
of growth, of at least so many cascades, and at least as many as the level needs."""
ROUNDING = 1e-9
"""Tolerance of floating-point numbers that should be whole."""


@dataclass(frozen=True)
class Errors:
    """Intervals from the errors that training cascades had when they were held out (cross-conformal, Vovk 2015).

    Attributes
    ----------
    edges : tuple of float
        Forecast growth (logarithm) from which a new band begins.
    low, high : tuple of float
        Of each band: what to add to the forecast logarithm for the ends of the interval.
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @staticmethod
    def of_held_out(forecast: Floats, actual: Floats, level: float) -> "Errors":
        """Return intervals that cover a share `level`, from forecast and actual logarithms of growth."""
        edges = _bands(forecast, max(FEWEST_IN_BAND, fewest_for_level(level)))
        band = np.searchsorted(edges, forecast, side="right")
        lows, highs = [], []
        for each in range(len(edges) + 1):
            errors = np.sort((actual - forecast)[band == each])
            n, share = len(errors), (1.0 - level) / 2.0
            lows.append(float(errors[max(int(np.floor(share * (n + 1) + ROUNDING)) - 1, 0)]))
            highs.append(float(errors[min(int(np.ceil((1.0 - share) * (n + 1) - ROUNDING)) - 1, n - 1)]))
        return Errors(tuple(edges.tolist()), tuple(lows), tuple(highs))

    def ends(self, forecast: Floats) -> tuple[Floats, Floats]:
        """Return the ends of the intervals, as logarithms of growth, at least 0."""
        band = np.searchsorted(self.edges, forecast, side="right")
        low, high = forecast + np.array(self.low)[band], forecast + np.array(self.high)[band]
        return np.clip(low, 0.0, forecast), np.maximum(high, forecast)


def fewest_for_level(level: float) -> int:
    """Return how many errors are needed for both ends of an interval that covers a share `level`.

    Examples
    --------
    >>> fewest_for_level(0.9), fewest_for_level(0.999)
    (19, 1999)
    """
    return int(np.ceil(2.0 / (1.0 - level) - ROUNDING)) - 1


def _bands(forecast: Floats, fewest: int) -> Floats:
    """Return the borders of bands of forecast growth, each with at least `fewest` cascades, or one band of all."""
    bands = max(min(MOST_BANDS, len(forecast) // fewest), 1)
    ordered, edges, begin = np.sort(forecast), [], 0
    for edge in np.unique(np.quantile(ordered, np.linspace(0, 1, bands + 1)[1:-1])).tolist():
        below = int(np.searchsorted(ordered, edge, side="left"))
        if below - begin >= fewest and len(ordered) - below >= fewest:
            edges.append(edge)
            begin = below
    return np.array(edges)


@dataclass(frozen=True)
class FittedForecast:
    """What turns features into forecasts.

    Attributes
    ----------
    features : tuple of str
        The features used: columns of `cascade_features`.
    medians : (features,) float64
        What stands in for unknown values, as logarithms.
    size, outcome : Estimator
    errors : Errors
    level : float
        Share that the intervals of `errors` cover.
    baselines : Baselines
    outcome_factor, outcome_size : float
        The outcome is a size of at least this many times the size so far, and at least this size.
    """

    features: tuple[str, ...]
    medians: Floats
    size: Estimator
    outcome: Estimator
    errors: Errors
    level: float
    baselines: Baselines
    outcome_factor: float
    outcome_size: float

    def outcome_at(self, size_so_far: Floats) -> Floats:
        """Return the size from which the outcome has happened, by cascade."""
        return np.maximum(self.outcome_factor * size_so_far, self.outcome_size)

    def forecast(self, frame: "pd.DataFrame") -> dict[str, Floats]:
        """Return predicted_size, predicted_low, predicted_high and outcome_probability from a frame of features.

        Sizes above an interval, and sizes below it, have a probability of half of what the interval leaves out. So
        the probability of an outcome that lies beyond the interval is at most that, and of one that all sizes in the
        interval reach, at least the rest.
        """
        values, so_far = self.matrix(frame), frame["size_so_far"].to_numpy(np.float64)
        growth = self.size.growth(values, so_far)
        low, high = (so_far * np.exp(end) for end in self.errors.ends(growth))
        probability, at, outside = self.outcome.probability(values), self.outcome_at(so_far), (1.0 - self.level) / 2.0
        probability = np.where(at > high, np.minimum(probability, outside), probability)
        probability = np.where(at <= low, np.maximum(probability, 1.0 - outside), probability)
        return {
            "predicted_size": so_far * np.exp(growth),
            "predicted_low": low,
            "predicted_high": high,
            "outcome_probability": np.where(so_far >= at, 1.0, probability),
        }

    def matrix(self, frame: "pd.DataFrame") -> Floats:
        """Return the logarithms of the features, (cascades, features) float64, medians where they are unknown."""
        return filled(logarithms(frame, self.features), self.medians)

    def as_json(self) -> dict[str, Any]:
        """Return everything but the trees, as JSON."""
        return {
            "medians": self.medians.tolist(),
            "size": self.size.as_json(),
            "outcome": self.outcome.as_json(),
            "errors": vars(self.errors),
            "baselines": self.baselines.as_json(),
        }

    @staticmethod
    def of_row(row: Mapping[str, Any], parameters: Mapping[str, Any]) -> "FittedForecast":
        """Return the forecast that a row of `forecast_models` and its parameters describe."""
        return FittedForecast(
            features=tuple(row["features"]),
            medians=np.array(parameters["medians"], np.float64),
            size=Estimator.of_json(parameters["size"], row["size_trees"]),
            outcome=Estimator.of_json(parameters["outcome"], row["outcome_trees"]),
            errors=Errors(**{name: tuple(values) for name, values in parameters["errors"].items()}),
            level=row["interval_level"],
            baselines=Baselines.of_json(parameters["baselines"]),
            outcome_factor=row["outcome_factor"],
            outcome_size=row["outcome_size"],
        )


def logarithms(frame: "pd.DataFrame", features: tuple[str, ...]) -> Floats:
    """Return log(1 + x) of features, none of which is negative: (cascades, features) float64."""
    return np.log1p(frame[list(features)].to_numpy(np.float64))


def filled(values: Floats, medians: Floats) -> Floats:
    """Return the values with a median in place of each NaN."""
    return np.where(np.isnan(values), medians, values)
