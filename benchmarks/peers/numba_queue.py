"""A hand-written baseline: a queue of agents over CSR in NumPy arrays, compiled by Numba."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload

THREADS = os.cpu_count() or 1


@numba.njit
def _cascade(offsets, targets, weights, probability, seeds, reached, queue):
    tail = 0
    for seed in seeds:
        reached[seed] = True
        queue[tail] = seed
        tail += 1
    head = 0
    while head < tail:
        src = queue[head]
        head += 1
        for edge in range(offsets[src], offsets[src + 1]):
            dst = targets[edge]
            chance = weights[edge] if len(weights) else probability
            if not reached[dst] and np.random.random() < chance:  # noqa: NPY002 (Numba's own generator)
                reached[dst] = True
                queue[tail] = dst
                tail += 1
    for position in range(tail):
        reached[queue[position]] = False
    return tail


@numba.njit(nogil=True)
def _total_reach(offsets, targets, weights, probability, seeds, replicates, random_seed):
    np.random.seed(random_seed)  # noqa: NPY002
    n_agents, total = len(offsets) - 1, 0
    reached, queue = np.zeros(n_agents, np.bool_), np.empty(n_agents, np.int32)
    for _ in range(replicates):
        total += _cascade(offsets, targets, weights, probability, seeds, reached, queue)
    return total


class NumbaQueue(Peer):
    """Replicates are split evenly over threads."""

    name = "numba_queue"
    title = "plain NumPy/Numba queue"
    packages = ("numba",)
    threads = str(THREADS)
    models = frozenset({"IndependentCascade"})

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        weights = edges.weights().astype(np.float32) if workload.weighted else np.empty(0, np.float32)
        probability = 0.0 if workload.weighted else workload.parameters["probability"]

        def part(thread: int, replicates: int, random_seed: int) -> int:
            share = len(range(thread, replicates, THREADS))
            seed = random_seed * THREADS + thread
            return _total_reach(edges.offsets, edges.targets, weights, probability, edges.seeds, share, seed)

        def run(replicates: int, random_seed: int) -> float:
            with ThreadPoolExecutor(THREADS) as threads:
                parts = [threads.submit(part, thread, replicates, random_seed) for thread in range(THREADS)]
                return sum(one.result() for one in parts) / replicates

        run(1, 0)
        return run


PEER = NumbaQueue()
