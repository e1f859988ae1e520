"""The flow `propagate`: what it publishes and shows, and that it does so once, wholly or not at all."""

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from data.errors import CommitConflictError, RowsDifferError, RunCancelledError, WarehouseFullError
from data.facade import Warehouse
from flows import runs
from flows.config import load_campaign, resolve
from flows.runs import run_campaign
from propagation import engine
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


def artifacts_of(flow_run_id: UUID) -> dict[str, Any]:
    """Contents of the artifacts of a flow run, by their keys."""
    found = asked("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [str(flow_run_id)]}}})
    return {artifact["key"]: artifact["data"] for artifact in found}


# -- a run that ends well -------------------------------------------------------------------------------------------


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
    assert set(found) == {"results-spread-1", "curves-spread-1", "progress-spread-1"}
    rows = json.loads(found["results-spread-1"])
    assert [row["session"] for row in rows] == ["three", "hubs"]
    assert [row["reach"] for row in rows] == [round(row["total_influenced"], 2) for row in summary["sessions"]]
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


def test_runs_inside_a_notebook(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    async def cell() -> dict[str, Any]:
        return run_campaign(campaign_file(TOWN), warehouse.url)

    assert asyncio.run(cell())["status"] == "completed"
    assert len(artifacts_of(flow_runs()[0].id)) == 3


def test_the_cluster_is_the_one_that_the_campaign_names(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import propagate

    profiles: list[Any] = []

    @contextmanager
    def noted(profile: Any) -> Iterator[Any]:
        profiles.append(profile)
        with connect() as client:
            yield client

    monkeypatch.setattr(propagate, "connected", noted)
    cluster = {"kind": "processes", "workers": 2}
    run_campaign(campaign_file({**TOWN, "cluster": cluster}), warehouse.url)
    assert [(profile.kind, profile.workers) for profile in profiles] == [("processes", 2)]


# -- again ----------------------------------------------------------------------------------------------------------


def test_a_finished_campaign_does_nothing(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    from flows.propagate import propagate

    path = campaign_file(TOWN)
    first = run_campaign(path, warehouse.url)
    publications, known = len(warehouse.manifests()), len(flow_runs())
    second = run_campaign(path, warehouse.url)
    assert second == {**first, "status": "already_completed"}
    assert len(flow_runs()) == known  # answered without a flow
    assert propagate(path, warehouse.url) == second
    assert len(warehouse.manifests()) == publications


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
    monkeypatch.setattr(runs, "differing_tables", lambda *_: ["cascades", "reach"])
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


def test_a_crash_between_two_publications_is_healed_by_the_next_run(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = campaign_file(TOWN)
    with monkeypatch.context() as crash:
        crash.setattr(runs, "publish_campaign", lambda _: (_ for _ in ()).throw(SystemExit(9)))
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
        raise RunCancelledError("the run was cancelled; nothing of it was published")

    monkeypatch.setattr(engine, "run_job", interrupt)
    with pytest.raises(RunCancelledError, match="nothing of it was published"):
        run_campaign(campaign_file(TOWN), warehouse.url)
    assert flow_runs()[0].state.is_cancelled()
    assert contents(warehouse) == before
    assert "propagation_cancelled" in warehouse.read("events")["event_type"].to_pylist()


def test_a_writer_that_was_outrun_tries_again(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_job, attempts = runs.publish_job, []

    def outrun_once(outcome: Any) -> None:
        attempts.append(outcome)
        if len(attempts) == 1:
            raise CommitConflictError("50 other publications came first")
        publish_job(outcome)

    monkeypatch.setattr(runs, "publish_job", outrun_once)
    assert run_campaign(campaign_file(TOWN), warehouse.url)["status"] == "completed"
    assert len(attempts) == 2


def test_two_runs_of_one_campaign_publish_one_copy(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file(TOWN)
    first, second = (runs.prepare_run(path, warehouse.url) for _ in range(2))
    for run in (first, second):  # neither knew of the other when it began
        plan = engine.plan_job(run.resolved.network, run.jobs[0].sessions)
        runs.publish_outcome(run, engine.run_job(run.resolved.network, run.jobs[0].sessions, plan))
        runs.publish_campaign(run)
    assert {name: count for name, count in contents(warehouse).items() if name.endswith(("sessions", "campaigns"))} == {
        "propagation_sessions": 2,
        "campaigns": 1,
        "campaign_sessions": 2,
    }
    assert runs.prepare_run(path, warehouse.url).nothing_to_do
