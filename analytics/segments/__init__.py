"""Segments: agents grouped by structure and behaviour, described by their traits, usable as a column of the agents."""
