"""Fixtures that tests of all packages share."""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from distributed.utils import get_mp_context
from hypothesis import settings

from propagation import clusters
from tests.deadlines import PATIENCE


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real networks and cascades beside the repository; skip where there is none."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real networks are not here: {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from a platform that runs on this machine."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RUMORMILL_HOME", str(tmp_path_factory.mktemp("no-platform")))
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_runs() -> Iterator[None]:
    """Let runs wait for workers that a busy machine starts slowly; a test of giving up sets a time of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clusters, "WORKERS_SECONDS", PATIENCE)
        patched.setitem(clusters._SETTINGS, "distributed.scheduler.no-workers-timeout", f"{PATIENCE}s")
        yield


@pytest.fixture(scope="session", autouse=True)
def unsynced_files() -> Iterator[None]:
    """Let files of this process reach the disk when they will: waiting for it is most of a small publication's time.

    Other processes see them at once all the same. That files and folders are synced, and before a manifest names them,
    tests/data/test_storage.py and test_warehouse_safety.py assert by the calls.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def workers_are_forked() -> Iterator[None]:
    """Fork worker processes of Dask from a process that has imported everything, instead of importing it in each.

    How worker processes start elsewhere, tests/propagation/test_processes.py sees in scripts of their own.
    """
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context()  # names what Dask would import, once
        multiprocessing.get_context("forkserver").set_forkserver_preload(["distributed.nanny", "propagation.engine"])
        yield


@pytest.fixture(scope="session", autouse=True)
def handlers_of_pytest_keep_their_level() -> None:
    """Let records of Dask and Bokeh propagate to the root logger.

    Where they do not, pytest adds its handlers to those loggers as well, and a cluster raises the level of all handlers
    of these: `caplog` would see no warnings any more, of any logger, in all tests after the first cluster's.
    """
    for name in ("distributed", "bokeh"):
        logging.getLogger(name).propagate = True


pytest.register_assert_rewrite("tests.data", "tests.reference")  # what they compare is told like in a test
settings.register_profile("shared-machine", deadline=None)  # compiling, or a busy neighbour, says nothing about code
settings.load_profile("shared-machine")
