"""Epidemics in rounds: the compartment models of Kermack and McKendrick (1927) and their kin, one contact at a time.

In round t each infectious agent contacts its out-neighbours, and infects a susceptible one with probability beta. Then
those who were in a compartment before the round leave it with the probability of that compartment, so that everybody
is infectious for at least one round. The functions keep, for each agent in a compartment, the round it entered.
"""

from collections import defaultdict

from tests.reference.chances import edge_chances, scheme_values
from tests.reference.draws import favourable_draws
from tests.reference.lanes import Lane

INFECTIOUS_OF_SI, INFECTIOUS_OF_SIR, RECOVERED_OF_SIR = 1, 1, 2
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


def si(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    infectious = dict.fromkeys(seeds, 0)
    number = 0
    while can_infect(network, beta, infectious, infectious) and number < max_rounds:
        number += 1
        infected = contacts_of_a_round(network, beta, coins, lane, number, infectious, infectious)
        for agent, infector in infected.items():
            lane.activate(agent, number, infector)
            infectious[agent] = number
        lane.end_round(len(infectious))
    lane.truncated = can_infect(network, beta, infectious, infectious)
    return lane


def sis(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    recover = recovery(parameters, coins, lane, INFECTIOUS_OF_SI)
    infectious = dict.fromkeys(seeds, 0)

    def going_on():
        return bool(infectious) if recover.ever else can_infect(network, beta, infectious, infectious)

    number = 0
    while going_on() and number < max_rounds:
        number += 1
        infected = contacts_of_a_round(network, beta, coins, lane, number, infectious, infectious)
        for agent in recover.after(number, infectious):
            del infectious[agent]
        for agent, infector in infected.items():
            lane.activate(agent, number, infector)
            infectious[agent] = number
        lane.end_round(len(infectious))
    lane.truncated = going_on()
    return lane


def sir(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    recover = recovery(parameters, coins, lane, INFECTIOUS_OF_SIR)
    infectious = dict.fromkeys(seeds, 0)
    ever_infected = set(seeds)

    def going_on():
        return bool(infectious) if recover.ever else can_infect(network, beta, infectious, ever_infected)

    number = 0
    while going_on() and number < max_rounds:
        number += 1
        infected = contacts_of_a_round(network, beta, coins, lane, number, infectious, ever_infected)
        for agent in recover.after(number, infectious):
            del infectious[agent]
        for agent, infector in infected.items():
            lane.activate(agent, number, infector)
            infectious[agent] = number
            ever_infected.add(agent)
        lane.end_round(len(infectious))
    lane.truncated = going_on()
    return lane


def sirs(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    recover = recovery(parameters, coins, lane, INFECTIOUS_OF_SIR)
    forget = Leaving(coins, lane, RECOVERED_OF_SIR, parameters["waning"])
    infectious, recovered = dict.fromkeys(seeds, 0), {}

    def going_on():
        if (recover.ever and infectious) or (forget.ever and recovered):
            return True
        return not recover.ever and can_infect(network, beta, infectious, infectious | recovered)

    number = 0
    while going_on() and number < max_rounds:
        number += 1
        infected = contacts_of_a_round(network, beta, coins, lane, number, infectious, infectious | recovered)
        recovering, forgetting = recover.after(number, infectious), forget.after(number, recovered)
        for agent in forgetting:
            del recovered[agent]
        for agent in recovering:
            del infectious[agent]
            recovered[agent] = number
        for agent, infector in infected.items():
            lane.activate(agent, number, infector)
            infectious[agent] = number
        lane.end_round(len(infectious))
    lane.truncated = going_on()
    return lane


def seir(network, parameters, coins, seeds, max_rounds):
    beta = edge_chances(network, scheme_values(network, parameters["beta"], coins.random_seed), parameters)
    lane = Lane(seeds)
    incubate = Leaving(coins, lane, EXPOSED_OF_SEIR, parameters["sigma"])
    recover = recovery(parameters, coins, lane, INFECTIOUS_OF_SEIR)
    exposed, infectious = {}, dict.fromkeys(seeds, 0)
    ever_infected = set(seeds)

    def going_on():
        if (recover.ever and infectious) or (incubate.ever and exposed):
            return True
        return not recover.ever and can_infect(network, beta, infectious, ever_infected)

    number = 0
    while going_on() and number < max_rounds:
        number += 1
        infected = contacts_of_a_round(network, beta, coins, lane, number, infectious, ever_infected)
        falling_ill, recovering = incubate.after(number, exposed), recover.after(number, infectious)
        for agent in recovering:
            del infectious[agent]
        for agent in falling_ill:
            del exposed[agent]
            infectious[agent] = number
        for agent, infector in infected.items():
            lane.activate(agent, number, infector)
            exposed[agent] = number
            ever_infected.add(agent)
        lane.end_round(len(infectious))
    lane.truncated = going_on()
    return lane
