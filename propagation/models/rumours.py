"""Common base of the rumour models: ignorant agents, spreaders, and stiflers, who have stopped spreading."""

from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules
from propagation.parameters import Probability, Scheme
from propagation.weights import EdgeWeights


class Rumour(FactoredModel):
    """Rumour whose spreaders become stiflers when they contact agents who know it.

    Attributes
    ----------
    spreading : float or str
        Probability per contact and round that a spreader makes an ignorant agent a spreader: a constant in [0, 1], or a
        scheme as the probability of an independent cascade.
    stifling : float
        Probability per contact and round that a spreader who contacts a spreader or stifler becomes a stifler, in
        [0, 1].
    """

    spreading: Scheme = 0.1
    stifling: Probability = 0.1

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(
            self.spreading, susceptibility=self.susceptibility, activity=self.activity, parameter="spreading"
        )


def rumour_rules(stifling: float, *, both_stop: bool) -> Rules:
    """Return the rules of a rumour; `both_stop`: whether two spreaders who meet both become stiflers."""
    return Rules(
        compartments=("ignorant", "spreader", "stifler"),
        seeds="spreader",
        transmitting=("spreader",),
        reached=("spreader", "stifler"),
        contacts=(
            Contact("spreader", "ignorant", target_to="spreader"),
            Contact(
                "spreader",
                "spreader",
                target_to="stifler" if both_stop else None,
                source_to="stifler",
                rate=stifling,
                by_edge=False,
                mutual=both_stop,
            ),
            Contact("spreader", "stifler", source_to="stifler", rate=stifling, by_edge=False),
        ),
    )
