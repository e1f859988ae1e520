"""Rankings of agents by influence: what was ranked, the first agents, how rankings agree, and what they reach."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, SNAPSHOT_ID, STRINGS, Column, TableSpecification

_RANKING_ID = Column("ranking_id", pa.string(), "comparison of rankings: UUID derived from its specification")
_RANKING = Column(
    "ranking",
    pa.string(),
    "by what agents are ranked: degree (out-degree), pagerank, reverse_pagerank, core_number, collective_influence, "
    "betweenness, or reach (simulated reach of the agent alone)",
)

SPECIFICATIONS = (
    TableSpecification(
        "rankings",
        "One row per comparison of rankings of a network's agents.",
        ("snapshot_id", "ranking_id"),
        (
            SNAPSHOT_ID,
            _RANKING_ID,
            Column("network_id", pa.string(), "name of the network"),
            Column("propagation_model", pa.string(), "registered name of the model that was simulated"),
            Column("model_parameters", pa.string(), "resolved parameters of the model, JSON"),
            Column("rankings", STRINGS, "the rankings that were compared"),
            Column("top", pa.int32(), "agents of each ranking that were compared"),
            Column("candidates", pa.int32(), "agents among the first of any structural ranking, simulated alone"),
            Column("replicates", pa.int32(), "number of replicates of every simulation"),
            Column(
                "random_seed", pa.int64(), "random seed of the candidates' draws; the reach of sets uses the next one"
            ),
            Column("max_rounds", pa.int32(), "last round in which activations were allowed"),
            Column(
                "collective_influence_radius", pa.int32(), "radius of collective influence; null without", nullable=True
            ),
            Column("created_at", CLOCK, "clock time at which the comparison was ready"),
        ),
    ),
    TableSpecification(
        "agent_rankings",
        "One row per comparison of rankings, ranking, and agent among its first.",
        ("snapshot_id", "ranking_id", "ranking", "position"),
        (
            SNAPSHOT_ID,
            _RANKING_ID,
            _RANKING,
            Column("position", pa.int32(), "place in the ranking, from 1"),
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("score", pa.float64(), "value by which the agent is ranked"),
            Column("score_standard_error", pa.float64(), "standard error of a sampled score", nullable=True),
            Column(
                "reach", pa.float64(), "agents that this agent alone reaches, itself included, mean over replicates"
            ),
            Column(
                "reach_standard_error", pa.float64(), "standard error of reach; null for one replicate", nullable=True
            ),
        ),
    ),
    TableSpecification(
        "ranking_agreement",
        "One row per comparison of rankings and two different rankings of it.",
        ("snapshot_id", "ranking_id", "first_ranking", "second_ranking"),
        (
            SNAPSHOT_ID,
            _RANKING_ID,
            Column("first_ranking", pa.string(), "a ranking"),
            Column("second_ranking", pa.string(), "another ranking, later in the list of rankings"),
            Column("common", pa.int32(), "agents that are among the first of both"),
            Column(
                "jaccard", pa.float64(), "agents among the first of both, as a share of those among the first of either"
            ),
            Column("kendall", pa.float64(), "Kendall's tau-b over the candidates; null if all tie", nullable=True),
            Column(
                "spearman",
                pa.float64(),
                "Spearman's rank correlation over the candidates; null if all tie",
                nullable=True,
            ),
        ),
    ),
    TableSpecification(
        "ranking_reach",
        "One row per comparison of rankings, ranking, and number of its first agents that were seeds.",
        ("snapshot_id", "ranking_id", "ranking", "seeds"),
        (
            SNAPSHOT_ID,
            _RANKING_ID,
            _RANKING,
            Column("seeds", pa.int64(), "how many of its first agents were seeds"),
            Column("reach", pa.float64(), "agents that they reach together, themselves included, mean over replicates"),
            Column(
                "reach_standard_error", pa.float64(), "standard error of reach; null for one replicate", nullable=True
            ),
            Column(
                "reach_low",
                pa.float64(),
                "lower end of the 95 % interval of reach; null for one replicate",
                nullable=True,
            ),
            Column(
                "reach_high",
                pa.float64(),
                "upper end of the 95 % interval of reach; null for one replicate",
                nullable=True,
            ),
        ),
    ),
)
