"""NDlib (Rossetti et al. 2018): independent cascade and SIR on a networkx graph; every round visits all agents."""

import networkx as nx
import numpy as np
from ndlib.models.epidemics import IndependentCascadesModel, SIRModel
from ndlib.models.ModelConfig import Configuration

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload


class NDlib(Peer):
    """A networkx graph of Python objects, with the probability of every edge in a dictionary."""

    name = "ndlib"
    title = "NDlib, Python"
    packages = ("ndlib", "networkx")
    threads = "1"
    models = frozenset({"IndependentCascade", "SIR"})
    most_edges = 2_000_000

    def unsuited(self, workload: Workload, edges: Edges) -> str | None:
        return super().unsuited(workload, edges) or (
            "measured with constant probabilities only" if workload.weighted else None
        )

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        graph = nx.DiGraph()
        graph.add_nodes_from(range(edges.n_agents))
        graph.add_edges_from(zip(edges.sources.tolist(), edges.targets.tolist(), strict=True))
        configuration = Configuration()
        if workload.model == "SIR":
            for name, value in workload.parameters.items():
                configuration.add_model_parameter(name, value)
        else:
            for edge in graph.edges:
                configuration.add_edge_configuration("threshold", edge, workload.parameters["probability"])
        seeds = edges.seeds.tolist()
        configuration.add_model_initial_configuration("Infected", seeds)
        model = (SIRModel if workload.model == "SIR" else IndependentCascadesModel)(graph)
        model.set_initial_status(configuration)

        def size() -> int:
            model.reset(seeds)
            while True:
                counts = model.iteration(node_status=False)["node_count"]
                if not counts[1]:
                    return edges.n_agents - counts[0]

        def run(replicates: int, random_seed: int) -> float:
            np.random.seed(random_seed)  # noqa: NPY002 (NDlib's generator)
            return sum(size() for _ in range(replicates)) / replicates

        return run


PEER = NDlib()
