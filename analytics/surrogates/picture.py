"""Pictures of a surrogate: a curve with its band, or a surface, and the simulated points."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from analytics.labels import shortened
from analytics.plots import show_fractions
from propagation.pictures import COLOURS, INK, LEGEND_SIZE, LINE_WIDTH, MUTED, dress, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analytics.surrogates.axes import Axis
    from analytics.surrogates.surrogate import Surrogate

MOST_TICKS = 9
"""Ticks of a logarithmic axis, above which only powers of ten have one."""
ALONG, ACROSS = 161, 61
"""Points of a curve, and along each side of a surface."""


def surrogate_picture(
    found: "Surrogate",
    *,
    ax: "Axes | None" = None,
    fixed: Mapping[str, float] | None = None,
    drawn: int = 2,
) -> "Axes":
    """Draw a curve along the first parameter that is not fixed, or a surface over the first two.

    Parameters
    ----------
    found : Surrogate
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.
    fixed : mapping, optional
        Values of parameters; default: the middle of the range of those that are not drawn.
    drawn : int
        Parameters that are drawn: at most 1 or 2.

    Raises
    ------
    InvalidInputError
        If a value is outside its range.
    """
    ax = ax or new_axes()
    given = dict(fixed or {})
    free = [axis for axis in found.axes if axis.name not in given][:drawn] or [found.axes[0]]
    shown = {axis.name for axis in free}
    at = {
        axis.name: given.get(axis.name, axis.plain(float(axis.values(0.5))))
        for axis in found.axes
        if axis.name not in shown
    }
    if len(free) == 1:
        _curve(found, free[0], at, ax)
    else:
        _surface(found, free[0], free[1], at, ax)
    return ax


def _curve(found: "Surrogate", axis: "Axis", at: Mapping[str, float], ax: "Axes") -> None:
    values = np.unique(axis.values(np.linspace(0.0, 1.0, ALONG)))
    rows = found.predict_many({axis.name: values, **{name: np.full(len(values), each) for name, each in at.items()}})
    ax.fill_between(
        values, rows["reach_low"], rows["reach_high"], color=COLOURS[0], alpha=0.25, linewidth=0, label="95 % interval"
    )
    ax.plot(values, rows["reach"], color=COLOURS[0], linewidth=LINE_WIDTH, label="predicted")
    on_line = np.ones(len(found.points), np.bool_)
    for name, each in at.items():
        on_line &= np.isclose(found.points[name].to_numpy(np.float64), each)
    points = found.points[on_line]
    if len(points):
        errors = 1.96 * points["reach_standard_error"].fillna(0.0)
        ax.errorbar(
            points[axis.name], points["reach"], yerr=errors, fmt="o", color=INK,
            markersize=4.5, linewidth=1.2, label="simulated", zorder=3, clip_on=False,
        )  # fmt: skip
    dress(ax, title=_title(found, at), x=axis.name, y="agents reached")
    _scale(ax, "x", axis)
    ax.legend(frameon=False, labelcolor=INK, fontsize=LEGEND_SIZE, loc="best")


def _surface(found: "Surrogate", across: "Axis", up: "Axis", at: Mapping[str, float], ax: "Axes") -> None:
    sides = [np.unique(axis.values(np.linspace(0.0, 1.0, ACROSS))) for axis in (across, up)]
    x, y = np.meshgrid(*sides)
    points = {across.name: x.ravel(), up.name: y.ravel(), **{name: np.full(x.size, each) for name, each in at.items()}}
    reach = found.predict_many(points)["reach"].to_numpy().reshape(x.shape)
    dress(ax, title=_title(found, at), x=across.name, y=up.name)
    surface = ax.contourf(x, y, reach, levels=14, cmap="viridis")
    ax.scatter(
        found.points[across.name], found.points[up.name], s=26, facecolor="white", edgecolor=INK, linewidth=1.2,
        zorder=3, clip_on=False, label="simulated",
    )  # fmt: skip
    _scale(ax, "x", across)
    _scale(ax, "y", up)
    bar = ax.get_figure(root=True).colorbar(surface, ax=ax)  # type: ignore[union-attr]
    bar.set_label("agents reached, predicted", color=MUTED)
    bar.outline.set_visible(False)


def _scale(ax: "Axes", side: str, axis: "Axis") -> None:
    """Give one side of axes the range and the scale of a parameter; ticks of a logarithmic one are 1, 2 and 5 times."""
    side_axis = ax.xaxis if side == "x" else ax.yaxis
    if axis.scale == "linear":
        show_fractions(side_axis)
    else:
        (ax.set_xscale if side == "x" else ax.set_yscale)("log")
        decades = 10.0 ** np.arange(np.floor(np.log10(axis.low)), np.ceil(np.log10(axis.high)) + 1)
        ticks = np.outer(decades, [1, 2, 5]).ravel()
        ticks = ticks[(ticks >= axis.low * 0.999) & (ticks <= axis.high * 1.001)]
        ticks = ticks if len(ticks) <= MOST_TICKS else np.intersect1d(ticks, decades)
        side_axis.set_ticks(ticks, labels=[f"{tick:,.6g}" for tick in ticks])
        side_axis.set_ticks([], minor=True)
    (ax.set_xlim if side == "x" else ax.set_ylim)(axis.low, axis.high)


def _title(found: "Surrogate", at: Mapping[str, float]) -> str:
    where = "".join(f", {name} {value:g}" for name, value in at.items())
    return f"Reach of {found.design.model} on {shortened(found.network.network_id)}{where}"
