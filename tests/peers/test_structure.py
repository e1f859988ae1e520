"""Structure of real networks: published figures, and values of other libraries."""

import json

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from analytics.structure.adjacency import Adjacency
from analytics.structure.betweenness import betweenness, dependencies
from analytics.structure.components import numbered_by_size, strong_components, weak_components
from analytics.structure.cores import core_numbers
from analytics.structure.degrees import assortativity, reciprocity
from analytics.structure.distances import hop_distances
from analytics.structure.leiden import leiden
from analytics.structure.link_analysis import hits, pagerank
from analytics.structure.triangles import triangles
from data.networks.sparse_rows import SparseRows, pair_order, row_offsets


def adjacency(edges, *, undirected):
    """Return distinct edges of any pairs of numbers, without self-loops, and the numbers by agent."""
    ids, codes = np.unique(np.asarray(edges, np.int64), return_inverse=True)
    codes = codes.reshape(-1, 2).astype(np.int32)
    if undirected:
        codes = np.concatenate([codes, codes[:, ::-1]])
    codes = np.unique(codes[codes[:, 0] != codes[:, 1]], axis=0)
    codes = codes[pair_order(codes[:, 0], codes[:, 1], len(ids))]
    rows = SparseRows(row_offsets(codes[:, 0], len(ids)), np.ascontiguousarray(codes[:, 1]))
    return Adjacency.of(rows), ids


def karate(shared_data):
    lines = (shared_data / "networks/small/karate.graph").read_text().splitlines()[1:]
    return adjacency(
        [(agent, int(other) - 1) for agent, line in enumerate(lines) for other in line.split()], undirected=False
    )[0]


def read_edges(path):
    return pd.read_csv(path, comment="#", header=None, sep=r"\s+", usecols=[0, 1]).to_numpy()


def email_eu_core(shared_data):
    folder = shared_data / "networks/email-Eu-core"
    (path,) = [each for each in folder.iterdir() if "label" not in each.name.lower()]
    return adjacency(read_edges(path), undirected=False)[0]


PUBLISHED = {
    # file: undirected, agents, edges, WCC, SCC, triangles, mean local clustering, diameter
    "facebook_combined.txt.gz": (True, 4_039, 88_234, 4_039, 4_039, 1_612_010, 0.6055, 8),
    "wiki-Vote.txt": (False, 7_115, 103_689, 7_066, 1_300, 608_389, 0.1409, 7),
    "ca-GrQc.txt": (True, 5_242, 14_484, 4_158, 4_158, 48_260, 0.5296, 17),
    "ca-AstroPh.txt.gz": (True, 18_772, 198_050, 17_903, 17_903, 1_351_441, 0.6306, 14),
    "email-Enron.txt.gz": (True, 36_692, 183_831, 33_696, 33_696, 727_044, 0.4970, 11),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures(shared_data, name):
    undirected, n_agents, n_edges, wcc, scc, count, clustering, diameter = PUBLISHED[name]
    edges, _ = adjacency(read_edges(shared_data / "networks" / name), undirected=undirected)
    assert (edges.n_agents, edges.n_edges) == (n_agents, n_edges * (2 if undirected else 1))
    assert numbered_by_size(weak_components(edges))[1][0] == wcc
    assert numbered_by_size(strong_components(edges))[1][0] == scc
    found = triangles(edges)
    assert found.count == count
    assert float(found.local_clustering.mean()) == pytest.approx(clustering, abs=5e-5)
    if n_agents < 10_000:
        assert hop_distances(edges, directed=False).diameter == diameter
    if name.startswith("facebook"):
        assert hop_distances(edges).effective_diameter.value == pytest.approx(4.7, abs=0.06)


def test_email_eu_core(shared_data):
    edges = email_eu_core(shared_data)
    assert edges.n_edges == 25_571 - 642
    assert (numbered_by_size(weak_components(edges))[1][0], numbered_by_size(strong_components(edges))[1][0]) == (
        986,
        803,
    )
    assert triangles(edges).count == 105_461


def test_jazz_and_karate(shared_data):
    lines = (shared_data / "networks/small/jazz.graph").read_text().splitlines()[1:]
    pairs = [(agent, int(other) - 1) for agent, line in enumerate(lines) for other in line.split()]
    jazz = triangles(adjacency(pairs, undirected=False)[0])
    assert jazz.count == 17_899
    assert jazz.transitivity == pytest.approx(0.5203, abs=5e-5)
    club = triangles(karate(shared_data))
    assert float(club.local_clustering.mean()) == pytest.approx(0.5706, abs=5e-5)
    assert club.transitivity == pytest.approx(0.2557, abs=5e-5)


def test_values_that_other_libraries_test_themselves_with(shared_data):
    values = json.loads((shared_data / "reference/peer_values.json").read_text())
    club = karate(shared_data)
    expected = values["karate_pagerank_d0.85_converged"]
    np.testing.assert_allclose(pagerank(club), expected["values"], atol=expected["abs_tol"])
    assert triangles(club).count == values["karate_triangles"]["value"]
    assert core_numbers(club).tolist() == values["karate_coreness"]["values"]
    assert leiden(club).modularity == pytest.approx(values["karate_leiden_modularity"]["value"], abs=5e-6)
    expected = values["karate_betweenness_from_4_sources"]
    total, _ = dependencies(club, np.array(expected["sources_0based"]))
    np.testing.assert_allclose(total, expected["values"], rtol=1e-5)
    expected = values["langville_meyer_6node"]
    edges, _ = adjacency(expected["directed_edges"], undirected=False)
    found = pagerank(edges, damping=expected["alpha"])
    np.testing.assert_allclose(found, expected["pagerank_nodes1to6"], atol=expected["abs_tol"])
    expected = values["florentine"]
    names = sorted({name for edge in expected["edges"] for name in edge})
    edges, _ = adjacency([[names.index(name) for name in edge] for edge in expected["edges"]], undirected=True)
    assert dict(zip(names, betweenness(edges).share, strict=True)) == pytest.approx(expected["betweenness"], abs=1e-3)


def test_networkx_finds_the_same_in_a_real_network(shared_data):
    edges = email_eu_core(shared_data)
    sources = np.repeat(np.arange(edges.n_agents), edges.out_degree)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(edges.n_agents))
    graph.add_edges_from(zip(sources.tolist(), edges.out_edges.targets.tolist(), strict=True))
    agents = range(edges.n_agents)
    ranks = nx.pagerank(graph, tol=1e-12, max_iter=1_000)
    np.testing.assert_allclose(pagerank(edges), [ranks[agent] for agent in agents], atol=1e-9)
    hubs, authorities = nx.hits(graph)
    for ours, theirs in zip(hits(edges, tolerance=1e-12), (hubs, authorities), strict=True):
        np.testing.assert_allclose(ours, [theirs[agent] for agent in agents], atol=1e-9)
    assert assortativity(edges) == pytest.approx(nx.degree_assortativity_coefficient(graph))
    assert reciprocity(edges) == pytest.approx(nx.reciprocity(graph))
    cores = nx.core_number(graph.to_undirected())
    assert core_numbers(edges).tolist() == [cores[agent] for agent in agents]
