"""``rumormill seeds``, and the strategy ``influence_maximisation`` in campaign files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.facade import Warehouse
from flows.campaigns import resolve
from flows.config import load_campaign

Rumormill = Callable[..., Any]
QUICK = ("--epsilon", "0.3", "--replicates", "20")


@pytest.fixture(autouse=True)
def networks(warehouse: Warehouse) -> Warehouse:
    return warehouse


def test_seeds_are_printed_drawn_and_published_once(rumormill: Rumormill, tmp_path: Path) -> None:
    asked = ("seeds", "path", "--budget", "2", "--set", "probability=1.0", *QUICK)
    rows = rumormill(*asked, "--json").json
    assert rows[0]["agent_id"] == "ann"
    assert (rows[0]["reach"], rows[1]["marginal_reach"]) == (5.0, 0.0)
    again = rumormill(*asked, "--plot", "reach.png")
    assert "before; nothing was added" in again.stderr
    assert "2 seeds reach 5 ± 0 agents; ± is half of the 95 % interval" in again.stdout
    assert "with probability 0.8 the seeds reach at least" in again.stdout
    assert (tmp_path / "reach.png").stat().st_size > 10_000
    counted = rumormill("sql", "SELECT count(*) AS seeds FROM selected_seeds", "--json").json
    assert counted == [{"seeds": 2}]


def test_agents_are_read_from_options_and_files(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "customers.txt").write_text("dan\n\neve\n")
    asked = ("seeds", "path", "--budget", "1", "--set", "probability=1.0", *QUICK, "--json")
    assert rumormill(*asked, "--given", "dan, eve").json[-1]["agent_id"] == "ann"
    assert rumormill(*asked, "--targets", "@customers.txt").json[0]["reach"] == 2.0
    left = rumormill(*asked, "--blocked", "bob").json[0]
    assert (left["agent_id"], left["reach"]) == ("cy", 3.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget", "6"], "seed budget 6 exceeds the 5 agents of network 'path'"),
        (["--budget", "1", "--targets", "@gone.txt"], "there is no file 'gone.txt'"),
        (["--budget", "1", "--given", "zoe"], "agent 'zoe' is not in network 'path'"),
        (["--budget", "1", "--model", "sis"], "needs a model whose reach is that of live edges"),
        (["--budget", "1", "--method", "sketches"], "sketches need independent cascades"),
        (["--budget", "1", "--costs", "price"], "agents of network 'path' have no column 'price'"),
        (["--budget", "1", "--plot", "reach.txt"], "does not end in .png, .svg, .pdf"),
    ],
)
def test_mistakes_are_refused_in_a_sentence(rumormill: Rumormill, options: list[str], message: str) -> None:
    answer = rumormill("seeds", "path", *options)
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.split())


def test_a_campaign_chooses_seeds_for_the_model_of_each_session(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    path = campaign_file(
        """
network: path
sessions:
  - {name: chosen, parameters: {probability: 1.0}, seeds: {strategy: influence_maximisation, budget: 1, given: [eve]}}
  - name: for another model
    model: sis
    seeds: {strategy: influence_maximisation, budget: 1, model: independent_cascade, parameters: {probability: 1.0}}
"""
    )
    sessions = dict(resolve(load_campaign(path), warehouse).named_sessions)
    assert sessions["chosen"].seed_agents == ("eve", "ann")
    assert sessions["chosen"].seed_strategy == "influence_maximisation"
    assert sessions["for another model"].seed_agents == ("ann",)
