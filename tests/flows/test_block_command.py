"""The command `rumormill block`: what it prints, writes and draws, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]


@pytest.fixture
def block(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Run the command on a path of five agents."""
    path_network(tmp_path / "warehouse")
    few = ("--replicates", "4", "--samples", "3", "--probability", "1")
    return lambda *arguments: rumormill("block", "path", *arguments, *few)


def test_it_prints_what_to_block_and_whom_that_saves(block: Rumormill) -> None:
    answer = block("--seed", "ann", "--budget", "1")
    assert answer.exit_code == 0
    said = " ".join(answer.stdout.split())
    assert said.startswith("agents to block, by the method that saves most (greedy): bob")
    assert "agents saved of 5.0 that the message reaches" in said
    assert "table containment_plans" in answer.stderr
    again = block("--seed", "ann", "--budget", "1")
    assert again.stdout == answer.stdout
    assert "published in table containment_plans before; nothing was added" in " ".join(again.stderr.split())


def test_edges_formats_and_pictures(block: Rumormill, tmp_path: Path) -> None:
    picture = str(tmp_path / "saved.svg")
    edges = block("edges", "--seed", "ann", "-k", "1", "--method", "greedy", "--format", "json", "--plot", picture)
    (row,) = edges.json
    assert (row["agent_id"], row["target_id"], row["saved"], row["reach"]) == ("ann", "bob", 4.0, 1.0)
    assert Path(picture).read_text().startswith("<?xml")
    counter = block("counter-message", "--strategy", "top_out_degree", "--seed-budget", "1", "-k", "1", "--json")
    assert {row["action"] for row in counter.json} == {"counter_message"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "where does the message start? Give --seed AGENT, or --strategy NAME --seed-budget K"),
        (["--seed", "ann", "--strategy", "random"], "--seed and --strategy both say where the message starts"),
        (["--strategy", "random"], "--strategy random: how many seeds? Add --seed-budget K"),
        (["--seed", "ann", "--seed-budget", "2"], "--seed-budget 2 is for --strategy"),
        (["--seed", "zoe", "-k", "1"], "agent 'zoe' is not in network 'path'"),
        (["--seed", "ann", "--budget", "9"], "budget 9 is not a whole number from 1 to 5"),
        (["--seed", "ann", "--method", "gredy"], "method 'gredy' is unknown (did you mean 'greedy'?)"),
        (["--seed", "ann", "--plot", "saved.gif"], "--plot 'saved.gif' does not end in .png, .svg, .pdf; rename it"),
        (["--seed", "ann", "--plot", "nowhere/saved.png"], "there is no folder"),
        (["--seed", "ann", "--blocked", "ann", "-k", "1"], "agent 'ann' is a seed and blocked"),
    ],
)
def test_mistakes_are_told_in_one_sentence(block: Rumormill, arguments: list[str], said: str) -> None:
    answer = block(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.split())


def test_a_probability_that_is_no_scheme_is_told(rumormill: Rumormill, tmp_path: Path) -> None:
    path_network(tmp_path / "warehouse")
    answer = rumormill("block", "path", "--seed", "ann", "--probability", "often")
    assert answer.exit_code == 2
    assert "probability: 'often' is unknown" in " ".join(answer.stderr.split())
