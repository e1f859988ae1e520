"""Ids of cascades and agents as text: the same text for the same id, whatever type its column has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.errors import InvalidInputError
from data.readers.id_columns import ids_of

Codes = npt.NDArray[np.int64]


def coded(columns: pd.DataFrame) -> tuple[list[Codes], pa.Array]:
    """Return columns of ids as codes into their distinct texts, -1 for no id, and these texts.

    Raises
    ------
    InvalidInputError
        If values cannot be ids, such as lists.
    """
    parts = []
    for name in columns.columns:
        try:
            codes, values = pd.factorize(columns[name])
        except TypeError:
            example = next(value for value in columns[name] if getattr(type(value), "__hash__", None) is None)
            raise InvalidInputError(
                f"rows of cascades: column {name!r} has values that cannot be ids, such as {str(example)[:60]!r} of "
                f"type {type(example).__name__}; use text or integers"
            ) from None
        parts.append((codes, texts_of(values, str(name))))
    together = pa.concat_arrays([texts for _, texts in parts]).dictionary_encode()
    places = together.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    found, start = [], 0
    for codes, texts in parts:
        found.append(np.append(places[start : start + len(texts)], -1)[codes])
        start += len(texts)
    return found, together.dictionary


def text_column(column: "pd.Series[Any]") -> "pd.Series[str]":
    """Return a column of ids as text, missing where there is no id."""
    (codes,), texts = coded(column.to_frame())
    found = texts.take(pa.array(codes, mask=codes < 0)).to_pandas(types_mapper=pd.ArrowDtype)
    return found.set_axis(column.index)


def texts_of(values: Any, column: str) -> pa.Array:
    """Return ids as text without surrounding blanks, null for empty ones; of several types, each as if it were alone.

    Examples
    --------
    >>> texts_of([1, "2", 3.0, "3.0"], "agent").to_pylist()
    ['1', '2', '3', '3.0']
    """
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return _texts_by_type(list(values), column)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    return ids_of(array, column, "rows of cascades").cast(pa.string())


def _texts_by_type(values: Sequence[Any], column: str) -> pa.Array:
    types = [type(value) for value in values]
    if len(set(types)) == 1:  # one that Arrow does not know, or numbers that are too large for it
        return pa.array([str(value) for value in values], pa.string())
    texts: list[str | None] = [None] * len(values)
    for kind in dict.fromkeys(types):
        places = [place for place, each in enumerate(types) if each is kind]
        own = texts_of([values[place] for place in places], column).to_pylist()
        for place, text in zip(places, own, strict=True):
            texts[place] = text
    return pa.array(texts, pa.string())
