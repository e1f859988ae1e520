"""Campaigns as dictionaries: equal to those of files, and refused in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import CampaignError, InvalidInputError, UnknownAgentError
from data.facade import Warehouse
from flows.campaign_jobs import prepare_run
from flows.config import CONFIGS, campaign_from_dict, load_campaign
from flows.estimates import estimate_campaign

HUBS = {"name": "hubs", "seeds": [3, "007"]}
SPRING: dict[str, Any] = {"name": "spring", "network": "town", "sessions": [HUBS]}


def spring(**session: Any) -> dict[str, Any]:
    return {**SPRING, "sessions": [{**HUBS, **session}]}


def test_the_same_content_gives_the_same_campaign(campaign_file: Callable[..., str]) -> None:
    content = {
        **SPRING,
        "name": 2026,
        "messages": [{"name": "m", "sender": 3, "properties": {"length": np.int64(25)}}],
        "cluster": "processes",
        "sessions": [HUBS, {**HUBS, "name": 2, "replicates": np.int32(5), "parameters": {"probability": 1e-3}}],
    }
    in_a_file = json.loads(json.dumps(content, default=lambda number: number.item()))
    assert campaign_from_dict(content) == load_campaign(campaign_file(in_a_file))


@pytest.mark.parametrize("seeds", [np.array([3, 7]), pd.Series(["3", "7"]), (3, np.int32(7)), pd.Index([3, 7])])
def test_seeds_are_any_list_of_ids(seeds: Any) -> None:
    assert campaign_from_dict(spring(seeds=seeds)).sessions[0].seeds == ("3", "7")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "campaign, name: is missing; add 'name: ...'"),
        ({**SPRING, "netwrok": 1}, r"campaign 'spring', netwrok: unknown key \(did you mean 'network'\?\)"),
        (spring(parameters={"probability": 1.3}), r"campaign 'spring', session 'hubs', parameters.probability: .*1\.3"),
        (
            spring(repliactes=2),
            r"campaign 'spring', session 'hubs', repliactes: unknown key \(did you mean 'replicates'",
        ),
        (spring(seeds=[3.0]), "session 'hubs', seeds: entry 1 of the list is 3.0; give agent ids as text or whole"),
        (spring(seeds=[3, True]), "session 'hubs', seeds: entry 2 of the list is True"),
        ({**SPRING, "sessions": [HUBS, HUBS]}, "session 'hubs', name: 'hubs' is taken by an entry above"),
        ({**SPRING, "sessions": [HUBS, {"seeds": [1]}]}, "campaign 'spring', session 2, name: is missing"),
        ({**SPRING, "sessions": [3]}, "campaign 'spring', session 1: must be a valid dictionary"),
        ({**SPRING, "cluster": "thread"}, r"campaign 'spring', cluster: .*\(did you mean 'threads'\?\)"),
        ({**SPRING, "models": [Path("absent.py")]}, "campaign 'spring', models.0: no file of models .*absent.py"),
        ({**SPRING, 1: 2}, "campaign: key 1 is not text"),
    ],
)
def test_mistakes_are_named_with_their_place_in_words(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CampaignError, match=sentence):
        campaign_from_dict(content)


def test_what_does_not_fit_the_network_is_named_in_words_too(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownAgentError, match=r"^campaign 'spring', session 'hubs', seeds: agent 'zoe' is not in"):
        prepare_run(spring(seeds=["zoe"]), warehouse)
    with pytest.raises(InvalidInputError, match="42 is no campaign; give the path of a campaign file, a dictionary"):
        prepare_run(42, warehouse)  # type: ignore[arg-type]


def test_every_way_of_giving_a_campaign_prepares_the_same_run(warehouse: Warehouse) -> None:
    path = CONFIGS / "campaigns" / "seed-strategies.yaml"
    warehouse.generate_network(load_campaign(str(path)).network, "rmat", agents=600, edges=3_000)
    content = load_campaign(str(path)).model_dump(mode="json", exclude_unset=True)
    ways = (str(path), path, content, load_campaign(str(path)))
    assert len({prepare_run(way, warehouse).stored.run_id for way in ways}) == 1
    assert len({json.dumps(estimate_campaign(way, warehouse)["sessions"]) for way in ways}) == 1
