"""Observed cascades: what spread in reality, as tables beside those of simulated sessions."""
