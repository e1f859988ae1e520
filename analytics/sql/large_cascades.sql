-- One row per session of the latest campaign, the largest share first.
-- How often does the message go far: in what share of replicates does it reach 1 % and 10 % of all agents?
SELECT
    session,
    round(avg(CAST(size >= 0.01 * agents AS INTEGER)), 3) AS share_reaching_1_percent,
    round(avg(CAST(size >= 0.10 * agents AS INTEGER)), 3) AS share_reaching_10_percent
FROM cascades
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
JOIN networks USING (network_id, snapshot_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY share_reaching_10_percent DESC, share_reaching_1_percent DESC, session
