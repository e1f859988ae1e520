"""Progress of a job: what its watchers read, how often, and that a cancellation in Prefect reaches it."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from data.progress import ignore_progress
from flows import job_progress
from flows.job_progress import JobProgress, Pace


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(job_progress, "time", clock)
    return clock


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """What the progress bar in Prefect's UI showed: per cent and text."""
    shown: list[tuple[float, str]] = []
    monkeypatch.setattr(
        job_progress, "create_progress_artifact", lambda progress, _key, text: shown.append((progress, text))
    )
    monkeypatch.setattr(
        job_progress, "update_progress_artifact", lambda _id, progress, text: shown.append((progress, text))
    )
    return shown


def plan(**changes: Any) -> Any:
    return SimpleNamespace(**{"plan": "broadcast", "lanes": 2000, "estimated_seconds": 90.0, **changes})


def test_pace_says_what_is_done_how_fast_and_how_long_the_rest_takes(clock: Clock) -> None:
    pace = Pace("broadcast", 2000, 90.0)
    assert pace.text() == "0 of 2,000 lanes, estimated 1.5 min"
    clock.now += 100
    assert pace.text() == "0 of 2,000 lanes, estimated 1.5 min, 1.7 min so far"
    pace.done = 1500.0
    assert pace.text() == "1,500 of 2,000 lanes (75 %), 15 lanes/s, about 33.33 s left"
    assert pace.ending(completed=False) == "stopped after 1,500 of 2,000 lanes in 1.7 min, estimated 1.5 min"
    pace.done = 2.0
    assert "0.02 lanes/s, about 27.8 h left" in pace.text()


def test_the_reference_plan_reports_rounds_whose_number_nobody_knows(clock: Clock) -> None:
    pace = Pace("reference", 4, 10.0)
    clock.now, pace.done = clock.now + 3, 12.0
    assert (pace.share, pace.text()) == (0.0, "12 rounds done in 3.00 s")
    assert pace.ending(completed=True) == "simulated 12 rounds in 3.00 s"


def test_lines_are_logged_every_15_seconds_and_at_the_end(
    clock: Clock, bars: list[tuple[float, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "job")
    heard: list[float] = []
    with JobProgress("spring", lambda _stage, done, _total: heard.append(done), logging.getLogger("job")) as progress:
        progress.begin(plan())
        for second in range(1, 41):
            clock.now += 1
            assert not progress.is_set()  # also shows that nothing moves
            if second % 10 == 0:
                progress("simulating", 50.0 * second, 2000)
    assert heard == [500, 1000, 1500, 2000]
    assert caplog.messages == [
        "simulating: 500 of 2,000 lanes (25 %), 33 lanes/s, about 45.00 s left",
        "simulating: 1,000 of 2,000 lanes (50 %), 33 lanes/s, about 30.00 s left",
        "simulated 2,000 lanes in 40.00 s, estimated 1.5 min",
    ]
    assert bars[0] == (0.0, "Campaign **spring**: 0 of 2,000 lanes, estimated 1.5 min")


def test_a_bar_is_updated_every_2_seconds_and_says_where_the_job_stopped(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[float, str]] = []
    monkeypatch.setattr(job_progress, "create_progress_artifact", lambda *_: "id")
    monkeypatch.setattr(job_progress, "update_progress_artifact", lambda _, share, text: shown.append((share, text)))
    progress = JobProgress("spring", ignore_progress, logging.getLogger("job"))
    progress.begin(plan())
    for second in range(1, 7):
        clock.now += 1
        progress("simulating", 100.0 * second, 2000)
    with pytest.raises(KeyboardInterrupt), progress:
        raise KeyboardInterrupt
    assert [share for share, _ in shown] == [10.0, 20.0, 30.0, 30.0]
    assert shown[-1][1] == "Campaign **spring**: stopped after 600 of 2,000 lanes in 6.00 s, estimated 1.5 min"


def test_a_bar_that_fails_does_not_end_the_run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(job_progress, "create_progress_artifact", lambda *_: "id")
    monkeypatch.setattr(job_progress, "update_progress_artifact", refuse)
    with JobProgress("spring", ignore_progress, logging.getLogger("job")) as progress:
        progress.begin(plan())
        clock.now += 5
        progress("simulating", 100, 2000)


def test_a_cancellation_in_prefect_is_noticed_within_seconds(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(job_progress, "_is_cancelled", lambda run: bool(asked.append(run)) or len(asked) == 2)
    progress = JobProgress("spring", ignore_progress, logging.getLogger("job"), "run")
    found = []
    for _ in range(12):
        clock.now += 1
        found.append(progress.is_set())
    assert found == [False] * 9 + [True] * 3
    assert asked == ["run"] * 2
