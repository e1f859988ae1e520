"""Start, repair, stop and describe the platform of this user on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import ClusterUnreachableError, InvalidInputError
from data.progress import Progress, ignore_progress
from flows.platform import open_runs
from flows.platform.health import HEARTBEAT_SECONDS, WORK_POOL, condition, responds
from flows.platform.home import COMPONENTS, ENVIRONMENT, MARK, PlatformHome, PlatformState, code_fingerprint
from flows.platform.process_records import ProcessRecord
from flows.prefect_server import PREFECT_DEFAULTS, STARTUP_SECONDS, free_port, last_error

if TYPE_CHECKING:
    import psutil

SQLITE = "sqlite"
"""Given as a database: SQLite in the private folder."""
USUAL_PORT = 4200
GRACE_SECONDS = 20
"""Time that processes have to end before they are killed."""
POLL_SECONDS = 2
"""How often the worker asks for scheduled runs."""


@dataclass(frozen=True)
class Started:
    """What `start` did with a component.

    Attributes
    ----------
    component : str
    was : str
        ``running``: nothing was done; ``stopped``: started; ``died``, ``hanging`` or ``outdated``: started again.
    """

    component: str
    was: str


def start(
    home: PlatformHome,
    *,
    database: str | None = None,
    port: int | None = None,
    runs_at_once: int | None = None,
    progress: Progress = ignore_progress,
) -> list[Started]:
    """Start whatever the platform lacks; what runs is left alone.

    Parameters
    ----------
    home : PlatformHome
    database : str, optional
        URL of a PostgreSQL database for Prefect's server, or ``sqlite`` for one in the home; default: as before, else
        SQLite.
    port : int, optional
        Port of Prefect's server on 127.0.0.1; default: the one used before, else 4200, else a free one.
    runs_at_once : int, optional
        Scheduled runs that the worker executes at the same time; default: the number given before, else 1.
    progress : Progress, optional

    Raises
    ------
    InvalidInputError
        If the port is taken, or the database is not PostgreSQL.
    ClusterUnreachableError
        If a component does not start.
    """
    _check_database(database)
    with home.locked():
        state = home.read()
        before = state.database
        if port is not None and not (port == state.port and state.runs("server")) and not _is_free(port):
            raise InvalidInputError(f"port {port} of 127.0.0.1 is taken by another program; choose another --port")
        if database == SQLITE:
            database, state.database = None, None
        was = {component: condition(state, home, component) for component in COMPONENTS}
        asked = {"database": database, "port": port, "runs_at_once": runs_at_once}
        changed = {name for name, value in asked.items() if value is not None and value != getattr(state, name)}
        changed |= {"database"} if state.database != before else set()
        if changed & {"database", "port"} or was["server"] in {"died", "hanging"}:
            was |= {name: "outdated" for name, how in was.items() if how == "running"}
        elif "runs_at_once" in changed and was["worker"] == "running":
            was["worker"] = "outdated"
        for name, value in asked.items():
            if value is not None:
                setattr(state, name, value)
        lacking = [name for name, how in was.items() if how != "running"]
        _stop(home, state, lacking, "the platform was started again before the run had ended")
        if lacking == list(COMPONENTS):
            _end(_marked(home))  # runs whose worker or runner has died
        try:
            _Starter(home, state, progress).start(lacking)
        except ClusterUnreachableError:
            state.database = before  # a database that cannot be used is not asked for again
            home.write(state)
            raise
    return [Started(component, condition) for component, condition in was.items()]


def _check_database(database: str | None) -> None:
    if database not in {None, SQLITE} and not str(database).startswith("postgresql+asyncpg://"):
        raise InvalidInputError(
            f"database {str(database).partition('://')[0]!r} is not supported; give "
            f"postgresql+asyncpg://user:password@host/name, or {SQLITE}"
        )


class _Starter:
    """Starts components, and records each as soon as its process exists."""

    def __init__(self, home: PlatformHome, state: PlatformState, progress: Progress) -> None:
        self.home = home
        self.state = state
        self.progress = progress

    def start(self, components: list[str]) -> None:
        if "server" in components:
            self.state.port = _chosen_port(self.state.port)
        if components:
            self.state.code, self.state.environment = code_fingerprint(), ENVIRONMENT
        if "server" in components:
            self._launch("server", "--host", "127.0.0.1", "--port", str(self.state.port))
        if "runner" in components:
            self._launch("runner", str(self.home.socket))
        self._wait("server", "Prefect's server")
        if components == list(COMPONENTS):  # after a power failure, for example: no process of theirs is left
            lost = open_runs.runs_in_progress(self.state.port)
            open_runs.end(self.state.port, lost, "CRASHED", "the run's process was ended together with the platform")
        if "worker" in components:
            with server_settings(self.state.api_url):
                _make_work_pool()
            limit = str(self.state.runs_at_once)
            self._launch("worker", "--pool", WORK_POOL, "--name", WORK_POOL, "--type", "process", "--limit", limit)
        self._wait("runner", "the runner")

    def _launch(self, component: str, *arguments: str) -> None:
        log = self.home.logs / f"{component}.log"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.platform.processes", component, str(log), *arguments],
            cwd=self.home.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.state.processes[component] = ProcessRecord.of(process.pid)
        self.home.write(self.state)

    def _environment(self) -> dict[str, str]:
        environment = {
            **os.environ,
            **{name: os.environ.get(name, value) for name, value in PREFECT_DEFAULTS.items()},
            MARK: str(self.home.folder),
            "PREFECT_HOME": str(self.home.prefect),
            "PREFECT_API_URL": self.state.api_url,
            "PREFECT_UI_API_URL": self.state.api_url,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": self.state.address,  # no other web page may call it
            "PREFECT_UI_STATIC_DIRECTORY": str(self.home.prefect / "ui"),
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_SECONDS),
            "PREFECT_WORKER_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
        }
        if self.state.database:
            environment["PREFECT_API_DATABASE_CONNECTION_URL"] = self.state.database
        return environment

    def _wait(self, component: str, name: str) -> None:
        self.progress(f"starting {name}", 0, 1)
        deadline = time.monotonic() + STARTUP_SECONDS
        while not responds(self.state, self.home, component):
            if not self.state.runs(component) or time.monotonic() > deadline:
                raise ClusterUnreachableError(
                    f"{name} did not start{_last_error(self.home, component)}; its log is "
                    f"{self.home.logs / f'{component}.log'}"
                )
            time.sleep(0.1)
        self.progress(f"starting {name}", 1, 1)


def _last_error(home: PlatformHome, component: str) -> str:
    """Return the last line of a component's log that names an error, in brackets."""
    with suppress(OSError):
        found = last_error((home.logs / f"{component}.log").read_text(encoding="utf-8", errors="replace"))
        return f" ({found})" if found else ""
    return ""


def _chosen_port(asked: int) -> int:
    """Return the port used before, else the usual one, else any; the first that is free."""
    usual = asked or USUAL_PORT
    return usual if _is_free(usual) else free_port()


def _is_free(port: int) -> bool:
    with suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


@contextmanager
def server_settings(api_url: str) -> Iterator[None]:
    """Let Prefect's client talk to the server at a URL."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: api_url}):
        yield


def _make_work_pool() -> None:
    """Create the work pool, and the deployment whose form in the Prefect UI runs any campaign."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    from flows.scheduling import deploy_form

    with get_client(sync_client=True) as client:
        with suppress(ObjectAlreadyExists):
            client.create_work_pool(WorkPoolCreate(name=WORK_POOL, type="process", description="Runs of Rumormill"))
        deploy_form(client, WORK_POOL, str(Path.cwd()))


# -- stopping -------------------------------------------------------------------------------------------------------


def stop(home: PlatformHome) -> list[str]:
    """Stop every process of the platform, and whatever they started; return the components that were running.

    Runs in progress are cancelled: what they have published is kept, and they can be resumed.
    """
    if not home.folder.is_dir():
        return []
    with home.locked():
        state = home.read()
        running = [component for component in COMPONENTS if state.runs(component)]
        _stop(home, state, COMPONENTS, "the platform was stopped before the run had ended; it can be resumed")
        _end(_marked(home))
        state.processes.clear()
        home.write(state)
    return running


def _stop(home: PlatformHome, state: PlatformState, components: Collection[str], reason: str) -> None:
    """Stop components; the runs that end with them are cancelled, in Prefect and in their warehouses."""
    runs: open_runs.Runs = []
    ends_runs = "server" in components or ("worker" in components and state.runs("worker"))
    if ends_runs and state.runs("server"):  # if only the worker has died, its runs continue: nothing to cancel
        runs = open_runs.runs_in_progress(state.port, of_worker="server" not in components)
        open_runs.cancel(state.port, runs, reason)
    if "runner" in components:
        _stop_process(home, state, "runner")
    open_runs.wait_for_end(state.port, runs, GRACE_SECONDS)  # the worker ends the processes of cancelled runs
    if "worker" in components:
        _stop_process(home, state, "worker")
    open_runs.end(state.port, runs, "CANCELLED", reason)
    if "server" in components:
        _stop_process(home, state, "server")


def _stop_process(home: PlatformHome, state: PlatformState, component: str) -> None:
    """Stop a component and all processes below it."""
    import psutil

    record = state.processes.pop(component, None)
    if record is not None and record.alive:
        with suppress(psutil.NoSuchProcess):  # it has ended in this moment
            process = psutil.Process(record.pid)
            below = process.children(recursive=True)
            _end(below)  # runs end first, so that they can still report that they were cancelled
            _end([process])
        home.write(state)


def _marked(home: PlatformHome) -> "list[psutil.Process]":
    """Return all processes below the platform, also those whose parents have died."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(home.folder) and process.pid != os.getpid():
                found.append(process)
    return found


def _end(processes: "list[psutil.Process]") -> None:
    """Ask processes to end; kill those that still run after a while."""
    import psutil

    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
                process.send_signal(signal.SIGCONT)  # one that was stopped ends only when it continues
        _, processes = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
        if not processes:
            return


# -- status ---------------------------------------------------------------------------------------------------------


def status(home: PlatformHome) -> dict[str, Any]:
    """Return the state of the platform as JSON: one entry per component, addresses and folders."""
    import datetime as dt

    state = home.read()
    rows = []
    for component in COMPONENTS:
        how = condition(state, home, component)
        record = None if how in {"stopped", "died"} else state.processes[component]
        rows.append(
            {
                "component": component,
                "state": how,
                "pid": record.pid if record else None,
                "since": dt.datetime.fromtimestamp(record.started, dt.UTC) if record else None,
                "log": str(home.logs / f"{component}.log"),
            }
        )
    return {
        "running": all(row["state"] in {"running", "outdated"} for row in rows),
        "ui": state.address if state.runs("server") else None,
        "api": state.api_url if state.runs("server") else None,
        "work_pool": WORK_POOL,
        "runs_at_once": state.runs_at_once,
        "database": "PostgreSQL" if state.database else "SQLite",
        "home": str(home.folder),
        "components": rows,
    }
