"""The embedded server: it is there when asked for, it ends with its owner, and says why it did not start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.prefect_server import PREFECT_DEFAULTS, set_prefect_defaults


def test_defaults_never_replace_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PREFECT_DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    set_prefect_defaults()
    assert {name: os.environ[name] for name in PREFECT_DEFAULTS} == {**PREFECT_DEFAULTS, "DO_NOT_TRACK": "0"}


@pytest.mark.xdist_group("prefect")
@pytest.mark.timeout(240)
@pytest.mark.usefixtures("prefect_url")
def test_the_server_of_a_process_that_was_killed_ends_too(tmp_path: Path, environment: dict[str, str]) -> None:
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL as DATABASE

    script = (
        "from flows.prefect_server import embedded_server as server; server().wait(); server().wait()\n"
        "from prefect.client.orchestration import get_client\n"
        "from prefect.server.api.server import SubprocessASGIServer as Stock\n"
        "assert get_client(sync_client=True).api_healthcheck() is None\n"
        "print(Stock().server_process.pid, flush=True); input()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**environment, DATABASE.name: DATABASE.value()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    server = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.communicate()
    for _ in range(300):
        if not is_alive(server):
            break
        time.sleep(0.1)
    assert not is_alive(server)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.timeout(240)
def test_a_home_that_cannot_be_written_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "plain").touch()
    script = "from flows.prefect_server import embedded_server; embedded_server().wait()"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**environment, "PREFECT_HOME": str(tmp_path / "plain" / "home")},
        capture_output=True,
        text=True,
    )
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("data.errors.ClusterUnreachableError: the embedded Prefect server did not start (")
    assert "unable to open database file" in last
    assert "PREFECT_HOME" in last


def test_a_server_that_does_not_answer_is_named(environment: dict[str, str]) -> None:
    script = "from flows.prefect_server import embedded_server; embedded_server().wait()"
    url = "http://127.0.0.1:9/api"
    ended = subprocess.run(
        [sys.executable, "-c", script], env={**environment, "PREFECT_API_URL": url}, capture_output=True, text=True
    )
    assert f"no Prefect server answers at '{url}'" in ended.stderr
    assert "prefect server start" in ended.stderr
