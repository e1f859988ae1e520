"""Daley-Kendall: when two spreaders meet both stop; one who meets a stifler stops.

Daley, Kendall: Stochastic rumours. IMA Journal of Applied Mathematics 1, 1965; on networks, every neighbour is
contacted in every round.

| from | to | when |
| --- | --- | --- |
| ignorant | spreader | a contact with a spreader succeeds (spreading) |
| spreader | stifler | its contact with a spreader or a stifler succeeds (stifling) |
| spreader | stifler | it is contacted by a spreader, and that contact succeeds (stifling) |
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
        Probability per contact and round that it stops when the contacted agent is informed, in [0, 1].
    susceptibility, activity : str, optional
        Agent columns: `spreading` is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> DaleyKendall(spreading=0.3, stifling=0.5).stifling
    0.5
    """

    name: ClassVar[str] = "daley_kendall"

    @property
    def rules(self) -> Rules:
        """What the model does in a round."""
        return rumour_rules(self.stifling, both_stop=True)
