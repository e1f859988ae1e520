"""Cascades in which each newly active agent has a single chance with each neighbour, as their authors say them.

Kempe, Kleinberg, Tardos: Maximizing the spread of influence through a social network. KDD 2003, section 2: "When node
v first becomes active in step t, it is given a single chance to activate each currently inactive neighbor w; it
succeeds with a probability p(v,w) independently of the history thus far. [...] If v succeeds, then w will become
active in step t+1. [...] The process runs until no more activations are possible."

A viral message is such a cascade, whose chances fall with the hops it came and with the contacts its target has had.
"""

from collections import Counter, defaultdict

from tests.reference.chances import FARTHEST, edge_chances, powers, scheme_values, strengths, times
from tests.reference.lanes import Lane


def independent_cascade(network, parameters, coins, seeds, max_rounds):
    chance = edge_chances(network, scheme_values(network, parameters["probability"], coins.random_seed), parameters)
    lane = Lane(seeds)
    active, newly = set(seeds), set(seeds)
    number = 0
    while newly and number < max_rounds:
        number += 1
        activated_by = defaultdict(list)
        for src in newly:
            for dst in network.out_neighbours[src]:
                if dst in active:
                    lane.contact(number, src, dst, "sent")
                elif coins.contact(src, dst) < chance[src, dst]:
                    lane.contact(number, src, dst, "received")
                    activated_by[dst].append(src)
                else:
                    lane.contact(number, src, dst, "ignored")
        for dst, sources in activated_by.items():
            lane.activate(dst, number, first_of(sources, dst, coins))
        newly = set(activated_by)
        active |= newly
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly)
    return lane


def first_of(sources, dst, coins):
    """The infector among those who succeeded, or whose weight was added, in the round after they became active."""
    return min(sources, key=lambda src: (coins.infector(src, dst), src))


def viral_chances(network, parameters):
    base = parameters["base_rate"] * parameters["virality"]
    return edge_chances(network, strengths(network, parameters["strength"]), parameters, base)


def viral(network, parameters, coins, seeds, max_rounds):
    chance = viral_chances(network, parameters)
    decay, fatigue = powers(parameters["decay"]), powers(parameters["fatigue"])
    lane = Lane(seeds)
    hops = dict.fromkeys(seeds, 0)
    newly = set(seeds)
    contacts_before = Counter()
    number = 0
    while newly and number < max_rounds:
        number += 1
        activated_by = defaultdict(list)
        contacts_now = Counter()
        for src in newly:
            for dst in network.out_neighbours[src]:
                contacts_now[dst] += 1
                fresh = times(chance[src, dst], decay[min(hops[src], FARTHEST)])
                tired = times(fresh, fatigue[min(contacts_before[dst], FARTHEST)])
                if dst in hops:
                    lane.contact(number, src, dst, "sent")
                elif coins.contact(src, dst) < tired:
                    lane.contact(number, src, dst, "received")
                    activated_by[dst].append(src)
                else:
                    lane.contact(number, src, dst, "ignored")
        for dst, sources in activated_by.items():
            lane.activate(dst, number, first_of(sources, dst, coins))
            hops[dst] = number
        newly = set(activated_by)
        contacts_before += contacts_now
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly)
    return lane
