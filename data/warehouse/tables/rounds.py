"""Rounds of the reference plan, and the progress of partitioned runs."""

import pyarrow as pa

from data.warehouse.tables.specification import REPLICATE, ROUND, SESSION_ID, SYMBOL, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "frontiers",
        "One row per session, replicate, round and transmitting agent, for runs of the reference plan and for sessions "
        "with recorded activations whose agents transmit only in the round after their activation.",
        ("session_id", "replicate", "round", "agent"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("agent", pa.int32(), "dense id of the agent that transmits in the next round"),
            Column("compartment", SYMBOL, "the compartment it is in"),
            Column("since", pa.int32(), "round in which it entered the compartment"),
            Column("occasion", pa.int32(), "activations of the agent so far"),
        ),
        added=(
            Column(
                "agent_id",
                pa.string(),
                "the transmitting agent's id in the user's data; null while the session is unfinished",
                nullable=True,
            ),
        ),
    ),
    TableSpecification(
        "lane_states",
        "One row per session, replicate, round of the reference plan and agent that changed in it.",
        ("session_id", "replicate", "round", "agent"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("agent", pa.int32(), "dense id of the agent"),
            Column("compartment", SYMBOL, "the compartment it is in after the round"),
            Column(
                "since",
                pa.int32(),
                "round in which it entered; null in checkpoints if the agent is finished",
                nullable=True,
            ),
            Column("occasion", pa.int32(), "activations of the agent so far"),
            Column("weight", pa.int64(), "influence weights received so far, in 2^-32"),
            Column("contacts", pa.int32(), "contacts received so far"),
            Column("activated", pa.bool_(), "whether it was activated in this round"),
            Column("infector", pa.int32(), "dense id of the agent that activated it then", nullable=True),
        ),
        further="for users' own models, `moves`, the number of times the agent has changed its compartment, a seed's "
        "start included, and each number of the model's `memory`; float64",
    ),
    TableSpecification(
        "lane_rounds",
        "One row per session, replicate and round up to the last checkpoint of a partitioned run: its progress; "
        "rows may be duplicated if lanes restarted in another grouping.",
        ("session_id", "replicate", "round"),
        (
            SESSION_ID,
            REPLICATE,
            ROUND,
            Column("activations", pa.int64(), "agents activated in this round"),
            Column("first_activations", pa.int64(), "of these, agents never activated before"),
            Column("infectious", pa.int64(), "agents that are reached and transmit after this round"),
            Column("live", pa.int64(), "agents that transmit or may leave their compartment without a contact"),
            Column("changed", pa.bool_(), "whether any agent changed its compartment"),
        ),
    ),
)
