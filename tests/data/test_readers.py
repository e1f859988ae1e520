"""Edge lists in text: layout, header, ids, attributes."""

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.errors import EdgeListError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from tests.data.edge_pairs import attributes, lines, pairs, rejects

# Text: layout


@pytest.mark.parametrize(
    "content",
    [
        "1\t5\n3\t1\n5\t5\n",
        "1 5\n3 1\n5 5\n",
        "1,5\n3,1\n5,5\n",
        "1, 5\n3 ,1\n5,5 \n",
        "1;5\n3;1\n5;5\n",
        "1|5\n3|1\n5|5\n",
        "1 5\r\n3 1\r\n5 5\r\n",
        "1 5\n3 1\n5 5",
        "  1 \t  5 \n3  1\t\n\t5 5\n",
        "\ufeff1 5\n3 1\n5 5\n",
    ],
)
def test_text_of_every_delimiter_and_line_end_gives_the_same_edges(read: Any, content: str) -> None:
    edges = read(content)
    assert pairs(edges) == [(1, 5), (3, 1), (5, 5)]
    assert edges.agent_ids.type == pa.int64()
    assert (edges.source.dtype, edges.target.dtype) == (np.int32, np.int32)
    assert edges.rows_read == 3
    assert lines(edges) == [1, 2, 3]
    assert edges.edge_attributes.num_columns == 0
    assert edges.warnings == ()


def test_comments_and_blank_lines_are_no_rows_but_count_as_lines(read: Any) -> None:
    edges = read("# made by hand\n%also\n\n1 2\n  # indented\n3 4\n \t\n5 6\n")
    assert pairs(edges) == [(1, 2), (3, 4), (5, 6)]
    assert lines(edges) == [4, 6, 8]
    assert (edges.rows_read, len(edges.malformed)) == (3, 0)


def test_consecutive_lines_after_a_preamble_need_one_block_of_line_numbers(read: Any) -> None:
    edges = read("# a\n# b\n" + "".join(f"{i} {i + 1}\n" for i in range(50)))
    assert [(block.first_ordinal, block.first_line, block.lines) for block in edges.line_blocks] == [(0, 3, None)]


def two_members(content: bytes) -> bytes:
    return gzip.compress(content[:5]) + gzip.compress(content[5:])


@pytest.mark.parametrize("compress", [gzip.compress, two_members, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["edges.txt.gz", "no_suffix"])
def test_compression_is_told_by_content(read: Any, compress: Any, name: str) -> None:
    assert pairs(read(compress(b"1 2\n3 4\n"), name)) == [(1, 2), (3, 4)]


def test_zstd_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edges.txt.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(b"1 2\n3 4\n")
    assert pairs(read_edges(path, ImportOptions())) == [(1, 2), (3, 4)]


def test_a_csv_suffix_before_the_compression_counts(read: Any) -> None:
    content = gzip.compress(b"Smith John,Doe Jane\nRoe Rick,Doe Jane\n")
    assert pairs(read(content, "people.csv.gz")) == [("Smith John", "Doe Jane"), ("Roe Rick", "Doe Jane")]


def test_a_truncated_gzip_file_is_refused(read: Any) -> None:
    content = gzip.compress(b"".join(b"%d %d\n" % (i, i * 7919) for i in range(5000)))
    with pytest.raises(EdgeListError, match="damaged or cut short"):
        read(content[: len(content) // 2], "edges.txt.gz")


def test_quoted_fields_may_hold_delimiters_and_quotes(read: Any) -> None:
    edges = read('"Doe, Jane","the ""boss"""\n"a",b\nc,"d"\n', "edges.csv")
    assert pairs(edges) == [("Doe, Jane", 'the "boss"'), ("a", "b"), ("c", "d")]


def test_a_quote_that_is_not_closed_spoils_its_line_only(read: Any) -> None:
    edges = read('a,b\n"c,d\ne,f\ng"h,i\nj,"k"l\nm,n\no,p\nq,r\n', "edges.csv")
    assert pairs(edges) == [("a", "b"), ("e", "f"), ("m", "n"), ("o", "p"), ("q", "r")]
    assert [line for line, _, _ in rejects(edges)] == [2, 4, 5]
    assert rejects(edges)[0][1:] == (
        "a quote is not closed on its line, or is inside a field that is not quoted",
        '"c,d',
    )


def test_single_tabs_separate_where_the_suffix_says_so(read: Any) -> None:
    content = "ann lee\tbob\t\t5\nbob\tann lee\tx y\t6\n"
    edges = read(content, "edges.tsv", columns=("a", "b", "note", "n"))
    assert pairs(edges) == [("ann lee", "bob"), ("bob", "ann lee")]
    assert attributes(edges) == {"note": [None, "x y"], "n": [5, 6]}


def test_single_tabs_separate_where_blanks_give_ragged_lines(read: Any) -> None:
    edges = read("ann lee\tbob\ncem\tann lee\nbob\tthe man in black\n")
    assert pairs(edges) == [("ann lee", "bob"), ("cem", "ann lee"), ("bob", "the man in black")]


def test_the_number_of_named_columns_decides_between_delimiters(read: Any) -> None:
    content = "ann lee\tbob ray\nbob ray\tcem koc\n"
    assert pairs(read(content, columns=("source", "target"))) == [("ann lee", "bob ray"), ("bob ray", "cem koc")]
    with pytest.raises(EdgeListError, match="has 4 columns but no names beyond source and target"):
        read(content)


def test_decimal_commas_do_not_make_a_comma_file(read: Any) -> None:
    edges = read("1 2 0,5\n2 3 0,7\n", columns=("a", "b", "w"))
    assert pairs(edges) == [(1, 2), (2, 3)]
    assert attributes(edges) == {"w": ["0,5", "0,7"]}


# Text: header


def test_names_over_numbers_are_a_header(read: Any) -> None:
    edges = read("who whom w\n1 2 0.5\n2 3 1\n")
    assert pairs(edges) == [(1, 2), (2, 3)]
    assert attributes(edges) == {"w": [0.5, 1.0]}
    assert lines(edges) == [2, 3]


def test_text_over_text_is_a_header_only_with_well_known_names(read: Any) -> None:
    assert pairs(read("source,target\nann,bob\n", "e.csv")) == [("ann", "bob")]
    assert pairs(read("Source_Agent_ID,target_agent_id\nann,bob\n", "e.csv")) == [("ann", "bob")]
    assert pairs(read("chief,report\nann,bob\n", "e.csv")) == [("chief", "report"), ("ann", "bob")]
    assert pairs(read("source target\nann bob\n")) == [("ann", "bob")]
    assert pairs(read("source target\nann bob\n", header="none")) == [("source", "target"), ("ann", "bob")]
    assert pairs(read("chief report\nann bob\n", header="names")) == [("ann", "bob")]


def test_a_column_that_the_user_names_is_sought_in_the_header(read: Any) -> None:
    edges = read("chief,report\nann,bob\n", "e.csv", source="report", target="chief")
    assert pairs(edges) == [("bob", "ann")]


def test_a_first_line_equal_to_the_columns_given_is_a_header(read: Any) -> None:
    assert pairs(read("a b c\nann bob x\n", columns=("a", "b", "c"))) == [("ann", "bob")]


def test_a_line_with_a_number_is_no_header(read: Any) -> None:
    edges = read("ann 7 x\nbob 8 y\n", columns=("a", "b", "c"))
    assert pairs(edges) == [("ann", "7"), ("bob", "8")]


def test_header_none_reads_the_first_line_as_an_edge(read: Any) -> None:
    assert pairs(read("who whom\n1 2\n", header="none")) == [("who", "whom"), ("1", "2")]


def test_columns_rename_what_the_header_names(read: Any) -> None:
    edges = read("source,target,w\n1,2,3\n", "e.csv", columns=("a", "b", "strength"), strength="strength")
    assert attributes(edges) == {"strength": [3]}
    assert edges.strength == "strength"


def test_counts_are_checked_and_skipped(read: Any) -> None:
    edges = read("3 2\n1 2\n2 3\n", header="counts")
    assert (pairs(edges), lines(edges), edges.warnings) == ([(1, 2), (2, 3)], [2, 3], ())


def test_counts_that_differ_are_a_warning(read: Any) -> None:
    edges = read("2 5\n1 2\n2 3\n", header="counts")
    assert len(edges) == 2
    assert [warning.split(": ")[1] for warning in edges.warnings] == [
        "the header counts 5 edges but 2 rows follow",
        "the header counts 2 agents but 3 ids occur",
    ]


def test_fewer_agents_than_counted_are_no_warning(read: Any) -> None:
    assert read("9 2\n1 2\n2 3\n", header="counts").warnings == ()


@pytest.mark.parametrize("first", ["1 2 3", "a b", "12", "1.0 2"])
def test_counts_must_be_two_integers(read: Any, first: str) -> None:
    with pytest.raises(EdgeListError, match="is not 'n m', two integers"):
        read(f"{first}\n1 2\n2 3\n", header="counts")


def test_forgotten_counts_are_suggested(read: Any) -> None:
    with pytest.raises(EdgeListError, match="--header counts"):
        read("3 2\n1 2 0.5\n2 3 0.5\n")
    edges = read("3 2\n1 2\n2 3\n")
    assert pairs(edges) == [(3, 2), (1, 2), (2, 3)]
    assert "--header counts" in edges.warnings[0]
    assert read("3 4\n1 2\n2 3\n").warnings == ()


def test_endpoints_are_taken_by_name_and_that_is_told(read: Any) -> None:
    edges = read("weight,source,target\n1,2,3\n", "e.csv")
    assert pairs(edges) == [(2, 3)]
    assert [warning.split(": ")[1] for warning in edges.warnings] == [
        (
            "columns 'source' and 'target' were read as source and target, because of their names; if that is wrong, "
            "name the endpoints with --source and --target"
        )
    ]
    assert read("weight,source,target\n1,2,3\n", "e.csv", source="source", target="target").warnings == ()


# Text: ids


def test_ids_stay_text_where_one_is_no_canonical_integer(read: Any) -> None:
    for odd in ("007", "+5", "-0", "0x10", "1.0", "x", "9223372036854775808", "1e3"):
        edges = read(f"1 2\n2 {odd}\n")
        assert pairs(edges) == [("1", "2"), ("2", odd)]
        assert edges.agent_ids.type == pa.string()


def test_all_of_64_bits_are_integers(read: Any) -> None:
    edges = read("-9223372036854775808 9223372036854775807\n0 -1\n1765432109876543210 0\n")
    assert edges.agent_ids.type == pa.int64()
    assert pairs(edges) == [(-(2**63), 2**63 - 1), (0, -1), (1765432109876543210, 0)]


def test_ids_spelt_differently_are_different(read: Any) -> None:
    edges = read("1 01\n01 1\n1 1\n")
    assert pairs(edges) == [("1", "01"), ("01", "1"), ("1", "1")]
    assert len(edges.agent_ids) == 2


def test_ids_may_be_any_utf8(read: Any) -> None:
    edges = read("żółw 龍\n龍 NA\nnull żółw\n")
    assert pairs(edges) == [("żółw", "龍"), ("龍", "NA"), ("null", "żółw")]


def test_integers_turn_into_text_in_the_middle_of_a_file(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 64)
    expected = [(str(i), str(i * 31)) for i in range(200)]
    expected[150] = ("ann", "7")
    edges = read("".join(f"{s}\t{t}\n" for s, t in expected))
    assert pairs(edges) == expected
    assert edges.agent_ids.type == pa.string()
    assert len(edges.agent_ids) == len({end for pair in expected for end in pair})


def test_ids_may_be_as_long_as_urls_and_longer(read: Any) -> None:
    longest, longer = "ż" * 4096, "z" * 4097
    edges = read(f"a b\n{longest} b\na {longer}\nc d\n")
    assert pairs(edges) == [("a", "b"), (longest, "b"), ("c", "d")]
    assert rejects(edges) == [
        (3, "the target id has 4097 characters; at most 4096 are allowed", f"a {longer}"[:197] + "...")
    ]


def test_self_loops_and_duplicates_are_delivered(read: Any) -> None:
    edges = read("1 1\n1 2\n1 2\n9 9\n")
    assert pairs(edges) == [(1, 1), (1, 2), (1, 2), (9, 9)]
    assert sorted(edges.agent_ids.to_pylist()) == [1, 2, 9]


def test_reverse_swaps_source_and_target(read: Any) -> None:
    assert pairs(read("1 2 5\n3 4 6\n", columns=("a", "b", "w"), reverse=True)) == [(2, 1), (4, 3)]


def test_endpoints_may_be_any_two_columns(read: Any) -> None:
    edges = read("0.5,ann,7,bob\n0.25,bob,8,cem\n", columns=("w", "to", "n", "from"), source="from", target="to")
    assert pairs(edges) == [("bob", "ann"), ("cem", "bob")]
    assert attributes(edges) == {"w": [0.5, 0.25], "n": [7, 8]}


# Text: attributes


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", "3"], [1, -2, 3]),
        (["1", "-2.5", "1e3"], [1.0, -2.5, 1000.0]),
        (["1", "", "3"], [1, None, 3]),
        (["0.5", "", "nan"], [0.5, None, np.nan]),
        (["007", "1", "2"], ["007", "1", "2"]),
        (["1", "n/a", "2.5"], ["1", "n/a", "2.5"]),
        (["9007199254740993", "0.5", "1"], ["9007199254740993", "0.5", "1"]),
        (["18446744073709551616", "1", "2"], ["18446744073709551616", "1", "2"]),
        (["true", "false", "2024-01-05"], ["true", "false", "2024-01-05"]),
        (["0x1F", "1", "2"], ["0x1F", "1", "2"]),
        (["", "", ""], [None, None, None]),
    ],
)
@pytest.mark.parametrize("apart", [0, 40])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_attributes_keep_their_values_whichever_block_shows_their_type(
    read: Any, monkeypatch: pytest.MonkeyPatch, values: list[str], expected: list[Any], apart: int, delimiter: str
) -> None:
    """The values stand far apart, so that the type is seen in a later block than the first."""
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 128)
    rows = [row for value in values for row in [value] + [values[0]] * apart]
    wanted = [row for value in expected for row in [value] + [expected[0]] * apart]
    content = "".join(delimiter.join(("1", "2", row)) + "\n" for row in rows)
    got = attributes(read(content, columns=("a", "b", "x")))["x"]
    np.testing.assert_equal(got, wanted)
    assert [type(value) for value in got] == [type(value) for value in wanted]


def test_negative_extra_columns_are_kept(read: Any) -> None:
    assert attributes(read("1 2 -10\n2 3 5\n", columns=("a", "b", "rating"))) == {"rating": [-10, 5]}


@pytest.mark.parametrize("role", ["strength", "probability"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "-0.5", "abc", "", "1e400"])
def test_a_bad_weight_is_refused_with_its_line_and_rule(read: Any, role: str, value: str) -> None:
    rule = "a finite number >= 0" if role == "strength" else r"a number in \[0, 1\]"
    with pytest.raises(EdgeListError, match=f"line 4: {role} column 'w' holds .* which is not {rule}"):
        read(f"# w\n1,2,0.5\n2,3,1\n3,4,{value}\n4,5,0\n", columns=("a", "b", "w"), **{role: "w"})


def test_a_probability_is_at_most_one_but_a_strength_need_not_be(read: Any) -> None:
    content = "1 2 0.5\n2 3 1.5\n"
    with pytest.raises(EdgeListError, match=r"line 2: probability column 'p' holds 1\.5"):
        read(content, columns=("a", "b", "p"), probability="p")
    edges = read(content, columns=("a", "b", "p"), strength="p")
    assert attributes(edges) == {"p": [0.5, 1.5]}
    assert (edges.strength, edges.probability) == ("p", None)


def test_a_bad_weight_far_down_is_named_by_its_line(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.byte_stream.BLOCK_BYTES", 256)
    rows = [f"{i} {i + 1} 0.25" for i in range(300)]
    rows[222] = "1 2 three"
    with pytest.raises(EdgeListError, match="line 223: strength column 'w' holds 'three'"):
        read("\n".join(rows), columns=("a", "b", "w"), strength="w")


def test_a_weight_with_leading_zeros_is_a_number(read: Any) -> None:
    edges = read("1 2 007\n2 3 1\n", columns=("a", "b", "w"), strength="w")
    assert attributes(edges) == {"w": [7.0, 1.0]}
