"""The card of a forecast model: what it is, what it was fitted to, how good it was, and its limits, as Markdown."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analytics.forecasting.models import ForecastModel

MEASURES = {
    "median_absolute_percentage_error": "median absolute percentage error",
    "mean_absolute_log_error": "mean absolute error of log size",
    "r2_log": "R² of log size",
    "kendall_tau": "Kendall's tau",
    "finite_share": "share with a finite forecast",
    "interval_coverage": "share of sizes within their interval",
    "interval_ratio": "median of upper / lower end",
    "auc": "area under the ROC curve",
    "brier": "Brier score",
    "accuracy": "accuracy",
}
"""What measures are called for readers."""
SHARES = {"median_absolute_percentage_error", "finite_share", "interval_coverage", "accuracy"}
"""Measures that are read in per cent."""
COMPARED = {
    "median_absolute_percentage_error": 1,
    "mean_absolute_log_error": 1,
    "kendall_tau": -1,
    "auc": -1,
    "brier": 1,
}
"""Measures in which a model must be better than simple forecasts: 1 if smaller values are better, -1 if larger ones."""
FORECASTERS = {
    "model": "model",
    "naive": "naive",
    "training_mean": "mean",
    "seismic": "SEISMIC",
    "calibrated_seismic": "SEISMIC, calibrated",
}
SPLITS = {
    "random": "test cascades were chosen at random",
    "last": "test cascades are the last of each set",
    "first_agent": "no agent begins cascades on both sides",
}


def level_text(level: float) -> str:
    """Return the level of intervals for readers, in full.

    Examples
    --------
    >>> level_text(0.9), level_text(0.999)
    ('90 %', '99.9 %')
    """
    return f"{100 * level:.10g} %"


def outcome_words(outcome: str, outcome_size: float) -> str:
    """Return what an outcome's probability is about, in a few words."""
    return "at least doubles" if outcome == "double" else f"reaches {math.ceil(outcome_size):,}"


def outcome_text(outcome: str, outcome_size: float) -> str:
    """Return what an outcome's probability is about, as a sentence without a full stop."""
    if outcome == "double":
        return "the final size is at least twice the observed one"
    return f"the final size is at least {math.ceil(outcome_size):,} agents, above the median of the training cascades"


def score_text(measure: str, value: float | None) -> str:
    """Return the value of a measure for readers.

    Examples
    --------
    >>> score_text("accuracy", 0.914), score_text("brier", 0.0625), score_text("auc", None)
    ('91.4 %', '0.062', '-')
    """
    if value is None or not math.isfinite(value):
        return "-"
    return f"{100 * value:.1f} %" if measure in SHARES else f"{value:.3f}"


def score_table(records: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return one row per measure for readers, with a column for every forecaster.

    A score over fewer cascades than there are says over how many: it cannot be compared with those beside it.

    Parameters
    ----------
    records : sequence of mapping
        Rows of the table `forecast_scores` of one model.
    """
    found = {(row["measure"], row["forecaster"]): row for row in records}
    every = max(row["cascades"] for row in records)
    names = [name for name in FORECASTERS if any(row["forecaster"] == name for row in records)]
    return [
        {"measure": MEASURES[measure], **{FORECASTERS[n]: _cell(found.get((measure, n)), every) for n in names}}
        for measure in MEASURES
        if any(row["measure"] == measure for row in records)
    ]


def _cell(row: Mapping[str, Any] | None, every: int) -> str:
    if row is None:
        return "-"
    text = score_text(row["measure"], row["score_value"])
    return f"{text} (of {row['cascades']:,})" if text != "-" and row["cascades"] < every else text


def weaknesses(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for every measure in which a model is no better than simple forecasts of the same cascades.

    Parameters
    ----------
    records : sequence of mapping
        Rows of the table `forecast_scores` of one model.
    """
    found = {(row["measure"], row["forecaster"]): row for row in records}
    sentences = []
    for measure, sign in COMPARED.items():
        own = found.get((measure, "model"))
        if own is None or own["score_value"] is None:
            continue
        others = [found.get((measure, name)) for name in FORECASTERS if name != "model"]
        better = [
            f"{FORECASTERS[row['forecaster']]} {score_text(measure, row['score_value'])}"
            for row in others
            if row is not None
            and row["score_value"] is not None
            and row["cascades"] == own["cascades"]
            and sign * row["score_value"] <= sign * own["score_value"]
        ]
        if better:
            sentences.append(
                f"No better than simple forecasts in {MEASURES[measure]}: model "
                f"{score_text(measure, own['score_value'])}, {', '.join(better)}."
            )
    return sentences


def model_card(model: "ForecastModel") -> str:
    """Return the card of a model as Markdown."""
    row, parameters = model.row, json.loads(model.row["parameters"])
    versions = ", ".join(f"{name} {version}" for name, version in json.loads(row["library_versions"]).items())
    about = {
        "observes": row["observation"],
        "forecasts": f"the final size, with {level_text(row['interval_level'])} intervals, and the probability that "
        f"{outcome_text(row['outcome'], row['outcome_size'])}",
        "fitted to": f"{row['training_cascades']:,} of the {row['cascades']:,} cascades of "
        f"{', '.join(row['cascade_sets'])}",
        "ids of these": ", ".join(row["cascade_set_ids"]),
        "tested on": f"{row['test_cascades']:,} other cascades; {SPLITS[row['split']]}",
        "network": row["snapshot_id"] or "none",
        "communities": row["grouping"] or "none",
        "features": ", ".join(row["features"]),
        "estimator of the size": _choice(row["size_estimator"], parameters["cross_validation"]["size"]),
        "estimator of the outcome": _choice(row["outcome_estimator"], parameters["cross_validation"]["outcome"]),
        "random seed": str(row["random_seed"]),
        "libraries": versions,
        "fitted at": f"{row['created_at']:%Y-%m-%d %H:%M} UTC",
        "id": row["model_id"],
    }
    lines = [f"# Forecast model {row['forecast_model']}", "", "| | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in about.items()]
    lines += ["", "## Scores on the test cascades", "", *_markdown(score_table(model.score_records))]
    lines += ["", "## Limits", ""]
    lines += [f"- {limit}" for limit in (*weaknesses(model.score_records), *_limits(row))]
    return "\n".join(lines) + "\n"


def _choice(chosen: str, losses: dict[str, float]) -> str:
    tried = ", ".join(f"{kind} {loss:.3f}" for kind, loss in losses.items())
    return f"{chosen} (error in cross-validation: {tried})"


def _markdown(rows: list[dict[str, str]]) -> list[str]:
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "| --- |" + " --: |" * (len(names) - 1)]
    return lines + ["| " + " | ".join(row[name] for name in names) + " |" for row in rows]


def _limits(row: Any) -> list[str]:
    """Return what a user of the model must know, as sentences."""
    found = [
        "It knows cascades like those it was fitted to; intervals hold on average over such cascades.",
        "A final size is the size in the data: cascades that were cut off when they were collected count as finished.",
        "No forecast exceeds the largest growth among the training cascades.",
    ]
    if row["observed_first"] is not None:
        found.append(f"Cascades with fewer than {row['observed_first']:,} activations are not forecast.")
    elif row["observed_at_least"] > 1:
        found.append(f"Cascades with fewer than {row['observed_at_least']:,} activations then are not forecast.")
    if row["time_unit"] == "rounds":
        found.append("SEISMIC is not given: its reaction times are in seconds, those of simulated cascades in rounds.")
    return found
