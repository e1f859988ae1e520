"""Containment: what to block against a message, and how many agents that saves."""

import pyarrow as pa

from data.warehouse.tables.specification import STRINGS, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "containment_plans",
        "One row per containment of a message, method and choice.",
        ("network_id", "containment_id", "method", "step"),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("containment_id", pa.string(), "UUID derived from all that was asked for"),
            Column("method", pa.string(), "how choices were made: greedy, degree, pagerank or random"),
            Column("step", pa.int32(), "position of the choice in the method's order, from 1"),
            Column("action", pa.string(), "block_agents, block_edges or counter_message"),
            Column(
                "agent_id",
                pa.string(),
                "the agent to block, or to start the counter-message at, or the source of the edge to block",
            ),
            Column("target_id", pa.string(), "target of the edge to block; null for agents", nullable=True),
            Column(
                "reach",
                pa.float64(),
                "agents that the message still reaches after this and all earlier choices of the method, mean over "
                "replicates; null where this number of choices was not simulated",
                nullable=True,
            ),
            Column(
                "saved",
                pa.float64(),
                "agents saved: reach_before - reach, mean over replicates; null as reach",
                nullable=True,
            ),
            Column(
                "saved_standard_error",
                pa.float64(),
                "standard error of saved, by replicate; null for one replicate, and as reach",
                nullable=True,
            ),
            Column("saved_low", pa.float64(), "lower end of the 95 % interval of saved; null likewise", nullable=True),
            Column("saved_high", pa.float64(), "upper end of the 95 % interval of saved; null likewise", nullable=True),
            Column("reach_before", pa.float64(), "agents that the message reaches without any choice, mean"),
            Column("replicates", pa.int32(), "replicates on which the choices were simulated"),
            Column(
                "samples",
                pa.int64(),
                "other replicates, on which the greedy method chose; fewer than asked for if memory did not suffice",
            ),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("model_parameters", pa.string(), "resolved parameters of the model, JSON"),
            Column("seed_agents", STRINGS, "agent_id of each seed of the message, in the order chosen"),
            Column("blocked_agents", STRINGS, "agent_id of each agent that was blocked already"),
            Column("random_seed", pa.int64(), "random seed of all draws"),
            *(
                Column(name, kind, f"{documentation}; null in plans of older versions", nullable=True, later=True)
                for name, kind, documentation in (
                    ("cost", pa.float64(), "what the choice costs"),
                    ("max_rounds", pa.int32(), "last round in which activations were allowed"),
                    ("delay", pa.int32(), "round in which the counter-message starts; null without one"),
                    ("ties", pa.string(), "random, message or counter_message; null without a counter-message"),
                    ("budget", pa.float64(), "number of choices asked for; with costs, the most that they may cost"),
                    ("costs", pa.string(), "agent column with the cost of each choice; null if each costs 1"),
                    ("candidate_ids", STRINGS, "what could be chosen, edges as SOURCE,TARGET; null if everything"),
                )
            ),
        ),
    ),
)
