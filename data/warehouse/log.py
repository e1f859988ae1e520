"""The log: the sequence of manifests, read from its newest checkpoint and the few manifests after it.

Every process writes a checkpoint (`data.warehouse.log_checkpoints`) after `CHECKPOINT_EVERY` publications, by
create-if-absent. Checkpoints only save time: the manifests hold the same information.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import CorruptFileError, InvalidInputError, RumormillError
from data.warehouse.log_checkpoints import FOLDER, Head, LogCheckpoint, LogCheckpoints
from data.warehouse.log_segments import (
    UnusableSegmentError,
    data_files,
    hashed,
    latest_of,
    listed,
    listed_publication,
)
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.storage import Storage

CHECKPOINT_EVERY = 128
"""Publications after which a checkpoint of the log is due."""
MERGE_BELOW = 1 << 16
"""Entries up to which a commit merges segments; larger ones are merged by maintenance."""
RECOVERIES = 20
"""How often a read of the log restarts when segments turn out to be missing or damaged."""

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def _recovers(method: "Callable[Concatenate[Log, P], T]") -> "Callable[Concatenate[Log, P], T]":
    """Let a method restart from another checkpoint if segments turn out to be superseded, missing or damaged."""

    @wraps(method)
    def recovered(self: "Log", /, *args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(RECOVERIES):
            try:
                return method(self, *args, **kwargs)
            except UnusableSegmentError as error:
                self.recover(error)
        return method(self, *args, **kwargs)

    return recovered


class Log:
    """All publications of a warehouse as of the last `refresh`."""

    def __init__(self, storage: Storage, url: str) -> None:
        self._storage, self._url = storage, url
        self._changing = threading.RLock()
        self._checkpoints = LogCheckpoints(storage)
        self._opened: LogCheckpoint | None = None
        self._tail: list[Manifest] = []
        self._tail_keys: dict[str, tuple[int, bool]] = {}
        self._oldest = 0

    # -- following the sequence -----------------------------------------------------------------------------------

    @property
    def head(self) -> Head:
        """The last known publication."""
        with self._changing:
            return _head_of(self._tail[-1]) if self._tail else self._covered.head

    @property
    def oldest(self) -> int:
        """First publication that can still be read as of."""
        with self._changing:
            if self._opened is None:
                self.refresh()
            return max(self._oldest, 1)

    @property
    def _covered(self) -> LogCheckpoint:
        return self._opened or LogCheckpoint()

    def refresh(self) -> Head:
        """Read publications since the last refresh; return the last publication.

        Raises
        ------
        CorruptFileError
            If a manifest is missing or does not follow the previous one.
        """
        with self._changing:
            if self._opened is None:
                self._open()
            last = max(self._storage.following(self.head.number, manifest_path), default=0)
            for number in range(self.head.number + 1, last + 1):
                self._append(self.read(number))
            return self.head

    def _open(self) -> None:
        """Start from the newest checkpoint that matches its last manifest."""
        while (newest := self._checkpoints.newest()).name:
            try:
                if self.read(newest.head.number).checksum == newest.head.checksum:
                    break
            except CorruptFileError:
                pass
            self._checkpoints.set_aside(newest.name, "does not match the manifests")
        self._opened, self._tail, self._tail_keys = newest, [], {}
        self._oldest = max(self._oldest, newest.oldest)

    def recover(self, error: UnusableSegmentError) -> None:
        """Restart from a checkpoint that does not need the unusable file."""
        with self._changing:
            self._checkpoints.recover(error)
            self._opened = None
            self.refresh()

    def check_readable(self, number: int) -> None:
        """Raise InvalidInputError if the state after a publication has expired."""
        if number < self.oldest and self.oldest > 1:
            raise InvalidInputError(
                f"the state as of publication {number} has expired in warehouse {self._url}; the oldest that can be "
                f"read is {self.oldest}; to keep more: rumormill maintain --retention DAYS"
            )

    def _state(self, limit: int | None = None) -> tuple[LogCheckpoint, list[Manifest]]:
        """Return a consistent view of the log: a checkpoint, and the manifests after it up to `limit`."""
        with self._changing:
            if self._opened is None:
                self.refresh()
            if limit is not None:
                self.check_readable(limit)
            return self._covered, [m for m in self._tail if limit is None or m.number <= limit]

    def read(self, number: int) -> Manifest:
        """Read one stored manifest."""
        path = manifest_path(number)
        try:
            stored = self._storage.read(path)
        except FileNotFoundError as error:
            raise CorruptFileError(f"{path} is missing in warehouse {self._url}: restore it from a backup") from error
        return _manifest(stored, path)

    def _append(self, manifest: Manifest) -> None:
        head = self.head
        if manifest.number != head.number + 1 or manifest.parent != head.checksum:
            path = manifest_path(head.number + 1)
            raise CorruptFileError(f"{path} does not follow the previous manifest: restore it from a backup")
        self._tail.append(manifest)
        self._tail_keys.update(_keys_of([manifest]))
        self._oldest = max(self._oldest, int(manifest.properties.get("oldest", 0)))

    def publish(self, manifest: Manifest) -> Manifest | None:
        """Create the next manifest of the sequence; return it as stored, or None if another writer was first."""
        path, content = manifest_path(manifest.number), manifest.to_bytes()
        try:
            self._storage.create(path, content)
        except FileExistsError:
            if not self._holds(path, content):
                return None
        published = _manifest(content, path)
        with self._changing:
            if self.head.number + 1 == manifest.number:  # another thread may have read it already
                self._append(published)
            is_due = len(self._tail) >= CHECKPOINT_EVERY
        if is_due:
            self._checkpoint_if_possible()
        return published

    def _holds(self, path: str, content: bytes) -> bool:
        """Return whether `path` holds `content`: after a lost response, a retrying client finds its own file."""
        try:
            return self._storage.read(path) == content
        except FileNotFoundError:
            return False

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def _checkpoint_if_possible(self) -> None:
        """Write a checkpoint; on failure log it, since the publication is valid and the next one tries again."""
        try:
            self.checkpoint()
        except (RumormillError, OSError, UnusableSegmentError) as error:
            logger.warning("a checkpoint of the log was not written: %s", error)

    @_recovers
    def checkpoint(self, *, merge_below: int = MERGE_BELOW) -> None:
        """Write a checkpoint of all known publications, unless there is one.

        Parameters
        ----------
        merge_below : int
            Two segments are merged if together they have at most this many entries.
        """
        with self._changing:
            covered, tail = self._state()
            if tail:
                self._cover(self._checkpoints.extended(covered, tail, self.head, self.oldest, merge_below))

    @_recovers
    def merge(self) -> None:
        """Merge all segments into one, leaving out what was undone before the oldest readable state."""
        with self._changing:
            self.checkpoint(merge_below=0)
            self._cover(self._checkpoints.merged(self._covered, self.oldest))

    def _cover(self, checkpoint: LogCheckpoint) -> None:
        last = checkpoint.head.number
        self._opened = checkpoint
        self._tail = [manifest for manifest in self._tail if manifest.number > last]
        self._tail_keys = _keys_of(self._tail)

    def damaged_checkpoint(self) -> str | None:
        """Return what is wrong with the checkpoint in use, as a sentence, or None."""
        covered, _ = self._state()
        try:
            for segment in covered.segments:
                segment.check()
        except UnusableSegmentError as error:
            return f"{error}; it is derived: remove the folder {self._storage.location(FOLDER)}"
        return None

    def checkpoint_files(self) -> tuple[set[str], list[str]]:
        """Return the paths that the newest checkpoint needs, and the paths of all checkpoint files."""
        return self._checkpoints.files()

    # -- what was published -----------------------------------------------------------------------------------------

    @_recovers
    def numbers(self, keys: Sequence[str], limit: int | None = None) -> list[int]:
        """Return the publication of each key as of publication `limit`, 0 if it is not published."""
        with self._changing:
            covered, tail = self._state(limit)
            known = self._tail_keys if limit is None else _keys_of(tail)
        found = [known.get(key) for key in keys]
        answers = [entry[0] if entry and entry[1] else 0 for entry in found]
        missing = [position for position, entry in enumerate(found) if entry is None]
        wanted = hashed([keys[position] for position in missing])
        rest = np.arange(len(missing))
        for segment in reversed(covered.segments):
            if not len(rest):
                break
            latest = latest_of(segment.keys, wanted[:, rest], covered.head.number if limit is None else limit)
            for position, number in zip(rest[latest != 0], latest[latest != 0], strict=True):
                answers[missing[position]] = max(int(number), 0)
            rest = rest[latest == 0]
        return answers

    @_recovers
    def files(self, table: str, limit: int | None = None, *, removed_since: int | None = None) -> list[DataFile]:
        """Return the files of a table as of publication `limit`, oldest first.

        Parameters
        ----------
        table : str
        limit : int, optional
            Default: the last publication.
        removed_since : int, optional
            Include files that were removed after this publication (history).
        """
        covered, tail = self._state(limit)
        limit = _last(covered, tail) if limit is None else limit
        left_by = limit if removed_since is None else min(limit, removed_since)
        removed = _removed(covered, tail, left_by)
        parts = [
            rows.filter(pc.and_(pc.equal(rows["table"], table), pc.less_equal(rows["number"], limit)))
            for rows in _added(covered, left_by)
        ]
        found = [file for rows in parts for file in data_files(rows)]
        found += [file for m in tail for file in m.files if file.table == table]
        found = [file for file in found if (file.publication, file.path) not in removed]
        return sorted(found, key=lambda file: file.publication)

    @_recovers
    def is_live(self, pairs: Collection[tuple[int, str]]) -> bool:
        """Return whether all of these files, given by publication and path, are in their tables."""
        covered, tail = self._state()
        if not _removed(covered, tail, _last(covered, tail)).isdisjoint(pairs):
            return False
        paths = pa.array([path for _, path in pairs], pa.string())
        past = [segment.past.filter(pc.is_in(segment.past["path"], value_set=paths)) for segment in covered.segments]
        gone = {pair for rows in past for pair in _pairs(rows)}
        return gone.isdisjoint(pairs)

    @_recovers
    def readable_paths(self) -> set[str]:
        """Return the paths of all files in readable states."""
        covered, tail = self._state()
        removed = _removed(covered, tail, self.oldest)
        pairs = {pair for rows in _added(covered, self.oldest) for pair in _pairs(rows)}
        pairs |= {(manifest.number, file.path) for manifest in tail for file in manifest.files}
        return {path for _, path in pairs - removed}

    @_recovers
    def publications(self, kind: str | None = None, limit: int | None = None) -> list[Manifest]:
        """Return the publications of a kind (default: all that have properties), oldest first.

        They do not list files, removals and retractions; those with many keys and no properties do not list keys.
        """
        covered, tail = self._state(limit)
        chosen = pc.field("properties").is_valid() if kind is None else pc.field("kind") == kind
        rows = [row for s in covered.segments for row in s.publications.filter(chosen).to_pylist()]
        found = [listed_publication(row) for row in rows]
        found += [listed(m) for m in tail if (bool(m.properties) if kind is None else m.kind == kind)]
        return [manifest for manifest in found if limit is None or manifest.number <= limit]

    @_recovers
    def times(self) -> tuple[list[int], list[str]]:
        """Return the numbers and clock times of all publications, ascending."""
        covered, tail = self._state()
        numbers = [number for s in covered.segments for number in s.publications["number"].to_pylist()]
        times = [time for s in covered.segments for time in s.publications["created_at"].to_pylist()]
        return numbers + [m.number for m in tail], times + [m.created_at for m in tail]

    def snapshots_of(self, limit: int | None = None) -> dict[int, str]:
        """Return the specification hash of each publication of a network: its snapshot, by publication."""
        found = self.publications("network", limit)
        return {m.number: m.specification_hash for m in found if m.specification_hash is not None}

    def since(self, number: int) -> list[Manifest]:
        """Return the publications after `number`, oldest first."""
        covered, tail = self._state()
        earlier = [self.read(each) for each in range(number + 1, covered.head.number + 1)]
        return earlier + [manifest for manifest in tail if manifest.number > number]


def manifest_path(number: int) -> str:
    """Return the path of a manifest."""
    return f"manifests/{number:012d}.json"


def _manifest(stored: bytes, path: str) -> Manifest:
    return Manifest.from_bytes(stored, path, hashlib.sha256(stored).hexdigest())


def _last(covered: LogCheckpoint, tail: Sequence[Manifest]) -> int:
    return tail[-1].number if tail else covered.head.number


def _head_of(manifest: Manifest) -> Head:
    return Head(manifest.number, manifest.checksum, manifest.created_at)


def _keys_of(manifests: Iterable[Manifest]) -> dict[str, tuple[int, bool]]:
    """Return the last publication of each key, and whether it published or retracted the key."""
    known: dict[str, tuple[int, bool]] = {}
    for manifest in manifests:
        known.update(dict.fromkeys(manifest.keys, (manifest.number, True)))
        known.update(dict.fromkeys(manifest.retracts, (manifest.number, False)))
    return known


def _added(covered: LogCheckpoint, left_by: int) -> Iterable[pa.Table]:
    """Yield the rows of files that segments added, without those that left their tables up to publication `left_by`.

    Files removed by a later segment are still included: see `_removed`.
    """
    for segment in covered.segments:
        yield segment.additions
        if left_by < segment.record.last:
            yield segment.past.filter(pc.greater(segment.past["removed"], left_by))


def _removed(covered: LogCheckpoint, tail: Sequence[Manifest], limit: int) -> set[tuple[int, str]]:
    """Return the files, by publication and path, that the tail or a later segment removed up to `limit`."""
    removed = {pair for manifest in tail if manifest.number <= limit for pair in manifest.removes}
    for segment in covered.segments:
        removals = segment.removals
        if removals.num_rows:
            removed.update(_pairs(removals.filter(pc.less_equal(removals["number"], limit))))
    return removed


def _pairs(rows: pa.Table) -> Iterable[tuple[int, str]]:
    return zip(rows["publication"].to_pylist(), rows["path"].to_pylist(), strict=True)
