"""Draws: equal to their definition in unbounded integers, and as good as independent uniform numbers.

The statistical tests use fixed keys, so they always give the same answer. A p-value below `UNLIKELY`, or a deviation
of more than `SIGMAS`, would be a defect of the hash.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from propagation.draws import (
    DRAWS_VERSION,
    Purpose,
    agent_hashes,
    chances,
    edge_draws,
    edge_hashes,
    replicate_salts,
    stream,
)
from tests.reference import draws as reference

UNLIKELY = 1e-5
SIGMAS = 4.5
"""Of a normal deviate: exceeded with probability 7e-6."""
SEEDS = (0, 7, 2**63 - 1)

AGENTS = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 2**31 - 1]))
RANDOM_SEEDS = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 1, 2**32, 2**63 - 1]))
REPLICATES = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 63, 64, 2**31 - 1]))
TRIALS = st.integers(0, 2**31)
PURPOSES = st.sampled_from(list(Purpose))


# -- by definition --------------------------------------------------------------------------------------------------


def test_the_reference_knows_the_same_version_and_purposes():
    assert reference.VERSION == DRAWS_VERSION
    purposes = (Purpose.TRANSMISSION, Purpose.INFECTOR, Purpose.TRIVALENCY, Purpose.SEEDING)
    assert purposes == (reference.TRANSMISSION, reference.INFECTOR, reference.TRIVALENCY, reference.SEEDING)
    assert list(Purpose) == list(purposes)


@settings(max_examples=300, deadline=None)
@given(RANDOM_SEEDS, PURPOSES, TRIALS, st.lists(st.tuples(AGENTS, AGENTS, REPLICATES), min_size=1, max_size=60))
@example(0, Purpose.TRANSMISSION, 0, [(0, 0, 0)])
@example(2**63 - 1, Purpose.SEEDING, 2**31, [(2**31 - 1, 2**31 - 1, 2**31 - 1)])
def test_draws_follow_their_definition(random_seed, purpose, trial, keys):
    made = stream(random_seed, purpose, trial)
    assert int(made) == reference.stream(random_seed, purpose, trial)
    src, dst, replicate = (list(column) for column in zip(*keys, strict=True))
    expected = [reference.edge_draw(random_seed, purpose, s, d, r, trial) for s, d, r in keys]
    drawn = edge_draws(made, src, dst, replicate)
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == expected
    assert replicate_salts(replicate).tolist() == [reference.replicate_salt(r) for r in replicate]
    assert edge_hashes(made, src, dst).tolist() == [reference.edge_key(int(made), s, d) for s, d, _ in keys]
    assert agent_hashes(made, src).tolist() == [reference.edge_key(int(made), s, reference.NO_ONE) for s in src]


def test_draws_of_one_key_stay_what_they_are():
    # Published results rest on these numbers: when they change, DRAWS_VERSION must be raised.
    drawn = [
        int(edge_draws(stream(7, Purpose.TRANSMISSION), [1], [2], [3])[0]),
        int(edge_draws(stream(7, Purpose.INFECTOR), [1], [2], [3])[0]),
        int(edge_draws(stream(7, Purpose.TRANSMISSION, 1), [1], [2], [3])[0]),
        int(agent_hashes(stream(7, Purpose.SEEDING), [1])[0]),
    ]
    assert (DRAWS_VERSION, drawn) == (1, [2900489379, 2215586153, 1589124760, 12777610690070055500])


@settings(max_examples=500, deadline=None)
@given(st.floats(0.0, 1.0))
@example(0.0)
@example(1.0)
@example(0.1)
@example(5e-324)
@example(2.0**-32)
@example(np.nextafter(2.0**-32, 1.0))
@example(np.nextafter(1.0, 0.0))
def test_chances_are_exact(probability):
    assert int(chances(probability)) == reference.favourable_draws(probability)


def test_chances_of_known_probabilities():
    assert chances([0.0, 1e-300, 0.1, 0.5, 1.0]).tolist() == [0, 1, 429496730, 2**31, 2**32]


@given(st.floats(0.0, 1.0), st.integers(0, 2**32 - 1))
def test_an_attempt_succeeds_as_often_as_its_chance_says(probability, draw):
    # u <= ceil(p * 2**32) - 1, and p > 0: the rule of design.md, beside the comparison that all plans make.
    succeeds = draw < int(chances(probability))
    assert succeeds == (probability > 0 and draw <= -(-Fraction(probability) * 2**32 // 1) - 1)


# -- uniform --------------------------------------------------------------------------------------------------------


def draws_of(random_seed, src, dst, replicate, purpose=Purpose.TRANSMISSION, trial=0):
    columns = np.broadcast_arrays(src, dst, replicate)
    return edge_draws(stream(random_seed, purpose, trial), *columns)


NUMBERS = np.arange(400_000)
KEYS = {
    "edges out of one agent": (np.zeros(400_000, int), NUMBERS + 1, 0),
    "edges into one agent": (NUMBERS + 1, np.zeros(400_000, int), 0),
    "edges of a path": (NUMBERS, NUMBERS + 1, 0),
    "edges of a block": (NUMBERS // 500, NUMBERS % 500 + 500, 0),
    "replicates of one edge": (3, 5, NUMBERS),
    "replicates of a few edges": (3, NUMBERS // 1000 + 4, NUMBERS % 1000),
}


@pytest.fixture(params=KEYS)
def keys(request):
    return KEYS[request.param]


@pytest.mark.parametrize("random_seed", SEEDS)
def test_every_byte_of_a_draw_is_uniform(keys, random_seed):
    drawn = draws_of(random_seed, *keys)
    for shift in (24, 16, 8, 0):
        counts = np.bincount((drawn >> np.uint32(shift)) & 255, minlength=256)
        assert stats.chisquare(counts).pvalue > UNLIKELY, f"byte at bit {shift}"


def test_draws_of_one_edge_are_uniform_over_random_seeds():
    drawn = np.array([draws_of(seed, 3, 5, 0)[0] for seed in range(30_000)], np.uint32)
    for shift in (24, 0):
        counts = np.bincount((drawn >> np.uint32(shift)) & 255, minlength=256)
        assert stats.chisquare(counts).pvalue > UNLIKELY, f"byte at bit {shift}"


def test_replicates_have_distinct_salts():
    replicates = np.concatenate([np.arange(2**17), 2**31 - 1 - np.arange(2**17)])
    assert len(np.unique(replicate_salts(replicates))) == 2**18


def test_distinct_edges_have_distinct_keys():
    src, dst = np.divmod(np.arange(2**18), 2**9)
    made = stream(0, Purpose.TRANSMISSION)
    assert len(np.unique(edge_hashes(made, src, dst))) == 2**18


# -- independent ----------------------------------------------------------------------------------------------------

OTHERS = {
    "the next target": lambda seed, s, d, r: draws_of(seed, s, d + 1, r),
    "the next source": lambda seed, s, d, r: draws_of(seed, s + 1, d, r),
    "the reverse edge": lambda seed, s, d, r: draws_of(seed, d, s, r),
    "the next replicate": lambda seed, s, d, r: draws_of(seed, s, d, r + 1),
    "the next word of replicates": lambda seed, s, d, r: draws_of(seed, s, d, r + 64),
    "the next trial": lambda seed, s, d, r: draws_of(seed, s, d, r, trial=1),
    "another purpose": lambda seed, s, d, r: draws_of(seed, s, d, r, Purpose.INFECTOR),
    "a neighbouring random seed": lambda seed, s, d, r: draws_of(seed ^ 1, s, d, r),
}


@pytest.mark.parametrize("other", OTHERS)
def test_draws_that_differ_in_one_thing_are_independent(keys, other):
    for random_seed in SEEDS:
        one, two = draws_of(random_seed, *keys), OTHERS[other](random_seed, *keys)
        # 1. The four top bits of both, jointly uniform.
        cells = np.bincount((one >> np.uint32(28)) * 16 + (two >> np.uint32(28)), minlength=256)
        assert stats.chisquare(cells).pvalue > UNLIKELY
        # 2. Successes at the same probability, uncorrelated.
        for probability in (0.1, 0.01):
            first, second = (drawn < chances(probability) for drawn in (one, two))
            deviate = np.corrcoef(first, second)[0, 1] * np.sqrt(len(first))
            assert abs(deviate) < SIGMAS, f"p = {probability}: correlation is off by {deviate:.1f} sigma"


EDGES = np.arange(10_000)
BUNDLES = {
    "out of one agent": (np.zeros(10_000, int), EDGES + 1),
    "into one agent": (EDGES + 1, np.zeros(10_000, int)),
    "of a path": (EDGES, EDGES + 1),
    "of a block": (EDGES // 100, EDGES % 100 + 100),
}


@pytest.mark.parametrize("probability", [0.1, 0.01])
@pytest.mark.parametrize("bundle", BUNDLES)
def test_numbers_of_successes_vary_as_binomials_do(bundle, probability):
    src, dst = BUNDLES[bundle]
    made = stream(0, Purpose.TRANSMISSION)
    chance = chances(probability)
    success = np.array([edge_draws(made, src, dst, np.full(10_000, r)) < chance for r in range(1000)])
    for axis, what in ((1, "edges in each replicate"), (0, "replicates of each edge")):
        trials, numbers = success.shape[axis], success.sum(axis=axis)
        mean, variance = trials * probability, trials * probability * (1 - probability)
        samples = len(numbers)
        assert abs(numbers.mean() - mean) < 4 * np.sqrt(variance / samples), what
        # The variance of a sample variance, with the binomial's own fourth moment.
        fourth = variance * (1 + 3 * variance * (trials - 2) / trials)
        error = np.sqrt((fourth - variance**2 * (samples - 3) / (samples - 1)) / samples)
        assert abs(numbers.var(ddof=1) - variance) < 4 * error, what


FLIPS = {
    "src": (31, lambda key, bit: draws_of(key[0], key[1] ^ bit, key[2], key[3])),
    "dst": (31, lambda key, bit: draws_of(key[0], key[1], key[2] ^ bit, key[3])),
    "replicate": (31, lambda key, bit: draws_of(key[0], key[1], key[2], key[3] ^ bit)),
    "random_seed": (63, lambda key, bit: draws_of(key[0] ^ bit, *key[1:])),
    "trial": (16, lambda key, bit: draws_of(*key, trial=bit)),
}


@pytest.mark.parametrize("span", [2**31, 3000], ids=["ids of any size", "small ids"])
@pytest.mark.parametrize("part", FLIPS)
def test_flipping_one_bit_of_the_key_flips_half_the_bits_of_the_draw(part, span):
    generator = np.random.default_rng(span)
    key = (7, *(generator.integers(0, span, 20_000) for _ in range(3)))
    bits, flipped = FLIPS[part]
    before = draws_of(*key)
    shares = []
    for bit in range(bits):
        change = before ^ flipped(key, 1 << bit)
        shares.append([float(((change >> np.uint32(place)) & 1).mean()) for place in range(32)])
    worst = np.unravel_index(np.abs(np.array(shares) - 0.5).argmax(), (bits, 32))
    told = f"worst: bit {worst[0]} of {part} flips bit {worst[1]} of the draw in {shares[worst[0]][worst[1]]:.4f}"
    assert np.abs(np.mean(shares, axis=1) - 0.5).max() < 0.02, told
    assert np.abs(np.array(shares) - 0.5).max() < 0.02, told
