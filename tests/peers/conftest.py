"""Real networks, as Rumormill imports them and as networkx graphs of the same dense ids."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from data import Network, Warehouse
from propagation import Result, models, simulate

PATHS = {"wiki-Vote": "wiki-Vote.txt", "email-Enron": "email-Enron.txt.gz"}
SEEDS = 50


@dataclass(frozen=True)
class RealNetwork:
    """A network, its seeds, and the same for peers."""

    network: Network
    graph: nx.DiGraph
    """All agents and edges, by dense id."""
    seeds: list[int]
    """Dense ids."""

    def run(self, model: str, replicates: int, max_rounds: int, **parameters: Any) -> Result:
        """Run a model by the name of its class."""
        return simulate(
            self.network,
            getattr(models, model)(**parameters),
            seed_set=self.network.agent_ids.take(self.seeds).to_pylist(),
            replicates=replicates,
            random_seed=5,
            max_rounds=max_rounds,
            publish=False,
        )


@pytest.fixture(scope="session")
def real_network(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], RealNetwork]:
    """Import one of the real networks by name; once."""
    known: dict[str, RealNetwork] = {}

    def real_network(name: str) -> RealNetwork:
        if name not in known:
            warehouse = Warehouse(tmp_path_factory.mktemp("peers"))
            network = warehouse.import_network(name, shared_data / "networks" / PATHS[name])
            rows = network.sparse_rows
            sources = np.repeat(np.arange(network.n_agents), np.diff(rows.offsets))
            graph = nx.DiGraph()
            graph.add_nodes_from(range(network.n_agents))
            graph.add_edges_from(zip(sources.tolist(), rows.targets.tolist(), strict=True))
            seeds = np.random.default_rng(50).choice(network.n_agents, SEEDS, replace=False).tolist()
            known[name] = RealNetwork(network, graph, seeds)
        return known[name]

    return real_network
