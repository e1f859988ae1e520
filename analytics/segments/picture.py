"""Picture of a segmentation: silhouettes by number of segments, and the traits of the segments as a heat map."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from analytics.labels import shortened
from analytics.plots import show_fractions
from propagation.pictures import COLOURS, GRID, INK, LINE_WIDTH, MUTED, TITLE_SIZE, dress, name_fonts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from analytics.segments.segmentation import Segmentation

WIDTH, HEIGHT, ROW = 12.5, 2.6, 0.45
"""Inches: width of the figure, height without segments, and of each segment."""
FARTHEST = 2.5
"""Distance from the mean, in standard deviations, from which colours are full."""
NAME_LENGTH = 44


def segmentation_figure(found: "Segmentation", axes: "Sequence[Axes] | None" = None) -> "Figure":
    """Draw the silhouettes by number of segments beside the segments' traits.

    Parameters
    ----------
    found : Segmentation
    axes : sequence of two matplotlib Axes, optional
        Where to draw; default: a new figure.
    """
    from matplotlib.figure import Figure

    if axes is None:
        height = max(4.2, HEIGHT + ROW * found.tables["segments"].num_rows)
        axes = Figure(figsize=(WIDTH, height), layout="constrained").subplots(1, 2, width_ratios=[1.0, 2.4])
    left, right = axes
    _silhouettes(found, left)
    _traits(found, right)
    return left.get_figure(root=True)  # type: ignore[return-value]


def _silhouettes(found: "Segmentation", ax: "Axes") -> None:
    rows, chosen = found.silhouettes, found.tables["segments"].num_rows
    ax.plot(rows["segments"], rows["silhouette"], color=COLOURS[0], linewidth=LINE_WIDTH, marker="o", markersize=5)
    is_chosen = rows["segments"] == chosen
    ax.scatter(
        rows["segments"][is_chosen], rows["silhouette"][is_chosen], s=110, facecolor="none", edgecolor=COLOURS[1],
        linewidth=2.0, zorder=3, label=f"chosen: {chosen}",
    )  # fmt: skip
    dress(ax, title="Mean silhouette", x="number of segments", y="mean silhouette")
    show_fractions(ax.yaxis)
    ax.set_xticks(rows["segments"])
    low, high = float(rows["silhouette"].min()), float(rows["silhouette"].max())
    margin = max(0.15 * (high - low), 0.02)
    ax.set_ylim(low - margin, high + margin)
    ax.legend(frameon=False, labelcolor=INK, loc="best")


def _traits(found: "Segmentation", ax: "Axes") -> None:
    features, segments = list(found.row["features"]), found.segments
    scores = found.traits["z_score"].to_numpy().reshape(len(segments), len(features))
    image = ax.imshow(scores, cmap="RdBu_r", vmin=-FARTHEST, vmax=FARTHEST, aspect="auto")
    for place, score in np.ndenumerate(np.round(scores, 1)):
        colour = "white" if abs(score) > 0.7 * FARTHEST else INK
        text = f"{score + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")  # as the colour bar writes it
        ax.text(place[1], place[0], text, ha="center", va="center", fontsize=8.5, color=colour)
    names = [
        f"{row['segment']}  {shortened(row['segment_name'], NAME_LENGTH)}  ({row['share']:.0%})"
        for row in segments.to_dict("records")
    ]
    ax.set_yticks(range(len(names)), names, fontsize=8.5, color=INK, parse_math=False, family=name_fonts())
    labels = [name.replace("_", "\n") for name in features]
    ax.set_xticks(range(len(features)), labels, fontsize=8.5, color=INK, parse_math=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_color(GRID)
    title = f"Traits of the segments of {shortened(found.network.network_id)}"
    ax.set_title(title, loc="left", color=INK, fontweight="bold", fontsize=TITLE_SIZE)
    bar = ax.get_figure(root=True).colorbar(image, ax=ax, pad=0.02)  # type: ignore[union-attr]
    bar.set_label("standard deviations from the mean of all agents", color=MUTED)
    bar.outline.set_visible(False)
