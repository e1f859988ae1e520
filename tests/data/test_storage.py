"""What a warehouse needs of its storage, on every storage there is."""

import errno
import gc
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from data.errors import UnsupportedStorageError, WarehouseFullError, WarehouseNotWritableError
from data.warehouse.storage import LocalStorage, MemoryStorage, ObjectStorage, Storage, open_storage


@pytest.fixture
def storage(place: str) -> Storage:
    return open_storage(place)


def names_under(root: Path) -> list[str]:
    """All files of a folder, hidden ones too."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# -- create ---------------------------------------------------------------------------------------------------------


def test_a_created_file_holds_what_was_written(storage: Storage):
    storage.create("manifests/1.json", b"one")
    assert storage.read("manifests/1.json") == b"one"
    assert storage.size("manifests/1.json") == 3


def test_a_file_is_created_once_and_the_first_content_stays(storage: Storage):
    storage.create("manifests/1.json", b"one")
    with pytest.raises(FileExistsError):
        storage.create("manifests/1.json", b"two")
    assert storage.read("manifests/1.json") == b"one"


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads interrupt each other all the time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_of_eight_threads_that_create_the_same_file_one_succeeds(storage: Storage):
    winners: list[tuple[int, int]] = []
    together = threading.Barrier(8)

    def create(thread: int) -> None:
        for file in range(12):
            together.wait()
            try:
                storage.create(f"race/{file}", f"{thread}".encode())
            except FileExistsError:
                continue
            winners.append((file, thread))

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file for file, _ in winners) == list(range(12))
    assert {file: int(storage.read(f"race/{file}")) for file in range(12)} == dict(winners)


def test_in_memory_nobody_creates_between_another_thread_s_look_and_put(monkeypatch: pytest.MonkeyPatch):
    storage = MemoryStorage(f"memory://{uuid.uuid4().hex}")
    exists = storage.filesystem.exists
    monkeypatch.setattr(storage.filesystem, "exists", lambda path: (exists(path), time.sleep(0.01))[0])
    outcomes: list[bool] = []

    def create() -> None:
        try:
            storage.create("manifests/1.json", b"one")
        except FileExistsError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False, False, False, True]


def test_creation_leaves_no_temporary_files_behind(tmp_path: Path):
    storage = LocalStorage(tmp_path)
    storage.create("manifests/1.json", b"one")
    with pytest.raises(FileExistsError):
        storage.create("manifests/1.json", b"two")
    storage.replace("bootstrap.sql", b"SELECT 1")
    assert names_under(tmp_path) == ["bootstrap.sql", "manifests/1.json"]


def test_new_folders_are_synced_into_the_folders_above_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced = set()
    sync = os.fsync

    def record(descriptor: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    LocalStorage(tmp_path / "new" / "warehouse").create("manifests/1.json", b"one")
    folders = [tmp_path, tmp_path / "new", tmp_path / "new/warehouse", tmp_path / "new/warehouse/manifests"]
    assert {str(folder.resolve()) for folder in folders} <= synced


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_whatever_s3_calls_a_lost_race_it_is_a_file_that_exists(s3_bucket: str, monkeypatch, code: str):
    # MinIO leaves out the condition by which s3fs knows the first; the second is what AWS answers while both write.
    from botocore.exceptions import ClientError

    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(errno.EIO, "refused") from ClientError({"Error": {"Code": code}}, "PutObject")

    storage = ObjectStorage(f"{s3_bucket}/lost-race")
    monkeypatch.setattr(storage.filesystem, "pipe_file", refuse)
    with pytest.raises(FileExistsError):
        storage.create("manifests/1.json", b"one")


# -- replace, writer, reader ----------------------------------------------------------------------------------------


def test_a_derived_file_is_replaced(storage: Storage):
    storage.replace("bootstrap.sql", b"SELECT 1")
    storage.replace("bootstrap.sql", b"SELECT 2")
    assert storage.read("bootstrap.sql") == b"SELECT 2"


def test_a_file_is_there_once_its_block_has_ended(storage: Storage):
    with storage.writer("tables/a.parquet") as file:
        file.write(b"first ")
        file.write(b"second")
    assert storage.read("tables/a.parquet") == b"first second"
    assert storage.names("tables") == ["a.parquet"]


@pytest.mark.parametrize("size", [100, 7_000_000], ids=["small", "several parts"])
def test_a_file_whose_block_fails_is_gone(storage: Storage, size: int):
    def fail() -> None:
        with storage.writer("tables/a.parquet") as file:
            file.write(b"x" * size)
            raise RuntimeError("the writer died")

    with pytest.raises(RuntimeError, match="the writer died"):
        fail()
    gc.collect()  # an S3 file that was only dropped would be uploaded by its finaliser
    assert storage.names("tables") == []
    assert storage.size("tables/a.parquet") is None


def test_two_readers_of_a_file_stand_at_different_places(storage: Storage):
    storage.create("tables/a", b"0123456789")

    def opened() -> BinaryIO:
        reader = storage.reader("tables/a")
        return Path(reader).open("rb") if isinstance(reader, str) else reader

    with opened() as first, opened() as second:
        assert first.read(4) == b"0123"
        assert second.read(2) == b"01"
        assert first.read(2) == b"45"


# -- names, size, modified, remove ----------------------------------------------------------------------------------


def test_names_are_sorted_and_those_of_one_folder(storage: Storage):
    for path in ("tables/b", "tables/a", "tables/inner/c", "other/d"):
        storage.create(path, b"x")
    assert [name for name in storage.names("tables") if name != "inner"] == ["a", "b"]


def test_a_folder_that_is_not_there_has_no_names(storage: Storage):
    assert storage.names("nothing") == []


def test_a_listing_shows_what_another_process_created_meanwhile(place: str, forget_filesystems: Callable[[], None]):
    mine = open_storage(place)
    forget_filesystems()
    theirs = open_storage(place)
    mine.create("manifests/1.json", b"one")
    assert theirs.names("manifests") == ["1.json"]
    mine.create("manifests/2.json", b"two")
    assert theirs.names("manifests") == ["1.json", "2.json"]
    assert theirs.size("manifests/2.json") == 3


def test_a_file_that_is_not_there_has_no_size(storage: Storage):
    assert storage.size("tables/a.parquet") is None


def test_the_time_of_the_last_change_is_seconds_since_the_epoch(storage: Storage):
    before = time.time()
    storage.create("tables/a", b"x")
    # S3 tells whole seconds, folders the time of the last tick.
    assert before - 1 <= storage.modified("tables/a") <= time.time() + 1


def test_a_removed_file_is_gone_and_removing_it_again_does_nothing(storage: Storage):
    storage.create("tables/a", b"x")
    storage.remove("tables/a")
    storage.remove("tables/a")
    assert storage.names("tables") == []


def test_locations_are_what_other_readers_open(storage: Storage, place: str):
    assert storage.location("tables/a.parquet") == f"{place}/tables/a.parquet"


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["gs://bucket/warehouse", "http://example.org/warehouse", "sftp://host/warehouse"])
def test_storages_whose_creation_is_untested_are_refused(url: str):
    with pytest.raises(UnsupportedStorageError, match=r"is not supported; use a local folder or one of s3://, memory"):
        open_storage(url)


def test_a_file_url_is_a_local_folder(tmp_path: Path):
    open_storage(f"file://{tmp_path}").create("a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


@pytest.mark.parametrize("below", ["", "further/down"])
def test_a_warehouse_below_a_plain_file_cannot_be_written(tmp_path: Path, below: str):
    plain = tmp_path / "plain.txt"
    plain.write_text("not a folder")
    storage = LocalStorage(plain / below)
    for write in (storage.create, storage.replace):
        with pytest.raises(WarehouseNotWritableError, match="give another place with --warehouse"):
            write("manifests/1.json", b"one")
    with pytest.raises(WarehouseNotWritableError), storage.writer("tables/a"):
        pass
    assert storage.names("manifests") == []
    assert storage.size("manifests/1.json") is None


def test_a_bucket_that_is_not_there_cannot_be_written(s3_bucket: str):
    storage = open_storage(f"{s3_bucket}-missing/warehouse")
    with pytest.raises(WarehouseNotWritableError, match="bucket does not exist"):
        storage.create("manifests/1.json", b"one")

    def write() -> None:
        with storage.writer("tables/a") as file:
            file.write(b"x")

    with pytest.raises(WarehouseNotWritableError, match="bucket does not exist"):
        write()
    gc.collect()


FULL_DISK = """
import resource, sys
from pathlib import Path
from typing import BinaryIO
from data.errors import WarehouseFullError
from data.warehouse.storage import LocalStorage
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
storage = LocalStorage(Path(sys.argv[1]))
def write(path, content):
    with storage.writer(path) as file:
        file.write(content)
for attempt in (storage.create, storage.replace, write):
    try:
        attempt("tables/a", b"x" * 20_000)
    except WarehouseFullError as error:
        print(error)
"""


def test_a_full_disk_is_told_and_leaves_no_partial_file(tmp_path: Path):
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == 3
    assert all("no space left" in line and "nothing of this write is visible" in line for line in told)
    assert names_under(tmp_path) == []


def test_errors_are_also_the_builtins_they_are():
    assert issubclass(WarehouseFullError, OSError)
    assert issubclass(WarehouseNotWritableError, PermissionError)
    assert issubclass(UnsupportedStorageError, ValueError)
