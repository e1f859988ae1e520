"""Communities: how a message crosses them."""

import pyarrow as pa

from data.warehouse.tables.specification import SESSION_ID, Column, TableSpecification

_GROUPING = Column(
    "grouping",
    pa.string(),
    "what the communities are: an attribute of the agents, a column of agent_metrics such as community, or a "
    "segmentation, as it was when the rows were published; "
    "for one of several competing messages followed by / and its message_id",
)

SPECIFICATIONS = (
    TableSpecification(
        "community_reach",
        "One row per session, grouping of the agents, and community.",
        ("session_id", "grouping", "group_name"),
        (
            SESSION_ID,
            _GROUPING,
            Column(
                "group_name",
                pa.string(),
                "value that the agents of the community share, as text; empty: agents without one",
            ),
            Column("agents", pa.int64(), "agents of the community"),
            Column("seeds", pa.int64(), "seeds among them"),
            Column("replicates_reached", pa.int64(), "replicates that reached the community"),
            Column("share_of_replicates", pa.float64(), "replicates that reached the community, as a share of all"),
            Column("reach", pa.float64(), "agents of the community that were reached, mean over all replicates"),
            Column(
                "reach_standard_error", pa.float64(), "standard error of reach; null for one replicate", nullable=True
            ),
            Column("share_reached", pa.float64(), "reach as a share of the community's agents"),
            Column(
                "first_round",
                pa.float64(),
                "mean of the first round that reached the community, over the replicates that did; null if none did",
                nullable=True,
            ),
            Column("first_round_q05", pa.float64(), "5 % quantile of the same (linear)", nullable=True),
            Column("first_round_q95", pa.float64(), "95 % quantile of the same (linear)", nullable=True),
            Column("brought_in", pa.float64(), "activations by agents of other communities, mean over replicates"),
            Column(
                "carried_out",
                pa.float64(),
                "activations in other communities by agents of this one, mean over replicates",
            ),
        ),
    ),
    TableSpecification(
        "community_crossings",
        "One row per session, grouping of the agents, and edge that carried the message from one community to another.",
        ("session_id", "grouping", "infector", "agent"),
        (
            SESSION_ID,
            _GROUPING,
            Column("infector", pa.int32(), "dense id of the agent that passed the message on"),
            Column("agent", pa.int32(), "dense id of the agent that it activated"),
            Column("infector_id", pa.string(), "the infector's id in the user's data"),
            Column("agent_id", pa.string(), "the activated agent's id in the user's data"),
            Column("from_group", pa.string(), "community of the infector, as text"),
            Column("to_group", pa.string(), "community of the activated agent, as text"),
            Column("crossings", pa.int64(), "replicates in which this edge carried the message across"),
            Column(
                "entries",
                pa.int64(),
                "replicates in which this brought the message into a community in the first round that reached it",
            ),
            Column("mean_round", pa.float64(), "mean round of the activation, over these replicates"),
        ),
    ),
)
