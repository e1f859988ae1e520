"""The page of observed cascades says what its tables say, beside a session, and stands alone."""

import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from analytics.observations.shapes import cascade_shapes
from analytics.pages.cascades import cascades_page
from data import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade
from propagation.result import Result
from tests.html_page import Page

NAME = "talks"
HOSTILE = '<script>x</script> & "a"'
ROWS = pd.DataFrame(
    {
        "cascade": list("xxxxyyz"),
        "agent": ["0", "1", "2", "3", "0", "<b>", "4"],
        "time": [0, 2, 4, 10, 5, 6, 1],
        "infector": [None, "0", "1", "0", None, "0", None],
    }
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("cascade-pages") / "warehouse")
    again = pd.concat([ROWS, ROWS.iloc[[1]].assign(time=20)], ignore_index=True)
    warehouse.import_cascades(NAME, again, labels={"x": "true", "y": HOSTILE, "z": "true"}, time_unit="minutes")
    return warehouse


@pytest.fixture(scope="module")
def sessions(place: Warehouse) -> dict[str, Result]:
    town = place.generate_network("town", "watts_strogatz", agents=200, degree=6)
    model = IndependentCascade(probability=0.3)
    return {
        record: simulate(town, model, seed_set=["0"], replicates=20, record=record)
        for record in ("rounds", "activations")
    }


def test_figures_of_the_page_are_those_of_the_cascades(place: Warehouse) -> None:
    page = Page(cascades_page(place, NAME))
    assert "3 observed cascades activate 2.3 agents on average; the largest activates 4" in page.text
    shapes, labels, largest, rejected = page.tables
    found = cascade_shapes(place.cascades(NAME))
    assert shapes[1] == ["size, agents", "3", "2.33", "1", "1.5", "2", "3", "3.8", "4"]
    assert [row[0] for row in shapes[1:]][:2] == ["size, agents", "duration, minutes"]
    assert labels[1][:3] == ["true", "2", "2.5"]
    assert [row[:3] for row in largest[1:]] == [["x", "true", "4"], ["y", HOSTILE, "2"], ["z", "true", "1"]]
    assert float(largest[1][6]) == pytest.approx(found["structural_virality"][0], abs=0.01)
    assert rejected[1] == ["the agent was activated before in this cascade", "1"]
    assert "minutes and count from the first activation" in page.text


def test_a_session_stands_beside_the_cascades(place: Warehouse, sessions: dict[str, Result]) -> None:
    session = sessions["activations"]
    page = Page(cascades_page(place, NAME, session, called="spring:hubs"))
    simulated = page.tables[1]
    assert simulated[1][:3] == ["size, agents", "20", f"{session.reach.mean:.3g}"]
    assert [row[0] for row in simulated[1:]] == [
        "size, agents",
        "duration, rounds",
        "trees",
        "depth, steps",
        "structural virality, steps",
        "generation interval, rounds",
    ]
    told = next(text for text in page.attributes("aria-label") if text.startswith("Curve"))
    assert f"beside it the session spring:hubs, whose mean ends at {session.reach.mean:,.1f} agents" in told
    assert "independent cascade, probability 0.3, with 20 replicates, on the network town" in page.text


def test_without_activations_only_sizes_are_compared(place: Warehouse, sessions: dict[str, Result]) -> None:
    page = Page(cascades_page(place, NAME, sessions["rounds"]))
    assert [row[0] for row in page.tables[1][1:]] == ["size, agents", "duration, rounds"]
    assert page.tables[1][1][:3] == ["size, agents", "20", f"{sessions['rounds'].reach.mean:.3g}"]


def test_one_cascade_without_infectors_has_no_distributions(place: Warehouse) -> None:
    place.import_cascades("one", pd.DataFrame({"agent": list("abc"), "time": [0, 60, 7200]}))
    page = Page(cascades_page(place, "one"))
    assert "One observed cascade activates 3 agents" in page.text
    assert "does not say who activated whom" in page.text
    assert page.tables[0] == [
        ["", "cascades", "value"],
        ["size, agents", "1", "3"],
        ["duration, seconds", "1", "7,200"],
    ]
    assert not {"distribution", "largest", "labels"} & set(page.attributes("id"))


def test_downloads_are_the_rows(place: Warehouse) -> None:
    files = Page(cascades_page(place, NAME)).downloads()
    rows = {re.sub(r".*-", "", name): list(csv.DictReader(io.StringIO(text))) for name, text in files.items()}
    assert {name: len(found) for name, found in rows.items()} == {
        "cascades.csv": 3,
        "activations.csv": 7,
        "rejects.csv": 1,
    }
    assert np.array([row["size"] for row in rows["cascades.csv"]], int).tolist() == [4, 2, 1]


def test_the_page_needs_nothing_else_and_names_stay_text(place: Warehouse) -> None:
    html = cascades_page(place, NAME)
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "embed", "base", "img", "b"}
    assert not re.search(r"https?:", html)
    assert HOSTILE in page.text
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.attributes("href") if link.startswith("#")} <= set(ids)
    assert cascades_page(place, NAME) == html
