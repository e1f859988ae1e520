"""Acceptance: the standing platform, from `rumormill up` to `rumormill down`, as docs/how-to/schedule.md says."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.facade import Warehouse
from flows.events import Event, publish_events
from flows.platform import control, health
from flows.platform.home import MARK, PlatformHome
from flows.prefect_server import ask_server
from tests.deadlines import PATIENCE
from tests.flows.conftest import clean_environment, path_network
from tests.shell_clusters import free_port

pytestmark = pytest.mark.xdist_group("schedules")  # beside the tests that share the other servers

ALL = ["server", "worker", "runner"]


class Shell:
    """Runs commands in a folder, as a user with a private home would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = clean_environment(folder)
        self.home = PlatformHome(self.environment["RUMORMILL_HOME"])

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.launch", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> str:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"{output}\n{errors}\n{self.logs()}"
        return output if code == 0 else errors

    def served(self, *arguments: str, code: int = 0) -> str:
        """Give a command that the runner must execute; return its output, or its errors if it is to fail."""
        process = self.start(*arguments)
        children = until(lambda: self.runner_children() or process.poll() is not None, "the runner has a child", 0.01)
        output, errors = process.communicate(timeout=PATIENCE)
        assert children is not True, f"the command ran in a process of its own: {self.states()}"
        assert process.returncode == code, f"{output}\n{errors}\n{self.logs()}"
        return output if code == 0 else errors

    def json(self, *arguments: str, **environment: str) -> Any:
        return json.loads(self("--json", *arguments, **environment))

    def campaign(self, name: str, **further: Any) -> None:
        session = {"name": "whole", "seeds": ["ann"], "parameters": {"probability": 1.0}, "replicates": 4}
        (self.folder / f"{name}.yaml").write_text(json.dumps({"network": "path", "sessions": [session | further]}))

    def states(self) -> dict[str, str]:
        process = self.start("--json", "status")
        output, _ = process.communicate(timeout=PATIENCE)
        return {row["component"]: row["state"] for row in json.loads(output)["components"]}

    def condition(self, component: str) -> str:
        """Return what `rumormill status` says of a component, without a process of its own for the question."""
        return health.condition(self.home.read(), self.home, component)

    def runner_children(self) -> list[psutil.Process]:
        return psutil.Process(self.home.read().processes["runner"].pid).children()

    def ask(self, path: str, query: dict[str, Any]) -> Any:
        return ask_server(self.home.read().port, path, query)

    def runs(self, name: str, *states: str) -> list[dict[str, Any]]:
        """Return the flow runs of a name in some states, as Prefect's UI lists them."""
        chosen = {"name": {"any_": [name]}, "state": {"type": {"any_": list(states)}}}
        return list(self.ask("flow_runs/filter", {"flow_runs": chosen}))

    def events(self, name: str) -> list[str]:
        """Return the types of a campaign's events, sorted."""
        found = Warehouse(self.folder / "warehouse").sql(f"SELECT event_type FROM events WHERE data LIKE '%{name}%'")
        return sorted(found["event_type"])

    def logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in sorted(self.home.logs.glob("*.log")))


def below(home: PlatformHome) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def until(condition: Callable[[], Any], what: str | Callable[[], str], pause: float = 0.2) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"in vain: {what if isinstance(what, str) else what()}"
        time.sleep(pause)
    return found


STOPPED = "the platform was stopped before the run had ended; it can be resumed"
CANCELLED = ["propagation_cancelled", "propagation_started"]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A platform with a home of its own; nothing of it is left afterwards."""
    folder = tmp_path_factory.mktemp("platform")
    shell = Shell(folder)
    path_network(folder / "warehouse")
    try:
        assert shell.json("up", "--port", str(free_port()))["started"] == ALL
        yield shell
    finally:
        shell("down")
        assert below(shell.home) == []


def test_up_again_changes_nothing_and_its_state_is_private(shell: Shell) -> None:
    before = shell.home.read()
    assert shell.json("up")["started"] == []
    assert shell.home.read() == before
    assert shell.states() == dict.fromkeys(ALL, "running")
    for path in [shell.home.folder, *shell.home.folder.glob("*"), *shell.home.prefect.glob("prefect.db*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_everything_listens_on_loopback_only(shell: Shell) -> None:
    listening = [
        connection.laddr.ip
        for process in below(shell.home)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}


def test_a_run_is_handed_to_the_runner_and_prints_what_it_prints_without_one(shell: Shell) -> None:
    shell.campaign("warm")
    assert shell.served("run", "warm.yaml").startswith("campaign 'warm' completed\n")
    assert Warehouse(shell.folder / "warehouse").read("propagation_sessions")["total_influenced"].to_pylist() == [5.0]
    assert shell("run", "warm.yaml").startswith("campaign 'warm' was completed before")


def test_errors_and_exit_codes_are_those_of_the_command(shell: Shell) -> None:
    shell.campaign("wrong", seeds=["nobody"])
    assert "wrong.yaml, line 1: sessions.0.seeds: agent 'nobody'" in " ".join(
        shell.served("run", "wrong.yaml", code=2).split()
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_client_may_have_closed_streams(shell: Shell, closed: str) -> None:
    shell.campaign("closed", random_seed=len(closed))
    line = f"{sys.executable} -m flows.launch run closed.yaml {closed}"
    ended = subprocess.run(["/bin/sh", "-c", line], cwd=shell.folder, env=shell.environment, capture_output=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("ends", [signal.SIGINT, signal.SIGKILL])
def test_a_run_whose_client_ends_is_cancelled_and_can_be_continued(shell: Shell, ends: signal.Signals) -> None:
    name = f"long-{ends.name}"
    shell.campaign(name, replicates=20_000_000, random_seed=int(ends))
    process = shell.start("run", f"{name}.yaml")
    warehouse = shell.folder / "warehouse"
    begun = f"SELECT 1 FROM runs WHERE campaign = '{name}'"
    until(lambda: len(Warehouse(warehouse).sql(begun)), "the run is stored")
    process.send_signal(ends)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == (130 if ends is signal.SIGINT else -ends)
    until(lambda: not shell.runner_children(), "the run has ended")
    assert shell.events(name) == CANCELLED
    assert name in shell("resume", "--list")


def test_a_run_of_the_command_line_can_be_cancelled_in_prefect(shell: Shell) -> None:
    shell.campaign("unwanted", replicates=20_000_000)
    process = shell.start("run", "unwanted.yaml")
    (run,) = until(lambda: shell.runs("unwanted on path", "RUNNING"), "the run is running")
    until(lambda: shell.events("unwanted"), "the run is stored")
    shell.ask(f"flow_runs/{run['id']}/set_state", {"state": {"type": "CANCELLING"}})
    assert process.wait(PATIENCE) == 130
    assert shell.runs("unwanted on path", "CANCELLED")
    assert shell.events("unwanted") == CANCELLED


def test_a_taken_port_is_refused_and_changes_nothing(shell: Shell) -> None:
    before = shell.home.read()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert f"port {port} of 127.0.0.1 is taken by another program" in shell("up", "--port", port, code=2)
    assert shell.home.read() == before


def test_changed_code_or_environment_makes_components_outdated(shell: Shell) -> None:
    state = replace(shell.home.read(), environment=health.ENVIRONMENT)
    assert [health.condition(state, shell.home, component) for component in ALL] == ["running"] * 3
    changed = replace(state, environment={"OMP_NUM_THREADS": "1"})
    assert [health.condition(changed, shell.home, each) for each in ALL] == ["running", "running", "outdated"]
    changed = replace(state, code="that of an earlier version")
    assert [health.condition(changed, shell.home, each) for each in ALL] == ["running", "outdated", "outdated"]


def test_what_hangs_counts_as_not_running_and_is_repaired(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    state = shell.home.read()
    monkeypatch.setattr(health, "SILENT_SECONDS", 2.5 * health.HEARTBEAT_SECONDS)
    monkeypatch.setattr(health, "RESPONSE_SECONDS", 1.0)
    for module in (control, health):
        monkeypatch.setattr(module, "ENVIRONMENT", state.environment)
    for component in ("runner", "worker"):
        until(lambda c=component: health.condition(state, shell.home, c) == "running", f"the {component} responds")
        os.kill(state.processes[component].pid, signal.SIGSTOP)
    for component in ("runner", "worker"):
        until(lambda c=component: health.condition(state, shell.home, c) == "hanging", f"the {component} hangs")
    assert shell("resume", "--list")  # in a process of its own
    was = {each.component: each.was for each in control.start(shell.home)}
    assert (was["worker"], was["runner"]) == ("hanging", "hanging")
    assert shell.states() == dict.fromkeys(ALL, "running")


def test_a_server_that_has_died_is_repaired_and_runs_that_were_lost_with_it_are_ended(shell: Shell) -> None:
    url = str(shell.folder / "warehouse")
    (flow,) = shell.ask("flows/filter", {"flows": {"name": {"any_": ["propagate"]}}})
    lost = {"flow_id": flow["id"], "name": "lost on path", "parameters": {"warehouse": url}}
    run = shell.ask("flow_runs/", lost | {"state": {"type": "RUNNING"}})
    started = Event("propagation_started", "campaign/lost", {"campaign": "lost"}, correlation_id=run["id"])
    publish_events(Warehouse(url), [started])
    os.kill(shell.home.read().processes["server"].pid, signal.SIGKILL)
    until(lambda: shell.condition("server") == "died", "the server is known to be dead")
    address = shell.home.read().address
    assert shell.json("up")["started"] == ALL
    assert shell.states() == dict.fromkeys(ALL, "running")
    assert shell.home.read().address == address
    assert len(shell.runs("lost on path", "CRASHED")) == 1
    assert shell.events("lost") == ["propagation_failed", "propagation_started"]


def test_what_has_died_is_repaired_and_the_runner_is_restarted_for_a_changed_environment(shell: Shell) -> None:
    for component in ("worker", "runner"):
        os.kill(shell.home.read().processes[component].pid, signal.SIGKILL)
        until(lambda c=component: shell.condition(c) == "died", f"the {component} is known to be dead")
    assert shell.states() == {"server": "running", "worker": "died", "runner": "died"}
    assert shell.json("up", OMP_NUM_THREADS="1")["started"] == ["worker", "runner"]
    assert shell.states() == {"server": "running", "worker": "running", "runner": "outdated"}
    assert shell.json("up")["started"] == ["runner"]
    assert shell.states() == dict.fromkeys(ALL, "running")


def test_a_schedule_imports_runs_is_paused_and_backfilled(shell: Shell) -> None:
    exports = shell.folder / "exports"
    exports.mkdir()
    (exports / "town-2026-11-01.txt").write_text("a b\n")
    (exports / "town-2026-11-08.txt").write_text("a b\nb c\n")
    session = {"name": "whole", "seeds": ["a"], "parameters": {"probability": 1.0}, "replicates": 4}
    (shell.folder / "weekly.yaml").write_text(json.dumps({"network": "town", "sessions": [session]}))
    deployed = shell.served("deploy", "weekly.yaml", "--cron", "0 6 * * 0", "--import", "exports")
    assert deployed.startswith("deployment 'weekly' imports ")
    shell("schedules", "run", "weekly")
    asked = "SELECT reach FROM campaign_results WHERE campaign = 'weekly' ORDER BY reach"
    warehouse = shell.folder / "warehouse"
    until(lambda: list(Warehouse(warehouse).sql(asked)["reach"]) == [3.0], shell.logs)
    # The run that was missing is run on the file of then, and the network stays what it is.
    missing = ["backfill", "weekly", "--from", "2026-11-01", "--to", "2026-11-01"]
    assert len(shell.json(*missing)["flow_runs"]) == 1
    until(lambda: list(Warehouse(warehouse).sql(asked)["reach"]) == [2.0, 3.0], shell.logs)
    assert Warehouse(warehouse).network("town").n_agents == 3
    (past,) = until(lambda: shell.runs("weekly on town for 2026-11-01 06:00", "COMPLETED"), "the run has completed")
    assert shell.json(*missing, "--list")["missing"] == []
    assert "town-2026-11-01.txt (dated 2026-11-01 00:00 UTC, the latest of 2)" in past["state"]["message"]
    sessions = shell.json("sessions", "--campaign", "weekly")
    assert {row["total_influenced"]: row["scheduled_for"] for row in sessions} == {
        2.0: ["2026-11-01T06:00+00:00"],
        3.0: [],
    }
    shell("schedules", "pause", "weekly")
    (row,) = shell.json("schedules")
    assert (row["deployment"], row["cron"], row["paused"]) == ("weekly", "0 6 * * 0", True)
    assert row["last_state"] == "Completed"
    shell("schedules", "resume", "weekly")
    assert not shell.json("schedules")[0]["paused"]
    shell("schedules", "remove", "weekly")
    assert "no deployment 'weekly'" in shell("schedules", "pause", "weekly", code=2)


def test_down_cancels_a_scheduled_run_in_prefect_and_in_the_tables(shell: Shell) -> None:
    shell.campaign("endless", replicates=50_000_000)
    shell("deploy", "endless.yaml")
    shell("schedules", "run", "endless")
    until(lambda: shell.events("endless"), shell.logs)
    assert shell.json("down")["stopped"] == ALL
    assert below(shell.home) == []
    assert shell.events("endless") == CANCELLED
    assert shell.json("up")["started"] == ALL
    assert [run["state_name"] for run in shell.runs("endless on path", "CANCELLED", "CRASHED", "RUNNING")] == [
        "Cancelled"
    ]
    (row,) = (row for row in shell.json("schedules") if row["deployment"] == "endless")
    assert row["last_state"] == "Cancelled"


@pytest.fixture
def postgresql() -> Iterator[str]:
    """URL of an empty PostgreSQL database; skip where it is not installed."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    if not found:
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    folder, port = Path(tempfile.mkdtemp(prefix="rumormill-postgresql-")), free_port()
    if user is not None:
        shutil.chown(folder, user)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"

    def give(program: str, *arguments: str) -> None:
        command = [found[0].with_name(program), *arguments]
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            subprocess.run(command, user=user, cwd=folder, check=True, stdout=log, stderr=log, timeout=PATIENCE)

    data = str(folder / "data")
    try:
        give("initdb", "-D", data, "-A", "trust", "-U", "rumormill")
        give("pg_ctl", "-D", data, "-w", "-o", options, "start")
        yield f"postgresql+asyncpg://rumormill:unused@127.0.0.1:{port}/postgres"
    finally:
        give("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
        (folder.parent / f"{folder.name}.log").unlink()


def test_the_server_can_use_postgresql(shell: Shell, postgresql: str) -> None:
    """The last test of this file: the platform has stopped when it ends."""
    shell.campaign("stored", random_seed=2)
    assert shell.json("up", "--database", postgresql)["database"] == "PostgreSQL"
    assert shell.states() == dict.fromkeys(ALL, "running")
    assert shell.served("run", "stored.yaml").startswith("campaign 'stored' completed\n")
    assert len(shell.runs("stored on path", "COMPLETED")) == 1
    assert shell.json("schedules") == []
    assert shell.json("down")["stopped"] == ALL
