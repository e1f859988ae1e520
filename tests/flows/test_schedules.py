"""Acceptance: Prefect itself runs the flow, by a schedule and a worker or served, as docs/how-to/operations.md says.

The versions of Prefect's own dependencies decide whether it does. With SQLAlchemy 2.1 no scheduled run is ever created,
and with FastAPI 0.152 to 0.154 every listing answers 422; so these tests hold the bounds in pyproject.toml.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from data.facade import Warehouse
from flows.prefect_server import PREFECT_DEFAULTS
from tests.deadlines import PATIENCE
from tests.flows.conftest import clean_environment, path_network
from tests.shell_clusters import free_port

pytestmark = pytest.mark.xdist_group("schedules")  # beside the tests that share the other server

CAMPAIGN = {
    "network": "path",
    "sessions": [{"name": "whole", "seeds": ["ann"], "parameters": {"probability": 1.0}, "replicates": 4}],
}
LONG = {
    "name": "never-ending",
    "network": "path",
    "sessions": [{"name": "long", "seeds": ["ann"], "parameters": {"probability": 0.5}, "replicates": 50_000_000}],
}
LISTINGS = ["flow ls", "deployment ls", "work-pool ls", "artifact ls", "flow-run ls"]
ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


@dataclass(frozen=True)
class PrefectServer:
    """A running server, and the folder where commands against it are given."""

    url: str
    folder: Path
    environment: dict[str, str]

    def answer(self, path: str, query: dict[str, Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = httpx.post(f"{self.url}/{path}", json=query, timeout=PATIENCE)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                break
            time.sleep(0.5)  # the database is busy, so Prefect's own client tries again, too
        assert answer.is_success, answer.text
        return answer.json()

    def commands(self, *lines: str) -> list[tuple[int, str]]:
        """Give several commands to Prefect in one new process; return the exit code and the output of each."""
        script = (
            "import json, sys\n"
            "from prefect.testing.cli import CycloptsCliRunner\n"
            "answers = [CycloptsCliRunner().invoke(line) for line in sys.argv[1:]]\n"
            "print(json.dumps([(answer.exit_code, answer.output) for answer in answers]))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script, *lines],
            cwd=self.folder,
            env=self.environment,
            timeout=PATIENCE,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        return [(code, output) for code, output in json.loads(ended.stdout.splitlines()[-1])]

    @contextmanager
    def process(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a Python process for the length of the block; it and whatever it started are gone afterwards."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            _stop(process)

    def ended_run(self, deployment: str) -> dict[str, Any]:
        """Wait until a run of a deployment has ended, well or not; return what the server knows of it."""
        ended = {"state": {"type": {"any_": ENDED}}}
        return self.first("flow_runs/filter", {"deployments": {"name": {"any_": [deployment]}}, "flow_runs": ended})

    def first(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        """Wait until a question has an answer; return the first one."""
        deadline = time.monotonic() + PATIENCE
        while not (found := self.answer(path, query)):
            assert time.monotonic() < deadline, f"the server has nothing for {path} {query}:\n{self.logs()}"
            time.sleep(0.5)
        return dict(found[0])

    def begun_run(self, deployment: str, **parameters: str) -> dict[str, Any]:
        """Start a run of a deployment, with other parameters than its own, and wait until it computes."""
        made = self.first("deployments/filter", {"deployments": {"name": {"any_": [deployment]}}})
        run = self.answer(f"deployments/{made['id']}/create_flow_run", {"parameters": parameters})
        running = {"name": {"like_": "compute"}, "state": {"type": {"any_": ["RUNNING"]}}}
        self.first("task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}, "task_runs": running})
        return dict(run)

    def ended(self, run: dict[str, Any]) -> dict[str, Any]:
        """Wait until a run has ended; return what the server knows of it."""
        return self.first(
            "flow_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}, "state": {"type": {"any_": ENDED}}}}
        )

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-5000:]}" for log in sorted(self.folder.glob("*.log")))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, then end whatever is left of it and of the processes below it."""
    family = [process]
    if process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        _, family = psutil.wait_procs([*family, psutil.Process(process.pid)], timeout=10)
    for left in family:
        left.kill()
    process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A server as `prefect server start` starts it, with a database of its own."""
    folder, port = tmp_path_factory.mktemp("schedules"), free_port()
    url = f"http://127.0.0.1:{port}/api"
    polling = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    server = PrefectServer(
        url, folder, {**clean_environment(folder), **PREFECT_DEFAULTS, **polling, "PREFECT_API_URL": url}
    )
    start = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with server.process("server", *start) as process:
        deadline = time.monotonic() + PATIENCE
        while not _answers(url):
            assert process.poll() is None, server.logs()
            assert time.monotonic() < deadline, f"no server answers at {url}:\n{server.logs()}"
            time.sleep(0.2)
        yield server


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def scheduled(server: PrefectServer) -> Iterator[Warehouse]:
    """A warehouse on which a campaign runs every minute, by a deployment, a work pool and a worker."""
    warehouse = path_network(server.folder / "scheduled")
    path_network(server.folder / "ended")
    (server.folder / "everyone.yaml").write_text(json.dumps(CAMPAIGN))
    (server.folder / "long.yaml").write_text(json.dumps(LONG))
    deploy = "--no-prompt deploy flows.propagate.propagate --pool campaigns --name"
    answers = server.commands(
        "work-pool create campaigns --type process",
        f"{deploy} minutely --cron '* * * * *' --param campaign=everyone.yaml --param warehouse=scheduled",
        f"{deploy} long --param campaign=long.yaml --param warehouse=ended",
    )
    assert [code for code, _ in answers] == [0, 0, 0], answers
    with server.process("worker", "-m", "prefect", "worker", "start", "--pool", "campaigns", "--limit", "2"):
        yield warehouse


def assert_everyone_was_reached(warehouse: Warehouse) -> None:
    published = Warehouse(warehouse.url)
    assert published.read("campaigns")["campaign"].to_pylist() == ["everyone"]
    assert published.read("propagation_sessions")["total_influenced"].to_pylist() == [5.0]


@pytest.mark.usefixtures("scheduled")
def test_prefect_lists_what_it_has(server: PrefectServer) -> None:
    answers = dict(zip(LISTINGS, server.commands(*LISTINGS), strict=True))
    assert {line: code for line, (code, _) in answers.items()} == dict.fromkeys(LISTINGS, 0), answers
    assert "propagate/minutely" in answers["deployment ls"][1]
    assert "campaigns" in answers["work-pool ls"][1]


def test_the_flow_can_be_sent_to_another_process(server: PrefectServer) -> None:
    script = "import cloudpickle, flows.propagate as f; print(cloudpickle.loads(cloudpickle.dumps(f.propagate)).name)"
    sent = subprocess.run([sys.executable, "-c", script], env=server.environment, capture_output=True, text=True)
    assert sent.stdout == "propagate\n", sent.stderr


def test_a_served_flow_runs_publishes_and_can_be_cancelled(server: PrefectServer) -> None:
    warehouse = path_network(server.folder / "served")
    (server.folder / "everyone.yaml").write_text(json.dumps(CAMPAIGN))
    parameters = {"campaign": "everyone.yaml", "warehouse": "served"}
    script = server.folder / "serve.py"
    script.write_text(
        "from flows.propagate import propagate\n"
        f"if __name__ == '__main__': propagate.serve(name='served', parameters={parameters})\n"
    )
    with server.process("serve", str(script)):
        deployment = server.first("deployments/filter", {"deployments": {"name": {"any_": ["served"]}}})
        server.answer(f"deployments/{deployment['id']}/create_flow_run", {})
        run = server.ended_run("served")
        assert run["state_type"] == "COMPLETED", f"{run['state']}\n{server.logs()}"
        assert_everyone_was_reached(warehouse)
        (server.folder / "long.yaml").write_text(json.dumps(LONG))
        unwanted = server.begun_run("served", campaign="long.yaml", warehouse="served")
        server.answer(f"flow_runs/{unwanted['id']}/set_state", {"state": {"type": "CANCELLING"}})
        assert server.ended(unwanted)["state_type"] == "CANCELLED", server.logs()
        assert set(events_of(warehouse, unwanted, 2)) == {"propagation_started", "propagation_cancelled"}


def test_a_schedule_runs_a_campaign_and_publishes_it(server: PrefectServer, scheduled: Warehouse) -> None:
    run = server.ended_run("minutely")
    assert run["state_type"] == "COMPLETED", f"{run['state']}\n{server.logs()}"
    assert run["auto_scheduled"]
    assert_everyone_was_reached(scheduled)


# -- runs that are ended from outside -------------------------------------------------------------------------------


def events_of(warehouse: Warehouse, run: dict[str, Any], count: int) -> dict[str, dict[str, Any]]:
    """Wait until the warehouse has some events of a run; return their data by type."""
    deadline = time.monotonic() + PATIENCE
    while True:
        rows = [
            row for row in Warehouse(warehouse.url).read("events").to_pylist() if row["correlation_id"] == run["id"]
        ]
        if len(rows) >= count or time.monotonic() > deadline:
            return {row["event_type"]: json.loads(row["data"]) for row in rows}
        time.sleep(0.5)


@pytest.mark.usefixtures("scheduled")
def test_a_run_that_is_cancelled_in_prefect_records_that(server: PrefectServer) -> None:
    """The button of Prefect's UI, and ``prefect flow-run cancel``, set this state; the worker then ends the process."""
    run = server.begun_run("long")
    server.answer(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
    ended = server.ended(run)
    assert (ended["state_type"], ended["name"]) == ("CANCELLED", "never-ending on path"), server.logs()
    assert {"never-ending", "path", "independent_cascade"} <= set(ended["tags"])
    events = events_of(Warehouse(server.folder / "ended"), run, 2)
    assert set(events) == {"propagation_started", "propagation_cancelled"}, server.logs()


@pytest.mark.usefixtures("scheduled")
def test_a_run_that_is_killed_is_recorded_by_the_worker(server: PrefectServer) -> None:
    run = server.begun_run("long")
    (engine,) = (process for process in psutil.Process().children(recursive=True) if _is_engine_of(process, run))
    engine.kill()
    assert server.ended(run)["state_type"] == "CRASHED", server.logs()
    events = events_of(Warehouse(server.folder / "ended"), run, 2)
    assert set(events) == {"propagation_started", "propagation_failed"}, server.logs()
    assert "SIGKILL" in events["propagation_failed"]["message"]
    assert events["propagation_failed"]["campaign"] == "never-ending"


def _is_engine_of(process: psutil.Process, run: dict[str, Any]) -> bool:
    """Whether a process runs the flow itself, rather than watching the process that does."""
    try:
        return "prefect.engine" in process.cmdline() and process.environ().get("PREFECT__FLOW_RUN_ID") == run["id"]
    except psutil.Error:
        return False
