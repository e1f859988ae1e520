-- One row per session of the latest campaign, the fewest agents left out first.
-- How many agents does the message reach in no replicate at all? (Sessions that record reach.)
-- Plot: bar share_never_reached
SELECT
    session,
    any_value(agents) - count(agent) AS agents_never_reached,
    1 - count(agent) / any_value(agents) AS share_never_reached
FROM campaign_sessions
JOIN propagation_sessions USING (session_id)
JOIN networks USING (network_id, snapshot_id)
LEFT JOIN files.reach USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND record <> 'rounds'
GROUP BY session
ORDER BY share_never_reached, session
