"""Fast shapes: kernels made for one family of models give the rows of the kernel that runs all rules."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propagation.kernels.epidemics import epidemic_lanes
from propagation.kernels.thresholds import threshold_lanes
from propagation.models import IndependentCascade, make_model
from propagation.plans.broadcast import parallel_cascades as shared_lanes
from propagation.plans.broadcast.families import families_for
from propagation.sessions import resolve_session
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks


def shapes_of(model, record):
    """Return the names of the kernel families that can run a model and record this detail."""
    return tuple(family.name for family in families_for(model, record))


EPIDEMICS = [
    ("si", {"beta": 0.3}),
    ("si", {"beta": 0.02}),
    ("si", {"beta": 1.0}),
    ("si", {"beta": 0.0}),
    ("si", {"beta": "column"}),
    ("si", {"beta": "column:share", "susceptibility": "openness", "activity": "loudness"}),
    ("sir", {"beta": 0.2, "gamma": 0.4}),
    ("sir", {"beta": 0.05, "gamma": 0.02}),
    ("sir", {"beta": 0.3, "gamma": 0.0}),
    ("sir", {"beta": "column", "gamma": 0.1, "susceptibility": "openness"}),
    ("sir", {"beta": 0.1, "infectious_period": 1000}),
    ("sir", {"beta": 0.1, "infectious_period": 16}),
    ("sir", {"beta": 0.1, "infectious_period": 17}),
    ("sir", {"beta": "strength", "infectious_period": 40}),
    ("sir", {"beta": "trivalency", "gamma": 0.05}),
    ("seir", {"beta": 0.3, "gamma": 0.4, "sigma": 0.5}),
    ("seir", {"beta": 0.3, "gamma": 0.4, "sigma": 0.04}),
    ("seir", {"beta": 0.3, "gamma": 1.0, "sigma": 1.0}),
    ("seir", {"beta": 0.3, "gamma": 0.2, "sigma": 0.0}),
    ("seir", {"beta": 0.3, "gamma": 0.0, "sigma": 0.1}),
    ("seir", {"beta": 0.5, "gamma": 0.0, "sigma": 0.0}),
    ("seir", {"beta": "column:share", "infectious_period": 3, "sigma": 0.3, "activity": "loudness"}),
]
THRESHOLDS = [
    ("linear_threshold", {"weight": "weighted_cascade"}),
    ("linear_threshold", {"weight": "strength", "activity": "calm"}),
    ("linear_threshold", {"weight": "strength"}),
    ("diffusion", {"threshold": 0.3}),
    ("diffusion", {"threshold": 0.0, "strength": "column:tie"}),
    ("diffusion", {"threshold": 1.0}),
    ("diffusion", {"threshold": "uniform", "strength": "column:tie", "susceptibility": "openness"}),
    ("diffusion", {"threshold": "column:patience", "strength": "column:tie"}),
    ("fractional_threshold", {"threshold": 0.4}),
    ("fractional_threshold", {"threshold": 0.0}),
    ("fractional_threshold", {"threshold": 1.0}),
    ("fractional_threshold", {"threshold": "uniform"}),
    ("fractional_threshold", {"neighbours": 2}),
    ("fractional_threshold", {"neighbours": 2**31 - 1}),
]
CHOICES = EPIDEMICS + THRESHOLDS
ROUNDS = [0, 1, 3, 17, 40]
LEAVES = range(3, 1500)
HUB = SmallNetwork(
    # Rows longer than the kernels' chunk of draws (256), and more contacts than wait to be drawn together (1,024).
    1500,
    tuple((hub, leaf) for hub in (0, 1, 2) for leaf in LEAVES) + tuple((leaf, leaf % 3) for leaf in range(3, 9)),
    tuple(0.1 if leaf % 3 else 0.8 for _ in (0, 1, 2) for leaf in LEAVES) + (0.5,) * 6,
)


@pytest.fixture(scope="module")
def assert_shapes_agree(run, assert_same_rows):
    """Run a session in all shapes and compare their rows."""

    def assert_shapes_agree(network, name, parameters, batches=1, **fields):
        session = resolve_session(network, make_model(name, parameters), **fields)
        fast, *_, rules = shapes_of(session.model, session.record)
        assert (fast, rules) == ("epidemic" if (name, parameters) in EPIDEMICS else "threshold", "rules")
        found = run(session, network, shape=fast, batches=batches)
        assert_same_rows(found, run(session, network, shape="rules", batches=batches))
        return found

    return assert_shapes_agree


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    small=small_networks(max_agents=12, max_edges=50, min_edges=8),
    choice=st.sampled_from(CHOICES),
    seeds=st.sets(st.integers(0, 1), min_size=1),
    random_seed=st.integers(0, 5),
    max_rounds=st.sampled_from([0, 1, 2, 3, 16, 40]),
    record=st.sampled_from(["rounds", "reach"]),
    batches=st.sampled_from([1, 3]),
)
def test_small_networks(
    publish_whole, assert_shapes_agree, small, choice, seeds, random_seed, max_rounds, record, batches
):
    assert_shapes_agree(
        publish_whole(small),
        *choice,
        seed_set=sorted(seeds),
        replicates=9,
        random_seed=random_seed,
        max_rounds=max_rounds,
        record=record,
        batches=batches,
    )


@pytest.fixture(scope="module")
def numbered(publish_whole):
    return publish_whole(numbered_network(3, 60, 400), 3)


@pytest.mark.parametrize(("name", "parameters"), CHOICES, ids=str)
def test_every_choice_for_every_number_of_rounds(numbered, assert_shapes_agree, name, parameters):
    for max_rounds in ROUNDS:
        assert_shapes_agree(
            numbered, name, parameters, seed_set=[3, 1], replicates=6, max_rounds=max_rounds, record="reach"
        )


@pytest.mark.parametrize(("name", "parameters"), EPIDEMICS, ids=str)
def test_epidemics_that_end_by_themselves(numbered, assert_shapes_agree, name, parameters):
    result = assert_shapes_agree(numbered, name, parameters, seed_set=[3, 1], replicates=3, max_rounds=3000)
    assert not result.cascades["truncated"].any()


@pytest.mark.parametrize(("name", "parameters"), CHOICES, ids=str)
def test_rows_longer_than_a_chunk(hub, assert_shapes_agree, name, parameters):
    assert_shapes_agree(hub, name, parameters, seed_set=[0, 5, 8], replicates=3, max_rounds=30, record="reach")


@pytest.fixture(scope="module")
def hub(publish_whole):
    return publish_whole(HUB)


@pytest.mark.parametrize("max_rounds", [2999, 3000, 10_000])
def test_more_rounds_than_there_is_room_for_at_once(publish, assert_shapes_agree, max_rounds):
    # A path with certain contacts, and one with rare ones: more than 1,024 rounds of a single lane.
    network = publish([(i, i + 1) for i in range(3000)], 3001)
    for name, parameters in (("si", {"beta": 1.0}), ("diffusion", {"threshold": 0.3})):
        result = assert_shapes_agree(network, name, parameters, seed_set=[0], replicates=2, max_rounds=max_rounds)
        assert np.all(result.cascades["size"] == min(max_rounds, 3000) + 1)
    short = publish([(i, i + 1) for i in range(60)], 61)
    result = assert_shapes_agree(short, "si", {"beta": 0.02}, seed_set=[0], replicates=3, max_rounds=max_rounds)
    assert np.all(result.cascades["rounds"] > 1024)


def test_networks_without_edges(publish, assert_shapes_agree):
    network = publish([], 3)
    for name, parameters in (("si", {"beta": 0.3}), ("sir", {"beta": 0.2, "gamma": 0.4})):
        for max_rounds in (0, 5):
            assert_shapes_agree(network, name, parameters, seed_set=[1], replicates=3, max_rounds=max_rounds)


def test_other_rules_have_no_fast_shape():
    others = {
        "sis": {"beta": 0.1, "gamma": 0.2},
        "sirs": {"beta": 0.1, "gamma": 0.2, "waning": 0.1},
        "seiz": {"beta": 0.4, "b": 0.3, "rho": 0.2, "epsilon": 0.2, "p": 0.4, "l": 0.4, "sceptics": 0.3},
        "maki_thompson": {"spreading": 0.5, "stifling": 0.3},
        "viral": {"base_rate": 0.5, "decay": 0.5},
        "hybrid": {"alpha": 0.5, "base_rate": 0.5, "threshold": 0.3},
    }
    for name, parameters in others.items():
        assert shapes_of(make_model(name, parameters), "reach") == ("rules",)
    for name, parameters in CHOICES:
        assert shapes_of(make_model(name, parameters), "activations") == ("rules",)


def test_every_kernel_is_compiled_once(numbered, assert_shapes_agree):
    for name, parameters in (CHOICES[0], CHOICES[-1]):
        for record in ("rounds", "reach"):
            assert_shapes_agree(numbered, name, parameters, seed_set=[3], replicates=2, max_rounds=3, record=record)
    assert len(epidemic_lanes.signatures) == len(threshold_lanes.signatures) == 1


# -- lanes that threads share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", ["rounds", "reach"])
@pytest.mark.parametrize("max_rounds", [0, 1, 3, 100])
def test_threads_that_share_wide_rounds_find_what_one_finds(
    new_warehouse, run, assert_same_rows, monkeypatch, record, max_rounds
):
    network = new_warehouse().generate_network("wide", "rmat", agents=3_000, edges=40_000)
    seeds = network.agent_ids[:3].to_pylist()
    for narrow in (0, 20, 10_000):
        monkeypatch.setattr(shared_lanes, "NARROW", narrow)
        for model in (IndependentCascade(probability=0.1), IndependentCascade(probability="weighted_cascade")):
            session = resolve_session(
                network, model, seed_set=seeds, replicates=5, record=record, max_rounds=max_rounds
            )
            assert_same_rows(run(session, network, shape="shared"), run(session, network, shape="sparse"))
