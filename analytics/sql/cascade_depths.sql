-- One row per session of the latest campaign, the deepest first.
-- How many steps from a seed do cascades get?
-- Plot: bar mean_depth
SELECT
    session,
    avg(depth) AS mean_depth,
    min(depth) AS smallest,
    median(depth) AS median,
    quantile_cont(depth, 0.95) AS q95,
    max(depth) AS largest
FROM cascades
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY mean_depth DESC, session
