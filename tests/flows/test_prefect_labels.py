"""What an operator reads in Prefect's UI before and after a run: its form, its name, its outcome."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from flows.config import stated_names
from flows.propagate import propagate
from flows.run_forms import parameter_texts
from flows.summaries import outcome_text


def test_the_run_form_describes_each_parameter_and_offers_the_plans() -> None:
    form = propagate.parameters.model_dump()
    properties = form["properties"]
    assert list(properties) == list(inspect.signature(propagate.fn).parameters)
    assert form["required"] == ["campaign"]
    assert {name: value["description"] for name, value in properties.items()} == parameter_texts(
        inspect.getdoc(propagate) or ""
    )
    assert properties["again"]["default"] is False
    choices = next(kind for kind in properties["plan"]["anyOf"] if "enum" in kind)
    assert choices["enum"] == ["auto", "broadcast", "partitioned", "reference"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: spring 2026 # the second\nnetwork: 'town'\nsessions: []\n", ["spring 2026", "town"]),
        ("network: 007\nsessions:\n  - name: hubs\n", ["campaign", "007"]),
        ("name: [\nnetwork: {a: b}\n", ["campaign"]),
        ('{"name": "json"}', ["campaign"]),
    ],
)
def test_a_run_is_named_after_what_its_file_states_even_if_it_is_invalid(
    campaign_file: Callable[..., str], content: str, expected: list[str]
) -> None:
    assert stated_names(campaign_file(content)) == expected


def test_a_missing_file_has_a_name_too() -> None:
    assert stated_names("nowhere/spring.yaml") == ["spring"]
    assert stated_names("seed-strategies")[0] == "seed-strategies"


BEST = "75.7 ± 4.5 (95 % interval) of 5,000 agents"


@pytest.mark.parametrize(
    ("status", "computed", "expected"),
    [
        (
            "completed",
            1,
            f"Computed 1 of 2 sessions; best reach {BEST} (hubs); 1.2 min",
        ),
        (
            "confirmed",
            2,
            f"Recomputed 2 sessions: every row equals the published one; best reach {BEST}",
        ),
        (
            "already_completed",
            0,
            f"Nothing new: 2 sessions published before; best reach {BEST}",
        ),
    ],
)
def test_the_outcome_of_a_run_is_one_line(status: str, computed: int, expected: str) -> None:
    sessions: list[dict[str, Any]] = [
        {"session": "random", "total_influenced": 53.04, "total_influenced_standard_error": None, "replicates": 1},
        {"session": "hubs", "total_influenced": 75.71, "total_influenced_standard_error": 2.31, "replicates": 1000},
    ]
    for row in sessions:
        row["messages"] = []
    text = outcome_text({"status": status, "agents": 5000, "sessions": sessions}, computed, 75.0)
    assert text.startswith(expected)
