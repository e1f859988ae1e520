"""Degrees: who has how many neighbours, a power law and its alternatives for the largest degrees, and mixing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from analytics.structure.adjacency import Adjacency, Edges
from data.errors import InvalidInputError
from data.validation import suggestion

Kind = Literal["neighbours", "in", "out"]
FEWEST_IN_TAIL = 10
"""Agents that a tail must have at least, for a law to be fitted to it."""
MOST_MINIMA = 200
"""Degrees at which the tail may begin that are tried; if there are more distinct degrees, evenly spaced ones."""
LARGEST_EXPONENT = 20.0
STEEPEST = 10.0
"""Beyond this exponent, a tail falls a thousandfold while the degree doubles: it spans too few degrees to be a law."""
_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Alternative:
    """Another distribution beside the power law, fitted to the same tail.

    Attributes
    ----------
    name : str
        ``lognormal`` or ``exponential``.
    parameters : mapping
        Maximum-likelihood estimates.
    likelihood_ratio : float
        Log-likelihood of the power law minus that of the alternative: above 0 if the power law fits better.
    p_value : float
        Probability of a ratio as far from 0 if both fitted equally well (Vuong's test).
    """

    name: str
    parameters: Mapping[str, float]
    likelihood_ratio: float
    p_value: float


@dataclass(frozen=True)
class PowerLaw:
    """A power law for the tail of a degree distribution: P(degree = k) is proportional to k**-exponent.

    Attributes
    ----------
    exponent : float
    minimum : int
        Smallest degree of the tail.
    agents : int
        Agents in the tail.
    distance : float
        Largest distance between the distribution functions of the tail and of the law (Kolmogorov-Smirnov).
    alternatives : tuple of Alternative
    """

    exponent: float
    minimum: int
    agents: int
    distance: float
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class DegreeDistribution:
    """How many agents have each degree.

    Attributes
    ----------
    kind : str
        ``neighbours``, ``in`` or ``out``.
    degrees : (d,) int64
        Degrees that occur, ascending.
    agents : (d,) int64
        Number of agents with each.
    power_law : PowerLaw or None
        Fitted to the largest degrees; None if fewer than ten agents, or a single degree, could be its tail, or if the
        exponent that fits best is above 10.
    """

    kind: Kind
    degrees: npt.NDArray[np.int64]
    agents: npt.NDArray[np.int64]
    power_law: PowerLaw | None = field(repr=False)


def degree_distribution(network: Edges, kind: Kind = "neighbours") -> DegreeDistribution:
    """Return how many agents have each degree, with a power law fitted to the tail, and its alternatives.

    Computed with scipy; the network is in memory. The exponent is the discrete maximum-likelihood estimate, the tail
    begins where the distance between data and law is smallest. A fit alone is no evidence of a power law: an
    alternative whose likelihood ratio is below 0 with a p-value below 0.1 fits better.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency
    kind : str
        ``neighbours`` in either direction, ``in`` or ``out`` for edges.

    Returns
    -------
    DegreeDistribution

    Raises
    ------
    InvalidInputError
        If there is no such kind.

    References
    ----------
    Clauset, Shalizi, Newman (2009), Power-law distributions in empirical data. Vuong (1989), Likelihood ratio tests for
    model selection and non-nested hypotheses.
    """
    if kind not in get_args(Kind):
        raise InvalidInputError(
            f"no kind of degree {kind!r}{suggestion(kind, get_args(Kind))}; kinds are neighbours, in, out"
        )
    edges = Adjacency.of(network)
    by_kind = {"in": lambda: edges.in_degree, "out": lambda: edges.out_degree}
    degree = by_kind.get(kind, lambda: edges.neighbours.degree)()
    degrees, agents = np.unique(degree, return_counts=True)
    return DegreeDistribution(kind, degrees, agents, fitted_power_law(degrees, agents))


def fitted_power_law(degrees: npt.NDArray[np.int64], agents: npt.NDArray[np.int64]) -> PowerLaw | None:
    """Return the power law that fits the tail of a distribution best, or None if its tail is too short or too steep.

    Parameters
    ----------
    degrees, agents : (d,) int64
        Distinct degrees, ascending, and the number of agents with each. Degree 0 is left out.
    """
    agents, degrees = agents[degrees > 0], degrees[degrees > 0]
    in_tail = np.cumsum(agents[::-1])[::-1]
    starts = np.flatnonzero(in_tail >= FEWEST_IN_TAIL)
    starts = starts[starts < len(degrees) - 1]  # a tail has at least two degrees
    if not len(starts):
        return None
    if len(starts) > MOST_MINIMA:
        starts = starts[np.unique(np.linspace(0, len(starts) - 1, MOST_MINIMA).round().astype(int))]
    fits = [_power_law(degrees[start:], agents[start:]) for start in starts]
    best = min(fits, key=lambda fit: fit.distance)
    if best.exponent > STEEPEST:
        return None
    tail = degrees >= best.minimum
    return PowerLaw(
        best.exponent,
        best.minimum,
        best.agents,
        best.distance,
        _alternatives(degrees[tail], agents[tail], best.exponent),
    )


def assortativity(network: Edges) -> float | None:
    """Return the correlation over edges of the source's out-degree with the target's in-degree, in [-1, 1].

    Computed here with NumPy; the network is in memory. In networks whose edges all have a reverse, this is the
    assortativity of degrees of an undirected network.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    Returns
    -------
    float or None
        None if the degrees of all sources, or of all targets, are equal.

    References
    ----------
    Newman (2002), Assortative mixing in networks. Newman (2003), Mixing patterns in networks.
    """
    edges = Adjacency.of(network)
    source = np.repeat(edges.out_degree, edges.out_degree).astype(np.float64)
    target = edges.in_degree[edges.out_edges.targets].astype(np.float64)
    if edges.n_edges == 0 or np.ptp(source) == 0 or np.ptp(target) == 0:
        return None
    source -= source.mean()
    target -= target.mean()
    return float(source @ target / np.sqrt((source @ source) * (target @ target)))


def reciprocity(network: Edges) -> float | None:
    """Return the share of directed edges whose reverse is an edge too; None if there are no edges.

    Computed here; the network is in memory.

    Parameters
    ----------
    network : Network, SparseRows or Adjacency

    References
    ----------
    Wasserman and Faust (1994), Social network analysis.
    """
    edges = Adjacency.of(network)
    return int(np.count_nonzero(edges.neighbours.edges == 2)) / edges.n_edges if edges.n_edges else None


# -- fitting --------------------------------------------------------------------------------------------------------


def _power_law(degrees: npt.NDArray[np.int64], agents: npt.NDArray[np.int64]) -> PowerLaw:
    """Return the maximum-likelihood fit to all of some degrees."""
    from scipy.optimize import minimize_scalar
    from scipy.special import zeta

    minimum, number = int(degrees[0]), int(agents.sum())
    mean_log = float(agents @ np.log(degrees)) / number
    found = minimize_scalar(
        lambda exponent: np.log(zeta(exponent, minimum)) + exponent * mean_log,
        bounds=(1.0 + 1e-6, LARGEST_EXPONENT),
        method="bounded",
        options={"xatol": 1e-8},
    )
    exponent = float(found.x)
    beyond = zeta(exponent, degrees + 1.0) / zeta(exponent, minimum)  # probability of a larger degree
    observed = 1 - np.cumsum(agents) / number
    return PowerLaw(exponent, minimum, number, float(np.abs(beyond - observed).max()))


def _alternatives(
    degrees: npt.NDArray[np.int64], agents: npt.NDArray[np.int64], exponent: float
) -> tuple[Alternative, ...]:
    from scipy.special import zeta

    law = -exponent * np.log(degrees) - np.log(zeta(exponent, int(degrees[0])))
    found = []
    for name, (parameters, logs) in {
        "lognormal": _lognormal(degrees, agents),
        "exponential": _exponential(degrees, agents),
    }.items():
        ratio, p_value = _vuong(law - logs, agents)
        found.append(Alternative(name, MappingProxyType(parameters), ratio, p_value))
    return tuple(found)


def _exponential(degrees: npt.NDArray[np.int64], agents: npt.NDArray[np.int64]) -> tuple[dict[str, float], _Array]:
    """Return the rate of the discrete exponential distribution, and the log-probability of each degree."""
    beyond = float(agents @ (degrees - degrees[0])) / int(agents.sum())
    rate = float(np.log1p(1 / beyond))
    return {"rate": rate}, np.log1p(-np.exp(-rate)) - rate * (degrees - degrees[0])


def _lognormal(degrees: npt.NDArray[np.int64], agents: npt.NDArray[np.int64]) -> tuple[dict[str, float], _Array]:
    """Return mean and deviation of the logarithm of the rounded lognormal distribution, and the log-probabilities."""
    from scipy.optimize import minimize
    from scipy.special import log_ndtr

    low, high = np.log(degrees - 0.5), np.log(degrees + 0.5)

    def logs(mean: float, deviation: float) -> _Array:
        above, beyond = log_ndtr((mean - low) / deviation), log_ndtr((mean - high) / deviation)
        with np.errstate(divide="ignore", invalid="ignore"):
            found: _Array = above + np.log(-np.expm1(beyond - above)) - above[0]
        return np.where(np.isfinite(found), found, -1e9)

    logarithms = np.log(degrees)
    mean = float(np.average(logarithms, weights=agents))
    deviation = float(np.sqrt(np.average((logarithms - mean) ** 2, weights=agents)))
    found = minimize(
        lambda at: -float(agents @ logs(at[0], np.exp(at[1]))),
        [mean, np.log(deviation)],
        method="Nelder-Mead",
        options={"maxiter": 2_000, "xatol": 1e-6, "fatol": 1e-6},
    )
    best = float(found.x[0]), float(np.exp(found.x[1]))
    return {"mean": best[0], "deviation": best[1]}, logs(*best)


def _vuong(differences: _Array, agents: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the sum of the agents' differences in log-likelihood, and the probability of one as far from 0."""
    from scipy.special import erfc

    number, total = int(agents.sum()), float(agents @ differences)
    variance = float(agents @ (differences - total / number) ** 2) / number
    if variance == 0:
        return total, 1.0
    return total, float(erfc(abs(total) / np.sqrt(2 * number * variance)))
