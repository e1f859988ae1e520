"""Roles of a source's columns (endpoints, strength, probability), and the values that weights may have."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers.column_names import is_endpoint_name, is_id_name, likely_ends
from data.readers.identifiers import trimmed


def renamed(names: Sequence[str], options: ImportOptions, source: str) -> tuple[str, ...]:
    """Return the names of a source's columns: its own, or the user's if given."""
    if options.columns is None:
        return checked_names(names, source)
    if len(options.columns) != len(names):
        raise EdgeListError(
            f"{source} has {len(names)} columns but --columns names {len(options.columns)} "
            f"({', '.join(options.columns)}); name all columns, in order"
        )
    return options.columns


def checked_names(names: Sequence[str], source: str) -> tuple[str, ...]:
    """Return the names; raise EdgeListError if one is empty or repeated."""
    for position, name in enumerate(names, 1):
        if not name:
            raise EdgeListError(
                f"{source}: column {position} has no name (the index of a data frame?); "
                "write it without the index, or name all columns with --columns"
            )
        if name in names[: position - 1]:
            raise EdgeListError(f"{source} has two columns named {name!r}; name all columns with --columns")
    return tuple(names)


def endpoint_positions(names: Sequence[str], options: ImportOptions, source: str) -> tuple[int, int]:
    """Return the positions of the source and target columns, after checking the columns of all roles."""
    if len(names) < 2:
        raise EdgeListError(f"{source} has fewer than 2 columns; an edge needs a source and a target")
    likely = likely_ends(names)
    start = likely[0] if options.source is None else _position(names, options.source, "source", source)
    end = likely[1] if options.target is None else _position(names, options.target, "target", source)
    if start == end:
        raise EdgeListError(
            f"{source}: column {names[start]!r} cannot be both source and target; name two columns with --source and "
            f"--target (the defaults here are {names[likely[0]]!r} and {names[likely[1]]!r})"
        )
    for role, name in (("strength", options.strength), ("probability", options.probability)):
        if name is not None and _position(names, name, role, source) in (start, end):
            raise EdgeListError(f"{source}: column {name!r} is an endpoint and cannot be the {role}")
    return start, end


def endpoint_doubts(names: Sequence[str], options: ImportOptions) -> list[str]:
    """Return warnings about guessed endpoints that may be wrong; none if the user names them."""
    if options.source is not None or options.target is not None:
        return []
    start, end = likely_ends(names)
    read = f"columns {names[start]!r} and {names[end]!r} were read as source and target"
    others = [name for at, name in enumerate(names) if at not in (start, end) and is_endpoint_name(name)]
    if others:
        return [f"{read}, but there is also {others[0]!r}; name the endpoints with --source and --target"]
    if (start, end) != (0, 1):
        return [f"{read}, because of their names; if that is wrong, name the endpoints with --source and --target"]
    if len(names) > 2 and is_id_name(names[0]) and not is_endpoint_name(names[1]):
        return [f"{read}; if {names[0]!r} numbers the rows, name the endpoints with --source and --target"]
    return []


def refuse_bad_weights(values: pa.ChunkedArray, name: str, options: ImportOptions, where: Callable[[int], str]) -> None:
    """Raise EdgeListError at the first invalid value of a strength or probability column.

    Parameters
    ----------
    values : pyarrow.ChunkedArray
        Values of one block of the column, of any type.
    name : str
        The column's name; columns without a role may have any values.
    options : ImportOptions
        Names the strength and probability columns.
    where : callable
        Returns the position of a row of the block, for the message.
    """
    for role, column, highest in (
        ("strength", options.strength, np.inf),
        ("probability", options.probability, 1.0),
    ):
        row = None if name != column else _first_bad(values, highest)
        if row is not None:
            rule = "a number in [0, 1]" if highest == 1.0 else "a finite number >= 0"
            raise EdgeListError(
                f"{where(row)}: {role} column {name!r} holds {_shown(values[row])}, which is not {rule}; "
                f"correct the value or import without {role}"
            )


def _first_bad(values: pa.ChunkedArray, highest: float) -> int | None:
    """Return the first row that is not a number in [0, highest]."""
    if pa.types.is_boolean(values.type) or pa.types.is_temporal(values.type):
        return 0
    if pa.types.is_string(values.type):
        values = trimmed(values)
    readable = readable_rows(values)
    numbers = pc.fill_null(values[:readable].cast(pa.float64(), safe=False), np.nan).to_numpy()
    bad = np.flatnonzero(~((numbers >= 0) & (numbers <= highest) & np.isfinite(numbers)))
    if len(bad):
        return int(bad[0])
    return readable if readable < len(values) else None


def readable_rows(values: pa.ChunkedArray) -> int:
    """Return how many leading rows can be read as numbers."""
    if _are_numbers(values):
        return len(values)
    readable, unreadable = 0, len(values)
    while unreadable - readable > 1:
        middle = (readable + unreadable) // 2
        if _are_numbers(values[readable:middle]):
            readable = middle
        else:
            unreadable = middle
    return readable


def _are_numbers(values: pa.ChunkedArray) -> bool:
    try:
        values.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _shown(value: pa.Scalar) -> str:
    return "nothing" if value.as_py() is None else repr(value.as_py())


def _position(names: Sequence[str], name: str, role: str, source: str) -> int:
    if name not in names:
        raise EdgeListError(f"{source} has no column {name!r} to be the {role}; its columns are {', '.join(names)}")
    return names.index(name)
