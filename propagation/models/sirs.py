"""SIRS: infectious agents recover, and become susceptible again.

Kermack, McKendrick: A contribution to the mathematical theory of epidemics. Proceedings of the Royal Society A 115,
1927; in discrete time on networks as in Kiss, Miller, Simon: Mathematics of Epidemics on Networks. Springer 2017.

| from | to | when |
| --- | --- | --- |
| susceptible | infectious | a contact with an infectious in-neighbour succeeds (beta) |
| infectious | recovered | with probability gamma per round, or after infectious_period rounds |
| recovered | susceptible | with probability waning per round |
"""

from typing import ClassVar

from propagation.models.compartmental import Recovering, infection
from propagation.models.rules import Rules, Transition
from propagation.parameters import Probability


class SIRS(Recovering):
    """SIRS.

    Parameters
    ----------
    beta : float or str
        Transmission probability per contact and round: a constant in [0, 1], or a scheme as the probability of
        `IndependentCascade`.
    gamma : float
        Probability per round of recovering, in [0, 1].
    infectious_period : int, optional
        Number of rounds that an agent is infectious, at least 1; given instead of gamma.
    waning : float
        Probability per round of becoming susceptible again, in [0, 1].
    susceptibility, activity : str, optional
        Agent columns: beta is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> SIRS(waning=0.01).waning
    0.01
    """

    name: ClassVar[str] = "sirs"

    waning: Probability = 0.1

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return infection(
            ("susceptible", "infectious", "recovered"),
            self.leaving_infectious("recovered"),
            Transition("recovered", "susceptible", probability=self.waning),
        )
