"""The engine: what is published, what is answered from there, and what becomes of runs that do not end well."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from distributed.comm import CommClosedError

from data import Warehouse
from data.errors import (
    ClusterLostError,
    CommitConflictError,
    InsufficientMemoryError,
    InvalidInputError,
    RowsDifferError,
    RunCancelledError,
    WarehouseFullError,
)
from propagation import engine, jobs, simulate
from propagation.models import IndependentCascade
from propagation.plans.broadcast.batch_runner import run_batch
from propagation.plans.lane_rows import Span
from propagation.plans.reference import plan as rounds
from propagation.plans.stopping import request_stop, stop_flag
from propagation.published import load_result
from propagation.seeding import RandomSeeds
from propagation.sessions import RECORDS, resolve_session
from tests.deadlines import PATIENCE
from tests.reference.small_networks import numbered_network

HALF = IndependentCascade(probability=0.5)
TABLES = ["cascades", "propagation_metrics", "reach", "activations", "propagation_events"]


@pytest.fixture
def network(publish_small):
    return publish_small(numbered_network(5, 20, 60))


def files_of(warehouse):
    """Return the files of a warehouse with their times of change; arrays derived from it are not part of it."""
    folder = Path(warehouse.url)
    paths = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] != "cache")
    return {str(path): path.stat().st_mtime_ns for path in paths}


def kinds(warehouse):
    return Counter(manifest.kind for manifest in Warehouse(warehouse.url).manifests())


# -- publishing, and answering from the warehouse -------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["broadcast", "reference"])
def test_running_again_answers_from_the_warehouse(network, assert_same_rows, plan):
    fields = {"seed_set": [0], "replicates": 30, "record": "contacts", "max_rounds": 2}
    first = simulate(network, HALF, plan=plan, **fields)
    assert not first.recalled
    assert first.session["plan"] == plan
    before = files_of(network.warehouse)
    assert kinds(network.warehouse)["sessions"] == 1
    for other in ("auto", "broadcast", "reference"):
        again = simulate(network, HALF, plan=other, **fields)
        assert again.recalled
        assert again.session["plan"] == plan
        assert_same_rows(again, first)
    assert files_of(network.warehouse) == before


@pytest.mark.parametrize("record", RECORDS)
def test_published_rows_are_those_kept_in_memory(network, assert_same_rows, record):
    fields = {"seed_set": [0, 7], "replicates": 100, "record": record}
    kept = simulate(network, HALF, publish=False, **fields)
    published = simulate(network, HALF, **fields)
    assert_same_rows(published, kept)
    recorded = TABLES[: 2 + RECORDS.index(record)]
    rows = {table: network.warehouse.read(table).num_rows for table in TABLES}
    assert {table for table in TABLES if rows[table]} == set(recorded)
    assert rows["cascades"] == 100
    assert network.warehouse.read("propagation_sessions").num_rows == 1


def test_without_publishing_the_warehouse_stays_as_it_was(network, assert_same_rows):
    before = files_of(network.warehouse)
    fields = {"seed_set": [0], "replicates": 20, "record": "contacts", "max_rounds": 2}
    results = [simulate(network, HALF, plan=plan, publish=False, **fields) for plan in ("broadcast", "reference")]
    assert_same_rows(*results)
    assert files_of(network.warehouse) == before
    # Nor does it answer from there.
    simulate(network, HALF, **fields)
    assert not simulate(network, HALF, publish=False, **fields).recalled


@pytest.mark.parametrize("plan", ["broadcast", "reference"])
def test_again_recomputes_and_finds_the_same(network, plan):
    fields = {"seed_set": [0], "replicates": 30, "record": "contacts", "max_rounds": 2}
    simulate(network, HALF, **fields)
    before = files_of(network.warehouse)
    assert simulate(network, HALF, plan=plan, again=True, **fields).recalled
    assert files_of(network.warehouse) == before


def one_cell_changed(table, rows):
    """Return the rows of a table with one value of a column that is no key changed."""
    column = {"cascades": "peak_round", "propagation_metrics": "new_infections_q75", "reach": "mean_round"}
    column |= {"activations": "infector", "propagation_events": "event_type"}
    position = rows.schema.get_field_index(column[table])
    values = rows[column[table]].to_pylist()
    last = len(values) - 1
    values[last] = {"received": "ignored", "ignored": "sent", "sent": "received"}.get(values[last]) or (
        (values[last] or 0) + 1
    )
    field = rows.schema.field(position)
    return rows.set_column(position, field, pa.array(values).cast(field.type))


@pytest.mark.parametrize("table", TABLES)
def test_again_finds_one_changed_value(network, table):
    session = resolve_session(network, HALF, seed_set=[0], replicates=40, record="contacts")
    outcome = engine.run_job(network, [session], engine.plan_job(network, [session]))
    warehouse = network.warehouse
    files = []
    for file in outcome.files:
        wrong = file.table == table and not any(other.table == table for other in files)
        files.append(warehouse.stage(table, one_cell_changed(table, warehouse.read_file(file))) if wrong else file)
    jobs.publish_job(dataclasses.replace(outcome, files=files))
    fields = {"seed_set": [0], "replicates": 40, "record": "contacts"}
    assert simulate(network, HALF, **fields).recalled
    with pytest.raises(RowsDifferError, match=rf"recomputed rows differ from the published ones in {table};"):
        simulate(network, HALF, again=True, **fields)
    assert kinds(warehouse)["sessions"] == 1


def test_again_finds_a_missing_and_a_doubled_row(network):
    for number, change in enumerate(
        (lambda rows: rows.slice(1), lambda rows: pa.concat_tables([rows, rows.slice(3, 1)]))
    ):
        session = resolve_session(network, HALF, seed_set=[number], replicates=40, record="activations")
        outcome = engine.run_job(network, [session], engine.plan_job(network, [session]))
        files = [file for file in outcome.files if file.table != "activations"]
        rows = pa.concat_tables(network.warehouse.read_file(f) for f in outcome.files if f.table == "activations")
        files.append(network.warehouse.stage("activations", change(rows)))
        jobs.publish_job(dataclasses.replace(outcome, files=files))
        with pytest.raises(RowsDifferError, match=r"in activations;"):
            simulate(network, HALF, seed_set=[number], replicates=40, record="activations", again=True)


def test_a_failed_task_is_told_and_publishes_nothing(network, monkeypatch):
    def full(*_, **__):
        raise WarehouseFullError("no space left in the warehouse")

    before = len(network.warehouse.manifests())
    monkeypatch.setattr(Warehouse, "staging", full)
    with pytest.raises(WarehouseFullError, match="no space left"):
        simulate(network, HALF, seed_set=[0], replicates=40, record="activations")
    assert len(network.warehouse.manifests()) == before


def test_progress_hears_every_replicate(network):
    heard = []
    simulate(
        network,
        HALF,
        seed_set=[0],
        replicates=100,
        publish=False,
        progress=lambda what, done, total: heard.append((what, done, total)),
    )
    assert heard[0] == ("simulating", 0, 100)
    assert heard[-1] == ("simulating", 100, 100)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


# -- several sessions in one job ------------------------------------------------------------------------------------


def some_sessions(network, max_rounds=10_000):
    """Sessions that differ in everything that lanes of a job may differ in."""
    column = IndependentCascade(probability="column")
    return [
        resolve_session(network, HALF, seed_set=[0], replicates=70, record="rounds"),
        resolve_session(network, column, seed_set=[1, 2, 3], replicates=1, record="contacts", max_rounds=max_rounds),
        resolve_session(network, HALF, seed_set=RandomSeeds(budget=4), replicates=130, random_seed=5, record="reach"),
        resolve_session(network, column, seed_set=[9], replicates=33, random_seed=9, record="activations"),
        resolve_session(network, HALF, seed_set=[0], replicates=12, max_rounds=1, record="contacts"),
    ]


@pytest.mark.parametrize("batches", [1, 2, 3, 17, 101])
def test_sessions_of_one_job_run_in_shapes_of_their_own(network, run, assert_same_rows, batches):
    sessions = some_sessions(network)
    made = engine.plan_job(network, sessions)
    shapes = ["packed", "rules", "packed", "rules", "rules"]
    shaped = tuple(dataclasses.replace(p, shape=shape) for p, shape in zip(made.sessions, shapes, strict=True))
    made = dataclasses.replace(made, sessions=shaped, batches=batches)
    outcome = engine.run_job(network, sessions, made, publish=False)
    for session in sessions:
        assert_same_rows(outcome.results[session.session_id], run(session, network))


@pytest.mark.parametrize("shape", ["sparse", "packed", "rules"])
@pytest.mark.parametrize("batches", [1, 3, 17])
def test_sessions_of_one_job_equal_sessions_run_alone(network, run, assert_same_rows, shape, batches):
    sessions = [s for s in some_sessions(network) if shape == "rules" or not s.records("activations")]
    made = engine.plan_job(network, sessions)
    planned = tuple(dataclasses.replace(s, shape=shape) for s in made.sessions)
    made = dataclasses.replace(made, sessions=planned, batches=batches)
    outcome = engine.run_job(network, sessions, made, publish=False)
    for session in sessions:
        alone = run(session, network)
        assert_same_rows(outcome.results[session.session_id], alone)


@pytest.mark.parametrize("plan", ["broadcast", "reference"])
def test_sessions_of_one_job_are_published_together(network, run, assert_same_rows, plan):
    sessions = some_sessions(network)[3:] if plan == "reference" else some_sessions(network)
    assert jobs.unpublished(network.warehouse, sessions) == sessions
    outcome = engine.run_job(network, sessions, engine.plan_job(network, sessions, plan=plan))
    assert jobs.unpublished(network.warehouse, sessions) == sessions
    jobs.publish_job(outcome)
    assert jobs.unpublished(network.warehouse, sessions) == []
    assert kinds(network.warehouse)["sessions"] == 1
    files = Counter(file.table for manifest in network.warehouse.manifests() for file in manifest.files)
    for table in ("cascades", "propagation_metrics", "reach", "propagation_sessions"):
        assert files[table] == 1, f"one file of {table} per job, not per session"
    for session in sessions:
        loaded = load_result(network.warehouse, session.session_id)
        assert_same_rows(loaded, run(session, network))
    assert all(row["job_lanes"] == sum(s.replicates for s in sessions) for row in outcome.sessions)


def test_a_job_of_which_part_is_published_meanwhile_is_refused(network):
    sessions = some_sessions(network)
    outcome = engine.run_job(network, sessions, engine.plan_job(network, sessions))
    part = engine.run_job(network, sessions[:1], engine.plan_job(network, sessions[:1]))
    jobs.publish_job(part)
    with pytest.raises(CommitConflictError, match="other sessions of this job are not: run again"):
        jobs.publish_job(outcome)
    assert jobs.unpublished(network.warehouse, sessions) == sessions[1:]


# -- other clusters -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def processes():
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "memory_limit": 0}
    with LocalCluster(**options, dashboard_address="127.0.0.1:0") as cluster, Client(cluster) as client:
        yield client


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize(
    ("plan", "record"), [("broadcast", "contacts"), ("broadcast", "reach"), ("reference", "contacts")]
)
def test_a_users_own_cluster_gives_the_same_rows(publish_small, assert_same_rows, processes, plan, record):
    network = publish_small(numbered_network(6, 20, 60), partitions=2)
    fields = {"seed_set": [0, 3], "replicates": 90, "record": record, "max_rounds": 3}
    here = simulate(network, HALF, publish=False, **fields)
    there = simulate(network, HALF, plan=plan, client=processes, publish=False, **fields)
    assert_same_rows(there, here)
    published = simulate(network, HALF, plan=plan, client=processes, **fields)
    assert_same_rows(published, here)
    assert load_result(Warehouse(network.warehouse.url), published.session_id).recalled


# -- two runs of one session ----------------------------------------------------------------------------------------


def started(code, *arguments):
    """Start a Python process; it shares nothing with this one but files."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """Wait for a process; return what it wrote to stdout and stderr."""
    try:
        return process.communicate(timeout=PATIENCE)
    finally:
        process.kill()


SIMULATE_AT_A_SIGN = """
    import sys
    from data import Warehouse
    from propagation import simulate
    from propagation.clusters import own_client
    from propagation.models import IndependentCascade

    network = Warehouse(sys.argv[1]).network("network")
    own_client()
    print("ready", flush=True)
    sys.stdin.readline()
    result = simulate(network, IndependentCascade(probability=0.5), seed_set=[0], replicates=50, record="contacts",
                      max_rounds=4, plan=sys.argv[2])
    print(result.session_id, result.reach.mean, len(result.contacts.compute()))
"""


@pytest.mark.parametrize("plan", ["broadcast", "reference"])
def test_two_processes_that_run_one_session_leave_one_copy(network, assert_same_rows, plan):
    pair = [started(SIMULATE_AT_A_SIGN, network.warehouse.url, plan) for _ in range(2)]
    for process in pair:
        assert process.stdout.readline() == "ready\n"
    for process in pair:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [ended(process) for process in pair]
    assert [process.returncode for process in pair] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert answers[0][1] == answers[1][1] == "", "nothing but the answer is printed"
    fields = {"seed_set": [0], "replicates": 50, "record": "contacts", "max_rounds": 4}
    here = simulate(network, HALF, publish=False, **fields)
    assert answers[0][0].split() == [here.session_id, str(here.reach.mean), str(len(here.contacts))]
    assert kinds(network.warehouse)["sessions"] == 1
    for table in TABLES:
        assert network.warehouse.read(table).num_rows == here.table(table).num_rows
    assert_same_rows(load_result(network.warehouse, here.session_id), here)


def test_a_round_that_another_run_published_first_is_taken_as_it_is(network, monkeypatch, assert_same_rows):
    original = rounds._ReferenceRun._publish

    def second(*arguments):
        original(*arguments)
        original(*arguments)

    fields = {"seed_set": [0], "replicates": 20, "record": "activations", "max_rounds": 2}
    expected = simulate(network, HALF, publish=False, **fields)
    monkeypatch.setattr(rounds._ReferenceRun, "_publish", second)
    assert_same_rows(simulate(network, HALF, plan="reference", **fields), expected)
    assert kinds(network.warehouse) == {"network": 1, "round": 3, "sessions": 1}


# -- runs that are cut off ------------------------------------------------------------------------------------------

LADDER = [(i, i + step) for i in range(14) for step in (1, 2)]

SIMULATE_BY_REFERENCE = """
    import sys
    from data import Warehouse
    from propagation import simulate
    from propagation.models import IndependentCascade

    network = Warehouse(sys.argv[1]).network("network")
    simulate(network, IndependentCascade(probability=0.8), seed_set=[0], replicates=20, record=sys.argv[2],
             plan="reference")
"""


@pytest.mark.parametrize("record", ["activations", "contacts"])
def test_a_killed_reference_run_goes_on_from_its_published_rounds(publish, run, assert_same_rows, caplog, record):
    network = publish(LADDER, 16)
    session = resolve_session(network, IndependentCascade(probability=0.8), seed_set=[0], replicates=20, record=record)
    # 1. Kill -9 once a few rounds are there.
    process = started(SIMULATE_BY_REFERENCE, network.warehouse.url, record)
    try:
        while Warehouse(network.warehouse.url).find(f"frontier/{session.session_id}/3") is None:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    before = Warehouse(network.warehouse.url).manifests()
    assert kinds(network.warehouse)["sessions"] == 0
    rounds_before = kinds(network.warehouse)["round"]
    files_before = files_of(network.warehouse)
    # 2. The rest of it.
    fields = {"seed_set": [0], "replicates": 20, "record": record}
    with caplog.at_level("INFO", logger=rounds.__name__):
        resumed = simulate(network, IndependentCascade(probability=0.8), plan="reference", **fields)
    played = [entry.args[0] for entry in caplog.records if entry.name == rounds.__name__]
    # 3. What was published is as it was, and no round of it was written a second time.
    after = Warehouse(network.warehouse.url).manifests()
    assert after[: len(before)] == before
    assert files_of(network.warehouse).items() >= files_before.items()
    depth = resumed.cascades["depth"].max()
    assert depth + 2 > rounds_before >= 4
    # Contacts are not kept between runs, so those of the published rounds are found once more.
    assert played == list(range(1 if record == "contacts" else rounds_before, depth + 2))
    keys = [key for manifest in after if manifest.kind == "round" for key in manifest.keys]
    assert keys == [f"frontier/{session.session_id}/{number}" for number in range(depth + 2)]
    written = set(files_of(network.warehouse)) - set(files_before)
    round_files = [path for path in written if "/frontiers/" in path or "/lane_states/" in path]
    assert len(round_files) == sum(len(m.files) for m in after[len(before) :] if m.kind == "round")
    # 4. All rows equal those of runs that nobody cut off.
    assert_same_rows(resumed, run(session, network, plan="reference"))
    assert_same_rows(resumed, run(session, network))


CROWD = [(src, dst) for src in range(300) for dst in range(300) if src != dst]


@pytest.fixture(scope="module")
def crowd(publish):
    """A network on which a million replicates take minutes."""
    return publish(CROWD, 300)


@pytest.mark.parametrize("shape", ["sparse", "packed", "rules"])
def test_a_stop_flag_ends_a_long_batch(crowd, shape):
    session = resolve_session(
        crowd,
        IndependentCascade(probability=0.3),
        seed_set=[0],
        replicates=10**7,
        record="reach" if shape != "rules" else "rounds",
    )
    returned = []
    job = f"a job of {shape} lanes"
    spans = [Span(0, 0, 10**7)]

    def work():
        returned.append(run_batch(crowd, (session,), (shape,), spans, publish=False, job=job))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(1.0)
    assert thread.is_alive()
    request_stop(job)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert returned[0].spans == []
    assert returned[0].files == []
    assert returned[0].tables == {}
    # The flag stays set: batches that start later end at once.
    assert run_batch(crowd, (session,), (shape,), spans, publish=False, job=job).spans == []


def test_threads_that_ask_at_the_same_time_share_the_flag_of_a_job():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(500):
            flags, barrier = [], threading.Barrier(4)

            def ask(flags=flags, barrier=barrier, number=number):
                barrier.wait()
                flags.append(stop_flag(f"job {number}"))

            threads = [threading.Thread(target=ask) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len({id(flag) for flag in flags}) == 1
    finally:
        sys.setswitchinterval(interval)


def test_flags_of_different_jobs_are_different():
    request_stop("one job")
    assert stop_flag("one job").tolist() == [1]
    assert stop_flag("another job").tolist() == [0]
    assert stop_flag("one job").dtype == np.uint8


SIMULATE_UNTIL_INTERRUPTED = """
    import sys
    from data import Warehouse
    from data.errors import RunCancelledError
    from propagation import simulate
    from propagation.models import IndependentCascade

    def tell(what, done, total):
        if done:
            print(what, flush=True)

    network = Warehouse(sys.argv[1]).network("network")
    try:
        simulate(network, IndependentCascade(probability=float(sys.argv[2])), seed_set=[0], replicates=int(sys.argv[3]),
                 record=sys.argv[4], plan=sys.argv[5], progress=tell)
    except RunCancelledError as error:
        print(error)
        sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(
    ("plan", "record", "probability", "replicates"),
    [
        ("broadcast", "rounds", 0.3, 1_000_000),
        ("broadcast", "activations", 0.3, 1_000_000),
        ("reference", "contacts", 0.8, 20),
    ],
)
def test_an_interrupted_run_leaves_nothing_to_be_seen(publish, crowd, plan, record, probability, replicates):
    network = publish(LADDER, 16) if plan == "reference" else publish(CROWD, 300)
    process = started(SIMULATE_UNTIL_INTERRUPTED, network.warehouse.url, probability, replicates, record, plan)
    assert process.stdout.readline() == "simulating\n"
    process.send_signal(signal.SIGINT)
    output, errors = ended(process)
    kept = "its published rounds are kept in frontiers, and the next run resumes from them"
    left = kept if plan == "reference" else "nothing was published"
    assert output.splitlines()[-1] == f"the run was cancelled; {left}"
    assert errors == ""
    assert process.returncode == RunCancelledError.exit_code == 130
    assert kinds(network.warehouse)["sessions"] == 0
    for table in [*TABLES, "propagation_sessions"]:
        assert network.warehouse.read(table).num_rows == 0
    # What it staged is swept after the grace period, and not before.
    assert network.warehouse.sweep() == []
    network.warehouse.sweep(grace_seconds=0)
    left = {path.parent.name for path in (Path(network.warehouse.url) / "tables").rglob("*.parquet")}
    assert left <= {"current_networks", "networks", "network_agents", "network_edges", "frontiers", "lane_states"}


def test_a_plan_or_client_that_is_none_is_refused_though_the_session_is_there(network):
    simulate(network, HALF, seed_set=[0], replicates=2)
    for plan in ("fast", None, ["broadcast"]):
        with pytest.raises(InvalidInputError, match=r"no plan .*; plans are auto, broadcast, partitioned, reference"):
            simulate(network, HALF, seed_set=[0], replicates=2, plan=plan)
    with pytest.raises(InvalidInputError, match=r"client 'threads' is not a distributed\.Client; give one, or None"):
        simulate(network, HALF, seed_set=[0], replicates=2, client="threads")


@pytest.mark.parametrize("publish_it", [True, False])
def test_a_cluster_that_loses_its_workers_is_the_machines_fault(network, monkeypatch, publish_it):
    def lost(*_, **__):
        raise CommClosedError("in <TCP>\nclosed")

    monkeypatch.setattr(engine.broadcast, "run_broadcast", lost)
    with pytest.raises(ClusterLostError, match=r"lost its w.*: in <TCP>\); nothing was published") as told:
        simulate(network, HALF, seed_set=[0], replicates=2, publish=publish_it)
    assert told.value.exit_code == 1
    assert "\n" not in str(told.value)
    assert kinds(network.warehouse)["sessions"] == 0


def test_what_cannot_fit_is_refused_before_work_starts(network, monkeypatch):
    monkeypatch.setattr("propagation.planner.machine_memory", lambda: 10_000)
    before = files_of(network.warehouse)
    with pytest.raises(InsufficientMemoryError):
        simulate(network, HALF, seed_set=[0])
    assert files_of(network.warehouse) == before
