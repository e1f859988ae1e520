"""Figures of a page: inline SVG in the colours of the page, for wide and for narrow screens."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import TYPE_CHECKING

from propagation.pictures import COLOURS, GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 5.8, 4.1
"""Width of a figure for wide and for narrow screens, inches; text in it has the same size in both."""
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


def page_colour(colour: str) -> str:
    """Return the CSS variable of a colour of the figures."""
    return _THEMED[colour]


def page_picture(draw: "Callable[..., Axes]", height: float, name: str, alternative: str, caption: str = "") -> Picture:
    """Return a figure for wide and for narrow screens, `height` inches high, with a name that is unique on the page."""
    wide, narrow = (
        inline_svg(draw, (width, height), name=f"{name}-{size}", alternative=alternative)
        for size, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return Picture(wide, narrow, caption)


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
