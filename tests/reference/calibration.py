"""Plain Python definitions of calibrations: dictionaries, loops, and the formulas of the papers."""

import math
from collections import defaultdict


def exposures(edges, cascades, window=math.inf):
    """Return by edge the cascades in which it may have succeeded, and in which it failed.

    `cascades` are dictionaries of times by agent.
    """
    possible, failed = defaultdict(list), defaultdict(list)
    for number, times in enumerate(cascades):
        for source, target in edges:
            if source not in times:
                continue
            delay = times.get(target, math.inf) - times[source]
            if target in times and 0 < delay <= window:
                possible[source, target].append(number)
            elif delay > 0:
                failed[source, target].append(number)
    return possible, failed


def causes(edges, possible):
    """Return by (cascade, target) the edges that may have activated it."""
    found = defaultdict(list)
    for edge in edges:
        for number in possible[edge]:
            found[number, edge[1]].append(edge)
    return found


def uniform_probability(edges, cascades, window=math.inf):
    """Return the one probability that maximises the likelihood, by ternary search: the likelihood is concave."""
    possible, failed = exposures(edges, cascades, window)
    groups = causes(edges, possible).values()
    failures = sum(map(len, failed.values()))

    def likelihood(p):
        return sum(math.log(1 - (1 - p) ** len(group)) for group in groups) + failures * math.log(1 - p)

    low, high = 1e-9, 1 - 1e-9
    for _ in range(300):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        if likelihood(first) < likelihood(second):
            low = first
        else:
            high = second
    return (low + high) / 2


def em_independent_cascade(edges, cascades, mean, strength, iterations, window=math.inf):
    """Saito, Nakano, Kimura (2008), with `strength` further exposures of probability `mean`."""
    possible, failed = exposures(edges, cascades, window)
    groups = causes(edges, possible)
    p = dict.fromkeys(edges, mean)
    for _ in range(iterations):
        shares = defaultdict(float)
        for group in groups.values():
            caused = 1 - math.prod(1 - p[edge] for edge in group)
            for edge in group:
                shares[edge] += p[edge] / caused
        for edge in edges:
            if trials := len(possible[edge]) + len(failed[edge]):
                p[edge] = (shares[edge] + strength * mean) / (trials + strength)
    return p


def em_linear_threshold(edges, cascades, prior_sum, strength, iterations, window=math.inf):
    """Each agent follows one in-neighbour at most (Kempe, Kleinberg, Tardos 2003): who it is, is hidden."""
    possible, failed = exposures(edges, cascades, window)
    followed = causes(edges, possible)
    weights = {}
    for target in {target for _, target in edges}:
        own = [edge for edge in edges if edge[1] == target]
        chosen = [group for (_, agent), group in followed.items() if agent == target]
        refused = defaultdict(list)
        for edge in own:
            for number in failed[edge]:
                if (number, target) not in followed:
                    refused[number].append(edge)
        mean = prior_sum / len(own)
        w = dict.fromkeys(own, mean)
        for _ in range(iterations if chosen or refused else 0):
            expected = defaultdict(float)
            for group in chosen:
                for edge in group:
                    expected[edge] += w[edge] / sum(w[each] for each in group)
            for group in refused.values():
                rest = 1 - sum(w[each] for each in group)
                for edge in own:
                    if edge not in group:
                        expected[edge] += w[edge] / rest
            total = len(chosen) + len(refused)
            w = {edge: (expected[edge] + strength * mean) / (total + strength) for edge in own}
        weights |= w
    return weights


def next_adopter_scores(agents, edges, values, cascades, window=math.inf):
    """Return the rank of each adopter after the first time, and the precision of the first ten.

    `cascades` are dictionaries of times by agent. Equal agents have the mean of their ranks, and share the places among
    the first ten.
    """
    ranks, precisions = [], []
    for times in cascades:
        for time in sorted(set(times.values()))[1:]:
            earlier = [agent for agent in times if times[agent] < time]
            now = {agent for agent in times if times[agent] == time}
            causes = [agent for agent in earlier if time - times[agent] <= window]
            left = [agent for agent in agents if agent not in earlier]
            score = {
                agent: sum(values[edge] for source in causes if (edge := (source, agent)) in edges) for agent in left
            }
            hits, places = 0.0, min(10, len(left))
            for level in sorted(set(score.values()), reverse=True):
                tied = [agent for agent in left if score[agent] == level]
                taken = min(places, len(tied))
                hits += taken * sum(agent in times for agent in tied) / len(tied)
                places -= taken
            for adopter in now:
                others = [score[agent] for agent in left if agent not in now]
                better = sum(other > score[adopter] for other in others)
                ranks.append(1 + better + sum(other == score[adopter] for other in others) / 2)
                precisions.append(hits / 10)
    return ranks, precisions
