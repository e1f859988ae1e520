"""Campaigns of very many sessions: what is done for each does not grow with their number."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.errors import CampaignError
from data.facade import Warehouse
from data.networks.network import Network
from flows import campaign_problems
from flows.campaigns import Campaign
from flows.config import load_campaign, resolve_file
from propagation import seeding

MANY = 2_000


class CountedName(str):
    """A name that counts how often it is compared."""

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedName.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def entries(prefix: str, number: int, **fields: Any) -> list[Any]:
    return [SimpleNamespace(name=CountedName(f"{prefix}{i}"), **fields) for i in range(number)]


def test_names_are_compared_about_once_each() -> None:
    sessions = entries("s", MANY, message=None, competes=False)
    for number, session in enumerate(sessions):
        session.message = CountedName(f"m{number}")
    sessions[-1].name = CountedName("s7")
    messages = entries("m", MANY)
    campaign: Any = SimpleNamespace(sessions=sessions, messages=messages)
    CountedName.comparisons = 0
    (problem,) = campaign_problems.problems_of_names(campaign)
    assert (problem.location, problem.sentence) == (
        ("sessions", MANY - 1, "name"),
        "'s7' is taken by an entry above; names must differ",
    )
    assert CountedName.comparisons <= 3 * MANY


def test_similar_names_are_looked_for_only_where_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(campaign_problems, "suggestion", lambda name, _: asked.append(name) or "")
    sessions = entries("s", MANY, message="nws", competes=False)
    campaign: Any = SimpleNamespace(sessions=sessions, messages=entries("m", MANY))
    problems = list(campaign_problems.problems_of_names(campaign))
    assert len(problems) == MANY
    assert len(asked) == campaign_problems.MOST_PROBLEMS
    assert len(problems[0].sentence) < 300  # not all messages


def test_duplicates_among_many_are_told_at_their_lines(campaign_file: Callable[..., str]) -> None:
    lines = [f"  - {{name: s{i}, seeds: [{i}]}}\n" for i in range(MANY)]
    lines[1500] = lines[3]
    lines[1999] = lines[1998]
    with pytest.raises(CampaignError) as told:
        load_campaign(campaign_file("network: g\nsessions:\n" + "".join(lines)))
    assert "line 1503: sessions.1500.name: 's3' is taken by an entry above" in str(told.value)
    assert "line 2002: sessions.1999.name: 's1998' is taken by an entry above" in str(told.value)


def test_problems_beyond_those_shown_are_counted(campaign_file: Callable[..., str]) -> None:
    text = "network: g\nmessages: [{name: news}]\nsessions:\n"
    text += "".join(f"  - {{name: s{i}, message: nws, seeds: [1]}}\n" for i in range(MANY))
    with pytest.raises(
        CampaignError, match=r"line 4: sessions\.0\.message: no message 'nws' \(did you mean 'news'\?\)"
    ):
        load_campaign(campaign_file(text))
    with pytest.raises(CampaignError, match=r"; and 1995 more$"):
        load_campaign(campaign_file(text))


def test_a_message_is_found_without_looking_through_all() -> None:
    messages = [{"name": f"m{i}", "type": f"t{i}"} for i in range(50)]
    sessions = [{"name": "s", "message": "m37", "seeds": ["1"]}]
    rows = {"t37": {"independent_cascade": {"probability": 0.25}}}
    campaign = Campaign(name="c", network="n", messages=messages, sessions=sessions, message_types=rows)
    assert campaign.message_of(campaign.sessions[0]) is campaign.messages[37]
    assert campaign.parameters_of(0)["probability"].value == 0.25
    assert campaign._message_positions is campaign._message_positions


def test_seeds_of_all_sessions_are_looked_up_at_once(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    found = Network._found
    monkeypatch.setattr(Network, "_found", lambda self, ids: asked.append(len(ids)) or found(self, ids))
    sessions = [{"name": f"s{i}", "seeds": [str(i % 300), str((i + 1) % 300)], "replicates": 1} for i in range(400)]
    resolved = resolve_file(campaign_file({"network": "town", "sessions": sessions}), warehouse)
    assert asked == [300]
    ids = resolved.network.agent_ids.to_pylist()
    assert [[ids[seed] for seed in session.seeds] for session in resolved.sessions] == [
        session["seeds"] for session in sessions
    ]


def test_sessions_that_share_a_strategy_choose_once(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[int] = []
    pick = seeding.DegreeDiscount._pick
    monkeypatch.setattr(
        seeding.DegreeDiscount, "_pick", lambda self, *rest: chosen.append(self.budget) or pick(self, *rest)
    )
    seeds = {"strategy": "degree_discount", "budget": 7}
    sessions = [{"name": f"s{i}", "seeds": seeds, "replicates": i + 1} for i in range(50)]
    resolved = resolve_file(campaign_file({"network": "town", "sessions": sessions}), warehouse)
    assert chosen == [7]
    assert len({session.seeds for session in resolved.sessions}) == 1
    assert np.unique(resolved.sessions[0].seeds).size == 7
