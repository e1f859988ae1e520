"""Edge lists in Parquet, pandas and Arrow, with ids of every type."""

import decimal
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import EdgeListError, TooManyRejectsError
from data.networks.edge_lists import ImportOptions
from data.readers import read_edges
from tests.data.edge_pairs import attributes, lines, pairs, rejects


def test_a_frame_an_arrow_table_and_parquet_read_alike(tmp_path: Path) -> None:
    frame = pd.DataFrame({"src": [7, 8, 7], "dst": [8, 9, 7], "w": [0.5, 1.5, -2.0], "kind": ["a", None, "c"]})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, tmp_path / "edges.parquet", row_group_size=2)
    pq.write_table(table, tmp_path / "edges.txt")
    for source in (frame, table, tmp_path / "edges.parquet", str(tmp_path / "edges.txt")):
        edges = read_edges(source, ImportOptions())
        assert pairs(edges) == [(7, 8), (8, 9), (7, 7)]
        assert edges.agent_ids.type == pa.int64()
        assert attributes(edges) == {"w": [0.5, 1.5, -2.0], "kind": ["a", None, "c"]}
        assert (edges.rows_read, edges.line_blocks, lines(edges)) == (3, (), [1, 2, 3])


def test_rows_without_an_endpoint_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.readers.tabular.BATCH_ROWS", 2)
    table = pa.table({"a": [1, None, 3, 4, 5], "b": ["x", "y", " ", "z" * 4097, "w "], "n": [1, 2, 3, 4, 5]})
    edges = read_edges(table, ImportOptions())
    assert pairs(edges) == [("1", "x"), ("5", "w")]
    assert attributes(edges) == {"n": [1, 5]}
    assert lines(edges) == [1, 5]
    assert rejects(edges) == [
        (2, "the source id is missing", "None, y"),
        (3, "the target id is missing", "3,  "),
        (4, "the target id has 4097 characters; at most 4096 are allowed", "4, " + "z" * 194 + "..."),
    ]
    with pytest.raises(TooManyRejectsError, match="more than 2 malformed rows"):
        read_edges(table, ImportOptions(max_rejects=2))


U = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 2], pa.int8()), [1, 2]),
        (pa.array([1, 2**64 - 1], pa.uint64()), ["1", str(2**64 - 1)]),
        (pa.array([1, 2], pa.uint64()), [1, 2]),
        (pa.array([1.0, -3.0]), [1, -3]),
        (pa.array([1.0, 2.5]), ["1", "2.5"]),
        (pa.array(["1", "2"]), [1, 2]),
        (pa.array(["1", "02"]), ["1", "02"]),
        (pa.array([" x", "y "], pa.large_string()), ["x", "y"]),
        (pa.array(["x", "y"]).dictionary_encode(), ["x", "y"]),
        (pa.array([U.bytes, U.bytes], pa.uuid()), [str(U), str(U)]),
        (pa.array([decimal.Decimal("1.50"), decimal.Decimal("2.25")]), ["1.50", "2.25"]),
        (pa.array([b"x", b"y"]), ["x", "y"]),
        (pa.array([True, False]), ["true", "false"]),
    ],
)
def test_ids_of_every_type_are_integers_or_text(values: pa.Array, expected: list[Any]) -> None:
    edges = read_edges(pa.table({"a": values, "b": values[::-1]}), ImportOptions())
    assert pairs(edges) == [(expected[0], expected[1]), (expected[1], expected[0])]


def test_float_ids_do_not_depend_on_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """1.0 reads 1 whether or not a fraction stands in the same batch."""
    monkeypatch.setattr("data.readers.tabular.BATCH_ROWS", 1)
    edges = read_edges(pa.table({"a": [1.0, 2.5, 1.0], "b": [1.0, 1.0, 2.5]}), ImportOptions())
    assert pairs(edges) == [("1", "1"), ("2.5", "1"), ("1", "2.5")]


def test_a_pandas_column_with_gaps_holds_integers() -> None:
    frame = pd.DataFrame({"a": [1, None, 3], "b": [2, 3, 4]})
    assert frame["a"].dtype == np.float64
    edges = read_edges(frame, ImportOptions())
    assert (pairs(edges), [reject[0] for reject in rejects(edges)]) == ([(1, 2), (3, 4)], [2])


def test_infinite_ids_are_malformed() -> None:
    edges = read_edges(pa.table({"a": [1.0, np.inf], "b": [2.0, 3.0]}), ImportOptions())
    assert rejects(edges) == [(2, "the source id is not finite", "inf, 3.0")]


def test_pandas_objects_of_mixed_types_become_text() -> None:
    frame = pd.DataFrame({"a": pd.Series([1, "x", None], dtype=object), "b": [U, U, U]})
    edges = read_edges(frame, ImportOptions())
    assert pairs(edges) == [("1", str(U)), ("x", str(U))]


def test_mixed_objects_beside_the_endpoints_are_refused() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [2, 3], "x": pd.Series([1, "one"], dtype=object)})
    with pytest.raises(EdgeListError, match="column 'x' of mixed types cannot be stored in Parquet"):
        read_edges(frame, ImportOptions())


def test_frames_with_repeated_or_missing_names_are_refused() -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(EdgeListError, match="two columns named 'a'"):
        read_edges(frame, ImportOptions())
    assert attributes(read_edges(frame, ImportOptions(columns=("a", "b", "c")))) == {"c": [3]}
    with pytest.raises(EdgeListError, match="has fewer than 2 columns"):
        read_edges(frame[["b"]], ImportOptions())


def test_names_of_tables_may_be_given(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2, 5], [2, 3, 6]])
    assert attributes(read_edges(frame, ImportOptions())) == {"2": [5, 6]}
    edges = read_edges(frame, ImportOptions(columns=("a", "b", "w"), strength="w", source="b", target="a"))
    assert (pairs(edges), attributes(edges)) == ([(2, 1), (3, 2)], {"w": [5, 6]})


@pytest.mark.parametrize(("value", "shown"), [(-0.5, "-0.5"), (float("nan"), "nan"), (None, "nothing")])
def test_a_bad_weight_in_a_table_is_refused_with_its_row(value: Any, shown: str) -> None:
    table = pa.table({"a": [None, 1, 2], "b": [1, 2, 3], "w": pa.array([9.0, 1.0, value], pa.float64())})
    with pytest.raises(EdgeListError, match=f"row 3: strength column 'w' holds {shown}"):
        read_edges(table, ImportOptions(strength="w"))


def test_weights_of_a_table_are_numbers() -> None:
    with pytest.raises(EdgeListError, match="column 'w' of type string cannot be the strength"):
        read_edges(pa.table({"a": [1], "b": [2], "w": ["0.5"]}), ImportOptions(strength="w"))


def test_columns_that_parquet_cannot_keep_are_refused() -> None:
    spans = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    with pytest.raises(EdgeListError, match=r"column 'span' .* cannot be stored in Parquet"):
        read_edges(pa.table({"a": [1], "b": [2], "span": spans}), ImportOptions())


def test_nested_ids_are_refused() -> None:
    with pytest.raises(EdgeListError, match=r"column 'a' of type list.* cannot contain ids"):
        read_edges(pa.table({"a": [[1]], "b": [2]}), ImportOptions())


@pytest.mark.parametrize("table", [{"a": [], "b": []}, {"a": pa.nulls(2), "b": [1, 2]}])
def test_a_table_without_edges_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(EdgeListError, match="has no well-formed edge"):
        read_edges(pa.table(table), ImportOptions())


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edges.parquet"
    numbers = np.random.default_rng(0).integers(0, 1 << 60, 50_000)
    pq.write_table(pa.table({"a": numbers, "b": numbers[::-1]}), path, write_page_checksum=True)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"not Parquet at all", whole[:8000] + bytes(4000) + whole[12000:]):
        path.write_bytes(damaged)
        with pytest.raises(EdgeListError, match="is not a readable Parquet file"):
            read_edges(path, ImportOptions())
