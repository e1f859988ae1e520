"""Linear threshold: active once the weights of active in-neighbours reach a threshold drawn per replicate.

Granovetter: Threshold models of collective behavior. American Journal of Sociology 83, 1978; in the form of Kempe,
Kleinberg, Tardos: Maximizing the spread of influence through a social network. KDD 2003.

| from | to | when |
| --- | --- | --- |
| inactive | newly_active | the weights of active in-neighbours sum to the agent's threshold, uniform in (0, 1] |
| newly_active | active | after the one round in which its weight was added to its out-neighbours' sums |
"""

from typing import ClassVar

from data.errors import UnfitModelError
from data.networks.network import Network
from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import Scheme
from propagation.weights import EdgeWeights, largest_in_sum

THRESHOLD = Rules(
    compartments=("inactive", "newly_active", "active"),
    seeds="newly_active",
    transmitting=("newly_active",),
    reached=("newly_active", "active"),
    contacts=(Contact("newly_active", "inactive", target_to="newly_active"),),
    transitions=(Transition("newly_active", "active", probability=1.0),),
    adds=True,
)
"""Sums of weights compared with a threshold; also used by `diffusion` and `fractional_threshold`."""
TOLERANCE = 1e-9
"""Rounding tolerance by which the sum of an agent's influence weights may exceed 1."""


class LinearThreshold(FactoredModel):
    """Linear threshold.

    Parameters
    ----------
    weight : float or str
        Influence weight of an edge: a constant, or a scheme as in `IndependentCascade`. For each agent the
        weights of its in-edges sum to at most 1.
    susceptibility, activity : str, optional
        Agent columns: the weight is multiplied by that of the target and of the source.

    Examples
    --------
    >>> LinearThreshold().weight
    'weighted_cascade'
    """

    name: ClassVar[str] = "linear_threshold"

    weight: Scheme = "weighted_cascade"

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        return THRESHOLD

    def influence(self) -> EdgeWeights:
        """Return the scheme of the edges' influence weights."""
        return EdgeWeights(self.weight, susceptibility=self.susceptibility, activity=self.activity, parameter="weight")

    def check(self, network: Network) -> None:
        """Raise UnfitModelError if a column is missing, or an agent's weights sum to more than 1."""
        super().check(network)
        if self.weight == "weighted_cascade" and self.susceptibility is None and self.activity is None:
            return  # 1 / in_degree sums to 1
        agent, total = largest_in_sum(network, self.influence(), 0)
        if total > 1.0 + TOLERANCE:
            raise UnfitModelError(
                f"weight: with {self.weight!r} the weights of the in-edges of agent "
                f"{network.agent_ids[agent].as_py()!r} sum to {total:.6g}; they may sum to at most 1 (weighted_cascade "
                "always does; diffusion normalises)",
                "weight",
            )
