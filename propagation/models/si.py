"""SI: infected agents stay infectious.

Kermack, McKendrick: A contribution to the mathematical theory of epidemics. Proceedings of the Royal Society A 115,
1927; in discrete time on networks as in Kiss, Miller, Simon: Mathematics of Epidemics on Networks. Springer 2017.

| from | to | when |
| --- | --- | --- |
| susceptible | infectious | a contact with an infectious in-neighbour succeeds (beta) |
"""

from typing import ClassVar

from propagation.models.compartmental import Compartmental, infection
from propagation.models.rules import Rules


class SI(Compartmental):
    """SI.

    Parameters
    ----------
    beta : float or str
        Transmission probability per contact and round: a constant in [0, 1], or a scheme as the probability of
        `IndependentCascade`.
    susceptibility, activity : str, optional
        Agent columns: beta is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> SI(beta=0.05).beta
    0.05
    """

    name: ClassVar[str] = "si"

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return infection(("susceptible", "infectious"))
