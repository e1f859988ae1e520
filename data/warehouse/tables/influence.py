"""Seed selections: the agents chosen so that a message reaches many others, and what they reach."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "seed_selections",
        "One row per seed selection: what was asked, and what the chosen seeds reach together.",
        ("network_id", "selection_id"),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("selection_id", pa.string(), "UUID derived from everything that determines the selection"),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("propagation_model", pa.string(), "name of the model"),
            Column("model_parameters", pa.string(), "its resolved parameters, JSON"),
            Column("method", pa.string(), "opim_c, imm, sketches or simulation: how the seeds were chosen"),
            Column("budget", pa.float64(), "seeds to add, or the most that they may cost together"),
            Column("costs", pa.string(), "agent column with the costs; given by agent: no column", nullable=True),
            Column(
                "weights",
                pa.string(),
                "agent column that says how much each agent counts; given by agent: no column",
                nullable=True,
            ),
            Column("target_agents", STRINGS, "agent_ids of those who count; empty: all agents do"),
            Column("given_agents", STRINGS, "agent_ids of the seeds that there were before"),
            Column("blocked_agents", STRINGS, "agent_ids that can be neither reached nor seeded"),
            Column("epsilon", pa.float64(), "accuracy asked of the selection"),
            Column("delta", pa.float64(), "probability that a guarantee fails"),
            Column("random_seed", pa.int64(), "random seed of the selection's draws and of the replicates"),
            Column("max_rounds", pa.int32(), "last round with activations"),
            Column("replicates", pa.int32(), "replicates of the reported reach"),
            Column("samples", pa.int64(), "reverse-reachable sets, sketches or simulated seed sets of the selection"),
            Column("reach", pa.float64(), "mean reach of all seeds, agents, or the sum of their weights"),
            Column("reach_standard_error", pa.float64(), "its standard error", nullable=True),
            Column(
                "guaranteed_reach", pa.float64(), "reach that the selection guarantees, with 1 - delta", nullable=True
            ),
            Column("best_reach", pa.float64(), "no seeds within the budget reach more, with 1 - delta", nullable=True),
            Column("guaranteed_share", pa.float64(), "guaranteed_reach / best_reach", nullable=True),
            Column("created_at", CLOCK, "clock time of the selection"),
        ),
    ),
    TableSpecification(
        "selected_seeds",
        "One row per seed selection and seed, the given seeds first, then in the order chosen.",
        ("network_id", "selection_id", "position"),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("selection_id", pa.string(), "selection; see seed_selections"),
            Column("position", pa.int32(), "order of the seed, from 1"),
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("given", pa.bool_(), "whether it was a seed before"),
            Column("cost", pa.float64(), "what seeding it costs; 0 for given seeds"),
            Column("marginal_reach", pa.float64(), "mean of what it adds to the reach of the seeds before it"),
            Column("marginal_reach_standard_error", pa.float64(), "its standard error", nullable=True),
            Column("reach", pa.float64(), "mean reach of the seeds up to this one"),
            Column("reach_standard_error", pa.float64(), "its standard error", nullable=True),
        ),
    ),
)
