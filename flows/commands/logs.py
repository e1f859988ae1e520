"""What of the log reaches the terminal: warnings, but not what Prefect writes about a run, tracebacks included."""

import logging
import os

from flows.prefect_server import set_prefect_defaults

OURS = ("data", "propagation", "analytics", "flows")
ABOUT_RUNS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")


def quiet_logs(*, verbose: bool = False) -> None:
    """Set up logging, before Prefect is imported: warnings only, or with `verbose` all that Prefect and we report."""
    set_prefect_defaults()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "WARNING")
    for name in ABOUT_RUNS:
        logging.getLogger(name).propagate = verbose  # to the terminal; Prefect's server hears everything
    # With a dashboard, Bokeh warns of wildcard hosts; it listens on 127.0.0.1 only.
    logging.getLogger("bokeh.server.util").setLevel(logging.NOTSET if verbose else logging.ERROR)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.NOTSET)
