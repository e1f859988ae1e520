"""Intervals: how certain the mean over a session's replicates is, and the difference between two sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from propagation.campaign_results import are_paired, difference
from propagation.result import Reach, Result

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_FOR_ALL_PAIRS = 5
"""Up to this many sessions, all pairs are compared; of more, each with the best one."""


@dataclass(frozen=True)
class Comparison:
    """Two sessions, and how many more agents the first one reaches.

    Attributes
    ----------
    first, second : str
        Names of the sessions; the first one reaches more on average, or as many.
    lead : Reach
        Mean difference in agents, with its standard error.
    paired : bool
        Whether they were compared replicate by replicate.
    """

    first: str
    second: str
    lead: Reach
    paired: bool

    @property
    def is_beyond_chance(self) -> bool | None:
        """Whether 0 is outside the 95 % interval of the difference; None if there is no interval."""
        half = half_width(self.lead)
        return None if half is None else abs(self.lead.mean) > half


def half_width(reach: Reach) -> float | None:
    """Return half the width of the 95 % interval of a mean over replicates (Student's t); None for one replicate.

    Examples
    --------
    >>> round(half_width(Reach(mean=10.0, standard_error=1.0, replicates=1000)), 3)
    1.962
    """
    from scipy.special import stdtrit

    if reach.standard_error is None:
        return None
    return float(stdtrit(reach.replicates - 1, 0.975)) * reach.standard_error


def with_interval(reach: Reach) -> str:
    """Return a mean over replicates and half of its 95 % interval as text, rounded to two digits of the latter.

    Examples
    --------
    >>> with_interval(Reach(18_548.9, 24.9, 1000)), with_interval(Reach(15.04, 0.28, 1000))
    ('18,549 ± 49', '15.04 ± 0.55')
    """
    half = half_width(reach)
    if half is None:
        return f"{reach.mean:,.10g}"
    decimals = 0 if half == 0 else max(0, int(1 - np.floor(np.log10(half))))
    return f"{reach.mean:,.{decimals}f} ± {half:,.{decimals}f}"


def share_interval(times: "npt.ArrayLike", replicates: int) -> tuple[Any, Any]:
    """Return the 95 % interval of probabilities, given how many of the replicates had each: two numbers or arrays.

    Wilson: Probable inference, the law of succession, and statistical inference. Journal of the American Statistical
    Association 22, 1927. Unlike the usual interval of a mean, it stays within [0, 1] and is of use for rare events.

    Parameters
    ----------
    times : int, or (k,) int
    replicates : int

    Examples
    --------
    >>> low, high = share_interval(0, 100)
    >>> float(low), round(float(high), 3)
    (0.0, 0.037)
    """
    from scipy.special import ndtri

    square, share = float(ndtri(0.975)) ** 2 / replicates, np.asarray(times, np.float64) / replicates
    centre = share + square / 2.0
    half = np.sqrt(square * (share * (1.0 - share) + square / 4.0))
    return np.maximum(centre - half, 0.0) / (1.0 + square), np.minimum((centre + half) / (1.0 + square), 1.0)


def mean_intervals(
    means: "npt.NDArray[np.float64]", standard_errors: "npt.NDArray[np.float64]", replicates: int
) -> "tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]":
    """Return the ends of the 95 % intervals of means over replicates (Student's t), (k,) each; NaN for one replicate.

    Examples
    --------
    >>> low, high = mean_intervals(np.array([10.0]), np.array([1.0]), 1000)
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([8.04], [11.96])
    """
    from scipy.special import stdtrit

    halves = standard_errors * (float(stdtrit(replicates - 1, 0.975)) if replicates > 1 else np.nan)
    return means - halves, means + halves


def ranked(results: Mapping[str, Result]) -> dict[str, Result]:
    """Return the results by session name, the largest mean reach first."""
    return dict(sorted(results.items(), key=lambda item: -item[1].reach.mean))


def comparisons(results: Mapping[str, Result]) -> list[Comparison]:
    """Return all pairs of at most `MOST_FOR_ALL_PAIRS` sessions; of more, the best one with each of the others.

    Parameters
    ----------
    results : mapping from str to Result

    Returns
    -------
    list of Comparison
        In the order of the sessions' reach, the largest first.
    """
    in_order = list(ranked(results))
    firsts = in_order if len(in_order) <= MOST_FOR_ALL_PAIRS else in_order[:1]
    return [
        Comparison(
            first, second, difference(results[first], results[second]), are_paired(results[first], results[second])
        )
        for position, first in enumerate(firsts)
        for second in in_order[position + 1 :]
    ]
