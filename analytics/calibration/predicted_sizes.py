"""Predictive check: sizes of cascades simulated from the first agents of observed ones, beside theirs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.calibration.starts import simulated, starts_of
from data.cascades.observed_cascades import ObservedCascades
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from propagation.jobs import Execution
from propagation.models.model import Model
from propagation.sessions import resolve_session

if TYPE_CHECKING:
    from distributed import Client
    from matplotlib.axes import Axes

REPLICATES = 1000
"""Simulated cascades of all observed ones together: of each as many, or one of so many, drawn without replacement."""
FAR_APART = 2.0
"""Ratio of mean sizes, one way or the other, from which a warning says so."""


@dataclass(frozen=True)
class PredictedSizes:
    """Sizes of observed cascades, and of cascades simulated from the same first agents.

    Attributes
    ----------
    name : str
        Name of the observed cascades.
    observed : (cascades,) int64
        Agents of each cascade, the first ones included.
    simulated : (replicates,) int64
        The same of simulated ones; as many start at the first agents of each observed cascade.
    """

    name: str
    observed: npt.NDArray[np.int64]
    simulated: npt.NDArray[np.int64]

    @property
    def distance(self) -> float:
        """Largest difference of the two cumulative distributions, from 0 to 1 (Kolmogorov and Smirnov)."""
        sizes = np.union1d(self.observed, self.simulated)
        shares = [
            np.searchsorted(np.sort(each), sizes, side="right") / len(each) for each in (self.observed, self.simulated)
        ]
        return float(np.abs(shares[0] - shares[1]).max())

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw both distributions: the share of cascades that have at least each size, on logarithmic axes."""
        import pandas as pd

        from analytics.observations.pictures import shape_distribution

        observed, found = pd.DataFrame({"size": self.observed}), pd.DataFrame({"size": self.simulated})
        return shape_distribution("size", observed, found, names=(f"{self.name}, observed", "simulated"), ax=ax)


def predicted_sizes(
    network: Network,
    model: Model,
    test: ObservedCascades,
    *,
    replicates: int = REPLICATES,
    random_seed: int = 0,
    client: "Client | None" = None,
    progress: Progress = ignore_progress,
) -> PredictedSizes:
    """Simulate cascades from the first agents of observed ones, and return the sizes of both.

    Simulated on the engine; the same values on any number of workers. Nothing is published.

    Parameters
    ----------
    network : Network
        Such as `EdgeCalibration.calibrated`.
    model : Model
        Such as `EdgeCalibration.model`.
    test : ObservedCascades
        Of agents of the network, at least one. Their agents at time 0 are the seeds.
    replicates : int
        Simulated cascades altogether, rounded to a multiple of the observed ones; of more observed ones, a sample of so
        many is simulated once.
    random_seed : int
    client : distributed.Client, optional
    progress : Progress

    Returns
    -------
    PredictedSizes

    Raises
    ------
    InvalidInputError, UnfitModelError
        If an agent is not in the network, or the model cannot run on it.
    """
    starts = starts_of(network, test)
    base = resolve_session(
        network,
        model,
        seed_set=list(starts.seed_agents[0]),
        replicates=replicates,
        random_seed=random_seed,
    )
    groups = [[session] for session in starts.sessions(base, 0)]
    found = simulated(network, groups, replicates, Execution(client=client, progress=progress))
    return PredictedSizes(test.name, test.sizes, np.concatenate([result.lanes.sizes for (result,) in found]))
