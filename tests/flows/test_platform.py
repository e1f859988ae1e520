"""Acceptance: the standing platform, from `rumormill up` to `rumormill down`, as docs/how-to/schedule.md says."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from data.facade import Warehouse
from flows.platform.home import MARK, PlatformHome
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

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.launch", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, code: int = 0) -> str:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"{output}\n{errors}\n{self.logs()}"
        return output if code == 0 else errors

    def json(self, *arguments: str) -> Any:
        return json.loads(self("--json", *arguments))

    def campaign(self, name: str, **further: Any) -> None:
        session = {"name": "whole", "seeds": ["ann"], "parameters": {"probability": 1.0}, "replicates": 4}
        (self.folder / f"{name}.yaml").write_text(json.dumps({"network": "path", "sessions": [session | further]}))

    def states(self) -> dict[str, str]:
        process = self.start("--json", "status")
        output, _ = process.communicate(timeout=PATIENCE)
        return {row["component"]: row["state"] for row in json.loads(output)["components"]}

    def runner_children(self) -> list[psutil.Process]:
        return psutil.Process(self.home.read().processes["runner"].pid).children()

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


def until(condition: Any, what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.2)
    return found


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
    process = shell.start("run", "warm.yaml")
    children = until(lambda: shell.runner_children() or process.poll() is not None, "the runner has a child")
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert children is not True, "the command ran in a process of its own"
    assert output.startswith("campaign 'warm' completed\n")
    assert Warehouse(shell.folder / "warehouse").read("propagation_sessions")["total_influenced"].to_pylist() == [5.0]
    assert shell("run", "warm.yaml").startswith("campaign 'warm' was completed before")


def test_errors_and_exit_codes_are_those_of_the_command(shell: Shell) -> None:
    shell.campaign("wrong", seeds=["nobody"])
    assert "wrong.yaml, line 1: sessions.0.seeds: agent 'nobody'" in " ".join(
        shell("run", "wrong.yaml", code=2).split()
    )


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
    events = Warehouse(warehouse).sql(f"SELECT event_type FROM events WHERE data LIKE '%{name}%'")
    assert sorted(events["event_type"]) == ["propagation_cancelled", "propagation_started"]
    assert name in shell("resume", "--list")


@pytest.mark.parametrize("component", ["runner", "server"])
def test_what_has_died_is_told_and_repaired(shell: Shell, component: str) -> None:
    os.kill(shell.home.read().processes[component].pid, signal.SIGKILL)
    until(lambda: shell.states()[component] == "died", f"the {component} is known to be dead")
    address = shell.home.read().address
    assert component in shell.json("up")["started"]
    assert shell.states() == dict.fromkeys(ALL, "running")
    assert shell.home.read().address == address


def test_a_schedule_imports_runs_is_paused_and_backfilled(shell: Shell) -> None:
    exports = shell.folder / "exports"
    exports.mkdir()
    (exports / "town-2026-11-01.txt").write_text("a b\n")
    (exports / "town-2026-11-08.txt").write_text("a b\nb c\n")
    session = {"name": "whole", "seeds": ["a"], "parameters": {"probability": 1.0}, "replicates": 4}
    (shell.folder / "weekly.yaml").write_text(json.dumps({"network": "town", "sessions": [session]}))
    deployed = shell("deploy", "weekly.yaml", "--cron", "0 6 * * 0", "--import", "exports")
    assert deployed.startswith("deployment 'weekly' imports ")
    shell("schedules", "run", "weekly")
    asked = "SELECT reach FROM campaign_results WHERE campaign = 'weekly' ORDER BY reach"
    warehouse = shell.folder / "warehouse"
    until(lambda: list(Warehouse(warehouse).sql(asked)["reach"]) == [3.0], shell.logs())
    # The run that was missing is run on the file of then, and the network stays what it is.
    missing = ["backfill", "weekly", "--from", "2026-11-01", "--to", "2026-11-01"]
    assert len(shell.json(*missing)["flow_runs"]) == 1
    until(lambda: list(Warehouse(warehouse).sql(asked)["reach"]) == [2.0, 3.0], shell.logs())
    assert Warehouse(warehouse).network("town").n_agents == 3
    until(lambda: shell.json(*missing, "--list")["missing"] == [], "nothing is missing any more")
    shell("schedules", "pause", "weekly")
    (row,) = shell.json("schedules")
    assert (row["deployment"], row["cron"], row["paused"]) == ("weekly", "0 6 * * 0", True)
    assert row["last_state"] == "Completed"
    shell("schedules", "resume", "weekly")
    assert not shell.json("schedules")[0]["paused"]
    shell("schedules", "remove", "weekly")
    assert "no deployment 'weekly'" in shell("schedules", "pause", "weekly", code=2)
