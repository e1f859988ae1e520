"""The page of a campaign: its results as one self-contained HTML file, without scripts and without network access."""

import shlex
from collections.abc import Mapping
from typing import Any

from analytics.intervals import comparisons
from analytics.pages import downloads, pictures, provenance, session_tables
from analytics.pages.competing_messages import competing_messages
from analytics.pages.page_tables import MOST_SHOWN
from analytics.pages.published_campaign import PublishedCampaign, published_campaign
from analytics.pages.rendering import rendered
from analytics.pages.specification import campaign_yaml
from analytics.reports import headline
from data.facade import Warehouse
from propagation.competing_messages import results_by_message
from propagation.result import Result

SPECIFICATION_LINES = 200
"""Lines of the specification on the page; the download has all of them."""
SHORT_SPECIFICATION = 60
"""A specification of up to this many lines is shown unfolded, and so printed."""


def campaign_page(warehouse: Warehouse, campaign: str) -> str:
    """Return the page of a finished campaign: one HTML file that needs nothing else.

    It has a summary, adoption curves, the distribution of reach, comparisons of sessions, provenance, and downloads.
    The same campaign gives the same page.

    Parameters
    ----------
    warehouse : Warehouse
    campaign : str
        Name of the campaign, of which the configuration that was completed last counts; or its campaign_id.

    Returns
    -------
    str
        HTML, in UTF-8.

    Raises
    ------
    InvalidInputError
        If the warehouse has no such campaign; the message lists those it has.

    Examples
    --------
    >>> import tempfile
    >>> campaign_page(Warehouse(tempfile.mkdtemp()), "spring")
    Traceback (most recent call last):
      ...
    data.errors.InvalidInputError: no campaign 'spring' in warehouse ... (campaigns there: none yet)...
    """
    return rendered("campaign.html", _content(published_campaign(warehouse, campaign)))


def _content(campaign: PublishedCampaign) -> dict[str, Any]:
    """Return what the template shows."""
    results = campaign.results
    pictured = {name: results[name] for name in list(results)[:MOST_SHOWN]}
    compared = comparisons(results)
    specification = campaign_yaml(campaign.configuration) if campaign.configuration else ""
    lines = specification.splitlines()
    keys = pictures.session_keys(list(pictured))
    return {
        "campaign": campaign,
        "headline": headline(results),
        "subtitle": _subtitle(campaign),
        "sentences": list(session_tables.sentences(campaign)),
        "truncation": session_tables.truncation(results),
        "selection": _selection(results),
        "sessions": session_tables.session_table(campaign, keys, with_peaks=pictures.is_epidemic(pictured)),
        "competing": competing_messages(results_by_message(results), list(pictured)),
        "curves": list(pictures.curve_pictures(pictured)),
        "distribution": pictures.reach_picture(pictured) if _varies(pictured) else None,
        "leads": pictures.lead_picture(compared[: MOST_SHOWN - 1]) if compared else None,
        "comparisons": session_tables.comparison_table(compared) if compared else None,
        "comparison_sentences": list(session_tables.comparison_sentences(compared, len(results))) if compared else (),
        "messages": provenance.message_table(campaign),
        "network": provenance.network_facts(campaign.network.row),
        "run": list(provenance.run_facts(campaign)),
        "jobs": provenance.job_table(campaign),
        "specification": "\n".join(lines[:SPECIFICATION_LINES]),
        "specification_note": _specification_note(len(lines)),
        "specification_is_short": len(lines) <= SHORT_SPECIFICATION,
        "downloads": list(downloads.downloads(campaign, specification, compared)),
        "next_steps": _next_steps(campaign),
    }


def _varies(results: Mapping[str, Result]) -> bool:
    return any(result.reach.replicates > 1 for result in results.values())


def _subtitle(campaign: PublishedCampaign) -> str:
    results, network = campaign.results, campaign.network
    count = f"{len(results):,} session{'s' if len(results) > 1 else ''}"
    replicates = sorted({result.reach.replicates for result in results.values()})
    most = f"{replicates[-1]:,} replicate{'s' if replicates[-1] > 1 else ''}"
    each = most if len(replicates) == 1 else f"{replicates[0]:,} to {most}"
    return (
        f"{count} with {each}{' each' if len(results) > 1 else ''} on the network {network.network_id}: "
        f"{network.n_agents:,} agents, {network.n_edges:,} directed edges"
    )


def _selection(results: Mapping[str, Result]) -> str:
    """Return which sessions the pictures leave out; empty if none."""
    if len(results) <= MOST_SHOWN:
        return ""
    return (
        f"The pictures show the {MOST_SHOWN} sessions that reach most; the other {len(results) - MOST_SHOWN:,} are in "
        "the table."
    )


def _specification_note(lines: int) -> str:
    if lines > SPECIFICATION_LINES:
        return f"Specification as YAML, the first {SPECIFICATION_LINES} of {lines:,} lines; all are in the download"
    return "Specification as YAML, with every default filled in"


def _next_steps(campaign: PublishedCampaign) -> dict[str, str]:
    """Return lines of code and commands that continue from the page, by label."""
    url, best = campaign.warehouse.url, next(iter(campaign.results))
    command = f"rumormill --warehouse {shlex.quote(url)}"
    asked = f"SELECT session, reach FROM campaign_results WHERE campaign_id = '{campaign.campaign_id}'"
    return {
        "In Python": "\n".join(
            (
                "from data import Warehouse",
                "from propagation import results",
                "",
                f"found = results(Warehouse({url!r}), {campaign.campaign_id!r})",
                f"result = found[{best!r}]",
                "result.reach.mean, result.reach.standard_error",
                "result.rounds    # pandas: one row per round",
                "result.cascades  # pandas: one row per replicate",
                "result.plot()",
            )
        ),
        "On the command line": "\n".join(
            (
                f'{command} sql "{asked}"',
                f"{command} report time_to_half --campaign {campaign.campaign_id}",
                f"{command} report --list    # other questions",
            )
        ),
    }
