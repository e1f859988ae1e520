"""What the command line says when something fails: a sentence on standard error and an exit code, no traceback."""

import os
import traceback
from typing import Any

import typer

from data.errors import InvalidInputError, RumormillError, RunCancelledError
from flows.commands.terminal import print_error

TRACEBACK_VARIABLE = "RUMORMILL_TRACEBACK"
CANCELLED = RunCancelledError.exit_code


def report(error: Exception) -> int:
    """Say what went wrong; return the exit code.

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
        f"unexpected {type(error).__name__}: {error}. This is a fault of Rumormill or of the machine; "
        f"run with {TRACEBACK_VARIABLE}=1 for the traceback"
    )
    return 1


def _report_usage(error: Any) -> int:
    """Report one of Typer's own errors: an option that does not exist, an argument that is missing."""
    context = getattr(error, "ctx", None)
    help_line = f" (see: {context.command_path} --help)" if context is not None else ""
    if message := error.format_message().rstrip("."):  # empty where the help was shown instead
        print_error(f"{message}{help_line}")
    return int(getattr(error, "exit_code", InvalidInputError.exit_code))
