"""Network structure beside networkit: PageRank, weak components, core numbers and label propagation.

    python -m benchmarks.structure --graph g1 --runs 3      a smaller graph
    python -m benchmarks.structure --warehouse FOLDER       keeps the graph for the next time

Both sides run in turn on the same graph. Loading is measured apart, once: here from published files to arrays of both
directions and of the undirected view, with an empty cache; in networkit from arrays of sources and targets to a graph.
Compilation of kernels is excluded. Values are compared: ranks, cores and components must agree. networkit's label
propagation (PLP) is another algorithm, asynchronous until few labels change; here, ten synchronous rounds (CDLP).
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkit
import numpy as np

from analytics.structure.adjacency import Adjacency
from analytics.structure.components import weak_components
from analytics.structure.cores import core_numbers
from analytics.structure.label_propagation import label_propagation
from analytics.structure.link_analysis import pagerank
from benchmarks import machine
from benchmarks.measurements import timed
from benchmarks.workloads import GRAPHS, generated
from data import Network, Warehouse

ROUNDS = 20
"""Rounds of PageRank."""


def loaded(network: Network) -> Adjacency:
    """Return all arrays of a network, made from its published files."""
    edges = Adjacency.of(Network.from_row(network.warehouse, network.row))
    assert edges.neighbours.n_pairs <= edges.n_edges
    return edges


def loaded_by_networkit(edges: Adjacency) -> tuple[Any, Any]:
    """Return networkit's directed graph, and the undirected one that its cores and labels need."""
    sources = np.repeat(np.arange(edges.n_agents), edges.out_degree)
    pairs = (sources, edges.out_edges.targets.astype(np.int64))
    directed = networkit.GraphFromCoo(pairs, n=edges.n_agents, weighted=False, directed=True)
    undirected = networkit.graphtools.toUndirected(directed)
    undirected.removeMultiEdges()
    return directed, undirected


def run(algorithm: Any) -> Any:
    """Run an algorithm of networkit; return it."""
    algorithm.run()
    return algorithm


def networkit_pagerank(graph: Any) -> Any:
    algorithm = networkit.centrality.PageRank(
        graph, damp=0.85, tol=1e-300, distributeSinks=networkit.centrality.SinkHandling.DistributeSinks
    )
    algorithm.maxIterations = ROUNDS
    return run(algorithm)


def check(metric: str, ours: Any, theirs: Any) -> None:
    """Raise AssertionError if both sides found different values."""
    if metric == "PageRank":
        np.testing.assert_allclose(np.array(theirs.scores()) / sum(theirs.scores()), ours / ours.sum(), rtol=1e-6)
    elif metric == "core numbers":
        np.testing.assert_array_equal(np.array(theirs.scores()), ours)
    elif metric == "weak components":
        other = np.array([theirs.componentOfNode(agent) for agent in range(len(ours))])
        together = len(np.unique(ours.astype(np.int64) * len(ours) + other))
        assert len(np.unique(ours)) == len(np.unique(other)) == together


def measured(edges: Adjacency, graphs: tuple[Any, Any], runs: int) -> list[tuple[str, list[float], list[float]]]:
    """Return the seconds of every run of both sides, by metric."""
    directed, undirected = graphs
    sides: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "PageRank": (lambda: pagerank(edges, rounds=ROUNDS), lambda: networkit_pagerank(directed)),
        "weak components": (
            lambda: weak_components(edges),
            lambda: run(networkit.components.WeaklyConnectedComponents(directed)),
        ),
        "core numbers": (
            lambda: core_numbers(edges),
            lambda: run(networkit.centrality.CoreDecomposition(undirected)),
        ),
        "label propagation": (lambda: label_propagation(edges), lambda: run(networkit.community.PLP(undirected))),
    }
    rows = []
    for metric, (ours, theirs) in sides.items():
        check(metric, ours(), theirs())  # and warm up
        pairs = [(timed(ours)[0], timed(theirs)[0]) for _ in range(runs)]
        rows.append((metric, [one for one, _ in pairs], [other for _, other in pairs]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.structure", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", choices=list(GRAPHS), default="g2")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--warehouse", type=Path, help="folder for the graph; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        network = generated(Warehouse(options.warehouse or Path(folder) / "warehouse"), options.graph)
        networkit.setNumberOfThreads(os.cpu_count())
        loaded(network)  # compiles the kernels
        os.environ["RUMORMILL_CACHE"] = str(Path(folder) / "cache")
        load_before = machine.load()
        loading, edges = timed(lambda: loaded(network))
        their_loading, graphs = timed(lambda: loaded_by_networkit(edges))
        rows = measured(edges, graphs, options.runs)
    print(f"{options.graph}: {edges.n_agents:,} agents, {edges.n_edges:,} edges; {options.runs} runs in turn, medians.")
    print(f"{machine.described(['networkit'])}. Load before: {load_before}; after: {machine.load()}.")
    print("\n| seconds | Rumormill | networkit | ratio | with loading | | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(f"| loading | {loading:.2f} | {their_loading:.2f} | {their_loading / loading:.1f} | | | |")
    for metric, ours, theirs in rows:
        one, other = statistics.median(ours), statistics.median(theirs)
        whole, their_whole = one + loading, other + their_loading
        print(
            f"| {metric} | {one:.2f} | {other:.2f} | {other / one:.1f} | {whole:.2f} | {their_whole:.2f} | "
            f"{their_whole / whole:.1f} |"
        )


if __name__ == "__main__":
    main()
