"""Acceptance: a campaign on a scheduler and two workers started from the shell has the rows that it has on threads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.facade import Warehouse
from tests.shell_clusters import free_port, shell_cluster

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_url")]

SESSIONS = [
    {"model": "independent_cascade", "parameters": {"probability": 0.3}, "record": "contacts"},
    {"model": "independent_cascade", "parameters": {"probability": 0.2}, "record": "reach", "replicates": 70},
    {"model": "linear_threshold", "record": "activations"},
    {"model": "sir", "parameters": {"beta": 0.2, "gamma": 0.4}, "record": "activations"},
    {"model": "sirs", "parameters": {"beta": 0.2, "gamma": 0.4, "waning": 0.2}, "max_rounds": 30, "record": "reach"},
    {"model": "hybrid", "parameters": {"base_rate": 0.3, "fatigue": 0.8}, "record": "activations"},
    {"model": "maki_thompson", "parameters": {"spreading": 0.6, "stifling": 0.4}},
]


@pytest.mark.parametrize("plan", ["broadcast", "partitioned"])
def test_a_campaign_has_the_same_rows_on_a_scheduler_and_two_workers(
    warehouse: Warehouse, campaign_file: Callable[..., str], rumormill: Callable[..., Any], tmp_path: Path, plan: str
) -> None:
    warehouse.generate_network("parts", "watts_strogatz", agents=400, degree=6, partitions=3)
    sessions = [{"name": f"s{i}", "seeds": ["1", "2", "3"], "replicates": 6, **each} for i, each in enumerate(SESSIONS)]
    campaign = {"network": "parts", "sessions": sessions, "random_seed": 4}
    port = free_port()
    (tmp_path / "shell.yaml").write_text(f"kind: address\naddress: tcp://127.0.0.1:{port}\n")
    with shell_cluster(port, tmp_path):
        path = campaign_file({**campaign, "cluster": "shell.yaml", "plan": plan}, "parts")
        first = rumormill("run", path, "--json")
    assert (first.exit_code, first.json["status"]) == (0, "completed")
    assert {job["plan"] for job in first.json["jobs"]} == {plan}
    again = rumormill("run", campaign_file({**campaign, "plan": "broadcast"}, "parts"), "--again", "--json")
    assert (again.exit_code, again.json["status"]) == (0, "confirmed")
