"""Common base of the compartment models: susceptible and infectious agents, and contacts that infect.

Kermack, McKendrick: A contribution to the mathematical theory of epidemics. Proceedings of the Royal Society A 115,
1927; on networks in discrete time: Kiss, Miller, Simon: Mathematics of Epidemics on Networks. Springer 2017. In every
round each infectious agent contacts each of its out-neighbours; several contacts combine independently.
"""

from typing import Annotated

from pydantic import Field, model_validator

from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import Probability, Scheme
from propagation.weights import EdgeWeights


class Compartmental(FactoredModel):
    """Infection by contact.

    Attributes
    ----------
    beta : float or str
        Transmission probability per contact and round: a constant in [0, 1], or a scheme as the probability of an
        independent cascade.
    """

    beta: Scheme = 0.1

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(self.beta, susceptibility=self.susceptibility, activity=self.activity, parameter="beta")


class Recovering(Compartmental):
    """Infection by contact, with recovery.

    Attributes
    ----------
    gamma : float
        Probability per round of leaving the infectious compartment, in [0, 1].
    infectious_period : int, optional
        Number of rounds that an agent is infectious, at least 1; given instead of gamma.
    """

    gamma: Probability = 0.2
    infectious_period: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    @model_validator(mode="after")
    def _gamma_or_period(self) -> "Recovering":
        if self.infectious_period is not None and "gamma" in self.model_fields_set:
            raise ValueError(
                "gamma and infectious_period are both given; give gamma (a probability per round) or "
                "infectious_period (a number of rounds)"
            )
        return self

    def leaving_infectious(self, to: str) -> Transition:
        """Return the transition out of the infectious compartment."""
        return Transition("infectious", to, probability=self.gamma, after=self.infectious_period)


def infection(compartments: tuple[str, ...], *transitions: Transition, first: str = "infectious") -> Rules:
    """Return rules by which infectious agents infect susceptible ones, which move to the compartment `first`."""
    return Rules(
        compartments=compartments,
        seeds="infectious",
        transmitting=("infectious",),
        reached=tuple(name for name in compartments if name != "susceptible"),
        contacts=(Contact("infectious", "susceptible", target_to=first),),
        transitions=transitions,
    )
