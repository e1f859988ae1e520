"""Runs that are in progress on the platform's server: cancelled before it stops, ended for those that could not.

Prefect does not notice the end of a process that it does not watch, and counts one that was stopped as crashed. So the
platform sets the states of such runs, and records the same end in their warehouses.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flows.platform.health import WORK_POOL
from flows.prefect_server import ask_server

IN_PROGRESS = ("PENDING", "RUNNING", "CANCELLING")
MOST_RUNS = 200
"""Runs that are read in one question, the most that Prefect allows."""

Runs = Sequence[Mapping[str, Any]]
"""Flow runs, as Prefect's API describes them."""


def runs_in_progress(port: int, *, of_worker: bool = False) -> Runs:
    """Return the flow runs in progress; none if the server does not answer.

    Parameters
    ----------
    port : int
    of_worker : bool
        Only those that the platform's worker has started.
    """
    query = {"flow_runs": {"state": {"type": {"any_": list(IN_PROGRESS)}}}, "limit": MOST_RUNS}
    pool = {"work_pools": {"name": {"any_": [WORK_POOL]}}} if of_worker else {}
    return list(ask_server(port, "flow_runs/filter", query | pool) or [])


def cancel(port: int, runs: Runs, reason: str) -> None:
    """Ask for the cancellation of runs, as the button of Prefect's UI does."""
    for run in runs:
        if run["state_type"] != "CANCELLING":
            _set_state(port, run, "CANCELLING", reason)


def wait_for_end(port: int, runs: Runs, seconds: float) -> None:
    """Wait until runs have ended, or a time is over."""
    waiting, deadline = {run["id"] for run in runs}, time.monotonic() + seconds
    while waiting and time.monotonic() < deadline:
        waiting &= {run["id"] for run in runs_in_progress(port)}
        time.sleep(0.2)


def end(port: int, runs: Runs, state: str, reason: str) -> None:
    """Give runs that have not ended well by themselves their final state, and record it in their warehouses.

    Parameters
    ----------
    port : int
    runs : sequence of flow runs
        They are read again: those that have completed, failed or been cancelled in the meantime stay so.
    state : str
        ``CANCELLED`` or ``CRASHED``.
    reason : str
        The message of the state.
    """
    if not runs:
        return
    chosen = {"id": {"any_": [run["id"] for run in runs]}, "state": {"type": {"any_": [*IN_PROGRESS, "CRASHED"]}}}
    for run in ask_server(port, "flow_runs/filter", {"flow_runs": chosen, "limit": MOST_RUNS}) or []:
        _set_state(port, run, state, reason, force=True)
        _record_end(run, state, reason)


def _set_state(port: int, run: Mapping[str, Any], state: str, reason: str, *, force: bool = False) -> None:
    asked = {"type": state, "name": state.capitalize(), "message": reason}
    ask_server(port, f"flow_runs/{run['id']}/set_state", {"state": asked, "force": force})


def _record_end(run: Mapping[str, Any], state: str, reason: str) -> None:
    """Record the end of a run of ours in its warehouse, unless it is recorded or the run had not begun."""
    from data.errors import RumormillError
    from data.facade import Warehouse
    from flows.events import publish_events
    from flows.run_events import missing_end

    url = str(run["parameters"].get("warehouse", ""))
    if "://" not in url and not Path(url).is_absolute():
        return  # relative to a folder that only the run knew, or no run of ours
    with suppress(RumormillError):  # a warehouse that is gone must not keep the platform from stopping
        warehouse = Warehouse(url)
        if state == "CRASHED":
            event = missing_end(warehouse, run["id"], "propagation_failed", error="Crashed", message=reason)
        else:
            event = missing_end(warehouse, run["id"], "propagation_cancelled", message=reason)
        if event is not None:
            publish_events(warehouse, [event])
