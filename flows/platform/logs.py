"""Logs of the platform's processes: one file each, rotated at a size."""

import logging
import logging.handlers
import os
import threading
from pathlib import Path

LOG_BYTES = 5_000_000
"""Size at which a log file is rotated."""
LOGS_KEPT = 3
"""Older log files that are kept."""
OUTPUTS = (1, 2)
"""Standard output and standard error."""


def redirect_output(log: Path) -> None:
    """Write what this process and its children print to a file that is rotated, through a thread that copies lines."""
    reading, writing = os.pipe()
    _replace_outputs(writing)
    handler = _rotating(log)
    handler.handleError = lambda _record: None  # type: ignore[assignment, method-assign]  # a full disk must not stop the process
    threading.Thread(target=_copy_lines, args=(reading, handler), daemon=True).start()


def _rotating(log: Path) -> logging.handlers.RotatingFileHandler:
    return logging.handlers.RotatingFileHandler(
        log, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8", errors="replace"
    )


def _copy_lines(descriptor: int, handler: logging.Handler) -> None:
    with open(descriptor, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            handler.handle(logging.makeLogRecord({"msg": line.rstrip("\n")}))


def _replace_outputs(descriptor: int) -> None:
    for stream in OUTPUTS:
        os.dup2(descriptor, stream)
    os.close(descriptor)


class DirectLog:
    """A log that a process without threads writes itself: it must ask now and then whether the file is to be rotated.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> None:
        """Write what this process prints to the end of the file."""
        _replace_outputs(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))

    def rotate_if_full(self) -> None:
        """Begin a new file if this one has reached `LOG_BYTES`; where that fails, the old one is used further."""
        try:
            if self._path.stat().st_size >= LOG_BYTES:
                handler = _rotating(self._path)
                handler.doRollover()
                handler.close()
                self.open()
        except OSError:
            return
