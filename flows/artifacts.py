"""Labels and artifacts of a run in Prefect's UI."""

import base64
import datetime as dt
import hashlib
import io
import logging
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.summaries import job_cells, message_cells, message_notes, model_text, session_cells, truncation_notes
from propagation.intervals import INTERVAL_NOTE

if TYPE_CHECKING:
    from propagation.result import Result

MOST_CURVES = 12
"""Maximum number of sessions in one plot."""
DOTS_PER_INCH = 100

logger = logging.getLogger(__name__)


def run_title(names: Sequence[str], scheduled_for: dt.datetime | None = None) -> str:
    """Return the name of a run: what it works on, and the time in the past for which it stands in, if any.

    Examples
    --------
    >>> run_title(["spring", "town"], dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC))
    'spring on town for 2026-11-01 06:00'
    """
    return " on ".join(names) + ("" if scheduled_for is None else f" for {scheduled_for:%Y-%m-%d %H:%M}")


def label_flow_run(
    flow_run_id: str, names: Sequence[str], tags: Iterable[str] = (), scheduled_for: dt.datetime | None = None
) -> None:
    """Name a flow run after what it works on, such as its campaign and network, and tag it with these names and others.

    Whatever a run was started from, its labels are the same; tags that it has already are kept.
    """
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            known = client.read_flow_run(UUID(flow_run_id)).tags
            title = run_title(names, scheduled_for)
            client.update_flow_run(UUID(flow_run_id), name=title, tags=sorted({*known, *names, *tags}))
    except Exception as error:  # a run without its label must not fail
        logger.debug("the flow run was not labelled: %s", error)


def show_results(summary: Mapping[str, Any]) -> None:
    """Create tables of a finished run: one row per session, and one per job with its estimate and what it took."""
    agents, name = summary["agents"], slug(summary["campaign"])
    rows = [
        {**session_cells(row, agents), "model": model_text(row), "session_id": row["session_id"]}
        for row in summary["sessions"]
    ]
    about = f"campaign {bold(summary['campaign'])} on network {bold(summary['network'])}"
    notes = "".join(f"\n\n{note}." for note in (*message_notes(summary), *truncation_notes(summary)))
    description = (
        f"Results of {about} ({agents:,} agents, {summary['edges']:,} edges). Reach is the mean number of agents "
        f"reached, seeds included; {INTERVAL_NOTE}. Warehouse `{summary['warehouse']}`.{notes}"
    )
    create_table_artifact(rows, key=f"results-{name}", description=description)
    if by_message := message_cells(summary):
        description = f"What each competing message reaches in {about}: mean and 95 % interval over replicates."
        create_table_artifact(by_message, key=f"messages-{name}", description=description)
    reasons = "".join(f"\n\n{job['plan']} plan: {job['plan_reason']}." for job in summary["jobs"])
    description = f"Estimated and actual time and memory of {about}.{reasons}"
    create_table_artifact([job_cells(job) for job in summary["jobs"]], key=f"jobs-{name}", description=description)


def show_page(campaign: str, page: Path) -> None:
    """Create an artifact with the path of the campaign's page; browsers do not follow links from a server to files."""
    create_markdown_artifact(
        f"`{page.absolute()}`", key=f"page-{slug(campaign)}", description=f"Page of campaign {bold(campaign)}"
    )


def show_curves(campaign: str, results: "Mapping[str, Result]") -> None:
    """Create a Markdown artifact with the adoption curves of a campaign's sessions as an inline image."""
    markdown = f"![Agents reached by each round](data:image/png;base64,{_encoded_curves(results)})"
    description = f"Adoption curves of campaign {bold(campaign)}"
    if len(results) > MOST_CURVES:
        description += f", its first {MOST_CURVES} sessions"
    create_markdown_artifact(markdown, key=f"curves-{slug(campaign)}", description=description)


def _encoded_curves(results: "Mapping[str, Result]") -> str:
    from matplotlib.figure import Figure

    from analytics.plots import adoption_curves

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    adoption_curves({name: results[name] for name in list(results)[:MOST_CURVES]}, ax=figure.subplots())
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # no installed font has the name's characters
        figure.savefig(picture, format="png", dpi=DOTS_PER_INCH)
    return base64.b64encode(picture.getvalue()).decode()


def bold(name: str) -> str:
    """Return a name in bold Markdown, with its special characters escaped."""
    return "**" + re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", name) + "**"


def slug(name: str) -> str:
    """Return a name as an artifact key: lower-case letters, digits and dashes, never empty.

    A name with characters other than ASCII letters, digits, dots, blanks and dashes gets a hash, so that different
    names have different keys.

    Examples
    --------
    >>> slug("Spring 2026"), slug("春季"), slug("p=0.1 (hubs)")
    ('spring-2026', '8ac69242', 'p-0-1-hubs-fc497c56')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if _KEYS_OF_THEIR_OWN.fullmatch(name):
        return plain
    return "-".join(filter(None, [plain, hashlib.sha256(name.encode()).hexdigest()[:8]]))


_KEYS_OF_THEIR_OWN = re.compile("[A-Za-z0-9][A-Za-z0-9._ -]*")
"""Names whose keys need no hash. Only such names were allowed in earlier versions; their artifacts keep their keys."""
