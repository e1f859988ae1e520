"""Attribute columns of a text file (all but the endpoints): integers, else floats, else text.

A column's type is chosen by its first block and widened when a later block does not fit, without changing values:
integers become floats only if floats represent them exactly, and values that a number would not preserve (``007``,
identifiers of 16 and more digits next to fractions) make the column text.
"""

from collections.abc import Callable
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from data.readers.identifiers import canonical_integers, trimmed

Kind = Literal["integer", "float", "text"]

Read = TypeVar("Read")

ARROW_TYPES = {"integer": pa.int64(), "float": pa.float64(), "text": pa.string()}

_EXACT_IN_FLOAT = 10**15
_INEXACT_AS_FLOAT = r"^[+-]?(0[0-9]|[0-9]{16,}$)"


class SpellingLostError(Exception):
    """Raised when a column turns out to be text after values were read as floats: it must be read again as text."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class AttributeColumn:
    """One column, growing block by block."""

    def __init__(self, name: str, *, number: bool = False, kind: Kind = "integer") -> None:
        self.name = name
        self.kind: Kind = kind
        self._number = number
        self._chunks: list[pa.Array] = []

    @property
    def type(self) -> pa.DataType:
        """The Arrow type expected of the next block."""
        return ARROW_TYPES[self.kind]

    def expect(self, texts: pa.ChunkedArray) -> None:
        """Adopt the type that fits these texts, without storing them."""
        self._fitted(texts)

    def add(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        """Append a block's values, of the column's type or as text to be converted; return them as appended."""
        if pa.types.is_string(values.type):
            values = self._fitted(values)
        self._chunks += values.chunks
        return values

    def keeps(self, values: pa.ChunkedArray) -> bool:
        """Return whether values parsed as the column's type are small enough to be exact."""
        if not pa.types.is_floating(values.type) or self._number or values.null_count == len(values):
            return True
        ends = pc.min_max(values)
        return max(-ends["min"].as_py(), ends["max"].as_py()) < _EXACT_IN_FLOAT

    def finish(self) -> pa.ChunkedArray:
        """Return the whole column."""
        return pa.chunked_array(self._chunks, type=self.type)

    def _fitted(self, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Convert texts to the narrowest type that preserves them and the values so far, widening the latter."""
        if self.kind == "text":
            return texts
        plain = _without_empty(trimmed(texts))
        if self.kind == "integer" and (integers := canonical_integers(plain)) is not None:
            return integers
        if self._number or not _any_match(plain, _INEXACT_AS_FLOAT):
            floats = _floats(plain)
            if floats is not None and self._widened_to("float"):
                return floats
        if self.kind == "float" and self._chunks and not self._number:
            raise SpellingLostError(self.name)
        self._widened_to("text")
        return texts

    def _widened_to(self, kind: Kind) -> bool:
        """Cast the values so far; return False if floats cannot represent the integers among them."""
        if self.kind != kind:
            if kind == "float" and not all(_exact_in_float(chunk) for chunk in self._chunks):
                return False
            self._chunks = [chunk.cast(ARROW_TYPES[kind]) for chunk in self._chunks]
            self.kind = kind
        return True


def reread_as_text(read: Callable[[set[str]], Read]) -> Read:
    """Call `read` with the columns to read as text, and again whenever it detects a further one too late."""
    as_text: set[str] = set()
    while True:
        try:
            return read(as_text)
        except SpellingLostError as found:
            as_text.add(found.column)


def _without_empty(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def _any_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _floats(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    try:
        return texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _exact_in_float(integers: pa.Array) -> bool:
    if integers.null_count == len(integers):
        return True
    ends = pc.min_max(integers)
    return bool(max(-ends["min"].as_py(), ends["max"].as_py()) < _EXACT_IN_FLOAT)
