-- One row per session of the latest campaign, the largest median first.
-- How much do single replicates vary: how large are their cascades?
-- Plot: bar median
SELECT
    session,
    min(size) AS smallest,
    round(quantile_cont(size, 0.05)) AS q05,
    round(median(size)) AS median,
    round(quantile_cont(size, 0.95)) AS q95,
    max(size) AS largest
FROM cascades
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY median(size) DESC, session
