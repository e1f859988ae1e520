"""Pictures of a forecast model on its test cascades: sizes with intervals, and calibration of probabilities."""

from typing import TYPE_CHECKING

import numpy as np

from analytics.forecasting.model_cards import level_text, score_text
from analytics.intervals import share_interval
from propagation.pictures import COLOURS, GRID, MUTED, Keys, dress, legend_above

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analytics.forecasting.models import ForecastModel

SIZE = (11.4, 5.0)
"""Width and height of the figure, inches."""
BINS = 10
COUNTS_AT = 1.07
"""Height of the numbers of cascades above the calibration of probabilities, where no interval reaches."""
MOST_INTERVALS = 150
"""Intervals that are drawn one by one; of more cascades every n-th has one."""


def forecast_figure(model: "ForecastModel") -> "Figure":
    """Draw forecast against actual sizes of the test cascades beside the calibration of the probabilities.

    Parameters
    ----------
    model : ForecastModel

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
    draw_sizes(model, left)
    draw_calibration(model, right)
    return figure


def draw_sizes(model: "ForecastModel", ax: "Axes") -> "Axes":
    """Draw the forecast size of each test cascade against its actual size, with prediction intervals."""
    tests = model.tests
    every = max(-(-len(tests) // MOST_INTERVALS), 1)
    order = tests.sort_values(["size", "cascade"], kind="stable")
    shown = order.iloc[::every]
    middle = shown["predicted_size"].to_numpy(float)
    spans = np.array(
        [middle - shown["predicted_low"].to_numpy(float), shown["predicted_high"].to_numpy(float) - middle]
    )
    *_, (bars,) = ax.errorbar(
        shown["size"], middle, yerr=spans, fmt="none", ecolor=COLOURS[0], alpha=0.28, linewidth=1.0
    )
    naive = ax.scatter(tests["size"], tests["naive_size"], s=12, color=COLOURS[1], alpha=0.45, linewidths=0, marker="s")
    points = ax.scatter(tests["size"], tests["predicted_size"], s=15, color=COLOURS[0], alpha=0.75, linewidths=0)
    across = _around(tests["size"].to_numpy(float))
    upwards = _around(*(tests[name].to_numpy(float) for name in ("predicted_low", "predicted_high", "naive_size")))
    ends = [min(across[0], upwards[0]), max(across[1], upwards[1])]
    (exact,) = ax.plot(ends, ends, color=MUTED, linewidth=1.2, linestyle="--", zorder=0)
    row = model.row
    dress(ax, title="Final sizes of test cascades", x="actual size, agents", y="forecast size, agents")
    _logarithmic(ax, across, upwards)
    covered = score_text("interval_coverage", float(model.scores["model"]["interval_coverage"]))
    keys: Keys = [
        (points, "model"),
        (bars, f"{level_text(row['interval_level'])} interval; covers {covered}"),
        (naive, "naive"),
        (exact, "forecast = actual"),
    ]
    legend_above(ax, keys)
    return ax


def _around(*values: "npt.NDArray[np.float64]") -> tuple[float, float]:
    """Return the ends of a logarithmic axis that shows all values."""
    return 0.8 * float(min(each.min() for each in values)), 1.25 * float(max(each.max() for each in values))


def _logarithmic(ax: "Axes", across: tuple[float, float], upwards: tuple[float, float]) -> None:
    """Use logarithmic axes with these ends, labelled with plain numbers."""
    for axis, set_scale, set_limits, ends in (
        (ax.xaxis, ax.set_xscale, ax.set_xlim, across),
        (ax.yaxis, ax.set_yscale, ax.set_ylim, upwards),
    ):
        set_scale("log")
        set_limits(*ends)
        axis.set_major_formatter("{x:,.0f}")
    ax.minorticks_off()
    ax.grid(axis="both", color=GRID, linewidth=0.8)


def draw_calibration(model: "ForecastModel", ax: "Axes") -> "Axes":
    """Draw how often the outcome happened against its forecast probability, in bins with 95 % intervals (Wilson)."""
    tests = model.tests
    probability, happened = tests["outcome_probability"].to_numpy(float), tests["outcome_happened"].to_numpy(bool)
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    chosen = np.flatnonzero(counts)
    x = np.array([probability[bins == each].mean() for each in chosen])
    shares = np.array([happened[bins == each].mean() for each in chosen])
    ends = [share_interval(int(happened[bins == each].sum()), int(counts[each])) for each in chosen]
    low, high = (np.array([float(end[side]) for end in ends]) for side in (0, 1))
    (exact,) = ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle="--", zorder=0)
    spans = np.array([np.maximum(shares - low, 0.0), np.maximum(high - shares, 0.0)])
    points, *_ = ax.errorbar(x, shares, yerr=spans, fmt="o", color=COLOURS[0], capsize=0, markersize=6)
    for each in chosen.tolist():
        ax.text((each + 0.5) / BINS, COUNTS_AT, f"{counts[each]:,}", color=MUTED, fontsize=8, ha="center", va="center")
    what = "at least doubles" if model.row["outcome"] == "double" else "exceeds the median size"
    dress(ax, title="Calibration of probabilities", x=f"forecast probability that it {what}", y="share that did")
    _probabilities(ax)
    keys: Keys = [(points, "share, 95 % interval; number of cascades on top"), (exact, "calibrated")]
    legend_above(ax, keys)
    return ax


def _probabilities(ax: "Axes") -> None:
    ax.set_xlim(-0.03, 1.03)
    ax.set_ylim(-0.03, COUNTS_AT + 0.05)
    ticks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    ax.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
    ax.set_yticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
