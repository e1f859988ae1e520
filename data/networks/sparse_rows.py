"""Compressed sparse rows (CSR): a network as arrays for compiled kernels, memory-mapped so that processes share them.

The out-edges of agent ``a`` are ``targets[offsets[a]:offsets[a + 1]]``, ascending. Each array is a ``.npy`` file in a
cache folder named by content. The files are derived data: rebuilt if absent, and mapped read-only.
"""

import mmap
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from data.warehouse.storage import translated

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class SparseRows:
    """Edges grouped by one endpoint.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Start of each agent's row; the last entry is the number of edges.
    targets : (m,) int32
        The other endpoint of each edge, ascending within a row.
    edges : (m,) int64 or None
        In a transpose: position of each edge in the original rows.
    """

    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    edges: npt.NDArray[np.int64] | None = None

    @property
    def n_agents(self) -> int:
        """Number of rows."""
        return len(self.offsets) - 1

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.targets)

    def positions(self, src: npt.ArrayLike, dst: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return where the edges from `src` to `dst` (elementwise) are, (k,) int64; -1 where there is none.

        Examples
        --------
        >>> SparseRows(np.array([0, 2, 2, 5]), np.array([1, 2, 0, 1, 2], np.int32)).positions([0, 1, 2], [2, 0, 1])
        array([ 1, -1,  3])
        """
        found = []
        for source, target in zip(np.asarray(src).tolist(), np.asarray(dst).tolist(), strict=True):
            low, high = int(self.offsets[source]), int(self.offsets[source + 1])
            at = low + int(np.searchsorted(self.targets[low:high], target))
            found.append(at if at < high and self.targets[at] == target else -1)
        return np.array(found, np.int64)

    def sources(self, first: int, last: int) -> npt.NDArray[np.int64]:
        """Return the agents whose rows hold edges `first` to `last` - 1, (last - first,) int64.

        Examples
        --------
        >>> SparseRows(np.array([0, 2, 2, 5]), np.array([1, 2, 0, 1, 2], np.int32)).sources(1, 4)
        array([0, 2, 2])
        """
        low = int(np.searchsorted(self.offsets, first, side="right")) - 1
        high = int(np.searchsorted(self.offsets, last, side="left"))
        ends = np.clip(self.offsets[low : high + 1], first, last)
        return np.repeat(np.arange(low, high), np.diff(ends))

    def rows_of(self, agents: npt.NDArray[np.integer[Any]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return the edges of some agents, row by row: whose row each is in, as a position in `agents`, and its target.

        Examples
        --------
        >>> positions, targets = SparseRows(np.array([0, 2, 2, 5]), np.array([1, 2, 0, 1, 2], np.int32)).rows_of(
        ...     np.array([2, 1, 0])
        ... )
        >>> positions.tolist(), targets.tolist()
        ([0, 0, 0, 2, 2], [0, 1, 2, 1, 2])
        """
        agents = agents.astype(np.int64)
        starts = self.offsets[agents]
        lengths = self.offsets[agents + 1] - starts
        ends = np.cumsum(lengths)
        shifts = np.repeat(starts - (ends - lengths), lengths)
        return np.repeat(np.arange(len(agents)), lengths), self.targets[shifts + np.arange(len(shifts))]


@numba.njit(nogil=True, cache=True)
def _counting_order(keys, n_keys):  # type: ignore[no-untyped-def]
    starts = np.zeros(n_keys + 1, np.int64)
    for key in keys:
        starts[key + 1] += 1
    for key in range(n_keys):
        starts[key + 1] += starts[key]
    order = np.empty(len(keys), np.int64)
    for position in range(len(keys)):
        key = keys[position]
        order[starts[key]] = position
        starts[key] += 1
    return order


def counting_order(keys: npt.NDArray[np.int32], n_keys: int) -> npt.NDArray[np.int64]:
    """Return the stable order that sorts `keys`, all in ``[0, n_keys)``: a counting sort, in linear time.

    Examples
    --------
    >>> counting_order(np.array([2, 0, 2, 1], dtype=np.int32), 3)
    array([1, 3, 0, 2])
    """
    keys = np.ascontiguousarray(keys, dtype=np.int32).view()
    keys.flags.writeable = False
    order: npt.NDArray[np.int64] = _counting_order(keys, np.int64(n_keys))
    return order


def pair_order(source: npt.NDArray[np.int32], target: npt.NDArray[np.int32], n_agents: int) -> npt.NDArray[np.int64]:
    """Return the stable order that sorts edges by (source, target)."""
    by_target = counting_order(target, n_agents)
    return by_target[counting_order(source[by_target], n_agents)]


def row_offsets(sorted_source: npt.NDArray[np.int32], n_agents: int) -> npt.NDArray[np.int64]:
    """Return the CSR offsets of edges sorted by source, (n_agents + 1,) int64."""
    offsets = np.zeros(n_agents + 1, np.int64)
    np.cumsum(np.bincount(sorted_source, minlength=n_agents), out=offsets[1:])
    return offsets


def transposed(rows: SparseRows) -> SparseRows:
    """Return the same edges grouped by target."""
    order = counting_order(rows.targets, rows.n_agents)
    source = np.repeat(np.arange(rows.n_agents, dtype=np.int32), np.diff(rows.offsets))
    return SparseRows(row_offsets(rows.targets[order], rows.n_agents), source[order], order)


def mapped_arrays(
    folder: Path, names: Sequence[str], build: Callable[[Path], None]
) -> tuple[npt.NDArray[np.generic], ...]:
    """Return the arrays `names` of a cache folder, mapped read-only; build the folder first if it is absent.

    Parameters
    ----------
    folder : Path
        Named by content, so an existing folder is always valid.
    names : sequence of str
        Arrays to map, each in ``<name>.npy``.
    build : callable
        Writes all arrays with `save_array` into the folder it is passed, which is then renamed to `folder`.
        Processes that build concurrently write equal files; the first rename wins.
    """
    if not folder.exists():
        staged = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        with translated(str(folder.parent)):
            staged.mkdir(parents=True)
        try:
            build(staged)
            place_arrays(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return tuple(_map_array(folder / f"{name}.npy") for name in names)


def place_arrays(staged: Path, folder: Path) -> None:
    """Rename a folder of arrays to its final path; if another process was first, keep its equal arrays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        staged.rename(folder)
    except OSError:
        if not folder.exists():
            raise


def save_array(folder: Path, name: str, array: Array) -> None:
    """Write one array of a cache folder."""
    save_blocks(folder, name, array.dtype, array.shape, [array])


def save_blocks(folder: Path, name: str, dtype: npt.DTypeLike, shape: tuple[int, ...], blocks: Iterable[Array]) -> None:
    """Write one array of a cache folder block by block, then sync it, so that no crash leaves a partial array.

    Parameters
    ----------
    folder : Path
    name : str
        The file is ``<name>.npy``.
    dtype, shape
        Of the whole array.
    blocks : iterable of arrays
        Consecutive rows of this dtype; only one block at a time is in memory.
    """
    dtype, rows = np.dtype(dtype), 0
    with translated(str(folder)), (folder / f"{name}.npy").open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)
            rows += len(block)
        assert rows == shape[0], f"{rows} of {shape[0]} rows of {name}"
        file.flush()
        os.fsync(file.fileno())


def read_array(folder: Path, name: str, first: int, last: int) -> Array:
    """Return a copy of rows `first` to `last` - 1 of an array of a cache folder, without mapping its pages."""
    with (folder / f"{name}.npy").open("rb") as file:
        np.lib.format.read_magic(file)
        (_,), _, dtype = np.lib.format.read_array_header_1_0(file)
        file.seek(first * dtype.itemsize, os.SEEK_CUR)
        return np.fromfile(file, dtype, last - first)


def forget_pages(*arrays: Array) -> None:
    """Release the pages of mapped arrays from this process's memory; the next access finds them in the page cache.

    A slice of a mapped array releases the pages it covers; arrays that are not mapped are left alone.
    """
    for array in arrays:
        base: Any = array
        while base is not None and not isinstance(base, mmap.mmap):
            base = base.base if isinstance(base, np.ndarray) else getattr(base, "obj", None)
        if base is None or not array.nbytes or not hasattr(mmap, "MADV_DONTNEED"):
            continue
        first = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
        start = first - first % mmap.PAGESIZE
        base.madvise(mmap.MADV_DONTNEED, start, first + array.nbytes - start)


def _map_array(path: Path) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except ValueError:  # an empty array cannot be mapped
        array: Array = np.load(path)
        array.flags.writeable = False
        return array
