"""Crashes: a process that dies at any system call leaves the state before or after, and work goes on."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from data.facade import Warehouse
from tests.data.crashes import OPERATIONS
from tests.data.publications import published_sessions, values_of

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("operation", OPERATIONS)
def test_whoever_dies_at_a_system_call_leaves_the_state_before_or_after(tmp_path: Path, operation: str):
    times = int(run("from tests.data.crashes import main; main()", operation, str(tmp_path)))
    assert times >= 10


FOUR_PROCESSES = """
import multiprocessing, sys
from data.facade import Warehouse
from data.warehouse import keyed_tables, log
from data.warehouse.deletion import delete
from data.warehouse.dependents import session_deletion
from data.warehouse.keyed_tables import Changes
from data.warehouse.maintenance import compact
from tests.data.publications import add_tables, counters, publish

add_tables(setattr)
log.CHECKPOINT_EVERY = 3

def incremented(rows):
    value = dict(zip(rows["name"].to_pylist(), rows["value"].to_pylist())).get("all", 0)
    return Changes(counters(all=value + 1))

def work(url, writer, together):
    warehouse = Warehouse(url)
    together.wait()
    for number in range(6):
        publish(warehouse, f"{writer}-{number}", replicates=1)
        keyed_tables.update(warehouse, "counters", incremented, "all", "all", kind="changes")
        if writer == 0:
            compact(warehouse)
        if writer == 1 and number % 2:
            delete(warehouse, session_deletion(warehouse, f"1-{number - 1}"))
        if writer == 2 and number % 3 == 2:
            warehouse.maintain()

context = multiprocessing.get_context("fork")
together = context.Barrier(4)
workers = [context.Process(target=work, args=(sys.argv[1], number, together)) for number in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
sys.exit(any(worker.exitcode for worker in workers))
"""


def test_four_processes_that_commit_compact_delete_and_maintain_lose_nothing(local: Warehouse, keyed: None):
    run(FOUR_PROCESSES, local.url)
    deleted = {"1-0", "1-2", "1-4"}
    expected = sorted({f"{writer}-{number}" for writer in range(4) for number in range(6)} - deleted)
    for table in ("cascades", "reach"):
        assert Counter(local.read(table)["session_id"].to_pylist()) == Counter(expected)
        assert published_sessions(local, table) == expected
    assert values_of(local) == {"all": 24}
    assert local.published(f"session/{each}" for each in [*expected, *deleted]) == {f"session/{e}" for e in expected}
    assert local.verify() == []
    assert published_sessions(Warehouse(local.url)) == expected
