"""Past states: the warehouse as of a publication or a time, in Python and SQL."""

import datetime as dt
import pickle
from collections.abc import Callable

import pytest

from data.errors import InvalidInputError, WarehouseNotWritableError
from data.facade import Warehouse
from data.warehouse.catalogue import query
from data.warehouse.maintenance import compact, expire
from tests.data.publications import change, counters, names, publish, published_sessions, rows, values_of

NOTHING_KEPT = {"retention": dt.timedelta(0), "grace_seconds": -60.0}


def test_a_past_state_is_what_was_published_until_then(warehouse: Warehouse, often: None):
    for session in "abcde":
        publish(warehouse, session, replicates=2)
    for number in range(6):
        past = Warehouse(warehouse.url).as_of(number)
        there = list("abcde"[:number])
        assert past.head == number
        assert published_sessions(past) == there
        assert rows(past, "SELECT DISTINCT session_id FROM cascades ORDER BY ALL") == [(each,) for each in there]
        assert past.published(f"session/{each}" for each in "abcde") == {f"session/{each}" for each in there}
        assert (past.find("session/c") is not None) == (number >= 3)
        assert len(past.files("reach")) == number
        assert past.read("cascades", ["session/b", "session/d"])["session_id"].unique().to_pylist() == [
            each for each in "bd" if each in there
        ]
        assert len(past.scan("cascades")) == 2 * number
        assert [manifest.number for manifest in past.publications("sessions")] == list(range(1, number + 1))


def test_a_past_state_stays_what_it_is(warehouse: Warehouse, often: None):
    publish(warehouse, "a")
    past = warehouse.as_of(1)
    for session in "bcde":
        publish(warehouse, session)
    warehouse.commit("deletion", [], [], removes=warehouse.files("cascades"), retracts=["session/a"])
    assert published_sessions(warehouse) == []
    for state in (past, pickle.loads(pickle.dumps(past)), Warehouse(warehouse.url).as_of(1)):
        assert published_sessions(state) == ["a"]
        assert state.published(["session/a", "session/b"]) == {"session/a"}
        assert rows(state, "SELECT count(*) FROM cascades") == [(3,)]
    assert past != warehouse
    assert past == Warehouse(warehouse.url).as_of(1)


def test_a_past_state_of_a_keyed_table(warehouse: Warehouse, keyed: None, often: None):
    change(warehouse, counters(a=1, b=1))
    change(warehouse, counters(a=2), names("b"))
    compact(warehouse)
    change(warehouse, counters(b=3))
    expected = [{}, {"a": 1, "b": 1}, {"a": 2}, {"a": 2}, {"a": 2, "b": 3}]
    for number, values in enumerate(expected):
        past = Warehouse(warehouse.url).as_of(number)
        assert values_of(past) == values
        assert dict(rows(past, "SELECT name, value FROM counters")) == values


def test_times_name_the_last_publication_up_to_them(local: Warehouse, often: None):
    for session in "abcd":
        publish(local, session)
    _, times = local.log.times()
    for number, time in enumerate(times, 1):
        assert local.as_of(time).head == number
        moment = dt.datetime.fromisoformat(time)
        assert local.as_of(moment).head == number
        assert local.as_of(moment.replace(tzinfo=None)).head == number
        assert local.as_of(moment.astimezone(dt.timezone(dt.timedelta(hours=5)))).head == number
        assert local.as_of(moment - dt.timedelta(microseconds=1)).head == number - 1
    assert local.as_of(dt.datetime.now(dt.UTC)).head == 4
    assert local.as_of("1999-12-31").head == 0


def test_states_that_are_not_there_are_refused(local: Warehouse):
    for session in "abc":
        publish(local, session)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    refused: list[tuple[int | str | dt.datetime, str]] = [
        (4, "publication 4 does not exist in warehouse .*; the last is 3"),
        (-1, "publication -1 does not exist"),
        (later, "is in the future; give a time up to"),
        (later.isoformat(), "is in the future"),
        ("last tuesday", "'last tuesday' is neither a publication's number nor a time such as"),
        ("", "'' is neither"),
    ]
    for when, told in refused:
        with pytest.raises(InvalidInputError, match=told):
            local.as_of(when)


def test_a_state_that_has_expired_is_refused_wherever_it_was_opened(local: Warehouse, often: None):
    for session in "abcd":
        publish(local, session)
    past, sent = local.as_of(2), pickle.dumps(local.as_of(2))
    expire(Warehouse(local.url), **NOTHING_KEPT)
    told = "the state as of publication 2 has expired .*; the oldest that can be read is 4; to keep more: rumormill"
    attempts: list[Callable[[], object]] = [
        lambda: Warehouse(local.url).as_of(2),
        lambda: Warehouse(local.url).as_of("1999-12-31"),
        lambda: pickle.loads(sent).read("cascades"),
        lambda: local.as_of(2),
        lambda: past.read("cascades"),
        lambda: query(past, "SELECT count(*) FROM cascades"),
        lambda: past.published(["session/a"]),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidInputError, match=told.replace("2", "[02]", 1)):
            attempt()
    assert published_sessions(local.as_of(4)) == list("abcd")
    assert published_sessions(local) == list("abcd")


def test_nothing_is_published_into_the_past(local: Warehouse):
    publish(local, "a")
    with pytest.raises(WarehouseNotWritableError, match="is a past state, which cannot be changed"):
        publish(local.as_of(1), "b")
    assert local.head == 1
