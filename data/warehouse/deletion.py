"""Deletion of campaigns, sessions, networks and observed cascades with their dependents, in one publication.

Rows leave their tables at once; maintenance deletes files when no readable state lists them. Keys are retracted, so
that the same session can be run, and the same network imported, again.
"""

import random
import time
from collections.abc import Collection, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import CommitConflictError, InvalidInputError, RequirementGoneError
from data.warehouse import keyed_tables
from data.warehouse.dependents import Deletion
from data.warehouse.key_filter import holds_one_of, plain
from data.warehouse.keyed_tables import Changes
from data.warehouse.keys import (
    DECISION,
    campaign_key,
    event_key,
    message_key,
    network_key,
    round_key,
    run_key,
    session_key,
    successor_key,
)
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store, Unchanged
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import TableSpecification

KIND = "deletion"
ATTEMPTS = 20
DEPENDING = (
    "networks", "campaigns", "campaign_sessions", "propagation_sessions", "runs", "observed_cascade_sets",
    "cascade_features", "forecasts",
)  # fmt: skip
"""Tables that determine dependents."""

OF_MODELS = {"forecast_tests"}
"""Tables of rows about cascades that belong to a model, with which they stay."""

PAIRED = {"first_session_id": "second_session_id"}
"""Columns of rows about two sessions, each with the other one: rows are deleted with either."""

CURRENT = ("current_segmentations", "current_surrogates")
"""Keyed tables whose rows are deleted with a network."""

Rewritten = dict[tuple[int, str], tuple[DataFile | None, ...]]
"""By publication and path of a file: empty if it is kept, else its replacement, or None if no row is left."""


def delete(store: Store, deletion: Deletion) -> None:
    """Carry out a deletion in one publication.

    Raises
    ------
    InvalidInputError
        If something that is kept depends on it.
    CommitConflictError
        If its dependents have changed since, or other writers were first every time.
    NetworkNotFoundError, NotPublishedError
        If another deletion was first.
    """
    if deletion.blocking:
        raise InvalidInputError(f"{deletion.what} is not deleted: {'; '.join(deletion.blocking)}")
    rewritten: Rewritten = {}
    for attempt in range(ATTEMPTS):
        since = store.head
        if deletion.plan(store.as_of(since)) != deletion:
            raise CommitConflictError(f"what depends on {deletion.what} has changed meanwhile: look, and run again")
        try:
            _publish(store, deletion, rewritten, since)
        except (CommitConflictError, RequirementGoneError):
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return
        time.sleep(random.uniform(0.0, min(1.0, 0.05 * 2**attempt)))


def _publish(store: Store, deletion: Deletion, rewritten: Rewritten, since: int) -> None:
    added, removed = _replaced_files(store, deletion, rewritten)
    added += _forgotten(store, "current_networks", "network_id", deletion.networks)
    added += _forgotten(store, "current_segmentations", "snapshot_id", deletion.unshared)
    added += _forgotten(store, "current_surrogates", "network_id", deletion.networks)
    added += _forgotten(store, "current_cascade_sets", "cascade_set_id", deletion.cascade_sets)
    keys = _published_keys(store, deletion)
    store.commit(
        KIND,
        [],
        added,
        removes=removed,
        retracts=keys,
        properties={"deleted": deletion.what},
        requires=keys,
        unchanged=[Unchanged(table, since) for table in (*DEPENDING, *CURRENT)],
    )


# -- keys -----------------------------------------------------------------------------------------------------------


def _published_keys(store: Store, deletion: Deletion) -> list[str]:
    """Return the keys to retract."""
    keys = list(_keys(store, deletion))
    there = [key for key, number in zip(keys, store.log.numbers(keys), strict=True) if number]
    return sorted({*there, *_published_rounds(store, deletion.sessions)})


def _keys(store: Store, deletion: Deletion) -> Iterator[str]:
    yield from map(campaign_key, deletion.campaigns)
    yield from map(run_key, deletion.runs)
    yield from map(message_key, deletion.messages)
    yield from map(event_key, deletion.events)
    yield from map(session_key, deletion.sessions)
    for name in deletion.networks:
        yield successor_key(name, None)
        for snapshot_id in deletion.snapshots:
            yield network_key(name, snapshot_id)
            yield successor_key(name, snapshot_id)
    for kind, names in _subjects(deletion).items():
        for manifest in store.publications(kind) if names else ():
            yield from (key for key in manifest.keys if key.split("/")[1] in names)
    for manifest in store.publications("forecast") if deletion.cascades_of else ():
        yield from (key for key in manifest.keys if key.split("/")[2] in deletion.cascades_of)
    for manifest in (*store.publications("checkpoint"), *store.publications(DECISION)):
        if deletion.sessions.intersection(manifest.properties.get("sessions", ())):
            yield from manifest.keys


def _subjects(deletion: Deletion) -> dict[str, frozenset[str]]:
    """Return what is deleted of that which the keys of a kind of publication name after their kind."""
    return {
        "network": deletion.networks,
        "calibration": deletion.networks,
        "containment": deletion.networks,
        "score": deletion.networks,
        "selection": deletion.networks,
        "surrogate": deletion.networks,
        "metrics": deletion.unshared,
        "segmentation": deletion.unshared,
        "ranking": deletion.unshared,
        "crossing": deletion.sessions,
        "shapes": deletion.sessions,
        "cascades": deletion.cascade_sets,
        "features": deletion.cascades_of,
    }


def _published_rounds(store: Store, sessions: frozenset[str]) -> Iterator[str]:
    """Yield the keys of the published rounds of sessions; round numbers are consecutive."""
    number, remaining = 0, sorted(sessions)
    while remaining:
        keys = [round_key(session_id, number) for session_id in remaining]
        there = [bool(found) for found in store.log.numbers(keys)]
        yield from (key for key, is_there in zip(keys, there, strict=True) if is_there)
        remaining = [session_id for session_id, is_there in zip(remaining, there, strict=True) if is_there]
        number += 1


# -- rows -----------------------------------------------------------------------------------------------------------


def _replaced_files(store: Store, deletion: Deletion, rewritten: Rewritten) -> tuple[list[DataFile], list[DataFile]]:
    """Return the replacements of files that contain rows to delete, and those files."""
    added, removed = [], []
    for table in TABLES.values():
        if table.of_snapshots:
            removed += _snapshot_files(store, table, deletion)
            continue
        for file, column, values in _candidates(store, table, deletion):
            place = (file.publication, file.path)
            if place not in rewritten:
                rewritten[place] = _rewritten(store, file, column, values)
            for instead in rewritten[place]:
                removed.append(file)
                added += [instead] if instead is not None else []
    return added, removed


def _candidates(
    store: Store, table: TableSpecification, deletion: Deletion
) -> Iterator[tuple[DataFile, str, list[str]]]:
    """Yield the files of a table that may contain rows to delete, with the column and values that identify them."""
    column, values = _column(table, deletion)
    if table.keyed or not values:
        return
    for file in store.files(table.name):
        if column != table.key[0] or column in PAIRED or holds_one_of(file, values):
            yield file, column, values


def _rewritten(store: Store, file: DataFile, column: str, values: list[str]) -> tuple[DataFile | None, ...]:
    """Write the rows of a file that are kept; see `Rewritten`."""
    rows = store.read_completed(file)
    gone = pc.is_in(plain(rows[column]), value_set=pa.array(values, pa.string()))
    if column in PAIRED:
        gone = pc.or_(gone, pc.is_in(rows[PAIRED[column]], value_set=pa.array(values, pa.string())))
    if not pc.any(gone).as_py():
        return ()
    if pc.all(gone).as_py():
        return (None,)
    return (store.stage(file.table, rows.filter(pc.invert(gone)), file.division, role="compacted"),)


def _column(table: TableSpecification, deletion: Deletion) -> tuple[str, list[str]]:
    """Return the column that identifies the rows to delete in a table, and its values."""
    by_column = {
        "run_id": deletion.runs,
        "campaign_id": deletion.campaigns,
        "session_id": deletion.sessions,
        "first_session_id": deletion.sessions,
        "event_id": deletion.events,
        "message_id": deletion.messages,
        "network_id": deletion.networks,
        "snapshot_id": deletion.unshared,
        "cascade_set_id": deletion.cascades_of,
    }
    if table.name in OF_MODELS:
        return "", []
    column = next((name for name in table.key if name in by_column), "")
    return column, sorted(by_column.get(column, ()))


def _snapshot_files(store: Store, table: TableSpecification, deletion: Deletion) -> list[DataFile]:
    """Return the files of the deleted networks' publications; snapshots of other networks may share their paths."""
    keys = [network_key(name, snapshot) for name in deletion.networks for snapshot in deletion.snapshots]
    return store.files(table.name, keys) if keys else []


def _forgotten(store: Store, table: str, column: str, values: Collection[str]) -> list[DataFile]:
    """Stage the deletion of the current rows of a keyed table that have one of some values in a column, if any."""
    if not values:
        return []
    rows = keyed_tables.current_rows(store, table)
    gone = rows.filter(pc.is_in(rows[column], value_set=pa.array(sorted(values), pa.string())))
    if not gone.num_rows:
        return []
    return [keyed_tables.stage_changes(store, table, Changes(deletions=gone.select(list(TABLES[table].key))))]
