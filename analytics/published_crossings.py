"""Crossings in the warehouse: those of a session and grouping, for the groups that the agents were in."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from analytics.agent_groups import AgentGroups
from data.errors import AlreadyPublishedError, CommitConflictError
from data.warehouse.key_filter import plain
from data.warehouse.keys import Key, crossing_key, rows_of, session_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store, Unchanged

KIND = "crossing"
TABLES = ("community_reach", "community_crossings")
ATTEMPTS = 5
"""Publications that are tried while other processes publish crossings of the same session."""


def key_of(session_id: str, grouping: str, groups: AgentGroups) -> Key:
    """Return the key of a session's crossings; it changes with the groups, as a new segmentation of a name does."""
    content = hashlib.sha256(json.dumps([None if label is None else str(label) for label in groups.labels]).encode())
    content.update(groups.codes.astype("<i8").tobytes())
    return crossing_key(session_id, grouping, content.hexdigest()[:32])


def read_crossings(store: Store, key: Key) -> dict[str, pa.Table] | None:
    """Return the published rows by table; None if there are none of these groups."""
    state = store.as_of(store.head)
    return {table: state.read(table, [key]) for table in TABLES} if state.published([key]) else None


def publish_crossings(store: Store, key: Key, tables: Mapping[str, pa.Table]) -> None:
    """Publish the rows of a key, instead of those of the same session and grouping for other groups.

    Raises
    ------
    CommitConflictError
        If other writers were first every time.
    RequirementGoneError
        If the session was deleted in the meantime.
    """
    session_id = str(rows_of(key)["session_id"])
    for attempt in range(ATTEMPTS):
        since = store.head
        stale = _stale_keys(store, key)
        removed, added = _without(store, stale, since)
        try:
            store.commit(
                KIND,
                [key],
                [*added, *(store.stage(table, rows) for table, rows in tables.items())],
                removes=removed,
                retracts=stale,
                requires=[session_key(session_id)],
                unchanged=[Unchanged(table, since, session_id, session_id) for table in TABLES],
            )
        except AlreadyPublishedError:  # by another process, with equal rows
            return
        except CommitConflictError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _stale_keys(store: Store, key: Key) -> list[str]:
    """Return the published keys of the same session and grouping for other groups."""
    same = rows_of(key)
    keys = {other for manifest in store.publications(KIND) for other in manifest.keys}
    found = sorted(other for other in keys if other != key and rows_of(other) == same)
    return [other for other in found if store.published([other])]


def _without(store: Store, stale: Sequence[str], since: int) -> tuple[list[DataFile], list[DataFile]]:
    """Return the files that hold rows of some keys, and files with their other rows."""
    removed, added = list[DataFile](), list[DataFile]()
    for table in TABLES if stale else ():
        for file in store.as_of(since).files(table, stale):
            rows = store.read_completed(file)
            is_other = [pc.not_equal(plain(rows[name]), value) for name, value in rows_of(stale[0]).items()]
            kept = rows.filter(pc.or_(*is_other))
            if kept.num_rows < rows.num_rows:
                removed.append(file)
                added += [store.stage(table, kept, role="compacted")] if kept.num_rows else []
    return removed, added
