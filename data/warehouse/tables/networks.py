"""Network snapshots: their rows, agents, edges and rejected source rows."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, SNAPSHOT_ID, STRINGS, SYMBOL, Column, TableSpecification

SPECIFICATIONS = (
    TableSpecification(
        "networks",
        "One row per network snapshot.",
        ("network_id", "snapshot_id"),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "hash of the snapshot's content: ids, edges, attributes, roles"),
            Column("parent_snapshot_id", pa.string(), "the network's snapshot before this one", nullable=True),
            Column("agents", pa.int64(), "agents, isolated ones included"),
            Column("edges", pa.int64(), "directed edges after removal of self-loops and duplicates"),
            Column("rows_read", pa.int64(), "data rows of the source"),
            Column("self_loops", pa.int64(), "rows rejected because source and target are the same agent"),
            Column("duplicates", pa.int64(), "rows beyond the first with an equal (source, target)"),
            Column("malformed", pa.int64(), "rows that could not be read"),
            Column("max_in_degree", pa.int64(), "largest number of in-edges of an agent"),
            Column("max_out_degree", pa.int64(), "largest number of out-edges of an agent"),
            Column("partitions", pa.int32(), "edge partitions, by range of src"),
            Column("strength_column", pa.string(), "edge attribute that is the strength", nullable=True),
            Column("probability_column", pa.string(), "edge attribute that is the probability", nullable=True),
            Column("edge_attributes", STRINGS, "names of the attributes of the edges"),
            Column("agent_attributes", STRINGS, "names of the attributes of the agents"),
            Column("description", pa.string(), "where the edges came from"),
            Column("options", pa.string(), "options of the import or generator, JSON"),
            Column("source_fingerprint", pa.string(), "hash of the source's bytes and options", nullable=True),
            Column("created_at", CLOCK, "clock time of the import"),
            Column(
                "warnings",
                STRINGS,
                "what the import guessed, doubted or left out, in sentences",
                nullable=True,
                later=True,
            ),
            Column(
                "id_range",
                pa.int64(),
                "dense ids are below this; if more than agents, unused ids are reserved; null: equal to agents",
                nullable=True,
                later=True,
            ),
        ),
    ),
    TableSpecification(
        "network_agents",
        "One row per agent of a network snapshot.",
        ("snapshot_id", "agent"),
        (
            SNAPSHOT_ID,
            Column("agent", pa.int32(), "dense id of the agent, from 0 by falling total degree"),
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("in_degree", pa.int32(), "number of in-edges"),
            Column("out_degree", pa.int32(), "number of out-edges"),
        ),
        further="the attributes in the source data",
        of_snapshots=True,
    ),
    TableSpecification(
        "network_edges",
        "One row per directed edge of a network snapshot.",
        ("snapshot_id", "src", "dst"),
        (
            SNAPSHOT_ID,
            Column("src", pa.int32(), "dense id of the source agent"),
            Column("dst", pa.int32(), "dense id of the target agent"),
        ),
        further="the attributes in the source data",
        added=(
            Column("source_agent_id", pa.string(), "the source agent's id in the user's data"),
            Column("target_agent_id", pa.string(), "the target agent's id in the user's data"),
        ),
        of_snapshots=True,
    ),
    TableSpecification(
        "network_rejects",
        "One row per rejected row of an imported source.",
        ("snapshot_id", "line", "reason"),
        (
            SNAPSHOT_ID,
            Column("line", pa.int64(), "line (or row) of the source, from 1"),
            Column("reason", SYMBOL, "malformed, self_loop or duplicate"),
            Column("detail", pa.string(), "what was wrong, or how the row was treated"),
            Column("source_agent_id", pa.string(), "source, if it could be read", nullable=True),
            Column("target_agent_id", pa.string(), "target, if it could be read", nullable=True),
            Column(
                "text",
                pa.string(),
                "first 200 characters of the line, if it could not be read",
                nullable=True,
            ),
        ),
    ),
    TableSpecification(
        "current_networks",
        "One row per network name: its current snapshot, the one imported last.",
        ("network_id",),
        (
            Column("network_id", pa.string(), "name of the network"),
            Column("snapshot_id", pa.string(), "its current snapshot"),
        ),
        keyed=True,
    ),
)
