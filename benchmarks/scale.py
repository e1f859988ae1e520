"""How time and memory grow with the network, up to one larger than memory.

    python -m benchmarks.scale --edges 1e6 1e7 1e8 1e9
    python -m benchmarks.scale --edges --import-text 6e7 --import-limit 6

For each size, an R-MAT network of about 15 edges per agent is generated into a warehouse, its arrays are built, and an
independent cascade and an SIR run on it with the partitioned plan. Every step runs in a separate process, under one
memory limit for it and all its subprocesses (`benchmarks.memory`); a step that exceeds the limit is killed and reported
as such. A network that is already in the warehouse is not generated again. The table is Markdown.
"""

import argparse
import contextlib
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from rich.console import Console

from benchmarks.machine import commit, load, processor
from benchmarks.memory import GIB, Run, run_limited
from benchmarks.tables import significant, table
from data import Network, Warehouse
from data.errors import NetworkNotFoundError
from propagation import simulate
from propagation.models import make_model

EDGES_PER_AGENT = 15
SEEDS = 100
IMPORTED = "imported"
TEXT = "edges.txt"
MODELS: dict[str, dict[str, Any]] = {
    "independent_cascade": {"probability": 0.05},
    "sir": {"beta": 0.02, "gamma": 0.3},
}
HEADINGS = ("edges", "agents", "step", "seconds", "peak, GiB", "outcome")


@dataclass(frozen=True)
class Step:
    """One row of the table.

    Attributes
    ----------
    name : str
        A key of `STEPS`, or of `MODELS`.
    edges : int
    limit : int
        Memory of all its processes together, bytes.
    """

    name: str
    edges: int
    limit: int


def agents_of(edges: int) -> int:
    """Return the number of agents, a power of two: 2^26 for 1e9 edges."""
    return 1 << max(1, round(math.log2(edges / EDGES_PER_AGENT)))


def network_of(warehouse: Warehouse, edges: int) -> Network:
    return warehouse.network(f"rmat-{edges}")


def generate(warehouse: Warehouse, edges: int) -> str:
    network = warehouse.generate_network(f"rmat-{edges}", "rmat", agents=agents_of(edges), edges=edges)
    return f"{network.row['partitions']} partitions, snapshot {network.snapshot_id[:8]}"


def build_arrays(warehouse: Warehouse, edges: int) -> str:
    """Build or map the arrays that plans read: CSR, in-degrees, original ids."""
    network = network_of(warehouse, edges)
    rows, in_degree = network.sparse_rows, network.in_degree
    seeds = network.dense_ids(network.agent_ids.take(pa.array([0, network.n_agents - 1])).to_pylist())
    assert seeds.tolist() == [0, network.n_agents - 1]
    return f"{rows.n_edges:,} edges, most in-edges {int(in_degree.max()):,}"


def run_model(name: str) -> Callable[[Warehouse, int], str]:
    """Return a step that runs one replicate of a model twice with the partitioned plan.

    Edges tried are the out-edges of the agents reached, each counted once; the second run finds some of them in memory.
    """

    def run(warehouse: Warehouse, edges: int) -> str:
        network = network_of(warehouse, edges)
        chosen = random.Random(edges).sample(range(network.n_agents // 4), min(SEEDS, network.n_agents // 4))
        seeds = network.agent_ids.take(pa.array(chosen)).to_pylist()
        model = make_model(name, MODELS[name])
        fields = {"seed_set": seeds, "replicates": 1, "plan": "partitioned", "publish": False}
        took = []
        for record in ("rounds", "reach"):
            started = time.perf_counter()
            result = simulate(network, model, record=record, **fields)
            took.append(time.perf_counter() - started)
        reached = result.table("reach")["agent"].to_numpy()
        tried = int(np.diff(network.sparse_rows.offsets)[reached].sum())
        first, again = (f"{significant(t)} s, {significant(1e9 * t / tried)} ns an edge" for t in took)
        return (
            f"{len(reached):,} agents reached in {len(result.rounds) - 1} rounds, {tried:,} edges tried; "
            f"{first}; again, reach recorded: {again}"
        )

    return run


def write_text(warehouse: Warehouse, edges: int) -> str:
    """Write the network as a text file of original ids, shuffled within each partition."""
    network, path = network_of(warehouse, edges), Path(warehouse.url) / TEXT
    ids = network.agent_ids
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    shuffled = np.random.default_rng(0)
    with path.open("wb") as file:
        for part in network.edge_files:
            rows = warehouse.read_file(part, ["src", "dst"])
            rows = rows.take(pa.array(shuffled.permutation(rows.num_rows)))
            pyarrow.csv.write_csv(pa.table({n: ids.take(rows[n]) for n in ("src", "dst")}), file, options)
    return f"{path.stat().st_size / GIB:.2f} GiB of text"


def import_text(warehouse: Warehouse, edges: int) -> str:
    network = warehouse.import_network(IMPORTED, Path(warehouse.url) / TEXT)
    assert network.n_edges == edges, f"{network.n_edges:,} of {edges:,} edges were imported"
    return f"{network.n_agents:,} agents"


STEPS: dict[str, Callable[[Warehouse, int], str]] = {
    "generate": generate,
    "arrays": build_arrays,
    **{name: run_model(name) for name in MODELS},
    "write text": write_text,
    "import text": import_text,
}


def is_there(warehouse: Warehouse, edges: int) -> bool:
    try:
        network_of(warehouse, edges)
    except NetworkNotFoundError:
        return False
    return True


def measured(step: Step, folder: Path, options: argparse.Namespace) -> tuple[str, ...]:
    """Run a step in a separate process, under its limit, and return its row."""
    own = ["--step", step.name, "--warehouse", str(folder), "--edges", str(step.edges)]
    run = run_limited(
        [sys.executable, "-m", "benchmarks.scale", *own], step.limit, cgroup=options.cgroup, timeout=options.timeout
    )
    answer = json.loads(run.output.splitlines()[-1]) if run.returncode == 0 else {}
    seconds = significant(answer.get("seconds", run.seconds))
    outcome = answer.get("outcome") or stopped_by(run)
    return (f"{step.edges:,}", f"{agents_of(step.edges):,}", step.name, seconds, f"{run.peak / GIB:.2f}", outcome)


def stopped_by(run: Run) -> str:
    if run.exceeded:
        return f"killed by the {run.enforcement} at {run.limit / GIB:g} GiB"
    return f"failed with exit code {run.returncode}"


def steps_of(options: argparse.Namespace, warehouse: Warehouse) -> Iterator[Step]:
    limit, import_limit = int(options.limit * GIB), int(options.import_limit * GIB)
    for edges in options.edges:
        if not is_there(warehouse, edges):
            yield Step("generate", edges, limit)
        yield Step("arrays", edges, limit)
        yield from (Step(name, edges, limit) for name in options.models)
    if options.import_text:
        if not is_there(warehouse, options.import_text):
            yield Step("generate", options.import_text, limit)
        yield Step("write text", options.import_text, limit)
        yield Step("import text", options.import_text, import_limit)


def report(rows: Iterable[tuple[str, ...]], options: argparse.Namespace) -> None:
    enforced = f"cgroup in {options.cgroup}" if options.cgroup else "watchdog on summed PSS"
    console = Console(soft_wrap=True)
    kept = []
    for row in rows:
        kept.append(row)
        console.print("  ".join(row), highlight=False)
    console.print(f"\n{processor()}; commit {commit()}; {load()}")
    console.print(f"Limit {options.limit:g} GiB, for the import {options.import_limit:g} GiB: {enforced}.\n")
    console.print(table(HEADINGS, kept), markup=False, highlight=False)


def whole(text: str) -> int:
    return int(float(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=whole, nargs="*", default=[10**6, 10**7, 10**8, 10**9])
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--import-text", type=whole, metavar="EDGES", help="import this many edges from text")
    parser.add_argument("--limit", type=float, default=8.0, help="memory of all processes of a step together, GiB")
    parser.add_argument("--import-limit", type=float, default=6.0, help="memory of the import from text, GiB")
    parser.add_argument("--timeout", type=float, help="longest time of a step, seconds")
    parser.add_argument("--cgroup", type=Path, help="memory cgroup in which to make groups; default: a watchdog")
    parser.add_argument("--warehouse", type=Path, help="folder to keep; default: a temporary one")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        started = time.perf_counter()
        outcome = STEPS[options.step](Warehouse(options.warehouse), options.edges[0])
        print(json.dumps({"seconds": time.perf_counter() - started, "outcome": outcome}))
        return
    with contextlib.ExitStack() as stack:
        folder = options.warehouse or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        warehouse = Warehouse(folder)
        report((measured(step, folder, options) for step in steps_of(options, warehouse)), options)


if __name__ == "__main__":
    main()
