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
    for part in ("1 delay in 1 tree is negative", "1 file without a tree", "label.txt", "1 of 3 cascades has no label"):
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


def test_agents_of_a_stream_are_the_same_whatever_type_their_columns_have(local: Warehouse) -> None:
    rows = pd.DataFrame({"agent": [2, 3], "infector": ["1", 2.0], "time": [5, 6]})
    found = local.import_cascades("stream", rows, split_trees=True)
    assert content(found)["cascade_id"] == ["1", "1", "1"]
    assert content(found)["infector_id"] == [None, "1", "2"]


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


def test_dates_count_in_every_century_and_in_every_spelling(local: Warehouse) -> None:
    for number, (first, second, days) in enumerate(
        [("1600-01-01", "2024-01-02", 154_864), ("20240430", "20240501", 1), (20240430, 20240501, 1)]
    ):
        dates = pd.DataFrame({"agent": ["a", "b"], "date": [first, second]})
        assert local.import_cascades(f"dates-{number}", dates, time_unit="days").times.tolist() == [0, days]
    assert "all of them dates written YYYYMMDD, and were taken as dates" in warnings_of(local, "dates-2")
    numbers = pd.DataFrame({"agent": ["a", "b"], "time": [20240430, 20249999]})
    assert local.import_cascades("numbers", numbers).times.tolist() == [0, 9569]


def test_of_dates_and_numbers_the_rare_ones_are_rejected(local: Warehouse, file: Any) -> None:
    mixed = file("agent,time\nann,2024-04-30\nbob,2024-05-01\ncy,7\n")
    assert local.import_cascades("mixed", mixed, time_unit="days").times.tolist() == [0, 1]
    (reject,) = local.cascade_rejects("mixed").to_dict("records")
    assert (reject["agent_id"], reject["reason"]) == ("cy", "the time is not a date")


def test_files_of_the_same_name_are_different_cascades(local: Warehouse, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "tree" / folder).mkdir(parents=True)
        (tmp_path / "tree" / folder / "1.txt").write_text(TREE)
    (tmp_path / "tree" / "b" / "2.txt").write_text(TREE)
    found = local.import_cascades("trees", tmp_path)
    assert found.cascade_ids.to_pylist() == ["a/1", "b/1", "b/2"]
    assert found.sizes.tolist() == [3, 3, 3]
    assert "several files have the same name, so the cascades are called by their paths: a/1" in warnings_of(
        local, "trees"
    )


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


def test_the_same_activations_with_other_rejected_rows_are_another_set(local: Warehouse, file: Any) -> None:
    good = local.import_cascades("talks", file(ROWS))
    dirty = ROWS + "x,eve,soon,\nx,,4,\n"
    found = local.import_cascades("talks", file(dirty, "dirty.csv"))
    assert content(found) == EXPECTED
    assert found.cascade_set_id != good.cascade_set_id
    assert local.cascade_rejects("talks")["reason"].tolist() == ["the time is not a number", "no agent"]
    assert local.import_cascades("talks", file(dirty, "dirty.csv")).cascade_set_id == found.cascade_set_id
    assert local.import_cascades("talks", file(ROWS)).cascade_set_id == good.cascade_set_id
    assert len(local.cascade_rejects("talks")) == 0


def test_lost_cascades_starts_followers_and_labels_are_counted(local: Warehouse) -> None:
    local.import_network("friends", pd.DataFrame({"source": ["ann"], "target": ["bob"]}))
    rows = pd.DataFrame(
        [("1", "ann", 1, 5), ("1", "eve", 2, 5), ("2", "eve", 1, 5), ("3", "eve", 1, 5), ("3", "ann", 2, -4)],
        columns=["cascade", "agent", "time", "followers"],
    ).astype({"followers": object})
    rows.loc[0, "followers"] = "x"
    found = local.import_cascades("talks", rows, network="friends", labels={1: 7, "2": "b", "9": "c"}, max_rejects=0.7)
    assert found.labels.to_pylist() == ["7", None]
    said = warnings_of(local, "talks")
    for part in (
        "1 cascade has no row left",
        "1 cascade lost its first activation",
        "2 activations have followers that are not a whole number",
        "1 of 2 cascades has no label",
        "2 labels are of cascades that are not in the set, such as '2'",
    ):
        assert part in said


def test_lines_of_a_label_file_are_counted(local: Warehouse, file: Any) -> None:
    labels = file("true:x\nfalse:y\nfalse:x\nnothing\n", "labels.txt")
    assert local.import_cascades("talks", file(ROWS), labels=labels).labels.to_pylist() == ["false", "false"]
    said = warnings_of(local, "talks")
    assert "1 line without a cascade and a label left out" in said
    assert "1 line with another label of the same cascade" in said


def test_infectors_activated_at_the_same_time_come_first_and_circles_are_cut(local: Warehouse) -> None:
    tied = pd.DataFrame({"cascade": 1, "agent": ["c", "b", "a"], "time": [1, 1, 0], "infector": ["b", "a", None]})
    assert content(local.import_cascades("tied", tied))["agent_id"] == ["a", "b", "c"]
    circle = pd.DataFrame({"cascade": 1, "agent": ["a", "b"], "time": [1, 1], "infector": ["b", "a"]})
    found = local.import_cascades("circle", circle)
    assert sorted(found.parents.tolist()) == [-1, 0]
    later = pd.DataFrame({"cascade": 1, "agent": ["a", "b"], "time": [1, 2], "infector": ["b", None]})
    assert local.import_cascades("later", later).infectors.tolist() == [-1, -1]
    assert "1 activation names an infector" in warnings_of(local, "later")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\nann,1\n", {}, "no column is recognised as the time"),
        ("agent,time\nann,1\n", {"split_trees": True}, "needs a column of the agent and one of the infector"),
        (ROWS, {"split_trees": True}, "has the cascades in its column 'cascade'; leave the option out"),
        (
            "7 741 14.0 21 24.5\n",
            {"split_trees": True, "format": "lines"},
            "--split-trees has no meaning for cascades.csv, which is read as lines",
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
        ("agent,time\nann,1\n", {"time_unit": ""}, "the time unit is ''"),
        ("agent,time\nann,1\n", {"time_unit": 3}, "the time unit is 3"),
        ("agent,time\nann,1\n", {"labels": 3}, "labels are of type int"),
        ("agent,time\nann,1\n", {"labels": {"talks": [1]}}, r"labels: 'talks': \[1\] is not"),
        (
            "7 741 14.0 21 24.5\n29 856 7.5\n",
            {"time": "t", "only": "RT", "cascade": "c"},
            "--cascade, --time, --only have no meaning for cascades.csv, which is read as lines",
        ),
        (TREE, {"columns": ("a", "b"), "format": "lines"}, "--columns has no meaning"),
        (TREE, {"only": "RT"}, "--only has no meaning for cascades.csv, which is read as files of trees"),
        ("agent,time\nann,1\n", {"never": "1"}, "--never has no meaning for cascades.csv, which is read as rows"),
        ("agent,drug\nann,1\n", {"items": "drug", "time": "drug"}, "--time has no meaning"),
        (b"agent,time\nann,1\nJos\xe9,2,3\n", {}, "is not UTF-8 text: line 3 has the byte 0xe9"),
        (b"agent,time\n\x00\x01,2\n", {}, "is not text: it holds NUL bytes"),
    ],
)
def test_what_cannot_be_read_is_refused(
    local: Warehouse, file: Any, text: str | bytes, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        local.import_cascades("talks", file(text), **options)
    assert local.head == 0


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"agent": [["ann"], "bob"], "time": [1, 2]}, {}, r"values that cannot be ids, such as \"\['ann'\]\""),
        ({"agent": ["ann"], "time": [1]}, {"header": "none"}, "--header has no meaning .* columns that have names"),
        ({"agent": ["ann", "bob"], "time": [True, False]}, {}, "the time is not a number"),
        ({"agent": ["ann", "bob"], "time": [1 + 1j, 2]}, {}, "the time is not a number"),
    ],
)
def test_frames_that_cannot_be_read_are_refused(
    local: Warehouse, columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        local.import_cascades("talks", pd.DataFrame(columns), **options)


def test_names_are_text_and_columns_have_different_ones(local: Warehouse) -> None:
    with pytest.raises(InvalidInputError, match="name 7: a name of cascades is"):
        local.import_cascades(7, pd.DataFrame({"agent": ["ann"], "time": [1]}))
    twice = pd.DataFrame([["ann", 1, 2]], columns=["agent", "time", "time"])
    with pytest.raises(InvalidInputError, match="several columns are called 'time'"):
        local.import_cascades("talks", twice)


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
