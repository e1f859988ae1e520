"""Publications that remove files, retract keys, or rely on what others may change meanwhile."""

import pytest

from data.errors import AlreadyPublishedError, CommitConflictError, RequirementGoneError
from data.facade import Warehouse
from data.warehouse.maintenance import compact
from data.warehouse.store import Unchanged
from tests.data.publications import cascades, change, counters, publish, published_sessions, values_of


def test_removed_files_leave_their_tables(warehouse: Warehouse, often: None):
    for session in "abcd":
        publish(warehouse, session)
    removed = warehouse.files("cascades", ["session/b"])
    warehouse.commit("deletion", [], [], removes=removed)
    for reader in (warehouse, Warehouse(warehouse.url)):
        assert published_sessions(reader) == ["a", "c", "d"]
        assert published_sessions(reader, "reach") == list("abcd")


def test_a_retracted_key_can_be_published_again(warehouse: Warehouse, often: None):
    for session in "abcd":
        publish(warehouse, session)
    for _ in range(3):
        old = warehouse.files("cascades", ["session/a"])
        warehouse.commit("deletion", [], [], removes=old, retracts=["session/a"])
        for reader in (warehouse, Warehouse(warehouse.url)):
            assert reader.find("session/a") is None
            assert reader.published(["session/a", "session/b"]) == {"session/b"}
        file = warehouse.stage("cascades", cascades("a", 1))
        again = Warehouse(warehouse.url).commit("sessions", ["session/a"], [file])
        assert warehouse.find("session/a") == again
        with pytest.raises(AlreadyPublishedError):
            publish(warehouse, "a")
    assert published_sessions(Warehouse(warehouse.url)) == list("abcd")


def test_of_two_writers_that_remove_the_same_file_one_wins(warehouse: Warehouse, often: None):
    for session in "abcd":
        publish(warehouse, session)
    other = Warehouse(warehouse.url)
    mine, theirs = warehouse.files("cascades"), other.files("cascades")
    other.commit("deletion", [], [], removes=theirs[:1])
    for _ in range(4):  # whether a checkpoint has come in between or not
        with pytest.raises(CommitConflictError, match=r"replaced or deleted the same files .*: run again"):
            warehouse.commit("maintenance", [], [], removes=mine[:2])
        publish(other, f"z{other.head}")
    other.commit("deletion", [], [], removes=theirs[2:3])  # another file disturbs nobody
    warehouse.commit("maintenance", [], [], removes=mine[1:2])


RANGES = [
    (("a", "f"), {"c": 1}, True),
    (("a", "f"), {"f": 1}, True),
    (("a", "f"), {"g": 1, "z": 2}, False),
    (("d", "f"), {"a": 1, "z": 2}, True),  # the file's range overlaps: it may hold what lies between
    (("x", "z"), {"a": 1, "b": 2}, False),
    ((None, "b"), {"c": 1}, False),
    ((None, None), {"c": 1}, True),
]


@pytest.mark.parametrize(("ends", "others", "disturbed"), RANGES)
def test_who_relies_on_a_range_hears_of_changes_in_it_alone(
    local: Warehouse, keyed: None, ends: tuple[str, str], others: dict[str, int], disturbed: bool
):
    change(local, counters(m=0))
    since = local.head
    change(Warehouse(local.url), counters(**others))
    publish(Warehouse(local.url), "session")  # another table
    relied = [Unchanged("counters", since, *ends)]
    if disturbed:
        with pytest.raises(
            CommitConflictError, match=r"publication 2 changed counters between .* meanwhile: run again"
        ):
            change(local, counters(e=1), unchanged=relied)
        assert "e" not in others or values_of(local)["e"] == others["e"]
    else:
        change(local, counters(e=1), unchanged=relied)
        assert values_of(local) == {"m": 0, "e": 1, **others}


def test_compaction_disturbs_nobody(local: Warehouse, keyed: None):
    for value in range(3):
        change(local, counters(a=value))
    since = local.head
    compact(Warehouse(local.url))
    assert local.head == since + 1
    change(local, counters(a=7), unchanged=[Unchanged("counters", since, "a", "a")])
    assert values_of(local) == {"a": 7}


def test_a_publication_can_require_keys(warehouse: Warehouse, often: None):
    publish(warehouse, "a")
    file = warehouse.stage("cascades", cascades("b", 1))
    with pytest.raises(RequirementGoneError, match=r"session/x is not in warehouse .*nothing was published"):
        warehouse.commit("sessions", ["session/b"], [file], requires=["session/a", "session/x"])
    assert warehouse.commit("sessions", ["session/b"], [file], requires=["session/a"]).number == 2
    Warehouse(warehouse.url).commit("deletion", [], [], retracts=["session/a"])
    with pytest.raises(RequirementGoneError, match="session/a"):
        publish_requiring(warehouse, "c", "session/a")
    assert published_sessions(warehouse) == ["a", "b"]


def publish_requiring(warehouse: Warehouse, session: str, key: str) -> None:
    file = warehouse.stage("cascades", cascades(session, 1))
    warehouse.commit("sessions", [f"session/{session}"], [file], requires=[key])
