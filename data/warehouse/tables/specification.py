"""Specifications of tables: grain, key, columns and their documentation.

The comments in the DuckDB catalogue, ``docs/reference/tables.md`` and the checks on publishing are all derived from
them. Names follow the vocabulary of the field; where a column has another established name (``current_infected``,
``reproduction_rate``), its documentation gives the term.
"""

import hashlib
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    type : pyarrow.DataType
    documentation : str
        Meaning and unit.
    nullable : bool
        Whether it may be null.
    later : bool
        Whether files of older versions lack it; it is null there.
    """

    name: str
    type: pa.DataType
    documentation: str
    nullable: bool = False
    later: bool = False


@dataclass(frozen=True)
class TableSpecification:
    """The specification of a table.

    Attributes
    ----------
    name : str
        Name of the table, the same in SQL, Parquet, Python and YAML.
    grain : str
        What one row is, as a sentence.
    key : tuple of str
        Columns whose combination of values is unique.
    columns : tuple of Column
        Columns of every file of the table, in order.
    further : str
        Describes the further columns that files may have; empty if they may have none.
    added : tuple of Column
        Columns that only the table's view has, from ``data/warehouse/sql/<table>.sql``.
    keyed : bool
        Whether a row replaces the earlier row with the same key.
    of_snapshots : bool
        Whether files lack the column ``snapshot_id``, which is that of their publication (files of format 1 have it).
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    further: str = ""
    added: tuple[Column, ...] = ()
    keyed: bool = False
    of_snapshots: bool = False

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the specified columns."""
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in self.columns])

    @property
    def file_schema(self) -> pa.Schema:
        """Arrow schema of the specified columns that new files have."""
        columns = [c for c in self.columns if not (self.of_snapshots and c.name == "snapshot_id")]
        return pa.schema([pa.field(c.name, c.type, c.nullable) for c in columns])

    def fingerprint(self) -> str:
        """Return a short hash of column names, types and nullability."""
        return schema_fingerprint(self.schema)


@dataclass(frozen=True)
class ViewSpecification:
    """The specification of a view over several tables, defined in ``data/warehouse/sql/<name>.sql``.

    Attributes
    ----------
    name : str
    grain : str
        What one row is, as a sentence.
    columns : tuple of Column
    """

    name: str
    grain: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class MacroSpecification:
    """The specification of a table macro, a view with parameters, defined in ``data/warehouse/sql/<name>.sql``.

    Attributes
    ----------
    name : str
    grain : str
        What one row is, as a sentence.
    parameters : str
        As in SQL; those with a default are given by name.
    example : str
        A query.
    columns : tuple of Column
    """

    name: str
    grain: str
    parameters: str
    example: str
    columns: tuple[Column, ...]


def schema_fingerprint(schema: pa.Schema) -> str:
    """Return a short hash of a schema's names, types and nullability, without metadata.

    Examples
    --------
    >>> schema_fingerprint(pa.schema([("src", pa.int32())])) == schema_fingerprint(pa.schema([("src", pa.int64())]))
    False
    """
    text = ";".join(f"{field.name}:{field.type}:{field.nullable}" for field in schema)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


SYMBOL = pa.dictionary(pa.int32(), pa.string())
"""A dictionary-encoded string, for values that repeat over many rows."""
CLOCK = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.field("element", pa.string()))


SESSION_ID = Column("session_id", SYMBOL, "session: UUID derived from its specification")
REPLICATE = Column("replicate", pa.int32(), "replicate of the session, from 0")
ROUND = Column("round", pa.int32(), "simulated round; the seeds are round 0")
SNAPSHOT_ID = Column("snapshot_id", SYMBOL, "network snapshot: hash of its content")
