"""Independent cascade: each newly active agent tries each of its out-neighbours once.

Kempe, Kleinberg, Tardos: Maximizing the spread of influence through a social network. KDD 2003.

| from | to | when |
| --- | --- | --- |
| susceptible | active | an attempt of an in-neighbour activated in the round before succeeds |
| active | inactive | after the one round in which it tried its out-neighbours |

Several successes in one round activate once; the infector is one of them, chosen uniformly.
"""

from typing import ClassVar

from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import Scheme
from propagation.weights import EdgeWeights

CASCADE = Rules(
    compartments=("susceptible", "active", "inactive"),
    seeds="active",
    transmitting=("active",),
    reached=("active", "inactive"),
    contacts=(Contact("active", "susceptible", target_to="active"),),
    transitions=(Transition("active", "inactive", probability=1.0),),
)
"""One round of attempts after an activation; also used by `viral`."""


class IndependentCascade(FactoredModel):
    """Independent cascade.

    Parameters
    ----------
    probability : float or str
        Transmission probability of an edge: a constant in [0, 1], or a scheme: ``weighted_cascade``
        (1 / in_degree of the target), ``trivalency`` (0.1, 0.01 or 0.001, drawn once per edge), ``strength`` (the
        network's strength column), ``column`` (its probability column) or ``column:NAME``.
    susceptibility, activity : str, optional
        Agent columns: the probability is multiplied by that of the target and of the source, and capped at 1.

    Examples
    --------
    >>> IndependentCascade(probability=0.1).probability
    0.1
    """

    name: ClassVar[str] = "independent_cascade"

    probability: Scheme = "weighted_cascade"

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return CASCADE

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(self.probability, susceptibility=self.susceptibility, activity=self.activity)
