"""A Gaussian process through noisy values, with leave-one-out predictions; by scikit-learn."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

SMOOTHNESS = 2.5
"""Of the Matern covariance: twice differentiable."""
LENGTHS, DEVIATIONS = (0.05, 10.0), (0.05, 20.0)
"""Bounds of the length scales, as shares of the ranges, and of the standard deviation of the process."""
LEVEL_VARIANCE = 100.0
"""Prior variance of the unknown level of the process: so wide that it says nothing."""
RESTARTS = 4
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hyperparameters:
    """What is fitted to the values.

    Attributes
    ----------
    deviation : float
        Standard deviation of the process around its level.
    lengths : tuple of float
        Length scale along each axis, as a share of its range.
    """

    deviation: float
    lengths: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Process:
    """A Gaussian process with a Matern covariance of smoothness 5/2 and an unknown level.

    Attributes
    ----------
    units : (points, axes) float64
        In [0, 1].
    values : (points,) float64
    errors : (points,) float64
        Standard errors of the values.
    hyperparameters : Hyperparameters

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, sections 2.2, 4.2 and 5.4.2.
    """

    units: Values
    values: Values
    errors: Values
    hyperparameters: Hyperparameters

    @staticmethod
    def fit(units: Values, values: Values, errors: Values) -> "Process":
        """Return the process whose hyperparameters maximise the likelihood of the values."""
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern

        kernel = ConstantKernel(1.0, (DEVIATIONS[0] ** 2, DEVIATIONS[1] ** 2)) * Matern(
            np.full(units.shape[1], 0.5), LENGTHS, nu=SMOOTHNESS
        )
        fitted = _regressor(kernel + ConstantKernel(LEVEL_VARIANCE, "fixed"), units, values, errors, restarts=RESTARTS)
        found = fitted.kernel_.k1
        lengths = tuple(float(each) for each in np.atleast_1d(found.k2.length_scale))
        return Process(units, values, errors, Hyperparameters(float(found.k1.constant_value**0.5), lengths))

    @cached_property
    def _regressor(self) -> Any:
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern

        chosen = self.hyperparameters
        kernel = ConstantKernel(chosen.deviation**2) * Matern(np.array(chosen.lengths), nu=SMOOTHNESS)
        return _regressor(kernel + ConstantKernel(LEVEL_VARIANCE), self.units, self.values, self.errors, restarts=None)

    def predict(self, units: Values) -> tuple[Values, Values]:
        """Return mean and standard deviation of the process at points (k, axes), each (k,) float64.

        The same as the regressor's, without its checks of every call, which take longer than the prediction.
        """
        from scipy.linalg import solve_triangular

        fitted, variance = self._regressor, self.hyperparameters.deviation**2
        apart = (units[:, None, :] - self.units[None, :, :]) / np.array(self.hyperparameters.lengths)
        scaled = np.sqrt(5.0 * (apart**2).sum(axis=2))
        covariance = variance * (1.0 + scaled + scaled**2 / 3.0) * np.exp(-scaled) + LEVEL_VARIANCE
        explained = solve_triangular(fitted.L_, covariance.T, lower=True, check_finite=False)
        left = variance + LEVEL_VARIANCE - (explained**2).sum(axis=0)
        return covariance @ fitted.alpha_, np.sqrt(np.maximum(left, 0.0))

    def leave_one_out(self) -> tuple[Values, Values]:
        """Return mean and standard deviation of each value, predicted from the others with the same hyperparameters.

        In closed form, from the inverse of the covariance matrix; the noise of the value is part of the deviation.
        """
        from scipy.linalg import cho_solve

        regressor = self._regressor
        inverse = cho_solve((regressor.L_, True), np.eye(len(self.values)))
        variances = 1.0 / np.diag(inverse)
        return self.values - (inverse @ self.values) * variances, np.sqrt(variances)

    def with_points(self, units: Values) -> "Process":
        """Return the process as it will be when further points (k, axes) are known: deviations need no values."""
        mean, _ = self.predict(units)
        noise = np.full(len(units), np.median(self.errors))
        return Process(
            np.concatenate([self.units, units]),
            np.concatenate([self.values, mean]),
            np.concatenate([self.errors, noise]),
            self.hyperparameters,
        )


def _regressor(kernel: Any, units: Values, values: Values, errors: Values, restarts: int | None) -> Any:
    """Return a fitted regressor; without `restarts`, hyperparameters stay as they are."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from threadpoolctl import threadpool_limits

    chosen: dict[str, Any] = {"optimizer": None} if restarts is None else {"n_restarts_optimizer": restarts}
    regressor = GaussianProcessRegressor(kernel, alpha=errors**2, random_state=0, **chosen)
    with threadpool_limits(1), warnings.catch_warnings():  # several threads add up in no fixed order
        warnings.simplefilter("ignore", ConvergenceWarning)  # of length scales at their bounds: a flat axis
        return regressor.fit(units, values)
