"""Agents files: isolated agents, what is known about agents, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import EdgeListError, SourceNotFoundError
from data.networks.edge_lists import EdgeList, ImportOptions
from data.readers import read_agents, read_edges
from tests.data.edge_pairs import pairs


@pytest.fixture
def agents_of(tmp_path: Path) -> Any:
    """Return a function that writes an agents file and reads it."""

    def written_and_read(content: str | bytes, name: str = "agents.txt") -> dict[str, list[Any]]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_agents(path).to_pydict()

    return written_and_read


def known(edges: EdgeList) -> dict[Any, tuple[Any, ...]]:
    assert edges.agent_attributes is not None
    rows = [tuple(row.values()) for row in edges.agent_attributes.to_pylist()]
    return dict(zip(edges.agent_ids.to_pylist(), rows, strict=True))


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("3\n1\n2\n", [3, 1, 2]),
        ("# ids\n\n 3 \n1\r\n2", [3, 1, 2]),
        ("agent_id\n3\n1\n", [3, 1]),
        ("ID\nann\nbob\n", ["ann", "bob"]),
        ("people\n3\n1\n", [3, 1]),
        ("people\nann\nbob\n", ["people", "ann", "bob"]),
        ("01\n1\n", ["01", "1"]),
        ("ann lee\nbob\ncem\n", ["ann lee", "bob", "cem"]),
    ],
)
def test_one_id_per_line(agents_of: Any, content: str, ids: list[Any]) -> None:
    assert agents_of(content) == {"agent_id": ids}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("town,id,age\nOslo,7,30\n,9,41\n", "a.csv"),
        ("town\tnode\tage\nOslo\t7\t30\n\t9\t41\n", "a.tsv"),
        ("town;Agent_ID;age\nOslo;7;30\n;9;41\n", "a.csv"),
        ("id,town,age\n7,Oslo,30\n9,,41\n", "a.csv"),
        ("name,town,age\n7,Oslo,30\n9,,41\n", "a.csv"),
    ],
)
def test_columns_beside_the_id_are_kept(agents_of: Any, content: str, name: str) -> None:
    assert agents_of(content, name) == {"agent_id": [7, 9], "town": ["Oslo", None], "age": [30, 41]}


def test_columns_may_be_separated_by_blanks_below_a_header(agents_of: Any) -> None:
    assert agents_of("node dept\n1 20\n2 21\n") == {"agent_id": [1, 2], "dept": [20, 21]}


def test_attributes_that_change_their_type_are_read_again(agents_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 64)
    content = "id,score\n" + "".join(f"{i},0.50\n" for i in range(50)) + "50,none\nx,1\n"
    read = agents_of(content, "a.csv")
    assert read["score"] == ["0.50"] * 50 + ["none", "1"]
    assert read["agent_id"] == [*map(str, range(51)), "x"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1\n2\n# again\n1\n3\n1\n", r"line 4 repeats agent 1 of line 1; each agent may occur once"),
        ("id,n\nann,1\nbob,2\nann,3\n", r"line 4 repeats agent 'ann' of line 2"),
        ("1,2\n3,4\n", "has 2 columns but no header line"),
        ("1 2\n3 4\n", "has 2 columns but no header line"),
        ("ann lee\nbob ray\n", "has 2 columns but no header line"),
        ("id,n\n1,2\n3\n,5\n", r"2 malformed lines; the first is line 3 \('3'\): 1 fields where 2 are expected"),
        ("id,n\n", "has no agents after its header line 1"),
        ("id,n,n\n1,2,3\n", "two columns named 'n'"),
        ("x" * 4097 + "\ny\n", "the agent id has 4097 characters"),
        ("# none\n", "holds only comments and blank lines"),
        ("", "is empty"),
    ],
)
def test_bad_agents_files_are_refused(agents_of: Any, content: str, message: str) -> None:
    with pytest.raises(EdgeListError, match=message):
        agents_of(content)


def test_bad_agents_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EdgeListError, match="row 3 repeats agent 7 of row 1"):
        read_agents(pa.table({"n": [1, 2, 3], "id": [7, 8, 7]}))
    with pytest.raises(EdgeListError, match="row 2 has no usable id in column 'id'"):
        read_agents(pd.DataFrame({"id": ["a", None]}))
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        read_agents(tmp_path / "none.txt")


def test_agents_are_checked_before_edges_are_read(tmp_path: Path) -> None:
    heard: list[str] = []
    (tmp_path / "edges.txt").write_text("1 2\n")
    with pytest.raises(EdgeListError, match="repeats agent"):
        read_edges(
            tmp_path / "edges.txt",
            ImportOptions(),
            agents=pa.table({"id": [1, 1]}),
            progress=lambda stage, done, total: heard.append(stage),
        )
    assert heard == []


def test_agents_without_edges_are_appended(tmp_path: Path) -> None:
    (tmp_path / "edges.txt").write_text("1 2\n2 3\n")
    (tmp_path / "agents.txt").write_text("# all of them\n1\n2\n\n9\n")
    edges = read_edges(tmp_path / "edges.txt", ImportOptions(), agents=tmp_path / "agents.txt")
    assert pairs(edges) == [(1, 2), (2, 3)]
    assert sorted(edges.agent_ids.to_pylist()) == [1, 2, 3, 9]
    assert edges.agent_attributes is not None
    assert edges.agent_attributes.num_columns == 0


def test_what_is_known_about_agents_is_aligned_with_them(tmp_path: Path) -> None:
    agents, metis = tmp_path / "agents.csv", tmp_path / "g.graph"
    agents.write_text("age,agent_id,town\n30,2,Oslo\n40,7,\n50,1,Bern\n")
    metis.write_text("3 2\n2 3\n1\n1\n")
    frame = pd.read_csv(agents)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / "agents.parquet")
    expected = {1: (50, "Bern"), 2: (30, "Oslo"), 3: (None, None), 7: (40, None)}
    ends = pa.table({"a": [1, 2], "b": [2, 3]})
    for source in (agents, frame, tmp_path / "agents.parquet"):
        assert known(read_edges(ends, ImportOptions(), agents=source)) == expected
        assert known(read_edges(metis, ImportOptions(), agents=source)) == expected


def test_agents_of_another_type_than_the_ends_of_edges_make_text() -> None:
    people = pa.table({"id": ["ann", "2"], "n": [5, 6]})
    edges = read_edges(pa.table({"a": [1], "b": [2]}), ImportOptions(), agents=people)
    assert (pairs(edges), known(edges)) == ([("1", "2")], {"1": (None,), "2": (6,), "ann": (5,)})
    numbers = pa.table({"id": [2, 3], "n": [5, 6]})
    edges = read_edges(pa.table({"a": ["ann"], "b": ["2"]}), ImportOptions(), agents=numbers)
    assert (pairs(edges), known(edges)) == ([("ann", "2")], {"ann": (None,), "2": (5,), "3": (6,)})


def test_labels_of_lastfm_users_are_aligned(shared_data: Path) -> None:
    folder = shared_data / "networks/lastfm_asia"
    edges = read_edges(folder / "edges.csv", ImportOptions(), agents=folder / "target.csv")
    labels = pd.read_csv(folder / "target.csv").set_index("id")["target"]
    assert edges.agent_attributes is not None
    assert len(np.unique(edges.agent_attributes["target"].to_numpy())) == 18
    got = pd.Series(edges.agent_attributes["target"].to_numpy(), index=edges.agent_ids.to_numpy())
    pd.testing.assert_series_equal(got.sort_index(), labels, check_names=False)
