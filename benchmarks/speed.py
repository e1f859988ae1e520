"""Rumormill against its peers: the same graphs, seeds and machine, all sides in turn, several times.

    make bench                                                  the table of docs/benchmarks.md, in a few minutes
    python -m benchmarks.speed --graph g1 --runs 3              a smaller graph, with NDlib
    python -m benchmarks.speed --work ic1 --peers cynetdiff     selected workloads and peers
    python -m benchmarks.speed --write                          write the tables to docs/benchmarks.md

Times exclude loading and publishing, which are reported separately, as is the compilation of kernels. Ratios are
their time / our time per replicate, from consecutive calls: median (smallest - largest).
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks import machine, tables
from benchmarks.measurements import LeftOutError, WorkloadRows, measure, timed
from benchmarks.ourselves import COMPARISONS, OwnRow
from benchmarks.peers import PEERS
from benchmarks.workloads import GRAPHS, SEEDS, WORKLOADS, Edges, edges_of, generated
from data import Network, Warehouse

console = Console(highlight=False, soft_wrap=True)
BUSY = 0.5
"""Runnable processes per core above which the machine counts as busy."""
COLD_CALL = """
import tempfile, time
from data import Warehouse
from propagation import simulate
from propagation.models import IndependentCascade
network = Warehouse(tempfile.mkdtemp()).generate_network("tiny", "rmat", agents=100, edges=300)
def call(seed):
    started = time.perf_counter()
    simulate(network, IndependentCascade(probability=0.1), seed_set=network.agent_ids[:3].to_pylist(),
             replicates=64, random_seed=seed, publish=False)
    return time.perf_counter() - started
print(call(0) - call(1))
"""


def cold_seconds() -> float:
    """Return how much longer a process's first call takes if no kernel is compiled on the machine yet, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        command = [sys.executable, "-c", COLD_CALL]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(found.stdout.splitlines()[-1])


def measured_workloads(network: Network, edges: Edges, options: argparse.Namespace) -> Iterator[WorkloadRows]:
    for name in [name for name in options.work if name in WORKLOADS]:
        console.print(f"{WORKLOADS[name].title}")
        try:
            found = measure(network, edges, WORKLOADS[name], options.peers, options.runs, options.budget, console.print)
        except LeftOutError as reason:
            console.print(f"  left out: {reason}")
            continue
        for peer, why in found.left_out.items():
            console.print(f"  {peer} is left out: {why}")
        yield found


def own_rows(network: Network, edges: Edges, options: argparse.Namespace) -> Iterator[OwnRow]:
    for name in [name for name in options.work if name in COMPARISONS]:
        console.print(name)
        try:
            yield from COMPARISONS[name](network, edges, options.runs, console.print)
        except LeftOutError as reason:
            console.print(f"  left out: {reason}")


def report(graph: str, network: Network, options: argparse.Namespace, command: str) -> tuple[str, bool]:
    """Measure on a graph; return the Markdown, and whether all peers agree with our mean reach."""
    edges = edges_of(network)
    started, load_before = time.perf_counter(), machine.load()
    workloads = list(measured_workloads(network, edges, options))
    own = list(own_rows(network, edges, options))
    cold = cold_seconds()
    packages = sorted({package for found in workloads for row in found.rows for package in row.peer.packages})
    installed = [name for name in packages if name not in machine.OWN_PACKAGES and _installed(name)]
    agents, n_edges = GRAPHS[graph]
    minutes = (time.perf_counter() - started) / 60
    text = [
        f"R-MAT, {agents:,} agents, {n_edges:,} edges, {SEEDS} seeds; `{command}`, {minutes:.0f} minutes.",
        f"{machine.described(installed)}. Load before: {load_before}; after: {machine.load()}.",
    ]
    if workloads:
        firsts = ", ".join(f"{found.workload.name} {tables.significant(found.first_call)} s" for found in workloads)
        text += [tables.speed_table(workloads, graph), tables.reach_table(workloads)]
        text.append(
            f"First calls on the graph, which build and map its arrays: {firsts}. Compiling kernels for the first time "
            f"on a machine adds {cold:.1f} s to a process's first call."
        )
    if own:
        text.append(tables.own_table(own, graph))
    return "\n\n".join(text), all(row.agrees for found in workloads for row in found.rows)


def _installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    workloads = [*WORKLOADS, *COMPARISONS]
    parser.add_argument("--graph", nargs="+", choices=list(GRAPHS), default=["g2"])
    parser.add_argument("--runs", type=int, default=5, help="runs of all sides, in turn (default 5)")
    parser.add_argument("--work", nargs="+", choices=workloads, default=workloads, help="default: all")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS), help="default: all")
    budget = "longest time of a call of a peer; slower peers run fewer replicates (default 6)"
    parser.add_argument("--budget", type=float, default=6.0, metavar="SECONDS", help=budget)
    parser.add_argument("--warehouse", type=Path, help="folder for the graphs; default: a temporary one")
    parser.add_argument("--write", action="store_true", help="write the tables to docs/benchmarks.md")
    return parser.parse_args()


def _command(arguments: list[str]) -> str:
    """Return the command as shown on the page, without the local folder of the graphs."""
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--warehouse")
    return " ".join(["python -m benchmarks.speed", *folder.parse_known_args(arguments)[1]])


def main() -> None:
    options = arguments()
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        console.print(f"The machine is busy ({machine.load()}): ratios will be off.")
    command = _command(sys.argv[1:])
    agree = True
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(options.warehouse or folder)
        for graph in options.graph:
            seconds, network = timed(lambda graph=graph: generated(warehouse, graph))
            console.print(f"{graph}: generated, imported and published in {seconds:.1f} s")
            text, same = report(graph, network, options, command)
            agree &= same
            console.print(f"\n{text}\n", markup=False)
            if options.write:
                tables.write_section(f"speed on {graph}", text)
    if not agree:
        sys.exit("a peer found a different mean reach: one of the two is wrong")


if __name__ == "__main__":
    main()
