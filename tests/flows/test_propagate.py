"""The flow `propagate`: what it publishes and shows, and that it does so once, wholly or not at all."""

import asyncio
import base64
import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from prefect.exceptions import ParameterTypeError

import propagation
from data.errors import (
    CommitConflictError,
    InvalidInputError,
    RequirementGoneError,
    RowsDifferError,
    RunCancelledError,
    SourceNotFoundError,
    WarehouseFullError,
)
from data.facade import Warehouse
from data.quantities import readable_bytes, readable_seconds
from data.warehouse.catalogue import query
from data.warehouse.store import Store
from flows import campaign_jobs, run_events
from flows.campaign_jobs import prepare_run, publish_campaign, publish_messages
from flows.config import campaign_from_dict, load_campaign, resolve
from flows.propagate import propagate
from flows.runs import run_campaign
from flows.summaries import reach_text
from propagation import engine, jobs
from propagation.clusters import connect
from propagation.published import differing_tables
from tests.deadlines import PATIENCE

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_url")]

CERTAIN = {"parameters": {"probability": 1.0}, "replicates": 4}
"""Everybody downstream of the seeds is reached, in as many rounds as they are steps away."""
TOWN = {
    "network": "town",
    "record": "reach",
    "random_seed": 5,
    "messages": [{"name": "news", "content": "Read this", "sender": "17", "properties": {"language": "en"}}],
    "sessions": [
        {"name": "three", "parameters": {"probability": 0.2}, "seeds": ["1", "2", "3"], "replicates": 70},
        {"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 5}, "replicates": 70},
    ],
}


def contents(warehouse: Warehouse) -> dict[str, int]:
    """Rows of the tables that runs publish, events apart."""
    names = ("propagation_sessions", "cascades", "propagation_metrics", "campaigns", "campaign_sessions", "messages")
    return {name: Warehouse(warehouse.url).read(name).num_rows for name in names}


def flow_runs() -> list[Any]:
    """Flow runs of `propagate` on the server, newest first."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        return list(client.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=200))


def asked(path: str, query: dict[str, Any]) -> Any:
    """Answer of Prefect's server."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return client._client.post(path, json=query).json()


def is_computing(since: dt.datetime) -> bool:
    """Whether a job's task that began after a time is running."""
    running = {"state": {"type": {"any_": ["RUNNING"]}}, "start_time": {"after_": since.isoformat()}}
    found = asked("/task_runs/filter", {"task_runs": running})
    return any(task["name"].startswith("compute") for task in found)


def artifacts_of(flow_run_id: UUID) -> dict[str, Any]:
    """Contents of the artifacts of a flow run, by their keys."""
    found = asked("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [str(flow_run_id)]}}})
    return {artifact["key"]: artifact["data"] for artifact in found}


# -- a run that ends well -------------------------------------------------------------------------------------------


def test_results_name_the_strategy_that_the_campaign_requested(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    """Two strategies that choose the same seeds are one session under two names."""
    star = pd.DataFrame({"source": ["hub"] * 5, "target": list("abcde")})
    warehouse.import_network("star", star)
    session = {"parameters": {"probability": 0.5}, "replicates": 4}
    strategies = [{"strategy": name, "budget": 1} for name in ("degree_discount", "top_out_degree")]
    sessions = [{**session, "name": seeds["strategy"], "seeds": seeds} for seeds in strategies]
    path = campaign_file({"network": "star", "sessions": [*sessions, {**session, "name": "own", "seeds": ["a", "b"]}]})
    summary = run_campaign(path, warehouse.url)
    asked = ["degree_discount", "top_out_degree", "explicit"]
    assert [row["seed_strategy"] for row in summary["sessions"]] == asked
    columns = "session, strategy, budget, strategy_parameters, reach, session_id, job_id"
    found = query(warehouse, f"SELECT {columns} FROM campaign_results ORDER BY position").to_pylist()
    assert [row["strategy"] for row in found] == asked
    assert [row["budget"] for row in found] == [1, 1, 2]
    assert [json.loads(row["strategy_parameters"] or "null") for row in found] == [*strategies, None]
    assert [row["reach"] for row in found] == [row["total_influenced"] for row in summary["sessions"]]
    assert found[0]["session_id"] == found[1]["session_id"] != found[2]["session_id"]
    assert len({row["job_id"] for row in found}) == 1
    joined = "FROM campaign_results JOIN propagation_sessions USING (session_id, job_id)"
    assert query(warehouse, f"SELECT count(*) AS rows {joined}").to_pylist() == [{"rows": 3}]
    loaded = propagation.results(warehouse, summary["campaign"])
    assert {name: result.reach.mean for name, result in loaded.items()} == {
        row["session"]: row["reach"] for row in found
    }
    assert warehouse.campaigns()[["campaign", "sessions"]].to_dict("records") == [
        {"campaign": summary["campaign"], "sessions": 3}
    ]


def test_a_dictionary_runs_as_the_file_with_the_same_content(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    numbers = {**TOWN["sessions"][0], "seeds": np.array([1, 2, 3])}
    content = {**TOWN, "name": "spread", "sessions": (numbers, TOWN["sessions"][1])}
    summary = run_campaign(content, warehouse)
    assert (summary["campaign"], summary["status"], len(summary["sessions"])) == ("spread", "completed", 2)
    path = campaign_file(TOWN, "spread")
    assert run_campaign(path, warehouse.url) == {**summary, "status": "already_completed"}
    assert run_campaign(load_campaign(path), warehouse.url) == {**summary, "status": "already_completed"}
    # Elsewhere, the file stores the same run, and the same sessions.
    elsewhere = Warehouse(tmp_path / "elsewhere")
    elsewhere.generate_network("town", "watts_strogatz", agents=300, degree=6)
    assert run_campaign(path, elsewhere.url)["campaign_id"] == summary["campaign_id"]
    columns = ["run_id", "campaign_id", "configuration", "session_ids"]
    assert elsewhere.read("runs").select(columns).to_pylist() == warehouse.read("runs").select(columns).to_pylist()
    kinds = Counter(warehouse.read("events")["event_type"].to_pylist())
    assert kinds == {"propagation_started": 1, "propagation_completed": 1}


def test_campaigns_show_cards_before_and_after_their_run(warehouse: Warehouse) -> None:
    campaign = campaign_from_dict({**TOWN, "name": "<spread>"})
    resolved = resolve(campaign, warehouse)
    for shown in (campaign._repr_html_(), resolved._repr_html_()):
        assert "Campaign &lt;spread&gt;" in shown
        assert "independent_cascade; 3 seeds; 70 replicates" in shown
        assert "top_out_degree, budget 5" in shown
        assert "run_campaign(" in shown
    assert "not run yet" in resolved._repr_html_()
    assert "300 agents" in resolved._repr_html_()
    summary = run_campaign(campaign, warehouse)
    reach = propagation.results(warehouse, "<spread>")["hubs"].reach
    for shown in (summary._repr_html_(), propagation.results(warehouse, "<spread>")._repr_html_()):
        assert "Campaign &lt;spread&gt;" in shown
        assert str(reach) in shown
    assert "propagation.results(warehouse, " in summary._repr_html_()
    assert "published" in resolved._repr_html_()
    assert "run_campaign(" not in resolved._repr_html_()


def test_results_of_a_campaign_stand_side_by_side(warehouse: Warehouse) -> None:
    run_campaign({**TOWN, "name": "spread"}, warehouse)
    results = propagation.results(warehouse, "spread")
    table = results.table()
    assert table.index.tolist() == list(results) == ["three", "hubs"]
    assert table["strategy"].tolist() == ["explicit", "top_out_degree"]
    assert table["reach"].tolist() == [result.reach.mean for result in results.values()]
    ax = results.plot(Figure().subplots())
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["three", "hubs"]
    sizes = {name: result.cascades["size"] for name, result in results.items()}
    found, paired = results.difference("hubs", "three"), sizes["hubs"] - sizes["three"]
    assert (found.mean, found.standard_error) == pytest.approx((paired.mean(), paired.sem()))
    with pytest.raises(
        InvalidInputError, match=r"no session 'hub' \(did you mean 'hubs'\?\); sessions are 'three', 'hubs'"
    ):
        results.difference("hub", "three")


def test_a_campaign_is_computed_and_published(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file(TOWN, "spread")
    heard: list[tuple[str, float, float]] = []
    summary = run_campaign(path, warehouse.url, progress=lambda *progress: heard.append(progress))
    assert (summary["campaign"], summary["status"], summary["lanes"]) == ("spread", "completed", 140)
    # 1. The very numbers of the engine.
    resolved = resolve(load_campaign(path), warehouse)
    outcome = engine.run_job(
        resolved.network, resolved.sessions, engine.plan_job(resolved.network, resolved.sessions), publish=False
    )
    reach = {row["session_id"]: row["total_influenced"] for row in outcome.sessions}
    assert {row["session_id"]: row["total_influenced"] for row in summary["sessions"]} == reach
    assert differing_tables(outcome.network.warehouse, outcome.results) == []
    (job,) = summary["jobs"]  # what the planner expected, beside what came true
    assert job["job_lanes"] == 140
    assert min(job["estimated_seconds"], job["estimated_bytes"], job["job_seconds"]) > 0
    assert 0 <= job["peak_bytes"] < 2**32
    # 2. The campaign, its sessions in order, its message, its resolved configuration.
    (campaign,) = warehouse.read("campaigns").to_pylist()
    configuration = json.loads(campaign["configuration"])
    assert (campaign["campaign"], campaign["campaign_id"]) == ("spread", summary["campaign_id"])
    assert configuration["snapshot_id"] == resolved.network.snapshot_id
    assert [s["parameters"]["probability"] for s in configuration["sessions"]] == [0.2, "weighted_cascade"]
    listed = sorted(warehouse.read("campaign_sessions").to_pylist(), key=lambda row: row["position"])
    assert [(row["session"], row["session_id"]) for row in listed] == [
        (name, session.session_id) for name, session in resolved.named_sessions
    ]
    (message,) = warehouse.read("messages").to_pylist()
    assert (message["content"], message["sender_id"], message["properties"]) == ("Read this", "17", '{"language":"en"}')
    assert set(warehouse.read("propagation_sessions")["message_id"].to_pylist()) == {message["message_id"]}
    # 3. Progress was heard to its end.
    assert heard[0] == ("starting Prefect", 0, 1)
    assert heard[-1] == ("simulating", 140, 140)


def test_numbers_that_can_be_told_beforehand(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    sessions = [
        {"name": "whole", "seeds": ["ann"], **CERTAIN},
        {"name": "half", "seeds": ["cy"], "max_rounds": 1, **CERTAIN},
    ]
    summary = run_campaign(campaign_file({"network": "path", "sessions": sessions}), warehouse.url)
    whole, half = summary["sessions"]
    assert (whole["total_influenced"], whole["total_influenced_standard_error"]) == (5.0, 0.0)
    assert (whole["stopped_because"], whole["truncated_replicates"]) == ("died_out", 0)
    assert (half["total_influenced"], half["rounds"]) == (2.0, 1)
    assert (half["stopped_because"], half["truncated_replicates"]) == ("max_rounds", 4)


def test_artifacts_show_results_curves_and_progress(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    summary = run_campaign(campaign_file(TOWN, "Spread 1"), warehouse.url)
    found = artifacts_of(flow_runs()[0].id)
    assert set(found) == {"results-spread-1", "jobs-spread-1", "curves-spread-1", "progress-spread-1"}
    rows = json.loads(found["results-spread-1"])
    assert [row["session"] for row in rows] == ["three", "hubs"]
    assert [row["reach"] for row in rows] == [reach_text(row) for row in summary["sessions"]]
    assert rows[0]["model"] == "independent_cascade, probability 0.2"
    (job,) = json.loads(found["jobs-spread-1"])
    assert (job["plan"], job["lanes"]) == ("broadcast", 140)
    assert job["estimated memory"] == readable_bytes(summary["jobs"][0]["estimated_bytes"])
    assert job["time"] == readable_seconds(summary["jobs"][0]["job_seconds"])
    assert found["progress-spread-1"] == 100.0
    curves = found["curves-spread-1"]
    assert len(curves) < 120_000
    (picture,) = re.findall(r"!\[.+\]\(data:image/png;base64,([^)]+)\)", curves)
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_events_are_rows_and_reach_prefect(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    summary = run_campaign(campaign_file(TOWN), warehouse.url)
    flow_run = flow_runs()[0]
    events = sorted(warehouse.read("events").to_pylist(), key=lambda row: row["occurred_at"])
    assert [row["event_type"] for row in events] == ["propagation_started", "propagation_completed"]
    assert {row["correlation_id"] for row in events} == {str(flow_run.id)}
    data = json.loads(events[1]["data"])
    assert (data["campaign"], data["status"], data["subject"]) == (
        "campaign",
        "completed",
        f"campaign/{summary['campaign_id']}",
    )
    query = {"filter": {"event": {"prefix": ["rumormill."]}, "id": {"id": [row["event_id"] for row in events]}}}
    deadline = time.monotonic() + PATIENCE
    while len(stored := asked("/events/filter", query)["events"]) < 2:  # the server stores events in batches
        assert time.monotonic() < deadline, stored
        time.sleep(0.2)
    assert {event["event"] for event in stored} == {f"rumormill.{row['event_type']}" for row in events}
    assert {event["payload"]["campaign"] for event in stored} == {"campaign"}
    resources = {tuple(event["resource"][f"prefect.resource.{key}"] for key in ("id", "name")) for event in stored}
    assert resources == {(f"rumormill.campaign.campaign.{summary['campaign_id']}", "campaign campaign on network town")}
    for event in stored:
        runs = [related for related in event["related"] if related["prefect.resource.role"] == "flow-run"]
        assert [run["prefect.resource.id"] for run in runs] == [f"prefect.flow-run.{flow_run.id}"]


def test_runs_inside_a_notebook(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    async def cell() -> dict[str, Any]:
        return run_campaign(campaign_file(TOWN), warehouse.url)

    assert asyncio.run(cell())["status"] == "completed"
    assert len(artifacts_of(flow_runs()[0].id)) == 4


def test_the_cluster_is_the_one_that_the_campaign_names(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profiles: list[Any] = []

    @contextmanager
    def noted(profile: Any) -> Iterator[Any]:
        profiles.append(profile)
        with connect() as client:
            yield client

    monkeypatch.setattr(campaign_jobs, "connected", noted)
    cluster = {"kind": "processes", "workers": 2}
    path = campaign_file({**TOWN, "cluster": cluster})
    run_campaign(path, warehouse.url)
    assert [(profile.kind, profile.workers) for profile in profiles] == [("processes", 2)]
    # Unless the flow run names another.
    own = tmp_path / "three.yaml"
    own.write_text("kind: threads\nthreads_per_worker: 3\n")
    propagate(path, warehouse.url, again=True, cluster=str(own))
    assert [(profile.kind, profile.threads_per_worker) for profile in profiles[1:]] == [("threads", 3)]


def test_the_plan_is_the_one_that_the_flow_run_names(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    first = TOWN["sessions"][0]
    path = campaign_file({**TOWN, "sessions": [first], "plan": "broadcast"})
    summary = propagate(path, warehouse.url, plan="partitioned")
    assert (summary["plan"], summary["sessions"][0]["session"]) == ("partitioned", "three")
    with pytest.raises(ParameterTypeError, match="plan: Input should be 'auto', 'broadcast', 'partitioned' or"):
        propagate(path, warehouse.url, again=True, plan="fast")  # type: ignore[arg-type]


# -- again ----------------------------------------------------------------------------------------------------------


def test_a_run_publishes_its_events_with_what_it_publishes_anyway(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    path, before = campaign_file(TOWN), len(warehouse.manifests())
    run_campaign(path, warehouse.url)
    published = [(m.kind, sorted({file.table for file in m.files})) for m in warehouse.manifests()[before:]]
    assert published == [
        ("run", ["events", "runs"]),
        ("messages", ["messages"]),
        ("sessions", ["cascades", "propagation_metrics", "propagation_sessions", "reach"]),
        ("campaign", ["campaign_sessions", "campaigns", "events"]),
    ]
    # A later run publishes its start as well, so that it is known if it is killed.
    run_campaign(path, warehouse.url, again=True)
    assert [m.kind for m in warehouse.manifests()[before + 4 :]] == ["events", "events"]
    kinds = Counter(warehouse.read("events")["event_type"].to_pylist())
    assert kinds == {"propagation_started": 2, "propagation_completed": 2}


def test_a_finished_campaign_does_nothing(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file(TOWN)
    first = run_campaign(path, warehouse.url)
    publications, known = len(warehouse.manifests()), len(flow_runs())
    second = run_campaign(path, warehouse.url)
    assert second == {**first, "status": "already_completed"}
    assert len(flow_runs()) == known  # answered without a flow
    assert propagate(path, warehouse.url) == second
    assert len(warehouse.manifests()) == publications
    # A flow that has nothing to do, such as the next run of a schedule, shows the results again.
    run = flow_runs()[0]
    assert {key.partition("-")[0] for key in artifacts_of(run.id)} == {"results", "jobs", "curves"}
    assert re.fullmatch(r"Nothing new: 2 sessions published before; best reach .*", run.state.message)


def test_a_run_without_a_campaign_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="no campaign: give the path"):
        propagate()  # type: ignore[call-arg]


def test_flow_runs_are_named_after_campaign_and_network(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    summary = run_campaign(campaign_file(TOWN), warehouse.url)
    propagate(f"run/{warehouse.read('runs')['run_id'][0].as_py()}", warehouse.url, again=True)
    for run in flow_runs()[:2]:
        assert run.name == f"{summary['campaign']} on town"
        assert set(run.tags) == {summary["campaign"], "town", "independent_cascade"}


def test_again_recomputes_compares_and_publishes_nothing_twice(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = campaign_file(TOWN)
    first = run_campaign(path, warehouse.url)
    rows = contents(warehouse)
    heard: list[str] = []
    second = run_campaign(path, warehouse.url, again=True, progress=lambda stage, *_: heard.append(stage))
    assert second == {**first, "status": "confirmed"}
    assert "simulating" in heard
    assert contents(warehouse) == rows
    monkeypatch.setattr(jobs, "differing_tables", lambda *_: ["cascades", "reach"])
    with pytest.raises(RowsDifferError, match=r"differ from the published ones in cascades, reach; .*rumormill verify"):
        run_campaign(path, warehouse.url, again=True)
    assert contents(warehouse) == rows


def test_only_what_is_missing_is_computed(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = TOWN["sessions"]
    run_campaign(campaign_file({**TOWN, "sessions": [first]}, "one"), warehouse.url)
    computed: list[list[int]] = []
    run_job = engine.run_job

    def counted(network: Any, sessions: Any, *arguments: Any, **options: Any) -> Any:
        computed.append([len(session.seeds) for session in sessions])
        return run_job(network, sessions, *arguments, **options)

    monkeypatch.setattr(engine, "run_job", counted)
    twin = {**second, "name": "twin of hubs"}
    summary = run_campaign(campaign_file({**TOWN, "sessions": [first, second, twin]}, "both"), warehouse.url)
    assert computed == [[5]]
    assert [row["session"] for row in summary["sessions"]] == ["three", "hubs", "twin of hubs"]
    run_campaign(campaign_file({**TOWN, "sessions": [second]}, "renamed"), warehouse.url)
    assert computed == [[5]]
    assert contents(warehouse)["propagation_sessions"] == 2
    assert contents(warehouse)["campaign_sessions"] == 1 + 3 + 1
    assert contents(warehouse)["messages"] == 1


# -- when something goes wrong --------------------------------------------------------------------------------------


def test_a_failed_run_leaves_nothing_but_its_events(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(warehouse)

    def fail(*_: Any, **__: Any) -> None:
        raise WarehouseFullError("no space left")

    monkeypatch.setattr(engine, "run_job", fail)
    with pytest.raises(WarehouseFullError, match="no space left"):
        run_campaign(campaign_file(TOWN), warehouse.url)
    assert contents(warehouse) == before
    assert flow_runs()[0].state.is_failed()
    events = warehouse.read("events").to_pylist()
    assert {row["event_type"] for row in events} == {"propagation_started", "propagation_failed"}
    failed = next(json.loads(row["data"]) for row in events if row["event_type"] == "propagation_failed")
    assert (failed["error"], failed["message"]) == ("WarehouseFullError", "no space left")


def test_a_run_that_cannot_import_its_network_records_that(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "exports").mkdir()
    campaign = campaign_file("network: town\nsessions:\n  - {name: all, seeds: [a]}\n", "spring")
    with pytest.raises(SourceNotFoundError, match="has no file to import"):
        propagate(campaign, warehouse.url, import_from=str(tmp_path / "exports"))
    (row,) = warehouse.read("events").to_pylist()
    data, run = json.loads(row["data"]), flow_runs()[0]
    assert (row["event_type"], row["correlation_id"]) == ("import_failed", str(run.id))
    assert (data["campaign"], data["network"], data["error"]) == ("spring", "town", "SourceNotFoundError")
    assert run.name == "spring on town"
    assert run.state.is_failed()


def test_a_late_run_says_so_and_uses_what_there_was_at_its_time(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = tmp_path / "exports"
    exports.mkdir()
    (exports / "2026-11-03.txt").write_text("a b\n")
    (exports / "2026-11-04.txt").write_text("a b\nb c\n")
    campaign = campaign_file({"network": "city", "sessions": [{"name": "all", "seeds": ["a"], **CERTAIN}]}, "weekly")
    propagate(campaign, warehouse.url, import_from=str(exports))
    due = dt.datetime(2026, 11, 3, 6, tzinfo=dt.UTC)
    monkeypatch.setattr("flows.propagate._late_since", lambda _scheduled_for: due)
    state = propagate(campaign, warehouse.url, import_from=str(exports), page=True, return_state=True)
    assert state.is_completed()
    assert re.search(r"started .+ late, for 2026-11-03 06:00 UTC; imported 2026-11-03\.txt \(dated", state.message)
    assert warehouse.network("city").n_agents == 3
    rows = [json.loads(row["data"]) for row in warehouse.read("events").to_pylist() if "completed" in row["event_type"]]
    assert sorted(row.get("scheduled_for", "") for row in rows) == ["", "2026-11-03T06:00+00:00"]
    assert "page-weekly" not in artifacts_of(flow_runs()[0].id)  # it would replace that of the current network


def test_a_crash_between_two_publications_is_healed_by_the_next_run(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = campaign_file(TOWN)
    with monkeypatch.context() as crash:
        crash.setattr(run_events, "publish_campaign", lambda *_: (_ for _ in ()).throw(SystemExit(9)))
        with pytest.raises(SystemExit):
            run_campaign(path, warehouse.url)
    found = contents(warehouse)
    assert (found["messages"], found["propagation_sessions"], found["campaigns"]) == (
        1,
        2,
        0,
    )  # all that is there is whole
    monkeypatch.setattr(
        engine, "run_job", lambda *_, **__: pytest.fail("sessions that are there are not computed again")
    )
    assert run_campaign(path, warehouse.url)["status"] == "completed"
    assert contents(warehouse) == {**found, "campaigns": 1, "campaign_sessions": 2}


def test_a_cancelled_run_is_cancelled_in_prefect_too(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(warehouse)

    def interrupt(*_: Any, **__: Any) -> None:
        raise RunCancelledError("the run was cancelled; nothing was published")

    monkeypatch.setattr(engine, "run_job", interrupt)
    with pytest.raises(RunCancelledError, match="nothing was published"):
        run_campaign(campaign_file(TOWN), warehouse.url)
    assert flow_runs()[0].state.is_cancelled()
    assert contents(warehouse) == before
    assert "propagation_cancelled" in warehouse.read("events")["event_type"].to_pylist()


def test_a_writer_that_was_outrun_tries_again(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, attempts = Store.commit, []

    def outrun_once(self: Store, kind: str, *arguments: Any, **options: Any) -> Any:
        attempts.append(kind)
        if attempts.count(kind) == 1:
            raise CommitConflictError("50 other publications came first")
        return commit(self, kind, *arguments, **options)

    monkeypatch.setattr(Store, "commit", outrun_once)
    assert run_campaign(campaign_file(TOWN), warehouse.url)["status"] == "completed"
    assert Counter(attempts) == dict.fromkeys(("run", "messages", "sessions", "campaign"), 2)
    assert contents(warehouse)["propagation_sessions"] == 2


def test_two_runs_of_one_campaign_publish_one_copy(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file(TOWN)
    first, second = (prepare_run(path, warehouse.url) for _ in range(2))
    outcomes = []
    for run in (first, second):  # neither knew of the other when it began
        (job,) = run.jobs
        outcomes.append(
            engine.run_job(run.resolved.network, job.sessions, engine.plan_job(run.resolved.network, job.sessions))
        )
    for run, outcome in zip((first, second), outcomes, strict=True):
        publish_messages(run.resolved)
        jobs.publish_job(outcome)
        publish_campaign(run.resolved, run.stored.started_at)
    assert {name: count for name, count in contents(warehouse).items() if name.endswith(("sessions", "campaigns"))} == {
        "propagation_sessions": 2,
        "campaigns": 1,
        "campaign_sessions": 2,
    }
    assert prepare_run(path, warehouse.url).nothing_to_do


def test_a_campaign_whose_sessions_are_gone_is_not_published(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    run = prepare_run(campaign_file(TOWN), warehouse.url)
    with pytest.raises(RequirementGoneError, match="session/"):
        publish_campaign(run.resolved, run.stored.started_at)
    assert contents(warehouse)["campaigns"] == 0


# -- served, and ended by signals -----------------------------------------------------------------------------------


def test_the_flow_can_be_sent_to_other_processes() -> None:
    import flows.propagate as module

    cloudpickle.register_pickle_by_value(module)  # as Prefect does to serve a flow
    try:
        assert cloudpickle.loads(cloudpickle.dumps(propagate)).name == "propagate"
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_importing_the_flow_imports_neither_engine_nor_pictures() -> None:
    heavy = ("numba", "dask", "distributed", "matplotlib", "duckdb", "propagation.engine", "flows.campaign_jobs")
    script = f"import sys, flows.propagate; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


SIGNALLED = """
import sys
from flows.propagate import propagate
from prefect.exceptions import TerminationSignal

try:
    propagate(sys.argv[1], sys.argv[2])
except (TerminationSignal, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_flow_that_a_signal_ends_records_that_it_was_cancelled(
    warehouse: Warehouse, campaign_file: Callable[..., str], prefect_url: str, number: signal.Signals
) -> None:
    """As a worker ends a run that is cancelled in Prefect's UI."""
    session = {"name": "long", "parameters": {"probability": 0.5}, "seeds": ["1"], "replicates": 50_000_000}
    path = campaign_file({"network": "town", "sessions": [session]})
    environment = {**os.environ, "PREFECT_API_URL": prefect_url, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": ""}
    environment = {name: value for name, value in environment.items() if value}
    begun = dt.datetime.now(dt.UTC)
    command = [sys.executable, "-c", SIGNALLED, path, warehouse.url]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_computing(begun) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    events = Counter(Warehouse(warehouse.url).read("events")["event_type"].to_pylist())
    assert events == {"propagation_started": 1, "propagation_cancelled": 1}, errors
    assert flow_runs()[0].state.is_cancelled()
    assert contents(warehouse)["propagation_sessions"] == 0
