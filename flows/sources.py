"""Which file of a folder a scheduled run imports, and which snapshot of a network it therefore runs on.

A folder of exports grows by one file, or one folder of Parquet parts, at a time. The newest entry is the one with the
latest date in its name; where a name has no date, the time of its last change counts for all of them.
"""

import datetime as dt
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InvalidInputError, NetworkNotFoundError, SourceNotFoundError
from data.facade import Warehouse
from data.networks import index
from data.networks.network import Network
from data.readers.sources import local_path
from flows.events import Event, publish_events

_DATE = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?:[T_ -]?(\d{2})[:-]?(\d{2})(?:[:-]?(\d{2}))?)?(?!\d)")
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_FOREIGN = {"thumbs.db", "desktop.ini"}


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
    """

    path: Path
    time: dt.datetime
    dated: bool


def newest_source(place: str, until: dt.datetime | None = None) -> Source:
    """Return the newest entry of a folder, or the file itself.

    Parameters
    ----------
    place : str
        A file, or a folder whose files (or folders of Parquet parts) are successive states of one network. Hidden and
        unfinished files (``.part``, ``.tmp``, ...) are ignored.
    until : datetime, optional
        Ignore entries after this time. Dates in names are in its timezone, by default UTC.

    Raises
    ------
    SourceNotFoundError
        If there is no such file or folder, or it has no entry of that time.
    """
    path = local_path(place)
    if path.is_file():
        entries = [path]
    elif path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if _is_export(entry))
        if entries and all(entry.suffix == ".parquet" and _date_of(entry, dt.UTC) is None for entry in entries):
            entries = [path]  # the parts of one table
    else:
        raise SourceNotFoundError(f"no file or folder {place!r} to import from")
    if not entries:
        raise SourceNotFoundError(f"folder {place!r} has no file to import; put an edge list there")
    timezone = dt.UTC if until is None else until.tzinfo or dt.UTC
    dates = [_date_of(entry, timezone) for entry in entries]
    dated = None not in dates
    times = dates if dated else [dt.datetime.fromtimestamp(entry.stat().st_mtime, dt.UTC) for entry in entries]
    found = [Source(entry, time, dated) for entry, time in zip(entries, times, strict=True) if time is not None]
    known = [source for source in found if until is None or source.time <= until]
    if not known:
        first = min(found, key=lambda source: source.time)
        raise SourceNotFoundError(
            f"nothing in {place!r} is from {until:%Y-%m-%d %H:%M} or before; the first is {first.path.name}"
        )
    return max(known, key=lambda source: (source.time, source.path.name))


def _is_export(entry: Path) -> bool:
    name = entry.name.lower()
    return not (name.startswith((".", "~")) or name.endswith(_UNFINISHED) or name in _FOREIGN)


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
    """

    network: Network
    description: str
    is_new: bool


def choose_snapshot(
    warehouse: Warehouse,
    network: str,
    place: str | None,
    options: Mapping[str, Any],
    scheduled_for: dt.datetime | None = None,
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
    source = newest_source(place, scheduled_for)
    known = {snapshot.snapshot_id for snapshot in index.snapshots(warehouse, network)}
    before = index.current(warehouse, network)
    given = dict(options)
    agents = given.pop("agents", None)
    found = warehouse.import_network(
        network, str(source.path), agents=agents, make_current=scheduled_for is None, **given
    )
    what = f"{source.path.name} ({'dated' if source.dated else 'changed'} {source.time:%Y-%m-%d %H:%M %Z})"
    if found.snapshot_id not in known:
        _record_import(found)
        return ChosenSnapshot(found, f"imported {what} as a new snapshot of network {network!r}", True)
    if scheduled_for is None and before != found:
        return ChosenSnapshot(found, f"{what} was imported before; it is current again", True)
    return ChosenSnapshot(found, f"nothing new: {what} is imported already", False)


def _snapshot_of(warehouse: Warehouse, network: str, time: dt.datetime | None) -> ChosenSnapshot:
    if time is None:
        return ChosenSnapshot(warehouse.network(network), f"the current snapshot of network {network!r}", False)
    then = index.current(warehouse.as_of(time), network)
    if then is None:
        raise NetworkNotFoundError(f"network {network!r} did not exist yet at {time:%Y-%m-%d %H:%M %Z}")
    now = index.snapshot(warehouse, network, then.snapshot_id)
    if now is None:
        raise InvalidInputError(f"snapshot {then.snapshot_id} of network {network!r} was deleted")
    return ChosenSnapshot(now, f"network {network!r} as it was at {time:%Y-%m-%d %H:%M %Z}", False)


def _record_import(network: Network) -> None:
    publish_events(network.warehouse, [Event("network_imported", network.key, import_counts(network))])


def import_counts(network: Network) -> dict[str, Any]:
    """Return what an import reports: the snapshot and its numbers of rows."""
    columns = ("agents", "edges", "rows_read", "self_loops", "duplicates", "malformed", "partitions")
    return {
        "network": network.network_id,
        "snapshot_id": network.snapshot_id,
        **{name: network.row[name] for name in columns},
    }
