"""What generators draw from: hashes, permutations and numbered pairs, against plain Python and their laws."""

from collections import Counter
from itertools import combinations, permutations
from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from data.generators.hashes import Purpose, below, binomial_count, fraction, high_product, key_of, splitmix
from data.generators.pairs import PairsBetween, PairsWithin
from data.generators.permutations import SMALL_TOTAL, distinct_numbers
from tests.reference.significance import UNLIKELY, assert_within_sigmas
from tests.reference.splitmix import WORD, plain_below, plain_hash, plain_key

words = st.integers(0, WORD - 1)


class TestHashes:
    def test_splitmix_gives_the_published_sequence(self):
        # The reference implementation's first outputs for the seed 1234567 (as on Rosetta Code).
        assert [int(splitmix(np.uint64(1234567), np.uint64(n))) for n in range(5)] == [
            6457827717110365317,
            3203168211198807973,
            9817491932198370423,
            4593380528125082431,
            16408922859458223821,
        ]

    @given(words, words)
    def test_splitmix_equals_big_integers(self, state, number):
        assert int(splitmix(np.uint64(state), np.uint64(number))) == plain_hash(state, number)

    @given(words, words)
    def test_high_product_equals_big_integers(self, left, right):
        assert int(high_product(np.uint64(left), np.uint64(right))) == left * right // WORD

    @given(words, st.one_of(st.integers(1, 100), st.integers(1, WORD - 1), st.just(2**63 + 1)))
    def test_below_equals_big_integers(self, draw, bound):
        number = int(below(np.uint64(draw), np.uint64(bound)))
        assert number == plain_below(draw, bound)
        assert 0 <= number < bound

    @given(words)
    def test_a_fraction_is_the_upper_53_bits(self, draw):
        assert fraction(np.uint64(draw)) == (draw >> 11) / 2**53

    @pytest.mark.parametrize("random_seed", [0, 1, 2**31, 2**62 + 12345, 2**63 - 1])
    @pytest.mark.parametrize("purpose", Purpose)
    def test_a_key_is_the_hash_of_random_seed_and_purpose(self, random_seed, purpose):
        key = key_of(random_seed, purpose)
        assert isinstance(key, np.uint64)
        assert int(key) == plain_key(random_seed, purpose)

    def test_draws_are_uniform_and_independent_of_the_next_index_and_trial(self):
        key = plain_key(3, Purpose.EDGE)
        draws = np.array([[plain_hash(key, i, trial) / WORD for trial in range(2)] for i in range(20_000)])
        for first, second in [(draws[:, 0], draws[:, 1]), (draws[:-1, 0], draws[1:, 0])]:
            cells = np.histogram2d(first, second, bins=10, range=[[0, 1], [0, 1]])[0]
            assert stats.chisquare(cells.ravel()).pvalue > UNLIKELY

    def test_a_binomial_count_has_the_mean_and_variance_of_its_law(self):
        counts = [binomial_count(1_000, 0.3, seed, Purpose.EDGE_COUNT) for seed in range(2_000)]
        assert_within_sigmas(np.mean(counts), 300, np.sqrt(210 / 2_000))
        assert_within_sigmas(np.var(counts), 210, 210 * np.sqrt(2 / 2_000))
        assert binomial_count(10**18, 0.0, 0, Purpose.EDGE_COUNT) == 0


def plain_permuted(number, total, key):
    rows = isqrt(total - 1) + 1
    columns = -(-total // rows)
    row, column = divmod(number, columns)
    for shift in range(0, 32 if total <= 2**20 else 8, 2):
        row = (row + plain_hash(key, shift, column) * rows // WORD) % rows
        column = (column + plain_hash(key, shift + 1, row) * columns // WORD) % columns
    number = row * columns + column
    return number if number < total else plain_permuted(number, total, key)


class TestPermutations:
    @given(st.integers(1, 3_000), words)
    @settings(max_examples=200, deadline=None)
    def test_every_number_occurs_once(self, total, key):
        numbers = distinct_numbers(np.uint64(key), 0, total, total)
        assert sorted(numbers.tolist()) == list(range(total))

    @pytest.mark.parametrize("total", [1, 2, 3, 90, SMALL_TOTAL, SMALL_TOTAL + 1, 10**12 - 10**6, 2**62])
    def test_numbers_equal_the_plain_network(self, total):
        key = plain_key(5, Purpose.EDGE)
        count = min(total, 60)
        assert distinct_numbers(np.uint64(key), 0, count, total).tolist() == [
            plain_permuted(number, total, key) for number in range(count)
        ]

    def test_a_permutation_just_above_the_small_ones_is_one_to_one(self):
        total = SMALL_TOTAL + 12_345
        numbers = distinct_numbers(key_of(0, Purpose.EDGE), 0, total, total)
        assert np.array_equal(np.sort(numbers), np.arange(total))

    @pytest.mark.parametrize(("total", "drawn"), [(2, 1), (5, 2), (6, 3), (7, 3), (20, 2)])
    def test_every_subset_of_few_numbers_is_as_likely(self, total, drawn):
        seen = Counter(
            tuple(sorted(distinct_numbers(key_of(seed, Purpose.EDGE), 0, drawn, total).tolist()))
            for seed in range(20_000)
        )
        assert stats.chisquare([seen[subset] for subset in combinations(range(total), drawn)]).pvalue > UNLIKELY


def pairs_of(pairs):
    near, far = pairs.at(np.arange(pairs.total, dtype=np.int64))
    return list(zip(near.tolist(), far.tolist(), strict=True))


@pytest.mark.parametrize("sizes", [[1], [2], [5], [6], [3, 3], [4, 3, 3], [1, 1, 1], [1, 5, 2, 1, 4]])
class TestPairs:
    def communities(self, sizes):
        bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return bounds, np.repeat(np.arange(len(sizes)), sizes)

    @pytest.mark.parametrize(("kind", "same"), [(PairsWithin, True), (PairsBetween, False)])
    def test_directed_pairs_are_each_ordered_pair_once(self, sizes, kind, same):
        bounds, community = self.communities(sizes)
        expected = [
            pair for pair in permutations(range(sum(sizes)), 2) if (community[pair[0]] == community[pair[1]]) == same
        ]
        assert sorted(pairs_of(kind(bounds, directed=True))) == expected

    @pytest.mark.parametrize(("kind", "same"), [(PairsWithin, True), (PairsBetween, False)])
    def test_undirected_pairs_are_each_pair_once(self, sizes, kind, same):
        bounds, community = self.communities(sizes)
        expected = [
            pair for pair in combinations(range(sum(sizes)), 2) if (community[pair[0]] == community[pair[1]]) == same
        ]
        pairs = pairs_of(kind(bounds, directed=False))
        assert sorted((min(pair), max(pair)) for pair in pairs) == expected
