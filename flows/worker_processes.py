"""Worker processes that share a terminal with the run: they do not hear Ctrl-C, and they end quietly."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from propagation.clusters import ClusterProfile, connect

if TYPE_CHECKING:
    from distributed import Client

ENDING = ("distributed.nanny", "distributed.scheduler", "distributed.worker", "tornado.application")
"""What reports, when workers close, that one took long, took tasks along or met a closed connection."""


@contextmanager
def connected(profile: ClusterProfile) -> "Iterator[Client | None]":
    """Connect as `propagation.clusters.connect` does; only the engine tells worker processes to stop.

    None stands for the threads of this process, of which a cluster is made when a job needs one.

    Raises
    ------
    ClusterUnreachableError
        If the scheduler named by the profile does not answer.
    """
    if profile == ClusterProfile():
        yield None
        return
    if profile.kind != "processes":
        with connect(profile) as client:
            yield client
        return
    with ExitStack() as stack:
        for name in ENDING:
            stack.callback(logging.getLogger(name).setLevel, logging.getLogger(name).level)
        with _interrupts_kept():
            client = stack.enter_context(connect(profile))
        stack.callback(_set_level, logging.ERROR)
        stack.callback(client.run, _set_level, logging.CRITICAL, on_error="ignore")
        yield client


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Keep Ctrl-C for this thread until the block ends; threads and processes started meanwhile never hear it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # or its start, with the first process, would take the mask off
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _set_level(level: int) -> None:
    for name in ENDING:
        logging.getLogger(name).setLevel(level)
