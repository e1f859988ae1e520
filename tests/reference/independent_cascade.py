"""The independent cascade as its authors say it, in plain Python.

Kempe, Kleinberg, Tardos: Maximizing the spread of influence through a social network. KDD 2003, section 2: "When node
v first becomes active in step t, it is given a single chance to activate each currently inactive neighbor w; it
succeeds with a probability p(v,w) independently of the history thus far. [...] If v succeeds, then w will become
active in step t+1. [...] The process runs until no more activations are possible."
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cascade:
    activations: list
    """(agent, round, infector), the infector None for seeds."""
    contacts: list
    """(round, src, dst, "received" | "ignored" | "sent")."""
    truncated: bool
    """Whether agents activated in the last round allowed were left to try."""


def independent_cascade(out_neighbours, succeeds, infector_draw, seeds, max_rounds):
    """Run one cascade.

    ``out_neighbours`` maps an agent to those it may activate, ``succeeds(src, dst)`` says how the one attempt ends,
    and of several that succeed in one round the infector is the one with the smallest ``infector_draw(src, dst)``.
    """
    active = set(seeds)
    newly = set(seeds)
    activations = [(seed, 0, None) for seed in seeds]
    contacts = []
    number = 0
    while newly and number < max_rounds:
        number += 1
        activated_by = {}
        for src in newly:
            for dst in out_neighbours.get(src, ()):
                if dst in active:
                    contacts.append((number, src, dst, "sent"))
                elif succeeds(src, dst):
                    contacts.append((number, src, dst, "received"))
                    activated_by.setdefault(dst, []).append(src)
                else:
                    contacts.append((number, src, dst, "ignored"))
        for dst, sources in activated_by.items():
            infector = min(sources, key=lambda src: (infector_draw(src, dst), src))
            activations.append((dst, number, infector))
        newly = set(activated_by)
        active |= newly
    return Cascade(activations, contacts, truncated=bool(newly))
