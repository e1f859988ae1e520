"""Explanations: paths and descendants against a plain definition over recorded activations, and closed forms."""

import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest

from analytics import explain, most_responsible
from analytics.decision_tables import publish_explanation
from data import Warehouse
from data.errors import InvalidInputError, UnknownAgentError
from data.networks.network import Network
from propagation import Result, simulate, transmissions
from propagation.models import SIS, IndependentCascade
from propagation.seeding import RandomSeeds

MODELS = {"independent_cascade": IndependentCascade(probability=0.25), "sis": SIS(beta=0.2, gamma=0.5)}


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """30 agents, densely connected, in two partitions."""
    warehouse = Warehouse(tmp_path_factory.mktemp("few"))
    return warehouse.generate_network("few", "rmat", agents=30, edges=120, random_seed=3, partitions=2)


@pytest.fixture(params=[(name, plan, publish) for name in MODELS for plan, publish in (
    ("broadcast", True), ("broadcast", False), ("partitioned", True))], ids=str)  # fmt: skip
def result(request: pytest.FixtureRequest, few: Network, monkeypatch: pytest.MonkeyPatch) -> Result:
    """A session with recorded activations, of which few are read at a time."""
    name, plan, publish = request.param
    monkeypatch.setattr(transmissions, "ROWS_AT_ONCE", 50)
    return simulate(
        few,
        MODELS[name],
        seed_set=RandomSeeds(budget=2),
        replicates=12,
        record="activations",
        max_rounds=5,
        random_seed={"broadcast": 1, "partitioned": 2}[plan] + 10 * publish,
        plan=plan,
        publish=publish,
    )


def forests(result: Result) -> dict[int, list[tuple[str, int, str | None, int]]]:
    """Agent, round, infector and occasion of each activation, by replicate."""
    rows = result.table("activations").to_pandas()
    ids = result.network.agent_ids.to_pylist()
    found = defaultdict(list)
    for row in rows.itertuples():
        infector = None if pd.isna(row.infector) else ids[int(row.infector)]
        found[row.replicate].append((ids[row.agent], row.round, infector, row.occasion))
    return found


def path_back(forest: list[tuple[str, int, str | None, int]], agent: str) -> tuple[str, ...] | None:
    """The path from a seed to an agent's first activation, by the definition."""
    current = next((row for row in forest if row[0] == agent and row[3] == 1), None)
    path = []
    while current is not None:
        path.append(current[0])
        before = [row for row in forest if row[0] == current[2] and row[1] < current[1]]
        current = max(before, key=lambda row: row[1], default=None)
    return tuple(reversed(path)) or None


def test_paths_are_those_of_the_definition(result: Result) -> None:
    activations = forests(result)
    often = Counter(row[0] for forest in activations.values() for row in forest if row[2] is not None)
    for agent, _ in often.most_common(3):
        expected = Counter(path_back(forest, agent) for forest in activations.values())
        expected.pop(None, None)
        found = explain(result, agent, paths=1000)
        assert {
            tuple(path): times for path, times in zip(found.paths["path"], found.paths["replicates"], strict=True)
        } == expected
        assert found.reached == sum(expected.values())
        assert found.distinct_paths == len(expected)
        last = Counter(path[-2] for path, times in expected.items() for _ in range(times) if len(path) > 1)
        through = found.passed_through.set_index("agent_id")["transmitted"]
        assert {agent: share for agent, share in (through * found.reached).round().items() if share} == last


def test_descendants_are_those_of_the_definition(result: Result) -> None:
    activations = forests(result)
    sums: Counter[str] = Counter()
    for forest in activations.values():
        for agent in {row[0] for row in forest}:
            others = (row for row in forest if row[2] is not None)
            first = next(row for row in forest if row[0] == agent and row[3] == 1)
            sums[agent] += sum(first in ancestors(forest, row) for row in others)
    found = most_responsible(result, top=1000, with_seeds=True).agents.set_index("agent_id")["descendants"]
    assert {agent: round(mean * 12) for agent, mean in found.items()} == {a: n for a, n in sums.items() if n}
    seeds = set(result.session["seed_agents"])
    without = most_responsible(result, top=1000).agents["agent_id"]
    assert set(without) == {agent for agent, n in sums.items() if n and agent not in seeds}


def ancestors(
    forest: list[tuple[str, int, str | None, int]], row: tuple[str, int, str | None, int]
) -> list[tuple[str, int, str | None, int]]:
    found = []
    current = row
    while current[2] is not None:
        before = [each for each in forest if each[0] == current[2] and each[1] < current[1]]
        current = max(before, key=lambda each: each[1])
        found.append(current)
    return found


def test_probability_of_a_path_is_the_product_of_its_edges(tmp_path_factory: pytest.TempPathFactory) -> None:
    friends = pd.DataFrame({"source": ["ann", "bob", "ann"], "target": ["bob", "cy", "dan"]})
    network = Warehouse(tmp_path_factory.mktemp("friends")).import_network("friends", friends)
    result = simulate(
        network, IndependentCascade(probability=0.5), seed_set=["ann"], replicates=2000, record="activations"
    )
    found = explain(result, "cy")
    (row,) = found.paths.to_dict("records")
    assert row["path"] == ["ann", "bob", "cy"]
    assert row["probability_low"] < 0.25 < row["probability_high"]
    assert row["share"] == 1.0
    assert "reached in" in found.sentence
    assert explain(result, "ann").sentence == "ann is a seed: the message starts there"
    assert found.passed_through["agent_id"].to_list() == ["ann", "bob"]
    # bob passes the message on in 1/4 of the replicates; each time to one agent.
    responsible = most_responsible(result).agents
    assert responsible["agent_id"].to_list() == ["bob"]
    assert np.isclose(responsible["descendants"][0], row["probability"])


def test_an_agent_that_nobody_reached_is_said_to_be(network: Network) -> None:
    result = simulate(
        network, IndependentCascade(probability=0.0), seed_set=["0"], replicates=3, record="activations", publish=False
    )
    found = explain(result, "1")
    assert found.sentence == "1 was reached in none of 3 replicates"
    assert len(found.paths) == 0
    assert "passed the message on in 3 replicates" in most_responsible(result).sentence
    with pytest.raises(InvalidInputError, match="nothing to draw: 1 was reached in none"):
        found.plot()


def test_what_cannot_be_explained_is_refused(network: Network) -> None:
    result = simulate(network, MODELS["independent_cascade"], seed_set=["0"], replicates=2, record="reach")
    with pytest.raises(InvalidInputError, match=r"recorded 'reach'.*run it with record: activations"):
        explain(result, "1")
    with pytest.raises(InvalidInputError, match="recorded 'reach'"):
        most_responsible(result)
    with pytest.raises(UnknownAgentError, match="'nobody'"):
        explain(result, "nobody")
    recorded = simulate(network, MODELS["independent_cascade"], seed_set=["0"], replicates=2, record="activations")
    for paths in (0, 1.5, True, np.float64(2), "2"):
        with pytest.raises(InvalidInputError, match=re.escape(f"paths {paths!r} is not a whole number of at least 1")):
            explain(recorded, "1", paths=paths)
    assert len(explain(recorded, "0", paths=np.int64(3)).paths) == 1
    assert len(most_responsible(recorded, top=np.int32(1), with_seeds=True).agents) <= 1


def test_an_explanation_is_published_as_a_whole(network: Network) -> None:
    result = simulate(
        network, IndependentCascade(probability=0.3), seed_set=["0"], replicates=20, record="activations", random_seed=8
    )
    agent = most_responsible(result).agents["agent_id"][0]
    found = explain(result, agent)
    assert publish_explanation(result, found)
    assert not publish_explanation(result, found)
    of_session = f"WHERE session_id = '{result.session_id}'"
    (row,) = network.warehouse.sql(f"FROM explained_agents {of_session}").to_dict("records")
    expected = (found.reached, found.probability, *found.interval, found.mean_round, found.distinct_paths)
    columns = ("times_reached", "probability", "probability_low", "probability_high", "mean_round", "distinct_paths")
    assert tuple(row[name] for name in columns) == pytest.approx(expected)
    stored = network.warehouse.sql(f"FROM path_agents {of_session}").set_index("through")
    expected = found.passed_through.set_index(network.dense_ids(found.passed_through["agent_id"].to_list()))
    for name in ("replicates", "probability", "share", "transmitted"):
        assert stored[name].sort_index().to_list() == expected[name].sort_index().to_list()


def test_pictures(network: Network, assert_readable) -> None:
    result = simulate(
        network,
        IndependentCascade(probability=0.3),
        seed_set=RandomSeeds(budget=2),
        replicates=50,
        record="activations",
        random_seed=4,
    )
    agent = most_responsible(result).agents["agent_id"][0]
    bars = most_responsible(result, top=5).plot()
    assert [label.get_text() for label in bars.get_yticklabels()][-1] == agent
    assert_readable(bars.figure)
    diagram = explain(result, agent).plot()
    shown = {text.get_text() for text in diagram.texts}
    assert agent in shown
    assert {path[0] for path in explain(result, agent, paths=6).paths["path"]} <= shown
