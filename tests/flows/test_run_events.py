"""Events of runs: what is recorded of runs that could not record their own end, and what they are called."""

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from prefect.states import Crashed

from data.facade import Warehouse
from flows import run_events
from flows.campaign_jobs import prepare_run
from flows.events import Event
from flows.propagate import record_missing_end
from flows.run_events import last_attempts, record_failure, record_start

SESSION = {"name": "whole", "seeds": ["ann"], "parameters": {"probability": 1.0}, "replicates": 4}


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that would have been sent to Prefect."""
    events: list[Event] = []
    monkeypatch.setattr(run_events, "emit", events.append)
    return events


@pytest.fixture
def started(warehouse: Warehouse, campaign_file: Callable[..., str], emitted: list[Event]) -> Callable[[str], str]:
    """Record the start of a flow run of the campaign `spring`; return the campaign's key."""
    run = prepare_run(campaign_file({"network": "path", "sessions": [SESSION]}, "spring"), warehouse.url)

    def start(flow_run_id: str) -> str:
        record_start(run, flow_run_id)
        return run.resolved.key

    return start


def types(warehouse: Warehouse, flow_run_id: str) -> list[str]:
    rows = sorted(Warehouse(warehouse.url).read("events").to_pylist(), key=lambda row: row["occurred_at"])
    return [row["event_type"] for row in rows if row["correlation_id"] == flow_run_id]


def test_the_end_of_a_killed_run_is_recorded_for_it_once(
    warehouse: Warehouse, started: Callable[[str], str], emitted: list[Event]
) -> None:
    key = started("first")
    flow_run = SimpleNamespace(id="first", parameters={"campaign": "spring.yaml", "warehouse": warehouse.url})
    for _ in range(2):
        record_missing_end(None, flow_run, Crashed(message="Process exited: -9"))  # type: ignore[arg-type]
    assert types(warehouse, "first") == ["propagation_started", "propagation_failed"]
    (row,) = (r for r in warehouse.read("events").to_pylist() if r["event_type"] == "propagation_failed")
    data = json.loads(row["data"])
    assert (data["subject"], data["campaign"], data["message"]) == (key, "spring", "Process exited: -9")
    assert [event.title for event in emitted] == ["campaign spring on network path"] * 2


def test_nothing_is_recorded_for_a_run_that_had_not_started_or_has_an_end(
    warehouse: Warehouse, campaign_file: Callable[..., str], started: Callable[[str], str]
) -> None:
    started("first")
    run = prepare_run(campaign_file({"network": "path", "sessions": [SESSION]}, "spring"), warehouse.url)
    record_failure(run.resolved, "first", "propagation_cancelled")
    for flow_run_id in ("first", "never started"):
        assert not run_events.record_missing_end(warehouse, flow_run_id, "propagation_failed", message="killed")
    assert types(warehouse, "first") == ["propagation_started", "propagation_cancelled"]
    assert types(warehouse, "never started") == []


def test_the_list_of_unfinished_runs_says_how_the_latest_one_ended(
    warehouse: Warehouse, campaign_file: Callable[..., str], started: Callable[[str], str]
) -> None:
    run = prepare_run(campaign_file({"network": "path", "sessions": [SESSION]}, "spring"), warehouse.url)
    key = started("first")
    assert "no end recorded: still running, or killed" in last_attempts(warehouse)[key]
    record_failure(run.resolved, "first", "propagation_failed", message="no space left on the device. " * 20)
    text = last_attempts(warehouse)[key]
    assert text.startswith("failed 20")
    assert ": no space left" in text
    assert len(text) < 160
    started("second")
    assert last_attempts(warehouse)[key].startswith("started 20")
    record_failure(run.resolved, "second", "propagation_cancelled", message="nothing was published")
    assert last_attempts(warehouse)[key].startswith("cancelled 20")
