"""Rendering of pages: a template of this package, filled with content."""

from collections.abc import Mapping
from typing import Any


def rendered(template: str, content: Mapping[str, Any]) -> str:
    """Return a page as HTML. Every text in it stays text: what looks like markup is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("analytics"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template).render(content)
