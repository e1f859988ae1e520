"""Keyed tables: rows that replace earlier rows with the same key, with their history.

A publication adds *change files*: sorted by key, each row an upsert or a deletion. The latest publication of a key
wins. Compaction turns changes into *base files*, which contain the current rows of disjoint ranges of keys; a change
always wins over a base. Change files stay on disk until their publication has expired, so they provide all
intermediate states, the history of a key, and the changes of a period.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import CommitConflictError, InvalidInputError
from data.warehouse.keyed_rows import (
    OPERATION,
    PUBLICATION,
    UPSERT,
    base_schema,
    change_schema,
    changed_rows,
    current,
    first_of_keys,
    latest,
    ranges_of,
    versions,
)
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.store import Store, Unchanged
from data.warehouse.tables import table_specification

ROWS_PER_BASE_FILE = 1 << 20
UPDATE_ATTEMPTS = 100
LONGEST_WAIT = 0.2
"""Longest wait of a writer before it retries, seconds."""


@dataclass(frozen=True)
class Changes:
    """Changes to some keys of a table.

    Attributes
    ----------
    upserts : pyarrow.Table or None
        Rows with the table's columns.
    deletions : pyarrow.Table or None
        Keys whose rows are to be deleted: the columns of the table's key.
    """

    upserts: pa.Table | None = None
    deletions: pa.Table | None = None


def stage_changes(store: Store, table: str, changes: Changes) -> DataFile:
    """Write one new change file, invisible until it is committed.

    Raises
    ------
    InvalidInputError
        If a key occurs twice.
    """
    specification = table_specification(table)
    with store.staging(table, change_schema(specification), role="changes") as staged:
        staged.write(changed_rows(specification, changes.upserts, changes.deletions))
    return staged.file


def update(
    store: Store,
    table: str,
    change: Callable[[pa.Table], Changes],
    low: Any,
    high: Any,
    *,
    kind: str,
    keys: Callable[[int], Sequence[str]] = lambda _: (),
) -> Manifest:
    """Publish changes that depend on the current rows of a range of keys; concurrent updates of it are serialised.

    Parameters
    ----------
    store : Store
    table : str
    change : callable
        Takes the current rows of the range and returns their changes; called again if another writer has changed the
        range in the meantime.
    low, high : str or int
        Smallest and largest value of the first column of the table's key that `change` reads or writes.
    kind : str
        Kind of the publication.
    keys : callable, optional
        Returns the keys of the publication, given the number of the publication that it is based on.

    Raises
    ------
    CommitConflictError
        If other writers were first every time.
    """
    for attempt in range(UPDATE_ATTEMPTS):
        since = store.head
        rows = current_rows(store.as_of(since), table, low, high)
        file = stage_changes(store, table, change(rows))
        try:
            return store.commit(kind, keys(since), [file], unchanged=[Unchanged(table, since, low, high)])
        except CommitConflictError:
            if attempt == UPDATE_ATTEMPTS - 1:
                raise
        time.sleep(random.uniform(0.0, min(LONGEST_WAIT, 0.01 * 2**attempt)))
    raise AssertionError("unreachable")


def current_rows(store: Store, table: str, low: Any = None, high: Any = None) -> pa.Table:
    """Return the current rows of a keyed table, sorted by key; files beyond the range are not opened.

    Parameters
    ----------
    store : Store
        The store, or a past state from ``as_of``.
    table : str
    low, high : str or int, optional
        Smallest and largest value of the first column of the key; default: all.

    Returns
    -------
    pyarrow.Table
        With the table's schema.
    """
    specification = table_specification(table)
    return current(versions(store.read_file, specification, store.files(table), low, high), specification)


def history(store: Store, table: str, low: Any, high: Any) -> pa.Table:
    """Return all versions of the keys in a range in readable states, sorted by key and publication.

    Returns
    -------
    pyarrow.Table
        The table's columns, ``operation`` (upsert or delete) and ``publication``.
    """
    files = store.log.files(table, store.head, removed_since=store.log.oldest)
    rows = versions(store.read_file, table_specification(table), files, low, high)
    key = [*table_specification(table).key, PUBLICATION]
    rows = rows.sort_by([(name, "ascending") for name in key])
    return rows.filter(pa.array(first_of_keys(rows, key)))


def changes_between(store: Store, table: str, since: int, until: int | None = None) -> pa.Table:
    """Return the changes of a keyed table published after `since` and up to `until`, sorted by key and publication.

    Raises
    ------
    InvalidInputError
        If changes after `since` have expired.
    """
    if since < store.log.oldest and store.log.oldest > 1:
        raise InvalidInputError(
            f"changes of {table} after publication {since} have expired; the oldest readable ones are after "
            f"publication {store.log.oldest}"
        )
    last = store.head if until is None else until
    files = store.log.files(table, last, removed_since=store.log.oldest)
    rows = versions(
        store.read_file, table_specification(table), [f for f in files if f.role == "changes" and since < f.publication]
    )
    return rows.sort_by([(name, "ascending") for name in (*table_specification(table).key, PUBLICATION)])


def compacted(store: Store, table: str, files: Sequence[DataFile]) -> list[DataFile]:
    """Write base files with the current rows of some files; return them, to be published in place of these.

    Ranges of keys, each the size of a base file, are processed one after the other.
    """
    specification = table_specification(table)
    staged = []
    for low, high in ranges_of(files):
        rows = latest(versions(store.read_file, specification, files, low, high, is_open=True), specification)
        rows = rows.filter(pc.equal(rows[OPERATION], UPSERT)).drop_columns([OPERATION])
        for first in range(0, rows.num_rows, ROWS_PER_BASE_FILE):
            with store.staging(table, base_schema(specification), role="base") as file:
                file.write(rows.slice(first, ROWS_PER_BASE_FILE))
            staged.append(file.file)
    return staged
