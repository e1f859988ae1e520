"""Check whether this process can start worker processes.

They start with a fresh interpreter (multiprocessing's ``spawn``), which imports the main script again: a script
that does its work at import would repeat it in every worker process.
"""

import ast
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from data.errors import InvalidInputError

REMEDY = 'put the script\'s work below a line `if __name__ == "__main__":` (see docs/how-to/clusters.md)'


def check_worker_processes() -> None:
    """Raise InvalidInputError if this process cannot start worker processes; the message says why.

    Raises
    ------
    InvalidInputError
        If the main script has no ``if __name__ == "__main__":`` around the call, so that every worker process would
        run the script again; or if this process belongs to a pool, whose processes may not start others.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # a worker process that is just importing the main script
        raise InvalidInputError(f"worker processes import the main script, and would run it again: {REMEDY}")
    if (place := _unguarded_call()) is not None:
        raise InvalidInputError(f"{place}: worker processes import this script, and would run it again: {REMEDY}")
    if process.daemon:
        raise InvalidInputError(
            "a process of a multiprocessing.Pool may not start worker processes; run this in the main process, or use "
            "cluster kind threads"
        )


def _unguarded_call() -> str | None:
    """Return file and line of the main script's present statement if an import of the script would run it too."""
    main = sys.modules.get("__main__")
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    if file is None or (spec is not None and spec.name.endswith("__main__")):  # not imported again
        return None
    lines = [frame.f_lineno for frame in _frames() if _is_module_of(frame, main)]
    try:
        statements = ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    for line in lines:
        if not any(_mentions_name(statement) for statement in statements if statement.lineno <= line):
            return f"{file}, line {line}"
    return None


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (documented, and what `inspect` uses)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_module_of(frame: FrameType, main: Any) -> bool:
    return frame.f_code.co_name == "<module>" and frame.f_globals is vars(main)


def _mentions_name(statement: ast.stmt) -> bool:
    """Return whether a statement is a condition on the module's name."""
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )
