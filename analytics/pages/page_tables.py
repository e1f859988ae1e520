"""Tables of a page: the first rows are shown, further ones can be unfolded, and no table grows without limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MOST_SHOWN = 12
"""Rows of a table that are always visible, and sessions in a picture."""
MOST_ROWS = 2_000
"""Rows of a table on a page; the downloads have all of them."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and whether it holds numbers."""

    heading: str
    is_number: bool = True


@dataclass(frozen=True)
class PageTable:
    """A table as the page shows it.

    Attributes
    ----------
    label : str
        What the table is, for screen readers.
    rows_are : str
        What its rows are called, such as ``sessions``.
    columns : sequence of Column
        The first one holds the heading of each row.
    rows : sequence of sequence of str
    keys : sequence of dict
        By row, how the session is drawn in the pictures; shorter than `rows` if only the first ones are drawn.
    """

    label: str
    rows_are: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    keys: Sequence[dict[str, Any]] = ()

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows that are always visible."""
        return self.rows[:MOST_SHOWN]

    @property
    def folded(self) -> Sequence[Sequence[str]]:
        """The rows that can be unfolded."""
        return self.rows[MOST_SHOWN:MOST_ROWS]

    @property
    def unfolding(self) -> str:
        """What one clicks to see the folded rows."""
        count = len(self.rows)
        if count > MOST_ROWS:
            return f"The next {len(self.folded):,} of {count:,} {self.rows_are}; the downloads have all of them"
        return f"The other {len(self.folded):,} of {count:,} {self.rows_are}"
