"""How the components of the platform are: running, stopped, died, hanging, or outdated."""

import datetime as dt
import time

from flows.platform.home import ENVIRONMENT, PlatformHome, PlatformState, code_fingerprint
from flows.prefect_server import ask_server, server_answers

WORK_POOL = "rumormill"
"""Work pool of the platform's worker, and the worker's name."""
HEARTBEAT_SECONDS = 5
"""How often the worker tells the server that it is alive."""
SILENT_SECONDS = 60.0
"""Time without a heartbeat after which a worker counts as hanging."""
RESPONSE_SECONDS = 8.0
"""Time that a living component has to respond: after a computer has slept, the worker's next heartbeat is awaited."""


def condition(state: PlatformState, home: PlatformHome, component: str) -> str:
    """Return how a component is.

    Returns
    -------
    str
        ``running``; ``stopped``: not started; ``died``: its process has ended by itself; ``hanging``: its process runs,
        but does not respond; ``outdated``: it runs with other code or settings than this command has.
    """
    if component not in state.processes:
        return "stopped"
    deadline = time.monotonic() + RESPONSE_SECONDS
    while state.runs(component) and not responds(state, home, component):
        if time.monotonic() > deadline:
            return "hanging"
        time.sleep(0.5)
    if not state.runs(component):
        return "died"
    if component == "server" or state.code == code_fingerprint():
        outdated = component == "runner" and state.environment != ENVIRONMENT
        return "outdated" if outdated else "running"
    return "outdated"


def responds(state: PlatformState, home: PlatformHome, component: str) -> bool:
    """Whether a component responds: the server and the runner to a question, the worker to the server."""
    if component == "server":
        return server_answers(state.port)
    if component == "runner":
        return home.runner_responds()
    return _worker_was_heard(state)


def _worker_was_heard(state: PlatformState) -> bool:
    """Whether the worker has lately told the server that it is alive; taken as true if the server cannot be asked."""
    workers = ask_server(state.port, f"work_pools/{WORK_POOL}/workers/filter", {})
    if workers is None:
        return True
    heard = [dt.datetime.fromisoformat(each["last_heartbeat_time"]).timestamp() for each in workers]
    return time.time() - max([state.processes["worker"].started, *heard]) < SILENT_SECONDS
