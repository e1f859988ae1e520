"""How the command line reports errors: one sentence on standard error and an exit code, no traceback."""

import os
import traceback
from typing import Any

import typer

from data.errors import InvalidInputError, RumormillError, RunCancelledError
from flows.commands.terminal import print_error

TRACEBACK_VARIABLE = "RUMORMILL_TRACEBACK"
CANCELLED = RunCancelledError.exit_code


def report(error: Exception) -> int:
    """Print an error; return the exit code.

    Examples
    --------
    >>> from data.errors import InvalidInputError
    >>> report(InvalidInputError("p = 1.3 is not in [0, 1]"))
    2
    """
    if os.environ.get(TRACEBACK_VARIABLE, "0") not in {"", "0"}:
        traceback.print_exception(error)
    if isinstance(error, RumormillError):
        print_error(str(error))
        return error.exit_code
    if isinstance(error, typer.Abort):
        print_error("aborted")
        return CANCELLED
    if hasattr(error, "format_message"):
        return _report_usage(error)
    print_error(
        f"unexpected {type(error).__name__}: {error}. This is a bug in Rumormill or a problem of the machine; "
        f"run with {TRACEBACK_VARIABLE}=1 for the traceback"
    )
    return 1


def _report_usage(error: Any) -> int:
    """Report one of Typer's own errors, such as an unknown option or a missing argument."""
    context = getattr(error, "ctx", None)
    help_line = f" (see: {context.command_path} --help)" if context is not None else ""
    # Typer's choices quote an error of Pydantic. The message is empty where the help was shown instead.
    if message := error.format_message().rstrip(".").replace("Value error, ", ""):
        print_error(f"{message}{help_line}")
    return int(getattr(error, "exit_code", InvalidInputError.exit_code))
