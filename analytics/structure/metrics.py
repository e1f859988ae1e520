"""Metrics by name: what each computes for a network and for its agents."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from analytics.structure import betweenness, components, degrees, distances, leiden, link_analysis
from analytics.structure import triangles as counted_triangles
from analytics.structure.adjacency import Adjacency
from analytics.structure.cores import core_numbers
from analytics.structure.label_propagation import label_propagation, ranks_by_id
from data.errors import InvalidInputError
from data.networks.network import Network
from data.validation import suggestion

MOST_EDGES_BY_DEFAULT = 2_000_000
"""In larger networks, slow metrics are computed only if they are named."""


@dataclass(frozen=True)
class Values:
    """The values of a metric, or of several.

    Attributes
    ----------
    of_network : dict
        By column of the table `network_metrics`; None where a value is not defined.
    of_agents : dict
        By column of the table `agent_metrics`: (n_agents,) arrays by dense id.
    """

    of_network: dict[str, Any] = field(default_factory=dict)
    of_agents: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """One metric that can be asked for.

    Attributes
    ----------
    name : str
    meaning : str
        What it tells, for help texts.
    values_of : callable
        Takes the network and its edges in memory, returns the values.
    network_columns, agent_columns : tuple of str
        Columns of the tables `network_metrics` and `agent_metrics` that it fills.
    slow : bool
        Whether it takes minutes for ten million edges, where the others take seconds.
    """

    name: str
    meaning: str
    values_of: Callable[[Network, Adjacency], Values]
    network_columns: tuple[str, ...] = ()
    agent_columns: tuple[str, ...] = ()
    slow: bool = False


def _counts(_: Network, edges: Adjacency) -> Values:
    agents = edges.n_agents
    return Values(
        {
            "node_count": agents,
            "edge_count": edges.n_edges,
            "pair_count": edges.neighbours.n_pairs,
            "density": edges.n_edges / (agents * (agents - 1)) if agents > 1 else None,
            "reciprocity": degrees.reciprocity(edges),
            "average_degree": edges.n_edges / agents if agents else None,
        }
    )


def _degrees(_: Network, edges: Adjacency) -> Values:
    found = degrees.degree_distribution(edges)
    values: dict[str, Any] = {
        "assortativity": degrees.assortativity(edges),
        "degrees": found.degrees.tolist(),
        "agents_by_degree": found.agents.tolist(),
    }
    if (law := found.power_law) is not None:
        values |= {f"power_law_{name}": getattr(law, name) for name in ("exponent", "minimum", "agents", "distance")}
        for other in law.alternatives:
            values |= {f"{other.name}_{name}": value for name, value in other.parameters.items()}
            values |= {f"{other.name}_ratio": other.likelihood_ratio, f"{other.name}_p_value": other.p_value}
    return Values(values)


def _components(_: Network, edges: Adjacency) -> Values:
    return component_values(components.weak_components(edges), components.strong_components(edges))


def component_values(weak: npt.NDArray[np.int32], strong: npt.NDArray[np.int32]) -> Values:
    """Return the values of the metric, given the component of each agent."""
    found = Values()
    for kind, of_agent in {"weak": weak, "strong": strong}.items():
        number, sizes = components.numbered_by_size(of_agent)
        found.of_agents[f"{kind}_component"] = number
        found.of_network[f"{kind}_components"] = len(sizes)
        found.of_network[f"largest_{kind}_component"] = int(sizes[0]) if len(sizes) else None
    return found


def _distances(_: Network, edges: Adjacency) -> Values:
    return distance_values(distances.hop_distances(edges))


def distance_values(found: distances.Distances) -> Values:
    """Return the values of the metric, given how many pairs are how far apart."""
    length, effective = found.average_path_length, found.effective_diameter
    return Values(
        {
            **length.columns("average_path_length"),
            **effective.columns("effective_diameter"),
            "diameter": found.diameter,
            "distance_sources": found.n_sources,
            "pairs_by_distance": found.pairs.tolist(),
        }
    )


def _triangles(_: Network, edges: Adjacency) -> Values:
    return triangle_values(counted_triangles.triangles(edges))


def triangle_values(found: counted_triangles.Triangles) -> Values:
    """Return the values of the metric, given the triangles of each agent."""
    clustering = found.local_clustering
    return Values(
        {
            "triangles": found.count,
            "transitivity": found.transitivity,
            "clustering_coefficient": float(clustering.mean()) if len(clustering) else None,
        },
        {"triangles": found.of_agent, "local_clustering": clustering},
    )


def _cores(_: Network, edges: Adjacency) -> Values:
    return core_values(core_numbers(edges))


def core_values(found: npt.NDArray[np.int32]) -> Values:
    """Return the values of the metric, given the core number of each agent."""
    return Values({"max_core_number": int(found.max(initial=0))}, {"core_number": found})


def _pagerank(_: Network, edges: Adjacency) -> Values:
    return Values({}, {"pagerank": link_analysis.pagerank(edges)})


def _hits(_: Network, edges: Adjacency) -> Values:
    hubs, authorities = link_analysis.hits(edges)
    return Values({}, {"hub": hubs, "authority": authorities})


def _labels(network: Network, edges: Adjacency) -> Values:
    return label_values(label_propagation(edges, initial=ranks_by_id(network)))


def label_values(labels: npt.NDArray[np.int64]) -> Values:
    """Return the values of the metric, given the label of each agent."""
    number, sizes = components.numbered_by_size(labels)
    return Values({"label_count": len(sizes)}, {"label": number})


def _communities(_: Network, edges: Adjacency) -> Values:
    found = leiden.leiden(edges)
    return Values({"community_count": len(found.sizes), "modularity": found.modularity}, {"community": found.of_agent})


def _betweenness(_: Network, edges: Adjacency) -> Values:
    found = betweenness.betweenness(edges)
    errors = np.full(edges.n_agents, np.nan) if found.standard_error is None else found.standard_error
    known = errors[~np.isnan(errors)]
    largest = None if found.standard_error is None else float(known.max(initial=0))
    return Values(
        {"betweenness_sources": found.n_sources, "betweenness_standard_error": largest},
        {"betweenness": found.share, "betweenness_standard_error": errors},
    )


_TAIL = ("power_law_exponent", "power_law_minimum", "power_law_agents", "power_law_distance")
_ALTERNATIVES = (
    *("lognormal_mean", "lognormal_deviation", "lognormal_ratio", "lognormal_p_value"),
    *("exponential_rate", "exponential_ratio", "exponential_p_value"),
)
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "counts",
                "agents, edges, density, reciprocity",
                _counts,
                ("node_count", "edge_count", "pair_count", "density", "reciprocity", "average_degree"),
            ),
            Metric(
                "degrees",
                "degree distribution, power law and alternatives, assortativity",
                _degrees,
                ("assortativity", "degrees", "agents_by_degree", *_TAIL, *_ALTERNATIVES),
            ),
            Metric(
                "components",
                "connected components, weak and strong",
                _components,
                ("weak_components", "largest_weak_component", "strong_components", "largest_strong_component"),
                ("weak_component", "strong_component"),
            ),
            Metric(
                "distances",
                "hop distances, average path length, diameter",
                _distances,
                (
                    *("average_path_length", "average_path_length_low", "average_path_length_high"),
                    *("effective_diameter", "effective_diameter_low", "effective_diameter_high"),
                    *("diameter", "distance_sources", "pairs_by_distance"),
                ),
            ),
            Metric(
                "triangles",
                "triangles, local clustering, transitivity",
                _triangles,
                ("triangles", "transitivity", "clustering_coefficient"),
                ("triangles", "local_clustering"),
            ),
            Metric("cores", "core numbers", _cores, ("max_core_number",), ("core_number",)),
            Metric("pagerank", "PageRank", _pagerank, (), ("pagerank",)),
            Metric("hits", "hubs and authorities", _hits, (), ("hub", "authority")),
            Metric("labels", "communities by label propagation", _labels, ("label_count",), ("label",)),
            Metric(
                "communities",
                "communities by Leiden, with their modularity",
                _communities,
                ("community_count", "modularity"),
                ("community",),
                slow=True,
            ),
            Metric(
                "betweenness",
                "share of shortest paths that lead through an agent",
                _betweenness,
                ("betweenness_sources", "betweenness_standard_error"),
                ("betweenness", "betweenness_standard_error"),
                slow=True,
            ),
        )
    }
)
"""All metrics by name, in the order in which they are computed."""


def chosen_metrics(network: Network, names: Iterable[str] | None) -> list[Metric]:
    """Return the metrics of these names, or those that are computed by default, before any work.

    Parameters
    ----------
    network : Network
    names : iterable of str, optional
        Names of metrics, or of columns of the table `agent_metrics`. Default: all; without the slow ones, Leiden
        communities and betweenness, if the network has more than 2 million edges.

    Raises
    ------
    InvalidInputError
        If there is no metric of a name, or the network is too large for one that was named.
    """
    if names is None:
        large = network.n_edges > MOST_EDGES_BY_DEFAULT
        return [metric for metric in METRICS.values() if not (metric.slow and large)]
    by_column = {column: metric.name for metric in METRICS.values() for column in metric.agent_columns}
    asked: list[Any] = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
    for name in asked:
        if not isinstance(name, str):
            raise InvalidInputError(f"metric {name!r} is not a name; metrics are {', '.join(METRICS)}")
        if name not in METRICS and name not in by_column:
            raise InvalidInputError(
                f"no metric {name!r}{suggestion(name, [*METRICS, *by_column])}; metrics are {', '.join(METRICS)}"
            )
    if not asked:
        raise InvalidInputError(f"no metric was named; metrics are {', '.join(METRICS)}")
    wanted = {name if name in METRICS else by_column[name] for name in asked}
    if "communities" in wanted:
        leiden.check_size((network.n_edges + 1) // 2)  # a pair has one or two edges
    return [metric for name, metric in METRICS.items() if name in wanted]
