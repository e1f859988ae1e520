"""Chances and weights by docs/reference/models.md: how many of the 2**32 draws let an attempt succeed.

Factors multiply as float64, in the order base, strength or scheme, susceptibility, activity; then the product is capped
at 1 and becomes a whole number, rounded up. Everything after that is exact.
"""

from fractions import Fraction
from math import ceil

from tests.reference import draws

ONE = 2**32
FARTHEST = 1023
"""Hops and contacts beyond this many change a chance no further."""


def times(chance, factor):
    return ceil(Fraction(chance * factor, ONE))


def powers(factor):
    """Chances of factor**0, factor**1, ..., by the C library's pow."""
    return [draws.favourable_draws(float(factor) ** exponent) for exponent in range(FARTHEST + 1)]


def edge_chances(network, values, parameters, base=1.0):
    """The chance of each edge, whose probability is base x value x susceptibility x activity."""
    susceptibility = agent_factors(network, parameters.get("susceptibility"))
    activity = agent_factors(network, parameters.get("activity"))
    return {
        (src, dst): draws.favourable_draws(min(1.0, base * values[src, dst] * susceptibility[dst] * activity[src]))
        for src, dst in network.edges
    }


def scheme_values(network, scheme, random_seed):
    """The probability or weight of each edge under a scheme: a number, or the name of a rule or column; None is 1."""
    if scheme == "weighted_cascade":
        return {(src, dst): 1 / network.in_degree(dst) for src, dst in network.edges}
    if scheme == "trivalency":
        stream = draws.stream(random_seed, draws.TRIVALENCY)
        thirds = {edge: (draws.edge_key(stream, *edge) >> 32) * 3 >> 32 for edge in network.edges}
        return {edge: (0.1, 0.01, 0.001)[third] for edge, third in thirds.items()}
    if scheme == "strength":
        return network.edge_columns[network.strength]
    if scheme == "column":
        return network.edge_columns[network.probability]
    if isinstance(scheme, str):
        return network.edge_columns[scheme.removeprefix("column:")]
    return dict.fromkeys(network.edges, 1.0 if scheme is None else float(scheme))


def strengths(network, strength):
    """The strength of each edge: ``strength`` and ``column`` are both the network's strength column; None is 1."""
    return scheme_values(network, "strength" if strength == "column" else strength, random_seed=None)


def agent_factors(network, name):
    return [1.0] * network.n_agents if name is None else network.agent_columns[name]


def agent_values(network, value, own):
    """A constant for all agents, or their column: ``column`` is the one called `own`."""
    if not isinstance(value, str):
        return [float(value)] * network.n_agents
    return network.agent_columns[own if value == "column" else value.removeprefix("column:")]


def shares(network, strength):
    """Each edge's share of the strength that its target receives; sums go by ascending src, as float64."""
    if strength is None and network.strength is not None:
        strength = "strength"
    values = strengths(network, strength)
    found = {}
    for dst in range(network.n_agents):
        total = 0.0
        for src in network.in_neighbours[dst]:
            total += values[src, dst]
        for src in network.in_neighbours[dst]:
            found[src, dst] = values[src, dst] / total if total else 0.0
    return found
