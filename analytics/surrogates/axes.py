"""Ranges of the parameters of a surrogate, and the scales on which distances along them are measured."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data.errors import InvalidInputError
from data.validation import suggestion

WIDE = 10.0
"""Ratio of the ends of a range from which a parameter without values of 0 is seen on a logarithmic scale."""
NORMAL = 1.959963984540054
"""Half the width of a 95 % interval, in standard deviations of a normal distribution."""
ROUNDING = 1e-9
"""Distance from a range, as a share of it, that is due to rounding."""


@dataclass(frozen=True)
class Axis:
    """The range of one parameter.

    Attributes
    ----------
    name : str
    low, high : float
        Smallest and largest simulated value.
    scale : str
        ``linear`` or ``log``.
    whole : bool
        Whether only whole numbers are values, as of a budget.
    """

    name: str
    low: float
    high: float
    scale: str
    whole: bool

    @staticmethod
    def of_values(name: str, values: Sequence[Any], *, whole: bool) -> "Axis":
        """Return the axis of the simulated values of a parameter, which may have whole numbers only.

        Raises
        ------
        InvalidInputError
            If a value is no number, or all are equal.
        """
        if bad := [each for each in values if isinstance(each, bool) or not isinstance(each, int | float)]:
            raise InvalidInputError(f"{name} has the value {bad[0]!r}; a surrogate is fitted to numbers only")
        low, high = float(min(values)), float(max(values))
        if low == high:
            raise InvalidInputError(
                f"{name} is {low:g} at all points; vary it, or leave it out of the parameters that are varied"
            )
        scale = "log" if low > 0 and high / low >= WIDE else "linear"
        return Axis(name, low, high, scale, whole)

    def units(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return values as shares of the range on the axis' scale, float64: 0 at `low`, 1 at `high`."""
        given = np.asarray(values, np.float64)
        if self.scale == "log":
            return np.log(given / self.low) / np.log(self.high / self.low)
        return (given - self.low) / (self.high - self.low)

    def values(self, units: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the values at shares of the range, float64; whole numbers if the parameter has only those."""
        shares = np.asarray(units, np.float64)
        ratio = self.high / self.low if self.scale == "log" else 1.0
        found = self.low * ratio**shares if self.scale == "log" else self.low + shares * (self.high - self.low)
        found = np.clip(found, self.low, self.high)
        return np.round(found) if self.whole else found

    def plain(self, value: float) -> int | float:
        """Return a value as a model takes it: a whole number, or one with six digits."""
        return round(value) if self.whole else min(max(float(f"{value:.6g}"), self.low), self.high)


def checked_point(axes: Sequence[Axis], point: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Return a point as shares of the ranges, (axes,) float64.

    Raises
    ------
    InvalidInputError
        If a parameter is missing, unknown, no number, not whole where only whole numbers are, or outside its range: a
        surrogate does not extrapolate.
    """
    check_names(axes, point)
    units = np.empty(len(axes))
    for number, axis in enumerate(axes):
        value = point[axis.name]
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise InvalidInputError(f"{axis.name} {value!r} is not a number")
        if axis.whole and float(value) != round(float(value)):
            raise InvalidInputError(f"{axis.name} {value:g} is not a whole number")
        slack = ROUNDING * (axis.high - axis.low)
        if not axis.low - slack <= value <= axis.high + slack:
            raise InvalidInputError(
                f"{axis.name} {value:g} is outside the simulated range from {axis.low:g} to {axis.high:g}; simulate "
                "points there first, because a surrogate does not extrapolate"
            )
        units[number] = axis.units(value)
    return units


def check_names(axes: Sequence[Axis], given: Collection[str]) -> None:
    """Raise an error unless the given parameters are those of the axes.

    Raises
    ------
    InvalidInputError
        If one is missing or unknown.
    """
    names = [axis.name for axis in axes]
    for name in given:
        if name not in names:
            raise InvalidInputError(
                f"no parameter {name!r}{suggestion(name, names)}; the surrogate has {', '.join(names)}"
            )
    for axis in axes:
        if axis.name not in given:
            raise InvalidInputError(f"{axis.name} is missing; give a value from {axis.low:g} to {axis.high:g}")
