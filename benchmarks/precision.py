"""How often the intervals of `propagation.precision` cover a known mean: ``python -m benchmarks.precision``.

1. Networks on which the mean reach is known: a directed path, along which cascades have geometric sizes; and stars that
   are reached through one edge, so that cascades seldom take off.
2. A session runs 200 times, each time with another random seed, until its interval is as narrow as asked for.
3. The share of repetitions in which the interval covers the known mean, beside the 95 % that it promises; its own
   standard error is 1.5 %.
"""

import argparse
import statistics
import tempfile
import time

import pandas as pd
from rich.console import Console

from analytics.intervals import half_width
from benchmarks.machine import load
from data import Network, Warehouse
from propagation import simulate
from propagation.models import IndependentCascade

LENGTH, LEAVES = 400, 500


def path(warehouse: Warehouse) -> tuple[Network, float, float]:
    """Return a directed path, a transmission probability, and the mean reach of its first agent."""
    edges = pd.DataFrame({"source": range(LENGTH - 1), "target": range(1, LENGTH)})
    p = 0.9
    return warehouse.import_network("path", edges), p, (1 - p**LENGTH) / (1 - p)


def seldom(warehouse: Warehouse) -> tuple[Network, float, float]:
    """Return a star whose centre is reached through one edge from agent 0, and the mean reach of that agent."""
    edges = pd.DataFrame({"source": [0, *[1] * LEAVES], "target": [1, *range(2, LEAVES + 2)]})
    p = 0.1
    return warehouse.import_network("star", edges), p, 1 + p + p * p * LEAVES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--precision", type=float, default=0.05)
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        for case in (path, seldom):
            network, probability, mean = case(Warehouse(folder))
            model, covered, replicates = IndependentCascade(probability=probability), 0, []
            started = time.perf_counter()
            for number in range(options.repetitions):
                asked = {"random_seed": number, "precision": options.precision, "publish": False}
                reach = simulate(network, model, seed_set=["0"], **asked).reach
                half = half_width(reach)
                assert half is not None
                assert half <= options.precision * reach.mean
                covered += abs(reach.mean - mean) <= half
                replicates.append(reach.replicates)
            console.print(
                f"{network.network_id}: {covered / options.repetitions:.1%} of {options.repetitions} intervals of "
                f"± {options.precision:.0%} cover {mean:.3f}; median {statistics.median(replicates):,.0f} replicates, "
                f"{min(replicates):,} to {max(replicates):,}; {time.perf_counter() - started:.1f} s, load {load()}"
            )


if __name__ == "__main__":
    main()
