"""A Prefect server for all tests of flows, the command line within this process, and small networks."""

import functools
import json
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from data.facade import Warehouse
from flows.prefect_server import set_prefect_defaults
from tests.deadlines import PATIENCE


@pytest.fixture(scope="session", autouse=True)
def one_tls_context() -> Iterator[None]:
    """Read the machine's certificates once: Prefect reads them for each of its clients, also for plain HTTP."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Prefect server with a database of its own, which flows of this process use; it takes 10 to 25 s."""
    set_prefect_defaults()
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=int(PATIENCE)),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield PREFECT_API_URL.value()


def path_network(folder: Path) -> Warehouse:
    """Make a warehouse with the network `path`, of ann, bob, cy, dan and eve."""
    warehouse = Warehouse(folder)
    names = ["ann", "bob", "cy", "dan", "eve"]
    warehouse.import_network("path", pd.DataFrame({"source": names[:-1], "target": names[1:]}))
    return warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A warehouse with two networks: `path`, of five agents; and `town`, of 300."""
    warehouse = path_network(tmp_path / "warehouse")
    warehouse.generate_network("town", "watts_strogatz", agents=300, degree=6)
    return warehouse


@pytest.fixture
def campaign_file(tmp_path: Path) -> Callable[..., str]:
    """Write a campaign's file; YAML, or a mapping."""

    def write(content: Any, name: str = "campaign") -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


@dataclass
class Answer:
    """What a command printed, and how it ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def rumormill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Run a command within this process, in a folder of its own, whose warehouse is the default one."""
    from flows.command_line import app

    monkeypatch.chdir(tmp_path)
    for name in ("RUMORMILL_WAREHOUSE", "RUMORMILL_TRACEBACK", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **environment: str) -> Answer:
        result = CliRunner().invoke(app, list(arguments), env=environment)
        assert "Traceback" not in result.output
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


def clean_environment(folder: Path) -> dict[str, str]:
    """Return an environment for subprocesses: a Prefect home below `folder`, none of this process's settings."""
    ours = ("PREFECT", "RUMORMILL", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PREFECT_HOME": str(folder / "prefect"), "RUMORMILL_HOME": str(folder / "platform")}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Environment of a subprocess: a Prefect home of its own, none of this process's settings."""
    return clean_environment(tmp_path)
