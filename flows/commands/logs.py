"""What of the log reaches the terminal: warnings, but not what Prefect writes about a run, tracebacks included."""

import logging
import os

from data.errors import RumormillError
from flows.prefect_server import set_prefect_defaults

OURS = ("data", "propagation", "analytics", "flows")
ABOUT_RUNS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def _sentence_only(record: logging.LogRecord) -> bool:
    """Take the traceback off an error of ours, such as Ctrl-C; RUMORMILL_TRACEBACK=1 shows it."""
    if record.exc_info and isinstance(record.exc_info[1], RumormillError):
        record.exc_info = None
    return True


def quiet_logs(*, verbose: bool = False) -> None:
    """Set up logging, before Prefect is imported: warnings only, or with `verbose` all that Prefect and we report."""
    set_prefect_defaults()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "WARNING")
    for name in ABOUT_RUNS:
        logging.getLogger(name).propagate = verbose  # to the terminal; Prefect's server hears everything
        if verbose:
            logging.getLogger(name).addFilter(_sentence_only)
    # With a dashboard, Bokeh warns of wildcard hosts; it listens on 127.0.0.1 only.
    logging.getLogger("bokeh.server.util").setLevel(logging.NOTSET if verbose else logging.ERROR)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.NOTSET)
