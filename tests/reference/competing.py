"""Several messages on one network, of which an agent adopts the first that reaches it.

Bharathi, Kempe, Salek: Competitive influence maximization in social networks. WINE 2007, in rounds instead of
exponential delays: each newly active agent tries each of its neighbours once, and a neighbour without a message adopts
that of one of those who succeeded in this round.
"""

from collections import defaultdict

from tests.reference.cascades import first_of
from tests.reference.chances import edge_chances, scheme_values, times
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane


def competing_cascades(network, parameters, coins, seeds, max_rounds):
    """The seeds are a mapping from agents to the message of each, in the order of the messages."""
    chance = edge_chances(network, scheme_values(network, parameters["probability"], coins.random_seed), parameters)
    rates = [favourable_draws(rate) for rate in parameters["rates"] or ()]
    rate_of = dict(zip(dict.fromkeys(seeds.values()), rates, strict=False))
    lane = Lane(seeds)
    lane.messages.update(seeds)
    newly = list(seeds)
    number = 0
    while newly and number < max_rounds:
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
        for dst, sources in succeeded.items():
            infector = first_of(sources, dst, coins)
            lane.activate(dst, number, infector)
            lane.messages[dst] = lane.messages[infector]
        newly = list(succeeded)
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly)
    return lane
