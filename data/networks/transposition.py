"""Transposition of a network's edges in files: in-edges from out-edges, in memory for a few million edges at a time."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

from data.networks.sparse_rows import SparseRows, counting_order, forget_pages, save_array, save_blocks, transposed
from data.networks.spill_files import MOST_BUCKETS, Spill, scratch_folder

EDGES_IN_MEMORY = 1 << 24
"""Networks with at most so many edges are transposed in memory, others in ranges of about as many (20 bytes each)."""
EDGES_PER_BLOCK = 1 << 22
TARGET_BITS = 32


def save_transposed(rows: SparseRows, folder: Path) -> None:
    """Write the transpose of a network as the arrays ``offsets``, ``sources`` and ``edges`` of a cache folder.

    Ours, because it runs past memory: edges are distributed to ranges of their target on disk (16 bytes per edge), then
    the ranges are sorted one after the other. Memory holds 8 bytes per agent, and the edges of one range.

    Parameters
    ----------
    rows : SparseRows
        Usually mapped.
    folder : Path
        The folder that `mapped_arrays` passes to the function that builds it.
    """
    ranges = min(MOST_BUCKETS, -(-rows.n_edges // EDGES_IN_MEMORY))
    if ranges <= 1:
        transpose = transposed(rows)
        assert transpose.edges is not None
        for name, array in ("offsets", transpose.offsets), ("sources", transpose.targets), ("edges", transpose.edges):
            save_array(folder, name, array)
        return
    offsets = np.zeros(rows.n_agents + 1, np.int64)
    for first, last in _blocks(rows.n_edges):
        _count(rows.targets[first:last], offsets)
    np.cumsum(offsets, out=offsets)
    save_array(folder, "offsets", offsets)
    bounds = np.searchsorted(offsets, np.arange(ranges) * rows.n_edges // ranges, side="left")
    bounds = np.append(bounds, rows.n_agents)
    with scratch_folder(folder.parent) as scratch:
        edges, positions = Spill(scratch / "edges", ranges), Spill(scratch / "positions", ranges)
        with closing(edges), closing(positions):
            _distribute(rows, bounds, edges, positions)
        in_order = (_order(edges, bounds, number) for number in range(ranges))
        sources = ((pairs[order] >> TARGET_BITS).astype(np.int32) for pairs, order in in_order)
        save_blocks(folder, "sources", np.int32, (rows.n_edges,), sources)
        in_order = (_order(edges, bounds, number) for number in range(ranges))
        sorted_positions = (positions.read(number)[order] for number, (_, order) in enumerate(in_order))
        save_blocks(folder, "edges", np.int64, (rows.n_edges,), sorted_positions)


def _distribute(rows: SparseRows, bounds: npt.NDArray[np.int64], edges: Spill, positions: Spill) -> None:
    """Append every edge, as source and target in one number, and its position to the range of its target."""
    for first, last in _blocks(rows.n_edges):
        targets = rows.targets[first:last]
        ranges = (np.searchsorted(bounds, targets, side="right") - 1).astype(np.int32)
        order = counting_order(ranges, len(bounds) - 1)
        starts = np.searchsorted(ranges[order], np.arange(len(bounds)))
        pairs = rows.sources(first, last) << TARGET_BITS | targets
        edges.append(pairs[order], starts)
        positions.append((first + order).astype(np.int64), starts)
        forget_pages(targets)


def _order(edges: Spill, bounds: npt.NDArray[np.int64], number: int) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the edges of a range, and the order that sorts them by target; their sources ascend as they are."""
    pairs = edges.read(number)
    targets = (pairs & ((1 << TARGET_BITS) - 1)) - bounds[number]
    return pairs, counting_order(targets.astype(np.int32), int(bounds[number + 1] - bounds[number]))


def _blocks(n_edges: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n_edges, EDGES_PER_BLOCK):
        yield first, min(first + EDGES_PER_BLOCK, n_edges)


@numba.njit(nogil=True, cache=True)
def _count(targets, offsets):  # type: ignore[no-untyped-def]
    """Count the edges to each agent, in the entry after the agent's."""
    for target in targets:
        offsets[target + 1] += 1
