"""CyNetDiff (Robson, Reddy, Umrawal 2024): independent cascade and linear threshold in C++, on one thread."""

import array
from functools import partial
from typing import Any

import numpy as np
from cynetdiff.models import IndependentCascadeModel, LinearThresholdModel

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload


def _mean_reach(model: Any, replicates: int, random_seed: int) -> float:
    model.set_rng(random_seed)
    total = 0
    for _ in range(replicates):
        model.reset_model()
        model.advance_until_completion()
        total += model.get_num_activated_nodes()
    return total / replicates


class CyNetDiff(Peer):
    """Takes CSR arrays without conversion."""

    name = "cynetdiff"
    title = "CyNetDiff, C++"
    packages = ("cynetdiff",)
    threads = "1"
    models = frozenset({"IndependentCascade", "LinearThreshold"})

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        starts = array.array("I", edges.offsets[:-1].astype(np.uint32).tobytes())
        targets = array.array("I", edges.targets.astype(np.uint32).tobytes())
        weights = array.array("f", edges.weights().astype(np.float32).tobytes()) if workload.weighted else None
        if workload.model == "LinearThreshold":
            model = LinearThresholdModel(starts, targets, influence=weights)
        elif weights is not None:
            model = IndependentCascadeModel(starts, targets, activation_probs=weights)
        else:
            model = IndependentCascadeModel(starts, targets, activation_prob=workload.parameters["probability"])
        model.set_seeds(edges.seeds.tolist())
        return partial(_mean_reach, model)


PEER = CyNetDiff()
