"""The processes of a platform: ``python -m flows.platform.processes server|worker|runner ...``.

Whatever a process and its children print goes to one log file, which is rotated.
"""

import logging
import logging.handlers
import os
import runpy
import sys
import threading
from pathlib import Path

LOG_BYTES = 5_000_000
"""Size at which a log file is rotated."""
LOGS_KEPT = 3
"""Older log files that are kept."""


def redirect_output(log: Path) -> None:
    """Write what this process and its children print to a file that is rotated."""
    reading, writing = os.pipe()
    for stream in (1, 2):
        os.dup2(writing, stream)
    os.close(writing)
    handler = logging.handlers.RotatingFileHandler(
        log, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8", errors="replace"
    )
    handler.handleError = lambda _record: None  # type: ignore[assignment, method-assign]  # a full disk must not stop the process
    threading.Thread(target=_copy_lines, args=(reading, handler), daemon=True).start()


def _copy_lines(descriptor: int, handler: logging.Handler) -> None:
    with open(descriptor, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            handler.handle(logging.makeLogRecord({"msg": line.rstrip("\n")}))


def main() -> None:
    """Run a component until it is asked to end."""
    component, log, *arguments = sys.argv[1:]
    if component == "runner":
        from flows.platform import warm_runner

        warm_runner.serve(Path(arguments[0]), Path(log))
        return
    if component == "server":
        os.umask(0o077)  # for the database
    redirect_output(Path(log))
    sys.argv = ["prefect", component, "start", *arguments]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
