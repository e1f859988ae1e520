"""What a peer is: how it is handed a graph, and how it runs."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from benchmarks.workloads import Edges, Work

Run = Callable[[int, int], float]
"""Called with a number of replicates and a random seed, runs them and returns the mean number of agents reached."""


class Peer(ABC):
    """Another way to do a work.

    Attributes
    ----------
    name : str
        As the command line and the tables know it; the name of its file.
    title : str
        What it is, in a few words.
    packages : tuple of str
        Distributions whose versions the tables tell.
    threads : str
        How many threads it uses.
    models : frozenset of str
        Classes of `propagation.models` that it has an equal of.
    most_edges : int
        Graphs larger than this would take it longer than anyone waits.
    least_replicates : int
        A call of fewer would not show what it can do.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    threads: ClassVar[str]
    models: ClassVar[frozenset[str]]
    most_edges: ClassVar[int] = 20_000_000
    least_replicates: ClassVar[int] = 1

    def unsuited(self, work: Work, edges: Edges) -> str | None:
        """Return why the peer is left out of a work, or None if it takes part."""
        if work.model not in self.models:
            return f"has no {work.model}"
        if edges.n_edges > self.most_edges:
            return f"takes too long beyond {self.most_edges:,} edges"
        return None

    @abstractmethod
    def prepare(self, edges: Edges, work: Work) -> Run:
        """Load the graph, and compile what is compiled; return what a measured run calls."""
