"""Every metric equals its definition in plain Python on small random networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.structure import agent_ranges
from analytics.structure.adjacency import Adjacency
from analytics.structure.betweenness import betweenness
from analytics.structure.components import numbered_by_size, strong_components, weak_components
from analytics.structure.cores import core_numbers
from analytics.structure.degrees import assortativity, degree_distribution, fitted_power_law, reciprocity
from analytics.structure.distances import hop_distances
from analytics.structure.label_propagation import label_propagation
from analytics.structure.leiden import leiden
from analytics.structure.link_analysis import hits, pagerank
from analytics.structure.shortest_paths import distances_from
from analytics.structure.triangles import local_clustering, triangles
from data.errors import InvalidInputError
from data.networks.sparse_rows import SparseRows
from tests.reference import structure
from tests.reference.small_networks import SmallNetwork, numbered_network, small_networks


def adjacency(small: SmallNetwork) -> Adjacency:
    edges = sorted(small.edges)
    degrees = np.bincount([src for src, _ in edges], minlength=small.n_agents)
    targets = np.array([dst for _, dst in edges], np.int32)
    return Adjacency.of(SparseRows(np.concatenate([[0], np.cumsum(degrees)]), targets))


def symmetric(small: SmallNetwork) -> tuple:
    return tuple(sorted({*small.edges, *((dst, src) for src, dst in small.edges)}))


@given(small_networks())
def test_the_undirected_view_lists_each_pair_at_both_agents(small):
    found = adjacency(small).neighbours
    rows = np.split(found.agents, found.offsets[1:-1])
    assert [set(row) for row in rows] == structure.neighbours(small.n_agents, small.edges)
    assert all(row.tolist() == sorted(set(row)) for row in rows)
    assert found.n_pairs == len({frozenset(edge) for edge in small.edges})
    assert int(found.edges.sum()) == 2 * len(small.edges)


@given(small_networks(), st.sampled_from([0.0, 0.5, 0.85]), st.integers(1, 8))
def test_pagerank(small, damping, rounds):
    found = pagerank(adjacency(small), damping=damping, rounds=rounds)
    np.testing.assert_allclose(found, structure.pagerank(small.n_agents, small.edges, damping, rounds), rtol=1e-12)


@given(small_networks())
def test_pagerank_settles_where_further_rounds_change_nothing(small):
    found = pagerank(adjacency(small), tolerance=1e-12)
    np.testing.assert_allclose(found, structure.pagerank(small.n_agents, small.edges, 0.85, 300), atol=1e-11)


@given(small_networks(min_edges=1), st.integers(1, 8))
def test_hubs_and_authorities(small, rounds):
    for ours, theirs in zip(
        hits(adjacency(small), rounds=rounds), structure.hits(small.n_agents, small.edges, rounds), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)


@given(small_networks(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_label_propagation(small, rounds, choose):
    labels = choose.sample(range(100), small.n_agents)
    found = label_propagation(adjacency(small), rounds=rounds, initial=np.array(labels))
    assert found.tolist() == structure.label_propagation(small.n_agents, small.edges, rounds, labels)


@given(small_networks())
def test_components(small):
    assert weak_components(adjacency(small)).tolist() == structure.weak_components(small.n_agents, small.edges)
    assert strong_components(adjacency(small)).tolist() == structure.strong_components(small.n_agents, small.edges)


def test_groups_are_numbered_by_falling_size_then_by_their_first_agent():
    number, sizes = numbered_by_size(np.array([9, 3, 3, 5, 3, 9, 0], np.int32))
    assert (number.tolist(), sizes.tolist()) == ([1, 0, 0, 2, 0, 1, 3], [3, 2, 1, 1])


def test_the_effective_diameter_is_at_least_one_hop():
    triangle = SparseRows(np.array([0, 2, 4, 6]), np.array([1, 2, 0, 2, 0, 1], np.int32))
    assert hop_distances(triangle).effective_diameter.value == 1.0


def test_a_tail_too_steep_for_a_power_law_has_none():
    degrees, agents = np.arange(6, 13), np.array([30, 120, 330, 310, 150, 45, 15])
    assert fitted_power_law(degrees, agents) is None
    heavy = np.arange(1, 200)
    assert fitted_power_law(heavy, np.maximum((2e4 * heavy**-2.5).astype(int), 1)).exponent < 3


@given(small_networks())
def test_core_numbers(small):
    assert core_numbers(adjacency(small)).tolist() == structure.core_numbers(small.n_agents, small.edges)


@given(small_networks())
def test_triangles_and_clustering(small):
    found = triangles(adjacency(small))
    expected = structure.triangles(small.n_agents, small.edges)
    assert found.of_agent.tolist() == expected
    assert found.count == sum(expected) / 3
    for directed in (False, True):
        np.testing.assert_allclose(
            local_clustering(adjacency(small), directed=directed),
            structure.local_clustering(small.n_agents, small.edges, directed),
        )


@given(small_networks())
def test_both_kinds_of_clustering_agree_where_every_edge_has_a_reverse(small):
    both = adjacency(SmallNetwork(small.n_agents, symmetric(small), ()))
    np.testing.assert_array_equal(local_clustering(both), local_clustering(both, directed=True))


@given(small_networks(), st.booleans())
def test_hop_distances(small, directed):
    edges = small.edges if directed else symmetric(small)
    found = hop_distances(adjacency(small), directed=directed)
    expected = structure.pairs_by_distance(small.n_agents, edges)
    assert found.pairs.tolist() == expected
    assert found.is_exact
    if expected:
        mean = sum(hops * pairs for hops, pairs in enumerate(expected, 1)) / sum(expected)
        assert found.average_path_length.value == pytest.approx(mean)
        assert found.average_path_length.half_width is None
    else:
        assert found.average_path_length.value is found.effective_diameter.value is None


def test_distances_in_a_long_ring_follow_the_frontier():
    n_agents = 300
    ring = SparseRows(np.arange(n_agents + 1), ((np.arange(n_agents) + 1) % n_agents).astype(np.int32))
    found = hop_distances(ring)
    assert found.pairs.tolist() == [n_agents] * (n_agents - 1)
    assert found.average_path_length.value == n_agents / 2
    assert found.effective_diameter.value == pytest.approx(0.9 * (n_agents - 1))


def test_intervals_of_sampled_distances_cover_the_exact_value():
    """40 samples of 256 of 400 agents: in four groups."""
    network = adjacency(numbered_network(3, 400, 1_200))
    exact = hop_distances(network)
    covered = 0
    for random_seed in range(40):
        found = hop_distances(network, sources=256, random_seed=random_seed)
        assert found.n_sources == 256
        length = found.average_path_length
        covered += abs(length.value - exact.average_path_length.value) <= length.half_width
    assert 34 <= covered <= 40
    assert hop_distances(network, sources=400).average_path_length == exact.average_path_length


@given(small_networks(), st.randoms(use_true_random=False))
def test_shortest_paths(small, choose):
    edges = sorted(small.edges)
    lengths = [choose.choice([0.0, 0.25, 1.0, 2.5]) for _ in edges]
    for ours, theirs in ((None, None), (np.array(lengths), lengths)):
        distance, previous = distances_from(adjacency(small), 0, ours)
        assert distance.tolist() == structure.distances(small.n_agents, edges, 0, theirs)
        steps = dict(zip(edges, theirs or [1] * len(edges), strict=True))
        for agent, before in enumerate(previous.tolist()):
            if before >= 0:
                assert distance[before] + steps[before, agent] == distance[agent]
            else:
                assert agent == 0 or np.isinf(distance[agent])


@settings(max_examples=50)
@given(small_networks(max_agents=8, max_edges=20))
def test_betweenness(small):
    found = betweenness(adjacency(small))
    np.testing.assert_allclose(found.share, structure.betweenness(small.n_agents, small.edges), atol=1e-12)
    assert found.standard_error.tolist() == [0] * small.n_agents


def test_sampled_betweenness_is_as_far_from_the_exact_value_as_its_error_says():
    network = adjacency(numbered_network(5, 200, 900))
    exact = betweenness(network).share
    found = [betweenness(network, sources=50, random_seed=random_seed) for random_seed in range(40)]
    apart = np.array([each.share - exact for each in found])
    told = np.sqrt(np.mean([np.nan_to_num(each.standard_error) ** 2 for each in found]))
    assert 0.85 < float(np.sqrt((apart**2).mean())) / told < 1.15
    assert abs(float(apart.mean())) < 0.05 * told


def test_the_error_of_betweenness_is_unknown_where_no_sampled_path_leads():
    path = SparseRows(np.array([0, 1, 2, 3, 4, 4]), np.array([1, 2, 3, 4], np.int32))
    found = [betweenness(path, sources=2, random_seed=random_seed) for random_seed in range(6)]
    for each in found:
        assert np.isnan(each.standard_error[1:4]).tolist() == (each.share[1:4] == 0).tolist()
        assert each.standard_error[[0, 4]].tolist() == [0.0, 0.0], "nothing can pass through the ends"
    assert any(np.isnan(each.standard_error).any() for each in found)


@given(small_networks(min_edges=1))
def test_leiden_tells_the_modularity_of_its_communities(small):
    found = leiden(adjacency(small))
    assert found.modularity == pytest.approx(
        structure.modularity(small.n_agents, small.edges, found.of_agent.tolist()), abs=1e-12
    )
    assert found.modularity >= structure.modularity(small.n_agents, small.edges, [0] * small.n_agents) - 1e-12
    assert found.sizes.tolist() == sorted(np.bincount(found.of_agent).tolist(), reverse=True)
    again = leiden(adjacency(small))
    np.testing.assert_array_equal(found.of_agent, again.of_agent)


@given(small_networks())
def test_degrees_and_mixing(small):
    network = adjacency(small)
    for kind, degree in {
        "in": [sum(dst == agent for _, dst in small.edges) for agent in range(small.n_agents)],
        "out": [sum(src == agent for src, _ in small.edges) for agent in range(small.n_agents)],
        "neighbours": [len(near) for near in structure.neighbours(small.n_agents, small.edges)],
    }.items():
        found = degree_distribution(network, kind)
        assert np.repeat(found.degrees, found.agents).tolist() == sorted(degree)
    if small.edges:
        known = set(small.edges)
        assert reciprocity(network) == sum(edge[::-1] in known for edge in small.edges) / len(small.edges)
    pairs = [(network.out_degree[src], network.in_degree[dst]) for src, dst in small.edges]
    if len({a for a, _ in pairs}) > 1 and len({b for _, b in pairs}) > 1:
        assert assortativity(network) == pytest.approx(structure.correlation(pairs), abs=1e-12)
    else:
        assert assortativity(network) is None


def tail(sampled):
    return fitted_power_law(*np.unique(sampled, return_counts=True))


def test_a_power_law_is_found_where_it_was_drawn_from():
    from scipy.stats import zipf

    found = tail(zipf.rvs(2.5, size=20_000, random_state=1))
    assert found.exponent == pytest.approx(2.5, abs=0.04)
    assert found.minimum <= 3
    exponential = {each.name: each for each in found.alternatives}["exponential"]
    assert exponential.likelihood_ratio > 0
    assert exponential.p_value < 0.05


def test_an_exponential_distribution_is_told_from_a_power_law():
    found = tail(np.random.default_rng(2).geometric(0.05, size=20_000))
    exponential = {each.name: each for each in found.alternatives}["exponential"]
    assert exponential.likelihood_ratio < 0
    assert exponential.p_value < 0.05
    assert exponential.parameters["rate"] == pytest.approx(-np.log(0.95), rel=0.1)


def test_no_power_law_is_fitted_to_too_few_agents_or_to_one_degree():
    assert tail([3] * 50) is None
    assert tail([1, 2, 3, 4]) is None


@settings(max_examples=30)
@given(small_networks(max_agents=12), st.integers(1, 5))
def test_values_are_the_same_for_any_number_of_threads(small, cores):
    network, monkeypatch = adjacency(small), pytest.MonkeyPatch()

    def values():
        fresh = Adjacency.of(network.out_edges)
        return [
            pagerank(fresh, rounds=7), *hits(fresh, rounds=7), core_numbers(fresh), triangles(fresh).of_agent,
            label_propagation(fresh), betweenness(fresh).share, hop_distances(fresh).pairs, fresh.neighbours.agents,
        ]  # fmt: skip

    usual = values()
    with monkeypatch.context() as patched:
        patched.setattr(agent_ranges.os, "cpu_count", lambda: cores)
        for ours, theirs in zip(values(), usual, strict=True):
            np.testing.assert_array_equal(ours, theirs)


EMPTY = SparseRows(np.zeros(1, np.int64), np.empty(0, np.int32))
ALONE = SparseRows(np.zeros(4, np.int64), np.empty(0, np.int32))


@pytest.mark.parametrize("rows", [EMPTY, ALONE], ids=["no agents", "no edges"])
def test_networks_without_agents_or_edges_have_metrics_too(rows):
    n_agents = rows.n_agents
    equal = [1 / n_agents] * n_agents if n_agents else []
    assert pagerank(rows).tolist() == hits(rows)[0].tolist() == pytest.approx(equal)
    assert weak_components(rows).tolist() == strong_components(rows).tolist() == list(range(n_agents))
    assert core_numbers(rows).tolist() == triangles(rows).of_agent.tolist() == [0] * n_agents
    assert label_propagation(rows).tolist() == list(range(n_agents))
    assert betweenness(rows).share.tolist() == [0] * n_agents
    assert hop_distances(rows).diameter == 0
    assert leiden(rows).modularity == triangles(rows).transitivity == 0
    assert assortativity(rows) is reciprocity(rows) is degree_distribution(rows).power_law is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pagerank(ALONE, damping=1.0), r"damping 1.0 is not in \[0, 1\)"),
        (lambda: pagerank(ALONE, rounds=0), "rounds 0 is less than 1"),
        (lambda: hits(ALONE, tolerance=0), "tolerance 0 is not above 0"),
        (lambda: label_propagation(ALONE, rounds=-1), "rounds -1 is negative"),
        (lambda: label_propagation(ALONE, initial=np.arange(2)), "2 initial labels for 3 agents"),
        (lambda: hop_distances(ALONE, sources=0), "sources 0 is less than 1"),
        (lambda: betweenness(ALONE, sources=0), "sources 0 is less than 1"),
        (lambda: leiden(ALONE, resolution=-1), "resolution -1 is negative"),
        (lambda: leiden(ALONE, iterations=0), "iterations 0 is less than 1"),
        (lambda: degree_distribution(ALONE, "inn"), r"no kind of degree 'inn' \(did you mean 'in'\?\)"),
    ],
)
def test_parameters_out_of_range_are_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()
