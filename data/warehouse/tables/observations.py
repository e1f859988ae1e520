"""Observed cascades: sets of them as they were imported, the cascades, their activations, and the rejected rows."""

import pyarrow as pa

from data.warehouse.tables.specification import (
    CLOCK,
    REPLICATE,
    SESSION_ID,
    STRINGS,
    SYMBOL,
    Column,
    TableSpecification,
)

_CASCADE_SET_ID = Column(
    "cascade_set_id", SYMBOL, "UUID of the set of cascades, derived from its name, content and what the import left out"
)
_CASCADE_SET = Column(
    "cascade_set", pa.string(), "name of the set; null for content that a later import has replaced", nullable=True
)
_CASCADE = Column("cascade", pa.int32(), "number of the cascade in its set, from 0, in the order of the source")
_SHAPE = (
    Column("trees", pa.int64(), "trees that the infectors make: activations without a known infector, seeds included"),
    Column(
        "tree_depth",
        pa.int32(),
        "longest chain of infectors, in steps; null where nobody's infector is known",
        nullable=True,
    ),
    Column(
        "structural_virality",
        pa.float64(),
        "mean distance of all pairs of activations in the same tree of infectors, in steps (Goel et al. 2016); null "
        "where nobody's infector is known",
        nullable=True,
    ),
    Column(
        "generation_interval",
        pa.float64(),
        "mean time between the activations of infector and infected, in the unit of the cascade; null where nobody's "
        "infector is known",
        nullable=True,
    ),
)

SPECIFICATIONS = (
    TableSpecification(
        "observed_cascade_sets",
        "One row per imported set of observed cascades.",
        ("cascade_set_id",),
        (
            Column("cascade_set_id", pa.string(), "UUID derived from name, content and what the import left out"),
            Column("cascade_set", pa.string(), "name of the set"),
            Column("network_id", pa.string(), "network of the agents; null without one", nullable=True),
            Column("snapshot_id", pa.string(), "snapshot of that network; null without one", nullable=True),
            Column("time_unit", pa.string(), "what a time of 1 means, such as seconds"),
            Column("cascades", pa.int64(), "number of cascades"),
            Column("activations", pa.int64(), "number of activations in all of them"),
            Column("agents", pa.int64(), "distinct agents activated"),
            Column("rows_read", pa.int64(), "rows of the source: activations and rejected rows"),
            Column("rejected_rows", pa.int64(), "rows of the source that were left out, see cascade_rejects"),
            Column(
                "unknown_infectors",
                pa.int64(),
                "activations kept without their infector, which was not activated in the cascade by then",
            ),
            Column("source", pa.string(), "what was imported"),
            Column("options", pa.string(), "options of the import, JSON"),
            Column("warnings", STRINGS, "what the import guessed, doubted or left out, in sentences", nullable=True),
            Column("imported_at", CLOCK, "clock time of the first import of this set"),
        ),
        added=(Column("is_current", pa.bool_(), "whether the name means this content: it was imported last"),),
    ),
    TableSpecification(
        "current_cascade_sets",
        "One row per name of a set of observed cascades: its current content, the one imported last.",
        ("cascade_set",),
        (
            Column("cascade_set", pa.string(), "name of the set"),
            Column("cascade_set_id", pa.string(), "its current content"),
        ),
        keyed=True,
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
            Column("duration", pa.float64(), "time from the first to the last activation, in the unit of the cascade"),
            *_SHAPE,
            Column("cascade_label", pa.string(), "label of the cascade in the user's data", nullable=True),
        ),
        added=(_CASCADE_SET,),
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
        added=(_CASCADE_SET, Column("cascade_id", pa.string(), "id of the cascade in the user's data")),
    ),
    TableSpecification(
        "cascade_rejects",
        "One row per rejected row of an imported set of observed cascades.",
        ("cascade_set_id", "reject"),
        (
            _CASCADE_SET_ID,
            Column("reject", pa.int64(), "number of the rejected row, from 0, in the order of the source"),
            Column("line", pa.int64(), "line (or row) of the source, from 1"),
            Column("file", pa.string(), "file of the source, if it has several", nullable=True),
            Column("reason", SYMBOL, "why the row was left out"),
            Column("cascade_id", pa.string(), "cascade, if it could be read", nullable=True),
            Column("agent_id", pa.string(), "agent, if it could be read", nullable=True),
            Column(
                "text",
                pa.string(),
                "first 200 characters of the line, if it could not be read",
                nullable=True,
            ),
        ),
        added=(_CASCADE_SET,),
    ),
    TableSpecification(
        "cascade_shapes",
        "One row per session and replicate whose trees of infectors were measured.",
        ("session_id", "replicate"),
        (
            SESSION_ID,
            REPLICATE,
            Column("size", pa.int64(), "activations, seeds included"),
            Column("duration", pa.float64(), "rounds from the first to the last activation"),
            *_SHAPE,
        ),
    ),
)
