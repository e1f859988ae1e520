"""Daley-Kendall: when two spreaders meet, both become stiflers; a spreader who meets a stifler becomes a stifler.

Daley, Kendall: Stochastic rumours. IMA Journal of Applied Mathematics 1, 1965; on networks, every neighbour is
contacted in every round.

Two spreaders meet once per round: if the network has edges in both directions between them, both contacts share one
draw. On a complete network with equal, small probabilities the share of agents who never hear the rumour therefore
tends to the paper's 0.203, the root of ``x - 1 = log(x) / 2``.

| from | to | when |
| --- | --- | --- |
| ignorant | spreader | a contact with a spreader succeeds (spreading) |
| spreader | stifler | its contact with a stifler succeeds (stifling) |
| two spreaders | stiflers | they meet, and that meeting succeeds (stifling) |
"""

from typing import ClassVar

from propagation.models.rules import Rules
from propagation.models.rumours import Rumour, rumour_rules


class DaleyKendall(Rumour):
    """Daley-Kendall rumour.

    Parameters
    ----------
    spreading : float or str
        Probability per contact and round that a spreader makes an ignorant agent a spreader: a constant in [0, 1], or
        a scheme as the probability of `IndependentCascade`.
    stifling : float
        Probability per round that a spreader who contacts a stifler becomes a stifler, and that two connected spreaders
        both do, in [0, 1].
    susceptibility, activity : str, optional
        Agent columns: `spreading` is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> DaleyKendall(spreading=0.3, stifling=0.5).stifling
    0.5
    """

    name: ClassVar[str] = "daley_kendall"
    rules_version: ClassVar[int] = 2

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return rumour_rules(self.stifling, both_stop=True)
