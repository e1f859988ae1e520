-- One row per current set of observed cascades, and per session of the latest campaign.
-- How do observed cascades compare with simulated ones? (Depth and what follows: of sessions in cascade_shapes.)
WITH simulated AS (
    SELECT
        session AS name, size, 'rounds' AS time_unit, tree_depth, structural_virality, generation_interval
    FROM campaign_sessions
    JOIN (SELECT session_id, replicate, size FROM files.cascades) USING (session_id)
    LEFT JOIN (SELECT * EXCLUDE (size) FROM files.cascade_shapes) USING (session_id, replicate)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
),
observed AS (
    SELECT name, size, time_unit, tree_depth, structural_virality, generation_interval
    FROM observed_and_simulated_cascades
    WHERE origin = 'observed'
),
both_origins AS (
    SELECT 'observed' AS origin, * FROM observed
    UNION ALL BY NAME
    SELECT 'simulated' AS origin, * FROM simulated
)
SELECT
    origin,
    name,
    count(*) AS cascades,
    avg(size) AS mean,
    median(size) AS median,
    quantile_cont(size, 0.95) AS q95,
    max(size) AS largest,
    avg(tree_depth) AS depth,
    avg(structural_virality) AS virality,
    avg(generation_interval) AS generation_interval,
    time_unit
FROM both_origins
GROUP BY origin, name, time_unit
ORDER BY origin, name
