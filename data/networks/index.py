"""The index of networks: the snapshots of each, and the current one, which is the one imported last.

The keyed table `current_networks` records the current snapshots. Warehouses of earlier versions lack it; there, the
newest snapshot is current.
"""

import logging
from collections import Counter
from typing import Any

import pyarrow as pa

from data.errors import NetworkNotFoundError
from data.networks.network import Network
from data.warehouse.keyed_tables import Changes, current_rows, stage_changes
from data.warehouse.keys import network_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import table_specification

logger = logging.getLogger(__name__)

TABLE = "current_networks"


def current(store: Store, name: str) -> Network | None:
    """Return the current snapshot of a network (the one imported last), or None if there is none."""
    rows = current_rows(store, TABLE, name, name).to_pylist()
    if rows:
        return snapshot(store, name, rows[0]["snapshot_id"])
    return next(reversed(snapshots(store, name)), None)


def names(store: Store) -> list[str]:
    """Return the names of all networks, in the order of their first imports."""
    return list(dict.fromkeys(row["network_id"] for row in _rows(store)))


def listing(store: Store) -> pa.Table:
    """Return one row per network, in its current snapshot, in the order of their first imports."""
    rows = _rows(store)
    counts = Counter(row["network_id"] for row in rows)
    schema = table_specification("networks").schema
    columns = ["network_id", "agents", "edges", "created_at", "description", "snapshot_id"]
    found = [network.row for name in counts if (network := current(store, name)) is not None]
    table = pa.Table.from_pylist(
        [{name: row[name] for name in columns} for row in found], schema=pa.schema([schema.field(n) for n in columns])
    )
    return table.add_column(3, "snapshots", pa.array([counts[row["network_id"]] for row in found], pa.int64()))


def snapshot(store: Store, name: str, snapshot_id: str) -> Network | None:
    """Return one snapshot of a network, or None if it has none with this id."""
    rows = store.read("networks", [network_key(name, snapshot_id)]).to_pylist()
    return Network.from_row(store, rows[0]) if rows else None


def snapshots(store: Store, name: str) -> list[Network]:
    """Return all snapshots of a network in the order of their first publication, following their parent links."""
    rows = [row for row in _rows(store) if row["network_id"] == name]
    following = {row["parent_snapshot_id"]: row for row in rows}
    chain, snapshot_id = [], None
    while (row := following.pop(snapshot_id, None)) is not None:
        chain.append(row)
        snapshot_id = row["snapshot_id"]
    return [Network.from_row(store, row) for row in (chain if len(chain) == len(rows) else rows)]


def with_content(store: Store, snapshot_id: str) -> Network | None:
    """Return a snapshot with this content of any network, or None."""
    found = (Network.from_row(store, row) for row in _rows(store) if row["snapshot_id"] == snapshot_id)
    return next(found, None)


def _rows(store: Store) -> list[dict[str, Any]]:
    """Return the rows of all snapshots, oldest first."""
    return sorted(store.read("networks").to_pylist(), key=lambda row: row["created_at"])


def staged_current(store: Store, name: str, snapshot_id: str) -> DataFile:
    """Stage the change that makes a snapshot current, to be committed."""
    row = pa.table({"network_id": [name], "snapshot_id": [snapshot_id]})
    return stage_changes(store, TABLE, Changes(upserts=row))


def make_current(store: Store, network: Network) -> None:
    """Make a published snapshot the current one of its network, if it is not.

    Raises
    ------
    RequirementGoneError
        If the snapshot has been deleted in the meantime.
    """
    if current(store, network.network_id) == network:
        return
    file = staged_current(store, network.network_id, network.snapshot_id)
    store.commit("network", [], [file], requires=[network.key])
    logger.info("network %r: snapshot %s is current again", network.network_id, network.snapshot_id)


def keep_current(store: Store, name: str) -> None:
    """Record which snapshot of a network is current, so that another one can be published without becoming it.

    Raises
    ------
    NetworkNotFoundError
        If there is no such network.
    """
    found = current(store, name)
    if found is None:
        raise NetworkNotFoundError(
            f"no network {name!r} in warehouse {store.url}: its first import makes it current; import it that way once"
        )
    if current_rows(store, TABLE, name, name).num_rows == 0:  # written by an earlier version
        file = staged_current(store, name, found.snapshot_id)
        store.commit("network", [], [file], requires=[found.key])
