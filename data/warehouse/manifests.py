"""Manifests: the numbered, immutable records that make files part of tables.

The manifests of a warehouse are one sequence, 1, 2, 3, ...; each adds files to one or more tables, so what belongs
together (all tables of a run) becomes visible together. A file that no manifest names does not exist for readers.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from data.errors import CorruptFileError

FORMAT = 1
"""Version of the manifest format; a reader refuses newer ones."""


@dataclass(frozen=True)
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
        `data.warehouse.tables.schema_fingerprint` of the file's schema.
    division : tuple of int or None
        First and last key of the file (src of edges), where the table is partitioned by ranges.
    """

    table: str
    path: str
    rows: int
    size: int
    checksum: str
    fingerprint: str
    division: tuple[int, int] | None = None

    @staticmethod
    def from_json(stored: dict[str, Any]) -> "DataFile":
        """Return the file that a JSON object of its fields describes."""
        return DataFile(**{**stored, "division": tuple(stored["division"]) if stored["division"] else None})


@dataclass(frozen=True)
class Manifest:
    """One publication.

    Attributes
    ----------
    number : int
        Position in the warehouse's sequence, from 1.
    parent : str or None
        SHA-256 of the manifest before it.
    kind : str
        What was published: ``network``, ``sessions``, ``round``, ``checkpoint``, ``run``, ``campaign``, ``events``.
    keys : tuple of str
        What this publication makes exist; no key is published twice in a warehouse.
    files : tuple of DataFile
        Files added.
    specification_hash : str or None
        Hash of the specification that these rows answer, where there is one.
    properties : dict
        Whatever else a reader needs, JSON. Files listed under ``pending`` are kept, and seen only once another
        manifest names them; so are those under ``passing``, but only as long as no other manifest ``supersedes`` a key
        of this one. Both are let go once all keys under ``until`` are published.
    created_at : str
        Clock time, ISO 8601, UTC.
    checksum : str
        SHA-256 of the manifest as stored; filled in by `from_bytes`.
    """

    number: int
    parent: str | None
    kind: str
    keys: tuple[str, ...]
    files: tuple[DataFile, ...]
    created_at: str
    specification_hash: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    checksum: str = ""

    @property
    def pending(self) -> list[DataFile]:
        """Files that are kept for a later publication."""
        return [DataFile.from_json(stored) for stored in self.properties.get("pending", ())]

    @property
    def passing(self) -> list[DataFile]:
        """Files that are kept until another manifest takes the place of this one."""
        return [DataFile.from_json(stored) for stored in self.properties.get("passing", ())]

    def to_bytes(self) -> bytes:
        """Return the manifest as stored."""
        content = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "checksum"}
        content |= {"format": FORMAT, "files": [asdict(file) for file in self.files]}
        return json.dumps(content, sort_keys=True).encode()

    @staticmethod
    def from_bytes(stored: bytes, path: str, checksum: str) -> "Manifest":
        """Read a stored manifest.

        Raises
        ------
        CorruptFileError
            If it cannot be understood, or was written by a newer format.
        """
        try:
            content = json.loads(stored)
            version = content.pop("format")
            if version != FORMAT:
                raise CorruptFileError(f"{path} has format {version}, this version reads {FORMAT}: update Rumormill")
            files = tuple(DataFile.from_json(f) for f in content.pop("files"))
            return Manifest(**{**content, "keys": tuple(content["keys"]), "files": files, "checksum": checksum})
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptFileError(f"{path} is not a manifest ({error}): restore it from a backup") from error


def awaited_files(manifests: Sequence[Manifest]) -> set[str]:
    """Return the paths of pending files that may still be asked for."""
    published = {key for manifest in manifests for key in manifest.keys}
    superseded = {key for manifest in manifests for key in manifest.properties.get("supersedes", ())}
    paths: set[str] = set()
    for manifest in manifests:
        until = manifest.properties.get("until", ())
        if until and published.issuperset(until):
            continue
        paths.update(file.path for file in manifest.pending)
        if superseded.isdisjoint(manifest.keys):
            paths.update(file.path for file in manifest.passing)
    return paths
