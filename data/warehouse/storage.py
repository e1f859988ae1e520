"""The storage operations that a warehouse needs, on a local folder and on object stores.

Everything relies on one guarantee: `Storage.create` creates a complete file atomically, and only if it is absent. A
local folder provides it by ``os.link`` of a synced file, S3 and memory by ``pipe_file(mode="create")`` (If-None-Match
on S3). Other filesystems are refused until theirs has been tested.
"""

import contextlib
import errno
import io
import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import fsspec

from data.errors import UnsupportedStorageError, WarehouseFullError, WarehouseNotWritableError

OBJECT_STORES = ("s3", "memory")
GAPS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""How far beyond the first absent number to look for further ones."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
"""S3's error codes when another writer was first; s3fs recognises only the first code, and not from every server."""


class Storage(Protocol):
    """Files under one root; all paths are relative to it, with forward slashes."""

    def location(self, path: str) -> str:
        """Return the absolute path or URL of `path`, as other readers (DuckDB) name it."""

    def create(self, path: str, content: bytes) -> None:
        """Create a complete, durable file at `path` atomically; FileExistsError if there is one already."""

    def replace(self, path: str, content: bytes) -> None:
        """Write a derived file atomically, over any earlier one."""

    def writer(self, path: str) -> contextlib.AbstractContextManager[BinaryIO]:
        """Open a new file for writing; it is durable when the block ends, and removed if the block fails."""

    def reader(self, path: str) -> Any:
        """Return what ``pyarrow.parquet.ParquetFile`` opens: a local path or a file object."""

    def read(self, path: str) -> bytes:
        """Return all bytes of a file."""

    def names(self, folder: str) -> list[str]:
        """Return the current sorted names of the files in `folder`; empty if there is no such folder."""

    def following(self, last: int, path_of: Callable[[int], str]) -> list[int]:
        """Return the numbers after `last`, ascending, for which the file at `path_of(number)` now exists."""

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None if there is no such file."""

    def modified(self, path: str) -> float:
        """Return the time of a file's last change, seconds since the epoch."""

    def remove(self, path: str) -> None:
        """Delete a file, if it exists."""

    def remove_folder(self, path: str) -> None:
        """Delete a folder with its content, if it exists."""

    def sync_folders(self, folders: list[str]) -> None:
        """Make the entries of these folders durable."""


def open_storage(url: str) -> Storage:
    """Return the storage at a local path or a URL such as ``s3://bucket/folder``.

    Raises
    ------
    UnsupportedStorageError
        If create-if-absent has not been tested for the URL's protocol.
    """
    protocol, separator, rest = url.partition("://")
    if not separator or protocol == "file":
        return LocalStorage(Path(rest if separator else url))
    if protocol not in OBJECT_STORES:
        raise UnsupportedStorageError(
            f"warehouse {url!r}: {protocol}:// is not supported; use a local folder or one of "
            + ", ".join(f"{name}://" for name in OBJECT_STORES)
        )
    return MemoryStorage(url) if protocol == "memory" else ObjectStorage(url)


@contextlib.contextmanager
def translated(location: str) -> Iterator[None]:
    """Translate errors of the operating system into errors that say what to do."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        refusal = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _FULL:
            raise WarehouseFullError(
                f"no space left for {location} ({refusal}); nothing of this write is visible: "
                "free some space and run again"
            ) from error
        # Object stores report a missing or forbidden bucket by the error's class alone.
        if error.errno in _NOT_WRITABLE or isinstance(error, PermissionError | FileNotFoundError):
            raise WarehouseNotWritableError(
                f"warehouse {location} cannot be written ({refusal}); "
                "give another place with --warehouse or RUMORMILL_WAREHOUSE"
            ) from error
        raise


def _numbers(names: list[str], last: int, path_of: Callable[[int], str]) -> list[int]:
    """Return the numbers after `last` among the names of numbered files; other files are not ours."""
    stems = (name.partition(".")[0] for name in names)
    numbers = {int(stem) for stem in stems if stem.isdecimal()}
    there = set(names)
    return sorted(n for n in numbers if n > last and path_of(n).rpartition("/")[2] in there)


class LocalStorage:
    """A folder on this machine, or mounted on it."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        self._prefix = f"{self._root}{os.sep}"  # joining paths takes longer than a file look-up

    def location(self, path: str) -> str:
        """Return the absolute path of `path`."""
        return self._prefix + path if path else str(self._root)

    def create(self, path: str, content: bytes) -> None:
        """Write a temporary file, sync it, then link it: the target appears complete or not at all."""
        target = self._root / path
        staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with translated(str(self._root)):
            _make_folder(target.parent)
            try:
                _write_synced(staged, content)
                os.link(staged, target)
            finally:
                staged.unlink(missing_ok=True)
            _sync_folder(target.parent)

    def replace(self, path: str, content: bytes) -> None:
        """Write a temporary file, then rename it over the target."""
        target = self._root / path
        staged = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with translated(str(self._root)):
            _make_folder(target.parent)
            try:
                _write_synced(staged, content)
                staged.replace(target)
            finally:
                staged.unlink(missing_ok=True)

    @contextlib.contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """Open a new file; synced at the end, removed on failure."""
        target = self._root / path
        with translated(str(self._root)):
            _make_folder(target.parent)
            try:
                with target.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                target.unlink(missing_ok=True)
                raise

    def reader(self, path: str) -> str:
        """Return the absolute path."""
        return self._prefix + path if path else str(self._root)

    def read(self, path: str) -> bytes:
        """Return all bytes of a file."""
        with open(self._prefix + path, "rb", buffering=0) as file:  # noqa: PTH123 (joining paths takes longer)
            return file.read()

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in `folder`, without temporary ones."""
        try:
            entries = [entry.name for entry in (self._root / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in entries if not name.startswith("."))

    def following(self, last: int, path_of: Callable[[int], str]) -> list[int]:
        """Return the numbers after `last`: by listing the folder if `last` is 0, else by probing one after the other.

        Listing 50,000 files takes 40 ms, probing one 10 us. Some numbers beyond the first absent one are probed, too,
        so that a lost file is not mistaken for the end.
        """
        if last == 0:
            folder = path_of(1).rpartition("/")[0]
            return _numbers(self.names(folder), 0, path_of)
        found, number = [], last + 1
        while os.path.exists(self._prefix + path_of(number)):  # noqa: PTH110
            found.append(number)
            number += 1
        return found + [beyond for step in GAPS if os.path.exists(self._prefix + path_of(beyond := number + step))]  # noqa: PTH110

    def size(self, path: str) -> int | None:
        """Return a file's size in bytes, or None."""
        try:
            return os.stat(self._prefix + path).st_size  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            return None

    def modified(self, path: str) -> float:
        """Return the time of a file's last change."""
        return (self._root / path).stat().st_mtime

    def remove(self, path: str) -> None:
        """Delete a file if it exists."""
        (self._root / path).unlink(missing_ok=True)

    def remove_folder(self, path: str) -> None:
        """Delete a folder if it exists."""
        shutil.rmtree(self._root / path, ignore_errors=True)

    def sync_folders(self, folders: list[str]) -> None:
        """Sync the folders' entries to disk."""
        for folder in folders:
            _sync_folder(self._root / folder)


def _make_folder(path: Path) -> None:
    """Make a folder and its parents, durably: otherwise a machine's crash could lose the files in them."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        _sync_folder(folder.parent)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ObjectStorage:
    """A prefix in an object store that supports create-if-absent."""

    def __init__(self, url: str) -> None:
        self._protocol = url.partition("://")[0]
        # Listings are never cached: another writer's next manifest must be seen.
        self.filesystem = fsspec.filesystem(self._protocol, use_listings_cache=False)
        self._root = str(self.filesystem._strip_protocol(url)).rstrip("/")  # noqa: SLF001 (fsspec's name for it)

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}"

    def location(self, path: str) -> str:
        """Return the URL of `path`."""
        return f"{self._protocol}://{self._path(path).lstrip('/')}"

    def create(self, path: str, content: bytes) -> None:
        """Put the object if it is absent."""
        with translated(self.location("")):
            try:
                self.filesystem.pipe_file(self._path(path), content, mode="create")
            except OSError as error:
                answer = getattr(error.__cause__, "response", {})
                if answer.get("Error", {}).get("Code") in _TAKEN:
                    raise FileExistsError(f"{self.location(path)} exists already") from error
                raise

    def replace(self, path: str, content: bytes) -> None:
        """Put the object, over any earlier one."""
        with translated(self.location("")):
            self.filesystem.pipe_file(self._path(path), content)

    @contextlib.contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """Open a new object; it exists once the block has succeeded."""
        with translated(self.location("")):
            file = self.filesystem.open(self._path(path), "wb")
            try:
                yield cast("BinaryIO", file)
                file.close()
            except BaseException:
                file.discard()
                file.closed = True  # otherwise its finaliser would upload the partial content
                raise

    def reader(self, path: str) -> Any:
        """Open the object for random access."""
        return self.filesystem.open(self._path(path), "rb")

    def read(self, path: str) -> bytes:
        """Return all bytes of an object, in one request."""
        options = {"max_concurrency": 1} if self._protocol == "s3" else {}  # otherwise s3fs requests the size first
        return cast("bytes", self.filesystem.cat_file(self._path(path), **options))

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the objects in `folder`."""
        self.filesystem.invalidate_cache()
        try:
            entries = self.filesystem.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(entry.rpartition("/")[2] for entry in entries if not entry.endswith("/"))

    def following(self, last: int, path_of: Callable[[int], str]) -> list[int]:
        """Return the numbers after `last`; S3 lists from there on, 1,000 objects per request."""
        folder = path_of(1).rpartition("/")[0]
        if self._protocol != "s3":
            return _numbers(self.names(folder), last, path_of)
        bucket, _, root = self._path(folder).partition("/")
        start, names = self._path(path_of(last)).partition("/")[2], []
        while True:
            page = self.filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=f"{root}/", StartAfter=start)
            names += [entry["Key"].rpartition("/")[2] for entry in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return _numbers(names, last, path_of)
            start = page["Contents"][-1]["Key"]

    def size(self, path: str) -> int | None:
        """Return an object's size in bytes, or None."""
        self.filesystem.invalidate_cache()
        try:
            return int(self.filesystem.info(self._path(path))["size"])
        except FileNotFoundError:
            return None

    def modified(self, path: str) -> float:
        """Return the time of an object's last change."""
        return float(self.filesystem.modified(self._path(path)).timestamp())

    def remove(self, path: str) -> None:
        """Delete an object if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(self._path(path))

    def remove_folder(self, path: str) -> None:
        """Delete everything under a prefix."""
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm(self._path(path), recursive=True)

    def sync_folders(self, folders: list[str]) -> None:
        """Do nothing: objects are durable once put."""


class MemoryStorage(ObjectStorage):
    """The memory of this process, for tests and examples.

    fsspec's memory filesystem is not thread-safe: all readers of a file share one buffer and position, unfinished files
    are visible, and create-if-absent checks first and writes later. The methods here avoid this.
    """

    _creating = threading.Lock()

    def create(self, path: str, content: bytes) -> None:
        """Put the object if it is absent."""
        with self._creating:
            super().create(path, content)

    @contextlib.contextmanager
    def writer(self, path: str) -> Iterator[BinaryIO]:
        """Collect the bytes, and put them once the block has succeeded."""
        file = io.BytesIO()
        yield file
        self.filesystem.pipe_file(self._path(path), file.getvalue())

    def reader(self, path: str) -> io.BytesIO:
        """Open a copy of the object's bytes."""
        return io.BytesIO(self.read(path))
