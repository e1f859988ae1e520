"""The command ``rumormill neighbors``."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analytics.subgraphs import subgraph_picture
from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]


@pytest.fixture
def asked(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Ask about the path of ann, bob, cy, dan and eve."""
    path_network(tmp_path / "warehouse")
    return lambda *arguments: rumormill("neighbors", "path", *arguments)


def test_agents_within_the_radius_are_listed_with_their_distance(asked: Rumormill) -> None:
    rows = asked("cy", "--radius", "2", "--direction", "out", "--json").json
    assert [(row["agent_id"], row["distance"], row["inner_out_degree"]) for row in rows] == [
        ("cy", 0, 1),
        ("dan", 1, 1),
        ("eve", 2, 0),
    ]
    answer = asked("cy")
    assert "3 agents within 1 hop of 'cy', 2 edges; density 0.333" in answer.stdout
    assert answer.stderr == ""


def test_a_limit_that_cuts_agents_off_is_reported(asked: Rumormill, tmp_path: Path) -> None:
    answer = asked("cy", "--max-agents", "2", "--output", "cy.csv")
    assert (tmp_path / "cy.csv").read_text().splitlines()[1:] == ["cy,0,1,1,1,0", "bob,1,1,1,0,1"]
    assert "there are more agents within this distance; --max-agents 4 shows more" in answer.stderr


def test_the_picture_is_a_file(asked: Rumormill, tmp_path: Path) -> None:
    answer = asked("cy", "--plot", "cy.png", "--format", "csv")
    assert "drew cy.png" in answer.stderr
    assert (tmp_path / "cy.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_directed_edges_has_an_arrowhead_for_each(tmp_path: Path) -> None:
    network = path_network(tmp_path / "warehouse").network("path")
    ax = subgraph_picture(network.subgraph("cy", 2))
    assert len([text for text in ax.texts if text.arrow_patch is not None]) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zoe"], "agent 'zoe' is not in network 'path' of 5 agents"),
        (["cy", "--plot", "cy.gif"], "--plot 'cy.gif' does not end in .png, .svg, .pdf; rename it"),
        (["cy", "--plot", "nowhere/cy.png"], "cannot write 'nowhere/cy.png'"),
        (["cy", "--radius", "-1"], "Invalid value for '--radius'"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(asked: Rumormill, arguments: list[str], said: str) -> None:
    answer = asked(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert said in answer.stderr
