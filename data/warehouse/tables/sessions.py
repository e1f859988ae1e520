"""Sessions: what was simulated, and the time and memory it took."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, STRINGS, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "propagation_sessions",
        "One row per session: one message with its seed set, simulated over all replicates.",
        ("session_id",),
        (
            Column("session_id", pa.string(), "UUID derived from the specification hash"),
            Column("specification_hash", pa.string(), "hash of everything that determines the session's rows"),
            Column("message_id", pa.string(), "message that spreads", nullable=True),
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("model_parameters", pa.string(), "resolved parameters of the model, JSON"),
            Column("seed_strategy", pa.string(), "how the seed set was chosen"),
            Column("seed_agents", STRINGS, "agent_id of each seed, in the order chosen"),
            Column(
                "blocked_agents",
                STRINGS,
                "agent_id of each blocked agent; null in sessions of older versions",
                nullable=True,
                later=True,
            ),
            Column(
                "blocked_edges",
                STRINGS,
                "agent_ids [source, target] of each blocked edge, JSON; null in sessions of older versions",
                nullable=True,
                later=True,
            ),
            Column(
                "seed_messages",
                STRINGS,
                "message of each of the seed_agents, where messages compete; null where one message spreads",
                nullable=True,
                later=True,
            ),
            Column("replicates", pa.int32(), "number of replicates"),
            Column(
                "first_replicate",
                pa.int32(),
                "number of the first replicate; null in sessions of older versions",
                nullable=True,
                later=True,
            ),
            Column("random_seed", pa.int64(), "random seed of all draws"),
            Column("max_rounds", pa.int32(), "last round in which activations were allowed"),
            Column("record", pa.string(), "detail recorded: rounds, reach, activations or contacts"),
            Column("draws_version", pa.int32(), "version of the definition of draws"),
            Column("status", pa.string(), "always completed"),
            Column("stopped_because", pa.string(), "died_out, or max_rounds if some replicate was truncated"),
            Column("truncated_replicates", pa.int32(), "replicates still active at max_rounds"),
            Column("rounds", pa.int32(), "rounds simulated by the longest replicate"),
            Column("total_influenced", pa.float64(), "reach: distinct agents reached, seeds included, mean"),
            Column(
                "total_influenced_standard_error",
                pa.float64(),
                "standard error of total_influenced; null for one replicate",
                nullable=True,
            ),
            Column("plan", pa.string(), "physical plan that ran the session"),
            Column("plan_reason", pa.string(), "why the planner chose it"),
            Column("estimated_seconds", pa.float64(), "planner's estimate for the whole job, seconds"),
            Column("estimated_bytes", pa.int64(), "planner's estimate of the job's peak memory, bytes"),
            Column(
                "peak_bytes",
                pa.int64(),
                "measured peak memory of the job on this machine, minus that before the job, bytes; null if unknown",
                nullable=True,
            ),
            Column("job_seconds", pa.float64(), "clock time of the job the session ran in, seconds"),
            Column("job_lanes", pa.int64(), "lanes of that job: replicates of all its sessions"),
            Column("started_at", CLOCK, "clock time at which the job started"),
            Column("completed_at", CLOCK, "clock time at which its rows were ready to publish"),
        ),
        added=(
            Column(
                "job_id", pa.string(), "the same for sessions that ran in one job, whose times and memory they share"
            ),
        ),
    ),
)
