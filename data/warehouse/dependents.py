"""Dependents of a campaign, a session, a network or observed cascades: what is deleted together with it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from data.errors import CascadesNotFoundError, NetworkNotFoundError, NotPublishedError
from data.warehouse.keys import campaign_key, identity, network_key, run_key, session_key
from data.warehouse.states import PublishedTables


@dataclass(frozen=True)
class Deletion:
    """Everything that a deletion removes.

    Attributes
    ----------
    kind : str
        What is to be deleted.
    name : str
        Its name or id.
    with_sessions : bool
        Whether the sessions that ran on a network are deleted with it.
    campaigns, sessions, messages, snapshots, runs, events : frozenset of str
        Ids of what is deleted.
    networks : frozenset of str
        Names of the networks that are deleted with all their snapshots.
    unshared : frozenset of str
        Snapshots that no other network has.
    cascade_sets : frozenset of str
        Ids of the sets of observed cascades that are deleted: all of one name.
    blocking : tuple of str
        Reasons for refusing the deletion, as sentences; empty if it is allowed.
    """

    kind: Literal["campaign", "session", "network", "set of cascades"]
    name: str
    with_sessions: bool = False
    campaigns: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()
    snapshots: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    unshared: frozenset[str] = frozenset()
    cascade_sets: frozenset[str] = frozenset()
    blocking: tuple[str, ...] = ()

    @property
    def cascades_of(self) -> frozenset[str]:
        """Ids under which features and forecasts of cascades are stored: of sets, and of sessions."""
        return self.cascade_sets | self.sessions

    @property
    def what(self) -> str:
        """The requested deletion, as readable text."""
        return f"{self.kind} {self.name!r}"

    def plan(self, tables: PublishedTables) -> "Deletion":
        """Return what the same deletion removes in another state of the warehouse."""
        if self.kind == "campaign":
            return campaign_deletion(tables, self.name)
        if self.kind == "session":
            return session_deletion(tables, self.name)
        if self.kind == "set of cascades":
            return cascades_deletion(tables, self.name)
        return network_deletion(tables, self.name, with_sessions=self.with_sessions)


def campaign_deletion(tables: PublishedTables, name: str) -> Deletion:
    """Return what deleting all campaigns of this name (or the one of this id) removes.

    Sessions that other campaigns list, finished or not, are kept.

    Raises
    ------
    NotPublishedError
        If there is no such campaign.
    """
    listings = _listings(tables)
    chosen = {each.campaign_id for each in listings if name in (each.campaign, each.campaign_id)}
    if not chosen:
        known = ", ".join(sorted({each.campaign for each in listings})) or "none"
        raise NotPublishedError(f"no campaign {name!r} in warehouse {tables.url} (campaigns there: {known})")
    kept = {session for each in listings if each.campaign_id not in chosen for session in each.sessions}
    sessions = {session for each in listings if each.campaign_id in chosen for session in each.sessions} - kept
    return _with_dependents(tables, Deletion("campaign", name), listings, chosen, sessions)


def session_deletion(tables: PublishedTables, session_id: str) -> Deletion:
    """Return what deleting a session removes; refused while a campaign lists it.

    Raises
    ------
    NotPublishedError
        If there is no such session.
    """
    if not tables.published([session_key(session_id)]):
        raise NotPublishedError(f"no session {session_id!r} in warehouse {tables.url}; see `rumormill sessions`")
    listings = _listings(tables)
    names = {each.campaign for each in listings if session_id in each.sessions}
    blocking = tuple(f"campaign {name!r} lists it; delete the campaign instead" for name in sorted(names))
    return _with_dependents(tables, Deletion("session", session_id, blocking=blocking), listings, set(), {session_id})


def network_deletion(tables: PublishedTables, name: str, *, with_sessions: bool = False) -> Deletion:
    """Return what deleting a network removes: all its snapshots and, if requested, its sessions and campaigns.

    Raises
    ------
    NetworkNotFoundError
        If there is no such network.
    """
    rows = tables.read("networks", columns=["network_id", "snapshot_id"]).to_pylist()
    snapshots = {row["snapshot_id"] for row in rows if row["network_id"] == name}
    if not snapshots:
        known = ", ".join(sorted({row["network_id"] for row in rows})) or "none"
        raise NetworkNotFoundError(f"no network {name!r} in warehouse {tables.url} (networks there: {known})")
    ran = tables.read("propagation_sessions", columns=["session_id", "network_id"]).to_pylist()
    sessions = {row["session_id"] for row in ran if row["network_id"] == name}
    listings = _listings(tables)
    campaigns = {e.campaign_id for e in listings if e.network == name or not sessions.isdisjoint(e.sessions)}
    sessions |= {session for each in listings if each.network == name for session in each.sessions}
    deletion = Deletion(
        "network",
        name,
        with_sessions,
        snapshots=frozenset(snapshots),
        networks=frozenset([name]),
        unshared=frozenset(snapshots - {row["snapshot_id"] for row in rows if row["network_id"] != name}),
        blocking=(
            *(_sessions_of_network(campaigns, sessions) if not with_sessions else ()),
            *_cascades_of_network(tables, name),
        ),
    )
    return _with_dependents(tables, deletion, listings, campaigns, sessions)


def _sessions_of_network(campaigns: set[str], sessions: set[str]) -> tuple[str, ...]:
    if not campaigns and not sessions:
        return ()
    return (f"{len(sessions):,} sessions of {len(campaigns):,} campaigns use it; delete them too with --with-sessions",)


def _cascades_of_network(tables: PublishedTables, name: str) -> tuple[str, ...]:
    rows = tables.read("observed_cascade_sets", columns=["cascade_set", "network_id"]).to_pylist()
    sets = sorted({row["cascade_set"] for row in rows if row["network_id"] == name})
    return tuple(f"cascades {each!r} are of its agents; delete them first" for each in sets)


def cascades_deletion(tables: PublishedTables, name: str) -> Deletion:
    """Return what deleting observed cascades removes: all sets of this name, current or not.

    Raises
    ------
    CascadesNotFoundError
        If there are none.
    """
    rows = tables.read("observed_cascade_sets", columns=["cascade_set", "cascade_set_id"]).to_pylist()
    chosen = frozenset(row["cascade_set_id"] for row in rows if row["cascade_set"] == name)
    if not chosen:
        known = ", ".join(sorted({row["cascade_set"] for row in rows})) or "none"
        raise CascadesNotFoundError(f"no cascades {name!r} in warehouse {tables.url} (cascades there: {known})")
    return Deletion("set of cascades", name, cascade_sets=chosen)


# -- campaigns and runs that list sessions --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Listing:
    """A campaign, or a stored run of one, with the sessions that it lists."""

    campaign_id: str
    campaign: str
    sessions: frozenset[str]
    network: str | None = None
    run_id: str | None = None


def _listings(tables: PublishedTables) -> list[_Listing]:
    sessions: dict[str, set[str]] = {}
    for row in tables.read("campaign_sessions", columns=["campaign_id", "session_id"]).to_pylist():
        sessions.setdefault(row["campaign_id"], set()).add(row["session_id"])
    campaigns = tables.read("campaigns", columns=["campaign_id", "campaign"]).to_pylist()
    found = [
        _Listing(row["campaign_id"], row["campaign"], frozenset(sessions.get(row["campaign_id"], ())))
        for row in campaigns
    ]
    columns = ["run_id", "campaign_id", "campaign", "network_id", "session_ids"]
    for row in tables.read("runs", columns=columns).to_pylist():
        asked = frozenset(row["session_ids"])
        found.append(_Listing(row["campaign_id"], row["campaign"], asked, row["network_id"], row["run_id"]))
    return found + _older_runs(tables)


def _older_runs(tables: PublishedTables) -> list[_Listing]:
    """Return the runs stored by versions without the table `runs`, in properties of publications."""
    found = []
    for manifest in tables.publications("run"):
        if campaign := manifest.properties.get("campaign"):
            run_id, asked = identity(manifest.keys[0]), frozenset(manifest.properties["sessions"])
            found.append(_Listing(run_id, campaign["name"], asked, campaign["network"], run_id))
    return found


def _with_dependents(
    tables: PublishedTables,
    deletion: Deletion,
    listings: Iterable[_Listing],
    campaigns: set[str],
    sessions: set[str],
) -> Deletion:
    """Add campaigns and sessions, and what belongs only to them: runs, messages and events."""
    runs = {each.run_id for each in listings if each.run_id and each.campaign_id in campaigns}
    rows = tables.read("propagation_sessions", columns=["session_id", "message_id", "seed_messages"]).to_pylist()
    spread = [(row["session_id"], {row["message_id"], *(row["seed_messages"] or ())}) for row in rows]
    kept = {message for session_id, ids in spread if session_id not in sessions for message in ids}
    messages = {message for session_id, ids in spread if session_id in sessions for message in ids} - kept - {None}
    subjects = {*map(campaign_key, campaigns), *map(run_key, runs), *map(session_key, sessions)}
    subjects |= {network_key(name, snapshot) for name in deletion.networks for snapshot in deletion.snapshots}
    happened = tables.read("events", columns=["event_id", "data"]).to_pylist()
    return Deletion(
        deletion.kind,
        deletion.name,
        deletion.with_sessions,
        campaigns=frozenset(campaigns),
        sessions=frozenset(sessions),
        messages=frozenset(messages),
        snapshots=deletion.snapshots,
        runs=frozenset(runs),
        events=frozenset(row["event_id"] for row in happened if _subject(row["data"]) in subjects),
        networks=deletion.networks,
        unshared=deletion.unshared,
        blocking=deletion.blocking,
    )


def _subject(data: str) -> str | None:
    """Return the key of an event's subject."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found.get("subject") if isinstance(found, dict) else None
