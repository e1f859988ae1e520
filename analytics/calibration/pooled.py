"""One probability for many edges: all of the network, or the in-edges of each agent (its susceptibility)."""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from analytics.calibration.exposures import Exposures

HALVINGS = 60


@dataclass(frozen=True)
class AgentProbabilities:
    """One transmission probability for all in-edges of each agent.

    Attributes
    ----------
    probabilities : (n,) float64
        Estimate by target.
    effective : (n,) float64
        Effective number of exposures of each agent.
    """

    probabilities: npt.NDArray[np.float64]
    effective: npt.NDArray[np.float64]


def pooled_probability(found: Exposures) -> float:
    """Return the one probability of all edges under which the independent cascade fits best.

    An activation that k in-neighbours may have caused has probability 1 - (1 - p)^k.
    """
    causes = found.causes[found.causes > 0]
    numbers, times = np.unique(causes, return_counts=True)
    return float(_root(numbers, times.astype(np.float64), 0.0, float(found.failures.sum())))


def by_target(found: Exposures, mean: float, strength: float) -> AgentProbabilities:
    """Return one probability for the in-edges of each agent, with `strength` further exposures of probability `mean`.

    Agents without exposures have the mean.
    """
    failures = np.bincount(found.targets, found.failures, minlength=len(found.offsets) - 1)
    return AgentProbabilities(*_by_target(found.starts, found.causes, failures, mean, strength))


@numba.njit(nogil=True, cache=True)
def _slope(p, numbers, times, successes, failures):  # type: ignore[no-untyped-def]
    """Return the derivative of the log-likelihood."""
    total = successes / p - failures / (1.0 - p)
    for place in range(len(numbers)):
        missed = (1.0 - p) ** (numbers[place] - 1)
        total += times[place] * numbers[place] * missed / (1.0 - missed * (1.0 - p))
    return total


@numba.njit(nogil=True, cache=True)
def _root(numbers, times, successes, failures):  # type: ignore[no-untyped-def]
    """Return where the log-likelihood is largest: it has one maximum, as it is concave in log(1 - p)."""
    low, high = 1e-12, 1.0 - 1e-12
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _slope(middle, numbers, times, successes, failures) > 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@numba.njit(nogil=True, cache=True)
def _by_target(starts, causes, failures, mean, strength):  # type: ignore[no-untyped-def]
    n = len(starts) - 1
    found, effective = np.full(n, mean), np.full(n, strength)
    for target in range(n):
        own = causes[starts[target] : starts[target + 1]]
        own = own[own > 0]
        if len(own) == 0 and failures[target] == 0.0:
            continue
        times = np.ones(len(own))
        successes, missed = strength * mean, failures[target] + strength * (1.0 - mean)
        p = _root(own, times, successes, missed)
        found[target] = p
        effective[target] = failures[target] + own.sum() + strength
        step = min(1e-4, 0.1 * p, 0.1 * (1.0 - p))
        if step > 1e-11:
            before = _slope(p - step, own, times, successes, missed)
            after = _slope(p + step, own, times, successes, missed)
            effective[target] = min(p * (1.0 - p) * (before - after) / (2.0 * step), effective[target])
    return found, effective
