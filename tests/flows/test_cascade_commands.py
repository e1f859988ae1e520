"""The commands `cascades import | list | show | rejects | plot | page` and `delete cascades`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data import Warehouse
from propagation import simulate_many
from propagation.models import IndependentCascade
from tests.flows.conftest import Answer

Rumormill = Callable[..., Answer]
ROWS = "talk,agent,time,infector\nx,0,10,\nx,1,12.5,0\nx,2,14,1\ny,3,3,\ny,0,7,3\ny,9999,9,0\n"


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    path = tmp_path / "talks.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def town(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "warehouse")
    network = warehouse.generate_network("town", "watts_strogatz", agents=100, degree=6)
    simulate_many(
        network,
        {"hubs": {"seed_set": ["0"]}},
        campaign="spring",
        model=IndependentCascade(probability=0.3),
        replicates=20,
        record="activations",
    )
    return warehouse


def test_from_the_import_to_the_deletion(rumormill: Rumormill, town: Warehouse, talks: Path, tmp_path: Path) -> None:
    told = rumormill("cascades", "import", "talks", str(talks), "--cascade", "talk", "--network", "town")
    assert "cascades 'talks' are now 2 cascades, 5 activations of 4 agents" in told.stdout
    assert "rejected 1 of 6 rows (table cascade_rejects): the agent is not in the network: 1" in told.stdout
    again = rumormill(
        "cascades", "import", "talks", str(talks), "--cascade", "talk", "--network", "town", "--json"
    ).json
    assert not again["changed"]
    repeated = rumormill("cascades", "import", "talks", str(talks), "--cascade", "talk", "--network", "town").stdout
    assert f"were imported before, from {talks} at 2" in repeated
    assert again["cascades"] == 2
    (row,) = rumormill("cascades", "list", "--json").json
    assert (row["cascade_set"], row["network_id"], row["rejected_rows"]) == ("talks", "town", 1)
    (reject,) = rumormill("cascades", "rejects", "talks", "--json").json
    assert (reject["line"], reject["agent_id"]) == (7, "9999")
    shown = rumormill("cascades", "show", "talks", "--session", "spring:hubs", "--json").json
    figures = {(each["origin"], each["quantity"]): each for each in shown}
    assert figures["observed", "size"]["mean"] == 2.5
    assert figures["observed", "tree_depth"]["max"] == 2
    assert figures["simulated", "size"]["cascades"] == 20
    assert {each["origin"]: each["time_unit"] for each in shown} == {"observed": "seconds", "simulated": "rounds"}
    assert town.count("cascade_shapes") == 20
    text = rumormill("cascades", "show", "talks", "--session", "spring:hubs")
    assert "structural_virality" in text.stdout
    assert "before; nothing was added" in text.stderr
    for name, options in {
        "mean.png": ("--session", "spring:hubs"),
        "one.svg": ("--cascade", "x", "--session", "spring", "--round-length", "2"),
        "shapes.png": ("--kind", "shapes", "--session", "spring:hubs"),
    }.items():
        drawn = rumormill("cascades", "plot", "talks", *options, "--output", name)
        assert drawn.exit_code == 0, drawn.stderr
        assert (tmp_path / name).stat().st_size > 1000
    (written,) = rumormill("cascades", "page", "talks", "--session", "spring:hubs").stdout.split()
    assert written == str(tmp_path / "warehouse" / "talks-cascades.html")
    assert "Observed cascades" in Path(written).read_text()
    own = rumormill("cascades", "page", "talks", "--output", "own.html", "--json").json
    assert own == {"cascade_set": "talks", "page": "own.html"}
    assert rumormill("report", "observed_beside_simulated", "--json").exit_code == 0
    assert rumormill("delete", "cascades", "talks", "--yes", "--json").json["cascade_sets"] == 1
    assert rumormill("cascades", "list", "--json").json == []


def test_large_numbers_are_shown_in_full(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("agent,time\na,0\nb,15563\n")
    assert rumormill("cascades", "import", "one", "one.csv").exit_code == 0
    assert "15,563" in rumormill("cascades", "show", "one").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cascades", "show", "nothing"), "no cascades 'nothing'"),
        (("cascades", "import", "talks", "talks.csv", "--max-rejects", "many"), "is not a share from 0 to 1"),
        (("cascades", "import", "talks", "talks.csv", "--time", "hour"), "has no column 'hour' to be the time"),
        (("cascades", "page", "nothing"), "no cascades 'nothing'"),
        (("cascades", "page", "nothing", "--round-length", "2"), "--round-length is that of a session"),
        (("cascades", "plot", "talks", "-o", "curve.txt"), "--output 'curve.txt' does not end in .png"),
        (("cascades", "plot", "talks", "-o", "a.png", "--kind", "shapes", "--cascade", "x"), "belong to --kind curve"),
        (("delete", "cascades", "nothing", "--yes"), "no cascades 'nothing'"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    rumormill: Rumormill, talks: Path, arguments: tuple[str, ...], message: str
) -> None:
    refused = rumormill(*arguments)
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
