"""Maintenance: every read gives the same rows before and after compaction; what nothing needs goes, nothing else."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.facade import Warehouse
from data.warehouse.keys import (
    DECISION,
    campaign_key,
    cascades_key,
    decision_key,
    event_key,
    forecast_model_key,
    message_key,
    metric_key,
    network_key,
    round_key,
    rows_of,
    run_key,
    session_key,
    shapes_key,
)
from data.warehouse.maintenance import compact, expire
from data.warehouse.tables import TABLES
from tests.data.publications import (
    change,
    counters,
    flip_a_byte,
    names,
    path_of,
    publish,
    published_sessions,
    record,
    rows,
    values_of,
)

AT_ONCE: dict[str, Any] = {"retention": dt.timedelta(0), "grace_seconds": -60.0}
SESSIONS = ["d", "a", "c", "b"]
SNAPSHOTS = ["1" * 32, "2" * 32]
OF_PAIRS = {
    "segmentation": ("segmentations", "segments", "segment_traits", "agent_segments"),
    "surrogate": ("surrogates", "surrogate_points"),
    "ranking": ("rankings", "agent_rankings", "ranking_agreement", "ranking_reach"),
    "crossing": ("community_reach", "community_crossings"),
    "calibration": ("calibrations", "calibration_posteriors"),
    "containment": ("containment_plans",),
    "score": ("calibration_scores",),
    "selection": ("seed_selections", "selected_seeds"),
    "features": ("cascade_features",),
    "forecast": ("forecasts",),
}
"""Tables whose keys name two columns, by the kind of key."""
DECISIONS = {
    "explained_agents",
    "explained_messages",
    "transmission_paths",
    "path_agents",
    "agent_differences",
    "responsible_agents",
    "responsible_by_message",
    "session_differences",
    "message_differences",
    "sweep_points",
}
"""Tables that are never read by key: their keys do not identify rows."""
OF_CASCADE_SETS = ["observed_cascade_sets", "observed_cascades", "observed_activations", "cascade_rejects"]
OF_SESSIONS = ["cascades", "reach", "activations", "propagation_events", "propagation_metrics", "propagation_sessions"]


def publish_everything(warehouse: Warehouse) -> dict[str, list[str]]:
    """Publish rows of every table in several publications; return by table the keys that stand for its rows."""
    keys: dict[str, list[str]] = {table: [] for table in TABLES}

    def commit(kind: str, published: list[str], tables: dict[str, list[dict[str, Any]]], **options: Any) -> None:
        files = [warehouse.stage_records(table, [record(table, **row) for row in of]) for table, of in tables.items()]
        warehouse.commit(kind, published, files, **options)
        for table in tables:
            keys[table] += published

    for snapshot in SNAPSHOTS:
        tables = {table: [{"snapshot_id": snapshot}] for table in TABLES if table.startswith("network_")}
        tables["networks"] = [{"network_id": "n", "snapshot_id": snapshot}]
        tables["current_networks"] = [{"network_id": "n", "snapshot_id": snapshot}]
        commit("network", [network_key("n", snapshot)], tables, specification_hash=snapshot)
        current = {"snapshot_id": snapshot, "segmentation": "s", "segmentation_id": "i"}
        commit("segmentation", [f"segmentation/{snapshot}/i"], {"current_segmentations": [current]})
        commit("metrics", [metric_key(snapshot, "pagerank")], {"agent_metrics": [{"snapshot_id": snapshot}]})
    for session in SESSIONS:
        for number in range(2):
            of_round = {"session_id": session, "round": number}
            commit("round", [round_key(session, number)], {"frontiers": [of_round], "lane_states": [of_round]})
    for pair in (SESSIONS[:2], SESSIONS[2:]):
        commit("sessions", list(map(session_key, pair)), {t: [{"session_id": s} for s in pair] for t in OF_SESSIONS})
    for name in ("y", "x"):
        commit("messages", [message_key(name)], {"messages": [{"message_id": name}]})
        listed = [{"campaign_id": name, "session": session, "session_id": session} for session in SESSIONS]
        campaign = {"campaigns": [{"campaign_id": name}], "campaign_sessions": listed}
        commit("campaign", [campaign_key(name)], campaign)
        commit("run", [run_key(name)], {"runs": [{"run_id": name}]})
        of_model = {"model_id": name}
        tables = {table: [of_model] for table in ("forecast_models", "forecast_tests", "forecast_scores")}
        tables["current_forecast_models"] = [{"forecast_model": name, "model_id": name}]
        commit("forecast_model", [forecast_model_key(name)], tables)
        for kind, tables_of in OF_PAIRS.items():
            key = f"{kind}/{name}/{name}2"
            commit(kind, [key], {table: [rows_of(key)] for table in tables_of})
        observed = {t: [{"cascade_set_id": name}] for t in OF_CASCADE_SETS}
        observed["current_cascade_sets"] = [{"cascade_set": name, "cascade_set_id": name}]
        commit("cascades", [cascades_key(name)], observed)
        current = {"surrogate": name, "network_id": "n", "surrogate_id": name}
        commit("surrogate", [f"surrogate/n/{name}"], {"current_surrogates": [current]})
        commit("shapes", [shapes_key(name)], {"cascade_shapes": [{"session_id": name}]})
        for table in DECISIONS:
            warehouse.commit(DECISION, [decision_key(table, name)], [warehouse.stage_records(table, [record(table)])])
        commit(
            "events",
            [event_key(name), event_key(f"{name}2")],
            {"events": [{"event_id": name}, {"event_id": f"{name}2"}]},
        )
    return {table: of_table for table, of_table in keys.items() if of_table}


def in_order(table: pa.Table) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=repr)


def every_read(warehouse: Warehouse, keys: dict[str, list[str]]) -> dict[str, Any]:
    """What is read of every table: whole, by each key, by all of them, lazily, and in SQL."""
    found: dict[str, Any] = {}
    for table, of_table in keys.items():
        found[table] = in_order(warehouse.read(table))
        for key in of_table:
            found[f"{table} of {key}"] = in_order(warehouse.read(table, [key]))
            column = TABLES[table].key[-1]
            found[f"{column} in {table} of {key}"] = in_order(warehouse.read(table, [key], columns=[column]))
        found[f"{table} of all"] = in_order(warehouse.read(table, [*of_table, "session/never"]))
        found[f"{table} scanned"] = len(warehouse.scan(table)), len(warehouse.scan(table, of_table[:1]))
        found[f"{table} in SQL"] = sorted(rows(warehouse, f"SELECT * FROM {table}"), key=repr)
    return found


def test_every_read_is_the_same_before_and_after_compaction(local: Warehouse, often: None):
    keys = publish_everything(local)
    assert set(TABLES) - set(keys) == {"lane_rounds", *DECISIONS}
    decisions = {table: in_order(local.read(table)) for table in DECISIONS}
    before = every_read(local, keys)
    reader, past = Warehouse(local.url), local.as_of(local.head)
    assert reader.head == local.head
    report = compact(local)
    assert {table: after for table, (_, after) in report.items()} == {
        table: 1 for table in (*keys, *DECISIONS) if not TABLES[table].of_snapshots
    }
    assert {table: in_order(local.read(table)) for table in DECISIONS} == decisions
    assert every_read(local, keys) == before
    assert every_read(reader, keys) == before
    assert every_read(past, keys) == before
    local.log.merge()
    assert every_read(Warehouse(local.url), keys) == before
    assert compact(Warehouse(local.url)) == {}
    assert local.verify() == []


def test_compaction_leaves_the_files_of_networks_alone(local: Warehouse):
    publish_everything(local)
    before = {table: local.files(table) for table in ("network_agents", "network_edges")}
    local.maintain(**AT_ONCE)
    assert {table: local.files(table) for table in before} == before
    for snapshot in SNAPSHOTS:
        read = local.read("network_edges", [network_key("n", snapshot)])
        assert read["snapshot_id"].to_pylist() == [snapshot]


def test_compacted_files_are_sorted_by_the_tables_key(local: Warehouse):
    for session in SESSIONS:
        publish(local, session)
    compact(local)
    (file,) = local.files("cascades")
    assert (file.role, file.rows, file.key_range) == ("compacted", 12, ("a", "d"))
    sorted_rows = local.read_file(file)
    assert list(zip(sorted_rows["session_id"].to_pylist(), sorted_rows["replicate"].to_pylist(), strict=True)) == [
        (session, replicate) for session in "abcd" for replicate in range(3)
    ]


def test_rounds_of_unfinished_sessions_are_left_alone(local: Warehouse):
    def rounds(*sessions: str) -> None:
        files = [local.stage_records("lane_rounds", [record("lane_rounds", session_id=each) for each in sessions])]
        local.commit(
            "checkpoint", [f"checkpoint/{''.join(sessions)}/{local.head}"], files, properties={"sessions": sessions}
        )

    rounds("a")
    rounds("z")
    rounds("a", "m", "z")  # m is not finished: a range of keys does not say so
    rounds("a", "z")
    local.commit("sessions", ["session/a", "session/z"], [])
    assert compact(local) == {"lane_rounds": (4, 2)}
    assert local.read("lane_rounds", ["checkpoint/amz/2"])["session_id"].to_pylist() == ["a", "m", "z"]
    local.commit("sessions", ["session/m"], [])
    assert compact(local) == {"lane_rounds": (2, 1)}
    assert local.read("lane_rounds").num_rows == 7


def test_what_was_committed_while_files_were_compacted_stays(
    local: Warehouse, keyed: None, monkeypatch: pytest.MonkeyPatch
):
    for number in range(3):
        publish(local, str(number))
        change(local, counters(a=number, b=number))
    original, other = local.commit, Warehouse(local.url)

    def commit_second(*args: Any, **options: Any) -> Any:
        publish(other, f"late-{other.head}")
        change(other, counters(a=other.head), names("b"))
        return original(*args, **options)

    with monkeypatch.context() as patch:  # undoing everything would take the test tables away
        patch.setattr(local, "commit", commit_second)
        compact(local)
    assert len(local.files("cascades")) > 1
    assert {"0", "1", "2"} < set(published_sessions(local))
    assert len(published_sessions(local)) == len(published_sessions(local, "reach"))
    assert values_of(local) == {"a": max(m.number for m in local.manifests() if m.kind == "changes") - 1}


def test_of_two_compactions_at_once_one_is_given_up(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    for session in SESSIONS:
        publish(local, session)
    original, other = local.commit, Warehouse(local.url)

    def commit_second(*args: Any, **options: Any) -> Any:
        compact(other)
        return original(*args, **options)

    monkeypatch.setattr(local, "commit", commit_second)
    compact(local)
    monkeypatch.undo()
    assert len(local.files("cascades")) == 1
    assert local.read("cascades").num_rows == 12
    assert len(local.sweep(grace_seconds=-60)) == 1  # what the second to come had staged


# -- expiry and removal ---------------------------------------------------------------------------------------------


def test_expiry_gives_up_past_states_and_no_current_row(warehouse: Warehouse, keyed: None, often: None):
    for number in range(4):
        publish(warehouse, str(number))
        change(warehouse, counters(**{f"c{number}": number, "all": number}))
    report = warehouse.maintain(**AT_ONCE)
    assert report.oldest == warehouse.head - 1  # the publication before says so
    assert published_sessions(warehouse) == ["0", "1", "2", "3"]
    assert values_of(warehouse) == {"c0": 0, "c1": 1, "c2": 2, "c3": 3, "all": 3}
    assert published_sessions(Warehouse(warehouse.url), "reach") == ["0", "1", "2", "3"]
    assert len(report.removed) > 12
    assert warehouse.verify() == []
    again = Warehouse(warehouse.url).maintain(**AT_ONCE)
    assert again.compacted == {}


def test_states_within_the_retention_stay_readable(local: Warehouse, keyed: None, often: None):
    for number in range(4):
        publish(local, str(number))
        change(local, counters(a=number))
    report = local.maintain(grace_seconds=-60)
    assert report.oldest == 1
    assert report.compacted["counters"] == (4, 1)
    for number in range(4):
        past = local.as_of(2 * number + 2)
        assert values_of(past) == {"a": number}
        assert len(published_sessions(past)) == number + 1
        assert rows(past, "SELECT count(*) FROM reach") == [(3 * number + 3,)]
    assert all("checkpoints" in path for path in report.removed)


def test_the_grace_period_keeps_states_that_somebody_may_be_reading(local: Warehouse, often: None):
    for session in SESSIONS:
        publish(local, session)
    reader = local.as_of(4)
    report = local.maintain(retention=dt.timedelta(0))
    assert (report.oldest, report.removed) == (1, [])
    assert published_sessions(reader) == sorted(SESSIONS)
    assert len(reader.files("cascades")) == 4


def test_a_resumed_run_finds_its_checkpoint_after_maintenance(warehouse: Warehouse, often: None):
    def staged(table: str) -> Any:
        return warehouse.stage_records(table, [record(table, session_id="a")])

    def checkpoint(number: int, **properties: Any) -> tuple[Any, Any]:
        rows_so_far, states = staged("activations"), staged("lane_states")
        warehouse.commit(
            "checkpoint",
            [f"checkpoint/wave/{number}"],
            [staged("lane_rounds")],
            properties={
                "pending": [rows_so_far.to_json()],
                "passing": [states.to_json()],
                "until": ["session/a"],
                **properties,
            },
        )
        return rows_so_far, states

    first, passed = checkpoint(1)
    second, kept = checkpoint(2, supersedes=["checkpoint/wave/1"])
    for session in "uvwxyz":
        publish(warehouse, session)
    warehouse.maintain(**AT_ONCE)
    resumed = Warehouse(warehouse.url)
    last = resumed.publications("checkpoint")[-1]
    assert [file.path for file in last.passing] == [kept.path]
    assert resumed.read_file(last.passing[0]).num_rows == 1
    assert resumed.storage.size(passed.path) is None
    pending = [file for manifest in resumed.publications("checkpoint") for file in manifest.pending]
    assert [file.path for file in pending] == [first.path, second.path]
    resumed.commit("sessions", ["session/a"], pending)
    resumed.maintain(**AT_ONCE)
    assert resumed.storage.size(kept.path) is None
    assert resumed.read("activations", ["session/a"]).num_rows == 2


def test_arrays_of_snapshots_go_when_no_readable_state_has_them(local: Warehouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("RUMORMILL_CACHE", raising=False)
    publish_everything(local)
    for folder in [*SNAPSHOTS, "3" * 32, "scratch"]:
        (local.cache_folder / folder).mkdir(parents=True)
    gone = network_key("n", SNAPSHOTS[0])
    removed = [file for table in ("network_agents", "network_edges") for file in local.files(table, [gone])]
    local.commit("deletion", [], [], removes=removed, retracts=[gone])

    def cached() -> list[str]:
        return sorted(path.name[0] for path in local.cache_folder.iterdir() if path.is_dir())

    local.sweep(grace_seconds=-60)
    assert cached() == ["1", "2", "3", "s"]  # a past state has the first; who made the third is not known
    expire(local, **AT_ONCE)
    local.sweep(grace_seconds=-60)
    assert cached() == ["2", "3", "s"]


def test_checkpoints_that_others_replace_are_removed(local: Warehouse, often: None):
    for number in range(12):
        publish(local, str(number))
    folder = Path(local.url) / "checkpoints"
    assert len(list(folder.glob("*.json"))) == 4
    local.maintain(**AT_ONCE)
    assert len(list(folder.glob("*.json"))) == 1
    assert len(list((folder / "segments").iterdir())) == 4
    assert len(published_sessions(Warehouse(local.url))) == 12


def test_a_damaged_file_is_not_compacted_away(local: Warehouse):
    files = [publish(local, session).files[0] for session in SESSIONS]
    flip_a_byte(path_of(local, files[1]))
    with pytest.raises(OSError, match="cascades"):
        compact(local)
    assert local.files("cascades") == files


def test_writers_compact_tiny_files_now_and_then(local: Warehouse, keyed: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("data.warehouse.maintenance.COMPACT_EVERY", 4)
    monkeypatch.setattr("data.warehouse.maintenance.MANY_TINY", 3)
    publish_everything(local)
    for number in range(9):
        publish(local, str(number))
        change(local, counters(a=number))
    assert [manifest.number % 4 for manifest in local.manifests() if manifest.kind == "maintenance"][:2] == [1, 2]
    assert len(local.files("cascades")) < 6
    assert len(local.files("network_edges")) == 2
    assert len(local.files("counters")) == 9  # base files may be large: maintenance takes care of them
    assert len(published_sessions(local)) == 13
    assert local.verify() == []


def test_a_compaction_that_fails_does_not_fail_the_publication_before_it(
    local: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("data.warehouse.maintenance.COMPACT_EVERY", 3)
    monkeypatch.setattr("data.warehouse.maintenance.MANY_TINY", 2)
    file = publish(local, "a").files[0]
    flip_a_byte(path_of(local, file))
    for session in "bc":
        publish(local, session)
    assert local.head == 4  # reach was compacted
    assert "tiny files of cascades were not compacted" in caplog.text


def test_a_read_by_key_reads_the_row_groups_that_may_have_it(local: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.warehouse.staging.ROWS_PER_GROUP", 2)
    for session in "abcdef":
        publish(local, session, replicates=2)
    compact(local)
    (file,) = local.files("cascades")
    asked: list[list[int]] = []
    original = pq.ParquetFile.read_row_groups

    def noted(self, groups, **options):
        asked.append(list(groups))
        return original(self, groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", noted)
    for session in "abcdef":
        rows = local.read("cascades", [f"session/{session}"])
        assert rows["session_id"].to_pylist() == [session] * 2
    assert pq.read_metadata(local.location(file)).num_row_groups == 6
    assert asked == [[0], [1], [2], [3], [4], [5]]
    assert local.read("cascades", ["session/a", "session/f"]).num_rows == 4
    assert asked[-1] == [0, 5]
