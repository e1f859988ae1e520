"""Blocked edges: the same as edges with probability 0, in every plan, with the draws of all others unchanged."""

import pytest

from data.errors import InvalidInputError, UnknownAgentError
from propagation.models import IndependentCascade, LinearThreshold, MakiThompson
from propagation.sessions import resolve_session
from propagation.simulation import simulate, simulate_many
from tests.reference.small_networks import SmallNetwork, numbered_network

STAR = SmallNetwork(9, ((0, 1), (1, 2), (1, 3), (1, 4), (0, 5), (5, 6), (7, 8)), (1.0,) * 7)


@pytest.mark.parametrize(
    ("plan", "record"),
    [(plan, record) for plan in ("broadcast", "partitioned") for record in ("rounds", "contacts")]
    + [("reference", "contacts")],
)
def test_a_blocked_edge_is_one_with_probability_0(publish, plan, record):
    small = numbered_network(8, 30, 150)
    shut = set(small.edges[::7])
    closed = [0.0 if edge in shut else p for edge, p in zip(small.edges, small.probabilities, strict=True)]
    network, without = (publish(small.edges, 30, p, partitions=2) for p in (small.probabilities, closed))
    fields = {"seed_set": [3, 1], "replicates": 8, "record": record, "max_rounds": 5, "publish": False}
    model = IndependentCascade(probability="column")
    one = simulate(network, model, blocked_edges=list(shut), plan=plan, **fields)
    other = simulate(without, model, plan=plan, **fields)
    tables = ["cascades", "propagation_events"] if record == "contacts" else ["cascades"]
    for table in tables:
        rows = [sorted(map(str, each.table(table).drop_columns("session_id").to_pylist())) for each in (one, other)]
        assert rows[0] == rows[1]
    assert one.cascades["size"].sum() < simulate(network, model, **fields).cascades["size"].sum()
    assert len(one.session["blocked_edges"]) == len(shut)


def test_blocked_edges_are_checked_and_hashed_only_where_there_are_any(publish_small):
    network, model = publish_small(STAR), IndependentCascade(probability=0.5)
    plain = resolve_session(network, model, seed_set=["0"], replicates=2)
    assert not {"blocked_edges", "competing"} & plain.specification.keys()
    assert resolve_session(network, model, seed_set=["0"], replicates=2, blocked_edges=[]) == plain
    some = resolve_session(network, model, seed_set=["0"], replicates=2, blocked_edges=[("1", "2"), ("0", "1")])
    pairs = [network.dense_ids(pair).tolist() for pair in (("1", "2"), ("0", "1"))]
    assert some.specification["blocked_edges"] == sorted(pairs)
    assert some.session_id != plain.session_id
    for edges, message in [
        ([("2", "1")], "no edge from '2' to '1'"),
        (["01"], "give a list of pairs"),
        ("ab", "give a list of pairs"),
        ([("0",)], "give a list of pairs"),
    ]:
        with pytest.raises((InvalidInputError, UnknownAgentError), match=message):
            resolve_session(network, model, seed_set=["0"], replicates=2, blocked_edges=edges)


def test_many_sessions_may_block_different_edges(publish_small):
    network = publish_small(STAR)
    edges = {"none": [], "first": [("0", "1")], "second": [("0", "5")]}
    many = simulate_many(
        network,
        {name: {"blocked_edges": each} for name, each in edges.items()},
        model=IndependentCascade(probability=1.0),
        seed_set=["0"],
        replicates=2,
    )
    assert many.reach["reach"].to_dict() == {"none": 7.0, "first": 3.0, "second": 5.0}


@pytest.mark.parametrize("plan", ["broadcast", "partitioned", "reference"])
def test_no_weight_adds_up_along_a_blocked_edge(publish_small, plan):
    network = publish_small(SmallNetwork(3, ((0, 2), (1, 2)), (1.0, 1.0)))
    model = LinearThreshold(weight=0.5)
    fields = {"seed_set": ["0", "1"], "replicates": 400, "plan": plan, "publish": False, "max_rounds": 3}
    assert simulate(network, model, **fields).reach.mean == 3.0
    half = simulate(network, model, blocked_edges=[("1", "2")], **fields).reach.mean
    assert half == pytest.approx(2.5, abs=0.1)


def test_models_whose_contacts_need_no_probability_cannot_have_blocked_edges(publish_small):
    with pytest.raises(InvalidInputError, match="model 'maki_thompson' has contacts that do not depend on an edge's"):
        resolve_session(publish_small(STAR), MakiThompson(), seed_set=["0"], replicates=2, blocked_edges=[("0", "1")])
