"""Edges as tests compare them: lists of plain numbers and ids."""

from typing import Any

import numpy as np

from data.networks.edge_lists import EdgeList


def edges_of(generator):
    edges = generator.generate()
    return list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def joined(parts):
    return [np.concatenate(arrays).tolist() for arrays in zip(*parts, strict=True)]


def pairs(edges: EdgeList) -> list[tuple[Any, Any]]:
    ids = edges.agent_ids.to_pylist()
    return [(ids[s], ids[t]) for s, t in zip(edges.source, edges.target, strict=True)]


def lines(edges: EdgeList) -> list[int]:
    return edges.lines_of(np.arange(len(edges))).tolist()


def attributes(edges: EdgeList) -> dict[str, list[Any]]:
    return edges.edge_attributes.to_pydict()


def rejects(edges: EdgeList) -> list[tuple[int, str, str]]:
    return [tuple(row.values()) for row in edges.malformed.to_pylist()]
