"""Campaigns in which messages compete: how a session names the seeds of each, and what is refused."""

import datetime as dt
import json
from collections.abc import Callable

import pytest

from analytics.pages.specification import campaign_yaml
from data.errors import InvalidInputError, RumormillError
from data.facade import Warehouse
from flows import run_records
from flows.campaigns import Campaign
from flows.config import campaign_from_dict, load_campaign, resolve, resolve_file
from flows.run_records import StoredRun, find_run, resolve_run, run_id, store_run
from flows.summaries import outcome_text
from propagation.campaign_records import staged_campaign
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


LATE = TEXT.replace("rates: [1, 0.5]", "delays: [0, 2]")
"""The correction starts later; alphabetically it is the first."""
SWAPPED = LATE.replace("        rumour: [ann]\n", "").replace("    replicates", "        rumour: [ann]\n    replicates")
"""The same text, but for the order of the messages: the rumour starts later."""


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


# -- what is stored keeps the order of the messages -----------------------------------------------------------------


def test_a_stored_run_resolves_to_the_sessions_with_which_it_was_started(
    campaign_file: Callable[..., str], warehouse: Warehouse
) -> None:
    run = StoredRun.of_campaign(resolve_file(campaign_file(LATE), warehouse))
    assert store_run(warehouse, run)
    run_records._remembered.clear()  # as in another process
    found = resolve_run(find_run(run.reference, warehouse), warehouse)
    assert found.campaign_id == run.campaign_id
    assert list(found.campaign.sessions[0].seed_sets) == ["rumour", "correction"]


def test_the_file_of_a_finished_campaign_is_the_same_campaign(
    campaign_file: Callable[..., str], warehouse: Warehouse
) -> None:
    done = resolve_file(campaign_file(LATE, "late"), warehouse)
    started = dt.datetime.now(dt.UTC)
    files = staged_campaign(warehouse, "late", done.named_sessions, done.configuration, started)
    warehouse.commit("campaign", [done.key], files)
    (row,) = warehouse.read("campaigns").to_pylist()
    again = resolve_file(campaign_file(campaign_yaml(json.loads(row["configuration"])), "again"), warehouse)
    assert again.campaign_id == done.campaign_id


def test_campaigns_that_differ_in_the_order_of_messages_are_two_runs(
    campaign_file: Callable[..., str], warehouse: Warehouse
) -> None:
    late, swapped = (resolve_file(campaign_file(text), warehouse) for text in (LATE, SWAPPED))
    assert late.campaign_id != swapped.campaign_id
    assert StoredRun.of_campaign(late).run_id != StoredRun.of_campaign(swapped).run_id


def test_other_runs_have_the_ids_that_they_always_had() -> None:
    session = {"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 2}}
    plain = Campaign.model_validate({"name": "spring", "network": "path", "sessions": [session]})
    assert run_id(plain, "snapshot", ()) == "f93e3264-4710-5a58-88cb-c1769bb044e1"
    competing = {**session, "model": "competing_cascades", "seeds": {"messages": {"a": ["1"], "b": ["2"]}}}
    alphabetical = Campaign.model_validate({"name": "spring", "network": "path", "sessions": [competing]})
    assert run_id(alphabetical, "snapshot", ()) == "01a1abe2-36e0-505c-81e7-94c8d05cd790"


def test_a_run_of_an_earlier_version_may_have_lost_the_order(
    campaign_file: Callable[..., str], warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = StoredRun.of_campaign(resolve_file(campaign_file(LATE), warehouse))
    monkeypatch.setattr(run_records, "_compact", lambda value: json.dumps(value, sort_keys=True))
    store_run(warehouse, run)
    run_records._remembered.clear()
    with pytest.raises(InvalidInputError, match="an earlier version of Rumormill, without the order of its competing"):
        resolve_run(find_run(run.reference, warehouse), warehouse)


# -- mistakes -------------------------------------------------------------------------------------------------------


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
        (
            "rates: [1, 0.5]",
            "rates: [1, 0.5, 1]",
            9,
            "rates: [1.0, 0.5, 1.0] has 3 values, but the session has 2 messages",
        ),
        ("rates: [1, 0.5]", "delays: [0, 10_001]", 9, "delays: 10001 is after the last round, max_rounds 10,000"),
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


@pytest.mark.parametrize("seeds", ["[ann]", "{strategy: top_out_degree, budget: 1}", "{a: [ann], b: [bob]}"])
def test_the_model_needs_messages(campaign_file: Callable[..., str], warehouse: Warehouse, seeds: str) -> None:
    session = f"sessions: [{{name: both, model: competing_cascades, seeds: {seeds}}}]"
    names = "a: ..., b: ..." if "bob" in seeds else "rumour: ..., correction: ..."
    for messages in ("", "messages: [{name: rumour, content: A}, {name: correction, content: B}]\n"):
        with pytest.raises(InvalidInputError) as raised:
            resolve_file(campaign_file(f"network: path\n{messages}{session}"), warehouse)
        told = f"needs the seeds of each message, by its name: seeds: {{messages: {{{names}}}}}"
        assert told in str(raised.value)
        assert "message is missing" not in str(raised.value)


def test_messages_are_described_before_they_compete(campaign_file: Callable[..., str], warehouse: Warehouse) -> None:
    session = "sessions: [{name: both, model: competing_cascades, seeds: {messages: {rumour: [ann], denial: [bob]}}}]"
    with pytest.raises(InvalidInputError, match=r"in the campaign's messages: - \{name: rumour, content: \.\.\.\}"):
        resolve_file(campaign_file(f"network: path\n{session}"), warehouse)
    named = "messages: [{name: rumour}, {name: denial}]"
    with pytest.raises(InvalidInputError, match=r"are the same: .* give each its own, such as content: denial"):
        resolve_file(campaign_file(f"network: path\n{named}\n{session}"), warehouse)


def test_the_outcome_of_a_run_is_told_by_message() -> None:
    def row(session: str, **reach: float) -> dict[str, object]:
        told = [{"message": each, "mean": mean, "standard_error": 0.0, "replicates": 9} for each, mean in reach.items()]
        together = {"total_influenced": sum(reach.values()), "total_influenced_standard_error": 0.0, "replicates": 9}
        return {"session": session, **together, "messages": told}

    sessions = [row("early", rumour=11.0, correction=200.0), row("late", rumour=22.0, correction=189.0)]
    told = outcome_text({"sessions": sessions, "status": "completed", "agents": 1000}, 2, 1.0)
    best = "best reach by message: rumour 22 ± 0 (late), correction 200 ± 0 (early) of 1,000 agents (95 % intervals)"
    assert best in told
