"""Pictures of reports in SQL: lines by session, or bars."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.intervals import half_width
from analytics.labels import shortened
from analytics.plots import session_colours, show_fractions
from data.errors import InvalidInputError
from propagation.pictures import COLOURS, GRID, INK, LINE_STYLES, LINE_WIDTH, dress, new_axes
from propagation.result import Reach

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes

AGENTS = ("reach", "mean_reach", "largest_reach", "median")
"""Columns that count agents and do not say so."""
TITLE_CHARACTERS = 45
"""Characters of a title above bars, whose labels leave less room; longer ones are broken."""


def draw_rows(
    rows: "pa.Table", drawn_as: str, *, title: str, sessions: Sequence[str] = (), ax: "Axes | None" = None
) -> "Axes":
    """Draw the rows of a report.

    Parameters
    ----------
    rows : pyarrow.Table
    drawn_as : str
        ``line X Y`` draws a line for each session; ``bar Y [LABEL ...]`` a bar for each row, labelled with the session
        or other columns. Bars have 95 % intervals where the rows have the standard error of Y and ``replicates``.
    title : str
    sessions : sequence of str, optional
        All sessions of the campaign, in the order of their colours; default: those of the rows, in their order.
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
        _draw_lines(ax, table, columns, sessions)
        dress(ax, title=title, x=_in_words(columns[0]), y=_in_words(columns[1]))
        show_fractions(ax.yaxis)
    else:
        names = _draw_bars(ax, table, columns[0], columns[1:] or ["session"])
        interval = " (95 % interval)" if _has_intervals(table, columns[0]) else ""
        dress(ax, title=textwrap.fill(title, TITLE_CHARACTERS), x=f"{_in_words(columns[0])}{interval}", y="")
        ax.set_ylim(-0.5, len(names) - 0.5)
        ax.set_yticks(range(len(names))[::-1], names)
        ax.grid(visible=False, axis="y")
        ax.grid(axis="x", color=GRID, linewidth=0.8)
        show_fractions(ax.xaxis)
    return ax


def _draw_lines(ax: "Axes", table: Mapping[str, list[Any]], columns: Sequence[str], sessions: Sequence[str]) -> None:
    names = list(dict.fromkeys(table["session"]))
    styles = cycle(LINE_STYLES)
    for name, colour in session_colours(list(dict.fromkeys([*sessions, *names]))).items():
        style = next(styles)
        if name not in names:
            continue
        of_session = [at for at, session in enumerate(table["session"]) if session == name]
        x, y = ([table[column][at] for at in of_session] for column in columns)
        points = [np.nan if value is None else value for value in y]
        marker = "o" if len(x) == 1 else None
        label = shortened(name)
        ax.plot(x, points, color=colour, linestyle=style, linewidth=LINE_WIDTH, marker=marker, label=label)
    if len(names) > 1:
        ax.legend(frameon=False, labelcolor=INK)


def _draw_bars(ax: "Axes", table: Mapping[str, list[Any]], length: str, labels: Sequence[str]) -> list[str]:
    """Draw a bar for each row, the first at the top; return their names.

    Where there are several rows for a session, such as one for each message, bars of the same label have one colour.
    """
    told = [column for column in labels if column == labels[0] or len(set(table[column])) > 1]
    names = [", ".join(shortened(str(table[column][at])) for column in told) for at in range(len(table[length]))]
    colours = [COLOURS[0]] * len(names)
    if "session" in table and "session" not in labels:
        by_name = session_colours(list(dict.fromkeys(names)))
        colours = [by_name[name] for name in names]
        names = [f"{shortened(str(session))}: {name}" for session, name in zip(table["session"], names, strict=True)]
    values = [0.0 if value is None else float(value) for value in table[length]]
    places = range(len(names))[::-1]
    ax.barh(places[::-1], values[::-1], color=colours[::-1], height=0.6)
    if _has_intervals(table, length):
        reach = map(Reach, values, table[f"{length}_standard_error"], table["replicates"])
        halves = [half_width(each) or 0.0 for each in reach]
        ax.errorbar(values, places, xerr=halves, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3)
    return names


def _has_intervals(table: Mapping[str, list[Any]], length: str) -> bool:
    return f"{length}_standard_error" in table and "replicates" in table


def _in_words(column: str) -> str:
    return f"{column.replace('_', ' ')}, agents" if column in AGENTS else column.replace("_", " ")
