"""The command `rumormill block`: what it prints, writes and draws, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.commands.containment import COLUMNS
from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]


@pytest.fixture
def block(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Run the command on a path of five agents."""
    path_network(tmp_path / "warehouse")
    few = ("--replicates", "4", "--samples", "3", "--set", "probability=1")
    return lambda *arguments: rumormill("block", "path", *arguments, *few)


def test_it_prints_what_to_block_and_whom_that_saves(block: Rumormill) -> None:
    answer = block("--seeds", "ann", "--budget", "1")
    assert answer.exit_code == 0
    said = " ".join(answer.stdout.split())
    assert said.startswith("agents to block, by the method that saves most (greedy): bob")
    assert "agents saved of 5.0 that the message reaches" in said
    assert "table containment_plans" in answer.stderr
    again = block("--seeds", "ann", "--budget", "1")
    assert again.stdout == answer.stdout
    assert "published in table containment_plans before; nothing was added" in " ".join(again.stderr.split())


def test_rounds_are_limited_where_choices_are_judged(block: Rumormill) -> None:
    asked = ("--seeds", "ann", "-k", "1", "--methods", "greedy", "--json")
    assert [block(*asked, "--max-rounds", rounds).json[0]["reach_before"] for rounds in ("2", "9")] == [3.0, 5.0]


def test_by_default_no_more_edges_are_blocked_than_there_are(block: Rumormill) -> None:
    assert [row["agent_id"] for row in block("edges", "--seeds", "ann", "--methods", "degree", "--json").json] == [
        *("bob", "cy", "ann", "dan")
    ]


def test_edges_formats_and_pictures(block: Rumormill, tmp_path: Path) -> None:
    picture = str(tmp_path / "saved.svg")
    edges = block("edges", "--seeds", "ann", "-k", "1", "--methods", "greedy", "--format", "json", "--plot", picture)
    (row,) = edges.json
    assert (row["agent_id"], row["target_id"], row["saved"], row["reach"]) == ("ann", "bob", 4.0, 1.0)
    assert Path(picture).read_text().startswith("<?xml")
    counter = block("counter-message", "--seeds", "top_out_degree:1", "-k", "1", "--json")
    assert list(counter.json[0]) == COLUMNS
    assert [row["method"] for row in counter.json] == ["greedy", "degree", "pagerank", "random"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing option '--seeds'"),
        (["--seeds", "random"], "--seeds 'random': how many seeds? Write random:10"),
        (["--seeds", "randon:2"], "no seed strategy 'randon' (did you mean 'random'?)"),
        (["--seeds", "@nowhere.txt"], "--seeds '@nowhere.txt': there is no file 'nowhere.txt'"),
        (["foo", "--seeds", "ann"], "Invalid value for 'what': 'foo' is not one of 'agents', 'edges'"),
        (["--seeds", "zoe", "-k", "1"], "agent 'zoe' is not in network 'path'"),
        (["--seeds", "ann", "--budget", "nan"], "budget nan is not a whole number from 1 to 5"),
        (["--seeds", "ann", "--budget", "9"], "budget 9 is not a whole number from 1 to 5"),
        (["--seeds", "ann", "--methods", "gredy"], "method 'gredy' is unknown (did you mean 'greedy'?)"),
        (["--seeds", "ann", "--plot", "saved.gif"], "--plot 'saved.gif' does not end in .png, .svg, .pdf; rename it"),
        (["--seeds", "ann", "--plot", "nowhere/saved.png"], "there is no folder"),
        (["--seeds", "ann", "--blocked", "ann", "-k", "1"], "agent 'ann' is a seed and blocked"),
    ],
)
def test_mistakes_are_told_in_one_sentence(block: Rumormill, arguments: list[str], said: str) -> None:
    answer = block(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.split())


def test_a_probability_that_is_no_scheme_is_told(rumormill: Rumormill, tmp_path: Path) -> None:
    path_network(tmp_path / "warehouse")
    answer = rumormill("block", "path", "--seeds", "ann", "--set", "probability=often")
    assert answer.exit_code == 2
    assert "probability: 'often' is unknown" in " ".join(answer.stderr.split())


def test_a_model_that_cannot_be_contained_is_told(rumormill: Rumormill, tmp_path: Path) -> None:
    path_network(tmp_path / "warehouse")
    answer = rumormill("block", "path", "--seeds", "ann", "-k", "1", "--model", "si", "--set", "beta=0.5")
    assert answer.exit_code == 2
    assert "the greedy method needs edges with one attempt each" in " ".join(answer.stderr.split())
