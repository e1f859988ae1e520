"""Pictures of subgraphs: a centre, and the agents around it on one ring for each number of hops."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.labels import shortened
from data.networks.neighborhoods import Subgraph
from data.quantities import counted
from propagation.pictures import COLOURS, INK, MUTED, Keys, legend_above, name_fonts, new_axes

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

SIZE = (6.4, 6.8)
"""Width and height of the figure, inches."""
MOST_NAMES = 40
"""Agents that may be named: the centre, then those with the most edges, where a name covers no other."""
MOST_LINES, MOST_SPOKES = 1_500, 400
"""With more edges than the first, only those between rings are drawn; with more of these than the second, one of each
agent's: the others would hide everything."""
MOST_ARROWS, ARROW_PLACE = 120, 0.67
"""Edges up to which directed ones have arrowheads, and the share of their line that these are away from its source."""
SMALLEST, LARGEST = 14.0, 240.0
"""Areas of the marks of agents with the fewest and the most edges, square points; smaller where a ring is full."""
UNCROWDED = 40
"""Agents that have room on a ring with marks of full size."""
NAME_LENGTH = 14
LETTER, LINE = 0.03, 0.075
"""Width of a letter and height of a line of a name, as shares of the outermost ring's radius."""


def subgraph_picture(subgraph: Subgraph, *, ax: "Axes | None" = None) -> "Axes":
    """Draw a subgraph: the centre in the middle, and on ring d the agents that are d hops away.

    The area of a mark grows with the edges that the agent has in the subgraph. On a ring, agents are near those of the
    ring inside through which they were found.

    Parameters
    ----------
    subgraph : Subgraph
        From ``network.subgraph(...)``.
    ax : matplotlib Axes, optional
        Where to draw; default: new axes.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or new_axes(SIZE)
    x, y = ring_places(subgraph)
    degrees = np.bincount(np.concatenate(subgraph.pairs), minlength=len(x))
    keys: Keys = [_draw_edges(ax, subgraph, x, y)]
    agents = np.bincount(subgraph.distances)
    largest = LARGEST * min(1.0, UNCROWDED / int(agents.max()))
    smallest = min(SMALLEST, largest / 2)
    areas = smallest + (largest - smallest) * degrees / max(int(degrees.max()), 1)
    for distance in range(len(agents)):
        ring = np.flatnonzero(subgraph.distances == distance)
        colour = COLOURS[(distance + 1) % len(COLOURS)]
        marks = ax.scatter(
            x[ring], y[ring], s=areas[ring], color=colour, edgecolors="white", linewidths=0.6, zorder=3 - distance / 100
        )
        keys.append((marks, _ring_label(subgraph, distance, len(ring))))
    _name_agents(ax, subgraph, x, y, degrees)
    ax.set_title(_title(subgraph), loc="left", color=INK, fontweight="bold")
    ax.set_axis_off()
    ax.set_aspect("equal")
    edge = 1.25 * max(len(agents) - 1, 1)
    ax.set(xlim=(-edge, edge), ylim=(-edge, edge))
    legend_above(ax, [*keys[1:], keys[0]])
    return ax


def ring_places(subgraph: Subgraph) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the place of every agent, (n,) float64 each: on the ring of its distance, near those who lead to it.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> star = pd.DataFrame({"source": ["ann", "ann"], "target": ["bob", "cy"]})
    >>> x, y = ring_places(Warehouse(tempfile.mkdtemp()).import_network("star", star).subgraph("ann"))
    >>> np.hypot(x, y).round(6).tolist()
    [0.0, 1.0, 1.0]
    """
    distances, (sources, targets) = subgraph.distances, subgraph.pairs
    ends, others = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    x, y = np.zeros(len(distances)), np.zeros(len(distances))
    for distance in range(1, int(distances[-1]) + 1):
        ring = np.flatnonzero(distances == distance)
        leads = (distances[ends] == distance) & (distances[others] == distance - 1)
        # Agents are ordered by the mean direction of those inside that lead to them, then spread evenly.
        toward = [np.bincount(ends[leads], end[others[leads]], len(distances))[ring] for end in (x, y)]
        order = ring[np.argsort(np.arctan2(toward[1], toward[0]), kind="stable")]
        angles = 2 * np.pi * (np.arange(len(order)) + 0.5) / len(order) - np.pi
        x[order], y[order] = distance * np.cos(angles), distance * np.sin(angles)
    return x, y


def _draw_edges(
    ax: "Axes", subgraph: Subgraph, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> "tuple[Artist, str]":
    """Draw the edges, or those that lead from ring to ring if there are many; return their entry of the legend."""
    sources, targets = subgraph.pairs
    label = _edges_label(subgraph)
    if len(sources) > MOST_LINES:
        leads = subgraph.distances[sources] != subgraph.distances[targets]
        sources, targets = sources[leads], targets[leads]
        label += ", drawn between rings only"
        if len(sources) > MOST_SPOKES:
            sources, targets = _shortest_inwards(subgraph, x, y)
            label = f"{_edges_label(subgraph)}, one drawn per agent"
    opacity = float(np.clip(120 / max(len(sources), 1), 0.25, 0.5))
    gaps = np.full(len(sources), np.nan)
    lines = [np.stack([end[sources], end[targets], gaps], axis=1).ravel() for end in (x, y)]
    (drawn,) = ax.plot(*lines, color=MUTED, linewidth=0.6, alpha=opacity, zorder=1)
    if len(sources) <= MOST_ARROWS and not _is_mutual(subgraph):
        _draw_arrowheads(ax, x, y, sources, targets)
    return drawn, label


def _draw_arrowheads(
    ax: "Axes",
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    sources: npt.NDArray[np.int64],
    targets: npt.NDArray[np.int64],
) -> None:
    """Draw an arrowhead on the line of every edge, at two thirds of the way to its target."""
    style = {"arrowstyle": "-|>", "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0, "linewidth": 0, "color": MUTED}
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        begin, end = np.array([x[source], y[source]]), np.array([x[target], y[target]])
        ax.annotate("", tuple(begin + ARROW_PLACE * (end - begin)), tuple(begin), arrowprops=style, zorder=1)


def _shortest_inwards(
    subgraph: Subgraph, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return one edge for each agent but the centre: the shortest line of those that lead to the ring inside."""
    distances, (sources, targets) = subgraph.distances, subgraph.pairs
    outer, inner = np.concatenate([sources, targets]), np.concatenate([targets, sources])
    leads = distances[outer] == distances[inner] + 1
    outer, inner = outer[leads], inner[leads]
    order = np.lexsort((inner, np.hypot(x[outer] - x[inner], y[outer] - y[inner]), outer))
    agents, first = np.unique(outer[order], return_index=True)
    return agents, inner[order][first]


def _title(subgraph: Subgraph) -> str:
    which = "The" if subgraph.is_complete else "The nearest"
    agents, hops = counted(len(subgraph.distances), "agent"), counted(subgraph.radius, "hop")
    return f"{which} {agents} within {hops} of {shortened(subgraph.center)}"


def _ring_label(subgraph: Subgraph, distance: int, agents: int) -> str:
    if distance == 0:
        return shortened(subgraph.center)
    return f"{counted(distance, 'hop')}: {agents:,}"


def _edges_label(subgraph: Subgraph) -> str:
    """Return how many edges there are, and what a line stands for if every edge has a reverse."""
    edges = counted(len(subgraph.pairs[0]), "edge")
    return f"{edges}, one line for both directions" if _is_mutual(subgraph) else edges


def _is_mutual(subgraph: Subgraph) -> bool:
    """Return whether there are edges, and each has a reverse."""
    (sources, targets), size = subgraph.pairs, len(subgraph.distances)
    return bool(len(sources)) and bool(np.isin(targets * size + sources, sources * size + targets).all())


def _name_agents(
    ax: "Axes",
    subgraph: Subgraph,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    degrees: npt.NDArray[np.int64],
) -> None:
    names = subgraph.agents["agent_id"]
    by_degree = np.argsort(-degrees[1:], kind="stable") + 1
    unit = max(int(subgraph.distances[-1]), 1)
    taken: list[tuple[float, float, float]] = []
    for place in [0, *by_degree[: MOST_NAMES - 1].tolist()]:
        name = shortened(names[place], NAME_LENGTH)
        right = x[place] >= 0
        width = LETTER * unit * (len(name) + 3)
        left = x[place] if right else x[place] - width
        if any(abs(y[place] - up) < LINE * unit and left < end and begin < left + width for begin, end, up in taken):
            continue
        taken.append((left, left + width, y[place]))
        ax.annotate(
            name,
            (x[place], y[place]),
            (8 if right else -8, 0),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.6},
            fontsize=8,
            color=INK,
            parse_math=False,
            family=name_fonts(),
            zorder=5,
        )
