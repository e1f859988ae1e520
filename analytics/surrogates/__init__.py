"""Surrogates: Gaussian processes that predict reach between simulated points, with their error."""
