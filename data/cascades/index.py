"""The index of observed cascades: the sets of each name, and the current one, which is the one imported last."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.errors import CascadesNotFoundError, NetworkNotFoundError
from data.networks import index as networks
from data.networks.network import Network
from data.validation import suggestion
from data.warehouse.frames import pandas_frame
from data.warehouse.keyed_tables import Changes, current_rows, stage_changes
from data.warehouse.keys import cascades_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

TABLE = "current_cascade_sets"
_LISTED = (
    "cascade_set", "cascades", "activations", "agents", "rejected_rows", "network_id", "time_unit", "imported_at",
    "source", "cascade_set_id",
)  # fmt: skip


def current_row(store: Store, name: str) -> dict[str, Any] | None:
    """Return the row of `observed_cascade_sets` of the current set of this name, or None if there is none."""
    rows = current_rows(store, TABLE, name, name).to_pylist()
    return set_row(store, rows[0]["cascade_set_id"]) if rows else None


def set_row(store: Store, cascade_set_id: str) -> dict[str, Any] | None:
    """Return the row of `observed_cascade_sets` of a set, or None if there is none."""
    rows = store.read("observed_cascade_sets", [cascades_key(cascade_set_id)]).to_pylist()
    return rows[0] if rows else None


def found_row(store: Store, name: str) -> dict[str, Any]:
    """Return the row of the current set of this name, or of the set with this id.

    Raises
    ------
    CascadesNotFoundError
        If there is none; the message lists the existing sets.
    """
    row = current_row(store, name) or set_row(store, name)
    if row is None:
        known = listing(store)["cascade_set"].to_pylist()
        there = ", ".join(known) or "none yet"
        raise CascadesNotFoundError(
            f"no cascades {name!r}{suggestion(name, known)} in warehouse {store.url} (cascades there: {there}); import "
            f"some with: rumormill cascades import {name!r} FILE"
        )
    return row


def listing(store: Store) -> pa.Table:
    """Return one row per name, about its current set, in the order of their imports."""
    current = store.read(TABLE)["cascade_set_id"].to_pylist()
    rows = store.read("observed_cascade_sets")
    rows = rows.filter(pc.is_in(rows["cascade_set_id"], value_set=pa.array(current, pa.string())))
    return rows.sort_by("imported_at").select(list(_LISTED))


def staged_current(store: Store, name: str, cascade_set_id: str) -> DataFile:
    """Stage the change that makes a set the current one of its name, to be committed."""
    row = pa.table({"cascade_set": [name], "cascade_set_id": [cascade_set_id]})
    return stage_changes(store, TABLE, Changes(upserts=row))


def make_current(store: Store, name: str, cascade_set_id: str) -> bool:
    """Make a published set the current one of its name; return whether it was not.

    Raises
    ------
    RequirementGoneError
        If the set has been deleted in the meantime.
    """
    row = current_row(store, name)
    if row is not None and row["cascade_set_id"] == cascade_set_id:
        return False
    store.commit("cascades", [], [staged_current(store, name, cascade_set_id)], requires=[cascades_key(cascade_set_id)])
    logger.info("cascades %r: set %s is current again", name, cascade_set_id)
    return True


def load(store: Store, name: str) -> ObservedCascades:
    """Return the observed cascades of a name, or of a set's id, in memory: about 30 bytes per activation.

    Raises
    ------
    CascadesNotFoundError
        If there are none.
    NetworkNotFoundError
        If the network whose agents they are is not in the warehouse any more.
    """
    row = found_row(store, name)
    keys = [cascades_key(row["cascade_set_id"])]
    cascades = store.read("observed_cascades", keys, ["cascade", "cascade_id", "size", "cascade_label"])
    cascades = cascades.sort_by("cascade")
    columns = ["cascade", "order", "agent", "time", "infector", "followers"]
    network = _network(store, row)
    rows = store.read("observed_activations", keys, columns if network is not None else [*columns, "agent_id"])
    place = rows["cascade"].to_numpy().astype(np.int64) << 32 | rows["order"].to_numpy()
    if (np.diff(place) < 0).any():  # compacted
        rows = rows.take(pa.array(np.argsort(place, kind="stable")))
    agents = rows["agent"].to_numpy()
    has_followers = rows["followers"].null_count < len(rows)
    has_labels = cascades["cascade_label"].null_count < len(cascades)
    return ObservedCascades(
        name=row["cascade_set"],
        cascade_set_id=row["cascade_set_id"],
        network_id=row["network_id"],
        snapshot_id=row["snapshot_id"],
        time_unit=row["time_unit"],
        cascade_ids=cascades["cascade_id"].combine_chunks(),
        offsets=np.concatenate([[0], np.cumsum(cascades["size"].to_numpy())]).astype(np.int64),
        agents=agents,
        times=rows["time"].to_numpy(),
        infectors=rows["infector"].fill_null(int(NO_INFECTOR)).to_numpy(),
        agent_ids=_ids_by_agent(agents, rows) if network is None else network.agent_ids,
        followers=rows["followers"].fill_null(-1).to_numpy() if has_followers else None,
        labels=cascades["cascade_label"].combine_chunks() if has_labels else None,
    )


def _network(store: Store, row: dict[str, Any]) -> Network | None:
    if row["network_id"] is None:
        return None
    found = networks.snapshot(store, row["network_id"], row["snapshot_id"])
    if found is None:
        raise NetworkNotFoundError(
            f"cascades {row['cascade_set']!r} are those of agents of network {row['network_id']!r}, which is not in "
            f"warehouse {store.url}; import both again"
        )
    return found


def _ids_by_agent(agents: "np.ndarray[Any, Any]", rows: pa.Table) -> pa.Array:
    """Return the agents' ids by dense id: without a network, every dense id has an activation."""
    _, first = np.unique(agents, return_index=True)
    return rows["agent_id"].take(pa.array(first)).combine_chunks()


def rejects(store: Store, name: str) -> "pd.DataFrame":
    """Return the rows that the import of a set left out, in the order of the source.

    Columns: line, file, reason, cascade_id, agent_id, text, as in the table `cascade_rejects`.

    Raises
    ------
    CascadesNotFoundError
        If there are no such cascades.
    """
    key = cascades_key(found_row(store, name)["cascade_set_id"])
    rows = store.read("cascade_rejects", [key]).sort_by("reject")
    return pandas_frame(rows.drop_columns(["cascade_set_id", "reject"]))
