"""Line numbers of the rows of a source, stored only where they cannot be computed."""

import bisect
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data.networks.edge_lists import LineBlock

_FEW_GAPS = 16


@dataclass(frozen=True)
class LineRun:
    """Line numbers of the rows of one block."""

    count: int
    first_line: int
    lines: npt.NDArray[np.int64] | None = None
    """Line of each row; None if they are consecutive."""

    @staticmethod
    def of(lines: npt.NDArray[np.int64]) -> "LineRun":
        """Return a run over these ascending line numbers."""
        if not len(lines):
            return LineRun(0, 0)
        first, last = int(lines[0]), int(lines[-1])
        consecutive = last - first + 1 == len(lines) and bool((np.diff(lines) == 1).all())
        return LineRun(len(lines), first, None if consecutive else lines)

    def line(self, row: int) -> int:
        """Return the line of one row of the block."""
        return self.first_line + row if self.lines is None else int(self.lines[row])


def _consecutive_parts(run: LineRun) -> list[LineRun]:
    """Split a run with few gaps into consecutive runs, which need no stored line per row."""
    if run.lines is None:
        return [run]
    gaps = np.flatnonzero(np.diff(run.lines) != 1) + 1
    return [LineRun.of(part) for part in np.split(run.lines, gaps)] if len(gaps) <= _FEW_GAPS else [run]


class LineIndex:
    """Line numbers of all rows, in as few blocks as possible."""

    def __init__(self) -> None:
        self._blocks: list[LineBlock] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many rows have a line."""
        return self._count

    def add(self, run: LineRun) -> None:
        """Append the rows of a block."""
        for part in _consecutive_parts(run):
            if part.count and not self._continues(part):
                self._blocks.append(LineBlock(self._count, part.first_line, part.lines))
            self._count += part.count

    def line(self, row: int) -> int:
        """Return the line of one row."""
        at = bisect.bisect_right(self._blocks, row, key=lambda block: block.first_ordinal) - 1
        block = self._blocks[at]
        within = row - block.first_ordinal
        return block.first_line + within if block.lines is None else int(block.lines[within])

    def blocks(self) -> tuple[LineBlock, ...]:
        """Return the blocks, ascending by first ordinal; none if every row's line is its ordinal plus one."""
        plain = len(self._blocks) == 1 and self._blocks[0].first_line == 1 and self._blocks[0].lines is None
        return () if plain else tuple(self._blocks)

    def _continues(self, run: LineRun) -> bool:
        if not self._blocks or run.lines is not None:
            return False
        last = self._blocks[-1]
        return last.lines is None and last.first_line + self._count - last.first_ordinal == run.first_line
