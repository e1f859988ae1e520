"""Time and memory of network structure on partitions: a process cluster, by number of partitions.

    python -m benchmarks.structure_on_partitions --agents 1e6 --edges 1e7 --partitions 4 16 64

Memory is the largest that any worker allocated above what it held before the first algorithm, sampled every 20 ms.
Mapped files are not part of it: the system takes their pages back when memory runs short.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from analytics.structure_on_partitions import components, cores, distances, label_propagation, link_analysis, triangles
from benchmarks import machine
from data import Network, Warehouse
from propagation.clusters import ClusterProfile, connect

SAMPLE_SECONDS = 0.02
ALGORITHMS: dict[str, Callable[..., Any]] = {
    "PageRank, 20 rounds": lambda network, **options: link_analysis.pagerank(network, rounds=20, **options),
    "weak components": components.weak_components,
    "strong components": components.strong_components,
    "core numbers": cores.core_numbers,
    "labels, 10 rounds": label_propagation.label_propagation,
    "distances from 64": lambda network, **options: distances.pairs_by_distance(network, np.arange(64), **options),
    "triangles": triangles.triangle_counts,
}


class PeakMemory:
    """Sample the allocated memory of some processes, and keep the largest of any."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids, self._done, self._thread = list(pids), threading.Event(), threading.Thread(target=self._watch)
        self.before = max(map(allocated, self._pids))
        self.peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, *map(allocated, self._pids))


def allocated(pid: int) -> int:
    """Return the bytes that a process has allocated and uses, without mapped files."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def measure(network: Network, partitions: int, workers: int) -> None:
    """Print time and memory of all algorithms on so many partitions."""
    with connect(ClusterProfile(kind="processes", workers=workers, threads_per_worker=1)) as client:
        pids = client.run(os.getpid).values()
        client.run(_import_everything)
        before = max(map(allocated, pids))
        for name, algorithm in ALGORITHMS.items():
            started = time.perf_counter()
            with PeakMemory(pids) as memory:
                algorithm(network, partitions=partitions, client=client)
            seconds, peak = time.perf_counter() - started, (memory.peak - before) / 2**20
            print(f"{partitions:>4} partitions  {name:<20} {seconds:7.2f} s  {peak:7.0f} MiB per worker", flush=True)


def _import_everything() -> None:
    """Import what tasks need, which is no part of their memory."""
    import analytics.structure_on_partitions.triangles  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=float, default=1e6)
    parser.add_argument("--edges", type=float, default=1e7)
    parser.add_argument("--partitions", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(machine.described(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(folder)
        network = warehouse.generate_network(
            "measured", "erdos_renyi", agents=int(options.agents), edges=int(options.edges), random_seed=1
        )
        for partitions in options.partitions:
            measure(network, partitions, options.workers)
    print(machine.load())


if __name__ == "__main__":
    main()
