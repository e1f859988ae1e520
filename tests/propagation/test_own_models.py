"""Users' own models: what their functions are given, what becomes of what they return, and what they may get wrong."""

import itertools
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from data import Network, Warehouse
from data.errors import InvalidInputError, SourceNotFoundError
from propagation import simulate
from propagation.clusters import ClusterProfile, connect
from propagation.draws import Purpose
from propagation.models import (
    MODELS,
    FractionalThreshold,
    IndependentCascade,
    PandasModel,
    Probability,
    known_models,
    make_model,
)
from propagation.models.pandas_model import AGENT_COLUMNS, CONTACT_COLUMNS
from propagation.models.registry import models_of_file
from propagation.sessions import Session, resolve_session
from tests.reference import draws as reference


class OwnCascade(PandasModel):
    """The independent cascade, once more."""

    name: ClassVar[str] = "own_cascade"
    compartments = ("susceptible", "active", "inactive")
    seeds = "active"
    transmitting = ("active",)
    reached = ("active", "inactive")

    probability: Probability = 0.4

    def transmit(self, contacts: pd.DataFrame, draws: Any) -> Any:
        return (contacts["dst_compartment"] == "susceptible") & (draws("transmission") < self.probability)

    def update(self, agents: pd.DataFrame, arrivals: pd.DataFrame, draws: Any) -> Any:
        reached = (agents["compartment"] == "susceptible") & (arrivals["successes"] > 0)
        spent = agents["compartment"] == "active"
        return agents["compartment"].mask(reached, "active").mask(spent, "inactive")


class Reinforcement(PandasModel):
    """Active once `neighbours` in-neighbours were; counts them in its memory."""

    name: ClassVar[str] = "reinforcement"
    compartments = ("inactive", "newly_active", "active")
    seeds = "newly_active"
    transmitting = ("newly_active",)
    reached = ("newly_active", "active")
    memory: ClassVar[dict[str, float]] = {"heard": 0}

    neighbours: int = 2

    def transmit(self, contacts: pd.DataFrame, draws: Any) -> Any:
        return np.where(contacts["dst_compartment"] == "inactive", 1, 0)

    def update(self, agents: pd.DataFrame, arrivals: pd.DataFrame, draws: Any) -> Any:
        heard = agents["heard"] + arrivals["total"]
        enough = (agents["compartment"] == "inactive") & (heard >= self.neighbours)
        compartment = np.select(
            [enough, agents["compartment"] == "newly_active"], ["newly_active", "active"], agents["compartment"]
        )
        return pd.DataFrame({"compartment": compartment, "heard": heard}, index=agents.index)


EDGES = [
    *[(i, (i * i + 1) % 23) for i in range(23) if i != (i * i + 1) % 23],
    *[(i, (i + 1) % 23) for i in range(23)],
    *[(i, (i * 5 + 3) % 23) for i in range(23) if i != (i * 5 + 3) % 23],
]
EDGES = sorted(set(EDGES))


@pytest.fixture(scope="module")
def network(publish: Callable[..., Network]) -> Network:
    """Agents 0 to 22, in three partitions, with an attribute of edges and one of agents."""
    return publish(
        EDGES,
        23,
        partitions=3,
        attributes={"weight": [0.25 * (i % 4) for i in range(len(EDGES))]},
        agent_attributes={"age": [float(i) for i in range(23)]},
    )


def session_of(network: Network, model: Any, seeds: Any = ("0", "5"), **options: Any) -> Session:
    options = {"replicates": 5, "random_seed": 3, "record": "contacts", "max_rounds": 40, **options}
    return resolve_session(network, model, seed_set=list(seeds), **options)


@pytest.fixture(scope="module")
def run(run: Callable[..., Any]) -> Callable[..., Any]:
    """Run a session, unless told otherwise in the plan that the planner chooses."""
    return lambda *arguments, plan="auto", **options: run(*arguments, plan=plan, **options)


@pytest.fixture(scope="module")
def played(run: Callable[..., Any]) -> Callable[..., Any]:
    def played(network: Network, model: Any, **options: Any) -> Any:
        return run(session_of(network, model, **options), network, plan="auto")

    return played


# -- what a run finds -----------------------------------------------------------------------------------------------


def rows_of(ordered: Any, result: Any, table: str) -> pd.DataFrame:
    return ordered(result, table).drop(columns="session_id")


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
    ours = played(network, own, seeds=("0", "5", "6"))
    theirs = run(session_of(network, built_in, seeds=("0", "5", "6")), network, plan="reference")
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


class Loud(OwnCascade):
    """Uses everything: columns, memory of both ends, draws of agents, numbers of several names."""

    name: ClassVar[str] = "loud"
    compartments = ("calm", "loud", "tired")
    seeds = "loud"
    transmitting = ("loud",)
    reached = ("loud",)
    waiting = ("tired",)
    edge_columns = ("weight",)
    agent_columns = ("age",)
    memory: ClassVar[dict[str, float]] = {"noise": 0.5}
    carries = ("near", "far")

    def transmit(self, contacts, draws):
        heard = draws("heard") < self.probability * (0.5 + contacts["weight"])
        near = (contacts["source_age"] - contacts["target_age"]).abs() < 8
        return pd.DataFrame({"near": heard & near, "far": 0.3 * contacts["source_noise"] * (heard & ~near)})

    def update(self, agents, arrivals, draws):
        noise = 0.9 * agents["noise"] + arrivals["near"] + 0.1 * arrivals["far"]
        wakes = (agents["compartment"] == "calm") & (noise > 1.0 + 0.02 * agents["age"])
        tires = (agents["compartment"] == "loud") & (draws("tires") < 0.5)
        rests = (agents["compartment"] == "tired") & (draws("rests") < 0.3)
        to = agents["compartment"].mask(wakes, "loud").mask(tires, "tired").mask(rests, "calm")
        return pd.DataFrame({"compartment": to, "noise": noise})


def test_rows_are_the_same_whatever_the_partitions_and_the_cluster(publish, run, assert_same_rows):
    made = [
        publish(
            EDGES,
            23,
            partitions=partitions,
            attributes={"weight": [0.25 * (i % 4) for i in range(len(EDGES))]},
            agent_attributes={"age": [float(i) for i in range(23)]},
        )
        for partitions in (1, 4)
    ]
    sessions = [
        session_of(network, Loud(probability=0.9), seeds=("0", "5", "9", "11"), max_rounds=12) for network in made
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
    from propagation.models.pandas_rounds import PandasRounds

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
    from propagation import rounds as plan

    warehouse = new_warehouse()
    columns = {
        "attributes": {"weight": [0.5] * len(EDGES)},
        "agent_attributes": {"age": [float(i) for i in range(23)]},
    }
    network = publish(EDGES, 23, warehouse=warehouse, partitions=2, **columns)
    options = {"seed_set": ["0", "5", "9", "11"], "replicates": 3, "max_rounds": 8, "record": "activations"}
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


TEMPLATE = """
from typing import ClassVar
import numpy as np
from propagation.models import PandasModel, Probability

RATE = 0.5

def halved(number):
    return number / 2

class {cls}(PandasModel):
    name = "{name}"
    compartments = ("susceptible", "active", "inactive")
    seeds = "active"
    transmitting = ("active",)
    reached = ("active", "inactive")

    probability: Probability = 0.4

    def transmit(self, contacts, draws):
        return (contacts["dst_compartment"] == "susceptible") & (draws("transmission") < halved(2 * self.probability))

    def update(self, agents, arrivals, draws):
        reached = (agents["compartment"] == "susceptible") & (arrivals["successes"] > 0)
        spent = agents["compartment"] == "active"
        return agents["compartment"].mask(reached, "active").mask(spent, "inactive")
"""


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., str]:
    def write(text: str = TEMPLATE, cls: str = "Mine", name: str = "mine", file: str = "mine.py") -> str:
        path = tmp_path / file
        path.write_text(text.replace("{cls}", cls).replace("{name}", name))
        return str(path)

    return write


def test_a_file_is_a_source_of_models(network, run, model_file, ordered):
    mine = make_model("mine", {"probability": 0.4}, [model_file()])
    ours = run(session_of(network, mine), network)
    same = run(session_of(network, OwnCascade(probability=0.4)), network)
    for table in ("activations", "propagation_events"):
        pd.testing.assert_frame_equal(rows_of(ordered, ours, table), rows_of(ordered, same, table))
    assert ours.session["propagation_model"] == "mine"
    assert ours.session_id != same.session_id


def test_an_edited_file_is_another_model(network, model_file):
    def session_id(text: str) -> str:
        return session_of(network, make_model("mine", {}, [model_file(text)])).session_id

    first = session_id(TEMPLATE)
    assert session_id(TEMPLATE) == first
    assert session_id(TEMPLATE.replace("\n", "  \r\n")) == first
    edited = [TEMPLATE.replace("number / 2", "number / 3"), TEMPLATE.replace("RATE = 0.5", "RATE = 0.6")]
    assert session_id(edited[0]) != first
    assert len({first, *map(session_id, edited)}) == 3


def test_a_file_that_moved_holds_the_same_models(network, model_file):
    here, there = model_file(), model_file(file="elsewhere.py")
    sessions = [session_of(network, make_model("mine", {}, [path])).session_id for path in (here, there)]
    assert sessions[0] == sessions[1]


def test_models_of_a_script_are_told_apart_by_their_code():
    script = TEMPLATE.replace("{cls}", "Mine").replace("{name}", "mine") + "\nprint(Mine().source_fingerprint)\n"
    edits = (script, "import os\n# a comment\n" + script, script.replace("number / 2", "number / 3"))
    found = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout
        for each in edits
    ]
    assert found[0] == found[1] != found[2]
    assert len(found[0].strip()) == 64


def test_worker_processes_need_not_have_the_file(network, run, model_file, assert_same_rows):
    mine = make_model("mine", {"probability": 0.6}, [model_file()])
    session = session_of(network, mine)
    Path(sys.modules[type(mine).__module__].__file__).unlink()
    with connect(ClusterProfile(kind="processes", workers=1)) as client:
        away = run(session, network, client=client)
    assert_same_rows(away, run(session, network))


def test_installed_packages_offer_models(model_file, tmp_path, monkeypatch):
    model_file(TEMPLATE, "Mine", "mine", "offered_models.py")
    information = tmp_path / "offered-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[rumormill.models]\nmine = offered_models:Mine\nother = offered_models:Mine\ngone = nowhere:Mine\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    known = known_models()
    assert {"mine", "other", "gone"} <= set(known)
    assert len(known) == len(MODELS) + 3
    assert known["mine"]().probability == 0.4
    with pytest.raises(
        InvalidInputError, match=r"model 'gone' of offered \(nowhere:Mine\) cannot be imported: ModuleNot"
    ):
        known["gone"]
    with pytest.raises(InvalidInputError, match=r"model 'other' of offered .* by the name that the class declares"):
        known["other"]


# -- what can be wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', 'name = "my model"', r"model Mine: name 'my model' is no name"),
        ('name = "mine"', 'name = "sir"', r"mine.py: a model 'sir' comes with Rumormill; call yours otherwise"),
        ('name = "mine"', "", r"mine.py defines no model: a subclass of propagation.models.PandasModel with a name"),
        ('    seeds = "active"\n', "", r"model Mine: seeds '' is no compartment; compartments are susceptible, active"),
        (
            'seeds = "active"',
            'seeds = "susceptible"',
            r"seeds 'susceptible' must be among reached \(active, inactive\)",
        ),
        ('transmitting = ("active",)', 'transmitting = ("active")', r"transmitting 'active' is a text; give a tuple"),
        ('transmitting = ("active",)', "transmitting = ()", r"transmitting is empty; name the compartments"),
        ('transmitting = ("active",)', 'transmitting = ("activ",)', r"transmitting 'activ' is no compartment"),
        (
            'reached = ("active",',
            'reached = ("susceptible", "active",',
            r"reached 'susceptible' is everyone's at the st",
        ),
        ('compartments = ("susc', 'compartments = ("active", "susc', r"names something twice"),
        (
            "    seeds =",
            "    memory = {'age': None}\n    seeds =",
            r"memory 'age' starts as None; give a finite number",
        ),
        ("    seeds =", "    memory = {'since': 0}\n    seeds =", r"memory 'since' is a name of the platform's own"),
        ("    seeds =", "    memory = ('age',)\n    seeds =", r"memory \('age',\) must map names to numbers"),
        (
            "    seeds =",
            "    edge_columns = ('src',)\n    seeds =",
            r"edge_columns 'src' is a name of the platform's own",
        ),
        ("def transmit", "def transmits", r"model Mine: has no function transmit\(self, contacts, draws\); define it"),
        (
            "def update",
            "def updates",
            r"model Mine: has no function update\(self, agents, arrivals, draws\); def",
        ),
        ("RATE = 0.5", "RATE = 0.5 +", r"mine.py, line 6: SyntaxError: invalid syntax"),
        ("RATE = 0.5", "RATE = 1 / 0", r"mine.py, line 6: ZeroDivisionError: division by zero"),
        ("import numpy as np", "import nupmy as np", r"mine.py, line 3: ModuleNotFoundError: No module named 'nupmy'"),
    ],
)
def test_declarations_and_files_that_are_wrong(model_file, old, new, message):
    text = TEMPLATE.replace("{cls}", "Mine").replace("{name}", "mine")
    assert old in text
    with pytest.raises(InvalidInputError, match=message) as raised:
        known_models([model_file(text.replace(old, new, 1))])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "arguments"), [("transmit", "self, contacts, draws"), ("update", "self, agents, arrivals, draws")]
)
def test_a_model_that_lacks_a_function_is_never_made(function, arguments):
    given = {name: value for name, value in vars(OwnCascade).items() if name in {"transmit", "update"} - {function}}
    lacking = type("Lacking", (PandasModel,), {"__module__": __name__, **given})
    message = re.escape(f"model Lacking: has no function {function}({arguments}); define it")
    with pytest.raises(InvalidInputError, match=message):
        lacking()
    whole = type("Whole", (lacking,), {"__module__": __name__, function: getattr(OwnCascade, function)})
    assert isinstance(whole(), PandasModel)


def test_files_that_are_not_there_or_clash(model_file, tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"no file of models 'nowhere.py'"):
        known_models(["nowhere.py"])
    one, other = model_file(), model_file(file="other.py")
    assert models_of_file(one)[0] is known_models([one, one])["mine"]
    with pytest.raises(InvalidInputError, match=r"other.py: a model 'mine' is in another file; call yours otherwise"):
        known_models([one, other])
    with pytest.raises(InvalidInputError, match=r"two models are called 'mine'; names must differ"):
        known_models([model_file(TEMPLATE + TEMPLATE.replace("{cls}", "Other"))])


def test_columns_must_be_there_and_parameters_in_their_range(network):
    class Wanting(OwnCascade):
        name: ClassVar[str] = "wanting"
        edge_columns = ("trust",)

    with pytest.raises(
        InvalidInputError, match=r"'wanting' reads edge column 'trust', which network 'network' has not"
    ):
        session_of(network, Wanting())
    with pytest.raises(
        InvalidInputError, match=r"model own_cascade: probability: .* less than or equal to 1 \(given: 1.3"
    ):
        OwnCascade(probability=1.3)

    class Taken(OwnCascade):
        name: ClassVar[str] = "sir"

    with pytest.raises(InvalidInputError, match="a model 'sir' comes with Rumormill"):
        session_of(network, Taken())


TRANSMIT = (
    """return (contacts["dst_compartment"] == "susceptible") & (draws("transmission") < halved(2 * self.probability))"""
)
UPDATE = """return agents["compartment"].mask(reached, "active").mask(spent, "inactive")"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            TRANSMIT,
            "return None",
            r"function transmit in round 1 returned nothing; return one value per row of contacts",
        ),
        (TRANSMIT, "return True", r"transmit in round 1 returned True; return one value per row of contacts"),
        (TRANSMIT, "return contacts['src'].iloc[1:]", r"returned \d+ rows for \d+ contacts; return one per row"),
        (TRANSMIT, "return [0.5] * (len(contacts) + 1)", r"returned \d+ rows for \d+ contacts; return one per row"),
        (TRANSMIT, "return contacts['src'].set_axis(contacts['src'] + 9)", r"another index than contacts have; keep"),
        (
            TRANSMIT,
            "return contacts['src'].iloc[::-1]",
            r"another index than contacts have; keep their index and order",
        ),
        (TRANSMIT, "return contacts['src'] * float('nan')", r"returned nan; each number must be finite"),
        (TRANSMIT, "return contacts['src_compartment']", r"returned 'active'; each number must be one number"),
        (TRANSMIT, "return contacts['strength'] > 0", r"failed: KeyError: 'strength', .*mine.py, line 21"),
        (TRANSMIT, "return draws(3) < 1", r"failed: TypeError: draws\(3\): give the draws a name, .*mine.py, line 21"),
        (
            UPDATE,
            "return agents['compartment'].mask(reached, 'activ')",
            r"update in round 1 returned compartment 'activ'; ",
        ),
        (
            UPDATE,
            "return np.where(reached, None, agents['compartment'])",
            r"returned compartment None; compartments are",
        ),
        (UPDATE, "return agents", r"update in round 1 returned column 'replicate'; columns are compartment"),
        (UPDATE, "return arrivals[[]]", r"returned no column 'compartment'; return compartment"),
        (UPDATE, "return agents['compartment'][reached]", r"returned \d+ rows for \d+ agents; return one per row"),
        (UPDATE, "return halved('a')", r"function update in round 1 failed: TypeError: .*mine.py, line 9"),
    ],
)
def test_what_functions_may_not_return(network, played, model_file, old, new, message):
    text = TEMPLATE.replace("{cls}", "Mine").replace("{name}", "mine")
    assert old in text
    model = make_model("mine", {"probability": 1.0}, [model_file(text.replace(old, new))])
    with pytest.raises(InvalidInputError, match=message) as raised:
        played(network, model)
    assert str(raised.value).startswith("model 'mine', function ")
    assert "\n" not in str(raised.value)
    if "failed" in message:
        assert "Traceback" in "".join(raised.value.__notes__)


def test_purposes_of_users_are_their_own():
    assert Purpose.OWN == reference.OWN == 10


# -- documentation --------------------------------------------------------------------------------------------------


def documented_model(tmp_path: Path) -> str:
    page = (Path(__file__).parents[2] / "docs" / "own-models.md").read_text()
    blocks = re.findall(r"```python\n(.+?)```", page, flags=re.DOTALL)
    (example,) = [block for block in blocks if "(PandasModel)" in block]
    path = tmp_path / "rumour.py"
    path.write_text(textwrap.dedent(example))
    return str(path)


def test_the_documented_example_runs(network, run, tmp_path):
    (model,) = models_of_file(documented_model(tmp_path))
    result = run(session_of(network, model(), replicates=20), network)
    assert 2 <= result.reach.mean <= 23
