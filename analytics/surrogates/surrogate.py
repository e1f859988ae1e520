"""Surrogates of simulations: reach as a function of parameters, predicted at once, with its error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.surrogates.axes import NORMAL, Axis, check_names, checked_point
from analytics.surrogates.process import Process
from analytics.sweeps import BUDGET
from data.errors import InvalidInputError
from data.networks.network import Network
from propagation.seeding import RandomSeeds

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from analytics.surrogates.slider import Explorer

LARGE_ERROR, WIDE_INTERVAL = 0.1, 0.25
"""Leave-one-out error, and mean width of leave-one-out intervals, as shares of the largest reach, above which
predictions are called rough."""
CANDIDATES = 2_048
"""Points, spread over the ranges of the parameters, at which the error of predictions is computed."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """A predicted reach.

    Attributes
    ----------
    reach : float
        Median of the prediction, agents.
    standard_error : float
        Of the mean reach at this point, agents.
    low, high : float
        95 % interval, agents.
    """

    reach: float
    standard_error: float
    low: float
    high: float

    def __str__(self) -> str:
        decimals = 0 if self.high - self.low > 20 else 1
        return (
            f"{self.reach:,.{decimals}f} agents (95 % interval {self.low:,.{decimals}f} to {self.high:,.{decimals}f})"
        )


@dataclass(frozen=True)
class Design:
    """What was simulated at every point of a surrogate.

    Attributes
    ----------
    model : str
        Name of the model.
    fixed : mapping
        Its parameters that are not varied.
    seed_set : SeedStrategy or tuple of str
    seeds : int
        Number of seeds, where the budget is not varied.
    options : mapping
        Keywords of the simulation: replicates or precision, random_seed, max_rounds, record.
    """

    model: str
    fixed: Mapping[str, Any]
    seed_set: Any
    seeds: int
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A Gaussian process that predicts the reach of a model from its parameters.

    The process is that of the empirical logit of the share of agents that are reached and no seeds: of
    ``(reach - seeds + 1/2) / (agents - reach + 1/2)``. Standard errors of the simulated means are its noise. By
    scikit-learn, in memory: for up to some hundreds of points.

    Attributes
    ----------
    name : str
    network : Network
    design : Design
        What was simulated.
    axes : tuple of Axis
        Ranges of the parameters that were varied.
    points : DataFrame
        One row per simulated point: the parameters, session_id, replicates, reach, reach_standard_error (agents).
    process : Process
    """

    name: str
    network: Network
    design: Design
    axes: tuple[Axis, ...]
    points: "pd.DataFrame"
    process: Process

    def __repr__(self) -> str:
        names = ", ".join(self.parameters)
        return f"Surrogate({self.name!r} of {self.design.model} by {names}, {len(self.points)} points; {self.sentence})"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that were varied."""
        return tuple(axis.name for axis in self.axes)

    # -- predictions ------------------------------------------------------------------------------------------------

    def predict(self, **parameters: float) -> Prediction:
        """Return the reach predicted for a value of every parameter.

        Raises
        ------
        InvalidInputError
            If a parameter is missing, unknown, or outside the simulated range.

        Examples
        --------
        See `analytics.surrogate`.
        """
        low, middle, high = self._reach(checked_point(self.axes, parameters)[None])
        return Prediction(float(middle[0]), float(high[0] - low[0]) / (2 * NORMAL), float(low[0]), float(high[0]))

    def predict_many(self, points: Mapping[str, Sequence[float] | Values]) -> "pd.DataFrame":
        """Return predictions for many points: the parameters, reach, reach_standard_error, reach_low, reach_high.

        Parameters
        ----------
        points : mapping or DataFrame
            Values by parameter, lists of equal length.

        Raises
        ------
        InvalidInputError
            As `predict`, or if the lists differ in length.
        """
        import pandas as pd

        lists = {str(name): list(values) for name, values in points.items()}
        check_names(self.axes, lists)
        if len({len(values) for values in lists.values()}) > 1:
            given = ", ".join(f"{name}: {len(values)}" for name, values in lists.items())
            raise InvalidInputError(f"the lists of values differ in length ({given}); give as many of each parameter")
        frame = pd.DataFrame(lists)
        rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
        units = np.array([checked_point(self.axes, row) for row in rows]).reshape(len(frame), len(self.axes))
        low, middle, high = self._reach(units)
        return frame.assign(
            reach=middle, reach_standard_error=(high - low) / (2 * NORMAL), reach_low=low, reach_high=high
        )

    def _reach(self, units: Values, process: Process | None = None) -> tuple[Values, Values, Values]:
        """Return lower end, median and upper end of the 95 % interval, agents, at points given as shares."""
        mean, deviation = (process or self.process).predict(units)
        width = NORMAL * self.spread_factor * deviation
        seeds = self._seeds(units)
        low, middle, high = (self._agents(each, seeds) for each in (mean - width, mean, mean + width))
        return low, middle, high

    def _seeds(self, units: Values) -> Values:
        """Return the number of seeds at points given as shares."""
        if BUDGET in self.parameters:
            place = self.parameters.index(BUDGET)
            return self.axes[place].values(units[:, place])
        return np.full(len(units), float(self.design.seeds))

    def _agents(self, logits: Values, seeds: Values) -> Values:
        others = self.network.n_agents - seeds
        return np.clip(seeds - 0.5 + (others + 1.0) / (1.0 + np.exp(-logits)), seeds, self.network.n_agents)

    # -- errors -----------------------------------------------------------------------------------------------------

    @cached_property
    def _standardised(self) -> Values:
        """Leave-one-out errors in standard deviations, (points,) float64."""
        mean, deviation = self.process.leave_one_out()
        return (self.process.values - mean) / deviation

    @cached_property
    def spread_factor(self) -> float:
        """Factor by which intervals are widened: the root mean square of leave-one-out errors, if it is above 1."""
        return max(1.0, float(np.sqrt((self._standardised**2).mean())))

    @cached_property
    def left_out(self) -> "pd.DataFrame":
        """Each point predicted without it: predicted_reach, predicted_low, predicted_high, agents, and inside (bool).

        The factor of an interval is that of the other points.
        """
        import pandas as pd

        mean, deviation = self.process.leave_one_out()
        squares = self._standardised**2
        others = (squares.sum() - squares) / (len(squares) - 1)
        width = NORMAL * deviation * np.maximum(1.0, np.sqrt(others))
        seeds = self._seeds(self.process.units)
        low, middle, high = (self._agents(each, seeds) for each in (mean - width, mean, mean + width))
        reach = self.points["reach"].to_numpy()
        return pd.DataFrame(
            {
                "predicted_reach": middle,
                "predicted_low": low,
                "predicted_high": high,
                "inside": (low <= reach) & (reach <= high),
            }
        )

    @cached_property
    def error(self) -> float:
        """Root mean squared leave-one-out error, agents."""
        return float(np.sqrt(((self.points["reach"] - self.left_out["predicted_reach"]) ** 2).mean()))

    @property
    def relative_error(self) -> float:
        """`error` as a share of the largest simulated reach."""
        return self.error / self.largest_reach

    @property
    def coverage(self) -> float:
        """Share of the points that lie within the 95 % interval predicted without them."""
        return float(self.left_out["inside"].mean())

    @property
    def largest_reach(self) -> float:
        """Largest simulated reach, agents."""
        return float(self.points["reach"].max())

    @cached_property
    def largest_standard_error(self) -> float:
        """Largest standard error of predictions over the ranges, agents."""
        low, _, high = self._reach(self._candidates)
        return float((high - low).max()) / (2 * NORMAL)

    @property
    def sentence(self) -> str:
        """How good predictions are."""
        inside = int(self.left_out["inside"].sum())
        return (
            f"leave-one-out error {self.error:,.1f} agents ({self.relative_error:.1%} of the largest reach), "
            f"{inside} of {len(self.points)} points within their 95 % interval, largest standard error "
            f"{self.largest_standard_error:,.1f} agents"
        )

    @property
    def notes(self) -> list[str]:
        """Sentences about what predictions leave open: rough predictions, and seeds that were drawn once."""
        found = []
        width = float((self.left_out["predicted_high"] - self.left_out["predicted_low"]).mean()) / self.largest_reach
        if self.relative_error > LARGE_ERROR or width > WIDE_INTERVAL:
            found.append(
                f"predictions are rough: left-out points are missed by {self.relative_error:.0%} of the largest reach, "
                f"and their 95 % intervals are {width:.0%} of it wide on average; simulate more values, or refine"
            )
        if isinstance(self.design.seed_set, RandomSeeds):
            found.append(
                f"the seeds are one random draw (random seed {self.design.options.get('random_seed', 0)}): intervals "
                "are for these seeds, and other draws may lie outside"
            )
        return found

    # -- where to simulate next -------------------------------------------------------------------------------------

    @cached_property
    def highest(self) -> float:
        """Highest upper end of a 95 % interval over the ranges, agents."""
        return float(self._reach(self._candidates)[2].max())

    @cached_property
    def _candidates(self) -> Values:
        """Points that fill the ranges, with their corners, as shares, (k, axes) float64."""
        from scipy.stats import qmc

        width = len(self.axes)
        inner = qmc.Halton(width, scramble=False).random(CANDIDATES)
        corners = np.array(np.meshgrid(*([[0.0, 1.0]] * width))).reshape(width, -1).T
        found = np.concatenate([corners, inner])
        return np.column_stack(
            [axis.units(axis.values(column)) for axis, column in zip(self.axes, found.T, strict=True)]
        )

    def next_points(self, count: int = 1) -> list[dict[str, int | float]]:
        """Return the parameters to simulate next: where the standard error of the predicted reach is largest.

        Points are chosen one after the other, each as if the ones before were simulated already (Sacks, Welch, Mitchell
        and Wynn 1989: the design that minimises the largest error, one point at a time).

        Parameters
        ----------
        count : int
            At least 1.

        Raises
        ------
        InvalidInputError
            If `count` is less than 1.
        """
        if count < 1:
            raise InvalidInputError(f"count {count} is not at least 1")
        process, chosen = self.process, []
        taken = {tuple(point.values()) for point in self.points[list(self.parameters)].to_dict("records")}
        for _ in range(count):
            low, _, high = self._reach(self._candidates, process)
            for place in np.argsort(low - high, kind="stable"):
                point = {
                    axis.name: axis.plain(float(axis.values(share)))
                    for axis, share in zip(self.axes, self._candidates[place], strict=True)
                }
                if tuple(point.values()) not in taken:
                    break
            else:
                break  # whole numbers that are all simulated
            taken.add(tuple(point.values()))
            chosen.append(point)
            process = process.with_points(self._candidates[place][None])
        return chosen

    # -- pictures ---------------------------------------------------------------------------------------------------

    def plot(self, ax: "Axes | None" = None, *, error: bool = False, **fixed: float) -> "Axes":
        """Draw the predicted reach with its 95 % interval and the simulated points.

        A curve along one parameter, a surface over two; of further parameters, `fixed` gives the values.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; default: new axes.
        error : bool
            Draw the standard error of the predictions instead, over two parameters with the point to simulate next.
        **fixed
            Values of parameters that are not drawn; default: the middle of the range of all but the first two.

        Raises
        ------
        InvalidInputError
            If a value is outside its range.
        """
        from analytics.surrogates.picture import surrogate_picture

        return surrogate_picture(self, ax=ax, fixed=fixed, error=error)

    def explore(self) -> "Explorer":
        """Return sliders for notebooks; see `analytics.explore`."""
        from analytics.surrogates.slider import explore

        return explore(self)
