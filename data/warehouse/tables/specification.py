"""What a table is: its grain, key, columns and their documentation.

The DuckDB catalogue's comments, ``docs/tables.md`` and the checks of publishing all come from specifications. Names
follow the vocabulary of the field; where another name is established for the same quantity (``current_infected``,
``reproduction_rate``), the documentation says which term it stands for.
"""

import hashlib
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, documentation with units, and whether it may be null."""

    name: str
    type: pa.DataType
    documentation: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSpecification:
    """What a table is.

    Attributes
    ----------
    name : str
        Name of the table, the same in SQL, Parquet, Python and YAML.
    grain : str
        What one row is, as a sentence.
    key : tuple of str
        Columns whose values together occur once.
    columns : tuple of Column
        All columns every file of the table has, in order.
    further : str
        What further columns are that files may carry; empty if they may not.
    added : tuple of Column
        Columns that only the table's view has, made by ``data/warehouse/sql/<table>.sql``.
    keyed : bool
        Whether a row replaces the row of the same key that was published before it.
    of_snapshots : bool
        Whether files lack the column ``snapshot_id``: the publication of a file says it (files of format 1 have it).
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
        """Return a short hash of column names, types and nullability: equal fingerprints, same schema."""
        return schema_fingerprint(self.schema)


def schema_fingerprint(schema: pa.Schema) -> str:
    """Return a short hash of a schema's names, types and nullability; metadata does not count.

    Examples
    --------
    >>> schema_fingerprint(pa.schema([("src", pa.int32())])) == schema_fingerprint(pa.schema([("src", pa.int64())]))
    False
    """
    text = ";".join(f"{field.name}:{field.type}:{field.nullable}" for field in schema)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


SYMBOL = pa.dictionary(pa.int32(), pa.string())
"""A string that repeats over many rows."""
CLOCK = pa.timestamp("us", tz="UTC")
STRINGS = pa.list_(pa.field("element", pa.string()))


SESSION_ID = Column("session_id", SYMBOL, "session: UUID derived from its specification")
REPLICATE = Column("replicate", pa.int32(), "replicate of the session, from 0")
ROUND = Column("round", pa.int32(), "simulated round; the seeds are round 0")
SNAPSHOT_ID = Column("snapshot_id", SYMBOL, "network snapshot: hash of its content")
