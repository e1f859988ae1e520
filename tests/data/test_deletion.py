"""Deletion: what was asked for goes from every table, with what belongs to it alone; everything else stays."""

import datetime as dt
import json
from typing import Any

import pyarrow as pa
import pytest

from data.errors import CommitConflictError, InvalidInputError, NetworkNotFoundError, NotPublishedError
from data.facade import Warehouse
from data.warehouse.deletion import delete
from data.warehouse.dependents import campaign_deletion, cascades_deletion, network_deletion, session_deletion
from data.warehouse.keys import (
    campaign_key,
    cascades_key,
    event_key,
    features_key,
    forecast_key,
    forecast_model_key,
    message_key,
    network_key,
    round_key,
    run_key,
    session_key,
    successor_key,
)
from data.warehouse.maintenance import compact
from data.warehouse.tables import TABLES
from tests.data.publications import record, rows

OF_SESSIONS = [table for table in TABLES if TABLES[table].key[0] == "session_id" and table != "lane_rounds"]


def publish_rows(
    warehouse: Warehouse, kind: str, keys: list[str], tables: dict[str, list[dict[str, Any]]], **options: Any
) -> None:
    files = [warehouse.stage_records(table, [record(table, **row) for row in of]) for table, of in tables.items()]
    warehouse.commit(kind, keys, files, **options)


def publish_networks(warehouse: Warehouse, **snapshots: str) -> None:
    for name, snapshot in snapshots.items():
        tables = {table: [{"snapshot_id": snapshot}] for table in TABLES if table.startswith("network_")}
        tables["networks"] = [{"network_id": name, "snapshot_id": snapshot}]
        tables["current_networks"] = [{"network_id": name, "snapshot_id": snapshot}]
        keys = [network_key(name, snapshot), successor_key(name, None)]
        publish_rows(warehouse, "network", keys, tables, specification_hash=snapshot)


def publish_sessions(warehouse: Warehouse, *sessions: str, network: str = "n", message: str = "m") -> None:
    """Publish sessions in one publication: their rows share files."""
    tables = {table: [{"session_id": session} for session in sessions] for table in OF_SESSIONS}
    for row in tables["propagation_sessions"]:
        row.update(network_id=network, message_id=message)
    publish_rows(warehouse, "sessions", list(map(session_key, sessions)), tables)


def publish_campaign(warehouse: Warehouse, name: str, *sessions: str) -> None:
    listed = [{"campaign_id": f"id-{name}", "session": session, "session_id": session} for session in sessions]
    campaign = [{"campaign_id": f"id-{name}", "campaign": name}]
    happened = [{"event_id": f"event-{name}", "data": json.dumps({"subject": campaign_key(f"id-{name}")})}]
    publish_rows(
        warehouse,
        "campaign",
        [campaign_key(f"id-{name}"), event_key(f"event-{name}")],
        {"campaigns": campaign, "campaign_sessions": listed, "events": happened},
    )


def publish_run(warehouse: Warehouse, name: str, *sessions: str, network: str = "n") -> None:
    row = {"run_id": f"run-{name}", "campaign_id": f"id-{name}", "campaign": name, "network_id": network}
    publish_rows(warehouse, "run", [run_key(f"run-{name}")], {"runs": [{**row, "session_ids": list(sessions)}]})


@pytest.fixture
def two_campaigns(local: Warehouse) -> Warehouse:
    """Campaigns `spring` (a, b, c) and `autumn` (c, d), whose sessions share files."""
    publish_networks(local, n="s")
    for message in ("m", "other"):
        publish_rows(local, "messages", [message_key(message)], {"messages": [{"message_id": message}]})
    publish_run(local, "spring", "a", "b", "c")
    publish_sessions(local, "a", "b", "c", "d")
    publish_sessions(local, "e", message="other")
    publish_campaign(local, "spring", "a", "b", "c")
    publish_campaign(local, "autumn", "c", "d")
    for number in range(3):
        publish_rows(local, "round", [round_key("a", number)], {"lane_states": [{"session_id": "a", "round": number}]})
    publish_rows(
        local,
        "checkpoint",
        ["checkpoint/wave/1"],
        {"lane_rounds": [{"session_id": "a"}, {"session_id": "b"}]},
        properties={"sessions": ["a", "b"], "round": 1, "until": ["session/a", "session/b"]},
    )
    return local


def sessions_in(warehouse: Warehouse, table: str) -> list[str]:
    return sorted(set(warehouse.read(table)["session_id"].to_pylist()))


@pytest.mark.parametrize("compacted", [False, True], ids=["as published", "compacted"])
def test_a_campaign_takes_along_what_no_other_campaign_lists(two_campaigns: Warehouse, often: None, compacted: bool):
    if compacted:
        compact(two_campaigns)
    deletion = campaign_deletion(two_campaigns, "spring")
    assert deletion.sessions == {"a", "b"}
    assert (deletion.messages, deletion.runs, deletion.events) == (set(), {"run-spring"}, {"event-spring"})
    delete(two_campaigns, deletion)
    for warehouse in (two_campaigns, Warehouse(two_campaigns.url)):
        for table in OF_SESSIONS:
            assert sessions_in(warehouse, table) == ["c", "d", "e"], table
            assert warehouse.read(table, ["session/a", "session/c"]).num_rows == 1
            if table != "frontiers":  # whose view asks the models which rows they imply
                assert rows(warehouse, f"SELECT count(*) FROM {table}") == [(3,)]
        assert sessions_in(warehouse, "lane_rounds") == []
        assert warehouse.read("campaigns")["campaign"].to_pylist() == ["autumn"]
        assert warehouse.read("campaign_sessions")["session"].to_pylist() == ["c", "d"]
        assert warehouse.read("events")["event_id"].to_pylist() == ["event-autumn"]
        assert warehouse.read("runs").num_rows == 0
        assert warehouse.publications("checkpoint") == []
        assert warehouse.publications("run") == []
        keys = [*map(session_key, "abcde"), *(round_key("a", number) for number in range(3)), campaign_key("id-spring")]
        assert warehouse.published(keys) == {"session/c", "session/d", "session/e"}
        assert warehouse.verify() == []
    assert sessions_in(two_campaigns.as_of(two_campaigns.head - 1), "reach") == list("abcde")


def test_deleted_sessions_can_be_published_again(two_campaigns: Warehouse):
    delete(two_campaigns, campaign_deletion(two_campaigns, "spring"))
    publish_sessions(two_campaigns, "a", "b")
    publish_rows(two_campaigns, "round", [round_key("a", 0)], {"lane_states": [{"session_id": "a", "round": 0}]})
    publish_campaign(two_campaigns, "spring", "a", "b", "c")
    assert sessions_in(two_campaigns, "reach") == list("abcde")
    assert two_campaigns.read("reach", ["session/a"]).num_rows == 1


def test_forecasts_go_with_their_cascades_and_can_be_published_again(two_campaigns: Warehouse):
    def publish(source: str) -> None:
        of = {"cascade_set_id": source}
        publish_rows(two_campaigns, "features", [features_key(source, "o")], {"cascade_features": [of]})
        publish_rows(two_campaigns, "forecast", [forecast_key("m", source)], {"forecasts": [{**of, "model_id": "m"}]})

    tests = {"forecast_tests": [{"model_id": "m", "cascade_set_id": each} for each in ("a", "set")]}
    publish_rows(two_campaigns, "forecast_model", [forecast_model_key("m")], tests)
    observed = {"observed_cascade_sets": [{"cascade_set_id": "set", "cascade_set": "past"}]}
    publish_rows(two_campaigns, "cascades", [cascades_key("set")], observed)
    for source in ("a", "c", "set"):
        publish(source)
    delete(two_campaigns, cascades_deletion(two_campaigns, "past"))
    delete(two_campaigns, campaign_deletion(two_campaigns, "spring"))
    for table in ("forecasts", "cascade_features"):
        assert two_campaigns.read(table)["cascade_set_id"].to_pylist() == ["c"]
    assert two_campaigns.read("forecast_tests").num_rows == 2  # they are the model's
    for source in ("a", "set"):
        publish(source)
    assert two_campaigns.read("forecasts", [forecast_key("m", "set")]).num_rows == 1


def test_what_nothing_reads_any_more_leaves_the_disk(two_campaigns: Warehouse):
    delete(two_campaigns, campaign_deletion(two_campaigns, "spring"))
    delete(two_campaigns, campaign_deletion(two_campaigns, "autumn"))
    delete(two_campaigns, session_deletion(two_campaigns, "e"))
    assert two_campaigns.read("messages").num_rows == 0
    delete(two_campaigns, network_deletion(two_campaigns, "n"))
    two_campaigns.maintain(retention=dt.timedelta(0), grace_seconds=-60.0)
    left = {table: two_campaigns.staged_paths(table) for table in TABLES}
    assert not any(left.values()), left
    assert two_campaigns.read("current_networks").num_rows == 0


def test_messages_go_with_the_last_session_that_spreads_them(two_campaigns: Warehouse):
    delete(two_campaigns, session_deletion(two_campaigns, "e"))
    assert two_campaigns.read("messages")["message_id"].to_pylist() == ["m"]
    assert two_campaigns.published([message_key("other"), message_key("m")]) == {message_key("m")}


def test_a_session_that_a_campaign_lists_is_refused(two_campaigns: Warehouse):
    told = r"session 'c' is not deleted: campaign 'autumn' lists it; delete the campaign instead; campaign 'spring'"
    with pytest.raises(InvalidInputError, match=told):
        delete(two_campaigns, session_deletion(two_campaigns, "c"))
    assert "c" in sessions_in(two_campaigns, "reach")


def test_an_unfinished_run_keeps_its_sessions_and_goes_with_them(two_campaigns: Warehouse):
    publish_run(two_campaigns, "winter", "d", "e", "f")
    publish_rows(two_campaigns, "round", [round_key("f", 0)], {"lane_states": [{"session_id": "f", "round": 0}]})
    with pytest.raises(InvalidInputError, match="campaign 'winter' lists it"):
        delete(two_campaigns, session_deletion(two_campaigns, "e"))
    deletion = campaign_deletion(two_campaigns, "winter")
    assert (deletion.sessions, deletion.runs) == ({"e", "f"}, {"run-winter"})
    delete(two_campaigns, deletion)
    assert sessions_in(two_campaigns, "reach") == list("abcd")
    assert "f" not in sessions_in(two_campaigns, "lane_states")
    assert two_campaigns.find(round_key("f", 0)) is None


def test_runs_that_older_versions_stored_are_deleted_too(two_campaigns: Warehouse):
    properties = {"campaign": {"name": "old", "network": "n"}, "snapshot_id": "s", "sessions": ["e"]}
    two_campaigns.commit("run", [run_key("id-old")], [], properties=properties)
    deletion = campaign_deletion(two_campaigns, "old")
    assert (deletion.sessions, deletion.runs) == ({"e"}, {"id-old"})
    delete(two_campaigns, deletion)
    assert "e" not in sessions_in(two_campaigns, "reach")
    assert two_campaigns.find(run_key("id-old")) is None


def test_what_is_not_there_is_told_with_what_is(two_campaigns: Warehouse):
    with pytest.raises(
        NotPublishedError, match=r"no campaign 'summer' in warehouse .*\(campaigns there: autumn, spring\)"
    ):
        campaign_deletion(two_campaigns, "summer")
    with pytest.raises(NotPublishedError, match="no session 'z' in warehouse"):
        session_deletion(two_campaigns, "z")
    with pytest.raises(NetworkNotFoundError, match=r"no network 'm' in warehouse .*\(networks there: n\)"):
        network_deletion(two_campaigns, "m")


# -- networks -------------------------------------------------------------------------------------------------------


def test_a_network_with_sessions_goes_only_with_them(two_campaigns: Warehouse):
    publish_networks(two_campaigns, other="t")
    publish_sessions(two_campaigns, "x", network="other")
    told = r"network 'n' is not deleted: 5 sessions of 2 campaigns use it; delete them too with --with-sessions"
    with pytest.raises(InvalidInputError, match=told):
        delete(two_campaigns, network_deletion(two_campaigns, "n"))
    deletion = network_deletion(two_campaigns, "n", with_sessions=True)
    assert (deletion.campaigns, deletion.sessions) == ({"id-spring", "id-autumn"}, set("abcde"))
    delete(two_campaigns, deletion)
    assert two_campaigns.read("networks")["network_id"].to_pylist() == ["other"]
    for table in ("network_agents", "network_edges", "network_rejects"):
        assert two_campaigns.read(table)["snapshot_id"].to_pylist() == ["t"]
    assert sessions_in(two_campaigns, "reach") == ["x"]
    assert two_campaigns.read("campaigns").num_rows == 0
    assert two_campaigns.read("current_networks")["network_id"].to_pylist() == ["other"]
    publish_networks(two_campaigns, n="s")  # its keys are free again
    assert two_campaigns.read("network_edges", [network_key("n", "s")]).num_rows == 1


def test_a_snapshot_that_another_network_has_stays(local: Warehouse):
    publish_networks(local, one="s", two="s")
    delete(local, network_deletion(local, "one"))
    assert local.read("networks")["network_id"].to_pylist() == ["two"]
    for table in ("network_agents", "network_edges"):
        assert local.read(table, [network_key("two", "s")]).num_rows == 1
        assert rows(local, f"SELECT snapshot_id FROM {table}") == [("s",)]
    assert local.read("network_rejects", [network_key("two", "s")]).num_rows > 0
    delete(local, network_deletion(local, "two"))
    assert local.read("network_rejects").num_rows == 0


# -- others at the same time ----------------------------------------------------------------------------------------


def test_what_has_changed_since_the_deletion_was_planned_is_told(two_campaigns: Warehouse):
    deletion = campaign_deletion(two_campaigns, "spring")
    publish_campaign(Warehouse(two_campaigns.url), "summer", "b")
    with pytest.raises(CommitConflictError, match="what depends on campaign 'spring' has changed meanwhile"):
        delete(two_campaigns, deletion)
    assert campaign_deletion(two_campaigns, "spring").sessions == {"a"}


def test_a_campaign_published_between_the_last_look_and_the_commit_keeps_its_sessions(
    two_campaigns: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    deletion, other = campaign_deletion(two_campaigns, "spring"), Warehouse(two_campaigns.url)
    original, late = two_campaigns.commit, iter(["summer"])

    def commit_second(*args: Any, **options: Any) -> Any:
        for name in late:
            publish_campaign(other, name, "b")
        return original(*args, **options)

    monkeypatch.setattr(two_campaigns, "commit", commit_second)
    with pytest.raises(CommitConflictError, match="has changed meanwhile"):
        delete(two_campaigns, deletion)
    assert other.read("reach", ["session/b"]).num_rows == 1


def test_sessions_published_and_files_compacted_meanwhile_are_kept(
    two_campaigns: Warehouse, monkeypatch: pytest.MonkeyPatch
):
    deletion, other = campaign_deletion(two_campaigns, "spring"), Warehouse(two_campaigns.url)
    original, late = two_campaigns.commit, iter([lambda: publish_sessions(other, "z"), lambda: compact(other)])

    def commit_second(*args: Any, **options: Any) -> Any:
        if (work := next(late, None)) is not None:
            work()
        return original(*args, **options)

    monkeypatch.setattr(two_campaigns, "commit", commit_second)
    delete(two_campaigns, deletion)
    assert next(late, None) is None
    for table in OF_SESSIONS:
        assert sessions_in(two_campaigns, table) == ["c", "d", "e", "z"]


def test_of_two_deletions_of_one_campaign_the_second_finds_nothing(two_campaigns: Warehouse):
    other = Warehouse(two_campaigns.url)
    mine, theirs = campaign_deletion(two_campaigns, "spring"), campaign_deletion(other, "spring")
    delete(other, theirs)
    with pytest.raises(NotPublishedError, match="no campaign 'spring'"):
        delete(two_campaigns, mine)


def test_rows_of_other_sessions_in_a_shared_file_stay_as_they_were(local: Warehouse):
    mixed = pa.table(
        {
            "session_id": ["a", "b", "a", "c"],
            "agent": pa.array([1, 2, 3, 4], pa.int32()),
            "times_reached": [1, 2, 3, 4],
            "probability": [0.1, 0.2, 0.3, 0.4],
            "mean_round": [1.0, 2.0, 3.0, 4.0],
        }
    )
    local.commit("sessions", ["session/a", "session/b", "session/c"], [local.stage("reach", mixed)])
    delete(local, session_deletion(local, "a"))
    assert local.read("reach").to_pydict() == {
        "session_id": ["b", "c"],
        "agent": [2, 4],
        "times_reached": [2, 4],
        "probability": [0.2, 0.4],
        "mean_round": [2.0, 4.0],
    }
