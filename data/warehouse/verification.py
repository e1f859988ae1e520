"""Checks of published files: whether each still has the bytes that were published.

The checksum was computed while the file was written, so matching bytes mean the published rows and schema.
"""

import hashlib
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

from data.errors import CorruptFileError
from data.progress import Progress, ignore_progress
from data.warehouse.manifests import DataFile
from data.warehouse.storage import Storage
from data.warehouse.store import Store
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import schema_fingerprint

REMEDY = "run `rumormill verify` for all damaged files and restore them from a backup"
_VERIFIED_NAME = "verified-files"

_remembered: dict[Path, set[str]] = {}
_remembering = threading.Lock()


def verify(store: Store, progress: Progress = ignore_progress) -> list[str]:
    """Check every published file: it exists, and its size, checksum, number of rows and schema are as published.

    Returns
    -------
    list of str
        One sentence per damaged file; empty if all is well.
    """
    files = [file for table in TABLES for file in store.files(table)]
    damaged = []
    for done, file in enumerate(files):
        progress("verifying", done, len(files))
        if problem := _problem(store.storage, file) or _parquet_problem(store.storage, file):
            damaged.append(f"{store.location(file)} (table {file.table}) {problem}")
    if problem := store.log.damaged_checkpoint():
        damaged.append(f"{store.storage.location('')}{problem}")
    progress("verifying", len(files), len(files))
    return damaged


def check_once(store: Store, files: Iterable[DataFile]) -> None:
    """Check files before DuckDB reads them, which does not check them: each file once per machine.

    A file whose size or modification time has changed is checked again. Files in object stores are not checked, since
    that would download them completely; these services verify their own checksums.

    Raises
    ------
    CorruptFileError
        If a file is missing or damaged.
    """
    if store.filesystem is not None:
        return
    known, fresh = _known(store.cache_folder / _VERIFIED_NAME), []
    for file in files:
        mark = _mark(store, file)
        if mark in known:
            continue
        if problem := _problem(store.storage, file):
            raise CorruptFileError(f"{store.location(file)} (table {file.table}) {problem}; {REMEDY}")
        fresh.append(mark)
    if fresh:
        _remember(store.cache_folder / _VERIFIED_NAME, fresh)


def _mark(store: Store, file: DataFile) -> str:
    """Return a text that identifies the current content of a file."""
    try:
        found = os.stat(store.location(file))  # noqa: PTH116 (a thousand files, for each query)
    except OSError as error:
        raise CorruptFileError(f"{store.location(file)} (table {file.table}) is missing; {REMEDY}") from error
    return f"{file.path} {found.st_size} {found.st_mtime_ns} {file.checksum}"


def _known(path: Path) -> set[str]:
    """Return the marks of files that were found intact."""
    with _remembering:
        if path not in _remembered:
            try:
                _remembered[path] = set(path.read_text(encoding="utf-8").splitlines())
            except OSError:
                _remembered[path] = set()
        return _remembered[path]


def _remember(path: Path, marks: list[str]) -> None:
    """Remember intact files, for this process and, if the cache is writable, for others."""
    with _remembering:
        _remembered.setdefault(path, set()).update(marks)
    with suppress(OSError):  # a cache that cannot be written only costs time
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{mark}\n" for mark in marks))


def forget(store: Store, paths: set[str]) -> None:
    """Forget files that no longer exist."""
    path = store.cache_folder / _VERIFIED_NAME
    kept = [mark for mark in _known(path) if mark.partition(" ")[0] not in paths]
    with _remembering:
        _remembered[path] = set(kept)
    with suppress(OSError):
        staged = path.with_name(f".{_VERIFIED_NAME}.{os.getpid()}")
        staged.write_text("".join(f"{mark}\n" for mark in sorted(kept)), encoding="utf-8")
        staged.replace(path)


def _problem(storage: Storage, file: DataFile) -> str | None:
    size = storage.size(file.path)
    if size is None:
        return "is missing"
    if size != file.size:
        return f"has {size} bytes instead of {file.size}"
    if _checksum(storage, file.path) != file.checksum:
        return "does not have the published content (checksum differs)"
    return None


def _parquet_problem(storage: Storage, file: DataFile) -> str | None:
    with pq.ParquetFile(storage.reader(file.path)) as opened:
        if opened.metadata.num_rows != file.rows:
            return f"has {opened.metadata.num_rows} rows instead of {file.rows}"
        if schema_fingerprint(opened.schema_arrow) != file.fingerprint:
            return "does not have the published schema"
    return None


def _checksum(storage: Storage, path: str) -> str:
    place = storage.reader(path)
    if not isinstance(place, str):
        return hashlib.sha256(storage.read(path)).hexdigest()
    with Path(place).open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
