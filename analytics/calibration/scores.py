"""Scores of a calibration on cascades that it was not fitted to, beside simpler values of the same edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.calibration.edges import LEAST_PROBABILITY, EdgeCalibration, estimate_edges, log_likelihood
from analytics.calibration.exposures import Partitions, agents_in, check_cascades, exposures
from analytics.calibration.held_out import check_apart
from analytics.calibration.options import options_of
from analytics.calibration.predicted_sizes import FAR_APART, PredictedSizes, predicted_sizes
from analytics.calibration.ranking_kernels import FIRST, rank_next
from analytics.structure.agent_ranges import for_each, ranges
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.quantities import counted
from propagation.models import IndependentCascade, LinearThreshold
from propagation.models.model import Model

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client
    from matplotlib.axes import Axes

SCORES_VERSION = 2
"""Incremented when the same calibration and cascades give other scores. 2: agents of the first time are not ranked."""
STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Strengths of the prior that are tried by default."""


@dataclass(frozen=True)
class CalibrationScores:
    """How well edge values predict cascades.

    Attributes
    ----------
    calibration : EdgeCalibration
    test : ObservedCascades
        The cascades that are predicted.
    table : DataFrame
        One row per predictor (``calibrated``, ``uniform``, ``weighted_cascade``): ``predictor``, ``log_likelihood``,
        ``log_likelihood_per_outcome``, ``mrr``, ``hits_at_10``, ``precision_at_10``, ``outcomes``, ``steps``,
        ``observed_mean_size``, ``simulated_mean_size``, ``size_distance`` (NaN where nothing can be simulated),
        ``unexplained``.
    was_published : bool
        Whether the warehouse had the scores before.
    """

    calibration: EdgeCalibration
    test: ObservedCascades
    table: "pd.DataFrame"
    was_published: bool = False

    @property
    def sentence(self) -> str:
        """The main result in one sentence."""
        rows = self.table.set_index("predictor")
        own, best = rows.loc["calibrated"], rows.drop(index="calibrated")["mrr"].max()
        verdict = "better than" if own["mrr"] > best else "not better than"
        return (
            f"on {counted(len(self.test), 'cascade')} of {self.test.name}: the next adopter has a mean reciprocal rank "
            f"of {own['mrr']:.4f}, {verdict} the best simple predictor ({best:.4f}); {own['precision_at_10']:.1%} of "
            f"the first ten agents adopt later{self._size_clause}"
        )

    @property
    def _sizes(self) -> tuple[float, float]:
        """Mean size of the observed cascades, and of those that the calibrated network simulates; NaN without it."""
        own = self.table[self.table["predictor"] == "calibrated"].to_dict("records")[0]
        return float(own["observed_mean_size"]), float(own["simulated_mean_size"])

    @property
    def _size_clause(self) -> str:
        observed, found = self._sizes
        if np.isnan(found):
            return ""
        return f"; from the same first agents {found:.1f} agents are reached on average, {observed:.1f} were"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the calibrated network does not predict, in sentences."""
        observed, found = self._sizes
        if np.isnan(found) or 1.0 / FAR_APART < found / observed < FAR_APART:
            return ()
        sentence = (
            f"the calibrated network reaches {found:.3g} agents on average from the first agents of the cascades of "
            f"{self.test.name!r}, which had {observed:.3g}: it does not produce cascades of such sizes, so do not plan "
            "by those that it predicts"
        )
        return (sentence,)

    @property
    def sizes(self) -> PredictedSizes:
        """Sizes of the cascades, and of those that the calibrated network simulates from the same first agents.

        Raises
        ------
        InvalidInputError
            If the calibration is not published.
        """
        calibrated = self.calibration.calibrated
        if calibrated is None:
            raise InvalidInputError(
                "the calibration is not published, so there is no calibrated network to simulate on"
            )
        return predicted_sizes(calibrated, self.calibration.model, self.test)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the distribution of `sizes`: the share of cascades that have at least each size."""
        return self.sizes.plot(ax)


def scores_of(
    network: Network, model: str, window: float | None, values: npt.NDArray[np.float64], test: ObservedCascades
) -> dict[str, float]:
    """Return the scores of edge values, given in the order of the network's sparse rows."""
    found = exposures(network, test, window)
    likelihood = log_likelihood(found, model, found.in_edge_order(values))
    outcomes = int(found.failures.sum()) + found.explained
    ranks, precisions = _ranks(network, model, found.window, values, test)
    steps = max(len(ranks), 1)
    return {
        "log_likelihood": likelihood,
        "log_likelihood_per_outcome": likelihood / max(outcomes, 1),
        "mrr": float((1.0 / ranks).sum()) / steps,
        "hits_at_10": float((ranks <= FIRST).sum()) / steps,
        "precision_at_10": float(precisions.sum()) / steps,
        "outcomes": outcomes,
        "steps": len(ranks),
        "unexplained": found.unexplained,
    }


def _ranks(
    network: Network, model: str, window: float, values: npt.NDArray[np.float64], test: ObservedCascades
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the rank of each adopter after the first time of its cascade, and the precision of the first ten."""
    rows = network.sparse_rows
    if model == "independent_cascade":  # the chance of at least one success grows with the sum of these
        values = -np.log1p(-np.clip(values, 0.0, 1.0 - LEAST_PROBABILITY))
    edges = (np.asarray(rows.offsets), np.asarray(rows.targets), np.ascontiguousarray(values))
    given = (*edges, test.offsets, agents_in(network, test), test.times, network.n_agents, window)
    parts = for_each(rank_next, [(*given, low, high) for low, high in ranges(test.offsets)])
    ranks, precisions = zip(*parts, strict=True)
    return np.concatenate(ranks), np.concatenate(precisions)


def score_edges(
    calibration: EdgeCalibration,
    test: ObservedCascades,
    client: "Client | None" = None,
    progress: Progress = ignore_progress,
) -> CalibrationScores:
    """Return the scores of a calibration without publishing them; see `analytics.score_calibration`."""
    import pandas as pd

    if not (test.times > 0.0).any():
        raise InvalidInputError(
            f"no agent of cascades {test.name!r} is activated after the first time: there is nothing to predict"
        )
    network, options = calibration.network, calibration.options
    simulations = _simulations(calibration)
    rows = []
    for name, values in predictors(calibration).items():
        scores = scores_of(network, options.model, options.window, values, test)
        sizes = None
        if name in simulations:
            sizes = predicted_sizes(*simulations[name], test, client=client)
        row: dict[str, Any] = {"predictor": name, **scores, "observed_mean_size": float(test.sizes.mean())}
        row["simulated_mean_size"] = np.nan if sizes is None else float(sizes.simulated.mean())
        row["size_distance"] = np.nan if sizes is None else sizes.distance
        row["unexplained"] = row.pop("unexplained")
        rows.append(row)
        progress("predictors", len(rows), len(_PREDICTORS))
    return CalibrationScores(calibration, test, pd.DataFrame(rows))


_PREDICTORS = ("calibrated", "uniform", "weighted_cascade")


def predictors(calibration: EdgeCalibration) -> dict[str, npt.NDArray[np.float64]]:
    """Return edge values by name: the calibrated ones, one for all edges, and 1 / in-degree of the target."""
    network = calibration.network
    by_degree = 1.0 / network.in_degree[np.asarray(network.sparse_rows.targets)]
    is_weight = calibration.options.model == "linear_threshold"
    uniform = calibration.uniform * by_degree if is_weight else np.full(network.n_edges, calibration.uniform)
    return dict(zip(_PREDICTORS, (calibration.values, uniform, by_degree), strict=True))


def _simulations(calibration: EdgeCalibration) -> dict[str, tuple[Network, Model]]:
    """Return the network and model that have each predictor's values, where a network or a scheme has them."""
    network, found = calibration.network, {}
    if calibration.calibrated is not None:
        found["calibrated"] = (calibration.calibrated, calibration.model)
    if calibration.options.model == "linear_threshold":
        return {**found, "weighted_cascade": (network, LinearThreshold())}
    return {
        **found,
        "uniform": (network, IndependentCascade(probability=calibration.uniform)),
        "weighted_cascade": (network, IndependentCascade(probability="weighted_cascade")),
    }


def choose_prior_strength(
    network: Network,
    train: ObservedCascades,
    validation: ObservedCascades,
    *,
    strengths: Sequence[float] = STRENGTHS,
    partitions: Partitions | None = None,
    progress: Progress = ignore_progress,
    **given: Any,
) -> "tuple[float, pd.DataFrame]":
    """Return the strength of the prior under which validation cascades are most likely, and what each one gives.

    Parameters
    ----------
    network : Network
    train, validation : ObservedCascades
        Those that edges are fitted to, and others whose likelihood decides.
    strengths : sequence of float
        Strengths to try, in exposures.
    partitions : optional
        As for `analytics.calibrate_edges`.
    progress : Progress
    **given
        Other options of `analytics.calibrate_edges`, such as ``window``.

    Returns
    -------
    (float, DataFrame)
        The strength, and one row per strength that was tried: ``prior_strength``, ``log_likelihood``.

    Raises
    ------
    InvalidInputError
        As `analytics.calibrate_edges`, or if validation cascades are among those that edges are fitted to.
    """
    import dataclasses

    import pandas as pd

    options = options_of(given)
    found = exposures(network, validation, options.window, partitions)
    check_cascades(train)
    check_apart(network, train, validation, ("that edges are fitted to", "to validate with"))
    likelihoods: dict[float, float] = {}
    for strength in map(float, strengths):
        fit = estimate_edges(network, train, dataclasses.replace(options, prior_strength=strength), partitions)
        likelihoods[strength] = log_likelihood(found, options.model, found.in_edge_order(fit.values))
        progress("strengths of the prior", len(likelihoods), len(strengths))
    table = pd.DataFrame({"prior_strength": list(likelihoods), "log_likelihood": list(likelihoods.values())})
    return max(likelihoods, key=lambda strength: likelihoods[strength]), table
