"""The textbook models against small cases solved by hand, with draws that the case writes down.

The contract compares every plan with these models, so they are checked here against something still simpler. Draws are
fractions of 2**32: a contact of probability 1/2 succeeds with the draw 0.25, and not with 0.5.
"""

import pytest

from tests.reference.chances import powers, times
from tests.reference.lanes import Network
from tests.reference.textbook import TEXTBOOK

NEVER = 1.0
HALF = 2**31


class WrittenCoins:
    """Draws as a case gives them; those it does not mention fail whatever is not certain."""

    random_seed = 0

    def __init__(self, contacts=(), infectors=(), transitions=(), agents=(), meetings=()):
        self.contacts, self.infectors, self.meetings = dict(contacts), dict(infectors), dict(meetings)
        self.transitions, self.agents = dict(transitions), dict(agents)

    def contact(self, src, dst, trial=0, occasion=1):
        return self.number(self.contacts.get((src, dst, trial, occasion), NEVER))

    def meeting(self, one, other, number):
        return self.number(self.meetings.get((min(one, other), max(one, other), number), NEVER))

    def infector(self, src, dst, trial=0, occasion=1):
        return self.number(self.infectors.get((src, dst, trial, occasion), 0.0))

    def transition(self, agent, compartment, trial, occasion):
        return self.number(self.transitions.get((agent, compartment, trial, occasion), NEVER))

    def of_agent(self, agent):
        return self.number(self.agents.get(agent, NEVER))

    threshold = branching = mixing = sceptic = of_agent

    @staticmethod
    def number(fraction):
        return min(int(fraction * 2**32), 2**32 - 1)


def lane(name, edges, parameters, seeds=(0,), coins=None, max_rounds=100, n_agents=None, **columns):
    agents = n_agents or 1 + max(max(edge) for edge in edges)
    network = Network(agents, tuple(edges), **columns)
    return TEXTBOOK[name](network, parameters, coins or WrittenCoins(), seeds, max_rounds)


def summary(made):
    return made.rounds, made.depth, made.truncated


PATH = [(0, 1), (1, 2), (2, 3)]
TRIANGLE = [(0, 1), (0, 2), (1, 2)]
PAIR = [(0, 1), (1, 0)]


# -- arithmetic -----------------------------------------------------------------------------------------------------


def test_products_of_chances_are_rounded_up():
    assert times(2**32, 5) == 5
    assert times(1, 1) == 1
    assert times(0, 2**32) == 0
    assert times(HALF, HALF) == 2**30
    assert times(HALF + 1, HALF) == 2**30 + 1
    assert powers(0.0)[:3] == [2**32, 0, 0]
    assert powers(0.5)[1:3] == [2**31, 2**30]
    assert powers(0.5)[33] == 1
    assert len(powers(1.0)) == 1024


# -- cascades -------------------------------------------------------------------------------------------------------


def test_a_cascade_tries_each_edge_once():
    made = lane(
        "independent_cascade",
        [*PATH, (1, 0)],
        {"probability": 0.5},
        coins=WrittenCoins({(0, 1, 0, 1): 0.25, (1, 2, 0, 1): 0.5}),
    )
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1)]
    assert made.contacts == [(1, 0, 1, "received"), (2, 1, 0, "sent"), (2, 1, 2, "ignored")]
    assert (made.new, made.infectious, made.reached) == ([1, 1, 0], [1, 1, 0], [1, 2, 2])
    assert summary(made) == (2, 1, False)


@pytest.mark.parametrize(("draws", "infector"), [((0.2, 0.1), 1), ((0.1, 0.2), 0), ((0.1, 0.1), 0)])
def test_the_infector_has_the_smallest_draw_and_then_the_smallest_id(draws, infector):
    coins = WrittenCoins(infectors={(0, 2, 0, 1): draws[0], (1, 2, 0, 1): draws[1]})
    made = lane("independent_cascade", [(0, 2), (1, 2)], {"probability": 1.0}, seeds=(1, 0), coins=coins)
    assert made.activations[-1] == (2, 1, infector, 1)


@pytest.mark.parametrize(
    ("max_rounds", "expected"), [(0, (0, 0, True)), (2, (2, 2, True)), (3, (3, 3, True)), (4, (4, 3, False))]
)
def test_a_cascade_is_over_once_nobody_is_newly_active(max_rounds, expected):
    made = lane("independent_cascade", PATH, {"probability": 1.0}, max_rounds=max_rounds)
    assert summary(made) == expected


VIRAL = {"base_rate": 0.5, "virality": 1.0, "strength": None, "decay": 1.0, "fatigue": 1.0}


@pytest.mark.parametrize(("drawn", "depth"), [(0.1249, 2), (0.125, 1)])
def test_a_viral_message_fades_with_its_hops(drawn, depth):
    coins = WrittenCoins({(0, 1, 0, 1): 0.49, (1, 2, 0, 1): drawn})
    assert lane("viral", PATH, VIRAL | {"decay": 0.25}, coins=coins).depth == depth


@pytest.mark.parametrize(("drawn", "reached"), [(0.1249, 3), (0.125, 2)])
def test_a_viral_message_tires_those_who_heard_it_before(drawn, reached):
    # Agent 2 hears it from 0 in round 1, and from 1 in round 2.
    coins = WrittenCoins({(0, 1, 0, 1): 0.49, (0, 2, 0, 1): 0.5, (1, 2, 0, 1): drawn})
    assert lane("viral", TRIANGLE, VIRAL | {"fatigue": 0.25}, coins=coins).reached[-1] == reached


def test_contacts_of_the_same_round_do_not_tire():
    coins = WrittenCoins({(1, 2, 0, 1): 0.49})
    made = lane("viral", [(0, 2), (1, 2)], VIRAL | {"fatigue": 0.0}, seeds=(0, 1), coins=coins)
    assert made.activations[-1] == (2, 1, 1, 1)


def test_factors_of_a_viral_message_multiply_and_are_capped():
    columns = {
        "edge_columns": {"tie": {(0, 1): 0.5, (0, 2): 2.0, (1, 2): 0.0}},
        "agent_columns": {"open": [1.0, 0.5, 3.0], "loud": [2.0, 1.0, 1.0]},
    }
    parameters = VIRAL | {"strength": "column:tie", "susceptibility": "open", "activity": "loud", "virality": 0.5}
    made = lane("viral", TRIANGLE, parameters, coins=WrittenCoins({(0, 1, 0, 1): 0.125}), **columns)
    assert made.contacts == [(1, 0, 1, "ignored"), (1, 0, 2, "received")]  # 1/8 and, capped, 1


# -- thresholds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("draws_below", "active"), [(3 * 2**30, True), (3 * 2**30 + 1, False)])
def test_weights_add_up_to_the_threshold_exactly(draws_below, active):
    columns = {"edge_columns": {"w": {(0, 1): 0.0, (0, 2): 0.25, (1, 2): 0.5}}}
    coins = WrittenCoins(agents={2: (draws_below - 1) / 2**32})
    made = lane("linear_threshold", TRIANGLE, {"weight": "column:w"}, seeds=(0, 1), coins=coins, **columns)
    assert made.reached[-1] == 2 + active
    assert made.contacts[-1] == (1, 1, 2, "received" if active else "ignored")


def test_weights_of_earlier_rounds_stay():
    columns = {"edge_columns": {"w": {(0, 1): 1.0, (0, 2): 0.5, (1, 2): 0.5}}}
    made = lane("linear_threshold", TRIANGLE, {"weight": "column:w"}, **columns)
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1), (2, 2, 1, 1)]
    assert made.contacts == [(1, 0, 1, "received"), (1, 0, 2, "ignored"), (2, 1, 2, "received")]
    assert summary(made) == (3, 2, False)


@pytest.mark.parametrize(("threshold", "reached"), [(0.75, 2), (0.7500001, 1), (0.25, 2), (0.0, 2)])
def test_diffusion_weighs_neighbours_by_their_share_of_strength(threshold, reached):
    columns = {"edge_columns": {"s": {(0, 2): 3.0, (1, 2): 1.0}}, "strength": "s"}
    made = lane("diffusion", [(0, 2), (1, 2)], {"strength": None, "threshold": threshold}, **columns)
    assert made.reached[-1] == reached


@pytest.mark.parametrize(("parameters", "reached"), [({"threshold": 0.67}, 2), ({"threshold": 2 / 3}, 3)])
def test_a_fraction_of_neighbours_is_rounded_up_but_for_rounding_errors(parameters, reached):
    edges = [(0, 3), (1, 3), (2, 3)]
    assert lane("fractional_threshold", edges, parameters, seeds=(0, 1)).reached[-1] == reached


def test_a_number_of_neighbours():
    edges = [(0, 2), (1, 2), (2, 3), (0, 3)]
    assert lane("fractional_threshold", edges, {"neighbours": 2}, seeds=(0, 1)).activations[2:] == [
        (2, 1, 0, 1),
        (3, 2, 2, 1),
    ]
    assert lane("fractional_threshold", edges, {"neighbours": 3}, seeds=(0, 1)).reached == [2, 2]


def test_a_hybrid_has_agents_of_both_kinds():
    # Agents 1 and 3 are reached by virality; 2 once half of its in-neighbours are active.
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (0, 3)]
    parameters = VIRAL | {"alpha": 0.5, "threshold": 1.0}
    coins = WrittenCoins({(0, 1, 0, 1): 0.4, (2, 3, 0, 1): 0.4}, agents={1: 0.4, 2: 0.5, 3: 0.1})
    made = lane("hybrid", edges, parameters, coins=coins)
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1), (2, 2, 1, 1), (3, 3, 2, 1)]
    assert [event for *_, event in made.contacts] == ["received", "ignored", "ignored", "received", "received"]


# -- compartments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["si", "sir", "sis", "sirs", "seir"])
def test_those_who_never_recover_are_done_when_they_can_infect_nobody(name):
    parameters = {"beta": 1.0, "gamma": 0.0, "waning": 0.5, "sigma": 1.0}
    made = lane(name, PATH, parameters)
    assert summary(made) == ((6, 5, False) if name == "seir" else (3, 3, False))
    assert made.infectious[-1] == 4
    assert summary(lane(name, PATH, parameters, max_rounds=2)) == (2, 1 if name == "seir" else 2, True)
    assert summary(lane(name, PATH, parameters, seeds=(3,))) == (0, 0, False)
    assert summary(lane(name, PATH, parameters | {"beta": 0.0}, max_rounds=0)) == (0, 0, False)


def test_trials_count_from_the_round_of_infection():
    coins = WrittenCoins({(0, 1, 1, 1): 0.1, (1, 2, 2, 1): 0.1})
    made = lane("si", PATH[:2], {"beta": 0.5}, coins=coins)
    assert made.activations == [(0, 0, None, 1), (1, 2, 0, 1), (2, 5, 1, 1)]
    assert summary(made) == (5, 5, False)


def test_an_agent_can_be_infected_again():
    # 0 infects 1 in round 1 and recovers; 1 infects 0 in round 2 and recovers; 0 recovers in round 4.
    coins = WrittenCoins(
        {(0, 1, 0, 1): 0.1, (1, 0, 0, 1): 0.1},
        transitions={(0, 1, 0, 1): 0.1, (1, 1, 0, 1): 0.1, (0, 1, 1, 2): 0.1},
    )
    made = lane("sis", PAIR, {"beta": 0.5, "gamma": 0.5}, coins=coins)
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1), (0, 2, 1, 2)]
    assert made.contacts[2:] == [(3, 0, 1, "ignored"), (4, 0, 1, "ignored")]
    assert (made.new, made.infectious, made.reached) == ([1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 2, 2, 2, 2])
    assert summary(made) == (4, 2, False)


def test_an_infectious_period_is_a_number_of_rounds():
    coins = WrittenCoins({(0, 1, 1, 1): 0.1})
    made = lane("sir", PAIR, {"beta": 0.5, "infectious_period": 2}, coins=coins)
    assert made.contacts == [(1, 0, 1, "ignored"), (2, 0, 1, "received"), (3, 1, 0, "sent"), (4, 1, 0, "sent")]
    assert (made.infectious, summary(made)) == ([1, 1, 1, 1, 0], (4, 2, False))


def test_the_recovered_become_susceptible_by_waning():
    # 0 infects 1 in round 1 and recovers; it is susceptible from round 2 on, and 1 infects it in round 3.
    coins = WrittenCoins(
        {(0, 1, 0, 1): 0.1, (1, 0, 0, 1): 0.1, (1, 0, 1, 1): 0.1},
        transitions={(0, 1, 0, 1): 0.1, (0, 2, 0, 1): 0.1, (1, 1, 1, 1): 0.1, (0, 1, 0, 2): 0.1}
        | {(1, 2, 2, 1): 0.1, (0, 2, 4, 2): 0.1},
    )
    made = lane("sirs", PAIR, {"beta": 0.5, "gamma": 0.5, "waning": 0.5}, coins=coins)
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1), (0, 3, 1, 2)]
    # 0 infectious in 4, recovered till 9; 1 recovered from 3 till 6, so 0 in round 4 meets a recovered agent.
    assert made.contacts[1:] == [(2, 1, 0, "sent"), (3, 1, 0, "received"), (4, 0, 1, "sent")]
    assert summary(made) == (9, 3, False)


def test_the_exposed_do_not_transmit():
    coins = WrittenCoins(
        {(0, 1, 0, 1): 0.1, (1, 2, 1, 1): 0.1},
        transitions={(0, 2, 0, 1): 0.1, (1, 1, 1, 1): 0.1, (1, 2, 1, 1): 0.1, (2, 1, 0, 1): 0.1, (2, 2, 0, 1): 0.1},
    )
    made = lane("seir", PATH[:2], {"beta": 0.5, "gamma": 0.5, "sigma": 0.5}, coins=coins)
    # 1 is exposed in round 1, infectious from round 3 on, infects 2 in round 5 and recovers then.
    assert made.activations == [(0, 0, None, 1), (1, 1, 0, 1), (2, 5, 1, 1)]
    assert made.infectious == [1, 0, 0, 1, 1, 0, 1, 0]
    assert summary(made) == (7, 5, False)


SEIZ = {"strength": None, "beta": 0.5, "b": 0.5, "rho": 0.25, "p": 0.5, "l": 0.5, "epsilon": 0.0, "sceptics": "column"}


def test_sceptics_and_adopters_compete():
    # 0 adopted, 1 is a sceptic, 2 hears both in round 1.
    edges, column = [(0, 2), (1, 2)], {"agent_columns": {"sceptic": [1.0, 1.0, 0.0]}}
    for winner, drawn, activations, infectious in (
        (0, 0.4, [(2, 1, 0, 1)], [1, 2]),  # adopts at once
        (0, 0.5, [(2, 1, 0, 1)], [1, 1, 2]),  # is exposed, and adopts by another contact of 0
        (1, 0.4, [], [1, 1]),  # becomes a sceptic
        (1, 0.5, [(2, 1, 1, 1)], [1, 1, 2]),  # is exposed by a sceptic, and adopts
    ):
        coins = WrittenCoins(
            {(0, 2, 0, 1): 0.49, (1, 2, 0, 1): 0.49, (0, 2, 1, 1): 0.24, (1, 2, 1, 1): 0.0},
            infectors={(1 - winner, 2, 0, 1): 0.5},
            agents={2: drawn},
        )
        made = lane("seiz", edges, SEIZ, coins=coins, **column)
        assert made.activations[1:] == activations
        assert made.infectious == infectious
        assert made.contacts[:2] == [(1, 0, 2, "received"), (1, 1, 2, "received")]
        assert made.contacts[2:] == ([(2, 0, 2, "sent"), (2, 1, 2, "sent")] if len(infectious) == 3 else [])
        assert not made.truncated


def test_the_exposed_adopt_by_themselves():
    column = {"agent_columns": {"sceptic": [0.0, 0.0]}}
    coins = WrittenCoins({(0, 1, 0, 1): 0.1}, transitions={(1, 1, 2, 1): 0.2})
    made = lane("seiz", [(0, 1)], SEIZ | {"epsilon": 0.25, "rho": 0.0}, coins=coins, **column)
    assert (made.infectious, summary(made)) == ([1, 1, 1, 1, 2], (4, 1, False))


# -- rumours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "infectious"), [("maki_thompson", [1, 2, 1]), ("daley_kendall", [1, 2, 0])])
def test_a_spreader_who_meets_a_spreader_stops_alone_or_with_it(name, infectious):
    made = lane(
        name,
        [(0, 1), (1, 2)],
        {"spreading": 0.5, "stifling": 0.5},
        coins=WrittenCoins({(0, 1, 0, 1): 0.1, (0, 1, 1, 1): 0.1}, meetings={(0, 1, 2): 0.1}),
        max_rounds=2,
    )
    assert made.infectious == infectious
    assert made.contacts == [(1, 0, 1, "received"), (2, 0, 1, "sent"), (2, 1, 2, "ignored")]
    assert summary(made) == (2, 1, name == "maki_thompson")


@pytest.mark.parametrize("edges", [[(0, 1), (1, 0)], [(0, 1)], [(1, 0)]])
@pytest.mark.parametrize(("drawn", "infectious"), [(0.49, [2, 0]), (0.5, [2, 2, 2])])
def test_two_spreaders_meet_once_a_round_whichever_way_they_are_linked(edges, drawn, infectious):
    coins = WrittenCoins({(0, 1, 0, 1): 0.0, (1, 0, 0, 1): 0.0}, meetings={(0, 1, 1): drawn})  # contacts do not count
    made = lane("daley_kendall", edges, {"spreading": 0.5, "stifling": 0.5}, seeds=(0, 1), coins=coins, max_rounds=2)
    assert made.infectious == infectious


@pytest.mark.parametrize("name", ["maki_thompson", "daley_kendall"])
def test_a_spreader_who_meets_a_stifler_stops(name):
    # 0 and 1 stop each other in round 1; 2 hears of it from 0 in that very round, and meets 0 in the next one.
    edges = [(0, 1), (1, 0), (0, 2), (2, 0)]
    made = lane(name, edges, {"spreading": 1.0, "stifling": 1.0}, seeds=(0, 1))
    assert made.activations[2:] == [(2, 1, 0, 1)]
    assert made.infectious == [2, 1, 0]
    assert summary(made) == (2, 1, False)


@pytest.mark.parametrize("name", ["maki_thompson", "daley_kendall"])
def test_spreaders_without_stifling_spread_to_the_end(name):
    made = lane(name, PATH, {"spreading": 1.0, "stifling": 0.0})
    assert (made.infectious, summary(made)) == ([1, 2, 3, 4], (3, 3, False))
