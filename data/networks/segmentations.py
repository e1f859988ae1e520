"""The index of segmentations: those of each name, and the current one, which is the one requested last."""

import datetime as dt
from typing import Any

import pyarrow as pa

from data.networks.network import Network
from data.warehouse.keyed_tables import Changes, current_rows, stage_changes
from data.warehouse.keys import segmentation_key
from data.warehouse.manifests import DataFile

TABLE = "current_segmentations"
NAMES = "_name"
"""What a segmentation's name is followed by in the name of the column with the names of the segments."""


def current_segmentations(network: Network) -> dict[str, str]:
    """Return the id of the current segmentation of each name, by name."""
    return {row["segmentation"]: row["segmentation_id"] for row in _rows(network)}


def staged_current(network: Network, name: str, segmentation_id: str) -> DataFile:
    """Stage the change that makes a segmentation the current one of its name, to be committed."""
    row: dict[str, list[Any]] = {
        "snapshot_id": [network.snapshot_id],
        "segmentation": [name],
        "segmentation_id": [segmentation_id],
        "requested_at": [dt.datetime.now(dt.UTC)],
    }
    return stage_changes(network.warehouse, TABLE, Changes(upserts=pa.table(row)))


def make_current(network: Network, name: str, segmentation_id: str) -> bool:
    """Make a published segmentation the one that was requested last; return whether it was not.

    Raises
    ------
    RequirementGoneError
        If the segmentation has been deleted in the meantime.
    """
    last = max(_rows(network), key=lambda row: row["requested_at"], default=None)
    if last is not None and last["segmentation_id"] == segmentation_id:
        return False
    key = segmentation_key(network.snapshot_id, segmentation_id)
    network.warehouse.commit("segmentation", [], [staged_current(network, name, segmentation_id)], requires=[key])
    return True


def segment_column(network: Network, name: str) -> pa.Table | None:
    """Return the segment of each agent, or its name, in a column called `name`; None if there is none of this name.

    Columns: agent (dense id) and `name`.
    """
    known = current_segmentations(network)
    segmentation = name if name in known else name.removesuffix(NAMES)
    if segmentation not in known:
        return None
    key = segmentation_key(network.snapshot_id, known[segmentation])
    agents, segments = (network.warehouse.read(table, [key]) for table in ("agent_segments", "segments"))
    values = agents["segment"].combine_chunks()
    if name != segmentation:
        names = dict(zip(segments["segment"].to_pylist(), segments["segment_name"].to_pylist(), strict=True))
        values = pa.array([names.get(number) for number in range(max(names) + 1)]).take(values)
    return pa.table({"agent": agents["agent"], name: values})


def _rows(network: Network) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = current_rows(
        network.warehouse, TABLE, network.snapshot_id, network.snapshot_id
    ).to_pylist()
    return found
