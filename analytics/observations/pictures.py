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
from data.quantities import counted, number_text
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
    plain_logarithmic_ticks,
    plain_ticks,
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
EARLY = 0.05
"""The axis of times is logarithmic if half of the rise is over before this share of it."""
STARTED = 0.01
"""Share of the rise that is over where a logarithmic axis of times starts."""
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
    simulated = _half_time(*_mean_curve(result))
    if observed <= 0 or simulated <= 0:
        which = "observed curve" if observed <= 0 else "session"
        raise InvalidInputError(
            f"the length of a round cannot be fitted: the {which} has half of its size from the start; give the length "
            f"of a round in {curve.time_unit} (--round-length)"
        )
    return observed / simulated


def _round_length(curve: ObservedCurve, result: "Result") -> tuple[float, str]:
    """Return the length of a round by which curves are drawn, and how it was found, for the axis."""
    if _half_time(curve.times, curve.counts) > 0 and _half_time(*_mean_curve(result)) > 0:
        return fitted_round_length(curve, result), "fitted"
    observed, simulated = _last_seen_time(curve.times, curve.counts), _last_seen_time(*_mean_curve(result))
    if observed > 0 and simulated > 0:
        return observed / simulated, "so that both end together"
    return 1.0, "assumed"


def _mean_curve(result: "Result") -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return rounds, and the mean number of agents reached by then."""
    rounds = result.rounds.sort_values("round")
    return rounds["round"].to_numpy(np.float64), rounds["total_influenced"].to_numpy(np.float64)


def _half_time(times: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> float:
    return _time_at(times, counts, counts[-1] / 2)


def _time_at(times: npt.NDArray[np.float64], counts: npt.NDArray[np.float64], count: float) -> float:
    """Return when a curve reaches a count, between two points in proportion."""
    after = int(np.argmax(counts >= count))
    if after == 0:
        return 0.0
    within = (count - counts[after - 1]) / (counts[after] - counts[after - 1])
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

    The session is drawn with its mean and the bands of 25-75 % and 5-95 % of its replicates. The axis of times is
    logarithmic if half of the observed activations after the first come in the first `EARLY` of it; its label says so.

    Parameters
    ----------
    observed : ObservedCascades
    session : Result, optional
        The simulated session; its rounds are scaled to time by `round_length`.
    cascade : str, optional
        Id of the cascade; default: the mean of all cascades of the set.
    round_length : float, optional
        Time that a round stands for, in the observed unit; default: that at which both curves reach half of their size
        at the same time, see `fitted_round_length`. Where one of them has half of its size from the start, it is that
        at which both end at the same time. The axis says which.
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
        If there is no such cascade, or the length of a round is not positive.
    """
    if round_length is not None and not 0 < round_length < np.inf:
        raise InvalidInputError(f"the length of a round is {round_length}; it must be more than 0 {observed.time_unit}")
    curve = observed_curve(observed, cascade)
    end, notes = _last_seen_time(curve.times, curve.counts), []
    length, how = (round_length or 1.0, "given") if session is None or round_length else _round_length(curve, session)
    if session is not None:
        end = max(end, min(length * _last_seen_time(*_mean_curve(session)), 3 * end or np.inf))
        notes.append(f"1 round = {_duration_text(length, curve.time_unit)}, {how}")
    start = _logarithmic_start(curve, end)
    end *= 1.05
    unit, per_unit = _unit_of_axis(curve.time_unit, end if start is None else _median_time(curve))
    if curve.times[-1] > end:
        notes.insert(0, f"last activation after {_duration_text(curve.times[-1], curve.time_unit)}")
    ax = ax or new_axes()
    keys: Keys = []
    if session is not None:
        called = shortened(name or session.session_id[:8])
        frame = session.rounds.sort_values("round")
        times = np.maximum(frame["round"] * length, start or 0.0) / per_unit
        scaled = _to_the_end(frame.assign(round=times), end / per_unit)
        draw_curve(ax, scaled, "total_influenced", colour=COLOURS[0], label=called)
        keys = curve_keys(COLOURS[0], f"{called}, mean")
    times, counts = _thinned(curve, end)
    x = np.maximum(times, start or 0.0) / per_unit
    what = f"cascade {shortened(cascade)}" if cascade is not None else _mean_of(curve.cascades)
    (line,) = ax.plot(x, counts, color=COLOURS[1], linewidth=LINE_WIDTH, drawstyle="steps-post")
    label = f"time since the first activation, {unit}{'' if start is None else ' (logarithmic axis)'}"
    dress(
        ax,
        title=f"Activations of {shortened(observed.name)}, observed"
        + (" and simulated" if session is not None else ""),
        x="\n".join([label, *(["; ".join(notes)] if notes else [])]),
        y="agents activated, seeds included" if curve.cascades == 1 else "agents activated per cascade, seeds included",
    )
    legend_above(ax, [(line, f"observed: {what}"), *keys])
    if start is None:
        ax.set_xlim(0, end / per_unit or 1)
        show_fractions(ax.xaxis)
    else:
        ax.set_xscale("log")
        ax.set_xlim(start / per_unit, end / per_unit)
        plain_logarithmic_ticks(ax.xaxis)
    return ax


def _logarithmic_start(curve: ObservedCurve, end: float) -> float | None:
    """Return where a logarithmic axis of times starts; None if a linear one shows the curve."""
    if not 0 < _median_time(curve) < EARLY * end:
        return None
    risen = curve.counts[0] + STARTED * (curve.counts[-1] - curve.counts[0])
    return max(_time_at(curve.times, curve.counts, risen), float(curve.times[1]))


def _median_time(curve: ObservedCurve) -> float:
    """Return the median time of activations after the first ones; 0 if there are none."""
    if len(curve.times) == 1:
        return 0.0
    later = curve.counts - curve.counts[0]
    return float(curve.times[np.argmax(later >= later[-1] / 2)])


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


def _duration_text(duration: float, time_unit: str) -> str:
    unit, per_unit = _unit_of_axis(time_unit, duration)
    text = number_text(duration / per_unit)
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"


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
    axes of the sizes are logarithmic, as is that of the shares of virality. Where no infector is known, the legend says
    so.

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
    line: Any
    smallest = np.inf
    styles = zip((COLOURS[1], COLOURS[0]), LINE_STYLES, strict=False)
    for frame, name, (colour, style) in zip((observed, simulated), names, styles, strict=False):
        if frame is None:
            continue
        values = np.sort(frame[quantity].dropna().to_numpy(np.float64))
        if not len(values):
            (line,) = ax.plot([], [], linestyle="none")
            keys.append((line, f"{shortened(name)}: no infectors are known"))
            continue
        x, first = np.unique(values, return_index=True)
        shares = 1 - first / len(values)
        smallest = min(smallest, float(shares[-1]))
        (line,) = ax.plot(x, shares, color=colour, linestyle=style, linewidth=LINE_WIDTH, drawstyle="steps-pre")
        if len(x) == 1:
            line.set(marker="o")
        keys.append((line, f"{shortened(name)} ({counted(len(values), 'cascade')})"))
    dress(ax, title=titles[quantity], x=labels[quantity], y="share of cascades with at least as much")
    if smallest > 1:
        ax.text(0.5, 0.5, "no infectors are known", transform=ax.transAxes, ha="center", color=MUTED)
        ax.set_yticks([])
        return ax
    legend_above(ax, keys)
    ax.set_yscale("log")
    ax.set_ylim(smallest / 1.5, 1.5)
    plain_logarithmic_ticks(ax.yaxis)
    if quantity == "size":
        ax.set_xscale("log")
        plain_logarithmic_ticks(ax.xaxis)
    else:
        plain_ticks(ax.xaxis)
    ax.tick_params(colors=MUTED, which="both", length=0)
    ax.xaxis.label.set_color(INK)
    return ax
