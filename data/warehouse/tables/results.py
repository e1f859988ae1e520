"""Results of sessions: activations, contacts, cascades, reach and metrics by round."""

from collections.abc import Iterator

import pyarrow as pa

from data.warehouse.tables.specification import REPLICATE, ROUND, SESSION_ID, SYMBOL, Column, TableSpecification

QUANTILES = (0.05, 0.25, 0.50, 0.75, 0.95)
"""Quantiles over replicates in every summary of replicates."""


def _over_replicates(name: str, what: str) -> Iterator[Column]:
    """Yield the mean, standard error and quantile columns of a quantity over a session's replicates."""
    yield Column(name, pa.float64(), f"{what}, mean over replicates")
    yield Column(
        f"{name}_standard_error",
        pa.float64(),
        f"standard error of {name}; null for one replicate",
        nullable=True,
    )
    for quantile in QUANTILES:
        percent = round(quantile * 100)
        yield Column(f"{name}_q{percent:02d}", pa.float64(), f"{percent} % quantile of {name} over replicates (linear)")


SPECIFICATIONS = (
    TableSpecification(
        "activations",
        "One row per session, replicate and activation.",
        ("session_id", "replicate", "agent", "occasion"),
        (
            SESSION_ID,
            REPLICATE,
            Column("agent", pa.int32(), "dense id of the activated agent"),
            ROUND,
            Column(
                "infector",
                pa.int32(),
                "dense id of the agent that activated it; null for seeds",
                nullable=True,
            ),
            Column("occasion", pa.int32(), "1 for an agent's first activation in the replicate"),
            Column(
                "message_id",
                SYMBOL,
                "message that the agent adopted, where messages compete; null where one message spreads",
                nullable=True,
                later=True,
            ),
        ),
        added=(
            Column("agent_id", pa.string(), "the activated agent's id in the user's data"),
            Column("infector_id", pa.string(), "the infector's id in the user's data; null for seeds", nullable=True),
        ),
    ),
    TableSpecification(
        "propagation_events",
        "One row per session, replicate, round and contact.",
        ("session_id", "replicate", "round", "src", "dst"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("src", pa.int32(), "dense id of the transmitting agent"),
            Column("dst", pa.int32(), "dense id of the contacted agent"),
            Column(
                "event_type",
                SYMBOL,
                "received: the attempt succeeded on an agent not reached before; ignored: it failed; "
                "sent: the agent was already reached",
            ),
        ),
        added=(
            Column("event_id", pa.string(), "UUID derived from the event's key"),
            Column("message_id", pa.string(), "message of the session", nullable=True),
            Column("source_agent_id", pa.string(), "the transmitting agent's id in the user's data"),
            Column("target_agent_id", pa.string(), "the contacted agent's id in the user's data"),
            Column("timestamp", pa.int32(), "simulated round of the contact, the unit of simulated time"),
        ),
    ),
    TableSpecification(
        "cascades",
        "One row per session and replicate.",
        ("session_id", "replicate"),
        (
            SESSION_ID,
            REPLICATE,
            Column("size", pa.int64(), "cascade size: distinct agents reached, seeds included"),
            Column("depth", pa.int32(), "cascade depth: round of the last activation"),
            Column("rounds", pa.int32(), "rounds simulated until no agent transmitted any more, or max_rounds"),
            Column("peak_round", pa.int32(), "round with the most activations, the first if several"),
            Column("truncated", pa.bool_(), "whether agents could still transmit at max_rounds"),
            Column(
                "half_round",
                pa.int32(),
                "first round by which at least half of the cascade's agents were activated; null in sessions of older "
                "versions",
                nullable=True,
                later=True,
            ),
        ),
    ),
    TableSpecification(
        "reach",
        "One row per session and agent reached in at least one replicate.",
        ("session_id", "agent"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("times_reached", pa.int64(), "number of replicates that reached the agent"),
            Column("probability", pa.float64(), "share of replicates that reached the agent, in (0, 1]"),
            Column("mean_round", pa.float64(), "mean round of the agent's first activation, over those replicates"),
        ),
        added=(Column("agent_id", pa.string(), "the agent's id in the user's data"),),
    ),
    TableSpecification(
        "propagation_metrics",
        "One row per session and round.",
        ("session_id", "round"),
        (
            SESSION_ID,
            ROUND,
            Column("active_replicates", pa.int64(), "replicates with at least one activation in this round"),
            *_over_replicates("new_infections", "incidence: agents activated in this round"),
            *_over_replicates("current_infected", "prevalence: agents that transmit after this round"),
            *_over_replicates("total_influenced", "distinct agents reached up to this round, seeds included"),
            Column("propagation_speed", pa.float64(), "activations per round, mean over replicates"),
            Column(
                "reproduction_rate",
                pa.float64(),
                "r_t: mean number of secondary activations of the agents activated in this round; "
                "null if there are none, and for models whose agents transmit in several rounds",
                nullable=True,
            ),
        ),
    ),
)
