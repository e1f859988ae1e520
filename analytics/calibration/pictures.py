"""Pictures of calibrations: the posterior of parameters beside the observed curve with the model's band."""

from typing import TYPE_CHECKING

import numpy as np

from analytics.labels import shortened
from analytics.plots import show_fractions
from propagation.pictures import COLOURS, INK, LINE_WIDTH, MUTED, Keys, dress, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analytics.calibration.parameters import ParameterCalibration

SIZE = (11.0, 4.8)
"""Width and height of the figure, inches."""
MOST_BARS = 40
"""Bars of a histogram."""
NAMES = {
    "incidence": "newly activated agents",
    "cumulative": "agents reached, seeds included",
    "prevalence": "transmitting agents",
}
"""What curves are called in pictures."""


def parameter_figure(found: "ParameterCalibration") -> "Figure":
    """Draw the posterior of the first two parameters beside the observed curve with the band of accepted candidates.

    Parameters
    ----------
    found : ParameterCalibration

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.25])
    if len(found.priors) > 1:
        posterior_points(found, left)
    else:
        posterior_histogram(found, left)
    band_of_curves(found, right)
    return figure


def posterior_points(found: "ParameterCalibration", ax: "Axes") -> "Axes":
    """Draw the accepted candidates by their first two parameters, within the range of the priors."""
    (first, one), (second, other) = list(found.priors.items())[:2]
    points = ax.scatter(found.accepted[first], found.accepted[second], s=22, color=COLOURS[0], alpha=0.55, linewidth=0)
    medians = found.accepted[first].median(), found.accepted[second].median()
    (middle,) = ax.plot(*medians, "D", color=INK, markersize=7, markerfacecolor="none", markeredgewidth=1.6)
    dress(ax, title=f"Posterior of {first} and {second}", x=first, y=second)
    for prior, scale, limits in ((one, ax.set_xscale, ax.set_xlim), (other, ax.set_yscale, ax.set_ylim)):
        if prior.log:
            scale("log")
        limits(prior.low, prior.high)
    for axis, prior in ((ax.xaxis, one), (ax.yaxis, other)):
        if not prior.log:
            show_fractions(axis)
    keys: Keys = [(points, f"{len(found.accepted):,} of {found.candidates:,} candidates"), (middle, "medians")]
    legend_above(ax, keys)
    return ax


def posterior_histogram(found: "ParameterCalibration", ax: "Axes") -> "Axes":
    """Draw the accepted candidates by a single parameter, over the prior's range and beside its level.

    Bars are as many as the candidates allow (the square root of their number), or one for each whole number; a tick on
    the axis is a candidate.
    """
    ((name, prior),) = found.priors.items()
    values = found.accepted[name].to_numpy(np.float64)
    number = int(np.clip(np.sqrt(len(values)), 4, MOST_BARS))
    if prior.whole and prior.high - prior.low < MOST_BARS:
        number = round(prior.high - prior.low) + 1
    edges = prior.at(np.linspace(0.0, 1.0, number + 1))
    counts, _ = np.histogram(values, edges)
    bars = ax.stairs(counts, edges, fill=True, color=COLOURS[0], alpha=0.55)
    level = ax.axhline(len(values) / number, color=MUTED, linewidth=1.2, linestyle="--")
    ax.plot(values, np.zeros(len(values)), "|", color=INK, markersize=9, clip_on=False)
    dress(ax, title=f"Posterior of {name}", x=name, y="accepted candidates")
    if prior.log:
        ax.set_xscale("log")
    else:
        show_fractions(ax.xaxis)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1.1 * max(counts.max(), len(values) / number))
    legend_above(ax, [(bars, f"{len(values):,} of {found.candidates:,} candidates"), (level, "prior")])
    return ax


def band_of_curves(found: "ParameterCalibration", ax: "Axes") -> "Axes":
    """Draw the observed curve over the median and the 95 % band of the accepted candidates' curves."""
    observed = found.observed
    rounds = np.arange(len(observed.values))
    low, median, high = np.quantile(found.curves, [0.025, 0.5, 0.975], axis=0)
    band = ax.fill_between(rounds, low, high, color=COLOURS[0], alpha=0.22, linewidth=0)
    (line,) = ax.plot(rounds, median, color=COLOURS[0], linewidth=LINE_WIDTH)
    (seen,) = ax.plot(rounds, observed.values, "o", color=INK, markersize=4, clip_on=False)
    title = f"{found.base.model.name} on {shortened(found.network.network_id)} beside the observed curve"
    dress(ax, title=title, x="round", y=NAMES[observed.kind])
    ax.set_xlim(0, rounds[-1])
    ax.set_ylim(0, 1.05 * max(float(high.max()), float(observed.values.max()), 1.0))
    legend_above(ax, [(seen, "observed"), (line, "median"), (band, "95 % of the accepted")])
    return ax
