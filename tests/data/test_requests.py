"""Requests to an object store: few, and as many whatever was published before."""

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from data.facade import Warehouse
from tests.data.publications import cascades, publish

EVERY = 8
BEFORE = (EVERY + 1, 4 * EVERY, 12 * EVERY - 1)
"""Publications before each count; those that are counted come on top, so that one always follows a checkpoint."""


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests to S3 so far, by operation."""
    import s3fs

    made: Counter[str] = Counter()
    original = s3fs.S3FileSystem._call_s3

    async def counted(self: Any, method: str, *args: Any, **options: Any) -> Any:
        made[method] += 1
        return await original(self, method, *args, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    return made


def count(made: Counter[str], work: Callable[[], Any]) -> int:
    made.clear()
    work()
    return made.total()


def test_requests_do_not_grow_with_the_publications_before(
    s3_bucket: str, requests: Counter[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("data.warehouse.log.CHECKPOINT_EVERY", EVERY)
    url = f"{s3_bucket}/{uuid.uuid4().hex}"
    writer, counts = Warehouse(url), []
    for number in range(1, max(BEFORE) + 1):
        writer.commit("sessions", [f"session/{number}"], [])
        if number in BEFORE:
            reader = Warehouse(url)
            file = reader.stage("cascades", cascades(f"x{number}", 1))
            counts.append(
                {
                    "open": count(requests, lambda reader=reader: reader.head),
                    "refresh": count(requests, lambda reader=reader: reader.head),
                    "find": count(requests, lambda reader=reader: reader.find("session/3")),
                    "find again": count(requests, lambda reader=reader: reader.published(["session/3", "session/5"])),
                    "find nothing": count(requests, lambda reader=reader: reader.find("session/never")),
                    "files": count(requests, lambda reader=reader: reader.files("cascades")),
                    "commit": count(requests, lambda reader=reader, file=file: reader.commit("x", [], [file])),
                }
            )
            writer = reader
    for each in counts:
        assert each["open"] == counts[0]["open"] <= 5  # checkpoints there, the newest, its last manifest, what follows
        assert each["refresh"] == 1
        assert each["find"] <= 1 + 4  # the manifest, and a few segments: each is several times larger than the next
        assert each["find again"] <= 4
        assert each["find nothing"] <= 2
        assert each["files"] <= 1 + 2 * 4
        assert each["commit"] == counts[0]["commit"] <= 4


def test_manifests_after_the_checkpoint_are_the_only_ones_read(
    s3_bucket: str, requests: Counter[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("data.warehouse.log.CHECKPOINT_EVERY", EVERY)
    writer = Warehouse(f"{s3_bucket}/{uuid.uuid4().hex}")
    for number in range(2 * EVERY + 3):
        publish(writer, str(number), replicates=1)
    assert count(requests, lambda: Warehouse(writer.url).head) <= 5 + 3 - 1
