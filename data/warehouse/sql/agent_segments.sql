-- One row per segmentation and agent.
WITH segmented AS (
    SELECT * FROM files.agent_segments
),
segmentations AS (
    SELECT snapshot_id, segmentation_id, segmentation FROM files.segmentations
),
segments AS (
    SELECT snapshot_id, segmentation_id, segment, segment_name FROM files.segments
),
agents AS (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    segmented.*,
    agents.agent_id,
    segmentations.segmentation,
    segments.segment_name
FROM segmented
LEFT JOIN agents
    ON agents.snapshot_id = segmented.snapshot_id AND agents.agent = segmented.agent
LEFT JOIN segmentations
    ON segmentations.snapshot_id = segmented.snapshot_id
    AND segmentations.segmentation_id = segmented.segmentation_id
LEFT JOIN segments
    ON segments.snapshot_id = segmented.snapshot_id
    AND segments.segmentation_id = segmented.segmentation_id
    AND segments.segment = segmented.segment
