"""Pictures of a message that crosses communities: what it reaches in each, when, and along which way."""

from typing import TYPE_CHECKING

import numpy as np

from analytics.communities import Crossing
from analytics.labels import short_names, shortened
from data.quantities import counted
from propagation.competing_messages import MessageResult
from propagation.pictures import COLOURS, GRID, INK, LEGEND_SIZE, MUTED, legend_above, name_fonts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (11.5, 5.6)
"""Width and height of the figure, inches."""
MOST_COMMUNITIES = 15
"""Communities that are drawn: those with seeds, then those that the message crosses most often, then the largest."""
WRITTEN, DARK, FLOW_SIZE = 0.15, 0.6, 7.0
"""Share of the largest flow from which flows are written, and from which in white; size of the numbers, points."""
NAME_LENGTH = 16
SESSION_LENGTH, GROUPING_LENGTH = 8, 24
"""Letters of a session's id and of a grouping's name in the title."""
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
    figure.suptitle(_title(crossing), x=0.01, ha="left", fontweight="bold", color=INK, parse_math=False)
    left, right = figure.subplots(1, 2, width_ratios=[1.1, 1.0])
    community_bars(crossing, left)
    flow_map(crossing, right)
    return figure


def community_bars(crossing: Crossing, ax: "Axes") -> "Axes":
    """Draw the share of each community that is reached, how often it is reached at all, and when."""
    rows = _drawn(crossing)
    places = np.arange(len(rows))[::-1]
    often = ax.barh(places, rows["share_of_replicates"], height=0.8, color=COLOURS[0], alpha=0.22)
    reached = ax.barh(places, rows["share_reached"], height=0.5, color=COLOURS[0])
    for place, when in zip(places, rows["first_round"], strict=True):
        text = "" if np.isnan(when) else f"{when:.1f}"
        ax.text(1.03, place, text, va="center", ha="left", color=INK, fontsize=LEGEND_SIZE)
    ax.text(1.03, len(rows) - 0.35, "mean first\nround", va="bottom", ha="left", color=MUTED, fontsize=LEGEND_SIZE)
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
    of_all = f" of {total:,}" if total > len(rows) else ""
    which = f"{len(rows)}{of_all} communities" if total > 1 else "1 community"
    ax.set_title(f"What is reached, and first when: {which}", loc="left", color=INK, fontweight="bold")
    legend_above(
        ax, [(reached[0], "share of its agents reached, mean"), (often[0], "share of replicates that reach it")]
    )
    return ax


def flow_map(crossing: Crossing, ax: "Axes") -> "Axes":
    """Draw the activations per replicate from each community in each other one, as a map of squares."""
    names = list(_drawn(crossing)["group_name"])
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


def _drawn(crossing: Crossing) -> "pd.DataFrame":
    """Return the communities that are drawn, the largest first."""
    rows = crossing.communities
    crossings = -(rows["brought_in"] + rows["carried_out"])
    order = np.lexsort((np.arange(len(rows)), crossings, rows["seeds"] == 0))
    return rows.iloc[np.sort(order[:MOST_COMMUNITIES])]


def _labels(crossing: Crossing) -> list[str]:
    """Return the names of the communities that are drawn, with the seeds of those that have some."""
    rows = _drawn(crossing)
    names = short_names([name or NO_COMMUNITY for name in rows["group_name"]], NAME_LENGTH).values()
    seeds = [f" ({counted(seeds, 'seed')})" if seeds else "" for seeds in rows["seeds"].tolist()]
    return [name + of_seeds for name, of_seeds in zip(names, seeds, strict=True)]


def _title(crossing: Crossing) -> str:
    """Return what the picture is of: the session, its network, and what the communities are."""
    session, by = crossing.result.session_id[:SESSION_LENGTH], crossing.grouping
    grouping = "communities that were given" if by is None else shortened(by.partition("/")[0], GROUPING_LENGTH)
    what = f"Session {session}"
    if isinstance(crossing.result, MessageResult):
        what = f"Message {shortened(crossing.result.name, GROUPING_LENGTH)} of session {session}"
    return f"{what} on {shortened(crossing.result.network.network_id, GROUPING_LENGTH)}, by {grouping}"
