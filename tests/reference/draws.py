"""Draws by their definition, in Python's unbounded integers.

The mixing steps are the finalisers of MurmurHash3 (Appleby 2011, github.com/aappleby/smhasher, ``fmix64`` and
``fmix32``); how they are combined is said in `propagation.draws` and written down here a second time.
"""

from fractions import Fraction
from functools import cache
from math import ceil

VERSION = 1
TRANSMISSION, INFECTOR, TRIVALENCY, SEEDING, THRESHOLD, TRANSITION, BRANCHING, MIXING, SCEPTICS, OWN = range(1, 11)
MEETING = 11
INFLUENCE = 12
MASK32, MASK64 = 2**32 - 1, 2**64 - 1
NO_ONE = 2**32 - 1
"""Destination of the edge whose key is an agent's."""


@cache
def stream(random_seed, purpose, variant=0):
    mixed = fmix64(VERSION * 2**32 + purpose)
    mixed = fmix64(mixed ^ random_seed)
    return fmix64((mixed + variant * 0x9E3779B97F4A7C15) & MASK64)


def fmix64(x):
    x ^= x >> 33
    x = x * 0xFF51AFD7ED558CCD & MASK64
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 & MASK64
    return x ^ x >> 33


def edge_key(stream, src, dst):
    x = (src * 2**32 + dst) ^ stream
    x = x * 0xFF51AFD7ED558CCD & MASK64
    x ^= x >> 32
    x = x * 0xC4CEB9FE1A85EC53 & MASK64
    return x ^ x >> 32


def replicate_salt(replicate):
    x = (replicate + 0x9E3779B9) & MASK32
    x ^= x >> 16
    x = x * 0x85EBCA6B & MASK32
    x ^= x >> 13
    x = x * 0xC2B2AE35 & MASK32
    return x ^ x >> 16


def trial_salt(trial, occasion):
    x = (trial + (occasion - 1) * 0x9E3779B1) & MASK32
    x = x * 0x85EBCA6B & MASK32
    x ^= x >> 15
    return x * 0xC2B2AE35 & MASK32


def lane_draw(key, salt, trial_salt=0):
    low, high = key & MASK32, key >> 32
    x = (low ^ salt ^ trial_salt) * 0x85EBCA6B & MASK32
    x ^= x >> 15
    x = (x + (high ^ trial_salt)) * 0xC2B2AE35 & MASK32
    x ^= x >> 13
    x = x * 0x85EBCA6B & MASK32
    return x ^ x >> 16


def edge_draw(random_seed, purpose, src, dst, replicate, trial=0, occasion=1, variant=0):
    key = edge_key(stream(random_seed, purpose, variant), src, dst)
    return lane_draw(key, replicate_salt(replicate), trial_salt(trial, occasion))


def agent_draw(random_seed, purpose, agent, replicate, trial=0, occasion=1, variant=0):
    return edge_draw(random_seed, purpose, agent, NO_ONE, replicate, trial, occasion, variant)


def favourable_draws(probability):
    """How many of the 2**32 draws let an attempt succeed: exactly, whatever the float."""
    return ceil(Fraction(probability) * 2**32)
