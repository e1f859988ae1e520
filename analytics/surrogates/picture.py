"""Pictures of a surrogate: a curve with its band, or a surface, and the simulated points; and of its error."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.labels import shortened
from analytics.plots import show_fractions
from analytics.surrogates.axes import NORMAL
from propagation.pictures import (
    COLOURS,
    FIGURE_SIZE,
    INK,
    LEGEND_SIZE,
    LINE_WIDTH,
    MUTED,
    dress,
    legend_above,
    new_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analytics.surrogates.axes import Axis
    from analytics.surrogates.surrogate import Surrogate

MOST_TICKS = 9
"""Ticks of a logarithmic axis, above which only powers of ten have one."""
ALONG, ACROSS = 161, 61
"""Points of a curve, and along each side of a surface."""
Values = npt.NDArray[np.float64]


def surrogate_figure(found: "Surrogate") -> "Figure":
    """Draw the reach; if several parameters are varied, with the error of predictions beside it."""
    from matplotlib.figure import Figure

    width, height = FIGURE_SIZE
    panels = 1 if len(found.axes) == 1 else 2
    figure = Figure(figsize=(width * panels, height), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, panels))
    surrogate_picture(found, ax=axes[0])
    if panels == 2:
        surrogate_picture(found, ax=axes[1], error=True)
    return figure


def surrogate_picture(
    found: "Surrogate",
    *,
    ax: "Axes | None" = None,
    fixed: Mapping[str, float] | None = None,
    error: bool = False,
) -> "Axes":
    """Draw a curve along the parameter that is not fixed, or a surface over the first two.

    Parameters
    ----------
    found : Surrogate
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.
    fixed : mapping, optional
        Values of parameters; default: the middle of the range of those that are not drawn.
    error : bool
        Draw the standard error of the predictions instead, and where to simulate next.

    Raises
    ------
    InvalidInputError
        If a value is outside its range.
    """
    ax = ax or new_axes()
    given = dict(fixed or {})
    free = [axis for axis in found.axes if axis.name not in given][:2] or [found.axes[0]]
    shown = {axis.name for axis in free}
    at = {
        axis.name: given.get(axis.name, axis.plain(float(axis.values(0.5))))
        for axis in found.axes
        if axis.name not in shown
    }
    if len(free) == 2:
        _surface(found, free[0], free[1], at, ax, error=error)
    elif error:
        _error_curve(found, free[0], at, ax)
    else:
        curve = Curve(found, free[0], at, ax, title=picture_title(found, at, "Reach"))
        ax.legend(handles=curve.keys, frameon=False, labelcolor=INK, fontsize=LEGEND_SIZE, loc="best")
    return ax


class Curve:
    """The predicted reach along one parameter, with its interval and the simulated points, which can be redrawn.

    Attributes
    ----------
    artists : list of matplotlib Artist
        What depends on the other parameters, in the order in which it is drawn.
    """

    def __init__(self, found: "Surrogate", axis: "Axis", at: Mapping[str, float], ax: "Axes", *, title: str) -> None:
        self._found, self._axis = found, axis
        self._values = _along(axis)
        rows, points = self._rows(at), self._points(at)
        low, high = _error_bars(points)
        x = points[axis.name].to_numpy(np.float64)
        self._band = ax.fill_between(
            self._values, rows["reach_low"], rows["reach_high"], color=COLOURS[0], alpha=0.25, linewidth=0,
            label="95 % interval",
        )  # fmt: skip
        (self._line,) = ax.plot(self._values, rows["reach"], color=COLOURS[0], linewidth=LINE_WIDTH, label="predicted")
        self._errors = ax.vlines(x, low, high, color=INK, linewidth=1.2, zorder=3, clip_on=False)
        (self._marks,) = ax.plot(
            x, points["reach"], "o", color=INK, markersize=4.5, zorder=3, clip_on=False, label="simulated"
        )  # fmt: skip
        self.artists: list[Artist] = [self._band, self._line, self._errors, self._marks]
        dress(ax, title=title, x=_in_words(axis), y="agents reached")
        _scale(ax, "x", axis)

    @property
    def keys(self) -> "list[Artist]":
        """What a legend names: simulated points only if there are some."""
        return [self._band, self._line, *([self._marks] if np.size(self._marks.get_xdata()) else [])]

    def show(self, at: Mapping[str, float]) -> None:
        """Move the curve to other values of the other parameters."""
        rows, points = self._rows(at), self._points(at)
        low, high = _error_bars(points)
        x = points[self._axis.name].to_numpy(np.float64)
        self._band.set_data(self._values, rows["reach_low"].to_numpy(), rows["reach_high"].to_numpy())
        self._line.set_data(self._values, rows["reach"])
        self._errors.set_segments([np.array([(a, b), (a, c)]) for a, b, c in zip(x, low, high, strict=True)])
        self._marks.set_data(x, points["reach"])

    def _rows(self, at: Mapping[str, float]) -> "pd.DataFrame":
        return self._found.predict_many(_line_of_points(self._axis, self._values, at))

    def _points(self, at: Mapping[str, float]) -> "pd.DataFrame":
        """Return the simulated points on the curve."""
        points = self._found.points
        on_line = np.ones(len(points), np.bool_)
        for name, each in at.items():
            on_line &= np.isclose(points[name].to_numpy(np.float64), each)
        return points[on_line]


def _error_curve(found: "Surrogate", axis: "Axis", at: Mapping[str, float], ax: "Axes") -> None:
    values = _along(axis)
    rows = found.predict_many(_line_of_points(axis, values, at))
    ax.plot(values, rows["reach_standard_error"], color=COLOURS[0], linewidth=LINE_WIDTH)
    dress(ax, title=picture_title(found, at, "Error"), x=_in_words(axis), y="standard error of the prediction, agents")
    show_fractions(ax.yaxis)
    _scale(ax, "x", axis)


def _surface(
    found: "Surrogate", across: "Axis", up: "Axis", at: Mapping[str, float], ax: "Axes", *, error: bool
) -> None:
    x, y = np.meshgrid(_along(across, ACROSS), _along(up, ACROSS))
    rows = found.predict_many({across.name: x.ravel(), **_line_of_points(up, y.ravel(), at)})
    values = rows["reach_standard_error" if error else "reach"].to_numpy().reshape(x.shape)
    dress(ax, title=picture_title(found, at, "Error" if error else "Reach"), x=_in_words(across), y=_in_words(up))
    surface = ax.contourf(x, y, values, levels=14, cmap="magma" if error else "viridis")
    dots = ax.scatter(
        found.points[across.name], found.points[up.name], s=26, facecolor="white", edgecolor=INK, linewidth=1.2,
        zorder=3, clip_on=False,
    )  # fmt: skip
    if error and not at:
        (following,) = found.next_points() or [{across.name: np.nan, up.name: np.nan}]
        cross = ax.scatter(
            following[across.name], following[up.name], s=70, marker="X", color=COLOURS[2], edgecolor="white", zorder=4,
            clip_on=False,
        )  # fmt: skip
        legend_above(ax, [(dots, "simulated"), (cross, "to simulate next")])
    _scale(ax, "x", across)
    _scale(ax, "y", up)
    bar = ax.get_figure(root=True).colorbar(surface, ax=ax, format="{x:,.6g}")  # type: ignore[union-attr]
    bar.set_label("standard error of the prediction, agents" if error else "agents reached, predicted", color=MUTED)
    bar.outline.set_visible(False)


def _along(axis: "Axis", count: int = ALONG) -> Values:
    """Return values along the range of a parameter."""
    return np.unique(axis.values(np.linspace(0.0, 1.0, count)))


def _line_of_points(axis: "Axis", values: Values, at: Mapping[str, float]) -> dict[str, Values]:
    """Return points with these values of one parameter, and the same values of the others."""
    return {axis.name: values, **{name: np.full(len(values), each) for name, each in at.items()}}


def _error_bars(points: "pd.DataFrame") -> tuple[Values, Values]:
    """Return the ends of the 95 % intervals of simulated means."""
    reach, width = points["reach"].to_numpy(), NORMAL * points["reach_standard_error"].to_numpy()
    return reach - width, reach + width


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


def picture_title(found: "Surrogate", at: Mapping[str, float], what: str) -> str:
    """Return what is shown, of which network and model, and the values of the parameters that are not drawn."""
    where = "".join(f", {name.replace('_', ' ')} {value:,.6g}" for name, value in at.items())
    return f"{what} on {shortened(found.network.network_id)}: {found.design.model.replace('_', ' ')}{where}"


def _in_words(axis: "Axis") -> str:
    return axis.name.replace("_", " ")
