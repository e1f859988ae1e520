"""Scores of a calibration on cascades that it was not fitted to, beside simpler values of the same edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.calibration.edges import (
    LEAST_PROBABILITY,
    EdgeCalibration,
    estimate_edges,
    log_likelihood,
    options_of,
)
from analytics.calibration.exposures import Partitions, agents_in, exposures
from analytics.calibration.ranking_kernels import FIRST, rank_next
from analytics.structure.agent_ranges import for_each, ranges
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network

if TYPE_CHECKING:
    import pandas as pd

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Strengths of the prior that are tried by default."""


@dataclass(frozen=True)
class CalibrationScores:
    """How well edge values predict cascades.

    Attributes
    ----------
    calibration : EdgeCalibration
    test : str
        Name of the set of cascades.
    test_id : str
        Hash of its activations in the network.
    table : DataFrame
        One row per predictor (``calibrated``, ``uniform``, ``weighted_cascade``): ``predictor``, ``log_likelihood``,
        ``log_likelihood_per_outcome``, ``mrr``, ``hits_at_10``, ``precision_at_10``, ``outcomes``, ``steps``,
        ``unexplained``.
    was_published : bool
        Whether the warehouse had the scores before.
    """

    calibration: EdgeCalibration
    test: str
    test_id: str
    table: "pd.DataFrame"
    was_published: bool = False

    @property
    def sentence(self) -> str:
        """The main result in one sentence."""
        rows = self.table.set_index("predictor")
        own, best = rows.loc["calibrated"], rows.drop(index="calibrated")["mrr"].max()
        verdict = "better than" if own["mrr"] > best else "not better than"
        return (
            f"on {self.test}: the next adopter has a mean reciprocal rank of {own['mrr']:.4f}, {verdict} the best "
            f"simple predictor ({best:.4f}); {own['precision_at_10']:.1%} of the first ten agents adopt later"
        )


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


def score_edges(calibration: EdgeCalibration, test: ObservedCascades) -> CalibrationScores:
    """Return the scores of a calibration without publishing them; see `analytics.calibration.score_calibration`."""
    import pandas as pd

    from analytics.calibration.exposures import fingerprint

    if not len(test) or test.activations <= len(test):
        raise InvalidInputError(f"cascades {test.name!r} have no second activation: there is nothing to predict")
    network, options = calibration.network, calibration.options
    rows = [
        {"predictor": name, **scores_of(network, options.model, options.window, values, test)}
        for name, values in predictors(calibration).items()
    ]
    return CalibrationScores(calibration, test.name, fingerprint(network, test), pd.DataFrame(rows))


def predictors(calibration: EdgeCalibration) -> dict[str, npt.NDArray[np.float64]]:
    """Return edge values by name: the calibrated ones, one for all edges, and 1 / in-degree of the target."""
    network = calibration.network
    by_degree = 1.0 / network.in_degree[np.asarray(network.sparse_rows.targets)]
    is_weight = calibration.options.model == "linear_threshold"
    uniform = calibration.uniform * by_degree if is_weight else np.full(network.n_edges, calibration.uniform)
    return {"calibrated": calibration.values, "uniform": uniform, "weighted_cascade": by_degree}


def choose_prior_strength(
    network: Network,
    train: ObservedCascades,
    validation: ObservedCascades,
    *,
    strengths: Sequence[float] = STRENGTHS,
    partitions: Partitions | None = None,
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
    **given
        Other options of `analytics.calibrate_edges`, such as ``window``.

    Returns
    -------
    (float, DataFrame)
        The strength, and one row per strength that was tried: ``prior_strength``, ``log_likelihood``.
    """
    import dataclasses

    import pandas as pd

    options = options_of(given)
    found = exposures(network, validation, options.window, partitions)
    likelihoods = {}
    for strength in map(float, strengths):
        fit = estimate_edges(network, train, dataclasses.replace(options, prior_strength=strength), partitions)
        likelihoods[strength] = log_likelihood(found, options.model, found.in_edge_order(fit.values))
    table = pd.DataFrame({"prior_strength": list(likelihoods), "log_likelihood": list(likelihoods.values())})
    return max(likelihoods, key=lambda strength: likelihoods[strength]), table
