"""Import of observed cascades beside a plain pandas script.

    python -m benchmarks.cascade_imports --events 1000000 --runs 3

Both read the same CSV file of cascade, agent, time and infector, and write Parquet. The script is what one would write
by hand: it parses, drops repeated activations, sorts, numbers the agents, and measures times from the first activation.
Rumormill also keeps the rejected rows, checks every infector, measures the shape of every tree, hashes the content and
publishes its tables at once.
"""

import argparse
import statistics
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import machine
from benchmarks.measurements import timed
from data import Warehouse

MEAN_SIZE = 50


def write_events(path: Path, events: int) -> None:
    """Write a CSV file of events: cascades of about 50 agents, 2 % of the rows repeat an agent of their cascade."""
    draws = np.random.default_rng(1)
    sizes = draws.geometric(1 / MEAN_SIZE, events // MEAN_SIZE + 1_000)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), events)) + 1]
    cascade = np.repeat(np.arange(len(sizes)), sizes)[:events]
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)[:events]
    place = np.arange(events) - start
    agent = draws.integers(0, events // 4, events)
    parent = start + (draws.random(events) * place).astype(np.int64)
    again = np.flatnonzero((draws.random(events) < 0.02) & (place > 0))
    agent[again] = agent[parent[again]]
    frame = pd.DataFrame({"cascade": cascade, "agent": agent, "time": place + draws.random(events).round(3)})
    frame["infector"] = pd.array(np.where(place == 0, 0, agent[parent]), dtype="Int64")
    frame.loc[place == 0, "infector"] = pd.NA
    frame.sample(frac=1, random_state=1).to_csv(path, index=False)


def plain_import(path: Path, target: Path) -> int:
    """Import a file with pandas; return the number of activations."""
    rows = pd.read_csv(path).sort_values(["cascade", "time"], kind="stable")
    rows = rows.drop_duplicates(["cascade", "agent"])
    rows["time"] -= rows.groupby("cascade")["time"].transform("first")
    rows["dense"] = pd.factorize(rows["agent"])[0]
    rows.to_parquet(target)
    rows.groupby("cascade").agg(size=("agent", "size"), duration=("time", "max")).to_parquet(f"{target}.cascades")
    return len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cascade_imports",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, warehouse, numbers = Path(folder) / "events.csv", Warehouse(Path(folder) / "warehouse"), count()
        write_events(path, options.events)

        def ours() -> int:
            return warehouse.import_cascades(f"events-{next(numbers)}", str(path)).activations

        def theirs() -> int:
            return plain_import(path, Path(folder) / "plain.parquet")

        warehouse.import_cascades("warm", pd.DataFrame({"agent": [1, 2], "time": [0, 1], "infector": [None, 1]}))
        load = machine.load()
        pairs = [(timed(ours), timed(theirs)) for _ in range(options.runs)]
    for (_, kept), (_, plain) in pairs:
        assert kept == plain, f"{kept:,} activations here, {plain:,} by pandas"
    seconds, plain_seconds = (statistics.median(side[0] for side in sides) for sides in zip(*pairs, strict=True))
    ratio = statistics.median(plain[0] / own[0] for own, plain in pairs)
    print(f"{options.events:,} events, {pairs[0][0][1]:,} activations; {machine.described([])}.")
    print(f"Load before: {load}; after: {machine.load()}.")
    print("\n| | Rumormill, s | pandas, s | ratio |\n| --- | --- | --- | --- |")
    print(f"| import | {seconds:.2f} | {plain_seconds:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
