"""Bars that are drawn without being asked for: only for long work, and only where somebody can see them."""

import io
from contextlib import redirect_stderr

import pytest
from rich.console import Console

from data import progress
from data.progress import ProgressBars, ignore_progress, shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_long_work_is_shown_on_a_terminal_and_cleared_at_its_end(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER", 0.0)
    with redirect_stderr(terminal), shown(None) as report:
        report("simulating", 250, 1000)
    written = terminal.getvalue()
    assert "simulating" in written
    assert "250 of 1,000" in written
    assert written.endswith("\x1b[2K"), "the bar's line is cleared"


def test_short_work_draws_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER", 3600.0)
    with redirect_stderr(terminal), shown(None) as report:
        report("simulating", 1, 2)
    assert terminal.getvalue() == ""


def test_nothing_is_drawn_where_nobody_looks() -> None:
    with shown(None) as report:
        assert report is ignore_progress


def test_a_callback_of_the_caller_is_called_instead(terminal: Terminal) -> None:
    heard = []
    with redirect_stderr(terminal), shown(lambda *what: heard.append(what)) as report:
        report("simulating", 1, 2)
    assert heard == [("simulating", 1, 2)]
    assert terminal.getvalue() == ""


def test_a_stage_of_unknown_length_shows_its_text() -> None:
    screen = Terminal()
    with ProgressBars(console=Console(file=screen, force_terminal=True), unmeasured={"starting": "one moment"}) as bars:
        bars("starting", 0, 1)
    assert "one moment" in screen.getvalue()


def test_bars_are_removed_when_work_fails(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SHOW_AFTER", 0.0)
    with redirect_stderr(terminal), pytest.raises(ZeroDivisionError):
        _fail()
    assert terminal.getvalue().endswith("\x1b[2K")


def _fail() -> None:
    with shown(None) as report:
        report("reading", 1, 2)
        raise ZeroDivisionError
