"""Rules: a declarative description of a model's round, which every plan runs.

The compiled kernels use them as arrays (`propagation.compiled_rules`), the reference plan as masks over pandas frames
(`propagation.plans.reference.rules_in_pandas`); `docs/reference/models.md` defines them exactly.
"""

from dataclasses import dataclass

COMPARTMENTS_LIMIT = 8
"""Largest number of compartments of a model: the outcome of a contact is a mask of eight bits."""


@dataclass(frozen=True)
class Contact:
    """Effect of a contact between agents of two compartments.

    Attributes
    ----------
    source, target : str
        Compartments of the contacting and of the contacted agent.
    target_to : str or None
        Compartment to which a success moves the contacted agent.
    share : float
        Probability that a success moves it there rather than to `otherwise`.
    otherwise : str or None
        Alternative to `target_to`; required for a share below 1.
    source_to : str or None
        Compartment to which a success moves the contacting agent.
    rate : float
        Probability of success; multiplied by that of the edge if `by_edge`.
    by_edge : bool
        Whether the edge's probability is a factor.
    mutual : bool
        Whether a pair's contacts in both directions are one meeting: they share one draw, so that both succeed or
        both fail. Requires equal compartments and chances in both directions.
    """

    source: str
    target: str
    target_to: str | None = None
    share: float = 1.0
    otherwise: str | None = None
    source_to: str | None = None
    rate: float = 1.0
    by_edge: bool = True
    mutual: bool = False


@dataclass(frozen=True)
class Transition:
    """Spontaneous transition out of a compartment: with a probability per round, or after a fixed number of rounds."""

    source: str
    to: str
    probability: float = 0.0
    after: int | None = None

    @property
    def is_possible(self) -> bool:
        """Whether the transition can ever happen."""
        return self.after is not None or self.probability > 0.0


@dataclass(frozen=True)
class Rules:
    """The rules of a model's round.

    Attributes
    ----------
    compartments : tuple of str
        Agents start in the first, except seeds and sceptics.
    seeds : str
        Compartment of the seeds.
    transmitting, reached : tuple of str
        Compartments whose agents contact their out-neighbours, and those that count as reached.
    contacts : tuple of Contact
        At most one for each pair of compartments.
    transitions : tuple of Transition
        At most one for each compartment.
    adds : bool
        Whether a contact adds the edge's weight to the target's sum, instead of being a Bernoulli trial; the target is
        activated once its sum reaches its threshold.
    decay, fatigue : float
        Factors of a contact's probability. Decay is raised to the round in which the source was activated, fatigue to
        the number of contacts that the target received in earlier rounds.
    mixing : float or None
        Hybrid models: probability that contacts with an agent are Bernoulli trials; with all other agents they add.
    sceptics : str or None
        Compartment in which some agents start (`Model.initial_sceptics`).
    adopting : tuple of str
        Competing messages: the compartment that an agent enters when it adopts the first message, the second, ...;
        empty if one message spreads.
    starting : tuple of str
        Competing messages of which some start later: the compartments of the seeds of the first message, the second,
        ...; empty if all start in round 0, so that seeds begin in `adopting`.
    first_wins : bool
        Which of several successful contacts of a round decides: that of the source whose compartment is listed first,
        ties by the smallest draw; otherwise the smallest draw alone, so that each is equally likely.
    """

    compartments: tuple[str, ...]
    seeds: str
    transmitting: tuple[str, ...]
    reached: tuple[str, ...]
    contacts: tuple[Contact, ...]
    transitions: tuple[Transition, ...] = ()
    adds: bool = False
    decay: float = 1.0
    fatigue: float = 1.0
    mixing: float | None = None
    sceptics: str | None = None
    adopting: tuple[str, ...] = ()
    starting: tuple[str, ...] = ()
    first_wins: bool = False

    def __post_init__(self) -> None:
        assert len(self.compartments) <= COMPARTMENTS_LIMIT
        named = {self.seeds, *self.transmitting, *self.reached, *self.adopting, *self.starting}
        named |= {name for contact in self.contacts for name in (contact.source, contact.target)}
        named |= {name for transition in self.transitions for name in (transition.source, transition.to)}
        assert named <= set(self.compartments), f"{named - set(self.compartments)} are not compartments"
        assert not any(contact.mutual and contact.source != contact.target for contact in self.contacts)

    def number(self, compartment: str | None) -> int:
        """Return the position of a compartment, -1 for None."""
        return -1 if compartment is None else self.compartments.index(compartment)

    @property
    def recurrent(self) -> bool:
        """Whether an agent can be activated more than once in a replicate."""
        return any(t.source in self.reached and t.to not in self.reached for t in self.transitions)

    @property
    def changes_source(self) -> bool:
        """Whether a contact can move the contacting agent."""
        return any(contact.source_to is not None for contact in self.contacts)

    @property
    def leaving(self) -> frozenset[str]:
        """Compartments with a spontaneous transition that can happen."""
        return frozenset(transition.source for transition in self.transitions if transition.is_possible)

    @property
    def transmits_forever(self) -> bool:
        """Whether some transmitting compartment has no spontaneous transition, so that its agents may never stop."""
        return not set(self.transmitting) <= self.leaving

    @property
    def transmits_once(self) -> bool:
        """Whether every agent transmits in exactly one round, the one after its activation."""
        certain = {t.source for t in self.transitions if t.after == 1 or (t.after is None and t.probability == 1.0)}
        starts = set(self.starting or self.adopting or (self.seeds,))
        at_once = all(contact.target_to in starts for contact in self.contacts)
        return at_once and set(self.transmitting) == starts and starts <= certain and not self.recurrent

    @property
    def is_cascade(self) -> bool:
        """Whether this is an independent cascade: one round of transmission, success by edge probability alone."""
        first = self.contacts[0]
        return (
            self.transmits_once
            and not (self.adds or self.mixing is not None or self.sceptics)
            and self.decay == self.fatigue == 1.0
            and self.contacts == (Contact(first.source, first.target, target_to=self.seeds),)
            and len(self.transitions) == 1
        )
