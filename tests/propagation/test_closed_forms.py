"""The models against closed forms, exact enumeration and one another.

The statistical tests use fixed random seeds, so they always give the same answer.
"""

from collections import defaultdict
from fractions import Fraction
from itertools import product
from math import comb, prod

import numpy as np
import pytest
from scipy import optimize, stats

from propagation.models import make_model
from propagation.sessions import RECORDS, resolve_session
from tests.reference.breadth_first import distances
from tests.reference.live_edges import reach_probabilities
from tests.reference.small_networks import numbered_network

UNLIKELY = 1e-4


@pytest.fixture(scope="session")
def simulated(run):
    """Run a model on a network, without publishing."""

    def simulated(network, name, parameters, *, seed_set=(0,), replicates=1, record="rounds", **fields):
        model = make_model(name, parameters)
        fields = {"seed_set": list(seed_set), "replicates": replicates, "record": record} | fields
        return run(resolve_session(network, model, **fields), network)

    return simulated


def complete(n_agents):
    return [(src, dst) for src in range(n_agents) for dst in range(n_agents) if src != dst]


def reached_of(result):
    """Return how often each agent was reached, by original id."""
    return dict(zip(result.agents["agent_id"].astype(int), result.agents["probability"], strict=True))


def assert_distributed(observed, probabilities):
    """Check counts of 0, 1, ... against their probabilities, by a chi-square test with enough in every class."""
    expected = np.asarray(probabilities) * observed.sum()
    classes, collected = [[0.0, 0.0]], 0.0
    for seen, due in zip(observed, expected, strict=True):
        if collected >= 10:
            classes.append([0.0, 0.0])
            collected = 0.0
        classes[-1][0] += seen
        classes[-1][1] += due
        collected += due
    if collected < 10:
        last = classes.pop()
        classes[-1] = [classes[-1][0] + last[0], classes[-1][1] + last[1]]
    seen, due = np.array(classes).T
    assert len(seen) > 3
    assert stats.chisquare(seen, due * seen.sum() / due.sum()).pvalue > UNLIKELY


# -- everybody meets everybody --------------------------------------------------------------------------------------


def reed_frost_final_sizes(n_others, p):
    """Probabilities that 0, 1, ... of the susceptible are ever infected by one: Reed and Frost's chain binomial."""
    states = {(n_others, 1): 1.0}
    final = np.zeros(n_others + 1)
    while states:
        following = defaultdict(float)
        for (susceptible, infectious), weight in states.items():
            if infectious == 0:
                final[n_others - susceptible] += weight
                continue
            hit = 1 - (1 - p) ** infectious
            for infected in range(susceptible + 1):
                chance = comb(susceptible, infected) * hit**infected * (1 - hit) ** (susceptible - infected)
                following[susceptible - infected, infected] += weight * chance
        states = following
    return final


@pytest.mark.parametrize(
    ("name", "parameters"), [("sir", {"beta": 0.05, "gamma": 1.0}), ("viral", {"base_rate": 0.05})]
)
def test_final_sizes_among_30_are_those_of_reed_and_frost(publish, simulated, name, parameters):
    network = publish(complete(30), 30)
    sizes = simulated(network, name, parameters, replicates=50_000, random_seed=1).cascades["size"].to_numpy()
    assert_distributed(np.bincount(sizes.astype(int) - 1, minlength=30), reed_frost_final_sizes(29, 0.05))


def infected_after(n_agents, beta, rounds):
    """Probabilities that 0, 1, ... agents are infectious after so many rounds of SI: a Markov chain."""
    probabilities = np.zeros(n_agents + 1)
    probabilities[1] = 1.0
    for _ in range(rounds):
        following = np.zeros_like(probabilities)
        for infectious, weight in enumerate(probabilities):
            others = n_agents - infectious
            hit = 1 - (1 - beta) ** infectious
            following[infectious:] += weight * stats.binom.pmf(np.arange(others + 1), others, hit)
        probabilities = following
    return probabilities


@pytest.mark.parametrize("rounds", [1, 3, 6])
def test_numbers_infected_in_si_follow_their_markov_chain(publish, simulated, rounds):
    network = publish(complete(20), 20)
    result = simulated(network, "si", {"beta": 0.04}, replicates=20_000, random_seed=2, max_rounds=rounds)
    sizes = result.cascades["size"].to_numpy().astype(int)
    if rounds == 1:
        assert abs(sizes.mean() - (1 + 19 * 0.04)) < 4 * sizes.std() / np.sqrt(20_000)
    assert_distributed(np.bincount(sizes, minlength=21)[1:], infected_after(20, 0.04, rounds)[1:])


def sis_prevalence(n_agents, beta, gamma, rounds):
    """Expected number infectious after each round of SIS among all, by its Markov chain."""
    probabilities = np.zeros(n_agents + 1)
    probabilities[n_agents // 2] = 1.0
    expected = []
    for _ in range(rounds):
        following = np.zeros_like(probabilities)
        for infectious, weight in enumerate(probabilities):
            others = n_agents - infectious
            stay = stats.binom.pmf(np.arange(infectious + 1), infectious, 1 - gamma)
            join = stats.binom.pmf(np.arange(others + 1), others, 1 - (1 - beta) ** infectious)
            following += weight * np.convolve(stay, join)
        probabilities = following
        expected.append(probabilities @ np.arange(n_agents + 1))
    return expected


def test_prevalence_of_sis_follows_its_markov_chain(publish, simulated):
    network = publish(complete(12), 12)
    parameters = {"beta": 0.05, "gamma": 0.4}
    rounds = simulated(network, "sis", parameters, seed_set=range(6), replicates=20_000, max_rounds=25).rounds
    errors = rounds["current_infected_standard_error"][1:]
    assert (abs(rounds["current_infected"][1:] - sis_prevalence(12, 0.05, 0.4, 25)) < 4.5 * errors).all()


def test_infectious_periods_are_geometric(publish, simulated):
    # An agent without neighbours is infectious for one round, and for each further one with probability 1 - gamma.
    network = publish([(1, 2)], 3)
    lasted = simulated(network, "sir", {"beta": 1.0, "gamma": 0.3}, replicates=50_000).cascades["rounds"]
    observed = np.bincount(np.minimum(lasted, 15).astype(int), minlength=16)[1:]
    probabilities = stats.geom.pmf(np.arange(1, 16), 0.3)
    probabilities[-1] = 1 - probabilities[:-1].sum()
    assert_distributed(observed, probabilities)


# -- all worlds of live edges ---------------------------------------------------------------------------------------


def test_viral_messages_without_decay_reach_what_live_edges_do(publish_small, simulated):
    small = numbered_network(3, 7, 13)
    network = publish_small(small)
    result = simulated(network, "viral", {"base_rate": 1.0, "strength": "column:p"}, replicates=20_000, record="reach")
    assert_probabilities(reached_of(result), reach_probabilities(small.edges, small.probabilities, [0]), 20_000)


def live_in_edge_probabilities(n_agents, weights, seeds):
    """Probability that linear threshold reaches each agent, by all worlds in which it keeps at most one in-edge.

    Kempe, Kleinberg, Tardos 2003, claim 2.6: agent v keeps the edge from u with probability w(u, v), and none with the
    rest; those reached are those that the edges kept reach.
    """
    choices = []
    for agent in range(n_agents):
        kept = [((src, dst), weight) for (src, dst), weight in weights.items() if dst == agent]
        choices.append([*kept, (None, 1 - sum(weight for _, weight in kept))])
    reached = defaultdict(Fraction)
    for world in product(*choices):
        probability = prod((weight for _, weight in world), start=Fraction(1))
        out_neighbours = defaultdict(list)
        for edge, _ in world:
            if edge is not None:
                out_neighbours[edge[0]].append(edge[1])
        for agent in distances(out_neighbours, seeds) if probability else ():
            reached[agent] += probability
    return reached


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("linear_threshold", {"weight": "weighted_cascade"}),
        ("linear_threshold", {"weight": "column:w"}),
        ("diffusion", {"threshold": "uniform", "strength": "column:w"}),
        ("fractional_threshold", {"threshold": "uniform"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("number", [1, 2])
def test_linear_threshold_reaches_what_live_in_edges_do(publish, simulated, name, parameters, number):
    small = numbered_network(number, 6, 14)
    in_degree = np.bincount([dst for _, dst in small.edges], minlength=6)
    column = {edge: Fraction(1 + (3 * edge[0] + edge[1]) % 4, 32) for edge in small.edges}
    total = {dst: sum(w for edge, w in column.items() if edge[1] == dst) for dst in range(6)}
    weights = {
        "linear_threshold": column,
        "diffusion": {edge: w / total[edge[1]] for edge, w in column.items()},
    }.get(name)
    if weights is None or parameters.get("weight") == "weighted_cascade":
        weights = {edge: Fraction(1, int(in_degree[edge[1]])) for edge in small.edges}
    network = publish(small.edges, 6, attributes={"w": [float(column[edge]) for edge in small.edges]})
    result = simulated(
        network, name, parameters, seed_set=[0, 1], replicates=20_000, random_seed=number, record="reach"
    )
    assert_probabilities(reached_of(result), live_in_edge_probabilities(6, weights, [0, 1]), 20_000)


def assert_probabilities(found, exact, replicates):
    assert set(found) <= {agent for agent, p in exact.items() if p > 0}
    for agent, p in exact.items():
        error = np.sqrt(float(p * (1 - p)) / replicates) if p < 1 else 0.0
        assert abs(found.get(agent, 0.0) - float(p)) <= 4 * error + 1e-12, f"agent {agent}"


# -- by hand --------------------------------------------------------------------------------------------------------


def lattice(side):
    """Edges both ways between neighbours of a square grid; agent = side * row + column."""
    right = [(side * row + column, side * row + column + 1) for row in range(side) for column in range(side - 1)]
    down = [(side * row + column, side * (row + 1) + column) for row in range(side - 1) for column in range(side)]
    return [edge for src, dst in right + down for edge in ((src, dst), (dst, src))]


def test_a_fractional_threshold_cascade_on_a_lattice(publish, simulated):
    # With two neighbours needed, two corners that touch by a side's length fill the square between them, and no more.
    # Seeds on the diagonal of a 5 x 5 lattice: the diagonals beside it follow in round 1, and so on, to the corners.
    diagonal = [6 * step for step in range(5)]
    network = publish(lattice(5), 25)
    result = simulated(network, "fractional_threshold", {"neighbours": 2}, seed_set=diagonal, record="reach")
    by_agent = dict(zip(result.agents["agent_id"].astype(int), result.agents["mean_round"], strict=True))
    assert by_agent == {5 * row + column: abs(row - column) for row in range(5) for column in range(5)}
    assert result.rounds["new_infections"].tolist() == [5, 8, 6, 4, 2, 0]
    # Half of the neighbours: two of an inner agent's four and of a side's three, one of a corner's two.
    half = simulated(network, "fractional_threshold", {"threshold": 0.5}, seed_set=[0], record="reach")
    assert half.agents["agent_id"].tolist() == ["0"]
    half = simulated(network, "fractional_threshold", {"threshold": 0.5}, seed_set=[1], record="reach")
    assert sorted(zip(half.agents["agent_id"].astype(int), half.agents["mean_round"], strict=True)) == [(0, 1), (1, 0)]


CERTAIN = {
    "independent_cascade": {"probability": 1.0},
    "viral": {"base_rate": 1.0},
    "diffusion": {"threshold": 0.0},
    "fractional_threshold": {"neighbours": 1},
    "hybrid": {"alpha": 0.5, "base_rate": 1.0, "threshold": 0.0},
    "si": {"beta": 1.0},
    "sis": {"beta": 1.0, "gamma": 0.0},
    "sir": {"beta": 1.0, "gamma": 0.5},
    "sirs": {"beta": 1.0, "gamma": 0.5, "waning": 0.0},
    "seir": {"beta": 1.0, "gamma": 0.5, "sigma": 1.0},
    "seiz": {"beta": 1.0, "b": 0.0, "rho": 0.0, "p": 1.0, "l": 0.0, "epsilon": 0.0, "sceptics": 0.0},
    "maki_thompson": {"spreading": 1.0, "stifling": 0.0},
    "daley_kendall": {"spreading": 1.0, "stifling": 0.0},
}


@pytest.mark.parametrize("name", CERTAIN)
def test_a_certain_message_is_breadth_first_search(publish_small, simulated, out_neighbours, name):
    network = publish_small(numbered_network(12, 60, 130))
    result = simulated(network, name, CERTAIN[name], seed_set=[5, 9], replicates=3, record="reach")
    seeds = [network.agent_ids.to_pylist().index(str(seed)) for seed in (5, 9)]
    found = distances(out_neighbours(network), seeds)
    if name == "seir":  # every generation takes two rounds, of which one is spent exposed
        found = {agent: max(0, 2 * hops - 1) for agent, hops in found.items()}
    rows = result.table("reach").to_pydict()
    assert dict(zip(rows["agent"], rows["mean_round"], strict=True)) == found
    assert rows["times_reached"] == [3] * len(found)
    assert len(found) > 30


def test_a_rumour_on_a_path_stops_where_it_meets_its_teller(publish, simulated):
    # 0 tells 1, then meets it again and stops; 1 has nobody else to tell than 2, and so on.
    network = publish([(0, 1), (1, 2), (2, 3)], 4)
    result = simulated(network, "maki_thompson", {"spreading": 1.0, "stifling": 1.0}, seed_set=["0"])
    assert result.rounds["current_infected"].tolist() == [1, 2, 2, 2, 1]
    result = simulated(network, "daley_kendall", {"spreading": 1.0, "stifling": 1.0}, seed_set=["0"])
    # Both stop when 0 meets 1 again, who is just telling 2.
    assert result.rounds["current_infected"].tolist() == [1, 2, 1, 2, 0]


@pytest.mark.parametrize("name", ["maki_thompson", "daley_kendall"])
def test_a_fifth_never_hears_a_rumour_among_all(publish, simulated, name):
    # Daley and Kendall 1965: from few spreaders in small steps, the share x that never hears solves x - 1 = log(x) / 2.
    never = optimize.brentq(lambda x: x - 1 - np.log(x) / 2, 1e-9, 0.4)
    assert never == pytest.approx(0.2032, abs=1e-4)
    n, seeds, replicates = 400, 4, 40
    network = publish(complete(n), n)
    parameters = {"spreading": 1e-4, "stifling": 1e-4}
    sizes = simulated(network, name, parameters, seed_set=range(seeds), replicates=replicates).cascades["size"]
    share = 1 - sizes.to_numpy(float) / n
    # The rule before met pairs twice a round and tended to 0.285; finite size and steps cost less than 0.01.
    assert abs(share.mean() - never) < 0.01 + 4 * share.std(ddof=1) / np.sqrt(replicates)
    assert share.mean() < 0.24


# -- models that are others in the limit ----------------------------------------------------------------------------

FACTORS = {"susceptibility": "openness", "activity": "loudness"}
VIRAL = {"base_rate": 0.4, "decay": 0.9, "fatigue": 0.8, "strength": "strength"} | FACTORS
LIMITS = {
    "sir that recovers at once is independent_cascade": (
        ("sir", {"beta": "column", "gamma": 1.0, **FACTORS}),
        ("independent_cascade", {"probability": "column", **FACTORS}),
    ),
    "viral without decay and fatigue is independent_cascade": (
        ("viral", {"base_rate": 0.4, **FACTORS}),
        ("independent_cascade", {"probability": 0.4, **FACTORS}),
    ),
    "hybrid of alpha 1 is viral": (("hybrid", {"alpha": 1.0, "threshold": 0.3, **VIRAL}), ("viral", VIRAL)),
    "hybrid of alpha 0 is diffusion": (
        ("hybrid", {"alpha": 0.0, "threshold": "uniform", **VIRAL}),
        ("diffusion", {"threshold": "uniform", "strength": "strength", **FACTORS}),
    ),
    "an infectious period of one round is recovery at once": (
        ("sir", {"beta": 0.3, "infectious_period": 1}),
        ("sir", {"beta": 0.3, "gamma": 1.0}),
    ),
    "the same for sis": (("sis", {"beta": 0.3, "infectious_period": 1}), ("sis", {"beta": 0.3, "gamma": 1.0})),
    "an endless infectious period is si": (("sir", {"beta": 0.2, "infectious_period": 10**6}), ("si", {"beta": 0.2})),
    "sir without recovery is si": (("sir", {"beta": 0.2, "gamma": 0.0}), ("si", {"beta": 0.2})),
    "sis without recovery is si": (("sis", {"beta": 0.2, "gamma": 0.0}), ("si", {"beta": 0.2})),
    "sirs without waning is sir": (
        ("sirs", {"beta": 0.2, "gamma": 0.4, "waning": 0.0}),
        ("sir", {"beta": 0.2, "gamma": 0.4}),
    ),
    "seiz without sceptics who all adopt at once is si": (
        ("seiz", {"beta": 0.2, "b": 0.5, "rho": 0.5, "p": 1.0, "l": 0.5, "epsilon": 0.5, "sceptics": 0.0}),
        ("si", {"beta": 0.2}),
    ),
    "a rumour without stifling is si": (
        ("maki_thompson", {"spreading": "column", "stifling": 0.0, **FACTORS}),
        ("si", {"beta": "column", **FACTORS}),
    ),
    "both rumours agree without stifling": (
        ("maki_thompson", {"spreading": 0.2, "stifling": 0.0}),
        ("daley_kendall", {"spreading": 0.2, "stifling": 0.0}),
    ),
    "fractional_threshold of equal weights is diffusion": (
        ("fractional_threshold", {"threshold": 0.4}),
        ("diffusion", {"threshold": 0.4, "strength": "column:one"}),
    ),
    "linear_threshold of equal weights is diffusion": (
        ("linear_threshold", {"weight": "weighted_cascade"}),
        ("diffusion", {"threshold": "uniform", "strength": "column:one"}),
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_models_are_one_another_in_the_limit(publish, simulated, limit):
    small = numbered_network(21, 30, 140)
    network = publish(
        small.edges,
        30,
        small.probabilities,
        attributes={"one": [1.0] * 140, "tie": [(src * dst) % 5 / 4 for src, dst in small.edges]},
        agent_attributes={
            "openness": [0.5 + agent % 3 / 4 for agent in range(30)],
            "loudness": [agent % 4 / 2 for agent in range(30)],
        },
        strength="tie",
    )
    rounds = 60 if "endless" not in limit else 8
    one, other = (
        simulated(network, *model, seed_set=[4, 7], replicates=40, record="contacts", max_rounds=rounds)
        for model in LIMITS[limit]
    )
    differing = {"session_id", "reproduction_rate"}
    tables = ["cascades", "propagation_metrics", "reach", "activations", "propagation_events"]
    assert len(tables) == len(RECORDS) + 1
    if "endless" in limit:  # it is never over, but for that
        differing |= {"rounds", "truncated"}
        tables.remove("propagation_events")
    for table in tables:
        assert rows_of(one, table, differing) == rows_of(other, table, differing), table
    assert len(rows_of(one, "activations", differing)) > 2 * 40  # more than the seeds


def rows_of(result, table, without):
    rows = result.table(table)
    kept = [name for name in rows.schema.names if name not in without]
    columns = [rows[name].to_pylist() for name in kept]
    return sorted(zip(*columns, strict=True), key=str)
