"""Terminal output of commands: results on standard output, progress and errors on standard error."""

import datetime as dt
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data.progress import Progress, ProgressBars, ignore_progress

FILE_WIDTH = 1_000
"""Width in columns if the output is not a terminal: nothing is wrapped or cut."""
STAGES = {"starting Prefect": "starting a Prefect server for this run (10 to 25 s the first time)"}
"""Stages of unknown length, and the text shown during them."""


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output (results) or standard error (everything else)."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else FILE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


def print_json(value: Any) -> None:
    """Print a value as JSON: NaN and infinities become null, times ISO 8601."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """Return a value as JSON: NaN and infinities become null, times ISO 8601."""
    return json.dumps(_plain(value), indent=2, default=_text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def print_line(text: str) -> None:
    """Print a line of a result."""
    _print(console(), text)


def _print(output: Console, text: str, style: str = "", styled: int = 0) -> None:
    """Print a paragraph, its first `styled` characters in a style; words longer than a line stay whole."""
    lines = textwrap.fill(text, output.width, break_long_words=False, break_on_hyphens=False)
    paragraph = Text(lines)
    paragraph.stylize(style, 0, styled)
    output.print(paragraph, overflow="ignore", crop=False)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Iterable[str] | None = None,
    *,
    title: str | None = None,
    most: int | None = None,
    number: Callable[[float | None], str] | None = None,
) -> None:
    """Print rows as a table, at most `most` of them; columns of numbers are aligned to the right.

    Numbers are written by the function `number`; default: by `cell`.
    """
    names = list(rows[0]) if columns is None else list(columns)
    numeric = {name for name in names if all(isinstance(row[name], int | float | None) for row in rows)}
    table = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", pad_edge=False)
    for name in names:
        # Ids are for copying, so they are never wrapped: other columns give way.
        table.add_column(
            Text(name), justify="right" if name in numeric else "left", overflow="fold", no_wrap=name.endswith("_id")
        )
    for row in rows[:most]:
        texts = (number(row[name]) if number is not None and name in numeric else cell(row[name]) for name in names)
        table.add_row(*map(Text, texts))
    console().print(table)
    if most is not None and len(rows) > most:
        print_line(f"... and {len(rows) - most:,} more rows: --json prints all")


def cell(value: Any) -> str:
    """Return a value formatted for a table.

    Examples
    --------
    >>> cell(0.1 + 0.2), cell(None), cell(1_000_000), cell(True)
    ('0.3', '', '1000000', 'true')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{'' if value.tzinfo is None else f'{value:%z}'.replace('+0000', 'Z')}"
    if isinstance(value, list | tuple | dict):
        return json.dumps(_plain(value), default=_text)
    return str(value)


def print_note(text: str) -> None:
    """Print a note on standard error."""
    _print(console(stderr=True), text)


def print_published(*tables: str, published: bool) -> None:
    """Say in which tables an answer is, and whether it has been published now or before."""
    *others, last = tables
    where = f"tables {', '.join(others)} and {last}" if others else f"table {last}"
    print_note(f"published in {where}" if published else f"published in {where} before; nothing was added")


def print_error(message: str) -> None:
    """Print an error as one paragraph on standard error."""
    _print(console(stderr=True), f"error: {' '.join(message.split())}", "bold red", len("error:"))


# -- progress -------------------------------------------------------------------------------------------------------


@contextmanager
def progress_bars(*, hidden: bool = False) -> Iterator[Progress]:
    """Yield a listener that draws a bar per stage on standard error; no bars if `hidden` or not a terminal."""
    if hidden or not sys.stderr.isatty():
        yield ignore_progress
        return
    with ProgressBars(console=console(stderr=True), unmeasured=STAGES) as bars:
        yield bars
