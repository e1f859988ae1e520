"""What all pages share: a Prefect server, and an environment that leaves the user's settings alone."""

import functools
import os
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(DOCS / "tools"), str(DOCS / "extensions")]
os.environ["MPLBACKEND"] = "agg"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--rewrite``."""
    parser.addoption("--rewrite", action="store_true", help="write what snippets print into the pages")


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of commands: a Prefect server with a database of its own, none of this process's settings."""
    from flows.prefect_server import set_prefect_defaults

    set_prefect_defaults()
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    # Prefect reads the machine's certificates for each of its clients, also for plain HTTP.
    ssl.create_default_context = functools.cache(ssl.create_default_context)
    foreign = ("PREFECT", "RUMORMILL", "COLUMNS")
    for name in ("RUMORMILL_WAREHOUSE", "RUMORMILL_TRACEBACK", "COLUMNS"):
        os.environ.pop(name, None)  # commands that run within this process
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
            "PREFECT_API_URL": PREFECT_API_URL.value(),
            "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        }
