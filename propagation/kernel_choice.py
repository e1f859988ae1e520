"""Shapes of kernels: which of them can run a model, by its rules and by what is recorded."""

from typing import Literal

from propagation.models.model import Model
from propagation.models.pandas_model import PandasModel
from propagation.models.rules import Contact, Rules
from propagation.sessions import Record, Session

Shape = Literal["sparse", "packed", "shared", "threshold", "epidemic", "rules"]
PartitionKind = Literal["words", "sums", "dated", "rules"]


def shapes_of(model: Model, record: Record) -> tuple[Shape, ...]:
    """Return the shapes of kernels that can run a model and record this, the fastest first; ``rules`` runs all."""
    if record not in {"rounds", "reach"} or isinstance(model, PandasModel):
        return ("rules",)
    if model.rules.is_cascade:
        return ("sparse", "packed", "shared", "rules")
    if _is_threshold(model.rules):
        return ("threshold", "rules")
    return ("epidemic", "rules") if _is_epidemic(model.rules) else ("rules",)


def _is_threshold(rules: Rules) -> bool:
    """Return whether weights add up, of agents that transmit in the one round after their activation."""
    return rules.adds and rules.transmits_once and rules.mixing is None and rules.decay == rules.fatigue == 1.0


def _is_epidemic(rules: Rules) -> bool:
    """Return whether contacts infect by the edge alone, at once or after a time, and nobody is infected again."""
    infection = rules.contacts[0]
    plain = not (rules.adds or rules.mixing is not None or rules.sceptics) and rules.decay == rules.fatigue == 1.0
    alone = rules.contacts == (Contact(infection.source, infection.target, target_to=infection.target_to),)
    ways = {transition.source: transition for transition in rules.transitions}
    recovery, onset = ways.get(rules.seeds), ways.get(str(infection.target_to))
    ends = recovery is None or recovery.to not in ways
    exposes = infection.target_to != rules.seeds
    begins = not exposes or (onset is not None and onset.to == rules.seeds and onset.after is None)
    return (
        plain
        and alone
        and rules.transmitting == (rules.seeds,)
        and infection.source == rules.seeds
        and infection.target == rules.compartments[0]
        and infection.target_to in rules.reached
        and rules.seeds in rules.reached
        and not rules.recurrent
        and ends
        and begins
        and ways.keys() <= {rules.seeds, infection.target_to}
    )


def partitions_of(session: Session) -> PartitionKind:
    """Return what kind of partitions runs a session's lanes.

    ``words``: cascades, 64 lanes to a word, and ``sums``: thresholds, of both of which nobody asks who activated whom;
    ``dated``: epidemics, whose contacts travel once, with the round in which they succeed; ``rules``: any model.
    """
    shape = shapes_of(session.model, session.record)[0]
    if shape in {"sparse", "threshold"}:
        return "words" if shape == "sparse" else "sums"
    dated = "epidemic" in shapes_of(session.model, "rounds") and not session.records("contacts")
    return "dated" if dated else "rules"
