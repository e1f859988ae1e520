"""In-edges of every agent with their chances, in the words of `propagation.weights.AttemptRows`.

Kernels that run cascades forwards thus run them backwards on the same arrays, only transposed.
"""

import functools
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from data.networks.sparse_rows import mapped_arrays, save_array
from propagation.draws import mix64
from propagation.kernels.primitives import DST
from propagation.own_threads import in_parallel
from propagation.weights import AttemptRows, EdgeWeights, attempt_rows, cache_name

_U32 = np.uint64(32)


@dataclass(frozen=True)
class IncomingRows:
    """In-edges in compressed sparse rows, one 64-bit word per edge.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Where the row of each target begins.
    words : (m,) uint64
        Source in the low 31 bits, ascending within a row; ``ceil(p * 2**32)`` in the 33 bits above, zero there if all
        edges share `base`.
    base : int
        Chance added to every edge's own.
    """

    offsets: npt.NDArray[np.int64]
    words: npt.NDArray[np.uint64]
    base: int

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.offsets) - 1


@functools.lru_cache(maxsize=8)
def incoming_rows(network: Network, weights: EdgeWeights, random_seed: int) -> IncomingRows:
    """Return the in-edges with their chances, mapped from the cache folder and built there at first use.

    Building takes 8 bytes of memory per edge.

    Parameters
    ----------
    network : Network
    weights : EdgeWeights
        Scheme of the chances.
    random_seed : int
        Decides the draws of ``trivalency``.
    """
    rows = attempt_rows(network, weights, random_seed)
    name = "constant" if weights.is_uniform else cache_name(weights, random_seed)
    offsets, words = mapped_arrays(
        network.cache_folder / f"in-words-{name}",
        ["offsets", "words"],
        lambda folder: _build(folder, rows, network.in_degree),
    )
    return IncomingRows(offsets.view(np.int64), words.view(np.uint64), rows.base)


def _build(folder: Path, rows: AttemptRows, in_degree: npt.NDArray[np.int64]) -> None:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(in_degree, dtype=np.int64)])
    words = np.empty(len(rows.words), np.uint64)
    starts = offsets[:-1].copy()
    in_parallel(
        lambda first, last: _place(rows.offsets, rows.words, np.uint64(first), np.uint64(last), starts, words),
        equal_shares(offsets),
    )
    save_array(folder, "offsets", offsets)
    save_array(folder, "words", words)


def equal_shares(offsets: npt.NDArray[np.int64], shares: int | None = None) -> list[tuple[int, int]]:
    """Return ranges of rows, one per thread of this process by default, that hold about as many entries each."""
    number = shares or os.cpu_count() or 1
    bounds = np.searchsorted(offsets, offsets[-1] * np.arange(1, number) // number)
    edges = [0, *np.maximum.accumulate(bounds).tolist(), len(offsets) - 1]
    return [(low, high) for low, high in itertools.pairwise(edges) if low < high]


@numba.njit(nogil=True, cache=True)
def _place(offsets, out_words, first, last, starts, words):  # type: ignore[no-untyped-def]
    """Write the words of the in-edges whose targets are in ``[first, last)``; `starts` is where each row goes on."""
    for src in range(len(offsets) - 1):
        for edge in range(np.uint64(offsets[src]), np.uint64(offsets[src + 1])):
            word = out_words[edge]
            dst = word & DST
            if first <= dst < last:
                words[np.uint64(starts[dst])] = (word & ~DST) | np.uint64(src)
                starts[dst] += 1


def is_symmetric(network: Network) -> bool:
    """Return whether every edge has its opposite: sums of 64-bit hashes of all edges in both directions are equal.

    Networks that are not symmetric pass with a probability of about 2**-64.
    """
    if not np.array_equal(network.in_degree, network.out_degree):
        return False
    rows = network.sparse_rows
    return bool(_asymmetry(rows.offsets, rows.targets) == 0)


@numba.njit(nogil=True, cache=True)
def _asymmetry(offsets, targets):  # type: ignore[no-untyped-def]
    total = np.uint64(0)
    for src in range(len(offsets) - 1):
        for edge in range(np.uint64(offsets[src]), np.uint64(offsets[src + 1])):
            a, b = np.uint64(src), np.uint64(targets[edge])
            total += mix64((a << _U32) | b) - mix64((b << _U32) | a)
    return total
