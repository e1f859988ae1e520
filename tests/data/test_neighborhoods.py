"""Neighbours and subgraphs: against plain Python on small random networks, and in SQL as in Python."""

import itertools
import tempfile
from collections import deque

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InvalidInputError, QueryError, UnknownAgentError
from data.facade import Warehouse
from data.networks.network import Network
from tests.reference.small_networks import SmallNetwork, small_networks

DIRECTIONS = ("out", "in", "both")
any_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def imported(small: SmallNetwork) -> Network:
    """The network with agents a0, a1, ..., in a warehouse of its own."""
    edges = pd.DataFrame({"source": [f"a{s}" for s, _ in small.edges], "target": [f"a{t}" for _, t in small.edges]})
    agents = pd.DataFrame({"id": [f"a{agent}" for agent in range(small.n_agents)]})
    return Warehouse(tempfile.mkdtemp()).import_network("small", edges.astype("str"), agents=agents)


def linked(small: SmallNetwork, agent: int, direction: str) -> dict[int, str]:
    """Neighbours of an agent, and the direction of the edges between them."""
    out = {t for s, t in small.edges if s == agent} if direction in ("out", "both") else set()
    into = {s for s, t in small.edges if t == agent} if direction in ("in", "both") else set()
    names = {(True, False): "out", (False, True): "in", (True, True): "both"}
    return {other: names[other in out, other in into] for other in out | into}


def hops(small: SmallNetwork, center: int, direction: str) -> dict[int, int]:
    """Distances from an agent, by breadth-first search."""
    found, queue = {center: 0}, deque([center])
    while queue:
        agent = queue.popleft()
        for other in linked(small, agent, direction):
            if other not in found:
                found[other] = found[agent] + 1
                queue.append(other)
    return found


@settings(max_examples=30, deadline=None)
@given(small_networks(), st.sampled_from(DIRECTIONS), st.data())
def test_neighbours_and_degrees_are_those_of_the_edges(small, direction, data):
    network = imported(small)
    asked = data.draw(st.lists(st.integers(0, small.n_agents - 1), unique=True))
    found = network.neighbors([f"a{agent}" for agent in asked], direction=direction)
    expected = {
        (f"a{agent}", f"a{other}", relation)
        for agent in asked
        for other, relation in linked(small, agent, direction).items()
    }
    rows = [tuple(row) for row in found[["agent_id", "neighbor_id", "direction"]].to_numpy()]
    assert set(rows) == expected
    assert len(rows) == len(expected)
    assert [agent for agent, _ in itertools.groupby(found["agent_id"])] == [
        f"a{agent}" for agent in asked if linked(small, agent, direction)
    ]
    for row in found.itertuples():
        other = int(row.neighbor_id[1:])
        assert row.in_degree == len(linked(small, other, "in"))
        assert row.out_degree == len(linked(small, other, "out"))


@settings(max_examples=30, deadline=None)
@given(small_networks(), st.integers(0, 4), st.sampled_from(DIRECTIONS), st.integers(1, 12))
def test_a_subgraph_has_the_nearest_agents_and_all_edges_between_them(small, radius, direction, most):
    network = imported(small)
    found = network.subgraph("a0", radius, direction=direction, max_agents=most)
    distances = {agent: d for agent, d in hops(small, 0, direction).items() if d <= radius}
    dense = {agent: int(network.dense_ids([f"a{agent}"])[0]) for agent in distances}
    nearest = sorted(distances, key=lambda agent: (distances[agent], dense[agent]))[:most]
    assert found.agents["agent_id"].to_list() == [f"a{agent}" for agent in nearest]
    assert found.agents["distance"].to_list() == [distances[agent] for agent in nearest]
    assert found.is_complete == (len(distances) <= most)
    inside = {(s, t) for s, t in small.edges if s in nearest and t in nearest}
    rows = [tuple(row) for row in found.edges.to_numpy()]
    assert len(rows) == len(inside)
    assert set(rows) == {(f"a{s}", f"a{t}") for s, t in inside}
    assert found.agents["inner_out_degree"].to_list() == [sum(s == agent for s, _ in inside) for agent in nearest]
    assert found.agents["inner_in_degree"].to_list() == [sum(t == agent for _, t in inside) for agent in nearest]


@settings(max_examples=30, deadline=None)
@given(small_networks())
def test_metrics_of_a_subgraph_are_those_of_their_definitions(small):
    found = imported(small).subgraph("a0", 12, max_agents=None)
    agents = hops(small, 0, "both")
    inside = {(s, t) for s, t in small.edges if s in agents}
    links = {frozenset(edge) for edge in inside}
    paths = [p for p in itertools.permutations(agents, 3) if {frozenset(p[:2]), frozenset(p[1:])} <= links]
    n = len(agents)
    assert found.metrics == pytest.approx(
        {
            "agents": n,
            "edges": len(inside),
            "density": len(inside) / (n * (n - 1)) if n > 1 else 0,
            "reciprocity": sum((t, s) in inside for s, t in inside) / max(len(inside), 1),
            "transitivity": sum(frozenset((a, c)) in links for a, _, c in paths) / max(len(paths), 1),
            "farthest": max(agents.values()),
        }
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """300 agents, heavy-tailed, beside another network with agents of the same ids, and an earlier snapshot."""
    warehouse = Warehouse(tmp_path_factory.mktemp("neighborhoods") / "warehouse")
    warehouse.generate_network("village", "rmat", agents=300, edges=900, random_seed=5)
    warehouse.generate_network("town", "rmat", agents=300, edges=2_000, random_seed=4)
    return warehouse.generate_network("town", "rmat", agents=300, edges=2_000, random_seed=3)


@any_direction
def test_neighbours_in_sql_are_those_in_python(town, direction):
    asked = town.agent_ids[:3].to_pylist() + town.agent_ids[200:203].to_pylist()
    columns = ["agent_id", "neighbor_id", "direction", "in_degree", "out_degree"]
    for agents in (asked, asked[0]):
        names = str(agents) if isinstance(agents, list) else f"'{agents}'"
        found = town.warehouse.sql(f"FROM neighbors('town', {names}, direction := '{direction}')")
        expected = town.neighbors(agents, direction=direction)
        assert len(expected) > 5
        pd.testing.assert_frame_equal(
            found.sort_values(columns, ignore_index=True),
            expected.sort_values(columns, ignore_index=True),
            check_dtype=False,
        )


@any_direction
@pytest.mark.parametrize("most", [7, 1000])
def test_a_subgraph_in_sql_is_that_in_python(town, direction, most):
    center = town.agent_ids[120].as_py()
    found = town.warehouse.sql(
        f"FROM subgraph('town', {center}, radius := 2, max_agents := {most}, direction := '{direction}')"
    )
    expected = town.subgraph(center, 2, direction=direction, max_agents=most).agents[found.columns]
    assert len(expected) > 3
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("neighbors('twon', '1')", "there is no network 'twon'"),
        ("neighbors('town', ['1', 'zoe'])", "agent 'zoe' is not in network 'town'"),
        ("neighbors('town', '1', direction := 'outt')", "direction 'outt' is unknown: give out, in or both"),
        ("subgraph('twon', '1')", "there is no network 'twon'"),
        ("subgraph('town', 'zoe')", "agent 'zoe' is not in network 'town'"),
        ("subgraph('town', '1', direction := 'outt')", "direction 'outt' is unknown: give out, in or both"),
        ("subgraph('town', '1', radius := -1)", "radius -1 is not a whole number of at least 0"),
        ("subgraph('town', '1', radius := 1.5)", "radius 1.5 is not a whole number of at least 0"),
        ("subgraph('town', '1', max_agents := 0)", "max_agents 0 is not a whole number of at least 1"),
    ],
)
def test_macros_say_what_is_wrong(town, question, said):
    with pytest.raises(QueryError, match=said):
        town.warehouse.sql(f"FROM {question}")


def test_macros_can_be_asked_together_with_tables(town):
    found = town.warehouse.sql(
        "SELECT count(*) AS n FROM neighbors('town', 1) JOIN network_agents USING (agent_id) JOIN networks "
        "USING (snapshot_id) WHERE network_id = 'town'"
    )
    in_both = len(town.neighbors(1)) * 2  # the agent has a row in each snapshot of the town
    assert found["n"].to_list() == [in_both]


def test_what_is_wrong_is_named(town):
    with pytest.raises(InvalidInputError, match=r"direction 'outt' is unknown \(did you mean 'out'\?\)"):
        town.neighbors("1", direction="outt")
    with pytest.raises(InvalidInputError, match="radius -1 is not a whole number of at least 0"):
        town.subgraph("1", -1)
    with pytest.raises(InvalidInputError, match="max_agents 0 is not a whole number of at least 1"):
        town.subgraph("1", 1, max_agents=0)
    with pytest.raises(UnknownAgentError, match="agent 'nobody' is not in network 'town'"):
        town.subgraph("nobody", 1)
    assert len(town.neighbors([])) == 0


def test_an_agent_that_is_asked_for_twice_has_its_rows_once(town):
    pd.testing.assert_frame_equal(town.neighbors(["4", "4"]), town.neighbors("4"))
