"""Keyed tables: the latest publication of a key wins, in Python and SQL, and its history is kept."""

import threading
from typing import Any

import pyarrow as pa
import pytest

from data.errors import CommitConflictError, InvalidInputError
from data.facade import Warehouse
from data.warehouse import keyed_tables
from data.warehouse.keyed_tables import Changes, changes_between, current_rows, history, update
from data.warehouse.maintenance import compact
from data.warehouse.manifests import DataFile
from tests.data.publications import change, counters, names, rows, values_of

RELATION = ["source", "target", "kind", "strength"]


def relations(*given: tuple[int, int, str, float]) -> pa.Table:
    return pa.table(dict(zip(RELATION, map(list, zip(*given, strict=True)), strict=True)))


def all_ways(warehouse: Warehouse, table: str) -> list[tuple[Any, ...]]:
    """The current rows of a table, once it is sure that Python, Dask and SQL agree on them."""
    read = [tuple(row.values()) for row in warehouse.read(table).to_pylist()]
    frame = warehouse.scan(table).compute()
    assert sorted(map(tuple, frame.astype(object).to_numpy().tolist())) == sorted(read)
    assert rows(warehouse, f"SELECT * FROM {table} ORDER BY ALL") == sorted(read)
    assert rows(warehouse, f"SELECT * FROM files.{table} ORDER BY ALL") == sorted(read)
    assert rows(warehouse, f"SELECT count(*) FROM {table}") == [(len(read),)]
    return read


def test_the_latest_publication_of_a_key_wins(warehouse: Warehouse, keyed: None, often: None):
    assert all_ways(warehouse, "counters") == []
    change(warehouse, counters(b=1, a=1, c=1))
    assert all_ways(warehouse, "counters") == [("a", 1), ("b", 1), ("c", 1)]
    change(warehouse, counters(b=2), names("c", "never"))
    assert all_ways(warehouse, "counters") == [("a", 1), ("b", 2)]
    change(warehouse, counters(c=3))
    change(warehouse, deletions=names("a"))
    assert all_ways(warehouse, "counters") == [("b", 2), ("c", 3)]
    compact(warehouse)
    assert [file.role for file in warehouse.files("counters")] == ["base"]
    assert all_ways(warehouse, "counters") == [("b", 2), ("c", 3)]
    change(warehouse, counters(a=5), names("b"))
    assert all_ways(warehouse, "counters") == [("a", 5), ("c", 3)]


def test_all_columns_of_a_key_count(warehouse: Warehouse, keyed: None):
    change(warehouse, relations((1, 2, "friend", 0.5), (1, 2, "rival", 0.1), (2, 1, "friend", 1.0)), table="relations")
    change(
        warehouse,
        relations((1, 2, "friend", 0.75)),
        pa.table({"source": [2], "target": [1], "kind": ["friend"]}),
        table="relations",
    )
    expected = [(1, 2, "friend", 0.75), (1, 2, "rival", 0.1)]
    assert all_ways(warehouse, "relations") == expected
    change(warehouse, deletions=pa.table({"source": [1], "target": [2], "kind": ["rival"]}), table="relations")
    compact(warehouse)
    assert all_ways(warehouse, "relations") == expected[:1]


def test_a_key_twice_in_one_publication_is_refused(local: Warehouse, keyed: None):
    twice = pa.table({"name": ["b", "a", "b"], "value": [1, 2, 3]})
    told = r"table counters: the key \{'name': 'b'\} is given twice in one publication; give it once"
    for upserts, deletions in ((twice, None), (counters(b=1), names("b")), (None, names("b", "b"))):
        with pytest.raises(InvalidInputError, match=told):
            change(local, upserts, deletions)
    assert local.head == 0


def test_plain_staging_upserts_and_refuses_a_key_twice(local: Warehouse, keyed: None):
    file = local.stage("counters", counters(b=1, a=2))
    local.commit("changes", [], [file])
    local.commit("changes", [], [local.stage_records("counters", [{"name": "b", "value": 5}])])
    assert all_ways(local, "counters") == [("a", 2), ("b", 5)]
    with pytest.raises(InvalidInputError, match="is given twice"):
        local.stage("counters", pa.table({"name": ["b", "b"], "value": [1, 3]}))


def test_null_values_and_names_of_any_kind_come_through(warehouse: Warehouse, keyed: None):
    odd = {"it's": 1, 'say "x"': None, "[a]*?": 3, "": 4, "ü/\n": 5}
    change(warehouse, counters(**odd))
    change(warehouse, counters(**{"[a]*?": None}))
    assert values_of(warehouse) == {**odd, "[a]*?": None}
    assert dict(rows(warehouse, "SELECT * FROM counters")) == {**odd, "[a]*?": None}


def test_history_of_a_key(local: Warehouse, keyed: None, often: None):
    change(local, counters(a=1, b=1))
    change(local, counters(a=2))
    change(local, deletions=names("a"))
    change(local, counters(a=3))
    expected = [(1, "upsert", 1), (2, "upsert", 2), (None, "delete", 3), (3, "upsert", 4)]

    def seen(warehouse: Warehouse) -> list[tuple[Any, ...]]:
        found = history(warehouse, "counters", "a", "a").to_pylist()
        return [(row["value"], row["operation"], row["publication"]) for row in found]

    assert seen(local) == expected
    compact(local)
    assert seen(local) == expected
    assert seen(local.as_of(2)) == expected[:2]
    change(local, counters(a=4))
    assert seen(Warehouse(local.url)) == [*expected, (4, "upsert", 6)]


def test_changes_between_two_publications(local: Warehouse, keyed: None, often: None):
    change(local, counters(a=1, b=1))
    change(local, counters(a=2))
    compact(local)
    change(local, counters(c=1), names("b"))
    found = changes_between(local, "counters", 1).to_pylist()
    assert [(row["name"], row["value"], row["operation"], row["publication"]) for row in found] == [
        ("a", 2, "upsert", 2),
        ("b", None, "delete", 4),
        ("c", 1, "upsert", 4),
    ]
    assert changes_between(local, "counters", 1, 2)["name"].to_pylist() == ["a"]
    assert changes_between(local, "counters", 4).num_rows == 0
    local.commit("maintenance", [], [], properties={"oldest": 3})
    with pytest.raises(InvalidInputError, match="changes of counters after publication 1 have expired"):
        changes_between(local, "counters", 1)


def test_files_beyond_a_range_are_not_opened(local: Warehouse, keyed: None, monkeypatch: pytest.MonkeyPatch):
    change(local, counters(a=1, b=1))
    change(local, counters(m=1, n=1))
    change(local, counters(x=1, z=1))
    opened: list[DataFile] = []
    original = local.open_file
    monkeypatch.setattr(local, "open_file", lambda file: opened.append(file) or original(file))
    for low, high, found, files in (("n", "y", ["n", "x"], 2), ("c", "l", [], 0), (None, "b", ["a", "b"], 1)):
        opened.clear()
        assert current_rows(local, "counters", low, high)["name"].to_pylist() == found
        assert len(opened) == files


# -- updates --------------------------------------------------------------------------------------------------------


def incremented(current: pa.Table, name: str) -> Changes:
    value = dict(zip(current["name"].to_pylist(), current["value"].to_pylist(), strict=True)).get(name, 0)
    return Changes(counters(**{name: value + 1}))


def in_threads(works: list[Any]) -> list[Exception]:
    failures: list[Exception] = []

    def run(work: Any) -> None:
        try:
            work()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_four_threads_that_increment_one_counter_lose_no_update(place: str, keyed: None, often: None):
    shared = Warehouse(place)

    def work(writer: int) -> None:
        warehouse = shared if writer % 2 else Warehouse(place)
        for _ in range(4):
            update(warehouse, "counters", lambda rows: incremented(rows, "a"), "a", "a", kind="changes")

    assert in_threads([lambda writer=writer: work(writer) for writer in range(4)]) == []
    assert values_of(Warehouse(place)) == {"a": 16}
    assert history(shared, "counters", "a", "a")["value"].to_pylist() == list(range(1, 17))


def test_updates_of_disjoint_ranges_never_disturb_each_other(
    local: Warehouse, keyed: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keyed_tables, "UPDATE_ATTEMPTS", 1)

    def work(name: str) -> None:
        warehouse = Warehouse(local.url)
        for _ in range(5):
            update(warehouse, "counters", lambda rows: incremented(rows, name), name, name, kind="changes")

    assert in_threads([lambda name=name: work(name) for name in "abcd"]) == []
    assert values_of(local) == dict.fromkeys("abcd", 5)


def test_an_update_that_always_comes_second_says_so(local: Warehouse, keyed: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keyed_tables, "UPDATE_ATTEMPTS", 3)
    monkeypatch.setattr("data.warehouse.keyed_tables.time.sleep", lambda seconds: None)
    seen: list[int] = []

    def disturbed(current: pa.Table) -> Changes:
        seen.append(current.num_rows)
        change(Warehouse(local.url), counters(a=len(seen)))
        return Changes(counters(a=100))

    with pytest.raises(CommitConflictError, match="changed counters between 'a' and 'b' meanwhile: run again"):
        update(local, "counters", disturbed, "a", "b", kind="changes")
    assert seen == [0, 1, 1]
    assert values_of(local) == {"a": 3}
