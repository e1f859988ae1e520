"""The first distinct edges in an endless sequence of samples, found on disk where a hash set would exceed memory.

1. Draw samples in blocks and distribute them to buckets by a hash of the pair, so that equal pairs meet in one bucket,
   in sample order. A sketch, made of the pairs whose hash ends in a number of zero bits, estimates how many pairs are
   distinct, and so when there are enough samples.
2. In each bucket, mark the first occurrence of every pair, and count the marks by the block they came from.
3. The counts show which block holds the last edge; drawing that block again shows where in it.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from data.generators.hashes import high_product, mixed
from data.networks.external_sort import AGENT_BITS, AGENT_MASK, Pairs
from data.networks.spill_files import MOST_BUCKETS, Spill, in_order

PAIRS_PER_BUCKET = 1 << 22
SKETCHED_PAIRS = 1 << 20
"""Approximate size of the sketch: estimates are off by about 0.1 %, and exact for fewer edges than this."""
CERTAINTY = 4.0
"""Safety margin of the estimate, in standard errors."""
HASH_BITS_OF_BUCKET = np.uint64(16)
EMPTY = 0
"""Marks a free slot: as a packed pair it would be the self-loop of agent 0, which is never kept."""


@dataclass(frozen=True)
class Samples:
    """An endless sequence of pairs with random access by block.

    Attributes
    ----------
    agents : int
        Number of agents; pairs with a higher id are skipped, as are self-loops.
    block : int
        Samples per block.
    draw : callable
        ``draw(first, last)`` returns samples `first` to `last` - 1, packed.
    check : callable
        ``check(drawn, found)`` raises ValueError if `found` distinct edges are too few for `drawn` samples.
    """

    agents: int
    block: int
    draw: Callable[[int, int], Pairs]
    check: Callable[[int, int], None]

    def drawn(self, number: int) -> Pairs:
        """Return a block of samples."""
        return self.draw(number * self.block, (number + 1) * self.block)


class DistinctSamples:
    """The first `edges` distinct pairs among samples, in buckets by hash.

    `pairs` reads a bucket from disk on every call.

    Parameters
    ----------
    samples : Samples
    edges : int
        Number of distinct pairs to find.
    folder : Path
        Scratch folder, to be removed by the caller.
    progress : callable
        Called with the estimated number of edges found so far.
    """

    def __init__(self, samples: Samples, edges: int, folder: Path, progress: Callable[[int], None]) -> None:
        self._samples, self._progress = samples, progress
        self.agents, self.edges = samples.agents, edges
        self.pieces = min(MOST_BUCKETS, -(-edges // PAIRS_PER_BUCKET))
        self._spill = Spill(folder / "samples", self.pieces)
        self._starts = [np.zeros(self.pieces, np.int64)]
        self._firsts: list[npt.NDArray[np.uint8]] = []
        self._ends = np.zeros(self.pieces, np.int64)
        self._sketch = Sketch(edges)
        self._choose()

    def pairs(self, piece: int) -> Pairs:
        """Return the chosen pairs of a bucket, in sample order."""
        end = int(self._ends[piece])
        first = np.unpackbits(self._firsts[piece], count=end).view(np.bool_)
        return self._spill.read(piece, end)[first]

    def remove(self, piece: int) -> None:
        """Delete the file of a bucket that is no longer needed."""
        self._spill.remove(piece)

    def _choose(self) -> None:
        wanted = self.edges + self._sketch.margin
        while True:
            self._spill_until(wanted)
            found = self._mark_firsts()
            total = int(found.sum())
            if total >= self.edges:
                break
            self._samples.check((len(self._starts) - 1) * self._samples.block, total)
            wanted = self._sketch.estimate + self.edges - total + self._sketch.margin
        last = int(np.searchsorted(np.cumsum(found), self.edges))
        self._cut(last, self.edges - int(found[:last].sum()))

    def _spill_until(self, wanted: int) -> None:
        """Draw and distribute blocks until about `wanted` distinct pairs are found, or there are too many samples."""
        with closing(in_order(self._drawn_by_bucket, count(len(self._starts) - 1))) as blocks, closing(self._spill):
            for by_bucket, starts in blocks:
                self._spill.append(by_bucket, starts)
                self._starts.append(self._starts[-1] + np.diff(starts))
                self._sketch.add(by_bucket)
                self._progress(min(self._sketch.estimate, self.edges))
                if self._sketch.estimate >= wanted or self._too_many():
                    break

    def _drawn_by_bucket(self, number: int) -> tuple[Pairs, npt.NDArray[np.int64]]:
        return partitioned_by_hash(self._samples.drawn(number), self._samples.agents, self.pieces)

    def _too_many(self) -> bool:
        try:
            self._samples.check((len(self._starts) - 1) * self._samples.block, self._sketch.estimate)
        except ValueError:
            return True
        return False

    def _mark_firsts(self) -> npt.NDArray[np.int64]:
        """Mark the first occurrence of each pair in all buckets; return the number of marks by block."""
        starts = np.stack(self._starts)
        found = np.zeros(len(starts) - 1, np.int64)
        self._firsts = []
        for first, counts in in_order(self._marked, ((k, starts[:, k].copy()) for k in range(self.pieces))):
            self._firsts.append(first)
            found += counts
        self._ends = starts[-1].copy()
        return found

    def _marked(self, bucket: tuple[int, npt.NDArray[np.int64]]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        number, starts = bucket
        first, counts = first_occurrences(self._spill.read(number), starts)
        return np.packbits(first), counts

    def _cut(self, block: int, kept: int) -> None:
        """Truncate every bucket after the first `kept` first occurrences of a block."""
        begins, ends = self._starts[block], self._starts[block + 1]
        marks = np.concatenate(
            [np.unpackbits(self._firsts[k], count=int(ends[k]))[int(begins[k]) :] for k in range(self.pieces)]
        ).view(np.bool_)
        starts = np.append(0, np.cumsum(ends - begins))
        lengths = lengths_kept(self._samples.drawn(block), self._samples.agents, starts, marks, kept)
        self._ends = begins + lengths


class Sketch:
    """An estimate of the number of distinct pairs, from those whose hash ends in a number of zero bits.

    Examples
    --------
    >>> sketch = Sketch(1_000)
    >>> sketch.add(np.array([1, 2, 1]))
    >>> sketch.estimate, sketch.margin
    (2, 0)
    """

    def __init__(self, expected: int) -> None:
        self._zeros = max(0, -(-expected // SKETCHED_PAIRS) - 1).bit_length()
        self._slots = np.zeros(1 << 10, np.int64)
        self._held = 0
        self.margin = int(CERTAINTY * np.sqrt(expected << self._zeros)) if self._zeros else 0

    @property
    def estimate(self) -> int:
        """Distinct pairs so far: exact if the sketch holds all of them."""
        return self._held << self._zeros

    def add(self, pairs: Pairs) -> None:
        """Add pairs to the sketch."""
        chosen = pairs_ending_in_zeros(pairs, np.uint64((1 << self._zeros) - 1))
        if 2 * (self._held + len(chosen)) > len(self._slots):
            held = self._slots[self._slots != EMPTY]
            self._slots = np.zeros(4 * (self._held + len(chosen)), np.int64)
            add_new(held, self._slots)
        self._held += add_new(chosen, self._slots)


@njit(nogil=True, cache=True)
def partitioned_by_hash(samples: Pairs, agents: int, buckets: int) -> tuple[Pairs, npt.NDArray[np.int64]]:
    """Distribute the samples that are edges to buckets, keeping the sample order within each.

    Parameters
    ----------
    samples : (s,) int64
        Packed pairs.
    agents, buckets : int
        Number of agents; number of buckets.

    Returns
    -------
    by_bucket : (k,) int64
        Pairs by bucket.
    starts : (buckets + 1,) int64
        Where each bucket begins in `by_bucket`, and k.
    """
    chosen = np.empty(len(samples), np.int64)
    where = np.empty(len(samples), np.int16)
    starts = np.zeros(buckets + 1, np.int64)
    k = 0
    for sample in samples:
        tail, head = sample >> AGENT_BITS, sample & AGENT_MASK
        if tail == head or tail >= agents or head >= agents:
            continue
        bucket = bucket_of(sample, buckets)
        chosen[k], where[k] = sample, bucket
        starts[bucket + 1] += 1
        k += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    nexts = starts.copy()
    by_bucket = np.empty(k, np.int64)
    for place in range(k):
        bucket = where[place]
        by_bucket[nexts[bucket]] = chosen[place]
        nexts[bucket] += 1
    return by_bucket, starts


@njit(nogil=True, cache=True)
def bucket_of(pair: np.int64, buckets: int) -> np.int64:
    """Return the bucket of a pair, by the upper bits of its hash."""
    return np.int64(high_product(mixed(np.uint64(pair)), np.uint64(buckets)))


@njit(nogil=True, cache=True)
def is_new(pair: np.int64, slots: npt.NDArray[np.int64]) -> bool:
    """Add a pair to a hash set with linear probing; return whether it is new.

    The slot depends on hash bits below those that choose the bucket, which are equal for all pairs of a bucket.
    """
    hashed = np.uint64(mixed(np.uint64(pair)) << HASH_BITS_OF_BUCKET)
    slot = np.int64(high_product(hashed, np.uint64(len(slots))))
    while slots[slot] != EMPTY:
        if slots[slot] == pair:
            return False
        slot = np.int64((slot + 1) if slot + 1 < len(slots) else 0)
    slots[slot] = pair
    return True


@njit(nogil=True, cache=True)
def add_new(pairs: Pairs, slots: npt.NDArray[np.int64]) -> int:
    """Add pairs to a hash set; return how many are new."""
    new = 0
    for pair in pairs:
        new += is_new(pair, slots)
    return new


@njit(nogil=True, cache=True)
def pairs_ending_in_zeros(pairs: Pairs, mask: np.uint64) -> Pairs:
    """Return the pairs whose hash has none of the mask's bits set."""
    chosen = np.empty(len(pairs), np.int64)
    k = 0
    for pair in pairs:
        chosen[k] = pair
        k += (mixed(np.uint64(pair)) & mask) == np.uint64(0)
    return chosen[:k].copy()


@njit(nogil=True, cache=True)
def first_occurrences(
    pairs: Pairs, starts: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Mark the first occurrence of each pair.

    Parameters
    ----------
    pairs : (k,) int64
    starts : (blocks + 1,) int64
        Where the pairs of each block begin, and k.

    Returns
    -------
    first : (k,) bool
    counts : (blocks,) int64
        First occurrences in each block.
    """
    slots = np.zeros(2 * len(pairs) + 1, np.int64)
    first = np.empty(len(pairs), np.bool_)
    counts = np.zeros(len(starts) - 1, np.int64)
    for block in range(len(counts)):
        for place in range(starts[block], starts[block + 1]):
            first[place] = is_new(pairs[place], slots)
            counts[block] += first[place]
    return first, counts


@njit(nogil=True, cache=True)
def lengths_kept(
    samples: Pairs, agents: int, starts: npt.NDArray[np.int64], marks: npt.NDArray[np.bool_], kept: int
) -> npt.NDArray[np.int64]:
    """Return how many pairs of a block each bucket keeps: those up to the block's `kept`-th first occurrence.

    Parameters
    ----------
    samples : (s,) int64
        The block, in sample order.
    agents : int
    starts : (buckets + 1,) int64
        Where each bucket begins in `marks`.
    marks : (k,) bool
        First occurrences among the pairs of the block, by bucket.
    kept : int

    Returns
    -------
    (buckets,) int64
    """
    buckets = len(starts) - 1
    lengths = np.zeros(buckets, np.int64)
    for sample in samples:
        tail, head = sample >> AGENT_BITS, sample & AGENT_MASK
        if tail == head or tail >= agents or head >= agents:
            continue
        if kept == 0:
            break
        bucket = bucket_of(sample, buckets)
        kept -= marks[starts[bucket] + lengths[bucket]]
        lengths[bucket] += 1
    return lengths
