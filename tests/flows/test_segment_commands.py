"""The commands `segment` and `surrogate`."""

from collections.abc import Callable

import pytest

from data.facade import Warehouse
from flows.campaign_jobs import prepare_run
from tests.flows.conftest import Answer

Rumormill = Callable[..., Answer]
FIT = ("surrogate", "fit", "town", "--values", "probability=0.05,0.1,0.2,0.4")


def test_agents_are_segmented_and_seeded_by_segment(rumormill: Rumormill, warehouse: Warehouse, tmp_path) -> None:
    answer = rumormill("segment", "town", "--features", "in_degree,local_clustering", "--plot", "segments.png")
    assert answer.exit_code == 0, answer.stderr
    assert "300 agents in" in answer.stdout
    assert "published in table segments" in answer.stderr
    assert (tmp_path / "segments.png").read_bytes().startswith(b"\x89PNG")
    again = rumormill("segment", "town", "--features", "in_degree,local_clustering", "--json")
    assert "before; nothing was added" in again.stderr
    assert sum(row["agents"] for row in again.json) == 300
    sizes = rumormill("communities", "town", "--by", "segment_name", "--json").json
    assert {row["group_name"]: row["agents"] for row in sizes} == {
        row["segment_name"]: row["agents"] for row in again.json
    }
    chosen = rumormill("seeds", "town", "--budget", "2", "--targets", "segment=1", "--replicates", "20", "--json").json
    assert len(chosen) == 2


def test_a_surrogate_is_fitted_asked_and_refined(rumormill: Rumormill, warehouse: Warehouse, tmp_path) -> None:
    answer = rumormill(*FIT, "--replicates", "20", "--name", "spring", "--plot", "curve.png")
    assert answer.exit_code == 0, answer.stderr
    assert "leave-one-out error" in answer.stdout
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    (row,) = rumormill("surrogate", "predict", "spring", "probability=0.15", "--json").json
    assert row["reach_low"] < row["reach"] < row["reach_high"]
    proposed = rumormill("surrogate", "next", "spring", "--points", "2", "--json").json
    assert all(0.05 <= each["probability"] <= 0.4 for each in proposed)
    refined = rumormill("surrogate", "refine", "spring", "--error", "0.01%", "--simulations", "2", "--json").json
    assert [each["probability"] for each in refined[4:]] == [each["probability"] for each in proposed]
    (listed,) = rumormill("surrogate", "list", "--json").json
    assert (listed["surrogate"], listed["points"]) == ("spring", 6)
    assert warehouse.count("surrogates") == 2


def test_metrics_that_group_agents_are_computed(rumormill: Rumormill, warehouse: Warehouse) -> None:
    chosen = rumormill("seeds", "town", "--budget", "1", "--targets", "core_number=4", "--replicates", "20", "--json")
    assert chosen.exit_code == 0, chosen.stderr
    seeds = {"strategy": "random", "budget": 2, "within": {"triangles": list(range(9))}}
    session = {"name": "few", "seeds": seeds, "parameters": {"probability": 0.1}, "replicates": 5}
    prepare_run({"name": "groups", "network": "town", "sessions": [session]}, warehouse)
    known = warehouse.sql("SELECT count(triangles) AS triangles, count(core_number) AS core_number FROM agent_metrics")
    assert known.to_dict("records") == [{"triangles": 300, "core_number": 300}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("segment", "town", "--segments", "1"), "segments 1 is not a whole number of at least 2"),
        (("segment", "town", "--cascades", "none"), "no cascades 'none' in warehouse"),
        (("seeds", "town", "--budget", "1", "--targets", "segment=1"), "have no column 'segment'"),
        (("surrogate", "predict", "spring", "probability=0.1"), "no surrogate 'spring' in warehouse"),
        (("surrogate", "refine", "spring", "--error", "x"), "--error 'x' is not a share between 0 and 1"),
        (
            (*FIT[:-1], "probability=0.1,0.2"),
            "2 points are too few for a surrogate of probability; simulate at least 4",
        ),
        ((*FIT, "--replicates", "9"), "'--replicates': Input should be greater than or equal to 10"),
        (("segment", "town", "--features", ""), "no features are named; give a list of at least one"),
        (("segment", "town", "--segments", "4", "--most", "3"), "segments 4 and most 3 are both given"),
        (("segment", "town", "--random-seed", "9" * 23), "random_seed 99999999999999999999999 is not a whole number"),
    ],
)
def test_what_cannot_be_asked_is_refused(rumormill: Rumormill, warehouse: Warehouse, arguments, message) -> None:
    answer = rumormill(*arguments)
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.split())
