"""Pictures of a network's structure: degrees with fitted laws, hop distances, core numbers and communities."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.labels import shortened
from data.errors import InvalidInputError
from propagation.pictures import COLOURS, LINE_STYLES, LINE_WIDTH, dress, legend_above

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

DRAWN = ("degrees", "distances", "cores", "communities")
"""Metrics that have a panel."""
PANEL = (5.6, 4.2)
"""Width and height of a panel, inches."""
MOST_BARS = 40
"""Beyond this many, distances are an area instead of bars, and communities are points on logarithmic axes."""
WIDE, UNEVEN = 20, 100
"""Largest to smallest degree, and largest to smallest core or community: beyond this ratio, axes are logarithmic."""
LEAST_PERCENT = 0.05
"""Distances beyond the last one with a larger share of pairs are left out."""
MARKED_DISTANCES = {"average_path_length": "average", "effective_diameter": "effective diameter (90 % of pairs)"}
MARKER_SIZE = 3.5
NAME_LENGTH = 40
Values = Mapping[str, Any]
AgentValues = Mapping[str, npt.NDArray[Any]]


def structure_figure(name: str, values: Values, of_agents: AgentValues) -> "Figure":
    """Return a figure with a panel for each of degrees, distances, cores and communities that is known.

    Parameters
    ----------
    name : str
        Name of the network.
    values, of_agents : mapping
        As in `analytics.structure.network_metrics.NetworkMetrics`.

    Raises
    ------
    InvalidInputError
        If none is known, or the network has none of them.
    """
    from matplotlib.figure import Figure

    known: list[Callable[[Axes], None]] = []
    if sum(values.get("degrees") or ()):
        known.append(lambda ax: degree_panel(ax, values))
    if values.get("pairs_by_distance"):
        known.append(lambda ax: distance_panel(ax, values))
    if len(of_agents.get("core_number", ())):
        known.append(lambda ax: core_panel(ax, of_agents["core_number"]))
    if len(of_agents.get("community", ())):
        known.append(lambda ax: community_panel(ax, of_agents["community"], values["modularity"]))
    if not known:
        raise InvalidInputError(
            f"nothing to draw for network {name!r}: ask for one of the metrics {', '.join(DRAWN)}; a network without "
            "edges has no picture"
        )
    columns = 2 if len(known) == 4 else len(known)
    lines = -(-len(known) // columns)
    figure = Figure(figsize=(PANEL[0] * columns, PANEL[1] * lines + 0.4), layout="constrained")
    figure.suptitle(shortened(name, NAME_LENGTH), x=0.01, ha="left", fontweight="bold")
    for number, draw in enumerate(known, start=1):
        draw(figure.add_subplot(lines, columns, number))
    return figure


def degree_panel(ax: "Axes", values: Values) -> None:
    """Draw the share of agents with at least so many neighbours, and the laws fitted to its tail."""
    degrees, agents = np.array(values["degrees"]), np.array(values["agents_by_degree"])
    share = np.cumsum(agents[::-1])[::-1] / agents.sum()
    share, degrees = share[degrees > 0], degrees[degrees > 0]
    points: dict[str, Any] = {"color": COLOURS[0], "markersize": MARKER_SIZE, "markeredgewidth": 0}
    keys: list[tuple[Any, str]] = [(ax.plot(degrees, share, "o", **points)[0], "agents")]
    if values.get("power_law_minimum") is not None:
        first = values["power_law_minimum"]
        tail = np.unique(np.geomspace(first, degrees[-1], 200).round())
        in_tail = share[np.searchsorted(degrees, first)]
        for number, (label, law) in enumerate(_laws(values, tail).items()):
            keys.append((ax.plot(tail, in_tail * law, **_style(number))[0], label))
    dress(ax, title="Agents by number of neighbours", x="neighbours, at least", y="share of agents")
    _whole_ticks(ax.xaxis)
    _logarithmic(ax, lowest=0.5 / agents.sum(), highest=1.5, x=degrees[-1] >= WIDE * degrees[0])
    ax.yaxis.set_major_formatter("{x:g}")
    legend_above(ax, keys)


def _style(number: int) -> dict[str, Any]:
    """Return the style of the laws and marks that are drawn over data, by number."""
    return {"color": COLOURS[1 + number], "linestyle": LINE_STYLES[number], "linewidth": LINE_WIDTH}


def _whole_ticks(*axes: "Axis") -> None:
    """Write whole numbers only beside linear axes: there is no half agent or hop."""
    for axis in axes:
        axis.get_major_locator().set_params(integer=True, min_n_ticks=1)  # type: ignore[call-arg]


def _logarithmic(ax: "Axes", *, lowest: float, highest: float, x: bool) -> None:
    """Make the y-axis, and if asked for the x-axis, logarithmic, with numbers as on other axes."""
    ax.set_yscale("log")
    ax.set_ylim(lowest, highest)
    if x:
        ax.set_xscale("log")
    ax.minorticks_off()
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:,.0f}")


def _laws(values: Values, tail: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the probability of at least each degree, within the tail, by law."""
    from scipy.special import log_ndtr, zeta

    exponent, first = values["power_law_exponent"], values["power_law_minimum"]
    mean, deviation = values["lognormal_mean"], values["lognormal_deviation"]
    beyond = log_ndtr((mean - np.log(tail - 0.5)) / deviation)
    return {
        f"power law, exponent {exponent:.3g} from {first:,}": zeta(exponent, tail) / zeta(exponent, first),
        "lognormal": np.exp(beyond - beyond[0]),
        "exponential": np.exp(-values["exponential_rate"] * (tail - first)),
    }


def distance_panel(ax: "Axes", values: Values) -> None:
    """Draw the share of pairs at every distance, with the average path length and the effective diameter."""
    pairs = np.array(values["pairs_by_distance"], np.float64)
    percent = 100 * pairs / pairs.sum()
    last = int(np.flatnonzero(percent > LEAST_PERCENT)[-1]) + 1
    hops = np.arange(1, last + 1)
    if last <= MOST_BARS:
        ax.bar(hops, percent[:last], color=COLOURS[0], width=0.8)
    else:
        ax.fill_between(hops, percent[:last], color=COLOURS[0], linewidth=0)
    keys: list[tuple[Any, str]] = []
    for number, (column, label) in enumerate(MARKED_DISTANCES.items()):
        keys.append((ax.axvline(values[column], **_style(number)), f"{label} {values[column]:.3g}"))
    is_exact = values["average_path_length_low"] is None
    farthest = f" (largest distance{'' if is_exact else ' found'}: {len(pairs):,})" if len(pairs) > last else ""
    kind = "All pairs with a path" if is_exact else "Sampled pairs with a path"
    dress(ax, title=f"{kind} by distance", x=f"hops{farthest}", y="pairs, %")
    _whole_ticks(ax.xaxis)
    legend_above(ax, keys)


def core_panel(ax: "Axes", core_number: npt.NDArray[np.int32]) -> None:
    """Draw how many agents each k-core has."""
    counts = np.bincount(core_number)
    in_core = np.cumsum(counts[::-1])[::-1]
    ax.step(np.arange(len(in_core)), in_core, where="mid", color=COLOURS[0], linewidth=LINE_WIDTH)
    title = f"Agents in each k-core; {in_core[-1]:,} in the innermost, k = {len(in_core) - 1:,}"
    dress(ax, title=title, x="k", y="agents")
    _whole_ticks(ax.xaxis, ax.yaxis)
    if in_core[0] > UNEVEN * in_core[-1]:
        _logarithmic(ax, lowest=0.8, highest=1.5 * in_core[0], x=False)


def community_panel(ax: "Axes", community: npt.NDArray[np.int32], modularity: float) -> None:
    """Draw the sizes of communities, the largest first."""
    sizes = np.bincount(community)
    numbers = np.arange(1, len(sizes) + 1)
    is_long, is_uneven = len(sizes) > MOST_BARS, sizes[0] > UNEVEN * sizes[-1]
    if is_long or is_uneven:
        ax.plot(numbers, sizes, "o", color=COLOURS[0], markersize=MARKER_SIZE, markeredgewidth=0)
    else:
        ax.bar(numbers, sizes, color=COLOURS[0], width=0.8)
    title = f"{len(sizes):,} communities, modularity {modularity:.3f}"
    dress(ax, title=title, x="community, by falling size", y="agents")
    _whole_ticks(ax.xaxis, ax.yaxis)
    if is_long or is_uneven:
        _logarithmic(ax, lowest=0.8, highest=1.5 * sizes[0], x=is_long)
