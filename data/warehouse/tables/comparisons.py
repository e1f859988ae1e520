"""Decisions: differences between sessions, paths of transmission, responsible agents, points of sweeps."""

import pyarrow as pa

from data.warehouse.tables.specification import SESSION_ID, STRINGS, SYMBOL, Column, TableSpecification


def _interval(name: str, null: str) -> tuple[Column, Column]:
    """Return the columns of the ends of a mean's interval."""
    low, high = (
        Column(f"{name}_{end}", pa.float64(), f"{which} end of the 95 % interval of {name}; {null}", nullable=True)
        for end, which in (("low", "lower"), ("high", "upper"))
    )
    return low, high


_UNKNOWN = "null for one replicate, and where replicates were not recorded"
_DIFFERENCE = (
    Column("first_session_id", pa.string(), "the session whose reach is the minuend"),
    Column("second_session_id", pa.string(), "the session whose reach is subtracted"),
    Column("part", pa.string(), "reach, round, or the column by which agents were grouped"),
    Column("value", pa.string(), "the round, or the group; empty for the whole, and for agents without a group"),
    Column("first", pa.float64(), "agents that the first session reached, mean over replicates"),
    Column("second", pa.float64(), "agents that the second session reached, mean over replicates"),
    Column("difference", pa.float64(), "how many more agents the first session reached, mean"),
    Column(
        "difference_standard_error",
        pa.float64(),
        f"standard error of difference; {_UNKNOWN}",
        nullable=True,
    ),
    *_interval("difference", _UNKNOWN),
    Column("paired", pa.bool_(), "whether the interval was computed replicate by replicate"),
    Column("replicates", pa.int32(), "replicates that were compared"),
    Column(
        "replicates_if_independent",
        pa.int64(),
        "replicates that independent sessions would have needed for the same interval; null except for reach",
        nullable=True,
    ),
)
"""Columns of a difference between sessions, or between messages of theirs."""
_RESPONSIBILITY = (
    Column("agent", pa.int32(), "dense id of the agent"),
    Column(
        "descendants",
        pa.float64(),
        "activations below the agent's first one in the transmission tree, mean over replicates",
    ),
    Column(
        "descendants_standard_error",
        pa.float64(),
        "standard error of descendants; null for one replicate",
        nullable=True,
    ),
    *_interval("descendants", "null for one replicate"),
    Column("share", pa.float64(), "share of all transmissions of the session"),
    Column("probability", pa.float64(), "share of the replicates that activated the agent"),
    Column("is_seed", pa.bool_(), "whether it is a seed"),
)
"""Columns about an agent that passed a message on."""
SPECIFICATIONS = (
    TableSpecification(
        "session_differences",
        "One row per pair of sessions that were compared, and part of it: the whole, a round, or a group of agents.",
        ("first_session_id", "second_session_id", "part", "value"),
        _DIFFERENCE,
    ),
    TableSpecification(
        "transmission_paths",
        "One row per session, agent that was explained, and frequent path by which the message reached it.",
        ("session_id", "agent", "position"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("position", pa.int32(), "order of the path, from 1, the most frequent first"),
            Column("path", STRINGS, "agent_id of each agent on the path, from the seed to the agent"),
            Column("steps", pa.int32(), "transmissions on the path"),
            Column("replicates", pa.int32(), "number of replicates in which the message took the path"),
            Column("probability", pa.float64(), "share of all replicates"),
            Column("probability_low", pa.float64(), "lower end of the 95 % interval of probability (Wilson)"),
            Column("probability_high", pa.float64(), "upper end of the 95 % interval of probability (Wilson)"),
            Column("share", pa.float64(), "share of the replicates that reached the agent"),
            Column(
                "message_id",
                SYMBOL,
                "message that took the path, where messages compete; null where one message spreads",
                nullable=True,
                later=True,
            ),
        ),
    ),
    TableSpecification(
        "responsible_agents",
        "One row per session and agent that passed the message on in at least one replicate.",
        ("session_id", "agent"),
        (SESSION_ID, *_RESPONSIBILITY),
    ),
    TableSpecification(
        "message_differences",
        "One row per pair of competing messages that were compared, in one session or two, and part of the comparison.",
        ("first_session_id", "first_message_id", "second_session_id", "second_message_id", "part", "value"),
        (
            Column("first_message_id", pa.string(), "message of the first session; its reach is the minuend"),
            Column("second_message_id", pa.string(), "message of the second session; its reach is subtracted"),
            *_DIFFERENCE,
        ),
    ),
    TableSpecification(
        "responsible_by_message",
        "One row per session, competing message, and agent that passed this message on in at least one replicate.",
        ("session_id", "message_id", "agent"),
        (SESSION_ID, Column("message_id", SYMBOL, "the competing message"), *_RESPONSIBILITY),
    ),
    TableSpecification(
        "sweep_points",
        "One row per session of a sweep.",
        ("session_id", "sweep_id"),
        (
            SESSION_ID,
            Column("sweep_id", pa.string(), "UUID derived from the sweep's parameters, seed sets and sessions"),
            Column("position", pa.int32(), "order of the point in its sweep, from 0"),
            Column("parameters", pa.string(), "values of the parameters that were varied, JSON"),
            Column("seed_set", pa.string(), "name of the seed set in the sweep"),
            Column(
                "mean_field_reach",
                pa.float64(),
                "agents that a mean field expects to be reached; null for models of users",
                nullable=True,
            ),
            Column(
                "mean_field_threshold",
                pa.float64(),
                "transmission probability above which a mean field expects an epidemic; null if there is none",
                nullable=True,
            ),
        ),
    ),
)
