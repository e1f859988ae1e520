"""The life of a job: many sessions as one, chunks that are published, small jobs without Dask, and stop flags."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter

import pyarrow as pa
import pytest

from data import Warehouse
from data.errors import (
    CommitConflictError,
    InvalidInputError,
    RequirementGoneError,
    RunCancelledError,
    UnknownAgentError,
)
from data.warehouse.store import Store
from propagation import clusters, engine, jobs, simulate, simulate_many
from propagation.models import SIR, IndependentCascade, LinearThreshold
from propagation.published import differing_tables
from propagation.result import PublishedTables
from propagation.sessions import resolve_session
from tests.deadlines import PATIENCE
from tests.propagation.own_models import OwnCascade
from tests.reference.small_networks import numbered_network

HALF = IndependentCascade(probability=0.5)
ENDS_IN_TIME = PATIENCE
"""Seconds after which a process that should have ended long ago is taken for hanging."""


@pytest.fixture
def network(publish_small):
    return publish_small(numbered_network(5, 20, 60))


def publications(network):
    return Counter(manifest.kind for manifest in Warehouse(network.warehouse.url).publications("sessions"))["sessions"]


def chunked(monkeypatch, seconds=0.0):
    """Cut jobs into chunks of one session."""
    monkeypatch.setattr(jobs, "CHUNK_SECONDS", seconds)


# -- many sessions as one job ---------------------------------------------------------------------------------------


def test_many_sessions_have_the_rows_of_each_alone(network, assert_same_rows):
    asked = {f"seed {seed}": {"seed_set": [seed]} for seed in range(12)}
    asked |= {f"p {p}": {"model": IndependentCascade(probability=p), "seed_set": [1, 2]} for p in (0.0, 0.25, 1.0)}
    asked["recorded"] = {"seed_set": [3], "record": "contacts", "random_seed": 7, "replicates": 5}
    many = simulate_many(network, asked, model=HALF, replicates=30)
    assert publications(network) == 1
    assert list(many) == list(asked)
    frame = many.reach
    assert list(frame.columns) == ["session_id", "reach", "reach_standard_error", "replicates"]
    for name, fields in asked.items():
        alone = simulate(network, publish=False, **{"model": HALF, "replicates": 30, **fields})
        assert_same_rows(many[name], alone)
        row = frame.loc[name]
        assert (row["session_id"], row["reach"]) == (alone.session_id, alone.reach.mean)
        assert row["reach_standard_error"] == alone.reach.standard_error
    again = simulate_many(network, asked, model=HALF, replicates=30)
    assert publications(network) == 1
    assert again.reach.equals(frame)
    assert all(result.recalled for result in again.values())


@pytest.mark.parametrize(("known", "differing"), [([None] * 3, []), ([0, None, None], ["cascades"])])
def test_columns_that_an_older_version_did_not_publish_are_not_compared(network, monkeypatch, known, differing):
    session = resolve_session(network, HALF, seed_set=["0"], replicates=3)
    (result,) = engine.run_job(network, [session], engine.plan_job(network, [session]), publish=False).results.values()

    def published(_, table):
        rows = result.table(table)
        at = rows.column_names.index("half_round") if table == "cascades" else None
        return rows if at is None else rows.set_column(at, "half_round", pa.array(known, pa.int32()))

    monkeypatch.setattr(PublishedTables, "read", published)
    assert differing_tables(network.warehouse, {session.session_id: result}) == differing


def test_many_sessions_can_stay_in_memory(network, assert_same_rows):
    sessions = {str(seed): resolve_session(network, HALF, seed_set=[seed], replicates=1) for seed in range(3)}
    many = simulate_many(network, sessions, publish=False)
    assert publications(network) == 0
    assert many.reach["reach_standard_error"].isna().all()
    for seed in range(3):
        assert_same_rows(many[str(seed)], simulate(network, HALF, seed_set=[seed], replicates=1, publish=False))
    assert simulate_many(network, {}).reach.empty


def test_models_that_one_plan_cannot_run_make_several_jobs(network):
    asked = {
        "own": {"model": OwnCascade(), "replicates": 2, "max_rounds": 2},
        "sir": {"model": SIR(beta=0.3, gamma=0.5)},
        "threshold": {"model": LinearThreshold(weight="weighted_cascade")},
    }
    many = simulate_many(network, asked, seed_set=[0], replicates=4)
    assert publications(network) == 2
    plans = {name: result.session["plan"] for name, result in many.items()}
    assert plans == {"own": "reference", "sir": "broadcast", "threshold": "broadcast"}
    assert [many[name].session["job_lanes"] for name in asked] == [2, 8, 8]


def test_what_is_wrong_with_one_of_many_is_said_with_its_name(network, publish_small):
    with pytest.raises(UnknownAgentError, match=r"session 'b': agent '99' is not in network"):
        simulate_many(network, {"a": {"seed_set": [0]}, "b": {"seed_set": [99]}}, model=HALF)
    with pytest.raises(InvalidInputError, match=r"session 'a': model is missing; give it to the session, or to all"):
        simulate_many(network, {"a": {"seed_set": [0]}})
    with pytest.raises(InvalidInputError, match=r"a session has no 'replicate' \(did you mean 'replicates'\?\)"):
        simulate_many(network, {"a": {"seed_set": [0]}}, model=HALF, replicate=3)
    other = resolve_session(publish_small(numbered_network(6, 20, 60)), HALF, seed_set=[0], replicates=2)
    with pytest.raises(InvalidInputError, match=r"session 'a' is of another network"):
        simulate_many(network, {"a": other})


# -- chunks ---------------------------------------------------------------------------------------------------------


class StopAfter:
    """A stop flag that is set once so many sessions are published."""

    def __init__(self, network, sessions):
        self.network, self.sessions = network, sessions

    def is_set(self):
        return publications(self.network) >= self.sessions


def test_a_sweep_that_is_stopped_keeps_what_was_finished_and_is_resumed(network, monkeypatch, assert_same_rows):
    chunked(monkeypatch)
    asked = {str(seed): {"seed_set": [seed]} for seed in range(9)}
    told = r"the run was cancelled; 4 sessions are published; running it again computes the others"
    with pytest.raises(RunCancelledError, match=told):
        simulate_many(network, asked, model=HALF, replicates=20, stop=StopAfter(network, 4))
    assert publications(network) == 4
    computed = []
    run_job = engine.run_job
    monkeypatch.setattr(engine, "run_job", lambda *a, **k: computed.append(a[1]) or run_job(*a, **k))
    many = simulate_many(network, asked, model=HALF, replicates=20)
    assert [session.seed_agents for (session,) in computed] == [(str(seed),) for seed in range(4, 9)]
    for name, result in many.items():
        alone = simulate(network, HALF, seed_set=[int(name)], replicates=20, publish=False)
        assert_same_rows(result, alone)


def test_progress_counts_the_lanes_of_all_chunks(network, monkeypatch):
    chunked(monkeypatch)
    heard = []
    asked = {str(seed): {"seed_set": [seed], "replicates": seed + 1} for seed in range(5)}
    simulate_many(network, asked, model=HALF, progress=lambda *progress: heard.append(progress))
    assert heard[0] == ("simulating", 0, 15)
    assert heard[-1] == ("simulating", 15, 15)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


def test_chunks_follow_the_time_that_the_ones_before_took(network, monkeypatch):
    sessions = [resolve_session(network, HALF, seed_set=[seed], replicates=10) for seed in range(20)]
    chunks = jobs._Chunks(network, sessions, jobs.Execution(), publish=True)
    assert chunks._end_of_chunk(0) == 20
    chunks.seconds[:] = 10.0
    assert chunks._end_of_chunk(0) == 3
    chunks.slowness = 0.5
    assert chunks._end_of_chunk(2) == 8
    assert chunks._end_of_chunk(12) == 20  # what is left takes 40 s
    part = chunks._part_of_plan(2, 12)
    assert (part.lanes, len(part.sessions)) == (100, 10)
    assert part.estimated_seconds == pytest.approx(chunks.plan.estimated_seconds / 2)


def test_sessions_that_another_run_publishes_meanwhile_are_not_published_twice(network, monkeypatch):
    asked = {str(seed): {"seed_set": [seed]} for seed in range(6)}
    run_job, others = engine.run_job, []

    def outrun(*arguments, **options):
        outcome = run_job(*arguments, **options)
        if not others:  # somebody else publishes one of them first
            others.append(arguments[1][2])
            jobs.run_sessions(network, others)
        return outcome

    monkeypatch.setattr(engine, "run_job", outrun)
    many = simulate_many(network, asked, model=HALF, replicates=5)
    assert publications(network) == 2
    assert network.warehouse.read("propagation_sessions").num_rows == 6
    assert len(many.reach) == 6


def test_a_finished_chunk_is_published_anew_where_other_writers_were_faster(network, monkeypatch):
    commit, attempts = Store.commit, []

    def outrun_once(self, kind, *arguments, **options):
        attempts.append(kind)
        if len(attempts) == 1:
            raise CommitConflictError("50 other publications came first")
        return commit(self, kind, *arguments, **options)

    monkeypatch.setattr(Store, "commit", outrun_once)
    run_job = engine.run_job
    runs = []
    monkeypatch.setattr(engine, "run_job", lambda *a, **k: runs.append(a) or run_job(*a, **k))
    simulate(network, HALF, seed_set=[0], replicates=5)
    assert attempts == ["sessions", "sessions"]
    assert len(runs) == 1, "it is not computed again"


def test_a_network_that_is_gone_at_the_end_is_told(network, monkeypatch):
    run_job = engine.run_job

    def gone_afterwards(*arguments, **options):
        outcome = run_job(*arguments, **options)
        monkeypatch.setattr(type(network), "key", "network/gone/1")
        return outcome

    monkeypatch.setattr(engine, "run_job", gone_afterwards)
    with pytest.raises(RequirementGoneError, match="network/gone/1 is not in warehouse"):
        simulate(network, HALF, seed_set=[0], replicates=5, record="reach")
    assert publications(network) == 0
    assert network.warehouse.read("reach").num_rows == 0


# -- small jobs -----------------------------------------------------------------------------------------------------

SMALL_JOB = """
    import json, sys
    from data import Warehouse
    from propagation import clusters, simulate
    from propagation.models import IndependentCascade

    network = Warehouse(sys.argv[1]).network("network")
    fields = {"seed_set": [0], "replicates": 50, "max_rounds": 3}
    results = [simulate(network, IndependentCascade(probability=0.5), publish=p, **fields) for p in (False, True)]
    alone = len(clusters._own), "distributed.client" in sys.modules
    client = clusters.own_client()
    results.append(simulate(network, IndependentCascade(probability=0.5), publish=False, client=client, **fields))
    print(json.dumps([*alone, *(result.session["estimated_seconds"] for result in results)]))
"""


def ended(process):
    """Wait for a process; return what it wrote to stdout and stderr."""
    try:
        return process.communicate(timeout=ENDS_IN_TIME)
    finally:
        process.kill()


def started(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_small_job_makes_no_cluster(network):
    output, errors = ended(started(SMALL_JOB, network.warehouse.url))
    assert errors == ""
    clusters_made, imported, *estimates = json.loads(output)
    assert (clusters_made, imported) == (0, False)
    assert estimates[0] == estimates[1] < estimates[2]


def test_a_client_that_is_given_is_used_however_small_the_job(network):
    session = resolve_session(network, HALF, seed_set=[0], replicates=5)
    assert engine.plan_job(network, [session]).in_process
    assert not engine.plan_job(network, [session], client=clusters.own_client()).in_process
    long = resolve_session(network, HALF, seed_set=[0], replicates=10**6)
    assert not engine.plan_job(network, [long]).in_process


# -- stop flags -----------------------------------------------------------------------------------------------------

CROWD = [(src, dst) for src in range(300) for dst in range(300) if src != dst]
LONG = {"seed_set": [0], "replicates": 10**7}


@pytest.fixture(scope="module")
def crowd(publish):
    """A network on which ten million replicates take minutes."""
    return publish(CROWD, 300)


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize("publishing", [False, True])
def test_a_stop_flag_ends_a_run_in_another_thread(crowd, in_process, publishing, monkeypatch):
    if in_process:  # as if the estimate had been wrong
        monkeypatch.setattr("propagation.planner.IN_PROCESS_SECONDS", 1e9)
    stop, told = threading.Event(), []

    def run():
        try:
            simulate(crowd, IndependentCascade(probability=0.3), stop=stop, publish=publishing, **LONG)
        except RunCancelledError as error:
            told.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1.0)
    assert thread.is_alive()
    stop.set()
    thread.join(ENDS_IN_TIME)
    assert told == ["the run was cancelled; nothing was published"]
    assert publications(crowd) == 0


@pytest.mark.parametrize("plan", ["partitioned", "reference"])
def test_every_plan_looks_at_the_stop_flag(crowd, plan):
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    started_at = time.monotonic()
    fields = {**LONG, "replicates": 200_000 if plan == "partitioned" else 400}
    with pytest.raises(RunCancelledError, match="nothing was published"):
        simulate(crowd, SIR(beta=0.001, gamma=0.001), stop=stop, publish=False, plan=plan, **fields)
    assert time.monotonic() - started_at < ENDS_IN_TIME


UNTIL_A_SIGNAL = """
    import sys
    from data import Warehouse
    from data.errors import RunCancelledError
    from propagation import planner, simulate
    from propagation.models import IndependentCascade

    planner.IN_PROCESS_SECONDS = float(sys.argv[2])
    network = Warehouse(sys.argv[1]).network("network")

    def tell(*_):
        print("simulating", flush=True)

    try:
        simulate(network, IndependentCascade(probability=0.3), seed_set=[0], replicates=10**7, progress=tell)
    except RunCancelledError as error:
        print(error)
        sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("in_process_seconds", [0.0, 1e9])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run(crowd, number, in_process_seconds):
    process = started(UNTIL_A_SIGNAL, crowd.warehouse.url, in_process_seconds)
    assert process.stdout.readline() == "simulating\n"
    time.sleep(1.0)
    os.kill(process.pid, number)
    output, errors = ended(process)
    assert output.splitlines()[-1] == "the run was cancelled; nothing was published"
    assert errors == ""
    assert process.returncode == 130


def test_sigterm_is_left_to_those_who_listen_to_it(network):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("own"))
    try:
        simulate(network, HALF, seed_set=[0], replicates=2, progress=lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "own" in heard
    assert signal.getsignal(signal.SIGTERM) == before
