"""What readers guess about text: headers, columns by name, marks and quotes; and that every guess is told."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import EdgeListError, SourceNotFoundError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from data.readers.sources import local_path
from tests.data.edge_pairs import attributes, lines, pairs, rejects


def told(edges: Any) -> list[str]:
    """The warnings of an edge list, without the name of the source."""
    return [warning.split(": ", 1)[1] for warning in edges.warnings]


# Headers


@pytest.mark.parametrize(
    "names",
    [
        "follower,followee",
        "follower_id,followed_id",
        "user,friend",
        "parent,child",
        "infector,infectee",
        "user_a,user_b",
        "node1,node2",
        "FromNodeId,ToNodeId",
        "citing,cited",
    ],
)
@pytest.mark.parametrize("rows", ["kim,lou\nlou,max\nmax,ned\n", "1,2\n2,3\n3,4\n"])
def test_well_known_names_of_ends_are_a_header(read: Any, names: str, rows: str) -> None:
    edges = read(f"{names}\n{rows}", "e.csv")
    assert [(str(s), str(t)) for s, t in pairs(edges)] == [tuple(row.split(",")) for row in rows.split()]
    assert edges.warnings == ()
    assert pairs(read(f"{names}\n{rows}".replace(",", " "))) == pairs(edges)


def test_names_that_are_ids_of_other_lines_are_no_header(read: Any) -> None:
    assert pairs(read("u,v\nv,w\nw,u\n", "e.csv")) == [("u", "v"), ("v", "w"), ("w", "u")]
    assert pairs(read("parent child\nchild toy\ntoy box\n")) == [("parent", "child"), ("child", "toy"), ("toy", "box")]


def test_a_first_line_of_ids_that_stand_nowhere_else_is_told(read: Any) -> None:
    edges = read("chief,report\nkim,lou\nlou,max\n", "e.csv")
    assert pairs(edges) == [("chief", "report"), ("kim", "lou"), ("lou", "max")]
    assert told(edges) == [
        (
            "the first line (chief, report) was read as an edge, but its ids occur in no other line; if it names the "
            "columns, use --header names, else --header none"
        )
    ]
    assert read("chief,report\nkim,lou\nlou,max\n", "e.csv", header="none").warnings == ()
    assert pairs(read("chief,report\nkim,lou\nlou,max\n", "e.csv", header="names")) == [("kim", "lou"), ("lou", "max")]
    assert read("kim,lou\nlou,max\nmax,ned\n", "e.csv").warnings == ()


def test_a_header_over_ids_that_are_numbers_may_be_an_edge_and_is_told(read: Any) -> None:
    edges = read("root admin\n1 2\n2 3\n3 1\n")
    assert pairs(edges) == [(1, 2), (2, 3), (3, 1)]
    assert told(edges) == [
        (
            "the first line (root, admin) was read as the names of columns, since the lines below it hold numbers; "
            "use --header none if it is an edge, else --header names"
        )
    ]
    assert read("root admin\n1 2\n2 3\n3 1\n", header="names").warnings == ()
    assert len(read("root admin\n1 2\n2 3\n3 1\n", header="none")) == 4
    assert read("root admin since\n1 2 1999\n2 3 2001\n").warnings == ()


@pytest.mark.parametrize("block_bytes", [45, 1 << 24])
def test_a_header_that_comes_again_is_malformed(read: Any, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", block_bytes)
    edges = read("source,target,weight\nkim,lou,0.5\nsource,target,weight\nlou,max,0.25\n", "both.csv")
    assert pairs(edges) == [("kim", "lou"), ("lou", "max")]
    assert attributes(edges) == {"weight": [0.5, 0.25]}
    assert rejects(edges) == [(3, "the header of line 1 is repeated (concatenated files?)", "source,target,weight")]
    edges = read("from to\n1 2\n from\tto \n2 3\n", "both.txt")
    assert (pairs(edges), [line for line, _, _ in rejects(edges)]) == ([(1, 2), (2, 3)], [3])
    assert len(read("from to\na b\nfrom to\n", "none.txt", header="none")) == 3


def test_a_first_line_that_may_count_is_told(read: Any) -> None:
    counts = "the first line {!r} was read as an edge; if it counts agents and edges, use --header counts"
    assert told(read("4 3\n1 2\n2 3\n3 4\n")) == [counts.format("4 3")]
    assert told(read("4 6\n11 12\n12 13\n13 14\n")) == [counts.format("4 6")]
    assert told(read("15233 58891\n0 1\n1 2\n2 0\n")) == []
    assert told(read("3 58891\n0 1\n1 2\n2 0\n")) == [counts.format("3 58891")]
    assert told(read("1 2\n2 3\n3 4\n")) == []


def test_comments_on_the_direction_are_heard_where_rows_do_not_bear_them_out(read: Any) -> None:
    undirected = (
        "its comments say that the network is undirected, but its rows list only one direction; if edges go both "
        "ways, use --undirected"
    )
    assert told(read("# Undirected graph: x.txt\n# FromNodeId\tToNodeId\n1\t2\n2\t3\n")) == [undirected]
    assert told(read("% sym unweighted\n% 2 3 3\n1 2\n2 3\n")) == [undirected]
    assert read("# Undirected graph\n1 2\n2 3\n3 2\n").warnings == ()
    assert read("# Undirected graph\n1 2\n2 3\n", undirected=True).warnings == ()
    assert read("# Directed graph (each unordered pair of nodes is saved once)\n1 2\n2 3\n").warnings == ()
    assert "agents of two kinds" in told(read("% bip unweighted\n1 2\n2 1\n"))[0]


# Columns


def test_ends_are_taken_by_name_whatever_their_order(read: Any) -> None:
    by_name = (
        "columns {!r} and {!r} were read as source and target, because of their names; if that is wrong, name the "
        "endpoints with --source and --target"
    )
    edges = read("id,source,target,weight\n1,kim,lou,0.5\n2,lou,max,0.25\n", "e.csv")
    assert (pairs(edges), told(edges)) == ([("kim", "lou"), ("lou", "max")], [by_name.format("source", "target")])
    assert attributes(edges) == {"id": [1, 2], "weight": [0.5, 0.25]}
    edges = read("to,from\nkim,lou\n", "e.csv")
    assert (pairs(edges), told(edges)) == ([("lou", "kim")], [by_name.format("from", "to")])
    edges = read("kim,0.5,lou\n", columns=("dst", "weight", "src"))
    assert (pairs(edges), attributes(edges)) == ([("lou", "kim")], {"weight": [0.5]})
    edges = read("weight,chief,report\n5,kim,lou\n6,lou,max\n", "e.csv")
    assert (pairs(edges), told(edges)) == ([("kim", "lou"), ("lou", "max")], [by_name.format("chief", "report")])
    assert pairs(read("to,n,from\nkim,1,lou\n", "e.csv", source="to", target="from")) == [("kim", "lou")]


def test_an_id_or_a_second_pair_of_ends_is_told(read: Any) -> None:
    edges = read("id,chief,since\n1,2,1999\n2,3,2001\n", "e.csv")
    assert pairs(edges) == [(1, 2), (2, 3)]
    assert "if 'id' numbers the rows, name the endpoints with --source and --target" in edges.warnings[0]
    edges = read("source,target,from,to\n1,2,3,4\n", "e.csv")
    assert pairs(edges) == [(1, 2)]
    assert "but there is also 'from'; name the endpoints" in edges.warnings[0]


def test_a_frame_and_parquet_give_ends_by_name_also_from_the_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "source": ["kim", "lou"], "target": ["lou", "max"]})
    indexed = frame.drop(columns="id").assign(w=[0.5, 1.0]).set_index(["source", "target"])
    indexed.to_parquet(tmp_path / "indexed.parquet")
    for source in (frame, indexed, tmp_path / "indexed.parquet"):
        edges = read_edges(source, ImportOptions())
        assert pairs(edges) == [("kim", "lou"), ("lou", "max")]
        assert "because of their names" in edges.warnings[0]


def test_the_type_of_gephi_says_which_edges_go_both_ways(read: Any) -> None:
    content = (
        "Source,Target,Type,Id,Label,Weight\n"
        "kim,lou,Undirected,0,,1.0\nlou,max,undirected,1,,2.0\nmax,ned,Directed,2,,1.0\n"
    )
    edges = read(content, "gephi.csv")
    assert edges.both_ways is not None
    assert edges.both_ways.tolist() == [True, True, False]
    assert told(edges) == [
        (
            "column 'Type' marks 2 of 3 edges as undirected; their reverses are added. If that is wrong, give "
            "the column another name with --columns"
        )
    ]
    assert read(content, "gephi.csv", columns=("Source", "Target", "kind", "Id", "Label", "Weight")).both_ways is None
    assert read(content.replace("ndirected", "irected").replace("uirected", "directed"), "g.csv").both_ways is None
    assert read("source,target,type\nkim,lou,undirected\nlou,max,friend\n", "e.csv").both_ways is None


# Marks


def test_ids_that_begin_with_a_mark_are_rows_below_a_header(read: Any) -> None:
    edges = read("source,target\n#vote,#poll\nkim,#vote\n# a note, of two fields\n%x,#poll\n#poll,max\n", "tags.csv")
    assert pairs(edges) == [("#vote", "#poll"), ("kim", "#vote"), ("%x", "#poll"), ("#poll", "max")]
    assert (lines(edges), edges.rows_read) == ([2, 3, 5, 6], 4)
    assert told(edges) == [
        (
            "3 lines that begin with # or % (the first is line 2) and look like rows were read as rows; if they are "
            "comments, remove them"
        )
    ]
    assert pairs(read("source,target\n#a,#b\n", "tags.csv")) == [("#a", "#b")]


def test_rows_left_out_as_comments_are_told(read: Any) -> None:
    edges = read("#nodes 3\nkim #vote\n#vote #poll\n# a note\n#poll max\n")
    assert pairs(edges) == [("kim", "#vote")]
    assert told(edges) == [
        (
            "2 lines that begin with # or % (the first is line 3) and look like rows were left out as comments; if "
            "they are rows, add a header line with the names of the columns, and separate the fields by commas"
        )
    ]


def test_agents_may_begin_with_a_mark_below_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,n\n#vote,1\nkim,2\n")
    edges = read_edges(pd.DataFrame({"a": ["kim"], "b": ["#vote"]}), ImportOptions(), agents=tmp_path / "a.csv")
    assert edges.agent_attributes is not None
    assert dict(zip(edges.agent_ids.to_pylist(), edges.agent_attributes["n"].to_pylist(), strict=True)) == {
        "kim": 2,
        "#vote": 1,
    }
    assert told(edges)[0].startswith("1 line that begins with # or % (the first is line 2)")


# Quotes


@pytest.mark.parametrize("block_bytes", [45, 1 << 24])
def test_quotes_between_blanks_are_those_of_r(read: Any, monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", block_bytes)
    edges = read('"from" "to"\n"kim" "lou"\n"lou"  \t"max"\n')
    assert (pairs(edges), edges.warnings) == ([("kim", "lou"), ("lou", "max")], ())
    edges = read('"from" "to" "w"\n"Kim  Lee" "lou" 0.5\n lou "the ""boss""" 1 \n')
    assert pairs(edges) == [("Kim  Lee", "lou"), ("lou", 'the "boss"')]
    assert attributes(edges) == {"w": [0.5, 1.0]}
    edges = read('"kim" "lou"\n"lou "max"\n"max" "ned"\n')
    assert (pairs(edges), [line for line, _, _ in rejects(edges)]) == ([("kim", "lou"), ("max", "ned")], [2])


def test_single_quotes_quote_where_they_stand_around_fields(read: Any) -> None:
    edges = read("source,target\n'Ray, Kim','Lou'\n'Lou','Max'\n", "e.csv")
    assert pairs(edges) == [("Ray, Kim", "Lou"), ("Lou", "Max")]
    assert told(edges) == [
        'single quotes around fields were removed; if they belong to the ids, quote the fields with "'
    ]
    assert pairs(read("source,target\nO'Brien,d'Arc\nlou,'t\n", "e.csv")) == [("O'Brien", "d'Arc"), ("lou", "'t")]


# Places and line ends


def test_carriage_returns_alone_end_lines(read: Any) -> None:
    edges = read(b"1 2\r2 3\r3 4\r")
    assert (pairs(edges), lines(edges)) == ([(1, 2), (2, 3), (3, 4)], [1, 2, 3])


def test_a_file_url_is_a_path_and_any_other_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my edges.txt").write_text("1 2\n")
    (tmp_path / "agents.txt").write_text("9\n")
    url = f"file://{tmp_path}/my%20edges.txt"
    edges = read_edges(url, ImportOptions(), agents=f"file://{tmp_path}/agents.txt")
    assert (pairs(edges), sorted(edges.agent_ids.to_pylist())) == ([(1, 2)], [1, 2, 9])
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/my edges.txt") == tmp_path / "my edges.txt"
    for source in ("https://example.org/e.txt", Path("https://example.org/e.txt")):
        with pytest.raises(SourceNotFoundError, match=r"^https://example\.org/e\.txt is a URL, .*curl -LO"):
            read_edges(source, ImportOptions())
    with pytest.raises(SourceNotFoundError, match=r"^s3://bucket/e\.txt is a URL"):
        read_edges("s3://bucket/e.txt", ImportOptions())


def test_a_folder_of_parquet_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    parts = tmp_path / "parts.parquet"
    parts.mkdir()
    with pytest.raises(EdgeListError, match=r"is a directory; name one file, or a folder of \*\.parquet files"):
        read_edges(parts, ImportOptions())
    pd.DataFrame({"a": [3, 4], "b": [4, 5], "w": [2.5, 3.0]}).to_parquet(parts / "part-00001.snappy.parquet")
    pd.DataFrame({"a": [1, 2], "b": [2, 3], "w": [1, 2]}).to_parquet(parts / "part-00000.snappy.parquet")
    (parts / "_SUCCESS").write_text("")
    (parts / ".part-00000.crc").write_bytes(b"crc")
    pd.DataFrame({"a": [7], "b": [8], "w": [0]}).to_parquet(parts / "_temporary.parquet")
    edges = read_edges(parts, ImportOptions(strength="w"))
    assert (pairs(edges), lines(edges)) == ([(1, 2), (2, 3), (3, 4), (4, 5)], [1, 2, 3, 4])
    assert attributes(edges) == {"w": [1.0, 2.0, 2.5, 3.0]}
    agents = tmp_path / "agents"
    agents.mkdir()
    pd.DataFrame({"id": [1, 9], "age": [30, 40]}).to_parquet(agents / "0.parquet")
    assert sorted(read_edges(parts, ImportOptions(), agents=agents).agent_ids.to_pylist()) == [1, 2, 3, 4, 5, 9]
    pd.DataFrame({"x": [7], "b": [8]}).to_parquet(parts / "part-00002.parquet")
    with pytest.raises(
        EdgeListError, match=r"part-00002\.parquet has the columns x, b, the files before it have a, b, w"
    ):
        read_edges(parts, ImportOptions())
    (parts / "day=1").mkdir()
    pd.DataFrame({"a": [7], "b": [8]}).to_parquet(parts / "day=1" / "part-0.parquet")
    with pytest.raises(EdgeListError, match=r"in subfolders \(day=1\); import it with --query"):
        read_edges(parts, ImportOptions())
