"""Intervals: the 95 % intervals of means and shares over replicates, as numbers and as text.

Wherever ± is printed, what follows is half of the 95 % interval.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from propagation.result import Reach

INTERVAL_NOTE = "± is half of the 95 % interval"
"""What is said once wherever means with their intervals are shown."""


def half_width(reach: "Reach") -> float | None:
    """Return half the width of the 95 % interval of a mean over replicates (Student's t); None for one replicate.

    Examples
    --------
    >>> from propagation.result import Reach
    >>> round(half_width(Reach(mean=10.0, standard_error=1.0, replicates=1000)), 3)
    1.962
    """
    from scipy.special import stdtrit

    if reach.standard_error is None:
        return None
    return float(stdtrit(reach.replicates - 1, 0.975)) * reach.standard_error


def with_interval(reach: "Reach") -> str:
    """Return a mean over replicates and half of its 95 % interval as text, rounded to two digits of the latter.

    Examples
    --------
    >>> from propagation.result import Reach
    >>> with_interval(Reach(18_548.9, 24.9, 1000)), with_interval(Reach(15.04, 0.28, 1000))
    ('18,549 ± 49', '15.04 ± 0.55')
    """
    half = half_width(reach)
    return f"{reach.mean:,.10g}" if half is None else number_with_interval(reach.mean, half)


def number_with_interval(number: float, half: float) -> str:
    """Return a number and half of its 95 % interval as text, rounded to two digits of the latter."""
    decimals = 0 if half == 0 else max(0, int(1 - np.floor(np.log10(half))))
    return f"{number:,.{decimals}f} ± {half:,.{decimals}f}"


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


def standard_errors(counts: "npt.NDArray[np.integer[Any]]") -> "pa.Array":
    """Return the standard error of each row's mean, sd(ddof=1) / sqrt(n), from exact integer sums.

    Examples
    --------
    >>> standard_errors(np.array([[1, 3]])).to_pylist(), standard_errors(np.array([[1]])).to_pylist()
    ([1.0], [None])
    """
    import pyarrow as pa

    size = counts.shape[1]
    if size < 2 or not counts.size:
        return pa.nulls(len(counts), pa.float64())
    # Ten million agents, squared, over a hundred thousand replicates are more than 64 bits hold.
    wide = counts.astype(object if size * int(counts.max()) ** 2 >= 2**63 else np.int64)
    sums, squares = wide.sum(axis=1).tolist(), (wide * wide).sum(axis=1).tolist()
    variances = [
        (size * square - total * total) / (size * (size - 1)) for total, square in zip(sums, squares, strict=True)
    ]
    return pa.array(np.sqrt(np.array(variances) / size))
