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


def _simulated(name: str, documentation: str) -> Column:
    """Return a column of what a sweep simulated, which older versions did not publish."""
    return Column(name, pa.float64(), f"{documentation}; null in sweeps of older versions", nullable=True, later=True)


_UNKNOWN = "null for one replicate, and where replicates were not recorded"
_PAIR = (
    Column("first_session_id", pa.string(), "the session whose reach is the minuend"),
    Column("second_session_id", pa.string(), "the session whose reach is subtracted"),
)
_DIFFERENCE = (
    *_PAIR,
    Column(
        "part",
        pa.string(),
        "reach, round, or the column by which agents were grouped (column reach, column round if it is called so)",
    ),
    Column("value", pa.string(), "the round, or the group; empty for the whole, and for agents without a group"),
    Column("first", pa.float64(), "agents that the first session reached, mean over the replicates compared"),
    Column("second", pa.float64(), "agents that the second session reached, mean over the replicates compared"),
    Column("difference", pa.float64(), "how many more agents the first session reached, mean"),
    Column(
        "difference_standard_error",
        pa.float64(),
        f"standard error of difference; {_UNKNOWN}",
        nullable=True,
    ),
    *_interval("difference", _UNKNOWN),
    Column(
        "paired",
        pa.bool_(),
        "whether the interval was computed replicate by replicate; if not, first and second of rounds and groups are "
        "means over all replicates of each session",
    ),
    Column("replicates", pa.int32(), "replicates that were compared"),
    Column(
        "replicates_if_independent",
        pa.int64(),
        "replicates that independent sessions would have needed for the same interval; null except for reach",
        nullable=True,
    ),
    *(
        Column(
            f"agents_only_{session}",
            pa.int64(),
            f"agents that the {session} session reached in some replicate and the other one in none; null except for "
            "reach, where that is not known, and in comparisons of older versions",
            nullable=True,
            later=True,
        )
        for session in ("first", "second")
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
_PROBABILITY = (
    Column("probability", pa.float64(), "share of all replicates"),
    Column("probability_low", pa.float64(), "lower end of the 95 % interval of probability (Wilson)"),
    Column("probability_high", pa.float64(), "upper end of the 95 % interval of probability (Wilson)"),
)
"""Columns of a probability that was counted over replicates."""
_OF_REACHED = Column("share", pa.float64(), "share of the replicates that reached the agent")
_MEAN_ROUND = Column(
    "mean_round",
    pa.float64(),
    "mean round of the activation, over these replicates; null if there are none",
    nullable=True,
)
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
            *_PROBABILITY,
            _OF_REACHED,
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
        "explained_agents",
        "One row per session and agent that was explained: how often the message reached it, and by how many paths.",
        ("session_id", "agent"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("times_reached", pa.int64(), "number of replicates that reached the agent"),
            *_PROBABILITY,
            _MEAN_ROUND,
            Column("distinct_paths", pa.int64(), "different paths by which it was reached"),
        ),
    ),
    TableSpecification(
        "explained_messages",
        "One row per session in which messages compete, agent that was explained, and message.",
        ("session_id", "agent", "message_id"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("message_id", SYMBOL, "the competing message"),
            Column("times_reached", pa.int64(), "number of replicates in which the agent adopted the message"),
            *_PROBABILITY,
            _OF_REACHED,
            _MEAN_ROUND,
        ),
    ),
    TableSpecification(
        "path_agents",
        "One row per session, agent that was explained, and other agent on any of the paths to it.",
        ("session_id", "agent", "through"),
        (
            SESSION_ID,
            Column("agent", pa.int32(), "dense id of the agent that was explained"),
            Column("through", pa.int32(), "dense id of the agent on the path"),
            Column("replicates", pa.int32(), "number of replicates in which the path led through it"),
            *_PROBABILITY,
            _OF_REACHED,
            Column(
                "transmitted",
                pa.float64(),
                "share of the replicates that reached the agent in which the other one activated it",
            ),
        ),
    ),
    TableSpecification(
        "responsible_agents",
        "One row per session in which one message spreads, and agent that passed it on in at least one replicate.",
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
        "agent_differences",
        "One row per pair of sessions, or competing messages of theirs, that were compared, and agent that they reach "
        "with different probabilities, or in different replicates.",
        ("first_session_id", "first_message_id", "second_session_id", "second_message_id", "agent"),
        (
            *_PAIR,
            Column("first_message_id", pa.string(), "message of the first session; empty if no messages were compared"),
            Column(
                "second_message_id", pa.string(), "message of the second session; empty if no messages were compared"
            ),
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("first", pa.float64(), "share of replicates in which the first session reached the agent"),
            Column("second", pa.float64(), "share of replicates in which the second session reached the agent"),
            Column("difference", pa.float64(), "first - second"),
            *(
                Column(
                    f"only_{session}",
                    pa.float64(),
                    f"share of replicates in which only the {session} session reached the agent; null unless paired",
                    nullable=True,
                )
                for session in ("first", "second")
            ),
            Column(
                "paired",
                pa.bool_(),
                "whether the shares are of the replicates that both have; if not, of all replicates of each session",
            ),
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
            _simulated("reach", "distinct agents reached, mean over replicates"),
            _simulated("reach_standard_error", "standard error of reach; null for one replicate"),
            _simulated("reach_low", "lower end of the 95 % interval of reach; null for one replicate"),
            _simulated("reach_high", "upper end of the 95 % interval of reach; null for one replicate"),
            _simulated("variability", "standard deviation of cascade sizes / their mean; null for one replicate"),
            _simulated(
                "simulated_threshold",
                "transmission probability at which cascade sizes vary most, of the points that differ in it only; null "
                "if that is the least or greatest value, or there is no threshold",
            ),
            _simulated("simulated_threshold_low", "the value of the sweep before simulated_threshold; null like it"),
            _simulated("simulated_threshold_high", "the value of the sweep after simulated_threshold; null like it"),
        ),
    ),
)
