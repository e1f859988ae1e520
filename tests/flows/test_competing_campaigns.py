"""Campaigns in which messages compete: how a session names the seeds of each, and what is refused."""

from collections.abc import Callable

import pytest

from data.errors import InvalidInputError, RumormillError
from data.facade import Warehouse
from flows.config import campaign_from_dict, load_campaign, resolve, resolve_file
from tests.flows.conftest import path_network

TEXT = """\
network: path
record: activations
messages:
  - {name: rumour, content: The well is poisoned.}
  - {name: correction, content: The water is clean.}
sessions:
  - name: both
    model: competing_cascades
    parameters: {probability: 1, rates: [1, 0.5]}
    seeds:
      messages:
        rumour: [ann]
        correction: {strategy: top_out_degree, budget: 1}
    replicates: 3
"""


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    return path_network(tmp_path / "warehouse")


def test_a_session_maps_each_message_to_its_seeds(campaign_file: Callable[..., str], warehouse: Warehouse) -> None:
    resolved = resolve_file(campaign_file(TEXT), warehouse)
    (session,) = resolved.sessions
    ids = [message.message_id for message in resolved.campaign.messages]
    assert session.seed_messages == tuple(ids)
    assert session.seed_agents[0] == "ann"
    assert session.message_id is None
    assert session.model.resolved_parameters["rates"] == [1.0, 0.5]
    assert resolved.configuration["sessions"][0]["seeds"]["messages"]["rumour"] == ["ann"]


def test_a_dictionary_gives_the_same_campaign(campaign_file: Callable[..., str], warehouse: Warehouse) -> None:
    written = load_campaign(campaign_file(TEXT, "spring"))
    content = {
        "name": "spring",
        "network": "path",
        "record": "activations",
        "messages": [
            {"name": "rumour", "content": "The well is poisoned."},
            {"name": "correction", "content": "The water is clean."},
        ],
        "sessions": [
            {
                "name": "both",
                "model": "competing_cascades",
                "parameters": {"probability": 1, "rates": [1, 0.5]},
                "seeds": {"messages": {"rumour": ["ann"], "correction": {"strategy": "top_out_degree", "budget": 1}}},
                "replicates": 3,
            }
        ],
    }
    assert resolve(campaign_from_dict(content), warehouse).campaign_id == resolve(written, warehouse).campaign_id


def test_agent_ids_of_competing_messages_stay_as_written(campaign_file: Callable[..., str]) -> None:
    campaign = load_campaign(campaign_file(TEXT.replace("[ann]", "[007, null, no, 1.50]")))
    assert campaign.sessions[0].seed_sets["rumour"] == ("007", "null", "no", "1.50")


@pytest.mark.parametrize(
    ("old", "new", "line", "sentence"),
    [
        ("rumour: [ann]", "rumor: [ann]", 12, "no message 'rumor' (did you mean 'rumour'?); messages are rumour"),
        ("rumour: [ann]", "rumour: []", 10, "message 'rumour': [] gives no seeds"),
        ("rumour: [ann]", "rumour: [zoe]", 10, "message 'rumour': agent 'zoe' is not in network 'path'"),
        ("top_out_degree", "top_degree", 13, "no seed strategy 'top_degree' (did you mean 'top_out_degree'?)"),
        ("budget: 1", "budget: 0", 13, "budget: must be greater than or equal to 1 (given: 0)"),
        ("    replicates", "    message: rumour\n    replicates", 14, "seeds name the messages that compete"),
        ("competing_cascades", "independent_cascade", 10, "spreads one message"),
        ("The water is clean.", "The well is poisoned.", 13, "'rumour' and 'correction' are the same"),
        (
            "        rumour: [ann]\n        correction: {strategy: top_out_degree, budget: 1}\n",
            "",
            10,
            "maps no messages to seeds",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(
    campaign_file: Callable[..., str], warehouse: Warehouse, old: str, new: str, line: int, sentence: str
) -> None:
    if "probability" in TEXT and new == "independent_cascade":
        text = TEXT.replace(", rates: [1, 0.5]", "").replace(old, new)
    else:
        text = TEXT.replace(old, new)
    with pytest.raises(RumormillError) as raised:
        resolve_file(campaign_file(text), warehouse)
    assert sentence in str(raised.value)
    assert f"line {line}: " in str(raised.value)


def test_the_model_needs_messages(campaign_file: Callable[..., str], warehouse: Warehouse) -> None:
    listed = TEXT.replace(
        "    seeds:\n      messages:\n        rumour: [ann]\n", "    message: rumour\n    seeds: [ann]\n"
    )
    listed = listed.replace("        correction: {strategy: top_out_degree, budget: 1}\n", "")
    with pytest.raises(InvalidInputError, match="model 'competing_cascades' needs the seeds of each message"):
        resolve_file(campaign_file(listed), warehouse)
