"""Requests to an object store: few, and as many whatever was published before."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from data.facade import Warehouse
from tests.data.conftest import REQUESTS
from tests.data.publications import cascades, publish

EVERY = 8
BEFORE = (EVERY + 1, 4 * EVERY, 12 * EVERY - 1)
"""Publications before each count; those that are counted come on top, so that one always follows a checkpoint."""


def count(work: Callable[[], Any]) -> int:
    """Return how many requests some work makes."""
    REQUESTS.clear()
    work()
    return REQUESTS.total()


def test_requests_do_not_grow_with_the_publications_before(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
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
                    "open": count(lambda reader=reader: reader.head),
                    "refresh": count(lambda reader=reader: reader.head),
                    "find": count(lambda reader=reader: reader.find("session/3")),
                    "find again": count(lambda reader=reader: reader.published(["session/3", "session/5"])),
                    "find nothing": count(lambda reader=reader: reader.find("session/never")),
                    "files": count(lambda reader=reader: reader.files("cascades")),
                    "commit": count(lambda reader=reader, file=file: reader.commit("x", [], [file])),
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


def test_manifests_after_the_checkpoint_are_the_only_ones_read(s3_bucket: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.warehouse.log.CHECKPOINT_EVERY", EVERY)
    writer = Warehouse(f"{s3_bucket}/{uuid.uuid4().hex}")
    for number in range(2 * EVERY + 3):
        publish(writer, str(number), replicates=1)
    assert count(lambda: Warehouse(writer.url).head) <= 5 + 3 - 1
