"""A network's edges in memory, as all metrics read them: out-edges, in-edges, and neighbours in either direction."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from analytics.structure.agent_ranges import for_each, ranges
from data.networks.network import Network
from data.networks.sparse_rows import SparseRows, transposed


@dataclass(frozen=True)
class Adjacency:
    """The edges of a network in memory.

    Agents are numbered from 0 to n - 1 in the order of their dense ids. These numbers are the dense ids unless the
    network has reserved ones (`data.networks.network.Network.reserved`), which are left out here.

    Attributes
    ----------
    out_edges : SparseRows
        Targets of each agent's out-edges, ascending; no self-loops, no duplicates.
    agents : (n,) int64
        Dense id of each agent.
    """

    out_edges: SparseRows
    agents: npt.NDArray[np.int64]
    _in_edges: SparseRows | None = field(default=None, repr=False)

    @staticmethod
    def of(network: "Network | SparseRows | Adjacency") -> "Adjacency":
        """Return the edges of a network, or of rows of targets."""
        if isinstance(network, Adjacency):
            return network
        if isinstance(network, SparseRows):
            return Adjacency(_read_only(network), np.arange(network.n_agents))
        if not len(network.reserved):
            rows, transpose = _read_only(network.sparse_rows), _read_only(network.transpose)
            return Adjacency(rows, np.arange(network.n_agents), transpose)
        agents = network.dense_agents
        number = np.zeros(network.n_ids, np.int32)
        number[agents] = np.arange(len(agents))
        rows = network.sparse_rows  # reserved ids have no edges, so only their offsets are left out
        offsets = np.append(rows.offsets[agents], rows.offsets[-1])
        return Adjacency(_read_only(SparseRows(offsets, number[rows.targets])), agents)

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return self.out_edges.n_agents

    @property
    def n_edges(self) -> int:
        """Number of directed edges."""
        return self.out_edges.n_edges

    @cached_property
    def in_edges(self) -> SparseRows:
        """Sources of each agent's in-edges, ascending."""
        return self._in_edges or _read_only(transposed(self.out_edges))

    @cached_property
    def out_degree(self) -> npt.NDArray[np.int64]:
        """Number of out-edges of each agent, (n,) int64."""
        return np.diff(self.out_edges.offsets)

    @cached_property
    def in_degree(self) -> npt.NDArray[np.int64]:
        """Number of in-edges of each agent, (n,) int64."""
        return np.diff(self.in_edges.offsets)

    @cached_property
    def neighbours(self) -> "Neighbours":
        """The undirected view: each agent's neighbours in either direction, each once."""
        out, into = self.out_edges, self.in_edges
        degrees = np.empty(self.n_agents, np.int64)
        parts = ranges(out.offsets)
        for_each(_count_neighbours, ((*_arrays(out), *_arrays(into), *part, degrees) for part in parts))
        offsets = np.concatenate([[0], np.cumsum(degrees)])
        agents, edges = np.empty(offsets[-1], np.int32), np.empty(offsets[-1], np.uint8)
        filled = (*_arrays(out), *_arrays(into), offsets, agents, edges)
        for_each(_merge_neighbours, ((*filled, *part) for part in parts))
        return Neighbours(*(_fixed(array) for array in (offsets, agents, edges)))


@dataclass(frozen=True)
class Neighbours:
    """The undirected view of a network: pairs of agents with an edge in either direction.

    Attributes
    ----------
    offsets : (n + 1,) int64
        Start of each agent's row.
    agents : (2 * pairs,) int32
        Neighbours of each agent, ascending; every pair is listed by both of its agents.
    edges : (2 * pairs,) uint8
        Number of directed edges of the pair: 1 or 2.
    """

    offsets: npt.NDArray[np.int64]
    agents: npt.NDArray[np.int32]
    edges: npt.NDArray[np.uint8]

    @property
    def n_pairs(self) -> int:
        """Number of connected pairs."""
        return len(self.agents) // 2

    @property
    def degree(self) -> npt.NDArray[np.int64]:
        """Number of neighbours of each agent, (n,) int64."""
        return np.diff(self.offsets)


Edges: TypeAlias = "Network | SparseRows | Adjacency"
"""What metrics are computed for: a network of a warehouse, or its edges in memory."""


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: kernels are compiled for these alone, as mapped arrays are read-only."""
    array = np.ascontiguousarray(array).view()
    array.flags.writeable = False
    return array


def _read_only(rows: SparseRows) -> SparseRows:
    return SparseRows(_fixed(rows.offsets.astype(np.int64, copy=False)), _fixed(rows.targets), rows.edges)


def _arrays(rows: SparseRows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    return rows.offsets, rows.targets


@numba.njit(nogil=True, cache=True)
def _count_neighbours(out_offsets, out, in_offsets, into, first, last, degrees):  # type: ignore[no-untyped-def]
    for agent in range(first, last):
        i, i_end = out_offsets[agent], out_offsets[agent + 1]
        j, j_end = in_offsets[agent], in_offsets[agent + 1]
        count = 0
        while i < i_end and j < j_end:
            a, b = out[i], into[j]
            i += a <= b
            j += b <= a
            count += 1
        degrees[agent] = count + (i_end - i) + (j_end - j)


@numba.njit(nogil=True, cache=True)
def _merge_neighbours(  # type: ignore[no-untyped-def]
    out_offsets, out, in_offsets, into, offsets, neighbours, edges, first, last
):
    """Merge the ascending targets and sources of each agent of a range."""
    for agent in range(first, last):
        i, i_end = out_offsets[agent], out_offsets[agent + 1]
        j, j_end = in_offsets[agent], in_offsets[agent + 1]
        for place in range(offsets[agent], offsets[agent + 1]):
            if j == j_end or (i < i_end and out[i] < into[j]):
                neighbours[place], edges[place] = out[i], 1
                i += 1
            elif i == i_end or into[j] < out[i]:
                neighbours[place], edges[place] = into[j], 1
                j += 1
            else:
                neighbours[place], edges[place] = out[i], 2
                i += 1
                j += 1
