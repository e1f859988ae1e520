"""Equations as MathML, converted while the site is built: browsers draw it themselves, without a script."""

import re
from html import escape
from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError


def mathml(tex: str, display: str) -> str:
    """Return the MathML of an equation in TeX.

    Parameters
    ----------
    tex : str
        The equation, without dollars.
    display : str
        ``inline`` or ``block``.

    Raises
    ------
    ExtensionError
        If it cannot be converted; the message quotes it.
    """
    try:
        written = convert(tex, display=display)
    except Exception as error:
        raise ExtensionError(f"equation {tex!r} cannot be converted to MathML: {error!r}") from error
    if unknown := re.search(r"\\[A-Za-z]+", written):  # it would be shown as it stands
        raise ExtensionError(f"equation {tex!r} cannot be converted to MathML: unknown command {unknown[0]}")
    return written


def visit_inline(translator: Any, node: Any) -> None:
    """Write an equation within a line."""
    translator.body.append(mathml(node.astext(), "inline"))
    raise SkipNode


def visit_block(translator: Any, node: Any) -> None:
    r"""Write an equation on a line of its own; lines separated by ``\\`` are aligned at their ``&``."""
    tex = node.astext().strip()
    if "\\\\" in tex and "\\begin" not in tex:
        tex = rf"\begin{{align*}}{tex}\end{{align*}}"
    anchor = f' id="{escape(node["ids"][0])}"' if node.get("ids") else ""
    translator.body.append(f'<div class="math"{anchor}>{mathml(tex, "block")}</div>\n')
    raise SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
