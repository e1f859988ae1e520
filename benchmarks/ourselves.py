"""Rumormill against itself: the cost of the engine, of many sessions and of the partitioned plan."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measurements import LeftOutError, Say, frozen_garbage, model_of, ours, timed
from benchmarks.workloads import SEEDS, WORKLOADS, Edges, Workload
from data import Network
from propagation import engine, simulate
from propagation.clusters import own_client, thread_count
from propagation.compiled_rules import contact_rows
from propagation.draws import Purpose, replicate_salts, stream
from propagation.kernels import cascades
from propagation.kernels.lane_arrays import LaneSeeds
from propagation.kernels.primitives import CHUNK
from propagation.plans import PlanChoice
from propagation.sessions import resolve_session

LONG_JOB_REPLICATES = 10_000
SESSIONS = 1000
MOST_CAMPAIGN_RUNS = 3


@dataclass
class OwnRow:
    """A comparison of two ways to do the same in Rumormill.

    Attributes
    ----------
    title, baseline : str
        What is measured, and what it is compared with.
    seconds, baseline_seconds : list of float
        Of each run.
    ratios : list of float
        The quantity that the target bounds, of each run.
    ratio_title : str
        Name of the ratio.
    target : float
        Bound of the median ratio.
    at_most : bool
        Whether the bound is an upper one.
    note : str
        Further observations.
    """

    title: str
    baseline: str
    seconds: list[float]
    baseline_seconds: list[float]
    ratios: list[float]
    ratio_title: str
    target: float
    at_most: bool
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        ratio = statistics.median(self.ratios)
        return ratio <= self.target if self.at_most else ratio >= self.target


def _pairs(
    runs: int, one: Callable[[int], Any], other: Callable[[int], Any]
) -> tuple[list[float], list[float], list[tuple[Any, Any]]]:
    """Call both in turn, once to warm up and then `runs` times; return their times and return values."""
    one(10**6), other(10**6 + 1)
    seconds, other_seconds, returned = [], [], []
    with frozen_garbage():
        for number in range(runs):
            took, value = timed(lambda number=number: one(number))
            other_took, other_value = timed(lambda number=number: other(number))
            seconds.append(took)
            other_seconds.append(other_took)
            returned.append((value, other_value))
    return seconds, other_seconds, returned


def overhead(network: Network, edges: Edges, runs: int, say: Say) -> list[OwnRow]:
    """Measure a long job against its kernels, called from as many plain threads with as many lanes per call."""
    workload = WORKLOADS["wc1000"]
    client = own_client()
    session = resolve_session(
        network,
        model_of(workload),
        seed_set=edges.seed_ids,
        replicates=LONG_JOB_REPLICATES,
    )
    planned = engine.plan_job(network, [session], client=client, publish=False)
    if planned.sessions[0].shape != "sparse":
        raise LeftOutError(f"the planner chose {planned.sessions[0].shape} kernels, not the sparse ones measured here")

    def bare(random_seed: int) -> float:
        with ThreadPoolExecutor(thread_count(client)) as threads:
            lanes = np.array_split(np.arange(LONG_JOB_REPLICATES), planned.batches)
            return sum(threads.map(lambda part: _bare_kernel(network, edges, part, random_seed), lanes))

    def whole(random_seed: int) -> float:
        return ours(network, edges, workload, random_seed, replicates=LONG_JOB_REPLICATES).reach.mean

    try:
        seconds, bare_seconds, reached = _pairs(runs, whole, bare)
    except (TypeError, AttributeError) as error:
        raise LeftOutError(f"the signature of the sparse kernel has changed: {error}") from error
    for mean, total in reached:
        if abs(mean - total / LONG_JOB_REPLICATES) > 1e-6 * mean:
            raise LeftOutError(f"the bare kernels reached {total / LONG_JOB_REPLICATES} agents, the engine {mean}")
    ratios = [took / alone - 1.0 for took, alone in zip(seconds, bare_seconds, strict=True)]
    say(f"  a job of {statistics.median(bare_seconds):.2f} s")
    title = f"simulate, {workload.title.partition(',')[0]}, {LONG_JOB_REPLICATES:,} replicates"
    return [OwnRow(title, "its kernels alone", seconds, bare_seconds, ratios, "overhead", 0.15, at_most=True)]


def _bare_kernel(network: Network, edges: Edges, replicates: Any, random_seed: int) -> int:
    """Run replicates in the sparse kernel; return the total number of agents reached."""
    rows = contact_rows(network, model_of(WORKLOADS["wc1000"]), random_seed)
    lanes, n_agents = len(replicates), network.n_agents
    counts, ends, truncated = np.empty(256 * lanes, np.int32), np.zeros(lanes, np.int64), np.zeros(lanes, np.uint8)
    nothing, touched = np.zeros(0, np.int64), np.empty(n_agents, np.int32)
    seeds = network.dense_ids(edges.seed_ids)
    own = LaneSeeds(np.zeros(lanes, np.int32), np.array([0, len(seeds)]), seeds)
    done, _, _ = cascades.sparse_cascades(
        rows.offsets, rows.words, np.int64(rows.base), stream(random_seed, Purpose.TRANSMISSION),
        replicate_salts(replicates), own, np.int64(10_000), np.zeros(1, np.uint8),
        np.zeros(n_agents // 8 + 1, np.uint8), np.zeros(n_agents // 64 + 1, np.uint64), np.empty(n_agents, np.int32),
        np.zeros(CHUNK, np.uint8), counts, ends, truncated, nothing, nothing.copy(), touched, np.int64(0),
    )  # fmt: skip
    if done < lanes:
        raise LeftOutError("a lane had more rounds than expected")
    return int(counts[: ends[-1]].sum())


def many_sessions(network: Network, edges: Edges, runs: int, say: Say) -> list[OwnRow]:
    """Measure a campaign of many one-replicate sessions against one of a single session: the whole command."""
    workload, generator = WORKLOADS["wc1000"], np.random.default_rng(2)
    session = {"model": "independent_cascade", "parameters": dict(workload.parameters)}
    seed_sets = [
        network.agent_ids.take(generator.choice(network.n_agents, SEEDS, replace=False)).to_pylist()
        for _ in range(SESSIONS)
    ]
    many = [{"name": f"s{i}", **session, "seeds": seeds, "replicates": 1} for i, seeds in enumerate(seed_sets)]
    one = [{"name": "one", **session, "seeds": edges.seed_ids, "replicates": SESSIONS}]
    fresh = time.time_ns() % 10**9  # a warehouse with earlier runs would return their results
    jobs: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:

        def campaign(name: str, sessions: list[Any]) -> Callable[[int], None]:
            return lambda random_seed: jobs.append(_run_command(folder, network, name, sessions, fresh + random_seed))

        seconds, one_seconds, _ = _pairs(min(runs, MOST_CAMPAIGN_RUNS), campaign("many", many), campaign("one", one))
    ratios = [many / single for many, single in zip(seconds, one_seconds, strict=True)]
    within = [statistics.median(job[0] for job in jobs[start::2]) for start in (2, 3)]
    note = f"of which the job itself {within[0]:.2f} s, against {within[1]:.2f} s"
    say(f"  {note}")
    title = f"`rumormill run` of {SESSIONS:,} sessions of 1 replicate"
    baseline = f"of one session of {SESSIONS:,} replicates"
    return [OwnRow(title, baseline, seconds, one_seconds, ratios, "time", 1.5, at_most=True, note=note)]


def _run_command(folder: str, network: Network, name: str, sessions: list[Any], random_seed: int) -> list[float]:
    """Run a campaign from the command line; return the seconds of each of its jobs."""
    file = Path(folder) / f"{name}.yaml"
    file.write_text(
        json.dumps({"name": name, "network": network.network_id, "random_seed": random_seed, "sessions": sessions})
    )
    command = [sys.executable, "-m", "flows.command_line", "run", str(file), "-w", network.warehouse.url, "--json"]
    environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [job["job_seconds"] for job in json.loads(found.stdout)["jobs"]]


def partitioned(network: Network, edges: Edges, runs: int, say: Say) -> list[OwnRow]:
    """Measure the partitioned plan against the broadcast plan: whole jobs, and the cost of a round without work."""
    rows = []
    for name, workload in WORKLOADS.items():
        parts = len(network.edge_files)

        def run(plan: PlanChoice, workload: Workload = workload) -> Callable[[int], float]:
            return lambda random_seed: ours(network, edges, workload, random_seed, plan=plan).reach.mean

        seconds, broadcast_seconds, reached = _pairs(runs, run("partitioned"), run("broadcast"))
        if any(one != other for one, other in reached):
            raise LeftOutError(f"the plans differ: {reached}")
        speeds = [other / one for one, other in zip(seconds, broadcast_seconds, strict=True)]
        say(f"  {name}: {statistics.median(speeds):.2f} of the broadcast plan's speed")
        title = f"partitioned plan, {parts} partitions, {workload.title}"
        rows.append(OwnRow(title, "broadcast plan", seconds, broadcast_seconds, speeds, "speed", 0.4, at_most=False))
    return [*rows, _empty_rounds(network, runs, say)]


FEW_ROUNDS, MANY_ROUNDS = 64, 320


def _empty_rounds(network: Network, runs: int, say: Say) -> OwnRow:
    """Measure rounds on a ring with two active agents per round, so that their time is overhead."""
    ring = network.warehouse.generate_network(
        "ring", "watts_strogatz", agents=10_000, degree=2, rewiring=0.0, partitions=4
    )
    everything = model_of(WORKLOADS["ic1"]).model_copy(update={"probability": 1.0})

    def rounds(most: int) -> Callable[[int], Any]:
        return lambda random_seed: simulate(
            ring,
            everything,
            seed_set=ring.agent_ids[:1].to_pylist(),
            replicates=1,
            random_seed=random_seed,
            max_rounds=most,
            plan="partitioned",
            publish=False,
        )

    many, few, _ = _pairs(runs, rounds(MANY_ROUNDS), rounds(FEW_ROUNDS))
    each = [(one - other) / (MANY_ROUNDS - FEW_ROUNDS) for one, other in zip(many, few, strict=True)]
    say(f"  a round without work takes {1000 * statistics.median(each):.1f} ms")
    title = f"{MANY_ROUNDS} rounds of two active agents, partitioned plan, {len(ring.edge_files)} partitions"
    return OwnRow(title, f"{FEW_ROUNDS} rounds", many, few, each, "seconds a round", 0.015, at_most=True)


COMPARISONS: dict[str, Callable[[Network, Edges, int, Say], list[OwnRow]]] = {
    "overhead": overhead,
    "sessions": many_sessions,
    "partitioned": partitioned,
}
"""By name on the command line."""
