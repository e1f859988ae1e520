"""A result's own picture: how many agents a message has reached by each round, and how far replicates differ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

INK = "#1f2933"
"""Colour of titles, labels and marks that belong to no session."""
MUTED = "#5b6772"
"""Colour of ticks, their labels and notes."""
GRID = "#d9dfe5"
"""Colour of grid lines."""
BLUE = "#0072b2"
BANDS = ((0.05, 0.95, 0.14), (0.25, 0.75, 0.24))
"""Lower quantile, upper quantile and opacity of each band over replicates, the widest first."""
SETTLED = 0.999
"""Share of the final level after which a curve is taken for flat: the axis ends there."""
FIGURE_SIZE = (7.2, 4.4)


def adoption_curve(
    rounds: "pd.DataFrame",
    *,
    ax: "Axes | None" = None,
    label: str | None = None,
    colour: str | None = None,
    n_agents: int | None = None,
) -> "Axes":
    """Draw how many agents were reached by each round: the mean, and bands of 25-75 % and 5-95 % of replicates.

    Parameters
    ----------
    rounds : DataFrame
        Rows of the table `propagation_metrics` of one session, by round.
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.
    label : str, optional
        What the curve is called in the legend; default: "mean".
    colour : str, optional
        Any colour matplotlib knows; default: blue.
    n_agents : int, optional
        Agents of the network: adds an axis with their share at the right.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import pandas as pd
    >>> names = ["total_influenced", *(f"total_influenced_q{q}" for q in ("05", "25", "75", "95"))]
    >>> rounds = pd.DataFrame({"round": [0, 1], **{name: [2.0, 5.0] for name in names}})
    >>> from matplotlib.figure import Figure
    >>> axes = adoption_curve(rounds, ax=Figure().subplots(), n_agents=10)
    >>> axes.get_ylabel()
    'agents reached, seeds included'
    """
    ax = ax or new_axes()
    draw_curve(ax, rounds, "total_influenced", colour=colour or BLUE, label=label or "mean", label_bands=True)
    dress(ax, title="Agents reached by each round", x=rounds_label([rounds]), y="agents reached, seeds included")
    end_rounds(ax, [rounds])
    if n_agents:
        _share_axis(ax, n_agents)
    legend = ax.legend(loc="lower right", frameon=False, labelcolor=INK)
    for text in legend.get_texts():
        text.set_parse_math(False)
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
    line_style: str = "-",
    label_bands: bool = False,
) -> None:
    """Draw the mean of a quantity by round with its bands over replicates.

    Parameters
    ----------
    ax : matplotlib Axes
    rounds : DataFrame
        Rows of the table `propagation_metrics` of one session, by round.
    quantity : str
        A column with quantiles, such as ``total_influenced``.
    colour, label, line_style : str
        Of the curve.
    label_bands : bool
        Whether the bands have an entry in the legend.
    """
    x = rounds["round"].to_numpy()
    for low, high, opacity in BANDS:
        lower, upper = (rounds[f"{quantity}_q{round(q * 100):02d}"].to_numpy() for q in (low, high))
        name = f"{low * 100:.0f}-{high * 100:.0f} % of replicates" if label_bands else None
        ax.fill_between(x, lower, upper, color=colour, alpha=opacity, linewidth=0, label=name)
    ax.plot(x, rounds[quantity].to_numpy(), color=colour, linestyle=line_style, linewidth=2.2, label=label)


def dress(ax: "Axes", *, title: str, x: str, y: str) -> None:
    """Give axes their title and labels, thousands separators, a light grid and no box; values start at zero."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    ax.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=12, pad=12)
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.tick_params(colors=MUTED, length=0, pad=6)
    ax.grid(axis="y", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color(GRID)
    ax.set_ylim(bottom=0)


def settled_round(frames: Sequence["pd.DataFrame"]) -> int:
    """Return the round after which neither a mean nor a band's edge in any frame rises visibly."""
    return max(_settled(frame) for frame in frames)


def _settled(rounds: "pd.DataFrame") -> int:
    columns = [
        "total_influenced",
        *(f"total_influenced_q{round(q * 100):02d}" for low, high, _ in BANDS for q in (low, high)),
    ]
    levels = rounds[columns].to_numpy()
    flat = (levels >= SETTLED * levels[-1]).all(axis=1)
    return int(rounds["round"].to_numpy()[flat.argmax()])


def end_rounds(ax: "Axes", frames: Sequence["pd.DataFrame"]) -> None:
    """End the axis of rounds two rounds after the last visible change."""
    last = max(int(frame["round"].max()) for frame in frames)
    ax.set_xlim(0, max(1, min(last, settled_round(frames) + 2)))


def rounds_label(frames: Sequence["pd.DataFrame"]) -> str:
    """Return the label of the axis of rounds, with the last activation where the axis ends before it."""
    active = [
        frame.loc[frame["active_replicates"] > 0, "round"].max() for frame in frames if "active_replicates" in frame
    ]
    last = int(np.max(active)) if active else 0
    if last <= settled_round(frames) + 2:
        return "round"
    return f"round (last activation of any replicate: round {last:,})"


def _share_axis(ax: "Axes", n_agents: int) -> None:
    """Add an axis at the right that reads agents as a share of the network."""
    from matplotlib.ticker import PercentFormatter

    def share(agents: float) -> float:
        return agents / n_agents

    def agents(share: float) -> float:
        return share * n_agents

    right = ax.secondary_yaxis("right", functions=(share, agents))
    right.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    right.set_ylabel(f"share of the network's {n_agents:,} agents", color=INK)
    right.tick_params(colors=MUTED, length=0, pad=6)
    right.spines["right"].set_visible(False)
