"""Imports of observed cascades: every format becomes the same arrays, and what is left out is kept with its reason."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.cascades.observed_cascades import ObservedCascades
from data.errors import (
    CascadesNotFoundError,
    InvalidInputError,
    NetworkNotFoundError,
    SourceNotFoundError,
    TooManyRejectsError,
)
from data.facade import Warehouse
from data.warehouse.deletion import delete
from data.warehouse.dependents import cascades_deletion, network_deletion
from data.warehouse.maintenance import compact

ROWS = "cascade,agent,time,infector\nx,ann,10,\nx,bob,12.5,ann\ny,cy,3,\ny,ann,7,cy\ny,dan,9,ann\n"
EXPECTED = {
    "cascade_id": ["x", "x", "y", "y", "y"],
    "agent_id": ["ann", "bob", "cy", "ann", "dan"],
    "time": [0, 2.5, 0, 4, 6],
    "infector_id": [None, "ann", None, "cy", "ann"],
}
TREE = (
    "['ROOT', 'ROOT', '0.0']->['ann', '1', '0.0']\n"
    "['ann', '1', '0.0']->['bob', '1', '0.5']\n"
    "['bob', '1', '0.5']->['cy', '1', '0.5']\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "cascades.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def content(found: ObservedCascades) -> dict[str, list[Any]]:
    frame = found.frame().astype(object)
    return frame.where(frame.notna(), None).to_dict("list")


def warnings_of(place: Warehouse, name: str) -> str:
    rows = place.read("observed_cascade_sets").to_pylist()
    return " ".join(next(row for row in rows if row["cascade_set"] == name)["warnings"])


# -- formats ----------------------------------------------------------------------------------------------------------


def sources(write: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    frame = pd.read_csv(io.StringIO(ROWS))
    unnamed = "".join(ROWS.splitlines(keepends=True)[1:]).replace(",", "\t")
    parquet = write(b"", "rows.parquet")
    frame.to_parquet(parquet)
    other = ROWS.replace("cascade,agent,time,infector", "talk,person,minute,from")
    named = {"cascade": "talk", "agent": "person", "time": "minute", "infector": "from"}
    return {
        "csv": (write(ROWS), {}),
        "gzip": (write(gzip.compress(ROWS.encode()), "rows.csv.gz"), {}),
        "tabs without a header": (write(unnamed, "rows.tsv"), {}),
        "comments and blank lines": (write("# said\n\n" + ROWS.replace("\ny,cy", "\n\n# then\ny,cy"), "c.csv"), {}),
        "named columns": (write(other, "other.csv"), named),
        "columns by --columns": (write(unnamed, "u.txt"), {"columns": ("cascade", "agent", "time", "infector")}),
        "parquet": (parquet, {}),
        "pandas": (frame, {}),
        "arrow": (pa.Table.from_pandas(frame), {}),
        "only rows of a type": (
            write("cascade,agent,time,infector,type\n" + "".join(
                f"{line},RT\n{line.replace('ann', 'eve')},MT\n" for line in ROWS.splitlines()[1:]
            ), "types.csv"),
            {"only": "RT"},
        ),
    }  # fmt: skip


def test_rows_of_every_kind_become_the_same_cascades(local: Warehouse, file: Any) -> None:
    for kind, (source, options) in sources(file).items():
        found = local.import_cascades("talks", source, **options)
        assert content(found) == EXPECTED, kind
        assert content(local.cascades("talks")) == EXPECTED, kind
        assert local.cascades("talks").cascade_set_id == found.cascade_set_id
    assert len(local.publications("cascades")) == 1, "the same content is published once"


def test_lines_are_a_seed_and_pairs_of_agent_and_time(local: Warehouse, file: Any) -> None:
    found = local.import_cascades(
        "lines", file("7 741 14.0 21 24.5\n29 856 7.5\n3 1 2.0 5\n", "lines.txt"), format="lines"
    )
    assert content(found)["agent_id"] == ["7", "741", "21", "29", "856"]
    assert found.times.tolist() == [0, 14, 24.5, 0, 7.5]
    assert found.cascade_ids.to_pylist() == ["1", "2"]
    (reject,) = local.cascade_rejects("lines").to_dict("records")
    assert (reject["line"], reject["reason"], reject["text"]) == (3, "the last field has no partner", "3 1 2.0 5")
    guessed = local.import_cascades("guessed", file("7 741 14.0 21 24.5\n29 856 7.5\n3 1 2.0 5 6.0\n", "more.txt"))
    assert guessed.sizes.tolist() == [3, 2, 3]
    assert "read as one cascade per line" in warnings_of(local, "guessed")


def test_trees_of_an_archive_come_with_their_labels(local: Warehouse, file: Any, tmp_path: Path) -> None:
    bad = TREE.replace("['bob', '1', '0.5']->['cy'", "bob>cy")
    early = TREE.replace("'0.0']\n", "'-2.0']\n", 1).replace("['ann', '1', '0.0']", "['ann', '1', '-2.0']")
    contents = {
        "tree/5.txt": TREE,
        "tree/6.txt": bad,
        "tree/7.txt": early,
        "label.txt": "true:5\nfalse:7\n",
        "README": "Read me",
    }
    path = tmp_path / "trees.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    found = local.import_cascades("trees", path)
    assert found.cascade_ids.to_pylist() == ["5", "6", "7"]
    assert found.labels.to_pylist() == ["true", None, "false"]
    assert found.time_unit == "minutes"
    assert content(found)["infector_id"] == [None, "ann", "bob", None, "ann", None, "ann", "bob"]
    assert found.times.tolist() == [0, 0.5, 0.5, 0, 0.5, 0, 2.5, 2.5]
    (reject,) = local.cascade_rejects("trees").to_dict("records")
    assert (reject["file"], reject["line"], reject["reason"]) == ("6", 3, "the line is no edge of a tree")
    said = warnings_of(local, "trees")
    for part in ("delays are negative", "1 file without a tree", "label.txt", "1 of 3 cascades have no label"):
        assert part in said
    stored = local.sql("SELECT cascade_label, tree_depth, trees FROM observed_cascades ORDER BY cascade")
    assert stored["tree_depth"].tolist() == [2, 1, 2]
    folder = tmp_path / "folder"
    (folder / "tree").mkdir(parents=True)
    for name, text in contents.items():
        (folder / name).write_text(text)
    assert local.import_cascades("trees", folder).cascade_set_id == found.cascade_set_id
    assert content(local.import_cascades("one", file(TREE, "5.txt")))["agent_id"] == ["ann", "bob", "cy"]


def test_edges_of_trees_get_the_source_that_no_row_names(local: Warehouse) -> None:
    edges = pd.DataFrame({"parent": ["ann", "bob", "ann"], "child": ["bob", "cy", "dan"], "delay": [1.0, 3.0, 2.0]})
    found = local.import_cascades("edges", edges)
    assert content(found)["agent_id"] == ["ann", "bob", "dan", "cy"]
    assert content(found)["infector_id"] == [None, "ann", "ann", "bob"]
    assert "the sources of 1 cascade had no row" in warnings_of(local, "edges")


def test_trees_of_a_stream_of_retweets_become_cascades(local: Warehouse) -> None:
    events = [("bob", "ann", 10), ("cy", "bob", 12), ("dan", "eve", 11), ("cy", "eve", 15), ("eve", "ann", 20)]
    rows = pd.DataFrame(events, columns=["agent", "infector", "time"])
    found = local.import_cascades("stream", rows, split_trees=True)
    expected = {
        "cascade_id": ["ann"] * 3 + ["eve"] * 2,
        "agent_id": ["ann", "bob", "cy", "eve", "dan"],
        "time": [0, 0, 2, 0, 0],
        "infector_id": [None, "ann", "bob", None, "eve"],
    }
    assert content(found) == expected
    assert local.cascade_rejects("stream")["agent_id"].tolist() == ["cy", "eve"]


def test_no_agent_of_a_stream_is_in_two_trees(local: Warehouse) -> None:
    draws = np.random.default_rng(4)
    rows = pd.DataFrame(draws.integers(0, 60, (300, 3)), columns=["agent", "infector", "time"])
    found = local.import_cascades("random", rows, split_trees=True, max_rejects=1)
    assert sorted(found.agent_ids.take(pa.array(found.agents)).to_pylist()) == sorted(
        set(rows["agent"].astype(str)) | set(rows["infector"].astype(str))
    )
    roots = found.frame().groupby("cascade_id")["infector_id"]
    assert (roots.apply(lambda each: each.isna().sum()) == 1).all()


def test_adoptions_have_a_column_of_times_per_item(local: Warehouse) -> None:
    frame = pd.DataFrame({"city": [1, 1, 2], "id": [1, 2, 1], "drug": [3, 18, 2], "device": [None, 4.0, 5.0]})
    found = local.import_cascades("items", frame, agent=("city", "id"), items=("drug", "device"), never="18")
    assert found.cascade_ids.to_pylist() == ["drug", "device"]
    assert content(found)["agent_id"] == ["2/1", "1/1", "1/2", "2/1"]
    assert found.times.tolist() == [0, 1, 0, 1]
    assert "2 cells say that an agent never adopted" in warnings_of(local, "items")
    by_city = local.import_cascades("cities", frame, cascade="city", agent="id", items="drug", never="18")
    assert by_city.sizes.tolist() == [1, 1]


def test_times_may_be_dates(local: Warehouse) -> None:
    dates = pd.DataFrame({"agent": ["a", "b"], "time": ["2024-05-01 12:00", "2024-05-01T13:30:00"]})
    assert local.import_cascades("dates", dates, time_unit="minutes").times.tolist() == [0, 90]
    with pytest.raises(InvalidInputError, match="cannot be measured in 'rounds'"):
        local.import_cascades("dates", dates, time_unit="rounds")


# -- rules ------------------------------------------------------------------------------------------------------------


def test_agents_are_those_of_a_network(local: Warehouse, file: Any) -> None:
    network = local.import_network("friends", pd.DataFrame({"source": ["ann", "cy"], "target": ["bob", "ann"]}))
    found = local.import_cascades("talks", file(ROWS), network="friends")
    assert found.snapshot_id == network.snapshot_id
    assert found.agents.tolist() == network.dense_ids(["ann", "bob", "cy", "ann"]).tolist()
    assert local.cascades("talks").agent_ids.equals(network.agent_ids)
    (reject,) = local.cascade_rejects("talks").to_dict("records")
    assert (reject["line"], reject["agent_id"], reject["reason"]) == (6, "dan", "the agent is not in the network")
    with pytest.raises(InvalidInputError, match="cascades 'talks' are of its agents"):
        delete(local, network_deletion(local, "friends"))
    with pytest.raises(NetworkNotFoundError, match="'foes'"):
        local.import_cascades("talks", file(ROWS), network="foes")


def test_the_last_import_under_a_name_is_current_and_the_others_stay_readable(local: Warehouse, file: Any) -> None:
    first = local.import_cascades("talks", file(ROWS))
    second = local.import_cascades("talks", file(ROWS.replace("dan", "eve")))
    assert local.cascades("talks").cascade_set_id == second.cascade_set_id
    assert content(local.cascades(first.cascade_set_id)) == EXPECTED
    named = "SELECT agent_id FROM observed_activations WHERE cascade_set = 'talks' ORDER BY cascade, \"order\""
    assert local.sql(named)["agent_id"].tolist() == content(second)["agent_id"]
    assert local.import_cascades("talks", file(ROWS)).cascade_set_id == first.cascade_set_id
    assert local.cascades("talks").cascade_set_id == first.cascade_set_id
    assert local.observed_cascades()["cascade_set"].tolist() == ["talks"]
    compact(local)
    assert content(local.cascades("talks")) == EXPECTED


def test_deletion_removes_every_set_of_a_name_and_no_other(local: Warehouse, file: Any) -> None:
    local.import_cascades("talks", file(ROWS + "x,ann,99,\n"))
    local.import_cascades("talks", file(ROWS.replace("dan", "eve")))
    kept = local.import_cascades("kept", file(ROWS))
    compact(local)
    delete(local, cascades_deletion(local, "talks"))
    with pytest.raises(CascadesNotFoundError, match=r"no cascades 'talks' .*\(cascades there: kept\)"):
        local.cascades("talks")
    assert content(local.cascades("kept")) == EXPECTED
    for table in ("observed_cascade_sets", "observed_cascades", "observed_activations", "cascade_rejects"):
        assert set(local.read(table)["cascade_set_id"].to_pylist()) <= {kept.cascade_set_id}
    assert local.import_cascades("talks", file(ROWS)).name == "talks", "a deleted set can be imported again"
    with pytest.raises(CascadesNotFoundError):
        cascades_deletion(local, "nothing")


def test_infectors_activated_at_the_same_time_come_first_and_circles_are_cut(local: Warehouse) -> None:
    tied = pd.DataFrame({"cascade": 1, "agent": ["c", "b", "a"], "time": [1, 1, 0], "infector": ["b", "a", None]})
    assert content(local.import_cascades("tied", tied))["agent_id"] == ["a", "b", "c"]
    circle = pd.DataFrame({"cascade": 1, "agent": ["a", "b"], "time": [1, 1], "infector": ["b", "a"]})
    found = local.import_cascades("circle", circle)
    assert sorted(found.parents.tolist()) == [-1, 0]
    later = pd.DataFrame({"cascade": 1, "agent": ["a", "b"], "time": [1, 2], "infector": ["b", None]})
    assert local.import_cascades("later", later).infectors.tolist() == [-1, -1]
    assert "1 activations name an infector" in warnings_of(local, "later")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\nann,1\n", {}, "no column is recognised as the time"),
        ("agent,time\nann,1\n", {"split_trees": True}, "needs a column of the agent and one of the infector"),
        (ROWS, {"split_trees": True}, "has the cascades in its column 'cascade'; leave the option out"),
        (
            "7 741 14.0 21 24.5\n",
            {"split_trees": True, "format": "lines"},
            "is read as lines, which tell their cascades",
        ),
        ("agent,time\nann,1\n", {"time": "hour"}, "has no column 'hour' to be the time; its columns are agent, time"),
        (
            "agent,time\nann,soon\nbob,late\n",
            {},
            "no activation is left; the first of 2 rows left out: the time is not",
        ),
        ("a,b,c,d,e,f\n1,2,3,4,5,6\n", {"header": "none"}, "6 columns without names"),
        ("agent,time\nann,1\n", {"columns": ("a", "b", "c")}, "--columns names 3 columns, the first row has 2 fields"),
        ("agent,time\nann,1\n", {"only": "RT"}, "has no column 'type'"),
        ("agent,time,type\nann,1,MT\n", {"only": "RT"}, "no row of cascades.csv has this type; there are MT"),
        ("agent,time\nann,1\n", {"format": "adoptions"}, "--item COLUMN"),
        ("agent,time\nann,1\n", {"items": "drug"}, "no column 'drug' of an item"),
        ("# nothing\n", {}, "only comments and blank lines"),
        ("agent,time\nann,1\n", {"max_rejects": 2}, "max_rejects"),
        ("agent,time\nann,1\n", {"columms": "a"}, "columms"),
        ("agent,time\nann,1\n", {"labels": {}, "time_unit": " "}, "time unit"),
    ],
)
def test_what_cannot_be_read_is_refused(
    local: Warehouse, file: Any, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        local.import_cascades("talks", file(text), **options)
    assert local.head == 0


def test_too_many_rejects_are_refused_with_their_reasons(local: Warehouse, file: Any) -> None:
    text = "agent,time\nann,1\nbob\nann,2\nann,3,4\ncy,x\n"
    with pytest.raises(TooManyRejectsError, match=r"4 of 5 rows are rejected, more than the share of 50%"):
        local.import_cascades("talks", file(text))
    local.import_cascades("talks", file(text), max_rejects=0.8)
    rejects = local.cascade_rejects("talks")
    assert rejects["line"].tolist() == [3, 4, 5, 6]
    assert rejects["reason"].astype(str).tolist() == [
        "the number of fields is wrong",
        "the agent was activated before in this cascade",
        "the number of fields is wrong",
        "the time is not a number",
    ]
    with pytest.raises(SourceNotFoundError):
        local.import_cascades("talks", "nowhere.csv")
    with pytest.raises(InvalidInputError, match="name 'a/b'"):
        local.import_cascades("a/b", file(text))


# -- real cascades ----------------------------------------------------------------------------------------------------


def test_retweet_trees_of_twitter(local: Warehouse, shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "cascades" / "twitter15.tar.gz") as archive:
        for member in archive:
            if member.name.endswith("label.txt") or len(list(tmp_path.rglob("*.txt"))) < 12:
                archive.extract(member, tmp_path, filter="data")
    found = local.import_cascades("rumours", tmp_path / "twitter15")
    assert len(found) >= 10
    assert set(found.labels.to_pylist()) <= {"true", "false", "unverified", "non-rumor"}
    stored = local.sql(
        "SELECT min(tree_depth) AS d, min(structural_virality) AS v, max(trees) AS t FROM observed_cascades"
    )
    assert stored["d"][0] >= 1
    assert 1 < stored["v"][0] < 10


def test_question_threads_on_their_network(local: Warehouse, shared_data: Path) -> None:
    folder = shared_data / "cascades" / "infvae-android"
    network = local.import_network("android", folder / "graph.txt", header="counts")
    assert network.n_edges == 48_573
    found = local.import_cascades("test", folder / "test.txt", network=network)
    assert (len(found), found.activations, len(local.cascade_rejects("test"))) == (136, 5538, 12)
    assert (np.diff(found.times)[np.diff(found.cascades) == 0] >= 0).all()


def test_one_tweet_with_followers_and_doctors_with_a_month_for_never(local: Warehouse, shared_data: Path) -> None:
    tweet = local.import_cascades("tweet", shared_data / "cascades" / "seismic-tweet" / "tweet.derived.csv")
    assert (len(tweet), tweet.activations, tweet.durations[0]) == (1, 15_563, 604_257)
    assert tweet.followers is not None
    assert tweet.followers[0] == 2290
    doctors = shared_data / "cascades" / "med-innovations" / "medInnovations.derived.csv"
    drug = local.import_cascades("drug", doctors, agent=("city", "id"), items="toa", never="18")
    assert (drug.activations, drug.times.max()) == (109, 16)


def test_retweets_of_users_without_a_header(local: Warehouse, shared_data: Path, file: Any) -> None:
    with gzip.open(shared_data / "cascades" / "higgs" / "higgs-activity_time.txt.gz", "rt") as lines:
        text = "".join(line for line, _ in zip(lines, range(5000), strict=False))
    found = local.import_cascades("higgs", file(text, "activity.txt"), only="RT")
    retweets = [line.split() for line in text.splitlines() if line.endswith("RT")]
    assert found.activations == len({agent for agent, *_ in retweets})
    assert found.agent_ids[int(found.agents[0])].as_py() == retweets[0][0]
