"""Table macros: questions in SQL that take parameters, over several tables; they have no files of their own."""

import pyarrow as pa

from data.warehouse.tables.specification import Column, MacroSpecification

_DEGREES = (
    Column("in_degree", pa.int32(), "number of in-edges in the whole network"),
    Column("out_degree", pa.int32(), "number of out-edges in the whole network"),
)

SPECIFICATIONS = (
    MacroSpecification(
        "neighbors",
        "One row per agent asked for and neighbour of it, in the current snapshot of a network.",
        "network_name, agent_names, direction := 'out'",
        "FROM neighbors('friends', ['ann', 'bob'], direction := 'both')",
        (
            Column("agent_id", pa.string(), "agent asked for: agent_names is one id, or a list of ids"),
            Column("neighbor_id", pa.string(), "its neighbour"),
            Column("direction", pa.string(), "out: the agent passes messages to it; in: the reverse; both"),
            *_DEGREES,
        ),
    ),
    MacroSpecification(
        "subgraph",
        "One row per agent within some hops of an agent, in the current snapshot of a network.",
        "network_name, center, radius := 1, max_agents := 1000, direction := 'both'",
        "FROM subgraph('friends', 'ann', radius := 2)",
        (
            Column("agent_id", pa.string(), "the agent"),
            Column("distance", pa.int32(), "hops from the centre, along edges of the direction asked for"),
            *_DEGREES,
        ),
    ),
)
