"""Priors and posteriors of parameters, and what an observed curve cannot tell about them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.calibration.observed_curves import ObservedCurve
from data.errors import InvalidInputError

if TYPE_CHECKING:
    import pandas as pd

LIKE_PRIOR = 0.8
"""Standard deviation of a posterior, relative to its prior's, from which it counts as as wide."""
CORRELATED = 0.9
"""Correlation of two posteriors from which only a combination of the parameters is known."""
AT_BOUND = 0.1
"""Share of a posterior in the last hundredth of its prior from which the prior seems too narrow."""
FEW_ACCEPTED = 30


@dataclass(frozen=True)
class Prior:
    """A prior of a parameter: uniform, or uniform on a logarithmic scale.

    Attributes
    ----------
    low, high : float
        Smallest and largest value.
    log : bool
        Whether the logarithm is uniform, as for values whose order of magnitude is unknown.
    whole : bool
        Whether only whole numbers are drawn, both ends included, as for a number of rounds.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @property
    def _ends(self) -> tuple[float, float]:
        """Ends of the scale: a whole number stands for the values up to half from it."""
        return (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)

    def scaled(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return values on the scale on which the prior is uniform, from 0 to 1."""
        low, high = self._ends
        if self.log:
            return np.log(values / low) / math.log(high / low)
        return (values - low) / (high - low)

    def at(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the places at shares of the scale, the inverse of `scaled`."""
        low, high = self._ends
        return low * np.exp(shares * math.log(high / low)) if self.log else low + shares * (high - low)

    def values(self, shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the values at shares of the scale: the places there, or the whole numbers nearest to them."""
        found = self.at(shares)
        return np.clip(np.round(found), self.low, self.high) if self.whole else found

    def parameter(self, value: float) -> float | int:
        """Return a value as the model takes it: a whole number as an integer."""
        return round(value) if self.whole else float(value)


def priors_of(given: Mapping[str, Any]) -> dict[str, Prior]:
    """Return priors by parameter.

    Raises
    ------
    InvalidInputError
        If there is none, or its ends are not in order.
    """
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"priors {given!r} are not a mapping, such as {{'beta': (0.001, 0.2)}}")
    if not given:
        raise InvalidInputError("no priors; give that of at least one parameter, such as {'beta': (0.001, 0.2)}")
    return {str(name): _prior(str(name), each) for name, each in given.items()}


def _prior(name: str, given: Any) -> Prior:
    if isinstance(given, Prior):
        prior = given
    else:
        parts = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
        if len(parts) not in (2, 3) or (len(parts) == 3 and parts[2] != "log"):
            raise InvalidInputError(f"prior of {name}: {given!r} is not (low, high) or (low, high, 'log')")
        try:
            prior = Prior(float(parts[0]), float(parts[1]), len(parts) == 3)
        except (TypeError, ValueError):
            raise InvalidInputError(f"prior of {name}: {given!r} has ends that are not numbers") from None
    if not (math.isfinite(prior.low) and math.isfinite(prior.high) and prior.low < prior.high):
        raise InvalidInputError(f"prior of {name}: low {prior.low:g} is not less than high {prior.high:g}")
    if prior.log and prior.low <= 0.0:
        raise InvalidInputError(f"prior of {name}: low {prior.low:g} of a logarithmic prior is not positive")
    return prior


def whole_prior(name: str, prior: Prior) -> Prior:
    """Return the prior of a parameter that only takes whole numbers.

    Raises
    ------
    InvalidInputError
        If an end of it is no whole number.
    """
    if prior.low != round(prior.low) or prior.high != round(prior.high):
        raise InvalidInputError(
            f"prior of {name}: {name} is a whole number, and {prior.low:g} to {prior.high:g} are not its ends; give "
            "whole numbers"
        )
    return replace(prior, whole=True)


def relative_width(prior: Prior, values: npt.NDArray[np.float64]) -> float:
    """Return the standard deviation of a posterior relative to that of its prior."""
    return float(prior.scaled(values).std() * math.sqrt(12.0))


def scaled(priors: Mapping[str, Prior], accepted: "pd.DataFrame") -> "pd.DataFrame":
    """Return accepted values on the scales of their priors."""
    import pandas as pd

    return pd.DataFrame({name: prior.scaled(accepted[name].to_numpy()) for name, prior in priors.items()})


def curve_warnings(
    priors: Mapping[str, Prior],
    accepted: "pd.DataFrame",
    observed: ObservedCurve,
    curves: npt.NDArray[np.float64],
) -> list[str]:
    """Return what the observed curve does not determine, in sentences."""
    found = []
    for name, prior in priors.items():
        values = accepted[name].to_numpy()
        if relative_width(prior, values) > LIKE_PRIOR:
            found.append(f"the posterior of {name} is about as wide as its prior: the curve does not determine {name}")
        places = prior.scaled(values)
        for end, share in (("low", (places < 0.01).mean()), ("high", (places > 0.99).mean())):
            if share > AT_BOUND:
                bound = getattr(prior, end)
                found.append(f"{share:.0%} of the posterior of {name} is at the prior's end {bound:g}: widen the prior")
    correlations = scaled(priors, accepted).corr().to_numpy()
    names = list(priors)
    for i, first in enumerate(names):
        for j in range(i + 1, len(names)):
            if abs(correlations[i, j]) > CORRELATED:
                what = "ratio" if correlations[i, j] > 0 else "product"
                found.append(
                    f"{first} and {names[j]} have a correlation of {correlations[i, j]:.2f} in the posterior: the "
                    f"curve determines little more than their {what}"
                )
    low, high = np.quantile(curves, [0.025, 0.975], axis=0)
    outside = int(((observed.values < low) | (observed.values > high)).sum())
    if outside > 0.2 * len(observed.values):
        found.append(
            f"the observed curve leaves the 95 % band of the accepted candidates in {outside} of "
            f"{len(observed.values)} rounds: the model does not produce such a curve, or more candidates are needed"
        )
    if len(accepted) < FEW_ACCEPTED:
        found.append(f"only {len(accepted)} candidates are accepted: intervals are rough; simulate more candidates")
    return found
