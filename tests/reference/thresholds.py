"""Threshold models, as their authors say them.

Kempe, Kleinberg, Tardos 2003, section 2: "each node v chooses a threshold uniformly at random from the interval
[0, 1]; this represents the weighted fraction of v's neighbors that must become active in order for v to become active.
[...] in step t, all nodes that were active in step t - 1 remain active, and we activate any node v for which the total
weight of its active neighbors is at least" the threshold. Watts: A simple model of global cascades on random
networks. PNAS 2002, counts neighbours instead.

All weights and thresholds are whole numbers of 2**-32, or of neighbours.
"""

from collections import defaultdict
from math import ceil

from tests.reference.cascades import first_of
from tests.reference.chances import ONE, agent_values, edge_chances, scheme_values, shares
from tests.reference.lanes import Lane


def linear_threshold(network, parameters, coins, seeds, max_rounds):
    weight = edge_chances(network, scheme_values(network, parameters["weight"], coins.random_seed), parameters)
    threshold = {agent: coins.threshold(agent) + 1 for agent in range(network.n_agents)}
    return threshold_cascade(network, weight, threshold, coins, seeds, max_rounds)


def diffusion(network, parameters, coins, seeds, max_rounds):
    weight = diffusion_weights(network, parameters)
    threshold = diffusion_thresholds(network, parameters, coins)
    return threshold_cascade(network, weight, threshold, coins, seeds, max_rounds)


def diffusion_weights(network, parameters):
    return edge_chances(network, shares(network, parameters["strength"]), parameters)


def diffusion_thresholds(network, parameters, coins):
    if parameters["threshold"] == "uniform":
        return {agent: coins.threshold(agent) + 1 for agent in range(network.n_agents)}
    fractions = agent_values(network, parameters["threshold"], own="threshold")
    return {agent: max(1, ceil(fraction * ONE * (1 - 1e-9))) for agent, fraction in enumerate(fractions)}


def fractional_threshold(network, parameters, coins, seeds, max_rounds):
    weight = dict.fromkeys(network.edges, 1)
    agents = range(network.n_agents)
    if parameters.get("neighbours") is not None:
        needed = dict.fromkeys(agents, parameters["neighbours"])
    else:
        if parameters["threshold"] == "uniform":
            fractions = [(coins.threshold(agent) + 0.5) / ONE for agent in agents]
        else:
            fractions = agent_values(network, parameters["threshold"], own="threshold")
        needed = {agent: max(1, ceil(fractions[agent] * network.in_degree(agent) - 1e-9)) for agent in agents}
    return threshold_cascade(network, weight, needed, coins, seeds, max_rounds)


def threshold_cascade(network, weight, threshold, coins, seeds, max_rounds):
    lane = Lane(seeds)
    active, newly = set(seeds), set(seeds)
    number = 0
    while newly and number < max_rounds:
        number += 1
        contacted_by = defaultdict(list)
        for src in newly:
            for dst in network.out_neighbours[src]:
                contacted_by[dst].append(src)
        following = set()
        for dst, sources in contacted_by.items():
            total = sum(weight[src, dst] for src in network.in_neighbours[dst] if src in active)
            if dst not in active and total >= threshold[dst]:
                following.add(dst)
                lane.activate(dst, number, first_of([s for s in sources if weight[s, dst] > 0], dst, coins))
            event = "sent" if dst in active else "received" if dst in following else "ignored"
            for src in sources:
                lane.contact(number, src, dst, event)
        newly = following
        active |= newly
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly)
    return lane
