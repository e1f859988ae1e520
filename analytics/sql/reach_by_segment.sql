-- One row per session of the latest campaign and segment of its network's agents.
-- Which segments of agents does the message reach, and when? (The segmentation requested last; sessions that record reach; mean_round is over all times that agents are reached.)
WITH sessions AS (
    SELECT session, position, session_id, snapshot_id
    FROM campaign_sessions
    JOIN propagation_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND record <> 'rounds'
),
segmentations AS (
    SELECT snapshot_id, max_by(segmentation_id, requested_at) AS segmentation_id
    FROM files.current_segmentations
    GROUP BY snapshot_id
),
reached AS (
    SELECT
        session_id,
        segment,
        sum(probability) AS reached_per_replicate,
        sum(probability * reach.mean_round) / sum(probability) AS mean_round
    FROM files.reach AS reach
    JOIN sessions USING (session_id)
    JOIN segmentations USING (snapshot_id)
    JOIN files.agent_segments AS agents USING (snapshot_id, segmentation_id, agent)
    GROUP BY ALL
)
SELECT
    session,
    segments.segment,
    segment_name,
    agents,
    coalesce(reached_per_replicate, 0) AS reach,
    coalesce(reached_per_replicate, 0) / agents AS share_reached,
    mean_round
FROM sessions
JOIN segmentations USING (snapshot_id)
JOIN files.segments AS segments USING (snapshot_id, segmentation_id)
LEFT JOIN reached
    ON reached.session_id = sessions.session_id
    AND reached.segment = segments.segment
ORDER BY position, segments.segment
