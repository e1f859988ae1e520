"""Each generator against a plain-Python oracle fed by the same hash, closed forms, and the literature's statistics."""

from collections import Counter
from itertools import combinations, permutations
from math import comb

import numpy as np
import pytest
from scipy import sparse, stats

from data.errors import InvalidInputError
from data.generators import (
    Complete,
    ErdosRenyi,
    PlantedCommunities,
    PreferentialAttachment,
    RMat,
    WattsStrogatz,
    complete,
    preferential_attachment,
    rmat,
    watts_strogatz,
)
from data.generators.hashes import Purpose, key_of
from data.generators.pairs import PairsBetween, PairsWithin
from tests.data.edge_pairs import edges_of, joined
from tests.reference.significance import UNLIKELY, assert_within_sigmas
from tests.reference.splitmix import WORD, plain_below, plain_hash, plain_key


def plain_rmat_sample(key, sample, levels, a, b, c):
    source = target = 0
    for level in range(levels):
        u = (plain_hash(key, sample, level) >> 11) / 2**53
        quadrant = 0 if u < a else 1 if u < a + b else 2 if u < a + b + c else 3
        source, target = 2 * source + quadrant // 2, 2 * target + quadrant % 2
    return source, target


def plain_rmat(agents, edges, a, b, c, random_seed):
    key, levels = plain_key(random_seed, Purpose.RMAT_QUADRANT), (agents - 1).bit_length()
    kept, sample = {}, 0
    while len(kept) < edges:
        source, target = plain_rmat_sample(key, sample, levels, a, b, c)
        if source != target and max(source, target) < agents:
            kept[source, target] = None
        sample += 1
    return list(kept)


class TestRMat:
    @pytest.mark.parametrize(
        ("agents", "edges", "a", "b", "c", "random_seed"),
        [
            (100, 1_000, 0.57, 0.19, 0.19, 0),
            (128, 1_000, 0.45, 0.1, 0.3, 77),
            (65, 400, 0.25, 0.25, 0.25, 2**63 - 1),
            (5, 10, 0.1, 0.5, 0.4, 3),
            (3, 3, 0.1, 0.3, 0.3, 4),
        ],
    )
    def test_edges_equal_the_plain_model_in_their_order(self, agents, edges, a, b, c, random_seed):
        network = RMat(agents=agents, edges=edges, a=a, b=b, c=c, random_seed=random_seed)
        assert edges_of(network) == plain_rmat(agents, edges, a, b, c, random_seed)

    def test_samples_do_not_depend_on_their_range(self):
        def samples(first, last):
            return rmat.rmat_samples(key_of(1, Purpose.RMAT_QUADRANT), first, last, 20, 0.57, 0.19, 0.19).tolist()

        assert samples(0, 100) + samples(100, 200) == samples(0, 200)
        assert samples(10**12, 10**12 + 1) != samples(0, 1)

    def test_quadrants_have_their_probabilities_at_every_level_and_levels_are_independent(self):
        count, levels, probabilities = 200_000, 6, np.array([0.5, 0.25, 0.15, 0.1])
        samples = rmat.rmat_samples(key_of(2, Purpose.RMAT_QUADRANT), 0, count, levels, 0.5, 0.25, 0.15)
        source, target = samples >> 32, samples & 0xFFFFFFFF
        quadrants = np.array([2 * (source >> bit & 1) + (target >> bit & 1) for bit in reversed(range(levels))])
        for at_level in quadrants:
            for quadrant, p in enumerate(probabilities):
                assert_within_sigmas((at_level == quadrant).sum(), count * p, np.sqrt(count * p * (1 - p)))
        for one, other in combinations(quadrants, 2):
            seen = np.bincount(4 * one + other, minlength=16)
            assert stats.chisquare(seen, count * np.outer(probabilities, probabilities).ravel()).pvalue > UNLIKELY

    def test_a_smaller_network_is_the_beginning_of_a_larger_one(self):
        assert edges_of(RMat(agents=1_000, edges=400)) == edges_of(RMat(agents=1_000, edges=5_000))[:400]

    def test_defaults_are_skewed_and_equal_quadrants_are_not(self):
        skewed = np.bincount(RMat(agents=4_096, edges=40_000).generate().source, minlength=4_096)
        even = np.bincount(RMat(agents=4_096, edges=40_000, a=0.25, b=0.25, c=0.25).generate().source)
        assert skewed.max() > 300
        assert even.max() < 40

    @pytest.mark.parametrize(("a", "b", "c"), [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, 0.5, 0.0)])
    def test_quadrants_without_enough_pairs_are_refused_instead_of_searching_for_ever(self, a, b, c):
        with pytest.raises(
            InvalidInputError, match=r"only \d+ of 45 distinct edges in 1\d\d,\d+ samples of rmat\(.*ask"
        ):
            RMat(agents=10, edges=45, a=a, b=b, c=c).generate()


class TestErdosRenyi:
    @pytest.mark.parametrize(("agents", "edges"), [(10, 0), (10, 1), (10, 45), (10, 46), (10, 89), (1_500, 20_000)])
    def test_there_are_as_many_edges_as_asked_for(self, agents, edges):
        assert len(set(edges_of(ErdosRenyi(agents=agents, edges=edges)))) == edges

    def test_all_pairs_are_the_complete_network(self):
        every = list(permutations(range(30), 2))
        assert sorted(edges_of(ErdosRenyi(agents=30, edges=870))) == every
        assert sorted(edges_of(ErdosRenyi(agents=30, probability=1.0))) == every
        assert edges_of(ErdosRenyi(agents=30, probability=0.0)) == []

    @pytest.mark.parametrize(("agents", "edges"), [(1_000, 100_000), (3_000, 500_000)])
    def test_edges_fall_evenly_over_the_adjacency_matrix(self, agents, edges):
        network = ErdosRenyi(agents=agents, edges=edges).generate()
        cells = np.histogram2d(network.source, network.target, bins=20, range=[[0, agents], [0, agents]])[0]
        side = agents // 20
        pairs = np.full((20, 20), side * side) - np.eye(20) * side
        assert stats.chisquare(cells.ravel(), (pairs / pairs.sum() * edges).ravel()).pvalue > UNLIKELY

    @pytest.mark.parametrize("edges", [60_000, 1_900_000])
    def test_degrees_and_mutual_pairs_have_the_variance_of_independent_edges(self, edges):
        agents = 2_000
        network = ErdosRenyi(agents=agents, edges=edges).generate()
        p = edges / (agents * (agents - 1))
        for ends in (network.source, network.target):
            degrees = np.bincount(ends, minlength=agents)
            dispersion = ((degrees - edges / agents) ** 2).sum() / ((agents - 1) * p * (1 - p))
            assert_within_sigmas(dispersion, agents - 1, np.sqrt(2 * agents))
        codes = network.source.astype(np.int64) * agents + network.target
        mutual = np.isin(network.target.astype(np.int64) * agents + network.source, codes).sum() / 2
        pairs = agents * (agents - 1) / 2
        assert_within_sigmas(mutual, pairs * p * p, np.sqrt(pairs * p * p))

    def test_every_network_of_three_agents_is_as_likely(self):
        seen = Counter(
            tuple(sorted(edges_of(ErdosRenyi(agents=3, edges=3, random_seed=seed)))) for seed in range(6_000)
        )
        every = [seen[network] for network in combinations(permutations(range(3), 2), 3)]
        assert len(every) == comb(6, 3)
        assert stats.chisquare(every).pvalue > UNLIKELY

    def test_a_probability_gives_a_binomial_number_of_edges(self):
        counts = [len(ErdosRenyi(agents=60, probability=0.1, random_seed=seed).generate()) for seed in range(500)]
        variance = 60 * 59 * 0.1 * 0.9
        assert_within_sigmas(np.mean(counts), 354, np.sqrt(variance / 500))
        assert_within_sigmas(np.var(counts), variance, variance * np.sqrt(2 / 500))

    def test_edges_do_not_depend_on_their_range(self):
        pairs, key = PairsWithin(np.array([0, 10**6]), directed=True), key_of(1, Purpose.EDGE)
        assert joined([pairs.drawn(key, 0, 100), pairs.drawn(key, 100, 200)]) == joined([pairs.drawn(key, 0, 200)])


def plain_attachment(agents, links, random_seed):
    """Keep the list of endpoints that the generator retraces."""
    key = plain_key(random_seed, Purpose.ATTACHMENT)
    endpoints = [agent for agent in range(links + 1) for _ in range(links)]
    made = [(older, newer) for newer in range(links + 1) for older in range(newer)]
    number = 0
    for newer in range(links + 1, agents):
        earlier, chosen = list(endpoints), []
        for _ in range(links):
            trial = 0
            while (older := earlier[plain_below(plain_hash(key, number, trial), len(earlier))]) in chosen:
                trial += 1
            endpoints += [newer, earlier[plain_below(plain_hash(key, number, 0), len(earlier))]]
            chosen.append(older)
            number += 1
        made += [(older, newer) for older in chosen]
    return made


class TestPreferentialAttachment:
    @pytest.mark.parametrize(
        ("agents", "links", "random_seed"), [(400, 1, 0), (300, 3, 1), (100, 20, 2**63 - 1), (12, 10, 4), (6, 5, 5)]
    )
    def test_links_equal_those_of_a_kept_list_of_endpoints(self, agents, links, random_seed):
        network = PreferentialAttachment(agents=agents, links_per_agent=links, directed=True, random_seed=random_seed)
        assert edges_of(network) == plain_attachment(agents, links, random_seed)

    def test_directed_messages_flow_from_the_older_to_the_newer_agent(self):
        edges = PreferentialAttachment(agents=1_000, links_per_agent=4, directed=True).generate()
        assert (edges.source < edges.target).all()
        assert np.bincount(edges.target, minlength=1_000).tolist() == [min(agent, 4) for agent in range(1_000)]

    def test_both_directions_are_twice_the_links_of_the_directed_network(self):
        one_way = edges_of(PreferentialAttachment(agents=500, links_per_agent=3, directed=True))
        both = edges_of(PreferentialAttachment(agents=500, links_per_agent=3))
        assert both == [edge for older, newer in one_way for edge in [(older, newer), (newer, older)]]
        assert len(one_way) == 3 * 500 - 3 * 4 // 2

    @pytest.mark.parametrize("links", [1, 3])
    def test_degrees_have_the_limiting_distribution(self, links):
        # Bollobas, Riordan, Spencer, Tusnady 2001: P(k) = 2 m (m + 1) / (k (k + 1) (k + 2)).
        agents = 300_000
        edges = PreferentialAttachment(agents=agents, links_per_agent=links).generate()
        degrees = np.bincount(edges.source, minlength=agents)
        assert degrees.min() == links
        for k in range(links, links + 12):
            p = 2 * links * (links + 1) / (k * (k + 1) * (k + 2))
            assert_within_sigmas((degrees == k).sum(), agents * p, np.sqrt(agents * p * (1 - p)))

    def test_the_tail_falls_off_with_exponent_three(self):
        # Clauset, Shalizi, Newman 2009, equation 3.7: maximum likelihood for integer degrees.
        edges = PreferentialAttachment(agents=300_000, links_per_agent=4).generate()
        degrees = np.bincount(edges.source)
        tail = degrees[degrees >= 40]
        exponent = 1 + len(tail) / np.log(tail / 39.5).sum()
        assert len(tail) > 3_000
        assert abs(exponent - 3) < 0.15

    def test_links_do_not_depend_on_their_range(self):
        key = key_of(1, Purpose.ATTACHMENT)

        def links(first, last):
            return preferential_attachment.attached_links(key, first, last, 5)

        assert joined([links(0, 3), links(3, 100), links(100, 200)]) == joined([links(0, 200)])
        assert joined([links(10**8, 10**8 + 1), links(10**8 + 1, 10**8 + 2)]) == joined([links(10**8, 10**8 + 2)])


def plain_small_world(agents, degree, rewiring, random_seed):
    key, owners = plain_key(random_seed, Purpose.REWIRING), plain_key(random_seed, Purpose.REWIRED_PAIR_OWNER)
    half, made = degree // 2, []
    for agent in range(agents):
        ring = {(agent + step) % agents for step in range(-half, half + 1)}
        row = []
        for step in range(half):
            link, partner = agent * half + step, (agent + step + 1) % agents
            if plain_hash(key, link, 0) / WORD < rewiring:
                for trial in range(1, 129):
                    drawn = plain_below(plain_hash(key, link, trial), agents)
                    owner = sorted((agent, drawn))[plain_hash(owners, *sorted((agent, drawn))) % 2]
                    if drawn not in ring and drawn not in row and owner == agent:
                        partner = drawn
                        break
            row.append(partner)
        made += [(agent, partner) for partner in row]
    return made


def clustering(edges, agents):
    """Return the mean over agents of the share of pairs of neighbours that are linked."""
    adjacency = sparse.csr_array((np.ones(len(edges)), (edges.source, edges.target)), shape=(agents, agents))
    degrees = adjacency.sum(axis=1)
    closed = (adjacency @ adjacency).multiply(adjacency).sum(axis=1)
    return np.mean(closed / (degrees * (degrees - 1)))


class TestWattsStrogatz:
    @pytest.mark.parametrize(
        ("agents", "degree", "rewiring", "random_seed"),
        [(200, 6, 0.3, 0), (100, 10, 1.0, 7), (11, 8, 1.0, 2), (13, 6, 0.5, 2**63 - 1), (50, 2, 0.0, 1)],
    )
    def test_links_equal_the_plain_model(self, agents, degree, rewiring, random_seed):
        network = WattsStrogatz(agents=agents, degree=degree, rewiring=rewiring, random_seed=random_seed)
        assert edges_of(network)[0::2] == plain_small_world(agents, degree, rewiring, random_seed)

    @pytest.mark.parametrize(("agents", "degree"), [(20, 4), (21, 6), (5, 4), (3, 2)])
    def test_without_rewiring_it_is_the_ring_lattice(self, agents, degree):
        lattice = {
            (agent, (agent + step) % agents)
            for agent in range(agents)
            for step in range(-degree // 2, degree // 2 + 1)
            if step
        }
        edges = edges_of(WattsStrogatz(agents=agents, degree=degree, rewiring=0.0))
        assert len(edges) == agents * degree
        assert set(edges) == lattice

    @pytest.mark.parametrize("degree", [4, 6, 10])
    def test_clustering_without_rewiring_has_its_closed_form(self, degree):
        edges = WattsStrogatz(agents=200, degree=degree, rewiring=0.0).generate()
        assert clustering(edges, 200) == pytest.approx(3 * (degree - 2) / (4 * (degree - 1)))

    @pytest.mark.parametrize("rewiring", [0.05, 0.2, 0.5])
    def test_clustering_falls_with_the_cube_of_what_is_not_rewired(self, rewiring):
        # Barrat, Weigt 2000: C(p) = C(0) (1 - p)^3 up to terms of order 1 / n.
        edges = WattsStrogatz(agents=20_000, degree=10, rewiring=rewiring).generate()
        assert clustering(edges, 20_000) == pytest.approx(2 / 3 * (1 - rewiring) ** 3, rel=0.05)

    @pytest.mark.parametrize("rewiring", [0.1, 0.6])
    def test_the_share_of_links_rewired_is_the_probability(self, rewiring):
        agents, links = 50_000, 50_000 * 3
        edges = WattsStrogatz(agents=agents, degree=6, rewiring=rewiring).generate()
        gap = (edges.target[0::2] - edges.source[0::2]) % agents
        assert_within_sigmas((gap > 3).sum(), links * rewiring, np.sqrt(links * rewiring * (1 - rewiring)))

    @pytest.mark.parametrize("rewiring", [0.4, 1.0])
    def test_degrees_have_the_distribution_of_the_literature(self, rewiring):
        # Barrat, Weigt 2000: half the ring degree, plus Binomial(half, 1 - p) kept, plus Poisson(half p) gained.
        agents, half = 50_000, 5
        edges = WattsStrogatz(agents=agents, degree=2 * half, rewiring=rewiring).generate()
        beyond = np.bincount(edges.source, minlength=agents) - half
        assert beyond.min() >= 0
        kept = stats.binom.pmf(np.arange(half + 1), half, 1 - rewiring)
        law = np.convolve(kept, stats.poisson.pmf(np.arange(200), half * rewiring))[:13]
        seen = np.bincount(np.minimum(beyond, 13), minlength=14)
        expected = agents * np.append(law, 1 - law.sum())
        assert stats.chisquare(seen, expected).pvalue > UNLIKELY

    def test_rewired_links_go_anywhere_alike(self):
        agents = 20_006
        edges = WattsStrogatz(agents=agents, degree=6, rewiring=1.0).generate()
        gap = (edges.target[0::2] - edges.source[0::2]) % agents
        assert gap.min() > 3
        assert gap.max() < agents - 3
        # 19,999 possible gaps: those from 4 to 20,002; the last one is left out to cut them evenly.
        seen = np.histogram(gap[gap < 20_002], bins=33, range=(4, 20_002))[0]
        assert stats.chisquare(seen).pvalue > UNLIKELY

    def test_links_do_not_depend_on_their_range(self):
        keys = key_of(1, Purpose.REWIRING), key_of(1, Purpose.REWIRED_PAIR_OWNER)

        def links(first, last):
            return watts_strogatz.rewired_links(*keys, first, last, 1_000, 4, 0.5)

        assert joined([links(0, 100), links(100, 200)]) == joined([links(0, 200)])
        assert joined([links(0, 999), links(999, 1_000)]) == joined([links(0, 1_000)])


class TestPlantedCommunities:
    @pytest.mark.parametrize(("agents", "communities"), [(10, 3), (12, 4), (7, 7), (9, 1), (100, 33)])
    def test_blocks_are_as_equal_as_can_be(self, agents, communities):
        network = PlantedCommunities(
            agents=agents, communities=communities, mean_degree_within=0.0, mean_degree_between=0.0
        ).generate()
        blocks = np.array_split(np.arange(agents), communities)
        community = network.agent_attributes["community"]
        assert str(community.type) == "int32"
        assert community.to_pylist() == [number for number, block in enumerate(blocks) for _ in block]
        assert len(network) == 0

    @pytest.mark.parametrize("directed", [False, True])
    @pytest.mark.parametrize(("agents", "communities", "within", "between"), [(9_973, 10, 8.0, 2.0), (400, 7, 30, 90)])
    def test_mean_degrees_are_those_asked_for(self, directed, agents, communities, within, between):
        network = PlantedCommunities(
            agents=agents,
            communities=communities,
            mean_degree_within=within,
            mean_degree_between=between,
            directed=directed,
        )
        edges = network.generate()
        community = edges.agent_attributes["community"].to_numpy()
        same = community[edges.source] == community[edges.target]
        ends = 1 if directed else 2
        for count, degree, kind in [(same.sum(), within, PairsWithin), ((~same).sum(), between, PairsBetween)]:
            pairs = kind(network.bounds, directed).total
            expected = agents * degree / ends
            assert_within_sigmas(count / ends, expected, np.sqrt(expected * (1 - expected / pairs)))

    def test_links_fall_evenly_over_communities_and_pairs_of_them(self):
        edges = PlantedCommunities(
            agents=1_000, communities=10, mean_degree_within=40, mean_degree_between=100, directed=True
        ).generate()
        community = edges.agent_attributes["community"].to_numpy()
        cells = np.histogram2d(community[edges.source], community[edges.target], bins=10)[0]
        assert stats.chisquare(np.diag(cells)).pvalue > UNLIKELY
        assert stats.chisquare(cells[~np.eye(10, dtype=bool)]).pvalue > UNLIKELY

    @pytest.mark.parametrize("directed", [False, True])
    def test_the_highest_mean_degrees_give_cliques_and_their_complement(self, directed):
        def edges(within, between):
            return edges_of(
                PlantedCommunities(
                    agents=10,
                    communities=3,
                    mean_degree_within=within,
                    mean_degree_between=between,
                    directed=directed,
                )
            )

        block = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
        every = list(permutations(range(10), 2))
        assert sorted(edges(24 / 10, 0)) == [(i, j) for i, j in every if block[i] == block[j]]
        assert sorted(edges(0, 66 / 10)) == [(i, j) for i, j in every if block[i] != block[j]]
        assert sorted(edges(24 / 10, 66 / 10)) == every

    def test_directions_are_independent_only_where_directed(self):
        parameters = {"agents": 300, "communities": 3, "mean_degree_within": 20, "mean_degree_between": 20}
        for directed in (False, True):
            edges = set(edges_of(PlantedCommunities(**parameters, directed=directed)))
            mutual = sum((target, source) in edges for source, target in edges) / len(edges)
            assert mutual == 1 if not directed else 0.1 < mutual < 0.2

    @pytest.mark.parametrize("kind", [PairsWithin, PairsBetween])
    def test_links_do_not_depend_on_their_range(self, kind):
        pairs, key = kind(np.array([0, 40, 70, 100]), directed=False), key_of(1, Purpose.WITHIN_EDGE)
        assert joined([pairs.drawn(key, 0, 100), pairs.drawn(key, 100, 200)]) == joined([pairs.drawn(key, 0, 200)])


class TestComplete:
    @pytest.mark.parametrize("agents", [2, 3, 50])
    def test_edges_are_the_permutations_of_two(self, agents):
        assert edges_of(Complete(agents=agents)) == list(permutations(range(agents), 2))

    def test_edges_do_not_depend_on_their_range(self):
        parts = [complete.complete_edges(0, 7, 20), complete.complete_edges(7, 20, 20)]
        assert joined(parts) == joined([complete.complete_edges(0, 20, 20)])
