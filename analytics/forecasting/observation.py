"""Which part of a cascade a forecast sees: a window of time, or the first activations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.validation import checked_number


@dataclass(frozen=True)
class Observation:
    """The part of a cascade that a forecast sees; give either a window or a number of activations.

    Attributes
    ----------
    window : float or None
        Time from the first activation that is observed, in the cascades' time_unit, above 0.
    first : int or None
        Number of activations that are observed, at least 1; smaller cascades are not forecast.
    at_least : int
        Cascades with fewer activations within the window are not forecast.

    Raises
    ------
    InvalidInputError
        If both or none is given, a value breaks its rule, or `at_least` is given with a number of activations.
    """

    window: float | None = None
    first: int | None = None
    at_least: int = 1

    def __post_init__(self) -> None:
        if (self.window is None) == (self.first is None):
            given = "neither was" if self.window is None else "both were"
            raise InvalidInputError(
                f"give either a window of time or the number of first activations to observe; {given} given"
            )
        for name, whole in (("window", False), ("first", True), ("at_least", True)):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, checked_number(name, value, whole=whole))
        if self.window is not None and not 0 < self.window < float("inf"):
            raise InvalidInputError(f"window is {self.window}; give a time above 0, in the cascades' unit of time")
        if self.first is not None and self.first < 1:
            raise InvalidInputError(f"first is {self.first}; give a number of activations, at least 1")
        if self.at_least < 1:
            raise InvalidInputError(f"at_least is {self.at_least}; give a number of activations, at least 1")
        if self.first is not None and self.at_least > 1:
            raise InvalidInputError(
                f"at_least is {self.at_least}, but it is about cascades in a window of time; smaller cascades than the "
                f"first {self.first} activations are left out anyway"
            )

    def text(self, time_unit: str) -> str:
        """Return what is observed, such as ``3600 seconds`` or ``first 50 activations``."""
        if self.first is not None:
            return f"first {self.first} activations"
        least = f", at least {self.at_least} activations" if self.at_least > 1 else ""
        return f"{self.window:g} {time_unit}{least}"

    def of(self, cascades: ObservedCascades) -> "ObservedParts":
        """Return which cascades can be forecast, and how much of each is observed."""
        if self.first is not None:
            positions = np.flatnonzero(cascades.sizes >= self.first)
            counts = np.full(len(positions), self.first, np.int64)
            return ObservedParts(positions, counts, cascades.times[cascades.offsets[positions] + self.first - 1])
        window = float(self.window or 0.0)
        within = np.concatenate([[0], np.cumsum(cascades.times <= window)])
        all_counts = np.diff(within[cascades.offsets])
        positions = np.flatnonzero(all_counts >= self.at_least)
        return ObservedParts(positions, all_counts[positions], np.full(len(positions), window))


@dataclass(frozen=True)
class ObservedParts:
    """How much of each cascade is observed.

    Attributes
    ----------
    positions : ndarray of int64, (observed,)
        Positions of the cascades that can be forecast.
    counts : ndarray of int64, (observed,)
        Activations observed of each.
    elapsed : ndarray of float64, (observed,)
        Time for which each was observed.
    """

    positions: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    elapsed: npt.NDArray[np.float64]
