"""What every model promises in every plan and shape: the rows of its textbook oracle, whatever ran them.

Each registered model brings an oracle in plain Python, which is fed the same draws through `tests.reference.draws`,
and parameters to run it with. The plans, shapes, numbers of partitions and of batches must not be seen in the rows.
"""

import math
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from propagation.models import MODELS, make_model
from propagation.plans import lane_batches, row_writer
from propagation.sessions import RECORDS, resolve_session
from tests.reference import draws as reference
from tests.reference.independent_cascade import independent_cascade
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks

UNLIMITED = 10_000


# -- the models' oracles --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TextbookRows:
    """A session's rows from its model's oracle, each sorted."""

    activations: list
    """(replicate, agent, round, infector)."""
    contacts: list
    """(replicate, round, src, dst, event_type)."""
    cascades: list
    """(replicate, size, depth, rounds, peak_round, truncated)."""
    reach: list
    """(agent, times_reached, probability, mean_round)."""


def textbook_cascades(session, network, out_neighbours):
    """Run the textbook's independent cascade in every replicate of a session."""
    chance = {edge: reference.favourable_draws(p) for edge, p in textbook_probabilities(session, network).items()}

    def draw(purpose, src, dst, replicate):
        return reference.edge_draw(session.random_seed, purpose, src, dst, replicate)

    for replicate in range(session.replicates):
        yield independent_cascade(
            out_neighbours,
            lambda src, dst: draw(reference.TRANSMISSION, src, dst, replicate) < chance[src, dst],  # noqa: B023
            lambda src, dst: draw(reference.INFECTOR, src, dst, replicate),  # noqa: B023
            session.seeds,
            session.max_rounds,
        )


def textbook_probabilities(session, network):
    rows = network.warehouse.read("network_edges", [network.key]).to_pydict()
    edges = list(zip(rows["src"], rows["dst"], strict=True))
    scheme = session.model.probability
    if scheme == "weighted_cascade":
        in_degree = Counter(rows["dst"])
        return {(src, dst): 1 / in_degree[dst] for src, dst in edges}
    if scheme == "column":
        return dict(zip(edges, rows["p"], strict=True))
    if scheme == "trivalency":
        made = reference.stream(session.random_seed, reference.TRIVALENCY)
        return {edge: [0.1, 0.01, 0.001][(reference.edge_key(made, *edge) >> 32) * 3 >> 32] for edge in edges}
    return dict.fromkeys(edges, scheme)


ORACLES = {"independent_cascade": textbook_cascades}
PARAMETERS = {
    "independent_cascade": [
        {"probability": 0.35},
        {"probability": 1.0},
        {"probability": "weighted_cascade"},
        {"probability": "trivalency"},
        {"probability": "column"},
    ]
}
EXAMPLES = [(name, parameters) for name, choices in PARAMETERS.items() for parameters in choices]


def test_every_registered_model_is_under_this_contract():
    assert set(ORACLES) == set(PARAMETERS) == set(MODELS)


def textbook_rows(session, network, out_neighbours):
    activations, contacts, cascades = [], [], []
    rounds_of = {}
    for replicate, cascade in enumerate(ORACLES[session.model.name](session, network, out_neighbours)):
        activations += [(replicate, agent, number, infector) for agent, number, infector in cascade.activations]
        contacts += [(replicate, *contact) for contact in cascade.contacts]
        new = Counter(number for _, number, _ in cascade.activations)
        depth = max(new)
        simulated = session.max_rounds if cascade.truncated else depth + 1
        peak = min(number for number, count in new.items() if count == max(new.values()))
        cascades.append((replicate, len(cascade.activations), depth, simulated, peak, cascade.truncated))
        for agent, number, _ in cascade.activations:
            rounds_of.setdefault(agent, []).append(number)
    reach = [
        (agent, len(numbers), len(numbers) / session.replicates, sum(numbers) / len(numbers))
        for agent, numbers in sorted(rounds_of.items())
    ]
    return TextbookRows(sorted(activations, key=str), sorted(contacts), sorted(cascades), reach)


def assert_textbook(result, rows):
    """Compare what a result recorded with the oracle's rows."""
    session = result.session
    columns = ["replicate", "size", "depth", "rounds", "peak_round", "truncated"]
    assert tuples(result, "cascades", columns) == rows.cascades
    if RECORDS.index(session["record"]) >= RECORDS.index("reach"):
        assert tuples(result, "reach", ["agent", "times_reached", "probability", "mean_round"]) == rows.reach
    if RECORDS.index(session["record"]) >= RECORDS.index("activations"):
        found = tuples(result, "activations", ["replicate", "agent", "round", "infector", "occasion"])
        assert sorted(((*row[:4],) for row in found), key=str) == rows.activations
        assert {row[4] for row in found} == {1}
    if session["record"] == "contacts":
        columns = ["replicate", "round", "src", "dst", "event_type"]
        assert sorted(tuples(result, "propagation_events", columns)) == rows.contacts
    truncated = sum(row[5] for row in rows.cascades)
    assert session["stopped_because"] == ("max_rounds" if truncated else "died_out")
    assert session["truncated_replicates"] == truncated
    assert session["rounds"] == max(row[3] for row in rows.cascades)
    assert session["total_influenced"] == sum(row[1] for row in rows.cascades) / session["replicates"]


def tuples(result, table, columns):
    rows = result.table(table).select(columns).to_pydict()
    found = list(zip(*(rows[column] for column in columns), strict=True))
    return found if table == "activations" else sorted(found)


# -- shapes of the broadcast plan against the oracle ----------------------------------------------------------------


@st.composite
def sessions(draw, max_replicates):
    """Draw what `resolve_session` needs, for a network that is drawn too."""
    small = draw(small_networks(min_edges=draw(st.sampled_from([0, 15, 35]))))
    name, parameters = draw(st.sampled_from(EXAMPLES))
    agents = st.integers(0, small.n_agents - 1)
    return small, {
        "model": make_model(name, parameters),
        "seed_set": draw(st.lists(agents, min_size=1, max_size=min(4, small.n_agents), unique=True)),
        "replicates": draw(st.integers(1, max_replicates)),
        "random_seed": draw(st.one_of(st.integers(0, 20), st.just(2**63 - 1))),
        "max_rounds": draw(st.sampled_from([UNLIMITED, UNLIMITED, UNLIMITED, 0, 1, 2, 3])),
        "record": draw(st.sampled_from(RECORDS)),
    }


def shapes_for(record):
    """Shapes that can record this: infectors are known to the traced one only."""
    return ["traced"] if record in {"activations", "contacts"} else ["sparse", "packed", "traced"]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sessions(max_replicates=150), st.sampled_from([1, 3, 17]), st.sampled_from([1, 2, 7]))
def test_every_shape_equals_the_textbook(
    publish_small, run, out_neighbours, assert_same_rows, drawn, batches, partitions
):
    small, fields = drawn
    network = publish_small(small, partitions=partitions)
    session = resolve_session(network, **fields)
    expected = textbook_rows(session, network, out_neighbours(network))
    results = [run(session, network, shape=shape, batches=batches) for shape in shapes_for(session.record)]
    for result in results:
        assert_textbook(result, expected)
        assert_same_rows(result, results[0])


HUB = SmallNetwork(
    # Rows longer than the kernels' chunk of draws (256), leaves with several in-edges, and a way back to the hubs.
    900,
    tuple((hub, leaf) for hub in (0, 1, 2) for leaf in range(3, 900)) + tuple((leaf, leaf % 3) for leaf in range(3, 9)),
    tuple(0.3 if leaf % 3 else 0.8 for _ in (0, 1, 2) for leaf in range(3, 900)) + (0.5,) * 6,
)


@pytest.mark.parametrize("record", RECORDS)
def test_long_rows_equal_the_textbook(publish_small, run, out_neighbours, record):
    network = publish_small(HUB)
    model = make_model("independent_cascade", {"probability": "column"})
    session = resolve_session(network, model, seed_set=[0, 5], replicates=70, record=record)
    expected = textbook_rows(session, network, out_neighbours(network))
    for shape in shapes_for(record):
        assert_textbook(run(session, network, shape=shape), expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_neither_partitions_nor_batches_are_seen(publish_small, run, out_neighbours, name, partitions):
    network = publish_small(numbered_network(1, 40, 200), partitions=partitions)
    assert len(network.edge_files) == partitions
    model = make_model(name, PARAMETERS[name][-1])
    for record in ("reach", "contacts"):
        session = resolve_session(network, model, seed_set=[3, 1], replicates=67, record=record)
        expected = textbook_rows(session, network, out_neighbours(network))
        for shape in shapes_for(record):
            for batches in (1, 3, 17):
                assert_textbook(run(session, network, shape=shape, batches=batches), expected)


@pytest.mark.parametrize("rows_per_write", [1, 50, 1000])
def test_many_rows_are_written_in_several_goes(
    publish_small, run, out_neighbours, monkeypatch, assert_same_rows, rows_per_write
):
    # The buffer of a task holds this many activations, or one lane's: lanes come in several goes through it.
    network = publish_small(numbered_network(2, 40, 200))
    model = make_model("independent_cascade", {"probability": 0.3})
    session = resolve_session(network, model, seed_set=[3, 1], replicates=120, record="contacts")
    monkeypatch.setattr(lane_batches, "ROWS_PER_WRITE", rows_per_write)
    monkeypatch.setattr(row_writer, "ROWS_PER_WRITE", rows_per_write)
    expected = textbook_rows(session, network, out_neighbours(network))
    assert len(expected.activations) > 1000
    assert_textbook(run(session, network, batches=1), expected)


# -- the reference plan against the broadcast plan ------------------------------------------------------------------


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sessions(max_replicates=40), st.sampled_from([1, 2, 7]))
@example(
    (
        SmallNetwork(3, (), ()),
        {
            "model": make_model("independent_cascade", {}),
            "seed_set": [2],
            "replicates": 2,
            "random_seed": 0,
            "max_rounds": 5,
            "record": "contacts",
        },
    ),
    2,
)
def test_the_reference_plan_equals_the_textbook_and_every_shape(
    publish_small, run, out_neighbours, assert_same_rows, drawn, partitions
):
    small, fields = drawn
    network = publish_small(small, partitions=partitions)
    session = resolve_session(network, **fields)
    by_reference = run(session, network, plan="reference")
    assert_textbook(by_reference, textbook_rows(session, network, out_neighbours(network)))
    for shape in shapes_for(session.record):
        assert_same_rows(run(session, network, shape=shape, batches=3), by_reference)


@pytest.mark.parametrize(
    ("partitions", "record", "parameters"),
    [
        (1, "contacts", {"probability": "weighted_cascade"}),
        (2, "activations", {"probability": 0.3}),
        (7, "contacts", {"probability": 0.2}),
        (2, "reach", {"probability": "trivalency"}),
        (1, "rounds", {"probability": 1.0}),
    ],
)
def test_plans_agree_on_karate(real_network, run, out_neighbours, assert_same_rows, partitions, record, parameters):
    network = real_network("small/karate.graph", partitions=partitions)
    model = make_model("independent_cascade", parameters)
    session = resolve_session(network, model, seed_set=["34", "1"], replicates=100, record=record)
    by_reference = run(session, network, plan="reference")
    assert_textbook(by_reference, textbook_rows(session, network, out_neighbours(network)))
    for shape in shapes_for(record):
        for batches in (1, 3, 17):
            assert_same_rows(run(session, network, shape=shape, batches=batches), by_reference)


@pytest.mark.parametrize(
    ("path", "partitions", "probability", "max_rounds"),
    [("wiki-Vote.txt", 2, "weighted_cascade", UNLIMITED), ("ca-GrQc.txt", 7, 0.15, 3)],
)
def test_plans_agree_on_larger_real_networks(
    real_network, run, out_neighbours, assert_same_rows, path, partitions, probability, max_rounds
):
    network = real_network(path, partitions=partitions)
    model = make_model("independent_cascade", {"probability": probability})
    seeds = network.agent_ids[:20].to_pylist()
    session = resolve_session(
        network, model, seed_set=seeds, replicates=8, random_seed=3, max_rounds=max_rounds, record="contacts"
    )
    by_reference = run(session, network, plan="reference")
    assert_same_rows(run(session, network, batches=3), by_reference)
    rows = textbook_rows(session, network, out_neighbours(network))
    assert_textbook(by_reference, rows)
    assert len(rows.activations) > 1500
    assert math.isfinite(by_reference.reach.mean)
    short = resolve_session(
        network, model, seed_set=seeds, replicates=8, random_seed=3, max_rounds=max_rounds, record="reach"
    )
    for shape in shapes_for("reach"):
        assert_textbook(run(short, network, shape=shape), rows)
