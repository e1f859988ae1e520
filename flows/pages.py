"""Pages of campaigns and observed cascades as files: what is meant, and where the page goes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import InvalidInputError
from data.facade import Warehouse
from flows.output_files import check_output, write_output
from propagation.published import campaign_id_of

ENDINGS = {".yaml", ".yml"}
"""Endings of names that can only be files."""
MOST_LISTED = 3


@dataclass(frozen=True)
class FinishedCampaign:
    """A campaign of a warehouse that can have a page.

    Attributes
    ----------
    campaign_id, name : str
    completed_at : datetime
        UTC.
    others : tuple of str
        Ids of the other campaigns with this name, the newest first.
    is_newest : bool
        Whether none of these was completed later.
    """

    campaign_id: str
    name: str
    completed_at: dt.datetime
    others: tuple[str, ...]
    is_newest: bool

    @property
    def choice(self) -> str | None:
        """Which of several campaigns with this name it is, as a sentence; None if there is one only."""
        if not self.others:
            return None
        shown = ", ".join(self.others[:MOST_LISTED])
        more = f" and {len(self.others) - MOST_LISTED:,} more" if len(self.others) > MOST_LISTED else ""
        which = "the newest" if self.is_newest else "an older one"
        return (
            f"{len(self.others) + 1:,} campaigns are called {self.name!r}; this is {which}, completed "
            f"{self.completed_at:%Y-%m-%d %H:%M:%S} UTC. For another give its id: {shown}{more}"
        )


def write_page(warehouse: str, campaign: str, output: str | None = None) -> Path:
    """Write the web page of a finished campaign; return its path. The file appears once it is complete.

    Parameters
    ----------
    warehouse : str
        Folder or URL of the warehouse.
    campaign : str
        Name of the campaign, of which the newest counts; its campaign_id or the beginning of it; or the path of a
        campaign file.
    output : str, optional
        The file; default: named after the campaign, in the folder of a local warehouse, or else in the current folder.

    Raises
    ------
    InvalidInputError
        If the warehouse has no such finished campaign, or the file cannot be written.
    RumormillError
        If a campaign file is invalid.
    """
    from analytics.pages.campaign import campaign_page

    place = Warehouse(warehouse)
    found = find_campaign(place, campaign)
    target = str(check_output(output or default_page(place, found)))
    html = campaign_page(place, found.campaign_id)
    return write_output(target, lambda file: file.write(html))


def write_cascades_page(
    warehouse: str,
    name: str,
    session: str | None = None,
    *,
    round_length: float | None = None,
    output: str | None = None,
) -> Path:
    """Write the web page of observed cascades, beside a session's; return its path.

    Parameters
    ----------
    warehouse : str
        Folder or URL of the warehouse.
    name : str
        Name of the cascades, or the id of their set.
    session : str, optional
        Reference of a session, such as ``CAMPAIGN:SESSION``.
    round_length : float, optional
        Time that a round of the session stands for.
    output : str, optional
        The file; default: named after the cascades, in the folder of a local warehouse, or else in the current folder.

    Raises
    ------
    InvalidInputError
        If there are no such cascades or session, or the file cannot be written.
    """
    from analytics.pages.cascades import cascades_page
    from analytics.pages.downloads import file_stem
    from data.cascades.index import found_row
    from propagation.session_references import find_session

    place = Warehouse(warehouse)
    stem = file_stem(found_row(place, name)["cascade_set"])
    target = str(check_output(output or str(_folder(place) / f"{stem}-cascades.html")))
    result = None if session is None else find_session(place, session)
    html = cascades_page(place, name, result, called=session, round_length=round_length)
    return write_output(target, lambda file: file.write(html))


def default_page(warehouse: Warehouse, campaign: FinishedCampaign) -> str:
    """Return where a campaign's page goes unless another file is named.

    Of several campaigns with one name, only the newest has a page without an id in its name.
    """
    from analytics.pages.downloads import file_stem

    suffix = "" if campaign.is_newest else f"-{campaign.campaign_id[:8]}"
    return str(_folder(warehouse) / f"{file_stem(campaign.name)}{suffix}.html")


def _folder(warehouse: Warehouse) -> Path:
    """Return the folder of pages: that of a local warehouse, or else the current one."""
    return Path(warehouse.url) if warehouse.filesystem is None else Path()


def find_campaign(warehouse: Warehouse, campaign: str) -> FinishedCampaign:
    """Return a finished campaign.

    Parameters
    ----------
    warehouse : Warehouse
    campaign : str
        As for `write_page`.

    Raises
    ------
    InvalidInputError
        If there is no such campaign; the message says which there are, or how to finish it.
    RumormillError
        If a campaign file is invalid.
    """
    rows = sorted(warehouse.read("campaigns").to_pylist(), key=lambda row: row["completed_at"], reverse=True)
    found = [row for row in rows if campaign in {row["campaign"], row["campaign_id"]}]
    if not found and Path(campaign).suffix.lower() in ENDINGS:
        found = [_of_file(warehouse, campaign, rows)]
    if not found and campaign:
        found = [row for row in rows if row["campaign_id"].startswith(campaign)]
        if len(found) > 1:
            ids = ", ".join(row["campaign_id"] for row in found[:MOST_LISTED])
            raise InvalidInputError(f"{len(found)} campaigns have ids that begin with {campaign!r}; give one: {ids}")
    if not found:
        _refuse_unfinished(warehouse, campaign)
        campaign_id_of(warehouse, campaign)  # raises the error that lists the campaigns
    return _described(found[0], rows)


def _described(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> FinishedCampaign:
    alike = [each["campaign_id"] for each in rows if each["campaign"] == row["campaign"]]
    return FinishedCampaign(
        campaign_id=row["campaign_id"],
        name=row["campaign"],
        completed_at=row["completed_at"],
        others=tuple(each for each in alike if each != row["campaign_id"]),
        is_newest=alike[0] == row["campaign_id"],
    )


def _of_file(warehouse: Warehouse, file: str, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the row of a campaign file's campaign, as it is on the present snapshot of its network."""
    from flows.campaign_jobs import prepare_run

    resolved = prepare_run(file, warehouse.url).resolved
    found = [row for row in rows if row["campaign_id"] == resolved.campaign_id]
    if found:
        return found[0]
    name = resolved.campaign.name
    others = [row["campaign_id"] for row in rows if row["campaign"] == name]
    earlier = f"; for the results of an earlier configuration: rumormill page {others[0]}" if others else ""
    raise InvalidInputError(
        f"the campaign {name!r} of {file} is not finished in warehouse {warehouse.url}; run it with: "
        f"rumormill run {file} --page{earlier}"
    )


def _refuse_unfinished(warehouse: Warehouse, campaign: str) -> None:
    """Raise InvalidInputError if the campaign has begun and is not finished."""
    from flows.run_records import unfinished_runs

    for run in unfinished_runs(warehouse):
        if campaign in {run.campaign, run.campaign_id}:
            raise InvalidInputError(
                f"campaign {campaign!r} is not finished: {run.sessions_published} of {run.sessions} sessions are "
                f"published; continue it with: rumormill resume {run.campaign_id}"
            )
