"""Pictures of observed cascades beside simulated ones: activations over time, and distributions of shapes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from analytics.labels import shortened
from analytics.plots import show_fractions
from data.cascades.observed_cascades import ObservedCascades
from data.cascades.times import SECONDS
from data.errors import InvalidInputError
from data.validation import suggestion
from propagation.pictures import (
    COLOURS,
    INK,
    LINE_STYLES,
    LINE_WIDTH,
    MUTED,
    SETTLED,
    Keys,
    curve_keys,
    draw_curve,
    dress,
    legend_above,
    new_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from propagation.result import Result

MOST_POINTS = 4000
"""Points of a drawn curve: more make a picture no finer."""
ShapeQuantity = Literal["size", "structural_virality"]
"""Quantities whose distributions are drawn."""
FEWEST_UNITS = 3.0
"""Times are shown in the largest unit of which the axis has at least so many."""


@dataclass(frozen=True)
class ObservedCurve:
    """Activations over time: of one cascade, or the mean of several.

    Attributes
    ----------
    times : ndarray of float64, (k,)
        Ascending, from 0, in `time_unit`.
    counts : ndarray of float64, (k,)
        Activations up to and including each time.
    cascades : int
        Cascades that the curve is the mean of.
    time_unit : str
    """

    times: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]
    cascades: int
    time_unit: str


def observed_curve(observed: ObservedCascades, cascade: str | None = None) -> ObservedCurve:
    """Return the activations over time of one observed cascade, or the mean over all cascades of the set.

    Parameters
    ----------
    observed : ObservedCascades
    cascade : str, optional
        Id of the cascade; default: the mean of all.

    Raises
    ------
    InvalidInputError
        If there is no such cascade.

    Examples
    --------
    >>> import pandas as pd
    >>> from data.cascades.cleaning import observed_cascades
    >>> rows = pd.DataFrame({"cascade": [1, 1, 2], "agent": list("aba"), "time": [0, 4, 7]})
    >>> observed_curve(observed_cascades("two", rows).cascades).counts
    array([1. , 1.5])
    """
    if cascade is not None:
        known = observed.cascade_ids.to_pylist()
        if cascade not in known:
            raise InvalidInputError(
                f"cascades {observed.name!r} have no cascade {cascade!r}{suggestion(cascade, known)}; ids there look "
                f"like {', '.join(map(repr, known[:3]))}"
            )
        observed = observed.select([known.index(cascade)])
    times, numbers = np.unique(observed.times, return_counts=True)
    return ObservedCurve(times, np.cumsum(numbers) / len(observed), len(observed), observed.time_unit)


def fitted_round_length(curve: ObservedCurve, result: "Result") -> float:
    """Return the length of a round at which observed and mean simulated curve reach half of their size together.

    Parameters
    ----------
    curve : ObservedCurve
    result : Result
        Of the session.

    Returns
    -------
    float
        In the observed unit of time.

    Raises
    ------
    InvalidInputError
        If one of them has half of its size from the start.
    """
    observed = _half_time(curve.times, curve.counts)
    rounds = result.rounds.sort_values("round")
    simulated = _half_time(rounds["round"].to_numpy(np.float64), rounds["total_influenced"].to_numpy())
    if observed <= 0 or simulated <= 0:
        which = "observed curve" if observed <= 0 else "session"
        raise InvalidInputError(
            f"the length of a round cannot be fitted: the {which} has half of its size from the start; give the length "
            f"of a round in {curve.time_unit} (--round-length)"
        )
    return observed / simulated


def _half_time(times: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> float:
    half = counts[-1] / 2
    after = int(np.argmax(counts >= half))
    if after == 0:
        return 0.0
    within = (half - counts[after - 1]) / (counts[after] - counts[after - 1])
    return float(times[after - 1] + within * (times[after] - times[after - 1]))


def activation_curves(
    observed: ObservedCascades,
    session: "Result | None" = None,
    *,
    cascade: str | None = None,
    round_length: float | None = None,
    name: str | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the activations over time of one observed cascade, or of the mean of a set, over a simulated session.

    The session is drawn with its mean and the bands of 25-75 % and 5-95 % of its replicates.

    Parameters
    ----------
    observed : ObservedCascades
    session : Result, optional
        The simulated session; its rounds are scaled to time by `round_length`.
    cascade : str, optional
        Id of the cascade; default: the mean of all cascades of the set.
    round_length : float, optional
        Time that a round stands for, in the observed unit; default: that at which both curves reach half of their size
        at the same time, see `fitted_round_length`.
    name : str, optional
        What the session is called; default: the beginning of its id.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidInputError
        If there is no such cascade, the length of a round is not positive, or it cannot be fitted.
    """
    if round_length is not None and not 0 < round_length < np.inf:
        raise InvalidInputError(f"the length of a round is {round_length}; it must be more than 0 {observed.time_unit}")
    curve = observed_curve(observed, cascade)
    end = _last_seen_time(curve.times, curve.counts)
    keys: Keys = []
    notes: list[str] = []
    frame = None
    if session is not None:
        length = fitted_round_length(curve, session) if round_length is None else round_length
        frame = session.rounds.sort_values("round")
        simulated_end = length * _last_seen_time(
            frame["round"].to_numpy(np.float64), frame["total_influenced"].to_numpy()
        )
        end = max(end, min(simulated_end, 3 * end))
    unit, per_unit = _unit_of_axis(curve.time_unit, end)
    ax = ax or new_axes()
    if session is not None and frame is not None:
        called = shortened(name or session.session_id[:8])
        scaled = _to_the_end(frame.assign(round=frame["round"] * length / per_unit), 1.05 * end / per_unit)
        draw_curve(ax, scaled, "total_influenced", colour=COLOURS[0], label=called)
        keys = curve_keys(COLOURS[0], f"{called}, mean")
        how = "fitted" if round_length is None else "given"
        of_round, per_round = _unit_of_axis(curve.time_unit, length)
        notes.append(f"1 round = {length / per_round:.3g} {of_round}, {how}")
    times, counts = _thinned(curve, 1.05 * end)
    what = f"cascade {shortened(cascade)}" if cascade is not None else _mean_of(curve.cascades)
    (line,) = ax.plot(times / per_unit, counts, color=COLOURS[1], linewidth=LINE_WIDTH, drawstyle="steps-post")
    last = curve.times[-1] / per_unit
    if curve.times[-1] > 1.05 * end:
        notes.insert(0, f"last activation: {last:,.0f}")
    dress(
        ax,
        title=f"Activations of {shortened(observed.name)}, observed"
        + (" and simulated" if session is not None else ""),
        x="\n".join([f"time since the first activation, {unit}", *(["; ".join(notes)] if notes else [])]),
        y="agents activated, seeds included" if curve.cascades == 1 else "agents activated per cascade, seeds included",
    )
    legend_above(ax, [(line, f"observed: {what}"), *keys])
    ax.set_xlim(0, 1.05 * end / per_unit or 1)
    show_fractions(ax.xaxis)
    return ax


def _mean_of(cascades: int) -> str:
    return "the only cascade" if cascades == 1 else f"mean of {cascades:,} cascades"


def _last_seen_time(times: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> float:
    """Return the time after which a curve rises invisibly."""
    seen = counts[-1] - counts > 2.5 * SETTLED * counts[-1]
    return float(times[min(int(np.count_nonzero(seen)), len(times) - 1)])


def _unit_of_axis(time_unit: str, span: float) -> tuple[str, float]:
    """Return the unit in which times are shown, and how many of the given units it has."""
    if time_unit not in SECONDS:
        return time_unit, 1.0
    per_unit = {unit: seconds / SECONDS[time_unit] for unit, seconds in SECONDS.items()}
    fitting = [unit for unit, size in per_unit.items() if size >= 1.0 and span >= FEWEST_UNITS * size]
    unit = fitting[-1] if fitting else time_unit
    return unit, per_unit[unit]


def _to_the_end(frame: "pd.DataFrame", end: float) -> "pd.DataFrame":
    """Return rounds with a last row at the end of the axis: after its last round, a session's reach stays."""
    import pandas as pd

    last = frame.iloc[[-1]]
    return pd.concat([frame, last.assign(round=end)]) if float(last["round"].iloc[0]) < end else frame


def _thinned(curve: ObservedCurve, end: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a curve up to the end of the axis, with at most `MOST_POINTS` of its points."""
    shown = int(np.searchsorted(curve.times, end, side="right"))
    places = np.unique(np.linspace(0, shown - 1, min(shown, MOST_POINTS)).astype(np.int64))
    return np.append(curve.times[places], end), np.append(curve.counts[places], curve.counts[shown - 1])


# -- distributions --------------------------------------------------------------------------------------------------


def shape_distributions(
    observed: "pd.DataFrame",
    simulated: "pd.DataFrame | None" = None,
    *,
    names: tuple[str, str] = ("observed", "simulated"),
) -> "Figure":
    """Return a figure with the distributions of size and structural virality, observed beside simulated.

    Both are complementary cumulative distributions: the share of cascades that have at least this size or virality. The
    axes of the sizes are logarithmic, as is that of the shares of virality.

    Parameters
    ----------
    observed : DataFrame
        What `analytics.observations.shapes.cascade_shapes` returned for a set of observed cascades.
    simulated : DataFrame, optional
        The same of a session.
    names : tuple of str
        What they are called in the legend.

    Returns
    -------
    matplotlib Figure
        10.4 by 4.4 inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 4.4), layout="constrained")
    quantities: tuple[ShapeQuantity, ...] = ("size", "structural_virality")
    panels = zip(figure.subplots(1, 2), quantities, strict=True)
    for ax, quantity in panels:
        shape_distribution(quantity, observed, simulated, names=names, ax=ax)
    return figure


def shape_distribution(
    quantity: ShapeQuantity,
    observed: "pd.DataFrame",
    simulated: "pd.DataFrame | None" = None,
    *,
    names: tuple[str, str] = ("observed", "simulated"),
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw one of the two distributions of `shape_distributions`.

    Parameters
    ----------
    quantity : {"size", "structural_virality"}
    observed, simulated, names
        As in `shape_distributions`.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or new_axes()
    titles = {"size": "Sizes of cascades", "structural_virality": "Structural virality"}
    labels = {"size": "agents activated, seeds included", "structural_virality": "mean distance in the tree, steps"}
    keys: Keys = []
    smallest = 1.0
    styles = zip((COLOURS[1], COLOURS[0]), LINE_STYLES, strict=False)
    for frame, name, (colour, style) in zip((observed, simulated), names, styles, strict=False):
        values = np.sort(frame[quantity].dropna().to_numpy(np.float64)) if frame is not None else np.empty(0)
        if not len(values):
            continue
        x, first = np.unique(values, return_index=True)
        shares = 1 - first / len(values)
        smallest = min(smallest, float(shares[-1]))
        line: Any
        (line,) = ax.plot(x, shares, color=colour, linestyle=style, linewidth=LINE_WIDTH, drawstyle="steps-pre")
        if len(x) == 1:
            line.set(marker="o")
        keys.append((line, f"{shortened(name)} ({len(values):,} cascades)"))
    dress(ax, title=titles[quantity], x=labels[quantity], y="share of cascades with at least as much")
    if not keys:
        ax.text(0.5, 0.5, "no infectors are known", transform=ax.transAxes, ha="center", color=MUTED)
        ax.set_yticks([])
        return ax
    legend_above(ax, keys)
    ax.set_yscale("log")
    if quantity == "size":
        ax.set_xscale("log")
    ax.set_ylim(smallest / 1.5, 1.5)
    ax.tick_params(colors=MUTED, which="both", length=0)
    ax.xaxis.label.set_color(INK)
    return ax
