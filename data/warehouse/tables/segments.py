"""Segments: groups of agents that are alike in structure and behaviour, their traits, and the segment of each agent."""

import pyarrow as pa

from data.warehouse.tables.specification import CLOCK, SNAPSHOT_ID, STRINGS, SYMBOL, Column, TableSpecification

_SEGMENTATION_ID = Column("segmentation_id", SYMBOL, "segmentation: UUID derived from its specification")
_SEGMENT = Column("segment", pa.int32(), "number of the segment, from 1 by falling size")
_SEGMENT_NAME = Column("segment_name", pa.string(), "name of the segment: the traits that stand out most")
_COUNTS = pa.list_(pa.field("element", pa.int64()))
_FRACTIONS = pa.list_(pa.field("element", pa.float64()))

SPECIFICATIONS = (
    TableSpecification(
        "segmentations",
        "One row per segmentation of a network's agents.",
        ("snapshot_id", "segmentation_id"),
        (
            SNAPSHOT_ID,
            _SEGMENTATION_ID,
            Column("segmentation", pa.string(), "name of the segmentation, and of the agents' column with the segment"),
            Column("network_id", pa.string(), "name of the network"),
            Column("agents", pa.int64(), "agents that were segmented: all of the network"),
            Column("features", STRINGS, "what the agents were grouped by, in order"),
            Column("transforms", STRINGS, "what was done to each feature before it was standardised: log, or none"),
            Column("left_out", STRINGS, "features that were asked for and not used, each with the reason"),
            Column("notes", STRINGS, "what else to know about the features: values that agents lack, agents alike"),
            Column("session_id", pa.string(), "session whose results are features; null without one", nullable=True),
            Column("cascade_set", pa.string(), "observed cascades that are features; null without them", nullable=True),
            Column("segment_counts", _COUNTS, "numbers of segments that were tried, ascending"),
            Column("silhouettes", _FRACTIONS, "mean silhouette of a sample of agents, for each of these numbers"),
            Column("silhouette", pa.float64(), "mean silhouette of the number of segments that was chosen"),
            Column("silhouette_agents", pa.int64(), "agents of that sample"),
            Column("chosen_by", pa.string(), "how the number of segments was chosen: silhouette, or request"),
            Column("iterations", pa.int32(), "rounds of Lloyd's algorithm over all agents"),
            Column("random_seed", pa.int64(), "random seed of the samples"),
            Column("segmented_at", CLOCK, "clock time at which the segmentation was ready"),
        ),
        added=(Column("is_current", pa.bool_(), "whether the name means this segmentation: it was requested last"),),
    ),
    TableSpecification(
        "current_segmentations",
        "One row per snapshot and name of a segmentation: the current one, which was requested last.",
        ("snapshot_id", "segmentation"),
        (
            Column("snapshot_id", pa.string(), "network snapshot: hash of its content"),
            Column("segmentation", pa.string(), "name of the segmentation"),
            Column("segmentation_id", pa.string(), "the current one of this name"),
            Column("requested_at", CLOCK, "clock time at which it became the one requested last"),
        ),
        keyed=True,
    ),
    TableSpecification(
        "segments",
        "One row per segmentation and segment.",
        ("snapshot_id", "segmentation_id", "segment"),
        (
            SNAPSHOT_ID,
            _SEGMENTATION_ID,
            _SEGMENT,
            _SEGMENT_NAME,
            Column("agents", pa.int64(), "agents of the segment"),
            Column("share", pa.float64(), "agents of the segment as a share of all"),
            Column("traits", STRINGS, "features that stand out, the farthest first, such as 'out_degree +2.1'"),
        ),
    ),
    TableSpecification(
        "segment_traits",
        "One row per segmentation, segment and feature.",
        ("snapshot_id", "segmentation_id", "segment", "feature"),
        (
            SNAPSHOT_ID,
            _SEGMENTATION_ID,
            _SEGMENT,
            Column("feature", pa.string(), "the feature, such as out_degree"),
            Column("feature_mean", pa.float64(), "mean over the segment's agents that have a value; null if none has",
                   nullable=True),
            Column("feature_median", pa.float64(), "median over the same agents", nullable=True),
            Column(
                "z_score",
                pa.float64(),
                "mean of the transformed feature in the segment minus that of all agents, in standard deviations",
            ),
            Column("stands_out", pa.bool_(), "whether the segment is named or described by the feature"),
        ),
    ),
    TableSpecification(
        "agent_segments",
        "One row per segmentation and agent.",
        ("snapshot_id", "segmentation_id", "agent"),
        (
            SNAPSHOT_ID,
            _SEGMENTATION_ID,
            Column("agent", pa.int32(), "dense id of the agent"),
            _SEGMENT,
        ),
        added=(
            Column("agent_id", pa.string(), "the agent's id in the user's data"),
            Column("segmentation", pa.string(), "name of the segmentation"),
            Column("segment_name", pa.string(), "name of the segment"),
        ),
    ),
)  # fmt: skip
