"""Rows of a source that could not be read: line number, reason and text of each."""

import pyarrow as pa

from data.errors import TooManyRejectsError
from data.networks.edge_lists import MALFORMED_SCHEMA

LONGEST_TEXT = 200


class Rejects:
    """Malformed rows, up to a limit."""

    def __init__(self, source: str, limit: int, unit: str = "line") -> None:
        self._source, self._limit, self._unit = source, limit, unit
        self._lines: list[int] = []
        self._details: list[str] = []
        self._texts: list[str] = []

    def __len__(self) -> int:
        """Return how many rows were rejected."""
        return len(self._lines)

    def add(self, line: int, detail: str, text: str) -> None:
        """Record a malformed row; raise TooManyRejectsError if it exceeds the limit."""
        self._lines.append(line)
        self._details.append(detail)
        self._texts.append(shortened(text))
        if len(self) > self._limit:
            raise TooManyRejectsError(
                f"{self._source} has more than {self._limit} malformed {self._unit}s, which is the limit set by "
                f"max_rejects; the first is {self.first()}. Correct the source or raise --max-rejects"
            )

    def first(self) -> str:
        """Describe the first malformed row."""
        return described(self._unit, self._lines[0], self._details[0], self._texts[0])

    def table(self) -> pa.Table:
        """Return the malformed rows as a table of `MALFORMED_SCHEMA`."""
        return pa.table([self._lines, self._details, self._texts], schema=MALFORMED_SCHEMA)


def described(unit: str, line: int, detail: str, text: str) -> str:
    """Return one malformed row as part of a sentence."""
    return f"{unit} {line} ({shortened(text, 60)!r}): {detail}"


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return the text, or its beginning if it is longer than `longest` characters."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
