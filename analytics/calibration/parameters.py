"""Calibrating parameters of a model: approximate Bayesian computation on an observed curve."""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from analytics.calibration.candidates import Curve, candidate_curves, model_at, points_of
from analytics.calibration.observed_curves import ObservedCurve, check_possible, observed_curve
from analytics.calibration.posteriors import Prior, curve_warnings, priors_of, relative_width, scaled, whole_prior
from analytics.calibration.published import publish_rows
from analytics.calibration.starts import Starts, starts_at
from analytics.sweeps import base_model
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from data.progress import Progress, shown
from data.validation import suggestion, types_of_field
from data.warehouse.keys import calibration_key
from propagation.draws import DRAWS_VERSION
from propagation.jobs import Execution
from propagation.models import MODELS
from propagation.models.model import Model
from propagation.sessions import Session, derived_uuid, resolve_session

if TYPE_CHECKING:
    import pandas as pd
    from distributed import Client
    from matplotlib.figure import Figure

MOST_REPLICATES = 50
"""Replicates of a candidate by default: each starts as another cascade, and has costs of its own."""


@dataclass(frozen=True)
class ParameterCalibration:
    """Parameters of a model whose simulated curves are most like an observed one.

    Attributes
    ----------
    network : Network
    calibration_id : str
        UUID of everything that determines the calibration.
    base : Session
        The session of which all candidates are variants: its replicates and random seed, and the seeds of the first
        cascade.
    starts : Starts
        The seed sets from which the replicates of each candidate start.
    priors : mapping
        Priors by parameter.
    observed : ObservedCurve
    accepted : DataFrame
        One row per accepted candidate, the nearest first: ``candidate`` (its number, from 0), the parameters, and
        ``distance``.
    candidates : int
        Candidates that were simulated.
    warnings : tuple of str
        What the curve cannot tell, in sentences.
    was_published : bool
        Whether the warehouse had the calibration before.
    """

    network: Network
    calibration_id: str
    base: Session
    starts: Starts
    priors: Mapping[str, Prior]
    observed: ObservedCurve
    accepted: "pd.DataFrame"
    candidates: int
    warnings: tuple[str, ...] = ()
    was_published: bool = field(default=False, compare=False)

    def __repr__(self) -> str:
        found = ", ".join(f"{row['parameter']} {row['median']:.4g}" for row in self.posterior.to_dict("records"))
        return f"ParameterCalibration({self.base.model.name}: {found}; see .posterior, .warnings)"

    @property
    def posterior(self) -> "pd.DataFrame":
        """One row per parameter: parameter, median, mean, low, high (95 % interval), prior_low, prior_high, narrowing.

        ``narrowing`` is 1 - sd(posterior) / sd(prior): 0 where the curve says nothing.
        """
        import pandas as pd

        rows = []
        for name, prior in self.priors.items():
            values = self.accepted[name].to_numpy()
            low, median, high = np.quantile(values, [0.025, 0.5, 0.975])
            rows.append(
                {
                    "parameter": name,
                    "median": float(median),
                    "mean": float(values.mean()),
                    "low": float(low),
                    "high": float(high),
                    "prior_low": prior.low,
                    "prior_high": prior.high,
                    "narrowing": 1.0 - relative_width(prior, values),
                }
            )
        return pd.DataFrame(rows)

    @property
    def correlations(self) -> "pd.DataFrame":
        """Correlations of the parameters in the posterior, on the scales of their priors."""
        return scaled(self.priors, self.accepted).corr()

    @property
    def model(self) -> Model:
        """The model with the medians of the posterior; where two parameters are correlated, draw from `accepted`."""
        medians = {name: prior.parameter(self.accepted[name].median()) for name, prior in self.priors.items()}
        return model_at(self.base.model, medians)

    @cached_property
    def curves(self) -> npt.NDArray[np.float64]:
        """Curves of the accepted candidates, (accepted, rounds) float64, simulated again where they were published."""
        numbers = self.accepted["candidate"].to_numpy()
        points = points_of(self.priors, {name: self.accepted[name].to_numpy() for name in self.priors})
        return candidate_curves(
            self.network, self.base, self.starts, points, numbers.tolist(), self.observed, Execution()
        )

    def plot(self) -> "Figure":
        """Draw the posterior, and the observed curve with the band of the accepted candidates."""
        from analytics.calibration.pictures import parameter_figure

        return parameter_figure(self)


def calibrate_parameters(
    network: Network,
    model: str | Model,
    priors: Mapping[str, Any],
    observed: Sequence[float] | npt.NDArray[Any] | ObservedCascades,
    *,
    seed_set: Any = None,
    curve: Curve = "incidence",
    round_length: float = 1.0,
    rounds: int | None = None,
    candidates: int = 2000,
    accept: float = 0.02,
    replicates: int | None = None,
    random_seed: int = 0,
    publish: bool = True,
    client: "Client | None" = None,
    progress: Progress | None = None,
) -> ParameterCalibration:
    """Find the parameters of a model whose simulated curves are like an observed one, such as beta and gamma of SIR.

    Approximate Bayesian computation by rejection (Tavaré, Balding, Griffiths, Donnelly: Inferring coalescence times
    from DNA sequence data. Genetics 145, 1997; Pritchard, Seielstad, Perez-Lezaun, Feldman: Population growth of human
    Y chromosomes. Molecular Biology and Evolution 16, 1999): candidates are drawn from the priors and simulated, many
    as one job, and those whose curves are nearest to the observed one are a sample of the posterior. It is wider than
    the exact posterior, the more so the more are accepted.

    The mean curve of observed cascades is compared with replicates that start where these cascades started, at the
    agents of round 0 of each of them.

    Runs on the engine, also past memory; the same values on any number of workers.

    Parameters
    ----------
    network : Network
    model : str or Model
        Name of a model, or a model with the parameters that stay, such as ``SIR(infectious_period=4)``.
    priors : mapping
        By parameter: (low, high), (low, high, "log") or `Prior`. Of a parameter that is a whole number, such as a
        number of rounds, whole numbers are drawn, both ends included.
    observed : sequence of float, or ObservedCascades
        Agents by round, from round 0: new ones, all so far or transmitting ones, as `curve` says. Of cascades, the mean
        over them; a time of `round_length` is a round.
    seed_set : sequence of agent ids, or SeedStrategy; optional
        Where a curve of numbers, or of a single cascade, starts. Default: each cascade starts at its own agents of
        round 0. Several cascades have starts of their own, so it is refused for them.
    curve : str
        ``incidence``, ``cumulative`` or ``prevalence``.
    round_length : float
        Length of a round in the cascades' time unit.
    rounds : int, optional
        Rounds after round 0 to compare; default: all that were observed.
    candidates : int
        Candidates to simulate, at least 10.
    accept : float
        Share of the candidates to accept, in (0, 1].
    replicates : int, optional
        Replicates whose mean is compared; default: the number of observed cascades, at most 50; 1 for a curve. They
        are divided equally among the cascades, so the number is rounded down to a multiple of theirs; if it is smaller,
        each candidate starts as a random sample of so many cascades, without replacement.
    random_seed : int
        Random seed of candidates and draws. Candidates have different draws.
    publish : bool
        Publish in the network's warehouse, or load what is already published.
    client : distributed.Client, optional
        Cluster to simulate on; default: threads of this process.
    progress : Progress, optional

    Returns
    -------
    ParameterCalibration

    Raises
    ------
    InvalidInputError, UnfitModelError, UnknownAgentError
        If a value breaks its rule, before any work.

    Examples
    --------
    >>> import tempfile
    >>> from data import Warehouse
    >>> network = Warehouse(tempfile.mkdtemp()).generate_network("all", "complete", agents=50)
    >>> found = calibrate_parameters(
    ...     network, "si", {"beta": (0.001, 0.05)}, [1, 1, 2, 3, 5, 9, 10], seed_set=["0"], candidates=200, accept=0.1
    ... )
    >>> bool(found.posterior["low"][0] < 0.018 < found.posterior["high"][0])
    True
    """
    named = priors_of(priors)
    kind, named = _base(model, named)
    _check_numbers(curve, candidates, accept)
    target = observed_curve(network, observed, curve, round_length, rounds)
    base = resolve_session(
        network,
        kind,
        seed_set=_first_seeds(target, seed_set),
        replicates=min(target.cascades, MOST_REPLICATES) if replicates is None else replicates,
        random_seed=random_seed,
        max_rounds=len(target.values) - 1,
    )
    if candidates * base.replicates > 2**31 - 1:
        raise InvalidInputError(f"{candidates:,} candidates of {base.replicates:,} replicates are too many")
    if seed_set is not None:
        check_possible(target, base, network.n_agents)
    starts = starts_at(base) if seed_set is not None or target.starts is None else target.starts
    asked = _asked(base, starts, named, target, candidates, accept)
    identity = derived_uuid("calibration", json.dumps(asked, sort_keys=True))
    key = calibration_key(network.network_id, identity)
    if publish and network.warehouse.published([key]):
        return _published(network, key, identity, base, starts, named, target, candidates)
    # 1. Draw candidates from the priors.
    shares = np.random.default_rng(random_seed).random((candidates, len(named)))
    drawn = {name: prior.values(shares[:, i]) for i, (name, prior) in enumerate(named.items())}
    points = points_of(named, drawn)
    # 2. Simulate them together.
    with shown(progress) as watched:
        execution = Execution(client=client, progress=watched)
        curves = candidate_curves(network, base, starts, points, range(candidates), target, execution)
    # 3. Accept the nearest.
    count = max(round(candidates * accept), 2)
    found = _accepted(network, identity, base, starts, named, target, points, curves, count)
    if publish:
        _publish(found, key, asked)
    return found


# -- what is asked --------------------------------------------------------------------------------------------------


def _first_seeds(target: ObservedCurve, seed_set: Any) -> Any:
    """Return the seeds that were given, or those of the first cascade."""
    if seed_set is None and target.starts is None:
        raise InvalidInputError(
            "where does the curve start? Numbers by round do not tell the seeds: give seed_set, the agents of round 0"
        )
    if seed_set is not None and target.cascades > 1:
        raise InvalidInputError(
            f"{target.name!r} are {target.cascades:,} cascades, each of which starts at its own agents of round 0: "
            "leave the seeds out, or choose one of the cascades"
        )
    return list(target.starts.seed_agents[0]) if seed_set is None and target.starts is not None else seed_set


def _base(model: str | Model, priors: Mapping[str, Prior]) -> tuple[Model, dict[str, Prior]]:
    """Return the model with the middle of each prior, and the priors; both ends are checked."""
    fixed: Mapping[str, Any] = {}
    if isinstance(model, Model):
        name, fixed = model.name, {each: getattr(model, each) for each in model.model_fields_set if each not in priors}
    else:
        name = model
    kind = MODELS.get(name)
    whole = {each for each in priors if kind is not None and _is_whole(kind, each)}
    drawn = {each: whole_prior(each, prior) if each in whole else prior for each, prior in priors.items()}
    ends = {each: [prior.parameter(prior.low), prior.parameter(prior.high)] for each, prior in drawn.items()}
    low = base_model(name, fixed, ends)
    base_model(name, fixed, {each: pair[::-1] for each, pair in ends.items()})
    (middle,) = points_of(drawn, {each: prior.values(np.array([0.5])) for each, prior in drawn.items()})
    return model_at(low, middle), drawn


def _is_whole(kind: type[Model], parameter: str) -> bool:
    """Return whether a parameter of a model takes whole numbers only."""
    types = types_of_field(kind, parameter) if parameter in kind.model_fields else set()
    return int in types and float not in types


def _check_numbers(curve: Any, candidates: Any, accept: Any) -> None:
    if curve not in get_args(Curve):
        known = get_args(Curve)
        raise InvalidInputError(
            f"curve {curve!r} is unknown{suggestion(str(curve), known)}; choose one of {', '.join(known)}"
        )
    if isinstance(candidates, bool) or not isinstance(candidates, int | np.integer) or candidates < 10:
        raise InvalidInputError(f"candidates {candidates!r} is not a whole number >= 10")
    if not (isinstance(accept, int | float) and 0.0 < accept <= 1.0):
        raise InvalidInputError(f"accept {accept!r} is not a share in (0, 1], such as 0.02")


def _asked(
    base: Session,
    starts: Starts,
    priors: Mapping[str, Prior],
    observed: ObservedCurve,
    candidates: int,
    accept: float,
) -> dict[str, Any]:
    """Return everything that determines a calibration."""
    fixed = {name: value for name, value in base.model.resolved_parameters.items() if name not in priors}
    digest = hashlib.sha256(observed.values.tobytes()).hexdigest()
    return {
        "snapshot_id": base.snapshot_id,
        "model": base.model.name,
        "rules_version": base.model.rules_version,
        "fixed": fixed,
        "priors": {name: dataclasses.asdict(prior) for name, prior in priors.items()},
        "curve": observed.kind,
        "observed": digest,
        "starts": starts.identity,
        "candidates": int(candidates),
        "accept": float(accept),
        "replicates": base.replicates,
        "random_seed": base.random_seed,
        "draws_version": DRAWS_VERSION,
    }


def _accepted(
    network: Network,
    identity: str,
    base: Session,
    starts: Starts,
    priors: Mapping[str, Prior],
    observed: ObservedCurve,
    points: Sequence[Mapping[str, float]],
    curves: npt.NDArray[np.float64],
    count: int,
) -> ParameterCalibration:
    import pandas as pd

    distances = np.sqrt(((curves - observed.values) ** 2).mean(axis=1))
    nearest = np.argsort(distances, kind="stable")[:count]
    accepted = pd.DataFrame([points[i] for i in nearest.tolist()]).assign(distance=distances[nearest])
    accepted.insert(0, "candidate", nearest)
    warnings = curve_warnings(priors, accepted, observed, curves[nearest])
    found = ParameterCalibration(
        network, identity, base, starts, dict(priors), observed, accepted, len(points), tuple(warnings)
    )
    found.__dict__["curves"] = curves[nearest]
    return found


# -- tables ---------------------------------------------------------------------------------------------------------


def _publish(found: ParameterCalibration, key: str, asked: Mapping[str, Any]) -> None:
    common = {"network_id": found.network.network_id, "calibration_id": found.calibration_id}
    medians = {name: float(found.accepted[name].median()) for name in found.priors}
    row = {
        **common,
        "snapshot_id": found.network.snapshot_id,
        "cascade_set": found.observed.name,
        "fitted_cascades": None if found.observed.starts is None else found.observed.cascades,
        "propagation_model": found.base.model.name,
        "method": "abc",
        "options": json.dumps(asked, sort_keys=True),
        "estimates": json.dumps(medians),
        "counts": json.dumps({"candidates": found.candidates, "accepted": len(found.accepted)}),
        "warnings": list(found.warnings),
        "created_at": dt.datetime.now(dt.UTC),
    }
    rows = [
        {
            **common,
            "position": position,
            "candidate": int(each["candidate"]),
            "parameters": json.dumps({name: each[name] for name in found.priors}, sort_keys=True),
            "distance": each["distance"],
        }
        for position, each in enumerate(found.accepted.to_dict("records"), 1)
    ]
    publish_rows(found.network, key, {"calibrations": [row], "calibration_posteriors": rows})


def _published(
    network: Network,
    key: str,
    identity: str,
    base: Session,
    starts: Starts,
    priors: Mapping[str, Prior],
    observed: ObservedCurve,
    candidates: int,
) -> ParameterCalibration:
    """Return a published calibration; its curves are simulated again when they are asked for."""
    import pandas as pd

    (row,) = network.warehouse.read("calibrations", [key]).to_pylist()
    rows = network.warehouse.read("calibration_posteriors", [key]).sort_by("position").to_pylist()
    accepted = pd.DataFrame(
        [
            {
                "candidate": each["candidate"],
                **{name: json.loads(each["parameters"])[name] for name in priors},
                "distance": each["distance"],
            }
            for each in rows
        ]
    )
    return ParameterCalibration(
        network,
        identity,
        base,
        starts,
        dict(priors),
        observed,
        accepted,
        candidates,
        tuple(row["warnings"]),
        was_published=True,
    )
