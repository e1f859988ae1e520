"""Small publications, and where their files lie."""

from pathlib import Path

import pyarrow as pa

from data.manifests import DataFile, Manifest
from data.warehouse import Warehouse


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
