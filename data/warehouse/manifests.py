"""Manifests: the numbered, immutable records that make files part of tables.

The manifests of a warehouse form one sequence, 1, 2, 3, ...; each adds files to one or more tables and may remove files
that an earlier one added, so related tables (all those of a run) change atomically. Readers do not see a file that no
manifest names.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from data.errors import CorruptFileError

FORMAT = 2
"""Version of the manifest format: 2 added removals, retractions and key ranges. A reader refuses newer ones."""
READABLE = (1, 2)

Role = Literal["rows", "compacted", "base", "changes"]
"""Role of a file: rows as published; rows of several publications, compacted; in keyed tables, the current rows as of a
publication (base) or later changes."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One immutable Parquet file of a table.

    Attributes
    ----------
    table : str
        Table the file belongs to.
    path : str
        Path relative to the warehouse.
    rows, size : int
        Rows, and bytes.
    checksum : str
        SHA-256 of the bytes, hexadecimal.
    fingerprint : str
        `schema_fingerprint` of the file's schema.
    division : tuple of int or None
        First and last key of the file (src of edges), if the table is partitioned by ranges.
    key_range : tuple or None
        Smallest and largest value, str or int, of the first column of the table's key; None if unknown.
    role : str
        See `Role`.
    publication : int
        Number of the manifest that added it; 0 before that. Not stored with the file, since the manifest has it.
    """

    table: str
    path: str
    rows: int
    size: int
    checksum: str
    fingerprint: str
    division: tuple[int, int] | None = None
    key_range: tuple[Any, Any] | None = None
    role: Role = "rows"
    publication: int = 0

    @staticmethod
    def from_json(stored: dict[str, Any], publication: int = 0) -> "DataFile":
        """Return the file described by a JSON object."""
        pairs = {name: tuple(stored[name]) if stored.get(name) else None for name in ("division", "key_range")}
        return DataFile(**{**stored, **pairs, "publication": publication})

    def to_json(self) -> dict[str, Any]:
        """Return the file's fields as a JSON object."""
        names = ("table", "path", "rows", "size", "checksum", "fingerprint", "division", "key_range", "role")
        return {name: getattr(self, name) for name in names}

    def overlaps(self, low: Any, high: Any) -> bool:
        """Return whether the file may hold keys in [low, high]; None means no limit."""
        if self.key_range is None:
            return True
        return (high is None or self.key_range[0] <= high) and (low is None or low <= self.key_range[1])


@dataclass(frozen=True)
class Manifest:
    """One publication.

    Attributes
    ----------
    number : int
        Position in the warehouse's sequence, from 1.
    parent : str or None
        SHA-256 of the previous manifest.
    kind : str
        What was published: ``network``, ``sessions``, ``round``, ``checkpoint``, ``run``, ``campaign``, ``events``,
        ``maintenance``, ``deletion``.
    keys : tuple of str
        Keys published; no key is published twice unless it was retracted in between.
    files : tuple of DataFile
        Files added.
    specification_hash : str or None
        Hash of the specification of these rows, if there is one.
    properties : dict
        Anything else a reader needs, JSON. Files under ``pending`` are kept, and become visible once another manifest
        names them; so are files under ``passing``, unless another manifest ``supersedes`` a key of this one. Both may
        be deleted once all keys under ``until`` are published. ``oldest`` is the first publication that can still be
        read as of.
    created_at : str
        Clock time, ISO 8601, UTC; never earlier than that of the previous manifest.
    removes : tuple of (int, str)
        Files that leave their tables: the publication that added each, and its path.
    retracts : tuple of str
        Keys that no longer exist.
    checksum : str
        SHA-256 of the manifest as stored; set by `from_bytes`.
    """

    number: int
    parent: str | None
    kind: str
    keys: tuple[str, ...]
    files: tuple[DataFile, ...]
    created_at: str
    specification_hash: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    removes: tuple[tuple[int, str], ...] = ()
    retracts: tuple[str, ...] = ()
    checksum: str = ""

    @property
    def pending(self) -> list[DataFile]:
        """Files that are kept for a later publication."""
        return [DataFile.from_json(stored) for stored in self.properties.get("pending", ())]

    @property
    def passing(self) -> list[DataFile]:
        """Files that are kept until another manifest supersedes this one."""
        return [DataFile.from_json(stored) for stored in self.properties.get("passing", ())]

    def to_bytes(self) -> bytes:
        """Return the manifest as stored."""
        content = {
            "format": FORMAT,
            "number": self.number,
            "parent": self.parent,
            "kind": self.kind,
            "keys": self.keys,
            "files": [file.to_json() for file in self.files],
            "created_at": self.created_at,
            "specification_hash": self.specification_hash,
            "properties": self.properties,
            "removes": self.removes,
            "retracts": self.retracts,
        }
        return json.dumps(content, sort_keys=True).encode()

    @staticmethod
    def from_bytes(stored: bytes, path: str, checksum: str) -> "Manifest":
        """Read a stored manifest.

        Raises
        ------
        CorruptFileError
            If it cannot be parsed, or has a newer format.
        """
        try:
            content = json.loads(stored)
            version = content.pop("format")
            if version not in READABLE:
                raise CorruptFileError(f"{path} has format {version}, this version reads {FORMAT}: update Rumormill")
            number = content["number"]
            content["files"] = tuple(DataFile.from_json(f, number) for f in content["files"])
            content["keys"] = tuple(content["keys"])
            content["removes"] = tuple((int(n), str(file)) for n, file in content.get("removes", ()))
            content["retracts"] = tuple(content.get("retracts", ()))
            return Manifest(**content, checksum=checksum)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptFileError(f"{path} is not a manifest ({error}): restore it from a backup") from error


def awaited_files(publications: Iterable[Manifest], is_published: "frozenset[str] | set[str]") -> set[str]:
    """Return the paths of pending and passing files that may still be needed.

    Parameters
    ----------
    publications : iterable of Manifest
        Publications with pending or passing files.
    is_published : set of str
        The published keys among those they wait for (``until``).
    """
    waiting = list(publications)
    superseded = {key for manifest in waiting for key in manifest.properties.get("supersedes", ())}
    paths: set[str] = set()
    for manifest in waiting:
        until = manifest.properties.get("until", ())
        if until and is_published.issuperset(until):
            continue
        paths.update(file.path for file in manifest.pending)
        if superseded.isdisjoint(manifest.keys):
            paths.update(file.path for file in manifest.passing)
    return paths
