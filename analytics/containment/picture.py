"""The picture of a containment: agents saved against the number of choices, by method."""

from typing import TYPE_CHECKING

from analytics.containment.plans import Containment, interval
from propagation.pictures import COLOURS, LINE_STYLES, LINE_WIDTH, MUTED, dress, legend_above, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DONE = {
    "block_agents": "agents blocked",
    "block_edges": "edges blocked",
    "counter_message": "seeds of the counter-message",
}
"""What the choices of each action are called."""
HOW = {"block_agents": "blocking agents", "block_edges": "blocking edges", "counter_message": "a counter-message"}
MARKERS = ("o", "s", "^", "D")


def draw_saved(containment: Containment, *, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean number of agents that each method saves, with 95 % intervals, by the number of its choices.

    Parameters
    ----------
    containment : Containment
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    ax = ax or new_axes()
    keys, last = [], 1
    for position, method in enumerate(containment.methods):
        points = [(0, 0.0, 0.0, 0.0)]
        points += [(count, saved.mean, *interval(saved)) for count, saved in containment.saved(method)]
        counts, means, lows, highs = (list(column) for column in zip(*points, strict=True))
        colour, style = COLOURS[position % len(COLOURS)], LINE_STYLES[position % len(LINE_STYLES)]
        ax.fill_between(counts, lows, highs, color=colour, alpha=0.18, linewidth=0)
        (line,) = ax.plot(
            counts, means, color=colour, linestyle=style, linewidth=LINE_WIDTH, marker=MARKERS[position % len(MARKERS)],
            markersize=5, clip_on=False,
        )  # fmt: skip
        keys.append((line, method))
        last = max(last, counts[-1])
    before = f"of {containment.reach_before:,.0f} that the message reaches"
    dress(
        ax, title=f"Agents saved by {HOW[containment.action]}", x=DONE[containment.action], y=f"agents saved, {before}"
    )
    ax.set_xlim(0, last)
    patch: Line2D | Patch = Patch(facecolor=MUTED, alpha=0.36, linewidth=0)
    legend_above(ax, [*keys, (patch, "95 % interval of the mean")])
    return ax
