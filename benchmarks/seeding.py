"""Influence maximisation beside its peer: ``python -m benchmarks.seeding [--graphs g1 g2] [--peer] [--hept FILE]``.

1. Weighted cascade on the R-MAT graphs, k = 50, epsilon 0.1: time of OPIM-C with its incoming rows built before and
   built afresh, and the reach of its seeds; PyNetIM's IMM at epsilon 0.5 on the same graph, if asked for.
2. One constant probability on the same graphs with every edge in both directions: sketches beside degree discount.
3. NetHEPT with weighted cascade, if its file is given: reach over 10,000 replicates.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.machine import described, load
from benchmarks.workloads import edges_of, generated
from data import Network, Warehouse
from data.errors import NetworkNotFoundError
from propagation.influence.marginal_reach import marginal_reach
from propagation.influence.problem import Selection
from propagation.influence.requests import SeedRequest
from propagation.models import IndependentCascade
from propagation.seeding import DegreeDiscount

BUDGET = 50
PROBABILITIES = (0.02, 0.005, 0.002)
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return how long `work` takes, seconds, and what it returns."""
    begin = time.perf_counter()
    found = work()
    return time.perf_counter() - begin, found


def say(text: str) -> None:
    """Print a line with the load of the machine."""
    print(f"{text}; load {load()}", flush=True)


def reach(network: Network, model: IndependentCascade, seeds: npt.NDArray[np.int32], replicates: int) -> str:
    """Return mean and standard error of what seeds reach, by draws that no selection used."""
    sizes = marginal_reach(network, model, seeds, replicates=replicates, random_seed=5).sum(axis=1)
    return f"reach {sizes.mean():,.1f} ± {sizes.std(ddof=1) / replicates**0.5:,.1f} over {replicates:,} replicates"


def select(network: Network, model: IndependentCascade, **asked: Any) -> Selection:
    """Return the seeds of a request."""
    request = SeedRequest(budget=BUDGET, **asked)
    return request.select(request.problem(network, model))


def weighted_cascades(network: Network, replicates: int, *, peer: bool) -> None:
    """Measure OPIM-C, and PyNetIM's IMM if asked for."""
    model = IndependentCascade()
    select(network, model, epsilon=0.4)  # compiles the kernels
    for folder in network.cache_folder.glob("in-words-*"):
        shutil.rmtree(folder)
    from propagation.influence.incoming_rows import incoming_rows

    incoming_rows.cache_clear()
    first, _ = timed(lambda: incoming_rows(network, model.chances(), 0))
    seconds, found = timed(lambda: select(network, model, method="opim_c"))
    say(
        f"{network.network_id}, weighted cascade, OPIM-C: {seconds:.2f} s, and {first:.2f} s to transpose; "
        f"{found.samples:,} sets, guaranteed share {found.ratio or 0:.3f}; "
        f"{reach(network, model, found.seeds, replicates)}"
    )
    if peer:
        _pynetim(network, model, replicates, seconds + first)


def _pynetim(network: Network, model: IndependentCascade, replicates: int, ours: float) -> None:
    from pynetim import IMGraph, IMMAlgorithm

    edges = edges_of(network)
    last = edges.n_agents - 1  # a self-loop, which has no effect, adds the last agent
    pairs = [*zip(edges.sources.tolist(), edges.targets.tolist(), strict=True), (last, last)]
    weights = [*edges.weights().tolist(), 0.0]
    loading, graph = timed(lambda: IMGraph(pairs, weights=weights, directed=True, renumber=False))
    algorithm = IMMAlgorithm(graph, "IC", epsilon=0.5, verbose=False)
    seconds, seeds = timed(lambda: algorithm.run(BUDGET))
    dense = network.dense_ids([str(seed) for seed in seeds])
    say(
        f"{network.network_id}, weighted cascade, PyNetIM's IMM at epsilon 0.5: {seconds:.1f} s, {seconds / ours:.0f} "
        f"times as long, and {loading:.1f} s to load; {reach(network, model, dense, replicates)}"
    )


def constant_probabilities(network: Network, replicates: int) -> None:
    """Measure sketches and degree discount on a symmetric network."""
    select(network, IndependentCascade(probability=0.001), method="sketches", epsilon=0.3)  # compiles the kernels
    for probability in PROBABILITIES:
        model = IndependentCascade(probability=probability)
        seconds, found = timed(lambda model=model: select(network, model, method="sketches"))  # type: ignore[misc]
        say(
            f"{network.network_id}, p = {probability}, {found.samples} sketches: {seconds:.2f} s; "
            f"{reach(network, model, found.seeds, replicates)}"
        )
        discount = DegreeDiscount(budget=BUDGET, p=probability)
        seconds, seeds = timed(lambda discount=discount: discount.choose(network, 0))  # type: ignore[misc]
        say(
            f"{network.network_id}, p = {probability}, degree discount: {seconds:.2f} s; "
            f"{reach(network, model, seeds, replicates)}"
        )


def symmetrised(warehouse: Warehouse, network: Network) -> Network:
    """Return a network with every edge in both directions, imported unless it is in the warehouse."""
    name = f"{network.network_id}-symmetric"
    try:
        return warehouse.network(name)
    except NetworkNotFoundError:
        rows = network.sparse_rows
        edges = pa.table({"source": pa.array(rows.sources(0, rows.n_edges)), "target": pa.array(rows.targets)})
        return warehouse.import_network(name, edges, undirected=True)


def hept(warehouse: Warehouse, path: Path) -> None:
    """Measure NetHEPT, from a file with a line ``n m`` and lines ``source target probability``."""
    rows = np.loadtxt(path, skiprows=1)
    edges = pa.table({"source": rows[:, 0].astype(np.int64), "target": rows[:, 1].astype(np.int64)})
    network = warehouse.import_network("hept", edges)
    for method in ("opim_c", "imm"):
        seconds, found = timed(lambda method=method: select(network, IndependentCascade(), method=method))  # type: ignore[misc]
        say(
            f"NetHEPT, weighted cascade, {method}: {seconds:.2f} s, {found.samples:,} sets; "
            f"{reach(network, IndependentCascade(), found.seeds, 10_000)}"
        )


def main() -> None:
    """Measure and print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", type=Path, help="folder for the graphs; default: a temporary one")
    parser.add_argument("--graphs", nargs="*", default=["g1", "g2"])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--peer", action="store_true", help="also run PyNetIM's IMM, which takes minutes on g2")
    parser.add_argument("--hept", type=Path, help="NetHEPT_wc.txt")
    arguments = parser.parse_args()
    print(described(["pynetim"] if arguments.peer else []))
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(arguments.warehouse or folder)
        if arguments.hept:
            hept(warehouse, arguments.hept)
        for graph in arguments.graphs:
            network = generated(warehouse, graph)
            weighted_cascades(network, arguments.replicates, peer=arguments.peer)
            constant_probabilities(symmetrised(warehouse, network), arguments.replicates)


if __name__ == "__main__":
    main()
