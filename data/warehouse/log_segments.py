"""Segments of the log: the combined effect of consecutive manifests as tables, so that they need not be read singly.

A segment has four files. ``keys`` is an array of (4, n) uint64, sorted: 128 bits of each key's hash, the publication
that published or retracted it, and which of the two. ``files`` (Parquet) has a row per file that the segment adds and
does not remove, and one per file of an earlier segment that it removes. ``past`` (Parquet) has a row per file that the
segment both adds and removes; only reads of past states need it. ``publications`` (Parquet) has a row per publication,
with its properties. Segments are immutable; adjacent ones can be merged.
"""

import hashlib
import io
import json
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.storage import Storage

FOLDER = "checkpoints/segments"
PUBLISHED, RETRACTED = 0, 1
ADD, REMOVE = "add", "remove"
LISTED_KEYS = 8
"""Publications with more keys than this are listed without them, unless they have properties."""
_FILES = pa.schema(
    [
        ("operation", pa.string()),
        ("number", pa.int64()),
        ("publication", pa.int64()),
        ("table", pa.string()),
        ("path", pa.string()),
        ("rows", pa.int64()),
        ("size", pa.int64()),
        ("checksum", pa.string()),
        ("fingerprint", pa.string()),
        ("division", pa.string()),
        ("key_range", pa.string()),
        ("role", pa.string()),
    ]
)
_PAST = _FILES.append(pa.field("removed", pa.int64()))
_PUBLICATIONS = pa.schema(
    [
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("created_at", pa.string()),
        ("specification_hash", pa.string()),
        ("keys", pa.list_(pa.string())),
        ("properties", pa.string()),
    ]
)
Keys = npt.NDArray[np.uint64]


class UnusableSegmentError(Exception):
    """Raised when the segment file `path` is missing, superseded or damaged; another checkpoint can replace it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


@dataclass(frozen=True)
class StoredFile:
    """One file of a segment: its path, and its expected size and checksum."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True)
class SegmentRecord:
    """A segment as recorded in a log checkpoint: first and last publication, number of entries, and files."""

    first: int
    last: int
    entries: int
    keys: StoredFile
    files: StoredFile
    past: StoredFile
    publications: StoredFile

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> "SegmentRecord":
        """Return the record described by a JSON object."""
        files = {name: StoredFile(**stored[name]) for name in ("keys", "files", "past", "publications")}
        return SegmentRecord(**{**stored, **files})

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return asdict(self)

    @property
    def stored(self) -> tuple[StoredFile, ...]:
        """All files of the segment."""
        return self.keys, self.files, self.past, self.publications


# -- entries of manifests -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entries:
    """The combined effect of consecutive publications, as tables."""

    keys: Keys
    files: pa.Table
    past: pa.Table
    publications: pa.Table

    def __len__(self) -> int:
        """Return the number of entries of all kinds."""
        return self.keys.shape[1] + sum(int(table.num_rows) for table in (self.files, self.past, self.publications))


def entries_of(manifests: Sequence[Manifest]) -> Entries:
    """Return the entries of consecutive manifests."""
    keys = [(key, m.number, PUBLISHED) for m in manifests for key in m.keys]
    keys += [(key, m.number, RETRACTED) for m in manifests for key in m.retracts]
    added = [_file_row(m.number, file) for m in manifests for file in m.files]
    removed = [
        {"operation": REMOVE, "number": m.number, "publication": publication, "path": path}
        for m in manifests
        for publication, path in m.removes
    ]
    files, past = _parted(pa.Table.from_pylist([*added, *removed], schema=_FILES))
    publications = [_publication_row(manifest) for manifest in manifests]
    return Entries(_key_entries(keys), files, past, pa.Table.from_pylist(publications, schema=_PUBLICATIONS))


def _file_row(number: int, file: DataFile) -> dict[str, Any]:
    pairs = {name: json.dumps(value) if (value := getattr(file, name)) else None for name in ("division", "key_range")}
    plain = ("table", "path", "rows", "size", "checksum", "fingerprint", "role")
    fields = {name: getattr(file, name) for name in plain}
    return {"operation": ADD, "number": number, "publication": number, **fields, **pairs}


def _publication_row(manifest: Manifest) -> dict[str, Any]:
    return {
        "number": manifest.number,
        "kind": manifest.kind,
        "created_at": manifest.created_at,
        "specification_hash": manifest.specification_hash,
        "keys": list(manifest.keys) if manifest.properties or len(manifest.keys) <= LISTED_KEYS else [],
        "properties": json.dumps(manifest.properties) if manifest.properties else None,
    }


def data_files(rows: pa.Table) -> list[DataFile]:
    """Return the files described by rows of ``files`` or ``past``, in order."""
    names = ("table", "path", "rows", "size", "checksum", "fingerprint", "division", "key_range", "role", "publication")
    columns = {name: rows[name].to_pylist() for name in names}
    for name in ("division", "key_range"):
        columns[name] = [tuple(json.loads(text)) if text else None for text in columns[name]]
    return list(map(DataFile, *(columns[name] for name in names)))


def listed(manifest: Manifest) -> Manifest:
    """Return a manifest reduced to what segments keep, so that both ways of reading the log agree."""
    return listed_publication(_publication_row(manifest))


def listed_publication(row: Mapping[str, Any]) -> Manifest:
    """Return the publication described by a row, without files, removals and retractions."""
    return Manifest(
        number=row["number"],
        parent=None,
        kind=row["kind"],
        keys=tuple(row["keys"]),
        files=(),
        created_at=row["created_at"],
        specification_hash=row["specification_hash"],
        properties=json.loads(row["properties"]) if row["properties"] else {},
    )


# -- keys -----------------------------------------------------------------------------------------------------------


def _key_entries(keys: Iterable[tuple[str, int, int]]) -> Keys:
    listed = list(keys)
    entries = np.empty((4, len(listed)), np.uint64)
    if listed:
        entries[:2] = hashed([key for key, _, _ in listed])
        entries[2] = [number for _, number, _ in listed]
        entries[3] = [operation for _, _, operation in listed]
    return _sorted_keys(entries)


def hashed(keys: Sequence[str]) -> Keys:
    """Return 128 bits of each key's hash, (2, n) uint64."""
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=16).digest() for key in keys)
    return np.frombuffer(digests, "<u8").reshape(-1, 2).T.astype(np.uint64)


def _sorted_keys(entries: Keys) -> Keys:
    return np.ascontiguousarray(entries[:, np.lexsort((entries[2], entries[1], entries[0]))])


def latest_of(keys: Keys, wanted: Keys, limit: int) -> npt.NDArray[np.int64]:
    """Return the last publication of each wanted key up to `limit` among sorted entries, by hash.

    Parameters
    ----------
    keys : (4, n) uint64
    wanted : (2, k) uint64
        From `hashed`.
    limit : int

    Returns
    -------
    (k,) int64
        The publication's number; negative if the last entry retracts the key; 0 if there is none.
    """
    found = np.zeros(wanted.shape[1], np.int64)
    first = np.searchsorted(keys[0], wanted[0], side="left")
    last = np.searchsorted(keys[0], wanted[0], side="right")
    # 1. Nearly every key has one entry.
    single = np.flatnonzero(last - first == 1)
    at = first[single]
    fits = (keys[1, at] == wanted[1, single]) & (keys[2, at] <= limit)
    found[single[fits]] = _signed(keys[:, at[fits]])
    # 2. Keys that were retracted and published again have several.
    for position in np.flatnonzero(last - first > 1):
        same = keys[:, first[position] : last[position]]
        same = same[:, (same[1] == wanted[1, position]) & (same[2] <= limit)]
        if same.shape[1]:
            found[position] = _signed(same[:, -1:])[0]
    return found


def _signed(entries: Keys) -> npt.NDArray[np.int64]:
    return np.where(entries[3] == PUBLISHED, 1, -1) * entries[2].astype(np.int64)


# -- merging --------------------------------------------------------------------------------------------------------


def merged(parts: Sequence[Entries], oldest: int) -> Entries:
    """Merge the entries of adjacent segments, without what was undone before publication `oldest`."""
    files, past = _parted(pa.concat_tables([part.files for part in parts]))
    past = pa.concat_tables([*(part.past for part in parts), past])
    publications = pa.concat_tables([part.publications for part in parts])
    keys = _sorted_keys(np.concatenate([part.keys for part in parts], axis=1))
    return Entries(_without_retracted(keys, oldest), files, past.filter(pc.field("removed") > oldest), publications)


def _without_retracted(keys: Keys, oldest: int) -> Keys:
    """Drop a key's publication and its retraction, if the retraction is not later than `oldest`."""
    pairs = np.flatnonzero((keys[3] == RETRACTED) & (keys[2] <= oldest))
    before = pairs - 1
    is_pair = (before >= 0) & (keys[:2, before] == keys[:2, pairs]).all(axis=0) & (keys[3, before] == PUBLISHED)
    return np.delete(keys, np.concatenate([pairs[is_pair], before[is_pair]]), axis=1)


def _parted(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Split rows of ``files``: those still in effect, and the additions undone by other rows, with their removal."""
    removals = rows.filter(pc.field("operation") == REMOVE)
    removed = {pair: number for *pair_of, number in _pairs(removals, "number") if (pair := tuple(pair_of))}
    if not removed:
        return rows, _PAST.empty_table()
    added = {tuple(pair) for *pair, operation in _pairs(rows, "operation") if operation == ADD}
    undone = [tuple(pair) in removed and tuple(pair) in added for *pair, _ in _pairs(rows, "number")]
    past = rows.filter(pa.array(undone)).filter(pc.field("operation") == ADD)
    numbers = pa.array([removed[publication, path] for publication, path, _ in _pairs(past, "number")], pa.int64())
    return rows.filter(pa.array([not each for each in undone])), past.append_column("removed", numbers)


def _pairs(rows: pa.Table, further: str) -> Iterable[tuple[Any, ...]]:
    """Return publication and path, which identify a file, and another column of each row."""
    return zip(*(rows[name].to_pylist() for name in ("publication", "path", further)), strict=True)


# -- stored segments ------------------------------------------------------------------------------------------------


def write_segment(storage: Storage, entries: Entries, first: int, last: int) -> SegmentRecord:
    """Write the files of a segment under new names; return its record."""
    name = f"{FOLDER}/{uuid.uuid4().hex}"
    keys = io.BytesIO()
    np.save(keys, entries.keys)
    contents = {f"{name}.keys.npy": keys.getvalue()}
    for kind in ("files", "past", "publications"):
        content = io.BytesIO()
        pq.write_table(getattr(entries, kind), content, compression="zstd", compression_level=1)
        contents[f"{name}.{kind}.parquet"] = content.getvalue()
    stored = []
    for path, written in contents.items():
        storage.create(path, written)
        stored.append(StoredFile(path, len(written), hashlib.sha256(written).hexdigest()))
    return SegmentRecord(first, last, len(entries), *stored)


class Segment:
    """A stored segment; its files are read on first use and cached."""

    def __init__(self, storage: Storage, record: SegmentRecord) -> None:
        self.record = record
        self._storage = storage
        self._reading = threading.Lock()
        self._keys: Keys | None = None
        self._tables: dict[str, pa.Table] = {}

    @property
    def keys(self) -> Keys:
        """Sorted entries of keys, (4, n) uint64; memory-mapped if the storage is a local folder."""
        with self._reading:
            if self._keys is None:
                place = self._storage.reader(self.record.keys.path)
                # A look-up touches few pages of a mapped file, a checksum would read all: only `verify` does that.
                self._keys = self._mapped(place) if isinstance(place, str) else self._loaded()
            return self._keys

    def _mapped(self, place: str) -> Keys:
        stored = self.record.keys
        if self._storage.size(stored.path) != stored.size:
            raise UnusableSegmentError(stored.path, "is missing or damaged")
        try:
            keys: Keys = np.load(place, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UnusableSegmentError(stored.path, f"cannot be read ({error})") from error
        return keys

    def _loaded(self) -> Keys:
        keys: Keys = np.load(io.BytesIO(self._content(self.record.keys)))
        return keys

    @property
    def files(self) -> pa.Table:
        """Files that the segment adds and does not remove, and those of earlier segments that it removes."""
        return self._table("files")

    @cached_property
    def removals(self) -> pa.Table:
        """Rows of `files` that remove a file of an earlier segment."""
        return self.files.filter(pc.equal(self.files["operation"], REMOVE))

    @cached_property
    def additions(self) -> pa.Table:
        """Rows of `files` that add a file."""
        return self.files.filter(pc.equal(self.files["operation"], ADD)) if self.removals.num_rows else self.files

    @property
    def past(self) -> pa.Table:
        """Files that the segment both adds and removes."""
        return self._table("past")

    @property
    def publications(self) -> pa.Table:
        """Publications."""
        return self._table("publications")

    def _table(self, kind: str) -> pa.Table:
        with self._reading:
            if kind not in self._tables:
                self._tables[kind] = pq.read_table(io.BytesIO(self._content(getattr(self.record, kind))))
            return self._tables[kind]

    @property
    def entries(self) -> Entries:
        """All entries."""
        return Entries(self.keys, self.files, self.past, self.publications)

    def check(self) -> None:
        """Raise UnusableSegmentError if one of the files is missing or differs from what was written."""
        for stored in self.record.stored:
            self._content(stored)

    def _content(self, stored: StoredFile) -> bytes:
        try:
            content = self._storage.read(stored.path)
        except FileNotFoundError as error:
            raise UnusableSegmentError(stored.path, "is missing") from error
        if hashlib.sha256(content).hexdigest() != stored.checksum:
            raise UnusableSegmentError(stored.path, "is damaged (checksum differs)")
        return content
