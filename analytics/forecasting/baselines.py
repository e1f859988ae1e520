"""What a forecast is compared with: the growth of training cascades as large, their mean size, and SEISMIC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.forecasting.features import Surroundings
from analytics.forecasting.observation import ObservedParts
from analytics.forecasting.seismic import estimates_of, final_size, seconds_per_unit
from data.cascades.observed_cascades import ObservedCascades

Floats = npt.NDArray[np.float64]

MOST_GROUPS = 10
FEWEST_IN_GROUP = 20
"""Training cascades are grouped by their size so far: at most so many groups, of at least so many cascades."""
ALPHAS = np.geomspace(0.05, 5.0, 25)
GAMMAS = np.linspace(0.0, 1.0, 21)
"""Factors of SEISMIC that are tried on the training cascades."""


@dataclass(frozen=True)
class SeismicEstimates:
    """What SEISMIC estimates of the observed part of cascades.

    Attributes
    ----------
    infectiousness, pending : (n_cascades,) float64
        As `seismic_estimate` returns them.
    mean_followers : float
        Mean followers of those who will pass the message on.
    """

    infectiousness: Floats
    pending: Floats
    mean_followers: float


def seismic_estimates(
    cascades: ObservedCascades, parts: ObservedParts, around: Surroundings
) -> SeismicEstimates | None:
    """Return what SEISMIC estimates; None if reaction times mean nothing in the cascades' unit of time.

    Followers are those of the source, else out-degrees in the network, else the same for all agents: then SEISMIC
    estimates how many activations each causes, and needs no numbers of followers.
    """
    seconds = seconds_per_unit(cascades.time_unit)
    if seconds is None:
        return None
    degrees, mean = np.ones(cascades.activations), 1.0
    if around.network is not None:
        out = around.network.out_degree
        degrees, mean = out[cascades.agents].astype(np.float64), around.network.n_edges / around.network.n_agents
    if cascades.followers is not None:
        known = cascades.followers >= 0
        if around.network is None and known.any():  # few have most of the followers, so the mean would mislead
            mean = float(np.median(cascades.followers[known]))
            degrees = np.full(cascades.activations, mean)
        degrees = np.where(known, cascades.followers, degrees)
    starts = cascades.offsets[parts.positions]
    found = estimates_of(starts, parts.counts, parts.elapsed * seconds, cascades.times * seconds, degrees)
    return SeismicEstimates(found[:, 0], found[:, 1], max(mean, 1e-12))


@dataclass(frozen=True)
class Baselines:
    """The simple forecasts, fitted to the training cascades.

    Attributes
    ----------
    edges : tuple of float
        Sizes so far from which a new group of training cascades begins.
    growth, shares : tuple of float
        Of each group: median of the final size over the size so far, and how often the outcome happened.
    mean_size : float
    alpha, gamma : float or None
        Factors of SEISMIC that give the smallest median percentage error; None where it cannot be had.
    """

    edges: tuple[float, ...]
    growth: tuple[float, ...]
    shares: tuple[float, ...]
    mean_size: float
    alpha: float | None
    gamma: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the values as JSON."""
        return vars(self)

    @staticmethod
    def of_json(values: Mapping[str, Any]) -> "Baselines":
        """Return what `as_json` described."""
        lists = {name: tuple(values[name]) for name in ("edges", "growth", "shares")}
        return Baselines(**{**values, **lists})

    def sizes(self, size_so_far: Floats, estimates: SeismicEstimates | None) -> dict[str, Floats]:
        """Return forecasts of the final size by name; infinite or NaN where there is none."""
        group = np.searchsorted(self.edges, size_so_far, side="right")
        unknown = np.full(len(size_so_far), np.nan)
        found = {
            "naive": size_so_far * np.array(self.growth)[group],
            "training_mean": np.maximum(self.mean_size, size_so_far),
            "seismic": unknown,
            "calibrated_seismic": unknown,
        }
        if estimates is not None:
            found["seismic"] = _seismic(size_so_far, estimates, 1.0, 1.0)
            if self.alpha is not None and self.gamma is not None:
                found["calibrated_seismic"] = _seismic(size_so_far, estimates, self.alpha, self.gamma)
        return found

    def probabilities(self, size_so_far: Floats) -> Floats:
        """Return how often the outcome happened among training cascades as large."""
        return np.array(self.shares)[np.searchsorted(self.edges, size_so_far, side="right")]


def fit_baselines(
    size_so_far: Floats, size: Floats, happened: npt.NDArray[np.bool_], estimates: SeismicEstimates | None
) -> Baselines:
    """Fit the simple forecasts to training cascades, all arrays (cascades,)."""
    groups = max(min(MOST_GROUPS, len(size) // FEWEST_IN_GROUP), 1)
    cuts = np.quantile(size_so_far, np.linspace(0, 1, groups + 1)[1:-1], method="higher")
    edges = np.unique(cuts[cuts > size_so_far.min()])
    group = np.searchsorted(edges, size_so_far, side="right")
    numbers = range(len(edges) + 1)
    alpha, gamma = (None, None) if estimates is None else _best_factors(size_so_far, size, estimates)
    return Baselines(
        edges=tuple(edges.tolist()),
        growth=tuple(float(np.median((size / size_so_far)[group == each])) for each in numbers),
        shares=tuple(float(happened[group == each].mean()) for each in numbers),
        mean_size=float(size.mean()),
        alpha=alpha,
        gamma=gamma,
    )


def _seismic(size_so_far: Floats, estimates: SeismicEstimates, alpha: float, gamma: float) -> Floats:
    return final_size(
        size_so_far,
        estimates.infectiousness,
        estimates.pending,
        mean_followers=estimates.mean_followers,
        alpha=alpha,
        gamma=gamma,
    )


def _best_factors(size_so_far: Floats, size: Floats, estimates: SeismicEstimates) -> tuple[float, float]:
    """Return the factors with the smallest median percentage error; the first of equals."""
    errors = [
        (float(np.median(np.abs(_seismic(size_so_far, estimates, alpha, gamma) / size - 1.0))), alpha, gamma)
        for alpha in ALPHAS.tolist()
        for gamma in GAMMAS.tolist()
    ]
    return min(errors)[1:]
