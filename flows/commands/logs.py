"""Which log records reach the terminal: warnings, but not Prefect's messages and tracebacks about runs."""

import logging
import os

from data.errors import RumormillError
from flows.prefect_server import set_prefect_defaults

OURS = ("data", "propagation", "analytics", "flows")
ABOUT_RUNS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def _sentence_only(record: logging.LogRecord) -> bool:
    """Remove the traceback from our own errors, such as Ctrl-C; RUMORMILL_TRACEBACK=1 shows it."""
    if record.exc_info and isinstance(record.exc_info[1], RumormillError):
        record.exc_info = None
    return True


def quiet_logs(*, verbose: bool = False) -> None:
    """Set up logging before Prefect is imported: warnings only, or with `verbose` everything from INFO."""
    set_prefect_defaults()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "WARNING")
    for name in ABOUT_RUNS:
        logging.getLogger(name).propagate = verbose  # to the terminal; Prefect's server receives all records
        if verbose:
            logging.getLogger(name).addFilter(_sentence_only)
    # With a dashboard, Bokeh warns about wildcard hosts, but it listens on 127.0.0.1 only.
    logging.getLogger("bokeh.server.util").setLevel(logging.NOTSET if verbose else logging.ERROR)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.NOTSET)
