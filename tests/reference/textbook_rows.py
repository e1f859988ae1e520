"""The rows of a session as its model's textbook gives them, and whether a result has the same."""

import json
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

from data.warehouse.tables.results import QUANTILES
from propagation.sessions import RECORDS
from tests.reference.lanes import Coins
from tests.reference.lanes import Network as TextbookNetwork
from tests.reference.textbook import TEXTBOOK

TRANSMIT_ONCE = {
    "independent_cascade",
    "viral",
    "linear_threshold",
    "diffusion",
    "fractional_threshold",
    "hybrid",
    "competing_cascades",
}


@lru_cache(maxsize=8)
def textbook_network(network):
    edges = network.warehouse.read("network_edges", [network.key]).to_pydict()
    agents = network.warehouse.read("network_agents", [network.key]).to_pandas().set_index("agent")
    columns = agents[list(network.row["agent_attributes"])].reindex(range(network.n_ids)).fillna(0.0)
    pairs = tuple(zip(edges["src"], edges["dst"], strict=True))
    return TextbookNetwork(
        n_agents=network.n_ids,
        edges=pairs,
        edge_columns={name: dict(zip(pairs, edges[name], strict=True)) for name in network.row["edge_attributes"]},
        agent_columns={name: columns[name].tolist() for name in columns},
        strength=network.row["strength_column"],
        probability=network.row["probability_column"],
    )


@dataclass(frozen=True)
class TextbookRows:
    """A session's rows from its model's oracle, each sorted."""

    activations: list
    """(replicate, agent, round, infector, occasion, message)."""
    contacts: list
    """(replicate, round, src, dst, event_type)."""
    cascades: list
    """(replicate, size, depth, rounds, peak_round, truncated, half_round)."""
    reach: list
    """(agent, times_reached, probability, mean_round)."""
    new: np.ndarray
    """Activations by replicate and round; like the next two as long as the longest replicate."""
    infectious: np.ndarray
    reached: np.ndarray


def textbook_rows(session, network):
    run_lane, parameters, whole = TEXTBOOK[session.model.name], session.model.model_dump(), textbook_network(network)
    seeds = session.seeds
    if session.competing:
        seeds = dict(zip(seeds, session.seed_messages, strict=True))
    lanes = [
        run_lane(whole, parameters, Coins(session.random_seed, replicate), seeds, session.max_rounds)
        for replicate in range(session.replicates)
    ]
    rounds_of = defaultdict(list)
    for lane in lanes:
        for agent, number, _, occasion in lane.activations:
            if occasion == 1:
                rounds_of[agent].append(number)
    longest = max(lane.rounds for lane in lanes)
    return TextbookRows(
        activations=sorted(
            (
                (replicate, *row, lane.messages.get(row[0]))
                for replicate, lane in enumerate(lanes)
                for row in lane.activations
            ),
            key=str,
        ),
        contacts=sorted((replicate, *row) for replicate, lane in enumerate(lanes) for row in lane.contacts),
        cascades=[
            (
                replicate,
                lane.reached[-1],
                lane.depth,
                lane.rounds,
                lane.new.index(max(lane.new)),
                lane.truncated,
                next(number for number, reached in enumerate(lane.reached) if reached >= lane.reached[-1] / 2),
            )
            for replicate, lane in enumerate(lanes)
        ],
        reach=[
            (agent, len(numbers), len(numbers) / session.replicates, sum(numbers) / len(numbers))
            for agent, numbers in sorted(rounds_of.items())
        ],
        new=np.array([lane.new + [0] * (longest - lane.rounds) for lane in lanes]),
        infectious=np.array([lane.infectious + lane.infectious[-1:] * (longest - lane.rounds) for lane in lanes]),
        reached=np.array([lane.reached + lane.reached[-1:] * (longest - lane.rounds) for lane in lanes]),
    )


def assert_textbook(result, rows):
    """Compare what a result recorded with the oracle's rows."""
    session = result.session
    columns = ["replicate", "size", "depth", "rounds", "peak_round", "truncated", "half_round"]
    assert tuples(result, "cascades", columns) == rows.cascades
    assert_textbook_rounds(result, rows)
    if RECORDS.index(session["record"]) >= RECORDS.index("reach"):
        assert tuples(result, "reach", ["agent", "times_reached", "probability", "mean_round"]) == rows.reach
    if RECORDS.index(session["record"]) >= RECORDS.index("activations"):
        columns = ["replicate", "agent", "round", "infector", "occasion", "message_id"]
        assert tuples(result, "activations", columns) == rows.activations
    if session["record"] == "contacts":
        columns = ["replicate", "round", "src", "dst", "event_type"]
        assert tuples(result, "propagation_events", columns) == rows.contacts
    truncated = sum(row[5] for row in rows.cascades)
    assert session["stopped_because"] == ("max_rounds" if truncated else "died_out")
    assert session["truncated_replicates"] == truncated
    assert session["rounds"] == max(row[3] for row in rows.cascades)
    assert session["total_influenced"] == sum(row[1] for row in rows.cascades) / session["replicates"]


def assert_textbook_rounds(result, rows):
    """Compare the table propagation_metrics, whose means come from whole numbers."""
    table = result.table("propagation_metrics").to_pydict()
    replicates, rounds = rows.new.shape
    incidence = rows.new.sum(axis=0)
    assert table["round"] == list(range(rounds))
    assert table["active_replicates"] == (rows.new > 0).sum(axis=0).tolist()
    assert table["propagation_speed"] == (incidence / replicates).tolist()
    for name, matrix in (
        ("new_infections", rows.new),
        ("current_infected", rows.infectious),
        ("total_influenced", rows.reached),
    ):
        assert table[name] == (matrix.sum(axis=0) / replicates).tolist(), name
        if replicates == 1:
            assert table[f"{name}_standard_error"] == [None] * rounds
        else:
            expected = (matrix.std(axis=0, ddof=1) / math.sqrt(replicates)).tolist()
            assert table[f"{name}_standard_error"] == pytest.approx(expected, rel=1e-9, abs=1e-12), name
        for quantile in QUANTILES:
            expected = np.quantile(matrix, quantile, axis=0).tolist()
            assert table[f"{name}_q{round(quantile * 100):02d}"] == pytest.approx(expected, rel=1e-12), name
    known = transmit_in_the_next_round_only(result.session)
    following = [*incidence[1:].tolist(), 0]
    assert table["reproduction_rate"] == [
        after / here if known and here and number < result.session["max_rounds"] else None
        for number, (here, after) in enumerate(zip(incidence.tolist(), following, strict=True))
    ]


def transmit_in_the_next_round_only(session):
    """Whether secondary activations follow in the round after, so that rounds tell the reproduction rate."""
    parameters = json.loads(session["model_parameters"])
    if session["propagation_model"] == "sir":
        return parameters["gamma"] == 1.0 and parameters.get("infectious_period") is None
    return session["propagation_model"] in TRANSMIT_ONCE and not any(parameters.get("delays") or ())


def tuples(result, table, columns):
    rows = result.table(table).select(columns).to_pydict()
    found = zip(*(rows[column] for column in columns), strict=True)
    return sorted(found, key=str) if table == "activations" else sorted(found)
