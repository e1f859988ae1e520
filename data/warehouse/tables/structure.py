"""Structure of networks: one row of numbers per snapshot, and one per agent."""

import pyarrow as pa

from data.warehouse.tables.specification import SNAPSHOT_ID, Column, TableSpecification

NUMBERS = pa.list_(pa.field("element", pa.int64()))


def _column(name: str, kind: pa.DataType, documentation: str) -> Column:
    """Return a column that is null until its metric is asked for, and where it is not defined."""
    return Column(name, kind, documentation, nullable=True)


def _interval(name: str) -> tuple[Column, Column]:
    """Return the columns of the ends of the interval of a number that was sampled."""
    low, high = (
        _column(f"{name}_{end}", pa.float64(), f"{which} end of the 95 % interval of {name}; null if it is exact")
        for end, which in (("low", "lower"), ("high", "upper"))
    )
    return low, high


SPECIFICATIONS = (
    TableSpecification(
        "network_metrics",
        "One row per analysed network snapshot, with null in the columns of metrics not asked for so far.",
        ("snapshot_id",),
        (
            SNAPSHOT_ID,
            _column("node_count", pa.int64(), "agents, isolated ones included"),
            _column("edge_count", pa.int64(), "directed edges"),
            _column("pair_count", pa.int64(), "pairs of agents with an edge in either direction"),
            _column("density", pa.float64(), "edges as a share of all ordered pairs of different agents"),
            _column("reciprocity", pa.float64(), "share of edges whose reverse is an edge too"),
            _column(
                "average_degree",
                pa.float64(),
                "mean number of out-edges, which is that of in-edges; mean number of neighbours if undirected",
            ),
            _column(
                "assortativity", pa.float64(), "correlation over edges of out-degree of source, in-degree of target"
            ),
            _column("degrees", NUMBERS, "numbers of neighbours, in either direction, that occur, ascending"),
            _column("agents_by_degree", NUMBERS, "number of agents with each of these degrees, in the same order"),
            _column("power_law_exponent", pa.float64(), "exponent of the power law fitted to the tail of degrees"),
            _column("power_law_minimum", pa.int64(), "smallest degree of the tail that the laws are fitted to"),
            _column("power_law_agents", pa.int64(), "agents in that tail"),
            _column(
                "power_law_distance", pa.float64(), "Kolmogorov-Smirnov distance between that tail and the power law"
            ),
            _column("lognormal_mean", pa.float64(), "mean logarithm of the lognormal distribution fitted to that tail"),
            _column("lognormal_deviation", pa.float64(), "standard deviation of the logarithm of that distribution"),
            _column("lognormal_ratio", pa.float64(), "log-likelihood of the power law minus that of the lognormal"),
            _column(
                "lognormal_p_value", pa.float64(), "probability of lognormal_ratio as far from 0 by chance (Vuong)"
            ),
            _column("exponential_rate", pa.float64(), "rate of the exponential distribution fitted to that tail"),
            _column("exponential_ratio", pa.float64(), "log-likelihood of the power law minus that of the exponential"),
            _column(
                "exponential_p_value", pa.float64(), "probability of a ratio as far from 0 if both fit equally well"
            ),
            _column("weak_components", pa.int64(), "number of weakly connected components"),
            _column("largest_weak_component", pa.int64(), "agents of the largest weakly connected component"),
            _column("strong_components", pa.int64(), "number of strongly connected components"),
            _column("largest_strong_component", pa.int64(), "agents of the largest strongly connected component"),
            _column("average_path_length", pa.float64(), "mean distance of ordered pairs with a path, hops"),
            *_interval("average_path_length"),
            _column("effective_diameter", pa.float64(), "distance within which 90 % of pairs with a path are, hops"),
            *_interval("effective_diameter"),
            _column("diameter", pa.int64(), "largest distance found, hops; a lower bound if agents were sampled"),
            _column("distance_sources", pa.int64(), "agents from which distances were counted; sampled if not all"),
            _column("pairs_by_distance", NUMBERS, "ordered pairs at 1, 2, ... hops, from these agents"),
            _column("triangles", pa.int64(), "triangles in the undirected view"),
            _column("transitivity", pa.float64(), "share of paths of two edges that are closed to a triangle"),
            _column("clustering_coefficient", pa.float64(), "mean local clustering of all agents, undirected view"),
            _column("max_core_number", pa.int64(), "largest k for which there is a k-core, undirected view"),
            _column("betweenness_sources", pa.int64(), "agents from which shortest paths were counted"),
            _column(
                "betweenness_standard_error", pa.float64(), "largest standard error of betweenness; 0 if it is exact"
            ),
            _column("label_count", pa.int64(), "labels that label propagation leaves"),
            _column("community_count", pa.int64(), "communities that Leiden finds"),
            _column("modularity", pa.float64(), "modularity of these communities, undirected view"),
        ),
    ),
    TableSpecification(
        "agent_metrics",
        "One row per agent of an analysed network snapshot, with null in the columns of metrics not asked for so far.",
        ("snapshot_id", "agent"),
        (
            SNAPSHOT_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            _column("pagerank", pa.float64(), "PageRank, damping 0.85; sums to 1"),
            _column("weak_component", pa.int32(), "weakly connected component: from 0 by falling size"),
            _column("strong_component", pa.int32(), "strongly connected component: from 0 by falling size"),
            _column("core_number", pa.int32(), "largest k whose k-core includes the agent, undirected view"),
            _column("triangles", pa.int64(), "triangles that the agent is part of, undirected view"),
            _column("local_clustering", pa.float64(), "share of pairs of the agent's neighbours that are connected"),
            _column("label", pa.int32(), "group by label after 10 rounds of CDLP: from 0 by falling size"),
            _column("community", pa.int32(), "Leiden community: from 0 by falling size"),
            _column("hub", pa.float64(), "hub score of HITS; sums to 1"),
            _column("authority", pa.float64(), "authority score of HITS; sums to 1"),
            _column(
                "betweenness", pa.float64(), "share of ordered pairs of others whose shortest paths lead through it"
            ),
            Column(
                "betweenness_standard_error",
                pa.float64(),
                "standard error of betweenness, rather too small for agents whose share is due to few sources; 0 if it "
                "is exact, null for agents on none of the paths that were counted, and in rows of older versions",
                nullable=True,
                later=True,
            ),
        ),
        added=(Column("agent_id", pa.string(), "the agent's id in the user's data"),),
    ),
)
