"""Pictures of a page: inline SVG in the colours of the page, each with a description in words."""

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.intervals import Comparison, with_interval
from analytics.pages.session_tables import named, quoted
from analytics.plots import (
    COINCIDENT,
    adoption_curves,
    coinciding,
    has_bands,
    lead_comparison,
    prevalence_curves,
    reach_comparison,
    session_colours,
)
from propagation.pictures import COLOURS, GRID, INK, LINE_STYLES, MUTED
from propagation.result import Reach, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 5.8, 4.1
"""Width of a figure for wide and for narrow screens, inches; text in it has the same size in both."""
MOST_TALL_ROWS = 6
"""With more sessions than this, the rows of a figure are lower."""
_THEMED = {INK: "--ink", MUTED: "--muted", GRID: "--line", **{c: f"--session-{i}" for i, c in enumerate(COLOURS)}}
"""Colours of the figures, and the page's CSS variables for them, which differ in light and dark mode."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    wide, narrow : str
        SVG elements for wide and for narrow screens.
    caption : str
        What can be missed in the figure; may be empty.
    """

    wide: str
    narrow: str
    caption: str = ""


def session_keys(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return how each session is drawn: its colour as a CSS variable, and its dashes for `stroke-dasharray`."""
    styles = [LINE_STYLES[position % len(LINE_STYLES)] for position in range(len(names))]
    dashes = ["" if isinstance(style, str) else " ".join(f"{2 * length:g}" for length in style[1]) for style in styles]
    colours = session_colours(names).values()
    return [{"colour": _THEMED[colour], "dashes": dash} for colour, dash in zip(colours, dashes, strict=True)]


def is_epidemic(results: Mapping[str, Result]) -> bool:
    """Return whether agents of a session transmit in several rounds, so that its prevalence is more than incidence."""
    columns = ["current_infected", "new_infections"]
    return any(bool(np.ptp(result.rounds[columns].to_numpy(), axis=1).max() > 0) for result in results.values())


def curve_pictures(results: Mapping[str, Result]) -> Iterator[Picture]:
    """Yield the adoption curves, and the prevalence if that is another curve."""
    yield _picture(
        partial(adoption_curves, results), 4.2, "adoption", _adoption_text(results), _caption(results, "adoption")
    )
    if is_epidemic(results):
        caption = _caption(results, "prevalence", "current_infected")
        draw = partial(prevalence_curves, results)
        yield _picture(draw, 4.6, "prevalence", _prevalence_text(results), caption)


def reach_picture(results: Mapping[str, Result]) -> Picture:
    """Return the distribution of the agents reached by a replicate, by session."""
    draw = partial(reach_comparison, results)
    return _picture(draw, max(4.2, 1.2 + _row_height(len(results)) * len(results)), "reach", _reach_text(results))


def lead_picture(found: Sequence[Comparison]) -> Picture:
    """Return how far the sessions are behind the best one."""
    best = found[0].first
    leads = {pair.second: pair.lead for pair in found if pair.first == best}
    return _picture(partial(lead_comparison, leads), 1.4 + 0.55 * len(leads), "leads", _lead_text(best, leads))


def _row_height(rows: int) -> float:
    return 1.0 if rows <= MOST_TALL_ROWS else 0.7


def _picture(draw: "Callable[..., Axes]", height: float, name: str, alternative: str, caption: str = "") -> Picture:
    wide, narrow = (
        inline_svg(draw, (width, height), name=f"{name}-{size}", alternative=alternative)
        for size, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return Picture(wide, narrow, caption)


# -- in words -------------------------------------------------------------------------------------------------------


def _adoption_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        half = result.rounds.loc[result.rounds["total_influenced"] >= result.reach.mean / 2, "round"].min()
        parts.append(f"{name} reaches {result.reach.mean:,.0f} agents, half of them by round {half}")
    return f"Curves of agents reached by each round, mean over replicates. {'; '.join(parts)}."


def _prevalence_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        peak = result.rounds.iloc[int(result.rounds["current_infected"].to_numpy().argmax())]
        last = result.rounds.iloc[-1]
        parts.append(
            f"{name} has its peak of {peak['current_infected']:,.0f} agents in round {peak['round']:.0f} and ends in "
            f"round {last['round']:.0f} with {last['current_infected']:,.0f}"
        )
    return f"Curves of agents that transmit after each round, mean over replicates. {'; '.join(parts)}."


def _reach_text(results: Mapping[str, Result]) -> str:
    parts = []
    for name, result in results.items():
        low, high = np.quantile(result.cascades["size"], [0.05, 0.95])
        parts.append(
            f"{name}: mean {with_interval(result.reach)}, 90 % of replicates between {low:,.0f} and {high:,.0f}"
        )
    return f"Distribution of the agents reached by a replicate, for each session. {'; '.join(parts)}."


def _lead_text(best: str, leads: Mapping[str, Reach]) -> str:
    parts = "; ".join(f"{name}: {with_interval(lead)}" for name, lead in leads.items())
    return f"Agents by which each session is behind {best}, with 95 % intervals. {parts}."


def _caption(results: Mapping[str, Result], what: str, quantity: str = "total_influenced") -> str:
    """Return which curves coincide, and whether bands are left out, in sentences."""
    groups = [named([quoted(name) for name in group], most=len(group)) for group in coinciding(results, quantity)]
    notes = []
    if groups:
        notes.append(
            f"The {what} curves of {'; of '.join(groups)} coincide: they differ by at most {100 * COINCIDENT:.0f} % of "
            "the figure's height, and carry markers."
        )
    if not has_bands(results):
        notes.append("With so many sessions, bands over replicates are left out.")
    return " ".join(notes)


# -- SVG ------------------------------------------------------------------------------------------------------------


def inline_svg(draw: "Callable[..., Axes]", size: tuple[float, float], *, name: str, alternative: str) -> str:
    """Return a figure as an SVG element for an HTML page, in the colours and font of the page's style.

    Parameters
    ----------
    draw : callable
        Draws into the axes passed as `ax`.
    size : tuple of float
        Width and height, inches; they set the aspect ratio and the relative size of text.
    name : str
        Name that is unique on the page, used to make the ids in the figure unique.
    alternative : str
        Alternative text: a description of the figure for screen readers.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(ax=figure.subplots())
    drawn = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the browser has fonts of its own
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    # 1. Keep only the element itself, without prolog, comments and metadata, which contain external URLs.
    unwanted = r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>"
    svg = re.sub(unwanted, "", svg[svg.index("<svg") :], flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    inner = svg[svg.index(">") + 1 :]
    # 2. In the tags, not in the texts: make ids unique, and use the page's colours and font.
    inner = re.sub(r"<[^>]*>", partial(_themed, name), inner)
    return f'<svg {box[0]} role="img" aria-label="{escape(alternative)}">{inner}'


def _themed(name: str, tag: re.Match[str]) -> str:
    text = re.sub(r'\bid="', f'id="{name}-', tag[0]).replace("xlink:href", "href")
    text = text.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    for colour, variable in _THEMED.items():
        text = text.replace(f": {colour}", f": var({variable})")
    return re.sub(r"font-family: [^;\"]*;?", "", text)
