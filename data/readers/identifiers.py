"""Dense codes for original ids: every distinct id gets the next free integer.

Ids arrive block by block, as integers or as text. They are kept as integers while all are canonically spelled 64-bit
integers; the first that is not converts all of them to text, without changing any code.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

LONGEST_ID = 4096
"""Most characters of an id, well above the longest URL in use: a longer field is probably damage."""

Codes = npt.NDArray[np.int32]

_WIDEST_SPAN = 1 << 27
_ANY_SPAN = 1 << 24
_FEWEST_PENDING = 4_000_000


class Identifiers:
    """Distinct ids seen so far and, for each named stream of ids, their codes in order of arrival."""

    def __init__(self) -> None:
        self._known: _DirectTable | _HashedTable = _DirectTable()
        self._codes: defaultdict[str, list[Codes]] = defaultdict(list)
        self._pending: list[tuple[str, pa.Array]] = []
        self._pending_count = 0
        self._integers = True

    def __len__(self) -> int:
        """Return the number of distinct ids so far."""
        self._settle()
        return len(self._known.ids())

    @property
    def integers(self) -> bool:
        """Whether every id so far was a canonical integer."""
        return self._integers

    def add(self, **streams: pa.ChunkedArray) -> None:
        """Append ids (int64 or trimmed string, without nulls) to the streams of these names."""
        for stream, ids in self._of_one_type(streams).items():
            self._pending += [(stream, chunk) for chunk in ids.chunks if len(chunk)]
            self._pending_count += len(ids)
        if self._pending_count >= self._known.patience:
            self._settle()

    def finish(self) -> tuple[dict[str, Codes], pa.Array]:
        """Return the codes of each stream and the distinct ids by code; the object must not be reused."""
        self._settle()
        return {stream: _joined(chunks) for stream, chunks in self._codes.items()}, self._known.ids()

    def _of_one_type(self, streams: dict[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
        """Return ids as integers, or as text if not all ids so far are canonical integers."""
        if self._integers:
            narrowed = {stream: canonical_integers(ids) for stream, ids in streams.items()}
            if None not in narrowed.values():
                return narrowed
            self._turn_into_text()
        return {stream: ids.cast(pa.string()) for stream, ids in streams.items()}

    def _settle(self) -> None:
        """Assign codes to the pending ids."""
        if not self._pending:
            return
        chunks = [chunk for _, chunk in self._pending]
        if isinstance(self._known, _DirectTable) and not self._known.suits(chunks):
            self._known = _HashedTable(self._known.ids())
        for (stream, _), codes in zip(self._pending, self._known.encode(chunks), strict=True):
            self._codes[stream].append(codes)
        self._pending, self._pending_count = [], 0

    def _turn_into_text(self) -> None:
        self._settle()
        self._known = _HashedTable(self._known.ids().cast(pa.string()))
        self._integers = False


class _DirectTable:
    """Codes of integers in a narrow range: one array element per integer between smallest and largest."""

    patience = 0

    def __init__(self) -> None:
        self._low = 0
        self._code_at: Codes = np.empty(0, np.int32)
        self._by_code: list[npt.NDArray[np.int64]] = []
        self._distinct = 0
        self._seen = 0

    def suits(self, chunks: list[pa.Array]) -> bool:
        """Extend the table to these ids and return True, unless the range would waste memory."""
        ends = [pc.min_max(chunk) for chunk in chunks]
        low, high = min(end["min"].as_py() for end in ends), max(end["max"].as_py() for end in ends)
        if len(self._code_at):
            low, high = min(low, self._low), max(high, self._low + len(self._code_at) - 1)
        self._seen += sum(len(chunk) for chunk in chunks)
        if high - low >= min(_WIDEST_SPAN, max(_ANY_SPAN, 4 * self._seen)):
            return False
        self._stretch(low, high)
        return True

    def encode(self, chunks: list[pa.Array]) -> list[Codes]:
        return [self._encode_one(chunk.to_numpy()) for chunk in chunks]

    def ids(self) -> pa.Array:
        return pa.array(np.concatenate([np.empty(0, np.int64), *self._by_code]))

    def _encode_one(self, ids: npt.NDArray[np.int64]) -> Codes:
        position = ids - self._low
        codes = self._code_at[position]
        fresh = np.unique(position[codes < 0])
        if len(fresh):
            self._code_at[fresh] = np.arange(self._distinct, self._distinct + len(fresh), dtype=np.int32)
            self._by_code.append(fresh + self._low)
            self._distinct += len(fresh)
            codes = self._code_at[position]
        return codes

    def _stretch(self, low: int, high: int) -> None:
        if len(self._code_at) and low == self._low and high < self._low + len(self._code_at):
            return
        # A quarter more than needed, so that steadily growing ids do not cause a copy at every block.
        stretched = np.full((high - low + 1) * 5 // 4, -1, dtype=np.int32)
        offset = self._low - low if len(self._code_at) else 0
        stretched[offset : offset + len(self._code_at)] = self._code_at
        self._low, self._code_at = low, stretched


class _HashedTable:
    """Codes of any other ids: many blocks are hashed at a time, together with the ids already known.

    Arrow has no hash table that can be extended across calls. Waiting until there are several times as many pending
    ids as known ones keeps the repeated work below a quarter.
    """

    def __init__(self, known: pa.Array) -> None:
        self._ids = known

    @property
    def patience(self) -> int:
        return max(_FEWEST_PENDING, 4 * len(self._ids))

    def encode(self, chunks: list[pa.Array]) -> list[Codes]:
        # Arrow drops empty chunks, so the new chunks are counted from the end.
        encoded = pa.chunked_array([self._ids, *chunks]).dictionary_encode().chunks
        self._ids = encoded[0].dictionary
        return [chunk.indices.to_numpy() for chunk in encoded[-len(chunks) :]]

    def ids(self) -> pa.Array:
        return self._ids


def canonical_integers(ids: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return ids as int64, or None if one is not spelled as Python spells that integer.

    Examples
    --------
    >>> canonical_integers(pa.chunked_array([["7", "-12"]])).to_pylist()
    [7, -12]
    >>> canonical_integers(pa.chunked_array([["7", "007"]])) is None
    True
    """
    if pa.types.is_integer(ids.type):
        return ids
    try:
        integers = ids.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    return integers if integers.cast(ids.type).equals(ids) else None


def trimmed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts without surrounding spaces and tabs."""
    return pc.ascii_trim(texts, characters=" \t")


def complaint_about(text: str | None, which: str) -> str | None:
    """Return why a text without surrounding blanks cannot be the `which` id, or None if it can."""
    if not text:
        return f"the {which} id is missing"
    if len(text) > LONGEST_ID:
        return f"the {which} id has {len(text)} characters; at most {LONGEST_ID} are allowed"
    return None


def _joined(chunks: list[Any]) -> Codes:
    """Concatenate the chunks, releasing each once copied, so that codes are not in memory twice."""
    codes = np.empty(sum(len(chunk) for chunk in chunks), dtype=np.int32)
    filled = len(codes)
    while chunks:
        chunk = chunks.pop()
        codes[filled - len(chunk) : filled] = chunk
        filled -= len(chunk)
    return codes
