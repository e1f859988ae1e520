"""Which file of a folder a scheduled run imports, and which snapshot of a network it therefore runs on.

A folder of exports grows by one file, or one folder of Parquet parts, at a time. The newest entry is the one with the
latest date in its name. Only if no name has a date, the times of their last changes decide.
"""

import datetime as dt
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import CommitConflictError, InvalidInputError, NetworkNotFoundError, SourceNotFoundError
from data.facade import Warehouse
from data.networks import index
from data.networks.network import Network
from data.readers.layout import suffix_of
from data.readers.sources import local_path
from data.readers.tabular import is_parquet
from flows.events import Event, publish_events

_DATE = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?:[T_ -]?(\d{2})[:-]?(\d{2})(?:[:-]?(\d{2}))?)?(?!\d)")
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_COMPANIONS = frozenset(
    {".asc", ".bak", ".crc", ".done", ".err", ".html", ".json", ".log", ".lock", ".md", ".md5", ".ok", ".pdf", ".pgp"}
    | {".rst", ".sfv", ".sha1", ".sha224", ".sha256", ".sha384", ".sha512", ".sig", ".success", ".xml", ".yaml", ".yml"}
)
"""Suffixes of what exports come with: checksums, signatures, descriptions, logs, marks of completion."""
_COMPANION_NAMES = re.compile(
    r"(readme|licen[cs]e|changelog|notes?|manifest|checksums?|(md5|sha\d*)sums?|_success|thumbs|desktop)(\.\w+)?"
)
CONFLICTS = 5
"""How often the event of an import is published, should other writers be faster."""
CONFLICT_SECONDS = 1
"""Time between two attempts."""


@dataclass(frozen=True)
class Source:
    """An entry of a folder of exports.

    Attributes
    ----------
    path : Path
    time : datetime
        Date in its name, or time of its last change.
    dated : bool
        Whether the time is from the name.
    reason : str
        Why it was chosen, such as "the latest of 3 dates"; empty for a file that was named itself.
    """

    path: Path
    time: dt.datetime
    dated: bool
    reason: str = ""

    @property
    def description(self) -> str:
        """The name, with the time and the reason."""
        how = f"{'dated' if self.dated else 'changed'} {self.time:%Y-%m-%d %H:%M %Z}"
        return f"{self.path.name} ({', '.join(filter(None, [how, self.reason]))})"


def newest_source(place: str, until: dt.datetime | None = None) -> Source:
    """Return the newest entry of a folder, or the file itself.

    Parameters
    ----------
    place : str
        A file, or a folder whose files (or folders of Parquet parts) are successive states of one network. Hidden and
        unfinished files (``.part``, ``.tmp``, ...) are ignored, and so is what accompanies exports: README files,
        checksums, logs, descriptions. If an entry has a date in its name, entries without one are ignored, too.
    until : datetime, optional
        Ignore entries after this time. Dates in names are in its timezone, by default UTC.

    Raises
    ------
    SourceNotFoundError
        If there is no such file or folder, or it has no entry of that time.
    """
    path = local_path(place)
    timezone = dt.UTC if until is None else until.tzinfo or dt.UTC
    if path.is_file():
        found = _timed([path], timezone)
    elif path.is_dir():
        found = _exports(path, place, timezone)
    else:
        raise SourceNotFoundError(f"no file or folder {place!r} to import from")
    known = [source for source in found if until is None or source.time <= until]
    if not known:
        first = min(found, key=lambda source: source.time)
        raise SourceNotFoundError(
            f"nothing in {place!r} is from {until:%Y-%m-%d %H:%M} or before; the first is {first.path.name}"
        )
    return max(known, key=lambda source: (source.time, source.path.name))


def _exports(folder: Path, place: str, timezone: dt.tzinfo) -> list[Source]:
    """Return what a folder has to import, each entry with its time and why it counts."""
    inside = sorted(folder.iterdir())
    entries = [entry for entry in inside if _is_export(entry)]
    if entries and all(entry.suffix == ".parquet" and _date_of(entry, dt.UTC) is None for entry in entries):
        return _timed([folder], timezone)  # the parts of one table
    dated = [entry for entry in entries if _date_of(entry, timezone) is not None]
    chosen = dated or entries
    if not chosen:
        others = f"; not imported: {', '.join(entry.name for entry in inside[:5])}" if inside else ""
        raise SourceNotFoundError(f"folder {place!r} has no file to import; put an edge list there{others}")
    left_out = len(inside) - len(chosen)
    reason = f"the latest of {len(chosen):,}" if len(chosen) > 1 else ""
    ignored = f"{left_out:,} other{'s' if left_out > 1 else ''} {'without a date ' if dated else ''}ignored"
    return _timed(chosen, timezone, ", ".join(filter(None, [reason, ignored if left_out else ""])))


def _timed(entries: list[Path], timezone: dt.tzinfo, reason: str = "") -> list[Source]:
    dates = {entry: _date_of(entry, timezone) for entry in entries}
    return [
        Source(entry, date or dt.datetime.fromtimestamp(entry.stat().st_mtime, dt.UTC), date is not None, reason)
        for entry, date in dates.items()
    ]


def _is_export(entry: Path) -> bool:
    """Whether an entry may be an edge list, by its name; what it contains is read when it is imported."""
    name = entry.name.lower()
    if name.startswith((".", "~")) or name.endswith(_UNFINISHED) or _COMPANION_NAMES.fullmatch(name):
        return False
    if entry.is_dir():
        return is_parquet(entry)
    return suffix_of(entry) not in _COMPANIONS and entry.suffix.lower() not in _COMPANIONS


def _date_of(entry: Path, timezone: dt.tzinfo) -> dt.datetime | None:
    """Return the last date in a name, which is in a timezone.

    Examples
    --------
    >>> names = ["town-2026-11-03.csv.gz", "town_20261103T0600.txt", "town.csv", "20269999.csv"]
    >>> [str(_date_of(Path(name), dt.UTC)) for name in names]
    ['2026-11-03 00:00:00+00:00', '2026-11-03 06:00:00+00:00', 'None', 'None']
    """
    found = None
    for match in _DATE.finditer(entry.name):
        year, month, day, hour, minute, second = (int(part) for part in match.groups(default="0"))
        with suppress(ValueError):  # digits that are no date
            found = dt.datetime(year, month, day, hour, minute, second, tzinfo=timezone)
    return found


@dataclass(frozen=True)
class ChosenSnapshot:
    """The snapshot that a scheduled run uses, and where it comes from.

    Attributes
    ----------
    network : Network
    description : str
        One sentence for the log and the UI.
    is_new : bool
        Whether this run imported it.
    is_current : bool
        Whether it is the network's current snapshot.
    """

    network: Network
    description: str
    is_new: bool
    is_current: bool


def choose_snapshot(
    warehouse: Warehouse,
    network: str,
    place: str | None,
    options: Mapping[str, Any],
    scheduled_for: dt.datetime | None = None,
    late_since: dt.datetime | None = None,
) -> ChosenSnapshot:
    """Import the newest file of a folder, or find the snapshot of a time in the past.

    Parameters
    ----------
    warehouse : Warehouse
    network : str
        Name of the network.
    place : str or None
        File or folder to import from; None to use a snapshot that the warehouse has.
    options : mapping
        Options of the import, the fields of `data.networks.edge_lists.ImportOptions`, and ``agents``.
    scheduled_for : datetime, optional
        The time in the past for which the run stands in. A snapshot imported for the past never becomes current.
    late_since : datetime, optional
        The time at which a late run should have started, because the machine was off, for example. It imports the
        newest file of that time, which becomes current if there is none newer by now.

    Raises
    ------
    SourceNotFoundError, EdgeListError, TooManyRejectsError
        If there is nothing to import, or it cannot be imported.
    NetworkNotFoundError
        If the network did not exist at that time.
    """
    if scheduled_for is not None and scheduled_for.tzinfo is None:
        scheduled_for = scheduled_for.replace(tzinfo=dt.UTC)
    if place is None:
        return _snapshot_of(warehouse, network, scheduled_for)
    source, is_latest = _source_of_run(place, scheduled_for, late_since)
    known = {snapshot.snapshot_id for snapshot in index.snapshots(warehouse, network)}
    before = index.current(warehouse, network)
    current = scheduled_for is None and (is_latest or before is None)
    given = dict(options)
    agents = given.pop("agents", None)
    found = warehouse.import_network(network, str(source.path), agents=agents, make_current=current, **given)
    is_current = current or before == found
    what = source.description + ("" if is_latest or scheduled_for else ", the newest file when the run was due")
    if found.snapshot_id not in known:
        _record_import(found)
        return ChosenSnapshot(found, f"imported {what} as a new snapshot of network {network!r}", True, is_current)
    if current and before != found:
        return ChosenSnapshot(found, f"{what} was imported before; it is current again", True, is_current)
    return ChosenSnapshot(found, f"nothing new: {what} is imported already", False, is_current)


def _source_of_run(
    place: str, scheduled_for: dt.datetime | None, late_since: dt.datetime | None
) -> tuple[Source, bool]:
    """Return what a run imports, and whether that is the newest entry of now."""
    newest = newest_source(place) if scheduled_for is None else None
    if newest is not None and late_since is None:
        return newest, True
    try:
        source = newest_source(place, scheduled_for or late_since)
    except SourceNotFoundError:
        if newest is None:
            raise
        return newest, True  # a late run had nothing to import at its time
    return source, newest is not None and source.path == newest.path


def _snapshot_of(warehouse: Warehouse, network: str, when: dt.datetime | None) -> ChosenSnapshot:
    if when is None:
        return ChosenSnapshot(warehouse.network(network), f"the current snapshot of network {network!r}", False, True)
    then = index.current(warehouse.as_of(when), network)
    if then is None:
        raise NetworkNotFoundError(f"network {network!r} did not exist yet at {when:%Y-%m-%d %H:%M %Z}")
    now = index.snapshot(warehouse, network, then.snapshot_id)
    if now is None:
        raise InvalidInputError(f"snapshot {then.snapshot_id} of network {network!r} was deleted")
    is_current = index.current(warehouse, network) == now
    return ChosenSnapshot(now, f"network {network!r} as it was at {when:%Y-%m-%d %H:%M %Z}", False, is_current)


def _record_import(network: Network) -> None:
    """Publish the event of an import. If the task were repeated, it would find the snapshot and count it as old."""
    imported = Event("network_imported", network.key, import_counts(network))
    for attempt in range(CONFLICTS):
        try:
            publish_events(network.warehouse, [imported])
        except CommitConflictError:
            if attempt == CONFLICTS - 1:
                raise
            time.sleep(CONFLICT_SECONDS)
        else:
            return


def import_counts(network: Network) -> dict[str, Any]:
    """Return what an import reports: the snapshot and its numbers of rows."""
    columns = ("agents", "edges", "rows_read", "self_loops", "duplicates", "malformed", "partitions")
    return {
        "network": network.network_id,
        "snapshot_id": network.snapshot_id,
        **{name: network.row[name] for name in columns},
    }
