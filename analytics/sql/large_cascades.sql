-- One row per session of the latest campaign, the largest mean size first.
-- In what share of replicates does the message reach 1 % and 10 % of all agents?
-- Plot: bar share_reaching_10_percent
SELECT
    session,
    count_if(size >= 0.01 * agents) / count(*) AS share_reaching_1_percent,
    count_if(size >= 0.10 * agents) / count(*) AS share_reaching_10_percent
FROM cascades
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
JOIN networks USING (network_id, snapshot_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY avg(size) DESC, session
