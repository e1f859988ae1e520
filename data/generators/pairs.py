"""Numbered pairs of agents within or between communities: distinct numbers are distinct pairs.

A set of pairs is described by ``bounds``, the first agent of each community, then the number of agents; by ``before``,
the number of pairs of all communities before each one, then of all; and by whether pairs are directed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from numba import njit

from data.generators.generator import Endpoints
from data.generators.permutations import distinct_numbers

Decoder = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], bool], Endpoints]


@dataclass(frozen=True, eq=False)
class Pairs(ABC):
    """A numbered set of pairs of agents, grouped by community; see `PairsWithin` and `PairsBetween`.

    Attributes
    ----------
    bounds : (communities + 1,) int64
        First agent of each community, then the number of agents.
    directed : bool
        Whether (a, b) and (b, a) are two pairs.
    """

    decode: ClassVar[Decoder]
    bounds: npt.NDArray[np.int64]
    directed: bool

    @property
    @abstractmethod
    def counts(self) -> npt.NDArray[np.int64]:
        """Pairs that belong to each community: (communities,) int64."""

    @cached_property
    def before(self) -> npt.NDArray[np.int64]:
        """Number of pairs of all communities before each one, then of all: (communities + 1,) int64."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts, dtype=np.int64)])

    @property
    def total(self) -> int:
        """Number of pairs."""
        return int(self.before[-1])

    def at(self, numbers: npt.NDArray[np.int64]) -> Endpoints:
        """Return the pairs with these numbers, each in 0 .. total - 1."""
        return type(self).decode(numbers, self.bounds, self.before, self.directed)

    def drawn(self, key: np.uint64, first: int, last: int) -> Endpoints:
        """Return pairs `first` to `last` - 1 of the random ordering given by `key`: distinct, uniform."""
        return self.at(distinct_numbers(key, first, last, self.total))


@njit(nogil=True, cache=True)
def _decode_within(
    numbers: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    directed: bool,  # noqa: ARG001 (already in the counts; one signature for both decoders)
) -> Endpoints:
    near, far = np.empty(len(numbers), np.int32), np.empty(len(numbers), np.int32)
    for place in range(len(numbers)):
        community = np.searchsorted(before, numbers[place], side="right") - 1
        first = bounds[community]
        size = bounds[community + 1] - first
        distance, start = divmod(numbers[place] - before[community], size)
        near[place] = np.int32(first + start)
        far[place] = np.int32(first + (start + distance + 1) % size)
    return near, far


@njit(nogil=True, cache=True)
def _decode_between(
    numbers: npt.NDArray[np.int64],
    bounds: npt.NDArray[np.int64],
    before: npt.NDArray[np.int64],
    directed: bool,
) -> Endpoints:
    near, far = np.empty(len(numbers), np.int32), np.empty(len(numbers), np.int32)
    agents = bounds[-1]
    for place in range(len(numbers)):
        community = np.searchsorted(before, numbers[place], side="right") - 1
        first, end = bounds[community], bounds[community + 1]
        partners = agents - (end - first) if directed else agents - end
        start, partner = divmod(numbers[place] - before[community], partners)
        near[place] = np.int32(first + start)
        far[place] = np.int32((end + partner) % agents)
    return near, far


class PairsWithin(Pairs):
    """All pairs of distinct agents of the same community.

    The agents of a community form a circle: pair ``distance * size + start`` joins agent ``start`` to the one
    ``distance + 1`` places further on. The undirected pairs are the first half of the numbers, for odd and even sizes.

    Examples
    --------
    >>> pairs = PairsWithin(np.array([0, 3, 5]), directed=False)
    >>> near, far = pairs.at(np.arange(pairs.total))
    >>> list(zip(near.tolist(), far.tolist(), strict=True))
    [(0, 1), (1, 2), (2, 0), (3, 4)]
    """

    decode = staticmethod(_decode_within)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Pairs inside each community: (communities,) int64."""
        sizes = np.diff(self.bounds)
        ordered = sizes * (sizes - 1)
        return ordered if self.directed else ordered // 2


class PairsBetween(Pairs):
    """All pairs of agents of different communities; an undirected pair belongs to the earlier community.

    Examples
    --------
    >>> pairs = PairsBetween(np.array([0, 1, 3]), directed=True)
    >>> near, far = pairs.at(np.arange(pairs.total))
    >>> list(zip(near.tolist(), far.tolist(), strict=True))
    [(0, 1), (0, 2), (1, 0), (2, 0)]
    """

    decode = staticmethod(_decode_between)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Pairs that leave each community (undirected: for a later one): (communities,) int64."""
        sizes, ends, agents = np.diff(self.bounds), self.bounds[1:], self.bounds[-1]
        return sizes * (agents - sizes if self.directed else agents - ends)
