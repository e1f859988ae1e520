"""Which rules the specialised kernel families can run, beside cascades (`Rules.is_cascade`)."""

from propagation.models.rules import Contact, Rules


def is_threshold(rules: Rules) -> bool:
    """Return whether weights add up to a threshold, and agents transmit only in the round after their activation."""
    return rules.adds and rules.transmits_once and rules.mixing is None and rules.decay == rules.fatigue == 1.0


def is_epidemic(rules: Rules) -> bool:
    """Return whether contacts infect by the edge's probability alone, with or without latency, and only once.

    Cascades, whose agents transmit only in the round after their activation, have kernels of their own.
    """
    infection = rules.contacts[0]
    plain = not (rules.adds or rules.mixing is not None or rules.sceptics) and rules.decay == rules.fatigue == 1.0
    alone = rules.contacts == (Contact(infection.source, infection.target, target_to=infection.target_to),)
    ways = {transition.source: transition for transition in rules.transitions}
    recovery, onset = ways.get(rules.seeds), ways.get(str(infection.target_to))
    ends = recovery is None or recovery.to not in ways
    exposes = infection.target_to != rules.seeds
    begins = not exposes or (onset is not None and onset.to == rules.seeds and onset.after is None)
    return (
        not rules.is_cascade
        and plain
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
