"""Output files that users name: each appears complete, or not at all."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from data.errors import InvalidInputError


def check_output(output: str, option: str = "--output") -> Path:
    """Return the path of a file to be written; refuse one that cannot be, before any work.

    Raises
    ------
    InvalidInputError
        If it is a folder, or its folder does not exist.
    """
    target = Path(output).expanduser()
    if target.is_dir():
        raise InvalidInputError(f"cannot write {output!r}: it is a folder; name a file in it with {option}")
    if not target.parent.is_dir():
        raise InvalidInputError(
            f"cannot write {output!r}: there is no folder {str(target.parent)!r}; make it, or choose another file with "
            f"{option}"
        )
    return target


def write_output(
    output: str, work: Callable[[IO[Any]], Any], *, binary: bool = False, option: str = "--output"
) -> Path:
    """Write a file, which appears once it is complete; return its path.

    Parameters
    ----------
    output : str
        Path of the file; an earlier one is replaced.
    work : callable
        Writes the content into the open file it is given.
    binary : bool
        Whether the content is bytes rather than text.
    option : str
        Option by which the user named it.

    Raises
    ------
    InvalidInputError
        If the file cannot be written.
    """
    target = check_output(output, option)
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") if binary else part.open("w", encoding="utf-8", newline="") as file:
            work(file)
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if not isinstance(error, OSError):
            raise
        raise InvalidInputError(
            f"cannot write {output!r}: {error.strerror or error}; choose another file with {option}"
        ) from None
    return target
