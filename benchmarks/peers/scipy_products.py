"""SIR as sparse matrix products in SciPy: in-edges times infectious agents give the exposures of every agent."""

import numpy as np
from scipy.sparse import csr_array

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload

COLUMNS = 8
"""Replicates per product: wider blocks read the matrix less often, narrower ones have fewer cache misses."""


class SciPyProducts(Peer):
    """Several replicates are the columns of one dense block."""

    name = "scipy_products"
    title = "SciPy sparse products"
    packages = ("scipy",)
    threads = "1"
    models = frozenset({"SIR"})
    least_replicates = COLUMNS

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        ones = np.ones(edges.n_edges, np.float32)
        out_edges = csr_array((ones, edges.targets, edges.offsets), shape=(edges.n_agents, edges.n_agents))
        in_edges = out_edges.T.tocsr()
        escape = np.float32(1.0 - workload.parameters["beta"])
        gamma = np.float32(workload.parameters["gamma"])

        def sizes(columns: int, generator: np.random.Generator) -> int:
            susceptible = np.ones((edges.n_agents, columns), np.bool_)
            infectious = np.zeros((edges.n_agents, columns), np.float32)
            susceptible[edges.seeds], infectious[edges.seeds] = False, 1.0
            while infectious.any():
                exposures = in_edges @ infectious
                at_risk = np.flatnonzero((exposures > 0) & susceptible)
                caught = generator.random(len(at_risk), np.float32) >= escape ** exposures.ravel()[at_risk]
                carriers = np.flatnonzero(infectious)
                recovered = generator.random(len(carriers), np.float32) < gamma
                infectious.ravel()[carriers[recovered]] = 0.0
                infectious.ravel()[at_risk[caught]] = 1.0
                susceptible.ravel()[at_risk[caught]] = False
            return int(susceptible.size - susceptible.sum())

        def run(replicates: int, random_seed: int) -> float:
            generator = np.random.default_rng(random_seed)
            blocks = [min(COLUMNS, replicates - first) for first in range(0, replicates, COLUMNS)]
            return sum(sizes(columns, generator) for columns in blocks) / replicates

        return run


PEER = SciPyProducts()
