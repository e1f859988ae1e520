"""Numeric column types: integers, floats and decimals of every width, also dictionary-encoded."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def is_numeric(kind: pa.DataType) -> bool:
    """Return whether the values of a type are numbers; booleans are not.

    Examples
    --------
    >>> [is_numeric(kind) for kind in (pa.uint8(), pa.float16(), pa.decimal128(10, 2), pa.bool_(), pa.string())]
    [True, True, True, False, False]
    """
    if pa.types.is_dictionary(kind):
        return is_numeric(kind.value_type)
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def plain_numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return numbers in a type that Arrow can aggregate: no dictionaries, float16 or narrow decimals."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain_numbers(pc.cast(values, kind.value_type))
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return values.cast(pa.decimal128(kind.precision, kind.scale))
    return values


def as_floats(values: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Return numbers or booleans as float64, NaN for nulls."""
    numbers: Any = plain_numbers(values).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(numbers, np.float64)
