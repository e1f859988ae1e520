"""Published rows as pandas frames, with dtypes that depend on the schema alone."""

from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd


def pandas_frame(rows: pa.Table) -> "pd.DataFrame":
    """Return rows as a pandas DataFrame whose dtypes depend on the schema alone, not on whether there are nulls.

    Integers and booleans that may be null become pandas' ``Int32``, ``Int64`` and ``boolean``; lists stay Arrow's.

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
