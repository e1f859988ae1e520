"""Epidemics in rounds: the compartment models of Kermack and McKendrick (1927) and their kin, one contact at a time.

In round t each infectious agent contacts its out-neighbours, and infects a susceptible one with probability beta. Then
those who were in a compartment before the round leave it with the probability of that compartment, so that everybody
is infectious for at least one round. The functions keep, for each agent in a compartment, the round it entered.
"""

from collections import defaultdict

from tests.reference.chances import edge_chances, scheme_values
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane

INFECTIOUS, RECOVERED = 1, 2
EXPOSED_OF_SEIR, INFECTIOUS_OF_SEIR = 1, 2


class Leaving:
    """How agents leave a compartment: with a chance in every round, or after a number of rounds."""

    def __init__(self, coins, lane, compartment, rate, period=None):
        self.coins, self.lane, self.compartment = coins, lane, compartment
        self.chance = favourable_draws(rate) if period is None else None
        self.period = period

    @property
    def ever(self):
        return self.period is not None or self.chance > 0

    def after(self, number, entered):
        """Who of those who entered the compartment before this round leaves it at its end."""
        if not self.ever:
            return set()
        return {agent for agent, since in entered.items() if since < number and self.leaves(agent, number - since)}

    def leaves(self, agent, rounds):
        if self.period is not None:
            return rounds >= self.period
        drawn = self.coins.transition(agent, self.compartment, rounds - 1, self.lane.occasion(agent))
        return drawn < self.chance


def recovery(parameters, coins, lane, compartment):
    return Leaving(coins, lane, compartment, parameters.get("gamma"), parameters.get("infectious_period"))


def contacts_of_a_round(network, beta, coins, lane, number, infectious, reached):
    """Let the infectious contact their neighbours; return the infector of each agent infected."""
    infected_by = defaultdict(list)
    for src, since in infectious.items():
        trial, occasion = number - since - 1, lane.occasion(src)
        for dst in network.out_neighbours[src]:
            if dst in reached:
                lane.contact(number, src, dst, "sent")
            elif coins.contact(src, dst, trial, occasion) < beta[src, dst]:
                lane.contact(number, src, dst, "received")
                infected_by[dst].append((coins.infector(src, dst, trial, occasion), src))
            else:
                lane.contact(number, src, dst, "ignored")
    return {dst: min(sources)[1] for dst, sources in infected_by.items()}


def can_infect(network, beta, infectious, reached):
    return any(dst not in reached and beta[src, dst] > 0 for src in infectious for dst in network.out_neighbours[src])


def rounds(lane, going_on, max_rounds):
    """Number the rounds while something can change, at most so many."""
    number = 0
    while going_on() and number < max_rounds:
        number += 1
        yield number
    lane.truncated = going_on()


def move(agents, number, compartment, to=None):
    """Let agents go from one compartment to another, if that is kept too."""
    for agent in agents:
        del compartment[agent]
        if to is not None:
            to[agent] = number


def activate(infected_by, number, lane, compartment):
    for agent, infector in infected_by.items():
        lane.activate(agent, number, infector)
        compartment[agent] = number


def si(network, parameters, coins, seeds, max_rounds):
    """SIS in which nobody recovers."""
    return sis(network, {**parameters, "gamma": 0.0}, coins, seeds, max_rounds)


def sis(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    recover = recovery(parameters, coins, lane, INFECTIOUS)
    infectious = dict.fromkeys(seeds, 0)

    def going_on():
        return bool(infectious) if recover.ever else can_infect(network, beta, infectious, infectious)

    for number in rounds(lane, going_on, max_rounds):
        infected_by = contacts_of_a_round(network, beta, coins, lane, number, infectious, infectious)
        move(recover.after(number, infectious), number, infectious)
        activate(infected_by, number, lane, infectious)
        lane.end_round(len(infectious))
    return lane


def sir(network, parameters, coins, seeds, max_rounds):
    """SIRS in which nobody who has recovered becomes susceptible."""
    return sirs(network, {**parameters, "waning": 0.0}, coins, seeds, max_rounds)


def sirs(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    recover = recovery(parameters, coins, lane, INFECTIOUS)
    forget = Leaving(coins, lane, RECOVERED, parameters["waning"])
    infectious, recovered = dict.fromkeys(seeds, 0), {}

    def going_on():
        if (recover.ever and infectious) or (forget.ever and recovered):
            return True
        return not recover.ever and can_infect(network, beta, infectious, infectious | recovered)

    for number in rounds(lane, going_on, max_rounds):
        infected_by = contacts_of_a_round(network, beta, coins, lane, number, infectious, infectious | recovered)
        recovering, forgetting = recover.after(number, infectious), forget.after(number, recovered)
        move(forgetting, number, recovered)
        move(recovering, number, infectious, recovered)
        activate(infected_by, number, lane, infectious)
        lane.end_round(len(infectious))
    return lane


def seir(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    incubate = Leaving(coins, lane, EXPOSED_OF_SEIR, parameters["sigma"])
    recover = recovery(parameters, coins, lane, INFECTIOUS_OF_SEIR)
    exposed, infectious, recovered = {}, dict.fromkeys(seeds, 0), {}

    def going_on():
        if (recover.ever and infectious) or (incubate.ever and exposed):
            return True
        return not recover.ever and can_infect(network, beta, infectious, exposed | infectious | recovered)

    for number in rounds(lane, going_on, max_rounds):
        reached = exposed | infectious | recovered
        infected_by = contacts_of_a_round(network, beta, coins, lane, number, infectious, reached)
        falling_ill, recovering = incubate.after(number, exposed), recover.after(number, infectious)
        move(recovering, number, infectious, recovered)
        move(falling_ill, number, exposed, infectious)
        activate(infected_by, number, lane, exposed)
        lane.end_round(len(infectious))
    return lane
