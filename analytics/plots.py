"""Figures that compare sessions: adoption curves, incidence curves and reach.

Every function takes results by session name, draws each session in the same colour and line style, and labels it with
its name. Pass `ax` to draw into your own figure; otherwise a new one is made, which notebooks display.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.warehouse.tables.results import QUANTILES
from propagation.pictures import (
    BANDS,
    COLOURS,
    GRID,
    INK,
    LINE_STYLES,
    LINE_WIDTH,
    MUTED,
    Keys,
    LineStyle,
    curve_keys,
    draw_curve,
    dress,
    end_rounds,
    legend_above,
    name_fonts,
    new_axes,
    quantile_column,
    rounds_label,
    size_in_points,
)
from propagation.result import Reach, Result

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 60
"""Bins of the histograms of cascade sizes."""
LABEL_POINTS = 27
"""Height of a two-line label, points."""
NAME_LENGTH = 26
"""Characters of a session's name shown in figures."""


def session_colours(names: Sequence[str]) -> dict[str, str]:
    """Return the colour of each session, assigned in order.

    Examples
    --------
    >>> session_colours(["random", "hubs"])
    {'random': '#0072b2', 'hubs': '#d55e00'}
    """
    return {name: COLOURS[position % len(COLOURS)] for position, name in enumerate(names)}


# -- curves by round ------------------------------------------------------------------------------------------------


def adoption_curves(results: Mapping[str, Result], *, ax: "Axes | None" = None) -> "Axes":
    """Draw the number of agents each session has reached by each round: means and bands over replicates.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = _curves(results, "total_influenced", ax)
    dress(ax, title="Agents reached by each round", x=_rounds_label(results), y="agents reached, seeds included")
    legend_above(ax, curve_keys(MUTED, "mean"))
    end_rounds(ax, [result.rounds for result in results.values()])
    _label_ends(ax, results)
    return ax


def incidence_curves(results: Mapping[str, Result], *, ax: "Axes | None" = None) -> "Axes":
    """Draw the number of agents each session activates in each round: means and bands over replicates.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = _curves(results, "new_infections", ax)
    dress(ax, title="Agents activated in each round", x=_rounds_label(results), y="newly active agents, mean")
    legend_above(ax, _session_keys(results))
    end_rounds(ax, [result.rounds for result in results.values()])
    return ax


def _styles(results: Mapping[str, Result]) -> Iterator[tuple[str, Result, str, LineStyle]]:
    """Yield each session's name, result, colour and line style."""
    for (name, result), colour, style in zip(results.items(), cycle(COLOURS), cycle(LINE_STYLES), strict=False):
        yield name, result, colour, style


def _curves(results: Mapping[str, Result], quantity: str, ax: "Axes | None") -> "Axes":
    _require(results)
    ax = ax or new_axes()
    rounds = range(max(int(result.rounds["round"].max()) for result in results.values()) + 1)
    columns = [quantity, *(quantile_column(quantity, quantile) for quantile in QUANTILES)]
    for name, result, colour, style in _styles(results):
        # After its last round, a session's reach is constant and its incidence 0.
        frame = result.rounds.set_index("round")[columns].reindex(rounds)
        frame = frame.ffill() if quantity == "total_influenced" else frame.fillna(0.0)
        draw_curve(ax, frame.reset_index(), quantity, colour=colour, label=name, line_style=style)
    return ax


def _require(results: Mapping[str, Result]) -> None:
    if not results:
        raise InvalidInputError("no results to draw; give at least one session")


def _rounds_label(results: Mapping[str, Result]) -> str:
    return rounds_label([result.rounds for result in results.values()])


def _session_keys(results: Mapping[str, Result]) -> Keys:
    from matplotlib.lines import Line2D

    return [
        (Line2D([], [], color=colour, linestyle=style, linewidth=LINE_WIDTH), shortened(name))
        for name, _, colour, style in _styles(results)
    ]


def _label_ends(ax: "Axes", results: Mapping[str, Result]) -> None:
    """Write each session's name and reach at the right, with a line to the end of its curve."""
    top = ax.get_ylim()[1]
    ends = [result.reach.mean / top for result in results.values()]
    places = spread(ends, gap=LABEL_POINTS / size_in_points(ax)[1])
    for (name, result, *_), end, place in zip(_styles(results), ends, places, strict=True):
        (tie,) = ax.plot([1.0, 1.03, 1.08], [end, place, place], transform=ax.transAxes, clip_on=False)
        tie.set(color=MUTED, linewidth=0.8, label="_tie")
        label = f"{shortened(name)}\n{result.reach.mean:,.0f}"
        style: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False, "family": name_fonts()}
        ax.text(1.1, place, label, transform=ax.transAxes, va="center", **style)


def spread(places: Sequence[float], gap: float) -> npt.NDArray[np.float64]:
    """Move positions in [0, 1] as little as possible, so that neighbours are at least `gap` apart.

    Parameters
    ----------
    places : sequence of float
    gap : float
        Reduced if not all positions fit.

    Returns
    -------
    (k,) float64

    Examples
    --------
    >>> spread([0.5, 0.1, 0.5], gap=0.2).round(3).tolist()
    [0.4, 0.1, 0.6]
    """
    from scipy.optimize import isotonic_regression

    gap = min(gap, 1 / max(1, len(places) - 1))
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(len(places))
    # With the gaps subtracted, "at least `gap` apart" means non-decreasing, which is isotonic regression.
    level = isotonic_regression(np.asarray(places)[order] - steps).x
    moved = np.empty(len(places))
    moved[order] = np.clip(level, 0.0, 1.0 - steps[-1]) + steps
    return moved


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Return a name on one line of at most `length` characters.

    Examples
    --------
    >>> shortened("degree discount"), shortened("a name that does not end", 10)
    ('degree discount', 'a name th…')
    """
    name = " ".join(name.split())
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"


# -- reach ----------------------------------------------------------------------------------------------------------


def reach_comparison(results: Mapping[str, Result], *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many agents the replicates of each session reach: distribution, quantiles, mean with 95 % interval.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name; drawn from the top, largest mean first.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    _require(results)
    ax = ax or new_axes((7.2, 1.4 + 1.0 * len(results)))
    colours = session_colours(list(results))
    limit = 1.03 * max(float(result.cascades["size"].max()) for result in results.values())
    by_reach = sorted(results.items(), key=lambda item: -item[1].reach.mean)
    for row, (name, result) in enumerate(by_reach):
        _draw_reach(ax, -float(row), result, colours[name], limit)
        _name_row(ax, -float(row), name, result)
    dress(ax, title=_reach_title(results), x="agents reached by a replicate, seeds included", y="")
    legend_above(ax, _reach_keys())
    ax.set_xlim(0, limit)
    ax.set_ylim(0.7 - len(results), 1.0)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    return ax


def half_width(reach: Reach) -> float | None:
    """Return half the width of the 95 % interval of a mean over replicates (Student's t); None for one replicate.

    Examples
    --------
    >>> round(half_width(Reach(mean=10.0, standard_error=1.0, replicates=1000)), 3)
    1.962
    """
    from scipy.special import stdtrit

    if reach.standard_error is None:
        return None
    return float(stdtrit(reach.replicates - 1, 0.975)) * reach.standard_error


def _draw_reach(ax: "Axes", row: float, result: Result, colour: str, limit: float) -> None:
    sizes = result.cascades["size"].to_numpy()
    # 1. Distribution over replicates.
    heights, edges = np.histogram(sizes, BINS, (0, limit))
    ax.stairs(row + 0.42 * heights / heights.max(), edges, baseline=row, fill=True, color=colour, alpha=0.35)
    # 2. Quantiles.
    below = row - 0.12
    for (low, high, _), width in zip(BANDS, (2.0, 7.0), strict=True):
        ax.plot(np.quantile(sizes, [low, high]), [below, below], color=colour, linewidth=width, solid_capstyle="butt")
    ax.plot(np.median(sizes), below, marker="|", markersize=12, markeredgewidth=2, color=INK)
    # 3. Mean, with its interval.
    ax.errorbar(
        result.reach.mean, below, xerr=half_width(result.reach), fmt="D", markersize=5, color=INK, capsize=3, mfc="none"
    )


def _name_row(ax: "Axes", row: float, name: str, result: Result) -> None:
    value = f"{with_interval(result.reach)} agents"
    place: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "bottom", "parse_math": False}
    style: dict[str, Any] = {"fontweight": "bold", "fontsize": 9.5, "family": name_fonts()}
    ax.text(0.0, row + 0.5, shortened(name), color=INK, **style, **place)
    ax.text(1.0, row + 0.5, value, color=INK, fontsize=9.5, ha="right", **place)


def with_interval(reach: Reach) -> str:
    """Return a mean over replicates and half of its 95 % interval as text, rounded to two digits of the latter.

    Examples
    --------
    >>> with_interval(Reach(18_548.9, 24.9, 1000)), with_interval(Reach(15.04, 0.28, 1000))
    ('18,549 ± 49', '15.04 ± 0.55')
    """
    half = half_width(reach)
    if half is None:
        return f"{reach.mean:,.10g}"
    decimals = 0 if half == 0 else max(0, int(1 - np.floor(np.log10(half))))
    return f"{reach.mean:,.{decimals}f} ± {half:,.{decimals}f}"


def _reach_title(results: Mapping[str, Result]) -> str:
    replicates = {result.reach.replicates for result in results.values()}
    if len(replicates) > 1:
        return "Agents reached, over all replicates"
    count = replicates.pop()
    return "Agents reached" if count == 1 else f"Agents reached, over {count:,} replicates"


def _reach_keys() -> Keys:
    from matplotlib.lines import Line2D

    return [
        (Line2D([], [], color=INK, marker="D", markersize=5, mfc="none", linewidth=0), "mean, 95 % interval"),
        (Line2D([], [], color=INK, marker="|", markersize=10, markeredgewidth=2, linewidth=0), "median"),
        (Line2D([], [], color=MUTED, linewidth=6, solid_capstyle="butt"), "25 to 75 %"),
        (Line2D([], [], color=MUTED, linewidth=2, solid_capstyle="butt"), "5 to 95 %"),
    ]


# -- both in one figure ---------------------------------------------------------------------------------------------


def campaign_figure(results: Mapping[str, Result]) -> "Figure":
    """Return adoption curves and reach comparison side by side, 12.8 by 5.6 inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15, wspace=0.04)
    figure = Figure(figsize=(12.8, 5.6), layout=engine)
    left, right = figure.subplots(1, 2)
    adoption_curves(results, ax=left)
    reach_comparison(results, ax=right)
    return figure


# -- answers in SQL -------------------------------------------------------------------------------------------------


def draw_rows(rows: "pa.Table", drawn_as: str, *, title: str, ax: "Axes | None" = None) -> "Axes":
    """Draw the rows of a report.

    Parameters
    ----------
    rows : pyarrow.Table
    drawn_as : str
        ``line X Y`` draws a line for each session; ``bar Y [LABEL]`` a bar for each row, with the session or another
        column as its label.
    title : str
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Raises
    ------
    InvalidInputError
        If there are no rows.
    """
    kind, *columns = drawn_as.split()
    if not rows.num_rows:
        raise InvalidInputError(f"nothing to draw: the report {title!r} has no rows")
    ax = new_axes() if ax is None else ax
    table = rows.to_pydict()
    if kind == "line":
        names = list(dict.fromkeys(table["session"]))
        styles = cycle(LINE_STYLES)
        for name, colour in session_colours(names).items():
            of_session = [at for at, session in enumerate(table["session"]) if session == name]
            x, y = ([table[column][at] for at in of_session] for column in columns)
            points = [np.nan if value is None else value for value in y]
            marker = "o" if len(x) == 1 else None
            label = shortened(name)
            ax.plot(x, points, color=colour, linestyle=next(styles), linewidth=LINE_WIDTH, marker=marker, label=label)
        dress(ax, title=title, x=_in_words(columns[0]), y=_in_words(columns[1]))
        _show_fractions(ax.yaxis)
        if len(names) > 1:
            ax.legend(frameon=False, labelcolor=INK)
        return ax
    length, label = columns[0], columns[1] if len(columns) > 1 else "session"
    bars = [shortened(str(value)) for value in table[label]][::-1]
    if label != "session" and "session" in table:
        bars = [f"{shortened(str(s))}: {bar}" for s, bar in zip(table["session"][::-1], bars, strict=True)]
    values = [0.0 if value is None else float(value) for value in table[length]][::-1]
    ax.barh(range(len(bars)), values, color=COLOURS[0], height=0.6)
    dress(ax, title=title, x=_in_words(length), y="")
    ax.set_ylim(-0.5, len(bars) - 0.5)
    ax.set_yticks(range(len(bars)), bars)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    _show_fractions(ax.xaxis)
    return ax


def _show_fractions(axis: Any) -> None:
    """Give an axis of small numbers, such as shares, ticks between whole numbers."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    if axis.get_data_interval()[1] < 5:
        axis.set_major_locator(MaxNLocator(nbins=6))
        axis.set_major_formatter(ScalarFormatter())


def _in_words(column: str) -> str:
    return column.replace("_", " ")
