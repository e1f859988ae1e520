"""LDBC Graphalytics' validation graphs: the expected output of every algorithm, directed and undirected."""

from pathlib import Path

import numpy as np
import pytest

from analytics.structure.components import weak_components
from analytics.structure.label_propagation import label_propagation, ranks_by_id
from analytics.structure.link_analysis import pagerank
from analytics.structure.shortest_paths import shortest_paths
from analytics.structure.triangles import local_clustering
from data import Network, Warehouse

CASES = {
    "BFS": ["example-undirected", "test-bfs-directed"],
    "CDLP": ["example-undirected", "test-cdlp-directed"],
    "LCC": ["example-undirected", "test-lcc-directed"],
    "PR": ["example-undirected", "test-pr-directed"],
    "SSSP": ["example-undirected", "test-sssp-directed"],
    "WCC": ["example-undirected", "test-wcc-directed"],
}
UNREACHABLE = 9223372036854775807


class Case:
    """A graph, imported with all its vertices, and the expected value of each."""

    def __init__(self, folder: Path, name: str, algorithm: str) -> None:
        lines = (folder / f"{name}.properties").read_text().splitlines()
        pairs = (line.partition("=")[::2] for line in lines if line.startswith(f"graph.{name}."))
        self.parameters = {key.strip().removeprefix(f"graph.{name}."): value.strip() for key, value in pairs}
        expected = (line.split() for line in (folder / f"{name}-{algorithm}").read_text().splitlines())
        self.expected = {vertex: float(value) for vertex, value in expected}
        self._edges, self._vertices = folder / f"{name}.e", folder / f"{name}.v"

    def network(self, folder: Path) -> Network:
        vertices = folder / "vertices.csv"
        vertices.write_text("agent_id\n" + self._vertices.read_text())
        weighted = len(self._edges.read_text().split("\n", 1)[0].split()) == 3
        return Warehouse(folder / "warehouse").import_network(
            "case",
            self._edges,
            agents=vertices,
            header="none",
            columns=("source", "target", "weight")[: 3 if weighted else 2],
            undirected=self.parameters["directed"] == "false",
        )

    def values(self, network: Network) -> np.ndarray:
        """Return the expected values by dense id."""
        return np.array([self.expected[vertex] for vertex in network.agent_ids.to_pylist()])


def case_of(algorithm: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", CASES[algorithm])


@case_of("PR")
def test_pagerank(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "PR")
    network = case.network(tmp_path)
    rounds, damping = int(case.parameters["pr.num-iterations"]), float(case.parameters["pr.damping-factor"])
    found = pagerank(network, damping=damping, rounds=rounds)
    np.testing.assert_allclose(found, case.values(network), rtol=2e-6)


@case_of("CDLP")
def test_label_propagation(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "CDLP")
    network = case.network(tmp_path)
    ranks = ranks_by_id(network)
    found = label_propagation(network, rounds=int(case.parameters["cdlp.max-iterations"]), initial=ranks)
    ids = np.array(network.agent_ids.to_pylist())[np.argsort(ranks)]
    np.testing.assert_array_equal(ids[found].astype(float), case.values(network))


@case_of("LCC")
def test_local_clustering(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "LCC")
    network = case.network(tmp_path)
    np.testing.assert_allclose(local_clustering(network, directed=True), case.values(network), rtol=1e-11)


@case_of("WCC")
def test_weak_components(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "WCC")
    network = case.network(tmp_path)
    pairs = set(zip(weak_components(network).tolist(), case.values(network).tolist(), strict=True))
    assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})


@case_of("BFS")
def test_hops(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "BFS")
    network = case.network(tmp_path)
    expected = case.values(network)
    found = shortest_paths(network, case.parameters["bfs.source-vertex"])
    np.testing.assert_array_equal(found.distance, np.where(expected == UNREACHABLE, np.inf, expected))


@case_of("SSSP")
def test_shortest_paths(shared_data, tmp_path, name):
    case = Case(shared_data / "ldbc", name, "SSSP")
    network = case.network(tmp_path)
    found = shortest_paths(network, case.parameters["sssp.source-vertex"], "weight")
    np.testing.assert_allclose(found.distance, case.values(network))
