"""The commands `compare`, `explain`, `responsible` and `sweep`, and campaigns with a precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data import Warehouse
from data.errors import CampaignError
from data.warehouse.deletion import delete
from data.warehouse.dependents import network_deletion
from flows.campaign_jobs import count_replicates, prepare_run, publish_campaign, run_job, summary
from flows.campaign_precision import asked_precisely
from flows.config import load_campaign
from flows.run_records import store_run, unfinished_runs
from flows.runs import run_campaign
from propagation import results, simulate, simulate_many
from propagation.clusters import ClusterProfile
from propagation.jobs import Execution
from propagation.models import CompetingCascades, IndependentCascade
from propagation.precision import FEWEST
from propagation.seeding import RandomSeeds, TopOutDegree
from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]
SWEEP = ("sweep", "town", "--model", "sir")
OF_COMPARISON = ("session_differences", "agent_differences")
OF_SESSION = ("explained_agents", "transmission_paths", "path_agents", "responsible_agents", "sweep_points")
TABLES = (*OF_COMPARISON, *OF_SESSION)


@pytest.fixture
def spring(tmp_path: Path) -> Warehouse:
    """The warehouse of `rumormill`, with the campaigns `spring` and `autumn` on the network `town`."""
    warehouse = path_network(tmp_path / "warehouse")
    town = warehouse.generate_network("town", "watts_strogatz", agents=100, degree=6)
    sets = {"hubs": {"seed_set": TopOutDegree(budget=2)}, "random": {"seed_set": RandomSeeds(budget=2)}}
    for name, probability in (("spring", 0.3), ("autumn", 0.25)):
        simulate_many(
            town,
            sets,
            campaign=name,
            model=IndependentCascade(probability=probability),
            replicates=30,
            record="activations",
        )
    return warehouse


def test_compare(rumormill: Rumormill, spring: Warehouse, tmp_path: Path) -> None:
    found = results(spring, "spring")
    (row,) = rumormill("compare", "spring:hubs", "spring:random", "--json").json
    assert row["difference"] == pytest.approx(found.difference("hubs", "random").mean)
    assert row["paired"]
    answer = rumormill("compare", "spring:hubs", "spring:random", "--by", "out_degree", "--plot", "groups.png")
    assert "compared replicate by replicate" in answer.stdout
    assert "independent sessions would have needed" in answer.stdout
    assert (tmp_path / "groups.png").stat().st_size > 1000
    assert "published in tables session_differences and agent_differences" in answer.stderr
    again = rumormill("compare", "spring:hubs", "spring:random", "--by", "out_degree", "--part", "rounds")
    assert "before; nothing was added" in again.stderr
    stored = spring.sql("SELECT part, count(*) AS n, sum(difference) AS apart FROM session_differences GROUP BY part")
    parts = stored.set_index("part")
    assert set(parts.index) == {"reach", "round", "out_degree"}
    assert parts.loc["out_degree", "apart"] == pytest.approx(row["difference"])
    both = rumormill("compare", "spring", "autumn", "--json").json
    assert [each["session"] for each in both] == ["hubs", "random"]
    assert rumormill("compare", "spring", "autumn", "--plot", "both.png").exit_code == 0
    assert (tmp_path / "both.png").stat().st_size > 1000


def test_compare_messages(rumormill: Rumormill, spring: Warehouse, tmp_path: Path) -> None:
    seeds = {"rumour": ["1"], "correction": TopOutDegree(budget=2)}
    sessions = {"early": {"seed_set": seeds}, "late": {"seed_set": seeds, "random_seed": 1}}
    model = CompetingCascades(probability=0.2)
    town = spring.network("town")
    simulate_many(town, sessions, model=model, campaign="rivals", replicates=20, record="activations")
    both = ("compare", "rivals:early", "rivals:late")
    for asked in (("--by", "out_degree"), ("--part", "rounds")):
        answer = rumormill(*both, *asked, "--plot", "x.png")
        assert answer.exit_code == 2
        assert "of one message, and there are several; give --message NAME" in " ".join(answer.stderr.split())
    assert spring.count("message_differences") == 0
    assert not (tmp_path / "x.png").exists()
    assert [row["message"] for row in rumormill(*both, "--json").json] == ["rumour", "correction"]
    answer = rumormill("compare", "rivals:early", "rivals:early", "--message", "rumour,correction")
    assert "rumour in rivals:early reaches" in answer.stdout
    assert "agents fewer than correction in rivals:early" in answer.stdout
    assert "published in tables message_differences and agent_differences" in answer.stderr


def test_explain_and_responsible(rumormill: Rumormill, spring: Warehouse, tmp_path: Path) -> None:
    (first, *_) = rumormill("responsible", "spring:hubs", "--top", "3", "--json").json
    assert not first["is_seed"]
    named = rumormill("responsible", "spring:hubs", "--plot", "bars.svg")
    assert f"pass through {first['agent_id']}" in named.stdout
    assert "before; nothing was added" in named.stderr
    answer = rumormill("explain", "spring:hubs", first["agent_id"], "--paths", "2", "--plot", "paths.png")
    assert f"{first['agent_id']} was reached in" in answer.stdout
    assert " > " in answer.stdout
    assert "published in tables explained_agents, transmission_paths and path_agents" in answer.stderr
    assert "probability (95 % interval)" in answer.stdout
    assert " ± " in named.stdout
    assert "± is half of the 95 % interval" in named.stdout
    assert (tmp_path / "paths.png").exists()
    paths = spring.sql("SELECT path, replicates FROM transmission_paths ORDER BY position")
    shown = rumormill("explain", "spring:hubs", first["agent_id"], "--paths", "2", "--format", "json").json
    assert [list(path) for path in paths["path"][:2]] == [row["path"] for row in shown]
    stored = spring.sql(f"SELECT descendants FROM responsible_agents JOIN network_agents USING (agent) "
                        f"WHERE agent_id = '{first['agent_id']}'")  # fmt: skip
    assert first["descendants"] in stored["descendants"].to_list()


def test_sweep(rumormill: Rumormill, spring: Warehouse) -> None:
    asked = (
        "sweep",
        "town",
        "--model",
        "sir",
        "--values",
        "beta=0.05,0.1,0.3",
        "--set",
        "gamma=0.5",
        "--replicates",
        "20",
    )
    answer = rumormill(*asked, "--seeds", "random:1", "--seeds", "3,4", "--plot", "sweep.png")
    assert answer.exit_code == 0
    assert "epidemic threshold of beta" in answer.stdout
    rows = rumormill(*asked, "--seeds", "random:1", "--seeds", "3,4", "--json").json
    assert [(row["beta"], row["seed_set"]) for row in rows[:3]] == [
        (0.05, "random:1"),
        (0.05, "3,4"),
        (0.1, "random:1"),
    ]
    stored = spring.sql("SELECT parameters, reach FROM sweep_points ORDER BY position")
    assert stored["reach"].to_list() == [row["reach"] for row in rows]
    assert stored["parameters"][0] == '{"beta": 0.05}'


def test_a_parameter_called_probability_is_shown_as_given(rumormill: Rumormill, spring: Warehouse) -> None:
    answer = rumormill("sweep", "town", "--values", "probability=0.0125,weighted_cascade", "--replicates", "5")
    assert " 0.0125 " in answer.stdout
    assert "weighted_cascade" in answer.stdout


def test_rows_are_deleted_with_their_sessions(rumormill: Rumormill, spring: Warehouse) -> None:
    rumormill("compare", "spring:hubs", "autumn:hubs")
    rumormill("explain", "spring:hubs", "3")
    rumormill("responsible", "spring:hubs")
    rumormill(*SWEEP, "--values", "beta=0.1", "--replicates", "5")
    assert all(spring.count(table) for table in TABLES)
    assert rumormill("delete", "campaign", "autumn", "--yes").exit_code == 0
    assert not any(spring.count(table) for table in OF_COMPARISON)
    assert all(spring.count(table) for table in OF_SESSION)
    delete(spring, network_deletion(spring, "town", with_sessions=True))
    assert not any(spring.count(table) for table in TABLES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("compare", "spring:hubs", "spring:randon"),
            "campaign 'spring' has no session 'randon' (did you mean 'random'?)",
        ),
        (("compare", "spring:hubs", "spring"), "a session cannot be compared with a campaign"),
        (("compare", "spring:hubs", "nothing"), "no session or campaign 'nothing'"),
        (("compare", "spring:hubs", "spring:random", "--by", "colour"), "have no column 'colour'"),
        (("compare", "spring:hubs", "spring:random", "--plot", "x.txt"), "does not end in .png"),
        (("compare", "spring:hubs", "spring:random", "--part", "groups"), "--part groups needs --by COLUMN"),
        (("compare", "spring:hubs", "spring:random", "--part", "agents", "--plot", "x.png"), "not agents"),
        (("compare", "spring", "autumn", "--by", "out_degree", "--plot", "x.png"), "the groups of one session"),
        (("compare", "spring:hubs", "spring:counted", "--part", "agents"), "--part agents needs sessions that record"),
        (("compare", "spring:hubs", "spring:random", "--message", "any"), "neither 'spring:hubs' nor 'spring:random'"),
        (("responsible", "spring:hubs", "--message", "any"), "names no message"),
        (("explain", "silent", "3", "--plot", "x.png"), "nothing to draw: 3 was reached in none"),
        (("explain", "spring", "3"), "campaign 'spring' has 2 sessions; name one of them as spring:SESSION"),
        (("explain", "spring:hubs", "nobody"), "agent 'nobody' is not in network 'town'"),
        ((*SWEEP, "--values", "beta"), "--values 'beta' is not NAME=VALUE"),
        (
            (*SWEEP, "--values", "beta=0.1", "--seeds", "random:x"),
            "'x' is not a number of seeds",
        ),
        (
            (*SWEEP, "--values", "beta=0.1", "--seeds", "random"),
            "how many seeds? Write random:10",
        ),
        (
            (*SWEEP, "--values", "beta=0.1", "--set", "beta=2"),
            "beta is given a value and varied",
        ),
        (
            (*SWEEP, "--values", "beta=0.1", "--precision", "2"),
            "precision '2' is not a share",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(
    rumormill: Rumormill, spring: Warehouse, arguments: tuple[str, ...], message: str
) -> None:
    town, none = spring.network("town"), IndependentCascade(probability=0.0)
    simulate_many(
        town, {"silent": {"seed_set": ["4"]}}, campaign="silent", model=none, record="activations", replicates=2
    )
    arguments = tuple(_counted(spring) if each == "spring:counted" else each for each in arguments)
    answer = rumormill(*arguments)
    assert not any(spring.count(table) for table in TABLES), "refused before anything is published"
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.split())


def _counted(spring: Warehouse) -> str:
    """A session that recorded rounds only."""
    session = simulate(spring.network("town"), IndependentCascade(probability=0.1), seed_set=["1"], replicates=2)
    return session.session_id


# -- campaigns with a precision -------------------------------------------------------------------------------------

PRECISE: dict[str, Any] = {
    "network": "town",
    "precision": "5%",
    "sessions": [
        {"name": "precise", "seeds": [3], "parameters": {"probability": 0.3}},
        {"name": "given", "seeds": [3], "parameters": {"probability": 0.3}, "replicates": 20},
        {"name": "coarse", "seeds": [3], "parameters": {"probability": 0.3}, "precision": 0.2},
    ],
}


def test_a_campaign_has_as_many_replicates_as_its_precision_needs(
    spring: Warehouse, campaign_file: Callable[..., str]
) -> None:
    path = campaign_file(PRECISE, "precise")
    asked = prepare_run(path, spring.url)
    assert asked.counts
    assert asked.resolved.sessions[0].replicates == FEWEST
    store_run(spring, asked.stored)
    assert [run.run_id for run in unfinished_runs(spring)] == [asked.stored.run_id]
    assert prepare_run(asked.stored.reference, spring).counts
    run = count_replicates(spring.url, asked.stored.reference, Execution(), ClusterProfile(), again=False)
    assert [run.run_id for run in unfinished_runs(spring)] == [run.stored.run_id]
    again = prepare_run(asked.stored.reference, spring)
    assert (again.counts, again.stored.run_id) == (False, run.stored.run_id)
    replicates = [session.replicates for session in run.resolved.sessions]
    assert replicates[0] > FEWEST
    assert replicates[1:] == [20, FEWEST]
    stored = prepare_run(run.stored.reference, spring)
    assert stored.resolved.campaign_id == run.resolved.campaign_id
    for job in run.jobs:
        ids = [session.session_id for session in job.sessions]
        run_job(run.resolved, ids, Execution(), run.resolved.campaign.cluster, compare=False)
    publish_campaign(run.resolved, run.stored.started_at)
    rows = summary(run.resolved, "completed")["sessions"]
    assert [row["replicates"] for row in rows] == replicates
    assert [row["precision"] for row in rows] == [0.05, None, 0.2]
    assert prepare_run(path, spring.url).nothing_to_do
    assert unfinished_runs(spring) == []


def test_a_campaign_with_a_precision_runs_as_a_flow(spring: Warehouse, campaign_file: Callable[..., str]) -> None:
    session = {"name": "coarse", "seeds": [3, 4], "parameters": {"probability": 0.25}}
    path = campaign_file({"network": "town", "precision": "10%", "sessions": [session]}, "flowing")
    reports: list[tuple[str, float, float]] = []
    first = run_campaign(path, spring.url, progress=lambda *report: reports.append(report))
    (row,) = first["sessions"]
    assert (first["status"], row["precision"]) == ("completed", 0.1)
    assert any(stage == "simulating" and total == FEWEST for stage, _, total in reports)
    assert run_campaign(path, spring.url)["status"] == "already_completed"
    assert unfinished_runs(spring) == []


def test_a_precision_can_be_asked_for_instead(spring: Warehouse, campaign_file: Callable[..., str]) -> None:
    campaign = asked_precisely(load_campaign(campaign_file({**PRECISE, "precision": 0.5}, "asked")), "20%")
    assert [campaign.precision_of(session) for session in campaign.sessions] == [0.2] * 3


def test_a_precision_beside_replicates_is_refused(spring: Warehouse, campaign_file: Callable[..., str]) -> None:
    session = {"name": "both", "seeds": [3], "replicates": 20, "precision": "1%"}
    with pytest.raises(CampaignError, match=r"precision: 0.01 and replicates 20 are both given"):
        load_campaign(campaign_file({"network": "town", "sessions": [session]}))
    with pytest.raises(CampaignError, match=r"precision: .*is not a share of the mean reach"):
        load_campaign(campaign_file({"network": "town", "precision": 1.5, "sessions": [{"name": "a", "seeds": [3]}]}))
