"""Competing cascades: two or more messages on one network; each agent adopts the first that reaches it, for good.

Bharathi, Kempe, Salek: Competitive influence maximization in social networks. WINE 2007. Budak, Agrawal, El Abbadi:
Limiting the spread of misinformation in social networks. WWW 2011.

| from | to | when |
| --- | --- | --- |
| susceptible | active_1, active_2, ... | an attempt of an in-neighbour activated in the round before succeeds |
| active_1, active_2, ... | inactive | after the one round in which it tried its out-neighbours |

An agent adopts the message of its infector. If several attempts succeed in one round, the infector is the one with the
smallest draw, ties by the smallest dense id: each is equally likely, whatever its message. An edge makes the same draw
whichever message passes along it, so that with equal rates the messages together reach whom one would reach alone.
"""

from typing import ClassVar

from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import Probability, Scheme
from propagation.weights import EdgeWeights

MOST_MESSAGES = 6
"""Messages that may compete: each has a compartment of its own."""
ADOPTING = tuple(f"active_{number}" for number in range(1, MOST_MESSAGES + 1))
"""Compartments of agents that pass on the first message, the second, ..."""


class CompetingCascades(FactoredModel):
    """Independent cascades of several messages, of which an agent adopts one.

    The session's `seed_set` maps each message to its seeds, at most six messages.

    Parameters
    ----------
    probability : float or str
        Transmission probability of an edge: a constant in [0, 1], or a scheme: ``weighted_cascade``
        (1 / in-degree of the target), ``trivalency`` (0.1, 0.01 or 0.001, drawn per edge), ``strength``, ``column`` or
        ``column:NAME``.
    rates : list of float, optional
        Factor of each message's probabilities, in [0, 1] and in the order of the session's messages; 1 for messages
        beyond the end of the list.
    susceptibility, activity : str, optional
        Agent columns that are factors: of the target, and of the source.

    Examples
    --------
    >>> CompetingCascades(probability=0.2, rates=[1.0, 0.5]).rules.adopting[:2]
    ('active_1', 'active_2')
    """

    name: ClassVar[str] = "competing_cascades"

    probability: Scheme = "weighted_cascade"
    rates: tuple[Probability, ...] | None = None

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        rates = (*(self.rates or ()), *(1.0 for _ in ADOPTING))
        return Rules(
            compartments=("susceptible", *ADOPTING, "inactive"),
            seeds=ADOPTING[0],
            transmitting=ADOPTING,
            reached=(*ADOPTING, "inactive"),
            contacts=tuple(
                Contact(active, "susceptible", target_to=active, rate=rate)
                for active, rate in zip(ADOPTING, rates, strict=False)
            ),
            transitions=tuple(Transition(active, "inactive", probability=1.0) for active in ADOPTING),
            adopting=ADOPTING,
        )

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(self.probability, susceptibility=self.susceptibility, activity=self.activity)
