"""The base class of the generators, and functions they share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from data.networks.edge_lists import MALFORMED_SCHEMA, EdgeList
from data.networks.external_sort import EdgePieces
from data.progress import Progress, ignore_progress

Endpoints = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]
"""Two aligned arrays: the agents at the two ends of each edge."""

MOST_AGENTS = 2**31 - 1
"""Endpoints are int32 codes."""


class Generator(BaseModel, ABC):
    """Base of generators: frozen, validated parameters of a synthetic network, and a method that generates it.

    Equal parameters give equal networks on any machine and for any number of chunks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    """The generator's name in `data.generators.GENERATORS`."""

    agents: int = Field(ge=2, le=MOST_AGENTS)
    """Number of agents, 2 to 2^31 - 1; their ids are 0 to agents - 1."""
    random_seed: int = Field(default=0, ge=0, lt=2**63)
    """Random seed, 0 to 2^63 - 1; a different seed gives a different network."""

    @abstractmethod
    def generate(self, progress: Progress = ignore_progress) -> EdgeList:
        """Generate the network.

        Parameters
        ----------
        progress : Progress
            Called with the number of edges (or links) generated so far.

        Returns
        -------
        EdgeList
            Without self-loops and duplicates, in a deterministic but not sorted order.
        """

    def in_pieces(self, folder: Path, progress: Progress = ignore_progress) -> EdgePieces | None:  # noqa: ARG002
        """Generate the same network in pieces on disk; return None if the generator works in memory only.

        Parameters
        ----------
        folder : Path
            Scratch folder.
        progress : Progress
        """
        return None

    def describe(self) -> str:
        """Return the generator's name and parameters as readable text.

        Examples
        --------
        >>> from data.generators import Complete
        >>> Complete(agents=3).describe()
        'complete(agents=3, random_seed=0)'
        """
        given = (f"{name}={value}" for name, value in self if value is not None)
        return f"{self.name}({', '.join(given)})"

    def _edge_list(self, edges: Endpoints, agent_attributes: pa.Table | None = None) -> EdgeList:
        source, target = edges
        return EdgeList(
            source=source,
            target=target,
            agent_ids=pa.array(np.arange(self.agents, dtype=np.int64)),
            edge_attributes=pa.table({}),
            agent_attributes=agent_attributes,
            malformed=MALFORMED_SCHEMA.empty_table(),
            rows_read=len(source),
            description=self.describe(),
        )


def ranges(total: int, size: int) -> Iterator[tuple[int, int]]:
    """Split ``0 .. total - 1`` into ranges of at most `size`, as (first, last + 1).

    Examples
    --------
    >>> list(ranges(5, 2))
    [(0, 2), (2, 4), (4, 5)]
    """
    for first in range(0, total, size):
        yield first, min(first + size, total)


def empty_endpoints(count: int) -> Endpoints:
    """Return uninitialised arrays for the endpoints of `count` edges."""
    return np.empty(count, np.int32), np.empty(count, np.int32)


def both_directions(links: Endpoints) -> Endpoints:
    """Return every link as two edges: link i becomes edge 2i and, reversed, edge 2i + 1.

    Examples
    --------
    >>> source, target = both_directions((np.array([0, 4], np.int32), np.array([1, 5], np.int32)))
    >>> source.tolist(), target.tolist()
    ([0, 1, 4, 5], [1, 0, 5, 4])
    """
    near, far = links
    source, target = empty_endpoints(2 * len(near))
    source[0::2] = target[1::2] = near
    target[0::2] = source[1::2] = far
    return source, target
