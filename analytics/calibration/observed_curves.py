"""Observed curves: agents by round, as they were given or from observed cascades."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.calibration.exposures import check_network
from analytics.calibration.starts import Starts, starts_of
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted
from propagation.sessions import Session

MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class ObservedCurve:
    """A curve that simulated ones are compared with.

    Attributes
    ----------
    name : str
        Name of the cascades, or ``curve``.
    kind : str
        ``incidence``, ``cumulative`` or ``prevalence``.
    values : (rounds,) float64
        Agents by round, from round 0; of cascades, the mean over them.
    cascades : int
        Cascades that the curve is the mean of.
    starts : Starts or None
        Agents of round 0 of each cascade; None for numbers.
    """

    name: str
    kind: Any
    values: npt.NDArray[np.float64]
    cascades: int = 1
    starts: Starts | None = None


def observed_curve(
    network: Network,
    observed: Sequence[float] | npt.NDArray[Any] | ObservedCascades,
    kind: str,
    round_length: float = 1.0,
    rounds: int | None = None,
) -> ObservedCurve:
    """Return the curve of numbers by round, or the mean curve of observed cascades.

    Raises
    ------
    InvalidInputError
        If there are fewer than two rounds, a number is negative or not finite, or cascades cannot tell the curve.
    """
    check_network(network)
    if rounds is not None and (isinstance(rounds, bool) or not isinstance(rounds, int | np.integer) or rounds < 1):
        raise InvalidInputError(f"rounds {rounds!r} is not a whole number >= 1")
    if isinstance(observed, ObservedCascades):
        found = _of_cascades(network, observed, kind, round_length, rounds)
    elif round_length != 1.0:
        raise InvalidInputError(
            f"the length of a round, {round_length!r}, is for observed cascades; numbers are by round already: leave "
            "it out"
        )
    else:
        try:
            values = np.asarray(observed, dtype=np.float64)
        except (TypeError, ValueError):
            raise InvalidInputError(f"observed {observed!r} is neither numbers by round nor cascades") from None
        if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
            raise InvalidInputError("observed: each round needs one finite number of agents >= 0")
        found = ObservedCurve("curve", kind, values if rounds is None else values[: rounds + 1])
    if len(found.values) < 2:
        raise InvalidInputError(
            f"the observed curve has {len(found.values)} round: at least two are needed, round 0 included"
        )
    return found


def _of_cascades(
    network: Network, observed: ObservedCascades, kind: str, round_length: float, rounds: int | None
) -> ObservedCurve:
    if kind == "prevalence":
        raise InvalidInputError(
            "observed cascades say who was activated, not for how long: compare incidence or cumulative"
        )
    if not (isinstance(round_length, int | float) and 0 < round_length < np.inf):
        raise InvalidInputError(f"round_length {round_length!r} is not a positive number of {observed.time_unit}")
    if not len(observed):
        raise InvalidInputError(f"cascades {observed.name!r} are none: there is no curve to compare")
    in_round = np.floor(observed.times / round_length).astype(np.int64)
    last = int(in_round.max(initial=0)) if rounds is None else int(rounds)
    if last > MOST_ROUNDS:
        raise InvalidInputError(
            f"cascades {observed.name!r} last {last:,} rounds of {round_length:g} {observed.time_unit}: give a longer "
            f"round_length, or rounds (at most {MOST_ROUNDS:,})"
        )
    incidence = np.bincount(in_round[in_round <= last], minlength=last + 1) / len(observed)
    values = incidence if kind == "incidence" else np.cumsum(incidence)
    return ObservedCurve(observed.name, kind, values, len(observed), starts_of(network, observed, round_length))


def check_possible(observed: ObservedCurve, base: Session, agents: int) -> None:
    """Raise InvalidInputError unless a session can produce such numbers by round at all.

    Parameters
    ----------
    observed : ObservedCurve
    base : Session
        With the seeds of round 0.
    agents : int
        Agents of the network.
    """
    values, kind = observed.values, observed.kind
    if kind != "prevalence" and values[0] != len(base.seeds):
        raise InvalidInputError(
            f"the observed curve begins with {values[0]:g} agents in round 0, and there are "
            f"{counted(len(base.seeds), 'seed')}: round 0 holds the seeds; give as many seeds, or the curve from the "
            "round in which they were active"
        )
    if kind == "cumulative" and (falls := np.flatnonzero(np.diff(values) < 0)).size:
        raise InvalidInputError(
            f"the cumulative curve falls from {values[falls[0]]:g} to {values[falls[0] + 1]:g} in round "
            f"{falls[0] + 1}: it counts all agents so far; give curve 'incidence' for new agents by round"
        )
    sums = kind == "incidence" and not base.model.rules.recurrent
    if (most := values.sum() if sums else values.max()) > agents:
        what = "in all rounds" if sums else "in one round"
        raise InvalidInputError(f"the observed curve has {most:,g} agents {what}, and the network only {agents:,}")
