"""Maki-Thompson: a spreader who contacts an informed agent becomes a stifler.

Maki, Thompson: Mathematical Models and Applications. Prentice-Hall 1973; on networks, every neighbour is
contacted in every round.

| from | to | when |
| --- | --- | --- |
| ignorant | spreader | a contact with a spreader succeeds (spreading) |
| spreader | stifler | its contact with a spreader or a stifler succeeds (stifling) |
"""

from typing import ClassVar

from propagation.models.rules import Rules
from propagation.models.rumours import Rumour, rumour_rules


class MakiThompson(Rumour):
    """Maki-Thompson rumour.

    Parameters
    ----------
    spreading : float or str
        Probability per contact and round that a spreader makes an ignorant agent a spreader: a constant in [0, 1], or
        a scheme as the probability of `IndependentCascade`.
    stifling : float
        Probability per contact and round that a spreader becomes a stifler if the contacted agent is informed, in
        [0, 1].
    susceptibility, activity : str, optional
        Agent columns: `spreading` is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> MakiThompson(spreading=0.3, stifling=0.5).stifling
    0.5
    """

    name: ClassVar[str] = "maki_thompson"

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return rumour_rules(self.stifling, both_stop=False)
