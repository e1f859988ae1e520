"""How far a statistic may be from what is expected before chance no longer explains it."""

SIGMAS = 5
UNLIKELY = 1e-6
"""A p-value that five sigma (two-sided) would just give."""


def assert_within_sigmas(seen, expected, sigma):
    assert abs(seen - expected) < SIGMAS * sigma, f"{seen} is {(seen - expected) / sigma:.1f} sigma from {expected}"
