"""Sessions: what is part of a specification and what is not, and what a session refuses."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from data.errors import InvalidInputError
from propagation.models import SIR, IndependentCascade, make_model
from propagation.seeding import RandomSeeds, TopOutDegree
from propagation.sessions import RECORDS, Session, resolve_session

EDGES = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 2), (2, 4), (4, 0)]

FIXED = Session(
    network_id="somewhere",
    snapshot_id="0123456789abcdef0123456789abcdef",
    model=IndependentCascade(probability="weighted_cascade"),
    seeds=(4, 1, 9),
    seed_agents=("d", "a", "i"),
    seed_strategy="explicit",
    replicates=1000,
    random_seed=7,
    max_rounds=10_000,
    record="rounds",
)


@pytest.fixture(scope="module")
def network(publish):
    return publish(EDGES, 5)


def resolved(network, **changes):
    fields = {"seed_set": [0, 3], "replicates": 20, "random_seed": 1, "max_rounds": 9, "record": "reach"} | changes
    return resolve_session(network, fields.pop("model", IndependentCascade(probability=0.5)), **fields)


# -- the specification ----------------------------------------------------------------------------------------------


def test_the_identity_of_one_session_stays_what_it_is():
    # Results in users' warehouses are found by these: a change makes every one of them be computed anew.
    assert FIXED.specification_hash == "178f6fa6eca19393f46916e87445bace8554e76e8f44ca4d8ff5d4f711b276f8"
    assert FIXED.session_id == "c5fda017-d123-55b3-89ea-81bb845aec64"


HASHES = {
    "linear_threshold": "fab9bf59cbbaa08b22cfba0420c5adf344709e20d9267911a372904e68ede391",
    "viral": "978500167ee9a1637a5da3867cf4cd5a877d312c7b520a5d1d656a0f3d615443",
    "sir": "1f04b505fd94224be0c18279e600501f71f00611cb473a1987ddecd5ec3fe6f8",
    "seiz": "958d2ef4726458ab3f619099679d8abda74fea5af305f54726c88917656f2085",
    "maki_thompson": "82d3c4d20e93d5c3a9dd99fc6ed6385d328671d97bf8aeb37ca28b99c267d7e8",
    "daley_kendall": "1761c564b26952d955d39e43ddc62d52951733c2038ca2e418f2b516c2cb132a",
}


@pytest.mark.parametrize("name", HASHES)
def test_models_keep_their_identity(name):
    assert dataclasses.replace(FIXED, model=make_model(name, {})).specification_hash == HASHES[name]


def test_rows_of_a_models_former_rules_are_not_taken_for_those_of_its_present_ones():
    session = dataclasses.replace(FIXED, model=make_model("daley_kendall", {}))
    assert session.specification["rules_version"] == 2
    former = {key: value for key, value in session.specification.items() if key != "rules_version"}
    text = json.dumps(former, sort_keys=True, separators=(",", ":"))
    published_before = "20189308dfcc5b333c1ea1a46a6dd66d3d97ef9e8db35bdf64d285dcbf0973e5"
    assert hashlib.sha256(text.encode()).hexdigest() == published_before != session.specification_hash
    assert "rules_version" not in FIXED.specification


@pytest.mark.parametrize(
    "changes",
    [
        {"model": IndependentCascade(probability=0.25)},
        {"model": IndependentCascade(probability="trivalency")},
        {"seed_set": [0]},
        {"seed_set": [0, 4]},
        {"replicates": 21},
        {"random_seed": 2},
        {"max_rounds": 8},
        {"record": "rounds"},
        {"message_id": "a message"},
    ],
    ids=str,
)
def test_whatever_decides_the_rows_is_in_the_hash(network, changes):
    one, other = resolved(network), resolved(network, **changes)
    assert one.specification_hash != other.specification_hash
    assert one.session_id != other.session_id
    assert one.key != other.key


def test_the_networks_content_is_in_the_hash(network, publish):
    assert resolved(network).session_id != resolved(publish(EDGES[:-1], 5)).session_id
    assert resolved(network).session_id != resolved(publish(EDGES, 6)).session_id
    one, other = (publish(EDGES, 5, [p] * len(EDGES)) for p in (0.5, 0.4))
    assert resolved(one).session_id != resolved(other).session_id


def test_the_version_of_draws_is_in_the_hash(monkeypatch):
    before = dataclasses.replace(FIXED).specification_hash
    monkeypatch.setattr("propagation.sessions.DRAWS_VERSION", 2)
    assert dataclasses.replace(FIXED).specification_hash != before


def test_what_does_not_decide_the_rows_is_not_in_the_hash(network, publish):
    known = resolved(network).session_id
    # The order of seeds, as the reached are a set; how they came to be chosen; types of numbers.
    assert resolved(network, seed_set=[3, 0]).session_id == known
    assert resolved(network, seed_set=("3", "0")).session_id == known
    assert resolved(network, seed_set=np.array([0, 3])).session_id == known
    assert resolved(network, replicates=np.int64(20), random_seed=np.int32(1)).session_id == known
    assert resolved(network, model=IndependentCascade(probability=np.float64(0.5))).session_id == known
    # The network's name, warehouse and partitions.
    assert resolved(publish(EDGES, 5, partitions=3)).session_id == known
    assert resolved(publish(list(reversed(EDGES)), 5, name="another")).session_id == known
    chosen = resolved(network, seed_set=TopOutDegree(budget=2))
    assert chosen.seed_strategy == "top_out_degree"
    explicit = resolved(network, seed_set=list(reversed(chosen.seed_agents)))
    assert explicit.seed_strategy == "explicit"
    assert chosen.session_id == explicit.session_id


def test_seeds_are_kept_in_the_order_chosen(network):
    session = resolved(network, seed_set=[3, 0, 4])
    assert session.seed_agents == ("3", "0", "4")
    assert [network.agent_ids[seed].as_py() for seed in session.seeds] == ["3", "0", "4"]
    assert session.seed_array.dtype == np.int32


def test_strategies_choose_by_the_sessions_random_seed(network):
    chosen = {resolved(network, seed_set=RandomSeeds(budget=2), random_seed=r).seeds for r in range(30)}
    assert len(chosen) > 10
    one = resolved(network, seed_set=RandomSeeds(budget=2), random_seed=4)
    assert one.seeds == tuple(RandomSeeds(budget=2).choose(network, 4).tolist())
    assert one.seed_strategy == "random"


def test_each_detail_includes_those_before_it():
    for position, record in enumerate(RECORDS):
        session = dataclasses.replace(FIXED, record=record)
        assert [session.records(detail) for detail in RECORDS] == [i <= position for i in range(4)]


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": 0}, r"replicates 0 is not a whole number in \[1, 2,147,483,647\]"),
        ({"replicates": 1.5}, r"replicates 1\.5 is not a whole number"),
        ({"replicates": True}, r"replicates True is not a whole number"),
        ({"replicates": 2**31}, r"replicates 2147483648 is not a whole number"),
        ({"random_seed": -1}, r"random_seed -1 is not a whole number in \[0, 9,223,372,036,854,775,807\]"),
        ({"random_seed": 2**63}, r"random_seed 9223372036854775808 is not a whole number"),
        ({"max_rounds": -1}, r"max_rounds -1 is not a whole number in \[0, "),
        ({"max_rounds": None}, r"max_rounds None is not a whole number"),
        ({"replicates": "ten"}, r"replicates 'ten' is not a whole number in \[1, "),
        ({"random_seed": 1.5}, r"random_seed 1\.5 is not a whole number in \[0, "),
        ({"record": ["reach"]}, r"record \['reach'\] is unknown; record one of rounds"),
        (
            {"model": "sir"},
            r"model 'sir' is not a model; give one, such as IndependentCascade\(probability=0\.1\) or, by na",
        ),
        ({"model": SIR}, r"model SIR is a class; give it its parameters: SIR\(\.\.\.\)"),
        ({"seed_set": 3}, r"seed set 3: give a list of at least one agent id, or a strategy such as DegreeDiscount\("),
        ({"seed_set": "3"}, r"seed set '3': give a list of at least one agent id, or a strategy"),
        ({"seed_set": {"3": 1}}, r"model 'independent_cascade' spreads one message, but the seed set is"),
        ({"seed_set": None}, r"seed set None: give a list"),
        ({"seed_set": RandomSeeds}, r"seed set .*RandomSeeds.*: give a list of at least one agent id, or a strategy"),
        ({"seed_set": np.array(3)}, r"seed set array\(3\): give a list"),
        ({"record": "everything"}, r"record 'everything' is unknown; record one of rounds, reach, activations, cont"),
    ],
    ids=str,
)
def test_a_value_that_breaks_its_rule_is_refused(network, changes, message):
    with pytest.raises(InvalidInputError, match=message):
        resolved(network, **changes)


def test_a_network_is_one_of_a_warehouse():
    with pytest.raises(InvalidInputError, match=r"network 'town' is not a network; give one, such as warehouse\.netw"):
        resolved("town")


def test_extreme_values_are_accepted(network, run):
    session = resolved(network, random_seed=2**63 - 1, max_rounds=2**31 - 2, replicates=3)
    for shape in ("sparse", "packed", "rules"):
        assert run(session, network, shape=shape).session["random_seed"] == 2**63 - 1


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("IC", "independent_cascade"),
        ("ic", "independent_cascade"),
        ("LTM", "linear_threshold"),
        ("SEIR", "seir"),
        ("Linear Threshold", "linear_threshold"),
        ("DaleyKendall", "daley_kendall"),
        ("linear_treshold", "linear_threshold"),
    ],
)
def test_models_are_suggested_by_what_people_call_them(asked, meant):
    with pytest.raises(InvalidInputError, match=rf"no model '{asked}' \(did you mean '{meant}'\?\)"):
        make_model(asked, {})


def test_details_are_suggested(network):
    with pytest.raises(InvalidInputError, match=r"record 'Activation' is unknown \(did you mean 'activations'\?\)"):
        resolved(network, record="Activation")
