"""Fit a forecast: keep test cascades apart, choose estimators by cross-validation, fit, forecast the test cascades."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.forecasting.baselines import Reactions, fit_baselines, observed_reactions
from analytics.forecasting.estimators import (
    OUTCOME_ESTIMATORS,
    SIZE_ESTIMATORS,
    fit_outcome,
    fit_size,
)
from analytics.forecasting.feature_kernel import COLUMNS
from analytics.forecasting.features import Surroundings, features_of
from analytics.forecasting.fitted import Errors, FittedForecast, fewest_for_level, filled, logarithms
from analytics.forecasting.observation import Observation
from analytics.forecasting.splits import folds, train_and_test
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

OUTCOMES = ("double", "median")
"""What the probability is about: the cascade at least doubles, or exceeds the median size of training cascades."""
STAGE = "fitting estimators"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitOptions:
    """How a forecast is fitted and tested.

    Attributes
    ----------
    outcome : str
        One of `OUTCOMES`.
    split : str
        How test cascades are kept apart: ``random``, ``last`` or ``first_agent``.
    test_share : float
        Share of the cascades to test on.
    level : float
        Probability that a prediction interval is to cover.
    size_estimators, outcome_estimators : tuple of str
        What cross-validation chooses from.
    random_seed : int
    """

    outcome: str = "double"
    split: str = "random"
    test_share: float = 0.3
    level: float = 0.9
    size_estimators: tuple[str, ...] = SIZE_ESTIMATORS
    outcome_estimators: tuple[str, ...] = OUTCOME_ESTIMATORS
    random_seed: int = 0


@dataclass(frozen=True)
class CascadeSample:
    """Cascades with what is known when they are forecast, and what became of them.

    Attributes
    ----------
    frame : DataFrame
        Their features, as `cascade_features` returns them, and ``cascade_set_id``.
    size : (n_cascades,) float64
        Final sizes.
    first_agents : (n_cascades,) int32
    sets : (n_cascades,) int64
        Number of the set that each is of.
    reactions : Reactions or None
    """

    frame: "pd.DataFrame"
    size: Floats
    first_agents: npt.NDArray[np.int32]
    sets: npt.NDArray[np.int64]
    reactions: Reactions | None

    def select(self, positions: npt.NDArray[np.int64]) -> "CascadeSample":
        """Return the cascades at these positions."""
        return CascadeSample(
            self.frame.iloc[positions].reset_index(drop=True),
            self.size[positions],
            self.first_agents[positions],
            self.sets[positions],
            None if self.reactions is None else self.reactions.select(positions),
        )

    @property
    def size_so_far(self) -> Floats:
        """Agents activated within the observation, by cascade."""
        return self.frame["size_so_far"].to_numpy(np.float64)


def sample_of(sets: Sequence[ObservedCascades], observation: Observation, around: Surroundings) -> CascadeSample:
    """Return the cascades of some sets that can be forecast, the sets one after the other."""
    import pandas as pd

    frames, sizes, agents, reactions = [], [], [], []
    for cascades in sets:
        parts = observation.of(cascades)
        frame = features_of(cascades, observation, around)
        frames.append(frame.assign(cascade_set_id=cascades.cascade_set_id))
        sizes.append(cascades.sizes[parts.positions].astype(np.float64))
        agents.append(cascades.agents[cascades.offsets[parts.positions]])
        reactions.append(observed_reactions(cascades, parts, around))
    known = [each for each in reactions if each is not None]
    return CascadeSample(
        frame=pd.concat(frames, ignore_index=True),
        size=np.concatenate(sizes),
        first_agents=np.concatenate(agents),
        sets=np.repeat(np.arange(len(sets)), list(map(len, frames))),
        reactions=Reactions.joined(known) if len(known) == len(reactions) else None,
    )


@dataclass(frozen=True)
class Fit:
    """A fitted forecast, with how it was chosen and what it forecasts for the test cascades.

    Attributes
    ----------
    fitted : FittedForecast
    choices : dict
        Error of every estimator in cross-validation: mean absolute error of the logarithm of sizes, Brier score.
    training_cascades : int
    tests : dict of ndarray
        Columns of the table `forecast_tests`, and ``outcome_at``.
    """

    fitted: FittedForecast
    choices: dict[str, dict[str, float]]
    training_cascades: int
    tests: dict[str, npt.NDArray[Any]]


def fit(sample: CascadeSample, options: FitOptions, progress: Progress) -> Fit:
    """Fit a forecast to a sample of cascades.

    Raises
    ------
    InvalidInputError
        If there are too few cascades, or the outcome is the same for all training cascades.
    """
    train_at, test_at = train_and_test(
        options.split, sample.first_agents, sample.sets, options.test_share, options.random_seed
    )
    _check_level(options.level, len(train_at))
    train, test = sample.select(train_at), sample.select(test_at)
    # 1. The outcome, and the features that vary.
    factor, least = (2.0, 0.0) if options.outcome == "double" else (1.0, float(np.median(train.size)) + 0.5)
    happened = train.size >= np.maximum(factor * train.size_so_far, least)
    _check_outcome(happened, options.outcome)
    features = _varying(train.frame)
    values = logarithms(train.frame, features)
    medians = np.nanmedian(values, axis=0)
    values = filled(values, medians)
    # 2. Choose the estimators by cross-validation, and fit them to all training cascades.
    size_losses, held_out = _cross_validated_sizes(train, values, options, progress)
    outcome_losses = _cross_validated_outcomes(train, values, happened, options, progress)
    size_kind = min(size_losses, key=lambda kind: size_losses[kind])
    outcome_kind = min(outcome_losses, key=lambda kind: outcome_losses[kind])
    logger.info("chosen by cross-validation: %s for the size, %s for the outcome", size_kind, outcome_kind)
    fitted = FittedForecast(
        features=features,
        medians=medians,
        size=fit_size(size_kind, values, train.size_so_far, train.size, options.random_seed),
        outcome=fit_outcome(outcome_kind, values, happened, options.random_seed),
        errors=Errors.of_held_out(held_out[size_kind], np.log(train.size / train.size_so_far), options.level),
        level=options.level,
        baselines=fit_baselines(train.size_so_far, train.size, happened, train.reactions),
        outcome_factor=factor,
        outcome_size=least,
    )
    # 3. Forecast the test cascades.
    choices = {"size": size_losses, "outcome": outcome_losses}
    return Fit(fitted, choices, len(train.size), tested(fitted, test))


def tested(fitted: FittedForecast, sample: CascadeSample) -> dict[str, npt.NDArray[Any]]:
    """Return forecasts of cascades whose ends are known, as columns of `forecast_tests`, and ``outcome_at``."""
    so_far = sample.size_so_far
    at = fitted.outcome_at(so_far)
    simple = fitted.baselines.sizes(so_far, sample.reactions)
    return {
        **{name: sample.frame[name].to_numpy() for name in ("cascade_set_id", "cascade", "cascade_id", "size_so_far")},
        "size": sample.size,
        "outcome_happened": sample.size >= at,
        "outcome_at": at,
        **fitted.forecast(sample.frame),
        "naive_size": simple["naive"],
        "naive_probability": fitted.baselines.probabilities(so_far),
        "mean_size": simple["training_mean"],
        "seismic_size": simple["seismic"],
        "calibrated_seismic_size": simple["calibrated_seismic"],
    }


def _check_level(level: float, training: int) -> None:
    if training < (needed := fewest_for_level(level)):
        raise InvalidInputError(
            f"level is {level:g}: such intervals need at least {needed:,} training cascades, and there are "
            f"{training:,}; give more cascades, or a level of at most "
            f"{math.floor(1000 * (1.0 - 2.0 / (training + 1))) / 1000:g}"
        )


def _check_outcome(happened: Booleans, outcome: str) -> None:
    if happened.all() or not happened.any():
        other = next(each for each in OUTCOMES if each != outcome)
        raise InvalidInputError(
            f"outcome {outcome!r} happened in {'all' if happened.any() else 'none'} of {len(happened):,} training "
            f"cascades, so there is nothing to tell apart; give outcome {other!r}, or observe another part of them"
        )


def _varying(frame: "pd.DataFrame") -> tuple[str, ...]:
    """Return the features that are known and differ among the training cascades."""
    return tuple(name for name in COLUMNS if frame[name].min() < frame[name].max())


def _cross_validated_sizes(
    train: CascadeSample, values: Floats, options: FitOptions, progress: Progress
) -> tuple[dict[str, float], dict[str, Floats]]:
    """Return the error of each estimator of the size, and its forecasts of held-out cascades (logarithms of growth)."""
    actual = np.log(train.size / train.size_so_far)
    losses, held_out = {}, {}
    for number, kind in enumerate(options.size_estimators):
        progress(STAGE, number, len(options.size_estimators) + len(options.outcome_estimators))
        found = np.empty(len(actual))
        for inside, outside in folds(options.split, train.first_agents, train.sets, options.random_seed):
            fitted = fit_size(kind, values[inside], train.size_so_far[inside], train.size[inside], options.random_seed)
            found[outside] = fitted.growth(values[outside], train.size_so_far[outside])
        losses[kind], held_out[kind] = float(np.abs(found - actual).mean()), found
    return losses, held_out


def _cross_validated_outcomes(
    train: CascadeSample, values: Floats, happened: Booleans, options: FitOptions, progress: Progress
) -> dict[str, float]:
    """Return the Brier score of each estimator of the outcome over held-out cascades."""
    losses = {}
    before, total = len(options.size_estimators), len(options.size_estimators) + len(options.outcome_estimators)
    for number, kind in enumerate(options.outcome_estimators):
        progress(STAGE, before + number, total)
        found = np.empty(len(happened))
        for inside, outside in folds(options.split, train.first_agents, train.sets, options.random_seed):
            fitted = fit_outcome(kind, values[inside], happened[inside], options.random_seed)
            found[outside] = fitted.probability(values[outside])
        losses[kind] = float(np.mean((found - happened) ** 2))
    progress(STAGE, total, total)
    return losses
