"""Comparisons of sessions by their mean reach, the largest first, each with the interval of the difference."""

from collections.abc import Mapping
from dataclasses import dataclass

from propagation.campaign_results import are_paired, difference
from propagation.intervals import half_width, mean_intervals, share_interval, with_interval
from propagation.result import Reach, Result

__all__ = [
    "Comparison",
    "comparisons",
    "half_width",
    "mean_intervals",
    "ranked",
    "share_interval",
    "with_interval",
]

MOST_FOR_ALL_PAIRS = 5
"""Up to this many sessions, all pairs are compared; of more, each with the best one."""


@dataclass(frozen=True)
class Comparison:
    """Two sessions, and how many more agents the first one reaches.

    Attributes
    ----------
    first, second : str
        Names of the sessions; the first one reaches more on average, or as many.
    lead : Reach
        Mean difference in agents, with its standard error.
    paired : bool
        Whether they were compared replicate by replicate.
    """

    first: str
    second: str
    lead: Reach
    paired: bool

    @property
    def is_beyond_chance(self) -> bool | None:
        """Whether 0 is outside the 95 % interval of the difference; None if there is no interval."""
        half = half_width(self.lead)
        return None if half is None else abs(self.lead.mean) > half


def ranked(results: Mapping[str, Result]) -> dict[str, Result]:
    """Return the results by session name, the largest mean reach first."""
    return dict(sorted(results.items(), key=lambda item: -item[1].reach.mean))


def comparisons(results: Mapping[str, Result]) -> list[Comparison]:
    """Return all pairs of at most `MOST_FOR_ALL_PAIRS` sessions; of more, the best one with each of the others.

    Parameters
    ----------
    results : mapping from str to Result

    Returns
    -------
    list of Comparison
        In the order of the sessions' reach, the largest first.
    """
    in_order = list(ranked(results))
    firsts = in_order if len(in_order) <= MOST_FOR_ALL_PAIRS else in_order[:1]
    return [
        Comparison(
            first, second, difference(results[first], results[second]), are_paired(results[first], results[second])
        )
        for position, first in enumerate(firsts)
        for second in in_order[position + 1 :]
    ]
