"""Converting columns of tables of any type to ids: integers, or text without surrounding blanks."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import EdgeListError
from data.readers.identifiers import LONGEST_ID, trimmed

_LARGEST_IN_FLOAT = 2.0**63


def ids_of(values: pa.Array, column: str, source: str) -> pa.Array:
    """Return ids as int64 or trimmed string, null for rows without a usable id.

    Integers and floats without a fraction (``1.0`` in a pandas column with missing values) become integers. Other types
    become text in Arrow's format, UUIDs in their usual form.

    Parameters
    ----------
    values : pyarrow.Array
        One batch of an id column.
    column, source : str
        Names, for messages.

    Raises
    ------
    EdgeListError
        If ids cannot be of this type.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return ids_of(values.dictionary_decode(), column, source)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return values.cast(pa.int64())
    if pa.types.is_floating(kind):
        return _ids_of_floats(values.cast(pa.float64()))
    if isinstance(values, pa.UuidArray):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
    if pa.types.is_nested(kind) or isinstance(values, pa.ExtensionArray):
        raise EdgeListError(f"{source}: column {column!r} of type {kind} cannot contain ids; use text or integers")
    try:
        texts = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise EdgeListError(f"{source}: column {column!r} of type {kind} cannot contain ids: {error}") from error
    return _usable(texts)


def _usable(texts: pa.Array) -> pa.Array:
    texts = trimmed(texts)
    length = pc.utf8_length(texts)
    return pc.if_else(pc.and_(pc.greater(length, 0), pc.less_equal(length, LONGEST_ID)), texts, None)


def _ids_of_floats(values: pa.Array) -> pa.Array:
    numbers = pc.fill_null(values, np.nan).to_numpy()
    finite = np.isfinite(numbers)
    whole = finite & (np.trunc(numbers) == numbers) & (np.abs(numbers) < _LARGEST_IN_FLOAT)
    integers = pa.array(np.where(whole, numbers, 0).astype(np.int64), mask=~whole)
    if (whole == finite).all():
        return integers
    texts = pc.if_else(pa.array(whole), integers.cast(pa.string()), values.cast(pa.string()))
    return pc.if_else(pa.array(finite), texts, None)
