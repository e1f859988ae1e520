"""Hybrid: generalised contagion, by a single contact or by social reinforcement.

Dodds, Watts: Universal behavior in a generalized model of contagion. Physical Review Letters 92, 2004. Each agent is,
per replicate, either reached by a single contact as in `viral` (with probability alpha) or by the reinforcement of
many as in `diffusion`. alpha = 1 is viral and alpha = 0 is diffusion, row for row.

| from | to | when |
| --- | --- | --- |
| susceptible | active | as in viral, or as in diffusion, whichever kind the agent is |
| active | inactive | after the one round in which it contacted its out-neighbours |
"""

import dataclasses
from typing import ClassVar

from data.networks.network import Network
from propagation.models.diffusion import normalised_strength, share_thresholds
from propagation.models.model import Thresholds, check_shares
from propagation.models.rules import Rules
from propagation.models.viral import Viral
from propagation.parameters import Probability, Threshold
from propagation.weights import EdgeWeights


class Hybrid(Viral):
    """Viral and diffusion at once.

    Parameters
    ----------
    alpha : float
        Probability that an agent is reached as in `Viral`, in [0, 1]; drawn per agent and replicate.
    threshold : float or str
        As in `Diffusion`.
    strength : str, optional
        Edge column: multiplies the probabilities of viral, and is normalised for diffusion.
    base_rate, virality, decay, fatigue, susceptibility, activity
        As in `Viral`.

    Examples
    --------
    >>> Hybrid(alpha=0.3, base_rate=0.1, threshold=0.2).rules.mixing
    0.3
    """

    name: ClassVar[str] = "hybrid"

    alpha: Probability = 0.5
    threshold: Threshold = 0.5

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return dataclasses.replace(super().rules, mixing=self.alpha)

    def influence(self) -> EdgeWeights:
        """Return the scheme of the edges' influence weights."""
        return normalised_strength(self)

    def thresholds(self, network: Network) -> Thresholds:
        """Return what sums of weights are compared with."""
        return share_thresholds(self.threshold, network)

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is not there or holds values out of its range."""
        super().check(network)
        check_shares(network, "threshold", self.threshold, "threshold")
