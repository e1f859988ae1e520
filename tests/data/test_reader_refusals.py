"""Reading text: malformed lines, which are kept, and files that are refused."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from data.errors import EdgeListError, SourceNotFoundError, TooManyRejectsError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from tests.data.edge_pairs import lines, pairs, rejects

# Text: malformed lines


def test_malformed_lines_are_kept_with_line_and_reason(read: Any) -> None:
    content = b"1,2\n3\n4,5,6\n,7\n8, \nx\xff,y\nq\rr,s\n" + b"5,6\n" * 9
    edges = read(content, "edges.csv")
    assert pairs(edges) == [(1, 2)] + [(5, 6)] * 9
    assert lines(edges) == [1, *range(8, 17)]
    assert edges.rows_read == 16
    assert rejects(edges) == [
        (2, "1 fields where 2 are expected", "3"),
        (3, "3 fields where 2 are expected", "4,5,6"),
        (4, "the source id is missing", ",7"),
        (5, "the target id is missing", "8, "),
        (6, "byte 2 is not UTF-8", "x\ufffd,y"),
        (7, "the line holds a carriage return", "q\rr,s"),
    ]


def test_a_nul_byte_far_down_spoils_its_line(read: Any) -> None:
    edges = read(b"1 2\n" * 20_000 + b"3 4\0\n5 6\n")
    assert (len(edges), pairs(edges)[-1]) == (20_001, (5, 6))
    assert rejects(edges) == [(20_001, "the line holds a NUL byte", "3 4\0")]


def test_ids_of_malformed_lines_are_no_agents(read: Any) -> None:
    assert sorted(read("1 2\n7 8 9\n2 3\n").agent_ids.to_pylist()) == [1, 2, 3]


def test_a_long_malformed_line_is_shortened(read: Any) -> None:
    (reject,) = rejects(read("1 2\n" + "x" * 5000 + "\n2 3\n"))
    assert (reject[0], len(reject[2])) == (2, 200)


def test_malformed_lines_up_to_the_limit_are_accepted(read: Any) -> None:
    content = "1 2\n3\n4 5\n6\n7 8\n8 9\n"
    assert len(read(content, max_rejects=2).malformed) == 2
    with pytest.raises(TooManyRejectsError, match=r"more than 1 malformed lines.*line 2 \('3'\): 1 fields where 2"):
        read(content, max_rejects=1)


def test_line_numbers_are_explicit_only_where_gaps_are_many(read: Any) -> None:
    few = read("1 2\n" * 10 + "x\n\n" + "1 2\n" * 10)
    assert [(block.first_ordinal, block.first_line, block.lines) for block in few.line_blocks] == [
        (0, 1, None),
        (10, 13, None),
    ]
    many = read("1 2\n\n" * 50)
    assert [block.first_ordinal for block in many.line_blocks] == [0]
    assert lines(many) == list(range(1, 101, 2))


def test_the_limit_stops_the_reading_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 4096)
    path = tmp_path / "edges.txt"
    path.write_text("1 2\n" * 2000 + "3\n" + "1 2\n" * 20_000)
    heard: list[float] = []
    with pytest.raises(TooManyRejectsError):
        read_edges(path, ImportOptions(max_rejects=0), progress=lambda stage, done, total: heard.append(done / total))
    assert max(heard, default=0.0) < 0.5


def test_a_file_that_is_mostly_malformed_is_refused(read: Any) -> None:
    content = "# c\n1 2\n1 2\n" + "alice,bob,3\n" * 3
    with pytest.raises(EdgeListError, match=r"3 of the first 5 rows are malformed.*line 4 \('alice,bob,3'\)"):
        read(content, columns=("a", "b"))


def test_half_malformed_among_the_first_thousand_is_not_too_much(read: Any) -> None:
    content = "1 2\n" + "1 2\n3\n" * 499 + "1 2\n" + "3\n" * 600
    edges = read(content)
    assert (len(edges), len(edges.malformed), edges.rows_read) == (501, 1099, 1600)


# Text: refused before work starts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("# only\n\n% comments\n", "holds only comments and blank lines"),
        ("1\n2\n3\n", "has fewer than 2 columns"),
        (b"1 2\n\0\0\n", "is not text: it holds NUL bytes"),
        ("1 2\n2 3\n".encode("utf-16"), "is not text"),
        (b"\xe9t\xe9 \xe0\n\xe9 \xe8\n", "is not UTF-8 text"),
        (b"PK\x03\x04abc", "zip archive or a workbook"),
        ("source,target\n", "has no edges after its header line 1"),
        (
            "1 2 3\n4 5 6\n",
            "has 3 columns but no names beyond source and target; name all columns in order with --columns",
        ),
        ("a,b,b\n1,2,3\n", "has 3 columns but no names beyond source"),
        ("source,target,source\n1,2,3\n", "two columns named 'source'"),
        (",source,target\n0,2,3\n", "column 1 has no name"),
        ("source,target\n1,2,3\n2,3,4\n", "the header names 2 columns"),
    ],
)
def test_a_text_file_that_is_no_edge_list_is_refused(read: Any, content: str | bytes, message: str) -> None:
    with pytest.raises(EdgeListError, match=message):
        read(content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("a", "b")}, r"has 3 columns but --columns names 2 \(a, b\)"),
        ({"columns": ("a", "b", "c", "d")}, "has 3 columns but --columns names 4"),
        ({"source": "x"}, "has no column 'x' to be the source; its columns are u, v, w"),
        ({"target": "x"}, "has no column 'x' to be the target"),
        ({"strength": "x"}, "has no column 'x' to be the strength"),
        ({"probability": "x"}, "has no column 'x' to be the probability"),
        ({"source": "v"}, "column 'v' cannot be both source and target"),
        ({"strength": "u"}, "column 'u' is an endpoint and cannot be the strength"),
    ],
)
def test_roles_that_do_not_fit_the_columns_are_refused(read: Any, options: dict[str, Any], message: str) -> None:
    content = "u,v,w\n1,2,3\n4,5,6\n"
    with pytest.raises(EdgeListError, match=message):
        read(content, "e.csv", **options)
    frame = pd.DataFrame({"u": [1, 4], "v": [2, 5], "w": [3, 6]})
    with pytest.raises(EdgeListError, match=message):
        read_edges(frame, ImportOptions(**options))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"nowhere\.txt does not exist"):
        read_edges(tmp_path / "nowhere.txt", ImportOptions())
    with pytest.raises(EdgeListError, match="is a directory; name one file, or a folder"):
        read_edges(tmp_path, ImportOptions())
    with pytest.raises(EdgeListError, match="a list is not an edge list"):
        read_edges([(1, 2)], ImportOptions())  # type: ignore[arg-type]


def test_progress_counts_the_bytes_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 1000)
    path = tmp_path / "edges.txt"
    path.write_text("12 34\n" * 1000)
    heard: list[tuple[str, float, float]] = []
    read_edges(path, ImportOptions(), progress=lambda *report: heard.append(report))
    done = [report[1] for report in heard]
    assert {(stage, total) for stage, _, total in heard} == {("reading", 6000)}
    assert done == sorted(done)
    assert (done[-1], len(done)) == (6000, 7)
