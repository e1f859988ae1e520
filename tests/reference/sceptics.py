"""SEIZ: ideas against sceptics, as Bettencourt and others say it, one contact at a time.

Bettencourt, Cintron-Arias, Kaiser, Castillo-Chavez: The power of a good idea. Physica A 2006. Those who adopted (I) and
sceptics (Z) contact the susceptible (S), at rates beta and b. Of those whom an adopter convinces, a share p adopts at
once; of those whom a sceptic convinces, a share l becomes sceptic; the others are exposed (E), and adopt later: when
an adopter contacts them (rho), or by themselves (epsilon).
"""

from collections import defaultdict

from tests.reference.chances import agent_values, edge_chances, strengths, times
from tests.reference.compartments import Leaving
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane

EXPOSED = 1


class Opinions:
    """Who holds which opinion, and since which round; everybody else is susceptible."""

    def __init__(self, adopters, sceptics):
        self.adopters, self.sceptics, self.exposed = dict.fromkeys(adopters, 0), dict.fromkeys(sceptics, 0), {}

    @property
    def vocal(self):
        return self.adopters | self.sceptics

    def reached(self, agent):
        return agent in self.adopters or agent in self.exposed

    def contact(self, src, dst):
        """The rate of a contact that would change its target, or None."""
        if src in self.adopters and dst in self.exposed:
            return "rho"
        if self.reached(dst) or dst in self.sceptics:
            return None
        return "beta" if src in self.adopters else "b"


def seiz(network, parameters, coins, seeds, max_rounds):
    edge = edge_chances(network, strengths(network, parameters["strength"]), parameters)
    chance = {
        name: {e: times(c, favourable_draws(parameters[name])) for e, c in edge.items()}
        for name in ("beta", "b", "rho")
    }
    lane = Lane(seeds)
    adopt = Leaving(coins, lane, EXPOSED, parameters["epsilon"])
    agents = Opinions(seeds, first_sceptics(network, parameters, coins, seeds))

    def going_on():
        if adopt.ever and agents.exposed:
            return True
        contacts = ((agents.contact(src, dst), src, dst) for src in agents.vocal for dst in network.out_neighbours[src])
        return any(rate and chance[rate][src, dst] > 0 for rate, src, dst in contacts)

    number = 0
    while going_on() and number < max_rounds:
        number += 1
        convinced_by = defaultdict(list)
        for src, since in agents.vocal.items():
            trial, occasion = number - since - 1, lane.occasion(src)
            for dst in network.out_neighbours[src]:
                rate = agents.contact(src, dst)
                success = rate is not None and coins.contact(src, dst, trial, occasion) < chance[rate][src, dst]
                if success:
                    convinced_by[dst].append((coins.infector(src, dst, trial, occasion), src))
                lane.contact(number, src, dst, "sent" if agents.reached(dst) else "received" if success else "ignored")
        left = {agent: since for agent, since in agents.exposed.items() if agent not in convinced_by}
        adopting = adopt.after(number, left) | (agents.exposed.keys() & convinced_by.keys())
        for agent, sources in convinced_by.items():
            if agent not in agents.exposed:
                convince(agent, min(sources)[1], number, agents, lane, parameters, coins)
        for agent in adopting:
            del agents.exposed[agent]
            agents.adopters[agent] = number
        lane.end_round(len(agents.adopters))
    lane.truncated = going_on()
    return lane


def first_sceptics(network, parameters, coins, seeds):
    probability = agent_values(network, parameters["sceptics"], own="sceptic")
    others = (agent for agent in range(network.n_agents) if agent not in seeds)
    return [agent for agent in others if coins.sceptic(agent) < favourable_draws(probability[agent])]


def convince(agent, source, number, agents, lane, parameters, coins):
    """Move a susceptible agent to where its source, an adopter or a sceptic, brings it."""
    drawn = coins.branching(agent)
    if source in agents.sceptics and drawn < favourable_draws(parameters["l"]):
        agents.sceptics[agent] = number
        return
    lane.activate(agent, number, source)
    if source in agents.adopters and drawn < favourable_draws(parameters["p"]):
        agents.adopters[agent] = number
    else:
        agents.exposed[agent] = number
