"""Analytics: comparing results in numbers, figures, SQL and HTML reports; the structure of networks."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.structure.network_metrics import metrics
    from analytics.structure.shortest_paths import shortest_paths

__all__ = ["metrics", "shortest_paths"]

_MODULES = {
    "metrics": "analytics.structure.network_metrics",
    "shortest_paths": "analytics.structure.shortest_paths",
}
"""Where each public name is defined; its module is imported when the name is first used."""


def __getattr__(name: str) -> object:
    """Import the public names when they are first used."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'analytics' has no attribute {name!r}")
