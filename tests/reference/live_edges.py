"""Exact expectations of an independent cascade, by summing over all worlds of live edges.

Kempe, Kleinberg, Tardos 2003, claim 2.3: declare every edge live with its probability, independently and beforehand;
the agents a cascade activates in round t are those t live edges away from the seeds. With m edges there are 2**m
worlds, so this is for small networks only.
"""

from collections import defaultdict
from itertools import product
from math import prod

from tests.reference.breadth_first import distances


def arrival_probabilities(edges, probabilities, seeds):
    """Return the probability that each agent is activated in each round, by (agent, round).

    ``probabilities`` may be floats, or fractions for exact answers.
    """
    total = defaultdict(int)
    for world in product((False, True), repeat=len(edges)):
        weight = prod(p if live else 1 - p for p, live in zip(probabilities, world, strict=True))
        if weight == 0:
            continue
        out_neighbours = defaultdict(list)
        for (src, dst), live in zip(edges, world, strict=True):
            if live:
                out_neighbours[src].append(dst)
        for arrival in distances(out_neighbours, seeds).items():
            total[arrival] += weight
    return dict(total)


def reach_probabilities(edges, probabilities, seeds):
    """Return the probability that each agent is ever activated, by agent."""
    reached = defaultdict(int)
    for (agent, _), probability in arrival_probabilities(edges, probabilities, seeds).items():
        reached[agent] += probability
    return dict(reached)


def expected_reach(edges, probabilities, seeds):
    """Return the expected number of agents activated, seeds included."""
    return sum(reach_probabilities(edges, probabilities, seeds).values())
