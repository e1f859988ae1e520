"""EoN (Miller, Ting 2019): event-driven SIR on a networkx graph.

`fast_nonMarkov_SIR` gets discrete times: an agent recovers after a geometric number of rounds, and infects each
neighbour after a geometric number of rounds; the result has the distribution of Rumormill's discrete SIR.
"""

from collections.abc import Iterable

import EoN
import networkx as nx
import numpy as np

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload


def discrete_delays(
    _agent: int, neighbours: list[int], beta: float, gamma: float, generator: np.random.Generator
) -> tuple[dict[int, float], float]:
    """Return after how many rounds an agent infects each neighbour and recovers: half a round after its last tries."""
    recovery = int(generator.geometric(gamma))
    delays = generator.geometric(beta, len(neighbours))
    soon = np.flatnonzero(delays <= recovery).tolist()
    return {neighbours[position]: float(delays[position]) for position in soon}, recovery + 0.5


def final_sizes(
    graph: nx.DiGraph, seeds: Iterable[int], beta: float, gamma: float, replicates: int, random_seed: int
) -> list[int]:
    """Return the final size of each replicate of a discrete SIR."""
    generator = np.random.default_rng(random_seed)
    sizes = []
    for _ in range(replicates):
        *_, recovered = EoN.fast_nonMarkov_SIR(
            graph,
            trans_and_rec_time_fxn=discrete_delays,
            trans_and_rec_time_args=(beta, gamma, generator),
            initial_infecteds=list(seeds),
        )
        sizes.append(int(recovered[-1]))
    return sizes


class EoNEvents(Peer):
    """A networkx graph of Python objects."""

    name = "eon"
    title = "EoN, events in Python"
    packages = ("EoN", "networkx")
    threads = "1"
    models = frozenset({"SIR"})

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        graph = nx.DiGraph()
        graph.add_nodes_from(range(edges.n_agents))
        graph.add_edges_from(zip(edges.sources.tolist(), edges.targets.tolist(), strict=True))
        seeds, beta, gamma = edges.seeds.tolist(), workload.parameters["beta"], workload.parameters["gamma"]

        def run(replicates: int, random_seed: int) -> float:
            return float(np.mean(final_sizes(graph, seeds, beta, gamma, replicates, random_seed)))

        return run


PEER = EoNEvents()
