"""Fractional threshold: active once a fixed fraction, or a fixed number, of in-neighbours is active.

Watts: A simple model of global cascades on random networks. PNAS 99, 2002 (fractions). Centola, Macy: Complex
contagions and the weakness of long ties. American Journal of Sociology 113, 2007 (numbers).

| from | to | when |
| --- | --- | --- |
| inactive | newly_active | max(1, ceil(threshold x in_degree - 1e-9)), or `neighbours`, in-neighbours are active |
| newly_active | active | after the one round in which it was counted by its out-neighbours |
"""

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, model_validator

from data.networks.network import Network
from propagation.models.linear_threshold import THRESHOLD
from propagation.models.model import Model, Thresholds, agent_column_name, check_shares
from propagation.models.rules import Rules
from propagation.parameters import Threshold
from propagation.weights import ONE_EACH, EdgeWeights, agent_column


class FractionalThreshold(Model):
    """Threshold on the fraction or the number of active in-neighbours; give exactly one of the two.

    Parameters
    ----------
    threshold : float or str, optional
        Fraction of in-neighbours: a constant in [0, 1], ``column`` (the agents' column ``threshold``),
        ``column:NAME``, or ``uniform`` (drawn per agent and replicate).
    neighbours : int, optional
        Number of in-neighbours, at least 1.

    Examples
    --------
    >>> FractionalThreshold(neighbours=2).neighbours
    2
    """

    name: ClassVar[str] = "fractional_threshold"

    threshold: Threshold | None = None
    neighbours: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "FractionalThreshold":
        if (self.threshold is None) == (self.neighbours is None):
            raise ValueError("give exactly one of threshold (a fraction) and neighbours (a number)")
        return self

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return THRESHOLD

    def influence(self) -> EdgeWeights:
        """Return the scheme of the edges' weights: every edge counts 1."""
        return ONE_EACH

    def thresholds(self, network: Network) -> Thresholds:
        """Return the thresholds for counts of active in-neighbours."""
        if self.neighbours is not None:
            return Thresholds(np.full(network.n_ids, self.neighbours, np.int64))
        if self.threshold == "uniform":
            return Thresholds(in_degree=network.in_degree)
        share: float | np.ndarray = (
            agent_column(network, agent_column_name(self.threshold, "threshold"))
            if isinstance(self.threshold, str)
            else float(self.threshold or 0.0)
        )
        return Thresholds(np.maximum(np.ceil(share * network.in_degree - 1e-9), 1.0).astype(np.int64))

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is missing or has values out of range."""
        super().check(network)
        if self.threshold is not None:
            check_shares(network, "threshold", self.threshold, "threshold")
