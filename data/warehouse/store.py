"""The warehouse: tables as published lists of immutable Parquet files.

Publishing is two steps. `Store.stage` writes uniquely named, synced files that nobody sees; `Store.commit`
creates the next numbered manifest, if absent and whole, and with it all its files appear in all their tables at once.
Two writers may commit at the same time: one creates number n, the other finds it taken, looks whether what it wants
to publish is there now, and tries n + 1. Nothing is ever overwritten.

This module alone knows where files lie::

    manifests/000000000001.json     the sequence of publications
    tables/<table>/<unique>.parquet immutable data
    bootstrap.sql                   derived: views for the DuckDB shell
    cache/                          derived: memory-mapped arrays, rebuilt when absent
"""

import dataclasses
import datetime as dt
import hashlib
import os
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import (
    AlreadyPublishedError,
    CommitConflictError,
    CorruptFileError,
    RequirementGoneError,
)
from data.progress import Progress, ignore_progress
from data.warehouse.frames import pandas_frame
from data.warehouse.manifests import DataFile, Manifest, awaited_files
from data.warehouse.staging import StagedFile, staged_file
from data.warehouse.storage import Storage, open_storage
from data.warehouse.tables import TABLES, table_specification
from data.warehouse.tables.specification import schema_fingerprint

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

COMMIT_ATTEMPTS = 50
GRACE_SECONDS = 24 * 3600.0
"""Age below which a file that no manifest names is taken for a write in progress."""


class Store:
    """A local folder, or an object store, of published tables.

    Parameters
    ----------
    url : str or path
        Local folder, or ``s3://bucket/folder``. A local folder is created with the first publication.

    Examples
    --------
    >>> import tempfile
    >>> warehouse = Store(tempfile.mkdtemp())
    >>> warehouse.read("networks").num_rows
    0
    """

    def __init__(self, url: str | os.PathLike[str] = "warehouse") -> None:
        self.url = os.fspath(url)
        if "://" not in self.url:
            self.url = str(Path(self.url).expanduser().absolute())
        self._storage: Storage = open_storage(self.url)
        self._reading = threading.Lock()
        self._manifests: list[Manifest] = []
        self._keys: dict[str, Manifest] = {}
        self._checked: set[str] = set()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return type(self), (self.url,)

    # -- publishing ---------------------------------------------------------------------------------------------

    @contextmanager
    def staging(
        self, table: str, schema: pa.Schema | None = None, division: tuple[int, int] | None = None
    ) -> Iterator[StagedFile]:
        """Write one new file of a table; on failure the file is removed.

        Parameters
        ----------
        table : str
            Table the rows belong to.
        schema : pyarrow.Schema, optional
            Columns of the file, for tables whose files may carry further columns; default: as specified.
        division : tuple of int, optional
            First and last key of the file's rows.

        Raises
        ------
        WarehouseFullError, WarehouseNotWritableError
            If the storage refuses.
        """
        specification = table_specification(table)
        schema = schema or specification.schema
        for field in specification.schema:
            assert field.name in schema.names, f"{table} files must have column {field.name}"
        path = f"tables/{table}/{uuid.uuid4().hex}.parquet"
        with staged_file(self._storage, table, path, schema, division) as staged:
            yield staged

    def stage(self, table: str, rows: pa.Table, division: tuple[int, int] | None = None) -> DataFile:
        """Write one new file with all of `rows`, seen by nobody until it is committed."""
        specification = table_specification(table)
        schema = specification.schema
        if specification.further:
            extra = [f.remove_metadata() for f in rows.schema if f.name not in schema.names]
            schema = pa.schema([*schema, *extra])
        with self.staging(table, schema, division) as staged:
            staged.write(rows)
        return staged.file

    def stage_records(self, table: str, records: Sequence[Mapping[str, Any]]) -> DataFile:
        """Write one new file of the given rows, each a mapping from column to value."""
        return self.stage(table, pa.Table.from_pylist(list(records), schema=table_specification(table).schema))

    def commit(
        self,
        kind: str,
        keys: Iterable[str],
        files: Iterable[DataFile],
        *,
        specification_hash: str | None = None,
        properties: Mapping[str, Any] | None = None,
        requires: Iterable[str] = (),
    ) -> Manifest:
        """Publish staged files: all of them become visible at once, or none.

        Parameters
        ----------
        kind : str
            What is published, such as ``network`` or ``sessions``.
        keys : iterable of str
            What this publication makes exist. Each may be published only once in a warehouse.
        files : iterable of DataFile
            What `stage` returned, possibly on other machines.
        requires : iterable of str
            Keys that must be published when this publication is: what it would make no sense without.

        Returns
        -------
        Manifest

        Raises
        ------
        AlreadyPublishedError
            If one of `keys` is published, by whomever; the staged files are left for `sweep`.
        CommitConflictError
            If other writers won the race every time; the caller may retry.
        CorruptFileError
            If a staged file is not there or not whole.
        RequirementGoneError
            If a key of `requires` is not published, or not any more.
        """
        needed = tuple(requires)
        draft = Manifest(
            number=0,
            parent=None,
            kind=kind,
            keys=tuple(keys),
            files=tuple(files),
            created_at=dt.datetime.now(dt.UTC).isoformat(),
            specification_hash=specification_hash,
            properties=dict(properties or {}),
        )
        self._check_staged(draft.files)
        for _ in range(COMMIT_ATTEMPTS):
            head = self.manifests()
            for key in draft.keys:
                if key in self._keys:
                    raise AlreadyPublishedError(f"{key} is already in warehouse {self.url}")
            for key in needed:
                if key not in self._keys:
                    raise RequirementGoneError(
                        f"{key} is not in warehouse {self.url} (any more), nothing was published: publish it, then run "
                        "again"
                    )
            manifest = dataclasses.replace(draft, number=len(head) + 1, parent=head[-1].checksum if head else None)
            path, content = _manifest_path(manifest.number), manifest.to_bytes()
            try:
                self._storage.create(path, content)
            except FileExistsError:
                if not self._holds(path, content):
                    time.sleep(random.uniform(0.0, 0.05))  # another writer was first: look again
                    continue
            self.manifests()
            return self._manifests[manifest.number - 1]
        raise CommitConflictError(f"{COMMIT_ATTEMPTS} other publications came first in warehouse {self.url}: run again")

    def _holds(self, path: str, content: bytes) -> bool:
        """Whether `content` lies at `path`: after a lost answer, a store's client retries and meets its own file."""
        try:
            return self._storage.read(path) == content
        except FileNotFoundError:
            return False

    def _check_staged(self, files: Sequence[DataFile]) -> None:
        for file in files:
            size = self._storage.size(file.path)
            if size != file.size:
                raise CorruptFileError(
                    f"staged file {file.path} has {size} bytes instead of {file.size}; nothing was published: run again"
                )
        self._storage.sync_folders(sorted({f.path.rpartition("/")[0] for f in files}))

    def replace_derived(self, name: str, content: str) -> str:
        """Write a derived text file (``bootstrap.sql``) over its earlier version; return its location."""
        self._storage.replace(name, content.encode())
        return self._storage.location(name)

    # -- reading ------------------------------------------------------------------------------------------------

    def manifests(self) -> list[Manifest]:
        """Return all published manifests, oldest first, as of now."""
        with self._reading:
            self._read_new_manifests()
            return list(self._manifests)

    def _read_new_manifests(self) -> None:
        names = self._storage.names("manifests")
        for number in range(len(self._manifests) + 1, len(names) + 1):
            path = _manifest_path(number)
            if path.rpartition("/")[2] != names[number - 1]:
                raise CorruptFileError(f"{path} is missing in warehouse {self.url}: restore it from a backup")
            stored = self._storage.read(path)
            manifest = Manifest.from_bytes(stored, path, hashlib.sha256(stored).hexdigest())
            parent = self._manifests[-1].checksum if self._manifests else None
            if manifest.number != number or manifest.parent != parent:
                raise CorruptFileError(f"{path} does not follow the manifest before it: restore it from a backup")
            self._manifests.append(manifest)
            self._keys.update(dict.fromkeys(manifest.keys, manifest))

    def find(self, key: str) -> Manifest | None:
        """Return the manifest that published `key`, or None."""
        if key not in self._keys:
            self.manifests()
        return self._keys.get(key)

    def published(self, keys: Iterable[str]) -> set[str]:
        """Return those of some keys that are published, as of now."""
        wanted = set(keys)
        if not wanted <= self._keys.keys():
            self.manifests()
        return wanted & self._keys.keys()

    def publications(self, kind: str) -> list[Manifest]:
        """Return all publications of a kind, oldest first, as of now."""
        return [manifest for manifest in self.manifests() if manifest.kind == kind]

    def files(self, table: str, keys: Iterable[str] | None = None) -> list[DataFile]:
        """Return the published files of a table, oldest first; only those published with `keys`, if given."""
        table_specification(table)
        if keys is None:
            chosen: Iterable[Manifest] = self.manifests()
        else:
            found = {m.number: m for m in map(self.find, keys) if m is not None}
            chosen = [found[number] for number in sorted(found)]
        return [file for manifest in chosen for file in manifest.files if file.table == table]

    def open_file(self, file: DataFile) -> pq.ParquetFile:
        """Open a published file, having checked that it holds the rows its manifest says.

        Raises
        ------
        CorruptFileError
            If it is missing, unreadable or has another number of rows.
        """
        try:
            source = self._storage.reader(file.path)
            opened = pq.ParquetFile(source, memory_map=False, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(file, self, f"cannot be read ({_first_line(error)})") from error
        if opened.metadata.num_rows != file.rows:
            raise _corrupt(file, self, f"has {opened.metadata.num_rows} rows, its manifest says {file.rows}")
        self._checked.add(file.path)
        return opened

    def check_rows(self, files: Iterable[DataFile]) -> None:
        """Raise CorruptFileError if a file has not the rows its manifest says; each file is opened once a process."""
        for file in files:
            if file.path not in self._checked:
                self.open_file(file).close()

    def read_file(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one published file."""
        with self.open_file(file) as opened:
            try:
                return opened.read(columns=None if columns is None else list(columns))
            except (OSError, pa.ArrowException) as error:
                raise _corrupt(file, self, f"cannot be read ({_first_line(error)})") from error

    def read(self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table, or what was published of it with `keys`, into memory.

        Parameters
        ----------
        table : str
        keys : iterable of str, optional
            Keys of publications; default: all.
        columns : sequence of str, optional
            Columns; default: all.

        Returns
        -------
        pyarrow.Table
            Zero rows with the specified schema where nothing is published.
        """
        parts = [self.read_file(file, columns) for file in self.files(table, keys)]
        if parts:
            return pa.concat_tables(parts, promote_options="permissive")
        empty = table_specification(table).schema.empty_table()
        return empty if columns is None else empty.select(list(columns))

    def scan(
        self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None
    ) -> "dd.DataFrame":
        """Return a table, or what was published of it with `keys`, as a lazy Dask DataFrame, one partition a file.

        Every partition has all columns, with the dtypes of `pandas_frame`: further columns of an open table are null
        in the files that lack them.
        """
        import dask.dataframe as dd

        files = self.files(table, keys)
        schema = self._columns(table, files)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        empty = pandas_frame(schema.empty_table())
        if not files:
            return dd.from_pandas(empty, npartitions=1)
        return dd.from_map(self._read_part, files, schema=schema, meta=empty)

    def _columns(self, table: str, files: Sequence[DataFile]) -> pa.Schema:
        """Return the specified columns, and in an open table the further ones that some of the files carry."""
        specification = table_specification(table)
        schemas = [specification.schema]
        for file in {file.fingerprint: file for file in files if specification.further}.values():
            with self.open_file(file) as opened:
                schemas.append(opened.schema_arrow.remove_metadata())
        return pa.unify_schemas(schemas, promote_options="permissive")

    def _read_part(self, file: DataFile, schema: pa.Schema) -> "pd.DataFrame":
        rows = self.read_file(file, schema.names)
        return pandas_frame(pa.concat_tables([schema.empty_table(), rows], promote_options="permissive"))

    def location(self, file: DataFile) -> str:
        """Return the absolute path or URL of a published file, for readers outside Python."""
        return self._storage.location(file.path)

    @property
    def filesystem(self) -> Any:
        """The fsspec filesystem of an object store, or None for a local folder."""
        return getattr(self._storage, "filesystem", None)

    @property
    def cache_folder(self) -> Path:
        """Folder of this machine for derived arrays: RUMORMILL_CACHE, or inside a local warehouse, or the user's."""
        if chosen := os.environ.get("RUMORMILL_CACHE"):
            return Path(chosen)
        if self.filesystem is None:
            return Path(self.url) / "cache"
        return Path(platformdirs.user_cache_dir("rumormill"))

    @contextmanager
    def scratch(self) -> Iterator["Store"]:
        """Give an empty warehouse beside this one, where the same workers reach it; it is removed afterwards."""
        folder = f"scratch/{uuid.uuid4().hex}"
        try:
            yield Store(self._storage.location(folder))
        finally:
            self._storage.remove_folder(folder)

    # -- care ---------------------------------------------------------------------------------------------------

    def verify(self, progress: Progress = ignore_progress) -> list[str]:
        """Check every published file: there, as long as published, same checksum, same rows and schema.

        Returns
        -------
        list of str
            One sentence per damaged file; empty if all is well.
        """
        files = [file for table in TABLES for file in self.files(table)]
        damaged = []
        for done, file in enumerate(files):
            progress("verifying", done, len(files))
            if problem := self._problem(file):
                damaged.append(f"{self.location(file)} (table {file.table}) {problem}")
        progress("verifying", len(files), len(files))
        return damaged

    def _problem(self, file: DataFile) -> str | None:
        size = self._storage.size(file.path)
        if size is None:
            return "is missing"
        if size != file.size:
            return f"has {size} bytes instead of {file.size}"
        if hashlib.sha256(self._storage.read(file.path)).hexdigest() != file.checksum:
            return "has other content than was published (checksum differs)"
        with pq.ParquetFile(self._storage.reader(file.path)) as opened:
            if opened.metadata.num_rows != file.rows:
                return f"has {opened.metadata.num_rows} rows instead of {file.rows}"
            if schema_fingerprint(opened.schema_arrow) != file.fingerprint:
                return "has another schema than was published"
        return None

    def sweep(self, grace_seconds: float = GRACE_SECONDS) -> list[str]:
        """Delete data files that no manifest needs and that are older than the grace period; return their paths."""
        awaited = awaited_files(self.manifests())
        orphans = []
        for table in TABLES:
            present = [f"tables/{table}/{name}" for name in self._storage.names(f"tables/{table}")]
            published = {file.path for file in self.files(table)}
            orphans += [path for path in present if path not in published and path not in awaited]
        oldest_kept = time.time() - grace_seconds
        swept = [path for path in orphans if self._storage.modified(path) < oldest_kept]
        for path in swept:
            self._storage.remove(path)
        return swept


def _manifest_path(number: int) -> str:
    return f"manifests/{number:012d}.json"


def _corrupt(file: DataFile, warehouse: Store, problem: str) -> CorruptFileError:
    return CorruptFileError(
        f"{warehouse.location(file)} (table {file.table}) {problem}; "
        "run `rumormill verify` for all damaged files and restore them from a backup"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
