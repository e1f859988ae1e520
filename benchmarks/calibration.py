"""Calibration beside plain pandas: ``python -m benchmarks.calibration [--graph g1] [--events 1000000] [--rounds 20]``.

Cascades are simulated on an R-MAT graph from random seeds until there are as many activations as asked for. Then the
probabilities of all edges are estimated by the same number of iterations of expectation maximisation (Saito, Nakano,
Kimura 2008): by Rumormill, which also computes intervals, and by joins and groupings in pandas. Both must find the same
values.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from analytics.calibration.edges import estimate_edges
from analytics.calibration.options import Options
from benchmarks.machine import described, load
from benchmarks.workloads import generated
from data import Network, Warehouse
from data.cascades.cleaning import observed_cascades
from data.cascades.observed_cascades import ObservedCascades
from propagation import simulate_many
from propagation.models import IndependentCascade
from propagation.seeding import RandomSeeds

PROBABILITY = 0.03
REPLICATES = 50
SEEDS = 20


def simulated(network: Network, events: int) -> ObservedCascades:
    """Return cascades with about `events` activations, times in rounds."""
    parts: list[pd.DataFrame] = []
    found = 0
    while found < events:
        number = len(parts)
        session = {
            "model": IndependentCascade(probability=PROBABILITY),
            "seed_set": RandomSeeds(budget=SEEDS),
            "random_seed": number,
        }
        results = simulate_many(network, {"one": session}, replicates=REPLICATES, record="activations", publish=False)
        rows = results["one"].table("activations").to_pandas()
        ids = network.agent_ids.take(pa.array(rows["agent"].to_numpy())).to_pandas()
        cascade = rows["replicate"] + number * REPLICATES
        parts.append(pd.DataFrame({"cascade": cascade, "agent": ids, "time": rows["round"]}))
        found += len(rows)
    frame = pd.concat(parts).head(events)
    return observed_cascades("simulated", frame, network=network, time_unit="rounds").cascades


def in_pandas(network: Network, cascades: ObservedCascades, rounds: int, start: float) -> npt.NDArray[np.float64]:
    """Return each edge's probability after `rounds` iterations, from `start`, by joins and groupings."""
    rows = network.sparse_rows
    edges = pd.DataFrame({"src": rows.sources(0, rows.n_edges), "dst": rows.targets})
    edges["edge"] = np.arange(len(edges))
    active = pd.DataFrame({"cascade": cascades.cascades, "agent": cascades.agents, "time": cascades.times})
    tried = active.merge(edges, left_on="agent", right_on="src")
    tried = tried.merge(
        active.rename(columns={"agent": "dst", "time": "reached"}), on=["cascade", "dst"], how="left"
    ).drop(columns=["agent", "src"])
    tried = tried[~(tried["reached"] <= tried["time"])]
    possible = tried[tried["reached"] == tried["time"] + 1]
    trials = tried.groupby("edge").size()
    p = pd.Series(start, index=edges["edge"])
    for _ in range(rounds):
        possible = possible.assign(p=p.reindex(possible["edge"]).to_numpy())
        possible["missed"] = 1.0 - possible["p"]
        missed = possible.groupby(["cascade", "dst"])["missed"].transform("prod")
        shares = (possible["p"] / (1.0 - missed)).groupby(possible["edge"]).sum()
        p = (shares.reindex(trials.index, fill_value=0.0) / trials).reindex(edges["edge"], fill_value=start)
    return p.to_numpy()


def main() -> None:
    """Measure both twice and print one line per measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", type=Path, help="folder for the graphs; default: a temporary one")
    parser.add_argument("--graph", default="g1")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=20, help="iterations of expectation maximisation")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    print(described())
    with tempfile.TemporaryDirectory() as folder:
        network = generated(Warehouse(arguments.warehouse or folder), arguments.graph)
        cascades = simulated(network, arguments.events)
        # A tiny weight of the prior makes both start from the same values, and changes none of them visibly.
        options = Options(
            window=1.0, prior_strength=1e-9, shrink_to="network", most_iterations=arguments.rounds, tolerance=1e-300
        )
        estimate_edges(
            network, cascades.select(range(min(len(cascades), 20))), options
        )  # compiles the kernels, transposes the network
        for _ in range(arguments.repeats):
            begin = time.perf_counter()
            found = estimate_edges(network, cascades, options)
            ours = time.perf_counter() - begin
            begin = time.perf_counter()
            plain = in_pandas(network, cascades, arguments.rounds, found.uniform)
            theirs = time.perf_counter() - begin
            certain = found.exposures > 0
            print(
                f"{arguments.graph}, {cascades.activations:,} activations in {len(cascades):,} cascades, "
                f"{int(found.exposures.sum()):,} exposures of {int(certain.sum()):,} edges, {arguments.rounds} "
                f"iterations: {ours:.2f} s with intervals, pandas {theirs:.1f} s, {theirs / ours:.0f} times as long; "
                f"mean difference {np.abs(found.values - plain)[certain].mean():.1e}; load {load()}",
                flush=True,
            )


if __name__ == "__main__":
    main()
