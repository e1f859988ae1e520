"""Analytics: the structure of networks, decisions, and comparing results in numbers, figures, SQL and HTML reports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.calibration.parameters import calibrate_parameters
    from analytics.calibration.published import calibrate_edges, score_calibration
    from analytics.calibration.scores import choose_prior_strength
    from analytics.communities import agreement, community_sizes, crossing
    from analytics.comparison import compare
    from analytics.containment import contain
    from analytics.explanation import explain
    from analytics.forecasting.features import cascade_features
    from analytics.forecasting.models import forecast_model
    from analytics.forecasting.new_models import fit_forecast
    from analytics.forecasting.predictions import forecast, score_forecast
    from analytics.forecasting.seismic import seismic_estimate
    from analytics.forecasting.simulated import session_cascades
    from analytics.influence import seed_selection
    from analytics.observations.pictures import activation_curves, shape_distributions
    from analytics.observations.shapes import cascade_shapes
    from analytics.rankings import rank_agents
    from analytics.responsibility import most_responsible
    from analytics.segments.segmentation import segment
    from analytics.structure.network_metrics import metrics
    from analytics.structure.shortest_paths import shortest_paths
    from analytics.surrogates.fitting import refine, surrogate
    from analytics.surrogates.published import load_surrogate, publish_surrogate
    from analytics.surrogates.slider import explore
    from analytics.sweeps import sweep

__all__ = [
    "activation_curves",
    "agreement",
    "calibrate_edges",
    "calibrate_parameters",
    "cascade_features",
    "cascade_shapes",
    "choose_prior_strength",
    "community_sizes",
    "compare",
    "contain",
    "crossing",
    "explain",
    "explore",
    "fit_forecast",
    "forecast",
    "forecast_model",
    "load_surrogate",
    "metrics",
    "most_responsible",
    "publish_surrogate",
    "rank_agents",
    "refine",
    "score_calibration",
    "score_forecast",
    "seed_selection",
    "segment",
    "seismic_estimate",
    "session_cascades",
    "shape_distributions",
    "shortest_paths",
    "surrogate",
    "sweep",
]

_MODULES = {
    "activation_curves": "analytics.observations.pictures",
    "agreement": "analytics.communities",
    "calibrate_edges": "analytics.calibration.published",
    "calibrate_parameters": "analytics.calibration.parameters",
    "cascade_features": "analytics.forecasting.features",
    "cascade_shapes": "analytics.observations.shapes",
    "choose_prior_strength": "analytics.calibration.scores",
    "community_sizes": "analytics.communities",
    "compare": "analytics.comparison",
    "contain": "analytics.containment",
    "crossing": "analytics.communities",
    "explain": "analytics.explanation",
    "explore": "analytics.surrogates.slider",
    "fit_forecast": "analytics.forecasting.new_models",
    "forecast": "analytics.forecasting.predictions",
    "forecast_model": "analytics.forecasting.models",
    "load_surrogate": "analytics.surrogates.published",
    "metrics": "analytics.structure.network_metrics",
    "most_responsible": "analytics.responsibility",
    "publish_surrogate": "analytics.surrogates.published",
    "rank_agents": "analytics.rankings",
    "refine": "analytics.surrogates.fitting",
    "score_calibration": "analytics.calibration.published",
    "score_forecast": "analytics.forecasting.predictions",
    "seed_selection": "analytics.influence",
    "segment": "analytics.segments.segmentation",
    "seismic_estimate": "analytics.forecasting.seismic",
    "session_cascades": "analytics.forecasting.simulated",
    "shape_distributions": "analytics.observations.pictures",
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
