"""Independent cascades beside cynetdiff, on the same network, seeds and machine, interleaved in one run.

    make bench                                        100,000 agents, 1,000,000 edges
    python -m benchmarks.independent_cascade --large  1,000,000 agents, 10,000,000 edges

Loading, the first call (which may compile) and publishing are told apart from the time per call. Both sides run the
same number of replicates; ours on all cores through the public `simulate`, cynetdiff on the one thread it has.
"""

import argparse
import array
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from cynetdiff.models import IndependentCascadeModel
from rich.console import Console
from rich.table import Table

from data import Network, Warehouse
from propagation import simulate
from propagation.models import IndependentCascade

T = TypeVar("T")
SEEDS = 100
SIZES = {False: (100_000, 1_000_000), True: (1_000_000, 10_000_000)}


@dataclass(frozen=True)
class Work:
    """One row of the table: a probability scheme, and how many replicates."""

    probability: float | str
    replicates: int

    def __str__(self) -> str:
        return f"{self.replicates:,} x {self.probability}"


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return how long a call took, seconds, and what it returned."""
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


def ours(network: Network, seeds: np.ndarray, work: Work, random_seed: int, *, publish: bool = False) -> float:
    result = simulate(
        network,
        IndependentCascade(probability=work.probability),
        seed_set=network.agent_ids.take(seeds).to_pylist(),
        replicates=work.replicates,
        random_seed=random_seed,
        record="rounds",
        publish=publish,
    )
    return result.reach.mean


def cynetdiff_model(network: Network, seeds: np.ndarray, work: Work) -> IndependentCascadeModel:
    rows = network.sparse_rows
    starts = array.array("I", rows.offsets[:-1].astype(np.uint32))
    targets = array.array("I", rows.targets.astype(np.uint32))
    if work.probability == "weighted_cascade":
        chances = array.array("f", (1.0 / network.in_degree[rows.targets]).astype(np.float32))
        model = IndependentCascadeModel(starts, targets, activation_probs=chances)
    else:
        model = IndependentCascadeModel(starts, targets, activation_prob=work.probability)
    model.set_seeds(seeds.tolist())
    return model


def peer(model: IndependentCascadeModel, work: Work) -> float:
    total = 0
    for _ in range(work.replicates):
        model.reset_model()
        model.advance_until_completion()
        total += model.get_num_activated_nodes()
    return total / work.replicates


def generated(warehouse: Warehouse, agents: int, edges: int) -> Network:
    return warehouse.generate_network("rmat", "rmat", agents=agents, edges=edges, random_seed=1)


def measure(network: Network, work: Work, runs: int) -> dict[str, float]:
    seeds = np.random.default_rng(100).choice(network.n_agents, SEEDS, replace=False)
    load, model = timed(lambda: cynetdiff_model(network, seeds, work))
    first, _ = timed(lambda: ours(network, seeds, work, 10**6))
    mine, theirs = [], []
    for run in range(runs):
        mine.append(timed(lambda run=run: ours(network, seeds, work, run)))
        theirs.append(timed(lambda: peer(model, work)))
    published, _ = timed(lambda: ours(network, seeds, work, 10**7, publish=True))
    ratios = [b[0] / a[0] for a, b in zip(mine, theirs, strict=True)]
    return {
        "ours": statistics.median(t for t, _ in mine),
        "cynetdiff": statistics.median(t for t, _ in theirs),
        "ratio": statistics.median(ratios),
        "lowest ratio": min(ratios),
        "highest ratio": max(ratios),
        "our mean reach": statistics.mean(m for _, m in mine),
        "their mean reach": statistics.mean(m for _, m in theirs),
        "our first call": first,
        "with publishing": published,
        "cynetdiff load": load,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="10,000,000 edges instead of 1,000,000")
    parser.add_argument("--runs", type=int, default=7, help="interleaved runs of each side")
    options = parser.parse_args()
    agents, edges = SIZES[options.large]
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(folder)
        seconds, network = timed(lambda: generated(warehouse, agents, edges))
        console.print(f"{platform.machine()}, {os.cpu_count()} cores; R-MAT {agents:,} agents, {edges:,} edges, "
                      f"{SEEDS} random seeds; generated and published in {seconds:.1f} s")  # fmt: skip
        works = [Work("weighted_cascade", 1000), Work(0.1, 64), Work(0.1, 1)]
        rows = {str(work): measure(network, work, options.runs) for work in works}
    table = Table("", *rows, title=f"seconds per call, medians of {options.runs} interleaved runs")
    for figure in next(iter(rows.values())):
        digits = 1 if "reach" in figure or "ratio" in figure else 4
        table.add_row(figure, *(f"{row[figure]:,.{digits}f}" for row in rows.values()))
    console.print(table)


if __name__ == "__main__":
    main()
