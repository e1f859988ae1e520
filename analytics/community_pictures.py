"""Pictures of a message that crosses communities: what it reaches in each, when, and along which way."""

from typing import TYPE_CHECKING

import numpy as np

from analytics.communities import Crossing
from analytics.labels import short_names
from propagation.pictures import COLOURS, GRID, INK, LEGEND_SIZE, MUTED, legend_above, name_fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (11.5, 5.6)
"""Width and height of the figure, inches."""
MOST_COMMUNITIES = 15
"""Communities that are drawn: the largest."""
WRITTEN, DARK, FLOW_SIZE = 0.15, 0.6, 7.0
"""Share of the largest flow from which flows are written, and from which in white; size of the numbers, points."""
NAME_LENGTH = 16
NO_COMMUNITY = "(none)"
"""What agents without a community are called."""


def crossing_figure(crossing: Crossing) -> "Figure":
    """Draw what the message reaches in each community beside how often it crosses from one to another.

    Parameters
    ----------
    crossing : Crossing
        From `analytics.communities.crossing`.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
    community_bars(crossing, left)
    flow_map(crossing, right)
    return figure


def community_bars(crossing: Crossing, ax: "Axes") -> "Axes":
    """Draw the share of each community that is reached, how often it is reached at all, and when."""
    rows = crossing.communities.head(MOST_COMMUNITIES)
    places = np.arange(len(rows))[::-1]
    often = ax.barh(places, rows["share_of_replicates"], height=0.8, color=COLOURS[0], alpha=0.22)
    reached = ax.barh(places, rows["share_reached"], height=0.5, color=COLOURS[0])
    for place, when in zip(places, rows["first_round"], strict=True):
        text = "" if np.isnan(when) else f"{when:.1f}"
        ax.text(1.03, place, text, va="center", ha="left", color=INK, fontsize=LEGEND_SIZE)
    ax.text(1.03, len(rows) - 0.35, "round", va="bottom", ha="left", color=MUTED, fontsize=LEGEND_SIZE)
    ax.set_yticks(places, _labels(crossing), fontsize=LEGEND_SIZE, color=INK, parse_math=False, family=name_fonts())
    ax.set_xlim(0, 1.12)
    ax.set_ylabel("community", color=INK)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.tick_params(length=0)
    ax.grid(axis="x", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    total = len(crossing.communities)
    which = f"the largest {len(rows)} of {total:,}" if total > len(rows) else f"{total:,}"
    ax.set_title(f"What is reached, and first when: {which} communities", loc="left", color=INK, fontweight="bold")
    legend_above(
        ax, [(reached[0], "share of its agents reached, mean"), (often[0], "share of replicates that reach it")]
    )
    return ax


def flow_map(crossing: Crossing, ax: "Axes") -> "Axes":
    """Draw the activations per replicate from each community in each other one, as a map of squares."""
    names = list(crossing.communities["group_name"].head(MOST_COMMUNITIES))
    flows = crossing.flows.loc[names, names].to_numpy()
    most = float(flows.max())
    ax.imshow(np.where(flows > 0, flows, np.nan), cmap="Blues", vmin=0.0, vmax=most or 1.0)
    for (origin, community), flow in np.ndenumerate(flows):
        if flow > 0 and flow >= WRITTEN * most:
            colour = "white" if flow > DARK * most else INK
            ax.text(community, origin, f"{flow:.2g}", ha="center", va="center", color=colour, fontsize=FLOW_SIZE)
    labels = _labels(crossing)
    for set_ticks in (ax.set_xticks, ax.set_yticks):
        set_ticks(range(len(names)), labels, fontsize=LEGEND_SIZE, color=MUTED, parse_math=False, family=name_fonts())
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_color(GRID)
    ax.set_xlabel("to", color=INK)
    ax.set_ylabel("from", color=INK)
    ax.set_title("Activations across, per replicate", loc="left", color=INK, fontweight="bold")
    return ax


def _labels(crossing: Crossing) -> list[str]:
    names = [name or NO_COMMUNITY for name in crossing.communities["group_name"].head(MOST_COMMUNITIES)]
    return list(short_names(names, NAME_LENGTH).values())
