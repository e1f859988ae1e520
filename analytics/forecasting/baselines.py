"""What a forecast is compared with: the growth of training cascades as large, their mean size, and SEISMIC."""

from collections.abc import Mapping, Sequence
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
class Reactions:
    """The observed activations of cascades, from which SEISMIC forecasts; it sees nothing else of them.

    Attributes
    ----------
    offsets : (n_cascades + 1,) int64
        Cascade ``i`` has the activations ``offsets[i]`` to ``offsets[i + 1] - 1``.
    times : (activations,) float64
        Seconds since the first activation of the cascade.
    followers : (activations,) float64
        Agents who could see the activation; NaN where that is unknown.
    elapsed : (n_cascades,) float64
        Seconds for which each cascade was observed.
    mean_degree : float or None
        Mean out-degree of the cascades' network; None without one.
    """

    offsets: npt.NDArray[np.int64]
    times: Floats
    followers: Floats
    elapsed: Floats
    mean_degree: float | None

    def select(self, positions: npt.NDArray[np.int64]) -> "Reactions":
        """Return those of the cascades at these positions."""
        rows, offsets = _rows_of(self.offsets[:-1][positions], np.diff(self.offsets)[positions])
        return Reactions(offsets, self.times[rows], self.followers[rows], self.elapsed[positions], self.mean_degree)

    @staticmethod
    def joined(parts: Sequence["Reactions"]) -> "Reactions":
        """Return those of several sets of cascades, one after the other."""
        counts = np.concatenate([np.diff(each.offsets) for each in parts])
        times, followers, elapsed = (
            np.concatenate([getattr(each, name) for each in parts]) for name in ("times", "followers", "elapsed")
        )
        return Reactions(_offsets(counts), times, followers, elapsed, parts[0].mean_degree)

    def typical_followers(self) -> float:
        """Return how many followers those have who will pass the message on: n* of the paper.

        The network's mean out-degree; without a network the median of the numbers that are known, because few agents
        have most of the followers; 1 if none is known.
        """
        if self.mean_degree is not None:
            return max(self.mean_degree, 1e-12)
        known = self.followers[~np.isnan(self.followers)]
        return max(float(np.median(known)), 1e-12) if len(known) else 1.0

    def estimates(self, typical_followers: float) -> tuple[Floats, Floats]:
        """Return infectiousness and pending reactions of each cascade, where `typical_followers` stand for unknown."""
        degrees = np.where(np.isnan(self.followers), typical_followers, self.followers)
        found = estimates_of(self.offsets[:-1], np.diff(self.offsets), self.elapsed, self.times, degrees)
        return found[:, 0], found[:, 1]


def observed_reactions(cascades: ObservedCascades, parts: ObservedParts, around: Surroundings) -> Reactions | None:
    """Return what SEISMIC sees of cascades; None if reaction times mean nothing in their unit of time.

    Followers are those of the source, else out-degrees in the network, else unknown.
    """
    seconds = seconds_per_unit(cascades.time_unit)
    if seconds is None:
        return None
    rows, offsets = _rows_of(cascades.offsets[parts.positions], parts.counts)
    followers, mean = np.full(len(rows), np.nan), None
    if around.network is not None:
        followers = around.network.out_degree[cascades.agents[rows]].astype(np.float64)
        mean = around.network.n_edges / around.network.n_agents
    if cascades.followers is not None:
        given = cascades.followers[rows]
        followers = np.where(given >= 0, given, followers)
    return Reactions(offsets, cascades.times[rows] * seconds, followers, parts.elapsed * seconds, mean)


def _offsets(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _rows_of(
    starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the rows of runs of activations, one after the other, and the offsets of the runs among them."""
    offsets = _offsets(counts)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts), offsets


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
    followers : float or None
        What SEISMIC takes for the followers of those who will pass a message on; None where it cannot be had.
    alpha, gamma : float or None
        Factors of SEISMIC that give the smallest median percentage error; None where it cannot be had.
    """

    edges: tuple[float, ...]
    growth: tuple[float, ...]
    shares: tuple[float, ...]
    mean_size: float
    followers: float | None
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

    def sizes(self, size_so_far: Floats, reactions: Reactions | None) -> dict[str, Floats]:
        """Return forecasts of the final size by name; infinite or NaN where there is none."""
        group = np.searchsorted(self.edges, size_so_far, side="right")
        unknown = np.full(len(size_so_far), np.nan)
        found = {
            "naive": size_so_far * np.array(self.growth)[group],
            "training_mean": np.maximum(self.mean_size, size_so_far),
            "seismic": unknown,
            "calibrated_seismic": unknown,
        }
        if reactions is not None and self.followers is not None:
            seismic = _Seismic(size_so_far, *reactions.estimates(self.followers), self.followers)
            found["seismic"] = seismic.sizes(1.0, 1.0)
            if self.alpha is not None and self.gamma is not None:
                found["calibrated_seismic"] = seismic.sizes(self.alpha, self.gamma)
        return found

    def probabilities(self, size_so_far: Floats) -> Floats:
        """Return how often the outcome happened among training cascades as large."""
        return np.array(self.shares)[np.searchsorted(self.edges, size_so_far, side="right")]


def fit_baselines(
    size_so_far: Floats, size: Floats, happened: npt.NDArray[np.bool_], reactions: Reactions | None
) -> Baselines:
    """Fit the simple forecasts to training cascades and their observed activations, all arrays (cascades,)."""
    groups = max(min(MOST_GROUPS, len(size) // FEWEST_IN_GROUP), 1)
    cuts = np.quantile(size_so_far, np.linspace(0, 1, groups + 1)[1:-1], method="higher")
    edges = np.unique(cuts[cuts > size_so_far.min()])
    group = np.searchsorted(edges, size_so_far, side="right")
    numbers = range(len(edges) + 1)
    followers = alpha = gamma = None
    if reactions is not None:
        followers = reactions.typical_followers()
        alpha, gamma = _Seismic(size_so_far, *reactions.estimates(followers), followers).best_factors(size)
    return Baselines(
        edges=tuple(edges.tolist()),
        growth=tuple(float(np.median((size / size_so_far)[group == each])) for each in numbers),
        shares=tuple(float(happened[group == each].mean()) for each in numbers),
        mean_size=float(size.mean()),
        followers=followers,
        alpha=alpha,
        gamma=gamma,
    )


@dataclass(frozen=True)
class _Seismic:
    """Cascades with what SEISMIC estimates of them; see `final_size`."""

    size_so_far: Floats
    infectiousness: Floats
    pending: Floats
    followers: float

    def sizes(self, alpha: float, gamma: float) -> Floats:
        """Return the final sizes with these factors."""
        return final_size(
            self.size_so_far,
            self.infectiousness,
            self.pending,
            mean_followers=self.followers,
            alpha=alpha,
            gamma=gamma,
        )

    def best_factors(self, size: Floats) -> tuple[float, float]:
        """Return the factors with the smallest median percentage error; the first of equals."""
        errors = [
            (float(np.median(np.abs(self.sizes(alpha, gamma) / size - 1.0))), alpha, gamma)
            for alpha in ALPHAS.tolist()
            for gamma in GAMMAS.tolist()
        ]
        return min(errors)[1:]
