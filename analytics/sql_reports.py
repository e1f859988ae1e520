"""Reports in SQL: what analysts ask of a campaign, each a file in ``analytics/sql`` that runs as it stands.

A file begins with comments: the grain of its rows, the question, and for some how to draw the answer. Its parameters
stand in it with their defaults (``/* limit */ 10``), so that the file can be copied, run anywhere and changed.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analytics.report_pictures import draw_rows
from data.errors import InvalidInputError
from data.facade import Warehouse
from data.validation import suggestion
from data.warehouse.catalogue import query
from data.warehouse.frames import pandas_frame
from propagation.published import campaign_id_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

REPORTS = (
    "reach",
    "reach_by_strategy",
    "differences",
    "adoption_curve",
    "fastest_rounds",
    "time_to_half",
    "speed",
    "prevalence_peak",
    "reproduction_number",
    "cascade_sizes",
    "cascade_depths",
    "large_cascades",
    "most_reached_agents",
    "never_reached",
    "reach_by_attribute",
    "reach_by_segment",
    "super_spreaders",
    "spreading_inequality",
    "generation_intervals",
    "observed_beside_simulated",
    "contact_outcomes",
    "contacts_by_round",
    "exposure_without_adoption",
    "exposures_before_adoption",
    "reach_by_message",
    "message_leaderboard",
    "job_durations",
    "campaign_over_time",
)
"""The reports, in the order in which an analyst asks for them."""
LATEST = "(SELECT max_by(campaign_id, completed_at) FROM campaigns)"
"""The expression by which the reports select their campaign."""
_PARAMETER = re.compile(r"/\* (?P<name>\w+) \*/ (?P<default>\w+)")


@dataclass(frozen=True)
class Question:
    """A report that can be asked for.

    Attributes
    ----------
    name : str
    purpose : str
        The question, as a sentence.
    grain : str
        What one row of the answer is, as a sentence.
    drawn_as : str or None
        How the answer is drawn: ``line`` with the columns of x and y, or ``bar`` with that of the length and, unless it
        is the session, those of the label.
    parameters : dict
        Default of each parameter, besides the campaign: a number, or the name of a column.
    sql : str
        The statement, about the latest campaign, with the defaults.
    """

    name: str
    purpose: str
    grain: str
    drawn_as: str | None
    parameters: dict[str, int | str]
    sql: str


@dataclass(frozen=True)
class Answer:
    """A question to the warehouse, and its answer.

    Attributes
    ----------
    question : str
        The question, as a sentence.
    grain : str
        What one row of the answer is, as a sentence.
    sql : str
        The statement that was run, without its leading comments.
    rows : pyarrow.Table
        The answer.
    drawn_as : str or None
        How it is drawn; see `Question`.
    sessions : tuple of str
        The campaign's sessions in their order, which is that of the colours: a session has the same in all reports.
    """

    question: str
    grain: str
    sql: str
    rows: pa.Table
    drawn_as: str | None = None
    sessions: tuple[str, ...] = ()

    def frame(self) -> "pd.DataFrame":
        """Return the answer as a data frame."""
        return pandas_frame(self.rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the answer, lines by session or bars.

        Raises
        ------
        InvalidInputError
            If the report has no picture, or the answer no rows.
        """
        if self.drawn_as is None:
            raise InvalidInputError(f"the report {self.question!r} has no picture; it is a table")
        title = self.question.partition(" (")[0]  # without the sessions that it is about
        return draw_rows(self.rows, self.drawn_as, title=title, sessions=self.sessions, ax=ax)

    def _repr_html_(self) -> str:
        return f"<p><b>{self.question}</b></p>{self.frame().to_html(index=False)}"


@cache
def question(name: str) -> Question:
    """Return one of `REPORTS`.

    Raises
    ------
    InvalidInputError
        If there is no such report.
    """
    if name not in REPORTS:
        raise InvalidInputError(f"no report {name!r}{suggestion(name, REPORTS)}; for a list: rumormill report --list")
    lines = (package_files("analytics") / "sql" / f"{name}.sql").read_text(encoding="utf-8").strip().split("\n")
    heads = [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
    sql = "\n".join(line for line in lines if not line.startswith("-- "))
    drawn_as = next((head.removeprefix("Plot: ") for head in heads if head.startswith("Plot: ")), None)
    found = {match["name"]: match["default"] for match in _PARAMETER.finditer(sql)}
    parameters = {key: int(default) if default.isdecimal() else default for key, default in found.items()}
    return Question(name, heads[1], heads[0], drawn_as, parameters, sql)


def report(warehouse: Warehouse, name: str, campaign: str | None = None, **parameters: Any) -> Answer:
    """Run a report on a campaign.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        One of `REPORTS`.
    campaign : str, optional
        Name of the campaign, of which the configuration that was completed last counts, or its campaign_id; default:
        the campaign that was completed last.
    **parameters
        Those of the report (`question`): a whole number such as ``limit``, or a column such as ``attribute``.

    Returns
    -------
    Answer

    Raises
    ------
    InvalidInputError
        If there is no such report, campaign or parameter, or a value is of the wrong kind.
    QueryError
        If the network's agents have no such attribute.

    Examples
    --------
    >>> import tempfile
    >>> report(Warehouse(tempfile.mkdtemp()), "super_spreaders", limit=3)
    Traceback (most recent call last):
      ...
    data.errors.InvalidInputError: no campaign in warehouse ...; run one with: rumormill run CAMPAIGN
    """
    asked = question(name)
    grain, sql, chosen = asked.grain, asked.sql, LATEST
    for key, value in parameters.items():
        sql = _with_parameter(asked, sql, key, value)
    if campaign is None and not warehouse.count("campaigns"):
        raise InvalidInputError(f"no campaign in warehouse {warehouse.url}; run one with: rumormill run CAMPAIGN")
    if campaign is not None:
        chosen = "'" + campaign_id_of(warehouse, campaign).replace("'", "''") + "'"
        grain, sql = grain.replace("the latest campaign", "the campaign"), sql.replace(LATEST, chosen)
    # The statements are ours: they need no limits.
    rows = query(warehouse, sql, limit_seconds=None, limit_memory=None)
    if asked.drawn_as is None:
        return Answer(asked.purpose, grain, sql, rows)
    ordered = f"SELECT session FROM campaign_sessions WHERE campaign_id = {chosen} ORDER BY position"
    sessions = query(warehouse, ordered, limit_seconds=None, limit_memory=None)["session"].to_pylist()
    return Answer(asked.purpose, grain, sql, rows, asked.drawn_as, tuple(sessions))


def _with_parameter(asked: Question, sql: str, name: str, value: Any) -> str:
    if name not in asked.parameters:
        known = ", ".join(asked.parameters) or "none"
        raise InvalidInputError(f"report {asked.name!r} has no parameter {name!r}; it has {known}")
    if isinstance(asked.parameters[name], int):
        if isinstance(value, bool) or not str(value).isdecimal():
            raise InvalidInputError(f"report {asked.name!r}: {name} {value!r} is not a whole number of at least 0")
        text = str(value)
    else:
        text = '"' + str(value).replace('"', '""') + '"'
    return _PARAMETER.sub(lambda match: text if match["name"] == name else match[0], sql)
