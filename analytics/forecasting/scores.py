"""How good forecasts are: errors of sizes, ranking and calibration of probabilities, coverage of intervals."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

CERTAIN = 0.5
"""Probability from which an outcome counts as forecast."""


def size_scores(size: Floats, predicted: Floats) -> dict[str, tuple[float | None, int]]:
    """Return each score of forecast sizes, with the number of cascades that it is computed from.

    Parameters
    ----------
    size, predicted : (n_cascades,) float64
        Final sizes, and forecasts of them; a forecast may be infinite, or NaN where there is none.

    Returns
    -------
    dict
        ``median_absolute_percentage_error`` (as a share; infinite forecasts count), ``mean_absolute_log_error`` and
        ``r2_log`` (natural logarithms, finite forecasts), ``kendall_tau`` (infinite forecasts are the largest), and
        ``finite_share``; None where a score is not defined.
    """
    from scipy.stats import kendalltau

    there = ~np.isnan(predicted)
    size, predicted = size[there], predicted[there]
    n, finite = len(size), np.isfinite(predicted)
    if not n:
        return {}
    apart = np.log(predicted[finite] / size[finite])
    spread = np.log(size[finite]) - np.log(size[finite]).mean() if finite.any() else np.zeros(1)
    total = float(spread @ spread)
    return {
        "median_absolute_percentage_error": (_number(np.median(np.abs(predicted / size - 1.0))), n),
        "mean_absolute_log_error": (_number(np.abs(apart).mean()) if finite.any() else None, int(finite.sum())),
        "r2_log": (1.0 - float(apart @ apart) / total if total > 0 else None, int(finite.sum())),
        "kendall_tau": (_number(kendalltau(size, predicted).statistic), n),
        "finite_share": (float(finite.mean()), n),
    }


def outcome_scores(happened: Booleans, probability: Floats) -> dict[str, tuple[float | None, int]]:
    """Return each score of forecast probabilities, with the number of cascades that it is computed from.

    Parameters
    ----------
    happened : (n_cascades,) bool
    probability : (n_cascades,) float64
        NaN where there is no forecast.

    Returns
    -------
    dict
        ``auc``, ``brier`` (Brier 1950: mean squared difference) and ``accuracy``.
    """
    from sklearn.metrics import roc_auc_score

    there = ~np.isnan(probability)
    happened, probability = happened[there], probability[there]
    n = len(happened)
    if not n:
        return {}
    both = happened.any() and not happened.all()
    return {
        "auc": (float(roc_auc_score(happened, probability)) if both else None, n),
        "brier": (float(np.mean((probability - happened) ** 2)), n),
        "accuracy": (float(np.mean((probability >= CERTAIN) == happened)), n),
    }


def interval_scores(size: Floats, low: Floats, high: Floats) -> dict[str, tuple[float | None, int]]:
    """Return how many sizes lie in their intervals, and the median of upper over lower end."""
    n = len(size)
    return {
        "interval_coverage": (float(np.mean((low <= size) & (size <= high))), n),
        "interval_ratio": (float(np.median(high / low)), n),
    }


def score_rows(tests: Mapping[str, npt.NDArray[Any]]) -> list[dict[str, Any]]:
    """Return one row per forecaster and measure of test cascades: forecaster, measure, value, cascades.

    Parameters
    ----------
    tests : mapping
        Columns of the table `forecast_tests`, NaN where there is no forecast, and ``outcome_at``, the size from which
        the outcome of each cascade has happened.
    """
    size, happened = tests["size"].astype(np.float64), tests["outcome_happened"].astype(bool)
    sizes = {
        "model": tests["predicted_size"],
        "naive": tests["naive_size"],
        "training_mean": tests["mean_size"],
        "seismic": tests["seismic_size"],
        "calibrated_seismic": tests["calibrated_seismic_size"],
    }
    found = {name: size_scores(size, predicted) for name, predicted in sizes.items()}
    found["model"] |= interval_scores(size, tests["predicted_low"], tests["predicted_high"])
    found["model"] |= outcome_scores(happened, tests["outcome_probability"])
    found["naive"] |= outcome_scores(happened, tests["naive_probability"])
    for name in ("seismic", "calibrated_seismic"):  # a size that is forecast says whether the outcome will happen
        reached = (sizes[name] >= tests["outcome_at"]).astype(np.float64)
        certain = outcome_scores(happened, np.where(np.isnan(sizes[name]), np.nan, reached))
        if certain:
            over = np.where(np.isnan(sizes[name]), np.nan, np.log(sizes[name] / tests["outcome_at"]))
            certain["auc"] = outcome_scores(happened, np.clip(over, -100.0, 100.0))["auc"]
        found[name] |= certain
    return [
        {"forecaster": forecaster, "measure": measure, "score_value": value, "cascades": cascades}
        for forecaster, scores in found.items()
        for measure, (value, cascades) in scores.items()
    ]


def _number(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
