"""Competing cascades: two or more messages on one network; each agent adopts the first that reaches it, for good.

Bharathi, Kempe, Salek: Competitive influence maximization in social networks. WINE 2007. Budak, Agrawal, El Abbadi:
Limiting the spread of misinformation in social networks. WWW 2011.

| from | to | when |
| --- | --- | --- |
| susceptible | active_1, active_2, ... | an attempt of an in-neighbour activated in the round before succeeds |
| active_1, active_2, ... | inactive | after the one round in which it tried its out-neighbours |
| waiting_1, waiting_2, ... | active_1, active_2, ... | a seed of a message that starts later: in its round |
| waiting_1, waiting_2, ... | that of another message | until then: an attempt of an in-neighbour succeeds |

An agent adopts the message of its infector. If several attempts succeed in one round, `ties` says which is the
infector: at random, the one with the smallest draw, ties by the smallest dense id, so that each is equally likely,
whatever its message; or one of those with the message that is listed first, as where a correction prevails (Budak et
al. 2011) or a rumour does (He, Song, Chen, Jiang: Influence blocking maximization in social networks under the
competitive linear threshold model. SDM 2012). An edge makes the same draw whichever message passes along it, so that
with equal rates and no delays the messages together reach whom one would reach alone, whatever the ties.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from data.errors import UnfitModelError
from propagation.models.model import FactoredModel
from propagation.models.rules import Contact, Rules, Transition
from propagation.parameters import Probability, Scheme
from propagation.weights import EdgeWeights

MOST_MESSAGES = 6
"""Messages that may compete: each has a compartment of its own, and each that starts later a second one."""
LATEST_START = 1_000_000
"""Largest delay of a message, in rounds."""
Ties = Literal["random", "first_listed"]
"""Which of several messages that reach an agent in the same round it adopts."""


class CompetingCascades(FactoredModel):
    """Independent cascades of several messages, of which an agent adopts one.

    The session's `seed_set` maps each message to its seeds: at most six messages, and one less for each that starts
    later than round 0.

    Parameters
    ----------
    probability : float or str
        Transmission probability of an edge: a constant in [0, 1], or a scheme: ``weighted_cascade``
        (1 / in-degree of the target), ``trivalency`` (0.1, 0.01 or 0.001, drawn per edge), ``strength``, ``column`` or
        ``column:NAME``.
    rates : list of float, optional
        Factor of each message's probabilities, in [0, 1] and in the order of the session's messages; 1 for messages
        beyond the end of the list, which has at most one for each.
    ties : str
        Which message an agent adopts if several reach it in one round: ``random``, that of one of the successful
        attempts, each equally likely; or ``first_listed``, the first of them in the order of the session's messages.
    delays : list of int, optional
        Round in which each message starts, in the order of the session's messages, at most `max_rounds`; 0 for messages
        beyond the end of the list. Until then its seeds can be reached by other messages, and those that are do not
        start it.
    susceptibility, activity : str, optional
        Agent columns that are factors: of the target, and of the source.

    Examples
    --------
    >>> CompetingCascades(probability=0.2, rates=[1.0, 0.5]).rules.adopting[:2]
    ('active_1', 'active_2')
    >>> CompetingCascades(delays=[0, 3]).rules.starting[:2]
    ('active_1', 'waiting_2')
    """

    name: ClassVar[str] = "competing_cascades"

    probability: Scheme = "weighted_cascade"
    rates: tuple[Probability, ...] | None = None
    ties: Ties = "random"
    delays: tuple[Annotated[int, Field(ge=0, le=LATEST_START)], ...] | None = None

    @model_validator(mode="after")
    def _has_room(self) -> "CompetingCascades":
        if self.delays is not None and len(self.delays) > self._most_messages:
            raise ValueError(
                f"delays {list(self.delays)} are those of {len(self.delays)} messages, of which "
                f"{MOST_MESSAGES - self._most_messages} start later than round 0; then at most {self._most_messages} "
                "messages can compete"
            )
        return self

    def check_messages(self, messages: int, max_rounds: int) -> None:
        """Raise UnfitModelError if rates or delays are those of more messages, or a message would never start."""
        for name, values in (("rates", self.rates or ()), ("delays", self.delays or ())):
            if len(values) > messages:
                raise UnfitModelError(
                    f"{name}: {list(values)} has {len(values)} values, but the session has {messages} "
                    f"message{'s' if messages > 1 else ''}; give at most one for each, in their order",
                    name,
                )
        latest = max(self.delays or (), default=0)
        if latest > max_rounds:
            raise UnfitModelError(
                f"delays: {latest} is after the last round, max_rounds {max_rounds:,}, so that the message would never "
                "start; give a smaller delay or a larger max_rounds",
                "delays",
            )

    @property
    def _most_messages(self) -> int:
        return MOST_MESSAGES - sum(delay > 0 for delay in self.delays or ())

    @property
    def resolved_parameters(self) -> dict[str, Any]:
        """All parameters that are set, as JSON values, without ``ties: random``, which earlier versions lack."""
        found = super().resolved_parameters
        return {name: value for name, value in found.items() if (name, value) != ("ties", "random")}

    @property
    def rules(self) -> Rules:
        """Rules of a round."""
        adopting = tuple(f"active_{number}" for number in range(1, self._most_messages + 1))
        rates = (*(self.rates or ()), *(1.0 for _ in adopting))
        delays = {f"active_{number}": delay for number, delay in enumerate(self.delays or (), 1) if delay}
        waiting = {active: active.replace("active", "waiting") for active in delays}
        return Rules(
            compartments=("susceptible", *adopting, *waiting.values(), "inactive"),
            seeds=adopting[0],
            transmitting=adopting,
            reached=(*adopting, "inactive"),
            contacts=tuple(
                Contact(active, target, target_to=active, rate=rate)
                for active, rate in zip(adopting, rates, strict=False)
                for target in ("susceptible", *waiting.values())
            ),
            transitions=(
                *(Transition(active, "inactive", probability=1.0) for active in adopting),
                *(Transition(waiting[active], active, after=delay) for active, delay in delays.items()),
            ),
            adopting=adopting,
            starting=tuple(waiting.get(active, active) for active in adopting) if waiting else (),
            first_wins=self.ties == "first_listed",
        )

    def chances(self) -> EdgeWeights:
        """Return the scheme of the edges' probabilities."""
        return EdgeWeights(self.probability, susceptibility=self.susceptibility, activity=self.activity)
