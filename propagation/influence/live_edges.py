"""Live-edge forms: which models reach exactly the agents that random live edges connect to the seeds.

In such a model the reach of a seed set is monotone and submodular, and an agent is reached if a seed is in the set of
agents that reach it over live edges, its reverse-reachable set (Kempe, Kleinberg, Tardos, KDD 2003; Borgs, Brautbar,
Chayes, Lucier, SODA 2014).

| form | models | live edges |
| --- | --- | --- |
| cascade | independent cascade; viral without decay and fatigue; sir with gamma 1 | each edge by itself |
| threshold | linear threshold; diffusion, fractional threshold with uniform ones | at most one in-edge per agent |
| epidemic | sir, seir, si | all out-edges of an agent share the rounds in which it transmits |
"""

from dataclasses import dataclass
from typing import Literal

from data.errors import UnfitModelError
from data.networks.network import Network
from propagation.models.linear_threshold import TOLERANCE
from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.models.rules import Contact, Rules
from propagation.weights import ONE_EACH, EdgeWeights, largest_in_sum

Form = Literal["cascade", "threshold", "epidemic"]
EVENTUALLY = 10_000
"""A limit of so many rounds, the default of sessions, counts as none."""


@dataclass(frozen=True)
class LiveEdges:
    """Live-edge form of a model.

    Attributes
    ----------
    form : str
        ``cascade``, ``threshold`` or ``epidemic``.
    weights : EdgeWeights
        Probabilities per attempt, or influence weights of a threshold model.
    period : int
        Rounds in which an agent of an epidemic transmits; 0 if it is drawn, or if it never stops.
    leaving : float
        Probability per round with which it stops if `period` is 0; 0 if it never stops.
    """

    form: Form
    weights: EdgeWeights
    period: int = 0
    leaving: float = 0.0


def live_edges(network: Network, model: Model) -> LiveEdges | None:
    """Return the live-edge form of a model on a network, or None if it has none.

    Examples
    --------
    >>> from propagation.models import SIR, SIS
    >>> live_edges(None, SIR(beta=0.1, gamma=0.5)).leaving, live_edges(None, SIS())
    (0.5, None)
    """
    if isinstance(model, PandasModel):
        return None
    rules, chances, influence = model.rules, model.chances(), model.influence()
    if rules.adds and rules.mixing is None and influence is not None:
        if (thresholds := model.thresholds(network)).values is not None:
            return None  # fixed thresholds: reach is not submodular
        if thresholds.in_degree is not None and influence == ONE_EACH:
            return LiveEdges("threshold", EdgeWeights("weighted_cascade"))  # each in-neighbour is one share of all
        factored = influence.susceptibility is not None or influence.activity is not None
        if factored and largest_in_sum(network, influence, 0)[1] > 1.0 + TOLERANCE:
            return None
        return LiveEdges("threshold", influence)
    if chances is None or not _transmits_alike(rules):
        return None
    if rules.is_cascade:
        return LiveEdges("cascade", chances)
    leaving = next((t for t in rules.transitions if t.source in rules.transmitting and t.is_possible), None)
    if leaving is None:
        return LiveEdges("epidemic", chances)
    return LiveEdges("epidemic", chances, leaving.after or 0, 0.0 if leaving.after else leaving.probability)


def _transmits_alike(rules: Rules) -> bool:
    """Return whether an agent that is reached always transmits, once, and whether contacts do nothing else."""
    first, seeds = rules.compartments[0], rules.seeds
    target_to = rules.contacts[0].target_to
    arrives = target_to == seeds or any(
        t.source == target_to and t.to == seeds and t.is_possible for t in rules.transitions
    )
    return (
        rules.transmitting == (seeds,)
        and rules.contacts == (Contact(seeds, first, target_to=target_to),)
        and arrives
        and rules.decay == rules.fatigue == 1.0
        and not (rules.recurrent or rules.sceptics or rules.adds or rules.mixing is not None)
    )


def needed_live_edges(network: Network, model: Model, max_rounds: int) -> LiveEdges:
    """Return the live-edge form of a model, or refuse it.

    Raises
    ------
    UnfitModelError
        If it has none, or rounds are limited for a model in which they are not the edges of a path.
    """
    found = live_edges(network, model)
    if found is None:
        raise UnfitModelError(
            f"influence maximisation needs a model whose reach is that of live edges, which {model!r} is not: use "
            "independent_cascade, linear_threshold, sir, seir, si, viral without decay and fatigue, or diffusion and "
            "fractional_threshold with uniform thresholds, as the strategy's model; or choose seeds by simulation: "
            "rumormill seeds --method simulation"
        )
    if found.form == "epidemic" and max_rounds < EVENTUALLY:
        raise UnfitModelError(
            f"influence maximisation of {model.name} counts all agents that are ever reached, and max_rounds "
            f"{max_rounds:,} ends sessions earlier; leave it out, or use a model of one round per agent"
        )
    return found
