"""What a reader finds in a source of observed cascades: rows of cascade, agent and time, and what it cannot read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from data.readers.rejects import shortened

REJECT_COLUMNS = ("line", "file", "reason", "cascade", "agent", "text")


@dataclass(frozen=True)
class SourceRows:
    """Rows of observed cascades as they are in a source.

    Attributes
    ----------
    rows : DataFrame
        ``cascade``, ``agent``, ``time``, ``line`` (or row, from 1), and where the source has them ``infector``,
        ``followers`` and ``file``.
    description : str
        Readable origin.
    rejects : DataFrame
        Rows that were left out already, with the columns `REJECT_COLUMNS`.
    warnings : tuple of str
        What the reader guessed, doubted or left out, in sentences for the user.
    time_unit : str
        Unit of the times, unless the user names another.
    labels : mapping of str to str, or None
        Labels of cascades by their ids, if they are beside the source.
    """

    rows: pd.DataFrame
    description: str
    rejects: pd.DataFrame = field(default_factory=lambda: rejected([]))
    warnings: tuple[str, ...] = ()
    time_unit: str = "seconds"
    labels: Mapping[str, str] | None = None


def rejected(records: list[dict[str, object]]) -> pd.DataFrame:
    """Return rejected rows as a frame of `REJECT_COLUMNS`; columns that a record lacks are missing."""
    shown = [
        {**record, "text": shortened(str(record["text"]))} if record.get("text") is not None else record
        for record in records
    ]
    return pd.DataFrame(shown, columns=list(REJECT_COLUMNS))
