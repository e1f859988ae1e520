"""Entry point of the command ``rumormill``: hands runs and schedules to the platform's warm runner, if there is one.

The runner has imported everything already and runs the same command line with this process's terminal, so that a
small campaign takes a second. Without a platform, or if it runs other code, the command runs in this process.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from flows.platform.home import ENVIRONMENT, PlatformHome, code_fingerprint

WARM_COMMANDS = frozenset({"run", "resume", "deploy", "schedules", "backfill"})
"""Commands that take longer to import than to run."""
VERBOSE = frozenset({"-v", "--verbose"})
"""Options for which Prefect sets up its logs when it is imported."""


def main() -> None:
    """Run the command line, in the warm runner where possible."""
    _open_closed_streams()
    words = set(sys.argv[1:])
    if words & WARM_COMMANDS and not words & VERBOSE and (connection := _connection()) is not None:
        _run_there(connection)
    from flows.command_line import main as run_here

    run_here()


def _open_closed_streams() -> None:
    """Open the null device in place of standard streams that are closed, before another file gets their descriptors."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free descriptor, which is this one
            setattr(sys, name, os.fdopen(descriptor, mode))


def _connection() -> socket.socket | None:
    """Return a connection to a runner that would do exactly what this process does, or None."""
    home = PlatformHome()
    with suppress(OSError):
        state = home.read()
        if not (state.runs("runner") and state.runs("server")):
            return None
        if os.environ.get("PREFECT_API_URL", state.api_url) != state.api_url:
            return None
        if state.environment != ENVIRONMENT or state.code != code_fingerprint() or not home.runner_responds():
            return None
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(home.socket))
        return connection
    return None


def _run_there(connection: socket.socket) -> NoReturn:
    """Send this command to the runner, pass signals on to it, and exit with its code."""
    current_umask = os.umask(0)
    os.umask(current_umask)
    content = json.dumps(
        {
            "arguments": sys.argv,
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "umask": current_umask,
            "encoding": sys.stdout.encoding,
        }
    ).encode()
    child = 0
    waiting: list[int] = []

    def pass_on(number: int, _frame: object = None) -> None:
        if not child:
            waiting.append(number)
            return
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM if number == signal.SIGHUP else number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, pass_on)
    socket.send_fds(connection, [len(content).to_bytes(4)], [0, 1, 2])
    connection.sendall(content)
    answers = connection.makefile()
    child = int(answers.readline() or 0)
    for earlier in waiting:
        pass_on(earlier)
    answer = answers.readline()
    if not answer:
        pass_on(signal.SIGTERM)
        sys.exit("error: the platform's runner ended during this command; repair it with: rumormill up")
    code = int(answer)
    if code < 0:
        sys.stderr.write(f"error: the command was ended by signal {-code}\n")
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
