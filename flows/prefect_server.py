"""Prefect for one process: quiet defaults, and an embedded server that is up before a flow begins and gone after.

Prefect starts its embedded server when the first flow begins, which then waits 10 to 25 s on a fresh machine. Here it
starts in the background as soon as somebody knows that a flow will follow. It is a process of its own: Ctrl-C on the
terminal does not reach it, so a cancelled run can still say so, and it ends when its owner does, however that ends.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache, partial
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any

from data.errors import ClusterUnreachableError

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

STARTUP_SECONDS = 120
"""Longest time the embedded server may take to start; on a fresh machine it makes its database first."""
PREFECT_DEFAULTS = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTUP_SECONDS),
    }
)
"""Environment that suits a batch platform without network access; whatever the user has set wins."""
LOG_TAIL = 2_000
"""Characters of its log that the error about a server that did not start quotes."""


def set_prefect_defaults() -> None:
    """Put `PREFECT_DEFAULTS` into the environment; call it before Prefect is imported, which reads them once."""
    for name, value in PREFECT_DEFAULTS.items():
        os.environ.setdefault(name, value)


class EmbeddedServer:
    """The Prefect server of this process; does nothing where PREFECT_API_URL or a Prefect profile names another one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: threading.Thread | None = None
        self._failure: Exception | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> None:
        """Begin to start the server, in the background; nothing happens if it is there already."""
        set_prefect_defaults()
        with self._lock:
            if self._starting is None and not os.environ.get("PREFECT_API_URL"):
                self._launch()

    def _launch(self) -> None:
        # 1. The server's process first: it loads Prefect on another core while this one does.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (the server writes to it as long as it lives)
        port = _free_port()
        first = None if "prefect" in sys.modules else _run_server(port, self._log)
        # 2. Prefect is imported here and not in the thread: two threads importing its circles meet half a module.
        from prefect.server.api.server import SubprocessASGIServer
        from prefect.settings import PREFECT_API_URL

        server = SubprocessASGIServer()
        if PREFECT_API_URL.value() or server.running:
            if first is not None:
                first.kill()
                first.wait()
            return
        # 3. What Prefect calls to start its server gives it ours: there is no public way to detach it.
        server.port = port
        run = partial(self._process, server, [first] if first is not None else [])
        server._run_uvicorn_command = run  # type: ignore[method-assign]  # noqa: SLF001
        self._starting = threading.Thread(target=self._start, args=(server,), name="prefect-server", daemon=True)
        self._starting.start()

    def _process(self, server: "SubprocessASGIServer", started: list[subprocess.Popen[Any]]) -> subprocess.Popen[Any]:
        """Return the process started already; another one if its port was taken meanwhile."""
        assert server.port is not None
        assert self._log is not None
        return started.pop() if started else _run_server(server.port, self._log)

    def _start(self, server: "SubprocessASGIServer") -> None:
        try:
            server.start(timeout=STARTUP_SECONDS)
        except Exception as error:  # handed to whoever waits
            self._failure = error

    def wait(self) -> None:
        """Wait until a server answers: this process's own, or the one that the user named.

        Raises
        ------
        ClusterUnreachableError
            If it does not.
        """
        self.start()
        if self._starting is not None:
            self._starting.join()
        if self._failure is not None:
            failure, self._failure, self._starting = self._failure, None, None
            raise ClusterUnreachableError(
                f"the embedded Prefect server did not start ({failure}); its log ends: {self._log_tail()}"
            ) from failure
        _check_configured_server()

    @property
    def is_configured(self) -> bool:
        """Whether the user named a server of their own, by PREFECT_API_URL or in a Prefect profile."""
        from prefect.settings import PREFECT_API_URL

        return bool(PREFECT_API_URL.value())

    def _log_tail(self) -> str:
        assert self._log is not None
        self._log.seek(0)
        return " ".join(self._log.read().decode(errors="replace")[-LOG_TAIL:].split()) or "(nothing)"


@cache
def embedded_server() -> EmbeddedServer:
    """Return the one embedded server of this process, started or not."""
    return EmbeddedServer()


def _check_configured_server() -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    if not (url := PREFECT_API_URL.value()):
        return
    with get_client(sync_client=True) as client:
        refusal = client.api_healthcheck()
    if refusal is not None:
        raise ClusterUnreachableError(
            f"no Prefect server answers at {url!r}, which PREFECT_API_URL or your Prefect profile names ({refusal}); "
            "start one with `prefect server start`, or unset PREFECT_API_URL to run embedded"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run_server(port: int, log: IO[bytes]) -> subprocess.Popen[Any]:
    """Start the server's process: out of reach of the terminal's signals, its input open as long as its owner lives."""
    return subprocess.Popen(
        [sys.executable, "-P", __file__, str(port)],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        process_group=0,
        env={
            **os.environ,
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        },
    )


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
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
