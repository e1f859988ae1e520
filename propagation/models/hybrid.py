"""Hybrid: generalised contagion, by a single contact or by social reinforcement.

Dodds, Watts: Universal behavior in a generalized model of contagion. Physical Review Letters 92, 2004. In each
replicate an agent is reached either by a single contact as in `viral` (with probability alpha) or by the reinforcement
of many as in `diffusion`. alpha = 1 gives the rows of viral, alpha = 0 those of diffusion.

| from | to | when |
| --- | --- | --- |
| susceptible | active | as in viral or as in diffusion, depending on the agent's kind |
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
    """Viral and diffusion combined.

    Parameters
    ----------
    alpha : float
        Probability that an agent is reached as in `Viral`, in [0, 1]; drawn per agent and replicate.
    threshold : float or str
        Share of its in-strength at which an agent adopts, as in `Diffusion`.
    strength : str, optional
        Edge column: a factor of the probabilities of viral, normalised for diffusion.
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
        """Return the thresholds for sums of weights."""
        return share_thresholds(self.threshold, network)

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is missing or has values out of range."""
        super().check(network)
        check_shares(network, "threshold", self.threshold, "threshold")
