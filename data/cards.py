"""Cards: how objects show themselves at the end of a notebook cell."""

import html
from collections.abc import Mapping, Sequence

_STYLE = (
    "display:inline-block;font-family:system-ui,sans-serif;border:1px solid rgba(128,128,128,.35);border-radius:6px;"
    "padding:.6em .9em"
)


def card(title: str, facts: Mapping[str, str], next_steps: Sequence[str]) -> str:
    """Return an object's title, facts and the expressions that one asks for next, as HTML.

    Colours are those of the notebook, so that the card fits its light and its dark theme.

    Examples
    --------
    >>> "<b>Network a&lt;b</b>" in card("Network a<b", {"agents": "5"}, ["network.edges"])
    True
    """
    rows = "".join(
        f'<tr><td style="text-align:left;opacity:.7;padding:.1em 1em .1em 0">{html.escape(name)}</td>'
        f'<td style="text-align:left;padding:.1em 0">{html.escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    steps = " &middot; ".join(f"<code>{html.escape(step)}</code>" for step in next_steps)
    return (
        f'<div style="{_STYLE}"><b>{html.escape(title)}</b>'
        f'<table style="border:0;margin:.3em 0"><tbody>{rows}</tbody></table>'
        f'<div style="font-size:.9em;opacity:.85">next: {steps}</div></div>'
    )
