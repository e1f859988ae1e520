"""Analytics: the structure of networks, decisions, and comparing results in numbers, figures, SQL and HTML reports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.communities import agreement, community_sizes, crossing
    from analytics.comparison import compare
    from analytics.containment import contain
    from analytics.explanation import explain, most_responsible
    from analytics.influence import seed_selection
    from analytics.rankings import rank_agents
    from analytics.segments.segmentation import segment
    from analytics.structure.network_metrics import metrics
    from analytics.structure.shortest_paths import shortest_paths
    from analytics.surrogates.fitting import refine, surrogate
    from analytics.surrogates.published import load_surrogate, publish_surrogate
    from analytics.surrogates.slider import explore
    from analytics.sweeps import sweep

__all__ = [
    "agreement",
    "community_sizes",
    "compare",
    "contain",
    "crossing",
    "explain",
    "explore",
    "load_surrogate",
    "metrics",
    "most_responsible",
    "publish_surrogate",
    "rank_agents",
    "refine",
    "seed_selection",
    "segment",
    "shortest_paths",
    "surrogate",
    "sweep",
]

_MODULES = {
    "agreement": "analytics.communities",
    "community_sizes": "analytics.communities",
    "compare": "analytics.comparison",
    "contain": "analytics.containment",
    "crossing": "analytics.communities",
    "explain": "analytics.explanation",
    "explore": "analytics.surrogates.slider",
    "load_surrogate": "analytics.surrogates.published",
    "metrics": "analytics.structure.network_metrics",
    "most_responsible": "analytics.explanation",
    "publish_surrogate": "analytics.surrogates.published",
    "rank_agents": "analytics.rankings",
    "refine": "analytics.surrogates.fitting",
    "seed_selection": "analytics.influence",
    "segment": "analytics.segments.segmentation",
    "shortest_paths": "analytics.structure.shortest_paths",
    "surrogate": "analytics.surrogates.fitting",
    "sweep": "analytics.sweeps",
}
"""Where each public name is defined; its module is imported when the name is first used."""


def __getattr__(name: str) -> object:
    """Import the public names when they are first used."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'analytics' has no attribute {name!r}")
