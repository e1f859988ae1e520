"""Blocked agents and ranges of replicates: the same rows in every plan, and what they must equal."""

import dataclasses

import pandas as pd
import pytest

from data.errors import InvalidInputError, UnknownAgentError
from propagation.models import MODELS, IndependentCascade, make_model
from propagation.plans.broadcast.families import families_for
from propagation.sessions import resolve_session
from propagation.simulation import simulate
from tests.propagation.own_models import OwnCascade, Reinforcement
from tests.reference.parameters import EXAMPLES, HARDEST, fitting, seed_set_of
from tests.reference.small_networks import numbered_network

SEEDS, BLOCKED = [3, 1], [0, 5, 9, 13]
OTHER_PLANS = ["partitioned", "reference"]
TABLES = ["cascades", "activations", "propagation_events"]


@pytest.fixture(scope="module")
def network(publish_whole):
    return publish_whole(numbered_network(7, 14, 60), number=7, partitions=2)


def resolved(network, model, **fields):
    options = {"replicates": 12, "record": "contacts", "max_rounds": 4, "seed_set": SEEDS} | fields
    options["seed_set"] = seed_set_of(model.name, options["seed_set"])
    return resolve_session(network, model, **options)


def assert_never_reached(session, result):
    activations = result.table("activations")["agent"].to_pylist()
    assert not set(activations) & set(session.blocked)
    contacts = result.table("propagation_events").to_pandas()
    kinds = set(contacts.loc[contacts["dst"].isin(session.blocked), "event_type"])
    assert kinds == {"ignored"}, "contacts with blocked agents are recorded, and come to nothing"


# -- blocked agents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_blocked_agents_are_never_reached_in_any_plan(network, run, assert_same_rows, name):
    session = resolved(network, make_model(name, HARDEST[name]), blocked=BLOCKED)
    assert session.blocked == tuple(sorted(network.dense_ids(BLOCKED).tolist()))
    found = run(session, network)
    assert_never_reached(session, found)
    for plan in OTHER_PLANS:
        assert_same_rows(run(session, network, plan=plan), found)


@pytest.mark.parametrize(("name", "parameters"), EXAMPLES, ids=str)
def test_blocked_agents_are_never_reached_by_any_kernel_family(network, run, assert_same_rows, name, parameters):
    model = make_model(name, fitting(parameters, seed_set_of(name, SEEDS), max_rounds=4))
    contacts = run(resolved(network, model, blocked=BLOCKED), network)
    session = resolved(network, model, blocked=BLOCKED, record="reach", replicates=70)
    *others, by_rules = (run(session, network, shape=family.name, batches=3) for family in families_for(model, "reach"))
    reached = set(by_rules.table("reach")["agent"].to_pylist())
    assert reached >= set(contacts.table("activations")["agent"].to_pylist())
    assert not reached & set(session.blocked)
    for other in [*others, run(session, network, plan="partitioned")]:
        assert_same_rows(other, by_rules)


def test_a_blocked_agent_is_one_whose_edges_have_probability_0(publish, run):
    small = numbered_network(8, 30, 150)
    closed = [0.0 if dst in BLOCKED else p for (_, dst), p in zip(small.edges, small.probabilities, strict=True)]
    network, without = (publish(small.edges, 30, p, partitions=3) for p in (small.probabilities, closed))
    fields = {"record": "contacts", "replicates": 30, "max_rounds": 30}
    model = IndependentCascade(probability="column")
    session, expected = resolved(network, model, blocked=BLOCKED, **fields), resolved(without, model, **fields)
    for table in TABLES:
        one, other = (
            run(each, of).table(table).to_pandas().drop(columns="session_id")
            for each, of in ((session, network), (expected, without))
        )
        by = list(one.columns)
        pd.testing.assert_frame_equal(one.sort_values(by, ignore_index=True), other.sort_values(by, ignore_index=True))
        assert len(one)


def test_blocked_agents_count_in_the_degrees_of_others(network, run):
    # The weight of an edge is 1 / in_degree of the network: to block an in-neighbour does not make others stronger.
    model = make_model("linear_threshold", {"weight": "weighted_cascade"})
    free, session = (
        resolved(network, model, record="reach", replicates=200, max_rounds=20, blocked=blocked)
        for blocked in ([], BLOCKED)
    )
    before, after = (
        dict(zip(rows["agent"].to_pylist(), rows["times_reached"].to_pylist(), strict=True))
        for rows in (run(each, network).table("reach") for each in (free, session))
    )
    assert all(times <= before[agent] for agent, times in after.items())
    assert sum(after.values()) < sum(before.values()) - sum(before.get(agent, 0) for agent in session.blocked)


@pytest.mark.parametrize("model", [OwnCascade(probability=0.9), Reinforcement(neighbours=1)], ids=repr)
def test_users_own_models_never_reach_blocked_agents(network, run, model):
    session = resolved(network, model, blocked=BLOCKED)
    found = run(session, network, plan="reference")
    assert_never_reached(session, found)
    assert found.reach.mean > 5


def test_a_network_without_edges_may_have_blocked_agents(publish, run):
    network = publish([], 3)
    session = resolved(network, IndependentCascade(probability=0.5), seed_set=[1], blocked=[0])
    assert run(session, network).reach.mean == 1.0


def test_sessions_with_different_blocked_agents_run_in_one_job(network, run, ordered):
    from propagation import engine

    sessions = [
        resolved(network, IndependentCascade(probability=0.6), blocked=blocked, record="rounds")
        for blocked in ([], [0], [5], [0, 5, 9], [0])
    ][:4]
    for plan in ("broadcast", "partitioned"):
        results = engine.run_job(
            network, sessions, engine.plan_job(network, sessions, plan=plan), publish=False
        ).results
        for session in sessions:
            pd.testing.assert_frame_equal(
                ordered(results[session.session_id], "cascades"), ordered(run(session, network), "cascades")
            )


@pytest.mark.parametrize("blocked", ["0", 0, None, {"a": 1}])
def test_blocked_agents_are_a_list(network, blocked):
    with pytest.raises(InvalidInputError, match="give a list of agent ids"):
        resolved(network, IndependentCascade(probability=0.5), blocked=blocked)


def test_what_cannot_be_blocked_is_refused(network):
    model = IndependentCascade(probability=0.5)
    with pytest.raises(InvalidInputError, match="agent '3' is a seed and blocked; choose other seeds"):
        resolved(network, model, blocked=[5, 3])
    with pytest.raises(UnknownAgentError, match="'77'"):
        resolved(network, model, blocked=[77])


def test_blocked_agents_and_the_first_replicate_belong_to_the_specification(network):
    model = IndependentCascade(probability=0.5)
    plain = resolved(network, model)
    assert not {"blocked", "first_replicate"} & plain.specification.keys()
    others = [{"blocked": [0]}, {"blocked": [5]}, {"first_replicate": 1}, {"first_replicate": 2}]
    assert len({plain.session_id, *(resolved(network, model, **changes).session_id for changes in others)}) == 5
    assert resolved(network, model, blocked=[5, 0]) == resolved(network, model, blocked=[0, 5, 5])


# -- ranges of replicates ---------------------------------------------------------------------------------------------


ONE_OF_EACH_KIND = ("independent_cascade", "linear_threshold", "seir", "daley_kendall")
"""The reference plan runs all models in one way, and slowly: these cover what their rules can say."""


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        *((plan, name) for plan in ("broadcast", "partitioned") for name in MODELS),
        *(("reference", name) for name in ONE_OF_EACH_KIND),
    ],
)
def test_a_range_of_replicates_has_the_rows_of_the_whole_session(network, run, ordered, plan, name):
    model = make_model(name, HARDEST[name])
    whole = run(resolved(network, model), network)
    part = run(resolved(network, model, first_replicate=5, replicates=4), network, plan=plan)
    for table in TABLES:
        rows, own = (ordered(each, table).drop(columns="session_id") for each in (whole, part))
        expected = rows[rows["replicate"].between(5, 8)].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected, obj=table)
        assert set(own["replicate"]) <= {5, 6, 7, 8}
        assert table != "cascades" or len(own) == 4


@pytest.mark.parametrize("shape", ["sparse", "packed", "shared", "rules"])
def test_ranges_together_make_the_whole_session(network, run, ordered, shape):
    model = IndependentCascade(probability=0.4)
    fields = {"record": "reach", "max_rounds": 20}
    whole = ordered(run(resolved(network, model, replicates=150, **fields), network, shape=shape), "cascades")
    ranges = [(0, 70), (70, 1), (71, 79)]
    parts = [
        ordered(
            run(resolved(network, model, first_replicate=f, replicates=r, **fields), network, shape=shape), "cascades"
        )
        for f, r in ranges
    ]
    columns = [name for name in whole.columns if name != "session_id"]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True)[columns], whole[columns])


def test_a_range_is_checkpointed_and_resumed_as_any_session(network):
    from propagation import engine
    from propagation.plans.partitioned.lane_groups import waves

    session = resolved(network, IndependentCascade(probability=0.5), first_replicate=5, replicates=4)
    made = dataclasses.replace(engine.plan_job(network, [session], plan="partitioned"), lanes_at_once=3)
    saved = [(session.session_id, 6, 8)]
    other = [(session.session_id, 4, 6)]
    found = [wave.runs for wave in waves(network, [session], made, [other, saved])]
    assert found == [saved, [(session.session_id, 5, 6), (session.session_id, 8, 9)]]


@pytest.mark.parametrize("first", [-1, 1.0, True, 2**31 - 12])
def test_the_first_replicate_is_checked(network, first):
    with pytest.raises(InvalidInputError, match="first_replicate"):
        resolved(network, IndependentCascade(probability=0.5), first_replicate=first)


def test_sql_tells_which_agents_were_blocked_and_which_replicates_ran(publish_small):
    network = publish_small(numbered_network(8, 30, 150))
    model = IndependentCascade(probability=0.2)
    fields = {"seed_set": [1], "replicates": 5}
    part = simulate(network, model, **fields, blocked=[9, 4], first_replicate=20)
    whole = simulate(network, model, **fields)
    rows = network.warehouse.sql("SELECT session_id, blocked_agents, first_replicate FROM propagation_sessions")
    found = {row.session_id: (list(row.blocked_agents), row.first_replicate) for row in rows.itertuples()}
    assert found == {part.session_id: (["4", "9"], 20), whole.session_id: ([], 0)}
