"""Users' own models: what their functions are given, and what becomes of what they return."""

import functools
import itertools
import pickle
import re
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from data import Network, Warehouse
from data.errors import InvalidInputError
from propagation import simulate
from propagation.draws import Purpose
from propagation.models import FractionalThreshold, IndependentCascade
from propagation.models.pandas_model import AGENT_COLUMNS, CONTACT_COLUMNS
from propagation.models.registry import models_of_file
from tests.propagation.own_models import EDGES, Loud, OwnCascade, Reinforcement, publish_attributed, rows_of, session_of
from tests.reference import draws as reference


@pytest.fixture(scope="module")
def network(publish: Callable[..., Network]) -> Network:
    return publish_attributed(publish, 3)


@pytest.fixture(scope="module")
def run(run: Callable[..., Any]) -> Callable[..., Any]:
    """Run a session, unless told otherwise in the plan that the planner chooses."""
    return functools.partial(run, plan="auto")


@pytest.fixture(scope="module")
def played(run: Callable[..., Any]) -> Callable[..., Any]:
    def played(network: Network, model: Any, **options: Any) -> Any:
        return run(session_of(network, model, **options), network, plan="auto")

    return played


# -- what a run finds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        (OwnCascade(probability=1.0), IndependentCascade(probability=1.0)),
        (OwnCascade(probability=0.0), IndependentCascade(probability=0.0)),
        (Reinforcement(neighbours=1), FractionalThreshold(neighbours=1)),
        (Reinforcement(neighbours=2), FractionalThreshold(neighbours=2)),
    ],
)
def test_where_no_draw_decides_the_rows_are_those_of_the_built_in_model(network, played, run, ordered, own, built_in):
    options = {"seeds": ("0", "5", "6"), "max_rounds": 8}
    ours = played(network, own, **options)
    theirs = run(session_of(network, built_in, **options), network, plan="reference")
    assert ours.session["plan"] == "reference"
    for table in ("activations", "cascades", "reach"):
        pd.testing.assert_frame_equal(rows_of(ordered, ours, table), rows_of(ordered, theirs, table))
    for column in ("new_infections", "current_infected", "total_influenced"):
        assert ours.rounds[column].tolist() == theirs.rounds[column].tolist()


def own_draw(name: str, src: int, dst: int, replicate: int, trial: int, moves: int) -> float:
    import hashlib

    variant = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return reference.edge_draw(3, reference.OWN, src, dst, replicate, trial, moves + 1, variant) / 2**32


def test_draws_are_those_of_their_definition(network, played, out_neighbours):
    # A textbook cascade, fed the draws as they are defined.
    neighbours = out_neighbours(network)
    result = played(network, OwnCascade(probability=0.4))
    seeds = session_of(network, OwnCascade()).seeds
    for replicate in range(5):
        reached = dict.fromkeys(seeds, 0)
        for number in itertools.count(1):
            active = [agent for agent, since in reached.items() if since == number - 1]
            if not active:
                break
            found = {
                dst
                for src in active
                for dst in neighbours.get(src, ())
                if dst not in reached and own_draw("transmission", src, dst, replicate, 0, 1) < 0.4
            }
            reached |= dict.fromkeys(found, number)
        rows = result.table("activations").to_pandas().query("replicate == @replicate")
        assert dict(zip(rows["agent"], rows["round"], strict=True)) == reached
    assert 2 < result.reach.mean < 23


def test_rows_are_the_same_whatever_the_partitions_and_the_cluster(publish, run, assert_same_rows):
    made = [publish_attributed(publish, partitions) for partitions in (1, 4)]
    sessions = [
        session_of(network, Loud(probability=0.9), seeds=("0", "5", "9", "11"), max_rounds=6) for network in made
    ]
    one, other = (run(session, network) for session, network in zip(sessions, made, strict=True))
    assert one.table("activations").num_rows > 40
    assert max(one.table("activations")["occasion"].to_pylist()) > 1
    assert_same_rows(one, other)


def test_the_functions_are_given_what_the_page_says(network, played):
    seen: dict[str, list[pd.DataFrame]] = {"contacts": [], "agents": [], "arrivals": []}

    class Watching(Loud):
        name: ClassVar[str] = "watching"

        def transmit(self, contacts, draws):
            seen["contacts"].append(contacts.copy())
            return super().transmit(contacts, draws)

        def update(self, agents, arrivals, draws):
            seen["agents"].append(agents.copy())
            seen["arrivals"].append(arrivals.copy())
            return super().update(agents, arrivals, draws)

    model = Watching(probability=0.9)
    from propagation.plans.reference.pandas_rounds import PandasRounds

    rounds = PandasRounds(network, model, 3)
    contacts = pd.DataFrame(
        {
            "replicate": [1, 0, 0], "src": [4, 4, 2], "dst": [7, 7, 7], "compartment": [1, 1, 1], "since": [2, 2, 0],
            "occasion": [1, 1, 1], "moves": [1.0, 1.0, 1.0], "noise": [0.5, 0.6, 0.7], "edge:weight": [0.5, 0.5, 0.25],
            "target": [0, 0, 0], "received": [0, 0, 0], "target:noise": [0.1, 0.2, 0.2],
        }
    )  # fmt: skip
    attempts = rounds.attempt(contacts, 3)
    (frame,) = seen["contacts"]
    age = rounds.network.agent_values("age")
    assert list(frame.columns) == [
        *CONTACT_COLUMNS, "weight", "source_age", "target_age", "source_noise", "target_noise",
    ]  # fmt: skip
    assert frame[["replicate", "src", "rounds_since", "round"]].to_numpy().tolist() == [
        [0, 2, 2, 3], [0, 4, 0, 3], [1, 4, 0, 3],
    ]  # fmt: skip
    assert frame["src_compartment"].tolist() == ["loud"] * 3
    assert frame["dst_compartment"].tolist() == ["calm"] * 3
    assert frame["source_age"].tolist() == [age[2], age[4], age[4]]
    assert frame["target_noise"].tolist() == [0.2, 0.2, 0.1]
    index = pd.MultiIndex.from_tuples([(0, 7), (1, 3), (1, 7)], names=["replicate", "agent"])
    states = {"compartment": [0, 1, 0], "since": [0, 1, 0], "occasion": [0, 1, 0], "weight": 0, "contacts": 0}
    before = pd.DataFrame({**states, "noise": [0.2, 0.3, 0.1], "moves": [0.0, 1.0, 0.0]}, index=index)
    rounds.update(before, attempts, pd.DataFrame(), 3)
    (agents,), (arrivals,) = seen["agents"], seen["arrivals"]
    assert list(agents.columns) == [*AGENT_COLUMNS, "noise", "age"]
    assert agents["rounds_since"].tolist() == [2, 1, 2]
    assert list(arrivals.columns) == ["contacts", "successes", "near", "far"]
    assert arrivals["contacts"].tolist() == [2, 0, 1]
    sums = attempts.groupby(["replicate", "dst"])[["carried:near", "carried:far"]].sum()
    assert arrivals.loc[0, ["near", "far"]].tolist() == sums.loc[(0, 7)].tolist()


class Everlasting(OwnCascade):
    """Adopters stay; an agent adopts when half of its contacts this round came from adopters of two."""

    name: ClassVar[str] = "everlasting"
    compartments = ("out", "in")
    seeds = "in"
    transmitting = ("in",)
    reached = ("in",)
    ends_when_still = True

    def transmit(self, contacts, draws):
        return contacts["dst_compartment"] == "out"

    def update(self, agents, arrivals, draws):
        return agents["compartment"].mask(arrivals["successes"] >= 2, "in")


def test_models_without_draws_end_when_nobody_changes(network, played):
    result = played(network, Everlasting())
    changes = [round_ for round_ in result.table("activations")["round"].to_pylist() if round_]
    assert result.session["stopped_because"] == "died_out"
    assert result.cascades["rounds"].tolist() == [max(changes, default=0) + 1] * 5
    assert result.cascades["depth"].tolist() == [max(changes, default=0)] * 5


def test_a_run_goes_on_from_published_rounds(publish, new_warehouse, monkeypatch):
    from propagation.plans.reference import plan

    warehouse = new_warehouse()
    columns = {
        "attributes": {"weight": [0.5] * len(EDGES)},
        "agent_attributes": {"age": [float(i) for i in range(23)]},
    }
    network = publish(EDGES, 23, warehouse=warehouse, partitions=2, **columns)
    options = {"seed_set": ["0", "5", "9", "11"], "replicates": 3, "max_rounds": 6, "record": "activations"}
    model = Loud(probability=0.9)
    whole = simulate(network, model, publish=False, **options)
    settled, calls = plan._ReferenceRun._settled, []

    def stops(self, attempts, number):
        if number == 4:
            raise SystemExit(9)
        return settled(self, attempts, number)

    monkeypatch.setattr(plan._ReferenceRun, "_settled", stops)
    with pytest.raises(SystemExit):
        simulate(network, model, **options)

    def counts(self, attempts, number):
        calls.append(number)
        return settled(self, attempts, number)

    monkeypatch.setattr(plan._ReferenceRun, "_settled", counts)
    resumed = simulate(Warehouse(warehouse.url).network("network"), model, **options)
    assert calls[0] == 4
    order = ["replicate", "round", "agent"]
    frames = [r.table("activations").to_pandas().sort_values(order, ignore_index=True) for r in (whole, resumed)]
    pd.testing.assert_frame_equal(*frames)
    assert simulate(network, model, **options).recalled
    states = warehouse.read("lane_states").to_pandas()
    assert {"noise", "moves"} <= set(states.columns)


# -- plans and identity ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["broadcast", "partitioned"])
def test_only_the_reference_plan_runs_them(network, run, plan):
    with pytest.raises(
        InvalidInputError, match=rf"'own_cascade' is written in pandas, which the {plan} plan cannot run"
    ):
        run(session_of(network, OwnCascade()), network, plan=plan)


def test_built_in_models_keep_their_hashes(network):
    specification = session_of(network, IndependentCascade(probability=0.5)).specification
    assert "source" not in specification
    assert specification["parameters"] == {"probability": 0.5}
    assert set(session_of(network, OwnCascade()).specification) == {*specification, "source"}


def test_purposes_of_users_are_their_own():
    assert Purpose.OWN == reference.OWN == 10


# -- documentation --------------------------------------------------------------------------------------------------


def documented_model(tmp_path: Path) -> str:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "own-models.md").read_text()
    blocks = re.findall(r"```python\n(.+?)```", page, flags=re.DOTALL)
    (example,) = [block for block in blocks if "(PandasModel)" in block]
    path = tmp_path / "rumour.py"
    path.write_text(textwrap.dedent(example))
    return str(path)


def test_the_documented_example_runs(network, run, tmp_path):
    (model,) = models_of_file(documented_model(tmp_path))
    result = run(session_of(network, model(), replicates=20, max_rounds=8), network)
    assert 2 <= result.reach.mean <= 23


def test_threads_that_unpickle_a_model_at_once_get_the_class_it_was_pickled_from():
    pickled = pickle.dumps(OwnCascade())
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(pickle.loads, [pickled] * 64))
    assert all(type(each) is OwnCascade and each == OwnCascade() for each in found)
