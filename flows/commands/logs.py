"""Which log records reach the terminal: warnings, but not Prefect's messages and tracebacks about runs."""

import logging
import os

from flows.prefect_server import set_prefect_defaults
from flows.run_logs import ABOUT_RUNS, omit_tracebacks

OURS = ("data", "propagation", "analytics", "flows")


def quiet_logs(*, verbose: bool = False) -> None:
    """Set up logging before Prefect is imported: warnings only, or with `verbose` everything from INFO."""
    set_prefect_defaults()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO" if verbose else "WARNING")
    for name in ABOUT_RUNS:
        logging.getLogger(name).propagate = verbose  # to the terminal; Prefect's server receives all records
    omit_tracebacks()
    # With a dashboard, Bokeh warns about wildcard hosts, but it listens on 127.0.0.1 only.
    logging.getLogger("bokeh.server.util").setLevel(logging.NOTSET if verbose else logging.ERROR)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.NOTSET)
