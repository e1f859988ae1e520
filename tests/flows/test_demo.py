"""The demo: what it prints and writes is what its sessions say, and the second time it computes nothing."""

import io
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from analytics.intervals import with_interval
from analytics.reports import headline
from data.facade import Warehouse
from data.warehouse.catalogue import query
from flows.config import campaign_path, load_campaign
from flows.demo import ASKED, DemoResult, campaign_for, draw_picture, network_name, run_demo
from propagation import simulate
from propagation.models import IndependentCascade
from propagation.published import load_result
from propagation.result import Reach
from propagation.seeding import DegreeDiscount, RandomSeeds, TopOutDegree

pytestmark = pytest.mark.xdist_group("prefect")

STRATEGIES = {"random": RandomSeeds, "top out-degree": TopOutDegree, "degree discount": DegreeDiscount}


@dataclass(frozen=True)
class Shown:
    """One run of the demo: what it returned, and what a terminal of 80 columns showed."""

    result: DemoResult
    text: str
    warehouse: Warehouse

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def show(source: str | None, folder: Path) -> Shown:
    printed = io.StringIO()
    result = run_demo(source, str(folder), Console(file=printed, width=80, highlight=False))
    return Shown(result, printed.getvalue(), Warehouse(folder))


@pytest.fixture
def edges_file(tmp_path: Path) -> Path:
    """An edge list of 400 agents with one self-loop and one repeated edge."""
    pairs = np.random.default_rng(4).integers(0, 400, (3_000, 2))
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    lines = ["# a comment", *(f"{source}\t{target}" for source, target in pairs.tolist()), "7\t7"]
    path = tmp_path / "my edges.v2.txt"
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    return path


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory, prefect_url: str) -> Shown:
    """The demo as `make demo` runs it, on its generated network."""
    return show(None, tmp_path_factory.mktemp("demo") / "warehouse")


# -- as `make demo` runs it -----------------------------------------------------------------------------------------


def test_the_network_has_100000_agents_1000000_edges_and_a_heavy_tail(generated: Shown) -> None:
    network = generated.warehouse.network("demo")
    assert (network.n_agents, network.n_edges) == (100_000, 1_000_000)
    assert network.row["max_out_degree"] > 100 * network.n_edges / network.n_agents
    assert "demo: 100,000 agents, 1,000,000 edges" in generated.words


def test_three_strategies_with_500_seeds_and_1000_replicates_are_compared(generated: Shown) -> None:
    sessions = generated.result.summary["sessions"]
    assert [row["session"] for row in sessions] == list(STRATEGIES)
    assert [row["seed_strategy"] for row in sessions] == [strategy.name for strategy in STRATEGIES.values()]
    for row in sessions:
        assert (row["seeds"], row["replicates"]) == (500, 1_000)
        assert row["propagation_model"] == "independent_cascade"
        assert row["model_parameters"] == {"probability": "weighted_cascade"}


def test_the_table_shows_each_strategys_reach(generated: Shown) -> None:
    for row in generated.result.summary["sessions"]:
        mean, error = row["total_influenced"], row["total_influenced_standard_error"]
        reach = with_interval(Reach(mean, error, row["replicates"]))
        figures = rf"500 +{reach} +{mean / 1_000:.2f} % +{row['rounds']}\n"
        assert re.search(f"{row['session']} +{figures}", generated.text)
    assert re.search(r"Time: [\d.]+ s for all 3,000 cascades, [\d.]+ s estimated", generated.words)


def test_hubs_reach_more_than_random_agents_and_the_headline_says_so(generated: Shown) -> None:
    rows = {row["session"]: row for row in generated.result.summary["sessions"]}
    results = {name: load_result(generated.warehouse, row["session_id"]) for name, row in rows.items()}
    assert rows["top out-degree"]["total_influenced"] > 5 * rows["random"]["total_influenced"]
    assert generated.result.headline == headline(results)
    assert generated.result.headline in generated.words


def test_the_answers_are_those_of_their_sql(generated: Shown) -> None:
    assert len(generated.result.answers) == len(ASKED)
    for answer in generated.result.answers:
        assert query(generated.warehouse, answer["sql"]).to_pylist() == answer["rows"]
    printed = [answer for answer in generated.result.answers if answer["question"] in generated.text]
    assert len(printed) == 2
    for answer in printed:
        assert " ".join(answer["sql"].split()) in generated.words


def test_things_lie_where_it_says(generated: Shown) -> None:
    places = generated.result.places
    assert places["warehouse"] == generated.warehouse.url
    for place in places.values():
        assert place in generated.text
        assert Path(place).exists()
    page, bootstrap = Path(places["page"]).read_text(), Path(places["SQL views"]).read_text()
    for row in generated.result.summary["sessions"]:
        assert with_interval(load_result(generated.warehouse, row["session_id"]).reach) in page
        assert row["session_id"] in generated.warehouse.read("propagation_sessions")["session_id"].to_pylist()
    assert "CREATE OR REPLACE VIEW propagation_metrics" in bootstrap
    assert "rumormill up" in generated.text


def test_it_fits_a_terminal_of_80_columns(generated: Shown) -> None:
    report, places = generated.text.split("Results and next steps")
    assert all(len(line) <= 80 for line in report.splitlines())
    assert re.search(r"\nDone in \d+\.\d s\.\n$", places)


def test_the_second_time_everything_is_answered_from_the_warehouse(generated: Shown) -> None:
    before = len(generated.warehouse.manifests())
    again = show(None, Path(generated.warehouse.url))
    assert len(again.warehouse.manifests()) == before
    assert again.result.summary["status"] == "already_completed"
    assert "finished before; results read from the warehouse" in again.words
    assert again.result.summary["sessions"] == generated.result.summary["sessions"]
    assert again.result.answers == generated.result.answers
    assert (
        again.text.split("In which round")[1].split("Done")[0]
        == generated.text.split("In which round")[1].split("Done")[0]
    )


def test_the_readmes_picture_is_1600_by_700_and_small(generated: Shown, tmp_path: Path) -> None:
    path = tmp_path / "images" / "demo.png"
    draw_picture(str(path), generated.warehouse.url)
    content = path.read_bytes()
    assert struct.unpack(">II", content[16:24]) == (1600, 700)
    assert len(content) < 200_000


# -- with a file ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("prefect_url")
def test_a_given_file_is_imported_and_its_sessions_are_those_that_python_would_run(
    rumormill: Callable[..., Any], edges_file: Path
) -> None:
    answer = rumormill("demo", str(edges_file), "--json")
    assert answer.exit_code == 0
    summary = answer.json["summary"]
    network = Warehouse(summary["warehouse"]).network("my-edges")
    assert (network.row["self_loops"], network.row["duplicates"]) == (1, 1)
    assert "my-edges: 400 agents" in answer.stderr
    assert "(left out: 1 self-loops, 1 duplicates)" in " ".join(answer.stderr.split())
    for row in summary["sessions"]:
        seeds = STRATEGIES[row["session"]](budget=40)
        model = IndependentCascade(probability="weighted_cascade")
        expected = simulate(network, model, seed_set=seeds, replicates=1_000, publish=False)
        assert row["total_influenced"] == expected.reach.mean
        assert row["total_influenced_standard_error"] == pytest.approx(expected.reach.standard_error)


@pytest.mark.usefixtures("prefect_url")
def test_the_campaign_of_a_file_can_be_run_again_by_its_own_file(
    rumormill: Callable[..., Any], edges_file: Path
) -> None:
    assert rumormill("demo", str(edges_file)).exit_code == 0
    again = rumormill("run", "warehouse/seed-strategies-my-edges.yaml")
    assert again.exit_code == 0
    assert "was completed before: nothing to do" in again.stdout


def test_a_file_that_is_not_there_is_the_users_mistake(rumormill: Callable[..., Any]) -> None:
    answer = rumormill("demo", "nowhere.txt")
    assert answer.exit_code == 2
    assert "nowhere.txt" in answer.stderr


@pytest.mark.parametrize(("agents", "budget"), [(5, 1), (34, 3), (499, 49), (500, 50), (5_000, 500), (100_000, 500)])
def test_small_networks_get_fewer_seeds(tmp_path: Path, agents: int, budget: int) -> None:
    network = Warehouse(tmp_path / "warehouse").generate_network("a.b_c-1", "erdos_renyi", agents=agents, edges=agents)
    path = tmp_path / "campaign.yaml"
    path.write_text(campaign_for(campaign_path("seed-strategies").read_text(), network))
    campaign, original = load_campaign(str(path)), load_campaign("seed-strategies")
    assert campaign.network == "a.b_c-1"
    for session, shipped in zip(campaign.sessions, original.sessions, strict=True):
        assert session == shipped.model_copy(update={"seeds": {**shipped.seeds, "budget": budget}})


@pytest.mark.parametrize(
    ("source", "name"),
    [("/a/b/wiki-Vote.txt.gz", "wiki-Vote"), ("é (1).csv", "1"), ("x" * 300, "x" * 80), ("日本.txt", "network")],
)
def test_a_network_is_named_by_its_files_stem(source: str, name: str) -> None:
    assert network_name(source) == name


# -- as a process of its own, with a Prefect server of its own ------------------------------------------------------


def test_on_a_machine_that_never_saw_prefect_it_runs_twice_without_a_word_of_prefects_log(
    edges_file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "flows.command_line", "--json", "demo", str(edges_file)]
    statuses = []
    for _ in range(2):
        run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        statuses.append(json.loads(run.stdout)["summary"]["status"])
        assert not re.search(r"prefect\.|distributed|INFO|WARNING|Traceback", run.stderr)
    assert statuses == ["completed", "already_completed"]
    assert "finished before; results read from the warehouse" in run.stderr
