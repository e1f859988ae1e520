"""Structure of networks, defined in plain Python on sets of directed pairs of agents."""

import heapq
from collections import Counter
from itertools import combinations


def out_neighbours(n_agents, edges):
    return [sorted(dst for src, dst in edges if src == agent) for agent in range(n_agents)]


def neighbours(n_agents, edges):
    found = [set() for _ in range(n_agents)]
    for src, dst in edges:
        found[src].add(dst)
        found[dst].add(src)
    return found


def pagerank(n_agents, edges, damping, rounds):
    out_degree = Counter(src for src, _ in edges)
    ranks = [1 / n_agents] * n_agents
    for _ in range(rounds):
        dangling = sum(rank for agent, rank in enumerate(ranks) if not out_degree[agent])
        new = [(1 - damping + damping * dangling) / n_agents] * n_agents
        for src, dst in edges:
            new[dst] += damping * ranks[src] / out_degree[src]
        ranks = new
    return ranks


def hits(n_agents, edges, rounds):
    authorities = hubs = [1 / n_agents] * n_agents
    for _ in range(rounds):
        hubs = _of_sum_one([sum(authorities[dst] for src, dst in edges if src == agent) for agent in range(n_agents)])
        authorities = _of_sum_one([sum(hubs[src] for src, dst in edges if dst == agent) for agent in range(n_agents)])
    return hubs, authorities


def _of_sum_one(values):
    return [value / sum(values) for value in values]


def label_propagation(n_agents, edges, rounds, labels):
    labels = list(labels)
    for _ in range(rounds):
        received = [Counter() for _ in range(n_agents)]
        for src, dst in edges:
            received[dst][labels[src]] += 1
            received[src][labels[dst]] += 1
        labels = [
            min(counts, key=lambda label, counts=counts: (-counts[label], label)) if counts else labels[agent]
            for agent, counts in enumerate(received)
        ]
    return labels


def reachable(n_agents, edges):
    """Return the agents that each agent can reach, itself included."""
    found, pairs = [{agent} for agent in range(n_agents)], -1
    while pairs < (pairs := sum(map(len, found))):
        for src, dst in edges:
            found[src] |= found[dst]
    return found


def weak_components(n_agents, edges):
    both = [*edges, *((dst, src) for src, dst in edges)]
    return [min(agents) for agents in reachable(n_agents, both)]


def strong_components(n_agents, edges):
    found = reachable(n_agents, edges)
    return [min(other for other in found[agent] if agent in found[other]) for agent in range(n_agents)]


def core_numbers(n_agents, edges):
    cores = [0] * n_agents
    for number in range(1, n_agents):
        left = set(range(n_agents))
        while weak := {agent for agent in left if len(neighbours(n_agents, edges)[agent] & left) < number}:
            left -= weak
        for agent in left:
            cores[agent] = number
    return cores


def triangles(n_agents, edges):
    near = neighbours(n_agents, edges)
    return [sum(b in near[a] for a, b in combinations(sorted(near[agent]), 2)) for agent in range(n_agents)]


def local_clustering(n_agents, edges, directed):
    near, known = neighbours(n_agents, edges), set(edges)
    shares = []
    for agent in range(n_agents):
        pairs = [(a, b) for a in near[agent] for b in near[agent] if a != b]
        connected = [pair for pair in pairs if pair in known or (not directed and pair[::-1] in known)]
        shares.append(len(connected) / len(pairs) if pairs else 0.0)
    return shares


def distances(n_agents, edges, source, lengths=None):
    """Return the distance of every agent from one, infinite without a path (Dijkstra)."""
    length = dict(zip(edges, [1] * len(edges) if lengths is None else lengths, strict=True))
    found, waiting = {}, [(0, source)]
    while waiting:
        distance, agent = heapq.heappop(waiting)
        if agent not in found:
            found[agent] = distance
            for (src, dst), step in length.items():
                if src == agent:
                    heapq.heappush(waiting, (distance + step, dst))
    return [found.get(agent, float("inf")) for agent in range(n_agents)]


def pairs_by_distance(n_agents, edges):
    apart = [distances(n_agents, edges, source) for source in range(n_agents)]
    counts = Counter(distance for row in apart for distance in row if 0 < distance < float("inf"))
    return [counts[hops] for hops in range(1, max(counts, default=0) + 1)]


def betweenness(n_agents, edges):
    """Return the share of ordered pairs of other agents whose shortest paths lead through each agent."""
    apart = [distances(n_agents, edges, source) for source in range(n_agents)]
    paths = [[0] * n_agents for _ in range(n_agents)]
    for source in range(n_agents):
        paths[source][source] = 1
        for agent in sorted(range(n_agents), key=lambda agent, source=source: apart[source][agent]):
            for src, dst in edges:
                if dst == agent and apart[source][src] + 1 == apart[source][agent] < float("inf"):
                    paths[source][agent] += paths[source][src]
    found = [0.0] * n_agents
    for agent in range(n_agents):
        for source in range(n_agents):
            for target in range(n_agents):
                is_between = apart[source][agent] + apart[agent][target] == apart[source][target]
                if len({agent, source, target}) == 3 and paths[source][target] and is_between:
                    found[agent] += paths[source][agent] * paths[agent][target] / paths[source][target]
    return [value / max((n_agents - 1) * (n_agents - 2), 1) for value in found]


def modularity(n_agents, edges, communities):
    """Return the modularity of a partition of the undirected view."""
    near = neighbours(n_agents, edges)
    ends = sum(map(len, near))
    inside = sum(communities[a] == communities[b] for a in range(n_agents) for b in near[a])
    degrees = Counter()
    for agent in range(n_agents):
        degrees[communities[agent]] += len(near[agent])
    return inside / ends - sum(degree**2 for degree in degrees.values()) / ends**2


def correlation(pairs):
    n = len(pairs)
    mean_a, mean_b = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    product = sum((a - mean_a) * (b - mean_b) for a, b in pairs)
    return product / (sum((a - mean_a) ** 2 for a, _ in pairs) * sum((b - mean_b) ** 2 for _, b in pairs)) ** 0.5
