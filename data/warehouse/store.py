"""The store: tables as published lists of immutable Parquet files.

Publishing is two steps. `Store.stage` writes uniquely named, synced files that nobody sees; `Store.commit` creates the
next numbered manifest, if absent and whole, and with it all its files appear in all their tables at once. Two writers
may commit at the same time: one creates number n, the other finds it taken, looks whether what it wants to publish is
there now, and tries n + 1. Nothing is ever overwritten.

The modules of this package alone know where files lie::

    manifests/000000000001.json     the sequence of publications
    tables/<table>/<unique>.parquet immutable data
    checkpoints/                    derived: what all manifests up to a number did
    bootstrap.sql                   derived: views for the DuckDB shell
    cache/                          derived: memory-mapped arrays, rebuilt when absent
"""

import copy
import dataclasses
import datetime as dt
import os
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import (
    AlreadyPublishedError,
    CommitConflictError,
    CorruptFileError,
    InvalidInputError,
    RequirementGoneError,
    WarehouseNotWritableError,
)
from data.warehouse.frames import concatenated, pandas_frame, unified_schema
from data.warehouse.key_filter import KeyFilter
from data.warehouse.keyed_rows import OPERATION, UPSERT, change_schema, current, versions
from data.warehouse.log import Log
from data.warehouse.manifests import DataFile, Manifest, Role
from data.warehouse.staging import StagedFile, staged_file
from data.warehouse.storage import Storage, open_storage
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

COMMIT_ATTEMPTS = 50
FILE_URL = "file://"


@dataclass(frozen=True)
class Unchanged:
    """What a writer has read and relies on: a range of a table's keys as of a publication.

    Attributes
    ----------
    table : str
    since : int
        The publication as of which it was read.
    low, high : str or int
        Smallest and largest key of the range.
    """

    table: str
    since: int
    low: Any
    high: Any


class Store:
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

    def __init__(self, url: str | os.PathLike[str] = "warehouse") -> None:
        given = os.fspath(url).removeprefix(FILE_URL)
        if not given.strip():
            raise InvalidInputError(
                "the warehouse is '' (an unset variable?); give a folder or URL with --warehouse or RUMORMILL_WAREHOUSE"
            )
        self.url = given if "://" in given else str(Path(given).expanduser().absolute())
        self.limit: int | None = None
        self._storage: Storage = open_storage(self.url)
        self._log = Log(self._storage, self.url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}){'' if self.limit is None else f' as of {self.limit}'}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and (other.url, other.limit) == (self.url, self.limit)

    def __hash__(self) -> int:
        return hash((self.url, self.limit))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.url, self.limit)

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
            Columns of the file, for tables whose files may carry further columns; default: as specified.
        division : tuple of int, optional
            First and last key of the file's rows.
        role : str
            What the file is, see `data.warehouse.manifests.Role`.

        Raises
        ------
        WarehouseFullError, WarehouseNotWritableError
            If the storage refuses.
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
        """Write one new file with all of `rows`, seen by nobody until it is committed.

        Rows of a keyed table are upserts; each key may be there once, and `keyed_tables.stage_changes` checks that.
        """
        specification = table_specification(table)
        schema = specification.file_schema
        if specification.keyed:
            schema, role = change_schema(specification), "changes"
            rows = rows.append_column(OPERATION, pa.repeat(pa.scalar(UPSERT), rows.num_rows))
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
            What this publication makes exist. Each may be published only once, unless it was retracted.
        files : iterable of DataFile
            What `stage` returned, possibly on other machines.
        requires : iterable of str
            Keys that must be published when this publication is: what it would make no sense without.
        removes : iterable of DataFile
            Published files that leave their tables with this publication.
        retracts : iterable of str
            Keys that do not exist any more.
        unchanged : sequence of Unchanged
            What the files were computed from: nobody may have published into these ranges meanwhile.

        Returns
        -------
        Manifest

        Raises
        ------
        AlreadyPublishedError
            If one of `keys` is published, by whomever; the staged files are left for maintenance to remove.
        CommitConflictError
            If another writer has removed the same files or changed a range meanwhile, or won the race every time; the
            caller may retry.
        CorruptFileError
            If a staged file is not there or not whole.
        RequirementGoneError
            If a key of `requires` is not published, or not any more.
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
        self._check_staged(draft.files)
        needed = tuple(requires)
        for _ in range(COMMIT_ATTEMPTS):
            # 1. See what others have published, and whether this publication is still possible.
            head = self._log.refresh()
            self._check_keys(draft, needed)
            self._check_changes(draft, unchanged)
            # 2. Take the next number, unless another writer is first.
            created_at = max(dt.datetime.now(dt.UTC).isoformat(), head.created_at)
            manifest = dataclasses.replace(draft, number=head.number + 1, parent=head.checksum, created_at=created_at)
            if self._log.publish(manifest):
                return self._log.read(manifest.number)
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
                if any(file.table == each.table and file.overlaps(each.low, each.high) for file in manifest.files):
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

    def replace_derived(self, name: str, content: str) -> str:
        """Write a derived text file (``bootstrap.sql``) over its earlier version; return its location."""
        self._storage.replace(name, content.encode())
        return self._storage.location(name)

    # -- states -------------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """Number of the last publication of this state; 0 where there is none."""
        return self._log.refresh().number if self.limit is None else self.limit

    @property
    def log(self) -> Log:
        """The sequence of publications, for the modules of this package."""
        return self._log

    @property
    def storage(self) -> Storage:
        """Where the files lie, for the modules of this package."""
        return self._storage

    def as_of(self, when: int | dt.datetime | str) -> Self:
        """Return the warehouse as it was, to be read only.

        Parameters
        ----------
        when : int, datetime or str
            Number of a publication; or a time (ISO 8601 as text; UTC where it names no zone): the state after the last
            publication up to then.

        Raises
        ------
        InvalidInputError
            If `when` is neither, or that state has expired.
        """
        head, oldest = self._log.refresh().number, self._log.oldest
        number = when if isinstance(when, int) else self._number_at(when)
        if not 0 <= number <= head:
            raise InvalidInputError(f"publication {number} does not exist in warehouse {self.url}; the last is {head}")
        if number < oldest and oldest > 1:
            raise InvalidInputError(
                f"the state as of publication {number} has expired in warehouse {self.url}; the oldest that can be "
                f"read is {oldest}; to keep more: rumormill maintain --retention DAYS"
            )
        past = copy.copy(self)
        past.limit = number
        return past

    def _number_at(self, when: dt.datetime | str) -> int:
        try:
            moment = dt.datetime.fromisoformat(when) if isinstance(when, str) else when
        except ValueError:
            raise InvalidInputError(
                f"{when!r} is neither a publication's number nor a time such as 2026-11-28T12:00"
            ) from None
        moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
        numbers, times = self._log.times()
        before = [n for n, at in zip(numbers.tolist(), times, strict=True) if dt.datetime.fromisoformat(at) <= moment]
        return before[-1] if before else 0

    # -- reading ------------------------------------------------------------------------------------------------

    def manifests(self) -> list[Manifest]:
        """Return all manifests, oldest first, each read from where it lies: for tests and repairs, not for work."""
        return [self._log.read(number) for number in range(1, self.head + 1)]

    def find(self, key: str) -> Manifest | None:
        """Return the manifest that published `key`, or None."""
        (number,) = self._numbers([key])
        return self._log.read(number) if number else None

    def published(self, keys: Iterable[str]) -> set[str]:
        """Return those of some keys that are published, as of now."""
        wanted = list(keys)
        return {key for key, number in zip(wanted, self._numbers(wanted), strict=True) if number}

    def _numbers(self, keys: Sequence[str]) -> list[int]:
        """Return the publication of each key, 0 where there is none; what others published meanwhile is seen."""
        numbers = self._log.numbers(keys, self.limit)
        if self.limit is None and not all(numbers):
            self._log.refresh()
            numbers = self._log.numbers(keys)
        return numbers

    def publications(self, kind: str) -> list[Manifest]:
        """Return all publications of a kind, oldest first, as of now; those whose keys were retracted are left out.

        Keys are given of publications with properties. Files are not: `files` returns those that are in their tables.
        """
        found = self._log.publications(kind, self.head)
        keys = [key for manifest in found for key in manifest.keys]
        there = dict(zip(keys, self._log.numbers(keys, self.limit), strict=True))
        return [m for m in found if not m.keys or any(there[key] == m.number for key in m.keys)]

    def files(self, table: str, keys: Iterable[str] | None = None) -> list[DataFile]:
        """Return the published files of a table, oldest first; only those that may hold rows of `keys`, if given."""
        table_specification(table)
        if keys is None:
            return self._log.files(table, self.head)
        return self._files_of(table, list(keys))

    def _files_of(self, table: str, keys: Sequence[str]) -> list[DataFile]:
        numbers = {number for number in self._numbers(keys) if number}
        if not numbers:
            return []
        wanted = KeyFilter(table, keys)
        return [
            file
            for file in self._log.files(table, self.limit)
            if file.publication in numbers or (file.role == "compacted" and wanted.may_be_in(file))
        ]

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
        return opened

    def read_file(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one published file."""
        with self.open_file(file) as opened:
            try:
                return opened.read(columns=None if columns is None else list(columns))
            except (OSError, pa.ArrowException) as error:
                raise _corrupt(file, self, f"cannot be read ({_first_line(error)})") from error

    def read(self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table, or the rows that some keys stand for, into memory; of a keyed table the current rows.

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
        keys = None if keys is None else list(keys)
        files = self.files(table, keys)
        wanted = None if keys is None else KeyFilter(table, keys)
        specification = table_specification(table)
        if specification.keyed:
            rows = current(versions(self.read_file, specification, files), specification)
            return rows if columns is None else rows.select(list(columns))
        snapshots = self._snapshots(table, files)
        parts = [_rows_of_file(self, file, columns, wanted, snapshots) for file in files]
        if parts:
            return concatenated(parts)
        empty = specification.schema.empty_table()
        return empty if columns is None else empty.select(list(columns))

    def _snapshots(self, table: str, files: Sequence[DataFile]) -> Mapping[int, str]:
        """Return the snapshot that each publication of a network made, for tables whose files do not say it."""
        if not files or not table_specification(table).of_snapshots:
            return {}
        return self._log.snapshots_of(self.limit)

    def scan(
        self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None
    ) -> "dd.DataFrame":
        """Return a table, or the rows that some keys stand for, as a lazy Dask DataFrame, one partition a file.

        Every partition has all columns, with the dtypes of `pandas_frame`: further columns of an open table are null
        in the files that lack them.
        """
        import dask.dataframe as dd

        keys = None if keys is None else list(keys)
        files = self.files(table, keys)
        schema = self._columns(table, files)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        empty = pandas_frame(schema.empty_table())
        if not files:
            return dd.from_pandas(empty, npartitions=1)
        read = partial(
            self._read_part,
            schema=schema,
            wanted=None if keys is None else KeyFilter(table, keys),
            snapshots=self._snapshots(table, files),
        )
        return dd.from_map(read, files, meta=empty)

    def _columns(self, table: str, files: Sequence[DataFile]) -> pa.Schema:
        """Return the specified columns, and in an open table the further ones that some of the files carry."""
        specification = table_specification(table)
        further = {file.fingerprint: file for file in files if specification.further}
        return unified_schema([specification.schema, *map(self.schema_of, further.values())])

    def schema_of(self, file: DataFile) -> pa.Schema:
        """Return the columns of a published file."""
        with self.open_file(file) as opened:
            return opened.schema_arrow.remove_metadata()

    def _read_part(
        self, file: DataFile, schema: pa.Schema, wanted: KeyFilter | None, snapshots: Mapping[int, str]
    ) -> "pd.DataFrame":
        rows = _rows_of_file(self, file, schema.names, wanted, snapshots)
        return pandas_frame(concatenated([rows], schema))

    def location(self, file: DataFile) -> str:
        """Return the absolute path or URL of a published file, for readers outside Python."""
        return self._storage.location(file.path)

    @property
    def filesystem(self) -> Any:
        """The fsspec filesystem of an object store, or None for a local folder."""
        return getattr(self._storage, "filesystem", None)

    @property
    def cache_folder(self) -> Path:
        """Folder of this machine for derived arrays: RUMORMILL_CACHE, or inside a local warehouse, or the user's.

        The user's is taken for object stores, and for local warehouses that cannot be written.
        """
        if chosen := os.environ.get("RUMORMILL_CACHE"):
            return Path(chosen).expanduser()
        inside = Path(self.url) / "cache"
        if self.filesystem is None and _is_writable(inside):
            return inside
        return Path(platformdirs.user_cache_dir("rumormill"))

    @contextmanager
    def scratch(self) -> Iterator["Store"]:
        """Give an empty warehouse beside this one, where the same workers reach it; it is removed afterwards."""
        folder = f"scratch/{uuid.uuid4().hex}"
        try:
            yield Store(self._storage.location(folder))
        finally:
            self._storage.remove_folder(folder)


def _restored(kind: type[Store], url: str, limit: int | None) -> Store:
    store = kind(url)
    store.limit = limit
    return store


def _is_writable(folder: Path) -> bool:
    """Return whether a folder, or the first of those above it that exists, can be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(there, os.W_OK)


def _rows_of_file(
    store: Store,
    file: DataFile,
    columns: Sequence[str] | None,
    wanted: KeyFilter | None,
    snapshots: Mapping[int, str],
) -> pa.Table:
    """Return a file's rows that are wanted, with the snapshot that their publication says."""
    needed = () if wanted is None else wanted.columns
    with store.open_file(file) as opened:
        there = opened.schema_arrow.names
        chosen = None if columns is None else [name for name in dict.fromkeys((*columns, *needed)) if name in there]
        try:
            rows = opened.read(columns=chosen)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(file, store, f"cannot be read ({_first_line(error)})") from error
    if table_specification(file.table).of_snapshots and "snapshot_id" not in there:
        snapshot_id = pa.scalar(snapshots.get(file.publication), pa.string())
        repeated = pa.repeat(snapshot_id, rows.num_rows).dictionary_encode().cast(SYMBOL)
        rows = rows.add_column(0, pa.field("snapshot_id", SYMBOL, nullable=False), repeated)
    rows = rows if wanted is None else wanted.applied(rows)
    return rows if columns is None else rows.select([name for name in columns if name in rows.column_names])


def _corrupt(file: DataFile, store: Store, problem: str) -> CorruptFileError:
    return CorruptFileError(
        f"{store.location(file)} (table {file.table}) {problem}; "
        "run `rumormill verify` for all damaged files and restore them from a backup"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
