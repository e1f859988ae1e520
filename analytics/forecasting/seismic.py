"""SEISMIC: the final size of a cascade from a self-exciting point process with a power-law memory.

Zhao, Erdogdu, He, Rajaraman, Leskovec: SEISMIC: a self-exciting point process model for predicting tweet popularity.
KDD 2015. Each activation of an agent with n followers causes further ones at the rate p n phi(s) after a time s; the
infectiousness p changes slowly, and is estimated from recent activations. `CUTOFF` and `THETA` are the reaction times
of people that the authors measured on Twitter; the paper prints theta as 0.242, the authors' package has the value
below, for which phi integrates to 1.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from data.errors import InvalidInputError

CUTOFF = 300.0
"""Seconds up to which the density of reaction times is constant."""
THETA = 0.2314843
"""Exponent of the power law by which it falls afterwards."""
DENSITY = THETA / (CUTOFF * (1.0 + THETA))
"""Density of reaction times up to `CUTOFF`, per second: phi integrates to 1."""
LONGEST_WINDOW = 7200.0
SHORTEST_WINDOW = 300.0
FEWEST = 5
"""Activations that the window of the infectiousness holds at least, where there are so many."""
SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}
"""Seconds of the units of time for which reaction times are known."""


def seconds_per_unit(time_unit: str) -> float | None:
    """Return the seconds of a unit of time, None if reaction times mean nothing in it, such as in rounds."""
    return SECONDS.get(time_unit.lower().rstrip("s"))


@njit(cache=True, nogil=True)
def _still_to_come(age: float) -> float:
    """Return the share of reactions that take longer than `age`, seconds."""
    if age <= CUTOFF:
        return 1.0 - DENSITY * max(age, 0.0)
    return DENSITY * CUTOFF / THETA * (age / CUTOFF) ** -THETA


@njit(cache=True, nogil=True)
def _weighted_density(age: float, slope: float, window: float) -> float:
    """Return the integral of phi(s) (1 - slope (age - s)) over the reaction times s from age - window to age."""
    low = max(age - window, 0.0)
    total, edge = 0.0, min(age, CUTOFF)
    rise = 1.0 - slope * age
    if low < edge:  # constant density
        total += DENSITY * (rise * (edge - low) + 0.5 * slope * (edge * edge - low * low))
    if age > CUTOFF:  # power law
        begin = max(low, CUTOFF)
        scale = DENSITY * CUTOFF ** (1.0 + THETA)
        total += scale * rise * (begin**-THETA - age**-THETA) / THETA
        total += scale * slope * (age ** (1.0 - THETA) - begin ** (1.0 - THETA)) / (1.0 - THETA)
    return total


@njit(cache=True, nogil=True)
def _estimate(times: npt.NDArray[np.float64], degrees: npt.NDArray[np.float64], now: float) -> tuple[float, float]:
    """Return the infectiousness at a time, and the reactions to what there was that are still to come, times degree."""
    window = min(max(now / 2.0, SHORTEST_WINDOW), LONGEST_WINDOW)
    recent = 0
    for time in times:
        recent += now - window <= time < now
    if recent < FEWEST:
        before = 0
        for time in times:
            before += time < now
        window = now - times[max(before - 1 - FEWEST, 0)] if before else window
    slope = 1.0 / window if window > 0.0 else 0.0
    weighted, expected, coming = 0.0, 0.0, 0.0
    for i in range(len(times)):
        age = now - times[i]
        if i > 0 and age > 0.0 and age <= window:
            weighted += 1.0 - slope * age
        expected += degrees[i] * _weighted_density(age, slope, window)
        coming += degrees[i] * _still_to_come(age)
    return (weighted / expected if weighted > 0.0 and expected > 0.0 else 0.0), coming


def seismic_estimate(times: npt.ArrayLike, followers: npt.ArrayLike, *, at: float) -> tuple[float, float]:
    """Return the infectiousness of a cascade at a time, and the pending reactions, from its activations so far.

    The algorithm is our own, compiled, after the formulae of the paper: the kernel-weighted number of activations,
    without the first, over the number expected per unit of infectiousness, with a triangular kernel over the latter
    half of the time so far, but 5 minutes to 2 hours, and at least 5 activations where there are so many.

    Parameters
    ----------
    times : (n_activations,) float64
        Seconds since the first activation, ascending; later ones than `at` are not used.
    followers : (n_activations,) float64
        Agents who could see each activation.
    at : float
        Seconds since the first activation.

    Returns
    -------
    infectiousness : float
        Probability that a follower passes the message on.
    pending : float
        Followers weighted by the share of their reactions that is still to come.

    Raises
    ------
    InvalidInputError
        If the two arrays have different lengths, or `at` is negative.
    """
    when, degrees = np.asarray(times, np.float64), np.asarray(followers, np.float64)
    if when.shape != degrees.shape or when.ndim != 1:
        raise InvalidInputError(f"times {when.shape} and followers {degrees.shape} must be of one length")
    if at < 0:
        raise InvalidInputError(f"at is {at}; a cascade begins at time 0, so give 0 or more seconds")
    so_far = when <= at
    return _estimate(when[so_far], degrees[so_far], float(at))


def final_size(
    size_so_far: npt.ArrayLike, infectiousness: npt.ArrayLike, pending: npt.ArrayLike, *, mean_followers: float,
    alpha: float = 1.0, gamma: float = 1.0,
) -> npt.NDArray[np.float64]:  # fmt: skip
    """Return final sizes by SEISMIC: the size so far, and all generations of reactions that are still to come.

    Parameters
    ----------
    size_so_far, infectiousness, pending : (n_cascades,)
        Agents activated so far, and what `seismic_estimate` returns.
    mean_followers : float
        Mean followers of those who will pass the message on.
    alpha, gamma : float
        The factors by which the paper corrects the infectiousness for its fall over time; 1 for none.

    Returns
    -------
    ndarray of float64, (n_cascades,)
        Infinite where each activation causes at least another one.
    """
    size, p, coming = (np.asarray(each, np.float64) for each in (size_so_far, infectiousness, pending))
    causes = gamma * p * mean_followers
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(causes < 1.0, size + alpha * p * coming / (1.0 - causes), np.inf)


@njit(cache=True, nogil=True)
def estimates_of(
    starts: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    elapsed: npt.NDArray[np.float64],
    times: npt.NDArray[np.float64],
    degrees: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return infectiousness and pending reactions of the observed part of each cascade, (cascades, 2) float64."""
    found = np.empty((len(starts), 2))
    for i in range(len(starts)):
        low, high = starts[i], starts[i] + counts[i]
        found[i, 0], found[i, 1] = _estimate(times[low:high], degrees[low:high], elapsed[i])
    return found
