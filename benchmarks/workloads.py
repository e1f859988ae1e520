"""Benchmark workloads: a model with parameters and a number of replicates each, with their graphs and seeds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data import Network, Warehouse

SEEDS = 100
SEEDS_RANDOM_SEED = 110
"""Weighted cascades from 100 random agents of G2 reach 360 to 6,200 agents on average, depending on the agents. These
seeds reach about as many as those for which the targets were set (3,091, and 5,478 with linear thresholds), so the
workloads have the same size."""
GRAPHS: Mapping[str, tuple[int, int]] = MappingProxyType({"g1": (100_000, 1_000_000), "g2": (1_000_000, 10_000_000)})
"""Agents and edges of the R-MAT graphs (0.57, 0.19, 0.19, 0.05), free of duplicates and self-loops."""
PARTITIONS = 4


@dataclass(frozen=True)
class Workload:
    """One row of the tables.

    Attributes
    ----------
    name : str
        Name on the command line.
    title : str
        Title in the tables.
    model : str
        Class of `propagation.models`; determines which peers can take part.
    parameters : mapping
        Of the model.
    replicates : int
        Replicates of one measured call of Rumormill.
    targets : mapping
        Least ratio (their time / our time, per replicate) on G2 by peer, if there is one.
    """

    name: str
    title: str
    model: str
    parameters: Mapping[str, Any]
    replicates: int
    targets: Mapping[str, float] = field(default_factory=dict)

    @property
    def weighted(self) -> bool:
        """Whether the weight of an edge is 1 / in-degree of its target instead of a constant."""
        return "weighted_cascade" in self.parameters.values()


WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {
        workload.name: workload
        for workload in (
            Workload(
                "ic64",
                "independent cascade 0.1, 64 replicates",
                "IndependentCascade",
                {"probability": 0.1},
                64,
                {"cynetdiff": 15.0, "pynetim": 5.0},
            ),
            Workload(
                "wc1000",
                "independent cascade 1/in-degree, 1,000 replicates",
                "IndependentCascade",
                {"probability": "weighted_cascade"},
                1000,
                {"cynetdiff": 5.0, "pynetim": 2.4},
            ),
            Workload(
                "lt1000",
                "linear threshold 1/in-degree, 1,000 replicates",
                "LinearThreshold",
                {"weight": "weighted_cascade"},
                1000,
                {"cynetdiff": 25.0, "pynetim": 5.0},
            ),
            Workload(
                "ic1",
                "independent cascade 0.1, one replicate",
                "IndependentCascade",
                {"probability": 0.1},
                1,
                {"cynetdiff": 2.0, "duckdb_sql": 1.5, "dask_merges": 100.0},
            ),
            Workload(
                "sir64",
                "SIR, beta 0.05, gamma 0.2, 64 replicates",
                "SIR",
                {"beta": 0.05, "gamma": 0.2},
                64,
                {"scipy_products": 20.0, "eon": 100.0},
            ),
        )
    }
)


@dataclass(frozen=True)
class Edges:
    """A graph in memory, as passed to every peer.

    Attributes
    ----------
    offsets : (n_agents + 1,) int64
        CSR offsets of the out-edges.
    targets : (n_edges,) int32
        Targets of the out-edges, ascending within an agent's.
    in_degree : (n_agents,) int64
        Number of in-edges.
    seeds : (k,) int64
        Seed set of all workloads.
    """

    offsets: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int32]
    in_degree: npt.NDArray[np.int64]
    seeds: npt.NDArray[np.int64]

    @property
    def seed_ids(self) -> list[str]:
        """Ids of the seeds in Rumormill's network."""
        return [str(seed) for seed in self.seeds]

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.offsets) - 1

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.targets)

    @cached_property
    def sources(self) -> npt.NDArray[np.int32]:
        """Source of every edge, (n_edges,) int32."""
        return np.repeat(np.arange(self.n_agents, dtype=np.int32), np.diff(self.offsets))

    def weights(self) -> npt.NDArray[np.float64]:
        """Return 1 / in-degree of every edge's target, (n_edges,) float64."""
        return 1.0 / self.in_degree[self.targets]


def generated(warehouse: Warehouse, graph: str) -> Network:
    """Return one of `GRAPHS`, generated and published unless it is in the warehouse."""
    agents, edges = GRAPHS[graph]
    return warehouse.generate_network(
        graph, "rmat", agents=agents, edges=edges, random_seed=1, a=0.57, b=0.19, c=0.19, partitions=PARTITIONS
    )


def edges_of(network: Network) -> Edges:
    """Return a network and its seeds in the form passed to peers: with the generator's agent ids."""
    rows, n_agents = network.sparse_rows, network.n_agents
    ids = network.agent_ids.cast(pa.int64()).to_numpy()
    edges = np.sort(np.repeat(ids, np.diff(rows.offsets)) * n_agents + ids[rows.targets])
    sources, targets = edges // n_agents, (edges % n_agents).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=n_agents))])
    seeds = np.random.default_rng(SEEDS_RANDOM_SEED).choice(n_agents, SEEDS, replace=False)
    return Edges(offsets, targets, np.bincount(targets, minlength=n_agents), seeds)
