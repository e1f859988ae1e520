"""Published rows as pandas DataFrames, with dtypes that depend on the schema only."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def pandas_frame(rows: pa.Table) -> "pd.DataFrame":
    """Return rows as a pandas DataFrame whose dtypes depend on the schema only, not on whether there are nulls.

    Nullable integers and booleans become pandas' ``Int32``, ``Int64`` and ``boolean``; lists stay Arrow lists.

    Examples
    --------
    >>> pandas_frame(pa.table({"infector": pa.array([4, None], pa.int32())})).dtypes["infector"]
    Int32Dtype()
    """
    import pandas as pd

    def dtype(kind: pa.DataType, nullable: bool) -> Any:
        if pa.types.is_list(kind):
            return pd.ArrowDtype(kind)
        if nullable and pa.types.is_integer(kind):
            return pd.api.types.pandas_dtype(str(kind).replace("uint", "UInt").replace("int", "Int"))
        return pd.BooleanDtype() if nullable and pa.types.is_boolean(kind) else None

    columns = {f.name: rows[f.name].to_pandas(types_mapper=partial(dtype, nullable=f.nullable)) for f in rows.schema}
    return pd.DataFrame(columns, index=pd.RangeIndex(rows.num_rows))


def declared_frame(schema: pa.Schema) -> "pd.DataFrame":
    """Return the empty frame that declares the columns of a lazy Dask DataFrame; categories are left unknown."""
    from dask.dataframe.utils import clear_known_categories

    return clear_known_categories(pandas_frame(schema.empty_table()))


def unified_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return a schema that fits the rows of all schemas: numbers are widened, incompatible types become text.

    Two networks may have columns of the same name with different types.

    Examples
    --------
    >>> unified_schema([pa.schema([("time", pa.int64())]), pa.schema([("time", pa.date32())])]).field("time").type
    DataType(string)
    """
    try:
        return pa.unify_schemas(list(schemas), promote_options="permissive")
    except pa.ArrowTypeError:
        fields: dict[str, list[pa.Field]] = {}
        for field in (field for schema in schemas for field in schema):
            fields.setdefault(field.name, []).append(field)
        return pa.schema([_unified_field(of_name) for of_name in fields.values()])


def _unified_field(fields: Sequence[pa.Field]) -> pa.Field:
    try:
        parts = [pa.schema([field]) for field in fields]
        return pa.unify_schemas(parts, promote_options="permissive").field(0)
    except pa.ArrowTypeError:
        return pa.field(fields[0].name, pa.string())


def concatenated(parts: Sequence[pa.Table], schema: pa.Schema | None = None) -> pa.Table:
    """Return the rows of all tables; columns that a table lacks are null for its rows.

    Parameters
    ----------
    parts : sequence of pyarrow.Table
    schema : pyarrow.Schema, optional
        Columns of the result; default: `unified_schema` of the parts.
    """
    schema = schema or unified_schema([part.schema.remove_metadata() for part in parts])
    texts = [field.name for field in schema if field.type == pa.string()]
    fitting = [_as_text(part, texts) for part in parts]
    return pa.concat_tables([schema.empty_table(), *fitting], promote_options="permissive").select(schema.names)


def _as_text(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return rows with these columns, if present, cast to text."""
    for name in names:
        if name in rows.column_names and not pa.types.is_string(rows[name].type):
            rows = rows.set_column(rows.column_names.index(name), name, rows[name].cast(pa.string()))
    return rows
