"""The store: tables as published lists of immutable Parquet files.

Publishing takes two steps. `Store.stage` writes uniquely named, synced files that no reader sees. `Store.commit`
atomically creates the next numbered manifest, if absent, and all its files appear in all their tables at once. If two
writers commit at the same time, one creates number n; the other finds it taken, checks whether its keys are now
published, and tries n + 1. Nothing is ever overwritten.

Only the modules of this package know the layout of files::

    manifests/000000000001.json     the sequence of publications
    tables/<table>/<unique>.parquet immutable data
    checkpoints/                    derived: the combined effect of all manifests up to a number
    bootstrap.sql                   derived: views for the DuckDB shell
    cache/                          derived: memory-mapped arrays, rebuilt if absent
"""

import dataclasses
import datetime as dt
import itertools
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from data.errors import (
    AlreadyPublishedError,
    CommitConflictError,
    CorruptFileError,
    InvalidInputError,
    RequirementGoneError,
    WarehouseNotWritableError,
)
from data.warehouse.keyed_rows import change_schema, changed_rows
from data.warehouse.manifests import DataFile, Manifest, Role
from data.warehouse.staging import StagedFile, staged_file
from data.warehouse.states import PublishedTables
from data.warehouse.tables import table_specification

COMMIT_ATTEMPTS = 50
CHANGING: tuple[Role, ...] = ("rows", "changes")
"""Roles of files that change a table; files of other roles contain rows that it had before."""


@dataclass(frozen=True)
class Unchanged:
    """A precondition of a commit: a range of a table's keys has not changed since a publication.

    Attributes
    ----------
    table : str
    since : int
        The publication as of which the range was read.
    low, high : str or int or None
        Smallest and largest value of the first column of the table's key; None: no limit.
    """

    table: str
    since: int
    low: Any = None
    high: Any = None


class Store(PublishedTables):
    """A local folder, or an object store, of published tables.

    Parameters
    ----------
    url : str or path
        Local folder, or ``s3://bucket/folder``. A local folder is created with the first publication.

    Examples
    --------
    >>> import tempfile
    >>> Store(tempfile.mkdtemp()).read("networks").num_rows
    0
    """

    # -- publishing ---------------------------------------------------------------------------------------------

    @contextmanager
    def staging(
        self,
        table: str,
        schema: pa.Schema | None = None,
        division: tuple[int, int] | None = None,
        role: Role = "rows",
    ) -> Iterator[StagedFile]:
        """Write one new file of a table; on failure the file is removed.

        Parameters
        ----------
        table : str
            Table the rows belong to.
        schema : pyarrow.Schema, optional
            Columns of the file, for tables whose files may have further columns; default: as specified.
        division : tuple of int, optional
            First and last key of the file's rows.
        role : str
            Role of the file, see `data.warehouse.manifests.Role`.

        Raises
        ------
        WarehouseFullError, WarehouseNotWritableError
            If the file cannot be written.
        """
        specification = table_specification(table)
        schema = schema or specification.file_schema
        for field in specification.file_schema:
            assert field.name in schema.names, f"{table} files must have column {field.name}"
        path = f"tables/{table}/{uuid.uuid4().hex}.parquet"
        with staged_file(
            self._storage, table, path, schema, key=specification.key[0], division=division, role=role
        ) as staged:
            yield staged

    def stage(
        self, table: str, rows: pa.Table, division: tuple[int, int] | None = None, role: Role = "rows"
    ) -> DataFile:
        """Write one new file with all of `rows`, invisible until it is committed.

        Rows of a keyed table are upserts; each key may occur once.
        """
        specification = table_specification(table)
        schema = specification.file_schema
        if specification.keyed:
            schema, role = change_schema(specification), "changes"
            rows = changed_rows(specification, rows, None)
        if specification.further:
            extra = [f.remove_metadata() for f in rows.schema if f.name not in specification.schema.names]
            schema = pa.schema([*schema, *extra])
        with self.staging(table, schema, division, role) as staged:
            staged.write(rows)
        return staged.file

    def stage_records(self, table: str, records: Sequence[Mapping[str, Any]]) -> DataFile:
        """Write one new file of the given rows, each a mapping from column to value."""
        return self.stage(table, pa.Table.from_pylist(list(records), schema=table_specification(table).file_schema))

    def commit(
        self,
        kind: str,
        keys: Iterable[str],
        files: Iterable[DataFile],
        *,
        specification_hash: str | None = None,
        properties: Mapping[str, Any] | None = None,
        requires: Iterable[str] = (),
        removes: Iterable[DataFile] = (),
        retracts: Iterable[str] = (),
        unchanged: Sequence[Unchanged] = (),
    ) -> Manifest:
        """Publish staged files: all of them become visible at once, or none.

        Parameters
        ----------
        kind : str
            What is published, such as ``network`` or ``sessions``.
        keys : iterable of str
            Keys to publish. Each may be published only once, unless it was retracted.
        files : iterable of DataFile
            Return values of `stage`, possibly from other machines.
        requires : iterable of str
            Keys that this publication depends on, and that must be published.
        removes : iterable of DataFile
            Published files that leave their tables with this publication.
        retracts : iterable of str
            Keys that cease to exist.
        unchanged : sequence of Unchanged
            The ranges that the files were computed from; no one else may have published into them since.

        Returns
        -------
        Manifest

        Raises
        ------
        AlreadyPublishedError
            If one of `keys` is already published; the staged files are left for maintenance to remove.
        CommitConflictError
            If another writer has removed the same files, changed a range, or won the race every time; the caller may
            retry.
        CorruptFileError
            If a staged file is missing or incomplete.
        RequirementGoneError
            If a key of `requires` is not published, or no longer.
        """
        if self.limit is not None:
            raise WarehouseNotWritableError(
                f"{self!r} is a past state, which cannot be changed; publish with Warehouse({self.url!r})"
            )
        draft = Manifest(
            number=0,
            parent=None,
            kind=kind,
            keys=tuple(keys),
            files=tuple(files),
            created_at="",
            specification_hash=specification_hash,
            properties=dict(properties or {}),
            removes=tuple((file.publication, file.path) for file in removes),
            retracts=tuple(retracts),
        )
        _check_ranges(draft.files)
        self._check_staged(draft.files)
        needed = tuple(requires)
        for _ in range(COMMIT_ATTEMPTS):
            # 1. Read what others have published, and check that this publication is still possible.
            head = self._log.refresh()
            self._check_keys(draft, needed)
            self._check_changes(draft, unchanged)
            # 2. Take the next number, unless another writer is first.
            created_at = max(dt.datetime.now(dt.UTC).isoformat(), head.created_at)
            manifest = dataclasses.replace(draft, number=head.number + 1, parent=head.checksum, created_at=created_at)
            if published := self._log.publish(manifest):
                return published
            time.sleep(random.uniform(0.0, 0.05))
        raise CommitConflictError(f"{COMMIT_ATTEMPTS} other publications came first in warehouse {self.url}: run again")

    def _check_keys(self, draft: Manifest, needed: Sequence[str]) -> None:
        numbers = self._log.numbers([*draft.keys, *needed])
        for key, number in zip(draft.keys, numbers[: len(draft.keys)], strict=True):
            if number:
                raise AlreadyPublishedError(f"{key} is already in warehouse {self.url}")
        for key, number in zip(needed, numbers[len(draft.keys) :], strict=True):
            if not number:
                raise RequirementGoneError(
                    f"{key} is not in warehouse {self.url} (any more), and nothing was published: publish it, then run "
                    "again"
                )

    def _check_changes(self, draft: Manifest, unchanged: Sequence[Unchanged]) -> None:
        if draft.removes and not self._log.is_live(draft.removes):
            raise CommitConflictError(
                f"another writer replaced or deleted the same files of warehouse {self.url} meanwhile: run again"
            )
        for each in unchanged:
            for manifest in self._log.since(each.since):
                changed = (file for file in manifest.files if file.table == each.table and file.role in CHANGING)
                if any(file.overlaps(each.low, each.high) for file in changed):
                    raise CommitConflictError(
                        f"publication {manifest.number} changed {each.table} between {each.low!r} and {each.high!r} "
                        "meanwhile: run again"
                    )

    def _check_staged(self, files: Sequence[DataFile]) -> None:
        for file in files:
            size = self._storage.size(file.path)
            if size != file.size:
                raise CorruptFileError(
                    f"staged file {file.path} has {size} bytes instead of {file.size}; nothing was published: run again"
                )
        self._storage.sync_folders(sorted({f.path.rpartition("/")[0] for f in files}))

    def staged_paths(self, table: str) -> list[str]:
        """Return the paths of all files in a table's folder, published or not."""
        return [f"tables/{table}/{name}" for name in self._storage.names(f"tables/{table}")]

    def derived(self, name: str) -> str:
        """Return the content of a derived text file; empty if it does not exist."""
        try:
            return self._storage.read(name).decode()
        except FileNotFoundError:
            return ""

    def replace_derived(self, name: str, content: str) -> str:
        """Write a derived text file (``bootstrap.sql``) over its earlier version; return its location."""
        self._storage.replace(name, content.encode())
        return self._storage.location(name)


def _check_ranges(files: Sequence[DataFile]) -> None:
    """Raise InvalidInputError if two change files of one publication may contain the same key: that is ambiguous."""
    changes = [file for file in files if file.role == "changes" and file.key_range is not None]
    for file, other in itertools.combinations(changes, 2):
        if file.table == other.table and other.key_range and file.overlaps(*other.key_range):
            raise InvalidInputError(
                f"two change files of table {file.table} overlap ({file.key_range} and {other.key_range}) in one "
                "publication; stage all changes of a range in one file"
            )
