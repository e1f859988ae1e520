"""Estimators of the final size and of an outcome: fitted with dask-ml or scikit-learn, kept as plain values.

dask-ml fits scaling, linear, logistic and Poisson regression (solver ``lbfgs``; the result of ``admm`` depends on
blocks), stochastic gradient descent block by block (`Incremental`), and evaluates scikit-learn's boosted trees in
parallel (`ParallelPostFit`); the trees are fitted by scikit-learn in memory. Blocks have a fixed number of rows and
fits one thread, so that values depend neither on partitions nor on the machine's cores.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.forecasting.stored_trees import dump_trees, load_trees

Floats = npt.NDArray[np.float64]

SIZE_ESTIMATORS = ("linear", "poisson", "boosting", "stochastic_gradient")
"""Estimators of the final size: of its logarithm over the size so far, or of the further activations (poisson)."""
OUTCOME_ESTIMATORS = ("logistic", "boosting", "stochastic_gradient")
"""Estimators of the probability of an outcome."""
ROWS_PER_BLOCK = 65_536
"""Rows of a Dask block."""
LBFGS: Mapping[str, Any] = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 500}
"""Solver of dask-ml's regressions; with its default tolerance it stops early where features are correlated."""
EPOCHS = 20
"""Passes of stochastic gradient descent over the blocks."""
TREES = 150
LEAVES = 15
"""Most boosting rounds, and most leaves of each tree."""
FEWEST_PER_LEAF = 20


@dataclass(frozen=True)
class Estimator:
    """A fitted estimator: a linear function of standardised features, or trees.

    Attributes
    ----------
    kind : str
        One of `SIZE_ESTIMATORS` or `OUTCOME_ESTIMATORS`, or ``constant``.
    coefficients : (features,) float64
        Of the features themselves, in their order; empty for trees.
    intercept : float
    scale : float
        What the expected number of further activations is counted in (poisson).
    limit : float
        Largest logarithm of growth among the training cascades; forecasts do not exceed it.
    trees : str or None
        The trees, in the format of skops.
    """

    kind: str
    coefficients: Floats
    intercept: float
    scale: float = 1.0
    limit: float = 0.0
    trees: str | None = None

    def growth(self, features: Floats, size_so_far: Floats) -> Floats:
        """Return the logarithm of the final size over the size so far, within 0 and `limit`."""
        values = self._values(features, "predict")
        if self.kind == "poisson":
            values = np.log1p(self.scale * np.exp(np.minimum(values, 50.0)) / size_so_far)
        return np.clip(values, 0.0, self.limit)

    def probability(self, features: Floats) -> Floats:
        """Return the probability of the outcome."""
        if self.kind == "boosting":
            return self._values(features, "predict_proba")
        return 1.0 / (1.0 + np.exp(-np.clip(self._values(features, "predict"), -500.0, 500.0)))

    def _values(self, features: Floats, method: str) -> Floats:
        if self.trees is None:
            return features @ self.coefficients + self.intercept
        from dask_ml.wrappers import ParallelPostFit

        if not len(features):
            return np.empty(0)
        blocks = _blocks(features)
        values = np.asarray(getattr(ParallelPostFit(load_trees(self.trees)), method)(blocks))
        return values[:, 1] if values.ndim == 2 else values

    def as_json(self) -> dict[str, Any]:
        """Return the values but the trees, as JSON."""
        return {
            "kind": self.kind,
            "coefficients": self.coefficients.tolist(),
            "intercept": self.intercept,
            "scale": self.scale,
            "limit": self.limit,
        }

    @staticmethod
    def of_json(values: Mapping[str, Any], trees: str | None) -> "Estimator":
        """Return the estimator that `as_json` described."""
        given = {**values, "coefficients": np.array(values["coefficients"], np.float64)}
        return Estimator(**given, trees=trees)


def fit_size(kind: str, features: Floats, size_so_far: Floats, size: Floats, random_seed: int = 0) -> Estimator:
    """Fit an estimator of the final size.

    Parameters
    ----------
    kind : str
        One of `SIZE_ESTIMATORS`.
    features : (cascades, features) float64
    size_so_far, size : (n_cascades,) float64
        Agents activated so far, and in the end.
    random_seed : int
        Of boosting and stochastic gradient descent.
    """
    growth = np.log(size / size_so_far)
    limit = float(growth.max())
    if limit == 0.0:  # no training cascade grew any further
        return Estimator("constant", np.zeros(features.shape[1]), 0.0)
    with _one_thread():
        if kind == "boosting":
            from sklearn.ensemble import HistGradientBoostingRegressor

            trees = _boosted(HistGradientBoostingRegressor, features, growth, random_seed, loss="absolute_error")
            return Estimator(kind, np.empty(0), 0.0, limit=limit, trees=trees)
        if kind == "poisson":
            from dask_ml.linear_model import PoissonRegression

            further = size - size_so_far
            scale = float(further.mean())
            weights = _linear(lambda x, y: PoissonRegression(**LBFGS).fit(x, y), features, further / scale)
            return Estimator(kind, *weights, scale=scale, limit=limit)
        if kind == "linear":
            from dask_ml.linear_model import LinearRegression

            weights = _linear(lambda x, y: LinearRegression(**LBFGS).fit(x, y), features, growth)
        else:
            from sklearn.linear_model import SGDRegressor

            weights = _linear(lambda x, y: _descended(SGDRegressor(random_state=random_seed), x, y), features, growth)
    return Estimator(kind, *weights, limit=limit)


def fit_outcome(kind: str, features: Floats, happened: npt.NDArray[np.bool_], random_seed: int = 0) -> Estimator:
    """Fit an estimator of an outcome's probability.

    Parameters
    ----------
    kind : str
        One of `OUTCOME_ESTIMATORS`.
    features : (cascades, features) float64
    happened : (n_cascades,) bool
    random_seed : int
        Of boosting and stochastic gradient descent.
    """
    if happened.all() or not happened.any():
        return Estimator("constant", np.zeros(features.shape[1]), 500.0 if happened.any() else -500.0)
    with _one_thread():
        if kind == "boosting":
            from sklearn.ensemble import HistGradientBoostingClassifier

            trees = _boosted(HistGradientBoostingClassifier, features, happened, random_seed)
            return Estimator(kind, np.empty(0), 0.0, trees=trees)
        if kind == "logistic":
            from dask_ml.linear_model import LogisticRegression

            weights = _linear(lambda x, y: LogisticRegression(**LBFGS).fit(x, y), features, happened)
        else:
            from sklearn.linear_model import SGDClassifier

            model = SGDClassifier(loss="log_loss", random_state=random_seed)
            weights = _linear(lambda x, y: _descended(model, x, y, classes=[False, True]), features, happened)
    return Estimator(kind, *weights)


def _boosted(kind: Callable[..., Any], features: Floats, target: Any, random_seed: int, **options: Any) -> str:
    """Fit trees in memory; return them in the format of skops."""
    trees = kind(
        max_iter=TREES,
        learning_rate=0.05,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=min(FEWEST_PER_LEAF, max(len(features) // 10, 1)),
        early_stopping=False,
        random_state=random_seed,
        **options,
    )
    return dump_trees(trees.fit(features, target))


def _linear(fit: Callable[[Any, Any], Any], features: Floats, target: Any) -> tuple[Floats, float]:
    """Fit a linear estimator to standardised features; return coefficients and intercept for features as they are."""
    from dask_ml.preprocessing import StandardScaler

    x = _blocks(features.copy())  # dask-ml scales NumPy arrays in place
    with warnings.catch_warnings():
        # dask-ml and dask-glm ask scikit-learn and Dask for settings by their former names.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        scaler = StandardScaler().fit(x)
        fitted = fit(_blocks(np.asarray(scaler.transform(x))), _blocks(np.asarray(target)))
    coefficients = np.ravel(fitted.coef_) / np.asarray(scaler.scale_)
    intercept = float(np.ravel(fitted.intercept_)[0])
    return coefficients, intercept - float(coefficients @ np.asarray(scaler.mean_))


def _descended(estimator: Any, x: Any, y: Any, **options: Any) -> Any:
    """Fit by stochastic gradient descent, block by block: no more than a block needs to be in memory."""
    from dask_ml.wrappers import Incremental

    incremental = Incremental(estimator, shuffle_blocks=False)
    for _ in range(EPOCHS):
        incremental.partial_fit(x, y, **options)
    return incremental.estimator_


def _blocks(values: npt.NDArray[Any]) -> Any:
    """Return an array as blocks of rows of a fixed size, whatever the cluster; as it is, if it is one block.

    Every step of an optimiser builds a graph of its blocks, which takes longer than the arithmetic of a single one.
    """
    import dask.array as da

    if len(values) <= ROWS_PER_BLOCK:
        return values
    return da.from_array(values, chunks=(ROWS_PER_BLOCK, *values.shape[1:]))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Fit with one thread of OpenMP and BLAS: several wait for each other on small data, and round differently."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
