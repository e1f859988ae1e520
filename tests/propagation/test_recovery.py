"""What a partitioned run survives: workers, schedulers and clients that die, a full disk, and Ctrl-C."""

import contextlib
import dataclasses
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from data import Warehouse
from data.errors import ClusterLostError, ClusterUnreachableError, RunCancelledError, WarehouseFullError
from propagation import clusters, engine, jobs, planner, simulate
from propagation.clusters import ClusterProfile, connect
from propagation.models import SIR, IndependentCascade, LinearThreshold, MakiThompson
from propagation.plans.partitioned import checkpoints
from propagation.plans.partitioned import plan as partitioned
from propagation.published import load_result
from propagation.sessions import resolve_session
from tests.deadlines import PATIENCE
from tests.shell_clusters import free_port, shell_cluster

LADDER = [(i, i + step) for i in range(60) for step in (1, 2)]
MODELS = [
    IndependentCascade(probability=0.8),
    SIR(beta=0.5, gamma=0.2),
    LinearThreshold(weight="weighted_cascade"),
    MakiThompson(spreading=0.8, stifling=0.1),
]
TABLES = ["cascades", "propagation_metrics", "reach", "activations", "propagation_events", "propagation_sessions"]


@pytest.fixture(scope="module")
def ladder(publish):
    return publish(LADDER, 62, partitions=3)


@pytest.fixture
def short_chunks(monkeypatch):
    for name in ("FIRST_CHUNK", "LARGEST_CHUNK", "LONGEST_TASK"):
        monkeypatch.setattr(partitioned, name, 2)


def checkpoint_rounds(warehouse):
    """Return the rounds after which a warehouse has checkpoints."""
    found = [manifest for manifest in Warehouse(warehouse.url).manifests() if manifest.kind == "checkpoint"]
    return [manifest.properties["round"] for manifest in found]


def assert_nothing_is_seen(warehouse):
    for table in TABLES:
        assert Warehouse(warehouse.url).read(table).num_rows == 0, table


# -- workers --------------------------------------------------------------------------------------------------------


class Killer(threading.Thread):
    """Kills random workers at random moments until it is told to stop."""

    def __init__(self, nannies, seed, most):
        super().__init__(daemon=True)
        self.nannies, self.most, self.random = nannies, most, random.Random(seed)
        self.over, self.kills = threading.Event(), 0

    def run(self):
        from distributed.core import Status

        while self.kills < self.most and not self.over.wait(self.random.uniform(0.05, 0.6)):
            # One that is killed while it starts is not started again by its nanny.
            pids = [n.pid for n in self.nannies if n.process is not None and n.process.status == Status.running]
            if pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.random.choice(pids), signal.SIGKILL)
                    self.kills += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@pytest.mark.xdist_group("processes")
@pytest.mark.usefixtures("short_chunks")
def test_killed_workers_are_not_seen_in_the_rows(publish, run, assert_same_rows, monkeypatch):
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0.3)
    monkeypatch.setattr(clusters, "LOOK_SECONDS", 0.2)
    network = publish(LADDER, 62, partitions=3)
    kills, numbers = 0, itertools.count()
    with connect(ClusterProfile(kind="processes", workers=3)) as client:
        while kills < 6:
            number = next(numbers)
            assert number < 40, "runs end before anybody is killed"
            fields = {"seed_set": [0, 30], "replicates": 30, "record": "contacts", "random_seed": number}
            session = resolve_session(network, MODELS[number % len(MODELS)], **fields)
            publish_it = number % 3 > 0
            with Killer(list(client.cluster.workers.values()), number, 3) as killer:
                found = simulate(
                    network, session.model, plan="partitioned", client=client, publish=publish_it, **fields
                )
            kills += killer.kills
            assert_same_rows(found, run(session, network))
            clusters.wait_for_workers(client, lambda: None)


@pytest.mark.xdist_group("processes")
@pytest.mark.usefixtures("short_chunks")
def test_all_waves_of_a_killed_worker_go_on_from_their_checkpoints(publish, run, assert_same_rows, monkeypatch, caplog):
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(clusters, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(planner, "SHORT_JOB_SECONDS", 0)
    network = publish(LADDER, 62, partitions=3)
    fields = {"seed_set": [0, 30], "replicates": 30, "record": "contacts"}
    with connect(ClusterProfile(kind="processes", workers=1, threads_per_worker=2)) as client:
        (nanny,) = client.cluster.workers.values()
        original, saved = partitioned._WaveRun._checkpoint, set()

        def then_killed(self):
            original(self)
            if None not in saved:
                saved.add(self.wave.title)
                if saved == {"wave 1 of 2: ", "wave 2 of 2: "}:
                    saved.add(None)
                    os.kill(nanny.pid, signal.SIGKILL)

        monkeypatch.setattr(partitioned._WaveRun, "_checkpoint", then_killed)
        with caplog.at_level("WARNING", logger=partitioned.__name__):
            found = simulate(network, MODELS[3], plan="partitioned", client=client, **fields)
    told = {
        record.getMessage().partition("the run resumes from the checkpoint after round ")[0]
        for record in caplog.records
        if record.name == partitioned.__name__
    }
    assert told == {"wave 1 of 2: ", "wave 2 of 2: "}
    assert_same_rows(found, run(resolve_session(network, MODELS[3], **fields), network))


@pytest.mark.parametrize("publish_it", [False, True])
@pytest.mark.usefixtures("short_chunks")
def test_a_run_whose_workers_die_again_and_again_ends_with_a_message(ladder, monkeypatch, publish_it):
    begun = []

    def lost(*_):
        begun.append(1)
        raise clusters.WorkersLostError("lost tcp://127.0.0.1:1")

    monkeypatch.setattr(clusters, "wait_for", lost)
    with pytest.raises(ClusterLostError, match="lost its workers 6 times while the run made no progress") as told:
        simulate(ladder, MODELS[0], seed_set=[0], replicates=3, plan="partitioned", publish=publish_it)
    assert "WorkersLostError: lost tcp://127.0.0.1:1" in str(told.value)
    assert "starts over when it is run again" in str(told.value)
    assert len(begun) == partitioned.ATTEMPTS + 1


@pytest.mark.usefixtures("short_chunks")
def test_a_run_that_gets_on_may_lose_workers_as_often_as_it_likes(publish, run, assert_same_rows, monkeypatch, caplog):
    network = publish(LADDER, 62, partitions=2)
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    original = partitioned._WaveRun._checkpoint

    def then_lost(self):
        original(self)
        raise clusters.WorkersLostError("lost tcp://127.0.0.1:1")

    monkeypatch.setattr(partitioned._WaveRun, "_checkpoint", then_lost)
    fields = {"seed_set": [0], "replicates": 5, "record": "contacts"}
    with caplog.at_level("WARNING", logger=partitioned.__name__):
        found = simulate(network, MODELS[0], plan="partitioned", **fields)
    assert len(caplog.records) == len(checkpoint_rounds(network.warehouse)) > 2 * partitioned.ATTEMPTS
    assert caplog.messages[0] == (
        "the run resumes from the checkpoint after round 2: WorkersLostError: lost tcp://127.0.0.1:1"
    )
    assert_same_rows(found, run(resolve_session(network, MODELS[0], **fields), network))


@pytest.mark.usefixtures("short_chunks")
def test_a_long_run_lets_the_scheduler_forget_its_tasks(publish, run, assert_same_rows, monkeypatch, caplog):
    network = publish(LADDER, 62, partitions=2)
    monkeypatch.setattr(partitioned, "MOST_TASKS", 4)
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", float("inf"))  # where kernels are compiled, time passes
    fields = {"seed_set": [0], "replicates": 5, "record": "contacts"}
    with caplog.at_level("INFO", logger=partitioned.__name__):
        found = simulate(network, MODELS[0], plan="partitioned", **fields)
    assert (
        caplog.messages.count("restarting from the checkpoint to release finished tasks")
        == len(checkpoint_rounds(network.warehouse))
        >= 2
    )
    assert_same_rows(found, run(resolve_session(network, MODELS[0], **fields), network))


def test_without_workers_a_run_waits_for_a_while_only(ladder, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(clusters, "WORKERS_SECONDS", 1)
    monkeypatch.setattr(clusters, "LOOK_SECONDS", 0.1)
    options = {"n_workers": 0, "processes": False, "dashboard_address": None}
    with (
        LocalCluster(**options, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}) as cluster,
        Client(cluster, set_as_default=False) as client,
        pytest.raises(ClusterLostError, match=r"has had no worker for 1 s; start some with `dask worker`"),
    ):
        simulate(ladder, MODELS[0], seed_set=[0], replicates=3, plan="partitioned", client=client, publish=False)


# -- processes of their own -----------------------------------------------------------------------------------------

SIMULATE = """
    import logging, resource, sys
    from data import Warehouse
    from data.errors import RumormillError
    from propagation import clusters, planner, simulate
    from propagation.clusters import ClusterProfile, connect
    from propagation.models import IndependentCascade
    from propagation.plans.partitioned import plan as partitioned

    def tell_of_dropped_interrupts(unraisable):
        # Python drops an interrupt that comes while an object is finalised: who waits presses again.
        if unraisable.exc_type is KeyboardInterrupt:
            print("interrupt dropped", flush=True)
        else:
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = tell_of_dropped_interrupts

    def main(url, plan, address, chunk, limit, probability, replicates, short_job):
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        logging.getLogger("propagation").setLevel(logging.INFO)
        clusters.CONNECT_SECONDS = 5
        planner.SHORT_JOB_SECONDS = float(short_job)
        partitioned.CHECKPOINT_SECONDS = 0
        partitioned.FIRST_CHUNK = partitioned.LARGEST_CHUNK = partitioned.LONGEST_TASK = int(chunk)
        profile = ClusterProfile(kind="address", address=address) if address else None

        def tell(what, done, total):
            if int(limit):
                resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit),) * 2)

        try:
            with connect(profile) as client:
                simulate(Warehouse(url).network("network"), IndependentCascade(probability=float(probability)),
                         seed_set=[0], replicates=int(replicates), record="contacts", plan=plan, client=client,
                         progress=tell)
        except RumormillError as error:
            print(type(error).__name__, error, flush=True)
            sys.exit(error.exit_code)

    if __name__ == "__main__":
        main(*sys.argv[1:])
"""


@contextlib.contextmanager
def simulating(network, plan="partitioned", **options):
    """Give a process that simulates a session, and what it says."""
    known = {"address": "", "chunk": 1, "limit": 0, "probability": 0.8, "replicates": 20, "short_job": 9}
    assert options.keys() <= known.keys()
    arguments = [network.warehouse.url, plan, *(known | options).values()]
    command = [sys.executable, "-c", textwrap.dedent(SIMULATE), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process, pattern):
    """Wait until a process says something; return the match."""
    for line in process.stdout:
        if found := re.match(pattern, line):
            return found
    raise AssertionError(f"never said {pattern}: {process.communicate()}")


def checkpoint_after(process, number):
    while int(says(process, r"checkpoint after round (\d+)")[1]) < number:
        pass


def goes_on_and_equals(network, run, assert_same_rows, caplog, before, **options):
    """Run again what was cut off; it begins at the last checkpoint, and its rows are those of a run that was not."""
    fields = {"seed_set": [0], "replicates": 20, "record": "contacts"}
    model = IndependentCascade(probability=options.pop("probability", 0.8))
    with caplog.at_level("INFO", logger=partitioned.__name__):
        resumed = simulate(network, model, plan="partitioned", **fields, **options)
    assert not resumed.recalled
    assert f"resuming from the checkpoint after round {max(before)}" in caplog.messages
    after = checkpoint_rounds(network.warehouse)
    assert after[: len(before)] == before
    assert sorted(set(after)) == after, "no checkpoint is made twice"
    session = resolve_session(network, model, **fields)
    assert_same_rows(resumed, run(session, network))
    loaded = load_result(Warehouse(network.warehouse.url), session.session_id)
    assert_same_rows(loaded, resumed)
    assert network.warehouse.verify() == []
    return resumed


def test_a_killed_client_leaves_checkpoints_to_go_on_from(publish, run, assert_same_rows, caplog):
    network = publish(LADDER, 62, partitions=3)
    with simulating(network) as process:
        checkpoint_after(process, 6)
        process.kill()
        process.wait()
    before = checkpoint_rounds(network.warehouse)
    assert max(before) >= 6
    assert_nothing_is_seen(network.warehouse)
    goes_on_and_equals(network, run, assert_same_rows, caplog, before)


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("record", ["rounds", "reach"])
@pytest.mark.parametrize("stops_at", [1, 4])
def test_thresholds_go_on_in_other_partitions(publish, run, assert_same_rows, monkeypatch, caplog, record, stops_at):
    network = publish(LADDER, 62, partitions=3)
    session = resolve_session(network, MODELS[2], seed_set=[0, 30], replicates=7, record=record)
    made = dataclasses.replace(engine.plan_job(network, [session], plan="partitioned"), partitions=3)
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    original, numbers = partitioned._WaveRun._checkpoint, itertools.count(1)

    def and_stop(self):
        original(self)
        if next(numbers) == stops_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(partitioned._WaveRun, "_checkpoint", and_stop)
        with pytest.raises(RunCancelledError):
            engine.run_job(network, [session], made)
    assert max(checkpoint_rounds(network.warehouse)) == 2 * stops_at
    with caplog.at_level("INFO", logger=partitioned.__name__):
        outcome = engine.run_job(network, [session], dataclasses.replace(made, partitions=2))
    assert caplog.messages[0] == f"resuming from the checkpoint after round {2 * stops_at}"
    jobs.publish_job(outcome)
    assert_same_rows(load_result(network.warehouse, session.session_id), run(session, network))


def test_a_disk_that_is_full_at_a_checkpoint_is_told(publish, run, assert_same_rows, caplog):
    network = publish([(0, i) for i in range(1, 400)] + [(i, 400 + i) for i in range(1, 400)], 800, partitions=2)
    with simulating(network, chunk=1, limit=6_000) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    told = output.splitlines()[-1]
    assert told.startswith("WarehouseFullError "), output + errors
    assert errors == ""
    assert process.returncode == WarehouseFullError.exit_code
    assert checkpoint_rounds(network.warehouse) == []
    assert_nothing_is_seen(network.warehouse)
    fields = {"seed_set": [0], "replicates": 20, "record": "contacts"}
    model = IndependentCascade(probability=0.8)
    again = simulate(network, model, plan="partitioned", **fields)
    assert_same_rows(again, run(resolve_session(network, model, **fields), network))


def interrupt(process):
    """Press Ctrl-C, again where Python drops it and the run goes on; return what the run says of it."""
    while True:
        process.send_signal(signal.SIGINT)
        if cancelled := says(process, r"RunCancelledError (.*)|interrupt dropped")[1]:
            return cancelled
        says(process, r"(wave \d of \d: )?rounds up to")


def test_an_interrupted_run_stops_before_its_end_and_goes_on_later(publish, run, assert_same_rows, caplog):
    network = publish(LADDER, 62, partitions=3)
    with simulating(network, chunk=1) as process:
        checkpoint_after(process, 4)
        told = interrupt(process)
        _, errors = process.communicate(timeout=PATIENCE)
    assert told == "the run was cancelled; the next run resumes from the last checkpoint, if there is one"
    assert errors == ""
    assert process.returncode == RunCancelledError.exit_code == 130
    assert_nothing_is_seen(network.warehouse)
    before = checkpoint_rounds(network.warehouse)
    resumed = goes_on_and_equals(network, run, assert_same_rows, caplog, before)
    assert resumed.cascades["rounds"].max() > max(before) + 8, "it stopped in the middle of its work"


def test_an_interrupted_run_stops_all_its_waves_and_each_goes_on_later(publish, run, assert_same_rows, caplog):
    network = publish(LADDER, 62, partitions=3)
    with simulating(network, short_job=0) as process:
        for wave in (1, 2):
            says(process, f"wave {wave} of 2: checkpoint after round")
        told = interrupt(process)
        assert process.wait(timeout=PATIENCE) == RunCancelledError.exit_code
    assert told.startswith("the run was cancelled; the next run resumes from the last checkpoint")
    assert_nothing_is_seen(network.warehouse)
    assert len(checkpoints.saved_lanes(network.warehouse)) == 2
    fields = {"seed_set": [0], "replicates": 20, "record": "contacts"}
    with caplog.at_level("INFO", logger=partitioned.__name__):
        resumed = simulate(network, MODELS[0], plan="partitioned", **fields)
    assert len([message for message in caplog.messages if "resuming from the checkpoint" in message]) == 2
    assert_same_rows(resumed, run(resolve_session(network, MODELS[0], **fields), network))


# -- a scheduler and workers from the shell -------------------------------------------------------------------------


@contextlib.contextmanager
def connected(port):
    profile = ClusterProfile(kind="address", address=f"tcp://127.0.0.1:{port}")
    with contextlib.ExitStack() as stack:
        for _ in range(6):  # a scheduler of a busy machine may need more than one attempt's patience
            with contextlib.suppress(ClusterUnreachableError):
                client = stack.enter_context(connect(profile))
                break
        else:
            pytest.fail("no scheduler answers")
        client.wait_for_workers(2, timeout=PATIENCE)
        yield client


@pytest.mark.xdist_group("processes")
def test_a_scheduler_that_dies_ends_the_run_and_the_next_goes_on(publish, run, assert_same_rows, caplog, tmp_path):
    network = publish(LADDER, 62, partitions=3)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    # 1. Rows of both plans on that cluster, then the death of its scheduler in the middle of a third run.
    with shell_cluster(port, tmp_path) as (scheduler, *_):
        with connected(port) as client:
            fields = {"seed_set": [0, 30], "replicates": 50, "record": "contacts"}
            here = run(resolve_session(network, MODELS[3], **fields), network)
            for plan in ("broadcast", "partitioned"):
                there = simulate(network, MODELS[3], plan=plan, client=client, publish=False, **fields)
                assert_same_rows(there, here)
        with simulating(network, address=address) as process:
            checkpoint_after(process, 6)
            scheduler.kill()
            output, errors = process.communicate(timeout=PATIENCE)
    told = output.splitlines()[-1]
    assert told.startswith(f"ClusterLostError the Dask scheduler at {address} went away"), output + errors
    before = checkpoint_rounds(network.warehouse)
    assert told.endswith(f"run again; the run then resumes from the checkpoint after round {max(before)}")
    assert errors == ""
    assert process.returncode == ClusterLostError.exit_code == 1
    assert_nothing_is_seen(network.warehouse)
    # 2. A new scheduler, new workers.
    with shell_cluster(port, tmp_path), connected(port) as client:
        goes_on_and_equals(network, run, assert_same_rows, caplog, before, client=client)


@pytest.mark.usefixtures("short_chunks")
def test_a_checkpoint_of_another_run_of_the_session_is_taken_as_it_is(publish, run, assert_same_rows, monkeypatch):
    network = publish(LADDER, 62, partitions=2)
    monkeypatch.setattr(partitioned, "CHECKPOINT_SECONDS", 0)
    original, twice = checkpoints.commit, []

    def second(*arguments):
        original(*arguments)
        twice.append(original(*arguments))

    monkeypatch.setattr(checkpoints, "commit", second)
    fields = {"seed_set": [0], "replicates": 5, "record": "reach"}
    found = simulate(network, MODELS[1], plan="partitioned", **fields)
    rounds = checkpoint_rounds(network.warehouse)
    assert len(twice) == len(rounds) == len(set(rounds)) > 3
    assert_same_rows(found, run(resolve_session(network, MODELS[1], **fields), network))
