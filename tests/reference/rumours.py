"""Rumours: spreaders tell the ignorant, and lose interest by meeting those who know.

Maki, Thompson: Mathematical Models and Applications. 1973: when a spreader contacts someone who knows, the contacting
spreader stops. Daley, Kendall: Stochastic rumours. 1965: when two spreaders meet, both stop. In rounds, on a directed
network, a spreader contacts all of its out-neighbours in every round, and all contacts of a round happen at once. Two
spreaders who contact each other in the same round meet once: one draw decides for both.
"""

from collections import defaultdict

from tests.reference.chances import edge_chances, scheme_values
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane


def maki_thompson(network, parameters, coins, seeds, max_rounds):
    return rumour(network, parameters, coins, seeds, max_rounds, both_stop=False)


def daley_kendall(network, parameters, coins, seeds, max_rounds):
    return rumour(network, parameters, coins, seeds, max_rounds, both_stop=True)


def rumour(network, parameters, coins, seeds, max_rounds, *, both_stop):
    spreading = edge_chances(network, scheme_values(network, parameters["spreading"], coins.random_seed), parameters)
    stifling = favourable_draws(parameters["stifling"])
    lane = Lane(seeds)
    spreaders = dict.fromkeys(seeds, 0)
    """Round in which each of them heard the rumour."""
    stiflers = set()

    def anything_can_change():
        return any(
            stifling > 0 if dst in spreaders or dst in stiflers else spreading[src, dst] > 0
            for src in spreaders
            for dst in network.out_neighbours[src]
        )

    number = 0
    while anything_can_change() and number < max_rounds:
        number += 1
        told_by = defaultdict(list)
        stopping = set()
        for src, since in spreaders.items():
            trial = number - since - 1
            for dst in network.out_neighbours[src]:
                drawn = coins.contact(src, dst, trial)
                if dst in spreaders or dst in stiflers:
                    lane.contact(number, src, dst, "sent")
                    if both_stop and dst in spreaders:
                        if coins.meeting(src, dst, number) < stifling:
                            stopping |= {src, dst}
                    elif drawn < stifling:
                        stopping.add(src)
                elif drawn < spreading[src, dst]:
                    lane.contact(number, src, dst, "received")
                    told_by[dst].append((coins.infector(src, dst, trial), src))
                else:
                    lane.contact(number, src, dst, "ignored")
        for dst, tellers in told_by.items():
            lane.activate(dst, number, min(tellers)[1])
            spreaders[dst] = number
        for agent in stopping:
            del spreaders[agent]
            stiflers.add(agent)
        lane.end_round(infectious=len(spreaders))
    lane.truncated = anything_can_change()
    return lane
