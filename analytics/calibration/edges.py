"""Calibrating edges: transmission probabilities and influence weights estimated from observed cascades."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.calibration import kernels, threshold_kernels
from analytics.calibration.exposures import ByActivation, ByEdge, Exposures, Partitions, exposures, fingerprint
from analytics.calibration.options import Options
from analytics.calibration.pooled import by_target, pooled_probability
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    import pandas as pd

    from propagation.models import IndependentCascade, LinearThreshold

COLUMNS: Mapping[str, str] = {"independent_cascade": "probability", "linear_threshold": "weight"}
"""The edge column that a calibration of each model fills."""
FEW_EXPOSURES = 5
"""Edges with fewer exposures are counted in a warning."""
NORMAL = 1.959963984540054
"""Quantile of the normal distribution for 95 % intervals."""
ESTIMATOR_VERSION = 1
"""Incremented when the same cascades and options give other values, so that rows of old ones are not taken for new."""
LEAST_PROBABILITY = 1e-6
"""Probabilities nearer to 0 or 1 count as this far away in log-likelihoods."""


@dataclass(frozen=True)
class EdgeCalibration:
    """Edge values estimated from observed cascades, in the order of the network's sparse rows.

    Attributes
    ----------
    network : Network
        The network whose edges were calibrated.
    calibration_id : str
        UUID of network, cascades, options, and the name of the calibrated network.
    options : Options
    fitted : ObservedCascades
        The cascades that the edges were fitted to.
    values : (edges,) float64
        Transmission probabilities, or influence weights.
    low, high : (edges,) float64
        Ends of 95 % intervals.
    exposures : (edges,) int64
        Cascades that say something about the edge: its source was active before its target, within the window if the
        target was activated.
    successes : (edges,) float64
        Expected number of these in which the source activated the target.
    uniform : float
        The one probability of all edges that fits best; for weights, the share of the exposed agents that were
        activated.
    counts : mapping
        ``cascades``, ``activations``, ``first_activations``, ``explained``, ``unexplained``, ``exposed_edges``,
        ``few_exposures``, ``confounded_edges``, ``unfinished_targets``.
    log_likelihood : float
        Of the cascades under the estimates.
    calibrated : Network or None
        The network that has the values as edge columns, if it is published.
    was_published : bool
        Whether the warehouse had the calibration before.
    """

    network: Network
    calibration_id: str
    options: Options
    fitted: ObservedCascades = field(repr=False, compare=False)
    values: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    exposures: npt.NDArray[np.int64]
    successes: npt.NDArray[np.float64]
    uniform: float
    counts: Mapping[str, int]
    log_likelihood: float
    calibrated: Network | None = field(default=None, compare=False)
    was_published: bool = field(default=False, compare=False)

    def __repr__(self) -> str:
        exposed, edges = self.counts["exposed_edges"], len(self.values)
        return f"EdgeCalibration({self.options.model}, {exposed:,} of {edges:,} edges exposed; see .edges, .warnings)"

    @property
    def cascades(self) -> str:
        """Name of the set of cascades."""
        return self.fitted.name

    @property
    def column(self) -> str:
        """Name of the edge column: ``probability`` or ``weight``."""
        return COLUMNS[self.options.model]

    @property
    def edges(self) -> "pd.DataFrame":
        """One row per edge: source, target, probability or weight, low, high, exposures, successes."""
        import pandas as pd
        import pyarrow as pa

        rows = self.network.sparse_rows
        ids = self.network.agent_ids
        return pd.DataFrame(
            {
                "source": ids.take(pa.array(rows.sources(0, rows.n_edges))).to_pandas(),
                "target": ids.take(pa.array(np.asarray(rows.targets))).to_pandas(),
                self.column: self.values,
                "low": self.low,
                "high": self.high,
                "exposures": self.exposures,
                "successes": self.successes,
            }
        )

    @property
    def model(self) -> "IndependentCascade | LinearThreshold":
        """The model that uses the values in sessions on the network `calibrated`."""
        from propagation.models import IndependentCascade, LinearThreshold

        if self.options.model == "linear_threshold":
            return LinearThreshold(weight="column")
        return IndependentCascade(probability="column")

    @property
    def _value_of_unseen(self) -> str:
        """What edges have that no cascade exposed."""
        if self.options.model == "linear_threshold":
            return "the prior's weight"
        own = self.options.method == "agents" or (self.options.method == "em" and self.options.shrink_to == "agents")
        return "the target's probability" if own else "the network's probability"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the cascades cannot tell, in sentences."""
        counts, edges = self.counts, len(self.values)
        found = []
        if unseen := edges - counts["exposed_edges"]:
            found.append(
                f"{unseen:,} of {counted(edges, 'edge')} ({_percent(unseen, edges)}) "
                f"{'was' if unseen == 1 else 'were'} never exposed: no cascade confirms the value, "
                f"which is {self._value_of_unseen}"
            )
        if few := counts["few_exposures"]:
            found.append(
                f"{counted(few, 'exposed edge')} {'has' if few == 1 else 'have'} fewer than {FEW_EXPOSURES} exposures: "
                "such values are mostly the prior's, see their intervals"
            )
        if together := counts["confounded_edges"]:
            found.append(
                f"{counted(together, 'edge')} cannot be estimated separately from others with the same target, because "
                "their sources were active in the same cascades: their sum is known better than each of them"
            )
        if lost := counts["unexplained"]:
            later = counts["activations"] - counts["first_activations"]
            found.append(
                f"{lost:,} of {counted(later, 'later activation')} ({_percent(lost, later)}) had no active "
                "in-neighbour that could be the cause: the model cannot produce them, and they were left out"
            )
        if unfinished := counts["unfinished_targets"]:
            found.append(
                f"the estimates of {counted(unfinished, 'agent')} still changed by more than "
                f"{self.options.tolerance:g} after {self.options.most_iterations:,} iterations; allow more"
            )
        return tuple(found)


def estimate_edges(
    network: Network,
    cascades: ObservedCascades,
    options: Options,
    partitions: Partitions | None = None,
    name: str = "",
) -> EdgeCalibration:
    """Estimate edge values, for a network of this name, without publishing them; see `analytics.calibrate_edges`."""
    options.check()
    found = exposures(network, cascades, options.window, partitions)
    if not found.explained:
        raise InvalidInputError(
            f"no activation of cascades {cascades.name!r} has an active in-neighbour in network "
            f"{network.network_id!r}{_within(options, cascades)}: there is nothing to estimate; check the direction of "
            "edges and the window"
        )
    fit = _threshold_fit if options.model == "linear_threshold" else _FITS[options.method]
    estimate = fit(found, options)
    tried = estimate.exposures
    shared = (estimate.successes >= 1.0) & (tried >= FEW_EXPOSURES)
    confounded = shared & (estimate.effective < 0.5 * (tried + options.prior_strength))
    low, high = wilson(estimate.values, estimate.effective)
    if options.method == "em":  # no value is larger than if all possible successes were the edge's own
        trials = (tried + options.prior_strength).astype(np.float64)
        own = found.possible + options.prior_strength * estimate.values
        shares = np.divide(own, trials, out=np.ones(len(own)), where=trials > 0)
        high = np.maximum(np.minimum(high, wilson(np.minimum(shares, 1.0), trials)[1]), estimate.values)
    counts = {
        "cascades": len(cascades),
        "activations": cascades.activations,
        "first_activations": found.first_activations,
        "explained": found.explained,
        "unexplained": found.unexplained,
        "exposed_edges": int((tried > 0).sum()),
        "few_exposures": int(((tried > 0) & (tried < FEW_EXPOSURES)).sum()),
        "confounded_edges": int(confounded.sum()),
        "unfinished_targets": estimate.unfinished,
    }
    return EdgeCalibration(
        network=network,
        calibration_id=calibration_id(network, cascades, options, name),
        options=options,
        fitted=cascades,
        values=found.in_network_order(estimate.values),
        low=found.in_network_order(low),
        high=found.in_network_order(high),
        exposures=found.in_network_order(tried),
        successes=found.in_network_order(estimate.successes),
        uniform=estimate.uniform,
        counts=counts,
        log_likelihood=log_likelihood(found, options.model, estimate.values),
    )


def calibration_id(network: Network, cascades: ObservedCascades, options: Options, name: str) -> str:
    """Return the UUID of a calibration: of network, cascades, options, and the name of the calibrated network."""
    asked = {
        **vars(options),
        "cascades": fingerprint(network, cascades),
        "name": name,
        "estimator_version": ESTIMATOR_VERSION,
    }
    return derived_uuid("calibration", json.dumps(asked, sort_keys=True))


def _percent(part: int, whole: int) -> str:
    """Return a share of which something is seen, however small."""
    return f"{part / whole:.0%}" if part >= 0.005 * whole else "less than 1%"


def _within(options: Options, cascades: ObservedCascades) -> str:
    return "" if options.window is None else f" within {options.window:g} {cascades.time_unit}"


def log_likelihood(found: Exposures, model: str, values: npt.NDArray[np.float64]) -> float:
    """Return the log-likelihood of exposures under edge values, given by in-edge, at least `LEAST_PROBABILITY`."""
    if model == "linear_threshold":
        parts = found.run(
            threshold_kernels.threshold_log_likelihood,
            values,
            ByEdge(found.failures),
            ByActivation(found.causes),
            LEAST_PROBABILITY,
        )
    else:
        parts = found.run(kernels.log_likelihood_by_target, values, ByActivation(found.causes), LEAST_PROBABILITY)
    return float(np.concatenate(parts).sum())


def wilson(
    shares: npt.NDArray[np.float64], trials: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the ends of 95 % intervals of probabilities (Wilson 1927) that were estimated from numbers of trials.

    Examples
    --------
    >>> low, high = wilson(np.array([0.5, 0.0]), np.array([100.0, 0.0]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.404, 0.0], [0.596, 1.0])
    """
    known = np.maximum(trials, 1e-9)
    square = NORMAL**2 / known
    centre = shares + square / 2.0
    half = np.sqrt(square * (shares * (1.0 - shares) + square / 4.0))
    return np.maximum(centre - half, 0.0) / (1.0 + square), np.minimum((centre + half) / (1.0 + square), 1.0)


# -- methods --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Estimate:
    """What a method finds, by in-edge."""

    values: npt.NDArray[np.float64]
    effective: npt.NDArray[np.float64]
    exposures: npt.NDArray[np.int64]
    successes: npt.NDArray[np.float64]
    uniform: float
    unfinished: int = 0


def _prior_means(found: Exposures, options: Options, uniform: float) -> npt.NDArray[np.float64]:
    """Return the prior's probability by target."""
    if options.shrink_to == "network":
        return np.full(found.network.n_ids, uniform)
    return by_target(found, uniform, options.prior_strength).probabilities


def _em(found: Exposures, options: Options) -> _Estimate:
    uniform = pooled_probability(found)
    parts = found.run(
        kernels.fit_independent_cascade,
        ByEdge(found.possible),
        ByEdge(found.failures),
        ByActivation(found.causes),
        _prior_means(found, options, uniform),
        float(options.prior_strength),
        options.most_iterations,
        options.tolerance,
    )
    values, effective, successes = (np.concatenate([part[i] for part in parts]) for i in range(3))
    tried = found.possible + found.failures
    return _Estimate(values, effective, tried, successes, uniform, sum(part[3] for part in parts))


def _agents(found: Exposures, options: Options) -> _Estimate:
    """One probability for all in-edges of an agent: its susceptibility."""
    uniform = pooled_probability(found)
    agents = by_target(found, uniform, options.prior_strength)
    tried = found.possible + found.failures
    targets = found.targets
    shared = found.run(kernels.share_credit, ByActivation(found.causes), True, np.inf)
    return _Estimate(agents.probabilities[targets], agents.effective[targets], tried, np.concatenate(shared), uniform)


def _credit(found: Exposures, options: Options) -> _Estimate:
    shared = options.method == "partial_credit"
    decay = np.inf if options.decay is None else float(options.decay)
    parts = found.run(kernels.share_credit, ByActivation(found.causes), shared, decay)
    credit, performed = np.concatenate(parts), np.diff(found.starts)
    of_source = performed[found.sources]
    if options.method == "jaccard":
        # Either was active: the cascades of the source, and those of the target in which the source was not.
        both = np.concatenate(found.run(kernels.count_together))
        of_source = of_source + performed[found.targets] - both
    total = int(of_source.sum())
    uniform = float(credit.sum() / total) if total else 0.0
    strength = float(options.prior_strength)
    trials = of_source + strength
    values = np.divide(credit + strength * uniform, trials, out=np.full(len(credit), uniform), where=trials > 0)
    return _Estimate(np.minimum(values, 1.0), trials.astype(np.float64), of_source, credit, uniform)


def _threshold_fit(found: Exposures, options: Options) -> _Estimate:
    counts = found.run(threshold_kernels.count_refusals, ByEdge(found.failures), ByActivation(found.causes))
    refused = int(sum(counts))
    share = found.explained / (found.explained + refused)
    parts = found.run(
        threshold_kernels.fit_linear_threshold,
        ByEdge(found.failures),
        ByActivation(found.causes),
        share,
        float(options.prior_strength),
        options.most_iterations,
        options.tolerance,
    )
    values, effective, successes, exposed = (np.concatenate([part[i] for part in parts]) for i in range(4))
    return _Estimate(values, effective, exposed, successes, share, sum(part[4] for part in parts))


_FITS = {
    "em": _em,
    "agents": _agents,
    "bernoulli": _credit,
    "jaccard": _credit,
    "partial_credit": _credit,
}
