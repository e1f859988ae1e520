"""SEIR: infected agents are first exposed, then infectious, then recovered.

Kermack, McKendrick: A contribution to the mathematical theory of epidemics. Proceedings of the Royal Society A 115,
1927; in discrete time on networks as in Kiss, Miller, Simon: Mathematics of Epidemics on Networks. Springer 2017.

| from | to | when |
| --- | --- | --- |
| susceptible | exposed | a contact with an infectious in-neighbour succeeds (beta) |
| exposed | infectious | with probability sigma per round |
| infectious | recovered | with probability gamma per round, or after infectious_period rounds |
"""

from typing import ClassVar

from propagation.models.compartmental import Recovering, infection
from propagation.models.rules import Rules, Transition
from propagation.parameters import Probability


class SEIR(Recovering):
    """SEIR.

    Parameters
    ----------
    beta : float or str
        Transmission probability per contact and round: a constant in [0, 1], or a scheme as the probability of
        `IndependentCascade`.
    sigma : float
        Probability per round of becoming infectious once exposed, in [0, 1].
    gamma : float
        Probability per round of recovering, in [0, 1].
    infectious_period : int, optional
        Number of rounds that an agent is infectious, at least 1; given instead of gamma.
    susceptibility, activity : str, optional
        Agent columns: beta is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> SEIR(sigma=0.25).sigma
    0.25
    """

    name: ClassVar[str] = "seir"

    sigma: Probability = 0.5

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return infection(
            ("susceptible", "exposed", "infectious", "recovered"),
            Transition("exposed", "infectious", probability=self.sigma),
            self.leaving_infectious("recovered"),
            first="exposed",
        )
