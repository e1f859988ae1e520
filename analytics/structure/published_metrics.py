"""Metrics in the warehouse: one row per snapshot and one per agent, to which later calls add what they compute."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analytics.structure.metrics import METRICS, Values
from data.errors import AlreadyPublishedError, CommitConflictError
from data.networks.network import Network
from data.warehouse.key_filter import plain
from data.warehouse.keys import metric_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store, Unchanged
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL

KIND = "metrics"
TABLES = ("network_metrics", "agent_metrics")
ATTEMPTS = 20
"""Publications that are tried while other processes publish metrics of the same snapshot."""


@dataclass(frozen=True)
class PublishedMetrics:
    """The metrics of a snapshot as of a publication.

    Attributes
    ----------
    number : int
        The publication.
    names : frozenset of str
        Metrics that are published.
    values : Values
        Of these.
    """

    number: int
    names: frozenset[str] = frozenset()
    values: Values = field(default_factory=Values)


def read_metrics(network: Network) -> PublishedMetrics:
    """Return the metrics of a snapshot that are in the warehouse, of whichever network of this content."""
    state = network.warehouse.as_of(network.warehouse.head)
    keys = {metric_key(network.snapshot_id, name): name for name in METRICS}
    there = state.published(keys)
    if not there:
        return PublishedMetrics(state.head)
    # Rows move to the file of the metric that was published last, so all keys are needed to find them.
    rows, agents = (state.read(table, there) for table in TABLES)
    metrics = [METRICS[name] for key, name in keys.items() if key in there]
    agents = agents.sort_by("agent")
    row = rows.to_pylist()[0]
    values = Values(
        {column: row[column] for metric in metrics for column in metric.network_columns},
        {column: agents[column].to_numpy() for metric in metrics for column in metric.agent_columns},
    )
    return PublishedMetrics(state.head, frozenset(metric.name for metric in metrics), values)


def publish_metrics(network: Network, names: Sequence[str], values: Values) -> None:
    """Add metrics to a snapshot's rows in one publication; what another process has published meanwhile is kept.

    Parameters
    ----------
    network : Network
    names : sequence of str
        The metrics.
    values : Values
        Theirs.

    Raises
    ------
    CommitConflictError
        If other writers were first every time.
    RequirementGoneError
        If the snapshot was deleted in the meantime.
    """
    for attempt in range(ATTEMPTS):
        published = read_metrics(network)
        missing = [name for name in names if name not in published.names]
        if not missing:
            return
        try:
            _publish(network, missing, values, published)
        except (AlreadyPublishedError, CommitConflictError):
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return
        time.sleep(random.uniform(0.0, 0.05 * 2 ** min(attempt, 4)))


def _publish(network: Network, names: Sequence[str], values: Values, published: PublishedMetrics) -> None:
    store, snapshot_id = network.warehouse, network.snapshot_id
    together = Values(
        {**published.values.of_network, **values.of_network}, {**published.values.of_agents, **values.of_agents}
    )
    added, removed = [], []
    rows = {"network_metrics": _network_row(snapshot_id, together), "agent_metrics": _agent_rows(network, together)}
    for table, new in rows.items():
        if new.num_rows == 0:
            continue
        for file, kept in _files_of_snapshot(store, table, snapshot_id, published):
            removed.append(file)
            if kept.num_rows:
                added.append(store.stage(table, kept, role="compacted"))
        added.append(store.stage(table, new))
    store.commit(
        KIND,
        [metric_key(snapshot_id, name) for name in names],
        added,
        removes=removed,
        requires=[network.key],
        unchanged=[Unchanged(table, published.number, snapshot_id, snapshot_id) for table in rows],
    )


def _files_of_snapshot(
    store: Store, table: str, snapshot_id: str, published: PublishedMetrics
) -> Iterator[tuple[DataFile, pa.Table]]:
    """Yield the files that hold rows of a snapshot, with their rows of other snapshots."""
    keys = [metric_key(snapshot_id, name) for name in published.names]
    for file in store.as_of(published.number).files(table, keys):
        rows = store.read_completed(file)
        is_other = pc.not_equal(plain(rows["snapshot_id"]), snapshot_id)
        if not pc.all(is_other).as_py():
            yield file, rows.filter(is_other)


def _network_row(snapshot_id: str, values: Values) -> pa.Table:
    row: dict[str, Any] = {**values.of_network, "snapshot_id": snapshot_id}
    return pa.Table.from_pylist([row], schema=table_specification("network_metrics").file_schema)


def _agent_rows(network: Network, values: Values) -> pa.Table:
    """Return a row per agent; none if no metric of agents is known."""
    schema = table_specification("agent_metrics").file_schema
    if not values.of_agents:
        return schema.empty_table()
    agents = network.dense_agents
    snapshot = pa.repeat(pa.scalar(network.snapshot_id), len(agents)).dictionary_encode().cast(SYMBOL)
    arrays: dict[str, pa.Array | npt.NDArray[Any]] = {"snapshot_id": snapshot, "agent": agents, **values.of_agents}
    columns = [
        pa.array(arrays[field.name], from_pandas=True).cast(field.type)
        if field.name in arrays
        else pa.nulls(len(agents), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
