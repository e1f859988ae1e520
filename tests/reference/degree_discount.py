"""Degree discount as published: Chen, Wang, Yang: Efficient influence maximization in social networks. KDD 2009,
algorithm 4 (DegreeDiscountIC), with out-degrees for a directed network and ties by the smaller agent.
"""


def degree_discount(out_neighbours, n_agents, k, p):
    degree = [len(out_neighbours.get(v, ())) for v in range(n_agents)]
    discounted = [float(d) for d in degree]
    chosen_before = [0] * n_agents
    seeds = []
    for _ in range(k):
        u = max((v for v in range(n_agents) if v not in seeds), key=lambda v: (discounted[v], -v))
        seeds.append(u)
        for v in out_neighbours.get(u, ()):
            if v not in seeds:
                chosen_before[v] += 1
                d, t = degree[v], chosen_before[v]
                discounted[v] = d - 2 * t - (d - t) * t * p
    return seeds
