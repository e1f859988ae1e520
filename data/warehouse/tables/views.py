"""Views over several tables, for questions that would need joins; they have no files of their own."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, Column, ViewSpecification

SPECIFICATIONS = (
    ViewSpecification(
        "campaign_results",
        "One row per campaign and session in it, with the seeds as the campaign requested them, and the result.",
        (
            Column("campaign", pa.string(), "name of the campaign"),
            Column("session", pa.string(), "the session's name in its campaign"),
            Column("network_id", pa.string(), "name of the network"),
            Column("strategy", pa.string(), "seed strategy that the campaign requested, or explicit"),
            Column("budget", pa.int64(), "number of seeds"),
            Column("strategy_parameters", pa.string(), "the strategy with all its parameters, JSON", nullable=True),
            Column("propagation_model", pa.string(), "registered name of the model"),
            Column("model_parameters", pa.string(), "resolved parameters of the model, JSON"),
            Column("replicates", pa.int32(), "number of replicates"),
            Column("reach", pa.float64(), "distinct agents reached, seeds included, mean over replicates"),
            Column(
                "reach_standard_error", pa.float64(), "standard error of reach; null for one replicate", nullable=True
            ),
            Column("rounds", pa.int32(), "rounds simulated by the longest replicate"),
            Column("stopped_because", pa.string(), "died_out, or max_rounds if some replicate was truncated"),
            Column("plan", pa.string(), "physical plan that ran the session"),
            Column("estimated_seconds", pa.float64(), "planner's estimate for the whole job, seconds"),
            Column("job_seconds", pa.float64(), "clock time of the job the session ran in, seconds"),
            Column("estimated_bytes", pa.int64(), "planner's estimate of the job's peak memory, bytes"),
            Column("peak_bytes", pa.int64(), "measured peak memory of the job, bytes; null if unknown", nullable=True),
            Column(
                "job_id", pa.string(), "the same for sessions that ran in one job, whose times and memory they share"
            ),
            Column("completed_at", CLOCK, "clock time at which the campaign's results were ready"),
            Column("position", pa.int32(), "order of the session in its campaign, from 0"),
            Column("session_id", pa.string(), "session; campaigns with an identical session share it"),
            Column("snapshot_id", pa.string(), "snapshot of the network"),
            Column("campaign_id", pa.string(), "campaign"),
        ),
    ),
    ViewSpecification(
        "message_reach",
        "One row per session in which messages compete and activations are recorded, and message.",
        (
            Column("session_id", pa.string(), "session"),
            Column("message_id", pa.string(), "message"),
            Column("message", pa.string(), "the message's name in its campaign; without a campaign, its id"),
            Column("replicates", pa.int32(), "number of replicates"),
            Column("reach", pa.float64(), "agents that adopt the message, its seeds included, mean over replicates"),
            Column(
                "reach_standard_error", pa.float64(), "standard error of reach; null for one replicate", nullable=True
            ),
        ),
    ),
    ViewSpecification(
        "observed_and_simulated_cascades",
        "One row per cascade, observed or simulated, of current sets and of sessions whose trees of infectors were "
        "measured.",
        (
            Column("origin", pa.string(), "observed or simulated"),
            Column("name", pa.string(), "name of the set of observed cascades, or id of the session"),
            Column("cascade", pa.int32(), "number of the cascade in its set, or replicate of the session"),
            Column("cascade_id", pa.string(), "id of the cascade in the user's data, or the replicate as text"),
            Column("size", pa.int64(), "activations, seeds included"),
            Column("duration", pa.float64(), "time from the first to the last activation, in time_unit"),
            Column("time_unit", pa.string(), "unit of the times; rounds of simulated cascades"),
            Column("trees", pa.int64(), "trees that the infectors make: activations without a known infector"),
            Column("tree_depth", pa.int32(), "longest chain of infectors; null where none is known", nullable=True),
            Column(
                "structural_virality",
                pa.float64(),
                "mean distance of all pairs of activations in the same tree; null where no infector is known",
                nullable=True,
            ),
            Column(
                "generation_interval",
                pa.float64(),
                "mean time between infector and infected, in time_unit; null where no infector is known",
                nullable=True,
            ),
        ),
    ),
)
