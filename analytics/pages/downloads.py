"""Downloads of a page: result tables as CSV and the campaign's specification as YAML, embedded as data links."""

import base64
import hashlib
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files as package_files

import pyarrow as pa
from pyarrow import csv

from analytics.intervals import Comparison, half_width
from analytics.pages.published_campaign import PublishedCampaign
from analytics.sql_reports import LATEST
from data.facade import Warehouse
from data.warehouse.catalogue import query

MOST_ROWS = 50_000
MOST_BYTES = 2_500_000
"""Rows and bytes of a file that a page holds; larger ones are left out, and the page says how to get them."""
STEM_BYTES = 120
"""Bytes of a campaign's name in the names of files."""
TABLES = {
    "sessions": "one row per session: what was requested, the result, the job",
    "rounds": "one row per session and round: agents reached and transmitting, with quantiles",
    "replicates": "one row per session and replicate: size, depth, rounds",
    "agents": "one row per session and agent reached: how probably and when",
}
"""The tables, each a query in ``analytics/pages/sql``, and what one holds."""


@dataclass(frozen=True)
class Download:
    """A file that a page offers.

    Attributes
    ----------
    name : str
        Name under which it is saved.
    description : str
        What it holds.
    rows : int or None
        Number of its rows, if it is a table.
    content : bytes or None
        The file; None if it is too large for the page.
    command : str
        How to get the file from the warehouse; empty if it is only on the page.
    sql : str
        The query of the table; empty if there is none.
    """

    name: str
    description: str
    rows: int | None
    content: bytes | None
    command: str = ""
    sql: str = ""

    @cached_property
    def link(self) -> str:
        """The file as a data URL; empty if it is too large."""
        if self.content is None:
            return ""
        kind = "application/yaml" if self.name.endswith(".yaml") else "text/csv"
        return f"data:{kind};charset=utf-8;base64,{base64.b64encode(self.content).decode()}"

    @property
    def size(self) -> str:
        """Size of the file as text."""
        count = len(self.content or b"")
        return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3)):,} kB"


def file_stem(name: str) -> str:
    """Return a campaign's name as part of a file name: without characters that file systems or shells treat specially.

    Different names have different stems: a name that was changed gets a hash.

    Examples
    --------
    >>> file_stem("spring 2026"), file_stem("春季"), file_stem("../a/b")
    ('spring 2026', '春季', 'a-b-8e7e11e4')
    """
    stem = re.sub(r"[^\w .=+()-]+", "-", name).strip("-. ")
    stem = stem.encode()[:STEM_BYTES].decode(errors="ignore").strip("-. ")
    if stem == name:
        return stem
    return "-".join(filter(None, [stem, hashlib.sha256(name.encode()).hexdigest()[:8]]))


def downloads(campaign: PublishedCampaign, specification: str, compared: list[Comparison]) -> Iterator[Download]:
    """Yield the files of a page.

    Parameters
    ----------
    campaign : PublishedCampaign
    specification : str
        The campaign as YAML; empty if it is not stored.
    compared : list of Comparison
    """
    stem = file_stem(campaign.name)
    if specification:
        yield Download(f"{stem}.yaml", "the campaign, to run it again", None, _fitting(specification.encode()))
    sessions = [result.session for result in campaign.results.values()]
    counts = {
        "sessions": len(sessions),
        "rounds": sum(session["rounds"] + 1 for session in sessions),
        "replicates": sum(session["replicates"] for session in sessions),
    }
    if any(session["record"] != "rounds" for session in sessions):
        counts["agents"] = _agents_reached(campaign)
    for table, rows in counts.items():
        name, about = f"{stem}-{table}.csv", {LATEST: campaign.campaign_id}
        yield table_download(campaign.warehouse, table, rows, name, TABLES[table], about=about)
    if compared:
        rows = _comparison_rows(compared)
        content = _fitting(_csv(rows)) if rows.num_rows <= MOST_ROWS else None
        description = "one row per compared pair of sessions: the difference and its 95 % interval"
        yield Download(f"{stem}-differences.csv", description, rows.num_rows, content)


def table_download(
    warehouse: Warehouse, table: str, rows: int, name: str, description: str, *, about: Mapping[str, str]
) -> Download:
    """Return what a query of ``analytics/pages/sql`` finds, as a CSV file.

    Parameters
    ----------
    warehouse : Warehouse
    table : str
        Name of the query's file.
    rows : int
        Rows that it finds.
    name, description : str
        Of the file.
    about : mapping of str to str
        What stands in the query for the latest of its kind, and the id of that which is meant.
    """
    text = (package_files("analytics") / "pages" / "sql" / f"{table}.sql").read_text(encoding="utf-8")
    sql = text.partition("\n")[2].strip()
    for latest, chosen in about.items():
        sql = sql.replace(latest, f"'{chosen}'")
    command = (
        f"rumormill --warehouse {shlex.quote(warehouse.url)} sql {shlex.quote(' '.join(sql.split()))} "
        f"--output {shlex.quote(name)}"
    )
    content = _fitting(_csv(_asked(warehouse, sql))) if rows <= MOST_ROWS else None
    return Download(name, description, rows, content, command, sql)


def _agents_reached(campaign: PublishedCampaign) -> int:
    """Return how many agents the sessions reached, one by one, as far as recorded, without reading them."""
    counted = (
        "SELECT count(*) AS rows FROM files.reach JOIN files.campaign_sessions USING (session_id) "
        f"WHERE campaign_id = '{campaign.campaign_id}'"
    )
    return int(_asked(campaign.warehouse, counted)["rows"][0].as_py())


def _asked(warehouse: Warehouse, sql: str) -> pa.Table:
    return query(warehouse, sql, limit_seconds=None, limit_memory=None)  # the statement is ours


def _fitting(content: bytes) -> bytes | None:
    return content if len(content) <= MOST_BYTES else None


def _csv(rows: pa.Table) -> bytes:
    file = io.BytesIO()
    csv.write_csv(rows, file, csv.WriteOptions(quoting_style="needed"))
    return file.getvalue()


def _comparison_rows(compared: list[Comparison]) -> pa.Table:
    rows = []
    for pair in compared:
        mean, half = pair.lead.mean, half_width(pair.lead)
        low, high = (None, None) if half is None else (mean - half, mean + half)
        rows.append((pair.first, pair.second, mean, pair.lead.standard_error, low, high, pair.paired))
    numbers = ("more_agents", *(f"more_agents_{each}" for each in ("standard_error", "low", "high")))
    kinds = [("session", pa.string()), ("compared_with", pa.string()), *((name, pa.float64()) for name in numbers)]
    schema = pa.schema([*kinds, ("paired", pa.bool_())])
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in rows], schema)
