"""The command `rumormill report`: the list, answers in every format, parameters, pictures, and what it refuses."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analytics.sql_reports import REPORTS
from propagation import simulate
from propagation.models import IndependentCascade
from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]


@pytest.fixture
def asked(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Run a report on a warehouse with the campaign `walk`, of one session on a path of five agents."""
    warehouse = path_network(tmp_path / "warehouse")
    result = simulate(
        warehouse.network("path"),
        IndependentCascade(probability=1.0),
        seed_set=["ann"],
        replicates=2,
        record="contacts",
    )
    now = dt.datetime(2026, 11, 29, tzinfo=dt.UTC)
    campaign = {"campaign_id": "c", "campaign": "walk", "configuration": "{}", "started_at": now, "completed_at": now}
    session = {"campaign_id": "c", "position": 0, "session": "all", "session_id": result.session_id}
    files = [warehouse.stage_records("campaigns", [campaign]), warehouse.stage_records("campaign_sessions", [session])]
    warehouse.commit("campaign", ["campaign/c"], files)
    return lambda *arguments: rumormill("report", *arguments)


def test_the_list_has_every_report_with_its_question(rumormill: Rumormill) -> None:
    listed = rumormill("report", "--list", "--json").json
    assert [row["report"] for row in listed] == list(REPORTS)
    assert all("?" in row["question"] and row["grain"].startswith("One row per ") for row in listed)
    table = rumormill("report", "--list").stdout
    assert "super_spreaders" in table
    assert "limit=10" in table


def test_a_report_prints_its_question_and_answer(asked: Rumormill) -> None:
    answer = asked("reach")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Which session reaches most agents?")
    assert "One row per session of the latest campaign, the largest reach first." in answer.stderr
    assert asked("reach", "--campaign", "walk", "--json").json == [
        {"session": "all", "reach": 5.0, "reach_standard_error": 0.0}
    ]


def test_parameters_formats_and_pictures(asked: Rumormill, tmp_path: Path) -> None:
    rows: list[Any] = asked("super_spreaders", "--set", "limit=2", "--format", "json").json
    assert [row["agent_id"] for row in rows] == ["bob", "cy"], "equal ones by dense id"
    drawn = asked("adoption_curve", "--plot", str(tmp_path / "curve.png"), "--format", "csv")
    assert drawn.exit_code == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert drawn.stdout.splitlines()[0].startswith("session,round,reach")
    assert len(drawn.stdout.splitlines()) == 7, "the last round activates nobody"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which report? For a list: rumormill report --list"),
        (["reach", "--json", "--output", "reach.csv"], "--json and --output 'reach.csv' exclude each other"),
        (["reech"], "no report 'reech' (did you mean 'reach'?)"),
        (["reach", "--campaign", "talk"], "no campaign 'talk' (did you mean 'walk'?)"),
        (["super_spreaders", "--set", "limit"], "limit '' is not a whole number of at least 0"),
        (["reach", "--set", "limit=3"], "report 'reach' has no parameter 'limit'; it has none"),
        (["reach", "--plot", "curve.gif"], "--plot 'curve.gif' does not end in .png, .svg, .pdf; rename it"),
        (["job_durations", "--plot", "jobs.png"], "has no picture; it is a table"),
        (["reach", "--plot", "nowhere/reach.png"], "cannot write 'nowhere/reach.png': there is no folder 'nowhere'"),
        (["reach_by_attribute", "--set", "attribute=shoes"], '"shoes" not found'),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(asked: Rumormill, arguments: list[str], said: str) -> None:
    answer = asked(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert said in answer.stderr
