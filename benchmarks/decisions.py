"""Answers about networks and results beside a peer: ``python -m benchmarks.decisions [--graphs g1 g2] [--runs 2]``.

Each answer is computed in turn by Rumormill and by its peer in one process, from the same published sessions and the
same network; medians. Where no library has the answer, the peer is the same answer in plain pandas and NumPy, from the
activations as a data frame, whose loading is timed as a part of it, as reading them is of ours. networkit's graph is
loaded once, outside the times. Both sides are compared where they compute the same; communities and sampled betweenness
come from other algorithms or other samples. Kernels are compiled before. Blocking has a peer on g1 only: the textbook
greedy, which searches every sample again for every candidate.
"""

import argparse
import os
import statistics
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkit
import numpy as np
import pandas as pd

from analytics.communities import crossing
from analytics.comparison import compare
from analytics.containment import contain
from analytics.containment.choices import FIRST_SAMPLE
from analytics.explanation import explain
from analytics.rankings import rank_agents
from analytics.responsibility import most_responsible
from analytics.structure.betweenness import betweenness
from analytics.structure.leiden import leiden
from analytics.sweeps import sweep
from benchmarks import machine
from benchmarks.measurements import timed
from benchmarks.workloads import GRAPHS, generated
from data import Network, Warehouse
from propagation import Result, simulate
from propagation.draws import Purpose, chances, edge_draws, stream
from propagation.models import IndependentCascade
from propagation.seeding import RandomSeeds

REPLICATES = 100
"""Replicates of the sessions that are asked about."""
PROBABILITY = 0.02
SOURCES = 32
"""Agents from which betweenness counts shortest paths."""
NEIGHBOURHOODS = 10_000
CANDIDATES, SAMPLES = 20, 20
"""Agents that may be blocked, and cascades on which the choice is made."""
RATES = (0.005, 0.01, 0.02)
"""Probabilities of the sweep."""


@dataclass(frozen=True)
class Answer:
    """An answer, by Rumormill and by a peer.

    Attributes
    ----------
    name, peer : str
    ours, theirs : callable
        Compute it; `theirs` is None where the graph is too large for the peer.
    same : callable, optional
        Raises AssertionError unless both found the same.
    """

    name: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any] | None
    same: Callable[[Any, Any], None] | None = None


def frame_of(result: Result) -> pd.DataFrame:
    """Return the activations of a session as a data frame."""
    frame = result.table("activations").select(["replicate", "agent", "round", "infector"]).to_pandas()
    return frame.assign(infector=frame["infector"].fillna(-1).astype(np.int64))


# -- the same answers in pandas -------------------------------------------------------------------------------------


def pandas_difference(first: Result, second: Result) -> tuple[float, float]:
    """Return mean and standard error of the paired difference of reach; by round and by agent too, as `compare`."""
    frames = [frame_of(result) for result in (first, second)]
    sizes = [frame.groupby("replicate").size() for frame in frames]
    rounds = [pd.crosstab(frame["replicate"], frame["round"]).cumsum(axis=1) for frame in frames]
    last = range(max(int(each.columns.max()) for each in rounds) + 1)
    both = [each.reindex(columns=last).ffill(axis=1) for each in rounds]
    (both[0] - both[1]).agg(["mean", "sem"])
    merged = frames[0].merge(frames[1], on=["replicate", "agent"], how="outer", indicator=True)
    merged.groupby(["agent", "_merge"], observed=False).size()
    apart = sizes[0] - sizes[1]
    return float(apart.mean()), float(apart.sem())


def pandas_crossings(result: Result, groups: np.ndarray) -> int:
    """Return how many activations crossed groups; also reach and first round by group, and the edges, as `crossing`."""
    frame = frame_of(result)
    frame["group"] = groups[frame["agent"]]
    frame["origin"] = np.where(frame["infector"] >= 0, groups[frame["infector"]], frame["group"])
    frame.groupby(["group", "replicate"])["round"].agg(["size", "min"]).groupby("group").agg(["sum", "mean"])
    across = frame[frame["group"] != frame["origin"]]
    across.groupby(["infector", "agent"])["round"].agg(["size", "mean"])
    return len(across)


def pandas_paths(result: Result, agent: int) -> Counter[tuple[int, ...]]:
    """Return how often each path led to an agent."""
    frame = frame_of(result)
    paths: Counter[tuple[int, ...]] = Counter()
    for _, part in frame.groupby("replicate"):
        infector = dict(zip(part["agent"].to_numpy(), part["infector"].to_numpy(), strict=True))
        if agent not in infector:
            continue
        path = [agent]
        while infector[path[-1]] >= 0:
            path.append(infector[path[-1]])
        paths[tuple(map(int, reversed(path)))] += 1
    return paths


def pandas_descendants(result: Result) -> pd.Series:
    """Return the mean number of activations below each agent's in the transmission trees."""
    frame = frame_of(result)
    frame["below"] = 0
    below = frame.set_index(["replicate", "agent"])["below"]
    for number in range(int(frame["round"].max()), 0, -1):
        part = frame[frame["round"] == number]
        keys = pd.MultiIndex.from_frame(part[["replicate", "agent"]])
        gains = (below.loc[keys].to_numpy() + 1).tolist()
        sums = pd.Series(gains).groupby([part["replicate"].to_numpy(), part["infector"].to_numpy()]).sum()
        below.loc[sums.index] += sums.to_numpy()
    return below.groupby("agent").sum() / result.reach.replicates


def plain_greedy(network: Network, seeds: list[int], candidates: list[int]) -> int:
    """Return the candidate whose blocking saves most in the samples: one search for each candidate and sample."""
    rows, limit = network.sparse_rows, int(chances(PROBABILITY))
    transmission, saved = stream(0, Purpose.TRANSMISSION), dict.fromkeys(candidates, 0)

    def reached(live: dict[int, list[int]], closed: int) -> int:
        seen, queue = {*seeds}, deque(seeds)
        while queue:
            for target in live.get(queue.popleft(), ()):
                if target not in seen and target != closed:
                    seen.add(target)
                    queue.append(target)
        return len(seen)

    sources = rows.sources(0, rows.n_edges)
    for sample in range(SAMPLES):
        draws = edge_draws(transmission, sources, rows.targets, FIRST_SAMPLE + sample)
        live: dict[int, list[int]] = {}
        hits = np.asarray(draws, np.int64) < limit
        for source, target in zip(sources[hits].tolist(), rows.targets[hits].tolist(), strict=True):
            live.setdefault(source, []).append(target)
        whole = reached(live, -1)
        for candidate in candidates:
            saved[candidate] += whole - reached(live, candidate)
    return max(candidates, key=lambda agent: (saved[agent], -agent))


# -- all answers ----------------------------------------------------------------------------------------------------


def close(ours: float, theirs: float) -> None:
    """Raise AssertionError if two numbers differ."""
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def answers(network: Network, graph: str) -> Iterator[Answer]:
    """Yield the answers about a network, and about two sessions on it."""
    seeds = RandomSeeds(budget=10).choose(network, 3).tolist()
    ids = network.agent_ids.take(seeds).to_pylist()
    shared = {"seed_set": ids, "replicates": REPLICATES, "record": "activations"}
    more = simulate(network, IndependentCascade(probability=PROBABILITY), **shared)
    less = simulate(network, IndependentCascade(probability=PROBABILITY / 2), **shared)
    groups = np.arange(network.n_ids) % 50
    named = dict(zip(network.agent_ids.to_pylist(), groups.tolist(), strict=True))
    often = more.agents.sort_values("times_reached", ascending=False).iloc[len(seeds) + 1000 % len(more.agents)]
    agent, agent_id = int(often["agent"]), str(often["agent_id"])

    def same_difference(ours: Any, theirs: tuple[float, float]) -> None:
        close(ours.lead.mean, theirs[0])
        close(ours.lead.standard_error, theirs[1])

    yield Answer(
        "compare", "pandas", lambda: compare(more, less), lambda: pandas_difference(more, less), same_difference
    )
    yield Answer(
        "crossings",
        "pandas",
        lambda: crossing(more, named, publish=False),
        lambda: pandas_crossings(more, groups),
        lambda ours, theirs: close(ours.tables["community_crossings"].to_pandas()["crossings"].sum(), theirs),
    )
    yield Answer(
        "explain",
        "pandas",
        lambda: explain(more, agent_id),
        lambda: pandas_paths(more, agent),
        lambda ours, theirs: close(ours.distinct_paths, len(theirs)),
    )
    yield Answer(
        "responsible",
        "pandas",
        lambda: most_responsible(more, with_seeds=True),
        lambda: pandas_descendants(more),
        lambda ours, theirs: close(ours.agents["descendants"].iloc[0], theirs.max()),
    )
    graph_of_networkit = networkit.GraphFromCoo(
        (network.sparse_rows.sources(0, network.n_edges), network.sparse_rows.targets.astype(np.int64)),
        n=network.n_ids, weighted=False, directed=True,
    )  # fmt: skip
    undirected = networkit.graphtools.toUndirected(graph_of_networkit)
    undirected.removeMultiEdges()

    def scores() -> None:
        networkit.centrality.PageRank(graph_of_networkit, damp=0.85).run()
        networkit.centrality.CoreDecomposition(undirected).run()
        networkit.centrality.DegreeCentrality(graph_of_networkit).run()

    yield Answer(
        "rank (degree, PageRank, cores)",
        "networkit",
        lambda: rank_agents(
            network,
            IndependentCascade(probability=PROBABILITY),
            rankings=["degree", "pagerank", "core_number"],
            top=10, replicates=10, publish=False,
        ),
        scores,
    )  # fmt: skip
    yield Answer(
        "communities (Leiden)", "networkit PLM", lambda: leiden(network), networkit.community.PLM(undirected).run
    )
    yield Answer(
        f"betweenness, {SOURCES} sources",
        "networkit",
        lambda: betweenness(network, sources=SOURCES),
        networkit.centrality.EstimateBetweenness(graph_of_networkit, SOURCES, normalized=False, parallel=True).run,
    )
    chosen = network.agent_ids[:NEIGHBOURHOODS].to_pylist()

    def loop() -> int:
        dense = network.dense_ids(chosen).tolist()
        return sum(len(list(graph_of_networkit.iterNeighbors(each))) for each in dense)

    yield Answer(
        f"neighbours of {NEIGHBOURHOODS:,} agents",
        "networkit loop",
        lambda: network.neighbors(chosen, direction="out"),
        loop,
        lambda ours, theirs: close(len(ours), theirs),
    )
    model, settings = IndependentCascade(probability=PROBABILITY), {"replicates": REPLICATES}

    def one_by_one() -> None:
        for number, rate in enumerate(RATES):
            simulate(
                network, IndependentCascade(probability=rate), seed_set=ids, random_seed=next(fresh) + number,
                **settings,  # type: ignore[arg-type]
            )  # fmt: skip

    fresh = iter(range(1_000, 1_000_000, 10))  # results that are published are read instead of computed
    yield Answer(
        f"sweep of {len(RATES)} points",
        "loop of simulate",
        lambda: sweep(
            network, "independent_cascade", {"probability": list(RATES)}, seed_sets={"ten": ids},
            random_seed=next(fresh), **settings,
        ),
        one_by_one,
    )  # fmt: skip
    ranked = more.agents.sort_values("times_reached", ascending=False, kind="stable")
    able = [row for row in ranked[["agent", "agent_id"]].itertuples(index=False) if row.agent not in seeds][:CANDIDATES]
    yield Answer(
        f"block 1 of {CANDIDATES} agents",
        "plain greedy",
        lambda: contain(
            network, model, seed_set=ids, budget=1, samples=SAMPLES, replicates=10, methods=["greedy"],
            candidates=[row.agent_id for row in able], publish=False,
        ),
        (lambda: plain_greedy(network, seeds, [int(row.agent) for row in able])) if graph == "g1" else None,
        lambda ours, theirs: close(network.dense_ids(ours.choices("greedy"))[0], theirs),
    )  # fmt: skip


def measured(answer: Answer, runs: int) -> str:
    """Return a row of the table: medians of runs in turn, after one that is not counted."""
    first, second = answer.ours(), None if answer.theirs is None else answer.theirs()
    if answer.same is not None and answer.theirs is not None:
        answer.same(first, second)
    pairs = [
        (timed(answer.ours)[0], float("nan") if answer.theirs is None else timed(answer.theirs)[0]) for _ in range(runs)
    ]
    ours = statistics.median(one for one, _ in pairs)
    if answer.theirs is None:
        return f"| {answer.name} | {ours:.3f} | {answer.peer} | not run | |"
    theirs, ratio = statistics.median(other for _, other in pairs), statistics.median(b / a for a, b in pairs)
    return f"| {answer.name} | {ours:.3f} | {answer.peer} | {theirs:.3f} | {ratio:.1f} |"


def main() -> None:
    """Measure and print one row per answer."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", nargs="*", choices=list(GRAPHS), default=["g1", "g2"])
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--answers", nargs="*", metavar="NAME", help="only answers whose names begin so; default: all")
    parser.add_argument("--warehouse", type=Path, help="folder for the graphs; default: a temporary one")
    options = parser.parse_args()
    print(machine.described(["networkit"]), flush=True)
    networkit.setNumberOfThreads(os.cpu_count())
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Warehouse(options.warehouse or Path(folder) / "warehouse")
        for graph in options.graphs:
            network = generated(warehouse, graph)
            print(
                f"\n{graph}: {network.n_agents:,} agents, {network.n_edges:,} edges; {options.runs} runs in turn, "
                f"medians. Load before: {machine.load()}.\n"
            )
            print("| answer | Rumormill, s | peer | peer, s | ratio |\n| --- | --- | --- | --- | --- |", flush=True)
            for answer in answers(network, graph):
                if options.answers is None or answer.name.startswith(tuple(options.answers)):
                    print(measured(answer, options.runs), flush=True)
            print(f"\nLoad after: {machine.load()}.")


if __name__ == "__main__":
    main()
