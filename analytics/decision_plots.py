"""Figures of decisions: differences between sessions, transmission paths, responsible agents and sweeps.

Pass `ax` to draw into your own figure; otherwise a new one is made, which notebooks display.
"""

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.labels import shortened
from analytics.plots import show_fractions
from data.errors import InvalidInputError
from data.quantities import readable_share
from propagation.pictures import COLOURS, GRID, INK, LINE_STYLES, LINE_WIDTH, MUTED, dress, name_fonts, new_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from analytics.comparison_results import CampaignComparison, SessionComparison
    from analytics.explanation import Explanation
    from analytics.responsibility import Responsibility
    from analytics.sweeps import Sweep

MOST_ROWS = 25
"""Groups or sessions that a figure shows: those with the largest differences."""
MOST_PATHS = 6
"""Paths that a diagram shows."""
NAME_LENGTH = 14
"""Characters of an agent's id shown in figures."""
MOST_MAPS = 4
"""Seed sets whose heat maps are drawn beside each other."""
HATCHES = ("", "//", "..")
"""Patterns of the thresholds of several seed sets."""
OUTSIDE = "outside the grid"
WIDEST = 9.0
"""Width of the line of the most frequent transmission of a diagram, points."""


# -- comparisons ----------------------------------------------------------------------------------------------------


def difference_curve(compared: "SessionComparison", *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many more agents the first session has reached by each round, with the 95 % interval.

    Parameters
    ----------
    compared : SessionComparison
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or new_axes()
    rounds = compared.rounds
    low, high = (rounds[name].fillna(rounds["difference"]) for name in ("difference_low", "difference_high"))
    band = ax.fill_between(rounds["round"], low, high, color=COLOURS[0], alpha=0.25, linewidth=0)
    (line,) = ax.plot(rounds["round"], rounds["difference"], color=COLOURS[0], linewidth=LINE_WIDTH)
    title = f"Agents that {shortened(compared.first)} reaches more than {shortened(compared.second)}"
    dress(ax, title=title, x="round", y="difference of agents reached")
    bottom, top = min(0.0, float(low.min())), max(0.0, float(high.max()))
    margin = 0.05 * (top - bottom) or 1.0
    ax.set_ylim(bottom - margin * (bottom < 0), top + margin)
    ax.axhline(0.0, color=MUTED, linewidth=1.0)
    # The axis ends where the difference does not change any more.
    moving = np.flatnonzero(np.abs(np.diff(rounds["difference"])) > 0.004 * (top - bottom))
    ax.set_xlim(0, max(1, min(int(rounds["round"].max()), (int(moving[-1]) if len(moving) else 0) + 3)))
    how = "replicate by replicate" if rounds["paired"].all() else "from two independent means"
    ax.legend([line, band], ["mean", f"95 % interval, {how}"], frameon=False, labelcolor=MUTED, fontsize=8.5)
    show_fractions(ax.yaxis)
    return ax


def group_differences(compared: "SessionComparison", *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many more agents of each group the first session reaches, with 95 % intervals.

    Raises
    ------
    InvalidInputError
        If the sessions were not compared by group.
    """
    if compared.groups is None:
        raise InvalidInputError("the sessions were not compared by group; give `by`, such as by='community'")
    groups = compared.groups.reindex(compared.groups["difference"].abs().sort_values(ascending=False).index)
    groups = groups.head(MOST_ROWS).iloc[::-1]
    names = [f"{_named(row.group_name)} ({row.agents:,})" for row in groups.itertuples()]
    more = f", the {len(groups)} largest of {len(compared.groups):,}" if len(compared.groups) > len(groups) else ""
    title = f"{shortened(compared.first)} minus {shortened(compared.second)}, by group{more}"
    return _difference_rows(groups, names, title, ax)


def session_differences(compared: "CampaignComparison", *, ax: "Axes | None" = None) -> "Axes":
    """Draw how many more agents each session of the first campaign reaches, with 95 % intervals.

    Parameters
    ----------
    compared : CampaignComparison
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.
    """
    table = compared.table()
    table = table.reindex(table["difference"].abs().sort_values(ascending=False, kind="stable").index)
    table = table.head(MOST_ROWS).iloc[::-1]
    more = f", the {len(table)} largest of {len(compared):,}" if len(compared) > len(table) else ""
    first, second = compared.names
    title = f"{shortened(first)} minus {shortened(second)}, by {compared.kind}{more}"
    return _difference_rows(table, [shortened(str(name)) for name in table.index], title, ax)


def _difference_rows(rows: "pd.DataFrame", names: list[str], title: str, ax: "Axes | None") -> "Axes":
    """Draw a mark for each difference, with its interval, in rows from below."""
    ax = ax or new_axes((7.2, 1.6 + 0.3 * len(rows)))
    means = rows["difference"].to_numpy(np.float64)
    errors = np.nan_to_num(rows["difference_high"].to_numpy(np.float64) - means)
    ax.errorbar(means, np.arange(len(rows)), xerr=errors, fmt="D", markersize=5, color=INK, capsize=3, mfc="none")
    dress(ax, title=title, x="difference of agents reached, 95 % interval", y="")
    ax.axvline(0.0, color=MUTED, linewidth=1.0)
    _name_rows(ax, names)
    show_fractions(ax.xaxis)
    return ax


def _named(group: Any) -> str:
    return "no group" if group is None else shortened(str(group))


def _name_rows(ax: "Axes", names: list[str]) -> None:
    """Write names at the left of rows 0, 1, ... from below, and draw the grid for values to the right."""
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_yticks(range(len(names)), names, family=name_fonts(), parse_math=False)
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color=GRID, linewidth=0.8)


# -- transmissions --------------------------------------------------------------------------------------------------


def path_diagram(explanation: "Explanation", *, ax: "Axes | None" = None, session: str = "") -> "Axes":
    """Draw the most frequent paths to an agent, from left to right; the wider a line, the more often it was used.

    Agents stand in columns by the number of transmissions that still follow, so that all paths end at the right.

    Parameters
    ----------
    explanation : Explanation
        Where messages compete, seeds have the name of their message.
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.
    session : str
        What the title calls the session; default: it does not name it.

    Raises
    ------
    InvalidInputError
        If no replicate reached the agent.
    """
    paths = explanation.paths.head(MOST_PATHS)
    if not len(paths):
        raise InvalidInputError(f"nothing to draw: {explanation.sentence}")
    nodes: dict[tuple[int, str], int] = defaultdict(int)
    edges: dict[tuple[tuple[int, str], tuple[int, str]], int] = defaultdict(int)
    for path, times in zip(paths["path"], paths["replicates"], strict=True):
        places = [(len(path) - 1 - position, agent) for position, agent in enumerate(path)]
        for place in places:
            nodes[place] += int(times)
        for pair in itertools.pairwise(places):
            edges[pair] += int(times)
    heights = _heights(nodes, edges)
    columns = max(column for column, _ in nodes)
    tallest = max(sum(1 for column, _ in nodes if column == each) for each in range(columns + 1))
    ax = ax or new_axes((max(5.0, 2.0 + 1.7 * columns), 1.8 + 0.75 * tallest))
    most, under = max(edges.values(), default=1), {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    for (source, target), times in edges.items():
        start, end = ((-place[0], heights[place]) for place in (source, target))
        ax.plot(*zip(start, end, strict=True), color=COLOURS[0], alpha=0.35, linewidth=max(1.0, WIDEST * times / most))
        middle = 0.62 * np.array(start) + 0.38 * np.array(end)
        share = times / explanation.replicates
        ax.text(
            float(middle[0]),
            float(middle[1]),
            readable_share(share),
            color=INK,
            fontsize=7.5,
            ha="center",
            va="center",
            bbox=under,
        )
    messages = paths["message"] if "message" in paths else [""] * len(paths)
    starts = {(len(path) - 1, path[0]): message for path, message in zip(paths["path"], messages, strict=True)}
    for (column, agent), height in heights.items():
        colour = COLOURS[1] if (column, agent) in starts else INK if column == 0 else COLOURS[0]
        box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": colour, "linewidth": 1.6}
        style: dict[str, Any] = {"family": name_fonts(), "parse_math": False, "fontsize": 9, "color": INK}
        lines = [shortened(each, NAME_LENGTH) for each in (agent, starts.get((column, agent))) if each]
        ax.text(-column, height, "\n".join(lines), ha="center", va="center", bbox=box, **style)
    shown = float(paths["share"].sum())
    what = "the message" if explanation.messages is None else "competing messages"
    title = f"How {what} reached {shortened(explanation.agent_id, NAME_LENGTH)}{_in_session(session)}"
    dress(ax, title=title, x=_what_is_shown(explanation, len(paths), shown), y="")
    ax.set_xlim(-columns - 0.5, 0.5)
    ax.set_ylim(min(heights.values()) - 0.6, max(heights.values()) + 0.6)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    ax.spines["bottom"].set_visible(False)
    return ax


def _in_session(session: str) -> str:
    return f" in {shortened(session)}" if session else ""


def _heights(
    nodes: dict[tuple[int, str], int], edges: dict[tuple[tuple[int, str], tuple[int, str]], int]
) -> dict[tuple[int, str], float]:
    """Return the height of each agent in its column: near to whom it activates, then the most frequent at the top."""
    heights: dict[tuple[int, str], float] = {}
    for column in sorted({column for column, _ in nodes}):
        aims = {
            place: [heights[end] for start, end in edges if start == place] for place in nodes if place[0] == column
        }
        order = sorted(aims, key=lambda place: (-sum(aims[place]) / max(len(aims[place]), 1), -nodes[place], place[1]))
        for position, place in enumerate(order):
            heights[place] = (len(order) - 1) / 2 - position
    return heights


def _what_is_shown(explanation: "Explanation", paths: int, shown: float) -> str:
    of = "the only path" if explanation.distinct_paths == 1 else f"{paths} of {explanation.distinct_paths:,} paths"
    of = f"{of}, used in {100 * shown:.0f} %"
    return f"{of}\nof the replicates that reached it;\nlabels: share of all replicates; seeds in orange"


def responsibility_bars(found: "Responsibility", *, ax: "Axes | None" = None, session: str = "") -> "Axes":
    """Draw how many activations lie below each of the agents, per replicate, with 95 % intervals.

    Parameters
    ----------
    found : Responsibility
    ax : matplotlib Axes, optional
        Axes to draw into; default: new ones.
    session : str
        What the title calls the session; default: it does not name it.

    Raises
    ------
    InvalidInputError
        If there are no agents.
    """
    if not len(found.agents):
        raise InvalidInputError(f"nothing to draw: {found.sentence}")
    agents = found.agents.iloc[::-1]
    ax = ax or new_axes((7.2, 1.6 + 0.3 * len(agents)))
    colours = [COLOURS[1] if seed else COLOURS[0] for seed in agents["is_seed"]]
    ax.barh(range(len(agents)), agents["descendants"], color=colours, height=0.6)
    errors = np.nan_to_num((agents["descendants_high"] - agents["descendants"]).to_numpy(np.float64))
    ax.errorbar(agents["descendants"], np.arange(len(agents)), xerr=errors, fmt="none", ecolor=INK, capsize=3)
    seeds = "; seeds in orange" if found.with_seeds else "; seeds are left out"
    what = "the message" if found.message is None else shortened(found.message)
    title = f"Through whom {what} spreads{_in_session(session)}"
    dress(ax, title=title, x=f"activations below the agent, per replicate{seeds}", y="")
    _name_rows(ax, [shortened(agent, NAME_LENGTH) for agent in agents["agent_id"]])
    show_fractions(ax.xaxis)
    return ax


# -- sweeps ---------------------------------------------------------------------------------------------------------


def sweep_picture(found: "Sweep", *, ax: "Axes | None" = None, seed_set: str | None = None) -> "Axes":
    """Draw the reach of a sweep: a line for each seed set if one parameter was varied, a heat map if two were.

    Several seed sets have a heat map each, at most four; axes of your own hold that of the first, or of `seed_set`.

    Raises
    ------
    InvalidInputError
        If three or more parameters were varied, or there is no such seed set.
    """
    names = list(dict.fromkeys(found.table["seed_set"]))
    if seed_set is not None and seed_set not in names:
        raise InvalidInputError(f"no seed set {seed_set!r}; the sweep has {', '.join(map(repr, names))}")
    if len(found.parameters) == 1:
        return _sweep_lines(found, names if seed_set is None else [seed_set], ax)
    if len(found.parameters) == 2:
        return _heat_maps(found, names[:MOST_MAPS] if seed_set is None else [seed_set], len(names), ax)
    raise InvalidInputError(
        f"{len(found.parameters)} parameters were varied; one or two can be drawn; draw rows of .table instead"
    )


def _sweep_lines(found: "Sweep", names: list[str], ax: "Axes | None") -> "Axes":
    ax = ax or new_axes()
    (parameter,) = found.parameters
    are_numbers = all(_is_number(value) for value in found.table[parameter])
    labels = list(dict.fromkeys(found.table[parameter]))
    for number, name in enumerate(names):
        rows = found.table[found.table["seed_set"] == name]
        colour, style = COLOURS[number % len(COLOURS)], LINE_STYLES[number % len(LINE_STYLES)]
        if are_numbers:
            rows = rows.sort_values(parameter)
            x = rows[parameter]
            ax.fill_between(x, rows["reach_low"], rows["reach_high"], color=colour, alpha=0.25, linewidth=0)
            ax.plot(x, rows["reach"], color=colour, linestyle=style, lw=LINE_WIDTH, marker="o", ms=4, label=name)
        else:  # what has no order is not joined by a line; seed sets stand beside each other
            aside = 0.12 * (number - (len(names) - 1) / 2)
            places = [labels.index(value) + aside for value in rows[parameter]]
            half = np.nan_to_num((rows["reach_high"] - rows["reach"]).to_numpy(np.float64))
            ax.errorbar(places, rows["reach"], yerr=half, fmt="o", markersize=5, color=colour, capsize=3, label=name)
    dress(ax, title=f"Reach of {found.model} on {shortened(found.network.network_id)}", x=parameter, y="agents reached")
    if are_numbers:
        show_fractions(ax.xaxis)
        _mark_threshold(ax, found, names)
    else:
        ax.set_xticks(range(len(labels)), [str(label) for label in labels])
        ax.set_xlim(-0.5, len(labels) - 0.5)
    ax.legend(frameon=False, labelcolor=INK, fontsize=8.5, loc="best")
    return ax


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _mark_threshold(ax: "Axes", found: "Sweep", names: list[str]) -> None:
    """Draw the thresholds of the mean field and of the simulation as vertical lines and bands."""
    rows = found.thresholds[found.thresholds["seed_set"].isin(names)]
    if not len(rows) or not np.isfinite(rows["mean_field"].iloc[0]):
        return
    low, high = ax.get_xlim()
    value = float(rows["mean_field"].iloc[0])
    if low <= value <= high:
        ax.axvline(value, color=INK, linestyle=":", linewidth=1.4, label=f"threshold, mean field: {value:.3g}")
    else:
        ax.plot([], [], color=INK, linestyle=":", label=f"threshold, mean field: {value:.3g}, {OUTSIDE}")
    for number, row in enumerate(rows.dropna(subset=["simulated"]).to_dict("records")):
        of = f" ({shortened(row['seed_set'])})" if len(names) > 1 else ""
        start, end = row["simulated_low"], row["simulated_high"]
        label = f"largest variability{of}: {start:.3g} to {end:.3g}"
        ax.axvspan(start, end, fc=GRID, alpha=0.5, lw=0, zorder=0, hatch=HATCHES[number % 3], ec=MUTED, label=label)


def _heat_maps(found: "Sweep", names: list[str], seed_sets: int, ax: "Axes | None") -> "Axes":
    """Draw a heat map for each of some seed sets, with the same colours; return the axes of the first."""
    most = float(found.table["reach"].max())
    if ax is not None or len(names) == 1:
        ax = ax or new_axes()
        _add_colour_bar(_heat_map(found, names[0], ax, most, several=seed_sets > 1), [ax])
        return ax
    figure = new_axes((6.2 * len(names), 4.6)).get_figure(root=True)
    assert figure is not None
    figure.clear()
    panels = figure.subplots(1, len(names))
    images = [_heat_map(found, name, panel, most, several=True) for name, panel in zip(names, panels, strict=True)]
    _add_colour_bar(images[0], list(panels))
    if seed_sets > len(names):
        figure.suptitle(f"The first {len(names)} of {seed_sets} seed sets", x=0.01, ha="left", fontsize=10)
    first: Axes = panels[0]
    return first


def _add_colour_bar(image: "AxesImage", panels: "list[Axes]") -> None:
    """Add the colour bar that some heat maps share."""
    figure = panels[0].get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(image, ax=panels, label="agents reached, mean")
        bar.outline.set_visible(False)


def _heat_map(found: "Sweep", seed_set: str, ax: "Axes", most: float, *, several: bool) -> "AxesImage":
    """Draw the reach from a seed set; return the image, whose colours reach up to `most`."""
    across, up = found.parameters
    rows = found.table[found.table["seed_set"] == seed_set]
    axes = [sorted(set(rows[name]), key=_order) for name in (across, up)]
    grid = np.full((len(axes[1]), len(axes[0])), np.nan)
    for x, y, reach in zip(rows[across], rows[up], rows["reach"], strict=True):
        grid[axes[1].index(y), axes[0].index(x)] = reach
    dress(ax, title="", x=across, y=up)
    image = ax.imshow(grid, origin="lower", aspect="auto", cmap="viridis", vmin=0.0, vmax=most)
    for y, x in np.ndindex(*grid.shape):
        dark = grid[y, x] < 0.6 * most
        ax.text(x, y, _digits(grid[y, x]), ha="center", va="center", fontsize=8, color="white" if dark else INK)
    ax.set_xticks(range(len(axes[0])), [str(value) for value in axes[0]])
    ax.set_yticks(range(len(axes[1])), [str(value) for value in axes[1]])
    ax.set_ylim(-0.5, len(axes[1]) - 0.5)
    ax.grid(visible=False)
    of = f"\nfrom {shortened(seed_set)}" if several else ""
    ax.set_title(
        f"Agents reached by {found.model} on {shortened(found.network.network_id)}{of}",
        loc="left", color=INK, fontweight="bold", fontsize=11,
    )  # fmt: skip
    _draw_threshold_line(ax, found, seed_set, axes)
    return image


def _digits(reach: float) -> str:
    """Return a reach with a decimal where it is small."""
    return f"{reach:,.0f}" if reach >= 9.95 else f"{reach:,.1f}"


def _order(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value


def _draw_threshold_line(ax: "Axes", found: "Sweep", seed_set: str, axes: list[list[Any]]) -> None:
    """Draw the mean-field threshold across a heat map, between the columns or rows where it lies."""
    across, up = found.parameters
    rows = found.thresholds[found.thresholds["seed_set"] == seed_set]
    if not len(rows):
        return
    parameter = rows["parameter"].iloc[0]
    own, other, name = (axes[0], axes[1], up) if parameter == across else (axes[1], axes[0], across)
    if not all(_is_number(value) for value in own):
        return
    places = [float(np.interp(value, own, range(len(own)), left=np.nan, right=np.nan)) for value in rows["mean_field"]]
    along = [other.index(value) for value in rows[name]]
    x, y = (places, along) if parameter == across else (along, places)
    missing = int(np.isnan(places).sum())
    is_seen = missing < len(places)  # otherwise, there is no line to point at
    look: dict[str, Any] = (
        {"linestyle": "--", "linewidth": 2, "marker": "o", "markersize": 4} if is_seen else {"ls": ""}
    )
    (line,) = ax.plot(x, y, color="white", **look)
    key: dict[str, Any] = {} if is_seen else {"handlelength": 0, "handletextpad": 0}
    where = "" if not missing else f", {OUTSIDE}" if missing == len(places) else f", {OUTSIDE} for {missing} values"
    ax.legend(
        [line],
        [f"epidemic threshold, mean field{where}"],
        loc="lower right",
        fontsize=8,
        facecolor=MUTED,
        labelcolor="white",
        **key,
    )
