"""Small random networks, for Hypothesis and for loops over numbers."""

import random
from collections import Counter
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class SmallNetwork:
    """Distinct directed edges among ``n_agents`` agents, each with a probability of its own."""

    n_agents: int
    edges: tuple
    probabilities: tuple

    def __repr__(self):
        edges = ", ".join(f"{s}->{d}: {p}" for (s, d), p in zip(self.edges, self.probabilities, strict=True))
        return f"SmallNetwork({self.n_agents} agents, {{{edges}}})"


@st.composite
def small_networks(draw, max_agents=12, max_edges=40, min_edges=0):
    n_agents = draw(st.integers(2, max_agents))
    agents = st.integers(0, n_agents - 1)
    pairs = st.tuples(agents, agents).filter(lambda pair: pair[0] != pair[1])
    most = min(max_edges, n_agents * (n_agents - 1))
    edges = draw(st.lists(pairs, unique=True, min_size=min(min_edges, most), max_size=most))
    some = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0]), st.floats(0.0, 1.0))
    probabilities = draw(st.lists(some, min_size=len(edges), max_size=len(edges)))
    return SmallNetwork(n_agents, tuple(edges), tuple(probabilities))


def numbered_network(number, n_agents, n_edges):
    """Return the same random network for the same number, with probabilities in [0.1, 0.9]."""
    choose = random.Random(number)
    pairs = [(src, dst) for src in range(n_agents) for dst in range(n_agents) if src != dst]
    edges = tuple(choose.sample(pairs, n_edges))
    return SmallNetwork(n_agents, edges, tuple(round(choose.uniform(0.1, 0.9), 3) for _ in edges))


@dataclass(frozen=True)
class Attributes:
    """Columns for every option of every model, in the order of a network's edges and of its agents.

    All strengths are multiples of a power of two, so that their sums are exact in any order. ``thin`` ones sum to at
    most 1 over the in-edges of an agent.
    """

    edges: dict
    agents: dict


def attributes_of(small, number):
    """Return the same attributes for the same network and number."""
    choose = random.Random(number)
    in_degree = Counter(dst for _, dst in small.edges)
    edges = {
        "thin": [choose.randint(0, 8) / 8 / 2 ** (in_degree[dst] - 1).bit_length() for _, dst in small.edges],
        "tie": [choose.choice([0.0, 0.25, 0.5, 1.0, 2.0, 3.0]) for _ in small.edges],
        "share": [choose.choice([0.0, 0.3, 0.5, 0.7, 1.0]) for _ in small.edges],
    }
    kinds = {
        "openness": [0.0, 0.3, 0.5, 1.0, 1.0, 1.7],
        "loudness": [0.0, 0.4, 1.0, 1.0, 1.1, 2.5],
        "calm": [0.0, 0.3, 0.75, 1.0, 1.0],
        "threshold": [0.0, 0.2, 0.5, 0.75, 1.0],
        "patience": [0.1, 0.25, 1 / 3, 0.5],
        "sceptic": [0.0, 0.0, 0.3, 1.0],
        "doubt": [0.1, 0.4],
    }
    agents = {name: [choose.choice(values) for _ in range(small.n_agents)] for name, values in kinds.items()}
    return Attributes(edges, agents)
