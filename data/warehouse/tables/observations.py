"""Observed cascades: sets of them as they were imported, the cascades, and their activations."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, SYMBOL, Column, TableSpecification

_CASCADE_SET_ID = Column("cascade_set_id", SYMBOL, "UUID of the set of cascades, derived from its content")
_CASCADE = Column("cascade", pa.int32(), "number of the cascade in its set, from 0, in the order of the source")

SPECIFICATIONS = (
    TableSpecification(
        "observed_cascade_sets",
        "One row per imported set of observed cascades.",
        ("cascade_set_id",),
        (
            Column("cascade_set_id", pa.string(), "UUID derived from the content"),
            Column("cascade_set", pa.string(), "name of the set; the last import under a name is the current one"),
            Column("network_id", pa.string(), "network of the agents; null without one", nullable=True),
            Column("snapshot_id", pa.string(), "snapshot of that network; null without one", nullable=True),
            Column("time_unit", pa.string(), "what a time of 1 means, such as seconds"),
            Column("cascades", pa.int64(), "number of cascades"),
            Column("activations", pa.int64(), "number of activations in all of them"),
            Column("agents", pa.int64(), "distinct agents activated"),
            Column("rejected_rows", pa.int64(), "rows of the source that were left out"),
            Column("source", pa.string(), "what was imported"),
            Column("options", pa.string(), "options of the import, JSON"),
            Column("imported_at", CLOCK, "clock time of the import"),
        ),
    ),
    TableSpecification(
        "observed_cascades",
        "One row per observed cascade.",
        ("cascade_set_id", "cascade"),
        (
            _CASCADE_SET_ID,
            _CASCADE,
            Column("cascade_id", pa.string(), "id of the cascade in the user's data"),
            Column("size", pa.int64(), "cascade size: agents activated, seeds included"),
            Column("duration", pa.float64(), "time from the first to the last activation, in the set's time_unit"),
            Column(
                "observed_depth",
                pa.int32(),
                "longest chain of infectors; null where the source does not say who activated whom",
                nullable=True,
            ),
            Column(
                "structural_virality",
                pa.float64(),
                "mean distance between all pairs of agents in the tree of infectors (Goel et al. 2016); null where the "
                "infectors are unknown or the cascade has one agent",
                nullable=True,
            ),
        ),
        added=(Column("cascade_set", pa.string(), "name of the set"),),
    ),
    TableSpecification(
        "observed_activations",
        "One row per observed cascade and agent that it activated.",
        ("cascade_set_id", "cascade", "agent"),
        (
            _CASCADE_SET_ID,
            _CASCADE,
            Column("agent", pa.int32(), "dense id of the agent: in the network, or without one in this set"),
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("time", pa.float64(), "time since the cascade's first activation, in the set's time_unit"),
            Column("order", pa.int32(), "0 for the cascade's first activation, then 1, 2, ..."),
            Column("infector", pa.int32(), "dense id of the agent that activated it; null if unknown", nullable=True),
            Column("infector_id", pa.string(), "the infector's id in the user's data; null if unknown", nullable=True),
            Column(
                "followers",
                pa.int64(),
                "agents who could see the activation; null where the source does not say",
                nullable=True,
            ),
        ),
        added=(
            Column("cascade_set", pa.string(), "name of the set"),
            Column("cascade_id", pa.string(), "id of the cascade in the user's data"),
        ),
    ),
)
