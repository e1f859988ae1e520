"""Edges as tests compare them: lists of plain numbers."""

import numpy as np


def edges_of(generator):
    edges = generator.generate()
    return list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def joined(parts):
    return [np.concatenate(arrays).tolist() for arrays in zip(*parts, strict=True)]
