"""Influence maximisation against exact expectations, brute force and plain definitions on small networks."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.errors import InvalidInputError, UnfitModelError, UnknownAgentError
from propagation.draws import Purpose, edge_draws, stream
from propagation.influence import component_sketches, reverse_sets
from propagation.influence.coverage import SetBlock, greedy_cover, indexed
from propagation.influence.guarantees import GREEDY, imm, opim_c
from propagation.influence.incoming_rows import incoming_rows, is_symmetric
from propagation.influence.live_edges import live_edges, needed_live_edges
from propagation.influence.marginal_reach import marginal_reach
from propagation.influence.problem import InfluenceProblem
from propagation.influence.requests import SeedRequest
from propagation.influence.reverse_sets import ReverseSets
from propagation.influence.selection import select_seeds
from propagation.influence.simulated_greedy import select_by_simulation
from propagation.models import (
    SEIR,
    SI,
    SIR,
    SIS,
    Diffusion,
    FractionalThreshold,
    IndependentCascade,
    LinearThreshold,
    MakiThompson,
    Viral,
)
from propagation.seeding import InfluenceMaximisation
from propagation.sessions import resolve_session
from propagation.simulation import simulate
from propagation.weights import chances
from tests.reference.live_edges import arrival_probabilities, expected_reach, reach_probabilities
from tests.reference.small_networks import numbered_network, small_networks

COLUMN = IndependentCascade(probability="column")
SETS = 20_000
SMALL = numbered_network(3, 7, 12)
"""Seven agents, and edges few enough to sum over all worlds."""


def problem_of(network, model, budget=1, **others):
    return InfluenceProblem(network, needed_live_edges(network, model, 10_000), budget, **others)


def names(network, agents):
    return network.agent_ids.take(pa.array(agents)).to_pylist()


def shares(sets, count=SETS, *, packed=False):
    """Return in which share of the sets each agent is."""
    return sets.index(sets.blocks(0, count, packed=packed)).counts / count


def close(found, expected, count=SETS):
    """Return whether frequencies are within five standard errors of probabilities."""
    expected = np.asarray(expected, float)
    return bool((abs(found - expected) <= 5 * np.sqrt(np.maximum(expected * (1 - expected), 1e-4) / count)).all())


@pytest.fixture(scope="module")
def small(publish_small):
    return publish_small(SMALL)


@pytest.fixture(scope="module")
def by_dense_id(small):
    """The edges of the small network by dense id, and their probabilities."""
    dense = dict(zip(map(int, names(small, range(7))), range(7), strict=True))
    return [(dense[src], dense[dst]) for src, dst in SMALL.edges], SMALL.probabilities


# -- incoming rows --------------------------------------------------------------------------------------------------


@given(small_networks())
@settings(max_examples=15, deadline=None)
def test_incoming_rows_are_the_edges_by_target(publish_small, made):
    network = publish_small(made)
    rows = incoming_rows(network, COLUMN.chances(), 0)
    ids = list(map(int, names(network, range(made.n_agents))))
    found = {
        (ids[word & (2**31 - 1)], ids[dst]): word >> 31
        for dst in range(made.n_agents)
        for word in rows.words[rows.offsets[dst] : rows.offsets[dst + 1]].tolist()
    }
    assert found == dict(zip(made.edges, chances(made.probabilities).tolist(), strict=True))
    assert is_symmetric(network) == all(edge[::-1] in made.edges for edge in made.edges)


# -- reverse-reachable sets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_a_set_holds_an_agent_as_often_as_the_agent_reaches_the_root(small, by_dense_id, packed):
    expected = [expected_reach(*by_dense_id, [agent]) / 7 for agent in range(7)]
    assert close(shares(ReverseSets(problem_of(small, COLUMN), 0), 19_968, packed=packed), expected, 19_968)


def test_edges_of_equal_chance_are_live_as_often_as_they_say(small, by_dense_id):
    edges, _ = by_dense_id
    expected = [expected_reach(edges, [0.3] * len(edges), [agent]) / 7 for agent in range(7)]
    assert close(shares(ReverseSets(problem_of(small, IndependentCascade(probability=0.3)), 0)), expected)


def test_sets_respect_rounds_and_blocked_agents(small, by_dense_id):
    edges, probabilities = by_dense_id
    by_round = [arrival_probabilities(edges, probabilities, [agent]) for agent in range(7)]
    expected = [sum(p for (_, number), p in arrivals.items() if number <= 1) / 7 for arrivals in by_round]
    assert close(shares(ReverseSets(problem_of(small, COLUMN, max_rounds=1), 0)), expected)
    hub = 0
    left = [(edge, p) for edge, p in zip(edges, probabilities, strict=True) if hub not in edge]
    expected = [0.0] + [expected_reach(*zip(*left, strict=True), [agent]) / 6 for agent in range(1, 7)]
    for packed in (False, True):
        sets = ReverseSets(problem_of(small, COLUMN, blocked=np.array([hub], np.int32)), 0)
        assert close(shares(sets, 19_968, packed=packed), expected, 19_968)


def test_roots_are_drawn_by_weight(small, by_dense_id):
    weights = np.array([0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.5])
    problem = problem_of(small, COLUMN, weights=weights)
    expected = []
    for agent in range(7):
        reached = reach_probabilities(*by_dense_id, [agent])
        expected.append(sum(weights[other] * p for other, p in reached.items()) / 3.5)
    assert problem.mass == 3.5
    assert close(shares(ReverseSets(problem, 0)), expected)


@given(small_networks(max_agents=9, max_edges=20), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_where_each_edge_has_a_draw_sets_are_those_of_the_definition(publish_small, made, random_seed):
    """... and packed sets are the same as listed ones."""
    network = publish_small(made)
    sets = ReverseSets(problem_of(network, COLUMN, random_seed=random_seed), 2)
    sets.__dict__["_alike"] = np.zeros(network.n_ids // 8 + 1, np.uint8)
    rows, roots = incoming_rows(network, COLUMN.chances(), 0), sets.roots(0, 64)
    draws = stream(random_seed, Purpose.INFLUENCE, 2 * reverse_sets.STREAMS + reverse_sets.EDGES)
    listed = [set() for _ in range(64)]
    for block in sets.blocks(0, 64, packed=False):
        for number, members in enumerate(np.split(block.members, block.ends[:-1]), block.first):
            listed[number] = set(members.tolist())
    (word,) = sets.blocks(0, 64, packed=True)
    for number in range(64):
        expected, waiting = {int(roots[number])}, [int(roots[number])]
        while waiting:
            dst = waiting.pop()
            for edge in range(rows.offsets[dst], rows.offsets[dst + 1]):
                src, chance = int(rows.words[edge]) & (2**31 - 1), int(rows.words[edge]) >> 31
                if src not in expected and edge_draws(draws, dst, src, number)[0] < chance:
                    expected.add(src)
                    waiting.append(src)
        assert listed[number] == expected
        in_lane = (word.lanes >> np.uint64(number)) & np.uint64(1) == 1
        assert set(word.members[in_lane].tolist()) == expected


@pytest.mark.parametrize(
    "model",
    [
        LinearThreshold(weight="column:thin"),
        Diffusion(strength="column:tie", threshold="uniform"),
        FractionalThreshold(threshold="uniform"),
        SIR(beta=0.3, gamma=0.5),
        SIR(beta=0.2, infectious_period=3),
        SEIR(beta=0.4, gamma=1.0),
        SI(beta=0.01),
        Viral(base_rate=0.4),
    ],
    ids=lambda model: f"{model.name}",
)
def test_sets_of_other_models_agree_with_simulated_sessions(publish_whole, model):
    network = publish_whole(numbered_network(5, 9, 24))
    found = shares(ReverseSets(problem_of(network, model, random_seed=1), 0)) * 9
    for agent in range(9):
        reach = simulate(
            network, model, seed_set=names(network, [agent]), replicates=4000, random_seed=2, publish=False
        ).reach
        error = math.hypot(reach.standard_error, math.sqrt(9 * max(reach.mean, 1) / SETS))
        assert abs(found[agent] - reach.mean) < 5 * error + 1e-9, agent


def test_sets_do_not_depend_on_tasks(small, monkeypatch):
    problem = problem_of(small, COLUMN, budget=2)
    chosen = opim_c(problem, 0.3, 0.1)
    monkeypatch.setattr(reverse_sets, "SETS_PER_TASK", 37)
    monkeypatch.setattr(reverse_sets, "ROOM", 5)
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    again = opim_c(problem_of(small, COLUMN, budget=2), 0.3, 0.1)
    assert again.seeds.tolist() == chosen.seeds.tolist()
    assert (again.least, again.most, again.samples) == (chosen.least, chosen.most, chosen.samples)


# -- greedy coverage ------------------------------------------------------------------------------------------------


def block_of(members):
    ends = np.cumsum([len(each) for each in members]).astype(np.int64)
    return SetBlock(0, ends, np.array([agent for each in members for agent in sorted(each)], np.int32))


def packed_blocks(members):
    """Return the same sets as words."""
    for first in range(0, len(members), 64):
        lanes = {}
        for lane, each in enumerate(members[first : first + 64]):
            for agent in each:
                lanes[agent] = lanes.get(agent, 0) | 1 << lane
        agents = np.array(sorted(lanes), np.int32)
        values = np.array([lanes[agent] for agent in agents.tolist()], np.uint64)
        yield SetBlock(first // 64, np.array([len(agents)], np.int64), agents, values)


@pytest.fixture(scope="module")
def ten(publish):
    return publish([(0, 1)], 10)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_greedy_cover_is_that_of_the_definition(ten, data):
    members = data.draw(st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=5), min_size=1, max_size=90))
    before = data.draw(st.lists(st.integers(0, 9), unique=True, max_size=2))
    costs = data.draw(st.none() | st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=10, max_size=10))
    budget = data.draw(st.integers(1, 4))
    problem = problem_of(
        ten, IndependentCascade(), budget, given=np.array(before, np.int32),
        costs=None if costs is None else np.array(costs),
    )  # fmt: skip
    found = greedy_cover(indexed([block_of(members)], 10), problem)
    again = greedy_cover(indexed(list(packed_blocks(members)), 10), problem)
    assert found.seeds.tolist() == again.seeds.tolist()
    assert (found.gains.tolist(), found.given, found.most) == (again.gains.tolist(), again.given, again.most)

    def covered(agents):
        return sum(bool(each & set(agents)) for each in members)

    def cost(agent):
        return 1.0 if costs is None else costs[agent]

    chosen, left = [], float(budget)
    while True:
        now = covered(before + chosen)
        open_ = [a for a in range(10) if a not in before + chosen and cost(a) <= left]
        gains = {a: (covered([*before, *chosen, a]) - now) / cost(a) for a in open_}
        if not open_ or (costs is not None and max(gains.values()) == 0):
            break
        best = min(open_, key=lambda a: (-gains[a], a))
        chosen.append(best)
        left -= cost(best)
    assert found.given == covered(before)
    affordable = [a for a in range(10) if a not in before and cost(a) <= budget]
    single = max((covered([*before, a]) for a in affordable), default=0)
    assert found.covered == covered(before + found.seeds.tolist()) == max(covered(before + chosen), single)
    best = max(
        covered([*before, *some])
        for size in range(len(affordable) + 1)
        for some in itertools.combinations(affordable, size)
        if sum(map(cost, some)) <= budget
    )
    assert found.most >= best >= found.covered


# -- guarantees -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [opim_c, imm])
def test_seeds_and_bounds_hold_against_brute_force(small, by_dense_id, method):
    exact = {seeds: expected_reach(*by_dense_id, seeds) for seeds in itertools.combinations(range(7), 2)}
    found = method(problem_of(small, COLUMN, budget=2), 0.1, 0.01)
    reach = exact[tuple(sorted(found.seeds.tolist()))]
    assert found.least <= reach <= max(exact.values()) <= found.most
    assert found.ratio >= GREEDY - 0.1
    assert reach >= 0.97 * max(exact.values())
    assert found.reach == pytest.approx(reach, rel=0.05)


def test_given_seeds_are_built_upon(small, by_dense_id):
    exact = {agent: expected_reach(*by_dense_id, [0, agent]) for agent in range(1, 7)}
    found = opim_c(problem_of(small, COLUMN, given=np.array([0], np.int32)), 0.1, 0.01)
    assert exact[int(found.seeds[0])] >= 0.97 * max(exact.values())
    assert found.least <= exact[int(found.seeds[0])] <= found.most


def test_opim_c_says_if_memory_ends_it_before_its_guarantee(small, monkeypatch, caplog):
    monkeypatch.setattr("propagation.influence.guarantees.MOST_BYTES", 1)
    found = opim_c(problem_of(small, COLUMN, budget=2), 0.1, 0.01)
    assert found.ratio < GREEDY - 0.1
    assert (
        f"they guarantee {100 * found.ratio:.1f} % of the most that any seeds can reach, instead of 53.2 %"
        in caplog.text
    )


# -- sketches -------------------------------------------------------------------------------------------------------

RING = [(a, (a + 1) % 8) for a in range(8)] + [((a + 1) % 8, a) for a in range(8)] + [(0, 4), (4, 0)]


def test_components_are_those_of_scipy(publish):
    network = publish(RING, 8)
    problem = problem_of(network, IndependentCascade(probability=0.4))
    sketches = component_sketches.sampled_components(problem, 16)
    rows = network.sparse_rows
    src = rows.sources(0, rows.n_edges)
    for number in range(16):
        draws = edge_draws(
            stream(0, Purpose.INFLUENCE, component_sketches.SKETCH_STREAM),
            np.minimum(src, rows.targets), np.maximum(src, rows.targets), number,
        )  # fmt: skip
        live = draws < chances(0.4)
        graph = coo_array((np.ones(live.sum()), (src[live], rows.targets[live])), shape=(8, 8))
        _, labels = connected_components(graph, directed=False)
        sizes = np.bincount(labels)[labels]
        own = sketches.sizes[sketches.starts[number] :]
        assert np.where(sketches.labels[number] < 0, 1, own[sketches.labels[number]]).tolist() == sizes.tolist()


def test_sketches_estimate_exact_reach_and_choose_by_it(publish):
    network = publish(RING, 8)
    model = IndependentCascade(probability=0.4)
    problem = problem_of(network, model, budget=2)
    dense = dict(zip(map(int, names(network, range(8))), range(8), strict=True))
    pairs = [(dense[src], dense[dst]) for src, dst in RING]
    exact = {
        seeds: expected_reach(pairs, [0.4] * 18, seeds)
        for seeds in itertools.islice(itertools.combinations(range(8), 2), 3)
    }
    sketches = component_sketches.sampled_components(problem, 4096)
    for seeds, reach in exact.items():
        labels = sketches.labels[:, list(seeds)]
        sizes = np.where(labels < 0, 1.0, sketches.sizes[sketches.starts[:, None] + np.maximum(labels, 0)])
        together = np.where((labels[:, 0] == labels[:, 1]) & (labels[:, 0] >= 0), sizes[:, 0], sizes.sum(axis=1))
        assert together.mean() == pytest.approx(reach, abs=5 * together.std() / 64)
    found = select_seeds(problem, method="sketches")
    assert found.method == "sketches"
    assert found.ratio is None
    best = opim_c(problem, 0.05, 0.01)
    assert found.reach == pytest.approx(best.reach, rel=0.1)


def test_sketches_refuse_what_they_cannot_do(small, publish):
    with pytest.raises(InvalidInputError, match="sketches need a symmetric network"):
        select_seeds(problem_of(small, IndependentCascade(probability=0.1)), method="sketches")
    with pytest.raises(InvalidInputError, match="one constant probability"):
        select_seeds(problem_of(small, COLUMN), method="sketches")


# -- marginal reach -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        COLUMN,
        SIR(beta=0.4, gamma=1.0),
        LinearThreshold(weight="column:thin"),
        Diffusion(strength="column:tie", threshold="uniform"),
        FractionalThreshold(threshold="uniform"),
    ],
    ids=lambda model: model.name,
)
def test_marginal_reach_is_that_of_sessions_replicate_for_replicate(publish_whole, model):
    network = publish_whole(numbered_network(8, 12, 40))
    seeds, blocked = np.array([3, 0, 7], np.int32), np.array([1], np.int32)
    gains = marginal_reach(network, model, seeds, replicates=130, random_seed=4, blocked=blocked)
    for size in (1, 2, 3):
        found = simulate(
            network, model, seed_set=names(network, seeds[:size]), replicates=130, random_seed=4,
            blocked=names(network, blocked), publish=False,
        )  # fmt: skip
        assert gains[:, :size].sum(axis=1).tolist() == found.cascades["size"].tolist()


def test_marginal_reach_counts_weights(publish_whole):
    network = publish_whole(numbered_network(8, 12, 40))
    weights, seeds = np.arange(12.0), np.array([2, 5], np.int32)
    found = marginal_reach(network, COLUMN, seeds, replicates=50, random_seed=1, weights=weights).sum(axis=1).mean()
    agents = simulate(
        network, COLUMN, seed_set=names(network, seeds), replicates=50, random_seed=1, record="reach", publish=False
    ).agents
    assert found == pytest.approx((weights[agents["agent"]] * agents["probability"]).sum())


# -- which models ---------------------------------------------------------------------------------------------------


def test_models_without_live_edges_are_refused(small):
    for model in (
        Viral(decay=0.9),
        Viral(fatigue=0.5),
        SIS(),
        MakiThompson(),
        Diffusion(threshold=0.3),
        FractionalThreshold(neighbours=2),
    ):
        assert live_edges(small, model) is None
        with pytest.raises(UnfitModelError, match="needs a model whose reach is that of live edges"):
            needed_live_edges(small, model, 10_000)
    with pytest.raises(UnfitModelError, match="max_rounds 5 ends sessions earlier"):
        needed_live_edges(small, SIR(), 5)
    assert needed_live_edges(small, SIR(gamma=1.0), 5).form == "cascade"


def test_simulation_chooses_for_fixed_thresholds(publish):
    """Agent 4 needs both 0 and 1, then reaches everyone; the agent with most out-edges reaches fewer."""
    network = publish([(0, 4), (1, 4), (4, 5), (5, 6), (6, 7), (2, 3), (2, 8), (8, 2), (3, 2)], 9)
    request = SeedRequest(budget=2, epsilon=0.2)
    found = select_by_simulation(network, FractionalThreshold(threshold=0.9), request, max_rounds=10_000)
    exact = [
        simulate(
            network, FractionalThreshold(threshold=0.9), seed_set=names(network, seeds), replicates=2, publish=False
        ).reach.mean
        for seeds in itertools.combinations(range(9), 2)
    ]
    assert found.reach == max(exact)
    with pytest.raises(InvalidInputError, match="knows no costs"):
        select_by_simulation(network, SIS(), SeedRequest(budget=2, targets=("1",)), max_rounds=10)


# -- the strategy ---------------------------------------------------------------------------------------------------


def test_the_strategy_chooses_for_the_sessions_model(publish):
    """A star in one direction and one in the other: the best seed depends on the probabilities."""
    network = publish(
        [(0, a) for a in range(1, 6)] + [(6, 7), (7, 8), (8, 9), (9, 10), (10, 11), (11, 12), (12, 13)], 14
    )
    seed = InfluenceMaximisation(budget=1)

    def chosen(model, strategy=seed, **others):
        return resolve_session(network, model, seed_set=strategy, replicates=1, **others).seed_agents

    assert chosen(IndependentCascade(probability=1.0)) == ("6",)
    assert chosen(IndependentCascade(probability=0.5)) == ("0",)
    named = InfluenceMaximisation(budget=1, model="independent_cascade", parameters={"probability": 1.0})
    assert chosen(SIS(), named) == ("6",)
    assert chosen(IndependentCascade(probability=1.0), max_rounds=1) == ("0",)
    assert chosen(IndependentCascade(probability=1.0), blocked=["8"]) == ("0",)
    assert chosen(IndependentCascade(probability=1.0), InfluenceMaximisation(budget=1, given=["6"])) == ("6", "0")
    assert chosen(IndependentCascade(probability=1.0), InfluenceMaximisation(budget=1, targets=["3"])) in {
        ("0",),
        ("3",),
    }
    with pytest.raises(UnfitModelError, match="needs a model whose reach"):
        chosen(SIS())


def test_costs_are_paid_from_the_budget(publish):
    prices = [5.0, 1.0, 1.0, math.nan, 2.0, 3.0, 1.0]
    network = publish(
        [(0, a) for a in range(1, 4)] + [(4, 5), (4, 6)], 7, agent_attributes={"price": prices, "worth": [1.0] * 7}
    )
    model = IndependentCascade(probability=1.0)
    request = SeedRequest(budget=3, costs="price")
    found = request.select(request.problem(network, model))
    assert names(network, found.seeds)[0] == "4"
    assert sum(dict(zip(map(str, range(7)), prices, strict=True))[agent] for agent in names(network, found.seeds)) <= 3
    dear = SeedRequest(budget=0.5, costs="price")
    with pytest.raises(InvalidInputError, match=r"budget 0.5 buys no seed: the cheapest agent costs 1"):
        dear.problem(network, model)


@pytest.mark.parametrize("method", ["sketches", "opim_c"])
def test_a_dear_agent_that_reaches_many_comes_before_a_cheap_one_that_reaches_nobody(publish, method):
    pairs = [(0, leaf) for leaf in range(1, 31)] + [(31, 32)]
    network = publish(pairs + [(dst, src) for src, dst in pairs], 33)
    request = SeedRequest(budget=100, costs={"0": 100.0, "31": 0.01})
    found = select_seeds(request.problem(network, IndependentCascade(probability=0.9)), method=method)
    assert names(network, found.seeds) == ["0"]
    assert found.reach == pytest.approx(28, rel=0.05)


def test_agents_without_a_weight_do_not_count_and_those_without_a_cost_are_not_chosen(publish):
    columns = {"worth": [None, None, 2.0, None], "price": pa.array([None] * 4, pa.float64())}
    network = publish([(0, 1), (3, 2)], 4, agent_attributes=columns)
    model = IndependentCascade(probability=1.0)
    found = select_seeds(SeedRequest(budget=1, weights="worth").problem(network, model))
    assert names(network, found.seeds)[0] in {"2", "3"}
    assert found.reach == 2.0
    with pytest.raises(InvalidInputError, match="no agent can be chosen: those with a cost are given or blocked"):
        SeedRequest(budget=1, costs="price").problem(network, model)
    with pytest.raises(InvalidInputError, match="budget 1 buys no seed: the cheapest agent costs 3"):
        SeedRequest(budget=1, costs={"0": 0.5, "1": 3.0}, given=("0",)).problem(network, model)


@pytest.mark.parametrize("costs", [None, "price"])
@pytest.mark.parametrize("budget", [math.nan, math.inf, "2", None, True])
def test_a_budget_that_is_no_number_is_refused(costs, budget):
    with pytest.raises(InvalidInputError, match=r"budget .* is not a (number of seeds|sum of costs)"):
        SeedRequest(budget=budget, costs=costs).checked_budget()


def test_bad_requests_are_refused_before_any_work(small):
    for request, message in (
        (SeedRequest(budget=8), r"seed budget 8 exceeds the 7 agents"),
        (SeedRequest(budget=1.5), r"budget 1.5 is not a number of seeds"),
        (SeedRequest(budget=0), r"budget 0 is not a number of seeds"),
        (SeedRequest(budget=1, given=("1", "1")), r"given seed '1' is given twice"),
        (SeedRequest(budget=1, weights="nope"), r"agents of network 'network' have no column 'nope'"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            request.problem(small, COLUMN)
    with pytest.raises(UnknownAgentError, match="agent '99' is not in network"):
        SeedRequest(budget=1, targets=("99",)).problem(small, COLUMN)
    for values, message in (
        ({"epsilon": 1.0}, "epsilon 1.0 is not between 0 and 1"),
        ({"method": "best"}, "method 'best' is unknown"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            select_seeds(problem_of(small, COLUMN), **values)
