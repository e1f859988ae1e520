"""What every model promises in every plan and shape: the rows of its textbook oracle, whatever ran them.

Each registered model has an oracle in plain Python (`tests.reference.textbook`), which is fed the same draws through
`tests.reference.draws`, and parameters to run it with. The plans, shapes, numbers of partitions and of batches must not
be seen in the rows.
"""

import math
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from propagation.models import MODELS, make_model
from propagation.planner import Plan
from propagation.plans import row_writer
from propagation.plans.broadcast.families import families_for
from propagation.sessions import RECORDS, resolve_session
from tests.reference.parameters import EXAMPLES, HARDEST, PARAMETERS, fitting, seed_set_of
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks
from tests.reference.textbook import TEXTBOOK
from tests.reference.textbook_rows import assert_textbook, textbook_rows


def shapes_of(model, record):
    """Return the names of the kernel families that can run a model and record this detail."""
    return tuple(family.name for family in families_for(model, record))


PLANS = tuple(plan for plan in ("reference", "broadcast", "partitioned") if plan in get_args(Plan))
OTHER_PLANS = tuple(plan for plan in PLANS if plan != "broadcast")
MANY = 40
"""More rounds than any small cascade needs; models that never die out are cut off here."""


def test_every_registered_model_is_under_this_contract():
    assert set(TEXTBOOK) == set(PARAMETERS) == set(MODELS)


def test_every_option_of_every_model_is_exercised():
    for name, choices in PARAMETERS.items():
        assert {option for parameters in choices for option in parameters} >= OPTIONS_OF[name], name


EDGE_FACTORS = {"susceptibility", "activity"}
OPTIONS_OF = {
    "independent_cascade": {"probability"} | EDGE_FACTORS,
    "viral": {"base_rate", "virality", "strength", "decay", "fatigue"} | EDGE_FACTORS,
    "linear_threshold": {"weight"} | EDGE_FACTORS,
    "diffusion": {"strength", "threshold"} | EDGE_FACTORS,
    "fractional_threshold": {"threshold", "neighbours"},
    "hybrid": {"alpha", "base_rate", "virality", "strength", "decay", "fatigue", "threshold"} | EDGE_FACTORS,
    "si": {"beta"} | EDGE_FACTORS,
    "sis": {"beta", "gamma", "infectious_period"} | EDGE_FACTORS,
    "sir": {"beta", "gamma", "infectious_period"} | EDGE_FACTORS,
    "sirs": {"beta", "gamma", "infectious_period", "waning"} | EDGE_FACTORS,
    "seir": {"beta", "gamma", "infectious_period", "sigma"} | EDGE_FACTORS,
    "seiz": {"beta", "b", "rho", "epsilon", "p", "l", "sceptics", "strength"} | EDGE_FACTORS,
    "maki_thompson": {"spreading", "stifling"} | EDGE_FACTORS,
    "daley_kendall": {"spreading", "stifling"} | EDGE_FACTORS,
    "competing_cascades": {"probability", "rates", "ties", "delays"} | EDGE_FACTORS,
}


# -- shapes of the broadcast plan against the oracle ----------------------------------------------------------------


@st.composite
def sessions(draw, name, max_replicates, max_rounds=MANY):
    """Draw what `resolve_session` needs, for a network that is drawn too."""
    small = draw(small_networks(max_agents=10, min_edges=draw(st.sampled_from([0, 15, 35]))))
    agents = st.integers(0, small.n_agents - 1)
    seeds = draw(st.lists(agents, min_size=1, max_size=min(4, small.n_agents), unique=True))
    seed_set, last = seed_set_of(name, seeds), draw(st.sampled_from([max_rounds] * 3 + [0, 1, 2, 3]))
    return small, {
        "model": make_model(name, fitting(draw(st.sampled_from(PARAMETERS[name])), seed_set, last)),
        "seed_set": seed_set,
        "replicates": draw(st.integers(1, max_replicates)),
        "random_seed": draw(st.one_of(st.integers(0, 20), st.just(2**63 - 1))),
        "max_rounds": last,
        "record": draw(st.sampled_from(RECORDS)),
    }


RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=6, deadline=None, suppress_health_check=RELAXED)
@given(data=st.data(), number=st.integers(0, 3), batches=st.sampled_from([1, 3, 17]))
def test_every_shape_equals_the_textbook(publish_whole, run, assert_same_rows, name, data, number, batches):
    small, fields = data.draw(sessions(name, max_replicates=100 if name == "independent_cascade" else 12))
    network = publish_whole(small, number, partitions=data.draw(st.sampled_from([1, 2, 7])))
    session = resolve_session(network, **fields)
    expected = textbook_rows(session, network)
    results = [
        run(session, network, shape=shape, batches=batches) for shape in shapes_of(session.model, session.record)
    ]
    for result in results:
        assert_textbook(result, expected)
        assert_same_rows(result, results[0])


@pytest.mark.parametrize(("name", "parameters"), EXAMPLES, ids=str)
def test_every_option_equals_the_textbook(publish_whole, run, name, parameters):
    network, seed_set = publish_whole(numbered_network(4, 9, 40), number=4), seed_set_of(name, [3, 1, 7])
    for record, max_rounds in (("contacts", 12), ("rounds", 3)):
        session = resolve_session(
            network,
            make_model(name, parameters),
            seed_set=seed_set,
            replicates=12,
            record=record,
            max_rounds=max_rounds,
        )
        expected = textbook_rows(session, network)
        for shape in shapes_of(session.model, record):
            assert_textbook(run(session, network, shape=shape), expected)


@pytest.mark.parametrize("name", MODELS)
def test_limits_of_rounds_equal_the_textbook(publish_whole, run, name):
    network = publish_whole(numbered_network(5, 12, 40), number=5)
    model = make_model(name, PARAMETERS[name][0])
    for max_rounds in range(4):
        session = resolve_session(
            network, model, seed_set=seed_set_of(name, [3]), replicates=8, record="contacts", max_rounds=max_rounds
        )
        assert_textbook(run(session, network), textbook_rows(session, network))


HUB = SmallNetwork(
    # Rows longer than the kernels' chunk of draws (256), leaves with several in-edges, and a way back to the hubs.
    900,
    tuple((hub, leaf) for hub in (0, 1, 2) for leaf in range(3, 900)) + tuple((leaf, leaf % 3) for leaf in range(3, 9)),
    tuple(0.3 if leaf % 3 else 0.8 for _ in (0, 1, 2) for leaf in range(3, 900)) + (0.5,) * 6,
)


@pytest.mark.parametrize("record", RECORDS)
def test_long_rows_equal_the_textbook(publish_whole, run, record):
    network = publish_whole(HUB)
    model = make_model("independent_cascade", {"probability": "column"})
    session = resolve_session(network, model, seed_set=[0, 5], replicates=70, record=record)
    expected = textbook_rows(session, network)
    for shape in shapes_of(model, record):
        assert_textbook(run(session, network, shape=shape), expected)


@pytest.mark.parametrize("name", MODELS)
def test_long_rows_of_every_model_equal_the_textbook(publish_whole, run, name):
    network = publish_whole(HUB)
    model = make_model(name, HARDEST[name])
    session = resolve_session(
        network, model, seed_set=seed_set_of(name, [0, 5, 8]), replicates=3, record="contacts", max_rounds=4
    )
    assert_textbook(run(session, network), textbook_rows(session, network))


@pytest.mark.parametrize("name", MODELS)
def test_neither_partitions_nor_batches_are_seen(publish_whole, run, name):
    # No more in-edges than ten, so that weights drawn from 0.1, 0.01 and 0.001 sum to at most 1.
    small, expected = numbered_network(1, 40, 130), None
    cascade = name == "independent_cascade"
    for partitions, batches in ((1, 17), (2, 3), (7, 1)):
        network = publish_whole(small, partitions=partitions)
        assert len(network.edge_files) == partitions
        for record in ("reach", "contacts"):
            session = resolve_session(
                network,
                make_model(name, HARDEST[name]),
                seed_set=seed_set_of(name, [3, 1]),
                replicates=67 if cascade else 10,
                record=record,
                max_rounds=6,
            )
            expected = expected or textbook_rows(session, network)
            for shape in shapes_of(session.model, record):
                assert_textbook(run(session, network, shape=shape, batches=batches), expected)


@pytest.mark.parametrize("rows_per_write", [1, 50, 1000])
@pytest.mark.parametrize("name", ["independent_cascade", "sis"])
def test_many_rows_are_written_in_several_goes(publish_whole, run, monkeypatch, name, rows_per_write):
    # The buffer of a task holds this many activations, or one lane's: lanes come in several goes through it.
    network = publish_whole(numbered_network(2, 40, 200))
    session = resolve_session(
        network,
        make_model(name, PARAMETERS[name][0]),
        seed_set=seed_set_of(name, [3, 1]),
        replicates=120 if name == "independent_cascade" else 40,
        record="contacts",
        max_rounds=MANY if name == "independent_cascade" else 5,
    )
    monkeypatch.setattr(row_writer, "ROWS_PER_WRITE", rows_per_write)
    expected = textbook_rows(session, network)
    assert len(expected.activations) > 1000
    assert_textbook(run(session, network, batches=1), expected)


@pytest.mark.parametrize("name", MODELS)
def test_running_again_gives_the_same_rows(publish_whole, run, assert_same_rows, name):
    network = publish_whole(numbered_network(6, 20, 70))
    session = resolve_session(
        network,
        make_model(name, HARDEST[name]),
        seed_set=seed_set_of(name, [3, 1]),
        replicates=30,
        record="contacts",
        max_rounds=6,
    )
    assert_same_rows(run(session, network, batches=7), run(session, network, batches=7))


# -- the other plans ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", OTHER_PLANS)
@settings(max_examples=6, deadline=None, suppress_health_check=RELAXED)
@given(drawn=st.sampled_from(sorted(MODELS)).flatmap(lambda name: sessions(name, max_replicates=12, max_rounds=4)))
def test_other_plans_equal_the_textbook_and_every_shape(publish_whole, run, assert_same_rows, plan, drawn):
    small, fields = drawn
    network = publish_whole(small, partitions=1 + small.n_agents % 3)
    session = resolve_session(network, **fields)
    other = run(session, network, plan=plan)
    assert_textbook(other, textbook_rows(session, network))
    for shape in shapes_of(session.model, session.record):
        assert_same_rows(run(session, network, shape=shape, batches=3), other)


@pytest.mark.parametrize("name", MODELS)
def test_every_plan_runs_the_hardest_options_and_ids_reserved_for_agents_of_earlier_snapshots_are_nobody(
    publish_whole, new_warehouse, run, assert_same_rows, name
):
    warehouse = new_warehouse()
    publish_whole(numbered_network(8, 20, 120), number=8, warehouse=warehouse)
    network = publish_whole(numbered_network(7, 14, 60), number=7, partitions=2, warehouse=warehouse)
    assert (network.n_agents, network.n_ids, len(network.reserved)) == (14, 19, 5)
    for parameters in (HARDEST[name], *([{"sceptics": 0.5}] if name == "seiz" else [])):
        session = resolve_session(
            network,
            make_model(name, parameters),
            seed_set=seed_set_of(name, [3, 1]),
            replicates=12,
            record="contacts",
            max_rounds=4,
        )
        first, *others = [run(session, network, plan=plan) for plan in PLANS]
        if parameters == HARDEST[name]:
            assert_textbook(first, textbook_rows(session, network))
        for other in others:
            assert_same_rows(first, other)


@pytest.mark.parametrize("plan", PLANS)
def test_strengths_sum_by_ascending_source_in_every_plan(publish, run, plan):
    # Sums of such numbers depend on their order in the last bit, which then decides about a draw in 2**32.
    small = numbered_network(9, 20, 150)
    strengths = [0.1 * (1 + (7 * src + 3 * dst) % 11) for src, dst in small.edges]
    network = publish(small.edges, 20, attributes={"s": strengths}, strength="s", partitions=3)
    session = resolve_session(
        network,
        make_model("diffusion", {"threshold": "uniform"}),
        seed_set=[3, 1],
        replicates=20,
        record="contacts",
        max_rounds=4,
    )
    assert_textbook(run(session, network, plan=plan), textbook_rows(session, network))


@pytest.mark.parametrize("plan", OTHER_PLANS)
@pytest.mark.parametrize("name", MODELS)
def test_no_plan_minds_a_network_without_edges(publish_whole, run, plan, name):
    network = publish_whole(SmallNetwork(3, (), ()), partitions=2)
    model = make_model(name, PARAMETERS[name][0])
    session = resolve_session(
        network, model, seed_set=seed_set_of(name, [2]), replicates=2, record="contacts", max_rounds=2
    )
    expected = textbook_rows(session, network)
    assert expected.cascades[0][1] == 1
    for chosen in (plan, "broadcast"):
        assert_textbook(run(session, network, plan=chosen), expected)


@pytest.mark.parametrize("plan", OTHER_PLANS)
@pytest.mark.parametrize(
    ("partitions", "record", "name", "parameters"),
    [
        (1, "contacts", "independent_cascade", {"probability": "weighted_cascade"}),
        (2, "reach", "independent_cascade", {"probability": "trivalency"}),
        (1, "rounds", "independent_cascade", {"probability": 1.0}),
        (2, "contacts", "linear_threshold", {"weight": "weighted_cascade"}),
        (2, "activations", "sir", {"beta": 0.1, "gamma": 0.5}),
        (2, "contacts", "maki_thompson", {"spreading": 0.3, "stifling": 0.5}),
    ],
)
def test_plans_agree_on_karate(real_network, run, assert_same_rows, plan, partitions, record, name, parameters):
    network = real_network("small/karate.graph", partitions=partitions)
    model = make_model(name, parameters)
    session = resolve_session(network, model, seed_set=["34", "1"], replicates=50, record=record, max_rounds=5)
    other = run(session, network, plan=plan)
    assert_textbook(other, textbook_rows(session, network))
    for shape in shapes_of(model, record):
        for batches in (1, 17):
            assert_same_rows(run(session, network, shape=shape, batches=batches), other)


@pytest.mark.parametrize("plan", OTHER_PLANS)
@pytest.mark.parametrize(
    ("path", "partitions", "name", "parameters", "max_rounds"),
    [
        ("wiki-Vote.txt", 2, "independent_cascade", {"probability": "weighted_cascade"}, 6),
        ("ca-GrQc.txt", 7, "independent_cascade", {"probability": 0.15}, 3),
        ("ca-GrQc.txt", 2, "seir", {"beta": 0.4, "gamma": 0.5, "sigma": 0.7}, 4),
    ],
)
def test_plans_agree_on_larger_real_networks(
    real_network, run, assert_same_rows, plan, path, partitions, name, parameters, max_rounds
):
    network = real_network(path, partitions=partitions)
    model = make_model(name, parameters)
    fields = {"seed_set": network.agent_ids[:20].to_pylist(), "replicates": 6, "random_seed": 3}
    session = resolve_session(network, model, **fields, max_rounds=max_rounds, record="contacts")
    other = run(session, network, plan=plan)
    assert_same_rows(run(session, network, batches=3), other)
    rows = textbook_rows(session, network)
    assert_textbook(other, rows)
    assert len(rows.activations) > 1000
    assert math.isfinite(other.reach.mean)
    short = resolve_session(network, model, **fields, max_rounds=max_rounds, record="reach")
    for shape in shapes_of(model, "reach"):
        assert_textbook(run(short, network, shape=shape), rows)


# -- what common random numbers promise -----------------------------------------------------------------------------

STRONGER = {
    "independent_cascade": lambda x: {"probability": x},
    "viral": lambda x: {"base_rate": x, "decay": 0.8},
    "linear_threshold": lambda x: {"weight": x / 9},
    "diffusion": lambda x: {"threshold": 1 - x, "strength": "column:tie"},
    "fractional_threshold": lambda x: {"threshold": 1 - x},
    "hybrid": lambda x: {"alpha": 0.5, "base_rate": x, "threshold": 1 - x},
    "si": lambda x: {"beta": x},
    "sir": lambda x: {"beta": x, "gamma": 0.4},
    "seir": lambda x: {"beta": x, "gamma": 0.4, "sigma": 0.6},
}
"""Parameters that grow more contagious with a number in [0, 1]."""


@pytest.mark.parametrize("name", STRONGER)
@settings(max_examples=4, deadline=None, suppress_health_check=RELAXED)
@given(
    small=small_networks(max_agents=10, max_edges=30, min_edges=6),
    strengths=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    random_seed=st.integers(0, 100),
)
@example(small=numbered_network(8, 10, 30), strengths=(0.3, 0.4), random_seed=0)
@example(small=numbered_network(8, 10, 30), strengths=(0.0, 3e-240), random_seed=0)
def test_a_more_contagious_message_only_adds_agents_and_never_delays_them(
    publish_whole, run, name, small, strengths, random_seed
):
    network = publish_whole(small)
    low, high = (
        reached_rounds(
            run(
                resolve_session(
                    network,
                    make_model(name, STRONGER[name](strength)),
                    seed_set=[0],
                    replicates=30,
                    random_seed=random_seed,
                    max_rounds=MANY,
                    record="activations",
                ),
                network,
            )
        )
        for strength in sorted(strengths)
    )
    assert low.keys() <= high.keys()
    assert all(high[key] <= number for key, number in low.items())


def reached_rounds(result):
    rows = result.table("activations").to_pydict()
    assert set(rows["occasion"]) == {1}
    return dict(zip(zip(rows["replicate"], rows["agent"], strict=True), rows["round"], strict=True))
