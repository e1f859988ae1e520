"""Observed cascades beside simulated ones: their shapes in numbers and pictures."""
