"""Figures that compare sessions: adoption curves, incidence curves and reach.

Every function takes results by session name, draws each session in the same colour and line style, and labels it with
its name. Pass `ax` to draw into your own figure; otherwise a new one is made, which notebooks display.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.intervals import half_width, ranked, with_interval
from analytics.labels import short_names, spread
from data.errors import InvalidInputError
from data.warehouse.tables.results import QUANTILES
from propagation.pictures import (
    BANDS,
    COLOURS,
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
    last_seen_round,
    legend_above,
    name_fonts,
    new_axes,
    quantile_column,
    rounds_label,
    size_in_points,
)
from propagation.result import Reach, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 60
"""Bins of the histograms of cascade sizes."""
LABEL_POINTS = 27
"""Height of a two-line label, points."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""Markers of curves that coincide with others, in the order of the sessions."""
MARKERS_PER_CURVE = 6
MOST_BANDS = 6
"""With more sessions than this, the bands of curves would hide each other and are left out."""
COINCIDENT = 0.01
"""Share of a figure's height: curves that are nowhere further apart coincide."""


def session_colours(names: Sequence[str]) -> dict[str, str]:
    """Return the colour of each session, assigned in order.

    Examples
    --------
    >>> session_colours(["random", "hubs"])
    {'random': '#0072b2', 'hubs': '#d55e00'}
    """
    return {name: COLOURS[position % len(COLOURS)] for position, name in enumerate(names)}


# -- curves by round ------------------------------------------------------------------------------------------------


def adoption_curves(
    results: Mapping[str, Result],
    *,
    ax: "Axes | None" = None,
    title: str = "Agents reached by each round",
    sessions: Sequence[str] = (),
) -> "Axes":
    """Draw the number of agents each session has reached by each round: means and bands over replicates.

    Parameters
    ----------
    results : mapping from str to Result
        Results by session name.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.
    title : str
    sessions : sequence of str
        All sessions in the order of their colours, if these are some of them.

    Returns
    -------
    matplotlib Axes
    """
    ax = _curves(results, "total_influenced", ax, sessions)
    dress(ax, title=title, x=_rounds_label(results), y="agents reached, seeds included")
    legend_above(ax, curve_keys(MUTED, "mean") if has_bands(results) else curve_keys(MUTED, "mean")[:1])
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


def prevalence_curves(results: Mapping[str, Result], *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many agents of each session transmit after each round: means and bands over replicates.

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
    ax = _curves(results, "current_infected", ax)
    dress(ax, title="Agents that transmit after each round", x="round", y="transmitting agents")
    legend_above(ax, _session_keys(results))
    end_rounds(ax, [result.rounds for result in results.values()], "current_infected")
    return ax


def coinciding(results: Mapping[str, Result], quantity: str = "total_influenced") -> list[list[str]]:
    """Return groups of sessions whose mean curves are nowhere further apart than `COINCIDENT` of the figure's height.

    Parameters
    ----------
    results : mapping from str to Result
    quantity : str
        The column of `Result.rounds` that is drawn.

    Returns
    -------
    list of list of str
        Groups of at least two sessions, in their order; no session is in two.
    """
    means = {name: frame[quantity].to_numpy() for name, frame in _frames(results, quantity).items()}
    near = COINCIDENT * max((float(np.nanmax(mean)) for mean in means.values()), default=0.0)
    groups: list[list[str]] = []
    for name, mean in means.items():
        for group in groups:
            # Where a truncated session has no value, it is drawn nowhere.
            if np.nanmax(np.abs(means[group[0]] - mean), initial=0.0) <= near:
                group.append(name)
                break
        else:
            groups.append([name])
    return [group for group in groups if len(group) > 1]


def _frames(results: Mapping[str, Result], quantity: str) -> "dict[str, pd.DataFrame]":
    """Return what is drawn of each session, one row per round of the longest one.

    After its last round, a session's reach and prevalence stay and its incidence is 0; after `max_rounds`, what a
    truncated session would have done is unknown.
    """
    rounds = range(max((int(result.rounds["round"].max()) for result in results.values()), default=0) + 1)
    columns = [quantity, *(quantile_column(quantity, quantile) for quantile in QUANTILES)]
    frames = {}
    for name, result in results.items():
        frame = result.rounds.set_index("round")[columns].reindex(rounds)
        if not result.session["truncated_replicates"]:
            frame = frame.fillna(0.0) if quantity == "new_infections" else frame.ffill()
        frames[name] = frame.reset_index()
    return frames


def has_bands(results: Mapping[str, Result]) -> bool:
    """Return whether curves of these sessions are drawn with bands over replicates."""
    return len(results) <= MOST_BANDS


def _styles(
    results: Mapping[str, Result], sessions: Sequence[str] = ()
) -> Iterator[tuple[str, Result, str, LineStyle]]:
    """Yield each session's name, result, colour and line style; these go by the order of all sessions."""
    order = dict.fromkeys([*sessions, *results])
    styles = dict(zip(order, zip(cycle(COLOURS), cycle(LINE_STYLES), strict=False), strict=False))
    for name, result in results.items():
        yield name, result, *styles[name]


def _curves(results: Mapping[str, Result], quantity: str, ax: "Axes | None", sessions: Sequence[str] = ()) -> "Axes":
    _require(results)
    ax = ax or new_axes()
    frames = _frames(results, quantity)
    marked = [name for group in coinciding(results, quantity) for name in group]
    step = max(1, last_seen_round([result.rounds for result in results.values()], quantity) // MARKERS_PER_CURVE)
    bands = has_bands(results)
    for number, (name, _, colour, style) in enumerate(_styles(results, sessions)):
        line = draw_curve(ax, frames[name], quantity, colour=colour, label=name, line_style=style, bands=bands)
        line.set_zorder(2 + 0.01 * (number % len(LINE_STYLES)))  # solid lines below those with gaps
        if name in marked:
            # Each begins elsewhere, so that no marker covers another.
            first = step * marked.index(name) // len(marked)
            line.set(marker=MARKERS[number % len(MARKERS)], markersize=6, markevery=(first, step))
    return ax


def _require(results: Mapping[str, Result]) -> None:
    if not results:
        raise InvalidInputError("no results to draw; give at least one session")


def _rounds_label(results: Mapping[str, Result]) -> str:
    return rounds_label([result.rounds for result in results.values()])


def _session_keys(results: Mapping[str, Result]) -> Keys:
    from matplotlib.lines import Line2D

    short = short_names(list(results))
    return [
        (Line2D([], [], color=colour, linestyle=style, linewidth=LINE_WIDTH), short[name])
        for name, _, colour, style in _styles(results)
    ]


def _label_ends(ax: "Axes", results: Mapping[str, Result]) -> None:
    """Write each session's name and reach at the right, with a line to the end of its curve."""
    top = ax.get_ylim()[1]
    ends = [result.reach.mean / top for result in results.values()]
    short = short_names(list(results))
    height = LABEL_POINTS / size_in_points(ax)[1]
    two_lines = len(ends) * height <= 1
    between, height = ("\n", height) if two_lines else (": ", height / 2)
    highest = 1 - 0.35 * height  # below the legend
    places = highest * spread([min(end / highest, 1.0) for end in ends], gap=height / highest)
    for (name, result, *_), end, place in zip(_styles(results), ends, places, strict=True):
        (tie,) = ax.plot([1.0, 1.03, 1.08], [end, place, place], transform=ax.transAxes, clip_on=False)
        tie.set(color=MUTED, linewidth=0.8, label="_tie")
        label = f"{short[name]}{between}{result.reach.mean:,.{0 if result.reach.mean >= 100 else 1}f}"
        style: dict[str, Any] = {"fontsize": 9, "color": INK, "parse_math": False, "family": name_fonts()}
        ax.text(1.1, place, label, transform=ax.transAxes, va="center", **style)


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
    short = short_names(list(results))
    for row, (name, result) in enumerate(ranked(results).items()):
        _draw_reach(ax, -float(row), result, colours[name], limit)
        _name_row(ax, -float(row), short[name], f"{with_interval(result.reach)} agents")
    dress(ax, title=_reach_title(results), x="agents reached by a replicate, seeds included", y="")
    legend_above(ax, _reach_keys())
    ax.set_xlim(0, limit)
    ax.set_ylim(0.7 - len(results), 1.0)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    return ax


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


def _name_row(ax: "Axes", row: float, name: str, value: str) -> None:
    place: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "bottom", "parse_math": False}
    style: dict[str, Any] = {"fontweight": "bold", "fontsize": 9.5, "family": name_fonts()}
    ax.text(0.0, row + 0.5, name, color=INK, **style, **place)
    ax.text(1.0, row + 0.5, value, color=INK, fontsize=9.5, ha="right", **place)


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


def lead_comparison(leads: Mapping[str, Reach], *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many agents each session is behind the one that reaches most, with 95 % intervals.

    Parameters
    ----------
    leads : mapping from str to Reach
        Lead of the best session over each of the others, by the name of the other; drawn from the top.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or new_axes((7.2, 1.4 + 0.7 * len(leads)))
    short = short_names(list(leads))
    halves = {name: half_width(lead) or 0.0 for name, lead in leads.items()}
    for row, (name, lead) in enumerate(leads.items()):
        ax.plot([0, 0], [-row - 0.26, -row + 0.14], color=MUTED, linewidth=1.2)
        ax.errorbar(lead.mean, -row, xerr=halves[name] or None, fmt="D", markersize=5, color=INK, capsize=3, mfc="none")
        _name_row(ax, -row - 0.32, short[name], f"{with_interval(lead)} agents")
    dress(ax, title="Agents behind the session that reaches most", x="agents behind, 95 % interval", y="")
    low = min(lead.mean - halves[name] for name, lead in leads.items())
    high = max(lead.mean + halves[name] for name, lead in leads.items())
    margin = 0.04 * (max(high, 0.0) - min(low, 0.0)) or 1.0  # all differences may be 0
    ax.set_xlim(min(low, 0.0) - margin, max(high, 0.0) + margin)
    ax.set_ylim(0.4 - len(leads), 0.6)
    ax.set_yticks([])
    ax.grid(visible=False, axis="y")
    show_fractions(ax.xaxis)
    return ax


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


def show_fractions(axis: Any) -> None:
    """Give an axis of small numbers, such as shares, ticks between whole numbers."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    if axis.get_data_interval()[1] < 5:
        axis.set_major_locator(MaxNLocator(nbins=6))
        axis.set_major_formatter(ScalarFormatter())
