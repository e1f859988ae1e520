"""Rules: what a model does in a round, said as a small table that every plan runs.

The compiled kernels read it as arrays (`propagation.compiled_rules`), the reference plan as masks over pandas frames
(`propagation.plans.reference.rules_in_pandas`); `docs/models.md` says exactly what its parts mean.
"""

from dataclasses import dataclass

COMPARTMENTS_LIMIT = 8
"""Most compartments a model can have: a contact's success is a mask of eight bits."""


@dataclass(frozen=True)
class Contact:
    """What a contact between agents of two compartments can do.

    Attributes
    ----------
    source, target : str
        Compartments of the contacting and of the contacted agent.
    target_to : str or None
        Where a success moves the contacted agent.
    share : float
        Probability that it moves there rather than to `otherwise`.
    otherwise : str or None
        Where it moves if not to `target_to`; needed for a share below 1.
    source_to : str or None
        Where a success moves the contacting agent.
    rate : float
        Probability of success; multiplies that of the edge.
    by_edge : bool
        Whether the edge's probability counts.
    mutual : bool
        Whether the contacts of a pair in both directions are one meeting: they share one draw, so that both succeed or
        both fail. Only where the pair's compartments and chances are the same in both directions.
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
    """How agents leave a compartment by themselves: with a probability per round, or after a number of rounds."""

    source: str
    to: str
    probability: float = 0.0
    after: int | None = None

    @property
    def is_possible(self) -> bool:
        """Whether agents ever leave this way."""
        return self.after is not None or self.probability > 0.0


@dataclass(frozen=True)
class Rules:
    """What a model does in a round.

    Attributes
    ----------
    compartments : tuple of str
        The first is everyone's at the start.
    seeds : str
        Compartment of the seeds.
    transmitting, reached : tuple of str
        Compartments whose agents contact their out-neighbours, and those that count as reached.
    contacts : tuple of Contact
        At most one for each pair of compartments.
    transitions : tuple of Transition
        At most one for each compartment.
    adds : bool
        Whether contacts add the edge's weight to a sum, instead of succeeding or not; the agent moves once the sum
        reaches its threshold.
    decay, fatigue : float
        Factors of a contact's chance: per round in which its source was activated, and per contact that its target
        received in earlier rounds.
    mixing : float or None
        Probability that contacts of an agent succeed or not, where for others they add.
    sceptics : str or None
        Compartment in which some agents start.
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

    def __post_init__(self) -> None:
        assert len(self.compartments) <= COMPARTMENTS_LIMIT
        named = {self.seeds, *self.transmitting, *self.reached}
        named |= {name for contact in self.contacts for name in (contact.source, contact.target)}
        named |= {name for transition in self.transitions for name in (transition.source, transition.to)}
        assert named <= set(self.compartments), f"{named - set(self.compartments)} are no compartments"
        assert not any(contact.mutual and contact.source != contact.target for contact in self.contacts)

    def number(self, compartment: str | None) -> int:
        """Return a compartment's number, -1 for none."""
        return -1 if compartment is None else self.compartments.index(compartment)

    @property
    def recurrent(self) -> bool:
        """Whether an agent can be activated more than once in a replicate."""
        return any(t.source in self.reached and t.to not in self.reached for t in self.transitions)

    @property
    def replies(self) -> bool:
        """Whether contacts move the contacting agent."""
        return any(contact.source_to is not None for contact in self.contacts)

    @property
    def leaving(self) -> frozenset[str]:
        """Compartments that agents leave by themselves."""
        return frozenset(transition.source for transition in self.transitions if transition.is_possible)

    @property
    def everlasting(self) -> bool:
        """Whether some agents may transmit for ever."""
        return not set(self.transmitting) <= self.leaving

    @property
    def transmits_once(self) -> bool:
        """Whether every agent transmits in the one round after its activation."""
        certain = {t.source for t in self.transitions if t.after == 1 or (t.after is None and t.probability == 1.0)}
        at_once = all(contact.target_to == self.seeds for contact in self.contacts)
        return at_once and self.transmitting == (self.seeds,) and self.seeds in certain and not self.recurrent

    @property
    def is_cascade(self) -> bool:
        """Whether agents transmit in the one round after their activation, and contacts succeed by the edge alone."""
        first = self.contacts[0]
        return (
            self.transmits_once
            and not (self.adds or self.mixing is not None or self.sceptics)
            and self.decay == self.fatigue == 1.0
            and self.contacts == (Contact(first.source, first.target, target_to=self.seeds),)
            and len(self.transitions) == 1
        )
