"""Warehouses of older versions: manifests of format 1, and network files that name their snapshot themselves."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import CorruptFileError
from data.facade import Warehouse
from data.warehouse.deletion import delete
from data.warehouse.dependents import campaign_deletion, network_deletion
from data.warehouse.keys import network_key
from data.warehouse.maintenance import compact
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import schema_fingerprint
from tests.data.publications import manifest_path, publish, record, rows

SNAPSHOT = "5" * 32


class Format1:
    """Write publications as an older version did."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number, self.parent = folder, 0, None

    def file(self, table: str, *given: dict[str, Any]) -> dict[str, Any]:
        later = {column.name: column.later for column in TABLES[table].columns}
        fields = [field for field in TABLES[table].schema if not later[field.name]]
        kept = [{f.name: record(table, **row)[f.name] for f in fields} for row in given]
        path = self.folder / "tables" / table / f"{self.number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(kept, schema=pa.schema(fields)), path, write_page_checksum=True)
        content = path.read_bytes()
        return {
            "table": table,
            "path": str(path.relative_to(self.folder)),
            "rows": len(given),
            "size": len(content),
            "checksum": hashlib.sha256(content).hexdigest(),
            "fingerprint": schema_fingerprint(pa.schema(fields)),
            "division": [0, 1] if table in ("network_agents", "network_edges") else None,
        }

    def publish(self, kind: str, keys: list[str], files: list[dict[str, Any]], **further: Any) -> None:
        self.number += 1
        content = {
            "format": 1,
            "number": self.number,
            "parent": self.parent,
            "kind": kind,
            "keys": keys,
            "files": files,
            "created_at": f"2026-11-0{self.number}T00:00:00.000001+00:00",
            "specification_hash": None,
            "properties": {},
            **further,
        }
        stored = json.dumps(content, sort_keys=True).encode()
        path = self.folder / "manifests" / f"{self.number:012d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored)
        self.parent = hashlib.sha256(stored).hexdigest()


@pytest.fixture
def older(tmp_path: Path) -> Warehouse:
    """A warehouse of an older version: a network, a stored run, two sessions in one file, and their campaign."""
    writer = Format1(tmp_path / "warehouse")
    network = [
        writer.file("networks", {"network_id": "n", "snapshot_id": SNAPSHOT}),
        writer.file("network_agents", *({"snapshot_id": SNAPSHOT, "agent": i, "agent_id": "ab"[i]} for i in range(2))),
        writer.file("network_edges", {"snapshot_id": SNAPSHOT, "src": 0, "dst": 1}),
    ]
    keys = [network_key("n", SNAPSHOT), "network/n/after/None"]
    writer.publish("network", keys, network, specification_hash=SNAPSHOT)
    run = {"campaign": {"name": "spring", "network": "n"}, "snapshot_id": SNAPSHOT, "sessions": ["one", "two"]}
    writer.publish("run", ["run/c"], [], properties=run)
    ids = {"network_id": "n", "snapshot_id": SNAPSHOT}
    sessions = [
        writer.file("propagation_sessions", *({"session_id": each, **ids} for each in ("one", "two"))),
        writer.file("reach", *({"session_id": each, "agent": 1} for each in ("one", "two"))),
    ]
    writer.publish("sessions", ["session/one", "session/two"], sessions)
    campaign = [
        writer.file("campaigns", {"campaign_id": "c", "campaign": "spring"}),
        writer.file("campaign_sessions", *({"campaign_id": "c", "session_id": each} for each in ("one", "two"))),
    ]
    writer.publish("campaign", ["campaign/c"], campaign)
    return Warehouse(writer.folder)


QUESTIONS = {
    "SELECT source_agent_id, target_agent_id, snapshot_id FROM network_edges": [("a", "b", SNAPSHOT)],
    "SELECT session_id, agent_id FROM reach ORDER BY ALL": [("one", "b"), ("two", "b")],
    "SELECT network_id, warnings FROM networks": [("n", None)],
    "SELECT count(*) FROM files.network_agents": [(2,)],
    "SELECT campaign FROM campaigns": [("spring",)],
}


def answers(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    return {sql: rows(warehouse, sql) for sql in QUESTIONS}


def test_it_opens_answers_and_verifies(older: Warehouse, often: None):
    assert answers(older) == QUESTIONS
    assert older.verify() == []
    edges = older.read("network_edges", [network_key("n", SNAPSHOT)])
    assert edges["snapshot_id"].to_pylist() == [SNAPSHOT]
    assert older.read("networks").to_pylist()[0]["warnings"] is None
    assert older.scan("networks").compute()["id_range"].isna().all()
    assert older.as_of("2026-11-03").head == 2  # as if it had been published a microsecond later


def test_it_is_written_on_and_compacted(older: Warehouse, often: None):
    publish(older, "new")
    assert [manifest.number for manifest in older.manifests()] == [1, 2, 3, 4, 5]
    row = record("networks", network_id="m", snapshot_id="6" * 32, warnings=["odd"])
    files = [older.stage_records("networks", [row])]
    older.commit("network", [network_key("m", "6" * 32)], files, specification_hash="6" * 32)
    assert rows(older, "SELECT network_id, warnings FROM networks ORDER BY ALL") == [("m", ["odd"]), ("n", None)]
    compact(older)
    assert rows(older, "SELECT network_id, warnings FROM networks ORDER BY ALL") == [("m", ["odd"]), ("n", None)]
    assert len(older.files("networks")) == 1
    assert Warehouse(older.url).verify() == []


def test_its_campaign_and_network_can_be_deleted(older: Warehouse, often: None):
    deletion = campaign_deletion(older, "spring")
    assert (deletion.sessions, deletion.runs) == ({"one", "two"}, {"c"})
    delete(older, deletion)
    assert rows(older, "SELECT * FROM reach") == []
    assert older.publications("run") == []
    delete(older, network_deletion(older, "n"))
    assert [older.read(table).num_rows for table in ("networks", "network_agents", "network_edges")] == [0, 0, 0]


def test_older_versions_refuse_what_this_one_writes(older: Warehouse, monkeypatch: pytest.MonkeyPatch):
    publish(older, "new")
    assert json.loads(manifest_path(older, 5).read_bytes())["format"] == 2
    monkeypatch.setattr("data.warehouse.manifests.READABLE", (1,))
    with pytest.raises(CorruptFileError, match=r"000000000005.json has format 2, .*: update Rumormill"):
        Warehouse(older.url).read("reach")
