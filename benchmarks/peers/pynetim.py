"""PyNetIM: independent cascade and linear threshold in C++, on threads. Its SIR is another model, so it is left out."""

import os

from pynetim import IMGraph, IndependentCascadeModel, LinearThresholdModel

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload

THREADS = os.cpu_count() or 1


class PyNetIM(Peer):
    """The graph is built from Python tuples; loading is slow, and reported separately."""

    name = "pynetim"
    title = "PyNetIM, C++"
    packages = ("pynetim",)
    threads = str(THREADS)
    models = frozenset({"IndependentCascade", "LinearThreshold"})

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        # PyNetIM derives the number of agents from the largest id: a self-loop, which has no effect, adds the last one.
        last = edges.n_agents - 1
        pairs = [*zip(edges.sources.tolist(), edges.targets.tolist(), strict=True), (last, last)]
        weights = [*edges.weights().tolist(), 0.0] if workload.weighted else workload.parameters["probability"]
        graph = IMGraph(pairs, weights=weights, directed=True, renumber=False)
        kind = LinearThresholdModel if workload.model == "LinearThreshold" else IndependentCascadeModel
        model = kind(graph, set(edges.seeds.tolist()))

        def run(replicates: int, random_seed: int) -> float:
            return model.run_monte_carlo_diffusion(
                replicates, random_seed=random_seed, use_multithread=replicates > 1, num_threads=THREADS
            )

        return run


PEER = PyNetIM()
