"""Segments of the log: what a run of consecutive manifests did, as tables, so that nobody reads them one by one.

A segment has three files. ``keys`` is an array of (4, n) uint64, sorted: 128 bits of each key's hash, the publication
that published or retracted it, and which of the two. ``files`` (Parquet) has a row per file added or removed.
``publications`` (Parquet) has a row per publication, with keys and properties where later work depends on them.
Segments are immutable; adjacent ones are merged into one.
"""

import hashlib
import io
import json
import threading
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import CorruptFileError
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.storage import Storage

FOLDER = "checkpoints"
PUBLISHED, RETRACTED = 0, 1
ADD, REMOVE = "add", "remove"
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
_PUBLICATIONS = pa.schema(
    [
        ("number", pa.int64()),
        ("kind", pa.string()),
        ("created_at", pa.string()),
        ("checksum", pa.string()),
        ("specification_hash", pa.string()),
        ("keys", pa.list_(pa.string())),
        ("properties", pa.string()),
    ]
)
Keys = npt.NDArray[np.uint64]


class SupersededError(Exception):
    """Raised when a segment is gone because others have taken its place: read the newest checkpoint."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a segment: its path, and what it must be."""

    path: str
    size: int
    checksum: str


@dataclass(frozen=True)
class SegmentRecord:
    """What a log checkpoint says of a segment: first and last publication, entries in all, and its files."""

    first: int
    last: int
    entries: int
    keys: StoredFile
    files: StoredFile
    publications: StoredFile

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "SegmentRecord":
        """Return the record that a JSON object of its fields describes."""
        files = {name: StoredFile(**stored[name]) for name in ("keys", "files", "publications")}
        return SegmentRecord(**{**stored, **files})

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Entries:
    """What consecutive publications did, as tables."""

    keys: Keys
    files: pa.Table
    publications: pa.Table

    def __len__(self) -> int:
        """Return the number of entries of all three kinds."""
        return self.keys.shape[1] + int(self.files.num_rows) + int(self.publications.num_rows)


def entries_of(manifests: Sequence[Manifest]) -> Entries:
    """Return what some manifests did."""
    keys = [(key, m.number, PUBLISHED) for m in manifests for key in m.keys]
    keys += [(key, m.number, RETRACTED) for m in manifests for key in m.retracts]
    files = [_file_row(ADD, m.number, file) for m in manifests for file in m.files]
    files += [
        {"operation": REMOVE, "number": m.number, "publication": publication, "path": path}
        for m in manifests
        for publication, path in m.removes
    ]
    publications = [
        {
            "number": m.number,
            "kind": m.kind,
            "created_at": m.created_at,
            "checksum": m.checksum,
            "specification_hash": m.specification_hash,
            "keys": list(m.keys) if m.properties else [],
            "properties": json.dumps(m.properties) if m.properties else None,
        }
        for m in manifests
    ]
    return Entries(
        _key_entries(keys),
        pa.Table.from_pylist(files, schema=_FILES),
        pa.Table.from_pylist(publications, schema=_PUBLICATIONS),
    )


def _file_row(operation: str, number: int, file: DataFile) -> dict[str, Any]:
    pairs = {name: json.dumps(value) if (value := getattr(file, name)) else None for name in ("division", "key_range")}
    plain = ("table", "path", "rows", "size", "checksum", "fingerprint", "role")
    return {
        "operation": operation,
        "number": number,
        "publication": number,
        **{name: getattr(file, name) for name in plain},
        **pairs,
    }


def data_files(rows: pa.Table) -> list[DataFile]:
    """Return the files that rows of ``files`` describe, in their order."""
    columns = [rows[name].to_pylist() for name in ("publication", *_FILES.names[3:])]
    found = []
    for publication, table, path, count, size, checksum, fingerprint, division, key_range, role in zip(
        *columns, strict=True
    ):
        ends, keys = (tuple(json.loads(text)) if text else None for text in (division, key_range))
        found.append(DataFile(table, path, count, size, checksum, fingerprint, ends, keys, role, publication))
    return found


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


def merged(parts: Sequence[Entries], oldest: int) -> Entries:
    """Return the entries of adjacent segments as one; what was undone before publication `oldest` is left out."""
    files = pa.concat_tables([part.files for part in parts])
    publications = pa.concat_tables([part.publications for part in parts])
    keys = _sorted_keys(np.concatenate([part.keys for part in parts], axis=1))
    return Entries(_without_retracted(keys, oldest), _without_removed(files, oldest), publications)


def _without_retracted(keys: Keys, oldest: int) -> Keys:
    """Drop a key's publication and its retraction, where the retraction is not later than `oldest`."""
    pairs = np.flatnonzero((keys[3] == RETRACTED) & (keys[2] <= oldest))
    before = pairs - 1
    is_pair = (before >= 0) & (keys[:2, before] == keys[:2, pairs]).all(axis=0) & (keys[3, before] == PUBLISHED)
    return np.delete(keys, np.concatenate([pairs[is_pair], before[is_pair]]), axis=1)


def _without_removed(files: pa.Table, oldest: int) -> pa.Table:
    """Drop a file's addition and its removal, where the removal is not later than `oldest`."""
    removals = files.filter(pc.and_(pc.equal(files["operation"], REMOVE), pc.less_equal(files["number"], oldest)))
    if not removals.num_rows:
        return files
    gone = set(zip(removals["publication"].to_pylist(), removals["path"].to_pylist(), strict=True))
    rows = zip(files["operation"].to_pylist(), files["publication"].to_pylist(), files["path"].to_pylist(), strict=True)
    listed = list(rows)
    added = {(publication, path) for operation, publication, path in listed if operation == ADD}
    done = gone & added
    return files.filter(pa.array([(publication, path) not in done for _, publication, path in listed]))


def write_segment(storage: Storage, entries: Entries, first: int, last: int) -> SegmentRecord:
    """Write the files of a segment under new names; return its record."""
    name = f"{FOLDER}/{uuid.uuid4().hex}"
    keys = io.BytesIO()
    np.save(keys, entries.keys)
    files = {"keys": (f"{name}.keys.npy", keys.getvalue())}
    for kind, table in (("files", entries.files), ("publications", entries.publications)):
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd", compression_level=1)
        files[kind] = (f"{name}.{kind}.parquet", content.getvalue())
    stored = {}
    for kind, (path, content_bytes) in files.items():
        storage.create(path, content_bytes)
        stored[kind] = StoredFile(path, len(content_bytes), hashlib.sha256(content_bytes).hexdigest())
    return SegmentRecord(first, last, len(entries), **stored)


class Segment:
    """A stored segment; its files are read when they are first asked for, and kept."""

    def __init__(self, storage: Storage, record: SegmentRecord) -> None:
        self.record = record
        self._storage = storage
        self._reading = threading.Lock()
        self._keys: Keys | None = None
        self._files: pa.Table | None = None
        self._publications: pa.Table | None = None

    @property
    def keys(self) -> Keys:
        """Sorted entries of keys, (4, n) uint64; mapped where the storage is a local folder."""
        with self._reading:
            if self._keys is None:
                place = self._storage.reader(self.record.keys.path)
                if isinstance(
                    place, str
                ):  # mapped: a look-up touches some pages, so a checksum would cost more than it
                    self._keys = _mapped(place, self.record.keys)
                else:
                    self._keys = np.load(io.BytesIO(self._content(self.record.keys)))
            return self._keys

    @property
    def files(self) -> pa.Table:
        """Files added and removed."""
        with self._reading:
            if self._files is None:
                self._files = pq.read_table(io.BytesIO(self._content(self.record.files)))
            return self._files

    @property
    def publications(self) -> pa.Table:
        """Publications."""
        with self._reading:
            if self._publications is None:
                self._publications = pq.read_table(io.BytesIO(self._content(self.record.publications)))
            return self._publications

    @property
    def entries(self) -> Entries:
        """All of it."""
        return Entries(self.keys, self.files, self.publications)

    def _content(self, stored: StoredFile) -> bytes:
        try:
            content = self._storage.read(stored.path)
        except FileNotFoundError as error:
            raise SupersededError(stored.path) from error
        if hashlib.sha256(content).hexdigest() != stored.checksum:
            raise CorruptFileError(
                f"{self._storage.location(stored.path)} is damaged (checksum differs): it is derived, so remove the "
                f"folder {self._storage.location(FOLDER)}; it is made again from the manifests"
            )
        return content


def _mapped(place: str, stored: StoredFile) -> Keys:
    try:
        keys: Keys = np.load(place, mmap_mode="r")
    except FileNotFoundError as error:
        raise SupersededError(stored.path) from error
    except ValueError as error:
        raise CorruptFileError(f"{place} is damaged ({error}): remove the folder it is in, it is derived") from error
    if keys.nbytes > stored.size:
        raise CorruptFileError(f"{place} is damaged: remove the folder it is in, it is derived")
    return keys


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
        The publication's number; minus the number where the last entry retracts the key; 0 where there is none.
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
