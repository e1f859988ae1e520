"""Read-only access to tables as they are now, or as of an earlier publication."""

import copy
import datetime as dt
import os
import uuid
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import CorruptFileError, InvalidInputError
from data.warehouse.frames import concatenated, declared_frame, pandas_frame, unified_schema
from data.warehouse.key_filter import KeyFilter
from data.warehouse.keyed_rows import current, ranges_of, versions
from data.warehouse.log import Log
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.storage import Storage, open_storage
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd

FILE_URL = "file://"
_EPOCH = "1970-01-01T00:00:00+00:00"


class PublishedTables:
    """The tables of a warehouse, as of the last publication or an earlier one.

    Attributes
    ----------
    url : str
        Absolute path, or URL.
    limit : int or None
        The last publication that is visible; None: all.
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
        return isinstance(other, PublishedTables) and (other.url, other.limit) == (self.url, self.limit)

    def __hash__(self) -> int:
        return hash((self.url, self.limit))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.url, self.limit)

    # -- states -------------------------------------------------------------------------------------------------

    @property
    def head(self) -> int:
        """Number of the last publication of this state; 0 if there is none."""
        if self.limit is None:
            return self._log.refresh().number
        self._log.check_readable(self.limit)
        return self.limit

    @property
    def log(self) -> Log:
        """The sequence of publications, for the modules of this package."""
        return self._log

    @property
    def storage(self) -> Storage:
        """The storage of the files, for the modules of this package."""
        return self._storage

    def as_of(self, when: int | dt.datetime | str) -> Self:
        """Return the warehouse as of an earlier time, read-only.

        Parameters
        ----------
        when : int, datetime or str
            Number of a publication, or a time (ISO 8601 if text, UTC unless it names a zone): the state after the last
            publication up to then.

        Raises
        ------
        InvalidInputError
            If `when` is neither, is in the future, or that state has expired.
        """
        head = self._log.refresh().number
        number = int(when) if isinstance(when, int) else self._past_number(_moment(when))
        if not 0 <= number <= head:
            raise InvalidInputError(f"publication {number} does not exist in warehouse {self.url}; the last is {head}")
        self._log.check_readable(number)
        past = copy.copy(self)
        past.limit = number
        return past

    def _past_number(self, moment: dt.datetime) -> int:
        latest = max(dt.datetime.now(dt.UTC), dt.datetime.fromisoformat(self._log.head.created_at or _EPOCH))
        if moment > latest:
            raise InvalidInputError(f"{moment.isoformat()} is in the future; give a time up to {latest.isoformat()}")
        return self.number_at(moment)

    def number_at(self, moment: dt.datetime) -> int:
        """Return the number of the last publication up to a moment; 0 if there is none."""
        numbers, times = self._log.times()
        rising = list(accumulate(times, max))  # older versions stored times that may go backwards
        before = bisect_right(rising, moment, key=dt.datetime.fromisoformat)
        return numbers[before - 1] if before else 0

    # -- reading ------------------------------------------------------------------------------------------------

    def manifests(self) -> list[Manifest]:
        """Return all manifests, oldest first, each read from its file: slow, for tests and repairs only."""
        return [self._log.read(number) for number in range(1, self.head + 1)]

    def find(self, key: str) -> Manifest | None:
        """Return the manifest that published `key`, or None."""
        (number,) = self._numbers([key])
        return self._log.read(number) if number else None

    def published(self, keys: Iterable[str]) -> set[str]:
        """Return the keys that are published, as of now."""
        wanted = list(keys)
        return {key for key, number in zip(wanted, self._numbers(wanted), strict=True) if number}

    def _numbers(self, keys: Sequence[str]) -> list[int]:
        """Return the publication of each key, 0 if there is none; recent publications by others are seen."""
        if self.limit is not None:
            return self._log.numbers(keys, self.head)
        numbers = self._log.numbers(keys)
        if not all(numbers):
            self._log.refresh()
            numbers = self._log.numbers(keys)
        return numbers

    def publications(self, kind: str) -> list[Manifest]:
        """Return all publications of a kind, oldest first, as of now, without those whose keys were retracted.

        They do not list their files; see `files`. Publications with more than
        `data.warehouse.log_segments.LISTED_KEYS` keys and no properties do not list their keys either, and are
        returned even if these were retracted.
        """
        head = self.head
        found = self._log.publications(kind, head)
        keys = [key for manifest in found for key in manifest.keys]
        there = dict(zip(keys, self._log.numbers(keys, head), strict=True))
        return [m for m in found if not m.keys or any(there[key] == m.number for key in m.keys)]

    def files(self, table: str, keys: Iterable[str] | None = None) -> list[DataFile]:
        """Return the published files of a table, oldest first; only those that may hold rows of `keys`, if given."""
        table_specification(table)
        if keys is None:
            return self._log.files(table, self.head)
        return self._files_of(table, list(keys))

    def _files_of(self, table: str, keys: Sequence[str]) -> list[DataFile]:
        found = {key: number for key, number in zip(keys, self._numbers(keys), strict=True) if number}
        if not found:
            return []
        numbers, wanted = set(found.values()), KeyFilter(table, list(found))
        return [
            file
            for file in self._log.files(table, self.limit)
            if file.publication in numbers or (file.role == "compacted" and wanted.may_be_in(file))
        ]

    def open_file(self, file: DataFile) -> pq.ParquetFile:
        """Open a published file after checking that it has as many rows as its manifest says.

        Raises
        ------
        CorruptFileError
            If it is missing or unreadable, or has a different number of rows.
        """
        try:
            source = self._storage.reader(file.path)
            opened = pq.ParquetFile(source, memory_map=False, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(file, self, f"cannot be read ({_first_line(error)})") from error
        if opened.metadata.num_rows != file.rows:
            raise _corrupt(file, self, f"has {opened.metadata.num_rows} rows, but its manifest says {file.rows}")
        return opened

    def read_file(self, file: DataFile, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one published file."""
        with self.open_file(file) as opened:
            try:
                return opened.read(columns=None if columns is None else list(columns))
            except (OSError, pa.ArrowException) as error:
                raise _corrupt(file, self, f"cannot be read ({_first_line(error)})") from error

    def read_completed(self, file: DataFile) -> pa.Table:
        """Read one published file; columns of its table that older files lack are null."""
        return _completed(self.read_file(file), file.table)

    def read_rows(self, file: DataFile, keys: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Read some columns of the rows of some keys in one published file, of a table without snapshots."""
        return _rows_of_file(self, file, columns, KeyFilter(file.table, list(keys)), {})

    def read(self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Read a table, or the rows of some keys, into memory; for a keyed table, the current rows.

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
            Zero rows with the specified schema if nothing is published.
        """
        keys = None if keys is None else list(keys)
        wanted = None if keys is None else KeyFilter(table, keys)
        specification = table_specification(table)
        if specification.keyed:
            rows = current(versions(self.read_file, specification, self.files(table)), specification)
            rows = rows if wanted is None else wanted.applied(rows)
            return rows if columns is None else rows.select(list(columns))
        files = self.files(table, keys)
        snapshots = self._snapshots(table, files)
        parts = [_rows_of_file(self, file, columns, wanted, snapshots) for file in files]
        if parts:
            return concatenated(parts)
        empty = specification.schema.empty_table()
        return empty if columns is None else empty.select(list(columns))

    def count(self, table: str) -> int:
        """Return the number of rows of a table; only of keyed tables are files read, and only their key columns."""
        files, specification = self.files(table), table_specification(table)
        if not specification.keyed or all(file.role == "base" for file in files):
            return sum(file.rows for file in files)
        return self.read(table, columns=specification.key).num_rows

    def _snapshots(self, table: str, files: Sequence[DataFile]) -> Mapping[int, str]:
        """Return the snapshot of each publication of a network, for tables whose files lack the column."""
        if not files or not table_specification(table).of_snapshots:
            return {}
        return self._log.snapshots_of(self.limit)

    def scan(
        self, table: str, keys: Iterable[str] | None = None, columns: Sequence[str] | None = None
    ) -> "dd.DataFrame":
        """Return a table, or the rows of some keys, as a lazy Dask DataFrame with one partition per file.

        For a keyed table it has the current rows, one partition per range of keys. Every partition has all columns,
        with the dtypes of `pandas_frame`; further columns are null for the files that lack them.
        """
        import dask.dataframe as dd

        keys = None if keys is None else list(keys)
        if table_specification(table).keyed:
            return self._scan_keyed(table, keys, columns)
        files = self.files(table, keys)
        schema = self._columns(table, files)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        if not files:
            return dd.from_pandas(pandas_frame(schema.empty_table()), npartitions=1)
        read = partial(
            self._read_part,
            schema=schema,
            wanted=None if keys is None else KeyFilter(table, keys),
            snapshots=self._snapshots(table, files),
        )
        return dd.from_map(read, files, meta=declared_frame(schema))

    def _scan_keyed(self, table: str, keys: list[str] | None, columns: Sequence[str] | None) -> "dd.DataFrame":
        import dask.dataframe as dd

        files, specification = self.files(table), table_specification(table)
        names = specification.schema.names if columns is None else list(columns)
        wanted = None if keys is None else KeyFilter(table, keys)
        read = partial(self._read_range, table=table, files=files, columns=names, wanted=wanted)
        chosen = pa.schema([specification.schema.field(name) for name in names])
        return dd.from_map(read, ranges_of(files), meta=declared_frame(chosen))

    def _read_range(
        self,
        ends: tuple[Any, Any],
        table: str,
        files: Sequence[DataFile],
        columns: Sequence[str],
        wanted: KeyFilter | None,
    ) -> "pd.DataFrame":
        specification = table_specification(table)
        rows = current(versions(self.read_file, specification, files, *ends, is_open=True), specification)
        return pandas_frame((rows if wanted is None else wanted.applied(rows)).select(list(columns)))

    def _columns(self, table: str, files: Sequence[DataFile]) -> pa.Schema:
        """Return the specified columns and, if the table allows them, the further columns of its files."""
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
        """Local folder for derived arrays: RUMORMILL_CACHE, a folder in the local warehouse, or the user's cache.

        The user's cache is used for object stores, and for local warehouses that cannot be written.
        """
        if chosen := os.environ.get("RUMORMILL_CACHE"):
            return Path(chosen).expanduser()
        inside = Path(self.url) / "cache"
        if self.filesystem is None and _is_writable(inside):
            return inside
        return Path(platformdirs.user_cache_dir("rumormill"))

    @contextmanager
    def scratch(self) -> Iterator[Self]:
        """Provide an empty warehouse inside this one, so that the same workers can reach it; remove it afterwards."""
        folder = f"scratch/{uuid.uuid4().hex}"
        try:
            yield type(self)(self._storage.location(folder))
        finally:
            self._storage.remove_folder(folder)


def _moment(when: dt.datetime | str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(when) if isinstance(when, str) else when
    except ValueError:
        raise InvalidInputError(
            f"{when!r} is neither a publication's number nor a time such as 2026-11-28T12:00"
        ) from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def _restored(kind: type[PublishedTables], url: str, limit: int | None) -> PublishedTables:
    store = kind(url)
    store.limit = limit
    return store


def _is_writable(folder: Path) -> bool:
    """Return whether a folder, or its nearest existing parent, can be written."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return os.access(there, os.W_OK)


def _rows_of_file(
    store: PublishedTables,
    file: DataFile,
    columns: Sequence[str] | None,
    wanted: KeyFilter | None,
    snapshots: Mapping[int, str],
) -> pa.Table:
    """Return the wanted rows of a file, with the snapshot of its publication."""
    needed = () if wanted is None else wanted.columns
    with store.open_file(file) as opened:
        there = opened.schema_arrow.names
        chosen = None if columns is None else [name for name in dict.fromkeys((*columns, *needed)) if name in there]
        try:
            if wanted is None:
                rows = opened.read(columns=chosen)
            else:
                rows = opened.read_row_groups(wanted.row_groups(opened), columns=chosen)
        except (OSError, pa.ArrowException) as error:
            raise _corrupt(file, store, f"cannot be read ({_first_line(error)})") from error
    if table_specification(file.table).of_snapshots and "snapshot_id" not in there:
        snapshot_id = pa.scalar(snapshots.get(file.publication), pa.string())
        repeated = pa.repeat(snapshot_id, rows.num_rows).dictionary_encode().cast(SYMBOL)
        rows = rows.add_column(0, pa.field("snapshot_id", SYMBOL, nullable=False), repeated)
    rows = _completed(rows if wanted is None else wanted.applied(rows), file.table)
    return rows if columns is None else rows.select([name for name in columns if name in rows.column_names])


def _completed(rows: pa.Table, table: str) -> pa.Table:
    """Return rows with null columns for those that their table has and an older file lacks."""
    for field in table_specification(table).schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field.with_nullable(True), pa.nulls(rows.num_rows, field.type))
    return rows


def _corrupt(file: DataFile, store: PublishedTables, problem: str) -> CorruptFileError:
    return CorruptFileError(
        f"{store.location(file)} (table {file.table}) {problem}; "
        "run `rumormill verify` for all damaged files and restore them from a backup"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
