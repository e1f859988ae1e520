"""The command `rumormill analyze`: numbers, agents, formats, pictures, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]


@pytest.fixture
def analyzed(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Analyse the network `path`, of five agents."""
    path_network(tmp_path / "warehouse")
    return lambda *arguments: rumormill("analyze", "path", *arguments)


def test_it_prints_the_numbers_of_the_network_and_says_what_was_computed(analyzed: Rumormill) -> None:
    answer = analyzed("--metrics", "counts, distances,core_number")
    assert answer.exit_code == 0
    lines = answer.stdout.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == ["counts", "distances", "cores"]
    rows = [line.strip().split("  ", 1) for line in lines if line.startswith("  ")]
    found = {name: value.strip() for name, value in rows}
    assert found["node count"] == "5"
    assert found["average path length"] == "2"
    assert found["max core number"] == "1"
    assert "modularity" not in found
    assert answer.stderr.splitlines() == ["computed and published: counts, distances, cores"]
    assert analyzed("--metrics", "counts").stderr.splitlines() == ["read from the warehouse: counts"]


def test_all_metrics_are_the_default(analyzed: Rumormill) -> None:
    numbers = {row["metric"]: row["value"] for row in analyzed("--json").json}
    assert (numbers["edge_count"], numbers["weak_components"], numbers["diameter"]) == (4, 1, 4)
    assert numbers["power_law_exponent"] is None, "five agents are no tail"
    shown = analyzed().stdout
    (undefined,) = (line for line in shown.splitlines() if line.startswith("  undefined: "))
    assert "power law exponent, power law minimum" in undefined
    assert any(line.split() == ["betweenness", "standard", "error", "0", "(exact)"] for line in shown.splitlines())


def test_metrics_with_values_of_agents_only_show_the_agents(analyzed: Rumormill) -> None:
    agents = analyzed("--metrics", "pagerank", "--json").json
    assert sorted(row["agent_id"] for row in agents) == ["ann", "bob", "cy", "dan", "eve"]
    assert analyzed("--metrics", "pagerank").stdout.split()[:2] == ["agent_id", "pagerank"]


def test_agents_are_rows_of_every_format(analyzed: Rumormill, tmp_path: Path) -> None:
    asked = ("--metrics", "pagerank,betweenness", "--agents")
    rows = {row["agent_id"]: row for row in analyzed(*asked, "--json").json}
    assert set(rows["ann"]) == {"agent_id", "pagerank", "betweenness", "betweenness_standard_error"}
    assert rows["cy"]["betweenness"] == pytest.approx(4 / 12)
    assert "cy" in analyzed(*asked).stdout
    assert analyzed(*asked, "--output", "agents.parquet").exit_code == 0
    assert pq.read_table(tmp_path / "agents.parquet").num_rows == 5


def test_it_draws(analyzed: Rumormill, tmp_path: Path) -> None:
    answer = analyzed("--metrics", "distances", "--plot", "distances.png")
    assert answer.exit_code == 0
    assert "drew" in answer.stderr
    assert (tmp_path / "distances.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metrics", "pagerang"), "no metric 'pagerang' (did you mean 'pagerank'?); metrics are counts, degrees"),
        (("--metrics", "counts", "--agents"), "--agents: counts have no values of agents; metrics that have them are"),
        (("--plot", "structure.jpg"), "--plot 'structure.jpg' does not end in .png, .svg, .pdf"),
        (("--plot", "nowhere/structure.png"), "there is no folder 'nowhere'"),
        (("--output", "numbers.txt"), "does not end in .csv, .json, .parquet"),
        (
            ("--metrics", "pagerank", "--plot", "structure.png"),
            "--plot: pagerank cannot be drawn; metrics that can are degrees",
        ),
    ],
)
def test_it_refuses_in_one_sentence(analyzed: Rumormill, arguments: tuple[str, ...], message: str) -> None:
    answer = analyzed(*arguments)
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.split())


def test_an_unknown_network_is_told(rumormill: Rumormill) -> None:
    answer = rumormill("analyze", "nowhere")
    assert answer.exit_code == 2
    assert "no network 'nowhere'" in answer.stderr
