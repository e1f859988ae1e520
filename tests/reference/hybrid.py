"""Some agents are reached by a viral message, the others by the share of their neighbours who adopted it.

Each agent is of one kind for the whole lane; whom it contacts in turn does not depend on its kind.
"""

from collections import Counter, defaultdict

from tests.reference.cascades import first_of, viral_chances
from tests.reference.chances import FARTHEST, powers, times
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane
from tests.reference.thresholds import diffusion_thresholds, diffusion_weights


def hybrid(network, parameters, coins, seeds, max_rounds):
    agents = range(network.n_agents)
    by_virality = {agent for agent in agents if coins.mixing(agent) < favourable_draws(parameters["alpha"])}
    chance = viral_chances(network, parameters)
    decay, fatigue = powers(parameters["decay"]), powers(parameters["fatigue"])
    weight = diffusion_weights(network, parameters)
    threshold = diffusion_thresholds(network, parameters, coins)

    def succeeds(src, dst):
        fresh = times(chance[src, dst], decay[min(hops[src], FARTHEST)])
        return coins.contact(src, dst) < times(fresh, fatigue[min(contacts_before[dst], FARTHEST)])

    lane = Lane(seeds)
    hops = dict.fromkeys(seeds, 0)
    newly = set(seeds)
    contacts_before = Counter()
    number = 0
    while newly and number < max_rounds:
        number += 1
        contacted_by = defaultdict(list)
        for src in newly:
            for dst in network.out_neighbours[src]:
                contacted_by[dst].append(src)
        following = set()
        for dst, sources in contacted_by.items():
            if dst in hops:
                received, infectors = [], []
            elif dst in by_virality:
                received = infectors = [src for src in sources if succeeds(src, dst)]
            else:
                total = sum(weight[src, dst] for src in network.in_neighbours[dst] if src in hops)
                received = sources if total >= threshold[dst] else []
                infectors = [src for src in received if weight[src, dst] > 0]
            for src in sources:
                event = "sent" if dst in hops else "received" if src in received else "ignored"
                lane.contact(number, src, dst, event)
            if infectors:
                following.add(dst)
                lane.activate(dst, number, first_of(infectors, dst, coins))
        contacts_before.update({dst: len(sources) for dst, sources in contacted_by.items()})
        newly = following
        hops |= dict.fromkeys(newly, number)
        lane.end_round(infectious=len(newly))
    lane.truncated = bool(newly)
    return lane
