"""Stored runs: campaigns as requested, which any machine that reaches the warehouse can run by their ids.

A run is stored before work begins; the publication of its campaign marks success. A resumed run finds the sessions
and rounds that were published in between.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

from pydantic import ValidationError

from data.errors import AlreadyPublishedError, InvalidInputError, NetworkNotFoundError, SourceNotFoundError
from data.facade import Warehouse
from data.warehouse.keys import campaign_key, identity, network_key, run_key, session_key
from data.warehouse.manifests import Manifest
from data.warehouse.store import Store
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from flows.events import Event, event_keys, stage_events
from flows.model_sources import ModelSource
from propagation.plans.partitioned import checkpoints
from propagation.sessions import derived_uuid

KIND = "run"
"""Kind of the publications that store runs."""
MOST_REMEMBERED = 2
"""Resolved campaigns that a process caches: a long campaign takes seconds to resolve, and each task needs it."""

_remembered: dict[tuple[str, str], ResolvedCampaign] = {}
"""Resolved campaigns of stored runs by warehouse and run id; the content of a run id never changes."""


@dataclass(frozen=True)
class StoredRun:
    """A campaign as requested, and everything that determines what it computes.

    Attributes
    ----------
    campaign : Campaign
        As requested, unresolved.
    snapshot_id : str
        Snapshot of its network.
    models : tuple of ModelSource or None
        Files of the user's own models; None in runs of older versions, which store only their paths.
    campaign_id : str
        The campaign that the run publishes.
    session_ids : tuple of str
        Its distinct sessions.
    started_at : datetime
        When it was first started, UTC.
    run_id : str
        UUID derived from campaign, snapshot and models; in runs of older versions the campaign's id.
    asked_run_id : str or None
        The run of the same campaign as it was asked for, if this one has the replicates that its precisions need.
    """

    campaign: Campaign
    snapshot_id: str
    models: tuple[ModelSource, ...] | None
    campaign_id: str
    session_ids: tuple[str, ...]
    started_at: dt.datetime
    run_id: str
    asked_run_id: str | None = None

    @property
    def reference(self) -> str:
        """``run/<run_id>``, which can be given in place of a campaign's file."""
        return run_key(self.run_id)

    @property
    def record(self) -> dict[str, Any]:
        """The run's row of the table `runs`."""
        return {
            "run_id": self.run_id,
            "campaign_id": self.campaign_id,
            "campaign": self.campaign.name,
            "network_id": self.campaign.network,
            "snapshot_id": self.snapshot_id,
            "configuration": _compact(self._configuration),
            "models": _compact([asdict(source) for source in self.models or ()]),
            "session_ids": list(self.session_ids),
            "started_at": self.started_at,
            "version": metadata.version("rumormill"),
            "asked_run_id": self.asked_run_id,
        }

    @property
    def _configuration(self) -> dict[str, Any]:
        """The campaign as JSON, without numbers of replicates that a precision decides."""
        asked = self.campaign.model_dump(mode="json")
        for entry, session in zip(asked["sessions"], self.campaign.sessions, strict=True):
            if self.campaign.precision_of(session) is not None:
                del entry["replicates"]
        return asked

    @staticmethod
    def of_campaign(resolved: ResolvedCampaign, asked: "StoredRun | None" = None) -> "StoredRun":
        """Return a new run of a campaign, not stored yet; `asked` is the run before its replicates were known."""
        models = tuple(ModelSource.of_file(path) for path in resolved.campaign.models)
        run = StoredRun(
            campaign=resolved.campaign,
            snapshot_id=resolved.network.snapshot_id,
            models=models,
            campaign_id=resolved.campaign_id,
            session_ids=tuple(session.session_id for session in resolved.distinct_sessions),
            started_at=dt.datetime.now(dt.UTC),
            run_id=run_id(resolved.campaign, resolved.network.snapshot_id, models),
            asked_run_id=None if asked is None else asked.run_id,
        )
        _remember(resolved.network.warehouse, run, resolved)
        return run


def run_id(campaign: Campaign, snapshot_id: str, models: Sequence[ModelSource]) -> str:
    """Return the id of a run: a hash of the campaign, the snapshot and the models.

    Parameters of competing messages go by the order in which a session lists them. It is hashed unless it is
    alphabetical, so that ids of earlier versions stay, which hashed none.
    """
    asked = campaign.model_dump(mode="json") | {"models": [source.fingerprint for source in models]}
    listed = {each.name: list(map(str, each.seed_sets)) for each in campaign.sessions if each.competes}
    orders = {name: messages for name, messages in listed.items() if messages != sorted(messages)}
    hashed = {"campaign": asked, "snapshot_id": snapshot_id, **({"message_orders": orders} if orders else {})}
    return derived_uuid(KIND, json.dumps(hashed, sort_keys=True, separators=(",", ":")))


def _compact(value: Any) -> str:
    """Return JSON whose keys keep their order, which for competing messages matters."""
    return json.dumps(value, separators=(",", ":"))


# -- storing and finding --------------------------------------------------------------------------------------------


def store_run(warehouse: Store, run: StoredRun, events: Sequence[Event] = ()) -> bool:
    """Store a run together with events; if the run was stored before, store nothing and return False.

    Raises
    ------
    RequirementGoneError
        If its network was deleted in the meantime.
    """
    if warehouse.find(run.reference) is not None:
        return False
    files = [warehouse.stage_records("runs", [run.record]), *stage_events(warehouse, events)]
    keys = [run.reference, *event_keys(events)]
    network = network_key(run.campaign.network, run.snapshot_id)
    try:
        warehouse.commit(KIND, keys, files, requires=[network])
    except AlreadyPublishedError:
        return False
    return True


def is_reference(campaign: str) -> bool:
    """Whether a text refers to a stored run rather than a campaign's file.

    Examples
    --------
    >>> is_reference("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b"), is_reference("run/my.yaml")
    (True, False)
    """
    kind, _, name = campaign.partition("/")
    return kind == KIND and len(name) == 36 and "." not in name


def find_run(reference: str, warehouse: Warehouse) -> StoredRun:
    """Return a stored run by ``run/<run_id>``, or ``run/<campaign_id>`` as older versions named it.

    Raises
    ------
    InvalidInputError
        If there is no such run, or if it was stored by an incompatible version of Rumormill.
    """
    wanted = identity(reference)
    manifest = warehouse.find(reference)
    if manifest is not None and "campaign" in manifest.properties:
        return _older_run(reference, manifest)
    rows = warehouse.read("runs", None if manifest is None else [reference]).to_pylist()
    found = [row for row in rows if wanted in {row["run_id"], row["campaign_id"]}]
    if not found:
        raise InvalidInputError(f"no run {reference!r} in warehouse {warehouse.url}; see `rumormill resume --list`")
    return _run_of_row(found[-1])


def _run_of_row(row: dict[str, Any]) -> StoredRun:
    reference = run_key(row["run_id"])
    return StoredRun(
        campaign=_campaign(reference, json.loads(row["configuration"])),
        snapshot_id=row["snapshot_id"],
        models=tuple(ModelSource(**source) for source in json.loads(row["models"])),
        campaign_id=row["campaign_id"],
        session_ids=tuple(row["session_ids"]),
        started_at=row["started_at"],
        run_id=row["run_id"],
        asked_run_id=row.get("asked_run_id"),
    )


def _older_run(reference: str, manifest: Manifest) -> StoredRun:
    """Return a run stored by an older version: without the source of models, under the campaign's id."""
    record = manifest.properties
    return StoredRun(
        campaign=_campaign(reference, record["campaign"]),
        snapshot_id=record["snapshot_id"],
        models=None,
        campaign_id=identity(reference),
        session_ids=tuple(record["sessions"]),
        started_at=dt.datetime.fromisoformat(manifest.created_at),
        run_id=identity(reference),
    )


def _campaign(reference: str, stored: dict[str, Any]) -> Campaign:
    try:
        return Campaign.model_validate(stored)
    except ValidationError as error:
        raise InvalidInputError(
            f"{reference} was started by another version of Rumormill ({error.error_count()} keys differ); "
            "run the campaign's file again"
        ) from None


def resolve_run(run: StoredRun, warehouse: Warehouse) -> ResolvedCampaign:
    """Return the campaign of a stored run, with the snapshot and the models with which it was started.

    Raises
    ------
    InvalidInputError
        If its models have changed since it was started. This can happen in runs of older versions and with models of
        installed packages.
    SourceNotFoundError
        If an older version stored only the path of a model file, and the file no longer exists.
    """
    if known := remembered_run(run.reference, warehouse):
        return known
    files = None if run.models is None else [source.file(warehouse.cache_folder) for source in run.models]
    try:
        resolved = resolve(run.campaign, warehouse, run.snapshot_id, models=files)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"{error}, where it was when the run was started; or run the campaign's file again, with --models FILE"
        ) from None
    if tuple(session.session_id for session in resolved.distinct_sessions) != run.session_ids:
        raise InvalidInputError(_changed(run))
    _remember(warehouse, run, resolved)
    return resolved


def _changed(run: StoredRun) -> str:
    """Return why a stored run has other sessions now than when it was started, as a sentence."""
    if any(session.competes for session in run.campaign.sessions):
        return (
            f"campaign {run.campaign.name!r} has other sessions now than when it was started: its models have changed, "
            "or it was stored by an earlier version of Rumormill, without the order of its competing messages; run the "
            "campaign's file again"
        )
    names = ", ".join(run.campaign.models) or "Rumormill"
    return (
        f"campaign {run.campaign.name!r} was started with other models than those now in {names}; restore them, or run "
        "the campaign's file again"
    )


def remembered(campaign: Campaign, warehouse: Warehouse, snapshot_id: str | None = None) -> ResolvedCampaign | None:
    """Return a campaign from this process's cache, if its network and its models are unchanged."""
    if not _remembered:
        return None
    try:
        snapshot_id = snapshot_id or warehouse.network(campaign.network).snapshot_id
    except NetworkNotFoundError:
        return None
    models = [ModelSource.of_file(path) for path in campaign.models]
    return _remembered.get((warehouse.url, run_id(campaign, snapshot_id, models)))


def remembered_run(reference: str, warehouse: Warehouse) -> ResolvedCampaign | None:
    """Return the campaign of a stored run from this process's cache, if it is there."""
    return _remembered.get((warehouse.url, identity(reference)))


def _remember(warehouse: Store, run: StoredRun, resolved: ResolvedCampaign) -> None:
    _remembered[warehouse.url, run.run_id] = resolved
    while len(_remembered) > MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]


# -- unfinished runs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StartedRun:
    """A run that was started and has not succeeded yet.

    Attributes
    ----------
    campaign_id, campaign : str
        Id and name of the campaign.
    network : str
        The network it runs on.
    started_at : datetime
        When it was first started, UTC.
    sessions, sessions_published : int
        Number of distinct sessions, and of those that are published.
    rounds_kept : int
        Rounds of the other sessions that need not be repeated: those that the reference plan has published, and those
        before checkpoints of the partitioned plan.
    run_id : str
        Id of the stored run.
    """

    campaign_id: str
    campaign: str
    network: str
    started_at: dt.datetime
    sessions: int
    sessions_published: int
    rounds_kept: int
    run_id: str

    @property
    def reference(self) -> str:
        """``run/<run_id>``, which can be given in place of a campaign's file."""
        return run_key(self.run_id)

    @property
    def campaign_key(self) -> str:
        """Key of the campaign, which events of its runs name as their subject."""
        return campaign_key(self.campaign_id)


def unfinished_runs(warehouse: Warehouse) -> list[StartedRun]:
    """Return the runs that were started and whose campaigns are not published, oldest first."""
    started = sorted([*_older_records(warehouse), *_records(warehouse)], key=lambda record: record["started_at"])
    # Only the latest run of each campaign is resumed, and of one with a precision that with the replicates it needs.
    counted = {record.get("asked_run_id") for record in started}
    by_campaign = {record["campaign_id"]: record for record in started if record["run_id"] not in counted}
    finished = warehouse.published(map(campaign_key, by_campaign))
    unfinished = [record for record in by_campaign.values() if campaign_key(record["campaign_id"]) not in finished]
    sessions = warehouse.published(session_key(each) for record in unfinished for each in record["session_ids"])
    rounds = _rounds_kept(warehouse) if unfinished else Counter()
    return [_described(record, sessions, rounds) for record in unfinished]


def _records(warehouse: Warehouse) -> list[dict[str, Any]]:
    columns = ["run_id", "campaign_id", "campaign", "network_id", "session_ids", "started_at", "asked_run_id"]
    return list(warehouse.read("runs", columns=columns).to_pylist())


def _older_records(warehouse: Warehouse) -> list[dict[str, Any]]:
    """Return runs stored by older versions, in the form of rows of the table `runs`."""
    return [
        {
            "run_id": identity(key),
            "campaign_id": identity(key),
            "campaign": manifest.properties["campaign"]["name"],
            "network_id": manifest.properties["campaign"]["network"],
            "session_ids": manifest.properties["sessions"],
            "started_at": dt.datetime.fromisoformat(manifest.created_at),
        }
        for manifest in warehouse.publications(KIND)
        if "campaign" in manifest.properties
        for key in manifest.keys
    ]


def _rounds_kept(warehouse: Warehouse) -> Counter[str]:
    """Return the number of rounds of each session that need not be repeated."""
    rounds: Counter[str] = Counter()
    for manifest in warehouse.publications(checkpoints.KIND):
        for session in manifest.properties["sessions"]:
            rounds[session] = max(rounds[session], int(manifest.properties["round"]))
    for manifest in warehouse.publications("round"):
        for key in manifest.keys:
            rounds[identity(key).partition("/")[0]] += 1
    return rounds


def _described(record: dict[str, Any], published: set[str], rounds: Counter[str]) -> StartedRun:
    missing = [session for session in record["session_ids"] if session_key(session) not in published]
    return StartedRun(
        campaign_id=record["campaign_id"],
        campaign=record["campaign"],
        network=record["network_id"],
        started_at=record["started_at"],
        sessions=len(record["session_ids"]),
        sessions_published=len(record["session_ids"]) - len(missing),
        rounds_kept=sum(rounds[session] for session in missing),
        run_id=record["run_id"],
    )


def chosen_runs(warehouse: Warehouse, name: str | None) -> list[StartedRun]:
    """Return the unfinished runs of a campaign, by its name or the beginning of an id; all of them if `name` is None.

    Raises
    ------
    InvalidInputError
        If the named campaign has no unfinished run.
    """
    runs = unfinished_runs(warehouse)
    found = [
        run
        for run in runs
        if name is None or name == run.campaign or run.campaign_id.startswith(name) or run.run_id.startswith(name)
    ]
    if name is not None and not found:
        known = ", ".join(dict.fromkeys(run.campaign for run in runs)) or "none"
        raise InvalidInputError(
            f"no unfinished run of a campaign {name!r} in warehouse {warehouse.url} (unfinished: {known}); "
            "to show a finished campaign: rumormill run CAMPAIGN"
        )
    return found
