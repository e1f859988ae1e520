"""R-MAT: skewed, self-similar networks, drawn by recursive choice of quadrants of the adjacency matrix.

Source: D. Chakrabarti, Y. Zhan, C. Faloutsos, "R-MAT: a recursive model for graph mining", SIAM Data Mining 2004.
"""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from numba import njit
from pydantic import Field, model_validator

from data.errors import InvalidInputError
from data.generators.distinct_samples import EMPTY, DistinctSamples, Samples
from data.generators.generator import Generator, empty_endpoints
from data.generators.hashes import Purpose, fraction, high_product, key_of, mixed, splitmix
from data.networks.edge_lists import EdgeList
from data.networks.external_sort import AGENT_BITS, AGENT_MASK, Pairs
from data.progress import Progress, ignore_progress

SAMPLES_PER_RANGE = 1 << 18
MOST_SAMPLES_PER_EDGE = 100
FEWEST_SAMPLES = 100_000
ROUNDING = 1e-12
SAMPLES_PER_SPILL = 1 << 22


class RMat(Generator):
    """Directed edges drawn in quadrants of the adjacency matrix with probabilities a, b, c and d = 1 - a - b - c.

    Samples are drawn for the next power of two of agents. Those outside the network, self-loops and repetitions are
    skipped, and the first `edges` remaining samples are the network. For the same agents, quadrants and random seed, a
    network with fewer edges is a prefix of one with more. Low ids have high degrees.

    Examples
    --------
    >>> len(RMat(agents=1_000, edges=5_000).generate())
    5000
    """

    name: ClassVar[str] = "rmat"

    edges: int = Field(ge=1)
    """Number of edges, 1 to half of agents x (agents - 1)."""
    a: float = Field(default=0.57, ge=0.0, le=1.0, allow_inf_nan=False)
    """Probability, at each level, of a source in the lower half of ids and a target in the lower half, 0 to 1."""
    b: float = Field(default=0.19, ge=0.0, le=1.0, allow_inf_nan=False)
    """Probability of a source in the lower half and a target in the upper half, 0 to 1."""
    c: float = Field(default=0.19, ge=0.0, le=1.0, allow_inf_nan=False)
    """Probability of a source in the upper half and a target in the lower half, 0 to 1."""

    @model_validator(mode="after")
    def _edges_and_quadrants_fit(self) -> Self:
        most = self.agents * (self.agents - 1) // 2
        if self.edges > most:
            raise ValueError(
                f"edges={self.edges:,} is more than {most:,}, half of the pairs of {self.agents:,} agents; "
                "R-MAT rarely draws that many distinct ones: ask for fewer edges or more agents, or use erdos_renyi"
            )
        if self.a + self.b + self.c > 1 + ROUNDING:
            raise ValueError(
                f"a={self.a:g}, b={self.b:g} and c={self.c:g} add up to {self.a + self.b + self.c:g}; they and "
                "d = 1 - a - b - c are probabilities: lower them to a sum of at most 1"
            )
        return self

    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate the first `edges` distinct edges among the samples.

        Parameters
        ----------
        progress : Progress
            Called with the number of edges found so far.

        Returns
        -------
        EdgeList
            In the order in which the edges were first drawn.

        Raises
        ------
        InvalidInputError
            If 100 samples per edge do not contain enough distinct edges.
        """
        source, target = empty_endpoints(self.edges)
        slots = np.zeros(self.edges + self.edges // 2 + 1, np.int64)
        kept = drawn = 0
        while kept < self.edges:
            self._check_samples(drawn, kept)
            last = drawn + min(SAMPLES_PER_RANGE, 4 * self.edges)
            kept = keep_new(self.samples(drawn, last), self.agents, slots, source, target, kept)
            drawn = last
            progress("generating edges", kept, self.edges)
        return self._edge_list((source, target))

    def in_pieces(self, folder: Path, progress: Progress = ignore_progress) -> DistinctSamples:
        """Generate the same edges in pieces on disk, with memory independent of their number.

        Parameters
        ----------
        folder : Path
            Scratch folder, with room for 9 bytes per edge.
        progress : Progress
            Called with the estimated number of edges found so far.

        Raises
        ------
        InvalidInputError
            As for `generate`.
        """
        block = min(SAMPLES_PER_SPILL, max(min(SAMPLES_PER_RANGE, 4 * self.edges), self.edges >> 6))
        samples = Samples(self.agents, block, self.samples, self._check_samples)
        return DistinctSamples(
            samples, self.edges, folder, lambda found: progress("generating edges", found, self.edges)
        )

    def samples(self, first: int, last: int) -> Pairs:
        """Return samples `first` to `last` - 1, self-loops and repetitions included; see `rmat_samples`."""
        key, levels = key_of(self.random_seed, Purpose.RMAT_QUADRANT), (self.agents - 1).bit_length()
        return rmat_samples(key, first, last, levels, self.a, self.b, self.c)

    def _check_samples(self, drawn: int, kept: int) -> None:
        if drawn > max(FEWEST_SAMPLES, MOST_SAMPLES_PER_EDGE * self.edges):
            raise InvalidInputError(
                f"only {kept:,} of {self.edges:,} distinct edges in {drawn:,} samples of {self.describe()}; too few "
                "pairs are likely to be drawn: ask for fewer edges, more agents, or more similar quadrants"
            )


@njit(nogil=True, cache=True)
def rmat_samples(
    key: np.uint64, first: int, last: int, levels: int, a: float, b: float, c: float
) -> npt.NDArray[np.int64]:
    """Draw samples `first` to `last` - 1, self-loops and repetitions included.

    Parameters
    ----------
    key : uint64
        From `data.generators.hashes.key_of`.
    first, last : int
        Range of samples, 0 <= first <= last; adjacent ranges give consecutive samples.
    levels : int
        Bits of an agent id, 1 to 31: the draw of each level decides one bit of the source and one of the target.
    a, b, c : float
        Probabilities of the quadrants.

    Returns
    -------
    (last - first,) int64
        Source in the upper and target in the lower 32 bits, each in 0 .. 2^levels - 1.
    """
    upper, upper_or_c = a + b, a + b + c
    samples = np.empty(last - first, np.int64)
    for sample in range(first, last):
        sample_key = splitmix(key, np.uint64(sample))
        source, target = np.int64(0), np.int64(0)
        for level in range(levels):
            u = fraction(splitmix(sample_key, np.uint64(level)))
            # No branches: they would be unpredictable.
            source = (source << 1) | np.int64(u >= upper)
            target = (target << 1) | np.int64(((u >= a) & (u < upper)) | (u >= upper_or_c))
        samples[sample - first] = (source << AGENT_BITS) | target
    return samples


@njit(nogil=True, cache=True)
def keep_new(
    samples: npt.NDArray[np.int64],
    agents: int,
    slots: npt.NDArray[np.int64],
    source: npt.NDArray[np.int32],
    target: npt.NDArray[np.int32],
    kept: int,
) -> int:
    """Append the samples that are new edges to `source` and `target`, until these are full.

    Parameters
    ----------
    samples : (s,) int64
        From `rmat_samples`, in order.
    agents : int
        Number of agents; samples with a higher id are skipped.
    slots : (at least m + 1,) int64
        Hash set with linear probing of the edges kept so far, all `EMPTY` at first.
    source, target : (m,) int32
        Edges, of which the first `kept` are filled.
    kept : int
        Edges kept before this call.

    Returns
    -------
    int
        Edges kept after this call.
    """
    for sample in samples:
        tail, head = sample >> AGENT_BITS, sample & AGENT_MASK
        if tail == head or tail >= agents or head >= agents:
            continue
        slot = _slot_of(sample, slots)
        if slots[slot] == EMPTY:
            slots[slot] = sample
            source[kept], target[kept] = tail, head
            kept += 1
            if kept == len(source):
                break
    return kept


@njit(nogil=True, cache=True)
def _slot_of(sample: np.int64, slots: npt.NDArray[np.int64]) -> np.int64:
    """Return the slot that holds the sample, or the free slot for it."""
    slot = np.int64(high_product(mixed(np.uint64(sample)), np.uint64(len(slots))))
    while slots[slot] != EMPTY and slots[slot] != sample:
        slot = np.int64((slot + 1) if slot + 1 < len(slots) else 0)
    return slot
