"""Candidates of a calibration of parameters: the model of each, its sessions, and its mean curve."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from analytics.calibration.observed_curves import ObservedCurve
from analytics.calibration.posteriors import Prior
from analytics.calibration.starts import Starts, simulated
from data.networks.network import Network
from propagation.jobs import Execution
from propagation.lane_counts import Lanes
from propagation.models.model import Model
from propagation.result import Result
from propagation.sessions import Session

Curve = Literal["incidence", "cumulative", "prevalence"]
QUANTITIES: Mapping[Curve, str] = {"incidence": "activations", "cumulative": "distinct", "prevalence": "infectious"}
"""What is counted by replicate and round for each kind of curve; `cumulative` adds it up."""


def model_at(base: Model, point: Mapping[str, float]) -> Model:
    """Return a model with some parameters at a point, the others as they are."""
    fixed = {name: getattr(base, name) for name in base.model_fields_set if name not in point}
    return type(base)(**{**fixed, **point})


def points_of(priors: Mapping[str, Prior], columns: Mapping[str, npt.NDArray[np.float64]]) -> list[dict[str, float]]:
    """Return the parameters of each candidate, given by parameter."""
    rows = zip(*(columns[name].tolist() for name in priors), strict=True)
    return [{name: priors[name].parameter(value) for name, value in zip(priors, row, strict=True)} for row in rows]


def _sessions(
    network: Network, base: Session, starts: Starts, points: Sequence[Mapping[str, float]], numbers: Sequence[int]
) -> Iterator[list[Session]]:
    """Yield the sessions of each candidate, one for each seed set; those of different numbers have different draws."""
    for point, number in zip(points, numbers, strict=True):
        model = model_at(base.model, point)
        model.check(network)
        yield starts.sessions(dataclasses.replace(base, model=model), int(number))


def candidate_curves(
    network: Network,
    base: Session,
    starts: Starts,
    points: Sequence[Mapping[str, float]],
    numbers: Sequence[int],
    observed: ObservedCurve,
    execution: Execution,
) -> npt.NDArray[np.float64]:
    """Simulate candidates; return the mean curve of each over its replicates, (candidates, rounds) float64."""
    candidates = _sessions(network, base, starts, points, numbers)
    results = simulated(network, candidates, len(points) * base.replicates, execution)
    return np.stack([_curve(each, observed) for each in results])


def _curve(results: Sequence[Result], observed: ObservedCurve) -> npt.NDArray[np.float64]:
    """Return the mean by round of all replicates, as long as the observed one."""
    lanes = Lanes.joined([each.lanes for each in results])
    counts = lanes.by_round(QUANTITIES[observed.kind], len(observed.values)).sum(axis=1, dtype=np.int64)
    return (np.cumsum(counts) if observed.kind == "cumulative" else counts) / len(lanes.lengths)
