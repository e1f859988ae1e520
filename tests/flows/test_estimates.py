"""Dry runs: plan, time and memory, and nothing done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import CampaignError, InsufficientMemoryError, InvalidInputError
from data.facade import Warehouse
from flows.campaign_jobs import CampaignRun, prepare_run, run_job, summary
from flows.estimates import estimate_campaign
from propagation import engine, planner
from propagation.jobs import Execution

TOWN = {
    "network": "town",
    "sessions": [
        {"name": "three", "parameters": {"probability": 0.2}, "seeds": ["1", "2", "3"], "replicates": 70},
        {"name": "hubs", "model": "sir", "seeds": {"strategy": "top_out_degree", "budget": 5}, "replicates": 30},
    ],
}


def computed(run: CampaignRun) -> None:
    """Compute and publish the jobs of a run, one after the other."""
    for job in run.jobs:
        ids = [session.session_id for session in job.sessions]
        run_job(run.resolved, ids, Execution(), run.resolved.campaign.cluster, compare=not job.publish)


def listed(warehouse: Warehouse) -> list[str]:
    return [key for manifest in Warehouse(warehouse.url).manifests() for key in manifest.keys]


def test_an_estimate_says_what_the_planner_says_and_publishes_nothing(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    before = listed(warehouse)
    estimate = estimate_campaign(campaign_file(TOWN), warehouse.url)
    assert listed(warehouse) == before
    (job,) = estimate["jobs"]
    from flows.config import load_campaign, resolve

    resolved = resolve(load_campaign(campaign_file(TOWN)), warehouse)
    plan = engine.plan_job(resolved.network, resolved.sessions)
    assert (job["plan"], job["plan_reason"], job["lanes"], job["batches"]) == (
        plan.plan,
        plan.reason,
        100,
        plan.batches,
    )
    assert (job["estimated_seconds"], job["estimated_bytes"]) == (plan.estimated_seconds, plan.estimated_bytes)
    assert [row["session"] for row in estimate["sessions"]] == ["three", "hubs"]
    assert [row["to_do"] for row in estimate["sessions"]] == ["compute", "compute"]
    assert [row["shape"] for row in estimate["sessions"]] == [each.shape for each in plan.sessions]
    assert [row["estimated_reach"] for row in estimate["sessions"]] == [e.expected.activations for e in plan.sessions]


def test_what_is_published_would_not_be_computed(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file({**TOWN, "sessions": TOWN["sessions"][:1]}, "one")
    computed(prepare_run(path, warehouse.url))
    both = campaign_file(TOWN)
    estimate = estimate_campaign(both, warehouse.url)
    assert [row["to_do"] for row in estimate["sessions"]] == ["published already", "compute"]
    assert [(job["lanes"], job["publish"]) for job in estimate["jobs"]] == [(30, True)]
    again = estimate_campaign(both, warehouse.url, again=True)
    assert [row["to_do"] for row in again["sessions"]] == ["compare", "compute"]
    assert [(job["lanes"], job["publish"]) for job in again["jobs"]] == [(30, True), (70, False)]


def test_the_command_prints_it_and_exits_as_the_run_would(
    rumormill: Callable[..., Any],
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, before = campaign_file(TOWN), listed(warehouse)
    answer = rumormill("run", path, "--dry-run", COLUMNS="200")
    assert answer.exit_code == 0
    for part in ("campaign 'campaign' would run on network 'town'", "sir, beta 0.1, gamma 0.2", "5 top_out_degree"):
        assert part in answer.stdout
    assert "job 1: compute 2 sessions, 100 lanes in" in answer.stdout
    assert "broadcast plan: the edge table" in answer.stdout
    assert "nothing was run or published" in answer.stdout
    as_json = rumormill("run", path, "--dry-run", "--json").json
    assert as_json["jobs"][0]["lanes"] == 100
    assert listed(warehouse) == before
    with pytest.raises(CampaignError):
        estimate_campaign(campaign_file({**TOWN, "plan": "fast"}, "fast"), warehouse.url)
    monkeypatch.setattr(planner, "machine_memory", lambda: 1000)
    with pytest.raises(InsufficientMemoryError):
        estimate_campaign(path, warehouse.url)
    assert rumormill("run", path, "--dry-run").exit_code == 2


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-models.md"
OWN = PAGE.read_text().split("```python\n")[1].split("```")[0]


def test_jobs_come_in_the_order_in_which_they_run(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    own = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "replicates": 2, "max_rounds": 2}
    path = campaign_file({**TOWN, "sessions": [own, *TOWN["sessions"]], "models": ["rumour.py"]})
    estimated = [job["plan"] for job in estimate_campaign(path, warehouse.url)["jobs"]]
    run = prepare_run(path, warehouse.url)
    computed(run)
    done = summary(run.resolved, run.status)["jobs"]
    assert [job["plan"] for job in done] == estimated == ["broadcast", "reference"]


def test_models_of_ones_own_are_a_job_of_their_own(
    rumormill: Callable[..., Any], warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    sessions = [*TOWN["sessions"], {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "replicates": 2}]
    path = campaign_file({**TOWN, "sessions": sessions})
    assert rumormill("run", path, "--dry-run").exit_code == 2
    estimate = rumormill("run", path, "--dry-run", "--json", "--models", "rumour.py").json
    assert [(job["plan"], job["lanes"]) for job in estimate["jobs"]] == [("broadcast", 100), ("reference", 2)]
    assert estimate["sessions"][2]["estimated_reach"] is None
    with pytest.raises(InvalidInputError, match="'rumour' is written in pandas, which the broadcast plan cannot run"):
        estimate_campaign(
            campaign_file({**TOWN, "sessions": sessions, "plan": "broadcast"}),
            warehouse.url,
            models=[str(tmp_path / "rumour.py")],
        )
