"""Where users' own models come from: files, scripts and packages; and what they may get wrong."""

import functools
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from data import Network
from data.errors import InvalidInputError, SourceNotFoundError
from propagation.clusters import ClusterProfile, connect
from propagation.models import MODELS, PandasModel, known_models, make_model
from propagation.models.registry import models_of_file
from tests.propagation.own_models import OwnCascade, publish_attributed, rows_of, session_of


@pytest.fixture(scope="module")
def network(publish: Callable[..., Network]) -> Network:
    return publish_attributed(publish, 3)


@pytest.fixture(scope="module")
def run(run: Callable[..., Any]) -> Callable[..., Any]:
    """Run a session, unless told otherwise in the plan that the planner chooses."""
    return functools.partial(run, plan="auto")


TEMPLATE = """
from typing import ClassVar
import numpy as np
from propagation.models import PandasModel, Probability

RATE = 0.5

def halved(number):
    return number / 2

class Mine(PandasModel):
    name = "mine"
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


def edited(old: str, new: str) -> str:
    """The text of a file of models, in which something is written otherwise."""
    assert old in TEMPLATE
    return TEMPLATE.replace(old, new, 1)


@pytest.fixture
def model_file(tmp_path: Path) -> Callable[..., str]:
    def write(text: str = TEMPLATE, file: str = "mine.py") -> str:
        path = tmp_path / file
        path.write_text(text)
        return str(path)

    return write


def test_a_file_is_a_source_of_models(network, run, model_file, ordered):
    mine = make_model("mine", {"probability": 0.4}, [model_file()])
    ours = run(session_of(network, mine, max_rounds=4), network)
    same = run(session_of(network, OwnCascade(probability=0.4), max_rounds=4), network)
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
    script = TEMPLATE + "\nprint(Mine().source_fingerprint)\n"
    edits = (script, "import os\n# a comment\n" + script, script.replace("number / 2", "number / 3"))
    found = [
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout
        for each in edits
    ]
    assert found[0] == found[1] != found[2]
    assert len(found[0].strip()) == 64


def test_worker_processes_need_not_have_the_file(network, run, model_file, assert_same_rows):
    mine = make_model("mine", {"probability": 0.6}, [model_file()])
    session = session_of(network, mine, max_rounds=4)
    Path(sys.modules[type(mine).__module__].__file__).unlink()
    with connect(ClusterProfile(kind="processes", workers=1)) as client:
        away = run(session, network, client=client)
    assert_same_rows(away, run(session, network))


def test_installed_packages_offer_models(model_file, tmp_path, monkeypatch):
    model_file(file="offered_models.py")
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
    with pytest.raises(InvalidInputError, match=r"model 'other' of offered .* under the name that the class declares"):
        known["other"]


# -- what can be wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', 'name = "my model"', r"model Mine: name 'my model' is not valid"),
        ('name = "mine"', 'name = "sir"', r"mine.py: a model 'sir' comes with Rumormill; choose another name"),
        ('name = "mine"', "", r"mine.py defines no model: a subclass of propagation.models.PandasModel with a name"),
        (
            '    seeds = "active"\n',
            "",
            r"model Mine: seeds '' is not a compartment; compartments are susceptible, active",
        ),
        (
            'seeds = "active"',
            'seeds = "susceptible"',
            r"seeds 'susceptible' must be among reached \(active, inactive\)",
        ),
        ('transmitting = ("active",)', 'transmitting = ("active")', r"transmitting 'active' is a string; give a tuple"),
        ('transmitting = ("active",)', "transmitting = ()", r"transmitting is empty; name the compartments"),
        ('transmitting = ("active",)', 'transmitting = ("activ",)', r"transmitting 'activ' is not a compartment"),
        (
            'reached = ("active",',
            'reached = ("susceptible", "active",',
            r"reached 'susceptible' is the initial compartment",
        ),
        ('compartments = ("susc', 'compartments = ("active", "susc', r"has a name twice"),
        (
            "    seeds =",
            "    memory = {'age': None}\n    seeds =",
            r"memory 'age' starts as None; give a finite number",
        ),
        ("    seeds =", "    memory = {'since': 0}\n    seeds =", r"memory 'since' is a reserved name"),
        ("    seeds =", "    memory = ('age',)\n    seeds =", r"memory \('age',\) must map names to numbers"),
        (
            "    seeds =",
            "    edge_columns = ('src',)\n    seeds =",
            r"edge_columns 'src' is a reserved name",
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
    with pytest.raises(InvalidInputError, match=message) as raised:
        known_models([model_file(edited(old, new))])
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
    with pytest.raises(InvalidInputError, match=r"other.py: a model 'mine' is in another file; choose another name"):
        known_models([one, other])
    with pytest.raises(InvalidInputError, match=r"two models are called 'mine'; names must differ"):
        known_models([model_file(TEMPLATE + TEMPLATE.replace("class Mine", "class Other"))])


def test_columns_must_be_there_and_parameters_in_their_range(network):
    class Wanting(OwnCascade):
        name: ClassVar[str] = "wanting"
        edge_columns = ("trust",)

    with pytest.raises(
        InvalidInputError, match=r"'wanting' reads edge column 'trust', but network 'network' does not have it"
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
        (
            TRANSMIT,
            "return contacts['src'].set_axis(contacts['src'] + 9)",
            r"whose index differs from that of contacts; keep",
        ),
        (
            TRANSMIT,
            "return contacts['src'].iloc[::-1]",
            r"whose index differs from that of contacts; keep index and order",
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
def test_what_functions_may_not_return(network, run, model_file, old, new, message):
    model = make_model("mine", {"probability": 1.0}, [model_file(edited(old, new))])
    with pytest.raises(InvalidInputError, match=message) as raised:
        run(session_of(network, model), network)
    assert str(raised.value).startswith("model 'mine', function ")
    assert "\n" not in str(raised.value)
    if "failed" in message:
        assert "Traceback" in "".join(raised.value.__notes__)
