"""Diffusion: a linear threshold on normalised strengths, with agents' own thresholds.

Granovetter: Threshold models of collective behavior. American Journal of Sociology 83, 1978.

| from | to | when |
| --- | --- | --- |
| inactive | newly_active | the active in-neighbours' share of its in-strength reaches its threshold |
| newly_active | active | after the one round in which its weight was added to its out-neighbours' sums |
"""

from typing import Any, ClassVar

import numpy as np

from data.networks.network import Network
from propagation.models.linear_threshold import THRESHOLD, TOLERANCE
from propagation.models.model import FactoredModel, Thresholds, agent_column_name, check_shares
from propagation.models.rules import Rules
from propagation.parameters import EdgeColumn, Threshold
from propagation.weights import STRENGTH_IF_ANY, EdgeWeights, agent_column


class Diffusion(FactoredModel):
    """Diffusion by social reinforcement.

    Parameters
    ----------
    threshold : float or str
        Share of its in-strength at which an agent adopts: a constant in [0, 1], ``column`` (the agents' column
        ``threshold``), ``column:NAME``, or ``uniform`` (drawn per agent and replicate).
    strength : str, optional
        Edge column to normalise: ``strength``, ``column`` or ``column:NAME``; default: the network's strength
        column if it has one, else equal strengths.
    susceptibility, activity : str, optional
        Agent columns: the normalised weight is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> Diffusion(threshold=0.25).threshold
    0.25
    """

    name: ClassVar[str] = "diffusion"

    threshold: Threshold = 0.5
    strength: EdgeColumn | None = None

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return THRESHOLD

    def influence(self) -> EdgeWeights:
        """Return the scheme of the edges' influence weights."""
        return normalised_strength(self)

    def thresholds(self, network: Network) -> Thresholds:
        """Return the thresholds for sums of weights."""
        return share_thresholds(self.threshold, network)

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is missing or has values out of range."""
        super().check(network)
        check_shares(network, "threshold", self.threshold, "threshold")


def normalised_strength(model: Any) -> EdgeWeights:
    """Return weights equal to each edge's share of its target's in-strength."""
    return EdgeWeights(
        model.strength or STRENGTH_IF_ANY,
        susceptibility=model.susceptibility,
        activity=model.activity,
        normalised=True,
        parameter="strength",
    )


def share_thresholds(threshold: float | str, network: Network) -> Thresholds:
    """Return thresholds as shares of the in-strength, to be drawn per replicate if ``uniform``."""
    if threshold == "uniform":
        return Thresholds()
    share = (
        agent_column(network, agent_column_name(threshold, "threshold"))
        if isinstance(threshold, str)
        else np.full(network.n_ids, threshold)
    )
    return Thresholds(np.maximum(np.ceil(share * (2.0**32 * (1.0 - TOLERANCE))), 1.0).astype(np.int64))
