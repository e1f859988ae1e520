"""The interface of a peer: loading a graph, and running replicates."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from benchmarks.workloads import Edges, Workload

Run = Callable[[int, int], float]
"""Called with a number of replicates and a random seed, runs them and returns the mean number of agents reached."""


class Peer(ABC):
    """Another implementation that can run a workload.

    Attributes
    ----------
    name : str
        Name on the command line and in the tables; also that of its module.
    title : str
        Short description.
    packages : tuple of str
        Distributions whose versions the tables list.
    threads : str
        Number of threads it uses.
    models : frozenset of str
        Classes of `propagation.models` that it has an equivalent of.
    most_edges : int
        It is left out for larger graphs, which would take too long.
    least_replicates : int
        Replicates per call, at least; with fewer it would not reach its full speed.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    threads: ClassVar[str]
    models: ClassVar[frozenset[str]]
    most_edges: ClassVar[int] = 20_000_000
    least_replicates: ClassVar[int] = 1

    def unsuited(self, workload: Workload, edges: Edges) -> str | None:
        """Return why the peer is left out of a workload, or None if it takes part."""
        if workload.model not in self.models:
            return f"has no {workload.model}"
        if edges.n_edges > self.most_edges:
            return f"takes too long beyond {self.most_edges:,} edges"
        return None

    @abstractmethod
    def prepare(self, edges: Edges, workload: Workload) -> Run:
        """Load the graph and compile code, if any; return the function that measured runs call."""
