"""Names of campaigns, sessions and messages: what people call things, and what becomes of it in keys and pictures."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from data.errors import CampaignError
from data.facade import Warehouse
from flows.artifacts import bold, slug
from flows.config import load_campaign

NAMES = [
    "春季",
    "my campaign (1)",
    "_draft",
    "p=0.1 (hubs)",
    "α → β, 50 %",
    "größer/kleiner",
    "'quoted' \"twice\"",
    "🙂",
    "#1: *best* [of all]",
    "x" * 100,
]


def campaign_of(called: str, **keys: Any) -> dict[str, Any]:
    sessions = [{"name": called, "seeds": ["1"], "message": called}]
    return {"network": "town", "messages": [{"name": called}], "sessions": sessions, **keys}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_what_people_call_things(campaign_file: Callable[..., str], name: str) -> None:
    campaign = load_campaign(campaign_file(campaign_of(name, name=name)))
    assert (campaign.name, campaign.sessions[0].name, campaign.messages[0].name) == (name, name, name)


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name and len(name.encode()) < 200])
def test_a_campaign_without_name_is_called_as_its_file(campaign_file: Callable[..., str], name: str) -> None:
    assert load_campaign(campaign_file(campaign_of("one"), name)).name == name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ('""', "'' is an empty name; use 1 to 100 characters"),
        ('"  "', "'  ' is an empty name"),
        (r'"two\nlines"', r"'two\nlines' holds '\n', a control character"),
        (r'"a\u2028b"', r"holds '\u2028', a control character"),
        ("x" * 101, "has 101 characters; names have at most 100"),
    ],
)
def test_a_name_that_is_none_is_told_in_words_at_its_line(
    campaign_file: Callable[..., str], name: str, told: str
) -> None:
    text = f"network: town\nsessions:\n  - seeds: [1]\n    name: {name}\n"
    with pytest.raises(CampaignError, match=rf"line 4: sessions\.0\.name: .*{re.escape(told)}"):
        load_campaign(campaign_file(text))


def test_a_file_whose_name_is_none_is_told_by_its_path(campaign_file: Callable[..., str]) -> None:
    path = campaign_file(campaign_of("one"), "x" * 101)
    with pytest.raises(
        CampaignError,
        match=r"xxx\.yaml: .*its file name is the campaign's name, .* has 101 characters",
    ):
        load_campaign(path)
    assert load_campaign(campaign_file(campaign_of("one", name="short"), "x" * 101)).name == "short"


def test_keys_of_artifacts_are_valid_and_differ() -> None:
    slugs = [slug(name) for name in [*NAMES, "秋季", "p=0.1 [hubs]", "p 0.1 hubs"]]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", key) for key in slugs)
    assert slug("seed-strategies") == "seed-strategies"
    assert bold("*a* [b]") == r"**\*a\* \[b\]**"


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_url")
def test_a_campaign_of_any_name_runs_is_shown_and_is_found(
    warehouse: Warehouse, campaign_file: Callable[..., str], rumormill: Callable[..., Any]
) -> None:
    sessions = [{"name": name, "seeds": ["1"], "replicates": 5} for name in ("秋 (hubs)", "_a/b $x$")]
    path = campaign_file({"network": "town", "sessions": sessions}, "春季 (1)")
    ran = rumormill("run", path, "--warehouse", warehouse.url, "--json").json
    assert (ran["campaign"], ran["status"]) == ("春季 (1)", "completed")
    assert [row["session"] for row in ran["sessions"]] == ["秋 (hubs)", "_a/b $x$"]
    found = rumormill("sessions", "--campaign", "春季 (1)", "--warehouse", warehouse.url, "--json").json
    assert [row["campaigns"] for row in found] == [{"春季 (1)": ["秋 (hubs)", "_a/b $x$"]}]
    assert rumormill("run", path, "--warehouse", warehouse.url, "--json").json["status"] == "already_completed"
