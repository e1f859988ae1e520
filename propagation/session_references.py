"""References: how users name published sessions and campaigns, in Python and on the command line."""

from data.errors import InvalidInputError
from data.validation import suggestion
from data.warehouse.store import Store
from propagation.campaign_results import CampaignResults, results
from propagation.published import load_result
from propagation.result import Result

SEPARATOR = ":"
FEWEST_CHARACTERS = 4
"""Fewest characters by which the beginning of a session's id may be given."""


def find(warehouse: Store, reference: str) -> Result | CampaignResults:
    """Return the published session or campaign that a reference names.

    Parameters
    ----------
    warehouse : Store
    reference : str
        A session as ``CAMPAIGN:SESSION``, or its id or the beginning of it; or the name or id of a campaign.

    Raises
    ------
    InvalidInputError
        If there is none, or several sessions have ids with this beginning.
    """
    campaigns = warehouse.read("campaigns", columns=["campaign", "campaign_id"]).to_pylist()
    names = {name for row in campaigns for name in (row["campaign"], row["campaign_id"])}
    if reference in names:
        return results(warehouse, reference)
    if named := [pair for pair in _pairs(reference) if pair[0] in names]:
        return _session_of(warehouse, named)
    ids = warehouse.read("propagation_sessions", columns=["session_id"])["session_id"].to_pylist()
    matching = [each for each in ids if each == reference] or [each for each in ids if each.startswith(reference)]
    if len(matching) == 1 and len(reference) >= FEWEST_CHARACTERS:
        return load_result(warehouse, matching[0])
    if len(matching) == 1:
        raise InvalidInputError(
            f"{reference!r} is too short for the beginning of a session's id; give {FEWEST_CHARACTERS} characters of it"
        )
    if matching:
        raise InvalidInputError(f"{len(matching)} sessions have an id that begins with {reference!r}; give more of it")
    raise InvalidInputError(
        f"no session or campaign {reference!r}{suggestion(reference, names)} in warehouse {warehouse.url}; give "
        "CAMPAIGN:SESSION, the id of a session (rumormill sessions lists them), or the name of a campaign"
    )


def _pairs(reference: str) -> list[tuple[str, str]]:
    """Return the campaigns and sessions that a reference may name: names may contain colons, too.

    Examples
    --------
    >>> _pairs("spring: a:b")
    [('spring', 'a:b'), ('spring: a', 'b')]
    """
    parts = reference.split(SEPARATOR)
    ends = range(1, len(parts))
    return [(SEPARATOR.join(parts[:end]).strip(), SEPARATOR.join(parts[end:]).strip()) for end in ends]


def _session_of(warehouse: Store, named: list[tuple[str, str]]) -> Result:
    """Return the first of these sessions (campaign, session) that there is; each campaign is published."""
    for campaign, session in named:
        found = results(warehouse, campaign)
        if session in found:
            return found[session]
    known = ", ".join(map(repr, found))
    raise InvalidInputError(
        f"campaign {campaign!r} has no session {session!r}{suggestion(session, found)}; sessions are {known}"
    )


def find_session(warehouse: Store, reference: str) -> Result:
    """Return the published session that a reference names; a campaign of one session names that.

    Raises
    ------
    InvalidInputError
        As `find`, or if it names a campaign of several sessions.
    """
    found = find(warehouse, reference)
    if isinstance(found, Result):
        return found
    if len(found) != 1:
        known = ", ".join(map(repr, found))
        raise InvalidInputError(
            f"campaign {reference!r} has {len(found):,} sessions; name one of them as {reference}{SEPARATOR}SESSION "
            f"(sessions: {known})"
        )
    return next(iter(found.values()))
