"""Prefect for one process: quiet defaults, and an embedded server that starts before a flow and stops after it.

Prefect starts its embedded server when the first flow begins, which then waits 10 to 25 s on a fresh machine. Here it
starts in the background as soon as a flow is certain to follow. It is a separate process that Ctrl-C on the terminal
does not reach, so a cancelled run can still report its state. It ends when its parent ends, even if that is killed.
"""

import atexit
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from data.errors import ClusterUnreachableError
from flows.platform.home import running_api_url

STARTUP_SECONDS = 120
"""Longest time the embedded server may take to start; on a fresh machine it first creates its database."""
ANSWER_SECONDS = 5
"""Time that a server has to answer one question."""
ATTEMPTS = 3
"""How often a configured server is asked; each waits ten seconds for an answer."""
PREFECT_DEFAULTS = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_SECONDS),
    }
)
"""Environment for a batch platform without network access; variables that the user has set take precedence."""


def set_prefect_defaults() -> None:
    """Put `PREFECT_DEFAULTS` into the environment, and the address of the platform's server if it runs.

    Call this before importing Prefect, which reads them once.
    """
    for name, value in PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" not in os.environ and (url := running_api_url()) is not None:
        os.environ["PREFECT_API_URL"] = url


class EmbeddedServer:
    """The Prefect server of this process; idle if the platform, PREFECT_API_URL or a Prefect profile provides one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: _ServerProcess | None = None

    def start(self) -> None:
        """Start the server in the background, unless it is running; call `wait` before a flow begins."""
        set_prefect_defaults()
        with self._lock:
            if self._starting is None and self._is_wanted():
                self._starting = _ServerProcess()
                atexit.register(self._starting.process.kill)  # until Prefect takes over

    def _is_wanted(self) -> bool:
        """Whether no server is configured (as far as known without importing Prefect) or running."""
        if os.environ.get("PREFECT_API_URL"):
            return False
        if "prefect" not in sys.modules:
            return True
        from prefect.server.api.server import SubprocessASGIServer

        return not self.is_configured and not SubprocessASGIServer().running

    def wait(self) -> None:
        """Wait until a server answers: the embedded one, or the one that the user configured.

        Raises
        ------
        ClusterUnreachableError
            If it does not answer.
        """
        self.start()
        with self._lock:
            started, self._starting = self._starting, None
            if started is not None and self.is_configured:
                started.process.kill()
            elif started is not None:
                started.hand_over()
        if self.is_configured:
            check_configured_server()

    @property
    def is_configured(self) -> bool:
        """Whether the user configured a server, by PREFECT_API_URL or in a Prefect profile."""
        from prefect.settings import PREFECT_API_URL

        return bool(PREFECT_API_URL.value())


class _ServerProcess:
    """A server process that does not receive the terminal's signals and ends when its standard input closes."""

    def __init__(self) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (the server writes to it as long as it lives)
        self.process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(self.port)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            process_group=0,
            env={
                **os.environ,
                "PREFECT_UI_ENABLED": "0",
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT__SERVER_FINAL": "1",
            },
        )

    def hand_over(self) -> None:
        """Wait until the server answers, and register it as the server that Prefect would start itself."""
        from prefect.server.api.server import SubprocessASGIServer

        deadline = time.monotonic() + STARTUP_SECONDS
        while not server_answers(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise ClusterUnreachableError(
                    f"the embedded Prefect server did not start ({self._last_error()}); its database is in "
                    "PREFECT_HOME (default: ~/.prefect), which must be writable; or set PREFECT_API_URL to a server"
                )
            time.sleep(0.1)
        server = SubprocessASGIServer()
        server.port, server.server_process, server.running = self.port, self.process, True
        atexit.register(server.stop)

    def _last_error(self) -> str:
        self._log.seek(0)
        return last_error(self._log.read().decode(errors="replace")) or f"exit code {self.process.poll()}"


def server_answers(port: int) -> bool:
    """Whether Prefect's server answers on a port of 127.0.0.1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ask_server(port: int, path: str, query: Mapping[str, Any]) -> Any:
    """Return the answer of Prefect's server on a port of 127.0.0.1 to a question of its API; None if it has none.

    Commands that only ask a question do not import Prefect's client, which takes seconds.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", f"/api/{path}", json.dumps(query), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        return json.loads(content) if answer.status < http.HTTPStatus.BAD_REQUEST else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def last_error(log: str) -> str | None:
    r"""Return the last line of a log that names an error.

    Examples
    --------
    >>> last_error("starting\nOSError: no space left\nstopped")
    'OSError: no space left'
    """
    errors = [line.strip() for line in log.splitlines() if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return errors[-1] if errors else None


@cache
def embedded_server() -> EmbeddedServer:
    """Return the embedded server of this process, whether started or not."""
    return EmbeddedServer()


def check_configured_server() -> None:
    """Wait until the server that the user configured answers; a busy one may take a while.

    Raises
    ------
    ClusterUnreachableError
        If no server is configured, or it does not answer.
    """
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    if not (url := PREFECT_API_URL.value()):
        raise ClusterUnreachableError(
            "no Prefect server is running: start the platform with `rumormill up`, or set PREFECT_API_URL"
        )
    with get_client(sync_client=True) as client:
        for _ in range(ATTEMPTS):
            if (refusal := client.api_healthcheck()) is None:
                return
    raise ClusterUnreachableError(
        f"no Prefect server answers at {url!r}, set by `rumormill up`, PREFECT_API_URL or your Prefect profile "
        f"({refusal}); start one with `rumormill up`, or unset PREFECT_API_URL to run embedded"
    )


def free_port() -> int:
    """Return a free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(port: int) -> None:
    import uvicorn

    threading.Thread(target=_end_with_owner, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="error",
        lifespan="on",
    )


def _end_with_owner() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
