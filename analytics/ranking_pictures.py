"""Pictures of a comparison of rankings: what the first agents of each reach, and how far the rankings overlap."""

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np

from analytics.labels import shortened
from analytics.rankings import Rankings
from propagation.pictures import COLOURS, INK, LINE_STYLES, MUTED, Keys, dress, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (11.0, 4.8)
"""Width and height of the figure, inches."""
NAMES: Mapping[str, str] = {
    "degree": "out-degree",
    "pagerank": "PageRank",
    "reverse_pagerank": "PageRank, reversed",
    "core_number": "core number",
    "collective_influence": "collective influence",
    "betweenness": "betweenness",
    "reach": "simulated reach",
}
"""What rankings are called in pictures."""
MARKERS, THIN = ("o", "s", "^", "D", "v", "P", "X"), 1.6
"""Marks and width of the curves: several rankings often reach the same, and all should be seen."""
NAME_LENGTH = 20
DARK = 0.55
"""Overlap from which numbers are white, to be legible."""


def ranking_figure(rankings: Rankings) -> "Figure":
    """Draw the reach of the first agents of every ranking beside the overlap of the rankings.

    Parameters
    ----------
    rankings : Rankings
        From `analytics.rankings.rank_agents`.

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1.0])
    reach_curves(rankings, left)
    overlap_map(rankings, right)
    return figure


def reach_curves(rankings: Rankings, ax: "Axes") -> "Axes":
    """Draw how many agents the first k of each ranking reach together, with 95 % intervals."""
    keys: Keys = []
    looks = zip(rankings.row["rankings"], cycle(COLOURS), cycle(LINE_STYLES), cycle(MARKERS), strict=False)
    for name, colour, style, marker in looks:
        rows = rankings.reach[rankings.reach["ranking"] == name]
        if rows["reach_low"].notna().all():
            ax.fill_between(rows["seeds"], rows["reach_low"], rows["reach_high"], color=colour, alpha=0.07, linewidth=0)
        (line,) = ax.plot(
            rows["seeds"], rows["reach"], color=colour, linestyle=style, linewidth=THIN, marker=marker, markersize=4
        )
        keys.append((line, NAMES[name]))
    title = f"What the first agents of each ranking reach in {shortened(rankings.network.network_id, NAME_LENGTH)}"
    dress(ax, title=title, x="first agents of the ranking as seeds", y="agents reached, seeds included")
    sizes = sorted(set(rankings.reach["seeds"]))
    ax.set_xscale("log")
    ax.set_xlim(sizes[0], sizes[-1] if len(sizes) > 1 else sizes[0] + 1)
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.minorticks_off()
    legend_above(ax, keys)
    return ax


def overlap_map(rankings: Rankings, ax: "Axes") -> "Axes":
    """Draw the overlap (Jaccard) of the first agents of every two rankings as a map of squares with numbers."""
    names = list(rankings.row["rankings"])
    overlaps = np.eye(len(names))
    for row in rankings.tables["ranking_agreement"].to_pylist():
        first, second = names.index(row["first_ranking"]), names.index(row["second_ranking"])
        overlaps[first, second] = overlaps[second, first] = row["jaccard"]
    ax.imshow(overlaps, cmap="Blues", vmin=0.0, vmax=1.0)
    for place, overlap in np.ndenumerate(overlaps):
        colour = "white" if overlap > DARK else INK
        ax.text(place[1], place[0], f"{overlap:.2f}", ha="center", va="center", color=colour, fontsize=8)
    labels = [NAMES[name] for name in names]
    ax.set_xticks(range(len(names)), labels, rotation=90, color=MUTED, fontsize=8)
    ax.set_yticks(range(len(names)), labels, color=MUTED, fontsize=8)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(
        f"Overlap (Jaccard) of the first {rankings.row['top']:,}", loc="left", color=INK, fontweight="bold", fontsize=11
    )
    return ax
