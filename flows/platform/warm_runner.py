"""The warm runner: a process that has imported everything, and runs each command in a copy of itself.

Importing Prefect, Dask, Numba and our own code takes longer than a small campaign. The runner does it once. For each
command it forks: the child takes over the client's terminal, folder and environment, and runs the same command line
that the client was given. The runner itself starts no threads, because only the thread that forks lives on in the
child. It therefore writes its log itself, and rotates it between two commands.
"""

import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, cast

from flows.platform.logs import DirectLog

PRELOADED = (
    "analytics.plots",
    "fastapi.encoders",
    "flows.artifacts",
    "flows.campaign_jobs",
    "flows.commands.campaigns",
    "flows.commands.schedules",
    "flows.propagate",
    "flows.run_events",
    "flows.runs",
    "flows.scheduling",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "prefect.flow_engine",
    "prefect.server.schemas.schedules",
    "prefect.task_engine",
    "prefect.telemetry.run_telemetry",
    "prefect.utilities.visualization",
    "pyarrow.dataset",
    "scipy.optimize",
)
"""What a run imports, directly or when it first needs it; none of these modules starts a thread."""
LENGTH = struct.Struct("!I")
PASSED_ON = (signal.SIGINT, signal.SIGTERM)
"""Signals that a client passes on to its command."""
DESCRIPTORS = 3
"""Standard input, output and error of the client."""
MOST_BYTES = 1 << 22
"""Longest request: arguments and environment of a command."""


def receive_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return a request and the client's three descriptors; None if the client has gone or sends anything else."""
    header, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, DESCRIPTORS)
    request = None
    try:
        if len(header) == LENGTH.size and len(descriptors) == DESCRIPTORS:
            request = json.loads(_received(connection, *LENGTH.unpack(header)))
    finally:
        if request is None:
            for descriptor in descriptors:
                os.close(descriptor)
    return None if request is None else (request, descriptors)


def _received(connection: socket.socket, length: int) -> bytes:
    """Return the next bytes; ValueError if they are too many, or the client ends before it has sent them all."""
    content = b""
    while length <= MOST_BYTES and len(content) < length and (part := connection.recv(length - len(content))):
        content += part
    if len(content) != length:
        raise ValueError("an incomplete request")
    return content


class WarmRunner:
    """Accepts commands on a socket, runs each in a child process, and answers with its exit code.

    Parameters
    ----------
    address : Path
        The Unix socket. Its folder is its owner's only.
    log : DirectLog
        The runner's log, rotated between two commands.
    """

    def __init__(self, address: Path, log: DirectLog) -> None:
        self._address = address
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._clients: dict[int, socket.socket] = {}
        self._ending = False

    def serve(self) -> None:
        """Serve until SIGTERM; running commands are then cancelled."""
        self._address.unlink(missing_ok=True)
        reading, writing = socket.socketpair()
        writing.setblocking(False)  # as Python asks of a descriptor that signals write to
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._address))
            listener.listen()
            self._selector.register(listener, selectors.EVENT_READ)
            self._selector.register(reading, selectors.EVENT_READ)
            while not self._ending or self._clients:
                for key, _ in self._selector.select():
                    if key.fileobj is reading:
                        reading.recv(4096)
                        self._answer_ended()
                    elif key.fileobj is listener:
                        self._accept(listener)
                    else:
                        self._client_gone(key.data)
        self._address.unlink(missing_ok=True)

    def _close(self) -> None:
        """Close everything that belongs to the runner, in a child."""
        signal.set_wakeup_fd(-1)
        for key in list(self._selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()
        self._selector.close()

    def _end(self, *_: object) -> None:
        self._ending = True
        for pid in self._clients:
            _signal(pid, signal.SIGTERM)

    def _accept(self, listener: socket.socket) -> None:
        self._log.rotate_if_full()
        connection, _ = listener.accept()
        connection.settimeout(5)
        try:
            request = None if self._ending else receive_request(connection)
        except (OSError, ValueError):
            request = None
        if request is None:
            connection.close()
            return
        command, descriptors = request
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # until this process knows the child, and the child itself
        pid = os.fork()
        if pid == 0:
            self._close()
            connection.close()
            run_as_client(command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(OSError):
            connection.sendall(f"{pid}\n".encode())
        self._clients[pid] = connection
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        self._selector.register(connection, selectors.EVENT_READ, pid)

    def _client_gone(self, pid: int) -> None:
        """Cancel the command of a client that has ended, as a closed terminal does; clients send nothing more."""
        self._selector.unregister(self._clients[pid])
        _signal(pid, signal.SIGTERM)

    def _answer_ended(self) -> None:
        """Send the exit codes of the commands that have ended to their clients."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self._clients.pop(pid, None)
            if connection is None:
                continue
            with suppress(KeyError):
                self._selector.unregister(connection)
            with suppress(OSError):
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            connection.close()


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def run_as_client(command: dict[str, Any], descriptors: list[int]) -> NoReturn:
    """Run the client's command line with its terminal, folder and environment, and exit with its code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    own = {name: value for name, value in os.environ.items() if name.startswith("PREFECT")}
    os.environ.clear()
    os.environ.update(command["environment"] | own)
    time.tzset()
    os.umask(command["umask"])
    encoding = command["encoding"]
    sys.stdin = os.fdopen(0, encoding=encoding)
    sys.stdout = os.fdopen(1, "w", 1, encoding)
    sys.stderr = os.fdopen(2, "w", 1, encoding, errors="backslashreplace")
    os.chdir(command["folder"])
    sys.argv = command["arguments"]
    from flows.command_line import main

    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    main()
    sys.exit()


def serve(address: Path, log: Path) -> None:
    """Import what commands need, then serve until SIGTERM."""
    os.umask(0o077)
    own_log = DirectLog(log)
    own_log.rotate_if_full()
    own_log.open()
    from flows.command_line import end_at_exit
    from flows.commands.logs import quiet_logs

    end_at_exit()
    quiet_logs()
    for module in PRELOADED:
        importlib.import_module(module)
    _load_compiled_code()
    WarmRunner(address, own_log).serve()


def _load_compiled_code() -> None:
    """Let Numba set itself up, which takes a second, by calling a compiled function."""
    from propagation.draws import Purpose, stream

    stream(0, Purpose.TRANSMISSION)
