"""Readers against plain Python: random files with comments, blank and malformed lines, cut into small blocks."""

import csv
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from data.readers.attributes import AttributeColumn
from data.readers.byte_stream import Block
from data.readers.delimiters import BAR, BLANKS, COMMA, QUOTED_BLANKS, SEMICOLON, TAB, Delimiter
from data.readers.identifiers import Identifiers
from data.readers.layout import SampleLine, TextLayout, is_data
from data.readers.malformed_scan import suspicious_lines
from data.readers.rejects import Rejects
from data.readers.text_rows import TextRows

SEPARATORS = {"\t": ".txt", " ": ".txt", ",": ".csv", ";": ".csv", "|": ".csv"}
WORDS = st.text(st.sampled_from("abzé龍0189_.-"), min_size=1, max_size=8)
IDS = {
    "small": st.integers(0, 30).map(str),
    "signed": st.integers(-(2**63), 2**63 - 1).map(str),
    "zeros": st.integers(0, 30).map(lambda number: f"{number:02d}"),
    "words": WORDS,
}


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Return the text of an edge list with weights, and what separates its fields."""
    separator = draw(st.sampled_from(sorted(SEPARATORS)))
    kinds = st.one_of([IDS[name] for name in draw(st.lists(st.sampled_from(sorted(IDS)), min_size=1, max_size=2))])
    edge = st.tuples(kinds, kinds, st.integers(-99, 99).map(str)).map(separator.join)
    padded = st.tuples(st.sampled_from(["", " ", "  "]), edge, st.sampled_from(["", " "])).map("".join)
    malformed = st.sampled_from([f"1{separator}2", "x", separator.join("1234"), separator.join(["1", "2", "3", "x y"])])
    other = st.sampled_from(["", "  ", "# note", "% note", " #1 2 3"])
    rest = draw(st.lists(st.one_of(edge, edge, edge, padded, malformed, other), max_size=60))
    good = [draw(edge)] * 70
    end = draw(st.sampled_from(["", "\n"]))
    line_feed = draw(st.sampled_from(["\n", "\r\n"]))
    return line_feed.join([*good, *rest]) + end, separator


def oracle(text: str, separator: str) -> tuple[list[tuple[int, str, str, str]], list[int]]:
    """Return (line, source, target, weight) of well-formed lines, and the numbers of malformed ones."""
    edges, malformed = [], []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r")
        if not stripped or stripped[0] in "#%":
            continue
        fields = stripped.split() if separator in " \t" else stripped.split(separator)
        if len(fields) == 3 and fields[0].strip() and fields[1].strip():
            edges.append((number, fields[0].strip(), fields[1].strip(), fields[2]))
        else:
            malformed.append(number)
    return edges, malformed


@settings(max_examples=150, deadline=None)
@given(files(), st.sampled_from([700, 1500, 1 << 24]))
def test_random_files_read_as_plain_python_reads_them(file: tuple[str, str], block_bytes: int) -> None:
    text, separator = file
    expected, malformed = oracle(text, separator)
    canonical = all(re.fullmatch("0|-?[1-9][0-9]*", end) for edge in expected for end in edge[1:3])
    with tempfile.TemporaryDirectory() as folder, mock.patch("data.readers.byte_stream.BLOCK_BYTES", block_bytes):
        path = Path(folder) / f"edges{SEPARATORS[separator]}"
        path.write_bytes(text.encode())
        edges = read_edges(path, ImportOptions(columns=("a", "b", "w"), header="none"))
    convert: Any = int if canonical else str
    ids = edges.agent_ids.to_pylist()
    weights = edges.edge_attributes["w"].to_pylist()
    got = [
        (line, ids[source], ids[target], str(weight).strip())
        for line, source, target, weight in zip(
            edges.lines_of(np.arange(len(edges))).tolist(), edges.source, edges.target, weights, strict=True
        )
    ]
    assert got == [(line, convert(s), convert(t), w.strip()) for line, s, t, w in expected]
    assert edges.malformed["line"].to_pylist() == malformed
    assert edges.rows_read == len(expected) + len(malformed)
    assert len(set(ids)) == len(ids) == len({end for edge in expected for end in edge[1:3]})


NASTY = st.lists(
    st.sampled_from([*'ab01 \t,;|""#%-.', "\r", "\0", "é", "07", "-0", "'", "x" * 4097, "\\"]), max_size=12
).map("".join)
NASTY_BYTES = st.one_of(
    NASTY.map(str.encode), st.tuples(NASTY, NASTY).map(lambda ends: ends[0].encode() + b"\xff" + ends[1].encode())
)
DELIMITERS = st.sampled_from([COMMA, SEMICOLON, BAR, TAB, BLANKS, QUOTED_BLANKS, replace(COMMA, quote="'")])


def layout_of(delimiter: Delimiter) -> TextLayout:
    return TextLayout(delimiter, ("a", "b", "w"), ((0, "source"), (1, "target")), SampleLine(1, 0, b""))


@settings(max_examples=600, deadline=None)
@given(DELIMITERS, st.lists(NASTY_BYTES, min_size=1, max_size=6))
def test_every_line_that_is_no_edge_is_suspicious(delimiter: Delimiter, lines: list[bytes]) -> None:
    layout = layout_of(delimiter)
    data = delimiter.normalised(b"".join(line + b"\n" for line in lines))
    suspicious = set(suspicious_lines(data, layout).tolist())
    assert suspicious >= {at for at, line in enumerate(lines) if not is_data(line) or layout.complaint(line)}


@settings(max_examples=500, deadline=None)
@given(DELIMITERS, st.data())
def test_a_block_reads_as_its_lines_read_one_by_one(delimiter: Delimiter, data: st.DataObject) -> None:
    """Whatever path a block takes, `TextLayout.complaint` and `Delimiter.fields` say what its rows are."""
    field = st.one_of(
        st.sampled_from(["a", "7", "07", "-0", '"b"', '"c d"', '""', "", " e ", '"f""g"', "é", "'h i'"]), NASTY
    )
    line = st.one_of(st.tuples(field, field, field).map(delimiter.character.join).map(str.encode), NASTY_BYTES)
    lines = data.draw(st.lists(line, min_size=1, max_size=5))
    layout, rejects, column = layout_of(delimiter), Rejects("file", 99), AttributeColumn("w", kind="text")
    block = Block(b"".join(line + b"\n" for line in lines), 11, len(lines))
    got = [
        (row.lines.line(at), str(row.ids[0][at]), str(row.ids[1][at]), row.attributes["w"][at].as_py())
        for row in TextRows(layout, [column], rejects).parsed(iter([block]))
        for at in range(row.lines.count)
    ]
    edges = [(at, line) for at, line in enumerate(lines, 11) if is_data(line) and layout.complaint(line) is None]
    fields = [(at, delimiter.fields(line.decode())) for at, line in edges]
    assert got == [(at, row[0].strip(" \t"), row[1].strip(" \t"), row[2] or None) for at, row in fields]
    malformed = [at for at, line in enumerate(lines, 11) if is_data(line) and layout.complaint(line)]
    assert rejects.table()["line"].to_pylist() == malformed


@given(st.lists(st.text(st.sampled_from('ab," '), max_size=6), min_size=1, max_size=4))
def test_quoted_fields_are_what_python_reads_and_writes(fields: list[str]) -> None:
    quoted = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    assert COMMA.fields(quoted) == next(csv.reader([quoted])) == fields


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9), max_size=20), max_size=5), st.booleans()
)
def test_codes_lead_back_to_the_ids(blocks: list[list[int]], text: bool) -> None:
    """Close and distant integers, and a block of text in between, get codes that name them."""
    identifiers = Identifiers()
    expected: list[int | str] = []
    for number, block in enumerate(blocks):
        as_text = text and number == 1
        ids = [f"0{value}" for value in block] if as_text else block
        identifiers.add(ends=pa.chunked_array([pa.array(ids, pa.string() if as_text else pa.int64())]))
        expected += ids
    codes, ids_by_code = identifiers.finish()
    got = [ids_by_code[int(code)].as_py() for code in codes.get("ends", [])]
    turned = any(isinstance(end, str) for end in expected)
    assert got == [str(end) if turned else end for end in expected]
    assert len(ids_by_code) == len(set(got))


def test_text_and_hashed_integers_agree_with_plain_python_beyond_one_batch() -> None:
    """Enough ids, far enough apart, that they are hashed in several batches."""
    random = np.random.default_rng(5)
    blocks = [random.integers(0, 2**62, 300_000) // 10**13 * 10**13 for _ in range(3)]
    with mock.patch("data.readers.identifiers._FEWEST_PENDING", 100_000):
        identifiers = Identifiers()
        for block in blocks:
            identifiers.add(source=pa.chunked_array([block]), target=pa.chunked_array([block[::-1]]))
        codes, ids = identifiers.finish()
    together = np.concatenate(blocks)
    np.testing.assert_array_equal(ids.to_numpy()[codes["source"]], together)
    np.testing.assert_array_equal(ids.to_numpy()[codes["target"]], np.concatenate([block[::-1] for block in blocks]))
    assert len(ids) == len(np.unique(together))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_an_edge_list_or_a_clear_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("edges.txt", "edges.graph", "edges.csv"):
            path = Path(folder) / name
            path.write_bytes(content)
            refusal, edges = "", None
            try:
                edges = read_edges(path, ImportOptions())
            except EdgeListError as error:
                refusal = str(error)
            assert str(path) in refusal if edges is None else len(edges) + len(edges.malformed) == edges.rows_read > 0
