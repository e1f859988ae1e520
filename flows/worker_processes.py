"""Worker processes that share the run's terminal: they ignore Ctrl-C and shut down without log noise."""

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
"""Loggers that report slow shutdowns, lost tasks and closed connections while workers close."""


@contextmanager
def connected(profile: ClusterProfile) -> "Iterator[Client | None]":
    """Connect as `propagation.clusters.connect` does; worker processes do not receive Ctrl-C, the engine stops them.

    Yields None for threads of this process; a cluster of threads is started only if a job needs one.

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
    """Block SIGINT until the block ends; threads and processes started in it inherit the mask for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # otherwise the first process would start it, which clears the mask
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _set_level(level: int) -> None:
    for name in ENDING:
        logging.getLogger(name).setLevel(level)
