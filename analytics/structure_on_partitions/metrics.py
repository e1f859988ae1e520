"""Metrics on partitions: the same values as those of `analytics.structure.metrics`, for networks that exceed memory."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from analytics.structure.distances import Distances, sources_of
from analytics.structure.label_propagation import ranks_by_id
from analytics.structure.metrics import (
    Values,
    component_values,
    core_values,
    distance_values,
    label_values,
    triangle_values,
)
from analytics.structure.triangles import Triangles
from analytics.structure_on_partitions import components, cores, distances, label_propagation, link_analysis, triangles
from data.networks.network import Network

if TYPE_CHECKING:
    from distributed import Client

Computation = Callable[[Network, int, "Client | None"], Values]


def _components(network: Network, partitions: int, client: "Client | None") -> Values:
    return component_values(
        components.weak_components(network, partitions=partitions, client=client),
        components.strong_components(network, partitions=partitions, client=client),
    )


def _distances(network: Network, partitions: int, client: "Client | None") -> Values:
    sources = network.dense_agents[sources_of(network.n_agents)]
    by_group = distances.pairs_by_distance(network, sources, partitions=partitions, client=client)
    return distance_values(Distances(by_group.sum(axis=0), by_group, network.n_agents, len(sources)))


def _triangles(network: Network, partitions: int, client: "Client | None") -> Values:
    return triangle_values(Triangles(*triangles.triangle_counts(network, partitions=partitions, client=client)))


def _cores(network: Network, partitions: int, client: "Client | None") -> Values:
    return core_values(cores.core_numbers(network, partitions=partitions, client=client))


def _pagerank(network: Network, partitions: int, client: "Client | None") -> Values:
    return Values({}, {"pagerank": link_analysis.pagerank(network, partitions=partitions, client=client)})


def _labels(network: Network, partitions: int, client: "Client | None") -> Values:
    ranks = ranks_by_id(network)
    return label_values(
        label_propagation.label_propagation(network, initial=ranks, partitions=partitions, client=client)
    )


ON_PARTITIONS: Mapping[str, Computation] = MappingProxyType(
    {
        "components": _components,
        "distances": _distances,
        "triangles": _triangles,
        "cores": _cores,
        "pagerank": _pagerank,
        "labels": _labels,
    }
)
"""What computes a metric on partitions, by its name; the others need the whole network in memory."""
