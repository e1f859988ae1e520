"""Adoption curves: agents reached by each round, with quantile bands over replicates."""

import functools
import io
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK = "#1f2933"
"""Colour of titles, labels and marks that belong to no session."""
MUTED = "#5b6772"
"""Colour of ticks, their labels and notes."""
GRID = "#d9dfe5"
"""Colour of grid lines."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#a0569a", "#b07d00", "#3a86c8", "#6b6b6b")
"""Colours of sessions, in order: distinguishable with any colour vision, after Okabe and Ito (2008)."""
BANDS = ((0.05, 0.95, 0.14), (0.25, 0.75, 0.24))
"""Lower quantile, upper quantile and opacity of each band over replicates, the widest first."""
SETTLED = 0.004
"""Share of a picture's height below which a rise is invisible; the axis ends after the last visible rise."""
FIGURE_SIZE = (7.2, 4.4)
"""Width and height of a new figure, inches."""
LINE_WIDTH = 2.2
TITLE_SIZE = 12.0
SMALLEST_TITLE = 7.0
LEGEND_SIZE = 8.5
FURTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Arial Unicode MS",
)  # fmt: skip
"""Fonts with Chinese, Japanese and Korean characters, which matplotlib's own lacks; those installed are used."""
LineStyle: TypeAlias = "str | tuple[float, tuple[float, ...]]"
LINE_STYLES: tuple[LineStyle, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
"""Line styles of sessions, in order, so that coinciding curves are both visible."""
Keys: TypeAlias = "list[tuple[Artist, str]]"
"""Entries of a legend: what is drawn, and what it is called."""


@dataclass(frozen=True)
class _Curve:
    """What an adoption curve shows, and what it is called."""

    rounds: "pd.DataFrame"
    label: str | None
    name: str


_drawn: "weakref.WeakKeyDictionary[Line2D, _Curve]" = weakref.WeakKeyDictionary()
"""The adoption curves by their lines: those on the same axes share limits and legend."""


def adoption_curve(
    rounds: "pd.DataFrame",
    *,
    ax: "Axes | None" = None,
    label: str | None = None,
    colour: str | None = None,
    n_agents: int | None = None,
    title: str | None = "Agents reached by each round",
    legend: bool = True,
    share: bool | None = None,
    name: str = "mean",
) -> "Axes":
    """Draw how many agents were reached by each round: the mean, and bands of 25-75 % and 5-95 % of replicates.

    Curves drawn on the same axes share limits and legend, and differ in colour and line style. A figure of several
    panels gets a constrained layout, unless it has a layout already.

    Parameters
    ----------
    rounds : DataFrame
        Rows of the table `propagation_metrics` of one session, by round.
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.
    label : str, optional
        What the curve is called in the legend; default: "mean", or `name` if there are several curves.
    colour : str, optional
        Any colour matplotlib knows; default: the next of `COLOURS`.
    n_agents : int, optional
        Agents of the network: adds an axis with their share at the right.
    title : str, optional
        Title of the axes; None for none.
    legend : bool
        Whether to draw a legend.
    share : bool, optional
        Whether to add the axis with the share of agents; default: if the figure has no other panels.
    name : str
        What the curve is called beside others if it has no label.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import pandas as pd
    >>> names = ["total_influenced", *(f"total_influenced_q{q}" for q in ("05", "25", "75", "95"))]
    >>> rounds = pd.DataFrame({"round": [0, 1], "new_infections": [2, 3], **{name: [2.0, 5.0] for name in names}})
    >>> from matplotlib.figure import Figure
    >>> axes = adoption_curve(rounds, ax=Figure().subplots(), n_agents=10)
    >>> axes.get_ylabel()
    'agents reached, seeds included'
    """
    ax = ax or new_axes()
    before = [line for line in ax.lines if line in _drawn]
    colour = colour or COLOURS[len(before) % len(COLOURS)]
    style = LINE_STYLES[len(before) % len(LINE_STYLES)]
    line = draw_curve(ax, rounds, "total_influenced", colour=colour, label=label or name, line_style=style)
    _drawn[line] = _Curve(rounds, label, name)
    lines = [*before, line]
    frames = [_drawn[each].rounds for each in lines]
    dress(ax, title=title or "", x=rounds_label(frames), y="agents reached, seeds included")
    if legend:
        legend_above(ax, _curves_keys(lines))
    end_rounds(ax, frames)
    figure = ax.get_figure(root=True)
    panels = [panel for panel in figure.axes if panel is not ax] if figure is not None else []
    if n_agents and not before and (not panels if share is None else share):
        _share_axis(ax, n_agents)
    if figure is not None and panels and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")
    return ax


def new_axes(size: tuple[float, float] = FIGURE_SIZE) -> "Axes":
    """Return axes of a new figure, which a notebook shows by itself; `size` in inches."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def draw_curve(
    ax: "Axes",
    rounds: "pd.DataFrame",
    quantity: str,
    *,
    colour: str,
    label: str,
    line_style: LineStyle = "-",
    bands: bool = True,
) -> "Line2D":
    """Draw the mean of a quantity by round with its bands over replicates; return the line.

    Parameters
    ----------
    ax : matplotlib Axes
    rounds : DataFrame
        Rows of the table `propagation_metrics` of one session, by round.
    quantity : str
        A column with quantiles, such as ``total_influenced``.
    colour, label : str
        Of the curve.
    line_style : str or tuple
        Any line style matplotlib knows.
    bands : bool
        Whether to draw the bands.
    """
    x = rounds["round"].to_numpy()
    for low, high, opacity in BANDS if bands else ():
        lower, upper = (rounds[quantile_column(quantity, q)].to_numpy() for q in (low, high))
        ax.fill_between(x, lower, upper, color=colour, alpha=opacity, linewidth=0)
    (line,) = ax.plot(
        x, rounds[quantity].to_numpy(), color=colour, linestyle=line_style, linewidth=LINE_WIDTH, label=label
    )
    return line


def quantile_column(quantity: str, quantile: float) -> str:
    """Return the name of the column of a quantity's quantile over replicates.

    Examples
    --------
    >>> quantile_column("total_influenced", 0.05)
    'total_influenced_q05'
    """
    return f"{quantity}_q{round(quantile * 100):02d}"


def dress(ax: "Axes", *, title: str, x: str, y: str) -> None:
    """Style axes: title, labels, thousands separators, light grid, no box; values start at zero."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    _title(ax, title, pad=10)
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.tick_params(colors=MUTED, length=0, pad=6)
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GRID)
    ax.autoscale(axis="y")  # limits that were set for earlier curves end here
    ax.set_ylim(bottom=0)


def plain_ticks(axis: Any) -> None:
    """Give an axis of numbers that need not be whole ticks with as many digits as they need."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6))
    axis.set_major_formatter(FuncFormatter(_plain))


def plain_logarithmic_ticks(axis: Any) -> None:
    """Give a logarithmic axis, whose limits are set, ticks that are written as plain numbers.

    Where the limits of a horizontal axis are close to each other, the ticks are evenly spaced whole numbers.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axis.get_view_interval()
    if high < 5 * low and axis.axis_name == "x":
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 500 * low else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(_plain))


def _plain(value: float, _: int) -> str:
    return f"{value:,.10g}"


def _title(ax: "Axes", title: str, pad: float) -> None:
    """Write the title, small enough for a narrow panel."""
    fitting = size_in_points(ax)[0] / max(0.6 * len(title), 1.0)
    size = min(TITLE_SIZE, max(SMALLEST_TITLE, fitting))
    ax.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=size, pad=pad)


# -- pictures that change ------------------------------------------------------------------------------------------


class ChangingPicture:
    """A picture of which a few artists change, over a background that is drawn once.

    Parameters
    ----------
    figure : matplotlib Figure
    artists : sequence of matplotlib Artist
        What changes, in the order in which it is drawn: always over the rest.
    """

    def __init__(self, figure: "Figure", artists: "Sequence[Artist]") -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._artists, self._canvas = artists, FigureCanvasAgg(figure)
        for artist in artists:
            artist.set_animated(True)  # left out of the background
        self._canvas.draw()
        self._background = self._canvas.copy_from_bbox(figure.bbox)

    def png(self) -> bytes:
        """Return the picture as it is now, PNG."""
        from matplotlib.image import imsave

        self._canvas.restore_region(self._background)
        for artist in self._artists:
            artist.draw(self._canvas.get_renderer())
        file = io.BytesIO()
        imsave(file, np.asarray(self._canvas.buffer_rgba()), format="png", pil_kwargs={"compress_level": 1})
        return file.getvalue()


# -- the legend -----------------------------------------------------------------------------------------------------


def curve_keys(colour: str, label: str) -> "Keys":
    """Return the legend's entries (artist and label) of a curve and its bands."""
    from matplotlib.lines import Line2D

    return [(Line2D([], [], color=colour, linewidth=LINE_WIDTH), label), *_band_keys(colour)]


def _curves_keys(lines: "Sequence[Line2D]") -> "Keys":
    """Return the legend's entries of all curves on some axes."""
    if len(lines) == 1:
        return curve_keys(str(lines[0].get_color()), _drawn[lines[0]].label or "mean")
    return [*((line, _drawn[line].label or _drawn[line].name) for line in lines), *_band_keys(MUTED)]


def _band_keys(colour: str) -> "Keys":
    from matplotlib.patches import Patch

    return [
        (
            Patch(facecolor=colour, alpha=2 * opacity, linewidth=0),
            f"{low * 100:.0f} to {high * 100:.0f} % of replicates",
        )
        for low, high, opacity in reversed(BANDS)
    ]


def legend_above(ax: "Axes", keys: "Keys") -> None:
    """Draw the legend between title and plot, where it covers no curve, in as many lines as it needs."""
    columns = _columns([label for _, label in keys], size_in_points(ax)[0])
    legend = ax.legend(
        [mark for mark, _ in keys],
        [label for _, label in keys],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.7,
        borderpad=0.0,
        handlelength=1.4,
        columnspacing=1.4,
        ncols=columns,
        frameon=False,
        labelcolor=MUTED,
        fontsize=LEGEND_SIZE,
    )
    for text in legend.get_texts():
        text.set(parse_math=False, family=name_fonts())
    lines = -(-len(keys) // columns)
    _title(ax, ax.get_title(loc="left"), pad=13 + 1.6 * LEGEND_SIZE * lines)


@functools.cache
def name_fonts() -> tuple[str, ...]:
    """Return the fonts that names are written in: the usual one, and installed ones for what it lacks."""
    from matplotlib import rcParams
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return (*rcParams["font.family"], *(font for font in FURTHER_FONTS if font in installed))


def size_in_points(ax: "Axes") -> tuple[float, float]:
    """Return width and height of axes, 72 to the inch, as they are before their figure is laid out."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def _columns(labels: Sequence[str], points: float) -> int:
    """Return in how many columns a legend fits into a width: matplotlib fills one column after the other."""
    widths = [LEGEND_SIZE * (0.53 * len(label) + 3.6) for label in labels]
    for columns in range(len(labels), 1, -1):
        if sum(max(column) for column in np.array_split(widths, columns)) <= points:
            return columns
    return 1


# -- the axis of rounds ---------------------------------------------------------------------------------------------


def last_seen_round(frames: Sequence["pd.DataFrame"], quantity: str = "total_influenced") -> int:
    """Return the last round in which a mean or the edge of a band still changes visibly, over all frames."""
    edges = [quantile_column(quantity, quantile) for low, high, _ in BANDS for quantile in (low, high)]
    levels = [frame[[quantity, *edges]].to_numpy() for frame in frames]
    unseen = SETTLED * max(float(level.max()) for level in levels)
    changing = [(abs(level[-1] - level) > unseen).any(axis=1).nonzero()[0] for level in levels]
    return max(int(rounds[-1]) + 1 if len(rounds) else 0 for rounds in changing)


def end_rounds(ax: "Axes", frames: Sequence["pd.DataFrame"], quantity: str = "total_influenced") -> None:
    """End the axis of rounds two rounds after the last visible change of the quantity."""
    last = max(int(frame["round"].max()) for frame in frames)
    ax.set_xlim(0, max(1, min(last, last_seen_round(frames, quantity) + 2)))


def rounds_label(frames: Sequence["pd.DataFrame"]) -> str:
    """Return the label of the axis of rounds; it names the last activation if the axis ends before it."""
    last = max(int(frame.loc[frame["new_infections"] > 0, "round"].max()) for frame in frames)
    if last <= last_seen_round(frames) + 2:
        return "round"
    return f"round (last activation of any replicate: {last:,})"


def _share_axis(ax: "Axes", n_agents: int) -> None:
    """Add an axis at the right that reads agents as a share of the network."""
    from matplotlib.ticker import PercentFormatter

    def share(agents: Any) -> Any:
        return agents / n_agents

    def agents(share: Any) -> Any:
        return share * n_agents

    right = ax.secondary_yaxis("right", functions=(share, agents))
    right.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    right.set_ylabel(f"share of the network's {n_agents:,} agents", color=INK)
    right.tick_params(colors=MUTED, length=0, pad=6)
    right.spines["right"].set_visible(False)
