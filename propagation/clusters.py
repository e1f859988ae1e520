"""Dask clusters: the only module that creates clusters or connects to them.

Without a cluster profile, work runs on one in-process cluster of threads that lives as long as the process. Starting it
takes about 30 ms, and compiled kernels release the GIL. Nothing listens beyond loopback.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from data.errors import ClusterLostError, ClusterUnreachableError
from data.validation import UserInput
from propagation.processes import REMEDY, check_worker_processes

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

    from propagation.own_threads import OwnThreads

CONNECT_SECONDS = 10
WORKERS_SECONDS = 60
"""Time that a run waits for new workers when it has lost all of them."""
LOOK_SECONDS = 1.0
"""Interval at which a waiting run checks that its workers are still there."""
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 10,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.comm.retry.count": 3,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}
"""The memory manager is off, because it counts mapped arrays once per worker although processes share them. So is the
profiler, because it calls `sys._current_frames` a hundred times per second, which can deadlock with garbage collection
while another thread starts or ends (seen in Python 3.11.7)."""
_WHILE_OPEN = {"distributed.deploy.lost-worker-timeout": "1 day"}
"""Dask reads this setting each time a worker is lost. If the worker is missing again so many seconds later (15 by
default), perhaps only because it has been killed a second time, Dask gives it up for good instead of restarting it."""

_own: "list[Client]" = []
_own_lock = threading.Lock()
_inherited: "weakref.WeakSet[Client]" = weakref.WeakSet()
"""Clients that were made before this process was forked from another: none of the threads they need came along."""


class ClusterProfile(UserInput):
    """Where the tasks of a run execute."""

    kind: Literal["threads", "processes", "address"] = "threads"
    """In-process threads, processes on this machine, or an existing scheduler."""
    workers: int | None = Field(default=None, ge=1)
    """Worker processes; default: one per core (``processes``)."""
    threads_per_worker: int | None = Field(default=None, ge=1)
    """Threads of each worker; default: one per core (``threads``), 1 (``processes``)."""
    address: str | None = None
    """Address of the scheduler, such as ``tcp://127.0.0.1:8786`` (``address``)."""
    dashboard: bool = False
    """Serve the Dask dashboard on a free port of 127.0.0.1 (``threads``, ``processes``)."""

    @model_validator(mode="after")
    def _address_fits_kind(self) -> "ClusterProfile":
        if (self.address is not None) != (self.kind == "address"):
            raise ValueError("address must be given for kind 'address', and only for it")
        return self


@contextlib.contextmanager
def connect(profile: ClusterProfile | None = None) -> "Iterator[Client]":
    """Connect to the cluster of a profile for the duration of a ``with`` block, and yield its client.

    Raises
    ------
    ClusterUnreachableError
        If the scheduler named by the profile does not answer.
    """
    if profile is None or profile == ClusterProfile():
        yield own_client()
        return
    with _opened(profile) as client:
        yield client


@contextlib.contextmanager
def _opened(profile: ClusterProfile) -> "Iterator[Client]":
    import dask
    from distributed import Client

    quiet_logs()
    if profile.kind == "address":
        try:
            client = Client(profile.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterUnreachableError(
                f"no Dask scheduler answers at {profile.address!r} within {CONNECT_SECONDS} s ({error}); start one "
                "with `dask scheduler` and `dask worker` (see docs/how-to/clusters.md), or use another cluster "
                "profile"
            ) from None
        with client:
            yield client
        return
    if profile.kind == "processes":
        check_worker_processes()
    with dask.config.set(_SETTINGS):
        cluster = _local_cluster(profile)
    kept = _WHILE_OPEN if profile.kind == "processes" else {}
    with dask.config.set(kept), cluster, Client(cluster, set_as_default=False) as client:
        yield client


def _local_cluster(profile: ClusterProfile) -> "LocalCluster":
    from distributed import LocalCluster

    try:
        return LocalCluster(**_local_options(profile))
    except RuntimeError as error:
        raise ClusterUnreachableError(
            f"the cluster's workers did not start ({' '.join(str(error).split())}); in a script of your own, {REMEDY}; "
            "else see what the workers wrote above, or use cluster kind threads"
        ) from error


def _local_options(profile: ClusterProfile) -> dict[str, Any]:
    cores = os.cpu_count() or 1
    processes = profile.kind == "processes"
    return {
        "processes": processes,
        "n_workers": profile.workers or (cores if processes else 1),
        "threads_per_worker": profile.threads_per_worker or (1 if processes else cores),
        "memory_limit": 0,
        "dashboard_address": "127.0.0.1:0" if profile.dashboard else None,
        "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
        "worker_class": None if processes else _loopback_worker(),
        "host": "127.0.0.1" if processes else None,
        "silence_logs": logging.ERROR,
    }


def _loopback_worker() -> type[Any]:
    """Return a worker class that serves its status pages on loopback only; Dask binds them to all interfaces."""
    from distributed import Worker

    class LoopbackWorker(Worker):
        def start_http_server(self, routes: Any, dashboard_address: Any, *args: Any, **options: Any) -> None:
            super().start_http_server(routes, dashboard_address or "127.0.0.1:0", *args, **options)

    return LoopbackWorker


def own_client() -> "Client":
    """Return the client of the process's own cluster of threads, created at first use and closed at exit."""
    with _own_lock:
        if not _own or _own[0].status != "running":
            stack = contextlib.ExitStack()
            _own[:] = [stack.enter_context(_opened(ClusterProfile(kind="threads")))]
            atexit.register(stack.close)
        return _own[0]


def _forget_inherited() -> None:
    """Take all inherited clients for closed, in a forked child: to close them would wait for threads that are gone."""
    global _own_lock
    _own_lock = threading.Lock()
    if (distributed := sys.modules.get("distributed")) is None:
        return
    for client in list(distributed.Client._instances):  # noqa: SLF001 (also those of users)
        _inherited.add(client)
        client.status = "closed"
        if client.cluster is not None:
            client.cluster.status = distributed.Status.closed
    # Its one thread serves all clusters of a process.
    distributed.utils._offload_executor = ThreadPoolExecutor(1, "Dask-Offload")  # noqa: SLF001


os.register_at_fork(after_in_child=_forget_inherited)


@dataclass(frozen=True)
class ExpectedWorkers:
    """The workers that a cluster will have once it is made: what the planner asks a client for."""

    workers: int
    threads_per_worker: int

    def nthreads(self) -> dict[str, int]:
        """Return the number of threads by worker, as `distributed.Client.nthreads` does."""
        return {f"worker {number}": self.threads_per_worker for number in range(self.workers)}


def expected_workers(profile: ClusterProfile) -> ExpectedWorkers | None:
    """Return the workers of a local cluster before it is made; None for the threads of this process."""
    if profile == ClusterProfile():
        return None
    options = _local_options(profile)
    return ExpectedWorkers(options["n_workers"], options["threads_per_worker"])


def quiet_logs() -> None:
    """Limit Dask's loggers to warnings and errors."""
    for name in ("distributed", "bokeh"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Errors of a task, and the loss of a scheduler, reach the caller as exceptions and are not logged twice. A forked
    # child removes the scratch folders of its parent's cluster when it ends, which the parent would report.
    for name in ("worker", "client", "nanny", "diskutils"):
        logging.getLogger(f"distributed.{name}").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)


def thread_count(client: "Client | OwnThreads | ExpectedWorkers") -> int:
    """Return how many tasks the cluster runs at the same time.

    Raises
    ------
    ClusterUnreachableError
        If the client was made before this process was forked.
    """
    if client in _inherited:
        raise ClusterUnreachableError(
            "this Dask client was made before the process was forked, and its threads do not exist here; make a "
            "client in the forked process, or start processes by multiprocessing.get_context('spawn')"
        )
    return max(1, sum(client.nthreads().values()))


# -- workers and schedulers that are lost ---------------------------------------------------------------------------


class WorkersLostError(Exception):
    """Raised when workers that a run needs are lost; the run continues without them, or reports it."""


def loss_errors() -> tuple[type[Exception], ...]:
    """Return the exception types that mean a loss of workers or scheduler, rather than a failure of a task."""
    from concurrent.futures import CancelledError

    from distributed.client import ClosedClientError
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

    return (
        WorkersLostError, CancelledError, ClosedClientError, CommClosedError, KilledWorker, NoValidWorkerError,
        NoWorkerError,
    )  # fmt: skip


def worker_addresses(client: "Client") -> frozenset[str]:
    """Return the addresses of all workers; none if the scheduler does not answer."""
    if client.status != "running":
        return frozenset()
    try:
        return frozenset(client.nthreads())
    except OSError:
        return frozenset()


def wait_for(
    client: "Client", futures: "Sequence[Future]", workers: frozenset[str], check: Callable[[], None]
) -> frozenset[str]:
    """Wait until tasks have finished or failed; return the addresses of the workers at that time.

    Parameters
    ----------
    client : distributed.Client
    futures : sequence of Future
    workers : frozenset of str
        Addresses of the workers that hold what the tasks need.
    check : callable
        Called about once per second; an exception it raises ends the wait.

    Raises
    ------
    WorkersLostError
        If one of `workers` is lost, or there has been no worker at all for `WORKERS_SECONDS`.
    """
    alone_since = None
    while True:
        done = client.sync(_are_done, futures)
        check()
        there = worker_addresses(client)
        if lost := workers - there:
            raise WorkersLostError(f"lost {', '.join(sorted(lost))}")
        if done:
            return there
        alone_since = None if there else alone_since or time.monotonic()
        if alone_since and time.monotonic() - alone_since > WORKERS_SECONDS:
            raise WorkersLostError(f"no worker for {WORKERS_SECONDS} s")


async def _are_done(futures: "Sequence[Future]") -> bool:
    """Wait for up to `LOOK_SECONDS`; return whether all tasks are done.

    `distributed.wait` would raise on a timeout, and its traceback would keep the futures alive.
    """
    waiting = [asyncio.ensure_future(future._state.wait()) for future in futures]  # noqa: SLF001
    _, pending = await asyncio.wait(waiting, timeout=LOOK_SECONDS)
    for each in pending:
        each.cancel()
    return not pending


def wait_for_workers(client: "Client", check: Callable[[], None]) -> None:
    """Wait until the scheduler answers and has workers again; an exception raised by `check` ends the wait.

    Raises
    ------
    ClusterLostError
        If this takes longer than `CONNECT_SECONDS` (scheduler) or `WORKERS_SECONDS` (workers).
    """
    started = time.monotonic()
    while not worker_addresses(client):
        check()
        waited = time.monotonic() - started
        if client.status == "closed" or (client.status != "running" and waited > 2 * CONNECT_SECONDS):
            raise ClusterLostError(
                f"the Dask scheduler at {scheduler_address(client)} went away and did not come back within "
                f"{CONNECT_SECONDS} s; start it and its workers again, then run again"
            )
        if waited > WORKERS_SECONDS:
            raise ClusterLostError(
                f"the Dask scheduler at {scheduler_address(client)} has had no worker for {WORKERS_SECONDS} s; "
                "start some with `dask worker` (see docs/how-to/clusters.md), then run again"
            )
        time.sleep(0.05)


def scheduler_address(client: "Client") -> str:
    """Return the address of a client's scheduler, even if it no longer answers."""
    return str(client.scheduler.address if client.scheduler is not None else client._start_arg)  # noqa: SLF001


def tell_workers(client: "Client", function: Callable[..., Any], *arguments: Any) -> None:
    """Run a function on every worker that can be reached."""
    if client.status == "running":
        with contextlib.suppress(OSError, *loss_errors()):
            client.run(function, *arguments, on_error="ignore")


def machine_memory() -> int:
    """Return the bytes of memory that are available on this machine."""
    import psutil

    return int(psutil.virtual_memory().available)


def installed_memory() -> int:
    """Return the bytes of memory installed in this machine."""
    import psutil

    return int(psutil.virtual_memory().total)
