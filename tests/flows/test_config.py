"""Campaign files: what they mean, what is wrong with them and in which line."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import (
    CampaignError,
    InvalidInputError,
    NetworkNotFoundError,
    SourceNotFoundError,
    UnfitModelError,
    UnknownAgentError,
)
from data.facade import Warehouse
from flows.campaigns import Campaign, MessageSpecification, ResolvedCampaign, SessionSpecification, resolve
from flows.config import CONFIGS, campaign_path, load_campaign, load_cluster_profile, resolve_file
from propagation.models import MODELS
from propagation.seeding import STRATEGIES
from propagation.sessions import RECORDS

BASE = """\
network: town
messages:
  - {name: news, content: Read this}
sessions:
  - name: one
    parameters:
      probability: 0.1
    seeds: [1, 007, no, 1.50, 1e5, "x y"]
"""


def test_campaigns_and_profiles_that_come_with_rumormill_are_valid() -> None:
    campaigns = {path.stem: load_campaign(path.stem) for path in (CONFIGS / "campaigns").glob("*.yaml")}
    assert {"seed-strategies", "explicit-seeds", "message-types"} <= set(campaigns)
    demo = campaigns["seed-strategies"]
    assert (demo.network, demo.record, demo.random_seed) == ("demo", "rounds", 0)
    assert [s.strategy[0] for s in demo.sessions if s.strategy] == ["random", "top_out_degree", "degree_discount"]
    assert {s.replicates for s in demo.sessions} == {1000}
    assert {json.dumps(s.parameters) for s in demo.sessions} == {'{"probability": "weighted_cascade"}'}
    kinds = {path.stem: load_cluster_profile(path.stem).kind for path in (CONFIGS / "clusters").glob("*.yaml")}
    assert kinds == {"threads": "threads", "processes": "processes", "scheduler": "address"}


def test_agent_ids_stay_as_written_and_names_are_text(campaign_file: Callable[..., str]) -> None:
    text = BASE.replace("network: town", "network: 2024").replace("content: Read this", "content: Read this, sender: 7")
    campaign = load_campaign(campaign_file(text, "2026-plan"))
    assert campaign.name == "2026-plan"
    assert campaign.network == "2024"
    assert campaign.messages[0].sender == "7"
    assert campaign.sessions[0].seeds == ("1", "007", "no", "1.50", "1e5", "x y")
    nothings = BASE.replace('[1, 007, no, 1.50, 1e5, "x y"]', "[null, ~, Null, true, .nan, 1.0, 2026-01-02]")
    (session,) = load_campaign(campaign_file(nothings)).sessions
    assert session.seeds == ("null", "~", "Null", "true", ".nan", "1.0", "2026-01-02")


def test_numbers_and_truth_values_are_what_they_seem(campaign_file: Callable[..., str]) -> None:
    text = BASE.replace("probability: 0.1", "probability: 1e-3") + "    replicates: 10_000\n    max_rounds: 1_0\n"
    text = text.replace(
        "{name: news, content: Read this}", "{name: news, properties: {a: yes, b: true, c: 010, d: 3, e: -.5, f: ~}}"
    )
    campaign = load_campaign(campaign_file(text))
    assert campaign.sessions[0].parameters == {"probability": 0.001}
    assert (campaign.sessions[0].replicates, campaign.sessions[0].max_rounds) == (10_000, 10)
    assert campaign.messages[0].properties == {"a": "yes", "b": True, "c": "010", "d": 3, "e": -0.5, "f": None}


def test_aliases_repeat_what_they_refer_to(campaign_file: Callable[..., str]) -> None:
    text = BASE.replace("parameters:", "parameters: &p") + "  - {name: two, parameters: *p, seeds: [2]}\n"
    first, second = load_campaign(campaign_file(text)).sessions
    assert first.parameters == second.parameters == {"probability": 0.1}


def test_a_cluster_is_a_name_a_path_or_the_profile_itself(campaign_file: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: processes\nworkers: 3\n")
    named, path, inline = (
        load_campaign(campaign_file(BASE + f"cluster: {cluster}\n")).cluster
        for cluster in ("scheduler", "mine.yaml", "{kind: processes, workers: 3}")
    )
    assert named == load_cluster_profile("scheduler")
    assert path == inline
    assert (path.kind, path.workers) == ("processes", 3)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("0.1", "1.3", 7, "sessions.0.parameters.probability: 1.3 is not in [0, 1]"),
        ("0.1", ".nan", 7, "sessions.0.parameters.probability: nan is not in [0, 1]"),
        ("0.1", "often", 7, "sessions.0.parameters.probability: 'often' is unknown; use a number in [0, 1], w"),
        ("probability", "probabilty", 7, "sessions.0.parameters.probabilty: unknown key (did you mean 'probability'?)"),
        ("- name: one", "- name: one\n    repliactes: 5", 6, "unknown key (did you mean 'replicates'?); keys here are"),
        (
            "- name: one",
            "- name: one\n    replicates: 0",
            6,
            "sessions.0.replicates: must be greater than or equal to 1",
        ),
        (
            "- name: one",
            "- name: one\n    replicates: ten",
            6,
            "replicates: 'ten' is text; a number is needed",
        ),
        ("- name: one", "- name: one\n    replicates: true", 6, "True is a boolean; a number is needed"),
        ("0.1", "'0.1'", 7, "'0.1' is unknown; use a number in [0, 1], weighted_cascade, trivalency, strength, column"),
        ("0.1", "'column:'", 7, "column or column:NAME (NAME is missing)"),
        ("0.1", "trust", 7, "column or column:NAME (a column of that name is column:trust)"),
        ("0.1", "0.1\n      activity: ''", 8, "sessions.0.parameters.activity: '' names no column; use column:NAME"),
        ("- name: one", "- name: one\n    model: cascade", 6, "no model 'cascade'"),
        ("- name: one", "- name: one\n    model: IC", 6, "no model 'IC' (did you mean 'independent_cascade'?)"),
        ("- name: one", "- name: one\n    model: SIR", 6, "no model 'SIR' (did you mean 'sir'?)"),
        (
            "- name: one",
            "- name: one\n    record: activation",
            6,
            "sessions.0.record: 'activation' is unknown (did you mean 'activations'?); choose one of rounds",
        ),
        ("- name: one", "- name: one\n    message: newz", 6, "no message 'newz' (did you mean 'news'?)"),
        ("- name: one", "- name: one\n    name: two", 6, "key 'name' is given twice, first in line 5"),
        ("network: town", "random_sed: 1\nnetwork: town", 1, "random_sed: unknown key (did you mean 'random_seed'?)"),
        (
            "network: town",
            "network: town\nplan: fast",
            2,
            "plan: 'fast' is unknown; choose one of auto, broadcast, partitioned, reference",
        ),
        ("network: town", "network: town\ncluster: thread", 2, "no cluster profile file 'thread' (did you mean"),
        ("network: town", "network: town\ncluster: {kind: address}", 2, "address must be given for kind 'address'"),
        ("network: town", "network: town\ncluster:\n  kind: processes\n  workrs: 2", 4, "cluster.workrs: unknown key"),
        ("network: town\n", "", 1, "network: is missing; add 'network: ...'"),
        ("network: town", "network: town\nrandom_seed: -1", 2, "random_seed: must be greater than or equal to 0"),
        (
            "- {name: news,",
            "- {name: a, content: b}\n  - {name: news,",
            6,
            "message is missing; name the one that spreads here, as in message: a; messages are a, news",
        ),
        ("- {name: news,", "- {name: news, content: b}\n  - {name: news,", 4, "messages.1.name: 'news' is taken"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "{strategy: randm, budget: 5}", 8, "no seed strategy 'randm' (did you"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "{strategy: random, bugdet: 5}", 8, "unknown key (did you mean 'budget'?)"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "{strategy: random, budget: 0}", 8, "must be greater than or equal to 1"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "{budget: 5}", 8, "sessions.0.seeds.strategy: is missing; choose one of"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "[]", 8, "sessions.0.seeds: [] gives no seeds"),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "17", 8, "'17' gives no seeds; list agent ids"),
        (
            '[1, 007, no, 1.50, 1e5, "x y"]',
            "\n      - 1\n      -",
            8,
            "entry 2 of the list is empty; write the agent's id",
        ),
        ('[1, 007, no, 1.50, 1e5, "x y"]', "[1, 2", 9, "not YAML: expected ',' or ']'"),
        ("parameters:", "\tparameters:", 6, "not YAML: found character '\\t'"),
        ("town", "&a [*a]", 1, "an alias is inside the value that it refers to"),
        ("town", "!!python/name:os.system town", 1, "tag tag:yaml.org,2002:python/name:os.system is not allowed"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    campaign_file: Callable[..., str], old: str, new: str, line: int, message: str
) -> None:
    path = campaign_file(BASE.replace(old, new, 1))
    with pytest.raises(CampaignError) as raised:
        load_campaign(path)
    assert f"line {line}: " in str(raised.value)
    assert message in str(raised.value)
    assert str(raised.value).startswith(path)


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(campaign_file: Callable[..., str]) -> None:
    text = BASE.replace("name: one", "nmae: one").replace("seeds: [", "sedes: [")
    with pytest.raises(CampaignError) as raised:
        load_campaign(campaign_file(text))
    assert re.findall(r"line (\d+)", str(raised.value)) == ["5", "5", "5", "8"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; docs/reference/campaigns.md shows"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "line 1: the file must be a mapping"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not a text file"),
        (b"network: town\nsessions: []\n", "line 2: sessions: no session"),
        (b"network: town\nsessions: 5\n", "line 2: sessions: must be a list (given: 5)"),
        (b"network: a\n---\nnetwork: b\n", "line 2: not YAML: but found another document"),
    ],
)
def test_files_that_are_no_campaigns(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(CampaignError) as raised:
        load_campaign(str(path))
    assert message in str(raised.value)


def test_a_missing_file_is_told_apart_from_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert campaign_path("seed-strategies") == CONFIGS / "campaigns" / "seed-strategies.yaml"
    with pytest.raises(
        SourceNotFoundError, match=r"did you mean 'seed-strategies'.*explicit-seeds, message-types, seed-"
    ):
        campaign_path("seed-strategy")
    with pytest.raises(SourceNotFoundError, match="no campaign file 'folder/seed-strategies'"):
        campaign_path("folder/seed-strategies")


# -- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters", "sentence"),
    [
        ("independent_cascade", {"probability": 1.3}, "probability: 1.3 is not in [0, 1]"),
        (
            "linear_threshold",
            {"weight": "often"},
            "weight: 'often' is unknown; use a number in [0, 1], weighted_casc",
        ),
        ("fractional_threshold", {"threshold": -0.2}, "threshold: -0.2 is not in [0, 1]"),
        ("fractional_threshold", {"threshold": 0.5, "neighbours": 2}, "give exactly one of threshold"),
        ("viral", {"virality": -1}, "virality: must be greater than or equal to 0 (given: -1)"),
        ("diffusion", {"threshold": 7}, "threshold: 7 is not in [0, 1]"),
        (
            "hybrid",
            {"alpha": "half"},
            "alpha: 'half' is text; a number is needed",
        ),
        ("competing_cascades", {"rates": [1, 1.2]}, "rates: must be less than or equal to 1 (given: 1.2)"),
        ("si", {"beta": 1.01}, "beta: 1.01 is not in [0, 1]"),
        ("sis", {"gamma": 2}, "gamma: must be less than or equal to 1 (given: 2)"),
        ("sir", {"infectious_period": 0}, "infectious_period: must be greater than or equal to 1 (given: 0)"),
        (
            "sir",
            {"gamma": 0.5, "infectious_period": 3},
            "gamma and infectious_period are both given; give gamma",
        ),
        ("sirs", {"waning": -0.1}, "waning: must be greater than or equal to 0 (given: -0.1)"),
        ("seir", {"sgima": 0.1}, "sgima: unknown key (did you mean 'sigma'?); keys here are"),
        ("seiz", {"sceptics": 3}, "sceptics: 3 is not in [0, 1]"),
        ("maki_thompson", {"stifling": 1.5}, "stifling: must be less than or equal to 1 (given: 1.5)"),
        ("daley_kendall", {"spreading": -1}, "spreading: -1 is not in [0, 1]"),
    ],
)
def test_a_bad_parameter_of_any_model_is_told_with_value_rule_and_line(
    campaign_file: Callable[..., str],
    rumormill: Callable[..., Any],
    model: str,
    parameters: dict[str, Any],
    sentence: str,
) -> None:
    lines = ["network: town", "sessions:", "  - name: one", f"    model: {model}", "    seeds: [1]", "    parameters:"]
    path = campaign_file("\n".join([*lines, *(f"      {name}: {value}" for name, value in parameters.items())]))
    answer = rumormill("run", path)
    line = 7 if len(parameters) == 1 else 6
    assert answer.exit_code == 2
    assert answer.stdout == ""
    said = " ".join(answer.stderr.split())
    assert said.startswith(f"error: {path}, line ")
    assert f"line {line}: sessions.0.parameters" in said
    assert sentence in said
    with pytest.raises(InvalidInputError) as raised:  # and so in Python: one sentence, no traceback of pydantic's
        MODELS[model](**parameters)
    assert str(raised.value).startswith(f"model {model}: ")
    assert "\n" not in str(raised.value)
    assert "http" not in str(raised.value)


def test_every_model_has_a_bad_parameter_above() -> None:
    (marks,) = test_a_bad_parameter_of_any_model_is_told_with_value_rule_and_line.pytestmark
    assert {case[0] for case in marks.args[1]} == set(MODELS)


OWN = """\
from propagation.models import PandasModel, Probability

class Mine(PandasModel):
    name = "mine"
    compartments = ("out", "in")
    seeds = "in"
    transmitting = ("in",)
    reached = ("in",)

    beta: Probability = 0.5

    def transmit(self, contacts, draws):
        return draws("beta") < self.beta

    def update(self, agents, arrivals, draws):
        return agents["compartment"].mask(arrivals["successes"] > 0, "in")
"""


def test_models_of_ones_own_are_files_beside_the_campaign(campaign_file: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    text = BASE.replace("- name: one", "- name: one\n    model: mine").replace("probability:", "beta:")
    campaign = load_campaign(campaign_file(text + "models: [mine.py]\n"))
    assert campaign.models == (str(tmp_path / "mine.py"),)
    assert load_campaign(campaign_file(text), [str(tmp_path / "mine.py")]) == campaign


@pytest.mark.parametrize(
    ("models", "line", "message"),
    [
        ("[mine.py, yours.py]", 10, "models.1: no file of models"),
        ("[broken.py]", 10, "broken.py, line 10: SyntaxError: invalid syntax"),
        ("[mine.py]", 8, "sessions.0.parameters.probability: unknown key; keys here are beta"),
        ("[]", 6, "; give files with models of your own by `models:` or --models"),
        ("mine.py", 10, "models: must be a list (given: 'mine.py')"),
    ],
)
def test_what_can_be_wrong_with_them(
    campaign_file: Callable[..., str], tmp_path: Path, models: str, line: int, message: str
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "broken.py").write_text(OWN.replace("0.5", "0.5 +"))
    text = BASE.replace("- name: one", "- name: one\n    model: mine")
    with pytest.raises(CampaignError) as raised:
        load_campaign(campaign_file(f"{text}models: {models}\n"))
    assert f"line {line}: " in str(raised.value)
    assert message in str(raised.value)


# -- what messages mean ----------------------------------------------------------------------------------------------

SAID = """\
network: town
messages:
  - {name: calm, content: a, type: talk}
  - {name: loud, content: b, type: alarm, properties: {urgency: 5, pace: 0.5}}
model_parameters:
  viral: {base_rate: 0.25, decay: 0.75}
message_types:
  alarm:
    viral: {virality: 2, fatigue: 0.5}
    sir: {beta: 0.5}
message_properties:
  viral:
    urgency: virality
sessions:
  - {name: one, message: calm, model: viral, seeds: [1]}
  - {name: two, message: loud, model: viral, seeds: [1]}
  - {name: three, message: loud, model: viral, parameters: {virality: 9, decay: 1}, seeds: [1]}
  - {name: four, message: loud, model: sir, parameters: {gamma: 0.125}, seeds: [1]}
"""


def test_parameters_come_from_model_type_message_and_session_in_this_order(
    warehouse: Warehouse, campaign_file: Callable[..., str]
) -> None:
    found = resolve(load_campaign(campaign_file(SAID)), warehouse)
    one, two, three, four = (session.model.resolved_parameters for session in found.sessions)
    assert (one["base_rate"], one["decay"], one["virality"], one["fatigue"]) == (0.25, 0.75, 1.0, 1.0)
    assert (two["base_rate"], two["decay"], two["virality"], two["fatigue"]) == (0.25, 0.75, 5.0, 0.5)
    assert (three["base_rate"], three["decay"], three["virality"], three["fatigue"]) == (0.25, 1.0, 9.0, 0.5)
    assert (four["beta"], four["gamma"]) == (0.5, 0.125)
    assert [s["parameters"] for s in found.configuration["sessions"]] == [one, two, three, four]


def test_the_resolved_parameters_are_what_is_hashed(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    plain = SAID.replace("    sir: {beta: 0.5}\n", "").replace("{gamma: 0.125}", "{gamma: 0.125, beta: 0.5}")
    assert plain != SAID
    ids = [resolve(load_campaign(campaign_file(text)), warehouse).campaign_id for text in (SAID, plain)]
    assert ids[0] == ids[1]
    changed = resolve(load_campaign(campaign_file(SAID.replace("fatigue: 0.5", "fatigue: 0.25"))), warehouse)
    same = resolve(load_campaign(campaign_file(SAID)), warehouse)
    pairs = zip(changed.sessions, same.sessions, strict=True)
    assert [a.session_id == b.session_id for a, b in pairs] == [True, False, False, True]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("base_rate: 0.25", "base_rate: 2.5", 6, "model_parameters.viral.base_rate: must be less than or equal to 1"),
        ("base_rate: 0.25", "bas_rate: 0.25", 6, "viral.bas_rate: unknown key (did you mean 'base_rate'?)"),
        ("  viral: {base", "  vira: {base", 6, "model_parameters.vira: no model 'vira' (did you mean 'viral'?)"),
        ("fatigue: 0.5", "fatigue: -1", 9, "message_types.alarm.viral.fatigue: must be greater than or equal to 0"),
        (
            "    sir: {beta: 0.5}",
            "    seir: {sigma: 5}",
            10,
            "message_types.alarm.seir.sigma: must be less than or equal",
        ),
        (
            "  viral: {base",
            "  sis: {gamma: 0.5}\n  viral: {base",
            6,
            "model_parameters.sis: no session runs model 'sis' (did",
        ),
        (
            "    sir: {b",
            "    seir: {b",
            10,
            "message_types.alarm.seir: no session runs model 'seir' (did you mean 'sir'?); ",
        ),
        (
            "  viral:\n    urg",
            "  si: {pace: beta}\n  viral:\n    urg",
            12,
            "message_properties.si: no session runs model 's",
        ),
        ("  alarm:", "  alarms:", 8, "no message has type 'alarms' (did you mean 'alarm'?); types are alarm, talk"),
        ("urgency: virality", "urgncy: virality", 13, "no message has a property 'urgncy' (did you mean 'urgency'?)"),
        ("urgency: virality", "urgency: viralty", 13, "no parameter 'viralty' (did you mean 'virality'?); parameters"),
        ("urgency: virality", "urgency: decay\n    pace: decay", 14, "'decay' is already set by a property above"),
        ("urgency: 5", "urgency: -5", 4, "messages.1.properties.urgency: as virality of viral: must be greater than"),
        ("urgency: 5", "urgency: much", 4, "as virality of viral: 'much' is text; a number is needed"),
        ("virality: 9", "virality: -9", 17, "sessions.2.parameters.virality: must be greater than or equal to 0"),
        ("viral: {virality: 2, fatigue: 0.5}", "viral: 2", 9, "message_types.alarm.viral: must be a valid dictionary"),
    ],
)
def test_what_can_be_wrong_with_tables_of_parameters(
    campaign_file: Callable[..., str], old: str, new: str, line: int, message: str
) -> None:
    assert old in SAID
    with pytest.raises(CampaignError) as raised:
        load_campaign(campaign_file(SAID.replace(old, new, 1)))
    assert f"line {line}: " in str(raised.value)
    assert message in str(raised.value)
    assert str(raised.value).count(message) == 1


# -- on a network ---------------------------------------------------------------------------------------------------


def resolved(warehouse: Warehouse, **fields: object) -> ResolvedCampaign:
    content = {"name": "c", "network": "path", "sessions": [{"name": "a", "seeds": ["ann"]}], **fields}
    return resolve(Campaign.model_validate(content), warehouse)


def test_sessions_take_what_they_do_not_say_from_the_campaign(warehouse: Warehouse) -> None:
    campaign = resolved(
        warehouse,
        record="reach",
        random_seed=3,
        max_rounds=9,
        sessions=[
            {"name": "a", "seeds": ["ann", "bob"]},
            {"name": "b", "seeds": {"strategy": "top_out_degree", "budget": 2}, "random_seed": 0, "max_rounds": 0},
            {"name": "c", "seeds": ["eve"], "record": "rounds", "parameters": {"probability": 0.5}},
        ],
    )
    a, b, c = campaign.sessions
    assert (a.record, a.random_seed, a.max_rounds, a.seed_strategy) == ("reach", 3, 9, "explicit")
    assert (b.random_seed, b.max_rounds, b.seed_strategy, len(b.seeds)) == (0, 0, "top_out_degree", 2)
    assert (c.record, c.model.resolved_parameters) == ("rounds", {"probability": 0.5})
    configuration = campaign.configuration
    assert [s["random_seed"] for s in configuration["sessions"]] == [3, 0, 3]
    assert configuration["sessions"][0]["parameters"] == {"probability": "weighted_cascade"}
    assert configuration["snapshot_id"] == warehouse.network("path").snapshot_id
    assert configuration["cluster"]["kind"] == "threads"


def test_equal_specifications_are_one_session_with_two_names(warehouse: Warehouse) -> None:
    sessions = [{"name": "a", "seeds": ["ann", "bob"]}, {"name": "b", "seeds": ["bob", "ann"]}]
    campaign = resolved(warehouse, sessions=sessions)
    assert len(campaign.distinct_sessions) == 1
    assert [name for name, _ in campaign.named_sessions] == ["a", "b"]


def test_a_message_is_its_sender_content_type_and_properties(warehouse: Warehouse) -> None:
    message = {"name": "m", "content": "x", "sender": "ann", "properties": {"a": 1, "b": 2}}
    first = resolved(warehouse, messages=[message])
    renamed = resolved(warehouse, messages=[{**message, "name": "n", "properties": {"b": 2, "a": 1}}])
    other = resolved(warehouse, messages=[{**message, "content": "y"}])
    assert first.sessions[0].message_id == renamed.sessions[0].message_id == renamed.campaign.messages[0].message_id
    assert first.sessions[0].session_id == renamed.sessions[0].session_id
    assert first.sessions[0].session_id != other.sessions[0].session_id
    assert resolved(warehouse).sessions[0].message_id is None


def test_a_campaign_is_its_name_and_its_sessions(warehouse: Warehouse) -> None:
    ids = {
        resolved(warehouse).campaign_id,
        resolved(warehouse, name="d").campaign_id,
        resolved(warehouse, random_seed=1).campaign_id,
        resolved(warehouse, sessions=[{"name": "b", "seeds": ["ann"]}]).campaign_id,
    }
    assert len(ids) == 4
    assert resolved(warehouse, plan="reference", cluster={"kind": "processes"}).campaign_id in ids


def test_what_only_the_network_can_tell(warehouse: Warehouse) -> None:
    with pytest.raises(
        UnknownAgentError, match=r"campaign 'c', session 'a', seeds: agent 'zoe' is not in network 'path' of 5"
    ):
        resolved(warehouse, sessions=[{"name": "a", "seeds": ["ann", "zoe"]}])
    with pytest.raises(
        InvalidInputError, match=r"^campaign 'c', session 'a': model independent_cascade: probability: 2 "
    ):
        resolved(warehouse, sessions=[{"name": "a", "seeds": ["ann"], "parameters": {"probability": 2}}])
    with pytest.raises(UnknownAgentError, match=r"^campaign 'c', message 'm', sender: agent 'zoe'"):
        resolved(warehouse, messages=[{"name": "m", "sender": "zoe"}])
    with pytest.raises(InvalidInputError, match=r"session 'a', seeds: seed budget 6 exceeds the 5 agents"):
        resolved(warehouse, sessions=[{"name": "a", "seeds": {"strategy": "random", "budget": 6}}])
    with pytest.raises(InvalidInputError, match=r"'a', parameters.probability: 'column' asks for the prob"):
        resolved(warehouse, sessions=[{"name": "a", "seeds": ["ann"], "parameters": {"probability": "column"}}])


PEOPLE = """\
network: people
messages:
  - {name: news, properties: {who: city}}
model_parameters:
  sir: {gamma: 0.5}
message_properties:
  sir: {who: susceptibility}
sessions:
  - name: one
    model: sir
    seeds:
      - ann
  - name: two
    seeds: {strategy: random, budget: 2}
"""


@pytest.mark.parametrize(
    ("old", "new", "error", "line", "message"),
    [
        ("network: people", "network: peple", NetworkNotFoundError, 1, "network: no network 'peple'"),
        (
            "name: news,",
            "name: news, sender: zoe,",
            UnknownAgentError,
            3,
            "messages.0.sender: agent 'zoe' is not in netwo",
        ),
        (
            "- ann",
            "- zoe",
            UnknownAgentError,
            11,
            "sessions.0.seeds: agent 'zoe' is not in network 'people' of 3 agents;",
        ),
        ("budget: 2", "budget: 4", InvalidInputError, 14, "sessions.1.seeds: seed budget 4 exceeds the 3 agents"),
        (
            "",
            "",
            UnfitModelError,
            3,
            "messages.0.properties.who: as susceptibility of sir: agent column 'city' of network ",
        ),
        (
            "who: city",
            "who: cit",
            UnfitModelError,
            3,
            "as susceptibility of sir: network 'people' has no agent column 'cit'",
        ),
        (
            "gamma:",
            "activity: trust, gamma:",
            UnfitModelError,
            5,
            "model_parameters.sir.activity: network 'people' has no",
        ),
        (
            "name: two",
            "name: two\n    parameters: {probability: column}",
            UnfitModelError,
            14,
            "probability: 'column' asks for the prob",
        ),
        (
            "name: two",
            "name: two\n    model: diffusion\n    parameters:\n      threshold: column",
            UnfitModelError,
            16,
            "'threshold'",
        ),
    ],
)
def test_what_does_not_fit_the_network_is_said_with_its_line(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    tmp_path: Path,
    old: str,
    new: str,
    error: type[Exception],
    line: int,
    message: str,
) -> None:
    edges = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    (tmp_path / "agents.csv").write_text("agent,care,city\nann,1,x\nbob,2,y\ncy,0.5,z\n")
    warehouse.import_network("people", edges, agents=str(tmp_path / "agents.csv"))
    fits = PEOPLE if "city" in message or "cit'" in message else PEOPLE.replace("who: city", "who: care")
    path = campaign_file(fits.replace(old, new, 1))
    with pytest.raises(error) as raised:
        resolve_file(path, warehouse)
    assert str(raised.value).startswith(f"{path}, line {line}: ")
    assert message in str(raised.value)


def test_columns_that_a_model_of_ones_own_reads_are_said_with_the_line_of_the_model(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    edges = pd.DataFrame({"source": ["1", "2"], "target": ["2", "3"], "kind": ["x", "y"]})
    warehouse.import_network("town", edges)
    text = BASE.replace("- name: one", "- name: one\n    model: mine").replace("probability:", "beta:")
    for column, sentence in {
        "trust": "reads edge column 'trust', but network",
        "kind": "edge column 'kind' of netw",
    }.items():
        (tmp_path / "mine.py").write_text(OWN.replace("    seeds =", f"    edge_columns = ('{column}',)\n    seeds ="))
        path = campaign_file(text + "models: [mine.py]\n")
        with pytest.raises(UnfitModelError) as raised:
            resolve_file(path, warehouse)
        assert str(raised.value).startswith(f"{path}, line 6: sessions.0.model: model 'mine'")
        assert sentence in str(raised.value)


# -- documentation --------------------------------------------------------------------------------------------------


def test_the_documented_example_is_valid_and_every_key_is_explained(campaign_file: Callable[..., str]) -> None:
    page = (CONFIGS.parent / "docs" / "reference" / "campaigns.md").read_text()
    example, tables = re.findall(r"```yaml\n(.+?)```", page, flags=re.DOTALL)
    load_campaign(campaign_file(f"network: town\n{tables}", "tables"))
    campaign = load_campaign(campaign_file(example, "documented"))
    assert [session.name for session in campaign.sessions] == ["three voters", "hubs"]
    words = set(re.findall(r"\w+", page))
    for kind in (Campaign, SessionSpecification, MessageSpecification):
        assert set(kind.model_fields) <= words
    assert set(MODELS) | set(STRATEGIES) | set(RECORDS) <= words
