"""Forecasts: how large cascades will become, from how they begin, beside simple guesses and a self-exciting process."""
