"""Progress of long work: the protocol of callbacks, and the bars that are drawn if the caller gives none."""

import importlib.util
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from rich.console import Console

SHOW_AFTER = 2.0
"""Seconds of work after which bars are drawn without being asked for."""
_BAR_WIDTH = 24


class Progress(Protocol):
    """A progress callback; the data and engine layers call it, the caller decides how to display progress."""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Report that ``done`` of ``total`` units of ``stage`` are finished (any unit, ``done <= total``)."""


def ignore_progress(stage: str, done: float, total: float) -> None:
    """Do nothing."""


class ProgressBars:
    """A bar per stage on standard error or in a notebook; a context manager that is a `Progress`.

    Parameters
    ----------
    after : float
        Seconds without bars, so that short work draws none.
    console : rich.console.Console, optional
    unmeasured : mapping
        Stages of unknown length, and the text shown during them.
    """

    def __init__(
        self,
        after: float = 0.0,
        console: "Console | None" = None,
        unmeasured: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._begin, self._console, self._unmeasured = time.monotonic() + after, console, unmeasured
        self._bars: Any = None
        self._shown: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Draw the progress of a stage, once it is time for bars."""
        if self._bars is None:
            if time.monotonic() < self._begin:
                return
            self._bars = self._opened()
        if stage not in self._tasks:
            text = self._unmeasured.get(stage, stage)
            self._tasks[stage] = self._bars.add_task(text, total=None, amount="")
        if stage in self._unmeasured:
            self._bars.update(self._tasks[stage], visible=done < total)
        else:
            amount = f"{done:,.0f} of {total:,.0f}"
            self._bars.update(self._tasks[stage], completed=done, total=total, amount=amount)

    def _opened(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
        )
        console = self._console or Console(stderr=True)
        bars = Bars(*columns, console=console, transient=not console.is_jupyter)
        if console.is_jupyter and _has_widgets():
            from IPython.display import display
            from ipywidgets import Output

            # The widget that Rich displays by itself stays, as the text "Output()"; this one is replaced in the end.
            bars.live.ipy_widget = Output()
            self._shown = display(bars.live.ipy_widget, display_id=True)
        bars.start()
        return bars

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown is not None:
            widget = self._bars.live.ipy_widget
            with widget:  # for Rich displays an empty text when it stops
                self._bars.stop()
            widget.close()
            self._shown.update({"text/html": ""}, raw=True)
        elif self._bars is not None:
            self._bars.stop()


@contextmanager
def shown(progress: Progress | None) -> Iterator[Progress]:
    """Yield a progress callback; None stands for bars, drawn if work takes over two seconds and somebody can see them.

    Examples
    --------
    >>> with shown(None) as progress:  # neither a terminal nor a notebook: nothing is drawn
    ...     progress("simulating", 1, 2)
    """
    if progress is not None:
        yield progress
    elif (sys.stderr is not None and sys.stderr.isatty()) or _in_notebook():
        with ProgressBars(SHOW_AFTER) as bars:
            yield bars
    else:
        yield ignore_progress


def _in_notebook() -> bool:
    """Whether this is a notebook that can update what it shows, for which Rich needs ipywidgets."""
    return "ipykernel" in sys.modules and _has_widgets()


@cache
def _has_widgets() -> bool:
    return importlib.util.find_spec("ipywidgets") is not None
