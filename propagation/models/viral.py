"""Viral: an independent cascade with the message's virality, decay per hop, and fatigue of agents.

An edge's probability is base rate x virality x strength x susceptibility x activity, capped at 1; it decays with every
hop from the seeds, and with every contact that the target received in earlier rounds. Based on the cascade of Kempe,
Kleinberg, Tardos (KDD 2003), with the same transitions.

| from | to | when |
| --- | --- | --- |
| susceptible | active | an attempt of an in-neighbour activated in the round before succeeds |
| active | inactive | after the one round in which it tried its out-neighbours |
"""

import dataclasses
from typing import Annotated, ClassVar

from pydantic import Field

from propagation.models.independent_cascade import CASCADE
from propagation.models.model import FactoredModel
from propagation.models.rules import Rules
from propagation.parameters import EdgeColumn, Probability
from propagation.weights import EdgeWeights


class Viral(FactoredModel):
    """Viral propagation.

    Parameters
    ----------
    base_rate : float
        Probability of a contact's success before all factors, in [0, 1].
    virality : float
        Factor of the message, at least 0.
    strength : str, optional
        Edge column that is a factor: ``strength``, ``column`` or ``column:NAME``, values at least 0.
    susceptibility, activity : str, optional
        Agent columns that are factors: of the target, and of the source.
    decay : float
        Factor per hop, in [0, 1]: the probability of an agent activated in round h is multiplied by ``decay ** h``.
    fatigue : float
        Factor per contact that the target received in earlier rounds of the replicate, in [0, 1].

    Examples
    --------
    >>> Viral(base_rate=0.2, virality=1.5, decay=0.9).rules.decay
    0.9
    """

    name: ClassVar[str] = "viral"

    base_rate: Probability = 0.1
    virality: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = 1.0
    strength: EdgeColumn | None = None
    decay: Probability = 1.0
    fatigue: Probability = 1.0

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return dataclasses.replace(CASCADE, decay=self.decay, fatigue=self.fatigue)

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(self.base_rate * self.virality, self.strength, self.susceptibility, self.activity)
