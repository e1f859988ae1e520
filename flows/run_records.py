"""Runs that were started: a record in the warehouse from which a campaign can be continued without its file.

The record is a publication without files, made before work begins; the campaign's own publication says that it ended
well. Whatever lies between, published sessions and rounds of others, a continued run finds by itself.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

from pydantic import ValidationError

from data.errors import AlreadyPublishedError, InvalidInputError, SourceNotFoundError
from data.facade import Warehouse
from data.warehouse.manifests import Manifest
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from propagation.plans.partitioned import checkpoints
from propagation.sessions import session_key

KIND = "run"
"""Kind of the publications that record starts."""


@dataclass(frozen=True)
class StartedRun:
    """A run that was started and has not ended well yet.

    Attributes
    ----------
    campaign_id, campaign : str
        Id and name of the campaign.
    network : str
        The network it runs on.
    started_at : datetime
        When it was first started, UTC.
    sessions, sessions_published : int
        Distinct sessions, and how many of them are there.
    rounds_kept : int
        Rounds of the others that a run need not repeat: those that the reference plan has published, and those before
        checkpoints of the partitioned plan.
    """

    campaign_id: str
    campaign: str
    network: str
    started_at: dt.datetime
    sessions: int
    sessions_published: int
    rounds_kept: int

    @property
    def reference(self) -> str:
        """What names the run where a campaign's file is asked for."""
        return run_key(self.campaign_id)


def run_key(campaign_id: str) -> str:
    """Return the key under which the start of a campaign's run is published."""
    return f"{KIND}/{campaign_id}"


def record_start(resolved: ResolvedCampaign) -> None:
    """Record that a campaign is about to run; nothing happens if it was started before."""
    warehouse, key = resolved.network.warehouse, run_key(resolved.campaign_id)
    if warehouse.find(key) is not None:
        return
    record = {
        "campaign": resolved.campaign.model_dump(mode="json"),
        "snapshot_id": resolved.network.snapshot_id,
        "sessions": [session.session_id for session in resolved.distinct_sessions],
    }
    try:
        warehouse.commit(KIND, [key], [], properties=record)
    except AlreadyPublishedError:
        return


def unfinished_runs(warehouse: Warehouse) -> list[StartedRun]:
    """Return the runs that were started and whose campaigns are not published, oldest first."""
    manifests = warehouse.manifests()
    started = {key: m for m in manifests if m.kind == KIND for key in m.keys}
    published = {key for manifest in manifests for key in manifest.keys}
    rounds = _rounds_kept(manifests)
    return [
        _described(key, manifest, published, rounds)
        for key, manifest in started.items()
        if f"campaign/{key.removeprefix(f'{KIND}/')}" not in published
    ]


def _rounds_kept(manifests: list[Manifest]) -> Counter[str]:
    """Return how many rounds of each session need not be repeated."""
    rounds: Counter[str] = Counter()
    for manifest in manifests:
        if manifest.kind == checkpoints.KIND:
            for session in manifest.properties["sessions"]:
                rounds[session] = max(rounds[session], int(manifest.properties["round"]))
        for key in manifest.keys:
            if key.startswith("frontier/"):
                rounds[key.split("/")[1]] += 1
    return rounds


def _described(key: str, manifest: Manifest, published: set[str], rounds: Counter[str]) -> StartedRun:
    record = manifest.properties
    missing = [session for session in record["sessions"] if session_key(session) not in published]
    return StartedRun(
        campaign_id=key.removeprefix(f"{KIND}/"),
        campaign=record["campaign"]["name"],
        network=record["campaign"]["network"],
        started_at=dt.datetime.fromisoformat(manifest.created_at),
        sessions=len(record["sessions"]),
        sessions_published=len(record["sessions"]) - len(missing),
        rounds_kept=sum(rounds[session] for session in missing),
    )


def chosen_runs(warehouse: Warehouse, name: str | None) -> list[StartedRun]:
    """Return the unfinished runs of a campaign, by its name or the beginning of its id; all if none is named.

    Raises
    ------
    InvalidInputError
        If a campaign is named that has none.
    """
    runs = unfinished_runs(warehouse)
    found = [run for run in runs if name is None or name == run.campaign or run.campaign_id.startswith(name)]
    if name is not None and not found:
        known = ", ".join(dict.fromkeys(run.campaign for run in runs)) or "none"
        raise InvalidInputError(
            f"no unfinished run of a campaign {name!r} in warehouse {warehouse.url} (unfinished: {known}); "
            "a finished campaign is shown by: rumormill run CAMPAIGN"
        )
    return found


def is_reference(campaign: str) -> bool:
    """Whether a text names a started run rather than a campaign's file.

    Examples
    --------
    >>> is_reference("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b"), is_reference("run/my.yaml")
    (True, False)
    """
    kind, _, identity = campaign.partition("/")
    return kind == KIND and len(identity) == 36 and "." not in identity


def started_campaign(reference: str, warehouse: Warehouse) -> ResolvedCampaign:
    """Return the campaign of a run that was started, on the snapshot on which it was.

    Raises
    ------
    InvalidInputError
        If there is no such run, or its models have been edited since.
    SourceNotFoundError
        If a file of its models is not there any more.
    """
    manifest = warehouse.find(reference)
    if manifest is None:
        raise InvalidInputError(f"no run {reference!r} in warehouse {warehouse.url}; see `rumormill resume --list`")
    record = manifest.properties
    try:
        campaign = Campaign.model_validate(record["campaign"])
    except ValidationError as error:
        raise InvalidInputError(
            f"{reference} was started by another version of Rumormill ({error.error_count()} keys differ); run its file"
        ) from None
    try:
        resolved = resolve(campaign, warehouse, record["snapshot_id"])
    except SourceNotFoundError as error:
        raise SourceNotFoundError(
            f"{error}, where it was when the run was started; or run the campaign's file anew, with --models FILE"
        ) from None
    if [session.session_id for session in resolved.distinct_sessions] != record["sessions"]:
        files = ", ".join(campaign.models) or "Rumormill"
        raise InvalidInputError(
            f"campaign {campaign.name!r} was started with other models than those now in {files}; "
            "restore them, or run the campaign's file anew"
        )
    return resolved
