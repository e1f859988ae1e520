"""The neighbours of a partition's agents: mapped arrays, built once per snapshot and range of agents.

An agent's neighbours are those that it shares an edge with in either direction, each listed once, with its direction.
All algorithms read this one structure. It is derived from the snapshot and lies in its cache folder; building it takes
memory for the edges of one partition.
"""

import dataclasses
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from data.networks.network import Network
from data.networks.sparse_rows import forget_pages, mapped_arrays, save_array

OUT, IN = 1, 2
"""Directions of an edge, seen from the agent; a neighbour with edges both ways has their sum."""
EDGES_PER_AGENT = 3
"""Edges that cost as much as an agent, when agents are divided into ranges of about equal cost."""


def partition_firsts(network: Network, partitions: int) -> npt.NDArray[np.int64]:
    """Return the first agent of each partition, then the number of agents: ranges of about equal cost.

    Parameters
    ----------
    network : Network
    partitions : int
        At most so many: a partition has at least one agent.
    """
    n, outward, inward = network.n_ids, network.sparse_rows.offsets, network.transpose.offsets

    def cost(agent: int) -> int:
        return int(outward[agent] + inward[agent]) + EDGES_PER_AGENT * agent

    number = min(partitions, n)
    firsts = [bisect_left(range(n), cost(n) * i / number, key=cost) for i in range(number)]
    for i in range(1, number):  # an agent may have more edges than a partition should
        firsts[i] = min(max(firsts[i], firsts[i - 1] + 1), n - number + i)
    return np.array([*firsts, n], np.int64)


@dataclass(frozen=True)
class Neighbours:
    """The agents of a partition with their neighbours, in compressed sparse rows.

    Agent ``first + a`` has the neighbours ``agents[places[offsets[a]:offsets[a + 1]]]``, in ascending order.

    Attributes
    ----------
    network : Network
    firsts : (partitions + 1,) int64
        First agent of each partition, then the number of agents.
    number : int
        Which of the partitions this is.
    """

    network: Network
    firsts: npt.NDArray[np.int64]
    number: int

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: not the arrays, which every process maps itself."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def first(self) -> int:
        """First agent."""
        return int(self.firsts[self.number])

    @property
    def size(self) -> int:
        """Number of agents."""
        return int(self.firsts[self.number + 1]) - self.first

    @property
    def own(self) -> npt.NDArray[np.int64]:
        """The agents of the partition, (size,) int64."""
        return np.arange(self.first, self.first + self.size)

    @cached_property
    def is_agent(self) -> npt.NDArray[np.bool_]:
        """Whether each dense id of the range is an agent of this snapshot, rather than reserved, (size,) bool."""
        found = np.ones(self.size, np.bool_)
        reserved = self.network.reserved
        found[reserved[(reserved >= self.first) & (reserved < self.first + self.size)] - self.first] = False
        return found

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each agent's neighbours begin, then their number, (size + 1,) int64."""
        return self._arrays[0]

    @property
    def places(self) -> npt.NDArray[np.int32]:
        """Position in `agents` of every neighbour of every agent, ascending for each agent, int32."""
        return self._arrays[1]

    @property
    def directions(self) -> npt.NDArray[np.uint8]:
        """Directions of the edges to every neighbour: `OUT`, `IN` or both, uint8."""
        return self._arrays[2]

    @property
    def agents(self) -> npt.NDArray[np.int32]:
        """The distinct neighbours of all agents of the partition, ascending, int32."""
        return self._arrays[3]

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(array.nbytes for array in self._arrays)

    @property
    def rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Offsets, places and directions, as kernels take them."""
        return self._arrays[:3]

    def forget(self) -> None:
        """Release the pages of the arrays from this process's memory; they are read again when they are needed."""
        forget_pages(*self._arrays)

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        folder = self.network.cache_folder / "neighbours" / f"{self.first}-{self.first + self.size}"
        return mapped_arrays(folder, ["offsets", "places", "directions", "agents"], self._build)

    def _build(self, folder: Path) -> None:
        ranges = slice(self.first, self.first + self.size + 1)
        rows, transpose = self.network.sparse_rows, self.network.transpose
        outward, inward = rows.offsets[ranges], transpose.offsets[ranges]
        targets, sources = rows.targets[outward[0] : outward[-1]], transpose.targets[inward[0] : inward[-1]]
        offsets, neighbours, directions = _merged(outward, targets, inward, sources)
        forget_pages(targets, sources)
        agents = np.unique(neighbours)
        save_array(folder, "offsets", offsets)
        save_array(folder, "places", np.searchsorted(agents, neighbours).astype(np.int32))
        save_array(folder, "directions", directions)
        save_array(folder, "agents", agents)


@numba.njit(nogil=True, cache=True)
def _merged(outward, targets, inward, sources):  # type: ignore[no-untyped-def]
    """Merge the out- and in-edges of agents: their neighbours, ascending for each agent, with directions.

    Parameters
    ----------
    outward, inward : (size + 1,) int64
        Offsets of a range of agents among all edges of the network.
    targets, sources : int32
        The other endpoints of the range's edges only.
    """
    size = len(outward) - 1
    offsets = np.zeros(size + 1, np.int64)
    neighbours = np.empty(len(targets) + len(sources), np.int32)
    directions = np.empty(len(targets) + len(sources), np.uint8)
    at = 0
    for agent in range(size):
        i, i_end = outward[agent] - outward[0], outward[agent + 1] - outward[0]
        j, j_end = inward[agent] - inward[0], inward[agent + 1] - inward[0]
        while i < i_end or j < j_end:
            if j == j_end or (i < i_end and targets[i] < sources[j]):
                neighbours[at], directions[at] = targets[i], OUT
                i += 1
            elif i == i_end or sources[j] < targets[i]:
                neighbours[at], directions[at] = sources[j], IN
                j += 1
            else:
                neighbours[at], directions[at] = targets[i], OUT | IN
                i += 1
                j += 1
            at += 1
        offsets[agent + 1] = at
    return offsets, neighbours[:at].copy(), directions[:at].copy()


def all_neighbours(network: Network, partitions: int) -> list[Neighbours]:
    """Return all partitions of a network; their arrays are mapped, or built, when they are first needed."""
    firsts = partition_firsts(network, partitions)
    return [Neighbours(network, firsts, number) for number in range(len(firsts) - 1)]


def neighbours_beside(part: Neighbours, number: int) -> Neighbours:
    """Return another partition of the same network and division."""
    return dataclasses.replace(part, number=number)
