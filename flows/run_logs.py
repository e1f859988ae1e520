"""Prefect's log of a run: an error that its user can mend is one sentence there, as on the terminal."""

import logging
import os

from data.errors import RumormillError

ABOUT_RUNS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
"""Prefect's loggers about runs."""


def omit_tracebacks() -> None:
    """Omit the tracebacks of our own errors from the log of runs in this process, unless RUMORMILL_TRACEBACK is set."""
    if os.environ.get("RUMORMILL_TRACEBACK", "0") in {"", "0"}:
        for name in ABOUT_RUNS:
            logging.getLogger(name).addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and isinstance(record.exc_info[1], RumormillError):
        record.exc_info = None
    return True
