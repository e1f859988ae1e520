"""Deletion of campaigns, sessions and networks: what depends on them, and one publication that makes them gone.

Rows leave their tables at once; files are deleted by maintenance when no readable state lists them. Keys are retracted,
so that the same session can be run, and the same network imported, again.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from data.errors import CommitConflictError, InvalidInputError, NetworkNotFoundError, NotPublishedError
from data.warehouse import keyed_tables
from data.warehouse.keyed_tables import Changes
from data.warehouse.keys import (
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
from data.warehouse.store import Store
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import TableSpecification

KIND = "deletion"
ATTEMPTS = 5


@dataclass(frozen=True)
class Deletion:
    """What a deletion takes along.

    Attributes
    ----------
    what : str
        What was asked for, such as ``campaign 'spring'``.
    campaigns, sessions, messages, snapshots, runs, events : frozenset of str
        Ids of what goes.
    networks : frozenset of str
        Names of the networks that go with all their snapshots.
    blocking : tuple of str
        Sentences that say why it is refused; empty if it is not.
    """

    what: str
    campaigns: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()
    snapshots: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    blocking: tuple[str, ...] = field(default=())


# -- what depends on what -------------------------------------------------------------------------------------------


def campaign_deletion(store: Store, name: str) -> Deletion:
    """Return what deleting the campaigns of a name (or one, by its id) takes along.

    Sessions that other campaigns list stay.

    Raises
    ------
    NotPublishedError
        If there is no such campaign.
    """
    campaigns = store.read("campaigns", columns=["campaign_id", "campaign"]).to_pylist()
    chosen = {row["campaign_id"] for row in campaigns if name in (row["campaign"], row["campaign_id"])}
    chosen |= {run for run in _runs(store) if name in (run, _runs(store)[run])}
    if not chosen:
        known = ", ".join(sorted({row["campaign"] for row in campaigns})) or "none"
        raise NotPublishedError(f"no campaign {name!r} in warehouse {store.url} (campaigns there: {known})")
    listed = store.read("campaign_sessions", columns=["campaign_id", "session_id"]).to_pylist()
    others = {row["session_id"] for row in listed if row["campaign_id"] not in chosen}
    sessions = {row["session_id"] for row in listed if row["campaign_id"] in chosen} - others
    return _with_dependents(store, Deletion(f"campaign {name!r}", frozenset(chosen)), sessions)


def session_deletion(store: Store, session_id: str) -> Deletion:
    """Return what deleting a session takes along; refused while a campaign lists it.

    Raises
    ------
    NotPublishedError
        If there is no such session.
    """
    if not store.published([session_key(session_id)]):
        raise NotPublishedError(f"no session {session_id!r} in warehouse {store.url}; see `rumormill sessions`")
    listed = store.read("campaign_sessions", columns=["campaign_id", "session_id"]).to_pylist()
    campaigns = {row["campaign_id"] for row in listed if row["session_id"] == session_id}
    names = {row["campaign"] for row in store.read("campaigns", [campaign_key(each) for each in campaigns]).to_pylist()}
    blocking = tuple(f"campaign {name!r} lists it; delete the campaign instead" for name in sorted(names))
    deletion = Deletion(f"session {session_id}", blocking=blocking)
    return _with_dependents(store, deletion, {session_id})


def network_deletion(store: Store, name: str, *, with_sessions: bool = False) -> Deletion:
    """Return what deleting a network takes along: all its snapshots, and its sessions and campaigns if asked for.

    Raises
    ------
    NetworkNotFoundError
        If there is no such network.
    """
    rows = store.read("networks", columns=["network_id", "snapshot_id"]).to_pylist()
    snapshots = {row["snapshot_id"] for row in rows if row["network_id"] == name}
    if not snapshots:
        known = ", ".join(sorted({row["network_id"] for row in rows})) or "none"
        raise NetworkNotFoundError(f"no network {name!r} in warehouse {store.url} (networks there: {known})")
    ran = store.read("propagation_sessions", columns=["session_id", "network_id"]).to_pylist()
    sessions = {row["session_id"] for row in ran if row["network_id"] == name}
    listed = store.read("campaign_sessions", columns=["campaign_id", "session_id"]).to_pylist()
    campaigns = {row["campaign_id"] for row in listed if row["session_id"] in sessions}
    blocking: tuple[str, ...] = ()
    if sessions and not with_sessions:
        blocking = (f"{len(sessions):,} sessions ran on it; delete them too with --with-sessions",)
    deletion = Deletion(
        f"network {name!r}", frozenset(campaigns), snapshots=frozenset(snapshots), networks=frozenset([name]),
        blocking=blocking,
    )  # fmt: skip
    return _with_dependents(store, deletion, sessions)


def _with_dependents(store: Store, deletion: Deletion, sessions: set[str]) -> Deletion:
    """Add what belongs to campaigns and sessions alone: their runs, messages and events."""
    rows = store.read("propagation_sessions", columns=["session_id", "message_id"]).to_pylist()
    kept = {row["message_id"] for row in rows if row["session_id"] not in sessions}
    messages = {row["message_id"] for row in rows if row["session_id"] in sessions} - kept - {None}
    subjects = {campaign_key(campaign) for campaign in deletion.campaigns}
    happened = store.read("events", columns=["event_id", "data"]).to_pylist()
    events = {row["event_id"] for row in happened if json.loads(row["data"]).get("subject") in subjects}
    return Deletion(
        deletion.what,
        deletion.campaigns,
        frozenset(sessions),
        frozenset(messages),
        deletion.snapshots,
        frozenset(run for run in _runs(store) if run in deletion.campaigns),
        frozenset(events),
        deletion.networks,
        deletion.blocking,
    )


def _runs(store: Store) -> dict[str, str]:
    """Return the campaign's name of each recorded run."""
    found = {}
    for manifest in store.publications("run"):
        for key in manifest.keys:
            found[key.partition("/")[2]] = str(manifest.properties["campaign"]["name"])
    return found


# -- carrying it out ------------------------------------------------------------------------------------------------


def delete(store: Store, deletion: Deletion) -> None:
    """Make it gone, in one publication.

    Raises
    ------
    InvalidInputError
        If something depends on it that stays.
    CommitConflictError
        If other writers changed the same files every time.
    """
    if deletion.blocking:
        raise InvalidInputError(f"{deletion.what} is not deleted: {'; '.join(deletion.blocking)}")
    for attempt in range(ATTEMPTS):
        added, removed = _replaced_files(store, deletion)
        if deletion.networks:
            added += _forgotten_names(store, deletion.networks)
        keys = sorted(store.published(_keys(store, deletion)))
        try:
            store.commit(
                KIND, [], added, removes=removed, retracts=keys, properties={"deleted": deletion.what}, requires=keys
            )
        except CommitConflictError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return


def _keys(store: Store, deletion: Deletion) -> Iterator[str]:
    yield from map(campaign_key, deletion.campaigns)
    yield from map(run_key, deletion.runs)
    yield from map(message_key, deletion.messages)
    yield from map(event_key, deletion.events)
    for session_id in deletion.sessions:
        yield session_key(session_id)
        yield from _published_rounds(store, session_id)
    for name in deletion.networks:
        for snapshot_id in deletion.snapshots:
            yield network_key(name, snapshot_id)
            yield successor_key(name, snapshot_id)
        yield successor_key(name, None)
    for manifest in store.publications("checkpoint"):
        if deletion.sessions.intersection(manifest.properties.get("sessions", ())):
            yield from manifest.keys


def _published_rounds(store: Store, session_id: str) -> Iterator[str]:
    """Yield the keys of a session's rounds, which are consecutive."""
    number = 0
    while store.published([key := round_key(session_id, number)]):
        yield key
        number += 1


def _replaced_files(store: Store, deletion: Deletion) -> tuple[list[DataFile], list[DataFile]]:
    """Return files with the rows that stay of those that hold rows to be deleted, and these."""
    added, removed = [], []
    for table in TABLES.values():
        if table.of_snapshots:
            files, _ = _snapshot_files(store, table, deletion)
            removed += files
        elif not table.keyed and (ids := _ids(table, deletion)):
            column, wanted = ids
            for file in store.files(table.name):
                if not _may_hold(file, table, column, wanted):
                    continue
                rows = store.read_file(file)
                gone = pc.is_in(_plain(rows[column]), value_set=pa.array(sorted(wanted)))
                if not pc.any(gone).as_py():
                    continue
                removed.append(file)
                if not pc.all(gone).as_py():
                    added.append(store.stage(table.name, rows.filter(pc.invert(gone)), file.division, role="compacted"))
    return added, removed


def _ids(table: TableSpecification, deletion: Deletion) -> tuple[str, frozenset[str]] | None:
    """Return the column by which rows of a table belong to what is deleted, and its values."""
    by_column = {
        "campaign_id": deletion.campaigns,
        "session_id": deletion.sessions,
        "event_id": deletion.events,
        "message_id": deletion.messages,
        "snapshot_id": deletion.snapshots if deletion.networks else frozenset[str](),
    }
    names = [table.key[0], *table.schema.names]
    column = next((name for name in names if name in by_column and name in table.schema.names), None)
    if table.name == "networks":
        return "network_id", deletion.networks
    return (column, by_column[column]) if column and by_column[column] else None


def _may_hold(file: DataFile, table: TableSpecification, column: str, wanted: Iterable[str]) -> bool:
    return column != table.key[0] or any(file.overlaps(value, value) for value in wanted)


def _snapshot_files(
    store: Store, table: TableSpecification, deletion: Deletion
) -> tuple[list[DataFile], Sequence[str]]:
    """Return the files of the deleted networks' publications; snapshots of other names may share their paths."""
    keys = [network_key(name, snapshot) for name in deletion.networks for snapshot in deletion.snapshots]
    return (store.files(table.name, keys) if keys else []), keys


def _forgotten_names(store: Store, names: frozenset[str]) -> list[DataFile]:
    deletions = pa.table({"network_id": pa.array(sorted(names), pa.string())})
    return [keyed_tables.stage_changes(store, "current_networks", Changes(deletions=deletions))]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
