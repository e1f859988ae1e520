"""The commands `rumormill calibrate edges` and `curve`: what they print, write and draw, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.flows.conftest import Answer, path_network

Rumormill = Callable[..., Answer]
NAMES = ["ann", "bob", "cy", "dan", "eve"]


@pytest.fixture
def calibrate(rumormill: Rumormill, tmp_path: Path) -> Rumormill:
    """Run a command on a path of five agents, along which 30 cascades went one to four steps."""
    warehouse = path_network(tmp_path / "warehouse")
    rows = [(number, NAMES[step], step) for number in range(30) for step in range(2 + number % 4)]
    frame = pd.DataFrame(rows, columns=["cascade", "agent", "time"])
    warehouse.import_cascades("talk", frame, network="path", time_unit="rounds")
    return lambda *arguments: rumormill("calibrate", *arguments)


def test_edges_are_calibrated_and_scored_once(calibrate: Rumormill, rumormill: Rumormill, tmp_path: Path) -> None:
    answer = calibrate("edges", "path", "talk", "--window", "1", "--test", "20%")
    assert answer.exit_code == 0
    said = " ".join(answer.stdout.split())
    assert "independent_cascade on path, calibrated on talk: 4 of 4 edges were exposed" in said
    assert "on talk: the next adopter has a mean reciprocal rank of" in said
    assert "network 'path-calibrated' has the values in its columns probability" in " ".join(answer.stderr.split())
    again = calibrate("edges", "path", "talk", "--window", "1", "--test", "20%")
    assert again.stdout == answer.stdout
    assert "published in table calibrations before; nothing was added" in " ".join(again.stderr.split())
    rows = calibrate("edges", "path", "talk", "--window", "1", "--prior-strength", "0", "--format", "json").json
    found = {row["source"]: (row["probability"], row["exposures"]) for row in rows}
    assert found["ann"] == (1.0, 30)
    assert found["bob"] == (pytest.approx(22 / 30), 30)
    chosen = calibrate("edges", "path", "talk", "--validation", "talk", "--output", str(tmp_path / "edges.csv"))
    assert "under which talk is most likely" in " ".join(chosen.stderr.split())
    assert len(pd.read_csv(tmp_path / "edges.csv")) == 4
    listed = rumormill("sql", "SELECT count(*) AS n FROM calibrations", "--json").json
    assert listed[0]["n"] == 3


def test_a_curve_is_fitted_and_drawn(calibrate: Rumormill, tmp_path: Path) -> None:
    picture = tmp_path / "fit.svg"
    options = ("--prior", "beta=0.05..0.95", "--candidates", "40", "--accept", "0.2", "--json")
    answer = calibrate("curve", "path", "--model", "si", "talk", "--cascade", "3", *options, "--plot", str(picture))
    (row,) = answer.json
    assert row["parameter"] == "beta"
    assert 0.05 < row["low"] < row["median"] < row["high"] < 0.95
    assert picture.read_text().startswith("<?xml")
    assert "warning: only 8 candidates are accepted" in " ".join(answer.stderr.split())
    numbers = calibrate("curve", "path", "--model", "si", "--numbers", "1,1,1", "--seeds", "ann", *options)
    assert numbers.json[0]["median"] > 0.3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edges", "path", "tlak"], "no cascades 'tlak'"),
        (["edges", "path", "talk", "--test", "x%"], "--test 'x%' is neither observed cascades nor a share"),
        (["edges", "path", "talk", "--test", "0%"], "0% of 30 cascades are 0"),
        (["edges", "path", "talk", "--window", "0"], "window 0.0 is not a positive number of rounds"),
        (
            ["edges", "path", "talk", "--prior-strength", "1", "--validation", "talk"],
            "both decide the prior's strength",
        ),
        (["curve", "path", "--model", "si"], "what was observed?"),
        (["curve", "path", "--model", "si", "talk"], "no priors"),
        (
            ["curve", "path", "--model", "si", "talk", "--prior", "beta=0.1"],
            "--prior beta=0.1 is not of the form NAME=LOW..HIGH",
        ),
        (["curve", "path", "--model", "si", "talk", "--prior", "beta=0.1..0.2"], "where does the curve start?"),
        (
            ["curve", "path", "--model", "si", "talk", "--cascade", "77", "--prior", "beta=0.1..0.2"],
            "have no cascade '77'",
        ),
        (
            [
                "curve",
                "path",
                "--model",
                "si",
                "--numbers",
                "1,2",
                "--seeds",
                "ann",
                "--round-length",
                "7",
                "--prior",
                "beta=0.1..0.2",
            ],
            "the length of a round, 7.0, is for observed cascades",
        ),
        (
            ["curve", "path", "--model", "si", "--numbers", "1,x", "--prior", "beta=0.1..0.2"],
            "is not a list of numbers",
        ),
        (["curve", "path", "--model", "sri", "talk", "--prior", "beta=0.1..0.2"], "no model 'sri'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(calibrate: Rumormill, arguments: list[str], said: str) -> None:
    answer = calibrate(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.split())
