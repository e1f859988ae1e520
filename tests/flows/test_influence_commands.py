"""The commands ``rumormill rank``, ``communities`` and ``crossings``."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.facade import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade
from tests.flows.conftest import Answer

Rumormill = Callable[..., Answer]


@pytest.fixture
def blocks(tmp_path: Path) -> Warehouse:
    """A warehouse with the network `blocks`, of 60 agents in 3 communities."""
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.generate_network("blocks", "planted_communities", agents=60, communities=3, random_seed=2)
    return warehouse


def test_rank_prints_the_first_agents_what_they_reach_and_how_they_overlap(
    rumormill: Rumormill, blocks: Warehouse, tmp_path: Path
) -> None:
    arguments = ["rank", "blocks", "--set", "probability=0.1", "--top", "5", "--replicates", "20"]
    answer = rumormill(*arguments, "--rankings", "degree,reach", "--plot", "rank.png")
    assert answer.exit_code == 0, answer.stderr
    assert "The first 5 of 5 agents of each ranking:" in answer.stdout
    assert "5 candidates, the first agents of any structural ranking" in answer.stdout
    assert "jaccard" in answer.stdout
    assert (tmp_path / "rank.png").read_bytes().startswith(b"\x89PNG")
    again = rumormill(*arguments, "--rankings", "degree,reach", "--json")
    assert "before; nothing was added" in again.stderr
    assert [(row["ranking"], row["position"]) for row in again.json] == [
        (ranking, position) for ranking in ("degree", "reach") for position in range(1, 6)
    ]
    assert blocks.sql("SELECT count(*) AS n FROM agent_rankings")["n"].to_list() == [10]
    assert "agent_rankings" in (tmp_path / "warehouse" / "bootstrap.sql").read_text()


def test_communities_are_listed_and_compared(rumormill: Rumormill, blocks: Warehouse) -> None:
    rows = rumormill("communities", "blocks", "--by", "community", "--json").json
    assert [(row["group_name"], row["agents"]) for row in rows] == [("0", 20), ("1", 20), ("2", 20)]
    answer = rumormill("communities", "blocks", "--by", "community", "--against", "community")
    assert "community (3 groups) and community (3 groups) of 60 agents: NMI 1.0000, ARI 1.0000" in answer.stdout


def test_crossings_of_a_session_are_listed_and_published(
    rumormill: Rumormill, blocks: Warehouse, tmp_path: Path
) -> None:
    network = blocks.network("blocks")
    model = IndependentCascade(probability=0.15)
    result = simulate(network, model, seed_set=["0", "1"], replicates=10, record="activations")
    answer = rumormill("crossings", result.session_id[:8], "--by", "community", "--plot", "crossings.svg")
    assert answer.exit_code == 0, answer.stderr
    assert "Communities, the largest first:" in answer.stdout
    assert "Edges that carried it across" in answer.stdout
    assert (tmp_path / "crossings.svg").exists()
    rows = rumormill("crossings", result.session_id, "--by", "community", "--format", "json").json
    assert sum(row["reach"] for row in rows) == pytest.approx(result.reach.mean)
    assert blocks.sql("SELECT count(*) AS n FROM community_reach")["n"].to_list() == [3]


def test_a_message_that_never_crosses_is_told(rumormill: Rumormill, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "warehouse")
    edges = pd.DataFrame({"source": ["ann", "cy"], "target": ["bob", "dan"]})
    agents = pd.DataFrame({"id": ["ann", "bob", "cy", "dan"], "pair": [1, 1, 2, 2]})
    pairs = warehouse.import_network("pairs", edges, agents=agents)
    model = IndependentCascade(probability=1.0)
    result = simulate(pairs, model, seed_set=["ann"], replicates=2, record="activations")
    answer = rumormill("crossings", result.session_id, "--by", "pair")
    assert "the message never crossed from one community to another" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank", "blocks", "--rankings", "degre"], "no ranking 'degre' (did you mean 'degree'?)"),
        (["rank", "blocks", "--model", "ic2"], "no model 'ic2'"),
        (["rank", "blocks", "--set", "probability"], "--set 'probability' is not NAME=VALUE"),
        (["rank", "blocks", "--set", "probability=1.5"], "probability"),
        (["rank", "blocks", "--top", "100"], "top 100 is not a whole number from 1 to 60"),
        (["rank", "blocks", "--plot", "rank.gif"], "--plot 'rank.gif' does not end in"),
        (["communities", "blocks", "--by", "shoes"], "have no column 'shoes'"),
        (["crossings", "nothing"], "nothing"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(
    rumormill: Rumormill, blocks: Warehouse, arguments: list[str], said: str
) -> None:
    answer = rumormill(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert said in answer.stderr
