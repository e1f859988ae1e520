"""SEIZ: a rumour with exposed agents, who have not decided yet, and sceptics, who argue against it.

Bettencourt, Cintron-Arias, Kaiser, Castillo-Chavez: The power of a good idea. Physica A 364, 2006. Jin, Dougherty,
Saraf, Cao, Ramakrishnan: Epidemiological modeling of news and rumors on Twitter. SNAKDD 2013.

| from | to | when |
| --- | --- | --- |
| susceptible | infectious, exposed | a contact with an infectious agent succeeds (beta): infectious (p), else exposed |
| susceptible | sceptic, exposed | a contact with a sceptic succeeds (b): sceptic with l, else exposed |
| exposed | infectious | a contact with an infectious agent succeeds (rho), or without a contact, epsilon per round |

Infectious agents and sceptics never change. If contacts of both kinds succeed in a round, one of them, chosen
uniformly, decides.
"""

from typing import TYPE_CHECKING, ClassVar

from data.networks.network import Network
from propagation.models.model import FactoredModel, agent_column_name, check_shares
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import EdgeColumn, Probability, Share
from propagation.weights import EdgeWeights, agent_column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class SEIZ(FactoredModel):
    """Rumour with sceptics.

    Parameters
    ----------
    beta, b : float
        Probabilities per round that a susceptible agent's contact with an infectious agent (beta) or a sceptic (b)
        succeeds.
    p, l : float
        Probabilities that the agent then becomes infectious (p) or a sceptic (l); else it is exposed.
    rho : float
        Probability per round that an exposed agent's contact with an infectious one makes it infectious.
    epsilon : float
        Probability per round that an exposed agent becomes infectious without a contact.
    sceptics : float or str
        Probability that an agent other than a seed starts as a sceptic: a constant in [0, 1], ``column`` (the agents'
        column ``sceptic``) or ``column:NAME``.
    strength : str, optional
        Edge column, values in [0, 1], that is a factor of beta, b and rho.
    susceptibility, activity : str, optional
        Agent columns that are factors too: of the target and of the source.

    Examples
    --------
    >>> SEIZ(beta=0.2, sceptics=0.05).rules.sceptics
    'sceptic'
    """

    name: ClassVar[str] = "seiz"

    beta: Probability = 0.1
    b: Probability = 0.05
    p: Probability = 0.3
    l: Probability = 0.3  # noqa: E741 (the source's name)
    rho: Probability = 0.1
    epsilon: Probability = 0.05
    sceptics: Share = 0.0
    strength: EdgeColumn | None = None

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return Rules(
            compartments=("susceptible", "exposed", "infectious", "sceptic"),
            seeds="infectious",
            transmitting=("infectious", "sceptic"),
            reached=("exposed", "infectious"),
            contacts=(
                Contact("infectious", "susceptible", "infectious", self.p, "exposed", rate=self.beta),
                Contact("sceptic", "susceptible", "sceptic", self.l, "exposed", rate=self.b),
                Contact("infectious", "exposed", "infectious", rate=self.rho),
            ),
            transitions=(Transition("exposed", "infectious", probability=self.epsilon),),
            sceptics="sceptic",
        )

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' factors, without the rates."""
        if self.strength is None:
            return EdgeWeights(1.0, susceptibility=self.susceptibility, activity=self.activity)
        return EdgeWeights(
            self.strength, susceptibility=self.susceptibility, activity=self.activity, parameter="strength"
        )

    def initial_sceptics(self, network: Network) -> "npt.NDArray[np.float64] | float":
        """Return the probability that an agent starts as a sceptic."""
        if isinstance(self.sceptics, str):
            return agent_column(network, agent_column_name(self.sceptics, "sceptic"))
        return self.sceptics

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is missing or has values out of range."""
        super().check(network)
        check_shares(network, "sceptics", self.sceptics, "sceptic")
