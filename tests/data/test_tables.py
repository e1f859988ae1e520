"""The specifications of the tables, and the page made from them."""

from pathlib import Path

import pyarrow as pa
import pytest

from data.errors import TableNotFoundError
from data.warehouse.tables import TABLES, table_specification, tables_page
from data.warehouse.tables.specification import SYMBOL, TableSpecification, schema_fingerprint

TABLES_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)


@every_table
def test_the_grain_is_one_sentence_that_says_what_a_row_is(table: TableSpecification):
    assert table.grain.startswith("One row per ")
    assert table.grain.endswith(".")
    assert table.grain.count(".") == 1


@every_table
def test_the_key_is_made_of_columns_that_are_never_null(table: TableSpecification):
    columns = {column.name: column for column in table.columns}
    assert table.key
    assert len(set(table.key)) == len(table.key)
    for name in table.key:
        assert not columns[name].nullable


@every_table
def test_every_column_is_documented_once(table: TableSpecification):
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    for column in table.columns:
        assert column.documentation.strip() == column.documentation != ""


@every_table
def test_documentation_fits_a_row_of_a_markdown_table(table: TableSpecification):
    for text in (table.grain, *(column.documentation for column in table.columns)):
        assert "|" not in text
        assert "\n" not in text


@every_table
def test_the_schema_has_the_columns_in_order(table: TableSpecification):
    assert table.schema.names == [column.name for column in table.columns]
    assert [field.nullable for field in table.schema] == [column.nullable for column in table.columns]
    assert [field.type for field in table.schema] == [column.type for column in table.columns]


def test_a_column_means_the_same_type_in_every_table():
    kinds: dict[str, set[str]] = {}
    for table in TABLES.values():
        for column in table.columns:
            kind = "string" if column.type == SYMBOL else str(column.type)
            kinds.setdefault(column.name, set()).add(kind)
    assert {name: kind for name, kind in kinds.items() if len(kind) > 1} == {}


def test_results_hold_no_clock_time():
    for name in ("frontiers", "activations", "propagation_events", "cascades", "reach", "propagation_metrics"):
        assert not [field.name for field in TABLES[name].schema if pa.types.is_timestamp(field.type)]


def test_an_unknown_table_is_told_with_those_there_are():
    with pytest.raises(TableNotFoundError, match="no table 'rumours'; tables are networks, network_agents"):
        table_specification("rumours")


@pytest.mark.parametrize(
    "other",
    [
        pa.schema([pa.field("src", pa.int64(), False), pa.field("dst", pa.int32(), False)]),
        pa.schema([pa.field("src", pa.int32(), True), pa.field("dst", pa.int32(), False)]),
        pa.schema([pa.field("source", pa.int32(), False), pa.field("dst", pa.int32(), False)]),
        pa.schema([pa.field("dst", pa.int32(), False), pa.field("src", pa.int32(), False)]),
        pa.schema([pa.field("src", pa.int32(), False)]),
    ],
    ids=["type", "nullability", "name", "order", "number of columns"],
)
def test_fingerprints_tell_schemas_apart_by_everything_but_metadata(other: pa.Schema):
    schema = pa.schema([pa.field("src", pa.int32(), False), pa.field("dst", pa.int32(), False)])
    assert schema_fingerprint(schema) != schema_fingerprint(other)
    assert schema_fingerprint(schema) == schema_fingerprint(schema.with_metadata({"made": "elsewhere"}))


def test_the_page_of_tables_is_what_the_specifications_say():
    assert TABLES_PAGE.read_text(encoding="utf-8") == tables_page(), "run `make docs-pages`"
