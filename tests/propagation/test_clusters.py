"""Clusters: what they listen on, and what a profile may say."""

import os
import signal
import time

import dask
import psutil
import pytest
from pydantic import ValidationError

from data.errors import ClusterUnreachableError
from propagation.clusters import ClusterProfile, connect, own_client, thread_count, worker_addresses
from tests.deadlines import PATIENCE


def listening_addresses(process):
    return {c.laddr.ip for c in process.net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN}


def test_the_own_cluster_is_kept_for_the_life_of_the_process():
    assert own_client() is own_client()
    with connect() as client:
        assert client is own_client()
    with connect(ClusterProfile()) as client:
        assert client is own_client()
    assert own_client().status == "running"


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("dashboard", [False, True])
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_clusters_listen_on_loopback_only(kind, dashboard, recwarn):
    this = psutil.Process()
    with connect(ClusterProfile(kind=kind, workers=1, threads_per_worker=1, dashboard=dashboard)) as client:
        assert thread_count(client) == 1
        assert client.submit(sum, [1, 2]).result() == 3
        for process in [this, *this.children(recursive=True)]:
            assert listening_addresses(process) <= {"127.0.0.1"}
    assert not [warning for warning in recwarn if "already in use" in str(warning.message)]


def test_two_clusters_do_not_quarrel_about_a_port(recwarn):
    profile = ClusterProfile(kind="threads", workers=1, threads_per_worker=1)
    with connect(profile) as one, connect(profile) as other:
        assert one.submit(sum, [1]).result() == other.submit(sum, [1]).result()
    assert not [warning for warning in recwarn if "already in use" in str(warning.message)]


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_no_profiler_looks_at_threads_that_begin_and_end(kind):
    with connect(ClusterProfile(kind=kind, workers=1, threads_per_worker=1)) as client:
        (callbacks,) = client.run(lambda dask_worker: list(dask_worker.periodic_callbacks)).values()
    assert "heartbeat" in callbacks
    assert "profile" not in callbacks


@pytest.mark.xdist_group("processes")
def test_a_worker_that_is_slow_to_return_is_not_given_up():
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}),
        connect(ClusterProfile(kind="processes", workers=1)) as client,
    ):
        (nanny,) = client.cluster.workers.values()
        before = nanny.worker_address
        os.kill(nanny.pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while not worker_addresses(client) - {before}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert list(client.cluster.workers.values()) == [nanny]
        assert client.submit(sum, [1, 2]).result() == 3


@pytest.mark.parametrize(("workers", "threads"), [(1, 1), (1, 3), (2, 2)])
def test_a_profile_says_how_many_tasks_run_at_once(workers, threads):
    with connect(ClusterProfile(kind="threads", workers=workers, threads_per_worker=threads)) as client:
        assert thread_count(client) == workers * threads


def test_a_scheduler_that_does_not_answer_is_told_with_its_address(monkeypatch):
    monkeypatch.setattr("propagation.clusters.CONNECT_SECONDS", 1)
    profile = ClusterProfile(kind="address", address="tcp://127.0.0.1:9")
    with (
        pytest.raises(ClusterUnreachableError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:9' within 1 s"),
        connect(profile),
    ):
        pass


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "address"}, "address must be given for kind 'address', and only for it"),
        ({"kind": "threads", "address": "tcp://127.0.0.1:8786"}, "address must be given for kind 'address'"),
        ({"kind": "kubernetes"}, "kind"),
        ({"workers": 0}, "workers"),
        ({"threads": 2}, "Extra inputs are not permitted"),
    ],
    ids=str,
)
def test_a_profile_that_breaks_a_rule_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        ClusterProfile(**fields)
