"""Generators of synthetic networks of any size; the result does not depend on how the work is split.

Each generator is a frozen parameter class with ``generate``, which returns an edge list free of self-loops and
duplicates. Every random draw is a hash of the random seed, the draw's purpose and what it decides
(`data.generators.hashes`), so an edge is the same whichever chunk, thread or process generates it.

Examples
--------
>>> edges = GENERATORS["watts_strogatz"](agents=6, degree=2, rewiring=0.0).generate()
>>> edges.source.tolist(), edges.target.tolist()
([0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0], [1, 0, 2, 1, 3, 2, 4, 3, 5, 4, 0, 5])
"""

from data.generators.complete import Complete
from data.generators.erdos_renyi import ErdosRenyi
from data.generators.generator import Generator
from data.generators.planted_communities import PlantedCommunities
from data.generators.preferential_attachment import PreferentialAttachment
from data.generators.rmat import RMat
from data.generators.watts_strogatz import WattsStrogatz

__all__ = [
    "GENERATORS",
    "Complete",
    "ErdosRenyi",
    "Generator",
    "PlantedCommunities",
    "PreferentialAttachment",
    "RMat",
    "WattsStrogatz",
]

GENERATORS: dict[str, type[Generator]] = {
    "rmat": RMat,
    "preferential_attachment": PreferentialAttachment,
    "watts_strogatz": WattsStrogatz,
    "planted_communities": PlantedCommunities,
    "erdos_renyi": ErdosRenyi,
    "complete": Complete,
}
