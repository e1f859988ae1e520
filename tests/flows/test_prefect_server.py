"""The embedded server: it ends with its owner, and says why it did not start. That it serves, the Ctrl-C test shows."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import ClusterUnreachableError
from flows import prefect_server
from flows.prefect_server import PREFECT_DEFAULTS, set_prefect_defaults


def test_defaults_never_replace_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PREFECT_DEFAULTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    set_prefect_defaults()
    assert {name: os.environ[name] for name in PREFECT_DEFAULTS} == {**PREFECT_DEFAULTS, "DO_NOT_TRACK": "0"}


def test_a_server_ends_when_its_owner_is_killed() -> None:
    """The owner's end of the server's input closes, however the owner ended."""
    server = (
        "import threading, time, flows.prefect_server as s\n"
        "threading.Thread(target=s._end_with_owner).start(); print('serving', flush=True); time.sleep(600)"
    )
    owner = (
        "import subprocess, sys, time\n"
        f"server = subprocess.Popen([sys.executable, '-c', {server!r}], stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    killed = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "serving\n"
    assert killed.poll() is None
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert killed.stdout.read() == ""  # ends when the server, which inherited it, has ended
    killed.stdout.close()


def test_the_reason_is_told_when_it_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "server.py"
    script.write_text("print('starting'); import sqlite3; sqlite3.connect('/nowhere/prefect.db')")
    monkeypatch.setattr(prefect_server, "__file__", str(script))
    with pytest.raises(ClusterUnreachableError) as raised:
        prefect_server._ServerProcess().hand_over()
    assert "did not start (sqlite3.OperationalError: unable to open database file)" in str(raised.value)
    assert "PREFECT_HOME (default: ~/.prefect), which must be writable" in str(raised.value)


def test_a_server_that_does_not_answer_is_named(environment: dict[str, str]) -> None:
    script = "from flows.prefect_server import embedded_server; embedded_server().wait()"
    url = "http://127.0.0.1:9/api"
    ended = subprocess.run(
        [sys.executable, "-c", script], env={**environment, "PREFECT_API_URL": url}, capture_output=True, text=True
    )
    assert f"no Prefect server answers at '{url}'" in ended.stderr
    assert "rumormill up" in ended.stderr
