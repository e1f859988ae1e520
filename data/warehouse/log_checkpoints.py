"""Log checkpoints: the combined effect of all manifests up to a number, as a list of segments.

Checkpoints are derived data: a faulty one is set aside, and the manifests are read instead.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from data.errors import RumormillError
from data.warehouse.log_segments import FOLDER as SEGMENTS
from data.warehouse.log_segments import (
    Entries,
    Segment,
    SegmentRecord,
    UnusableSegmentError,
    entries_of,
    merged,
    write_segment,
)
from data.warehouse.manifests import Manifest
from data.warehouse.storage import Storage

FOLDER = "checkpoints"
FORMAT = 1
GROWTH = 4
"""A segment is merged with the previous one unless that is this many times larger."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Head:
    """The last known publication: number, checksum and clock time."""

    number: int = 0
    checksum: str | None = None
    created_at: str = ""


@dataclass(frozen=True)
class LogCheckpoint:
    """The combined effect of all publications up to `head`.

    Attributes
    ----------
    head : Head
    oldest : int
        First publication that can still be read as of.
    segments : tuple of Segment
        In order; together they cover all publications up to `head`.
    name : str
        File name; empty for an empty log.
    """

    head: Head = Head()
    oldest: int = 0
    segments: tuple[Segment, ...] = ()
    name: str = ""

    @property
    def paths(self) -> set[str]:
        """Paths of its files."""
        segments = {stored.path for segment in self.segments for stored in segment.record.stored}
        return {f"{FOLDER}/{self.name}"} | segments if self.name else segments


class LogCheckpoints:
    """The checkpoints of a warehouse's log."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._set_aside: set[str] = set()

    def newest(self) -> LogCheckpoint:
        """Return the newest usable checkpoint; an empty one if there is none."""
        for name in reversed(self._storage.names(FOLDER)):
            if name.endswith(".json") and name not in self._set_aside:
                found = self._read(name)
                if found is not None:
                    return found
        return LogCheckpoint()

    def _read(self, name: str) -> LogCheckpoint | None:
        try:
            stored = json.loads(self._storage.read(f"{FOLDER}/{name}"))
            if stored["format"] == FORMAT:
                return self._from_json(stored, name)
        except FileNotFoundError:  # swept since this process listed them
            return None
        except (ValueError, KeyError, TypeError) as error:
            self.set_aside(name, f"cannot be parsed ({error})")
        return None

    def _from_json(self, stored: Mapping[str, Any], name: str) -> LogCheckpoint:
        segments = [Segment(self._storage, SegmentRecord.from_json(record)) for record in stored["segments"]]
        head = Head(stored["number"], stored["checksum"], stored["created_at"])
        return LogCheckpoint(head, stored["oldest"], tuple(segments), name)

    def set_aside(self, name: str, problem: str) -> None:
        """Ignore a checkpoint from now on, and delete it if permitted."""
        logger.warning("log checkpoint %s %s: the manifests are read instead", name, problem)
        self._set_aside.add(name)
        with suppress(RumormillError, OSError):
            self._storage.remove(f"{FOLDER}/{name}")

    def recover(self, error: UnusableSegmentError) -> None:
        """Set the newest checkpoint aside if it needs the unusable file; otherwise it has replaced the one that did."""
        newest = self.newest()
        if error.path in newest.paths:
            self.set_aside(newest.name, f"cannot be used: {error}")

    def extended(
        self, before: LogCheckpoint, tail: Sequence[Manifest], head: Head, oldest: int, merge_below: int
    ) -> LogCheckpoint:
        """Write a checkpoint that covers an earlier one and the manifests since; return it.

        Parameters
        ----------
        before : LogCheckpoint
        tail : sequence of Manifest
            The manifests since, at least one.
        head : Head
            The last of them.
        oldest : int
        merge_below : int
            Two segments are merged if together they have at most this many entries.
        """
        kept, entries = list(before.segments), entries_of(tail)
        first = tail[0].number
        while kept:
            size = kept[-1].record.entries
            if size > GROWTH * len(entries) or size + len(entries) > merge_below:
                break
            last = kept.pop()
            first, entries = last.record.first, merged([last.entries, entries], oldest)
        segment = self._written(entries, first, head.number)
        return self._publish(LogCheckpoint(head, oldest, (*kept, segment), f"{head.number:012d}.json"))

    def merged(self, before: LogCheckpoint, oldest: int) -> LogCheckpoint:
        """Merge all segments into one, without what was undone before `oldest`; return the checkpoint now in use."""
        if not before.segments:
            return before
        for segment in before.segments:
            segment.check()
        entries = merged([segment.entries for segment in before.segments], oldest)
        if len(before.segments) == 1 and len(entries) == before.segments[0].record.entries:
            return before
        segment = self._written(entries, 1, before.head.number)
        return self._publish(LogCheckpoint(before.head, oldest, (segment,), f"{before.head.number:012d}r.json"))

    def _written(self, entries: Entries, first: int, last: int) -> Segment:
        return Segment(self._storage, write_segment(self._storage, entries, first, last))

    def _publish(self, checkpoint: LogCheckpoint) -> LogCheckpoint:
        """Create a checkpoint if absent; return the one that exists."""
        content = {
            "format": FORMAT,
            "number": checkpoint.head.number,
            "checksum": checkpoint.head.checksum,
            "created_at": checkpoint.head.created_at,
            "oldest": checkpoint.oldest,
            "segments": [segment.record.to_json() for segment in checkpoint.segments],
        }
        try:
            self._storage.create(f"{FOLDER}/{checkpoint.name}", json.dumps(content).encode())
        except FileExistsError:  # written by another process, with equivalent segments
            return self._read(checkpoint.name) or checkpoint
        self._set_aside.discard(checkpoint.name)
        return checkpoint

    def files(self) -> tuple[set[str], list[str]]:
        """Return the paths that the newest checkpoint needs, and the paths of all checkpoint files."""
        names = [f"{FOLDER}/{name}" for name in self._storage.names(FOLDER) if name.endswith(".json")]
        return self.newest().paths, [*names, *(f"{SEGMENTS}/{name}" for name in self._storage.names(SEGMENTS))]
