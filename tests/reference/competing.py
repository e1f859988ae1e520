"""Several messages on one network, of which an agent adopts the first that reaches it.

Bharathi, Kempe, Salek: Competitive influence maximization in social networks. WINE 2007, in rounds instead of
exponential delays: each newly active agent tries each of its neighbours once, and a neighbour without a message adopts
that of one of those who succeeded in this round. A message may start later than the others (Budak, Agrawal, El Abbadi:
Limiting the spread of misinformation in social networks. WWW 2011): at those of its seeds that no other has reached.
"""

from collections import defaultdict

from tests.reference.cascades import first_of
from tests.reference.chances import edge_chances, scheme_values, times
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane


def competing_cascades(network, parameters, coins, seeds, max_rounds):
    """The seeds are a mapping from agents to the message of each, in the order of the messages."""
    chance = edge_chances(network, scheme_values(network, parameters["probability"], coins.random_seed), parameters)
    listed = list(dict.fromkeys(seeds.values()))
    rates = [favourable_draws(rate) for rate in parameters["rates"] or ()]
    rate_of = dict(zip(listed, rates, strict=False))
    start_of = dict(zip(listed, parameters["delays"] or (), strict=False))
    waiting = {seed: start for seed, message in seeds.items() if (start := start_of.get(message, 0))}
    newly = [seed for seed in seeds if seed not in waiting]
    lane = Lane(newly)
    lane.messages.update((seed, seeds[seed]) for seed in newly)
    number = 0
    while (newly or waiting) and number < max_rounds:
        number += 1
        succeeded = defaultdict(list)
        for src in newly:
            message = lane.messages[src]
            for dst in network.out_neighbours[src]:
                limit = times(chance[src, dst], rate_of[message]) if message in rate_of else chance[src, dst]
                if dst in lane.messages:
                    lane.contact(number, src, dst, "sent")
                elif coins.contact(src, dst) < limit:
                    lane.contact(number, src, dst, "received")
                    succeeded[dst].append(src)
                else:
                    lane.contact(number, src, dst, "ignored")
        newly = list(succeeded)
        for dst, sources in succeeded.items():
            if parameters["ties"] == "first_listed":
                best = min(listed.index(lane.messages[src]) for src in sources)
                sources = [src for src in sources if listed.index(lane.messages[src]) == best]
            infector = first_of(sources, dst, coins)
            lane.activate(dst, number, infector)
            lane.messages[dst] = lane.messages[infector]
            waiting.pop(dst, None)
        for seed in [seed for seed, start in waiting.items() if start == number]:
            del waiting[seed]
            lane.activate(seed, number, None)
            lane.messages[seed] = seeds[seed]
            newly.append(seed)
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly or waiting)
    return lane
