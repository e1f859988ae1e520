"""Segments of agents, beside scikit-learn on the same features, in one run.

    python -m benchmarks.segments --graph g1 --runs 2      on 100,000 agents
    python -m benchmarks.segments --warehouse FOLDER       keeps the graph for the next time

Both sides have the metrics of all agents in memory, transformed alike; both standardise them, try 2 to 8 segments and
choose by the silhouettes of the same number of agents, with the same rule. Ours (`analytics.segment`) tries them on a
sample of agents, runs dask-ml's k-means once on all of them from the sample's centres, and describes the segments; the
other side is what one would write with scikit-learn: k-means on all agents for each number. Labels are compared by the
adjusted Rand index, and both sums of squared distances are reported. Computing the metrics is excluded.
"""

import argparse
import statistics
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics import segment
from analytics.segments.clustering import CLOSE, JUDGED, STARTS
from analytics.segments.features import STRUCTURE, agent_features, transformed
from analytics.segments.segmentation import MOST_SEGMENTS, Segmentation
from benchmarks import machine
from benchmarks.measurements import timed
from benchmarks.workloads import GRAPHS, generated
from data import Network, Warehouse


def scikit_learn(network: Network) -> npt.NDArray[np.int32]:
    """Return the segment of each agent as scikit-learn's k-means finds it, on all agents for every number."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from sklearn.preprocessing import StandardScaler

    values = transformed(agent_features(network, STRUCTURE, None, None)).values
    scaled = StandardScaler().fit_transform(values)
    judged = np.random.default_rng(0).choice(len(scaled), min(JUDGED, len(scaled)), replace=False)
    tried: list[npt.NDArray[np.int32]] = []
    silhouettes = []
    for count in range(2, MOST_SEGMENTS + 1):
        tried.append(KMeans(count, n_init=STARTS, random_state=0).fit(scaled).labels_)
        silhouettes.append(silhouette_score(scaled[judged], tried[-1][judged]))
    best = max(silhouettes)
    return [labels for labels, each in zip(tried, silhouettes, strict=True) if each >= best - CLOSE][-1]


def squared_distances(network: Network, labels: npt.NDArray[Any]) -> float:
    """Return the sum of squared distances of standardised agents to the centres of their segments."""
    values = transformed(agent_features(network, STRUCTURE, None, None)).values
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    _, groups = np.unique(labels, return_inverse=True)
    centres = np.stack([np.bincount(groups, column) for column in scaled.T], axis=1) / np.bincount(groups)[:, None]
    return float(((scaled - centres[groups]) ** 2).sum())


def main() -> None:
    from sklearn.metrics import adjusted_rand_score

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.segments",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--graph", choices=list(GRAPHS), default="g1")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--warehouse", help="folder that keeps the graph")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        network = generated(Warehouse(options.warehouse or folder), options.graph)
        agent_features(network, STRUCTURE, None, None)  # computed and published once
        segment(network, segments=2, publish=False)  # imports
        load = machine.load()
        ours: list[float] = []
        theirs: list[float] = []
        found: Segmentation | None = None
        labels: npt.NDArray[np.int32] | None = None
        for _ in range(options.runs):
            seconds, found = timed(lambda: segment(network, publish=False))
            ours.append(seconds)
            seconds, labels = timed(lambda: scikit_learn(network))
            theirs.append(seconds)
        assert found is not None
        assert labels is not None
        own = found.tables["agent_segments"]["segment"].to_numpy()
        described = machine.described(["scikit-learn", "dask-ml"])
        agreement = adjusted_rand_score(own, labels)
        print(f"{network.n_agents:,} agents, {len(found.row['features'])} features; {described}.")
        print(f"Load before: {load}; after: {machine.load()}.")
        print(f"Segments: {own.max()} and {len(np.unique(labels))}; adjusted Rand index {agreement:.3f}.")
        one, other = (squared_distances(network, each) for each in (own, labels))
        print(f"Squared distances to the centres: {one:,.0f} and {other:,.0f}, {one / other - 1:+.2%}.")
        print("\n| seconds | Rumormill | scikit-learn | ratio |\n| --- | --- | --- | --- |")
        mine, peer = statistics.median(ours), statistics.median(theirs)
        print(f"| segments, chosen and described | {mine:.2f} | {peer:.2f} | {peer / mine:.1f} |")


if __name__ == "__main__":
    main()
