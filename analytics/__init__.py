"""Analytics: the structure of networks, decisions, and comparing results in numbers, figures, SQL and HTML reports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.comparison import compare
    from analytics.explanation import explain, most_responsible
    from analytics.structure.network_metrics import metrics
    from analytics.structure.shortest_paths import shortest_paths
    from analytics.sweeps import sweep

__all__ = ["compare", "explain", "metrics", "most_responsible", "shortest_paths", "sweep"]

_MODULES = {
    "compare": "analytics.comparison",
    "explain": "analytics.explanation",
    "metrics": "analytics.structure.network_metrics",
    "most_responsible": "analytics.explanation",
    "shortest_paths": "analytics.structure.shortest_paths",
    "sweep": "analytics.sweeps",
}
"""Where each public name is defined; its module is imported when the name is first used."""


def __getattr__(name: str) -> object:
    """Import the public names when they are first used."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'analytics' has no attribute {name!r}")
