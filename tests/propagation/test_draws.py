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
    NO_ONE,
    Purpose,
    agent_draws,
    agent_hashes,
    chances,
    edge_draws,
    edge_hashes,
    replicate_salts,
    stream,
    trial_salt,
)
from tests.reference import draws as reference

UNLIKELY = 1e-5
SIGMAS = 4.5
"""Of a normal deviate: exceeded with probability 7e-6."""
SEEDS = (0, 7, 2**63 - 1)

AGENTS = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 1, 2**31 - 1]))
RANDOM_SEEDS = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 1, 2**32, 2**63 - 1]))
REPLICATES = st.one_of(st.integers(0, 2**31 - 1), st.sampled_from([0, 63, 64, 2**31 - 1]))
TRIALS = st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 20))
OCCASIONS = st.one_of(st.integers(1, 2**31 - 1), st.integers(1, 20))
VARIANTS = st.integers(0, 2**31)
PURPOSES = st.sampled_from(list(Purpose))


# -- by definition --------------------------------------------------------------------------------------------------


def test_the_reference_knows_the_same_version_and_purposes():
    assert reference.VERSION == DRAWS_VERSION
    assert reference.NO_ONE == NO_ONE
    assert {purpose.name: int(purpose) for purpose in Purpose} == {
        purpose.name: getattr(reference, purpose.name) for purpose in Purpose
    }
    assert list(Purpose) == list(range(1, 13))


KEY = st.tuples(AGENTS, AGENTS, REPLICATES, TRIALS, OCCASIONS)


@settings(max_examples=300, deadline=None)
@given(RANDOM_SEEDS, PURPOSES, VARIANTS, st.lists(KEY, min_size=1, max_size=60))
@example(0, Purpose.TRANSMISSION, 0, [(0, 0, 0, 0, 1)])
@example(2**63 - 1, Purpose.SEEDING, 2**31, [(2**31 - 1, 2**31 - 1, 2**31 - 1, 2**31 - 1, 2**31 - 1)])
def test_draws_follow_their_definition(random_seed, purpose, variant, keys):
    made = stream(random_seed, purpose, variant)
    assert int(made) == reference.stream(random_seed, purpose, variant)
    src, dst, replicate, trial, occasion = (list(column) for column in zip(*keys, strict=True))
    drawn = edge_draws(made, src, dst, replicate, trial, occasion)
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == [reference.edge_draw(random_seed, purpose, *key, variant) for key in keys]
    by_agent = [reference.agent_draw(random_seed, purpose, s, r, t, o, variant) for s, _, r, t, o in keys]
    assert agent_draws(made, src, replicate, trial, occasion).tolist() == by_agent
    assert replicate_salts(replicate).tolist() == [reference.replicate_salt(r) for r in replicate]
    assert edge_hashes(made, src, dst).tolist() == [reference.edge_key(int(made), s, d) for s, d, *_ in keys]
    assert agent_hashes(made, src).tolist() == [reference.edge_key(int(made), s, reference.NO_ONE) for s in src]


def test_draws_of_one_key_stay_what_they_are():
    # Published results rest on these numbers: when they change, DRAWS_VERSION must be raised.
    drawn = [
        int(edge_draws(stream(7, Purpose.TRANSMISSION), 1, 2, 3)[0]),
        int(edge_draws(stream(7, Purpose.INFECTOR), 1, 2, 3)[0]),
        int(edge_draws(stream(7, Purpose.TRANSMISSION), 1, 2, 3, trials=1)[0]),
        int(edge_draws(stream(7, Purpose.TRANSMISSION), 1, 2, 3, occasions=2)[0]),
        int(edge_draws(stream(7, Purpose.TRANSMISSION), 1, 2, 3, trials=5, occasions=4)[0]),
        int(agent_draws(stream(7, Purpose.TRANSITION, 2), 1, 3, trials=1)[0]),
        int(agent_hashes(stream(7, Purpose.SEEDING), [1])[0]),
    ]
    assert DRAWS_VERSION == 1
    assert drawn == [
        2900489379,
        2215586153,
        1034854288,
        3139777333,
        2352270462,
        956181099,
        12777610690070055500,
    ]


@settings(max_examples=100, deadline=None)
@given(RANDOM_SEEDS, AGENTS, AGENTS, REPLICATES)
def test_the_first_trial_of_the_first_occasion_draws_as_if_there_were_no_other(random_seed, src, dst, replicate):
    # What was published before there were trials and occasions still holds.
    made = stream(random_seed, Purpose.TRANSMISSION)
    key, salt = int(edge_hashes(made, [src], [dst])[0]), int(replicate_salts([replicate])[0])
    assert edge_draws(made, [src], dst, replicate, trials=0, occasions=1).tolist() == [murmur(key, salt)]


def murmur(key, salt):
    """The draw of a key and salt, as draws were first defined."""
    mask = 2**32 - 1
    h = ((key & mask) ^ salt) * 0x85EBCA6B & mask
    h ^= h >> 15
    h = (h + (key >> 32)) * 0xC2B2AE35 & mask
    h ^= h >> 13
    h = h * 0x85EBCA6B & mask
    return h ^ h >> 16


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


def draws_of(random_seed, src, dst, replicate, trial=0, occasion=1, purpose=Purpose.TRANSMISSION, variant=0):
    return edge_draws(stream(random_seed, purpose, variant), src, dst, replicate, trial, occasion)


NUMBERS = np.arange(400_000)
KEYS = {
    "edges out of one agent": (0, NUMBERS + 1, 0, 0, 1),
    "edges into one agent": (NUMBERS + 1, 0, 0, 0, 1),
    "edges of a path": (NUMBERS, NUMBERS + 1, 0, 0, 1),
    "edges of a block": (NUMBERS // 500, NUMBERS % 500 + 500, 0, 0, 1),
    "replicates of one edge": (3, 5, NUMBERS, 0, 1),
    "replicates of a few edges": (3, NUMBERS // 1000 + 4, NUMBERS % 1000, 0, 1),
    "agents": (NUMBERS, NO_ONE, 0, 0, 1),
    "trials of one edge": (3, 5, 0, NUMBERS, 1),
    "trials of a few edges": (3, NUMBERS // 100 + 4, 7, NUMBERS % 100, 1),
    "trials of a few replicates": (3, 5, NUMBERS // 100, NUMBERS % 100, 2),
    "occasions of a few replicates": (3, 5, NUMBERS // 100, 0, NUMBERS % 100 + 1),
    "trials of all occasions of a few agents": (NUMBERS // 10_000, NO_ONE, 0, NUMBERS // 100 % 100, NUMBERS % 100 + 1),
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


def test_trials_and_occasions_below_10_000_have_distinct_salts():
    # A salt is a one-to-one scramble of trial + (occasion - 1) * 0x9E3779B1 modulo 2**32. These sums are all distinct
    # if no two occasions are closer on that circle than 10,000 trials.
    apart = np.arange(1, 10_000, dtype=np.uint64) * np.uint64(0x9E3779B1) % np.uint64(2**32)
    assert np.minimum(apart, np.uint64(2**32) - apart).min() >= 10_000
    generator = np.random.default_rng(0)
    trials = np.concatenate([np.arange(10_000), np.zeros(9_999, int), generator.integers(1, 10_000, 20_000)])
    occasions = np.concatenate([np.ones(10_000, int), np.arange(2, 10_001), generator.integers(2, 10_001, 20_000)])
    pairs = set(zip(trials.tolist(), occasions.tolist(), strict=True))
    assert len({int(trial_salt(trial, occasion)) for trial, occasion in pairs}) == len(pairs) > 39_000
    assert trial_salt(0, 1) == 0


def test_distinct_edges_have_distinct_keys():
    src, dst = np.divmod(np.arange(2**18), 2**9)
    made = stream(0, Purpose.TRANSMISSION)
    assert len(np.unique(edge_hashes(made, src, dst))) == 2**18


# -- independent ----------------------------------------------------------------------------------------------------

OTHERS = {
    "the next target": lambda seed, s, d, r, t, o: draws_of(seed, s, d + 1, r, t, o),
    "the next source": lambda seed, s, d, r, t, o: draws_of(seed, s + 1, d, r, t, o),
    "the reverse edge": lambda seed, s, d, r, t, o: draws_of(seed, d, s, r, t, o),
    "the next replicate": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r + 1, t, o),
    "the next word of replicates": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r + 64, t, o),
    "the next trial": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t + 1, o),
    "a later trial": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t + 16, o),
    "the next occasion": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t, o + 1),
    "the next trial of the next occasion": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t + 1, o + 1),
    "another purpose": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t, o, Purpose.INFECTOR),
    "another variant": lambda seed, s, d, r, t, o: draws_of(seed, s, d, r, t, o, variant=1),
    "a neighbouring random seed": lambda seed, s, d, r, t, o: draws_of(seed ^ 1, s, d, r, t, o),
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
    "random_seed": (63, 0),
    "src": (31, 1),
    "dst": (31, 2),
    "replicate": (31, 3),
    "trial": (16, 4),
    "occasion": (16, 5),
}
"""Bits of each part of a key that are flipped, and its place."""


@pytest.mark.parametrize("span", [2**31, 3000], ids=["ids of any size", "small ids"])
@pytest.mark.parametrize("part", FLIPS)
def test_flipping_one_bit_of_the_key_flips_half_the_bits_of_the_draw(part, span):
    generator = np.random.default_rng(span)
    key = [7, *(generator.integers(0, span, 20_000) for _ in range(3)), *generator.integers(1, 3000, (2, 20_000))]
    bits, place = FLIPS[part]
    before = draws_of(*key)
    shares = []
    for bit in range(bits):
        change = before ^ draws_of(*key[:place], key[place] ^ (1 << bit), *key[place + 1 :])
        shares.append([float(((change >> np.uint32(place)) & 1).mean()) for place in range(32)])
    worst = np.unravel_index(np.abs(np.array(shares) - 0.5).argmax(), (bits, 32))
    told = f"worst: bit {worst[0]} of {part} flips bit {worst[1]} of the draw in {shares[worst[0]][worst[1]]:.4f}"
    assert np.abs(np.mean(shares, axis=1) - 0.5).max() < 0.02, told
    assert np.abs(np.array(shares) - 0.5).max() < 0.02, told
