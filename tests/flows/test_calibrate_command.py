"""The commands `rumormill calibrate edges` and `curve`: what they print, write and draw, and what they refuse."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from data.facade import Warehouse
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
    asked = ("edges", "path", "talk", "--window", "1", "--test", "20%")
    answer = calibrate(*asked)
    assert answer.exit_code == 0
    said = " ".join(answer.stdout.split())
    assert "independent_cascade on path, calibrated on 24 cascades of talk: 4 of 4 edges were exposed" in said
    assert "on 6 cascades of talk: the next adopter has a mean reciprocal rank of" in said
    assert "from the same first agents" in said
    assert "network 'path-calibrated' has the values in its columns probability" in " ".join(answer.stderr.split())
    again = calibrate("edges", "path", "talk", "--window", "1", "--test", "0.2")
    assert again.stdout == answer.stdout
    assert "published in table calibrations before; nothing was added" in " ".join(again.stderr.split())
    found = calibrate("edges", "path", "talk", "--window", "1", "--prior-strength", "0", "--format", "json").json
    by_source = {row["source"]: (row["probability"], row["exposures"]) for row in found["edges"]}
    assert by_source["ann"] == (1.0, 30)
    assert by_source["bob"] == (pytest.approx(22 / 30), 30)
    assert found["scores"] is None
    listed = rumormill("sql", "SELECT count(*) AS n FROM calibrations", "--json").json
    assert listed[0]["n"] == 2


def test_scores_are_in_every_answer(calibrate: Rumormill, tmp_path: Path) -> None:
    asked = ("edges", "path", "talk", "--test", "20%")
    picture, table = tmp_path / "sizes.svg", tmp_path / "edges.csv"
    found = calibrate(*asked, "--json", "--plot", str(picture)).json
    assert [row["predictor"] for row in found["scores"]] == ["calibrated", "uniform", "weighted_cascade"]
    assert found["scores"][0]["observed_mean_size"] == pytest.approx(19 / 6)
    assert picture.read_text().startswith("<?xml")
    answer = calibrate(*asked, "--output", str(table))
    assert "mean reciprocal rank" in answer.stdout
    assert len(pd.read_csv(table)) == 4
    answer = calibrate(*asked, "--format", "csv")
    assert answer.stdout.startswith("source,target,probability")
    assert "mean reciprocal rank" in answer.stderr


def test_other_cascades_choose_the_prior(calibrate: Rumormill, tmp_path: Path) -> None:
    rows = [(f"other {number}", NAMES[step], step) for number in range(4) for step in range(2 + number)]
    frame = pd.DataFrame(rows, columns=["cascade", "agent", "time"])
    Warehouse(tmp_path / "warehouse").import_cascades("other", frame, network="path", time_unit="rounds")
    asked = ("edges", "path", "talk", "--validation", "other", "--partitions", "2", "--cluster", "threads", "--json")
    chosen = calibrate(*asked)
    assert "under which other is most likely" in " ".join(chosen.stderr.split())
    assert f"prior strength {chosen.json['prior_strength']:g}" in " ".join(chosen.stderr.split())
    refused = calibrate("edges", "path", "talk", "--validation", "other", "--test", "other")
    assert "also among those of 'other' that choose the prior's strength" in " ".join(refused.stderr.split())


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
    of_all = calibrate("curve", "path", "--model", "si", "talk", *options[:-1])
    said = " ".join(of_all.stdout.split())
    assert "30 replicates of each candidate start at the agents of round 0 of each of 30 cascades" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["edges", "path", "tlak"], "no cascades 'tlak'"),
        (["edges", "path", "talk", "--test", "x%"], "--test 'x%' is neither observed cascades nor a share"),
        (["edges", "path", "talk", "--test", "0%"], "--test '0%' is neither observed cascades nor a share between"),
        (["edges", "path", "talk", "--test", "1%"], "1% of 30 cascades are 0"),
        (["edges", "path", "talk", "--test", "nan%"], "--test 'nan%' is neither observed cascades nor a share"),
        (["edges", "path", "talk", "--test", "inf%"], "--test 'inf%' is neither observed cascades nor a share"),
        (["edges", "path", "talk", "--test", "talk"], "30 of 30 cascades of 'talk' to test with are also among those"),
        (["edges", "path", "talk", "--validation", "talk"], "30 of 30 cascades of 'talk' to validate with are also"),
        (["edges", "path", "talk", "--name", "path"], "name 'path' is that of the network to be calibrated"),
        (["edges", "path", "talk", "--plot", "sizes.png"], "--plot draws the sizes of test cascades: give --test too"),
        (["edges", "path", "talk", "--window", "0"], "window 0.0 is not a positive number of rounds"),
        (
            ["edges", "path", "talk", "--prior-strength", "1", "--validation", "talk"],
            "both decide the prior's strength",
        ),
        (["curve", "path", "--model", "si", "--prior", "beta=0.1..0.2"], "what was observed?"),
        (["curve", "path", "--model", "si", "talk"], "Give --prior, such as --prior beta=0.001..0.2"),
        (
            ["curve", "path", "--model", "si", "--numbers", "1,2", "--prior", "beta=0.1..0.2"],
            "where do the --numbers start? Give --seeds",
        ),
        (
            ["curve", "path", "--model", "si", "talk", "--seeds", "ann", "--prior", "beta=0.1..0.2"],
            "'talk' are 30 cascades, each of which starts at its own agents of round 0",
        ),
        (
            ["curve", "path", "--model", "si", "--numbers", "1,50", "--seeds", "ann", "--prior", "beta=0.1..0.2"],
            "the observed curve has 51 agents in all rounds, and the network only 5",
        ),
        (
            ["curve", "path", "--model", "si", "talk", "--prior", "beta=0.1"],
            "--prior beta=0.1 is not of the form NAME=LOW..HIGH",
        ),
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
            ["curve", "path", "--model", "si", "--numbers", "1,x", "--seeds", "ann", "--prior", "beta=0.1..0.2"],
            "is not a list of numbers",
        ),
        (["curve", "path", "--model", "sri", "talk", "--prior", "beta=0.1..0.2"], "no model 'sri'"),
    ],
)
def test_mistakes_are_told_in_one_sentence(calibrate: Rumormill, arguments: list[str], said: str) -> None:
    answer = calibrate(*arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert said in " ".join(answer.stderr.split())
