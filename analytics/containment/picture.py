"""The picture of a containment: agents saved against the number of choices, by method."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analytics.intervals import half_width
from propagation.pictures import COLOURS, LINE_STYLES, LINE_WIDTH, Keys, dress, legend_above, new_axes
from propagation.result import Reach

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DONE = {
    "block_agents": ("blocking agents", "agents blocked"),
    "block_edges": ("blocking edges", "edges blocked"),
    "counter_message": ("a counter-message", "seeds of the counter-message"),
}
"""By action: what it is called, and its choices."""
FEW_AGENTS = 6
"""Agents up to which the axis of those saved has ticks between whole numbers."""
NAMES = {"degree": "out-degree", "pagerank": "PageRank"}
"""What methods are called, where not by their own names."""
MARKERS = ("o", "s", "^", "D")


def draw_saved(
    saved: Mapping[str, Sequence[tuple[int, Reach]]], action: str, reach_before: float, *, ax: "Axes | None" = None
) -> "Axes":
    """Draw the mean number of agents that each method saves, with 95 % intervals, by the number of its choices.

    Parameters
    ----------
    saved : mapping
        By method: numbers of choices, each with the mean number of agents that it saves.
    action : str
        ``block_agents``, ``block_edges`` or ``counter_message``.
    reach_before : float
        Agents that the message reaches without any choice.
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or new_axes()
    keys: Keys = []
    last, bands = 1, []
    for position, (method, points) in enumerate(saved.items()):
        colour, style = COLOURS[position % len(COLOURS)], LINE_STYLES[position % len(LINE_STYLES)]
        counts = [0, *(count for count, _ in points)]
        means = [0.0, *(mean.mean for _, mean in points)]
        halves = [0.0, *(half_width(mean) or 0.0 for _, mean in points)]
        lows, highs = ([m + sign * h for m, h in zip(means, halves, strict=True)] for sign in (-1, 1))
        bands.append(ax.fill_between(counts, lows, highs, color=colour, alpha=0.18, linewidth=0))
        (line,) = ax.plot(
            counts,
            means,
            color=colour,
            linestyle=style,
            linewidth=LINE_WIDTH,
            marker=MARKERS[position % len(MARKERS)],
            markersize=5,
            clip_on=False,
        )
        keys.append((line, NAMES.get(method, method)))
        last = max(last, counts[-1])
    how, choices = DONE[action]
    before = f"of {reach_before:,.1f} that the message reaches"
    dress(ax, title=f"Agents saved by {how}", x=choices, y=f"agents saved, {before}")
    ax.set_xlim(0, last)
    if ax.get_ylim()[1] < FEW_AGENTS:  # means of so few agents are no whole numbers
        ax.yaxis.get_major_locator().set_params(integer=False)  # type: ignore[call-arg]
        ax.yaxis.set_major_formatter("{x:g}")
    legend_above(ax, [*keys, (bands[0], "95 % interval of the mean")])
    return ax
