"""Containment: choices against plain definitions on small random networks, and what is simulated and published."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.containment import contain
from analytics.containment.choices import FIRST_SAMPLE, Choices, CounterStart, pagerank
from data import Warehouse
from data.errors import InvalidInputError, UnknownAgentError
from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList, ImportOptions
from data.networks.imports import publish_edges
from data.progress import ignore_progress
from propagation import simulate
from propagation.models import SIR, CompetingCascades, IndependentCascade
from propagation.sessions import resolve_session
from tests.reference import draws
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
SAMPLES = 6


@pytest.fixture(scope="module")
def publish_small(tmp_path_factory):
    """Publish a `SmallNetwork`, whose agents keep their numbers and whose edges have the probability column ``p``."""
    folder, numbers = tmp_path_factory.mktemp("containment"), itertools.count()

    def publish(small, warehouse=None, agent_attributes=None):
        edge_list = EdgeList(
            source=np.array([src for src, _ in small.edges], np.int32),
            target=np.array([dst for _, dst in small.edges], np.int32),
            agent_ids=pa.array(range(small.n_agents), pa.int64()),
            edge_attributes=pa.table({"p": pa.array(map(float, small.probabilities), pa.float64())}),
            malformed=MALFORMED_SCHEMA.empty_table(),
            rows_read=len(small.edges),
            description="edges of a test",
            probability="p",
            agent_attributes=agent_attributes,
        )
        warehouse = warehouse or Warehouse(folder / str(next(numbers)))
        return publish_edges(warehouse, "network", edge_list, ImportOptions(), {})

    return publish


def live_edges(small, random_seed, replicate):
    """The edges whose one attempt succeeds."""
    return [
        edge
        for edge, p in zip(small.edges, small.probabilities, strict=True)
        if draws.edge_draw(random_seed, draws.TRANSMISSION, *edge, replicate) < draws.favourable_draws(p)
    ]


def distances(edges, sources, closed=()):
    """Rounds in which a message from the sources reaches each agent along some edges."""
    found, newly = dict.fromkeys(sources, 0), set(sources)
    while newly:
        newly = {dst for src, dst in edges if src in newly and dst not in found and dst not in closed}
        found |= dict.fromkeys(newly, max(found.values()) + 1)
    return found


def choices_of(publish_small, small, n_seeds=1):
    """The choices against a message from the first agents, its samples, and the network, all by dense ids."""
    network = publish_small(small)
    dense = network.dense_ids(range(small.n_agents)).tolist()
    renumbered = SmallNetwork(
        small.n_agents, tuple((dense[src], dense[dst]) for src, dst in small.edges), small.probabilities
    )
    seeds = network.agent_ids[:n_seeds].to_pylist()
    session = resolve_session(network, IndependentCascade(probability="column"), seed_set=seeds, replicates=1)
    samples = [live_edges(renumbered, 0, FIRST_SAMPLE + number) for number in range(SAMPLES)]
    return Choices(network, session, SAMPLES), samples, renumbered


@settings(max_examples=25, deadline=None, suppress_health_check=RELAXED)
@given(small=small_networks(max_agents=9, max_edges=30, min_edges=4), n_seeds=st.integers(1, 2))
def test_the_greedy_method_blocks_the_agent_that_saves_most(publish_small, small, n_seeds):
    seeds = list(range(min(n_seeds, small.n_agents - 1)))
    choices, samples, small = choices_of(publish_small, small, len(seeds))
    chosen, closed = choices.ranked("block_agents", "greedy", 3, ignore_progress).tolist(), set()

    def reached(closed):
        return sum(len(distances(edges, seeds, closed)) for edges in samples)

    for agent in [*chosen, None][:3]:
        saved = {
            a: reached(closed) - reached(closed | {a}) for a in range(small.n_agents) if a not in {*seeds, *closed}
        }
        assert saved[agent] == max(saved.values()) > 0 if agent is not None else not any(saved.values())
        closed.add(agent)


@settings(max_examples=25, deadline=None, suppress_health_check=RELAXED)
@given(small=small_networks(max_agents=8, max_edges=24, min_edges=4))
def test_the_greedy_method_blocks_the_edge_that_saves_most(publish_small, small):
    choices, samples, small = choices_of(publish_small, small)
    places = choices.ranked("block_edges", "greedy", 2, ignore_progress)
    rows = choices.network.sparse_rows
    chosen = [(int(rows.sources(e, e + 1)[0]), int(rows.targets[e])) for e in places.tolist()]
    closed = set()

    def reached(closed):
        return sum(len(distances([edge for edge in edges if edge not in closed], [0])) for edges in samples)

    for edge in [*chosen, None][:2]:
        saved = {e: reached(closed) - reached(closed | {e}) for e in small.edges if e not in closed}
        assert saved[edge] == max(saved.values()) > 0 if edge is not None else not any(saved.values())
        closed.add(edge)


def adopted_first(edges, counter, delay, wins_ties):
    """The agents that a counter-message reaches before a message from agent 0 does, over the edges of a sample.

    Where both come in the same round, they are counted only if the counter-message wins ties.
    """
    message = distances(edges, [0])
    starting = [agent for agent in counter if message.get(agent, 99) > delay]
    other = {agent: number + delay for agent, number in distances(edges, starting).items()} if starting else {}
    return {agent for agent, number in message.items() if other.get(agent, 99) < number + wins_ties}


@settings(max_examples=40, deadline=None, suppress_health_check=RELAXED)
@given(
    small=small_networks(max_agents=9, max_edges=30, min_edges=4),
    delay=st.integers(0, 2),
    ties=st.sampled_from(["random", "message", "counter_message"]),
)
def test_the_greedy_method_starts_a_counter_message_where_it_is_first(publish_small, small, delay, ties):
    choices, samples, small = choices_of(publish_small, small)
    choices.start = CounterStart(delay, ties)
    chosen = choices.ranked("counter_message", "greedy", 2, ignore_progress).tolist()

    def saved(counter):
        # One counter-seed saves whom it reaches first; several save whom one of them saves.
        return sum(
            len(set().union(*(adopted_first(edges, [agent], delay, ties == "counter_message") for agent in counter)))
            for edges in samples
        )

    for number, agent in enumerate(chosen):
        others = {a: saved([*chosen[:number], a]) for a in range(1, small.n_agents) if a not in chosen[:number]}
        assert others[agent] == max(others.values())
    if len(chosen) < 2:
        assert all(saved([*chosen, a]) == saved(chosen) for a in range(1, small.n_agents)) or not saved([*chosen])


STAR = SmallNetwork(9, ((0, 1), (1, 2), (1, 3), (1, 4), (0, 5), (5, 6), (7, 8)), (1.0,) * 7)


@pytest.mark.parametrize(
    ("action", "best", "saved"),
    [("block_agents", "1", 4.0), ("block_edges", ("0", "1"), 4.0), ("counter_message", "1", 4.0)],
)
def test_each_action_saves_what_can_be_counted(publish_small, action, best, saved):
    network = publish_small(STAR)
    found = contain(
        network, IndependentCascade(probability="column"), seed_set=["0"], budget=2, action=action, replicates=3
    )
    assert found.reach_before == 7.0
    assert found.choices()[0] == best
    assert [(count, reach.mean, reach.standard_error) for count, reach in found.saved()] == [
        (1, saved, 0.0),
        (2, 6.0, 0.0),
    ]
    assert found.methods == ["greedy", "degree", "pagerank", "random"]
    assert found.saved("greedy")[-1][1].mean >= max(found.saved(method)[-1][1].mean for method in found.methods)


def test_saved_agents_are_those_of_sessions_with_common_random_numbers(publish_small):
    network = publish_small(numbered_network(3, 30, 120))
    model = IndependentCascade(probability="column")
    found = contain(network, model, seed_set=[1, 2], budget=3, replicates=40, samples=20, blocked=[9])
    chosen = found.choices("degree")
    assert not {"1", "2", "9"} & set(chosen)
    sizes = [
        simulate(network, model, seed_set=[1, 2], replicates=40, blocked=blocked, publish=False).cascades["size"]
        for blocked in ([9], [9, *chosen])
    ]
    saved = sizes[0].to_numpy() - sizes[1].to_numpy()
    count, reach = found.saved("degree")[-1]
    assert (count, reach.mean) == (3, saved.mean())
    assert reach.standard_error == pytest.approx(saved.std(ddof=1) / np.sqrt(40))


def test_a_counter_message_is_simulated_with_competing_cascades(publish_small):
    network = publish_small(numbered_network(3, 30, 120))
    model = IndependentCascade(probability="column")
    fields = {"seed_set": [1], "budget": 2, "replicates": 25, "samples": 20}
    found = contain(network, model, action="counter_message", **fields, methods=["random"])
    seeds = {"message": ["1"], "counter-message": found.choices("random")}
    rows = simulate(
        network,
        CompetingCascades(probability="column"),
        seed_set=seeds,
        replicates=25,
        record="activations",
        publish=False,
    ).table("activations")
    adopters = sum(message == "message" for message in rows["message_id"].to_pylist())
    assert found.reach_before - found.saved("random")[-1][1].mean == pytest.approx(adopters / 25)


def test_the_same_again_publishes_nothing_and_sql_answers(publish_small):
    network = publish_small(numbered_network(3, 30, 120))
    fields = {"seed_set": [1, 2], "budget": 3, "replicates": 20, "samples": 10, "methods": ["random", "greedy"]}
    first = contain(network, IndependentCascade(probability="column"), **fields)
    head = network.warehouse.head
    again = contain(network, IndependentCascade(probability="column"), **fields)
    assert network.warehouse.head == head
    assert (first.was_published, again.was_published) == (False, True)
    assert again.rows.equals(first.rows)
    rows = network.warehouse.sql("SELECT method, max(saved) AS saved FROM containment_plans GROUP BY method")
    assert dict(rows.itertuples(index=False)) == {m: first.saved(m)[-1][1].mean for m in first.methods}


def test_deleting_the_network_deletes_its_containments(publish_small):
    from data.warehouse.deletion import delete
    from data.warehouse.dependents import network_deletion

    small = numbered_network(3, 30, 120)
    network = publish_small(small)
    fields = {"seed_set": [1], "budget": 1, "replicates": 5, "samples": 5, "methods": ["greedy"]}
    contain(network, IndependentCascade(probability="column"), **fields)
    delete(network.warehouse, network_deletion(network.warehouse, network.network_id))
    assert not network.warehouse.read("containment_plans").num_rows
    again = publish_small(small, warehouse=network.warehouse)
    assert not contain(again, IndependentCascade(probability="column"), **fields).was_published


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budget": 0}, r"budget 0 is not a whole number from 1 to 9"),
        ({"budget": True}, "budget True is not a whole number"),
        ({"samples": 0}, r"samples 0 is not a whole number from 1 to 1,000,000"),
        ({"action": "block_agent"}, r"action 'block_agent' is unknown \(did you mean 'block_agents'\?\)"),
        ({"methods": ["degre"]}, r"method 'degre' is unknown \(did you mean 'degree'\?\)"),
        ({"methods": "greedy"}, "methods 'greedy': give a list"),
        ({"methods": ["random", "random"]}, "names one twice"),
        ({"model": SIR()}, "model 'sir': the greedy method needs edges with one attempt each"),
        ({"model": SIR(), "action": "counter_message"}, "model 'sir': a counter-message spreads as independent_casc"),
        ({"delay": 2}, "delay and ties are for a counter-message"),
        ({"delay": -1, "action": "counter_message"}, "delay -1 is not a whole number of rounds"),
        ({"delay": 3, "action": "counter_message", "max_rounds": 2}, "delay 3 is after the last round, max_rounds 2"),
        ({"ties": "mesage", "action": "counter_message"}, r"ties 'mesage' are unknown \(did you mean 'message'\?\)"),
        ({"candidates": "1"}, "candidates '1': give a list"),
        ({"candidates": [("1", "0")], "action": "block_edges"}, "candidates: network .* has no edge from '1' to '0'"),
        ({"candidates": ["01"], "action": "block_edges"}, r"candidates \['01'\]: give a list of pairs"),
        ({"costs": "price", "action": "block_edges"}, "costs 'price' are of agents, and edges are blocked"),
        ({"costs": "price", "budget": -1.0}, "budget -1.0 is not a sum of costs"),
        ({"costs": "price", "budget": np.nan}, "budget nan is not a sum of costs"),
        ({"budget": np.inf}, "budget inf is not a whole number from 1"),
        ({"costs": {"1": 3.0, "0": 0.5}}, "budget 1 buys nothing: the cheapest candidate costs 3"),
        ({"costs": {"0": 0.5}}, "nothing can be chosen: each candidate is a seed of the message"),
        ({"costs": {"1": -3.0}}, "costs holds -3 for agent '1'"),
        ({"seed_set": ["8"], "methods": ["greedy"]}, "nothing to choose: the message reaches nobody but its 1 seed,"),
        ({"seed_set": ["0"], "blocked": ["0"]}, "agent '0' is a seed and blocked"),
    ],
)
def test_mistakes_are_refused_before_work_starts(publish_small, fields, message):
    network = publish_small(STAR)
    options = {"seed_set": ["0"], "budget": 1, "replicates": 2, "samples": 2} | fields
    with pytest.raises(InvalidInputError, match=message):
        contain(network, options.pop("model", IndependentCascade(probability="column")), **options)


def test_only_candidates_are_chosen(publish_small):
    network = publish_small(STAR)
    fields = {"seed_set": ["0"], "budget": 2, "replicates": 2, "samples": 2}
    model = IndependentCascade(probability="column")
    found = contain(network, model, candidates=["5", "2", "8"], **fields)
    assert found.choices("greedy") == ["5", "2"]
    assert set(found.choices("random")) <= {"5", "2", "8"}
    edges = contain(network, model, candidates=[("0", "5"), ("1", "3")], action="block_edges", **fields)
    assert edges.choices("greedy") == [("0", "5"), ("1", "3")]
    counter = contain(network, model, candidates=["5", "6"], action="counter_message", **fields)
    assert counter.choices("greedy") == ["5"]


def test_choices_stay_within_a_budget_of_costs(publish_small):
    price = pa.table({"price": pa.array([1.0, 4.0, 1.0, 1.0, 1.0, 1.5, 1.0, 1.0, None])})
    network = publish_small(STAR, agent_attributes=price)
    fields = {"seed_set": ["0"], "replicates": 2, "samples": 2, "costs": "price"}
    model = IndependentCascade(probability="column")
    found = contain(network, model, budget=3.0, **fields)
    assert found.choices("greedy") == ["5", "2"]  # 5 saves two for 1.5; 1, which saves four, costs 4
    assert found.table.groupby("method")["cost"].sum().max() <= 3.0
    assert contain(network, model, budget=5.5, **fields).choices("greedy") == ["5", "1"]


@pytest.mark.parametrize("action", ["block_agents", "counter_message"])
def test_a_dear_agent_that_saves_many_comes_before_a_cheap_one_that_saves_itself(publish_small, action):
    edges = ((0, 1), (0, 2), *((1, leaf) for leaf in range(3, 20)))
    network = publish_small(SmallNetwork(20, edges, (1.0,) * len(edges)))
    found = contain(
        network, IndependentCascade(probability="column"), seed_set=["0"], budget=100, action=action, replicates=2,
        samples=5, costs={"1": 100.0, "2": 0.01}, ties="counter_message" if action == "counter_message" else "random",
    )  # fmt: skip
    assert found.choices("greedy") == ["1"]
    assert found.saved("greedy") == found.saved("degree")


def test_what_was_asked_for_is_published(publish_small):
    network = publish_small(STAR, agent_attributes=pa.table({"price": pa.array([1.0] * 9)}))
    model, fields = IndependentCascade(probability="column"), {"seed_set": ["0"], "replicates": 2, "samples": 2}
    contain(network, model, budget=2.5, costs="price", candidates=["1", "5"], **fields)
    contain(network, model, budget=1, candidates=[("0", "1")], action="block_edges", **fields)
    rows = network.warehouse.sql(
        "SELECT DISTINCT action, budget, costs, candidate_ids FROM containment_plans ORDER BY 1"
    )
    assert rows["budget"].tolist() == [2.5, 1.0]
    assert rows["costs"].tolist()[0] == "price"
    assert [list(each) for each in rows["candidate_ids"]] == [["1", "5"], ["0,1"]]


def test_a_counter_message_says_on_how_many_samples_it_is_placed(publish_small, monkeypatch, caplog):
    monkeypatch.setattr("analytics.containment.choices.LISTED", 12)
    network = publish_small(STAR)
    found = contain(
        network, IndependentCascade(probability="column"), seed_set=["0"], budget=1, replicates=2, samples=10,
        action="counter_message", methods=["greedy"],
    )  # fmt: skip
    (used,) = set(found.rows["samples"].to_pylist())
    assert 1 <= used < 10
    assert f"placed on {used} cascades instead of 10" in caplog.text


def test_agents_are_contained_only_until_the_last_round(publish_small):
    network = publish_small(STAR)
    fields = {"seed_set": ["0"], "budget": 1, "replicates": 2, "samples": 2}
    found = contain(network, IndependentCascade(probability="column"), max_rounds=1, **fields)
    assert found.reach_before == 3.0
    assert found.saved("greedy")[-1][1].mean == 1.0


def test_rankings_contain_other_models(publish_small):
    network = publish_small(STAR)
    model = SIR(beta=1.0, gamma=0.5)
    found = contain(network, model, seed_set=["0"], budget=1, replicates=4, samples=2, methods=["degree"])
    assert found.choices("degree") == ["1"]
    assert found.saved("degree")[-1][1].mean == 4.0


@pytest.mark.parametrize(("ties", "saved"), [("message", 0.0), ("counter_message", 3.0)])
def test_a_later_counter_message_is_simulated_with_its_ties(publish_small, ties, saved):
    # Message and counter-message come to 3 in the same round, from where four agents are reached.
    edges = ((0, 1), (1, 2), (2, 3), (4, 3), (3, 5), (3, 6))
    network = publish_small(SmallNetwork(7, edges, (1.0,) * 6))
    fields = {"action": "counter_message", "candidates": ["4"], "methods": ["degree"], "delay": 2, "ties": ties}
    model = IndependentCascade(probability="column")
    found = contain(network, model, seed_set=["0"], budget=1, replicates=2, samples=2, **fields)
    assert found.saved("degree")[-1][1].mean == saved


def test_unknown_agents_are_named(publish_small):
    with pytest.raises(UnknownAgentError, match="'nobody'"):
        contain(publish_small(STAR), IndependentCascade(probability=0.1), seed_set=["nobody"], budget=1)


def test_pagerank_is_that_of_igraph(publish_small):
    import igraph

    small = numbered_network(4, 40, 150)
    network = publish_small(small)
    dense = network.dense_ids(range(40)).tolist()
    graph = igraph.Graph(n=40, edges=[(dense[src], dense[dst]) for src, dst in small.edges], directed=True)
    assert pagerank(network) == pytest.approx(graph.pagerank(), abs=1e-4)


def test_counts_of_choices_are_evenly_spaced():
    from analytics.containment.plans import _counts

    assert _counts(0) == []
    for budget in (1, 5, 8, 9, 50):
        counts = _counts(budget)
        assert counts[-1] == budget
        assert len(counts) == min(budget, 8)
        assert max(b - a for a, b in itertools.pairwise([0, *counts])) <= budget // len(counts) + 1
