"""Artifacts that a run shows in Prefect's UI, during the run and afterwards."""

import base64
import hashlib
import io
import logging
import re
import time
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from data.progress import Progress

if TYPE_CHECKING:
    from propagation.result import Result

SECONDS_BETWEEN_UPDATES = 1.0
"""Minimum time between updates of a progress artifact; each costs about 40 ms."""
MOST_CURVES = 12
"""Maximum number of sessions in one plot."""
DOTS_PER_INCH = 100

logger = logging.getLogger(__name__)


class ProgressBar:
    """A progress bar in Prefect's UI: a progress callback that updates it about once a second."""

    def __init__(self, key: str, description: str) -> None:
        self._artifact_id = cast("UUID", create_progress_artifact(0.0, key, description))
        self._updated = time.monotonic()

    def __call__(self, stage: str, done: float, total: float) -> None:  # noqa: ARG002 (the protocol of Progress)
        """Update the bar, unless it was updated less than a second ago."""
        now = time.monotonic()
        if done < total and now - self._updated < SECONDS_BETWEEN_UPDATES:
            return
        self._updated = now
        try:
            update_progress_artifact(self._artifact_id, progress=100.0 * done / max(total, 1))
        except Exception as error:  # a failing progress bar must not end the run
            logger.debug("progress was not shown: %s", error)


def label_flow_run(flow_run_id: str, campaign: str, network: str) -> None:
    """Name a flow run after its campaign and network, and tag it with both, whatever it was started from."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            tags = {*client.read_flow_run(UUID(flow_run_id)).tags, campaign, network}
            client.update_flow_run(UUID(flow_run_id), name=f"{campaign} on {network}", tags=sorted(tags))
    except Exception as error:  # a run without its label must not fail
        logger.debug("the flow run was not labelled: %s", error)


class JobProgress:
    """Progress of a job: passed to a listener in this process, and shown as a bar in Prefect's UI after `begin`."""

    def __init__(self, campaign: str, listener: Progress) -> None:
        self._campaign, self._listener = campaign, listener
        self._bar: ProgressBar | None = None

    def begin(self, lanes: int) -> None:
        """Show a bar for this number of lanes."""
        self._bar = ProgressBar(f"progress-{slug(self._campaign)}", f"Campaign {self._campaign}: {lanes:,} lanes")

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Pass progress on to the listener and the bar."""
        self._listener(stage, done, total)
        if self._bar is not None:
            self._bar(stage, done, total)


def show_results(summary: Mapping[str, Any]) -> None:
    """Create a table artifact of a finished run: one row per session."""
    rows = [
        {
            "session": row["session"],
            "seeds": f"{row['seeds']} ({row['seed_strategy']})",
            "reach": round(row["total_influenced"], 2),
            "standard error": row["total_influenced_standard_error"],
            "rounds": row["rounds"],
            "replicates": row["replicates"],
            "session_id": row["session_id"],
        }
        for row in summary["sessions"]
    ]
    description = (
        f"Campaign {_bold(summary['campaign'])} on network {_bold(summary['network'])} ({summary['agents']:,} agents, "
        f"{summary['edges']:,} edges): {summary['lanes']:,} lanes in {summary['seconds']:.2f} s. "
        f"Plan {summary['plan']}: {summary['plan_reason']}. Warehouse `{summary['warehouse']}`."
    )
    create_table_artifact(rows, key=f"results-{slug(summary['campaign'])}", description=description)


def show_curves(campaign: str, results: "Mapping[str, Result]") -> None:
    """Create a Markdown artifact with the adoption curves of a campaign's sessions as an inline image."""
    markdown = f"![Agents reached by each round](data:image/png;base64,{_encoded_curves(results)})"
    description = f"Adoption curves of campaign {_bold(campaign)}"
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


def _bold(name: str) -> str:
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
