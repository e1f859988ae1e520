"""The log: the sequence of manifests, opened from its newest checkpoint and the few manifests after it.

A log checkpoint is derived: it lists segments (`data.warehouse.log_segments`) that say what all manifests up to a
number did. Any process writes one after every `CHECKPOINT_EVERY` publications, create-if-absent; without checkpoints
the manifests alone say the same.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import CorruptFileError, RumormillError
from data.warehouse.log_segments import (
    ADD,
    FOLDER,
    REMOVE,
    Segment,
    SegmentRecord,
    SupersededError,
    data_files,
    entries_of,
    hashed,
    latest_of,
    merged,
    write_segment,
)
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.storage import Storage

CHECKPOINT_EVERY = 256
"""Publications after which a checkpoint of the log is due."""
MERGE_BELOW = 1 << 16
"""Entries up to which a commit merges segments; larger ones are merged by maintenance."""
GROWTH = 4
"""A segment is merged with the one before it unless that is so many times larger."""
CHECKPOINT_FORMAT = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """The last publication that is known: number, checksum and clock time."""

    number: int = 0
    checksum: str | None = None
    created_at: str = ""


P = ParamSpec("P")
T = TypeVar("T")


def _follows_checkpoints(method: "Callable[Concatenate[Log, P], T]") -> "Callable[Concatenate[Log, P], T]":
    """Let a method begin again from the newest checkpoint if the segments it was reading have been superseded."""

    @wraps(method)
    def followed(self: "Log", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except SupersededError:
            self.reopen()
            return method(self, *args, **kwargs)

    return followed


class Log:
    """All publications of a warehouse as of the last `refresh`."""

    def __init__(self, storage: Storage, url: str) -> None:
        self._storage, self._url = storage, url
        self._changing = threading.RLock()
        self._opened = False
        self._segments: list[Segment] = []
        self._covered = Head()
        self._tail: list[Manifest] = []
        self._tail_keys: dict[str, tuple[int, bool]] = {}
        self._oldest = 0

    # -- following the sequence -----------------------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last publication."""
        with self._changing:
            if not self._tail:
                return self._covered
            last = self._tail[-1]
            return Head(last.number, last.checksum, last.created_at)

    @property
    def oldest(self) -> int:
        """First publication that can still be read as of."""
        return max(self._oldest, 1)

    def refresh(self) -> Head:
        """Read what was published since; return the last publication.

        Raises
        ------
        CorruptFileError
            If a manifest is missing or does not follow the one before it.
        """
        with self._changing:
            if not self._opened:
                self._read_checkpoint()
                self._opened = True
            for number in self._storage.following(self.head.number, manifest_path):
                self._append(self.read(number, expected=self.head.number + 1))
            return self.head

    def reopen(self) -> None:
        """Forget what was read, and read it from the newest checkpoint."""
        with self._changing:
            self._opened, self._covered, self._segments = False, Head(), []
            self._tail, self._tail_keys = [], {}
            self.refresh()

    def read(self, number: int, *, expected: int | None = None) -> Manifest:
        """Read one stored manifest."""
        if expected is not None and number != expected:
            raise CorruptFileError(
                f"{manifest_path(expected)} is missing in warehouse {self._url}: restore it from a backup"
            )
        path = manifest_path(number)
        try:
            stored = self._storage.read(path)
        except FileNotFoundError as error:
            raise CorruptFileError(f"{path} is missing in warehouse {self._url}: restore it from a backup") from error
        return Manifest.from_bytes(stored, path, hashlib.sha256(stored).hexdigest())

    def _append(self, manifest: Manifest) -> None:
        head = self.head
        if manifest.number != head.number + 1 or manifest.parent != head.checksum:
            path = manifest_path(head.number + 1)
            raise CorruptFileError(f"{path} does not follow the manifest before it: restore it from a backup")
        self._tail.append(manifest)
        self._tail_keys.update(dict.fromkeys(manifest.keys, (manifest.number, True)))
        self._tail_keys.update(dict.fromkeys(manifest.retracts, (manifest.number, False)))
        self._oldest = max(self._oldest, int(manifest.properties.get("oldest", 0)))

    def publish(self, manifest: Manifest) -> bool:
        """Create a manifest, the next of the sequence; return whether it was (another writer may be first)."""
        path, content = manifest_path(manifest.number), manifest.to_bytes()
        try:
            self._storage.create(path, content)
        except FileExistsError:
            if not self._holds(path, content):
                return False
        with self._changing:
            if self.head.number + 1 == manifest.number:  # another thread may have read it meanwhile
                self._append(Manifest.from_bytes(content, path, hashlib.sha256(content).hexdigest()))
            is_due = len(self._tail) >= CHECKPOINT_EVERY
        if is_due:
            self.checkpoint()
        return True

    def _holds(self, path: str, content: bytes) -> bool:
        """Whether `content` lies at `path`: after a lost answer, a store's client retries and meets its own file."""
        try:
            return self._storage.read(path) == content
        except FileNotFoundError:
            return False

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def _read_checkpoint(self) -> None:
        names = [name for name in self._storage.names(FOLDER) if name.endswith(".json")]
        for name in reversed(names):
            try:
                stored = json.loads(self._storage.read(f"{FOLDER}/{name}"))
            except FileNotFoundError:  # replaced by a newer one while this process listed them
                continue
            if stored["format"] != CHECKPOINT_FORMAT:
                raise CorruptFileError(
                    f"{FOLDER}/{name} has format {stored['format']}, this version reads {CHECKPOINT_FORMAT}: update "
                    "Rumormill"
                )
            self._covered = Head(stored["number"], stored["checksum"], stored["created_at"])
            self._segments = self._stored_segments(stored)
            self._oldest = int(stored["oldest"])
            return

    def _stored_segments(self, stored: Mapping[str, Any]) -> list[Segment]:
        return [Segment(self._storage, SegmentRecord.from_json(record)) for record in stored["segments"]]

    @_follows_checkpoints
    def checkpoint(self, *, merge_below: int = MERGE_BELOW) -> None:
        """Write a checkpoint of all that is known, unless there is one; what fails is tried again after the next.

        Parameters
        ----------
        merge_below : int
            Largest number of entries of two segments that are merged.
        """
        with self._changing:
            try:
                self._write_checkpoint(merge_below)
            except (RumormillError, OSError) as error:  # it is derived: the publication before it stands
                logger.warning("a checkpoint of the log was not written: %s", error)

    def _write_checkpoint(self, merge_below: int) -> None:
        head, tail = self.head, list(self._tail)
        if head.number == 0:
            return
        parts = [(segment.record.first, segment.record.last, segment) for segment in self._segments]
        pending = (tail[0].number, tail[-1].number, entries_of(tail)) if tail else None
        while parts and pending is not None:
            first, _, segment = parts[-1]
            size = segment.record.entries + len(pending[2])
            if segment.record.entries > GROWTH * len(pending[2]) or size > merge_below:
                break
            pending = (first, pending[1], merged([segment.entries, pending[2]], self.oldest))
            parts.pop()
        segments = [segment for _, _, segment in parts]
        if pending is not None:
            first, last, entries = pending
            segments.append(Segment(self._storage, write_segment(self._storage, entries, first, last)))
        self._publish_checkpoint(head, segments)

    @_follows_checkpoints
    def merge(self) -> None:
        """Merge all segments into one, leaving out what was undone before the oldest readable state."""
        with self._changing:
            self._write_checkpoint(0)
            parts = [segment.entries for segment in self._segments]
            if not parts:
                return
            entries = merged(parts, self.oldest)
            if len(parts) > 1 or len(entries) < len(parts[0]):
                record = write_segment(self._storage, entries, 1, self._covered.number)
                self._publish_checkpoint(self._covered, [Segment(self._storage, record)], revision=True)

    def _publish_checkpoint(self, head: Head, segments: list[Segment], *, revision: bool = False) -> None:
        content = {
            "format": CHECKPOINT_FORMAT,
            "number": head.number,
            "checksum": head.checksum,
            "created_at": head.created_at,
            "oldest": self.oldest,
            "segments": [segment.record.to_json() for segment in segments],
        }
        path = f"{FOLDER}/{head.number:012d}{'r' if revision else ''}.json"
        try:
            self._storage.create(path, json.dumps(content).encode())
        except FileExistsError:  # by another process, whose segments say the same
            content = json.loads(self._storage.read(path))
            segments = self._stored_segments(content)
        self._segments, self._covered = segments, head
        self._tail = [manifest for manifest in self._tail if manifest.number > head.number]
        self._tail_keys = {key: entry for key, entry in self._tail_keys.items() if entry[0] > head.number}

    def checkpoint_files(self) -> tuple[set[str], list[str]]:
        """Return the paths of checkpoints and segments that the newest checkpoint needs, and of all there are."""
        there = [f"{FOLDER}/{name}" for name in self._storage.names(FOLDER)]
        newest = next((path for path in reversed(there) if path.endswith(".json")), None)
        if newest is None:
            return set(), there
        stored = json.loads(self._storage.read(newest))
        records = [SegmentRecord.from_json(segment) for segment in stored["segments"]]
        return {newest} | {f.path for r in records for f in (r.keys, r.files, r.publications)}, there

    # -- what was published -----------------------------------------------------------------------------------------

    @_follows_checkpoints
    def numbers(self, keys: Sequence[str], limit: int | None = None) -> list[int]:
        """Return which publication made each key exist, as of publication `limit`; 0 where none did."""
        with self._changing:
            segments, covered = self._segments, self._covered.number
            known = self._tail_keys if limit is None else _keys_of(self._tail, limit)
            found = [known.get(key) for key in keys]
        missing = [position for position, entry in enumerate(found) if entry is None]
        answers = [entry[0] if entry and entry[1] else 0 for entry in found]
        wanted = hashed([keys[position] for position in missing])
        rest = np.arange(len(missing))
        for segment in reversed(segments):
            if not len(rest):
                break
            latest = latest_of(segment.keys, wanted[:, rest], covered if limit is None else limit)
            for position, number in zip(rest[latest != 0], latest[latest != 0], strict=True):
                answers[missing[position]] = max(int(number), 0)
            rest = rest[latest == 0]
        return answers

    @_follows_checkpoints
    def files(self, table: str, limit: int | None = None, *, removed_since: int | None = None) -> list[DataFile]:
        """Return the files of a table as of publication `limit`, oldest first.

        Parameters
        ----------
        table : str
        limit : int, optional
            Default: the last publication.
        removed_since : int, optional
            Return as well those that were removed after this publication: history.
        """
        with self._changing:
            segments, tail = self._segments, self._tail
        tail = [manifest for manifest in tail if limit is None or manifest.number <= limit]
        removed = self._removed(segments, tail, limit, removed_since)
        found = [file for segment in segments for file in data_files(_added(segment.files, table, limit))]
        found += [file for manifest in tail for file in manifest.files if file.table == table]
        return [file for file in found if (file.publication, file.path) not in removed]

    def _removed(
        self, segments: list[Segment], tail: list[Manifest], limit: int | None, since: int | None
    ) -> set[tuple[int, str]]:
        """Return the files, by publication and path, that had left their tables by `limit` (and by `since`)."""
        limit = min(number for number in (limit, since, self.head.number) if number is not None)
        removed = {pair for manifest in tail if manifest.number <= limit for pair in manifest.removes}
        for segment in segments:
            rows = segment.files
            chosen = pc.and_(pc.equal(rows["operation"], REMOVE), pc.less_equal(rows["number"], limit))
            rows = rows.filter(chosen)
            removed.update(zip(rows["publication"].to_pylist(), rows["path"].to_pylist(), strict=True))
        return removed

    @_follows_checkpoints
    def is_live(self, pairs: Iterable[tuple[int, str]]) -> bool:
        """Return whether all of these files, by publication and path, are in their tables."""
        with self._changing:
            segments, tail = self._segments, self._tail
        return self._removed(segments, tail, None, None).isdisjoint(pairs)

    @_follows_checkpoints
    def all_paths(self) -> tuple[set[str], set[str]]:
        """Return the paths of all files that some readable state has, and of those that only earlier states had."""
        with self._changing:
            segments, tail = self._segments, self._tail
        gone = self._removed(segments, tail, self.oldest, None)
        readable: set[str] = set()
        expired: set[str] = {path for _, path in gone}
        for segment in segments:
            rows = segment.files.filter(pc.equal(segment.files["operation"], ADD))
            pairs = zip(rows["publication"].to_pylist(), rows["path"].to_pylist(), strict=True)
            readable.update(path for publication, path in pairs if (publication, path) not in gone)
        readable.update(f.path for m in tail for f in m.files if (m.number, f.path) not in gone)
        return readable, expired - readable

    @_follows_checkpoints
    def publications(self, kind: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Return the publications of a kind (or all that have properties), oldest first, without their files.

        Keys are given of those with properties.
        """
        with self._changing:
            segments, tail = self._segments, self._tail
        found: list[Manifest] = []
        for segment in segments:
            rows = segment.publications
            chosen = pc.is_valid(rows["properties"]) if kind is None else pc.equal(rows["kind"], kind)
            found += [_publication(row) for row in rows.filter(chosen).to_pylist()]
        found += [m for m in tail if (bool(m.properties) if kind is None else m.kind == kind)]
        return [manifest for manifest in found if limit is None or manifest.number <= limit]

    @_follows_checkpoints
    def times(self) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Return the numbers and clock times of all publications, ascending."""
        with self._changing:
            segments, tail = self._segments, self._tail
        numbers = [number for s in segments for number in s.publications["number"].to_pylist()]
        times = [time for s in segments for time in s.publications["created_at"].to_pylist()]
        numbers += [manifest.number for manifest in tail]
        return np.array(numbers, np.int64), times + [manifest.created_at for manifest in tail]

    def snapshots_of(self, limit: int | None = None) -> dict[int, str]:
        """Return the specification hash of each publication of a network: its snapshot, by publication."""
        return {
            m.number: m.specification_hash
            for m in self.publications("network", limit)
            if m.specification_hash is not None
        }

    def since(self, number: int) -> list[Manifest]:
        """Return the publications after `number`, oldest first."""
        with self._changing:
            tail = [manifest for manifest in self._tail if manifest.number > number]
            first = tail[0].number if tail else self.head.number + 1
        return [self.read(earlier) for earlier in range(number + 1, first)] + tail


def manifest_path(number: int) -> str:
    """Return where a manifest lies."""
    return f"manifests/{number:012d}.json"


def _keys_of(manifests: Sequence[Manifest], limit: int) -> dict[str, tuple[int, bool]]:
    known: dict[str, tuple[int, bool]] = {}
    for manifest in manifests:
        if manifest.number <= limit:
            known.update(dict.fromkeys(manifest.keys, (manifest.number, True)))
            known.update(dict.fromkeys(manifest.retracts, (manifest.number, False)))
    return known


def _added(rows: pa.Table, table: str, limit: int | None) -> pa.Table:
    chosen = pc.and_(pc.equal(rows["operation"], ADD), pc.equal(rows["table"], table))
    if limit is not None:
        chosen = pc.and_(chosen, pc.less_equal(rows["number"], limit))
    return rows.filter(chosen)


def _publication(row: dict[str, object]) -> Manifest:
    return Manifest(
        number=int(str(row["number"])),
        parent=None,
        kind=str(row["kind"]),
        keys=tuple(row["keys"] or ()),  # type: ignore[arg-type]
        files=(),
        created_at=str(row["created_at"]),
        specification_hash=row["specification_hash"],  # type: ignore[arg-type]
        properties=json.loads(str(row["properties"])) if row["properties"] else {},
        checksum=str(row["checksum"]),
    )
