"""Small publications, where their files lie, and what is found in them."""

import datetime as dt
import importlib
import itertools
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from data.facade import Warehouse
from data.networks.edge_lists import EdgeList, ImportOptions
from data.networks.imports import publish_edges
from data.networks.network import Network
from data.warehouse.catalogue import query
from data.warehouse.keyed_tables import Changes, stage_changes
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.store import Store
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import Column, TableSpecification


def cascades(session: str, replicates: int) -> pa.Table:
    """Rows of the table `cascades`."""
    return pa.table(
        {
            "session_id": [session] * replicates,
            "replicate": pa.array(range(replicates), pa.int32()),
            "size": pa.array(range(1, replicates + 1), pa.int64()),
            "depth": pa.array([1] * replicates, pa.int32()),
            "rounds": pa.array([2] * replicates, pa.int32()),
            "peak_round": pa.array([0] * replicates, pa.int32()),
            "truncated": [False] * replicates,
            "half_round": pa.array([0] * replicates, pa.int32()),
        }
    )


def reach(session: str, agents: int) -> pa.Table:
    """Rows of the table `reach`."""
    return pa.table(
        {
            "session_id": [session] * agents,
            "agent": pa.array(range(agents), pa.int32()),
            "times_reached": pa.array([1] * agents, pa.int64()),
            "probability": [0.5] * agents,
            "mean_round": [1.0] * agents,
        }
    )


def activations(session: str, infectors: list[int | None]) -> pa.Table:
    """Rows of the table `activations`."""
    return pa.table(
        {
            "session_id": [session] * len(infectors),
            "replicate": pa.array([0] * len(infectors), pa.int32()),
            "agent": pa.array(range(len(infectors)), pa.int32()),
            "round": pa.array(range(len(infectors)), pa.int32()),
            "infector": pa.array(infectors, pa.int32()),
            "occasion": pa.array([1] * len(infectors), pa.int32()),
            "message_id": pa.array([None] * len(infectors), pa.string()),
        }
    )


def publish(warehouse: Warehouse, session: str, replicates: int = 3) -> Manifest:
    """Publish one session with cascades and reach."""
    files = [
        warehouse.stage("cascades", cascades(session, replicates)),
        warehouse.stage("reach", reach(session, replicates)),
    ]
    return warehouse.commit("sessions", [f"session/{session}"], files)


def published_sessions(warehouse: Warehouse, table: str = "cascades") -> list[str]:
    return sorted(set(warehouse.read(table)["session_id"].to_pylist()))


def path_of(warehouse: Warehouse, file: DataFile) -> Path:
    return Path(warehouse.location(file))


def manifest_path(warehouse: Warehouse, number: int) -> Path:
    return Path(warehouse.url) / "manifests" / f"{number:012d}.json"


def record(table: str, **given: Any) -> dict[str, Any]:
    """A row of a table, with something of the right type wherever nothing is given."""
    row = {}
    for column in TABLES[table].columns:
        kind = column.type
        some: Any = "x"
        if pa.types.is_list(kind):
            some = ["x" if pa.types.is_string(kind.value_type) else 1]
        elif pa.types.is_timestamp(kind):
            some = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
        elif pa.types.is_boolean(kind):
            some = False
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            some = 1
        row[column.name] = given.get(column.name, None if column.nullable else some)
    return row


def one_of_each(warehouse: Warehouse) -> None:
    """Publish one row in every table."""
    warehouse.commit("everything", ["one"], [warehouse.stage_records(table, [record(table)]) for table in TABLES])


def new_warehouse() -> Warehouse:
    return Warehouse(f"memory://{uuid.uuid4().hex}")


def publish_network(warehouse: Warehouse, edges: EdgeList, name: str = "friends", **options: Any) -> Network:
    return publish_edges(warehouse, name, edges, ImportOptions(**options), dict(options))


def edges_of(network: Network, attribute: str | None = None) -> dict[tuple[Any, Any], Any]:
    """Edges of a network between original ids, with an attribute."""
    rows = network.warehouse.read("network_edges", [network.key])
    ids = network.agent_ids.to_pylist()
    pairs = [(ids[s], ids[t]) for s, t in zip(rows["src"].to_pylist(), rows["dst"].to_pylist(), strict=True)]
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, rows[attribute].to_pylist() if attribute else itertools.repeat(None), strict=False))


def rows(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    """Answer a question in SQL."""
    table = query(warehouse, sql)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


KEYED_TABLES = (
    TableSpecification(
        "counters",
        "One row per counter.",
        ("name",),
        (Column("name", pa.string(), "name"), Column("value", pa.int64(), "count", nullable=True)),
        keyed=True,
    ),
    TableSpecification(
        "relations",
        "One row per source, target and kind.",
        ("source", "target", "kind"),
        (
            Column("source", pa.int64(), "source"),
            Column("target", pa.int64(), "target"),
            Column("kind", pa.string(), "kind"),
            Column("strength", pa.float64(), "strength"),
        ),
        keyed=True,
    ),
)
"""Keyed tables for tests: one with a key of one column, one with a key of three."""


def add_tables(set_attribute: Callable[[Any, str, Any], None]) -> None:
    """Make the tables of `KEYED_TABLES` known wherever a module of the warehouse looks tables up."""
    added = {table.name: table for table in KEYED_TABLES}
    for name in ("tables", "views", "catalogue", "maintenance", "verification", "deletion"):
        module = importlib.import_module(f"data.warehouse.{name}")
        set_attribute(module, "TABLES", {**module.TABLES, **added})


def counters(**values: int | None) -> pa.Table:
    """Rows of the table `counters`."""
    return pa.table({"name": pa.array(values, pa.string()), "value": pa.array(values.values(), pa.int64())})


def names(*given: str) -> pa.Table:
    """Keys of the table `counters`."""
    return pa.table({"name": pa.array(given, pa.string())})


def change(
    store: Store, upserts: pa.Table | None = None, deletions: pa.Table | None = None, **options: Any
) -> Manifest:
    """Publish changes of `counters` (or another keyed `table`)."""
    table = options.pop("table", "counters")
    return store.commit("changes", [], [stage_changes(store, table, Changes(upserts, deletions))], **options)


def values_of(store: Store) -> dict[str, int]:
    """Current counters, by name."""
    rows = store.read("counters")
    return dict(zip(rows["name"].to_pylist(), rows["value"].to_pylist(), strict=True))


def flip_a_byte(path: Path, position: float = 0.5) -> None:
    """Damage a file: the size and the time of change stay."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[int(len(content) * position)] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
